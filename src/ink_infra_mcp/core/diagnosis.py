"""Why an app is down: the causes that fit what was seen, the likeliest first, and what stands beside them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.core.diagnosis_facts import (
    SERVER_ERRORS,
    Answer,
    Box,
    CoolifySaid,
    Finding,
    Machine,
    NotAsked,
    Page,
    Rollout,
    Seen,
    Unread,
)
from ink_infra_mcp.core.untrusted import clean_name

Verdict = Literal["down", "up", "unknown"]
LOW_MEMORY = 5
"""Percent of a server's memory: with less available its kernel soon ends processes."""
_MIB = 2**20
_BY_PROXY = {502: "Bad Gateway", 503: "no available server", 504: "Gateway Timeout"}
"""What Traefik itself answers, in its own words, where it has a router for the name and gets no answer behind it
(source, version 3: the error handler of its proxy, and its balancer)."""
_EXITS = {126: "its command may not be run", 127: "its command is not in the image", 137: "it was killed"}
_FAILURES = {
    False: ("build_failed", "its last deployment did not end well"),
    True: ("image_not_pulled", "a registry did not give its image"),
}
_ENDED = frozenset({"exited", "dead"})


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


@dataclass(frozen=True, slots=True)
class _Found:
    """A finding, and whether it would explain that the app is down."""

    finding: Finding
    is_cause: bool = True


_Rule = Callable[[Seen], Iterator[_Found]]


def diagnosed(seen: Seen) -> Diagnosis:
    """Return what is wrong with an app, from what was seen of it alone.

    A cause is named only where it was seen and explains what was seen; whatever was seen to be wrong has a cause, the
    symptom itself where nothing else explains it.
    """
    found = [each for rule in _RULES for each in rule(seen)]
    causes = tuple(each.finding for each in found if each.is_cause) or tuple(_unexplained(seen))
    return Diagnosis(
        verdict="down" if causes else "up" if seen.up else "unknown",
        causes=causes,
        beside=tuple(each.finding for each in found if not each.is_cause),
        unknown=seen.unread,
        skipped=(*_not_asked(seen), *seen.skipped),
    )


def _is(code: str, what: str, evidence: str, mend: str, *, is_cause: bool = True) -> _Found:
    return _Found(Finding(code=code, what=what, evidence=evidence, mend=mend), is_cause)


def _not_asked(seen: Seen) -> Iterator[str]:
    facts = (("deployments", seen.rollout), ("firewalls of its server", seen.shut))
    yield from (f"{name}: {fact.why}" for name, fact in facts if isinstance(fact, NotAsked))


def _coolify_silent(seen: Seen) -> Iterator[_Found]:
    """Apps run on without Coolify."""
    if isinstance(seen.coolify, Unread):
        what = "Coolify cannot be asked, so that nobody knows where the app runs; apps run on without it"
        mend = f"get_coolify_image; {seen.coolify.next}".removesuffix("; ")
        yield _is("coolify_unreachable", what, seen.coolify.why, mend, is_cause=False)


def _never_deployed(seen: Seen) -> Iterator[_Found]:
    if seen.rollout is None and not seen.runs:
        yield _is("never_deployed", "it was never deployed", "Coolify knows no deployment", f"deploy_app {seen.name}")


def _machine_silent(seen: Seen) -> Iterator[_Found]:
    """A server that lets nobody in may serve its apps all the same."""
    if isinstance(seen.machine, Unread) and seen.muscle:
        what = f"its server {seen.muscle} does not answer over SSH"
        mend = f"look at the machine at its provider, then check_fleet; {seen.machine.next}".removesuffix("; ")
        yield _is("server_unreachable", what, seen.machine.why, mend, is_cause=seen.unreached)


def _docker_silent(seen: Seen) -> Iterator[_Found]:
    """Containers may run on without Docker."""
    docker = seen.machine.unread.get("Docker") if isinstance(seen.machine, Machine) else None
    if docker is not None:
        what, mend = f"Docker on {seen.muscle} does not answer", f"repair_server server={seen.muscle}"
        yield _is("docker_down", what, docker.why, mend, is_cause=seen.silent)


