"""URLs of an app as they were reached, in the facts of a diagnosis: what was not seen is unknown, with the reason."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import anyio

from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.moving import called
from ink_infra_mcp.areas.apps.web import NO_ANSWER, Reached, by_address, is_unrouted, reached
from ink_infra_mcp.areas.dns.addresses import fleet_addresses
from ink_infra_mcp.areas.dns.both_kinds import beside, others
from ink_infra_mcp.areas.dns.zones import delegation_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.probe import DEFAULT_PORTS, HttpSeen, TlsSeen
from ink_infra_mcp.core.diagnosis_pages import REDIRECTS, Answer, Door, NotAsked, Page, Unread
from ink_infra_mcp.core.dns.zones import closest
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.web.visiting import visit_from

T = TypeVar("T")

MOST_ON = 3
"""From http to https, to the start page, to its language; a browser gives up after twenty."""
USUAL_PORTS = (3000, 8080, 80, 8000, 5000, 4000, 5173, 4321)
"""Where programs listen that nobody told a port: Node, Java and Go, web servers, Python, Flask, Elixir, Vite, Astro."""
_NOBODY_THERE = "curl: (7)"
"""curl(1): it failed to connect; a connection that is only silent ends with 28."""
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~/@%+:=,!-]*)?", re.ASCII)
_Visit = tuple[HttpSeen | None, str]
"""What was seen, or None and why nobody went there."""
_QUERY = re.compile(r"[A-Za-z0-9._~/@%+:=,!&?-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment until which a look lasts, by the clock of the event loop; `within_s` is how long that is in all."""

    at: float
    within_s: float

    @classmethod
    def within(cls, seconds: float) -> "Deadline":
        """Return the moment in so many seconds."""
        return cls(anyio.current_time() + seconds, seconds)

    @property
    def left_s(self) -> float:
        """Return the seconds until then, 0 afterwards."""
        return max(0.0, self.at - anyio.current_time())


async def or_unread(ask: Callable[[], Awaitable[T]], until: Deadline) -> T | Unread:
    """Return what is asked for, or why it could not be read by then.

    Words of a ValueError are not shown: they quote what they complain of, a login in a URL too.
    """
    try:
        with anyio.fail_after(until.left_s):
            return await ask()
    except InkError as error:
        return Unread(error.failed, error.next)
    except TimeoutError:
        return Unread(f"no answer within the {until.within_s:g} seconds of one look", "call again")
    except ValueError:
        return Unread("what is there is not of a form that could be asked or read")


def visitable(url: str) -> str:
    """Return the URL by which users call an app that has this one in Coolify, empty where it is none.

    A port is its container's and a login nobody's: neither is visited, sent or shown.
    """
    try:
        return _plain(urlsplit(called(url)))
    except ValueError:
        return ""


def _plain(parts: SplitResult) -> str:
    host = parts.netloc.encode("idna").decode("ascii").lower()
    good = parts.scheme in DEFAULT_PORTS and _HOST.fullmatch(host) and _PATH.fullmatch(parts.path)
    return f"{parts.scheme}://{host}{parts.path}" if good else ""


async def visited(look: Look, muscle: str, url: str) -> tuple[Page, str]:
    """Return a URL of an app as it is reached at its server, and in words from where, and what was seen.

    Redirects to the same host are followed, up to MOST_ON: what they lead to is the answer.
    """
    found = await reached(look, muscle, url, within_s=0)

    async def again(on: str) -> _Visit:
        then = await reached(look, muscle, on, within_s=0)
        return then.seen, then.reason

    answer, certificate = await _followed(url, (found.seen, found.reason), again)
    page = await _everywhere(look, muscle, found, Page(url, _leads(found), answer, certificate, found.dns.evidence))
    leads = ", ".join(found.addresses) or found.why
    return page, f"{url} from {found.place.server or 'here'}, at its server: {_words(page)}; its name leads to {leads}"


async def _everywhere(look: Look, muscle: str, found: Reached, page: Page) -> Page:
    """Return the page with what its name's addresses of the other version of IP are: browsers that have both take
    either, and only the server's address in fleet.toml was visited.
    """
    server = await by_address(look, look.fleet.host(muscle))
    more = others(server, found.addresses)
    if page.leads != "here" or not more:
        return page
    try:
        it = beside(server, more, await fleet_addresses(look))
    except InkError as error:
        return replace(page, leads=Unread(f"nothing tells whether {', '.join(more)} is {muscle}: {error.failed}"))
    if it.strange:
        return replace(page, leads="elsewhere", seen=f"{page.seen}, and {', '.join(it.strange)}, which is not {muscle}")
    if it.unknown:
        return replace(page, leads=Unread(f"nothing tells whether {', '.join(it.unknown)} is {muscle}"))
    return replace(page, unvisited=more)


async def visited_bare(look: Look, url: str) -> Page:
    """Return a URL as it is reached where its name leads: which server that should be is not known."""
    host = host_of(url)
    named = await look.resolver.addresses(host)
    addresses = (*named.ipv4, *named.ipv6)

    async def visit(to: str) -> _Visit:
        if not addresses:
            return HttpSeen(kind="unresolved", error=f"{host} has no address that was seen"), ""
        return await look.probe.http(to, address=addresses[0]), ""

    answer, certificate = await _followed(url, await visit(url), visit)
    untold = Unread("which server it should lead to is not known")
    leads = "nowhere" if named.status in ("nxdomain", "none") else untold
    return Page(url, leads, answer, certificate, seen=f"{host}: {', '.join(addresses) or named.status}")


