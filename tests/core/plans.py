"""Small plans for tests of the core."""

from ink_infra_mcp.core.plan import Plan, Step


def step(step_id: str = "stop", kind: str = "coolify.stop", target: str = "shop", *, reads: bool = False) -> Step:
    """Return a step that stops an app."""
    return Step(id=step_id, kind=kind, target=target, summary=f"Stop {target}", reads=reads)


def plan(*steps: Step, target: str = "shop", cost: str | None = None, production: bool = False) -> Plan:
    """Return a plan of these steps; without any, one that has nothing to do."""
    return Plan(
        tool="control_app",
        title=f"Stop {target}",
        target=target,
        locks=(f"app:{target}",),
        steps=steps,
        production=production,
        monthly_cost_eur=cost,
        reason="" if steps else "It is stopped already.",
    )
