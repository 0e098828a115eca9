"""What is true of Coolify's image after it was exchanged, seen anew, and what is told of the exchange."""

from ink_infra_mcp.areas.factory.beside import PULL
from ink_infra_mcp.areas.factory.copies import COPY_STEP
from ink_infra_mcp.areas.factory.exchange import UNISOLATED
from ink_infra_mcp.areas.factory.findings import drift_of
from ink_infra_mcp.areas.factory.image import Picture, picture
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.serving import of_inside
from ink_infra_mcp.hosts.factory.swapping import prove

_SHOWN = 6


async def of_exchange(plan: Plan, results: Results, look: Look) -> list[Check]:
    """Return the checks: the image, what the next `up` would start, --runtime, auto-update, and apps' isolation.

    Where the image is named by a version, the image's own source and the API have to say that one.
    """
    if not plan.steps:
        return []
    seen = await picture(look)
    steps = {step.id: step for step in plan.steps}
    swap = steps["swap"]
    facts, wanted = seen.facts, results.get("swap", {}).get("id")
    return [
        _check("image", facts.state == "running" and facts.image == wanted, f"{facts.image} is {facts.state}"),
        _configured(seen),
        _option(seen, swap),
        _auto_update(seen),
        _apps(seen),
        *_version(seen, swap),
        *await _realtime(look, seen.facts.host, swap, results),
        *await _inside(look, seen.facts.host, steps["prove"]),
    ]


def _configured(seen: Picture) -> Check:
    told = f"the next up starts {seen.configured.image or 'what is not known'}"
    return _check("configured", drift_of(seen) == "", told)


def _option(seen: Picture, swap: Step) -> Check:
    """That it is dropped is what was accepted, app by app; that nobody can tell is not."""
    told = f"accepts --runtime: {'not known' if seen.option is None else seen.option}"
    if swap.kind == UNISOLATED:
        more = sorted({*seen.relying} - {*swap.apps})
        told += f"; accepted without: {', '.join(swap.apps)}"
        told += f"; not named, and rely on it by now: {', '.join(more)}" if more else ""
        return _check("runtime_option", seen.option is not None and not more, told)
    told += f"; rely on it: {', '.join(seen.relying[:_SHOWN])}" if seen.relying else ""
    return _check("runtime_option", seen.option is True or (seen.needless and not seen.relying), told)


def _version(seen: Picture, swap: Step) -> list[Check]:
    wanted = table(swap.params.get("env")).get("COOLIFY_VERSION")
    if not isinstance(wanted, str):
        return []
    base, told = (clean_name(text or "nothing") for text in (seen.facts.base, seen.told))
    same = parse_version(base) == parse_version(told) == parse_version(wanted) is not None
    return [_check("version", same, f"the image says {base}, the API {told}")]


async def _realtime(look: Look, host: str, swap: Step, results: Results) -> list[Check]:
    """It was proved before it was kept; here it is seen anew, with Coolify's own word whether it answers."""
    if "realtime" not in swap.params:
        return []
    service, wanted = await prove(look.hosts, host), results.get(PULL, {}).get("id")
    now = service.realtime
    good = (now.image, now.container, now.health, service.reaches) == (wanted, "running", "healthy", True)
    told = " ".join(filter(None, (now.image, now.container, now.health)))
    return [_check("realtime", good, f"{told or 'it was not seen'}; answers Coolify: {service.reaches}")]


async def _inside(look: Look, host: str, proof: Step) -> list[Check]:
    """Where realtime is in Coolify's own container: it answers there, and the container from before does not run."""
    if "inside" not in proof.params:
        return []
    service = await prove(look.hosts, host)
    told = (
        f"answers inside of Coolify: {service.inside}; coolify-realtime is {service.realtime.container or 'not there'}"
    )
    return [_check("realtime", not tuple(of_inside(service)), told)]


def _auto_update(seen: Picture) -> Check:
    update = seen.facts.auto_update
    return _check("auto_update", update is not None and not update.on, f"on: {update.on if update else 'not known'}")


def _apps(seen: Picture) -> Check:
    """Apps that were not isolated before are not this exchange's doing, and yet told by get_coolify_image."""
    if seen.apps is None:
        return _check("apps_isolated", None, "which apps there are is not known")
    doubtful = [name for name in (*seen.weak, *seen.blind) if name in seen.relying]
    words = ", ".join(doubtful[:_SHOWN])
    told = f"not isolated, or not seen: {words}" if words else "isolated: every app that relies on --runtime"
    return _check("apps_isolated", not doubtful, told)


def _check(name: str, passed: object, evidence: str) -> Check:
    return Check(name=name, status="passed" if passed else "failed", evidence=evidence)


def summary_of(results: Results) -> JsonObject:
    """Return the image, how long the dashboard was away, what the rehearsal found, and the backup with its copy."""
    swap, rehearsal = results.get("swap", {}), results.get("rehearse", {})
    copied: JsonObject = {"copy": {**results[COPY_STEP]}} if COPY_STEP in results else {}
    return {
        "image_id": swap.get("id"),
        "downtime_ms": swap.get("downtime_ms"),
        "migrations": rehearsal.get("ran"),
        "may_encrypt": rehearsal.get("may_encrypt"),
        "may_drop": rehearsal.get("may_drop"),
        "rehearsed_s": rehearsal.get("seconds"),
        "backup": results.get("backup", {}).get("folder"),
        "go_back": "/data/coolify/ink/rollback on the Factory",
        **copied,
    }
