"""What a client still has coming when its side has ended: its answers are waited for, within a limit of time.

The SDK takes the end of the lines for the end of all that is under way. A program that writes its requests and closes
its side at once (`printf ... | ink-infra-mcp`) would lose the last of its answers so.
"""

import os
import select
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp import types
from mcp.shared.message import SessionMessage

MOST_S = 60.0
"""A call waits for what it began for 45 seconds, unless it says otherwise."""
_LOOK_EVERY_S = 0.5
_NEVER_ANSWERED = "subscriptions/listen"
"""The one request that stays open for as long as the client is there."""
_CLOSED = types.ErrorData(code=types.CONNECTION_CLOSED, message="Connection closed")
"""What the SDK itself gives whoever asks a client that has gone."""
ToServer = MemoryObjectSendStream[SessionMessage | Exception]


class Owing:
    """The requests of a client that have no answer yet, and what it was asked and has not answered.

    `is_gone` says whether nobody reads what is said any more.
    """

    def __init__(self, is_gone: Callable[[], bool]) -> None:
        self._is_gone = is_gone
        self._answers: list[types.RequestId] = []
        self._questions: list[types.RequestId] = []
        self._changed = anyio.Event()

    def came(self, message: types.JSONRPCMessage) -> None:
        """Note what the client has said."""
        if isinstance(message, types.JSONRPCRequest):
            if message.method != _NEVER_ANSWERED:
                self._answers.append(message.id)
        elif isinstance(message, types.JSONRPCNotification):
            if message.method == "notifications/cancelled":
                _drop(self._answers, (message.params or {}).get("requestId"))
        else:
            _drop(self._questions, message.id)

    def went(self, message: types.JSONRPCMessage) -> None:
        """Note what has been written to the client."""
        if isinstance(message, types.JSONRPCRequest):
            self._questions.append(message.id)
        elif not isinstance(message, types.JSONRPCNotification):
            _drop(self._answers, message.id)
        self._changed.set()

    async def settled(self, to: ToServer, *, most_s: float = MOST_S) -> None:
        """Return when the client has all its answers, when nobody reads them, or after `most_s` seconds.

        What the client is asked has no answer any more: whoever asked is told so, and can answer in his turn.
        """
        with anyio.move_on_after(most_s):
            while self._answers and not self._is_gone():
                self._changed = anyio.Event()
                while self._questions:
                    error = types.JSONRPCError(jsonrpc="2.0", id=self._questions.pop(0), error=_CLOSED)
                    await to.send(SessionMessage(error))
                with anyio.move_on_after(_LOOK_EVERY_S):
                    await self._changed.wait()


@contextmanager
def watched(descriptor: int) -> Generator[Callable[[], bool]]:
    """Give what says whether the other end of a pipe is closed; where that cannot be told it is not.

    It has a handle of its own: the SDK diverts the one that is given.
    """
    if not hasattr(select, "poll"):
        yield lambda: False
        return
    own, asked = os.dup(descriptor), select.poll()
    asked.register(own, 0)
    try:
        yield lambda: bool(asked.poll(0))
    finally:
        os.close(own)


def _drop(ids: list[types.RequestId], about: object) -> None:
    """Take out one request of that id; of a number and its text, the SDK takes the one for the other."""
    found = next((known for known in ids if str(known) == str(about)), None)
    if found is not None:
        ids.remove(found)
