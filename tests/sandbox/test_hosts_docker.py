"""The pretend docker speaks like Docker's own client, in every shell that may run it."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.hosts.commands import UNKNOWN_FILE, write_commands
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from tests.programs import program
from tests.ssh.servers import world_of

NOW = 1_800_000_000.0
WEB = "a" * 64
DB = "b" * 64
SHELLS = [["/bin/sh"], ["dash"], ["bash"], ["busybox", "sh"]]
"""POSIX sh on Linux is one of these."""


def host() -> HostState:
    """Return a server with two containers."""
    web = Container(
        id=WEB,
        name="web-1",
        image="registry.example.com/web:1",
        image_id="sha256:" + "c" * 64,
        labels={"coolify.name": "web", "coolify.applicationId": "7", "traefik.enable": "it's $HOME"},
        env={"PASSWORD": "s3cret"},
        runtime="runsc",
        memory_bytes=2**29,
        nano_cpus=10**9,
        pids_limit=256,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        health="healthy",
        started_at=NOW - 90,
        ports=["192.0.2.11:8080->80/tcp", "[::]:8080->80/tcp"],
        volumes=["data", "/etc:/host"],
    )
    return HostState(
        name="muscle-1",
        address="192.0.2.11",
        role="muscle",
        containers=[
            web,
            Container(id=DB, name="db-1", image="pg", state="exited", exit_code=137, oom_killed=True, restart_count=2),
        ],
    )


@pytest.fixture
def state(tmp_path: Path) -> WorldState:
    """Return a world with that server and the app that its first container belongs to."""
    state = world_of(tmp_path, host()).read()
    app = Application(
        id=7, uuid="u", environment_uuid="e", server_uuid="s", destination_uuid="d", columns={}, settings={}
    )
    app.log_lines = ["one", "it's $two", "three"]
    state.coolify.applications.append(app)
    return state


class Docker:
    """Runs the command that was written for a state."""

    def __init__(self, folder: Path, state: WorldState, shell: list[str]) -> None:
        self._shell = [program(shell[0]), *shell[1:]]
        self._folder = folder
        self._bin = write_commands(folder, state, state.hosts["muscle-1"], now=NOW)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Return the status and the two outputs."""
        command = [*self._shell, str(self._bin / "docker"), *words]
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=20, env={"PATH": str(self._bin)}, check=False
        )
        return ran.returncode, ran.stdout, ran.stderr

    @property
    def unknown(self) -> list[str]:
        """What it could not answer."""
        file = self._folder / UNKNOWN_FILE
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture(params=SHELLS, ids=" ".join)
def docker(request: pytest.FixtureRequest, tmp_path: Path, state: WorldState) -> Docker:
    """Give the command in each shell."""
    shell: list[str] = request.param
    return Docker(tmp_path, state, shell)


def test_ps_lists_what_docker_would(docker: Docker) -> None:
    """Only running ones unless all are asked for; short ids unless whole ones are; filters narrow the list."""
    assert docker("ps", "-q") == (0, f"{WEB[:12]}\n", "")
    assert docker("ps", "--all", "--quiet", "--no-trunc") == (0, f"{WEB}\n{DB}\n", "")
    assert docker("ps", "-aq", "--filter", "name=db") == (0, f"{DB[:12]}\n", "")
    assert docker("ps", "-aq", "--filter", "label=coolify.applicationId=7") == (0, f"{WEB[:12]}\n", "")
    assert docker("ps", "-aq", "--filter", "label=coolify.name") == (0, f"{WEB[:12]}\n", "")
    assert docker("ps", "-aq", "--filter", "label=other") == (0, "", "")
    assert docker("ps", "-a", "--format", "{{.Names}}: {{.State}}") == (0, "web-1: running\ndb-1: exited\n", "")


def test_inspect_answers_by_id_short_id_and_name(docker: Docker) -> None:
    """One line for each, in the order that was asked, and the missing ones afterwards."""
    assert docker("inspect", "--format", "{{.Name}}", "db-1", WEB, DB[:12]) == (0, "/db-1\n/web-1\n/db-1\n", "")
    asked = ("inspect", "--type", "container", "--format", "{{.RestartCount}}", "nobody", "web-1")
    assert docker(*asked) == (1, "0\n", "Error response from daemon: No such container: nobody\n")
    assert docker("inspect", "-f", "{{.Id}}", "x") == (1, "", "Error: No such object: x\n")


