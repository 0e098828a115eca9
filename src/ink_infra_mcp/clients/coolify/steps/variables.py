"""Sets, removes and puts back the variables of an app that exists.

Every value is sent as literal, whoever made the row: a row that Coolify made itself (`${VAR}` in a compose file) is
not, and expands or cuts what is set in it (seen). Coolify's API resets flags that are left out, so all are sent.
"""

from collections.abc import Iterable, Mapping

from ink_infra_mcp.clients.coolify.bodies import EnvSpec
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import not_seen, unless_lost
from ink_infra_mcp.core.dotenv import unfit
from ink_infra_mcp.core.errors import NotFound, StepFailed
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.secret import Secret

_SECRET = "secret:"
_GENERATE = "generate:"


class _EnvParams(Frozen):
    variables: dict[str, str]


class _NamesParams(Frozen):
    names: frozenset[str]


class _Earlier(Frozen):
    value: str
    is_literal: bool
    is_multiline: bool
    is_runtime: bool
    is_buildtime: bool
    is_shown_once: bool


class _RestoreParams(Frozen):
    added: frozenset[str]
    kept: frozenset[str]
    """Uuids of rows of those names that were there before: copies for previews of variables that are gone."""
    earlier: dict[str, _Earlier]
    lost: tuple[str, ...]


async def set_env(step: CoolifyStep) -> JsonObject:
    """Set variables, each with all its flags; a value `secret:NAME` is resolved now and goes to the wire only.

    For `generate:` a random one is made and goes to the wire only. No plan has that for a variable which had a value:
    whatever stands there now is Coolify's (of an app that it has just made it fills in what the compose file gives as
    default: parsers.php, version 4.3.11) or of an earlier run of this step, and nothing uses it before the step ends.

    A copy for previews that still has the variable's earlier value follows, and one that has another is left: Coolify
    makes the copy with the variable and never touches it again (source, version 4.3.11). A copy whose value cannot be
    read is left, too.

    Raises:
        StepFailed: a value cannot reach a container as it is; nothing was set.
    """
    params = _EnvParams.model_validate({"variables": step.call.params["variables"]})
    uuid, rows = step.call.given("app"), _Rows(await step.app_calls.envs(step.call.given("app")))
    values = {key: _value(step, value) for key, value in params.variables.items()}
    _refuse_unfit(values)
    for key, value in values.items():
        await _put(step, uuid, rows, _spec(key, value, rows.own.get(key)))
    return {"names": [*sorted(params.variables)]}


async def delete_env(step: CoolifyStep) -> JsonObject:
    """Remove variables with their copies for previews; what is gone already counts as removed."""
    wanted = _NamesParams.model_validate({"names": step.call.params["names"]}).names
    rows = await step.app_calls.envs(step.call.given("app"))
    await _delete(step, (row for row in rows if row.key in wanted))
    return {"names": [*sorted(wanted)]}


async def restore_env(step: CoolifyStep) -> JsonObject:
    """Put variables back as they were: remove those that were added, and set the earlier values with their flags.

    Raises:
        StepFailed: earlier values are known to nobody but Coolify as it was before; the others have been put back.
    """
    given = step.call.params
    params = _RestoreParams.model_validate({name: given[name] for name in ("added", "kept", "earlier", "lost")})
    uuid, rows = step.call.given("app"), await step.app_calls.envs(step.call.given("app"))
    await _delete(step, _added(rows, params))
    await _put_back(step, uuid, _Rows(rows), params.earlier)
    if params.lost:
        raise _not_put_back(", ".join(params.lost))
    return {"names": [*sorted({*params.added, *params.earlier})]}


def _added(rows: Iterable[EnvVar], params: _RestoreParams) -> list[EnvVar]:
    return [row for row in rows if row.key in params.added and row.uuid not in params.kept]


def _not_put_back(names: str) -> StepFailed:
    return StepFailed(
        f"The earlier values of {names} could not be put back: this server never had them.",
        done="Every other variable is as it was before.",
        next=f"Set {names} again (set_app_env), or have them set in Coolify, before the next deployment.",
    )


