"""Plans that no client is trusted to show whole: they are decided where they are."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.guard.receipts import is_shown_whole, question
from tests.guard.toy import Fill, toy

pytestmark = pytest.mark.anyio

LONG = Fill(shelf="x" * 2_000)


async def test_a_plan_that_no_client_shows_whole_needs_a_terminal(tmp_path: Path) -> None:
    """It is not asked in the client; its answer has head and tail, and says what is missing."""
    async with toy(tmp_path) as it:
        receipt = await it.receipt(LONG)
        (waiting,) = await it.guard.approvals.pending()
    whole = question(waiting, sandbox=False)
    assert (receipt.outcome, waiting.need) == (Outcome.APPROVAL_REQUIRED, Need.TICKET)
    assert "It is too long for a client, and shown whole there." in receipt.message
    assert (is_shown_whole(whole), is_shown_whole(receipt.plan)) == (False, True)
    assert f"*** sha256 {waiting.plan_digest}" in receipt.plan
    assert " rows are NOT shown here " in receipt.plan
    assert receipt.plan.split("\n")[:3] == whole.split("\n")[:3]


async def test_what_must_be_typed_for_it_is_short(tmp_path: Path) -> None:
    """A target of 2,000 characters is approved by twelve of the digest."""
    async with toy(tmp_path) as it:
        await it.receipt(LONG)
        (waiting,) = await it.guard.approvals.pending()
    assert waiting.phrase == waiting.plan_digest[:12]
