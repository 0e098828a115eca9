"""Bounded answers: a page of sorted things and the cursor to the next one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from ink_infra_mcp.core.errors import InputError

T = TypeVar("T")


def page(
    items: Sequence[T], *, key: Callable[[T], str], limit: int, cursor: str | None
) -> tuple[Sequence[T], str | None]:
    """Return the items after `cursor`, at most `limit`, and the cursor of the next page (None: this was the last).

    The cursor holds the key of the last item shown, so that a page stays right when items come and go.

    Raises:
        InputError: the cursor is not one of ours.
    """
    after = _read(cursor) if cursor else None
    ordered = sorted(items, key=key)
    rest = ordered if after is None else [item for item in ordered if key(item) > after]
    shown = rest[:limit]
    return shown, _write(key(shown[-1])) if len(rest) > limit else None


def _write(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise InputError("The cursor is not one that a call returned.", next="Call without it.") from error
