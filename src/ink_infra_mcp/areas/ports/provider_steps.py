"""The steps that make the provider's firewall in front of a server say what policy says, and how each is undone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from pydantic import JsonValue

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.firewall.changes import RobotDiff, canonical, cloud_diff, robot_diff
from ink_infra_mcp.core.firewall.cloud import CloudFirewall, CloudRule
from ink_infra_mcp.core.firewall.limits import over_cloud_limits, over_robot_limits, over_server_limits
from ink_infra_mcp.core.firewall.robot import RobotFirewall
from ink_infra_mcp.core.firewall.targets import cloud_rules, robot_firewall
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of

Rules = tuple[CloudRule, ...]


def provider_steps(ground: Ground, private: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps, none where it is so already or where the provider has no firewall that we know.

    Raises:
        RefusedByPolicy: the rules do not fit into what the provider takes.
    """
    if ground.front.robot is not None:
        return tuple(_robot(ground, ground.front.robot, tuple(private)))
    if ground.front.server is not None:
        return tuple(_cloud(ground, ground.front.server))
    return ()


def beyond_reach(ground: Ground) -> tuple[str, ...]:
    """Return in words which firewalls open more than policy, and are bound so that one server cannot be taken off."""
    target = _bare(cloud_rules(ground.policy, ground.role, ground.classes))
    server = ground.front.server
    return tuple(
        f"the Cloud firewall {firewall.name} opens more than policy and is bound by a label selector: change it by hand"
        for firewall in ground.front.cloud
        if server not in firewall.servers and not _within(firewall, target)
    )


def _cloud(ground: Ground, server: int) -> Iterator[Step]:
    front, name = ground.front, ground.facts.name
    target = canonical(cloud_rules(ground.policy, ground.role, ground.classes))
    _refuse_over(over_cloud_limits(target), name)
    inbound = [rule for firewall in front.cloud for rule in _inbound(firewall)]
    if front.cloud and _bare(inbound) == _bare(target):
        return
    own = _own(ground, server)
    yield from _own_steps(ground, server, own, target)
    for firewall in front.cloud:
        if firewall is not own and server in firewall.servers and not _within(firewall, _bare(target)):
            yield _detach(name, server, firewall)


def _own_steps(ground: Ground, server: int, own: CloudFirewall | None, target: Rules) -> Iterator[Step]:
    name = ground.facts.name
    if own is None:
        yield create_step(name, ground.role, target)
    elif _bare(_inbound(own)) != _bare(target):
        yield _set_rules(own, target, ground.front.shown)
    if own is None or server not in own.servers:
        _refuse_over(over_server_limits((*ground.front.cloud, own or CloudFirewall(id=0, name=f"ink-{name}"))), name)
        yield _attach(name, server, own)


def _own(ground: Ground, server: int) -> CloudFirewall | None:
    """The firewall that is this server's alone: the one of our name, or the only one there is, on no other server."""
    ours = next((firewall for firewall in ground.front.known if firewall.name == f"ink-{ground.facts.name}"), None)
    return _alone(ground, server) if ours is None else ours


def _alone(ground: Ground, server: int) -> CloudFirewall | None:
    alone = [f for f in ground.front.cloud if f.servers == (server,) and not f.selectors]
    return alone[0] if len(alone) == len(ground.front.cloud) == 1 else None


def _inbound(firewall: CloudFirewall) -> Rules:
    return tuple(rule for rule in firewall.rules if rule.direction == "in")


def _bare(rules: Iterable[CloudRule]) -> Rules:
    """Return what rules do, without what they say of themselves."""
    return canonical(rule.model_copy(update={"description": ""}) for rule in rules)


def _within(firewall: CloudFirewall, target: Rules) -> bool:
    return set(_bare(_inbound(firewall))) <= set(target)


def _refuse_over(problems: tuple[str, ...], name: str) -> None:
    if problems:
        raise RefusedByPolicy(
            f"The rules for {name} do not fit the provider's firewall: {'; '.join(problems)}.",
            next="Give fewer or wider networks in [access], or fewer ports in ports.toml.",
        )


def _bodies(rules: Iterable[CloudRule]) -> list[JsonValue]:
    return [cast(JsonObject, rule.body()) for rule in rules]


def _lines(rules: Iterable[CloudRule]) -> str:
    said = [f"{rule.protocol} {rule.port or 'all'} from {', '.join(rule.remote)}" for rule in rules]
    return "; ".join(said) or "nothing"


def create_step(name: str, role: str, rules: Rules) -> Step:
    """Return the step that makes a Cloud firewall of a server's own, whose id it returns as `firewall`."""
    target = canonical(rules)
    return Step(
        id="create_firewall",
        kind="hetzner_cloud.create_firewall",
        target=name,
        summary=f"Make the Cloud firewall ink-{name}",
        after=f"lets in {_lines(target)}",
        params={"name": f"ink-{name}", "role": role, "rules": _bodies(target)},
        undo=Undo(
            kind="hetzner_cloud.delete_firewall",
            target=name,
            summary=f"delete ink-{name}",
            params={"firewall": result_of("create_firewall", "firewall")},
        ),
    )


