"""What is wrong with the Coolify image in service, or not known: each with evidence and what mends it."""

from collections.abc import Iterator
from typing import Literal

from ink_infra_mcp.areas.factory.ages import OLD_BACKUP_S, days
from ink_infra_mcp.areas.factory.copies import copy_findings
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.machines.drift import Drift, Severity
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import kind_of, normal
from ink_infra_mcp.hosts.factory.looking import CUSTOM, POSTGRES_UPGRADE

SOURCE = "/data/coolify/source"
_NAMES = 6
LOOK_THERE = "look there as root, then call again"
PIN = f"write the fork by digest into {SOURCE}/{CUSTOM}, and Coolify's own line back into docker-compose.prod.yml"
OLD_DRILL_S = 30 * 86_400
"""A restore that was proved longer ago says little of the image and the database that there are now."""
BACK_UP = "backup_coolify; and Coolify: Settings, Backup: a schedule there"
DRILL = "backup_coolify with drill=true: it restores beside Coolify, and changes nothing in service"
SWITCH_OFF = "Coolify: Settings, Updates, switch Auto Update off; and AUTOUPDATE=false in .env"


class Backup(Frozen):
    """The newest dump of Coolify's own database that is not empty, `file`, ours or Coolify's, and of the last one that
    Coolify says ended well, `told`; each in seconds of age, None: there is none.
    """

    file: int | None
    told: int | None


def findings(seen: Picture) -> tuple[Drift, ...]:
    """Return all that is found, in no order."""
    always = (_away, _option, _isolation, _upstream, copy_findings)
    of_it = (_running, _drift, _wish, _files, _upgraded_database, _auto_update, _switched_on_again, _versions)
    parts = always if "factory" in seen.unknown else (*always, *of_it, _backup, _schedule, _restore)
    return tuple(drift for part in parts for drift in part(seen))


def backup_of(seen: Picture) -> Backup | None:
    """Return how old the last backups are; None where the files could not be listed."""
    clock, dumps, kept = seen.facts.clock, seen.facts.dumps, seen.facts.kept
    if clock is None or dumps is None or kept is None:
        return None
    files = [dump.at for dump in (*dumps, *kept) if dump.size > 0]
    return Backup(file=_age(clock, files), told=_age(clock, _told(seen)))


def _told(seen: Picture) -> list[int]:
    return [each.last for each in seen.facts.schedules or () if each.last is not None]


