"""`serve`: the tools over stdio. What clients ask first is answered while the rest is still being loaded."""

import _thread
import argparse
import gc
import importlib
import os
import select
import signal
from collections.abc import Callable
from typing import Self

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.server.ahead import Ahead, Begun, known
from ink_infra_mcp.settings.paths import not_configured

QUIET_S = 0.05
"""A client's first questions come one upon the other; after this long without one, loading begins."""
_STDIN, _STDOUT = 0, 1
_CHUNK = 65_536
_MOST = 4 * 1024 * 1024
_WHOLE = "ink_infra_mcp.cli.serving"


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client goes away; the exit status after a signal is 128 and its number, as shells expect.

    Raises:
        ConfigError: standard input is closed.
    """
    _need_client()
    # the collector only costs while modules are imported: nothing of theirs is ever garbage
    gc.disable()
    # until the whole server takes signals itself; nothing is under way yet
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    ahead = _ahead(arguments)
    rest = answered(ahead, _load) if ahead is not None else b""
    whole = importlib.import_module(_WHOLE)
    gc.freeze()
    gc.enable()
    return int(whole.run(arguments, Begun() if ahead is None else ahead.begun(rest)))


def _need_client() -> None:
    try:
        os.fstat(_STDIN)
    except OSError:
        raise ConfigError(
            "Standard input is closed, and it is where a client speaks.", next="Let a client start this command."
        ) from None


def _ahead(arguments: argparse.Namespace) -> Ahead | None:
    """Return what can be answered from files; a person at a terminal, and who chose tools, meet the whole server."""
    if os.name != "posix" or os.isatty(_STDIN) or arguments.toolsets:
        return None
    missing = not_configured(arguments.config, sandbox=arguments.sandbox)
    found = known(read_only=arguments.read_only, configured=missing is None)
    return None if found is None else Ahead(found)


def answered(ahead: Ahead, load: Callable[[], object]) -> bytes:
    """Answer lines of standard input until `load`, which runs beside it, is done, or one comes that is not known.

    Returns what was read and not answered: perhaps half a line.
    """
    buffer = b""
    with _Loading(load) as loading:
        while loading.leaves_time() and (chunk := os.read(_STDIN, _CHUNK)):
            *lines, buffer = (buffer + chunk).split(b"\n")
            left = _said(ahead, lines)
            if left or len(buffer) > _MOST:
                return b"".join(line + b"\n" for line in left) + buffer
    return buffer


class _Loading:
    """Loads beside, once the client is quiet, and is never waited for."""

    def __init__(self, load: Callable[[], object]) -> None:
        self._load = load
        self._begun = False

    def __enter__(self) -> Self:
        self._done, self._tell = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._done)
        if not self._begun:
            os.close(self._tell)

    def leaves_time(self) -> bool:
        """Wait until standard input has something; false once all is loaded."""
        while True:
            ready, _, _ = select.select([_STDIN, self._done], [], [], None if self._begun else QUIET_S)
            if ready:
                return self._done not in ready
            self._begun = True
            _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._load()
        finally:
            os.close(self._tell)


def _said(ahead: Ahead, lines: list[bytes]) -> list[bytes]:
    """Answer lines as long as they are known and the client is there; return those that are left."""
    for number, line in enumerate(lines):
        said = ahead.answer(line)
        if said is None or not _told(said):
            return lines[number:]
    return []


def _told(said: bytes) -> bool:
    try:
        while said:
            select.select([], [_STDOUT], [])
            said = said[os.write(_STDOUT, said) :]
    except OSError:
        # the client has gone: the whole server finds that, too, and ends as it does
        return False
    return True


def _load() -> None:
    importlib.import_module(_WHOLE)
