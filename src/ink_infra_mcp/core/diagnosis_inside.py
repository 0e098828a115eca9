"""Causes that lie in the app and below it: Coolify, its server, its last deployment, its containers."""

from collections.abc import Iterator

from ink_infra_mcp.core.diagnosis_facts import Box, CoolifySaid, Machine, Rollout, Seen
from ink_infra_mcp.core.diagnosis_found import Found, Rule, found, no_box, read_log, troubles
from ink_infra_mcp.core.diagnosis_pages import NotAsked, Unread
from ink_infra_mcp.core.untrusted import clean_name

LOW_MEMORY = 5
"""Percent of a server's memory: with less available its kernel soon ends processes."""
_MIB = 2**20
_EXITS = {126: "its command may not be run", 127: "its command is not in the image", 137: "it was killed"}
_FAILURES = {
    False: ("build_failed", "its last deployment did not end well"),
    True: ("image_not_pulled", "a registry did not give its image"),
}
_ENDED = frozenset({"exited", "dead"})


def _coolify_silent(seen: Seen) -> Iterator[Found]:
    """Apps run on without Coolify."""
    if isinstance(seen.coolify, Unread):
        what = "Coolify cannot be asked, so that nobody knows where the app runs; apps run on without it"
        mend = f"get_coolify_image; {seen.coolify.next}".removesuffix("; ")
        yield found("coolify_unreachable", what, seen.coolify.why, mend, is_cause=False)


def _never_deployed(seen: Seen) -> Iterator[Found]:
    if seen.rollout is None and not seen.runs:
        yield found("never_deployed", "it was never deployed", "Coolify knows no deployment", f"deploy_app {seen.name}")


def _machine_silent(seen: Seen) -> Iterator[Found]:
    """A server that lets nobody in may serve its apps all the same."""
    if isinstance(seen.machine, Unread) and seen.muscle:
        what = f"its server {seen.muscle} could not be asked over SSH"
        mend = f"{seen.machine.next} Then look at the machine at its provider, and check_fleet.".lstrip()
        yield found("server_unreachable", what, seen.machine.why, mend, is_cause=seen.unreached)


def _docker_silent(seen: Seen) -> Iterator[Found]:
    """Containers may run on without Docker."""
    docker = seen.machine.unread.get("Docker") if isinstance(seen.machine, Machine) else None
    if docker is not None:
        what, mend = f"Docker on {seen.muscle} does not answer", f"repair_server server={seen.muscle}"
        yield found("docker_down", what, docker.why, mend, is_cause=seen.silent)


def _memory(seen: Seen) -> Iterator[Found]:
    memory = seen.machine.memory if isinstance(seen.machine, Machine) else None
    if memory is not None and memory[0] * 100 < memory[1] * LOW_MEMORY:
        what = f"{seen.muscle} has no memory left: its kernel ends processes"
        evidence = f"{memory[0] // _MIB} of {memory[1] // _MIB} MiB available"
        yield found("memory_exhausted", what, evidence, f"move_app {seen.name}, or add_muscle", is_cause=seen.ails)


def _deploying(seen: Seen) -> Iterator[Found]:
    if (last := _active(seen)) and not last.lasting:
        mend = f"wait, then again; get_app_logs app={seen.name} kind=build shows it"
        yield found("deploying", "a deployment waits or runs now", _since(last), mend, is_cause=seen.ails)


def _lasting(seen: Seen) -> Iterator[Found]:
    if (last := _active(seen)) and last.lasting:
        what = "a deployment waits or runs for longer than any build: nobody may be working on it"
        mend = f"get_app_logs app={seen.name} kind=build shows whether it goes on; else cancel it in Coolify"
        yield found("deploying", what, _since(last), mend, is_cause=seen.ails)


def _killed(seen: Seen) -> Iterator[Found]:
    limit = seen.coolify.memory if isinstance(seen.coolify, CoolifySaid) else ""
    for box in _ill(seen):
        if box.out_of_memory:
            what = f"{box.name} was ended by the kernel: it had no memory left"
            mend = f"deploy_app name={seen.name} memory=... with more{f' than {limit}' if limit else ''}"
            yield found("out_of_memory", what, _told(box), mend)


def _crash_loop(seen: Seen) -> Iterator[Found]:
    for box in seen.known:
        if box.loops:
            what = f"{box.name} ends soon after each start, and Docker starts it again"
            yield found("crash_loop", what, _told(box), read_log(seen))


def _gave_up(seen: Seen) -> Iterator[Found]:
    crashes = seen.coolify.crashes if isinstance(seen.coolify, CoolifySaid) else 0
    if seen.none and crashes:
        what = "it crashed again and again, until Coolify stopped it and took its container away"
        evidence = f"Coolify counted {crashes} starts after a crash; no container is there"
        yield found("crashed_for_good", what, evidence, f"rollback_app {seen.name}, or mend it and deploy_app")


def _ended(seen: Seen) -> Iterator[Found]:
    for box in _ill(seen):
        if box.state in _ENDED and not box.out_of_memory:
            yield found("exited", f"{box.name} has ended", _told(box), read_log(seen))


def _held(seen: Seen) -> Iterator[Found]:
    """Docker knows more states: created, paused, removing."""
    for box in _ill(seen):
        if not box.runs and box.state not in _ENDED | {"restarting"}:
            mend = f"control_app app={seen.name} action=restart"
            yield found("not_running", f"{box.name} is {clean_name(box.state)} and does not run", _told(box), mend)


def _rollout_failed(seen: Seen) -> Iterator[Found]:
    """The containers from before serve on, where there are any."""
    last = _last(seen)
    if last is not None and last.failed:
        code, what = _FAILURES[last.of_image]
        mend = f"get_app_logs app={seen.name} kind=build, then deploy_app"
        yield found(code, what, _failure(last), mend, is_cause=seen.ails and not seen.runs)


