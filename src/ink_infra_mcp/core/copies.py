"""Copies of backups in a place off the host: what their names say, and which of them may go."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.plan import Frozen

_STAMP = "%Y%m%dT%H%M%SZ"
_FILE = re.compile(
    r"coolify_(?P<made>[0-9]{8}T[0-9]{6}Z)_(?P<backup>[a-z0-9][a-z0-9-]{0,62})_(?P<sum>[0-9a-f]{64})\.tar\.age",
    re.ASCII,
)


class Copy(Frozen):
    """A copy of a backup; the name of its file has all of this, so that nothing lies beside it that could be lost.

    `made` is when the backup was made, in seconds of Unix by the Factory's clock; `sha256` is the sum of the file. Only
    a file that was read back has such a name.
    """

    backup: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    made: Annotated[int, Field(ge=0, le=253_402_300_799)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def file(self) -> str:
        """Return the name of its file; names sort by when the backups were made."""
        stamp = datetime.fromtimestamp(self.made, UTC).strftime(_STAMP)
        return f"coolify_{stamp}_{self.backup}_{self.sha256}.tar.age"


def copy_in(file: str) -> Copy | None:
    """Return what a file's name says, None where it is no copy's."""
    found = _FILE.fullmatch(file)
    if found is None:
        return None
    try:
        made = datetime.strptime(found["made"], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    at = int(made.timestamp())
    return Copy(backup=found["backup"], made=at, sha256=found["sum"]) if at >= 0 else None


def in_order(files: Iterable[str]) -> tuple[Copy, ...]:
    """Return the copies among the files, the newest first."""
    found = (copy for copy in map(copy_in, files) if copy is not None)
    return tuple(sorted(found, key=lambda copy: copy.file, reverse=True))


def surplus(copies: Iterable[Copy], *, keep: int, keep_days: int, now: datetime, proved: Copy) -> tuple[Copy, ...]:
    """Return which copies may go once `proved` is there: neither it, nor one of the newest, nor a young one.

    Both limits hold at once: however many copies are made in a hurry, none of them drives out what is younger than
    `keep_days`. Ages are told by the earlier of `now` and when `proved` was made, so that one clock that runs ahead
    costs no copy; what was made later than that is counted nowhere, and stays.
    """
    last = min(int(now.timestamp()), proved.made)
    past = [copy for copy in in_order(copy.file for copy in copies) if copy.made <= last]
    oldest = last - int(timedelta(days=keep_days).total_seconds())
    return tuple(copy for copy in past[keep:] if copy.made < oldest and copy != proved)
