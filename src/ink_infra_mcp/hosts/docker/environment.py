"""The variables of a container by name and digest: they can be compared, and no value leaves the server."""

import re
from collections.abc import Iterable

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.hosts.docker.containers import container_word
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

AMBIGUOUS = ""
"""In place of the digest of a name that is there twice with two values: which one counts is up to the program."""
_LINE = re.compile(r"((?:0x[0-9a-f]{2} )+)([0-9a-f]{64})")


async def environment_digests(pool: HostPool, host: str, container_id: str) -> dict[str, str]:
    """Return the variables that a container was made with: name -> SHA-256 of its value's bytes, in hex.

    These are Docker's `Config.Env`: those of the image and those given to it, exact to the byte, line breaks too. The
    digests are made on the server by a POSIX shell and sha256sum. A name with two values has `AMBIGUOUS`, which equals
    no digest; a name that is not UTF-8 has its odd bytes as U+FFFD.

    Raises:
        InputError: `container_id` is neither an id nor a name.
        CommandFailed: there is no such container, or the server lacks docker or sha256sum.
        HostError: the server cannot be reached, or its answer is not to be read.
    """
    words = ("sh", "-s", "--", container_word(container_id))
    said = await pool.run(
        host, HostCommand(words, changes=False, stdin=packaged("docker/environment.sh").encode()), check=True
    )
    lines = said.stdout.splitlines()
    if said.truncated or lines[-1:] != ["done"]:
        raise _unreadable(host)
    return digests(host, lines[:-1])


def digests(host: str, lines: Iterable[str]) -> dict[str, str]:
    """Return name -> digest from the lines that the script printed.

    Raises:
        HostError: a line is something else.
    """
    found: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise _unreadable(host)
        name = bytes(int(byte, 16) for byte in match[1].split()).decode(errors="replace")
        found[name] = match[2] if found.get(name, match[2]) == match[2] else AMBIGUOUS
    return found


def _unreadable(host: str) -> HostError:
    return HostError(
        f"What {host} says of a container's variables is not to be read.",
        host=host,
        next="Look at `docker inspect` of the container there.",
    )
