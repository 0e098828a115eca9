"""Turns a database row into our own value, or says that the store holds something that we did not write."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Row

from ink_infra_mcp.core.errors import StateCorrupt

M = TypeVar("M", bound=BaseModel)


def fields(row: Row[Any]) -> dict[str, Any]:
    """Return the row's columns by name."""
    return dict(row._mapping)  # pyright: ignore[reportPrivateUsage] - documented by SQLAlchemy, named with an underscore


def load(model: type[M], values: Mapping[str, Any]) -> M:
    """Return `values` as a `model`.

    Raises:
        StateCorrupt: they do not fit.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise StateCorrupt(
            f"The state store holds a {model.__name__} that this version did not write ({error.error_count()} faults).",
            next="Use the version of ink-infra-mcp that wrote it, or restore a backup of the state.",
        ) from error
