"""The shape of an answer: what is there, of which kind, known or not, and how it failed; not the values themselves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import cast

from pydantic import BaseModel

from ink_infra_mcp.core.errors import CommandFailed, InkError

Shape = str | bool | None | Sequence["Shape"] | Mapping[str, "Shape"]

VOCABULARY = frozenset(
    {
        *("created", "exited", "healthy", "running", "runc", "runsc", "starting"),
        *("nftables", "ufw", "firewalld", "none", "altered", "unknown"),
        *("saved", "armed", "kept", "reverted"),
        *("ACCEPT", "DROP", "REJECT"),
    }
)
"""Words that a reader acts upon: Docker's, those for a firewall and a change of it, and ufw's policies."""
_CLASSES = (
    (r"\S+: (command )?not found", "no such command"),
    (r"No such (container|object)", "no such container"),
    (r"No such file or directory", "no such file"),
    (r"is not installed", "not installed"),
    (r"[Pp]ermission denied", "not allowed"),
)


def shape(value: object) -> Shape:
    """Return the shape of an answer.

    Truth, None and words with a meaning to a reader stay as they are; numbers and texts become their kind, and whether
    they are zero or empty; lists and records are looked into. What failed keeps the words that are our own, and a
    class for those of the server.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, InkError):
        return _failure(value)
    if isinstance(value, BaseModel):
        return shape(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return shape(asdict(value))
    if isinstance(value, Mapping):
        record = cast("Mapping[object, object]", value)
        return {str(key): shape(part) for key, part in record.items()}
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Sequence):
        return [shape(part) for part in cast("Sequence[object]", value)]
    if isinstance(value, int):
        return "number" if value else "zero"
    return type(value).__name__


def apart(found: Shape, wanted: Shape, at: str = "") -> dict[str, tuple[Shape, Shape]]:
    """Return where two shapes differ, by the way that leads there: what was found, and what was wanted."""
    if found == wanted:
        return {}
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        names = sorted(found.keys() | wanted.keys())
        parts = (apart(found.get(name, "nothing"), wanted.get(name, "nothing"), f"{at}/{name}") for name in names)
        return {way: both for part in parts for way, both in part.items()}
    return {at: (found, wanted)}


def _text(text: str) -> str:
    if text in VOCABULARY:
        return text
    return next((name for pattern, name in _CLASSES if re.search(pattern, text)), "text" if text else "empty")


def _failure(error: InkError) -> Shape:
    """Fingerprints, ports and addresses differ from server to server; the rest of our sentences must not."""
    server = {"status": error.exit_status, "said": error.untrusted_output} if isinstance(error, CommandFailed) else {}
    return {
        "kind": type(error).__name__,
        "failed": _without_values(error.failed),
        "done": error.done,
        "next": error.next,
        **{name: shape(part) if name == "said" else str(part) for name, part in server.items()},
    }


def _without_values(text: str) -> str:
    plain = re.sub(r"SHA256:\S+?(?=[,.]?( |$))", "KEY", text)
    plain = re.sub(r"\d+(\.\d+){3} port \d+|'\d+(\.\d+){3}', \d+", "PLACE", plain)
    return re.sub(r"(?<=PLACE: ).*", "WHY", plain)
