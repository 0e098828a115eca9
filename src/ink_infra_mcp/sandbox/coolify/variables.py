"""Environment variables of applications and services: how they are added, found and overwritten."""

from ink_infra_mcp.sandbox.coolify.call import JsonObject
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.state_coolify import Application, CoolifyState, EnvVar, Service

FLAGS = ("is_literal", "is_multiline", "is_shown_once")
KEPT = ("is_runtime", "is_buildtime", "comment")


def find(owner: Application | Service, key: str, *, preview: bool) -> EnvVar | None:
    """Return the variable of that name, among the previews' or the others."""
    return next((var for var in owner.envs if var.key == key and var.is_preview == preview), None)


def add(coolify: CoolifyState, owner: Application | Service, given: JsonObject, *, now: float) -> EnvVar:
    """Add a variable; one of an application brings a copy for previews, unless there is one already."""
    var = _new(coolify, given, preview=bool(given.get("is_preview")), now=now)
    owner.envs.append(var)
    if isinstance(owner, Application) and not var.is_preview and find(owner, var.key, preview=True) is None:
        owner.envs.append(_new(coolify, {**given, "is_shown_once": False}, preview=True, now=now))
    return var


def overwrite(var: EnvVar, given: JsonObject, *, now: float) -> None:
    """Change a variable: an omitted `is_literal` becomes false, other omitted flags null when they were true.

    Seen in ApplicationsController of coollabsio/coolify. Its database may refuse the null; here it is kept.
    """
    value = given.get("value")
    var.value = None if value is None else str(value)
    var.is_literal = bool(given.get("is_literal"))
    var.is_multiline = _compared(var.is_multiline, given.get("is_multiline"))
    var.is_shown_once = _compared(var.is_shown_once, given.get("is_shown_once"))
    for name in KEPT:
        if name in given:
            setattr(var, name, given[name])
    var.updated_at = now


def _compared(old: bool | None, new: object) -> bool | None:
    """PHP writes only when old and new differ loosely, and null is loosely false."""
    if bool(old) == bool(new):
        return old
    return None if new is None else bool(new)


def _new(coolify: CoolifyState, given: JsonObject, *, preview: bool, now: float) -> EnvVar:
    value, comment = given.get("value"), given.get("comment")
    return EnvVar(
        id=new_id(coolify),
        uuid=new_uuid(coolify),
        key=str(given["key"]),
        value=None if value is None else str(value),
        comment=None if comment is None else str(comment),
        is_preview=preview,
        is_literal=bool(given.get("is_literal")),
        is_multiline=bool(given.get("is_multiline")),
        is_shown_once=bool(given.get("is_shown_once")),
        is_runtime=_default_on(given.get("is_runtime")),
        is_buildtime=_default_on(given.get("is_buildtime")),
        created_at=now,
        updated_at=now,
    )


def _default_on(value: object) -> bool:
    return True if value is None else bool(value)
