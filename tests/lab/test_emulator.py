"""The sandbox's servers answer as real ones do: the same questions to both, and answers of the same shape.

A command that the product learns to send gets a line in `QUESTIONS` (it changes nothing) or in `CHANGES`; a state of a
server that it learns to meet gets one in `SITUATIONS`. The ways into a server are in test_emulator_network.py, and what
changes its firewall in test_emulator_firewall.py.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.docker.causes import compose_refuses
from ink_infra_mcp.hosts.docker.containers import container_logs, containers_of
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.facts.gathering import gather
from ink_infra_mcp.hosts.upkeep import boots
from ink_infra_mcp.hosts.web.visiting import addresses_from
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.links import Where
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, meanwhile
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server
from tests.lab.shapes import Shape, shape
from tests.ssh.openssh import new_key
from tests.ssh.servers import AtTheirWord, look, permit, script, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 270
NAME, ADDRESS = "muscle-2", "192.0.2.12"
APP, ABSENT = "abcdefghijklmnopqrstuvwx", "zyxwvutsrqponmlkjihgfedc"
TINY = "registry.lab:5000/library/tiny:1"
BEGAN = 1_799_999_000.0

Ask = Callable[[HostPool], Awaitable[object]]


@dataclass(frozen=True)
class Side:
    """One of the two servers: how the fleet knows it, the key that it lets in, and where it listens."""

    host: Host
    key: str
    connect_to: Where = field(default_factory=dict[tuple[str, int], tuple[str, int]])


@dataclass(frozen=True)
class Situation:
    """A state of a server: how a real one comes into it, and how the pretend one is described."""

    name: str
    real: Callable[[Server], None]
    pretend: HostState
    host: Mapping[str, object] = field(default_factory=dict[str, object])
    stranger: bool = False


def run(words: str, *, timeout_s: float = 10) -> Ask:
    """Return the question that a small script puts."""
    return lambda pool: pool.run(NAME, script(words, timeout_s=timeout_s), check=True)


def change(words: str) -> Ask:
    """Return a change that a small script makes, with a permit."""
    return lambda pool: pool.run(NAME, script(words, changes=True), permit=permit(), check=True)


QUESTIONS: Mapping[str, Ask] = {
    "all facts": lambda pool: gather(pool, NAME),
    "facts of the system": lambda pool: gather(pool, NAME, areas=("system",)),
    "facts of Docker": lambda pool: gather(pool, NAME, areas=("docker",)),
    "containers of an app": lambda pool: containers_of(pool, NAME, APP),
    "containers of an app that is not there": lambda pool: containers_of(pool, NAME, ABSENT),
    "log": lambda pool: container_logs(pool, NAME, f"{APP}-1"),
    "last line of a log": lambda pool: container_logs(pool, NAME, f"{APP}-1", lines=1),
    "log since": lambda pool: container_logs(pool, NAME, f"{APP}-1", since="87600h"),
    "log before there was one": lambda pool: container_logs(pool, NAME, f"{APP}-1", since="2096-01-01T00:00:00Z"),
    "log of a container that never ran": lambda pool: container_logs(pool, NAME, "made"),
    "log of a container that is not there": lambda pool: container_logs(pool, NAME, "nobody"),
    "runtime option without a Coolify": lambda pool: knows_runtime_option(pool, NAME),
    "a compose file that is not there": lambda pool: compose_refuses(pool, NAME, ABSENT),
    "a name that nobody has": lambda pool: addresses_from(pool, NAME, "nobody.invalid"),
    "which boot it is": lambda pool: boots.look(pool, NAME, "op-1-reboot"),
    "words": lambda pool: pool.run(NAME, look("sh", "-c", 'printf "%s|" "$@"', "sh", "a b", "$(id)", "é", "")),
    "standard input": lambda pool: pool.run(NAME, look("cat", stdin=b"x\ny")),
    "both outputs": run("echo out; echo err >&2"),
    "an end with 7": run("exit 7"),
    "an end by a signal": run("kill -KILL $$"),
    "no such program": lambda pool: pool.run(NAME, look("no-such-program"), check=True),
    "no end": run("echo begun; sleep 60", timeout_s=0.5),
}
CHANGES: Mapping[str, Ask] = {
    "a change that works": change("true"),
    "a change that fails": change("echo no >&2; exit 3"),
    "a change without a permit": lambda pool: pool.run(NAME, script("true", changes=True)),
}


def _containers(server: Server) -> None:
    """Make a container as Coolify makes an app's, one that ended, one that never ran, and one with a health check."""
    server.say("mkdir", "-p", "/data")
    server.say("docker", "network", "create", "coolify")
    app = (f"--name={APP}-1", f"--label=coolify.name={APP}", "--label=coolify.applicationId=7", "--label=other=x")
    limits = ("--runtime=runsc", "--memory=64m", "--cpus=0.5", "--pids-limit=100", "--cap-drop=ALL")
    ways = ("--security-opt=no-new-privileges", "--publish=8080:80", "--volume=data:/data")
    _docker(server, "run", *app, *limits, *ways, command="echo one; echo two; sleep 600")
    _docker(server, "run", "--name=ended", command="exit 3")
    _docker(server, "create", "--name=made", command="true")
    _docker(server, "run", "--name=well", "--health-cmd=true", "--health-interval=1s", command="sleep 600")
    server.say("docker", "wait", "ended")
    healthy = ("docker", "inspect", "--format", "{{.State.Health.Status}}", "well")
    until(lambda: server.say(*healthy).strip() == "healthy", what="the container does not become healthy", limit_s=20)


def _docker(server: Server, verb: str, *options: str, command: str) -> None:
    detach = ("--detach",) if verb == "run" else ()
    server.say("docker", verb, *detach, "--quiet", "--network=coolify", *options, TINY, "sh", "-c", command)