def some(names: tuple[str, ...]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(clean_name(name, limit=40) for name in names[:_NAMES]) + more


def drift_of(seen: Picture) -> str | None:
    """Return what the next `up` would start in place of what runs, empty: the same; None: not known."""
    runs, wanted = seen.facts.reference, seen.configured
    if runs is None or wanted.why:
        return None
    return _moved(seen, wanted.image) if normal(wanted.image) == normal(runs) else wanted.image


def _moved(seen: Picture, reference: str) -> str | None:
    """The reference is the same: it is the image that it names by now which would start."""
    runs, named = seen.facts.image, seen.facts.named
    if runs is None or named is None:
        return None
    if named == runs:
        return ""
    return f"{reference} (now {named[:19]})" if named else f"{reference} (not there: pulled anew)"


def _age(clock: int, moments: list[int]) -> int | None:
    return max(0, clock - max(moments)) if moments else None


def _found(seen: Picture, severity: Severity, code: str, what: str, evidence: str, mend: str) -> Drift:
    return Drift(seen.facts.host, severity, code, what, evidence, mend)


def _unsure(seen: Picture, severity: Severity, code: str, what: str, why: str, mend: str = LOOK_THERE) -> Drift:
    return Drift(seen.facts.host, severity, code, what, why, mend, unknown=True)


def _why(seen: Picture, fact: str) -> str:
    return seen.facts.unknown.get(fact, "the Factory did not say")


def _away(seen: Picture) -> Iterator[Drift]:
    if why := seen.unknown.get("factory"):
        what = "the Factory could not be looked at: image, configuration, updates and backups are not known"
        yield _unsure(seen, "high", "not_reached", what, why, "make SSH to the Factory work, then call again")


def _running(seen: Picture) -> Iterator[Drift]:
    state = seen.facts.state
    if state is None:
        yield _unsure(seen, "high", "unknown_image", "which Coolify image runs is not known", _why(seen, "running"))
    elif state != "running":
        mend = f"`docker logs --tail 100 coolify` on {seen.facts.host}"
        yield _found(seen, "critical", "not_running", "Coolify does not run", f"its container is {state}", mend)
    elif seen.kind == "?":
        what = "whose image runs is not known"
        yield _unsure(
            seen, "high", "unknown_origin", what, f"{seen.facts.reference}; no digest of coollabs' registries"
        )


def _option(seen: Picture) -> Iterator[Drift]:
    if seen.option is None:
        what = "whether the image accepts --runtime is not known"
        yield _unsure(seen, "high", "unknown_option", what, seen.unknown.get("option", "it was not asked"))
    elif not seen.option and not seen.needless:
        what = "the image drops --runtime: the next deployment of an app that relies on it runs without gVisor"
        mend = "deploy nothing until the fork's image is back in service"
        yield _found(seen, _if_relied_on(seen), "no_runtime_option", what, f"rely on it: {_relying(seen)}", mend)


def _if_relied_on(seen: Picture) -> Severity:
    return "critical" if seen.relying or seen.apps is None else "high"


def _relying(seen: Picture) -> str:
    return some(seen.relying) or ("not known" if seen.apps is None else "none")


def _isolation(seen: Picture) -> Iterator[Drift]:
    if seen.apps is None:
        why = seen.unknown.get("apps", "Coolify does not tell")
        yield _unsure(seen, "high", "unknown_apps", "which apps depend on the image is not known", why, "call again")
    if seen.weak:
        what = f"{len(seen.weak)} apps run without the isolation that policy wants"
        yield _found(seen, "critical", "not_isolated", what, some(seen.weak), "deploy_app for each of them")
    if seen.blind:
        what = f"whether {len(seen.blind)} apps run isolated is not known"
        yield _unsure(seen, "high", "unseen_apps", what, some(seen.blind), "check_fleet says which server, and why")


def _drift(seen: Picture) -> Iterator[Drift]:
    other = drift_of(seen)
    if other is None:
        why = seen.configured.why or _why(seen, "named")
        yield _unsure(seen, "high", "unknown_drift", "what the next `up` would start is not known", why)
    elif other:
        evidence = f"runs {seen.facts.reference}, configured is {other}"
        mend = f"set the image in {SOURCE}/{CUSTOM} to what shall run, by digest"
        severity, what = _severity_of_drift(seen)
        yield _found(seen, severity, "drift", what, evidence, mend)


def _severity_of_drift(seen: Picture) -> tuple[Severity, str]:
    what = "the next `up` starts another image than runs"
    if seen.kind != "official" and kind_of(seen.configured.image) != "fork":
        return "critical", f"{what}, and isolation would be lost"
    return "high", what


def _wish(seen: Picture) -> Iterator[Drift]:
    runs = seen.facts.reference
    if seen.wished and runs is not None and not _is_wished(seen, runs):
        what = "another image runs than fleet.toml has under [fork]"
        mend = "put it into service, or write into fleet.toml what shall run"
        yield _found(seen, "high", "not_as_in_fleet", what, f"runs {runs}, fleet.toml has {seen.wished}", mend)


def _is_wished(seen: Picture, runs: str) -> bool:
    """The same digest is the same image, wherever it was pulled from."""
    digests = {digest.partition("@")[2] for digest in seen.facts.digests or ()}
    return normal(seen.wished) == normal(runs) or seen.wished.partition("@")[2] in digests


def _files(seen: Picture) -> Iterator[Drift]:
    wanted = seen.configured
    if wanted.edited:
        what = f"the fork stands in {wanted.file}, which Coolify's next update writes anew without it"
        yield _found(seen, "high", "edited_file", what, wanted.image, PIN)
    if _is_mutable(wanted.image):
        what = "the fork is named by a tag, which can come to name another image"
        yield _found(seen, "warning", "mutable_tag", what, wanted.image, "name it by digest (name@sha256:...)")


def _is_mutable(image: str) -> bool:
    return bool(image) and "@" not in image and kind_of(image) != "official"


def _upgraded_database(seen: Picture) -> Iterator[Drift]:
    if POSTGRES_UPGRADE in (seen.facts.images or {}):
        what = f"the database was upgraded: an `up` without {POSTGRES_UPGRADE} starts the old one on the new data"
        mend = "give that file as the last -f of each `docker compose` by hand"
        yield _found(seen, "warning", "postgres_upgrade", what, f"{SOURCE}/{POSTGRES_UPGRADE}", mend)


def _auto_update(seen: Picture) -> Iterator[Drift]:
    update = seen.facts.auto_update
    if update is None:
        what = f"whether Coolify updates itself is not known; if it does, {_strikes(seen)}"
        yield _unsure(seen, "high", "unknown_auto_update", what, _why(seen, "auto_update"), SWITCH_OFF)
    elif update.on and seen.kind != "official":
        severity: Severity = "warning" if _is_pinned(seen) else "critical"
        what = f"Coolify updates itself: {_strikes(seen)}"
        yield _found(seen, severity, "auto_update", what, f"at `{update.cron}` ({update.zone})", SWITCH_OFF)


def _switched_on_again(seen: Picture) -> Iterator[Drift]:
    """Coolify takes the switch from .env at each start (app/Console/Commands/Init.php, 4.3.11)."""
    update, asked = seen.facts.auto_update, (seen.facts.env or {}).get("AUTOUPDATE", "")
    if update is None or update.on or seen.kind == "official":
        return
    if asked.lower() not in ("false", "0", ""):
        what = f"Coolify's next start switches its updates on again: {_strikes(seen)}"
        mend = f"set AUTOUPDATE=false in {SOURCE}/.env"
        yield _found(seen, "high", "auto_update_returns", what, f"AUTOUPDATE={asked} in .env", mend)


def _is_pinned(seen: Picture) -> bool:
    return bool(seen.configured.image) and seen.configured.file == CUSTOM and not drift_of(seen)


def _strikes(seen: Picture) -> str:
    """Say what upgrade.sh does (4.3.11): it fetches both compose files anew, and takes the override that is there."""
    if seen.kind == "official":
        return "it goes to the newest release"
    if _is_pinned(seen):
        return "the fork's image stays, and realtime, compose files and .env move on beside it"
    return "the official image replaces what runs, and apps lose their isolation silently"


def _versions(seen: Picture) -> Iterator[Drift]:
    base, told = seen.facts.base, seen.told
    if base is None:
        what = "the Coolify version that the image is based on is not known"
        yield _unsure(seen, "warning", "unknown_base", what, _why(seen, "base"))
    elif told is not None and parse_version(told) != parse_version(base):
        what = "Coolify's API says another version than is in the image"
        evidence = f"API {clean_name(told)}, image {base}"
        mend = f"set COOLIFY_VERSION in {SOURCE}/.env to {base}, or take it out"
        yield _found(seen, "warning", "version_told", what, evidence, mend)


def _upstream(seen: Picture) -> Iterator[Drift]:
    upstream = seen.upstream
    if upstream.why:
        what = "what GitHub has of Coolify is not known"
        yield _unsure(seen, "info", "unknown_upstream", what, upstream.why, "call again later")
    if upstream.released == "yes":
        what = f"release {upstream.newest} has the option: the fork is no longer needed"
        yield _found(
            seen,
            "info",
            "upstream_released",
            what,
            upstream.pull_request,
            f"restore_official_coolify {upstream.newest}",
        )
    if seen.kind == "fork" and upstream.newer not in ("0", "?"):
        what = f"the fork is behind: there are newer official releases, up to {upstream.newest}"
        mend = f"build_fork_image v{upstream.newest}, then upgrade_coolify {upstream.newest} with that image"
        yield _found(seen, "warning", "old_base", what, f"{upstream.newer} newer than {seen.facts.base}", mend)


def _backup(seen: Picture) -> Iterator[Drift]:
    backup = backup_of(seen)
    if backup is None:
        what = "when Coolify's database was last backed up is not known"
        fact = next((fact for fact in ("clock", "dumps", "kept") if fact in seen.facts.unknown), "dumps")
        yield _unsure(seen, "high", "unknown_backup", what, _why(seen, fact))
    elif backup.file is None or backup.file > OLD_BACKUP_S:
        what = "there is no recent backup of Coolify's database on the Factory"
        evidence = "no dump lies there" if backup.file is None else f"the newest dump is {days(backup.file)} old"
        yield _found(seen, "high", "old_backup", what, evidence, BACK_UP)


def _schedule(seen: Picture) -> Iterator[Drift]:
    schedules = seen.facts.schedules
    if schedules is None:
        what = "whether Coolify backs its database up by itself is not known"
        yield _unsure(seen, "warning", "unknown_schedule", what, _why(seen, "schedules"))
    elif not any(each.enabled for each in schedules):
        what = "Coolify does not back its database up by itself"
        yield _found(seen, "warning", "no_schedule", what, "no schedule is switched on", BACK_UP)


def _restore(seen: Picture) -> Iterator[Drift]:
    age = drill_age_of(seen)
    if age == "?":
        what = "when a restore of Coolify was last proved is not known"
        fact = "clock" if seen.facts.clock is None else "drills"
        yield _unsure(seen, "warning", "unknown_restore", what, _why(seen, fact))
    elif age is None:
        what = "no restore of Coolify's database was ever proved"
        yield _found(seen, "warning", "restore_unproved", what, "no drill is recorded on the Factory", DRILL)
    elif age > OLD_DRILL_S:
        what = "the last proved restore of Coolify is older than 30 days"
        yield _found(seen, "warning", "restore_old", what, f"it was {days(age)} ago", DRILL)


def drill_age_of(seen: Picture) -> int | Literal["?"] | None:
    """Return how many seconds ago a restore was last proved; None: never, `?`: not known."""
    clock, drills = seen.facts.clock, seen.facts.drills
    if clock is None or drills is None:
        return "?"
    return _age(clock, [drill.at for drill in drills])