def _composeless(seen: Seen) -> Iterator[Found]:
    if seen.no_compose and not seen.runs:
        what = f"{seen.muscle} has no Docker Compose, with which Coolify starts this app"
        yield found("no_compose", what, "`docker compose version` fails there", f"repair_server server={seen.muscle}")


def _refused(seen: Seen) -> Iterator[Found]:
    if seen.refused and not seen.runs:
        what, mend = "Docker Compose does not start its file", f"deploy_app name={seen.name} with a mended compose file"
        yield found("compose_refused", what, seen.refused, mend)


def _gone(seen: Seen) -> Iterator[Found]:
    if seen.none and _was_rolled_out(seen) and isinstance(seen.coolify, CoolifySaid) and seen.coolify.runs:
        what = "Coolify says that it runs, and its container is not there: somebody took it away"
        yield found("container_gone", what, no_box(seen), f"control_app app={seen.name} action=restart")


def _stopped(seen: Seen) -> Iterator[Found]:
    coolify = seen.coolify
    if not (seen.none and _was_rolled_out(seen) and isinstance(coolify, CoolifySaid)):
        return
    if not (coolify.runs or coolify.crashes or seen.refused or seen.no_compose):
        mend = f"control_app app={seen.name} action=start; list_operations, if it was stopped through here"
        yield found("stopped", _stop(_last(seen)), no_box(seen), mend)


def _stop(last: Rollout | None) -> str:
    """Of a compose app, and of one whose deployment lasts, nothing tells whether it ever was started."""
    return "it was stopped or never started" if last is None or last.active else "somebody stopped it"


def _unhealthy(seen: Seen) -> Iterator[Found]:
    """Traefik sends nobody to a container whose check fails."""
    for box in _unchecked(seen):
        if box.health != "starting":
            what = f"{box.name} runs, and its health check fails: the proxy sends nobody there"
            yield found("unhealthy", what, _told(box), f"{read_log(seen)}; or deploy_app with another health_path")


def _starting(seen: Seen) -> Iterator[Found]:
    """Nor to one whose check has not passed yet."""
    for box in _unchecked(seen):
        if box.health == "starting":
            what = f"{box.name} was started, and its health check has not passed yet"
            yield found("starting", what, _told(box), f"wait, then again; {read_log(seen)}")


def _lacking(seen: Seen) -> Iterator[Found]:
    if seen.known and seen.missing and not [*_ill(seen)]:
        mend = f"get_app app={seen.name}, then control_app app={seen.name} action=restart"
        yield found("part_missing", "a part of it has no container that runs", f"missing: {seen.missing}", mend)


def _behind(seen: Seen) -> Iterator[Found]:
    """Coolify's word is from its last look."""
    coolify = seen.coolify
    if isinstance(coolify, CoolifySaid) and seen.runs and not coolify.runs:
        what = "Coolify says that it does not run, and its container runs"
        yield found("coolify_is_wrong", what, f"Coolify: {coolify.status}", "look again in a minute", is_cause=False)


def _restarted(seen: Seen) -> Iterator[Found]:
    for box in seen.known:
        if box.runs and box.well and box.restarts:
            what = f"{box.name} has fallen and was started again"
            yield found("restarted", what, _told(box), read_log(seen), is_cause=False)


INSIDE: tuple[Rule, ...] = (
    _coolify_silent,
    _never_deployed,
    _machine_silent,
    _docker_silent,
    troubles(lambda seen: seen.ails, "disk_full", "read_only"),
    troubles(lambda seen: seen.falls, "no_runtime"),
    _memory,
    _deploying,
    _killed,
    _crash_loop,
    _gave_up,
    _ended,
    _held,
    _rollout_failed,
    _composeless,
    _refused,
    _gone,
    _stopped,
    _unhealthy,
    _starting,
    _lacking,
    _lasting,
)
"""In the order of likeliness: what lies deeper explains what stands on it."""
BESIDE: tuple[Rule, ...] = (_behind, _restarted, troubles(lambda _: False, "not_isolated", "disk_filling"))
"""What never explains that an app is down."""


def _last(seen: Seen) -> Rollout | None:
    return seen.rollout if isinstance(seen.rollout, Rollout) else None


def _active(seen: Seen) -> Rollout | None:
    last = _last(seen)
    return last if last is not None and last.active else None


def _since(last: Rollout) -> str:
    return f"Coolify says {last.status} for {last.uuid}{f' since {last.at}' if last.at else ''}"


def _failure(last: Rollout) -> str:
    return f"{last.uuid} of {last.at or '?'} is {last.status}: {last.cause or 'its log says why'}"


def _was_rolled_out(seen: Seen) -> bool:
    """Return whether its last deployment, of which a compose app has none, did not fail, and nobody waits for it."""
    last = _last(seen)
    if last is None:
        return isinstance(seen.rollout, NotAsked)
    return last.lasting if last.active else not last.failed


def _ill(seen: Seen) -> Iterator[Box]:
    return (box for box in seen.known if not box.well)


def _unchecked(seen: Seen) -> Iterator[Box]:
    return (box for box in _ill(seen) if box.runs and not box.loops)


def _told(box: Box) -> str:
    return f"docker inspect: {box.name} is {box.state}{''.join(_details(box))}"


def _details(box: Box) -> Iterator[str]:
    if not box.runs:
        why = _EXITS.get(box.exit_code, "")
        yield f", exit code {box.exit_code}{f' ({why})' if why else ''}"
    if box.health:
        yield f", health {box.health}"
    if box.restarts:
        yield f", started again {box.restarts} times"