CGROUPS_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
"""The lab's servers have the kernel of this machine."""
CGROUPS = "cgroup2fs" if CGROUPS_2 else "tmpfs"
BY_HAND: dict[str, JsonValue] = {
    **{f"BlkioDevice{way}": [] for way in ("ReadBps", "ReadIOps", "WriteBps", "WriteIOps")},
    **{key: [] for key in ("BlkioWeightDevice", "Devices", "Dns", "DnsOptions", "DnsSearch", "Ulimits")},
    "ExtraHosts": None,
    "LogConfig": {"Type": "json-file", "Config": {}},
    "OomKillDisable": None if CGROUPS_2 else False,
    "Binds": None,
}
"""What `docker run` says otherwise than Compose."""


def _pretend_containers() -> list[Container]:
    app = Container(
        id="a" * 64,
        name=f"{APP}-1",
        image=TINY,
        labels={"coolify.name": APP, "coolify.applicationId": "7", "other": "x"},
        runtime="runsc",
        memory_bytes=64 * 2**20,
        nano_cpus=500_000_000,
        pids_limit=100,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        started_at=BEGAN,
        ports=["0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp"],
        volumes=["data"],
    )
    ended = Container(id="b" * 64, name="ended", image=TINY, state="exited", exit_code=3, started_at=BEGAN)
    made = Container(id="c" * 64, name="made", image=TINY, state="created")
    well = Container(id="d" * 64, name="well", image=TINY, health="healthy", started_at=BEGAN)
    for one in (app, ended, made, well):
        one.host_config = {**BY_HAND, **({"Binds": ["data:/data"]} if one is app else {})}
    return [app, ended, made, well]


def _without_docker(server: Server) -> None:
    server.say("systemctl", "stop", "docker.socket", "docker.service")
    server.say("mv", "/usr/bin/docker", "/usr/bin/runsc", "/root")
    server.say("sh", "-c", "mkdir -p /data; umount /var/lib/docker; rmdir /var/lib/docker")


def _pretend(**about: object) -> HostState:
    return HostState.model_validate({"name": NAME, "address": ADDRESS, "role": "muscle", **about})


def _nothing(server: Server) -> None:
    """Leave it as it is."""


SITUATIONS = (
    Situation(
        "with containers",
        _containers,
        _pretend(containers=_pretend_containers(), cgroups=CGROUPS),
    ),
    Situation("without Docker", _without_docker, _pretend(docker_version="", runtimes=[], runsc_version="")),
    Situation("off", Server.cut_power, _pretend(up=False)),
    Situation("with another key", _nothing, _pretend(), {"host_key": new_key().export_public_key().decode()}),
    Situation("with no pin", _nothing, _pretend(), {"host_key": ""}),
    Situation("with another user", _nothing, _pretend(), {"ssh_user": "other"}),
    Situation("for a stranger", _nothing, _pretend(), stranger=True),
)
STRANGER = new_key().export_private_key().decode()


@asynccontextmanager
async def pretend_side(situation: Situation, folder: Path) -> AsyncGenerator[Side]:
    """Run the sandbox's server."""
    world = world_of(folder, situation.pretend)
    with world.change() as state:
        row = ("environment_uuid", "server_uuid", "destination_uuid")
        about: dict[str, object] = {"columns": {}, "settings": {}, **dict.fromkeys(row, "x")}
        app = Application.model_validate({"id": 7, "uuid": APP, "log_lines": ["one", "two"], **about})
        state.coolify.applications.append(app)
    async with await serve_hosts(world) as ssh:
        host = Host(name=NAME, address=ADDRESS, host_key=ssh.doors[NAME].host_public_key)
        yield Side(host, ssh.login_private_key, ssh.connect_to)


async def real_side(situation: Situation, bed: Bed) -> Side:
    """Bring the lab's server into the situation."""
    server = bed.fresh(NAME)
    await meanwhile(partial(situation.real, server))
    return Side(bed.host(NAME), bed.lab.login_key)


async def answers(side: Side, situation: Situation, questions: Mapping[str, Ask]) -> dict[str, Shape]:
    """Ask everything, and return the shape of each answer or failure."""
    host = side.host.model_copy(update=dict(situation.host))
    login = Secret(STRANGER if situation.stranger else side.key, source="a test")
    found: dict[str, Shape] = {}
    async with HostPool(
        {NAME: host},
        login=lambda: login,
        clock=SystemClock(),
        redact=Redactor(),
        reads=AtTheirWord(),
        connect_to=side.connect_to,
        connect_timeout_s=1,
    ) as pool:
        for name, ask in questions.items():
            found[name] = shape(await _outcome(ask, pool))
    return found


async def _outcome(ask: Ask, pool: HostPool) -> object:
    try:
        return await ask(pool)
    except InkError as error:
        return error


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
async def test_the_pretend_server_answers_in_the_shape_of_the_real_one(
    situation: Situation, bed: Bed, tmp_path: Path
) -> None:
    """Every question that the product puts to a server, and every failure, looks the same from both."""
    whole = situation.name.startswith("with containers") or situation.name == "without Docker"
    questions = {**QUESTIONS, **CHANGES} if whole else {"a look": QUESTIONS["both outputs"], **CHANGES}
    with anyio.fail_after(LIMIT_S):
        real = await answers(await real_side(situation, bed), situation, questions)
        async with pretend_side(situation, tmp_path) as side:
            pretend = await answers(side, situation, questions)
    assert {name: pretend[name] for name in questions if pretend[name] != real[name]} == {
        name: real[name] for name in questions if pretend[name] != real[name]
    }
