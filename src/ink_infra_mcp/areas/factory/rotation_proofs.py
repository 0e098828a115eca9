"""What is true of Coolify's image after a rotation, seen anew."""

from ink_infra_mcp.areas.factory.findings import drift_of
from ink_infra_mcp.areas.factory.image import Picture, picture
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan

_SHOWN = 6


async def of_rotation(plan: Plan, results: Results, look: Look) -> list[Check]:
    """Return the checks: the image, what the next `up` would start, --runtime, auto-update, and apps' isolation."""
    if not plan.steps:
        return []
    seen = await picture(look)
    facts, wanted = seen.facts, results.get("swap", {}).get("id")
    up = f"the next up starts {seen.configured.image or 'what is not known'}"
    return [
        _check("image", facts.state == "running" and facts.image == wanted, f"{facts.image} is {facts.state}"),
        _check("configured", drift_of(seen) == "", up),
        _check("runtime_option", seen.needless or seen.option is True, f"accepts --runtime: {seen.option}"),
        _auto_update(seen),
        _apps(seen),
    ]


def _auto_update(seen: Picture) -> Check:
    update = seen.facts.auto_update
    return _check("auto_update", update is not None and not update.on, f"on: {update.on if update else 'not known'}")


def _apps(seen: Picture) -> Check:
    """Apps that were not isolated before are not this rotation's doing, and yet told by get_coolify_image."""
    if seen.apps is None:
        return _check("apps_isolated", None, "which apps there are is not known")
    doubtful = [name for name in (*seen.weak, *seen.blind) if name in seen.relying]
    words = ", ".join(doubtful[:_SHOWN])
    told = f"not isolated, or not seen: {words}" if words else "isolated: every app that relies on --runtime"
    return _check("apps_isolated", not doubtful, told)


def _check(name: str, passed: object, evidence: str) -> Check:
    return Check(name=name, status="passed" if passed else "failed", evidence=evidence)
