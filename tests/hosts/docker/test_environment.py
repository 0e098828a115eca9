"""The variables of a container are told by name and digest, exact to the byte, and no value leaves the server."""

import hashlib
import os
import shlex
import subprocess
from collections.abc import AsyncGenerator, Mapping
from importlib.resources import files
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import CommandFailed, HostError, InputError
from ink_infra_mcp.hosts.docker.environment import AMBIGUOUS, digests, environment_digests
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.pool import HostPool
from tests.programs import program
from tests.ssh.servers import ADDRESS, NAME, PretendServer, pool_of, world_of

LIMIT_S = 60
SCRIPT = files("ink_infra_mcp.hosts.docker").joinpath("environment.sh").read_bytes()
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])
HOSTILE = {
    "PLAIN": "value",
    "EMPTY": "",
    "LINES": "one\ntwo\n\n",
    "SPACES": "  a  b ",
    "EQUALS": "a=b==c=",
    "PERCENT": "%s %% %n \\n \\045 \\c",
    "QUOTES": """it's "quoted" `x` $(id) $HOME""",
    "UMLAUT": "Grüße, 世界",
    "LOOKS_LIKE_THE_SCRIPT": "0x3d 0x41\ndone",
}


def sha(value: bytes) -> str:
    """Return the digest that the server should tell."""
    return hashlib.sha256(value).hexdigest()


def as_go(entries: list[bytes]) -> str:
    """Return what Docker prints for `{{printf "%# x" .}}` of each entry of Config.Env."""
    return "".join(" ".join(f"0x{byte:02x}" for byte in entry) + "\n" for entry in entries)


def tell(folder: Path, shell: list[str], entries: list[bytes]) -> list[str]:
    """Run the script in a shell whose docker has these entries; return its lines."""
    said = folder / "said"
    said.write_text(as_go(entries) + "\n", encoding="ascii")
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$6" = app ] && exec cat {shlex.quote(str(said))}\n', encoding="utf-8")
    docker.chmod(0o755)
    words = [program(shell[0]), *shell[1:], "-s", "--", "app"]
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(words, input=SCRIPT, capture_output=True, timeout=LIMIT_S, check=True, env={"PATH": path})
    lines = done.stdout.decode("ascii").splitlines()
    assert (lines[-1], done.stderr) == ("done", b"")
    return lines[:-1]


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncGenerator[HostPool]:
    """Give a pool that reaches a Muscle with two containers."""
    containers = [
        Container(id=f"{1:064x}", name="app", image="app:1", env=HOSTILE),
        Container(id=f"{2:064x}", name="bare", image="app:1"),
    ]
    world: World = world_of(tmp_path, HostState(name=NAME, address=ADDRESS, role="muscle", containers=containers))
    async with await serve_hosts(world) as ssh:
        there = PretendServer(world, ssh)
        async with pool_of(there.host, key=there.key, reads=READINGS, connect_to=there.connect_to) as made:
            yield made
        assert not [line for line in world.read().journal if "UNKNOWN" in line]


@pytest.mark.anyio
async def test_each_variable_has_the_digest_of_its_exact_value(pool: HostPool) -> None:
    """Line breaks, quotes, spaces and percent signs change no digest; a container without variables has none."""
    with anyio.fail_after(LIMIT_S):
        assert await environment_digests(pool, NAME, "app") == {k: sha(v.encode()) for k, v in HOSTILE.items()}
        assert await environment_digests(pool, NAME, f"{2:064x}") == {}


@pytest.mark.anyio
async def test_a_container_that_is_not_there_has_no_variables_to_compare(pool: HostPool) -> None:
    """No empty answer pretends that nothing was given; a word that is no name is not sent."""
    with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed):
        await environment_digests(pool, NAME, "nobody")
    with pytest.raises(InputError):
        await environment_digests(pool, NAME, "--help")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@settings(max_examples=15, deadline=None)
@given(
    entries=st.dictionaries(
        st.binary(min_size=1, max_size=6).filter(lambda name: not {0, 61} & set(name)),
        st.binary(max_size=80).map(lambda value: value.replace(b"\0", b"")),
        max_size=5,
    )
)
def test_any_bytes_are_told_exactly_in_every_shell(
    tmp_path_factory: pytest.TempPathFactory, shell: list[str], entries: Mapping[bytes, bytes]
) -> None:
    """Whatever a value holds, the shells that servers have make the same digest of it; bare names are left out."""
    folder = tmp_path_factory.mktemp("server")
    lines = tell(folder, shell, [b"NO_VALUE", *(name + b"=" + value for name, value in entries.items())])
    told = {bytes(int(byte, 16) for byte in line.split()[:-1]): line.split()[-1] for line in lines}
    assert told == {name: sha(value) for name, value in entries.items()}


def test_a_name_with_two_values_equals_nothing() -> None:
    """Which of the two counts is up to the program, so no digest may match; the same value twice is one."""
    one, two = f"0x41 {sha(b'1')}", f"0x41 {sha(b'2')}"
    assert digests(NAME, [one, one]) == {"A": sha(b"1")}
    assert digests(NAME, [one, two]) == digests(NAME, [one, two, one]) == {"A": AMBIGUOUS}


@pytest.mark.parametrize("line", ["A 12", f"{sha(b'')}", f"41 {sha(b'')}", f"0x41  {sha(b'')}", ""])
def test_a_line_that_is_something_else_is_no_answer(line: str) -> None:
    """Damaged output is an error, never "no such variable"."""
    with pytest.raises(HostError, match="not to be read"):
        digests(NAME, [line])
