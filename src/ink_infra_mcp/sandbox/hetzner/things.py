"""What servers, volumes, keys and zones of the project have in common: an id, a name of their own, labels."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from ink_infra_mcp.sandbox.hetzner.call import Body, not_found, taken
from ink_infra_mcp.sandbox.hetzner.labels import check_labels


class _HasId(Protocol):
    id: int


class _HasName(Protocol):
    name: str


class _HasLabels(Protocol):
    labels: dict[str, str]


class _Named(_HasName, _HasLabels, Protocol):
    pass


Thing = TypeVar("Thing", bound=_HasId)


class Labels(Body):
    """PUT of a thing whose name stays; `labels` replace all that there are."""

    labels: dict[str, str] | None = None


class NameAndLabels(Labels):
    """PUT of a thing."""

    name: str | None = None


def find(things: Iterable[Thing], id_: int, what: str) -> Thing:
    """Return the one with that id.

    Raises:
        ApiError: 404 not_found.
    """
    for thing in things:
        if thing.id == id_:
            return thing
    raise not_found(what, id_)


def refuse_taken(things: Iterable[_HasName], name: str) -> None:
    """Let a name pass that none of `things` has.

    Raises:
        ApiError: 409 uniqueness_error.
    """
    if any(thing.name == name for thing in things):
        raise taken("name")


def relabel(thing: _HasLabels, wanted: Labels) -> None:
    """Replace the labels, if any are given.

    Raises:
        ApiError: 422 on a bad label.
    """
    if wanted.labels is not None:
        check_labels(wanted.labels)
        thing.labels = wanted.labels


def update(thing: _Named, wanted: NameAndLabels, check_name: Callable[[str], None]) -> None:
    """Replace labels and name, as far as they are given; a new name must pass `check_name`.

    Raises:
        ApiError: 422 on a bad label, and what `check_name` raises; then nothing is changed.
    """
    check_labels(wanted.labels or {})
    if wanted.name is not None and wanted.name != thing.name:
        check_name(wanted.name)
        thing.name = wanted.name
    relabel(thing, wanted)