def _troubles(explains: Callable[[Seen], bool], *codes: str) -> _Rule:
    """Return the rule for troubles of the server, which are causes where they explain what was seen of the app."""

    def rule(seen: Seen) -> Iterator[_Found]:
        if isinstance(seen.machine, Machine):
            yield from (_Found(trouble, explains(seen)) for trouble in seen.machine.of(*codes))

    return rule


def _nothing(_: Seen) -> bool:
    return False


def _memory(seen: Seen) -> Iterator[_Found]:
    memory = seen.machine.memory if isinstance(seen.machine, Machine) else None
    if memory is not None and memory[0] * 100 < memory[1] * LOW_MEMORY:
        what = f"{seen.muscle} has no memory left: its kernel ends processes"
        evidence = f"{memory[0] // _MIB} of {memory[1] // _MIB} MiB available"
        yield _is("memory_exhausted", what, evidence, f"move_app {seen.name}, or add_muscle", is_cause=seen.ails)


def _deploying(seen: Seen) -> Iterator[_Found]:
    last = _last(seen)
    if last is not None and last.active:
        what = "a deployment waits or runs now"
        evidence = f"Coolify says {last.status} for {last.uuid}{f' since {last.at}' if last.at else ''}"
        mend = f"wait, then again; get_app_logs app={seen.name} kind=build shows it"
        yield _is("deploying", what, evidence, mend, is_cause=seen.ails)


def _killed(seen: Seen) -> Iterator[_Found]:
    limit = seen.coolify.memory if isinstance(seen.coolify, CoolifySaid) else ""
    for box in _ill(seen):
        if box.out_of_memory:
            what = f"{box.name} was ended by the kernel: it had no memory left"
            mend = f"deploy_app name={seen.name} memory=... with more{f' than {limit}' if limit else ''}"
            yield _is("out_of_memory", what, _told(box), mend)


def _crash_loop(seen: Seen) -> Iterator[_Found]:
    """One that was started again a moment ago runs in between."""
    for box in seen.known:
        if box.state == "restarting" or (box.runs and box.fresh and box.restarts):
            what = f"{box.name} ends soon after each start, and Docker starts it again"
            yield _is(
                "crash_loop", what, _told(box), _read_log(seen), is_cause=box.state == "restarting" or seen.silent
            )


def _gave_up(seen: Seen) -> Iterator[_Found]:
    crashes = seen.coolify.crashes if isinstance(seen.coolify, CoolifySaid) else 0
    if seen.none and crashes:
        what = "it crashed again and again, until Coolify stopped it and took its container away"
        evidence = f"Coolify counted {crashes} starts after a crash; no container is there"
        yield _is("crashed_for_good", what, evidence, f"rollback_app {seen.name}, or mend it and deploy_app")


def _ended(seen: Seen) -> Iterator[_Found]:
    for box in _ill(seen):
        if box.state in _ENDED and not box.out_of_memory:
            yield _is("exited", f"{box.name} has ended", _told(box), _read_log(seen))


def _held(seen: Seen) -> Iterator[_Found]:
    """Docker knows more states: created, paused, removing."""
    for box in _ill(seen):
        if not box.runs and box.state not in _ENDED | {"restarting"}:
            mend = f"control_app app={seen.name} action=restart"
            yield _is("not_running", f"{box.name} is {clean_name(box.state)} and does not run", _told(box), mend)


def _rollout_failed(seen: Seen) -> Iterator[_Found]:
    """The containers from before serve on, where there are any."""
    last = _last(seen)
    if last is not None and last.failed:
        code, what = _FAILURES[last.of_image]
        evidence = f"{last.uuid} of {last.at or '?'} is {last.status}: {last.cause or 'its log says why'}"
        mend = f"get_app_logs app={seen.name} kind=build, then deploy_app"
        yield _is(code, what, evidence, mend, is_cause=seen.ails and not seen.runs)


def _refused(seen: Seen) -> Iterator[_Found]:
    if seen.refused and not seen.runs:
        what, mend = "Docker Compose does not start its file", f"deploy_app name={seen.name} with a mended compose file"
        yield _is("compose_refused", what, seen.refused, mend)


def _gone(seen: Seen) -> Iterator[_Found]:
    if seen.none and _was_rolled_out(seen) and isinstance(seen.coolify, CoolifySaid) and seen.coolify.runs:
        what = "Coolify says that it runs, and its container is not there: somebody took it away"
        yield _is("container_gone", what, _no_box(seen), f"control_app app={seen.name} action=restart")


