"""Record sets: all records of one name and type, as they are at a vendor and as they shall be."""

import ipaddress
import re
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.dns.names import host_address
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.shapes import items, table

ADDRESSES = ("A", "AAAA")
"""The types that hold addresses, in the order in which they are told."""
_VERSION = {"A": 4, "AAAA": 6}
MARK = "ink-operation="
"""How the comment of a record begins that one of our operations made."""
_OPERATION = re.compile(r"op-[a-z0-9]+")


class Record(Frozen):
    """One record. `proxied` is Cloudflare's: it answers with its own addresses. `kept` is what else the vendor holds of
    it (tags, settings), which goes back with it when it is put back.
    """

    value: str
    comment: str = ""
    proxied: bool = False
    kept: JsonObject = {}


class RecordSet(Frozen):
    """All records of one whole name and type. A `ttl` of None is the zone's, or what the vendor takes by itself; 0 says
    that its records have several, which is as good as nobody's wish.
    """

    name: str
    type: str
    ttl: int | None = None
    records: tuple[Record, ...]

    @property
    def values(self) -> frozenset[str]:
        """Return the values, each in one spelling."""
        return frozenset(value_of(self.type, record.value) for record in self.records)

    @property
    def ours(self) -> frozenset[str]:
        """Return the values that our operations put there: the comment is our mark with this very value. A value that
        somebody wrote over ours has the comment of the one before, and is theirs.
        """
        return frozenset(value for value, comment in self._commented() if _is_mark(comment, value))

    @property
    def is_proxied(self) -> bool:
        """Return whether Cloudflare answers for it with its own addresses."""
        return any(record.proxied for record in self.records)

    def told(self) -> str:
        """Return it as a person reads it: `192.0.2.11, 192.0.2.12 (300 s)`."""
        proxied = ", through Cloudflare's proxy" if self.is_proxied else ""
        ttl = "the zone's TTL" if self.ttl is None else f"{self.ttl} s" if self.ttl else "several TTLs"
        return f"{', '.join(sorted(self.values))} ({ttl}{proxied})"

    def without(self, gone: Iterable[str]) -> "RecordSet | None":
        """Return it without these values, or None where nothing is left."""
        lost = frozenset(gone)
        left = tuple(r for r in self.records if value_of(self.type, r.value) not in lost)
        return self.model_copy(update={"records": left}) if left else None

    def marked_beside(self, before: "RecordSet | None", operation: str) -> "RecordSet":
        """Return it with the mark of the operation at each record that was not there before."""
        known = before.values if before is not None else frozenset[str]()
        records = tuple(
            r if (value := value_of(self.type, r.value)) in known else _with_mark(r, operation, value)
            for r in self.records
        )
        return self.model_copy(update={"records": records})

    def marked(self, operation: str) -> bool:
        """Return whether one of its records was made by that operation."""
        return any(comment == mark(operation, value) for value, comment in self._commented())

    def _commented(self) -> tuple[tuple[str, str], ...]:
        return tuple((value_of(self.type, record.value), record.comment) for record in self.records)


def mark(operation: str, value: str) -> str:
    """Return the comment of a record that the operation made with this value: vendors keep a comment when somebody
    writes another value over it.
    """
    return f"{MARK}{operation} {value}"


def _is_mark(comment: str, value: str) -> bool:
    operation = comment.removeprefix(MARK).removesuffix(f" {value}")
    return _OPERATION.fullmatch(operation) is not None and comment == mark(operation, value)


def _with_mark(record: Record, operation: str, value: str) -> Record:
    return record.model_copy(update={"comment": mark(operation, value)})


def type_of(address: str) -> str:
    """Return the type of record that holds an address."""
    return "A" if ipaddress.ip_address(address).version == _VERSION["A"] else "AAAA"


def value_of(type: str, value: str) -> str:
    """Return a value in its one spelling: an address as it is written shortest, a name without its last dot."""
    if type in _VERSION:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            return value
    return value.lower().removesuffix(".") if type in {"CNAME", "NS"} else value


def same(one: RecordSet | None, other: RecordSet | None) -> bool:
    """Return whether two sets answer alike: the same values, TTL and proxy, or both not there."""
    if one is None or other is None:
        return one is other
    return _answers(one) == _answers(other)


def _answers(found: RecordSet) -> tuple[object, ...]:
    proxied = frozenset((value_of(found.type, r.value), r.proxied) for r in found.records)
    return found.name, found.type, found.ttl, proxied


def is_on_the_way(now: RecordSet | None, start: RecordSet | None, end: RecordSet | None, operation: str) -> bool:
    """Return whether `now` can be what an earlier run of this operation left of changing `start` into `end`.

    Such a run adds what is new, with its mark, before it takes anything away, and sets the TTL last.
    """
    if same(now, start) or same(now, end):
        return True
    if now is None or now.ttl not in {found.ttl for found in (start, end) if found is not None}:
        return False
    known = _values(start) | _values(end)
    return now.values in (_values(start), _values(end)) or (now.marked(operation) and now.values <= known)


def _values(found: RecordSet | None) -> frozenset[str]:
    return found.values if found is not None else frozenset()


def as_param(found: RecordSet | None) -> JsonValue:
    """Return a set as the parameter of a step; None where there shall be none."""
    return found.model_dump(mode="json") if found is not None else None


def from_param(value: JsonValue, results: Mapping[str, JsonObject]) -> RecordSet | None:
    """Return the set that a parameter holds. A value may stand for what an earlier step returned (`result_of`): an
    address, the network of an IPv6 host, or nothing, for which there is no record.

    Raises:
        KeyError, TypeError, ValueError: the plan that made the step is wrong.
    """
    if value is None:
        return None
    body = table(value)
    records = tuple(found for each in items(body["records"]) if (found := _filled(table(each), results)))
    return RecordSet.model_validate({**body, "records": records}) if records else None


def _filled(record: JsonObject, results: Mapping[str, JsonObject]) -> Record | None:
    stands_for = record["value"]
    if not isinstance(stands_for, dict):
        return Record.model_validate(record)
    value = results[str(stands_for["step"])][str(stands_for["field"])]
    if not value:
        return None
    return Record.model_validate({**record, "value": host_address(str(value))})
