"""Resuming asks for what the rest of the plan needs today: never less than it needed at first."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.ink import ink, says_yes
from tests.tools.calls import Said, call

STOP = {"app": "shop", "action": "stop"}


def breaks(kind: str, handler: Handler) -> Handler:
    """Let every stop fail."""

    async def broken(_: StepCall) -> JsonObject:
        raise StepFailed("The stop broke.", done="Nothing was stopped.")

    return broken if kind == "coolify.stop" else handler


def production(fleet: Fleet) -> Fleet:
    """Return the fleet with every Muscle marked as production."""
    return fleet.model_copy(
        update={"muscles": tuple(muscle.model_copy(update={"production": True}) for muscle in fleet.muscles)}
    )


async def failed(folder: Path, *, in_production: bool) -> str:
    """Let an operation fail; return its id."""
    async with (
        ink(folder, wrap_handler=breaks, change_fleet=production if in_production else None) as it,
        it.client(says_yes("shop" if in_production else "")) as client,
    ):
        said = await call(client, "control_app", **STOP, wait_s=30)
    assert said.outcome == "failed", said.text
    return str(said.data["operation_id"])


async def resumed(folder: Path, operation: str, *, in_production: bool) -> Said:
    """Resume it in a server whose client cannot ask."""
    async with ink(folder, change_fleet=production if in_production else None) as it, it.client() as client:
        return await call(client, "resume_operation", operation=operation)


@pytest.mark.anyio
@pytest.mark.parametrize(("then", "now"), [(False, True), (True, False)], ids=["became", "was"])
async def test_what_is_or_was_production_is_resumed_as_production(tmp_path: Path, then: bool, now: bool) -> None:
    """A Muscle that became production since raises what the rest needs, to its name typed; one that no longer is does
    not lower it. The old approval counts for nothing.
    """
    with anyio.fail_after(120):
        said = await resumed(tmp_path, await failed(tmp_path, in_production=then), in_production=now)
    assert said.outcome == "approval_required"
    assert "Risk: destructive, on production" in said.data["plan"]
    assert "and type 'shop'" in said.text
