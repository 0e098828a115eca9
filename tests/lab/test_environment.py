"""The variables of real containers, by name and digest, are those that they were given, to the byte."""

import hashlib
import json

import anyio
import pytest

from ink_infra_mcp.hosts.docker.composing import variables_of_the_server
from ink_infra_mcp.hosts.docker.environment import environment_digests
from ink_infra_mcp.ssh.command import HostCommand
from tests.lab.bed import Bed
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 180
TINY = "registry.lab:5000/library/tiny:1"
HOSTILE = {
    "EMPTY": "",
    "LINES": "one\ntwo\n\n",
    "SPACES": "  a  b ",
    "EQUALS": "a=b==c=",
    "PERCENT": "%s %% \\n \\045 $(id) $HOME 'x' \"y\"",
    "UMLAUT": "Grüße, 世界",
    "LONG": "x" * 100_000,
}


async def test_each_variable_has_the_digest_of_what_the_container_was_given(bed: Bed) -> None:
    """Real Docker's answer, read by the server's own shell, gives each digest; the image's variables are there too."""
    muscle = bed.fresh()
    words = [word for name, value in HOSTILE.items() for word in ("--env", f"{name}={value}")]
    muscle.say("docker", "create", "--name=app", *words, TINY, "true")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            found = await environment_digests(pool, "muscle-2", "app")
    assert found.keys() - HOSTILE.keys() == {"PATH"}
    assert {name: found[name] for name in HOSTILE} == {
        name: hashlib.sha256(value.encode()).hexdigest() for name, value in HOSTILE.items()
    }


async def test_the_variables_of_a_server_are_those_that_docker_compose_meets_there(bed: Bed) -> None:
    """What the shell's own files or the login set comes before an app's `.env`; what nobody exports does not."""
    muscle = bed.fresh()
    muscle.write("/root/.bashrc", "export FROM_BASHRC=1\nEMPTY= ; export EMPTY\nNOT_EXPORTED=1\n")
    muscle.say("mkdir", "/root/compose")
    muscle.write("/root/compose/.env", "FROM_BASHRC=app\nEMPTY=app\nNOT_EXPORTED=app\nNOBODY=app\n")
    names = ["FROM_BASHRC", "EMPTY", "NOT_EXPORTED", "NOBODY", "PATH"]
    muscle.write("/root/compose/compose.yml", "services: {a: {image: 'a:1', command: ['" + "', '".join(
        f"${{{name}-}}" for name in names) + "']}}")  # fmt: skip
    script = "cd /root/compose && docker compose config --format json"
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            found = await variables_of_the_server(pool, "muscle-2", names)
            said = await pool.run(
                "muscle-2", HostCommand(("sh", "-c", script), changes=True), permit=permit_here(), check=True
            )
    meets = dict(zip(names, json.loads(said.stdout)["services"]["a"]["command"], strict=True))
    assert (
        found
        == tuple(sorted(name for name, value in meets.items() if value != "app"))
        == ("EMPTY", "FROM_BASHRC", "PATH")
    )
