"""One name and one URL as a server of the fleet sees them: asked with getent and curl, where it has them."""

import re
from dataclasses import dataclass, replace

from ink_infra_mcp.core.errors import CommandFailed
from ink_infra_mcp.core.untrusted import clean
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

SECONDS = 10
START_CHARS = 200
_MOST_BYTES = 65_536
_ABSENT = 127
"""What a POSIX shell says of a program that it does not find."""
_NO_SUCH_NAME = 2
"""getent(1): a key was not found in the database."""
_CERTIFICATE = frozenset({51, 60, 77, 83, 90})
"""curl(1): the peer's certificate is not accepted, or the authorities cannot be read."""
_TOLD = re.compile(r"^ink-visit (\d{3}) ?(.*)$", re.MULTILINE)
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_URL = re.compile(r"https?://[\x21-\x7e]{1,2000}")


class Absent(CommandFailed):
    """The server lacks the program that could tell: nothing is known, and asking again tells nothing new."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one GET saw from a server; nothing is followed.

    `status` is None where there was no answer, and `error` says why. `location` is the URL that a redirect leads to, as
    curl would follow it. `refused` is what curl has against the certificate, empty where it is trusted or none was
    shown; the answer behind a refused one is told all the same.
    """

    status: int | None = None
    location: str = ""
    untrusted_start: str = ""
    refused: str = ""
    error: str = ""


async def addresses_from(pool: HostPool, server: str, name: str) -> tuple[str, ...]:
    """Return the addresses that a host name has on the server, by its own resolver; none where it knows no such name.

    Raises:
        Absent: getent is not there. HostError: the server cannot be asked, or its resolver gives no answer.
        ValueError: it is no host name.
    """
    if not _HOST.fullmatch(name):
        raise ValueError("not a host name")
    command = HostCommand(("getent", "ahosts", name), changes=False, timeout_s=SECONDS + 20.0)
    said = await pool.run(server, command)
    if said.exit_status == _ABSENT:
        raise _absent(server, "getent")
    if said.exit_status not in (0, _NO_SUCH_NAME):
        raise CommandFailed(
            f"{server} cannot resolve names (exit status {said.exit_status}).",
            host=server,
            next="Look at /etc/resolv.conf there, or name another server.",
        )
    return _addresses(said.stdout)


def _addresses(listed: str) -> tuple[str, ...]:
    found = (line.split()[0] for line in listed.splitlines() if line.split())
    return tuple(dict.fromkeys(address for address in found if _ADDRESS.fullmatch(address)))


async def visit_from(pool: HostPool, server: str, url: str, *, address: str) -> Visit:
    """Return what a GET of `url` sees on the server, at `address`, within ten seconds; trouble is a value.

    Where the certificate is refused it is asked once more without looking at it, for what stands behind.

    Raises:
        Absent: curl is not there. HostError: the server cannot be reached.
        ValueError: it is not a URL of http or https, or no address.
    """
    if not _URL.fullmatch(url) or not _ADDRESS.fullmatch(address):
        raise ValueError("use a URL of http or https, and an IP address")
    first = await _curl(pool, server, url, address)
    if not first.refused:
        return first
    behind = await _curl(pool, server, url, address, "--insecure")
    return replace(behind, refused=first.refused)


async def _curl(pool: HostPool, server: str, url: str, address: str, *more: str) -> Visit:
    said = await pool.run(server, HostCommand(_words(url, address, *more), changes=False, timeout_s=SECONDS + 20.0))
    if said.exit_status == _ABSENT:
        raise _absent(server, "curl")
    status, location = _told(said.stderr)
    why = _complaint(said.stderr) or f"curl ends with exit status {said.exit_status}"
    return Visit(
        status=status,
        location=location,
        untrusted_start=clean(pool.redact(" ".join(said.stdout.split())), limit=START_CHARS),
        refused=why if said.exit_status in _CERTIFICATE else "",
        error="" if status else why,
    )


def _told(stderr: str) -> tuple[int | None, str]:
    """Return the status, and where a redirect leads if that is a URL of http or https in plain characters."""
    told = _TOLD.search(stderr)
    if told is None or told[1] == "000":
        return None, ""
    return int(told[1]), told[2] if _URL.fullmatch(told[2]) else ""


def _complaint(stderr: str) -> str:
    """Of a refused certificate the first line says why, and the rest how one would look away."""
    return clean(next((line for line in stderr.splitlines() if line.startswith("curl: (")), ""), limit=200)


def _words(url: str, address: str, *more: str) -> tuple[str, ...]:
    """The name stays in the request and in TLS; only the connection goes to the address, whatever DNS says there."""
    there = f"[{address}]" if ":" in address else address
    return (
        *("curl", "--disable", "--silent", "--show-error", "--globoff", "--noproxy", "*"),
        *("--proto", "=http,https", "--max-time", str(SECONDS), "--max-filesize", str(_MOST_BYTES)),
        *("--user-agent", "ink-infra-mcp", "--connect-to", f"::{there}:", *more),
        *("--write-out", r"%{stderr}\nink-visit %{http_code} %{redirect_url}\n", "--url", url),
    )


def _absent(server: str, program: str) -> Absent:
    return Absent(f"{program} is not on {server}.", host=server, next="Install it there, or name another server.")
