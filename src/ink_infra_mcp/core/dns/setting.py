"""Setting one record set at any vendor: only if it is as it was when planned, and so that nobody's records are lost."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ink_infra_mcp.core.dns.records import RecordSet, as_param, from_param, is_on_the_way, same
from ink_infra_mcp.core.errors import (
    MAYBE_DONE,
    NOTHING_DONE,
    BadAnswer,
    Conflict,
    StepFailed,
    Unavailable,
    Unreachable,
)
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.waiting import NotYet, until

TRIES = 3
"""How often a change is made anew after a look has shown that the one before, whose answer was lost, did not happen."""
SETTLED_S = 120.0
Change = tuple[RecordSet | None, RecordSet | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record set is: the zone by the vendor's id and by name, the whole name, and the type."""

    zone_id: str
    zone: str
    name: str
    type: str


class Editor(Protocol):
    """One vendor's zones, under a permit. `change` leaves every record alone that is not in `now`."""

    async def is_settled(self, place: Place) -> bool:
        """Return whether nothing that was begun in the zone is still under way."""
        ...

    async def seen(self, place: Place) -> RecordSet | None:
        """Return the set as the vendor has it, or None."""
        ...

    async def change(self, place: Place, now: RecordSet | None, wanted: RecordSet | None) -> None:
        """Make the set what is wanted, and wait for it; records that are in both stay as they are."""
        ...


async def set_records(call: StepCall, editor: Editor) -> JsonObject:
    """Make the set at `name` and `type` of `zone` what `after` says, if it is what `before` says; return both.

    Raises:
        StepFailed: it is something else now, or something else afterwards: what others put there stays.
    """
    before, after = _change(call)
    ours = after.marked_beside(before, call.operation_id) if after is not None else None
    changed = await _brought(call, editor, before, ours, doing="set")
    return {"before": as_param(before), "after": as_param(after), "changed": changed}


async def restore_records(call: StepCall, editor: Editor) -> JsonObject:
    """Put back what `before` says, if the set is what `after` says, which this operation made of it.

    Raises:
        StepFailed: somebody has changed it since: it stays as it is.
    """
    before, after = _change(call)
    changed = await _brought(call, editor, after, before, doing="put back")
    return {"changed": changed}


def _change(call: StepCall) -> Change:
    before, after = (from_param(call.params[side], call.results) for side in ("before", "after"))
    return before, after


def _place(call: StepCall) -> Place:
    zone = table(call.params["zone"])
    return Place(str(zone["id"]), str(zone["name"]), call.text("name"), call.text("type"))


async def _brought(
    call: StepCall, editor: Editor, start: RecordSet | None, end: RecordSet | None, *, doing: str
) -> bool:
    """Bring the set from `start` to `end`; return whether anything was changed."""
    place, changed, open_ = _place(call), False, False
    for _ in range(TRIES):
        now = await _settled(call, editor, place, sent=changed)
        if same(now, end):
            return changed
        if not is_on_the_way(now, start, end, call.operation_id):
            raise _others(place, now, start, changed=changed)
        changed = True
        open_ = await _is_lost(call, partial(editor.change, place, now, end))
    now = await _settled(call, editor, place, sent=changed)
    if same(now, end):
        return changed
    raise _failed(
        f"The {place.type} records of {place.name} could not be {doing}: they are {_words(now)}.",
        done="They may have been changed in part; nothing of others was taken away.",
        unsure=open_,
    )


async def _settled(call: StepCall, editor: Editor, place: Place, *, sent: bool) -> RecordSet | None:
    """Return the set once nothing is under way in the zone: an answer that was lost may still be acted on.

    `sent` says that a change of ours may be what is under way.
    """
    done = MAYBE_DONE if sent else NOTHING_DONE

    async def look() -> bool | NotYet:
        if await editor.is_settled(place):
            return True
        slow = _failed(f"The zone {place.zone} is still being changed after {SETTLED_S:.0f} s.", done=done, unsure=sent)
        return NotYet(f"waiting for the end of another change of {place.zone}", slow)

    await until(call, look, within_s=SETTLED_S)
    return await editor.seen(place)


async def _is_lost(call: StepCall, change: Callable[[], Awaitable[None]]) -> bool:
    """Make a change; return whether its answer was lost. Then, or where somebody else was first, a look tells."""
    try:
        await change()
    except (Unavailable, Unreachable, BadAnswer, Conflict) as error:
        call.say(f"no good answer to the change ({error.code}); looking what came of it")
        return error.unsure
    return False


def _others(place: Place, now: RecordSet | None, planned: RecordSet | None, *, changed: bool) -> StepFailed:
    return _failed(
        f"The {place.type} records of {place.name} are {_words(now)}, and not {_words(planned)}: somebody else changed "
        "them.",
        done="What others put there stays." if changed else "Nothing was changed.",
        next="Call the tool again: it plans with what is there now.",
    )


def _words(found: RecordSet | None) -> str:
    return found.told() if found is not None else "not there"


def _failed(
    failed: str, *, done: str = "Nothing was changed.", next: str = "Call the tool again.", unsure: bool = False
) -> StepFailed:
    return StepFailed(failed, done=done, next=next, stage="dns", unsure=unsure)
