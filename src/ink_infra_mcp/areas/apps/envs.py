"""Environment variables of an app: what is there, what is wanted, and the steps between; values never in words."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from ink_infra_mcp.areas.apps.env_record import earlier_values, is_value
from ink_infra_mcp.areas.apps.env_values import (
    GENERATE,
    SECRET_PREFIX,
    Digests,
    Owner,
    agrees,
    digest,
    is_generated,
    is_secret_name,
    own_rows,
    readable,
    rows_of,
    running_digests,
    secret_key,
    wanted_digest,
)
from ink_infra_mcp.areas.apps.history import waits_for_rollout
from ink_infra_mcp.areas.apps.limits import compose_of
from ink_infra_mcp.areas.apps.plain_values import refuse_secrets
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.core.compose.reads import defaults_of
from ink_infra_mcp.core.dotenv import misread, unfit
from ink_infra_mcp.core.errors import HostError, InputError
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.steering import steers

MAX_TOTAL = 256 * 1024
MAX_KEY = 255
_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_.]*$")
_SECRET_NAME = re.compile(r"^[A-Z][A-Z0-9_]{0,63}$")
_COOLIFYS = ("SERVICE_FQDN", "SERVICE_URL", "SERVICE_NAME")
"""Beginnings of names that Coolify fills in by itself, from an app's domains and services."""


def _checked(env: dict[str, str]) -> dict[str, str]:
    if sum(len(k) + len(v) for k, v in env.items()) > MAX_TOTAL:
        raise ValueError(f"variables and values may have {MAX_TOTAL // 1024} KiB in all")
    for key, value in env.items():
        _check_name(key)
        _check_value(key, value)
    return env


def _check_name(key: str) -> None:
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY:
        raise ValueError(
            f"a variable's name has letters, digits, _ and ., at most {MAX_KEY}, and does not begin with a digit"
        )
    if key.startswith(_COOLIFYS):
        raise ValueError(f"{key}: Coolify fills in this variable from the app's domains; choose another name")
    if steers(key):
        raise ValueError(f"{key}: the programs that build and start the app would obey it; choose another name")


def _check_value(key: str, value: str) -> None:
    if value.startswith(SECRET_PREFIX) and not _SECRET_NAME.fullmatch(value.removeprefix(SECRET_PREFIX)):
        raise ValueError(f"{key}: a stored secret is named secret:NAME with capitals, digits and _")
    if value.startswith(GENERATE) and not is_generated(value):
        raise ValueError(f"{key}: `{GENERATE}` stands alone; it makes 32 random letters and digits")
    if why := unfit(value):
        raise ValueError(f"{key}: {why}")


def _of_line(line: object, at: int) -> tuple[str, str]:
    name, equals, value = line.partition("=") if isinstance(line, str) else ("", "", "")
    if not equals:
        raise ValueError(f"entry {at} is not NAME=value")
    return name, value


def _by_name(given: object) -> object:
    """Return `NAME=value` lines by name; what else was given is judged as it is. No value comes into a refusal."""
    if not isinstance(given, list):
        return given
    env: dict[str, str] = {}
    for at, line in enumerate(cast("list[object]", given), start=1):
        name, value = _of_line(line, at)
        if name in env:
            raise ValueError(f"entry {at} names a variable that an earlier one has set")
        env[name] = value
    return env


_LINES: dict[str, JsonValue] = {
    "type": "array",
    "items": {"type": "string"},
    "description": "NAME=value, =secret:STORED_NAME or =generate: (random)",
}
"""What goes over the wire: several hosts' converters lose or refuse an object that may have any name in it."""

EnvArgs = Annotated[
    dict[str, str],
    Field(max_length=500),
    BeforeValidator(_by_name),
    AfterValidator(_checked),
    WithJsonSchema(_LINES),
]


@dataclass(frozen=True, slots=True)
class EnvNow:
    """An app's own variables by name: a digest of each value, or None where the token may not read values."""

    digests: dict[str, str | None]
    wanted: dict[str, str]
    """Wanted values as they are in the arguments (secrets by reference)."""
    changed: tuple[str, ...]
    """Names whose value differs, whose flags would change it on its way, or that cannot be compared."""
    uuids: dict[str, tuple[str, ...]]
    """Row uuids by name, those of the copies for previews included."""
    unseen: tuple[str, ...] = ()
    """Those of `changed` that may be as wanted: neither Coolify nor a container shows their value."""
    copies: tuple[str, ...] = ()
    """Those of `changed` that have a copy for previews of which nobody can say whether it has the same value."""
    earlier: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """What may be put back after a failure: name -> value (plain or by reference) and flags, as they are now."""

    @property
    def replaced(self) -> list[str]:
        """Return those of `changed` that are there already."""
        return [key for key in self.changed if key in self.digests]

    @property
    def secrets(self) -> list[str]:
        """Return the stored secrets that `changed` hands over, as they are named in the arguments."""
        return sorted({value for key in self.changed if is_secret_name(value := self.wanted[key])})


