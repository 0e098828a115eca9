"""A backup's copy off the host as a step of a plan, and what is wrong with the copies that lie there."""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory.ages import days
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.machines.drift import Drift, Severity
from ink_infra_mcp.core.copies import Copy
from ink_infra_mcp.core.fleet import BackupPlace
from ink_infra_mcp.core.plan import Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.factory.copy_steps import COPY

COPY_STEP = "copy"
OLD_COPY_S = 7 * 86_400
"""No schedule of Coolify makes copies, and each app that is made since an old one is lost with the Factory."""
AHEAD_S = 86_400
"""A copy that is of so much later than the Factory's clock was made by another one that was wrong, or this one is."""
HOLDS = "the dump, .env with APP_KEY, compose files and Coolify's ssh keys"
_MEND = "backup_coolify, which copies it too"


def copy_steps(place: BackupPlace, factory: str, *, backup: str) -> Iterator[Step]:
    """Yield the step that copies what the step `backup` made, none where fleet.toml names no place."""
    host = place.host
    if host is None:
        return
    fields = ("name", "address", "ssh_user", "ssh_port", "host_key")
    yield Step(
        id=COPY_STEP,
        kind=COPY,
        target=factory,
        summary=f"Copy it off the host, encrypted on {factory} for {place.recipient}, to {where(place)}: {HOLDS}",
        servers=(factory,),
        after=f"it is read back there and has its sum. Older copies go that are not among the newest {place.keep} and "
        f"older than {place.keep_days} days",
        params={
            "host": factory,
            "name": result_of(backup, "name"),
            "place": host.model_dump(mode="json", include={*fields}),
            "folder": place.folder,
            "recipient": place.recipient,
            "keep": place.keep,
            "keep_days": place.keep_days,
        },
        uses=(backup,),
        undo_words="the copy stays there, and copies that went for their age stay away",
    )


def left_here(place: BackupPlace) -> tuple[str, ...]:
    """Return what is left to a person where no place off the host is named."""
    if place.host is not None:
        return ()
    return ("The backup stays on the Factory: copy it elsewhere, its secrets/ apart from the dump.",)


def where(place: BackupPlace) -> str:
    """Return the place in words."""
    return f"{place.ssh_user}@{place.address}:{place.ssh_port}, folder {place.folder} (SFTP)"


def copy_findings(seen: Picture) -> Iterator[Drift]:
    """Yield what is wrong with the copies off the host, what is not known included."""
    if not seen.place.address:
        # others may copy it by means that we do not see, so nobody is called lost for it
        what = (
            "no copy of Coolify's backups is made off the Factory: what burns with it is APP_KEY and all servers' keys"
        )
        mend = "[backups] in fleet.toml: a Storage Box and a public key of age (docs/configuration.md)"
        yield _found(seen, "warning", "no_backup_place", what, "fleet.toml has no [backups]", mend)
    elif seen.copies is None:
        what = "whether a copy of Coolify's backups lies off the Factory is not known"
        yield _found(
            seen, "high", "unknown_copies", what, seen.unknown.get("copies", "not asked"), "doctor", unknown=True
        )
    elif not seen.copies:
        what = "no copy of any backup of Coolify lies off the Factory"
        yield _found(seen, "high", "no_copy", what, f"none at {where(seen.place)}", _MEND)
    else:
        yield from _judged(seen)


def _judged(seen: Picture) -> Iterator[Drift]:
    """Judge by what can be believed: a copy of a time to come would look new for as long as it lies there."""
    past = _past(seen)
    ahead = len(seen.copies or ()) - len(past)
    if ahead:
        what = "copies of Coolify's backups off the Factory are of a time to come: a clock is wrong, or was"
        evidence = f"{ahead} of {len(seen.copies or ())} at {where(seen.place)}"
        mend = "`date -u` on the Factory; what was made by a wrong clock: move those files away there"
        yield _found(seen, "warning" if past else "high", "copy_ahead", what, evidence, mend)
    if past:
        yield from _behind(seen, past[0])


def _past(seen: Picture) -> tuple[Copy, ...]:
    """Return the copies, the newest first, without those that the Factory's clock does not reach yet."""
    clock = seen.facts.clock
    return tuple(copy for copy in seen.copies or () if clock is None or copy.made <= clock + AHEAD_S)


def _behind(seen: Picture, newest: Copy) -> Iterator[Drift]:
    """Days of what is in Coolify hang on an old copy; a fresh one that a newer backup has overtaken can wait."""
    clock, age = seen.facts.clock, copy_age_of(seen)
    kept = max((dump.at for dump in seen.facts.kept or () if dump.size > 0), default=0)
    evidence = f"the newest is of {newest.backup}"
    if clock is not None and age is not None and age > OLD_COPY_S:
        what = "the newest copy of Coolify's backups off the Factory is old"
        yield _found(seen, "high", "old_copy", what, f"{evidence}, {days(age)} old", _MEND)
    elif kept > newest.made:
        what = "the newest backup of Coolify has no copy off the Factory"
        yield _found(seen, "warning", "copy_behind", what, evidence, _MEND)


def copy_age_of(seen: Picture) -> int | None:
    """Return how old the backup is, in seconds, of which the newest copy is; None: none that counts, or not known."""
    clock, past = seen.facts.clock, _past(seen)
    return max(0, clock - past[0].made) if past and clock is not None else None


def _found(
    seen: Picture, severity: Severity, code: str, what: str, evidence: str, mend: str, *, unknown: bool = False
) -> Drift:
    return Drift(seen.facts.host, severity, code, what, evidence, mend, unknown=unknown)
