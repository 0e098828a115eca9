"""A finding on its way into a diagnosis, and the words that several rules use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.core.diagnosis_facts import CoolifySaid, Finding, Machine, Seen
from ink_infra_mcp.core.diagnosis_pages import Answer, Page

_BY_PROXY = {502: "Bad Gateway", 503: "no available server", 504: "Gateway Timeout"}
"""What Traefik itself answers, in its own words, where it has a router for the name and gets no answer behind it
(source, version 3: the error handler of its proxy, and its balancer)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and whether it would explain that the app is down. `url` is the page whose answer it explains."""

    finding: Finding
    is_cause: bool = True
    url: str = ""


Rule = Callable[[Seen], Iterator[Found]]


def found(code: str, what: str, evidence: str, mend: str, *, is_cause: bool = True, url: str = "") -> Found:
    """Return a finding."""
    return Found(Finding(code=code, what=what, evidence=evidence, mend=mend), is_cause, url)


def troubles(explains: Callable[[Seen], bool], *codes: str) -> Rule:
    """Return the rule for troubles of the server, which are causes where they explain what was seen of the app."""

    def rule(seen: Seen) -> Iterator[Found]:
        if isinstance(seen.machine, Machine):
            yield from (Found(trouble, explains(seen)) for trouble in seen.machine.of(*codes))

    return rule


def by_proxy(answer: Answer) -> bool:
    """Return whether Traefik itself answers that it gets nothing from behind it."""
    return answer.status is not None and answer.start.strip() == _BY_PROXY.get(answer.status)


def visit(page: Page, answer: Answer) -> str:
    """Return what was asked of a page, and what it answered; its container itself, too, where that was asked."""
    inside = f"; its container itself: {page.inside_words}" if page.inside else ""
    if answer.status is None:
        return f"GET {page.url}: {answer.error or 'no answer'}{inside}"
    return f"GET {page.url} {answer.words}{f' {_BY_PROXY[answer.status]}' if by_proxy(answer) else ''}{inside}"


def no_box(seen: Seen) -> str:
    """Return that Docker has no container of the app, or none that runs, with Coolify's word."""
    coolify = f"; Coolify: {seen.coolify.status}" if isinstance(seen.coolify, CoolifySaid) else ""
    there = "has no container of it" if seen.none else f"has no container that runs of {seen.missing or 'it'}"
    return f"Docker on {seen.muscle} {there}{coolify}"


def read_log(seen: Seen) -> str:
    """Return the calls that tell why a container falls, and go back."""
    return f"get_app_logs app={seen.name}, then rollback_app if a deployment broke it"
