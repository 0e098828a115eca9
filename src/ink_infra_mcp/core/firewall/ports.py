"""Sets of ports, as people write them: `22`, `80-90`, `22,80-90`, `any`."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ink_infra_mcp.core.firewall.spans import Span, SpanSet

LAST_PORT = 65_535
_RANGE = re.compile(r"(\d{1,5})(?:[-:](\d{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ports(SpanSet):
    """A set of TCP or UDP ports."""

    LIMIT: ClassVar[int] = LAST_PORT

    @staticmethod
    def parse(text: str) -> "Ports":
        """Read a list of ports and ranges (`-` or `:` between the ends); `any` is every port from 1.

        Raises:
            ValueError: something in it is neither, or is no port.
        """
        return _parse(text)

    @staticmethod
    def one(port: int) -> "Ports":
        """Return the set of a single port."""
        return Ports.of_spans([(port, port)])

    def __str__(self) -> str:
        if self.is_all or self.spans == ((1, LAST_PORT),):
            return "any"
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.spans)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Ports:
    if text == "any":
        return Ports(((1, LAST_PORT),))
    return Ports.of_spans(_range(part.strip()) for part in text.split(","))


def _range(text: str) -> Span:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither a port nor a range of ports")
    return int(found[1]), int(found[2] or found[1])
