"""`serve`: the tools over stdio. What clients ask first is answered while the rest is still being loaded."""

import _thread
import argparse
import gc
import importlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Self

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.server.ahead import Ahead, Begun, known
from ink_infra_mcp.settings.paths import not_configured

QUIET_S = 0.05
"""A client's first questions come one upon the other; after this long without one, loading begins."""
BUSY_S = 0.25
"""It begins after this long also where they do not end."""
_STDIN, _STDOUT = 0, 1
_CHUNK = 65_536
_MOST = 4 * 1024 * 1024
_WHOLE = "ink_infra_mcp.cli.serving"


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client goes away; the exit status after a signal is 128 and its number, as shells expect.

    Raises:
        ConfigError: standard input or output is closed.
    """
    _need_client()
    # the collector only costs while modules are imported: nothing of theirs is ever garbage
    gc.disable()
    _end_at_signals()
    ahead = _ahead(arguments)
    rest = answered(ahead, _load) if ahead is not None else b""
    whole = importlib.import_module(_WHOLE)
    gc.freeze()
    gc.enable()
    return int(whole.run(arguments, Begun() if ahead is None else ahead.begun(rest)))


def _need_client() -> None:
    for number, name in ((_STDIN, "input"), (_STDOUT, "output")):
        try:
            os.fstat(number)
        except OSError:
            raise ConfigError(
                f"Standard {name} is closed, and a client speaks over it.", next="Let a client start this command."
            ) from None


def _end_at_signals() -> None:
    """Until the whole server takes signals itself, each ends it at once: nothing is under way yet."""
    for number, usual in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is usual:
            signal.signal(number, lambda number, _: os._exit(128 + number))


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
    client = _Client()
    with _Loading(load) as loading:
        while loading.leaves_time() and client.hears():
            line, newline, rest = client.heard.partition(b"\n")
            while newline:
                said = ahead.answer(line)
                if said is None:
                    return client.heard
                client.heard = rest
                client.tell(said)
                line, newline, rest = client.heard.partition(b"\n")
    return client.heard


class _Client:
    """Both ways to the client. What it says while it is told something is kept: it may say much before it listens."""

    def __init__(self) -> None:
        self.heard = b""
        self._ended = False

    def hears(self) -> bool:
        """Read what has come; false where nothing comes any more, or more than a first question could be."""
        try:
            chunk = os.read(_STDIN, _CHUNK)
        except OSError:
            # as for the whole server: a reader's fault is an end
            chunk = b""
        self.heard += chunk
        self._ended = not chunk or len(self.heard) > _MOST
        return not self._ended

    def tell(self, said: bytes) -> None:
        """Tell it something, in pieces that a pipe with room takes whole; one that has gone is not told."""
        try:
            while said:
                reads = [] if self._ended else [_STDIN]
                comes, goes, _ = select.select(reads, [_STDOUT], [])
                if goes:
                    said = said[os.write(_STDOUT, said[: select.PIPE_BUF]) :]
                elif comes:
                    self.hears()
        except OSError:
            # the whole server finds that, too, and ends as it does
            return


class _Loading:
    """Loads beside, once the client is quiet or has asked for long enough, and is never waited for."""

    def __init__(self, load: Callable[[], object]) -> None:
        self._load = load
        self._begun = False
        self._latest = time.monotonic() + BUSY_S

    def __enter__(self) -> Self:
        self._done, self._tell = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._done)
        if not self._begun:
            os.close(self._tell)

    def leaves_time(self) -> bool:
        """Wait until standard input has something; false once all is loaded."""
        ready = self._ready()
        while not ready:
            self._begin()
            ready = self._ready()
        if time.monotonic() >= self._latest:
            self._begin()
        return self._done not in ready

    def _ready(self) -> list[int]:
        return select.select([_STDIN, self._done], [], [], None if self._begun else QUIET_S)[0]

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._load()
        finally:
            os.close(self._tell)


def _load() -> None:
    importlib.import_module(_WHOLE)