class _Rows:
    """An app's rows by name: the variables themselves, and their copies for previews."""

    def __init__(self, rows: Iterable[EnvVar]) -> None:
        rows = tuple(rows)
        self.own: Mapping[str, EnvVar] = {row.key: row for row in rows if not row.is_preview}
        self.copies: Mapping[str, EnvVar] = {row.key: row for row in rows if row.is_preview}

    def is_true_copy(self, key: str) -> bool:
        """Return whether the copy for previews is known to have the variable's own value."""
        own, copy = self.own.get(key), self.copies.get(key)
        return own is not None and copy is not None and own.value is not None and own.value == copy.value


async def _put(step: CoolifyStep, uuid: str, rows: _Rows, spec: EnvSpec) -> None:
    """The copy goes first: after a crash between the two it is equal to what is wanted, and the variable follows."""
    if rows.is_true_copy(spec.key):
        copy = _spec(spec.key, spec.value, rows.copies[spec.key])
        flags = {"is_preview": True, "is_literal": spec.is_literal, "is_multiline": spec.is_multiline}
        await _upsert(step, uuid, copy.model_copy(update=flags), exists=True)
    await _upsert(step, uuid, spec, exists=spec.key in rows.own)


async def _upsert(step: CoolifyStep, uuid: str, spec: EnvSpec, *, exists: bool) -> None:
    """A lost answer is settled by the row, where the token may read its value.

    Raises:
        OutcomeUnknown: the answer was lost, and no row shows that it happened.
    """
    app, whether = step.app_calls, f"{spec.key} is set"
    lost = await unless_lost(step, app.upsert_env(uuid, spec, exists=exists), whether=whether)
    if lost is not None and not any(_shows(row, spec) for row in await app.envs(uuid)):
        raise not_seen(whether, lost)


def _shows(row: EnvVar, spec: EnvSpec) -> bool:
    return all(getattr(row, name) == wanted for name, wanted in spec)


async def _put_back(step: CoolifyStep, uuid: str, rows: _Rows, earlier: Mapping[str, _Earlier]) -> None:
    for key, was in earlier.items():
        flags = was.model_dump(exclude={"value"})
        spec = _spec(key, _value(step, was.value), rows.own.get(key)).model_copy(update=flags)
        await _put(step, uuid, rows, spec)


async def _delete(step: CoolifyStep, rows: Iterable[EnvVar]) -> None:
    for row in rows:
        try:
            await _delete_row(step, step.call.given("app"), row)
        except NotFound:
            step.call.say(f"{row.key} is gone already")


async def _delete_row(step: CoolifyStep, uuid: str, row: EnvVar) -> None:
    app, whether = step.app_calls, f"{row.key} is gone"
    lost = await unless_lost(step, app.delete_env(uuid, row.uuid), whether=whether)
    if lost is not None and any(other.uuid == row.uuid for other in await app.envs(uuid)):
        raise not_seen(whether, lost)


def _value(step: CoolifyStep, value: str) -> Secret:
    if value.startswith(_SECRET):
        return step.need_secret(f"app:{value.removeprefix(_SECRET)}")
    return step.new_password() if value == _GENERATE else Secret(value)


def _refuse_unfit(values: Mapping[str, Secret]) -> None:
    """A stored secret may have become another one since the plan was made."""
    for key, value in values.items():
        if why := unfit(value.reveal()):
            raise StepFailed(
                f"The value of {key} cannot reach the app as it is: {why}",
                done="No variable was set.",
                next="Store it so that it can, and call again.",
            )


def _spec(key: str, value: Secret, now: EnvVar | None) -> EnvSpec:
    """Return the variable with its value, literal, and with its other flags as they are."""
    if now is None:
        return EnvSpec(key=key, value=value)
    return EnvSpec(
        key=key,
        value=value,
        is_multiline=now.is_multiline,
        is_shown_once=now.is_shown_once,
        is_runtime=now.is_runtime,
        is_buildtime=now.is_buildtime,
        comment=now.comment,
    )