def _stopped(seen: Seen) -> Iterator[_Found]:
    coolify = seen.coolify
    if not (seen.none and _was_rolled_out(seen) and isinstance(coolify, CoolifySaid)):
        return
    if not (coolify.runs or coolify.crashes or seen.refused):
        mend = f"control_app app={seen.name} action=start; list_operations, if it was stopped through here"
        yield _is("stopped", "somebody stopped it", _no_box(seen), mend)


def _unhealthy(seen: Seen) -> Iterator[_Found]:
    """Traefik sends nobody to a container whose check fails or has not passed yet."""
    for box in _ill(seen):
        if box.runs and box.health != "starting":
            what = f"{box.name} runs, and its health check fails: the proxy sends nobody there"
            yield _is("unhealthy", what, _told(box), f"{_read_log(seen)}; or deploy_app with another health_path")
        elif box.runs:
            what = f"{box.name} was started, and its health check has not passed yet"
            yield _is("starting", what, _told(box), f"wait, then again; {_read_log(seen)}")


def _lacking(seen: Seen) -> Iterator[_Found]:
    if seen.known and seen.missing and not [*_ill(seen)]:
        mend = f"get_app app={seen.name}, then control_app app={seen.name} action=restart"
        yield _is("part_missing", "a part of it has no container that runs", f"missing: {seen.missing}", mend)


def _unrouted(seen: Seen) -> Iterator[_Found]:
    for page, answer in _answered(seen):
        if answer.unrouted:
            what = f"the proxy of {seen.muscle or 'its server'} has no router for {page.url}"
            mend = f"deploy_app name={seen.name}: Coolify writes the labels that the proxy reads"
            yield _is("no_router", what, f"GET {page.url} answers 404 by the proxy itself", mend)


def _not_behind(seen: Seen) -> Iterator[_Found]:
    port = seen.coolify.port if isinstance(seen.coolify, CoolifySaid) else ""
    for page, answer in _answered(seen):
        if not _by_proxy(answer):
            continue
        if answer.status == SERVER_ERRORS + 3:
            what = "the proxy knows its name, and has no container there that is healthy"
            yield _is("no_healthy_container", what, _get(page, answer), _read_log(seen))
        else:
            what = f"it runs, and its port {port or '(?)'} does not answer the proxy: it listens elsewhere, or hangs up"
            mend = f"{_read_log(seen)}; then deploy_app name={seen.name} port=..."
            yield _is("port", what, _get(page, answer), mend)


def _app_errors(seen: Seen) -> Iterator[_Found]:
    for page, answer in _answered(seen):
        if (answer.status or 0) >= SERVER_ERRORS and not _by_proxy(answer):
            yield _is("app_error", "it runs, and answers with an error of its own", _get(page, answer), _read_log(seen))


def _shut(seen: Seen) -> Iterator[_Found]:
    if isinstance(seen.shut, tuple) and seen.shut:
        what = f"a firewall keeps the web out of {seen.muscle}"
        yield _is("firewall", what, "; ".join(seen.shut), f"apply_firewall server={seen.muscle}")


def _names(seen: Seen) -> Iterator[_Found]:
    for page in seen.pages:
        if page.leads == "nowhere" and page.delegation:
            what = f"the world does not ask the zone of {page.url}: its parent names other servers"
            yield _is("not_delegated", what, f"{page.seen}; {page.delegation}", "set the name servers at the registrar")
        elif page.leads in ("nowhere", "elsewhere"):
            code = "name_unresolved" if page.leads == "nowhere" else "name_elsewhere"
            what = f"the name of {page.url} leads {page.leads}"
            mend = f"set_wildcard_domain for {seen.muscle}; where a proxy is meant to stand in front, look at that"
            yield _is(code, what, page.seen, mend)


def _certificates(seen: Seen) -> Iterator[_Found]:
    for page in seen.pages:
        if isinstance(page.certificate, str) and page.certificate:
            what = f"browsers do not trust the certificate of {page.url}"
            mend = f"mend its name first, if that is wrong; then the log of the proxy on {seen.muscle} says why"
            yield _is("certificate", what, page.certificate, mend)


