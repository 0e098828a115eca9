"""Lines of a client: each is a message, or is answered as what it is not; none ends the server, none is a chance yes.

The SDK drops a line that it cannot read, and whoever sent it waits for ever.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import anyio
import anyio.to_thread
from mcp import types
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError

from ink_infra_mcp.server.owing import Owing, ToServer

log = logging.getLogger(__name__)
MAX_LINE = 4 * 1024 * 1024
"""Bytes of one message: far more than any tool takes, far less than a process has."""
MAX_DEPTH = 64
"""Levels of lists and objects in a message; ours has fewer than ten."""
_MAX_ID = 200
_JUDGED_LATER = frozenset({"arguments", "inputResponses"})
"""What of a call a tool's own model, or the reading of answers, refuses in words of its own."""
Message = types.JSONRPCMessage


@dataclass(frozen=True, slots=True)
class Read:
    """What a line comes to: a message for the server, an error for the client, both, or nothing."""

    message: Message | None = None
    refusal: types.JSONRPCError | None = None


def read_line(line: bytes) -> Read:
    """Return what the line is; it raises nothing, whatever the line holds.

    A request that cannot be taken is answered under its id, as far as it has one. An answer of the client that is none
    goes on as an empty one, so that who waits for it takes it for a no. A notification is never answered.
    """
    if len(line.rstrip(b"\r\n")) > MAX_LINE:
        return _refused(None, types.PARSE_ERROR, f"A message has at most {MAX_LINE} bytes.")
    if not line.strip():
        return Read()
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return _refused(None, types.PARSE_ERROR, "The line is not JSON in UTF-8.")
    if not isinstance(value, dict):
        return _refused(None, types.INVALID_REQUEST, "A line holds one message, an object; lists are not served.")
    found = cast(dict[str, Any], value)
    return _read_call(found) if "method" in found else _read_answer(found)


class Back(Protocol):
    """The way to the client."""

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message."""
        ...


async def hand_on(lines: "Lines", to: ToServer, back: "Back", owing: Owing) -> None:
    """Give every message to the server and every refusal to the client, until the lines or the server end.

    Where the lines end, the server is told so when the client has what it still has coming.
    """
    try:
        async with to:
            while (line := await anyio.to_thread.run_sync(lines.next)) is not None:
                read = read_line(line)
                if read.refusal is not None:
                    log.info("refused a line of the client: %s", read.refusal.error.message)
                    await back.send(SessionMessage(read.refusal))
                if read.message is not None:
                    owing.came(read.message)
                    await to.send(SessionMessage(read.message))
            await owing.settled(to)
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        log.debug("nobody takes the client's lines any more")


class Lines:
    """The lines of a stream of bytes, one at a time, of which no more than a message may have is ever held."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def next(self) -> bytes | None:
        """Return the next line, None at the end; of one that is too long, as much as shows that it is."""
        line = self._stream.readline(MAX_LINE + 1)
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = self._stream.readline(MAX_LINE + 1)
        return line or None


def _read_call(value: dict[str, Any]) -> Read:
    why = _unfit(value)
    if not why:
        message = _whole(value)
        # a request whose id is none would pass for a notification, which nobody answers
        if isinstance(message, types.JSONRPCRequest if "id" in value else types.JSONRPCNotification):
            return Read(message=message)
        why = "It is no request and no notification of JSON-RPC 2.0."
    if "id" not in value and isinstance(value["method"], str):
        log.info("dropped a notification of the client: %s", why)
        return Read()
    return _refused(_id_of(value), types.INVALID_REQUEST, why)


def _read_answer(value: dict[str, Any]) -> Read:
    about = _id_of(value)
    is_answer = "result" in value or "error" in value
    refusal = None if is_answer else _refusal(about, types.INVALID_REQUEST, "It has no method, no result and no error.")
    if about is None:
        return Read(refusal=refusal)
    if is_answer and _depth_fits(value) and (message := _whole(value)) is not None:
        return Read(message=message)
    log.info("the client gave an answer that is none")
    return Read(message=types.JSONRPCResponse(jsonrpc="2.0", id=about, result={}), refusal=refusal)


def _whole(value: dict[str, Any]) -> Message | None:
    try:
        return jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValidationError:
        return None


def _unfit(value: dict[str, Any]) -> str:
    """Half of a surrogate pair would end the server when it is said again: in an error, or in a log."""
    if not _depth_fits(value):
        return f"A message has at most {MAX_DEPTH} levels."
    params = value.get("params")
    if isinstance(params, Mapping):
        named = cast(Mapping[str, Any], params).items()
        value = {**value, "params": {name: part for name, part in named if name not in _JUDGED_LATER}}
    if not all(_is_text(text) for text in _texts(value)):
        return "It holds half of a surrogate pair (U+D800 to U+DFFF), which is no character."
    return ""


def _depth_fits(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return True
    return False


def _texts(value: object) -> Iterator[str]:
    left: list[object] = [value]
    while left:
        one = left.pop()
        left += _parts(one)
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from cast(dict[str, object], one)


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*cast(dict[str, object], value).values()]
    return cast(list[object], value) if isinstance(value, list) else []


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _id_of(value: Mapping[str, Any]) -> types.RequestId | None:
    found = value.get("id")
    if isinstance(found, str):
        return found if len(found) <= _MAX_ID and _is_text(found) else None
    if isinstance(found, float) and found.is_integer():
        # JSON has one kind of number, and some languages write 1 as 1.0
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _refused(about: types.RequestId | None, code: int, why: str) -> Read:
    return Read(refusal=_refusal(about, code, why))


def _refusal(about: types.RequestId | None, code: int, why: str) -> types.JSONRPCError:
    error = types.ErrorData(code=code, message=f"{why} Nothing was done.")
    return types.JSONRPCError(jsonrpc="2.0", id=about, error=error)


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
