"""A bare server of the lab gets its baseline for real: packages, settings, Docker, gVisor; and gives all of it back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import anyio
import pytest

from ink_infra_mcp.core.baseline import files as baseline_files
from ink_infra_mcp.core.baseline.engines import traefik_of
from ink_infra_mcp.core.baseline.judging import Judgement, Wanted, judge
from ink_infra_mcp.core.baseline.machine import Machine
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.baseline.steps import steps_of
from ink_infra_mcp.core.errors import InkError, StepFailed
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.facts.sections import sections
from ink_infra_mcp.hosts.machine.auditing import audit
from ink_infra_mcp.hosts.machine.reading import command, machine_of, read_machine, words_of
from ink_infra_mcp.hosts.machine.steps import MachineSteps
from ink_infra_mcp.sandbox.hosts.machine import look
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.settings.policy_files import load_baseline
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab import debs
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.vendors import ENGINE, baseline_of, served
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 330
AUDIT_S = 720
"""lynis goes through hundreds of tests, one after the other."""
NAME = "muscle-2"
WEB = "registry.lab:5000/library/web:1"
SLOW = "touch /run/slow-begun\nwhile [ -e /etc/hold-slow ]; do sleep 0.2; done"
"""What a package does while dpkg installs it, until the test lets it."""


@pytest.fixture(scope="module")
def repository(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[debs.Repository]:
    """Make the packages once: those of the vendors, and one of the test's own that dpkg takes its time for."""
    folder = tmp_path_factory.mktemp("debs")
    slow = debs.deb(folder, "slow", "1.0", files={"usr/bin/slow": "#!/bin/sh\n"}, postinst=SLOW)
    with served(lab.site, folder, slow) as found:
        yield found


@dataclass
class Run:
    """Steps of one operation on a real server, each run as the engine runs it."""

    pool: HostPool
    server: Server
    baseline: Baseline
    operation: str = "op-1"
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    async def look(self) -> Machine:
        """Read the server."""
        with anyio.fail_after(LIMIT_S):
            return await read_machine(self.pool, self.server.name, self.baseline)

    async def judged(self, *parts: str) -> Judgement:
        """Read the server and judge it."""
        machine = await self.look()
        wanted = Wanted.model_validate({"role": "muscle", "traefik": traefik_of(machine.proxy), "parts": parts or None})
        return judge(machine, self.baseline, wanted)

    async def steps(self, *parts: str) -> Sequence[Step]:
        """Return what is planned now."""
        return steps_of(await self.judged(*parts), prefix="")

    async def run(self, step: Step | Undo, id_: str = "undo") -> JsonObject:
        """Run one step."""
        id_ = step.id if isinstance(step, Step) else id_
        permit = permit_here(self.operation, step.kind)
        call = StepCall(
            self.operation, id_, step.kind, step.target, step.params, self.results, permit, SystemClock(), print
        )
        with anyio.fail_after(LIMIT_S):
            self.results[id_] = await MachineSteps(self.pool).handlers()[step.kind](call)
        return self.results[id_]

    async def restored(self) -> JsonObject:
        """Give back all that was ever kept."""
        params: JsonObject = {"host": self.server.name}
        return await self.run(Undo(kind="hosts.restore_machine", target=NAME, summary="all back", params=params))


def text_of(server: Server, path: str) -> str:
    """Return a file of the server, or nothing where there is none."""
    done = server.run("cat", path)
    return done.stdout if done.returncode == 0 else "none"


def started_at(server: Server) -> str:
    """Return when the container `app` was started."""
    return server.say("docker", "inspect", "-f", "{{.State.StartedAt}}", "app")


def held_back(server: Server) -> None:
    """Let the slow package be slow until the test says otherwise."""
    server.write("/etc/hold-slow", "")


async def test_a_bare_server_gets_its_baseline_and_gives_it_back(bed: Bed, repository: debs.Repository) -> None:
    """The distribution's Docker is replaced with what runs on it, gVisor is proved; a second look plans nothing; and
    at the end packages, files and kernel settings are what they were.
    """
    server = bed.fresh(NAME)
    server.say("docker", "run", "-d", "-q", "--name", "app", "--restart", "always", WEB)
    before = {
        path: text_of(server, path)
        for path in ("/etc/docker/daemon.json", "/proc/sys/net/ipv4/conf/all/send_redirects")
    }
    async with bed.pool() as pool:
        run = Run(pool, server, baseline_of(repository, "ssh-audit"))
        steps = await run.steps()
        for step in steps:
            await run.run(step)
        again = await run.judged()
        installed = (await run.look()).packages or {}
        apps = server.say("docker", "ps", "--format", "{{.Names}}").split()
        back = await run.restored()
        machine = await run.look()
    assert [step.id for step in steps] == [
        *("packages", "kernel", "journal", "docker_repository", "gvisor_repository", "foreign", "runsc", "docker"),
        *("daemon", "gvisor"),
    ]
    assert (again.findings, again.refusals) == ((), ())
    assert {name: installed[name].version for name in ("docker-ce", "docker-ce-cli", "runsc")} == {
        "docker-ce": ENGINE,
        "docker-ce-cli": ENGINE,
        "runsc": "20260928.0",
    }
    assert installed["docker-ce"].held
    assert apps == ["app"]
    assert back["restored"] == [f"op-1-{part}" for part in ("daemon", "docker", "runsc", "foreign")] + [
        f"op-1-{part}" for part in ("gvisor-repository", "docker-repository", "journal", "kernel", "packages")
    ]
    assert {path: text_of(server, path) for path in before} == before
    assert text_of(server, baseline_files.SYSCTLS) == "none"
    assert (machine.has("docker.io"), machine.has("docker-ce"), machine.has("ssh-audit")) == (True, False, False)


