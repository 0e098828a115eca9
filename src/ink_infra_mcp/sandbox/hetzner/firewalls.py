"""Cloud firewalls: made, given rules, attached to servers and label selectors, taken off, deleted."""

from collections.abc import Iterable
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import begin, busy, of_resource, refuse_locked, shown
from ink_infra_mcp.sandbox.hetzner.attaching import arrive, firewalls_at, has_public_side, meant_by, reconcile
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Body, Call, JsonObject, Reply, Route, invalid, stamp
from ink_infra_mcp.sandbox.hetzner.firewall_rules import WantedRule, checked_rules
from ink_infra_mcp.sandbox.hetzner.labels import check_labels, selector
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.things import NameAndLabels, find, refuse_taken, update
from ink_infra_mcp.sandbox.state_firewalls import Bond, Firewall, FirewallRule
from ink_infra_mcp.sandbox.state_hetzner import Action, Server

MAX_FIREWALLS = 50
MAX_PER_SERVER = 5


class ServerRef(Body):
    """A server by its id."""

    id: int


class SelectorRef(Body):
    """Servers by their labels."""

    selector: str


class Resource(Body):
    """What a firewall is attached to."""

    type: Literal["server", "label_selector"]
    server: ServerRef | None = None
    label_selector: SelectorRef | None = None


class CreateFirewall(Body):
    """POST /firewalls."""

    name: str
    labels: dict[str, str] = {}
    rules: list[WantedRule] = []
    apply_to: list[Resource] = []


class SetRules(Body):
    """The body of set_rules; it replaces what there is."""

    rules: list[WantedRule]


class ApplyTo(Body):
    """The body of apply_to_resources."""

    apply_to: list[Resource]


class RemoveFrom(Body):
    """The body of remove_from_resources."""

    remove_from: list[Resource]


def find_firewall(call: Call, id_: int) -> Firewall:
    """Return the firewall.

    Raises:
        ApiError: 404 not_found.
    """
    return find(call.project.firewalls, id_, "firewall")


def show(call: Call, firewall: Firewall) -> JsonObject:
    """Return a firewall as JSON."""
    rules: list[JsonValue] = [_show_rule(rule) for rule in firewall.rules]
    applied: list[JsonValue] = [_show_bond(call, bond) for bond in firewall.bonds]
    return {
        "id": firewall.id,
        "name": firewall.name,
        "created": stamp(firewall.created),
        "labels": {**firewall.labels},
        "rules": rules,
        "applied_to": applied,
    }


def _show_rule(rule: FirewallRule) -> JsonObject:
    return {
        "direction": rule.direction,
        "protocol": rule.protocol,
        "port": rule.port,
        "source_ips": [*rule.source_ips],
        "destination_ips": [*rule.destination_ips],
        "description": rule.description,
    }


def _show_bond(call: Call, bond: Bond) -> JsonObject:
    if bond.selector is None:
        return {"type": "server", "server": {"id": bond.server}}
    found: list[JsonValue] = [{"type": "server", "server": {"id": s.id}} for s in meant_by(call.project, bond)]
    return {
        "type": "label_selector",
        "label_selector": {"selector": bond.selector},
        "applied_to_resources": found,
    }


def _list(call: Call) -> Reply:
    return listing(call, "firewalls", [show(call, one) for one in call.project.firewalls], filters=("name",))


def _get(call: Call) -> Reply:
    return Reply(200, {"firewall": show(call, find_firewall(call, call.id))})


def _create(call: Call) -> Reply:
    wanted = call.read(CreateFirewall)
    _check_name(call, wanted.name)
    check_labels(wanted.labels)
    rules = checked_rules(wanted.rules)
    if len(call.project.firewalls) >= MAX_FIREWALLS:
        raise ApiError(403, "resource_limit_exceeded", "firewall limit exceeded")
    bonds = [_bond(call, resource, missing=422) for resource in wanted.apply_to]
    if any(bonds.count(bond) > 1 for bond in bonds):
        raise ApiError(422, "server_already_added", "server was applied more than once")
    firewall = Firewall(id=call.new_id(), name=wanted.name, created=call.now, labels=wanted.labels, rules=rules)
    call.project.firewalls.append(firewall)
    actions = [begin(call, "set_firewall_rules", ("firewall", firewall.id))]
    actions += _applied(call, firewall, bonds)
    return Reply(201, {"firewall": show(call, firewall), "actions": _shown(call, actions)})


def _check_name(call: Call, name: str) -> None:
    if not 1 <= len(name) <= 128:
        raise invalid({"name": "must have 1 to 128 characters"})
    refuse_taken(call.project.firewalls, name)


def _update(call: Call) -> Reply:
    """A change that runs makes it a conflict."""
    wanted = call.read(NameAndLabels)
    firewall = find_firewall(call, call.id)
    if busy(call.project, "firewall", firewall.id, call.now):
        raise ApiError(409, "conflict", "resource has changed, please retry")
    update(firewall, wanted, lambda name: _check_name(call, name))
    return Reply(200, {"firewall": show(call, firewall)})


def _delete(call: Call) -> Reply:
    firewall = find_firewall(call, call.id)
    if firewall.bonds:
        raise ApiError(422, "resource_in_use", "firewall is still applied to a resource")
    call.project.firewalls.remove(firewall)
    return Reply(204, None)


