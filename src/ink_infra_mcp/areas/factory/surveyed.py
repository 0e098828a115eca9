"""The Factory as a part of the look at the whole fleet."""

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.factory.findings import findings
from ink_infra_mcp.areas.factory.image import picture
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import Drift

TOLD_ELSEWHERE = frozenset({"not_isolated", "unseen_apps", "unknown_apps"})
"""Of the image's findings, what the look at the servers and apps themselves tells."""


async def factory_drifts(look: Look, apps: tuple[App, ...] | None) -> tuple[Drift, ...]:
    """Return what is wrong with the Factory, what cannot be read included; `apps` is None where nobody told them."""
    seen = await picture(look, known=apps or ())
    seen.apps = apps
    return tuple(drift for drift in findings(seen) if drift.code not in TOLD_ELSEWHERE)
