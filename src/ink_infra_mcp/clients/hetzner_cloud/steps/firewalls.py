"""The step handlers that change Cloud firewalls, by kind: look, act if needed, look again."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pydantic import JsonValue

from ink_infra_mcp.clients.hetzner_cloud.act import selector_resource, server_resource
from ink_infra_mcp.clients.hetzner_cloud.firewalls import (
    Firewall,
    FirewallRule,
    NewFirewall,
    RuleSet,
    rules_as_they_were,
    same_rules,
)
from ink_infra_mcp.clients.hetzner_cloud.markers import OPERATION
from ink_infra_mcp.clients.hetzner_cloud.models import Action
from ink_infra_mcp.clients.hetzner_cloud.steps.context import CloudStep, Run, failed, given, passing
from ink_infra_mcp.core.errors import LOOKS_FIRST, Conflict, InkError, OutcomeUnknown, Rejected, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.waiting import NotYet, until

ROLE = "role"
SETTLED_S = 180.0
SEEN_S = 60.0
"""A label selector takes up to a few seconds (documentation)."""


async def _firewall(step: CloudStep) -> Firewall:
    """The firewall that the step is about.

    Raises:
        StepFailed: it is gone.
    """
    key = step.call.given("firewall")
    found = await step.cloud.firewall(int(key))
    if found is None:
        raise _failed(f"The firewall {key} is gone.", next="Call the tool again: it plans with what is there now.")
    return found


async def _settled(step: CloudStep, firewall: int) -> None:
    """Wait, up to three minutes, for the end of what is under way with a firewall, well or not.

    Until then it is locked; and what is there may still go, when an earlier step has begun to take it away.

    Raises:
        StepFailed: it is still being changed.
    """

    async def look() -> bool | NotYet:
        if not await step.cloud.running_on_firewall(firewall):
            return True
        words = f"waiting for the end of another change of the firewall {firewall}"
        return NotYet(words, _failed(f"The firewall {firewall} is still being changed after {SETTLED_S:.0f} s."))

    await until(step.call, look, within_s=SETTLED_S)


async def create_firewall(step: CloudStep) -> JsonObject:
    """Make the firewall `name` with `rules` and the label `role`, or find the one that an earlier run made.

    Returns its id as text. It is attached to nothing.

    Raises:
        StepFailed: the name belongs to a firewall that this operation did not make.
    """
    call = step.call
    labels = {OPERATION: call.operation_id, ROLE: call.text("role")}
    new = NewFirewall.model_validate({"name": call.text("name"), "labels": labels, "rules": call.params["rules"]})
    found = await _own(step, new.name)
    lost = None
    if found is None:
        lost = await step.unless_lost(partial(_create, step, new))
        found = await _own(step, new.name)
    if found is None and lost is not None:
        raise OutcomeUnknown(
            f"Whether the firewall {new.name} was made is not known: the answer was lost.", next=LOOKS_FIRST
        )
    if found is None or not same_rules(found.rules, new.rules):
        what = "is not there" if found is None else "has other rules"
        raise _failed(f"The new firewall {new.name} {what}.", done="It is not known whether it was made.")
    return {"firewall": str(found.id)}


async def _create(step: CloudStep, new: NewFirewall) -> tuple[Action, ...]:
    try:
        return (await step.cloud.create_firewall(new))[1]
    except Conflict as error:
        if error.vendor_code != "uniqueness_error" or await _own(step, new.name) is not None:
            raise
        raise _failed(
            f"A firewall called {new.name} is there already, and this operation did not make it.",
            next="Use that one, or rename it in the Hetzner Console.",
        ) from error


async def _own(step: CloudStep, name: str) -> Firewall | None:
    found = await step.cloud.firewall(name)
    return found if found is not None and _is_own(step, found) else None


def _is_own(step: CloudStep, firewall: Firewall) -> bool:
    return step.is_own(firewall.labels)


async def delete_firewall(step: CloudStep) -> JsonObject:
    """Delete the firewall that this operation made; one that is gone is as good.

    With `name` it is one that another operation of ours made, if it still has that name and is in front of nothing.

    Raises:
        StepFailed: it was made by somebody else. Rejected: it is attached to something.
        OutcomeUnknown: the answer was lost, and it is still there.
    """
    key = step.call.given("firewall")
    found = await step.cloud.firewall(int(key))
    if found is not None:
        named = found.name == step.call.params.get("name") and OPERATION in found.labels
        if not (named or _is_own(step, found)):
            raise _failed(f"The firewall {found.name} was not made by this operation, so it is not deleted.")
        there = partial(step.cloud.firewall, found.id)
        await step.deleted(f"the firewall {found.name}", step.cloud.delete_firewall(found.id), there)
    return {"firewall": key}


async def set_rules(step: CloudStep) -> JsonObject:
    """Replace the rules of `firewall` by `rules`, if `before` are the rules that it has now; return `before`.

    Raises:
        StepFailed: it has other rules than `before` says, or others than `rules` afterwards.
    """
    wanted = RuleSet.model_validate({"rules": step.call.params["rules"]})
    before = _seen_rules(step.call.params["before"])
    now = await _firewall(step)
    changed = not same_rules(now.rules, wanted.rules)
    if changed and not same_rules(now.rules, before):
        raise _failed(
            f"The rules of the firewall {now.name} are no longer those that the plan was made for.",
            next="Call the tool again: it plans with the rules that are there now.",
        )
    lost = await _replace(step, now.id, wanted.as_json()) if changed else None
    await _until_rules(step, lambda seen: same_rules(seen, wanted.rules), lost)
    return {"firewall": str(now.id), "before": [*rules_as_they_were(before)], "changed": changed}


async def restore_rules(step: CloudStep) -> JsonObject:
    """Put back `rules` (or what an earlier step returned as `before`) as they were, whatever rules are there.

    Raises:
        StepFailed: the firewall is gone, or has other rules afterwards.
    """
    before = _seen_rules(given(step.call, "rules"))
    await _settled(step, (await _firewall(step)).id)
    now = await _firewall(step)
    other = not same_rules(now.rules, before)
    lost = await _replace(step, now.id, rules_as_they_were(before)) if other else None
    await _until_rules(step, lambda seen: same_rules(seen, before), lost)
    return {"firewall": str(now.id)}


async def _replace(step: CloudStep, id: int, rules: Sequence[JsonObject]) -> InkError | None:
    return await step.unless_lost(lambda: step.cloud.set_firewall_rules(id, rules))


async def _until_rules(step: CloudStep, right: Callable[[Sequence[FirewallRule]], bool], lost: InkError | None) -> None:
    """The rules are there, and every server that the firewall is at has them."""

    async def look() -> Firewall | NotYet:
        now = await _firewall(step)
        if not right(now.rules):
            raise (
                _not_known(now)
                if lost
                else _failed(
                    f"The firewall {now.name} has other rules than it was given.",
                    done="Its rules may have been replaced.",
                )
            )
        words = f"waiting for the servers of {now.name} to have its rules"
        return NotYet(words, _slow(now)) if await _pending(step, now.id) else now

    await until(step.call, look, within_s=SEEN_S)


async def _pending(step: CloudStep, firewall: int) -> bool:
    servers = await step.cloud.servers()
    return any(at.id == firewall and at.status != "applied" for s in servers for at in s.public_net.firewalls)


async def attach(step: CloudStep) -> JsonObject:
    """Attach `firewall` to `server` (its id) or to `selector`, and wait until it is applied there.

    Each firewall goes by ids or by selectors, never by both: one that a selector attached cannot be taken off alone.

    Raises:
        StepFailed: it goes the other way already, or is not applied after a minute.
    """
    await _settled(step, (await _firewall(step)).id)
    firewall = await _firewall(step)
    _refuse_mixing(step, firewall)
    bound = _is_bound(step, firewall)
    lost = None if bound else await step.unless_lost(partial(_attach, step, firewall.id))
    await _until_applied(step, lost)
    return {"firewall": str(firewall.id)}


async def _attach(step: CloudStep, id: int) -> tuple[Action, ...]:
    try:
        return await step.cloud.attach_firewall(id, _resource(step.call))
    except Rejected as error:
        return passing(error, "firewall_already_applied")


async def detach(step: CloudStep) -> JsonObject:
    """Take `firewall` off `server` or `selector`, and wait until it is off; a firewall that is gone is off.

    Raises:
        StepFailed: it is still there after a minute. Rejected: a selector attached it to that server.
    """
    key = step.call.given("firewall")
    if await step.cloud.firewall(int(key)) is not None:
        await _settled(step, int(key))
    firewall = await step.cloud.firewall(int(key))
    if firewall is not None and _is_bound(step, firewall):
        lost = await step.unless_lost(lambda: step.cloud.detach_firewall(int(key), _resource(step.call)))
        await _until_off(step, lost)
    return {"firewall": key}


def _selector(call: StepCall) -> str:
    return call.text("selector") if "selector" in call.params else ""


def _resource(call: StepCall) -> JsonObject:
    selector = _selector(call)
    return selector_resource(selector) if selector else server_resource(int(call.text("server")))


def _is_bound(step: CloudStep, firewall: Firewall) -> bool:
    selector = _selector(step.call)
    return selector in firewall.selectors if selector else int(step.call.text("server")) in firewall.servers


def _refuse_mixing(step: CloudStep, firewall: Firewall) -> None:
    way, other = ("selectors", firewall.servers) if _selector(step.call) else ("server ids", firewall.selectors)
    if other:
        raise _failed(
            f"The firewall {firewall.name} is attached to {', '.join(map(str, sorted(other, key=str)))}, "
            f"which does not go together with {way}.",
            next="Take it off there first, or use another firewall.",
        )


async def _until_applied(step: CloudStep, lost: InkError | None) -> None:
    async def look() -> Firewall | NotYet:
        now = await _firewall(step)
        ready = _is_bound(step, now) and not await _pending(step, now.id)
        return now if ready else NotYet(f"waiting for {now.name} to be applied", _late(now, lost))

    await until(step.call, look, within_s=SEEN_S)


async def _until_off(step: CloudStep, lost: InkError | None) -> None:
    async def look() -> bool | NotYet:
        now = await step.cloud.firewall(int(step.call.given("firewall")))
        if now is None or not _is_bound(step, now):
            return True
        return NotYet(f"waiting for {now.name} to be taken off", _late(now, lost))

    await until(step.call, look, within_s=SEEN_S)


def _seen_rules(value: JsonValue) -> tuple[FirewallRule, ...]:
    """A request body leaves out empty lists, which an answer always has."""
    empty: JsonObject = {"source_ips": [], "destination_ips": []}
    return tuple(FirewallRule.model_validate(empty | table(rule)) for rule in items(value))


def _late(firewall: Firewall, lost: InkError | None) -> InkError:
    return _not_known(firewall) if lost else _slow(firewall)


def _not_known(firewall: Firewall) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Whether the firewall {firewall.name} is being changed is not known: the answer was lost.", next=LOOKS_FIRST
    )


def _slow(firewall: Firewall) -> StepFailed:
    return _failed(
        f"The firewall {firewall.name} is not as asked everywhere after {SEEN_S:.0f} s.",
        done="The change was begun.",
        next="Hetzner may still work on it: call check_firewall in a minute.",
    )


def _failed(what: str, *, done: str = "Nothing was changed.", next: str = "Call the tool again.") -> StepFailed:
    return failed(what, done=done, next=next, stage="firewall")


HANDLERS: Mapping[str, Run] = {
    "hetzner_cloud.create_firewall": create_firewall,
    "hetzner_cloud.delete_firewall": delete_firewall,
    "hetzner_cloud.set_firewall_rules": set_rules,
    "hetzner_cloud.restore_firewall_rules": restore_rules,
    "hetzner_cloud.attach_firewall": attach,
    "hetzner_cloud.detach_firewall": detach,
}
