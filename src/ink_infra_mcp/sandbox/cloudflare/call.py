"""One request as the endpoints see it, and the vendor's errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ink_infra_mcp.sandbox.state_cloudflare import CloudflareState, CloudflareZone

Json = dict[str, Any]


class CfError(Exception):
    """An error answer: HTTP status, the vendor's code and its words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    account: CloudflareState
    now: float
    parts: Mapping[str, str]
    query: Mapping[str, str]
    body: Json

    @property
    def zone(self) -> CloudflareZone:
        """Return the zone in the path.

        Raises:
            CfError: there is none of that id.
        """
        for zone in self.account.zones:
            if zone.id == self.parts["zone"]:
                return zone
        raise CfError(404, 1001, "Invalid zone identifier")


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer; `info` is the `result_info` of a list."""

    result: Any
    info: Json | None = None


Handler = Callable[[Call], Reply]


def paged(call: Call, rows: list[Json], *, default: int, most: int) -> Reply:
    """Return one page of the rows.

    Raises:
        CfError: the page or its size is no number in range.
    """
    page, size = _number(call, "page", 1, 1_000_000), _number(call, "per_page", default, most)
    info = {
        "page": page,
        "per_page": size,
        "count": len(rows[(page - 1) * size : page * size]),
        "total_count": len(rows),
        "total_pages": max(1, -(-len(rows) // size)),
    }
    return Reply(rows[(page - 1) * size : page * size], info)


def _number(call: Call, name: str, default: int, most: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise CfError(400, 6003, f"Invalid request: {name}")
    return int(text)
