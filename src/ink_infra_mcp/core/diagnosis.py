"""Why an app is down: the causes that fit what was seen, the likeliest first, and what stands beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.core.diagnosis_facts import Finding, Seen
from ink_infra_mcp.core.diagnosis_found import Found, Rule, found, no_box, visit
from ink_infra_mcp.core.diagnosis_inside import BESIDE, INSIDE
from ink_infra_mcp.core.diagnosis_pages import Answer, NotAsked, Page
from ink_infra_mcp.core.diagnosis_web import SILENCING, WEB

Verdict = Literal["down", "up", "unknown"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`causes` explain why the app is down, the likeliest first; `beside` are wrong and do not.

    `up` only where everything was read and is as it should be; `unknown` are the facts that could not be read, and why;
    `skipped` is what nobody looked at.
    """

    verdict: Verdict
    causes: tuple[Finding, ...]
    beside: tuple[Finding, ...]
    unknown: dict[str, str]
    skipped: tuple[str, ...]


def diagnosed(seen: Seen) -> Diagnosis:
    """Return what is wrong with an app, from what was seen of it alone.

    A cause is named only where it was seen and explains what was seen; whatever was seen to be wrong has a cause, the
    symptom itself where nothing else explains it.
    """
    inside = _by(INSIDE, seen)
    all_found = [*inside, *_not_running(seen, inside), *_by(WEB, seen)]
    all_found += [*_no_answer(seen, all_found), *_by(BESIDE, seen)]
    causes = tuple(each.finding for each in all_found if each.is_cause)
    return Diagnosis(
        verdict="down" if causes else "up" if seen.up else "unknown",
        causes=causes,
        beside=tuple(each.finding for each in all_found if not each.is_cause),
        unknown=seen.unread,
        skipped=(*_not_asked(seen), *_beyond(seen), *seen.skipped),
    )


def _by(rules: Sequence[Rule], seen: Seen) -> list[Found]:
    return [each for rule in rules for each in rule(seen)]


def _not_asked(seen: Seen) -> Iterator[str]:
    facts = (("deployments", seen.rollout), ("firewalls of its server", seen.shut))
    yield from (f"{name}: {fact.why}" for name, fact in facts if isinstance(fact, NotAsked))


def _beyond(seen: Seen) -> Iterator[str]:
    """Yield what lies behind an answer that stands before the pages and is the app's own, or a login, and the other
    addresses of a name.
    """
    for page in seen.pages:
        if page.unvisited:
            yield f"{page.url} at {', '.join(page.unvisited)}, where its name leads, too"
        if page.entered and isinstance(page.answer, Answer):
            yield (
                f"what {page.url} leads to: {page.answer.to}"
                if page.answer.to
                else f"what is behind the login of {page.url}"
            )


def _not_running(seen: Seen, inside: Sequence[Found]) -> Iterator[Found]:
    if seen.falls and not any(each.is_cause for each in inside):
        mend = f"get_app app={seen.name}, then control_app app={seen.name} action=restart"
        yield found("not_running", "it does not run", no_box(seen), mend)


def _no_answer(seen: Seen, known: Sequence[Found]) -> Iterator[Found]:
    """A page that serves nobody, and has no cause of its own, is told as it was seen, whatever else is wrong."""
    causes = [each for each in known if each.is_cause]
    for page in seen.pages:
        if isinstance(page.answer, Answer) and seen.bad(page) and not _is_explained(seen, page, page.answer, causes):
            what, mend = f"{page.url} serves nobody", f"check_firewall server={seen.muscle} probe=true; get_app_logs"
            yield found("no_answer", what, visit(page, page.answer), mend)


def _is_explained(seen: Seen, page: Page, answer: Answer, causes: Sequence[Found]) -> bool:
    """Containers that fell explain an error by the proxy before them, and not that there is no answer at all."""
    if any(each.url == page.url for each in causes):
        return True
    if answer.status is not None:
        return seen.fallen(page)
    return any(each.finding.code in SILENCING for each in causes)