def _behind(seen: Seen) -> Iterator[_Found]:
    """Coolify's word is from its last look."""
    coolify = seen.coolify
    if isinstance(coolify, CoolifySaid) and seen.runs and not coolify.runs:
        what = "Coolify says that it does not run, and its container runs"
        yield _is("coolify_is_wrong", what, f"Coolify: {coolify.status}", "look again in a minute", is_cause=False)


def _restarted(seen: Seen) -> Iterator[_Found]:
    for box in seen.known:
        if box.well and box.restarts and not box.fresh:
            what = f"{box.name} has fallen and was started again"
            yield _is("restarted", what, _told(box), _read_log(seen), is_cause=False)


_RULES: tuple[_Rule, ...] = (
    _coolify_silent,
    _never_deployed,
    _machine_silent,
    _docker_silent,
    _troubles(lambda seen: seen.ails, "disk_full", "read_only"),
    _troubles(lambda seen: seen.falls, "no_runtime"),
    _memory,
    _deploying,
    _killed,
    _crash_loop,
    _gave_up,
    _ended,
    _held,
    _rollout_failed,
    _refused,
    _gone,
    _stopped,
    _unhealthy,
    _lacking,
    _troubles(lambda seen: seen.silent, "proxy"),
    _unrouted,
    _not_behind,
    _app_errors,
    _shut,
    _names,
    _certificates,
    _behind,
    _restarted,
    _troubles(_nothing, "not_isolated", "disk_filling"),
)
"""In the order of likeliness: what lies deeper explains what stands on it."""


def _unexplained(seen: Seen) -> Iterator[Finding]:
    """What was seen to be wrong and has no cause among those known here is told as it was seen."""
    for page in seen.pages:
        if page.bad and isinstance(page.answer, Answer):
            what, mend = f"{page.url} serves nobody", f"check_firewall server={seen.muscle} probe=true; get_app_logs"
            yield Finding(code="no_answer", what=what, evidence=_get(page, page.answer), mend=mend)
    if seen.falls:
        mend = f"get_app app={seen.name}, then control_app app={seen.name} action=restart"
        yield Finding(code="not_running", what="it does not run", evidence=_no_box(seen), mend=mend)


def _last(seen: Seen) -> Rollout | None:
    return seen.rollout if isinstance(seen.rollout, Rollout) else None


def _was_rolled_out(seen: Seen) -> bool:
    """Return whether its last deployment, of which a compose app has none, is over and did not fail."""
    last = seen.rollout
    return isinstance(last, NotAsked) or (isinstance(last, Rollout) and not (last.active or last.failed))


def _ill(seen: Seen) -> Iterator[Box]:
    return (box for box in seen.known if not box.well)


def _answered(seen: Seen) -> Iterator[tuple[Page, Answer]]:
    """Yield the bad answers that its own containers do not explain."""
    if not seen.falls:
        yield from ((page, page.answer) for page in seen.pages if page.bad and isinstance(page.answer, Answer))


def _by_proxy(answer: Answer) -> bool:
    return answer.status is not None and answer.start.strip() == _BY_PROXY.get(answer.status)


def _get(page: Page, answer: Answer) -> str:
    if answer.status is None:
        return f"GET {page.url}: {answer.error or 'no answer'}"
    return f"GET {page.url} answers {answer.status}{f' {_BY_PROXY[answer.status]}' if _by_proxy(answer) else ''}"


def _told(box: Box) -> str:
    ended = "" if box.runs else f", exit code {box.exit_code}"
    why = "" if box.runs else _EXITS.get(box.exit_code, "")
    health = f", health {box.health}" if box.health else ""
    times = f", started again {box.restarts} times" if box.restarts else ""
    return f"docker inspect: {box.name} is {box.state}{ended}{f' ({why})' if why else ''}{health}{times}"


def _no_box(seen: Seen) -> str:
    coolify = f"; Coolify: {seen.coolify.status}" if isinstance(seen.coolify, CoolifySaid) else ""
    there = "has no container of it" if seen.none else f"has no container that runs of {seen.missing or 'it'}"
    return f"Docker on {seen.muscle} {there}{coolify}"


def _read_log(seen: Seen) -> str:
    return f"get_app_logs app={seen.name}, then rollback_app if a deployment broke it"
