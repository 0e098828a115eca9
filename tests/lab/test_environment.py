"""The variables of real containers, by name and digest, are those that they were given, to the byte."""

import hashlib

import anyio
import pytest

from ink_infra_mcp.hosts.docker.environment import environment_digests
from tests.lab.bed import Bed

pytestmark = pytest.mark.anyio

LIMIT_S = 60
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
