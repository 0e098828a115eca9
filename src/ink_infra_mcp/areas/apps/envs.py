"""Environment variables of an app: what is there, what is wanted, and the steps between; values never in words."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.secret import Secret

SECRET_PREFIX = "secret:"
MAX_TOTAL = 256 * 1024
MAX_KEY = 255
_KEY = re.compile(r"^[A-Za-z_][A-Za-z0-9_.]*$")
_SECRET_NAME = re.compile(r"^[A-Z][A-Z0-9_]{0,63}$")
_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|^gh[pousr]_[A-Za-z0-9]{20,}|^github_pat_|^AKIA[0-9A-Z]{16}$|^sk-[A-Za-z0-9_-]{20,}"
)


def _checked(env: dict[str, str]) -> dict[str, str]:
    if sum(len(k) + len(v) for k, v in env.items()) > MAX_TOTAL:
        raise ValueError(f"variables and values may have {MAX_TOTAL // 1024} KiB in all")
    for key, value in env.items():
        if not _KEY.fullmatch(key) or len(key) > MAX_KEY:
            raise ValueError(
                f"a variable's name has letters, digits, _ and ., at most {MAX_KEY}, and does not begin with a digit"
            )
        if "\x00" in value:
            raise ValueError(f"{key}: NUL cannot be in a value")
        if value.startswith(SECRET_PREFIX) and not _SECRET_NAME.fullmatch(value.removeprefix(SECRET_PREFIX)):
            raise ValueError(f"{key}: a stored secret is named secret:NAME with capitals, digits and _")
        if value != value.strip():
            raise ValueError(f"{key}: Coolify cuts off spaces and line breaks at both ends of a value; leave them out")
        if _LOOKS_SECRET.search(value):
            raise ValueError(f"{key}: the value looks like a secret; store it and give secret:NAME instead")
    return env


EnvArgs = Annotated[dict[str, str], Field(max_length=500), AfterValidator(_checked)]


@dataclass(frozen=True, slots=True)
class EnvNow:
    """An app's own variables by name: a digest of each value, or None where the token may not read values."""

    digests: dict[str, str | None]
    wanted: dict[str, str]
    """Wanted values as they are in the arguments (secrets by reference)."""
    changed: tuple[str, ...]
    """Names whose value differs, or cannot be compared."""
    uuids: dict[str, tuple[str, ...]]
    """Row uuids by name, those of the copies for previews included."""


async def envs_now(look: Look, app_uuid: str, wanted: dict[str, str], *, service: bool = False) -> EnvNow:
    """Return the variables of an app (none for an empty uuid) against what is wanted.

    Raises:
        InputError: a referenced secret is not stored.
    """
    missing = [v.removeprefix(SECRET_PREFIX) for v in wanted.values() if _is_missing_secret(v, look)]
    if missing:
        raise InputError(
            f"No stored secret is called {', '.join(missing)}.",
            next=f"Run `ink-infra-mcp secret set app:{missing[0]}`.",
        )
    rows = await _rows(look, app_uuid, service=service) if app_uuid else ()
    own = {row.key: row for row in rows if not row.is_preview}
    uuids: dict[str, tuple[str, ...]] = {}
    for row in rows:
        uuids[row.key] = (*uuids.get(row.key, ()), row.uuid)
    digests = {key: _digest(row.value.reveal()) if row.value else None for key, row in own.items()}
    values = _values(own)
    changed = tuple(sorted(key for key, value in wanted.items() if not _is(values.get(key), value, look)))
    return EnvNow(digests=digests, wanted=wanted, changed=changed, uuids=uuids)


def env_steps(now: EnvNow, *, target: str, app: str | JsonObject, new: bool, service: bool = False) -> list[Step]:
    """Return the step that sets what differs, or none; its summary names every variable, and no value.

    A stored secret that an app gets is named in full and needs a person: its code can give the value to anybody.
    """
    if not now.changed:
        return []
    replaced = [key for key in now.changed if key in now.digests]
    values: dict[str, JsonValue] = {key: now.wanted[key] for key in now.changed}
    secrets = sorted({value for key in now.changed if (value := now.wanted[key]).startswith(SECRET_PREFIX)})
    return [
        Step(
            id="set_env",
            kind="coolify.set_env" if (replaced or secrets) and not new else "coolify.set_env_new",
            target=target,
            summary=f"Variables of {target}: {_words(now.changed, replaced, secrets)}",
            params={"app": app, "variables": values, "known": list[JsonValue](replaced), "service": service},
            undo_words="call set_app_env with the earlier values",
        )
    ]


def _words(changed: Iterable[str], replaced: Collection[str], secrets: Iterable[str]) -> str:
    added = [key for key in changed if key not in replaced]
    acts = " and ".join(f"{act} {', '.join(keys)}" for act, keys in (("add", added), ("replace", replaced)) if keys)
    return "; hands it ".join(filter(None, (acts, ", ".join(secrets))))


async def _rows(look: Look, uuid: str, *, service: bool) -> tuple[EnvVar, ...]:
    return await (look.coolify.service_envs(uuid) if service else look.coolify.envs(uuid))


def _is_missing_secret(value: str, look: Look) -> bool:
    return value.startswith(SECRET_PREFIX) and not look.has_secret(f"app:{value.removeprefix(SECRET_PREFIX)}")


def _values(own: Mapping[str, EnvVar]) -> dict[str, Secret]:
    """Return the values that can be seen; Coolify keeps an empty one as null, like one that the token may not read."""
    readable = any(row.value is not None for row in own.values())
    empty = Secret("") if readable else None
    found = ((key, empty if row.value is None and not row.is_shown_once else row.value) for key, row in own.items())
    return {key: value for key, value in found if value is not None}


def _is(now: Secret | None, wanted: str, look: Look) -> bool:
    """Return whether a variable has the wanted value; what cannot be seen counts as different."""
    if now is None:
        return False
    if wanted.startswith(SECRET_PREFIX):
        return look.is_secret(f"app:{wanted.removeprefix(SECRET_PREFIX)}", now)
    return now == Secret(wanted)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
