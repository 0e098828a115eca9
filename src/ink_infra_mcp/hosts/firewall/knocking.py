"""TCP connects from one server to others, and from inside its own networks; many in one round trip."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
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
INSIDE = "ink-inside"
NOTHING: tuple[str, int] = ("0.0.0.0", 0)  # noqa: S104 - no address that anybody binds: what the script takes for none
"""In place of an endpoint: only look whether there is anybody to try from."""
_LINE = re.compile(r"(?P<address>[0-9a-fA-F:.]{2,45}) (?P<port>\d{1,5}) (?P<answer>open|refused|silent)")
_FROM = re.compile(r"(?P<network>[^\s]{1,15}) " + _LINE.pattern)
_WHO = re.compile(r"who (?P<network>[^\s]{1,15}) (?P<found>yes|nobody)")
_AS_ROOT = 'exec sudo -n bash -s -- "$@"'


@dataclass(frozen=True, slots=True)
class Inside:
    """What connects from inside a server's networks came to; `nobody` are networks that none could be made from."""

    met: dict[tuple[str, str, int], Answer]
    nobody: frozenset[str]


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


async def knock_inside(pool: HostPool, host: str, tries: Iterable[tuple[str, str, int]]) -> Inside:
    """Return what each (network, IP address, port) answers to a TCP connect from inside that network of a server.

    A network is named by the link that leads to it. The connect is made in the namespace of a container or guest that
    is in it; where there is none, or only one without an address of its own (as under gVisor), nobody can try.

    Raises:
        HostError: the server cannot be reached, or cannot try: it is not to be had as root, or has no bash or nsenter.
        ValueError: more than `MOST` connects.
    """
    wanted = tuple(dict.fromkeys(tries))
    if len(wanted) > MOST:
        raise ValueError(f"at most {MOST} connects in one round trip")
    said = await pool.run(host, _inside(pool, host, wanted), check=True)
    if not said.stdout.endswith("done\n") or said.truncated:
        raise CommandFailed(
            f"{host} did not say all that connects from its own networks came to.", host=host, next="Call again."
        )
    lines = said.stdout.splitlines()
    met: dict[tuple[str, str, int], Answer] = {
        (m["network"], m["address"], int(m["port"])): _answer(m["answer"])
        for m in (_FROM.fullmatch(line) for line in lines)
        if m
    }
    who = [m for m in (_WHO.fullmatch(line) for line in lines) if m]
    return Inside(met=met, nobody=frozenset(m["network"] for m in who if m["found"] == "nobody"))


def _inside(pool: HostPool, host: str, wanted: Iterable[tuple[str, str, int]]) -> HostCommand:
    words = [word for network, address, port in wanted for word in (network, address, str(port))]
    as_root = host not in pool.hosts or pool.hosts[host].ssh_user == "root"
    begin = ("bash", "-s", "--") if as_root else ("sh", "-c", _AS_ROOT, "sh")
    script = packaged("firewall/inside.sh").encode()
    return HostCommand((*begin, INSIDE, str(SECONDS), *words), changes=False, timeout_s=SECONDS + 60.0, stdin=script)


def _command(wanted: Iterable[Endpoint]) -> HostCommand:
    words = [word for address, port in wanted for word in (address, str(port))]
    script = packaged("firewall/knock.sh").encode()
    return HostCommand(
        ("bash", "-s", "--", str(SECONDS), *words), changes=False, timeout_s=SECONDS + 30.0, stdin=script
    )


def _answer(word: str) -> Answer:
    return "open" if word == "open" else "silent" if word == "silent" else "refused"
