"""The one state behind all emulators: a JSON document in SQLite, shared by every process that opens the file.

Nothing runs in the background: what happens with time (a build that ends, a deletion that completes) is computed by
`settle` whenever somebody looks. So the world survives `kill -9`, and two processes see the same one.

The document is read anew only when another process has changed it: reading it takes longer than what is done with it.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from ink_infra_mcp.sandbox.state import WorldState

Settle = Callable[[WorldState, float], None]
_SCHEMA = "create table if not exists world (id integer primary key check (id = 1), state text not null)"
_BUSY_MS = 20_000


class WorldUnreadable(Exception):
    """The file holds a world of another version; only a fresh one helps."""


class World:
    """Opens (or seeds) the world at `path`. `speed` 10 makes ten seconds pass there in one of ours."""

    def __init__(
        self,
        path: Path,
        *,
        seed: Callable[[float], WorldState],
        settle: Settle,
        speed: float = 1.0,
        real_now: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._settle = settle
        self._real_now = real_now
        self._kept: tuple[str, WorldState] | None = None
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open() as db:
            # kept in the file
            db.execute("pragma journal_mode = wal")
            db.execute("begin immediate")
            db.execute(_SCHEMA)
            if db.execute("select 1 from world").fetchone() is None:
                state = seed(real_now())
                state.speed = speed
                db.execute("insert into world values (1, ?)", (state.model_dump_json(),))
            db.execute("commit")

    @staticmethod
    def forget(path: Path) -> None:
        """Delete the world at `path`, so that the next one is fresh."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)

    def now(self, state: WorldState) -> float:
        """Return the world's time as a Unix time: it began at the seed and runs at the world's speed."""
        return state.began + (self._real_now() - state.began) * state.speed

    def read(self) -> WorldState:
        """Return the settled state; changes made to it are not kept."""
        kept: list[str] = []
        with self._changing(kept.append):
            pass
        return _loaded(kept[0], self._path)

    @contextmanager
    def change(self) -> Generator[WorldState]:
        """Give the settled state to change; it is kept when the block ends well, and untouched when it raises.

        The state is the caller's own until the block ends, and the next one's afterwards: what outlives the block is
        taken out of it as a copy.
        """
        with self._changing(_unheard) as state:
            yield state

    @contextmanager
    def _changing(self, tell: Callable[[str], object]) -> Generator[WorldState]:
        """Give the settled state to change, and tell the text that is kept of it."""
        with self._open() as db:
            db.execute("begin immediate")
            try:
                text: str = db.execute("select state from world").fetchone()[0]
                kept, self._kept = self._kept, None
                state = kept[1] if kept is not None and kept[0] == text else _loaded(text, self._path)
                self._settle(state, self.now(state))
                yield state
                after = state.model_dump_json()
                if after != text:
                    db.execute("update world set state = ?", (after,))
                db.execute("commit")
                self._kept = (after, state)
                tell(after)
            except BaseException:
                db.execute("rollback")
                raise

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        db = sqlite3.connect(os.fspath(self._path), isolation_level=None, timeout=_BUSY_MS / 1000)
        try:
            # a process that is killed loses nothing by this; only a machine's power cut would
            db.execute("pragma synchronous = off")
            yield db
        finally:
            db.close()


def _unheard(_: str) -> None:
    """Take what is kept, and do nothing with it."""


def _loaded(text: str, path: Path) -> WorldState:
    try:
        return WorldState.model_validate_json(text)
    except ValidationError as error:
        raise WorldUnreadable(f"{path} holds a pretend world of another version") from error