def _set_rules(call: Call) -> Reply:
    """The rules are replaced at once, and pending at each server until its action ends."""
    wanted = call.read(SetRules)
    firewall = find_firewall(call, call.id)
    rules = checked_rules(wanted.rules)
    refuse_locked(call, "firewall", firewall.id)
    firewall.rules = rules
    actions = [begin(call, "set_firewall_rules", ("firewall", firewall.id))]
    actions += [_arriving(call, firewall, server.server) for server in [*firewall.at]]
    return _started(call, actions)


def _apply(call: Call) -> Reply:
    wanted = call.read(ApplyTo)
    firewall = find_firewall(call, call.id)
    bonds = [_bond(call, resource, missing=404) for resource in wanted.apply_to]
    for bond in bonds:
        if _is_bound(firewall, bond):
            raise ApiError(422, "firewall_already_applied", "firewall is already applied to resource")
    _refuse_full(call, firewall, bonds)
    refuse_locked(call, "firewall", firewall.id)
    _refuse_busy_servers(call, bonds)
    return _started(call, _applied(call, firewall, bonds))


def _remove(call: Call) -> Reply:
    """What it is not attached to counts as removed (since August 2025); the bond goes with the end of its action."""
    wanted = call.read(RemoveFrom)
    firewall = find_firewall(call, call.id)
    bonds = [_bond(call, resource, missing=404) for resource in wanted.remove_from]
    held = [bond for bond in bonds if _is_bound(firewall, bond)]
    for bond in bonds:
        if bond not in held and any(at.server == bond.server for at in firewall.at):
            words = "firewall is applied via a label selector and cannot be removed manually"
            raise ApiError(422, "firewall_managed_by_label_selector", words)
    refuse_locked(call, "firewall", firewall.id)
    return _started(call, [_leaving(call, firewall, bond) for bond in held])


def _bond(call: Call, resource: Resource, *, missing: int) -> Bond:
    if resource.type == "label_selector":
        text = resource.label_selector.selector if resource.label_selector else ""
        if not text.strip():
            raise invalid({"label_selector": "is required"})
        selector(text)
        return Bond(selector=text)
    if resource.server is None:
        raise invalid({"server": "is required"})
    server = next((s for s in call.project.servers if s.id == resource.server.id), None)
    if server is None:
        raise ApiError(missing, "firewall_resource_not_found", f"server with ID '{resource.server.id}' not found")
    if not has_public_side(server):
        raise ApiError(422, "private_net_only_server", "server has no public interface")
    return Bond(server=server.id)


def _is_bound(firewall: Firewall, bond: Bond) -> bool:
    return any((held.server, held.selector) == (bond.server, bond.selector) for held in firewall.bonds)


def _servers(call: Call, bonds: Iterable[Bond]) -> list[Server]:
    return [server for bond in bonds for server in meant_by(call.project, bond)]


def _refuse_full(call: Call, firewall: Firewall, bonds: Iterable[Bond]) -> None:
    for server in _servers(call, bonds):
        others = [one for one, _ in firewalls_at(call.project, server) if one is not firewall]
        if len(others) >= MAX_PER_SERVER:
            raise ApiError(403, "resource_limit_exceeded", f"a server can have {MAX_PER_SERVER} firewalls")


def _refuse_busy_servers(call: Call, bonds: Iterable[Bond]) -> None:
    for bond in bonds:
        if bond.server is not None:
            refuse_locked(call, "server", bond.server)


def _applied(call: Call, firewall: Firewall, bonds: list[Bond]) -> list[Action]:
    firewall.bonds += bonds
    return [_arriving(call, firewall, server.id) for server in _servers(call, bonds)]


def _arriving(call: Call, firewall: Firewall, server: int) -> Action:
    action = begin(call, "apply_firewall", ("firewall", firewall.id), ("server", server))
    arrive(firewall, server, action.ends)
    return action


def _leaving(call: Call, firewall: Firewall, bond: Bond) -> Action:
    servers = [("server", server.id) for server in meant_by(call.project, bond)]
    action = begin(call, "remove_firewall", ("firewall", firewall.id), *servers)
    for held in firewall.bonds:
        if (held.server, held.selector) == (bond.server, bond.selector):
            held.until = action.ends
    return action


def _started(call: Call, actions: list[Action]) -> Reply:
    reconcile(call.project, call.now)
    return Reply(201, {"actions": _shown(call, actions)})


def _shown(call: Call, actions: list[Action]) -> list[JsonValue]:
    return [shown(action, call.now) for action in actions]


def _actions(call: Call) -> Reply:
    return of_resource(call, "firewall", find_firewall(call, call.id).id)


ROUTES = (
    Route("GET", "/firewalls", _list),
    Route("POST", "/firewalls", _create),
    Route("GET", "/firewalls/{id}", _get),
    Route("PUT", "/firewalls/{id}", _update),
    Route("DELETE", "/firewalls/{id}", _delete),
    Route("GET", "/firewalls/{id}/actions", _actions),
    Route("POST", "/firewalls/{id}/actions/set_rules", _set_rules),
    Route("POST", "/firewalls/{id}/actions/apply_to_resources", _apply),
    Route("POST", "/firewalls/{id}/actions/remove_from_resources", _remove),
)
