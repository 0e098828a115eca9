"""What Coolify starts with the option --runtime, as its database has it: apps and databases of every team."""

import base64
import re
from collections.abc import Iterable
from hashlib import sha256

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name

_RELIER = re.compile(r"(?P<table>[a-z0-9_]{1,63}) (?P<uuid>[A-Za-z0-9-]{1,64}) (?P<name>[A-Za-z0-9+/=]*)")


class Relier(Frozen):
    """One of them: the table that has it, its uuid there, and its name."""

    table: str
    uuid: str
    name: str


def read_relying(lines: Iterable[tuple[str, str]]) -> tuple[Relier, ...] | None:
    """Return those that the script tells of; None: it does not know.

    Raises:
        ValueError: what it says is not understood.
    """
    told = list(lines)
    if dict(told).get("relying_known") != "yes":
        return None
    return tuple(_relier(rest) for first, rest in told if first == "relying")


def _relier(text: str) -> Relier:
    parts = _RELIER.fullmatch(text)
    if parts is None:
        raise ValueError("it tells of something that relies on --runtime in other words than ours")
    name = base64.b64decode(parts["name"], validate=True).decode(errors="replace")
    return Relier(table=parts["table"], uuid=parts["uuid"], name=clean_name(name))


def sum_of(relying: Iterable[Relier]) -> str:
    """Return the sum of them as the script makes it, whatever they are called."""
    lines = sorted(f"{each.table} {each.uuid}\n" for each in relying)
    return sha256("".join(lines).encode()).hexdigest()
