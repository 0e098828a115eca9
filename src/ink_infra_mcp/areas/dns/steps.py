"""The steps that set record sets, take them away, and prove them: the same at every provider."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from ink_infra_mcp.areas.dns.addresses import Addresses, Value, told
from ink_infra_mcp.core.dns.proving import expected_param
from ink_infra_mcp.core.dns.records import RecordSet, as_param
from ink_infra_mcp.core.dns.zones import KIND_OF, TITLES, Zone
from ink_infra_mcp.core.plan import Change, Frozen, JsonObject, Step, Undo
from ink_infra_mcp.core.shapes import items, table

_SETS = ".set_records"
_ID = {"A": "a", "AAAA": "aaaa"}


class Wanted(Frozen):
    """One record set as it is (None: it is not there) and the value that it shall have alone (None: none)."""

    name: str
    type: str
    before: RecordSet | None = None
    value: Value | None = None
    ttl: int | None = None
    exact_ttl: bool = False

    @property
    def is_so(self) -> bool:
        """Return whether it answers so already, and not through a proxy, which would answer with other addresses. A TTL
        that somebody chose for the right value is left to them, unless the TTL matters too.
        """
        if self.before is None:
            return self.value is None
        right = isinstance(self.value, str) and self.before.values == frozenset({self.value})
        kept = not self.exact_ttl or self.before.ttl == self.ttl
        return right and kept and not self.before.is_proxied

    @property
    def after(self) -> JsonObject | None:
        """Return the set that shall be there as a parameter: its value may be one that a step will return."""
        if self.value is None:
            return None
        record: JsonObject = {"value": self.value}
        return {"name": self.name, "type": self.type, "ttl": self.ttl, "records": [record]}


def wanted(name: str, type: str, present: Iterable[RecordSet], of: Addresses, *, ttl: int) -> Wanted:
    """Return what one record set is and shall be."""
    before = next((each for each in present if (each.name, each.type) == (name, type)), None)
    return Wanted(name=name, type=type, before=before, value=of.of(type), ttl=ttl)


def set_step(zone: Zone, each: Wanted, *, id: str, servers: Sequence[str], apps: Sequence[str] = ()) -> Step:
    """Return the step that brings a record set from what it is to what it shall be."""
    return _step(zone, each, each.after, id=id, servers=servers, apps=apps)


def remove_step(
    zone: Zone, each: Wanted, gone: Iterable[str], *, id: str, servers: Sequence[str], apps: Sequence[str] = ()
) -> Step | None:
    """Return the step that takes these values out of a record set and leaves all others; None: it has none of them."""
    gone = frozenset(gone)
    if each.before is None or not each.before.values & gone:
        return None
    left = as_param(each.before.without(gone))
    return _step(zone, each, left if isinstance(left, dict) else None, id=id, servers=servers, apps=apps)


def prove_step(
    zone: Zone, sets: Iterable[Wanted], *, id: str, servers: Sequence[str], within_s: int, apps: Sequence[str] = ()
) -> Step:
    """Return the step that waits until each of the zone's own servers answers so."""
    expected = [expected_param(each.name, each.type, each.after) for each in sets]
    return Step(
        id=id,
        kind="nameservers.prove_records",
        target=zone.name,
        servers=tuple(servers),
        apps=tuple(apps),
        reads=True,
        summary=f"Wait until the name servers of {zone.name} answer so ({', '.join(zone.served_by)})",
        params={
            "zone": zone.as_param(),
            "servers": [*zone.served_by],
            "expected": [*expected],
            "within_s": within_s,
        },
    )


def all_or_none(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps such that the failure of one takes back those before it too."""
    found: list[Step] = []
    for step in steps:
        undoes = tuple(earlier.id for earlier in (*found, step) if earlier.undo)
        found.append(step.model_copy(update={"undoes": undoes}))
    return tuple(found)


def put_back(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps that make the record sets again what they were before these steps, and prove it by the same
    name servers; what these steps set must still be there then.
    """
    steps = tuple(steps)
    setting = [step for step in steps if is_setting(step)]
    was = {(step.params["name"], step.params["type"]): step.params["before"] for step in setting}
    back = all_or_none(map(_turned, reversed(setting)))
    return (*back, *(_proving(step, was) for step in steps if step not in setting))


def _turned(step: Step) -> Step:
    (change,) = step.changes
    params: JsonObject = {**step.params, "before": step.params["after"], "after": step.params["before"]}
    undo = step.undo and step.undo.model_copy(
        update={"summary": f"{change.name} is put back: {change.after or 'no record'}", "params": params}
    )
    return step.model_copy(
        update={
            "summary": f"Put back {change.name}: {change.before or 'no record'}",
            "before": step.after,
            "after": step.before,
            "changes": (Change(name=change.name, before=change.after, after=change.before),),
            "params": params,
            "undo": undo,
        }
    )


def _proving(step: Step, was: Mapping[tuple[JsonValue, JsonValue], JsonValue]) -> Step:
    expected = [table(each) for each in items(step.params["expected"])]
    then = [each | {"set": was.get((each["name"], each["type"]), each["set"])} for each in expected]
    return step.model_copy(update={"params": {**step.params, "expected": [*then]}})


def is_setting(step: Step) -> bool:
    """Return whether a step sets, or takes away, a record set, at whichever provider."""
    return step.kind.endswith(_SETS)


def type_id(type: str) -> str:
    """Return how a step's id ends that is about records of that type."""
    return _ID[type]


def _step(
    zone: Zone, each: Wanted, after: JsonObject | None, *, id: str, servers: Sequence[str], apps: Sequence[str]
) -> Step:
    kind, title = KIND_OF[zone.provider], TITLES[zone.provider]
    was, shall = each.before.told() if each.before else None, _told(after)
    params: JsonObject = {
        "zone": zone.as_param(),
        "name": each.name,
        "type": each.type,
        "before": as_param(each.before),
        "after": after,
    }
    what = f"{each.type} of {each.name}"
    return Step(
        id=id,
        kind=f"{kind}{_SETS}",
        target=each.name,
        servers=tuple(servers),
        apps=tuple(apps),
        summary=f"{'Set' if shall else 'Take away'} {what} at {title}",
        before=was or "no record",
        after=shall or "no record",
        changes=(Change(name=what, before=was, after=shall),),
        params=params,
        undo=Undo(
            kind=f"{kind}.restore_records",
            target=each.name,
            summary=f"{what} is put back: {was or 'no record'}",
            params=params,
        ),
        undoes=(id,),
    )


def _told(after: JsonObject | None) -> str | None:
    if after is None:
        return None
    records = [table(record) for record in items(after["records"])]
    values = [told(value) for record in records if isinstance(value := record.get("value"), str | dict)]
    ttl = after.get("ttl")
    return f"{', '.join(values)} ({f'{ttl} s' if ttl else 'TTL of the zone'})"
