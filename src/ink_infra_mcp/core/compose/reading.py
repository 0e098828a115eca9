"""Reads a compose file as Docker Compose does, and refuses what another reader would take for something else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ink_infra_mcp.core.compose.scalars import Scalar, resolved
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean_name

if TYPE_CHECKING:
    from yaml import Event

MAX_VALUES, MAX_DEPTH = 50_000, 60
_CORE = "tag:yaml.org,2002:"
_OVERRIDE = "!override"
_MERGE = "<<"
_TAGS = {str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}


def read_compose(text: str) -> JsonObject:
    """Return the document: keys are text, merge keys and aliases are written out, dates are the text that Go makes.

    Raises:
        InputError: it is no YAML, a key stands twice or is no text, a tag is none of YAML's own, or it grows too large.
    """
    return _document(text, lists=("seq",))


def read_override(text: str) -> JsonObject:
    """Return the document as `read_compose`, in which a list may have Compose's own tag `!override` (2.24.4).

    Such a list stands in place of what earlier files say there, where another would be added to theirs. Only Compose
    reads it so: it is for files that no other reader gets, as those of Coolify's own containers.

    Raises:
        InputError: as with `read_compose`.
    """
    return _document(text, lists=("seq", _OVERRIDE))


@dataclass(slots=True)
class _Builder:
    """Makes values of a stream of events. `anchors` are what is known by name; an anchor that is open has no value."""

    events: "Iterator[Event]"
    lists: tuple[str, ...]
    anchors: dict[str, tuple[JsonValue, int]] = field(default_factory=dict[str, "tuple[JsonValue, int]"])
    made: int = 0

    def value(self, event: "Event", depth: int) -> JsonValue:
        """Return the value that begins with an event."""
        import yaml

        if depth > MAX_DEPTH:
            raise _bad(event, "is nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self.made
        made = self._new(event, depth)
        self._count(event, 1)
        if (anchor := getattr(event, "anchor", None)) is not None:
            self.anchors[anchor] = (made, self.made - before)
        return made

    def _new(self, event: "Event", depth: int) -> JsonValue:
        import yaml

        match event:
            case yaml.ScalarEvent():
                return _scalar(event)
            case yaml.SequenceStartEvent():
                _check_tag(event, *self.lists)
                return list(self._items(depth))
            case _:
                _check_tag(event, "map")
                return self._mapping(depth)

    def _items(self, depth: int) -> Iterator[JsonValue]:
        import yaml

        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self.value(event, depth + 1)

    def _mapping(self, depth: int) -> JsonObject:
        import yaml

        own: JsonObject = {}
        lines: dict[str, int] = {}
        merged: list[JsonObject] | None = None
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if _is_merge(event):
                if merged is not None:
                    raise _bad(event, "has a second << in one mapping")
                merged = _mergeable(event, self.value(next(self.events), depth + 1))
                continue
            key = _key(event, lines)
            own[key] = self.value(next(self.events), depth + 1)
        return _with_merged(own, merged or ())

    def _alias(self, event: "Event") -> JsonValue:
        name = str(getattr(event, "anchor", ""))
        if name not in self.anchors:
            raise _bad(event, f"*{clean_name(name)} names nothing that is known there")
        value, size = self.anchors[name]
        self._count(event, size)
        return value

    def _count(self, event: "Event", size: int) -> None:
        self.made += size
        if self.made > MAX_VALUES:
            raise InputError("The compose file grows too large where its aliases are written out.", next="Use fewer.")


def _document(text: str, *, lists: tuple[str, ...]) -> JsonObject:
    import yaml

    try:
        made = _only_value(text, lists)
    except UnicodeError as error:
        raise InputError("The compose file holds half a character.", next="Write it in UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"The compose file is not YAML{where}.", next="Mend it and call again.") from error
    if not isinstance(made, dict):
        raise InputError("The compose file has no services.", next="Give a file with `services:`.")
    return made


def _only_value(text: str, lists: tuple[str, ...]) -> JsonValue:
    """Return the value of the one document that the text holds."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events = iter(yaml.parse(text, Loader=loader))
    next(events)
    if isinstance(next(events, None), yaml.StreamEndEvent | None):
        raise InputError("The compose file is empty.", next="Give a file with `services:`.")
    made = _Builder(events, lists).value(next(events), 0)
    next(events)
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise InputError("The compose file holds several documents.", next="Give one.")
    return made


def _scalar(event: "Event") -> Scalar:
    tag = _check_tag(event, *_TAGS.values())
    text, is_quoted = str(getattr(event, "value", "")), bool(getattr(event, "style", None))
    if is_quoted and tag in ("", "str"):
        return text
    try:
        value = resolved(text)
    except ValueError as error:
        raise _bad(event, str(error)) from error
    return text if tag == "str" else _tagged(event, tag, text, value)


def _tagged(event: "Event", tag: str, text: str, value: Scalar) -> Scalar:
    """Return the value as its tag wants it; a whole number may be tagged as a float."""
    if tag == "float" and type(value) is int:
        return float(value)
    if tag and _TAGS[type(value)] != tag:
        raise _bad(event, f"{clean_name(text)} is no {tag}")
    return value


def _check_tag(event: "Event", *known: str) -> str:
    """Return the core tag that is written there, or an empty text; Compose's own tags change what other files say."""
    tag = getattr(event, "tag", None)
    if tag in (None, "!"):
        return "str" if tag == "!" else ""
    name = str(tag).removeprefix(_CORE)
    if name not in known or (name == str(tag) and name != _OVERRIDE):
        raise _bad(event, f"has the tag {clean_name(str(tag))}, which its readers do not share: leave it out")
    return name


def _is_merge(event: "Event") -> bool:
    if getattr(event, "value", None) != _MERGE:
        return False
    if getattr(event, "style", None) or getattr(event, "tag", None):
        raise _bad(event, "has a key << in quotes, which is text to Docker and a merge to Coolify")
    return True


def _mergeable(event: "Event", value: JsonValue) -> list[JsonObject]:
    parts = value if isinstance(value, list) else [value]
    found = [part for part in parts if isinstance(part, dict)]
    if len(found) != len(parts):
        raise _bad(event, "merges something that is no mapping")
    return found


def _with_merged(own: JsonObject, merged: Iterable[JsonObject]) -> JsonObject:
    """Of several the first one counts, as in go-yaml."""
    for one in merged:
        own |= {key: value for key, value in one.items() if key not in own}
    return own


def _key(event: "Event", lines: dict[str, int]) -> str:
    import yaml

    value = _scalar(event) if isinstance(event, yaml.ScalarEvent) else None
    line = _line(event)
    if not isinstance(value, str):
        raise _bad(event, "has a key that is no text; write it in quotes")
    if value in lines:
        raise InputError(
            f"The compose file has the key {clean_name(value)!r} twice, in lines {lines[value]} and {line}.",
            next="Keep one: Docker refuses such a file, and Coolify keeps the last.",
        )
    lines[value] = line
    return value


def _line(event: "Event") -> int:
    mark = getattr(event, "start_mark", None)
    return mark.line + 1 if mark is not None else 0


def _bad(event: "Event", what: str) -> InputError:
    return InputError(f"Line {_line(event)} of the compose file {what}.", next="Mend it and call again.")
