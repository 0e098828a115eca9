"""A backup's copy off the host as a step of a plan, and what is wrong with the copies that lie there."""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory.ages import days
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.machines.drift import Drift, Severity
from ink_infra_mcp.core.copies import Copy, Lying
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
_NAMES = 3
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
        summary=f"Copy it off the host as {place.fleet}'s, encrypted on {factory} for {place.recipient}, to "
        f"{where(place)}: {HOLDS}",
        servers=(factory,),
        after=f"it is read back there and has its sum. Older copies of {place.fleet} go that are not among the newest "
        f"{place.keep} whole ones and older than {place.keep_days} days; a damaged one is renamed, and stays",
        params={
            "host": factory,
            "name": result_of(backup, "name"),
            "place": host.model_dump(mode="json", include={*fields}),
            "folder": place.folder,
            "fleet": place.fleet,
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
    else:
        yield from _judged(seen, seen.copies)
        yield from _damaged(seen, seen.copies)
        yield from _not_own(seen, seen.copies)


def _judged(seen: Picture, there: Lying) -> Iterator[Drift]:
    """Judge by what can be believed: a copy of a time to come would look new for as long as it lies there."""
    past = _past(seen)
    ahead = len(there.own) - len(past)
    if not there.own:
        what = "no copy of any backup of Coolify lies off the Factory"
        beside = _listed(damaged=len(there.damaged), others=len(there.others), unnamed=len(there.unnamed))
        evidence = f"no whole one of {seen.place.fleet} at {where(seen.place)}{beside}"
        yield _found(seen, "high", "no_copy", what, evidence, _MEND)
    if ahead:
        what = "copies of Coolify's backups off the Factory are of a time to come: a clock is wrong, or was"
        evidence = f"{ahead} of {len(there.own)} at {where(seen.place)}"
        mend = "`date -u` on the Factory; what was made by a wrong clock: move those files away there"
        yield _found(seen, "warning" if past else "high", "copy_ahead", what, evidence, mend)
    if past:
        yield from _behind(seen, past[0])


def _damaged(seen: Picture, there: Lying) -> Iterator[Drift]:
    """What spoils the newest copy may spoil the next one too; an older one that is spoilt is past harm."""
    if not there.damaged:
        return
    newest = _past(seen)[:1]
    covered = bool(newest) and newest[0].made > there.damaged_last
    what = "copies of Coolify's backups off the Factory are damaged: they are not whole, and count for nothing"
    evidence = f"{len(there.damaged)} at {where(seen.place)}, the newest {there.damaged[0]}"
    mend = f"{_MEND}; then find out what changes files there, and move the damaged ones away"
    yield _found(seen, "warning" if covered else "high", "damaged_copy", what, evidence, mend)


def _not_own(seen: Picture, there: Lying) -> Iterator[Drift]:
    """Nothing of others is wrong; who thinks that those are this fleet's would count on what nobody thins or proves."""
    if there.others:
        names = sorted({copy.fleet for copy in there.others})
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        what = "copies of other fleets lie beside this one's: they are not counted, and never removed"
        evidence = f"{len(there.others)} of {', '.join(names[:_NAMES])}{more} at {where(seen.place)}"
        yield _found(seen, "info", "others_copies", what, evidence, "`fleet` under [backups], if they are this fleet's")
    if there.unnamed:
        what = "copies without a fleet's name lie off the Factory: whose they are is not known, and none is removed"
        evidence = f"{len(there.unnamed)} at {where(seen.place)}, the newest of {there.unnamed[0].backup}"
        yield _found(seen, "info", "unnamed_copies", what, evidence, "docs/configuration.md tells how they get a name")


def _listed(**counts: int) -> str:
    words = {"damaged": "damaged", "others": "of other fleets", "unnamed": "without a fleet's name"}
    told = [f"{count} {words[name]}" for name, count in counts.items() if count]
    return f", and {', '.join(told)}" if told else ""


def _past(seen: Picture) -> tuple[Copy, ...]:
    """Return the copies, the newest first, without those that the Factory's clock does not reach yet."""
    clock, own = seen.facts.clock, seen.copies.own if seen.copies else ()
    return tuple(copy for copy in own if clock is None or copy.made <= clock + AHEAD_S)


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