def test_inspect_gives_every_field_in_dockers_shape(docker: Docker) -> None:
    """Empty lists are null, a missing health is empty, numbers are numbers, and times are those of Docker."""
    paths = (
        "Config.Image", "HostConfig", "State.ExitCode", "State.OOMKilled", "RestartCount", "State.StartedAt",
        "NetworkSettings.Ports", "Mounts",
    )  # fmt: skip
    template = "[" + ",".join(f"{{{{json .{path}}}}}" for path in paths) + "]"
    status, out, err = docker("inspect", "--format", template, "web-1", "db-1")
    assert (status, err) == (0, "")
    web, db = (json.loads(line) for line in out.splitlines())
    bindings = {"80/tcp": [{"HostIp": "192.0.2.11", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]}
    keys = ("Memory", "NanoCpus", "PidsLimit", "CapAdd", "CapDrop", "SecurityOpt", "Privileged", "Runtime")
    started, never = "2027-01-15T07:58:30.000000000Z", "0001-01-01T00:00:00Z"
    limits = [2**29, 10**9, 256, None, ["ALL"], ["no-new-privileges"], False, "runsc"]
    assert [web[1][key] for key in keys] == limits
    assert [db[1][key] for key in keys] == [0, 0, None, None, None, None, False, "runc"]
    assert (web[0], web[2:7]) == ("registry.example.com/web:1", [0, False, 0, started, bindings])
    assert (db[0], db[2:]) == ("pg", [137, True, 2, never, {}, []])
    assert [(mount["Type"], mount["Source"], mount["Destination"], mount["RW"]) for mount in web[7]] == [
        ("volume", "/var/lib/docker/volumes/data/_data", "/data", True),
        ("bind", "/etc", "/host", True),
    ]


def test_bare_fields_are_printed_as_go_does(docker: Docker) -> None:
    """Without `json`, numbers and words stand as they are, and a switch is a word."""
    template = "{{.RestartCount}} {{.State.OOMKilled}} {{.Config.Image}}"
    assert docker("inspect", "-f", template, "web-1", "db-1")[1] == "0 false registry.example.com/web:1\n2 true pg\n"


def test_the_environment_of_a_container_cannot_be_asked_for(docker: Docker) -> None:
    """The product never reads it, so the sandbox does not answer it."""
    status, out, _ = docker("inspect", "-f", "{{json .Config.Env}}", "web-1")
    assert (status, out) == (127, "")
    assert docker.unknown == ["docker inspect -f {{json .Config.Env}} web-1"]


def test_info_and_version_name_the_engine(docker: Docker) -> None:
    """The runtimes are those of the world, beside Docker's own shim."""
    _, out, _ = docker("info", "--format", "{{json .Runtimes}} {{.ServerVersion}} {{json .DefaultRuntime}}")
    runtimes = json.loads(out.split(" ")[0])
    assert sorted(runtimes) == ["io.containerd.runc.v2", "runc", "runsc"]
    assert out.endswith(' 28.5.1 "runc"\n')
    assert docker("version", "--format", "{{.Server.Version}}") == (0, "28.5.1\n", "")


def test_logs_are_what_the_app_prints(docker: Docker) -> None:
    """Whole, from the end, with times, and since a moment."""
    at = "2027-01-15T07:58:30.000000000Z"
    assert docker("logs", "web-1") == (0, "one\nit's $two\nthree\n", "")
    assert docker("logs", "--tail", "1", "--timestamps", "--", "web-1") == (0, f"{at} three\n", "")
    assert docker("logs", "-n", "99", "--since", "2m", "web-1")[1] == "one\nit's $two\nthree\n"
    assert docker("logs", "--since", "1m", "web-1") == (0, "", "")
    assert docker("logs", "--since", "2027-01-15T07:58:31Z", "web-1") == (0, "", "")
    assert docker("logs", "db-1") == (0, "", "")
    assert docker("logs", "no") == (1, "", "Error response from daemon: No such container: no\n")
    assert docker.unknown == []


def test_the_coolify_container_shows_whether_it_knows_the_runtime_option(tmp_path: Path, state: WorldState) -> None:
    """The one question about its source that has an answer; grep ends with 1 when it finds nothing."""
    asked = ("exec", "coolify", "grep", "-c", "--", "'--runtime'", "/var/www/html/bootstrap/helpers/docker.php")
    for number, (knows, wanted) in enumerate([(True, (0, "1\n", "")), (False, (1, "0\n", ""))]):
        state.coolify.supports_runtime_option = knows
        state.hosts["muscle-1"].containers[1].name = "coolify"
        folder = tmp_path / str(number)
        folder.mkdir()
        docker = Docker(folder, state, ["/bin/sh"])
        assert docker(*asked) == wanted
        assert docker("exec", "coolify", "ls")[0] == 127


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("run", "x"),
        ("ps",),
        ("ps", "--filter", "status=x", "-q"),
        ("inspect", "web-1"),
        ("logs",),
        ("logs", "--follow", "web-1"),
        ("logs", "--since", "noon", "web-1"),
        ("info",),
    ],
)
def test_everything_else_is_unknown(words: tuple[str, ...], docker: Docker) -> None:
    """It ends with 127, says so, and is written down."""
    status, out, err = docker(*words)
    assert (status, out, docker.unknown) == (127, "", [" ".join(("docker", *words)).rstrip() + ("" if words else " ")])
    assert shlex.join(["docker"]) in err


def test_a_server_without_docker_has_no_such_command(tmp_path: Path, state: WorldState) -> None:
    """Neither docker nor its folder, and no runsc where the world has none."""
    state.hosts["muscle-1"].docker_version = state.hosts["muscle-1"].runsc_version = ""
    folder = write_commands(tmp_path, state, state.hosts["muscle-1"], now=NOW)
    assert not {"docker", "runsc"} & {path.name for path in folder.iterdir()}
    df = subprocess.run(
        [str(folder / "df"), "-P", "-k", "/var/lib/docker"], capture_output=True, text=True, timeout=20, check=False
    )
    assert (df.returncode, df.stdout) == (1, "")