@pytest.mark.parametrize("how", ["cut", "killed"])
async def test_an_installation_that_was_interrupted_goes_on(bed: Bed, repository: debs.Repository, how: str) -> None:
    """Whether the power was cut or dpkg killed in the middle of a package's script, the same step finishes it."""
    server = bed.fresh(NAME)
    held_back(server)
    async with bed.pool() as pool:
        run = Run(pool, server, baseline_of(repository, "slow"))
        for step in await run.steps("packages"):
            # the lab's own source of packages is enough for what is installed: the repository comes first here
            del step
        repositories = [step for step in await run.steps("docker") if step.kind == "hosts.add_repository"]
        for step in repositories:
            await run.run(step)
        (install,) = await run.steps("packages")
        async with anyio.create_task_group() as group:

            async def fails() -> None:
                with pytest.raises(InkError):
                    await run.run(install)

            group.start_soon(fails)
            await eventually(lambda: server.run("test", "-e", "/run/slow-begun").returncode == 0, what="not begun")
            if how == "cut":
                await meanwhile(server.cut_power)
                await meanwhile(server.power_on)
                await meanwhile(server.wait_ready)
            else:
                server.run("sh", "-c", "pkill -9 -f '[i]nk-change'; pkill -9 'dpkg|apt-get|slow.postinst'")
        broken = await run.judged("packages")
        server.say("rm", "-f", "/etc/hold-slow")
        results = [await run.run(step) for step in await run.steps("packages")]
        after = await run.judged("packages")
    assert broken.finish == ("slow",)
    assert results
    assert (after.findings, after.refusals) == ((), ())


async def test_a_key_that_is_another_is_not_trusted(bed: Bed, repository: debs.Repository) -> None:
    """Neither key nor source is left on the server, and the words name both fingerprints."""
    server = bed.fresh(NAME)
    wrong = "F" * 40
    async with bed.pool() as pool:
        run = Run(pool, server, baseline_of(repository))
        (first, *_) = [step for step in await run.steps("docker") if step.kind == "hosts.add_repository"]
        other = first.model_copy(update={"params": {**first.params, "fingerprint": wrong}})
        with pytest.raises(StepFailed) as caught:
            await run.run(other)
    assert f"is not {wrong} but {repository.fingerprint}" in caught.value.failed
    assert caught.value.done == "Nothing was changed."
    assert text_of(server, "/etc/apt/sources.list.d/docker.sources") == "none"
    assert text_of(server, "/etc/apt/keyrings/docker.asc") == "none"


async def test_settings_of_docker_are_merged_checked_and_taken_back(bed: Bed, repository: debs.Repository) -> None:
    """What dockerd does not take is never written; what it cannot start with is taken back, and what ran runs again."""
    server = bed.fresh(NAME)
    server.say("docker", "run", "-d", "-q", "--name", "app", WEB)
    before, started = text_of(server, "/etc/docker/daemon.json"), started_at(server)
    async with bed.pool() as pool:
        run = Run(pool, server, baseline_of(repository))
        (daemon,) = [step for step in await run.steps() if step.kind == "hosts.set_docker_daemon"]
        done: dict[str, str] = {}
        for name, settings in {"unknown": {"no-such-key": 1}, "unusable": {"data-root": "/proc/none"}}.items():
            step = daemon.model_copy(update={"params": {**daemon.params, "part": name, "settings": settings}})
            with pytest.raises(StepFailed) as caught:
                await run.run(step)
            done[name] = caught.value.done
            assert text_of(server, "/etc/docker/daemon.json") == before
        unusable = started_at(server)
        await run.run(daemon)
        lived_on = started_at(server) == unusable
        running = server.say("docker", "ps", "--format", "{{.Names}}").split()
        settings = text_of(server, "/etc/docker/daemon.json")
        again = await run.run(daemon)
    assert done == {"unknown": "Nothing was changed.", "unusable": "All is back as it was."}
    assert (running, lived_on, started != unusable) == (["app"], True, True)
    assert '"insecure-registries"' in settings
    assert '"live-restore": true' in settings
    assert again == run.results["daemon"]


async def test_a_pretend_server_answers_in_the_same_sections(bed: Bed) -> None:
    """The sandbox leaves out none and adds none, and of a real server nothing is unknown."""
    bed.clean(NAME)
    words = words_of(load_baseline())
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run(NAME, command("ink-0123456789abcdef", words, as_root=True), check=True)
    real = sections(said.stdout, "ink-0123456789abcdef")
    host = HostState(name=NAME, address="192.0.2.12", role="muscle")
    pretend = sections(look(host, ("ink-machine", "ink-0123456789abcdef", *words))[1], "ink-0123456789abcdef")
    assert [*real] == [*pretend]
    assert machine_of(NAME, real).unknown == machine_of(NAME, pretend).unknown == {}


@pytest.mark.timeout(900)
async def test_auditors_judge_a_server_by_their_own_reports(bed: Bed) -> None:
    """Where they are installed, their figures are read; where not, that is said and nothing is called fine."""
    server = bed.fresh(NAME)
    async with bed.pool() as pool:
        with anyio.fail_after(AUDIT_S):
            without = await audit(pool, NAME)
            server.say("apt-get", "update", "-q")
            server.say("apt-get", "install", "-q", "-y", "--no-install-recommends", "lynis", "ssh-audit")
            found = await audit(pool, NAME)
    assert (without.lynis, without.ssh_audit, sorted(without.unknown)) == (None, None, ["lynis", "ssh_audit"])
    assert found.unknown == {}
    assert found.lynis
    assert 30 < found.lynis.index < 100
    assert found.ssh_audit