async def envs_now(look: Look, owner: Owner, wanted: dict[str, str], *, remove: Collection[str] = ()) -> EnvNow:
    """Return the variables of an app (none where it does not exist yet) against what is wanted.

    Raises:
        InputError: a referenced secret is not stored, a plain value looks like a secret, a random one is wanted where
            the compose file's default stands, or a value cannot reach a container as it is.
    """
    _refuse_missing(look, wanted)
    refuse_secrets(look.secrecy, wanted)
    _refuse_unfit(look, owner, wanted)
    rows = await rows_of(look, owner.uuid, service=owner.service) if owner.uuid else ()
    own = own_rows(rows)
    _refuse_defaults(owner, readable(own), wanted)
    hidden = (own.keys() & {*wanted, *remove}) - readable(own).keys()
    seen = await _seen(look, owner) if hidden else ()
    changed = _changed(look, own, wanted, seen)
    return EnvNow(
        digests=_digests(own),
        wanted=wanted,
        changed=changed,
        uuids=_uuids(rows),
        unseen=_unseen(changed, hidden, seen),
        copies=tuple(sorted({row.key for row in rows if row.is_preview and row.key in hidden and row.key in changed})),
        earlier=await earlier_values(look, owner, own, {*changed, *remove}, wanted=wanted, seen=seen),
    )


def _digests(own: Mapping[str, EnvVar]) -> dict[str, str | None]:
    return {key: digest(row.value.reveal()) if row.value else None for key, row in own.items()}


def _unseen(changed: Iterable[str], hidden: Collection[str], seen: Collection[Digests]) -> tuple[str, ...]:
    return tuple(key for key in changed if key in hidden and not any(key in container for container in seen))


def _changed(
    look: Look, own: Mapping[str, EnvVar], wanted: Mapping[str, str], seen: tuple[Digests, ...]
) -> tuple[str, ...]:
    values = readable(own)
    there = ((key, value) for key, value in wanted.items() if key in own)
    same = {key for key, value in there if _is_as_wanted(look, own[key], values.get(key), value, seen)}
    return tuple(sorted(wanted.keys() - same))


def _uuids(rows: Iterable[EnvVar]) -> dict[str, tuple[str, ...]]:
    uuids: dict[str, tuple[str, ...]] = {}
    for row in rows:
        uuids[row.key] = (*uuids.get(row.key, ()), row.uuid)
    return uuids


def env_warnings(now: EnvNow) -> tuple[str, ...]:
    """Return what a person must know of variables that are set without knowing what they are."""
    lacks = "the Coolify token lacks read:sensitive or the variable is locked"
    warnings: list[str] = []
    if now.unseen:
        warnings.append(
            f"nothing shows whether {', '.join(now.unseen)} differs, so it is set again: {lacks}, and no container "
            "that runs shows it"
        )
    if now.copies:
        warnings.append(f"for previews {', '.join(now.copies)} stays as it is: {lacks}")
    return tuple(warnings)


def env_steps(now: EnvNow, *, target: str, app: str | JsonObject, new: bool, service: bool = False) -> list[Step]:
    """Return the step that sets what differs, or none; its summary names every variable, and the plan shows each value
    that is no stored secret.

    `new`: the same plan creates the app. To set a variable of one that exists needs a person, whether it is rolled out
    again or not: the next start obeys it. A stored secret that an app gets is named in full: its code can give the
    value to anybody.
    """
    if not now.changed:
        return []
    replaced = now.replaced
    undo = None if new else _undo(now, now.changed, target=target, app=app, service=service)
    return [
        Step(
            id="set_env",
            kind="coolify.set_env_new" if new else "coolify.set_env",
            target=target,
            summary=f"Variables of {target}: {_words(now)}",
            params={"app": app, "variables": _values(now), "known": list[JsonValue](replaced), "service": service},
            undo=undo,
            undo_words="call set_app_env with the earlier values",
            undoes=("set_env",) if undo else (),
        )
    ]


def _values(now: EnvNow) -> dict[str, JsonValue]:
    return {key: now.wanted[key] for key in now.changed}


def delete_steps(
    now: EnvNow, names: Iterable[str], *, target: str, app: str | JsonObject, service: bool = False
) -> list[Step]:
    """Return the step that removes those of the names that are there, or none."""
    gone = sorted(name for name in names if name in now.uuids)
    if not gone:
        return []
    return [
        Step(
            id="delete_env",
            kind="coolify.delete_env",
            target=target,
            summary=f"Remove the variables {', '.join(gone)} of {target}",
            params={"app": app, "names": [*gone], "service": service},
            undo=_undo(now, gone, target=target, app=app, service=service),
            undoes=("delete_env",),
        )
    ]


def with_values_back(env: Iterable[Step], rollout: Iterable[Step]) -> list[Step]:
    """Return the steps of a rollout such that its failure also puts back what the steps `env` changed."""
    ids = tuple(step.id for step in env if step.undo is not None)
    last = ("judge", "deploy", "prove_isolation")
    return [s.model_copy(update={"undoes": (*s.undoes, *ids)}) if s.id in last else s for s in rollout]


