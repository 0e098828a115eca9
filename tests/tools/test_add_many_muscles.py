"""add_muscle for many at once: one plan that a person can read, one approval, and a Muscle for each that is proved."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.policy import MAX_PLAN_TEXT, Need
from ink_infra_mcp.guard.receipts import question
from tests.clock import FakeClock
from tests.core.lane_reader import alone, lanes_in, read_back, unbroken
from tests.ink import Ink, ink
from tests.tools.arrivals import all_of, all_proved, approved, bare, existing, fleet_members, vendors, written
from tests.tools.calls import call, unknown

pytestmark = pytest.mark.anyio
LIMIT_S = 280
NAMES = tuple(f"s{number}" for number in range(3, 13))
ADDRESSES = {name: f"198.51.100.{37 + number}" for number, name in enumerate(NAMES, 3)}
FIRST = NAMES[:5]
FLEET = {"muscle-1", "muscle-2"}


@pytest.mark.timeout(LIMIT_S + 10)
async def test_ten_fit_into_one_plan_and_five_become_muscles_with_one_approval(tmp_path: Path) -> None:
    """Ten are put to a person on a terminal, the first in full and the others by what differs; five of them are then
    made side by side in one call, each with all its proofs, and nobody else is touched.
    """
    world = all_of(*(bare(name, address) for name, address in ADDRESSES.items()))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=world, clock=FakeClock()) as it, it.client() as client:
            before, others = vendors(it.state), fleet_members(it.state)
            asked = await call(client, "add_muscle", **existing(it, *NAMES))
            await read_whole(it)
            said = await approved(it, client, "add_muscle", **existing(it, *FIRST))
            after, same, file, lost = vendors(it.state), fleet_members(it.state), written(it), unknown(it)

    assert asked.outcome == "approval_required", asked.text
    assert (said.outcome, said.checks) == ("applied", all_proved(*FIRST)), said.text
    assert {name: muscle.address for name, muscle in file.items() if name not in FLEET} == {
        name: ADDRESSES[name] for name in FIRST
    }
    records = {f"{part}{name} A": (ADDRESSES[name],) for name in FIRST for part in ("*.", "")}
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
