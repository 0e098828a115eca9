"""TCP connects from one server to others, many in one round trip."""

import re
from collections.abc import Iterable
from typing import Literal

from ink_infra_mcp.core.errors import CommandFailed
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

Answer = Literal["open", "refused", "silent"]
Endpoint = tuple[str, int]

SECONDS = 3
MOST = 200
"""Connects of one round trip; each is a process on the server."""
_LINE = re.compile(r"(?P<address>[0-9a-fA-F:.]{2,45}) (?P<port>\d{1,5}) (?P<answer>open|refused|silent)")


async def knock_from(pool: HostPool, host: str, endpoints: Iterable[Endpoint]) -> dict[Endpoint, Answer]:
    """Return what each (IP address, port) answers to a TCP connect made on the server `host`.

    Raises:
        HostError: the server cannot be reached, or cannot try: it has no bash, or no timeout.
        ValueError: more than `MOST` endpoints.
    """
    wanted = tuple(dict.fromkeys(endpoints))
    if len(wanted) > MOST:
        raise ValueError(f"at most {MOST} connects in one round trip")
    said = await pool.run(host, _command(wanted), check=True)
    found: dict[Endpoint, Answer] = {
        (m["address"], int(m["port"])): _answer(m["answer"]) for m in _LINE.finditer(said.stdout)
    }
    if missing := set(wanted) - found.keys():
        raise CommandFailed(
            f"{host} did not say what {len(missing)} of {len(wanted)} connects came to.",
            host=host,
            next="Look whether bash and timeout work there.",
        )
    return {endpoint: found[endpoint] for endpoint in wanted}


def _command(wanted: Iterable[Endpoint]) -> HostCommand:
    words = [word for address, port in wanted for word in (address, str(port))]
    script = packaged("firewall/knock.sh").encode()
    return HostCommand(
        ("bash", "-s", "--", str(SECONDS), *words), changes=False, timeout_s=SECONDS + 30.0, stdin=script
    )


def _answer(word: str) -> Answer:
    return "open" if word == "open" else "silent" if word == "silent" else "refused"
