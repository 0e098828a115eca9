"""What clients ask first, answered from a file while the server is being loaded; the file has the SDK's own words.

Nothing but the standard library is imported here. Only what is listed is answered: a line that is in any way another
one is left, with all that comes after it, to the whole server, which is told what was said until then.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

WORDED_BY = ("mcp", "mcp_types", "pydantic")
"""The packages that word the answers."""
FILE = Path(__file__).with_name("ahead.json")
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
GREETING, GREETED, DISCOVER = "initialize", "notifications/initialized", "server/discover"
VERSION = "io.modelcontextprotocol/protocolVersion"
INFO, CAPABILITIES = "io.modelcontextprotocol/clientInfo", "io.modelcontextprotocol/clientCapabilities"
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
LONGEST = 65_536
"""Bytes of a line that is answered ahead; a first question has a few hundred."""
_MOST = 2**53
_DEEPEST = 8
Fits = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has begun: what the server reads before standard input, and which answers to that are said."""

    first: bytes = b""
    said: frozenset[int | str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """The answers of one server: `results` by method and protocol version, as JSON text."""

    results: Mapping[str, str]

    def result(self, method: str, version: str) -> str | None:
        """Return the text of a result."""
        return self.results.get(f"{method} {version}")


@dataclass(slots=True)
class Ahead:
    """One client's first lines. `told` are those that the whole server has to see, too, and `ids` their ids.

    A client of the handshake says `initialize` and what follows it first; a later one names its version each time.
    """

    known: Known
    told: list[bytes] = field(default_factory=list[bytes])
    ids: list[int | str] = field(default_factory=list[int | str])
    _version: str = ""
    _open: bool = False

    def answer(self, line: bytes) -> bytes | None:
        """Return the answer to a line, empty where none is due; None: neither to this line nor to any after it.

        It raises nothing, whatever the line holds.
        """
        message = _read(line) if len(line) <= LONGEST else None
        if _is_greeted(message):
            return self._noted(line)
        if not _is_request(message):
            return None
        request = cast(dict[str, Any], message)
        result = self._result(request["method"], request.get("params", {}))
        if result is None:
            return None
        if not self.told:
            self.told.append(line)
            self.ids.append(request["id"])
        return f'{{"jsonrpc":"2.0","id":{json.dumps(request["id"])},"result":{result}}}\n'.encode()

    def begun(self, rest: bytes) -> Begun:
        """Return the session as the whole server takes it over, where `rest` was read and is not answered."""
        return Begun(b"".join(line + b"\n" for line in self.told) + rest, frozenset(self.ids))

    def _noted(self, line: bytes) -> bytes | None:
        """Take the one notification that is due."""
        if not self._version or self._open:
            return None
        self._open = True
        self.told.append(line)
        return b""

    def _result(self, method: str, params: dict[str, Any]) -> str | None:
        if method == GREETING:
            return self._greeting(params)
        return self._listed(method, params) if self._version else self._of_its_own(method, params)

    def _greeting(self, params: dict[str, Any]) -> str | None:
        if self.told or not _is_greeting(params):
            return None
        found = self.known.result(GREETING, params["protocolVersion"])
        self._version = params["protocolVersion"] if found else ""
        return found

    def _listed(self, method: str, params: dict[str, Any]) -> str | None:
        fits = self._open and method in LISTS and _asks_nothing_more(params)
        return self.known.result(method, self._version) if fits else None

    def _of_its_own(self, method: str, params: dict[str, Any]) -> str | None:
        """Answer a request that names its version itself; one of a handshake may not be named so."""
        if method not in (DISCOVER, *LISTS) or not _says_who(params):
            return None
        version = params["_meta"][VERSION]
        return self.known.result(method, version) if self.known.result(DISCOVER, version) else None


def known(*, read_only: bool, configured: bool, file: Path = FILE) -> Known | None:
    """Return the answers of a server that shows every tool, or all that change nothing.

    None: there are none, or they were made with other versions of what words them than are installed here.
    """
    try:
        made = json.loads(file.read_text(encoding="utf-8"))
        if not _is_made(made) or not all(_is_installed(name, version) for name, version in made["with"].items()):
            return None
        places = made["answers"][variant(read_only=read_only, configured=configured)]
        return Known({name: made["texts"][place] for name, place in places.items()})
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        # whatever is odd about the file, the whole server needs it for nothing
        return None


def variant(*, read_only: bool, configured: bool) -> str:
    """Return the name of the server whose answers these are."""
    return f"{'read-only' if read_only else 'every tool'}, {'configured' if configured else 'not configured'}"


def _is_installed(name: str, version: str) -> bool:
    """Look where the import would look; the folder of a package has its version beside it."""
    place = next((Path(each) for each in sys.path if each and _is_importable(Path(each, name))), None)
    return place is not None and (place / f"{name}-{version}.dist-info").is_dir()


def _is_importable(place: Path) -> bool:
    return place.is_dir() or place.with_name(f"{place.name}.py").is_file()


def _read(line: bytes) -> object:
    """Return what a line holds, None for what is no JSON; half of a surrogate pair is left to the whole server."""
    try:
        return None if b"\\ud" in line.lower() else json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(word: str) -> None:
    raise ValueError(word)


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return _ID.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_version(value: object) -> bool:
    return value == "2.0"


def _is_greeted_word(value: object) -> bool:
    return value == GREETED


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _are_objects(value: object) -> bool:
    """Say whether it is an object of objects, none of them deep."""
    return isinstance(value, dict) and all(
        isinstance(part, dict) and _is_shallow(cast(object, part), _DEEPEST)
        for part in cast(dict[str, object], value).values()
    )


def _is_shallow(value: object, levels: int) -> bool:
    parts = [*cast(dict[str, object], value).values()] if isinstance(value, dict) else value
    if not isinstance(parts, list):
        return True
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in cast(list[object], parts))


