"""add_muscle for many at once: one plan that a person can read, one approval, and for each a Muscle or what failed."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.policy import MAX_PLAN_TEXT, Need
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.receipts import question
from tests.clock import FakeClock
from tests.core.lane_reader import alone, lanes_in, read_back, unbroken
from tests.ink import Ink, ink
from tests.tools.arrivals import all_of, all_proved, approved, bare, existing, fleet_members, vendors, written
from tests.tools.calls import call, unknown

pytestmark = pytest.mark.anyio
LIMIT_S = 840
NAMES = tuple(f"s{number}" for number in range(3, 13))
ADDRESSES = {name: f"198.51.100.{37 + number}" for number, name in enumerate(NAMES, 3)}
FIRST = NAMES[:5]
MADE, FAILED = FIRST[:4], FIRST[4]
FLEET = {"muscle-1", "muscle-2"}


class Beside:
    """Notes on which servers a step has begun before the first of them is a Muscle."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self._is_open = True

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Return the handler to run in place of another."""

        async def noted(step: StepCall) -> JsonObject:
            if self._is_open:
                self.begun.add(step.target)
            self._is_open = self._is_open and kind != "fleet.add_muscle"
            return await handler(step)

        return noted if kind in ("hosts.await_ready", "fleet.add_muscle") else handler


@pytest.mark.timeout(LIMIT_S + 10)
async def test_ten_fit_into_one_plan_and_of_five_at_once_the_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    """Ten are put to a person on a terminal, the first in full and the others by what differs; five of them are then
    begun side by side in one call: four are made with all their proofs, and the one whose proxy does not start is named
    and is no Muscle; nobody else is touched.
    """
    busy = {FAILED: {"taken_ports": [80]}}
    world = all_of(*(bare(name, address, **busy.get(name, {})) for name, address in ADDRESSES.items()))
    beside = Beside()
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=world, clock=FakeClock(), wrap_handler=beside) as it,
            it.client() as client,
        ):
            before, others = vendors(it.state), fleet_members(it.state)
            asked = await call(client, "add_muscle", **existing(it, *NAMES))
            await read_whole(it)
            said = await approved(it, client, "add_muscle", **existing(it, *FIRST))
            after, same, file, lost = vendors(it.state), fleet_members(it.state), written(it), unknown(it)

    assert asked.outcome == "approval_required", asked.text
    assert (said.outcome, said.checks) == ("applied_in_part", all_proved(*MADE)), said.text
    assert (f"{FAILED}__coolify_proxy failed" in said.text, beside.begun) == (True, {*FIRST}), said.text
    assert {name: muscle.address for name, muscle in file.items() if name not in FLEET} == {
        name: ADDRESSES[name] for name in MADE
    }
    records = {f"{part}{name} A": (ADDRESSES[name],) for name in MADE for part in ("*.", "")}
    assert (replace(after, coolify_keys=tuple(sorted(after.coolify_keys))), same, lost) == (
        replace(
            before,
            records={**before.records, **records},
            coolify_servers={**before.coolify_servers, **{name: ADDRESSES[name] for name in FIRST}},
            coolify_keys=tuple(sorted((*before.coolify_keys, *(f"ink-{name}" for name in FIRST)))),
        ),
        others,
        [],
    )


async def read_whole(it: Ink) -> None:
    """Read what waits for a person as a person does: each of the ten, all that it is and does."""
    (waiting,) = await it.app.guarded.approvals.pending()
    text = question(waiting, sandbox=True)
    assert (waiting.need, len(text) < MAX_PLAN_TEXT) == (Need.TICKET, True)
    assert {name: lane.of for name, lane in lanes_in(text).items()} == {
        NAMES[0]: "",
        **dict.fromkeys(NAMES[1:], NAMES[0]),
    }
    for name in NAMES:
        found, wanted = unbroken(read_back(text, name), alone(waiting.plan, name))
        assert (name, found) == (name, wanted)
        assert ADDRESSES[name] in "".join(found)
        assert it.ends.host_keys[f"spare-{name}"].split()[1] in "".join(found)