def _set_rules(own: CloudFirewall, target: Rules, shown: Mapping[int, JsonValue]) -> Step:
    kept = tuple(rule for rule in own.rules if rule.direction == "out")
    before: JsonObject = {"firewall": str(own.id), "rules": shown[own.id]}
    diff = cloud_diff(_bare(_inbound(own)), _bare(target))
    return Step(
        id="set_rules",
        kind="hetzner_cloud.set_firewall_rules",
        target=own.name,
        summary=f"Replace the inbound rules of the Cloud firewall {own.name}",
        before=f"takes out {_lines(diff.removed)}",
        after=f"puts in {_lines(diff.added)}; {len(diff.whole) - len(diff.added)} stay as they are",
        params={"firewall": str(own.id), "rules": _bodies((*target, *kept)), "before": shown[own.id]},
        undo=Undo(
            kind="hetzner_cloud.restore_firewall_rules",
            target=own.name,
            summary="put the old rules back",
            params=before,
        ),
    )


def _attach(name: str, server: int, own: CloudFirewall | None) -> Step:
    firewall: JsonValue = str(own.id) if own else result_of("create_firewall", "firewall")
    params: JsonObject = {"firewall": firewall, "server": str(server)}
    return Step(
        id="attach_firewall",
        kind="hetzner_cloud.attach_firewall",
        target=name,
        summary=f"Put the Cloud firewall {own.name if own else f'ink-{name}'} in front of {name}",
        params=params,
        uses=() if own else ("create_firewall",),
        undo=Undo(kind="hetzner_cloud.detach_firewall", target=name, summary="take it off again", params=params),
    )


def _detach(name: str, server: int, firewall: CloudFirewall) -> Step:
    params: JsonObject = {"firewall": str(firewall.id), "server": str(server)}
    return Step(
        id=f"detach_{firewall.id}",
        kind="hetzner_cloud.detach_firewall",
        target=name,
        summary=f"Take the Cloud firewall {firewall.name} off {name}: it opens more than policy",
        before=f"lets in {_lines(canonical(_inbound(firewall)))}",
        params=params,
        undo=Undo(kind="hetzner_cloud.attach_firewall", target=name, summary="put it back", params=params),
    )


def _robot(ground: Ground, now: RobotFirewall, private: tuple[str, ...]) -> Iterator[Step]:
    name, number = ground.facts.name, now.server_number
    four = [cidr for cidr in private if ":" not in cidr]
    wanted = robot_firewall(ground.policy, ground.role, ground.classes, server_number=number, private=four)
    wanted = wanted.model_copy(update={"port": now.port})
    _refuse_over(over_robot_limits(wanted), name)
    diff = robot_diff(now, wanted)
    if not diff:
        return
    before = ground.front.robot_before
    if before is None:
        raise RefusedByPolicy(
            f"The Robot firewall of {name} could not be put back if the new one fails: it lets nothing through, or is "
            "being changed.",
            next="Wait a minute, or set it by hand in Robot first, then call again.",
        )
    yield Step(
        id="set_robot",
        kind="hetzner_robot.set_firewall",
        target=name,
        summary=f"Replace the Robot firewall of {name} (server {number}), both directions at once",
        before=_robot_before(now, diff),
        after=_robot_after(wanted, diff),
        params={"server": str(number), "firewall": _robot_body(wanted), "before": before},
        undo=Undo(
            kind="hetzner_robot.restore_firewall",
            target=name,
            summary="put the old set back",
            params={"server": str(number), "firewall": before},
        ),
    )


def _robot_body(firewall: RobotFirewall) -> JsonObject:
    return {
        "status": "active",
        "filter_ipv6": firewall.filter_ipv6,
        "whitelist_hos": firewall.whitelist_hos,
        "input": [cast(JsonObject, rule.fields()) for rule in firewall.input],
        "output": [cast(JsonObject, rule.fields()) for rule in firewall.output],
    }


def _robot_before(now: RobotFirewall, diff: RobotDiff) -> str:
    """Return what a person loses: the options as they are, and the rules that go, with their place in the list."""
    return f"{_robot_options(now)}; takes out {_robot_changes(diff, 'remove')}"


def _robot_after(wanted: RobotFirewall, diff: RobotDiff) -> str:
    changed = [change for change in (*diff.input, *diff.output) if change.kind == "insert"]
    stay = len(wanted.input) + len(wanted.output) - len(changed)
    return f"{_robot_options(wanted)}; puts in {_robot_changes(diff, 'insert')}; {stay} stay as they are"


def _robot_options(firewall: RobotFirewall) -> str:
    six = "filtered" if firewall.filter_ipv6 else "not filtered"
    own = "let in" if firewall.whitelist_hos else "not let in by themselves"
    return f"{firewall.status}, IPv6 {six}, Hetzner's own services {own}"


def _robot_changes(diff: RobotDiff, kind: str) -> str:
    ways = {"input": diff.input, "output": diff.output}
    said = [f"{way}: {c.rule.told()}" for way, changes in ways.items() for c in changes if c.kind == kind]
    return "; ".join(said) or "nothing"
