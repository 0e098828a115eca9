"""Copies of backups in a place off the host: whose they are, what their names say, and which of them may go."""

import re
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.plan import Frozen

OWNER = r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?"
"""How the name of a fleet looks in the names of its copies: a domain, or a word like one."""
DAMAGED = "damaged_"
"""Begins the name of a copy whose bytes were read and are not those that its name tells of."""
_STAMP = "%Y%m%dT%H%M%SZ"
_BACKUP, _SUM = r"[a-z0-9][a-z0-9-]{0,62}", r"[0-9a-f]{64}"
_FILE = re.compile(
    rf"coolify_(?P<made>[0-9]{{8}}T[0-9]{{6}}Z)_(?P<named>{OWNER}_{_BACKUP}_[1-9][0-9]{{0,14}}|{_BACKUP})"
    rf"_(?P<sum>{_SUM})\.tar\.age",
    re.ASCII,
)


class Copy(Frozen):
    """A copy of a backup; the name of its file has all of this, so that nothing lies beside it that could be lost.

    `made` is when the backup was made, in seconds of Unix by the Factory's clock; `sha256` is the sum of the file, and
    `bytes` its size. Only a file that was read back has such a name. Names from before fleets were told apart have
    neither `fleet` nor `bytes`: they are empty and 0.
    """

    fleet: Annotated[str, Field(pattern=rf"^(?:{OWNER})?$")]
    backup: Annotated[str, Field(pattern=rf"^{_BACKUP}$")]
    made: Annotated[int, Field(ge=0, le=253_402_300_799)]
    bytes: Annotated[int, Field(ge=0, lt=10**15)]
    sha256: Annotated[str, Field(pattern=rf"^{_SUM}$")]

    @property
    def file(self) -> str:
        """Return the name of its file; names sort by when the backups were made."""
        stamp = datetime.fromtimestamp(self.made, UTC).strftime(_STAMP)
        words = (stamp, self.fleet, self.backup, str(self.bytes), self.sha256)
        if not self.fleet:
            words = (stamp, self.backup, self.sha256)
        return f"coolify_{'_'.join(words)}.tar.age"


class Lying(Frozen):
    """What lies in a folder of copies: `files` are the sizes in bytes by name, and it is told apart for one `fleet`.

    All that is told of it is the newest first.
    """

    fleet: str
    files: dict[str, int] = {}

    @property
    def own(self) -> tuple[Copy, ...]:
        """Return the fleet's copies whose size is that of their names."""
        return tuple(copy for copy in self._of_fleet(self.files) if self.files[copy.file] == copy.bytes)

    @property
    def damaged(self) -> tuple[str, ...]:
        """Return the names of files that were copies of the fleet, and are not whole."""
        return tuple(sorted(self._bad, key=lambda file: (self._bad[file], file), reverse=True))

    @property
    def damaged_last(self) -> int:
        """Return when the newest backup was made of which a copy is damaged, 0 where there is none."""
        return max(self._bad.values(), default=0)

    @property
    def others(self) -> tuple[Copy, ...]:
        """Return the copies of other fleets."""
        return tuple(copy for copy in in_order(self.files) if copy.fleet not in ("", self.fleet))

    @property
    def unnamed(self) -> tuple[Copy, ...]:
        """Return the copies that do not say whose they are."""
        return tuple(copy for copy in in_order(self.files) if not copy.fleet)

    @property
    def _bad(self) -> dict[str, int]:
        """When the backup of each damaged copy was made, by the name of the file that there is."""
        there = self._of_fleet(self.files)
        short = {copy.file: copy.made for copy in there if self.files[copy.file] != copy.bytes}
        return short | {f"{DAMAGED}{copy.file}": copy.made for copy in self._of_fleet(self._marked)}

    @property
    def _marked(self) -> tuple[str, ...]:
        return tuple(file.removeprefix(DAMAGED) for file in self.files if file.startswith(DAMAGED))

    def _of_fleet(self, files: Iterable[str]) -> tuple[Copy, ...]:
        return tuple(copy for copy in in_order(files) if copy.fleet == self.fleet)


def copy_in(file: str) -> Copy | None:
    """Return what a file's name says, None where it is no copy's."""
    found = _FILE.fullmatch(file)
    made = _moment(found["made"]) if found else None
    if found is None or made is None:
        return None
    named = found["named"].split("_")
    fleet, backup, size = named if len(named) > 1 else ("", *named, "0")
    return Copy(fleet=fleet, backup=backup, made=made, bytes=int(size), sha256=found["sum"])


def in_order(files: Iterable[str]) -> tuple[Copy, ...]:
    """Return the copies among the files, the newest first, whosever they are."""
    found = (copy for copy in map(copy_in, files) if copy is not None)
    return tuple(sorted(found, key=lambda copy: (copy.made, copy.file), reverse=True))


def _moment(stamp: str) -> int | None:
    with suppress(ValueError):
        at = int(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp())
        return at if at >= 0 else None
    return None


class Thinning(Frozen):
    """Which of a fleet's copies may go once `proved` is there, and which have to be read to know it.

    A copy counts in `keep` when it is `proved`, or was read to its end just now and is whole: damaged ones drive out
    nobody, nor does a second copy of one backup. What goes is older than so many that count, and than `keep_days`. Ages
    are told by the earlier of `now` and when `proved` was made, so that one clock that runs ahead costs no copy; what
    was made later than that is counted nowhere, and stays. So do the copies of other fleets.
    """

    proved: Copy
    keep: Annotated[int, Field(ge=1)]
    keep_days: Annotated[int, Field(ge=1)]
    now: datetime

    def unread(self, copies: Iterable[Copy], *, damaged: Container[str], whole: Container[str]) -> Copy | None:
        """Return the next copy to be read, None where none is to go, or what goes is known.

        `damaged` and `whole` are the names of files that were read just now.
        """
        past = self._past(copies)
        # reading helps only where something older may go for it
        last = max((at for at, copy in enumerate(past) if self._may_go(copy)), default=0)
        for copy, full in self._walked(past[:last], whole):
            if not full and not self._is_known(copy, damaged, whole):
                return copy
        return None

    def surplus(self, copies: Iterable[Copy], *, whole: Container[str]) -> tuple[Copy, ...]:
        """Return which copies may go, the newest first, where those that were read just now are `whole`, by file."""
        walked = self._walked(self._past(copies), whole)
        return tuple(copy for copy, full in walked if full and self._may_go(copy))

    def _is_known(self, copy: Copy, *read: Container[str]) -> bool:
        return copy == self.proved or any(copy.file in files for files in read)

    def _walked(self, past: Iterable[Copy], whole: Container[str]) -> Iterator[tuple[Copy, bool]]:
        """Yield each copy, the newest first, with whether as many as are kept are newer and count."""
        counted: set[tuple[str, int]] = set()
        for copy in past:
            yield copy, len(counted) >= self.keep
            if copy == self.proved or copy.file in whole:
                counted.add((copy.backup, copy.made))

    def _past(self, copies: Iterable[Copy]) -> tuple[Copy, ...]:
        own = (copy.file for copy in copies if copy.fleet == self.proved.fleet)
        return tuple(copy for copy in in_order(own) if copy.made <= self._last)

    def _may_go(self, copy: Copy) -> bool:
        oldest = self._last - int(timedelta(days=self.keep_days).total_seconds())
        return copy.made < oldest and copy != self.proved

    @property
    def _last(self) -> int:
        return min(int(self.now.timestamp()), self.proved.made)
