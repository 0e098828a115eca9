"""Which marks packets carry on their way, cell by cell: what rules set of them, and who meets a test of one."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ink_infra_mcp.core.firewall.grid import Cells
from ink_infra_mcp.core.firewall.marks import Marked, Marks, SetMark

_UNTOLD = Marks(None, None)


@dataclass(slots=True)
class Carried:
    """The cells that may carry each pair of marks. A cell is among those of several where it is not told which it has.

    `doubtful` are cells that may have gone another way before: what is set on them, they may also be without.
    """

    by_marks: dict[Marks, Cells] = field(default_factory=dict[Marks, Cells])
    doubtful: Cells = 0

    @classmethod
    def fresh(cls, cells: Cells) -> "Carried":
        """Return what first packets from outside carry: no mark (what tc and BPF programs set is not known)."""
        return cls({Marks(): cells})

    def copy(self) -> "Carried":
        """Return it for one of several ways that go on from here."""
        return Carried(dict(self.by_marks), self.doubtful)

    def forget(self) -> None:
        """Take it that nothing is known of any mark."""
        cells = 0
        for each in self.by_marks.values():
            cells |= each
        self.by_marks = {_UNTOLD: cells}

    def meeting(self, asked: Marked, *, tracked: bool | None) -> tuple[Cells, Cells]:
        """Return which cells may meet a test of a mark, and which of them may also not meet it."""
        may = may_not = 0
        for marks, cells in self.by_marks.items():
            met = _meets(asked, marks, tracked)
            may |= 0 if met is False else cells
            may_not |= 0 if met is True else cells
        return may, may & may_not

    def set(self, changes: Iterable[SetMark], cells: Cells, *, sure: bool, tracked: bool | None) -> None:
        """Set marks on cells; those of which that is not sure may be without."""
        after: dict[Marks, Cells] = {}
        for marks, carrying in self.by_marks.items():
            changed = marks
            for change in changes:
                changed = changed.after(_told(change, tracked))
            here = carrying & cells
            kept = carrying & ~(here & ~self.doubtful) if sure else carrying
            for each, those in ((changed, here), (marks, kept)):
                if those:
                    after[each] = after.get(each, 0) | those
        self.by_marks = after


def _meets(asked: Marked, marks: Marks, tracked: bool | None) -> bool | None:
    """Return whether marks meet a test; without a connection there is no mark of one (xt_connmark, nft_ct)."""
    if asked.of == "connection" and not tracked:
        return tracked
    return marks.meets(asked)


def _told(change: SetMark, tracked: bool | None) -> SetMark:
    """Return the change as far as it is told: without a connection, nobody follows what it does to a mark of one."""
    needs_connection = change.of == "connection" or bool(change.take)
    return replace(change, told=False) if needs_connection and not tracked else change
