"""What name servers shall answer, and which name is asked to see it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ink_infra_mcp.core.dns.names import STAR
from ink_infra_mcp.core.dns.records import RecordSet, as_param, from_param
from ink_infra_mcp.core.plan import JsonObject


@dataclass(frozen=True, slots=True)
class Expected:
    """The values that a name shall have, none for no record of the type."""

    name: str
    type: str
    values: frozenset[str]


def asked_name(name: str, fresh: str) -> str:
    """Return the name to ask for: below a wildcard one that is made of `fresh`, which nobody has asked for yet."""
    label, _, rest = name.partition(".")
    return f"ink-{fresh}.{rest}" if label == STAR else name


def expected_param(name: str, type: str, wanted: RecordSet | JsonObject | None) -> JsonObject:
    """Return what shall be there as the parameter of a step; a set whose values are not known yet comes as one."""
    found = as_param(wanted) if isinstance(wanted, RecordSet) else wanted
    return {"name": name, "type": type, "set": found}


def expected_of(param: JsonObject, results: Mapping[str, JsonObject]) -> Expected:
    """Return what shall be there, with the values that earlier steps returned."""
    found = from_param(param["set"], results)
    values = found.values if found is not None else frozenset[str]()
    return Expected(str(param["name"]), str(param["type"]), values)
