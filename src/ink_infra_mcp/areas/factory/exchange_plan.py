"""The plan of an exchange of Coolify's image, whichever tool makes it: what it locks, pins and keeps, and its word."""

from ink_infra_mcp.areas.factory.exchange import Exchange
from ink_infra_mcp.areas.factory.exchange_steps import exchange_steps
from ink_infra_mcp.areas.factory.image_gates import unlooked
from ink_infra_mcp.areas.factory.stop_steps import steps_by_way
from ink_infra_mcp.core.plan import JsonObject, Plan

KEEPS = ("users' apps, which run on", "Coolify's keys, and its settings but for auto-update")


def exchange_plan(
    tool: str,
    title: str,
    it: Exchange,
    *,
    stops: tuple[Exchange, ...] = (),
    warnings: tuple[str, ...],
    keeps: tuple[str, ...] = KEEPS,
    lost: str = "",
    pinned: JsonObject | None = None,
) -> Plan:
    """Return the plan, by way of `stops` where there are some. A person types the Factory's name.

    `lost` is what is lost beside the dashboard's minutes.
    """
    placement: JsonObject = {"placement": it.canary.home.placement.model_dump(mode="json")} if it.canary else {}
    return Plan(
        tool=tool,
        title=title,
        target=it.host,
        locks=("coolify", f"muscle:{it.host}", *((f"build:{it.host}",) if it.first else ())),
        steps=steps_by_way(stops, it) if stops else exchange_steps(it),
        blast_radius=f"whoever uses Coolify's dashboard or API, while it is swapped{lost}",
        keeps=keeps,
        warnings=(*warnings, *unlooked(it.rules)),
        pinned={**placement, **(pinned or {})},
        phrase=it.host,
    )


def nothing_to_exchange(tool: str, title: str, host: str, reason: str) -> Plan:
    """Return the plan without a step: `reason` says what is so already."""
    return Plan(tool=tool, title=title, target=host, locks=(), reason=reason)
