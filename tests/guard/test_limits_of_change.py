"""What holds whatever a catalogue shows: a reading server never changes, and a freeze does not keep from stopping."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.plan import Plan, Risk, Step
from ink_infra_mcp.guard.caller import Caller
from ink_infra_mcp.settings.policy_files import load_policy
from tests.ink import PRINCIPAL, ink


@pytest.mark.anyio
async def test_a_reading_server_refuses_a_change_that_nobody_showed_it(tmp_path: Path) -> None:
    """--read-only is not a matter of hidden names: the application itself refuses."""
    with anyio.fail_after(90):
        async with ink(tmp_path, read_only=True) as it:
            tool = it.app.mutations["control_app"]
            args = tool.args.model_validate({"app": "shop", "action": "stop"})
            with pytest.raises(RefusedByPolicy, match="only reads"):
                await it.app.change(tool, args, Caller(principal=PRINCIPAL, channel="elicitation", can_ask=True))

            assert it.journal == []


def _plan(kind: str) -> Plan:
    step = Step(id="one", kind=kind, target="it", summary="One step")
    return Plan(tool="toy", title="Toy", target="it", locks=(), steps=(step,), phrase="it")


def test_a_freeze_does_not_keep_a_running_operation_from_being_stopped() -> None:
    """Who freezes changes wants less to happen, so that cancelling stays possible and everything else does not."""
    frozen = load_policy(None).model_copy(update={"freeze": "holidays"})

    assert frozen.refusal(_plan("operations.request_cancel"), Risk.DISRUPTIVE) is None
    assert frozen.refusal(_plan("coolify.deploy"), Risk.DISRUPTIVE) == "Changes are frozen: holidays."
