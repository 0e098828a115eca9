"""Earlier values of variables that may be put back: those that our own record holds already, and no others.

A value that somebody else gave Coolify may be a secret, and plans are stored and shown: it never enters one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from ink_infra_mcp.areas.apps.env_values import (
    Digests,
    Owner,
    agrees,
    is_generated,
    is_secret_name,
    readable,
    secret_key,
    wanted_digest,
)
from ink_infra_mcp.areas.apps.rollout import name_lock
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.shapes import table

SETS = frozenset({"coolify.set_env_new", "coolify.set_env"})
FLAGS = ("is_literal", "is_multiline", "is_runtime", "is_buildtime", "is_shown_once")
FAR_BACK = 200
"""How many operations on the app are looked through for the plan that gave a variable its value."""


async def earlier_values(
    look: Look,
    owner: Owner,
    own: Mapping[str, EnvVar],
    names: Collection[str],
    *,
    wanted: Mapping[str, str],
    seen: Sequence[Digests],
) -> dict[str, JsonObject]:
    """Return name -> value (plain, or secret:NAME) and flags as Coolify has them now, where a plan may hold the value.

    That is an empty one, one that is also wanted now, and one that an earlier plan of ours set, if Coolify's row or
    the containers `seen` show that it is still the value.
    """
    values = readable(own)
    left = {name for name in names if name in own}
    found: dict[str, JsonObject] = {}

    def take(name: str, value: str) -> None:
        if name in left and not is_generated(value) and _is_now(look, value, values.get(name), seen, name):
            left.discard(name)
            found[name] = {"value": value, **{flag: bool(getattr(own[name], flag)) for flag in FLAGS}}

    for name in sorted(left):
        for value in (wanted.get(name, ""), ""):
            take(name, value)
    looked_at = 0
    async for operation in look.archive.on_target(name_lock(owner.name)):
        if not left or looked_at >= FAR_BACK:
            break
        looked_at += 1
        for name, value in _set_by(operation.plan):
            take(name, value)
    return {name: found[name] for name in sorted(found)}


def is_value(look: Look, now: Secret, wanted: str) -> bool:
    """Return whether a value that can be seen is the wanted one, plain or a stored secret."""
    if is_secret_name(wanted):
        return look.is_secret(secret_key(wanted), now)
    return now == Secret(wanted)


def _is_now(look: Look, value: str, now: Secret | None, seen: Sequence[Digests], name: str) -> bool:
    if now is not None:
        return is_value(look, now, value)
    return agrees(seen, name, wanted_digest(look, value))


def _set_by(plan: Plan) -> Iterator[tuple[str, str]]:
    for step in plan.steps:
        if step.kind in SETS:
            yield from ((name, str(value)) for name, value in table(step.params["variables"]).items())
