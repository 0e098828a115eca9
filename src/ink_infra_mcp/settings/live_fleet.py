"""The fleet as it is now: fleet.toml followed while the server runs, and the one hand that edits it."""

import contextlib
import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.settings.fleet_edit import with_key, with_muscle, without_muscle
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.fleet_text import dump_fleet

log = logging.getLogger(__name__)
Stamp = tuple[int, int, int]


class LiveFleet:
    """The fleet in force. Its Muscles and the Factory's private address follow the file; all else is as it was when the
    server started.

    A file that a hand has broken changes nothing: the fleet stays as it was, and the log says why. `of_memory` is a
    fleet that has no file yet, as the sandbox's: it gets one with its first edit.
    """

    def __init__(self, path: Path, fleet: Fleet, *, of_memory: bool = False) -> None:
        self.path = path
        self._fleet = fleet
        self._of_memory = of_memory
        self._seen = _stamp(path)
        self._told: list[Callable[[Fleet], None]] = []

    @property
    def fleet(self) -> Fleet:
        """Return the fleet in force."""
        return self._fleet

    def tell(self, hear: Callable[[Fleet], None]) -> None:
        """Call `hear` with every fleet that comes into force from now on."""
        self._told.append(hear)

    def refresh(self) -> None:
        """Take up the Muscles of the file, if it is another one than was read last."""
        stamp = _stamp(self.path)
        if stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._take(load_fleet(self.path))
        except ConfigError as error:
            log.warning("fleet.toml was changed and cannot be read; the fleet stays as it was: %s", error)

    def add(self, muscle: Muscle) -> bool:
        """Write a Muscle into the file and take it up; return whether it was not there. Blocks; call it in a thread.

        Raises:
            ConfigError: another server has its name or address, or the file cannot be edited or read back.
        """
        with self._held() as text:
            found = load_fleet(self.path)
            there = next((m for m in found.muscles if m.name == muscle.name), None)
            if there == muscle:
                # a process that was killed has written it, or another one that runs: here it may not be in force yet
                self._take(found)
                return False
            if there is not None:
                raise ConfigError(f"fleet.toml has another {muscle.name} already.", next="Look at both, keep one.")
            self._write(with_muscle(text, muscle))
        return True

    def remove(self, name: str) -> bool:
        """Take a Muscle out of the file and of the fleet; return whether it was there. Blocks; call it in a thread.

        Raises:
            ConfigError: the file cannot be edited or read back.
        """
        with self._held() as text:
            found = load_fleet(self.path)
            if all(muscle.name != name for muscle in found.muscles):
                self._take(found)
                return False
            self._write(without_muscle(text, name))
        return True

    def set_private_address(self, name: str, address: str | None) -> bool:
        """Write the private address of the Factory or a Muscle; return whether it was another. Call it in a thread.

        Raises:
            ConfigError: there is no such server, or the file cannot be edited or read back.
        """
        with self._held() as text:
            found = load_fleet(self.path)
            there = {host.name: host.private_address for host in (found.factory, *found.muscles)}
            if name not in there:
                raise ConfigError(f"fleet.toml has no Factory or Muscle {name}.", next="Look at the file.")
            if there[name] == address:
                self._take(found)
                return False
            self._write(with_key(text, name, "private_address", address))
        return True

    def _take(self, found: Fleet) -> None:
        inner = {"private_address": found.factory.private_address}
        factory = self._fleet.factory.model_copy(update=inner)
        self._fleet = self._fleet.model_copy(update={"muscles": found.muscles, "factory": factory})
        for hear in self._told:
            hear(self._fleet)

    @contextmanager
    def _held(self) -> Generator[str]:
        """Give the file's text while no other process of ours can edit it."""
        if self._of_memory and not self.path.exists():
            _replace(self.path, dump_fleet(self._fleet))
        while True:
            with _opened(self.path) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # who waited here for another edit holds a file that was replaced meanwhile
                if _identity(os.fstat(file.fileno())) == _identity(os.stat(self.path)):
                    yield _text(file.read(), self.path)
                    return

    def _write(self, text: str) -> None:
        draft = _draft(self.path, text)
        try:
            found = self._read(draft)
            draft.replace(self.path.resolve())
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
        self._seen = _stamp(self.path)
        self._take(found)

    def _read(self, draft: Path) -> Fleet:
        try:
            return load_fleet(draft)
        except ConfigError as error:
            failed = error.failed.replace(str(draft), str(self.path), 1)
            raise ConfigError(f"As it would be, {failed}", next="Mend that first: nothing was written.") from None


def _replace(path: Path, text: str) -> None:
    _draft(path, text).replace(path)


def _draft(path: Path, text: str) -> Path:
    """Return a file beside `path` (beside what it leads to, if it is a link), with its mode, on the disk."""
    real = path.resolve()
    draft = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o600
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text.encode())
        file.flush()
        # after a power cut it must be the old file or the new one, and never an empty one
        os.fsync(file.fileno())
    return draft


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("r+b")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", next="Mend that.") from error


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.", next="Mend the file.") from error


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
