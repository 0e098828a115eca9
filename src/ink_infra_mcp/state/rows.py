"""Turns a database row into our own value, or says that the store holds something that we did not write."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Row

from ink_infra_mcp.core.errors import StateCorrupt

M = TypeVar("M", bound=BaseModel)


def fields(row: Row[Any]) -> dict[str, Any]:
    """Return the row's columns by name."""
    return dict(row._mapping)  # pyright: ignore[reportPrivateUsage] - documented by SQLAlchemy, named with an underscore


def load(model: type[M], values: Mapping[str, Any], *, texts: tuple[str, ...] = ()) -> M:
    """Return `values` as a `model`; those named in `texts` are JSON, or empty for None.

    Raises:
        StateCorrupt: they do not fit.
    """
    try:
        return model.model_validate({**values, **{name: from_json(values[name]) for name in texts}})
    except ValidationError as error:
        raise _not_ours(model.__name__, f"{error.error_count()} faults") from error


def from_json(text: str) -> Any:
    """Return the value of JSON text that we wrote; an empty text is None.

    Raises:
        StateCorrupt: it is no JSON, or holds a number that JSON does not have.
    """
    try:
        return json.loads(text, parse_constant=_no_number) if text else None
    except (TypeError, ValueError) as error:
        raise _not_ours("JSON text", str(error)) from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


def _not_ours(what: str, why: str) -> StateCorrupt:
    return StateCorrupt(
        f"The state store holds a {what} that this version did not write ({why}).",
        next="Use the version of ink-infra-mcp that wrote it, or restore a backup of the state.",
    )