def _form(value: object, *, of: Mapping[str, Fits], may: Mapping[str, Fits]) -> bool:
    """Say whether it is an object with each part of `of`, perhaps some of `may`, and nothing else."""
    if not isinstance(value, dict):
        return False
    parts, every = cast(dict[str, object], value), {**of, **may}
    return of.keys() <= parts.keys() <= every.keys() and all(every[name](part) for name, part in parts.items())


def _all_of(value: object, *, is_one: Fits) -> bool:
    return isinstance(value, list) and all(map(is_one, cast(list[object], value)))


def _of(may: Mapping[str, Fits] | None = None, /, **of: Fits) -> Fits:
    return partial(_form, of=of, may=may or {})


_nothing = _of({})
_is_client = _of({"title": _is_text, "description": _is_text, "websiteUrl": _is_text}, name=_is_text, version=_is_text)
_of_tasks = _of({"sampling": _of({"createMessage": _nothing}), "elicitation": _of({"create": _nothing})})
_can = _of(
    {
        "roots": _of({"listChanged": _is_bool}),
        "sampling": _of({"context": _nothing, "tools": _nothing}),
        "elicitation": _of({"form": _of({"applyDefaults": _is_bool}), "url": _nothing}),
        "tasks": _of({"list": _nothing, "cancel": _nothing, "requests": _of_tasks}),
        "experimental": _are_objects,
        "extensions": _are_objects,
    }
)
"""What a client says that it can, as the SDK reads it."""
_is_request = _of({"params": _is_object}, jsonrpc=_is_version, id=_is_id, method=_is_text)
_is_greeted = _of({"params": _nothing}, jsonrpc=_is_version, method=_is_greeted_word)
_is_greeting = _of(protocolVersion=_is_text, capabilities=_can, clientInfo=_is_client)
_asks_nothing_more = _of({"_meta": _of({"progressToken": _is_id})})
_are_texts: Fits = partial(_all_of, is_one=_is_text)
_is_made = partial(
    _form,
    of={"with": _of(**dict.fromkeys(WORDED_BY, _is_text)), "answers": _are_objects, "texts": _are_texts},
    may={},
)
_says_who = _of(
    _meta=partial(_form, of={VERSION: _is_text, INFO: _is_client, CAPABILITIES: _can}, may={"progressToken": _is_id})
)