async def asked_inside(look: Look, muscle: str, page: Page, answer: Answer, door: Door) -> Page:
    """Return the page with what its container answers where the proxy was asked, without the proxy: its server asks.

    Where nothing listens at the port that the proxy asks, it is asked at the usual ones.
    """
    url = _at_port(answer.at or page.url, door.port)
    seen = await visit_from(look.hosts, muscle, url, address=door.address)
    error, deaf = clean_name(seen.error, limit=200), seen.error.startswith(_NOBODY_THERE)
    return replace(
        page,
        inside=Answer(seen.status, seen.untrusted_start, error, to=_away(url, seen.location)),
        inside_at=f"{door.address}:{door.port}",
        deaf=deaf,
        listens=await _listens(look, muscle, answer.at or page.url, door) if deaf else 0,
        apart=door.apart,
    )


async def _listens(look: Look, muscle: str, url: str, door: Door) -> int:
    """Return the first of the usual ports at which the container answers, 0 where none does."""
    answering: set[int] = set()

    async def ask(port: int) -> None:
        seen = await visit_from(look.hosts, muscle, _at_port(url, port), address=door.address)
        if seen.status is not None:
            answering.add(port)

    async with anyio.create_task_group() as group:
        for port in USUAL_PORTS:
            if port != door.port:
                group.start_soon(ask, port)
    return next((port for port in USUAL_PORTS if port in answering), 0)


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(scheme="http", netloc=f"{parts.hostname}:{port}").geturl()


def bare_words(page: Page) -> str:
    """Return in words what a visit by name alone saw."""
    return f"{page.url} from here, where its name leads: {_words(page)}; {page.seen or 'not visited'}"


async def with_zone(look: Look, page: Page, until: Deadline) -> Page:
    """Return the page with what is wrong with the zone of its name, as far as it is at a provider of ours."""
    found = await or_unread(lambda: _delegated(look, host_of(page.url)), until)
    if isinstance(found, Unread):
        return replace(page, seen=f"{page.seen}; its zone: {found.why}")
    return replace(page, delegation=found)


def _words(page: Page) -> str:
    return page.answer.words if isinstance(page.answer, Answer) else "no answer"


async def _followed(
    url: str, first: _Visit, again: Callable[[str], Awaitable[_Visit]]
) -> tuple[Answer | Unread, str | Unread | NotAsked]:
    """What was seen behind redirects is the answer; the certificate is good where each of them is."""
    answer, certificate, here, seen = _answer(url, first), _certificate(url, first), url, first
    for _ in range(MOST_ON):
        on = _sent_on(here, seen[0])
        if not on:
            break
        here, seen = on, await again(on)
        answer = _behind(_answer(here, seen), answer)
        if isinstance(certificate, NotAsked) or not certificate:
            certificate = _certificate(here, seen)
    return answer, certificate


def _behind(then: Answer | Unread, before: Answer | Unread) -> Answer | Unread:
    """The first redirect is told of; how many more there were makes no difference."""
    if isinstance(then, Unread) or isinstance(before, Unread):
        return then
    return replace(then, via=before.via or before.status or 0)


def _sent_on(url: str, seen: HttpSeen | None) -> str:
    """Return where an answer sends its visitor on, empty where that is another host, or not by a redirect."""
    if seen is None or seen.status not in REDIRECTS or not seen.location:
        return ""
    try:
        return _same_host(urlsplit(url), urlsplit(urljoin(url, seen.location)))
    except ValueError:
        return ""


def _same_host(here: SplitResult, there: SplitResult) -> str:
    """A browser that was sent from https to http is not followed: what answers there is not what was asked."""
    own = {here.netloc, f"{here.netloc}:{DEFAULT_PORTS.get(there.scheme)}"}
    is_own = there.netloc.lower() in own and there.scheme in {"https", here.scheme}
    found = there._replace(netloc=here.netloc, fragment="").geturl()
    plain = _PATH.fullmatch(there.path) and _QUERY.fullmatch(there.query)
    return found if is_own and plain and found != here.geturl() else ""


def _leads(found: Reached) -> Literal["here", "elsewhere", "nowhere"] | Unread:
    if found.dns.status == "passed":
        return "here"
    if found.dns.status == "skipped":
        return Unread(found.dns.evidence)
    if found.addresses:
        return "elsewhere"
    return Unread(found.dns.evidence) if found.why == NO_ANSWER else "nowhere"


def _answer(url: str, visit: _Visit) -> Answer | Unread:
    """Where we did not go, nothing is known."""
    seen, reason = visit
    if seen is None:
        return Unread(reason)
    if seen.kind in ("refused_by_us", "unresolved"):
        return Unread(seen.error)
    error, to = clean_name(seen.error, limit=200), _away(url, seen.location)
    return Answer(seen.status, seen.untrusted_start, error, is_unrouted(seen), at=url, to=to)


def _away(url: str, location: str) -> str:
    """Return the other host that a redirect leads to, empty where it is the same one, or none."""
    try:
        host = urlsplit(urljoin(url, location)).hostname or ""
        return host if host != urlsplit(url).hostname and _HOST.fullmatch(host) else ""
    except ValueError:
        return ""


def _certificate(url: str, visit: _Visit) -> str | Unread | NotAsked:
    seen, reason = visit
    if seen is None:
        return Unread(reason)
    if not url.startswith("https://"):
        return NotAsked("the URL is plain http")
    return _judged(seen.tls) if seen.tls else Unread(seen.error or "no TLS connection")


def _judged(tls: TlsSeen) -> str:
    return "" if tls.trusted else tls.problem or "not trusted"


async def _delegated(look: Look, name: str) -> str:
    for book in look.dns.books.values():
        zone = closest(await book.zones(), name)
        delegation = await delegation_of(look.dns, zone) if zone is not None else None
        if delegation is not None and delegation.known == "wrong":
            return delegation.evidence
    return ""
