"""URLs of an app as they were reached, in the facts of a diagnosis: what was not seen is unknown, with the reason."""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import anyio

from ink_infra_mcp.areas.apps.app import host_of
from ink_infra_mcp.areas.apps.web import NO_ANSWER, Reached, is_unrouted
from ink_infra_mcp.areas.dns.zones import delegation_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.probe import HttpSeen
from ink_infra_mcp.core.diagnosis_facts import Answer, NotAsked, Page, Unread
from ink_infra_mcp.core.dns.zones import closest
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.untrusted import clean_name

T = TypeVar("T")

PART_S = 90.0
"""One server, one page, one question to Coolify: what has not answered by then is not known."""


async def or_unread(ask: Callable[[], Awaitable[T]]) -> T | Unread:
    """Return what is asked for, or why it could not be read."""
    try:
        with anyio.fail_after(PART_S):
            return await ask()
    except InkError as error:
        return Unread(error.failed, error.next)
    except TimeoutError:
        return Unread(f"no answer within {PART_S:.0f} seconds", "call again")


def page_of(url: str, found: Reached) -> Page:
    """Return a URL of an app as it was reached."""
    return Page(url, _leads(found), _answer(found), _certificate(url, found), seen=found.dns.evidence)


def _leads(found: Reached) -> Literal["here", "elsewhere", "nowhere"] | Unread:
    if found.dns.status == "passed":
        return "here"
    if found.dns.status == "skipped" or (found.why == NO_ANSWER and not found.addresses):
        return Unread(found.dns.evidence)
    return "elsewhere" if found.addresses else "nowhere"


def _answer(found: Reached) -> Answer | Unread:
    return Unread(found.reason) if found.seen is None else _answer_of(found.seen)


def _answer_of(seen: HttpSeen) -> Answer | Unread:
    """Where we did not go, nothing is known."""
    if seen.kind in ("refused_by_us", "unresolved"):
        return Unread(seen.error)
    return Answer(seen.status, seen.untrusted_start, clean_name(seen.error, limit=200), is_unrouted(seen))


def _certificate(url: str, found: Reached) -> str | Unread | NotAsked:
    return Unread(found.reason) if found.seen is None else _certificate_of(url, found.seen)


def _certificate_of(url: str, seen: HttpSeen) -> str | Unread | NotAsked:
    if not url.startswith("https://"):
        return NotAsked("the URL is plain http")
    if seen.tls is None:
        return Unread(seen.error or "no TLS connection")
    return "" if seen.tls.trusted else seen.tls.problem or "not trusted"


def visit_words(url: str, found: Reached | Unread) -> str:
    """Return in words from where a URL was visited, and what was seen."""
    if isinstance(found, Unread):
        return f"{url}: {found.why}"
    place = found.place.server or "here"
    leads = ", ".join(found.addresses) or found.why
    answer = f"answers {found.seen.status}" if found.seen and found.seen.status else "no answer"
    return f"{url} from {place}, at its server: {answer}; its name leads to {leads}"


async def bare_page(look: Look, url: str) -> Page:
    """Visit a URL where its name leads: which server that should be is not known."""
    named = await look.resolver.addresses(host_of(url))
    found = (*named.ipv4, *named.ipv6)
    seen = HttpSeen(kind="unresolved", error=f"{host_of(url)} has no address that was seen")
    if found:
        seen = await look.probe.http(url, address=found[0])
    untold = Unread("which server it should lead to is not known")
    leads = "nowhere" if named.status in ("nxdomain", "none") else untold
    words = f"{host_of(url)}: {', '.join(found) or named.status}"
    return Page(url, leads, _answer_of(seen), _certificate_of(url, seen), seen=words)


def bare_words(page: Page) -> str:
    """Return in words what a visit by name alone saw."""
    status = page.answer.status if isinstance(page.answer, Answer) else None
    return f"{page.url} from here, where its name leads: {f'answers {status}' if status else 'no answer'}; {page.seen}"


async def with_zone(look: Look, page: Page) -> Page:
    """Return the page with what is wrong with the zone of its name, as far as it is at a provider of ours."""
    found = await or_unread(lambda: _delegated(look, host_of(page.url)))
    if isinstance(found, Unread):
        return Page(page.url, page.leads, page.answer, page.certificate, f"{page.seen}; its zone: {found.why}")
    return Page(page.url, page.leads, page.answer, page.certificate, page.seen, found)


async def _delegated(look: Look, name: str) -> str:
    for book in look.dns.books.values():
        zone = closest(await book.zones(), name)
        delegation = await delegation_of(look.dns, zone) if zone is not None else None
        if delegation is not None and delegation.known == "wrong":
            return delegation.evidence
    return ""
