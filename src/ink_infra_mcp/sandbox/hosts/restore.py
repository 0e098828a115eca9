"""What a backup of the pretend Coolify holds, how it stands beside what is there now, and its database put back.

Which tables there are is written from the migrations of coollabsio/coolify (4.3.11), what is printed from `COPY` of
PostgreSQL 15, whose text form the script passes on.
"""

from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_factory import FactoryDisk, Kept

Said = tuple[int, str, str]
MISSING = 3
_ROWS = {"tokens", "keys", "github_apps", "servers", "projects", "applications", "services", "deployments", "fqdn"}
_OURS = "/data/coolify/backups/ink/"
_MEGABYTES = 8_388_608


def rows_of(coolify: CoolifyState) -> dict[str, JsonValue]:
    """Return what the database holds now."""
    return {**coolify.model_dump(mode="json", include=_ROWS), "applied": [*coolify.factory.applied]}


def put_rows(coolify: CoolifyState, rows: JsonValue) -> None:
    """Let the database hold these rows; jobs that wait are dropped, and what is deployed stays where it runs."""
    held = dict(rows) if isinstance(rows, dict) else {}
    applied = held.pop("applied", [])
    fresh = CoolifyState.model_validate(held)
    for name in _ROWS:
        setattr(coolify, name, getattr(fresh, name))
    coolify.jobs, coolify.rate = [], {}
    coolify.factory.applied = [str(name) for name in applied] if isinstance(applied, list) else []


def put_back(coolify: CoolifyState, folder: str, dump: str) -> str:
    """Put the backup in that folder into service; the new Coolify runs the migrations that are missing.

    Return why not.
    """
    kept = _kept(coolify.factory, folder.removeprefix(_OURS))
    if kept is None or kept.sum != dump:
        return "the backup is not the one that was planned with"
    has = [*coolify.factory.applied]
    put_rows(coolify, kept.rows)
    coolify.factory.applied = [*dict.fromkeys((*coolify.factory.applied, *has))]
    if kept.foreign:
        coolify.factory.env = {**coolify.factory.env, "APP_PREVIOUS_KEYS": kept.name}
    return ""


def weigh(coolify: CoolifyState, words: tuple[str, ...]) -> Said:
    """Return what the script says of the backups, or of one of them."""
    disk = coolify.factory
    if words == ("list",):
        return _said(f"backup {kept.name}" for kept in disk.kept if not kept.folder)
    kept = _kept(disk, words[1])
    if kept is None:
        return MISSING, "", f"ink-weigh: there is no backup {words[1]}\n"
    return _said(_told(coolify, kept))


def _said(lines: Iterable[str]) -> Said:
    return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""


def _kept(disk: FactoryDisk, place: str) -> Kept | None:
    return next((kept for kept in disk.kept if place == (kept.folder or kept.name)), None)


def _told(coolify: CoolifyState, kept: Kept) -> Iterator[str]:
    disk = coolify.factory
    yield from (f"name {kept.name}", f"made {int(kept.at)}", "format 1", f"database_bytes {disk.database_bytes}")
    yield from (f"image {kept.image}", "image_id ", f"version {kept.version}", f"postgres {kept.postgres}")
    yield f"key {_key(disk, kept)}"
    yield from (f"last {_last(disk)}", f"left {_left(disk)}")
    yield from (f"now_bytes {disk.database_bytes or _MEGABYTES}", "now_postgres 15.8")
    yield f"since {sum(each.created_at > kept.at for each in coolify.deployments)}"
    before = CoolifyState.model_validate({name: kept.rows[name] for name in _ROWS & kept.rows.keys()})
    yield f"panel {before.fqdn or ''}"
    yield from ["unset SSH_MUX_ENABLED"] * kept.foreign
    yield from _listed("kept", before)
    yield from _listed("now", coolify)


def _key(disk: FactoryDisk, kept: Kept) -> str:
    known = not kept.foreign or kept.name in disk.env.get("APP_PREVIOUS_KEYS", "")
    return "known" if known else "other"


def _listed(what: str, state: CoolifyState) -> Iterator[str]:
    yield from (f"{what} {thing}" for thing in _things(state))
    yield f"whole {what}"


def _last(disk: FactoryDisk) -> str:
    served = [rotation.orders for rotation in disk.rotations.values() if rotation.state == "confirmed"]
    return served[-1].get("dump", "") if served else ""


def _left(disk: FactoryDisk) -> int:
    """Return how many databases are called ink_left: one, from the first restore on."""
    ended = ("confirmed", "reverted")
    return int(any(each.orders.get("kind") == "restore" and each.state in ended for each in disk.rotations.values()))


def _things(state: CoolifyState) -> Iterator[str]:
    yield from (f"applications {app.uuid} {app.text('name')}" for app in state.applications)
    named = {
        "services": state.services,
        "servers": state.servers,
        "projects": state.projects,
        "private_keys": state.keys,
        "github_apps": state.github_apps,
    }
    yield from (f"{table} {each.uuid} {each.name}" for table, rows in named.items() for each in rows)
    yield from (f"personal_access_tokens {each.id} {each.name}" for each in state.tokens)
