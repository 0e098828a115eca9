"""Actions: work that takes time, what it locks, and how it is asked about."""

from collections.abc import Sequence

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.call import ApiError, Call, JsonObject, Reply, Route, invalid, stamp
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.things import find
from ink_infra_mcp.sandbox.state_hetzner import Action, ActionResource, HetznerState


def begin(call: Call, command: str, *resources: tuple[str, int], after_s: float | None = None) -> Action:
    """Start an action on `resources` that ends after `after_s` seconds (default: the project's `action_s`)."""
    action = Action(
        id=call.new_id(),
        command=command,
        started=call.now,
        ends=call.now + (call.project.action_s if after_s is None else after_s),
        resources=[ActionResource(type=kind, id=id_) for kind, id_ in resources],
    )
    if command in call.project.breaks:
        action.error_code, action.error_message = "action_failed", call.project.breaks.pop(command)
    call.project.actions.append(action)
    return action


def busy(project: HetznerState, kind: str, id_: int, now: float) -> bool:
    """Return whether an action on that resource is still running."""
    return any(
        action.started <= now < action.ends and ActionResource(type=kind, id=id_) in action.resources
        for action in project.actions
    )


def refuse_locked(call: Call, kind: str, id_: int) -> None:
    """Let a change pass when nothing else changes the resource.

    Raises:
        ApiError: 423 locked.
    """
    if busy(call.project, kind, id_, call.now):
        raise ApiError(423, "locked", f"{kind} is locked by a running action")


def shown(action: Action, now: float) -> JsonObject:
    """Return an action as the API shows it at `now`."""
    status = _status(action, now)
    share = (now - action.started) / max(action.ends - action.started, 0.001)
    resources: list[JsonValue] = [{"id": r.id, "type": r.type} for r in action.resources]
    return {
        "id": action.id,
        "command": action.command,
        "status": status,
        "progress": max(0, min(99, int(share * 100))) if status == "running" else 100,
        "started": stamp(action.started),
        "finished": None if status == "running" else stamp(action.ends),
        "resources": resources,
        "error": {"code": action.error_code, "message": action.error_message} if status == "error" else None,
    }


def _status(action: Action, now: float) -> str:
    if now < action.ends:
        return "running"
    return "error" if action.error_code else "success"


def started(call: Call, action: Action, status: int = 201) -> Reply:
    """Return the answer of an operation that only starts an action."""
    return Reply(status, {"action": shown(action, call.now)})


def _many(call: Call) -> Reply:
    """Without `id` the list is refused: the vendor removed it on 30 January 2025."""
    wanted = call.query.get("id", ())
    if not wanted or not all(text.isdigit() for text in wanted):
        raise invalid({"id": "is required"})
    ids = set(map(int, wanted))
    return _listed(call, [action for action in call.project.actions if action.id in ids])


def _one(call: Call) -> Reply:
    return started(call, find(call.project.actions, call.id, "action"), 200)


def of_resource(call: Call, kind: str, id_: int) -> Reply:
    """Return the actions of one resource; `status` and `sort` narrow and order them."""
    return _listed(call, [a for a in call.project.actions if ActionResource(type=kind, id=id_) in a.resources])


def _listed(call: Call, actions: Sequence[Action]) -> Reply:
    return listing(call, "actions", [shown(action, call.now) for action in actions], filters=("status",))


ROUTES = (Route("GET", "/actions", _many), Route("GET", "/actions/{id}", _one))
