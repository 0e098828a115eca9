"""Values of variables where they can be seen: Coolify's rows, stored secrets, and containers by digest only."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.docker.containers import containers_of, is_preview
from ink_infra_mcp.hosts.docker.environment import environment_digests
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

SECRET_PREFIX = "secret:"
GENERATE = "generate:"
"""The wanted value that stands for a random one, which only Coolify holds; a variable that is there is left."""
Digests = Mapping[str, str]
"""The variables of one container: name -> SHA-256 of its value in hex."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The app whose variables it is about; `uuid` is empty for one that does not exist yet."""

    uuid: str
    name: str
    muscle: str = ""
    """Where it runs; empty when that is not known."""
    service: bool = False
    compose: str = ""
    """The compose file as far as it is known: what it does with a variable decides what the variable can hold."""


def is_secret_name(value: str) -> bool:
    """Return whether a wanted value stands for a stored secret."""
    return value.startswith(SECRET_PREFIX)


def is_generated(value: str) -> bool:
    """Return whether a wanted value stands for a random one."""
    return value == GENERATE


def secret_key(value: str) -> str:
    """Return under which name the secret store has the secret that a wanted value stands for."""
    return f"app:{value.removeprefix(SECRET_PREFIX)}"


def digest(value: str) -> str:
    """Return the SHA-256 of a value's UTF-8 bytes, in hex."""
    return hashlib.sha256(value.encode()).hexdigest()


def wanted_digest(look: Look, value: str) -> str:
    """Return the digest of a wanted value, empty for a secret that is not stored."""
    return look.secret_digest(secret_key(value)) if is_secret_name(value) else digest(value)


async def rows_of(look: Look, uuid: str, *, service: bool) -> tuple[EnvVar, ...]:
    """Return Coolify's rows of an app of either kind, the copies for previews included."""
    return await (look.coolify.service_envs(uuid) if service else look.coolify.envs(uuid))


def own_rows(rows: Iterable[EnvVar]) -> dict[str, EnvVar]:
    """Return the variables themselves by name, without their copies for previews."""
    return {row.key: row for row in rows if not row.is_preview}


def readable(own: Mapping[str, EnvVar]) -> dict[str, Secret]:
    """Return the values that can be seen; Coolify keeps an empty one as null, like one that the token may not read."""
    sees = any(row.value is not None for row in own.values())
    found = ((key, _shown(row, sees=sees)) for key, row in own.items())
    return {key: value for key, value in found if value is not None}


def _shown(row: EnvVar, *, sees: bool) -> Secret | None:
    """Return a row's value; none is an empty one where the token `sees` values, and this one is not hidden for good."""
    if row.value is None and sees and not row.is_shown_once:
        return Secret("")
    return row.value


async def running_digests(
    look: Look, muscle: str, app_uuid: str, *, without: Collection[str] = ()
) -> tuple[Digests, ...]:
    """Return the variables of each container of the app that runs there, those of previews and `without` left out.

    Raises:
        HostError: it cannot be seen.
    """
    found = await containers_of(look.hosts, muscle, app_uuid)
    mine = (c for c in found if _runs(c, app_uuid) and c.id not in without)
    return tuple([await environment_digests(look.hosts, muscle, container.id) for container in mine])


def _runs(container: ContainerFacts, app_uuid: str) -> bool:
    return container.state == "running" and not is_preview(container, app_uuid)


def agrees(found: Sequence[Digests], name: str, wanted: str) -> bool:
    """Return whether a container has the variable, and each that has it has that value."""
    return bool(wanted) and seen_of(found, name) == {wanted}


def seen_of(found: Sequence[Digests], name: str) -> set[str]:
    """Return the digests that containers have of one variable; empty where none has it."""
    return {container[name] for container in found if name in container}
