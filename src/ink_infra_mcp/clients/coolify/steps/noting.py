"""Notes what Coolify has of an app before anything of ours is added to it."""

from collections.abc import Iterable

from ink_infra_mcp.clients.coolify.away import patiently
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.clients.coolify.deployments import RECENT
from ink_infra_mcp.clients.coolify.ours import described
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

OTHERS_S = 900.0


async def note_deployments(step: CoolifyStep) -> JsonObject:
    """Return the app's last deployments once none is under way; those that somebody else asked for are waited out.

    It is a step of its own, since its result is kept: taken again after the act, it would hold ours.

    Raises:
        StepFailed: one is still under way after 15 minutes.
    """
    uuid = step.call.given("app")

    async def quiet() -> JsonObject | NotYet:
        recent = await step.coolify.deployments_of(uuid, take=RECENT)
        busy = _under_way(recent)
        if busy is None:
            return {"known": [d.uuid for d in recent]}
        return NotYet(f"waiting for deployment {busy.uuid}, which is not ours", _busy(described(busy), busy.uuid))

    return await until(step.call, patiently(quiet), within_s=OTHERS_S)


def _under_way(recent: Iterable[Deployment]) -> Deployment | None:
    return next((d for d in recent if d.is_active and not d.is_preview), None)


def _busy(described: str, uuid: str) -> StepFailed:
    return StepFailed(
        f"Deployment {described}, is still under way after {OTHERS_S:.0f} s.",
        done="Nothing of ours was deployed.",
        next=f"Wait until {uuid} ends, or cancel it in Coolify, then call again.",
        stage="queue",
    )
