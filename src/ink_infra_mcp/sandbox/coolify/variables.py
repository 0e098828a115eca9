"""Environment variables of applications and services: how they are added, found and overwritten."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import JsonObject, refusal
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


def overwrite(owner: Application | Service, var: EnvVar, given: JsonObject, *, now: float) -> None:
    """Change a variable. Of an application an omitted `is_literal` becomes false; of a service what is omitted stays.

    Seen in ApplicationsController and ServicesController of coollabsio/coolify.

    Raises:
        Refusal: 500 where another flag of an application was true and is omitted: its column takes no null (seen).
    """
    changes = _changes(owner, var, given)
    var.value = _text(given.get("value"))
    for name, value in changes.items():
        setattr(var, name, value)
    var.updated_at = now


def _changes(owner: Application | Service, var: EnvVar, given: JsonObject) -> JsonObject:
    if isinstance(owner, Application):
        return {**_flags(var, given), **_among(given, KEPT)}
    flags = {name: bool(value) for name, value in _among(given, FLAGS).items()}
    return {**flags, **_among(given, ("comment",))}


def _among(given: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {name: given[name] for name in names if name in given}


def _flags(var: EnvVar, given: JsonObject) -> dict[str, bool]:
    """PHP writes only when old and new differ loosely, and null is loosely false."""
    flags = {"is_literal": bool(given.get("is_literal"))}
    for name, old in (("is_multiline", var.is_multiline), ("is_shown_once", var.is_shown_once)):
        if old and given.get(name) is None:
            raise refusal(500, "Server Error")
        flags[name] = bool(given.get(name))
    return flags


def _text(value: JsonValue) -> str | None:
    """Laravel cuts off spaces, line breaks and letters without ink at both ends of every field, and empty is null."""
    return None if value is None else str(value).strip().strip("\u200b\u200e\ufeff").strip() or None


def _new(coolify: CoolifyState, given: JsonObject, *, preview: bool, now: float) -> EnvVar:
    comment = given.get("comment")
    return EnvVar(
        id=new_id(coolify),
        uuid=new_uuid(coolify),
        key=str(given["key"]),
        value=_text(given.get("value")),
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