def _undo(now: EnvNow, names: Iterable[str], *, target: str, app: str | JsonObject, service: bool) -> Undo:
    names = tuple(names)
    added = [name for name in names if name not in now.digests]
    back = {name: now.earlier[name] for name in names if name in now.earlier}
    lost = sorted(set(names) - {*added, *back})
    return Undo(
        kind="coolify.restore_env",
        target=target,
        summary=_undo_words(added, back, lost),
        params={
            "app": app,
            "service": service,
            "added": [*added],
            "kept": _uuids_of(now, added),
            "earlier": {**back},
            "lost": [*lost],
        },
    )


def _uuids_of(now: EnvNow, names: Iterable[str]) -> list[JsonValue]:
    return [uuid for name in names for uuid in now.uuids.get(name, ())]


def _undo_words(added: Collection[str], back: Collection[str], lost: Collection[str]) -> str:
    acts = (
        (added, "remove {} again"),
        (back, "put back {} as before"),
        (lost, "{} cannot be put back, for only Coolify has the earlier value"),
    )
    return "; ".join(words.format(", ".join(names)) for names, words in acts if names)


def _words(now: EnvNow) -> str:
    added = [key for key in now.changed if key not in now.replaced]
    acts = " and ".join(f"{act} {', '.join(keys)}" for act, keys in (("add", added), ("replace", now.replaced)) if keys)
    words = "; hands it ".join(filter(None, (acts, ", ".join(now.secrets))))
    made = ", ".join(key for key in now.changed if is_generated(now.wanted[key]))
    return f"{words}; of {made} the value is random, and nobody but Coolify has it" if made else words


def _refuse_missing(look: Look, wanted: Mapping[str, str]) -> None:
    if missing := [key for key in _secret_keys(wanted) if not look.has_secret(key)]:
        raise InputError(
            f"No stored secret is called {', '.join(key.removeprefix('app:') for key in missing)}.",
            next=f"Run `ink-infra-mcp secret set {missing[0]}`.",
        )


def _refuse_defaults(owner: Owner, now: Mapping[str, Secret], wanted: Mapping[str, str]) -> None:
    """What is there stays where a random value is wanted; but a default of the file was never random."""
    defaults = defaults_of(compose_of(owner.compose) or {}) if owner.compose else {}
    named = (key for key, value in wanted.items() if is_generated(value) and key in defaults and key in now)
    if known := [key for key in named if now[key] == Secret(defaults[key])]:
        raise InputError(
            f"{known[0]} has the default of the compose file, which everybody can read, and `{GENERATE}` keeps what "
            "is there.",
            next="Give a stored secret (secret:NAME) instead; what has kept the old value, such as a database, needs "
            "the new one, too.",
        )


def _secret_keys(wanted: Mapping[str, str]) -> list[str]:
    return [secret_key(value) for value in wanted.values() if is_secret_name(value)]


def _refuse_unfit(look: Look, owner: Owner, wanted: Mapping[str, str]) -> None:
    """What cannot be carried is refused before anything is stored: a broken file would stay for good."""
    for key, value in wanted.items():
        again = names_otherwise(owner.compose, key)
        if is_secret_name(value):
            why, what = look.secret_unfit(secret_key(value), again), f"{value} for {key}"
        else:
            why, what = unfit(value, expanded_again=again), key
        if why:
            raise InputError(f"The value of {what} cannot reach the app as it is: {why}", next="Then call again.")


def names_otherwise(compose: str, name: str) -> bool:
    """Return whether a compose file names a variable in any other way than `NAME: ${NAME}`.

    Coolify then writes its raw value into the file (`Y: ${NAME}` and `${NAME:-x}`, serviceParser of version 4.3.11),
    where Docker Compose expands what is in it once more.
    """
    word = re.escape(name)
    plain = re.compile(rf"\s*(?:-\s*)?(['\"]?){word}\1?\s*[:=]\s*(['\"]?)\$\{{{word}\}}\2['\"]?\s*")
    named = re.compile(rf"(?<!\$)\$\{{?{word}(?![A-Za-z0-9_])")
    return any(named.search(line) and not plain.fullmatch(line) for line in compose.splitlines())


def _is_as_wanted(look: Look, row: EnvVar, now: Secret | None, wanted: str, seen: tuple[Digests, ...]) -> bool:
    """Return whether a variable has the wanted value and hands it on unchanged; what nothing shows is not as wanted.

    A random value is made once: whatever is there and is not known to be empty stays.
    """
    if is_generated(wanted):
        return now is None or bool(now)
    if now is not None:
        flags = {"literal": row.is_literal, "multiline": row.is_multiline}
        return is_value(look, now, wanted) and not misread(now.reveal(), **flags)
    return row.is_runtime and agrees(seen, row.key, wanted_digest(look, wanted))


async def _seen(look: Look, owner: Owner) -> tuple[Digests, ...]:
    """What runs shows what Coolify has only where nothing was changed in Coolify since it was rolled out."""
    if not owner.muscle or await waits_for_rollout(look, owner.uuid):
        return ()
    try:
        return await running_digests(look, owner.muscle, owner.uuid)
    except HostError:
        return ()
