"""add_muscle is judged by auditors that others wrote: what they miss is told with what they said before."""

import json
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import NAME, all_proved, approved_in, bare, existing, say_yes
from tests.tools.calls import Said, call

pytestmark = pytest.mark.anyio
LIMIT_S = 165
GOOD = [{"algorithm": "good", "notes": {"info": ["new"]}}]
BROKEN = [{"algorithm": "old", "notes": {"fail": ["broken"]}}]
SSH_AUDIT = json.dumps({"enc": GOOD, "kex": GOOD, "key": GOOD, "mac": GOOD})
SSH_AUDIT_BEFORE = json.dumps({"enc": GOOD, "kex": BROKEN, "key": GOOD, "mac": GOOD})
WAIVED = "suggestion[]=SSH-7408|x|-|-|"


def index(value: int) -> str:
    """Return lynis' report with an index, and one item that the policy waives."""
    return f"hardening_index={value}\n{WAIVED}"


async def added(folder: Path, before: dict[str, str], after: dict[str, str]) -> Said:
    """Return what add_muscle says where auditors say something before a person's yes, and something else after it."""

    def judged(state: WorldState) -> None:
        state.hosts[f"spare-{NAME}"].audits = after

    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=bare(audits=before), clock=FakeClock()) as it, it.client() as client:
            arguments = existing(it, NAME)
            asked = await call(client, "add_muscle", **arguments)
            with it.world.change() as state:
                judged(state)
            await say_yes(it.app, str(asked.data["approval_id"]))
            return await approved_in(it.app, client, "add_muscle", **arguments)


def evidence(said: Said) -> str:
    """Return what the proof says of the auditors."""
    return next(check["evidence"] for check in said.data["checks"] if check["name"] == f"{NAME} auditors")


async def test_bars_that_hold_are_a_proof(tmp_path: Path) -> None:
    """25 more than before is enough, and what was broken before is not any more; the figures stand in the proof."""
    before = {"lynis": index(50), "ssh_audit": SSH_AUDIT_BEFORE}
    said = await added(tmp_path, before, {"lynis": index(75), "ssh_audit": SSH_AUDIT})
    assert (said.outcome, said.checks) == ("applied", {**all_proved(NAME), f"{NAME} auditors": "passed"}), said.text
    assert evidence(said).startswith("ssh-audit: 0 fails, 0 warnings; lynis: index 75, 50 before, 0 warnings; waived,")


async def test_a_bar_that_is_missed_is_a_warning_and_no_proof(tmp_path: Path) -> None:
    """The Muscle is there; that others are not content with it stands in the outcome and in its warnings."""
    before = {"lynis": index(50), "ssh_audit": SSH_AUDIT_BEFORE}
    said = await added(tmp_path, before, {"lynis": index(74), "ssh_audit": SSH_AUDIT_BEFORE})
    assert (said.outcome, said.checks[f"{NAME} auditors"]) == ("applied_unverified", "failed"), said.text
    (line,) = said.data["result"]["muscles"]
    assert (line["state"], line["warnings"]) == ("muscle", [evidence(said)])
    missed = "lynis gives 74: neither 80 nor 25 more than before (it was 50 before)"
    assert evidence(said).startswith(f"ssh-audit fails kex old; {missed}; ssh-audit: 1 fails")


async def test_auditors_that_are_not_there_praise_nothing(tmp_path: Path) -> None:
    """One that is missing is named, whatever the other says."""
    said = await added(tmp_path, {}, {"ssh_audit": SSH_AUDIT})
    assert (said.outcome, said.checks) == ("applied", all_proved(NAME)), said.text
    assert "not judged by lynis: the command for it is not installed" in evidence(said)
    assert said.data["result"]["muscles"][0]["warnings"] == []
