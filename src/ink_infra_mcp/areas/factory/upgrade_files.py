"""What of Coolify's compose files a release changes, and what of that an upgrade takes along: no more than it swaps."""

from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.areas.factory.beside import Realtime, of_names, takes_along
from ink_infra_mcp.areas.factory.moving_in import comes_along, files_of
from ink_infra_mcp.areas.factory.release import CoolifyRelease
from ink_infra_mcp.core.compose.difference import Difference, differences
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Change
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.looking import BASE, PROD
from ink_infra_mcp.hosts.factory.swapping import IMAGES_MOUNT, Ready

_MAY_CHANGE = frozenset({("services", "coolify", "image"), ("services", "coolify", "healthcheck")})
"""What of its compose files a release may change for Coolify itself, whose container takes it, and nothing else."""
_FOLDER = Difference(path=("services", "coolify", "volumes"), before=[], after=[IMAGES_MOUNT])
"""The one folder more that the unit makes as upgrade.sh does (4.3.7 on); it stays where the unit goes back."""
_SHOWN = frozenset({"image", "interval", "retries", "start_period", "timeout", "ports", "volumes", "expose"})
"""Of which values of the Factory's files it is shown what stands there now: in others somebody may keep a secret."""


def of_files(release: CoolifyRelease, meets: Ready, realtime: Realtime | None = None) -> Iterator[str]:
    """Yield what of the compose files on the Factory is not as in the release, beside what is swapped.

    That is Coolify's own container, and `realtime` where it is given, or where it moves into that container. Others
    have no way back: a newer database is not brought.
    """
    try:
        prod = (each for each in _in_prod(release, meets) if not (_may_change(each) or takes_along(each, realtime)))
        found = tuple(each for each in (*_in_base(release, meets), *prod) if not comes_along(each, release))
    except InputError:
        # nothing of a file is in the reason: others may keep secrets in theirs
        yield "its compose files cannot be compared: one is not written so that every reader takes it alike"
        return
    yield from of_names(found, release.version)
    if more := [each for each in found if not tuple(of_names((each,), release.version))]:
        told = ", ".join(_told(each, release.version) for each in more)
        yield f"only Coolify's and realtime's image and health check are swapped, and more differs: {told}"


def _in_base(release: CoolifyRelease, meets: Ready) -> tuple[Difference, ...]:
    return differences(meets.base.text, release.texts[BASE])


def _in_prod(release: CoolifyRelease, meets: Ready) -> tuple[Difference, ...]:
    return differences(meets.files[PROD].text, release.texts[PROD])


def _may_change(each: Difference) -> bool:
    return each.path[:3] in _MAY_CHANGE or each == _FOLDER


def _told(each: Difference, version: str) -> str:
    name = clean_name(each.name)
    if each.before == []:
        return f"{name} lacks {_shown(each.after)} of {version}"
    if each.after == []:
        return f"{name} has {_before(each)}, and {version} has not"
    return f"{name} is {_before(each) or 'not there'}, and {_shown(each.after) or 'not there'} in {version}"


def _before(each: Difference) -> str | None:
    return _shown(each.before) if each.before is None or _is_harmless(each) else "another value"


def _is_harmless(each: Difference) -> bool:
    """A block as a whole, and whatever is not plain text in a list, may hold what somebody keeps secret."""
    of_service = each.path[:1] == ("services",) and len(each.path) == (4 if each.path[2:3] == ("healthcheck",) else 3)
    values = each.before if isinstance(each.before, list) else [each.before]
    return of_service and each.path[-1] in _SHOWN and not any(isinstance(value, (dict, list)) for value in values)


def _shown(value: JsonValue) -> str | None:
    return None if value is None else clean_name(str(value), limit=160)


def changes_of(release: CoolifyRelease, meets: Ready) -> tuple[Change, ...]:
    """Return what becomes different in Coolify's own files; where only the spelling does, that."""
    whole = files_of(release, meets)
    return (
        *(_changes_in(PROD, meets.files[PROD].sha256, release, _in_prod(release, meets)) if PROD in whole else ()),
        *(_changes_in(BASE, meets.base.sha256, release, _in_base(release, meets)) if BASE in whole else ()),
    )


def _changes_in(name: str, before: str, release: CoolifyRelease, found: tuple[Difference, ...]) -> Iterator[Change]:
    yield Change(name=f"sha256 of {name}", before=before, after=release.sums[name])
    yield from (_change(each, name) for each in found)


def _change(each: Difference, file: str) -> Change:
    if each.before == []:
        return Change(name=f"added to {each.name} in {file}", after=_shown(each.after))
    return Change(name=f"{each.name} in {file}", before=_before(each), after=_shown(each.after))
