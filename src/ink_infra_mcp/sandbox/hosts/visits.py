"""What a pretend server's own getent and curl tell: names by its resolver, and pages of other pretend servers."""

import shlex
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import dns.message
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ink_infra_mcp.sandbox.edge import asked_ports, page_of
from ink_infra_mcp.sandbox.hosts.inspected import address_of
from ink_infra_mcp.sandbox.hosts.ways import knock
from ink_infra_mcp.sandbox.nameserver import reply
from ink_infra_mcp.sandbox.state import WorldState, take_fault
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.trouble import CutOff, spoilt

PROGRAMS = ("getent", "curl")
_OPTIONS = {
    "--proto",
    "--max-time",
    "--max-filesize",
    "--user-agent",
    "--connect-to",
    "--write-out",
    "--url",
    "--noproxy",
}
_FLAGS = frozenset(("--disable", "--silent", "--show-error", "--globoff", "--insecure"))
_HELP = "\nMore details here: https://curl.se/docs/sslcerts.html\n\ncurl failed to verify the legitimacy of the server"
_FOOT = r"%{stderr}\nink-visit %{http_code} %{redirect_url}\n"


class Said(NamedTuple):
    """How a program ended, and what it wrote to its two outputs."""

    status: int
    output: str
    complaint: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """A program on the server `host` that asks about others."""

    state: WorldState
    host: HostState
    now: float

    def said(self, words: tuple[str, ...]) -> Said | None:
        """Return what the program says, or None where the world does not know how it is called."""
        if words[0] in self.host.without:
            return Said(127, "", f"sh: 1: exec: {words[0]}: not found\n")
        if words[0] == "getent":
            return self._by_getent(words[1:])
        asked = _options(words[1:])
        return self._visited(asked) if asked is not None and asked.get("--write-out") == _FOOT else None

    def _by_getent(self, words: tuple[str, ...]) -> Said | None:
        return self._resolved(words[1]) if len(words) == 2 and words[0] == "ahosts" else None

    def _resolved(self, name: str) -> Said:
        """getent lists each address once for each kind of socket, and ends with 2 where it finds none."""
        found = self.host.names.get(name) or _public_of_both(self.state, name)
        lines = [f"{a:15} {kind:6} {name}\n" for a in found for kind in ("STREAM", "DGRAM", "RAW")]
        return Said(0 if found else 2, "".join(lines), "")

    def _visited(self, asked: dict[str, str]) -> Said:
        url, to = urlsplit(asked["--url"]), asked["--connect-to"].removeprefix("::").removesuffix(":").strip("[]")
        if box := next((box for box in self.host.containers if address_of(box) == to), None):
            return self._inside(box, url)
        met = knock(self.state, self.host, to, _port(url), now=self.now)
        if met != "open":
            return _failed(28, "Connection timed out") if met == "silent" else _failed(7, f"Failed to connect to {to}")
        server = next(h for h in self.state.hosts.values() if to in (h.address, h.private_address, h.ipv6))
        return self._page(server, url, asked)

    def _inside(self, box: Container, url: SplitResult) -> Said:
        """A container answers at its own address and port whoever asks on its server; nothing of the proxy is there."""
        if box.state != "running" or _port(url) not in (asked_ports(box) if box.listens is None else box.listens):
            return _failed(7, f"Failed to connect to {url.hostname}")
        fault = take_fault(self.state, "app", f"GET {url.hostname}{url.path}")
        answer = spoilt(fault) if fault else PlainTextResponse("hello from the app\n")
        return _failed(52, "Empty reply from server") if isinstance(answer, CutOff) else _answered(answer, url)

    def _page(self, server: HostState, url: SplitResult, asked: dict[str, str]) -> Said:
        if url.scheme == "https" and server.self_signed and "--insecure" not in asked:
            return _failed(60, f"SSL certificate problem: self-signed certificate{_HELP}")
        request = _request(asked["--url"])
        fault = take_fault(self.state, "edge", f"GET {request.url.hostname}{request.url.path}")
        answer = page_of(self.state, server.name, request) if fault is None else spoilt(fault)
        if isinstance(answer, CutOff):
            return _failed(52, "Empty reply from server")
        return _answered(answer, url)


def visit_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of getent or curl; none of another command."""
    _, found, line = command.partition("; exec ")
    words = tuple(shlex.split(line)) if found else ()
    return words if words and words[0] in PROGRAMS else ()


def _options(words: tuple[str, ...]) -> dict[str, str] | None:
    asked: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_known(word, rest):
            return None
        asked[word] = rest.pop(0) if word in _OPTIONS else ""
    return asked


def _is_known(word: str, rest: list[str]) -> bool:
    return word in _FLAGS or (word in _OPTIONS and bool(rest))


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _answered(answer: Response, url: SplitResult) -> Said:
    on = answer.headers.get("location", "") if 300 <= answer.status_code < 400 else ""
    told = f"{answer.status_code} {urljoin(url.geturl(), on) if on else ''}"
    return Said(0, bytes(answer.body).decode(), f"\nink-visit {told}\n")


def _failed(status: int, why: str) -> Said:
    return Said(status, "", f"curl: ({status}) {why}\n\nink-visit 000 \n")


def _public_of_both(state: WorldState, name: str) -> list[str]:
    return [address for kind in ("A", "AAAA") for address in _public(state, name, kind)]


def _public(state: WorldState, name: str, kind: str) -> list[str]:
    answer = reply(state.hetzner.zones, dns.message.make_query(name, kind))
    texts = (line.split() for rrset in answer.answer for line in rrset.to_text().splitlines())
    return [words[4] for words in texts if words[3] == kind]


def _request(url: str) -> Request:
    parts = urlsplit(url)
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": parts.scheme,
            "path": parts.path or "/",
            "query_string": parts.query.encode(),
            "headers": [(b"host", parts.netloc.encode())],
            "server": (parts.hostname, parts.port),
        }
    )
