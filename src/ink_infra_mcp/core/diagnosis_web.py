"""Causes on the way from a browser to the app: proxy, answer, firewall, name, certificate."""

from collections.abc import Callable, Iterator, Mapping

from ink_infra_mcp.core.diagnosis_door import at_its_door
from ink_infra_mcp.core.diagnosis_facts import CoolifySaid, Seen
from ink_infra_mcp.core.diagnosis_found import Found, Rule, by_proxy, found, read_log, troubles, visit
from ink_infra_mcp.core.diagnosis_pages import SERVER_ERRORS, Answer, Page

SILENCING = frozenset({"server_unreachable", "docker_down", "proxy", "proxy_ill", "firewall"})
"""Causes of any page that gives no answer at all."""


def _unrouted(seen: Seen) -> Iterator[Found]:
    """Coolify's own proxies answer names that they do not know with 503, unless somebody switched that off (source,
    version 4.3.11: setupDefaultRedirect); Traefik does in the words that it has for a name without a healthy container.
    """
    for page, answer in _answered(seen):
        if (answer.unrouted or _is_unknown(seen, page, answer)) and not seen.without_proxy:
            what = f"the proxy of {seen.muscle or 'its server'} has no router for {page.url}"
            mend = f"deploy_app name={seen.name}: Coolify writes the labels that the proxy reads"
            evidence = f"GET {page.url} answers {answer.status} by the proxy itself, and {seen.astray(page)}"
            yield found("no_router", what, evidence, mend, url=page.url)


def _is_unknown(seen: Seen, page: Page, answer: Answer) -> bool:
    """Return whether a 503 of the proxy is that for a name that it does not know: no container's labels have it."""
    silent = by_proxy(answer) or not answer.start.strip()
    return answer.status == SERVER_ERRORS + 3 and silent and seen.unled(page)


def _not_behind(seen: Seen) -> Iterator[Found]:
    for page, answer in _answered(seen):
        if _is_unknown(seen, page, answer):
            continue
        if by_proxy(answer) or answer.status is None:
            told = at_its_door(seen, page, answer)
            if told is not None:
                yield told
            elif answer.status is not None:
                yield _GATES[answer.status](seen, page, answer)


def _bad_gateway(seen: Seen, page: Page, answer: Answer) -> Found:
    port = seen.coolify.port if isinstance(seen.coolify, CoolifySaid) else ""
    what = f"it runs, and its port {port or '(?)'} does not answer the proxy: it listens elsewhere, or hangs up"
    mend = f"{read_log(seen)}; then deploy_app name={seen.name} port=..."
    return found("port", what, visit(page, answer), mend, url=page.url)


def _no_server(seen: Seen, page: Page, answer: Answer) -> Found:
    what = "the proxy knows its name, and has no container there that is healthy"
    return found("no_healthy_container", what, visit(page, answer), read_log(seen), url=page.url)


def _timeout(seen: Seen, page: Page, answer: Answer) -> Found:
    what = "the proxy waited for it in vain: it is too slow, hangs, or the proxy does not reach it"
    return found("gateway_timeout", what, visit(page, answer), read_log(seen), url=page.url)


_GATES: Mapping[int | None, Callable[[Seen, Page, Answer], Found]] = {
    SERVER_ERRORS + 2: _bad_gateway,
    SERVER_ERRORS + 3: _no_server,
    SERVER_ERRORS + 4: _timeout,
}


def _app_errors(seen: Seen) -> Iterator[Found]:
    for page, answer in _answered(seen):
        own = not by_proxy(answer) and not _is_unknown(seen, page, answer)
        if answer.status is not None and answer.bad and own:
            what = "it runs, and answers with an error of its own"
            yield found("app_error", what, visit(page, answer), read_log(seen), url=page.url)


def _shut(seen: Seen) -> Iterator[Found]:
    if isinstance(seen.shut, tuple) and seen.shut:
        what = f"a firewall keeps the web out of {seen.muscle}"
        yield found("firewall", what, "; ".join(seen.shut), f"apply_firewall server={seen.muscle}")


def _not_delegated(seen: Seen) -> Iterator[Found]:
    for page in seen.pages:
        if page.leads == "nowhere" and page.delegation:
            what, mend = _OTHER_SERVERS.format(url=page.url), "set the name servers at the registrar"
            yield found("not_delegated", what, f"{page.seen}; {page.delegation}", mend)


_OTHER_SERVERS = "the world does not ask the zone of {url}: its parent names other servers"


def _nameless(seen: Seen) -> Iterator[Found]:
    for page in seen.pages:
        if page.leads == "nowhere" and not page.delegation:
            yield found("name_unresolved", f"the name of {page.url} leads nowhere", page.seen, _record(seen, page))


def _elsewhere(seen: Seen) -> Iterator[Found]:
    """What a name leads to may send people on to the app's server: nobody knows while the app answers there."""
    for page in seen.pages:
        if page.leads == "elsewhere":
            what = f"the name of {page.url} leads elsewhere"
            mend = f"{_record(seen, page)}; where a proxy of yours is meant to stand in front, look at that"
            yield found("name_elsewhere", what, page.seen, mend, is_cause=seen.bad(page))


def _record(seen: Seen, page: Page) -> str:
    """Return what sets the name: the wildcard's tool only where its own record is what is lacking."""
    if seen.wildcard and page.host.endswith(f".{seen.wildcard}"):
        again = " replace=true, if the name has a record of its own" if page.leads == "elsewhere" else ""
        return f"set_wildcard_domain server={seen.muscle}{again}"
    return f"set the one record of {page.host} (A, or AAAA) to {seen.muscle or 'its server'} in its zone"


def _certificates(seen: Seen) -> Iterator[Found]:
    for page in seen.pages:
        if isinstance(page.certificate, str) and page.certificate:
            what = f"browsers do not trust the certificate of {page.url}"
            mend = f"mend its name first, if that is wrong; then the log of the proxy on {seen.muscle} says why"
            yield found("certificate", what, page.certificate, mend, url=page.url)


WEB: tuple[Rule, ...] = (
    troubles(lambda seen: seen.silent, "proxy", "proxy_ill"),
    _unrouted,
    _not_behind,
    _app_errors,
    _shut,
    _not_delegated,
    _nameless,
    _elsewhere,
    _certificates,
)
"""From the app outwards."""


def _answered(seen: Seen) -> Iterator[tuple[Page, Answer]]:
    """Yield the bad answers that its own containers do not explain."""
    for page in seen.pages:
        if isinstance(page.answer, Answer) and seen.bad(page) and not seen.fallen(page):
            yield page, page.answer
