"""What may be read of a vendor without a permit: a closed list of addresses, held against what goes over the wire."""

import re
from collections.abc import Sequence

_PARTS = {
    "uuid": r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "number": r"[0-9]{1,19}",
    "word": r"(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~@*-]|%(?!2[Ee])[0-9A-Fa-f]{2}){1,1000}",
}
"""How a part of a path may be spelt. `word` is quoted text, but no dot segment: servers take those out of a path."""
_PART = re.compile(r"\{(\w+)\}")
_VALUE = r"[^&#\s]*"


class Reads:
    """The addresses of one vendor whose GET changes nothing, in any version that we work with.

    `listed` are paths below the vendor's base address, such as `/applications/{uuid}/logs?lines`: `{uuid}`, `{number}`
    and `{word}` stand for one part, and behind `?` are the names that the query may have, parted by `&`. A path is
    compared as it is sent, so that no other spelling of it (encoded, with dot segments, with one more slash) fits:
    servers and the proxies in front of them read those in ways of their own.

    Raises:
        KeyError: a part in braces is of another kind.
    """

    def __init__(self, *listed: str) -> None:
        self._shapes = tuple(_shape(*each.partition("?")[::2]) for each in listed)

    def allow(self, target: str, *, below: str) -> bool:
        """Return whether a GET of `target` only reads: the path as it is sent, with its query; `below` is the base."""
        path, asked, query = target.partition("?")
        root = below.rstrip("/")
        if not path.startswith(f"{root}/"):
            return False
        here = path.removeprefix(root)
        return any(_fits(shape, here, query if asked else None) for shape in self._shapes)


_Shape = tuple[re.Pattern[str], re.Pattern[str] | None]


def _shape(path: str, names: str) -> _Shape:
    pieces = _PART.split(path)
    texts = (_PARTS[piece] if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
    return re.compile("".join(texts), re.ASCII), _query(names.split("&")) if names else None


def _query(names: Sequence[str]) -> re.Pattern[str]:
    one = f"(?:{'|'.join(map(re.escape, names))})={_VALUE}"
    return re.compile(f"{one}(?:&{one})*", re.ASCII)


def _fits(shape: _Shape, path: str, query: str | None) -> bool:
    of_path, of_query = shape
    if of_path.fullmatch(path) is None:
        return False
    return query is None or (of_query is not None and of_query.fullmatch(query) is not None)
