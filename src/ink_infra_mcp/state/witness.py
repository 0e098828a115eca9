"""Where the audit ended, kept beside an SQLite store: what a store that is gone, or was cut, does not say of itself."""

import contextlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from ink_infra_mcp.core.errors import StateCorrupt

SUFFIX = ".audit-end"
_SEQ = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class End:
    """The number and the hash of a line that was the last one."""

    seq: int
    hash: str


class Witness:
    """A small file with the end of the audit, written after each line is on the disk.

    It may be behind the store by the lines of a process that died just then, and never before it. It is replaced whole.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.path = store.with_name(store.name + SUFFIX)
        self._one_at_a_time = threading.Lock()

    def read(self) -> End | None:
        """Return the end that is remembered, None when there is no file.

        Raises:
            StateCorrupt: the file does not say what was written into it. OSError: it cannot be read.
        """
        try:
            seq, _, last = self.path.read_text(encoding="ascii").strip().partition(" ")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            seq, last = "", ""
        if not _SEQ.fullmatch(seq) or len(last) != 64:
            raise StateCorrupt(f"{self.path} does not say where the audit ended.", next=WHAT_NEXT)
        return End(int(seq), last)

    def keep(self, end: End) -> None:
        """Remember the end, unless a later one is known; raises OSError, and StateCorrupt as `read` does."""
        with self._one_at_a_time:
            known = self.read()
            if known is None or known.seq < end.seq:
                self._put(end)

    def put(self, end: End) -> None:
        """Remember the end whatever is known, as an operator wants it who accepts a loss; raises OSError."""
        with self._one_at_a_time:
            self._put(end)

    def _put(self, end: End) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(f"{end.seq} {end.hash}\n")
                file.flush()
                # after a power cut it must be the old file or the new one, and never an empty one
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise


WHAT_NEXT = (
    "Restore a backup of the state, with the file beside it that remembers the end. If what is missing is lost for "
    "good, a person accepts that at a terminal: `ink-infra-mcp audit accept-loss --reason TEXT`."
)
