"""What differs between two compose files, value by value, as Docker Compose reads them."""

import json
from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.plan import Frozen

Path = tuple[str, ...]


class Difference(Frozen):
    """A value at a path of keys, in both files; None: it is not in that one. Of two lists, what the other lacks."""

    path: Path
    before: JsonValue = None
    after: JsonValue = None

    @property
    def name(self) -> str:
        """Return the path as a person reads it, without the word services."""
        return ".".join(self.path[1:] if self.path[:1] == ("services",) else self.path)


def differences(before: str, after: str) -> tuple[Difference, ...]:
    """Return all that differs, by path. Comments and spelling are no difference; the order of a list is one.

    Raises:
        InputError: a text is no compose file, or one that two readers may take differently.
    """
    return tuple(_between((), read_compose(before), read_compose(after)))


def _between(path: Path, before: JsonValue, after: JsonValue) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            if key in before and key in after:
                yield from _between((*path, key), before[key], after[key])
            else:
                yield Difference(path=(*path, key), before=before.get(key), after=after.get(key))
    elif _written(before) != _written(after):
        yield _of_values(path, before, after)


def _of_values(path: Path, before: JsonValue, after: JsonValue) -> Difference:
    """Of lists that are of the same values in another order both are told whole."""
    if isinstance(before, list) and isinstance(after, list):
        gone, come = _without(before, after), _without(after, before)
        return Difference(path=path, before=gone, after=come) if gone or come else _whole(path, before, after)
    return _whole(path, before, after)


def _whole(path: Path, before: JsonValue, after: JsonValue) -> Difference:
    return Difference(path=path, before=before, after=after)


def _without(values: list[JsonValue], others: list[JsonValue]) -> list[JsonValue]:
    known = {*map(_written, others)}
    return [value for value in values if _written(value) not in known]


def _written(value: JsonValue) -> str:
    """Python takes `1`, `1.0` and `true` for equal."""
    return json.dumps(value, sort_keys=True)
