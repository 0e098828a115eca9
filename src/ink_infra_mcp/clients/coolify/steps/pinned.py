"""Looks, right before a request that starts something, whether what would run is still what was approved."""

from collections.abc import Iterable

from ink_infra_mcp.clients.coolify.deployments import RECENT
from ink_infra_mcp.clients.coolify.ours import described
from ink_infra_mcp.clients.coolify.runs import PLAIN
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.core.errors import StepFailed, VendorError
from ink_infra_mcp.core.fingerprint import Facets, differing, matches
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name

_NAMED = 10
"""How many differences an error names."""


async def require_pinned(step: CoolifyStep) -> JsonObject:
    """Return once Coolify has of the app what the plan says that it will run, after the plan's own changes; the result
    is for the record of what ran last: `{"also": facets}`, those that the plan left open.

    A step of a plan that an earlier version made has no pins: it runs as it was approved, and nothing is returned.

    Raises:
        StepFailed: something is another than was approved; nothing was started.
    """
    if "pins" not in step.call.params:
        return {}
    if step.call.params["pinned_by"] != step.pinning.by:
        raise _drifted("the plan was pinned under another Coolify token")
    expected, found = _expected(step), await _found(step)
    if names := differing(expected, found, free=map(str, items(step.call.params["free"]))):
        raise _drifted(_told(names, expected, found))
    return _also(expected, found)


async def prove_unchanged(step: CoolifyStep) -> JsonObject:
    """Return once an app is still what an earlier step of the plan, that of `deployment`, has started of it: with the
    same settings, less those that Coolify sets anew (`free`), and with no deployment since, whoever asked for it.

    Raises:
        StepFailed: it is another, or nobody knows; nothing was changed.
    """
    begun, free = table(step.call.params["deployment"]), tuple(map(str, items(step.call.params["free"])))
    noted = step.call.results[str(begun["step"])]
    if "also" not in noted or step.call.params["pinned_by"] != step.pinning.by:
        raise _changed("what it was started with is not known")
    before = _expected(step) | {name: str(text) for name, text in table(noted["also"]).items()}
    before = {name: text for name, text in before.items() if not matches(name, free)}
    found = await _found(step)
    if names := differing(before, found, free=free):
        raise _changed(_told(names, before, found))
    recent = await step.coolify.deployments_of(step.call.given("app"), take=RECENT)
    newest = next((each for each in recent if not each.is_preview), None)
    if newest is None or newest.uuid != noted[str(begun["field"])]:
        raise _changed(f"deployment {described(newest)}" if newest else "Coolify shows no deployment of it")
    return {"deployment": newest.uuid}


async def seen_afterwards(step: CoolifyStep) -> JsonObject:
    """Return the same record after an earlier run of the step asked for the start; nothing where it cannot be read."""
    if "pins" not in step.call.params:
        return {}
    try:
        return _also(_expected(step), await _found(step))
    except VendorError:
        return {}


def _also(expected: Facets, found: Facets) -> JsonObject:
    return {"also": {name: text for name, text in found.items() if expected.get(name) != text}}


def _expected(step: CoolifyStep) -> dict[str, str]:
    given = table(step.call.params["runs"]) | table(step.call.params["pins"])
    return {name: str(text) for name, text in given.items()}


async def _found(step: CoolifyStep) -> dict[str, str]:
    return await step.coolify.would_run(step.call.given("app"), step.pinning, service=step.is_service)


def _told(names: Iterable[str], expected: Facets, found: Facets) -> str:
    names = tuple(names)
    more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return "; ".join(_difference(name, expected, found) for name in names[:_NAMED]) + more


def _difference(name: str, expected: Facets, found: Facets) -> str:
    shown = clean_name(name, limit=120)
    if name not in found:
        return f"{shown} is gone"
    now = f" {_quoted(found[name])}" if name in PLAIN else ""
    if name not in expected:
        return f"{shown}{now} was added"
    return f"{shown} is{now} and not {_quoted(expected[name])}" if now else f"{shown} is another"


def _quoted(text: str) -> str:
    return repr(clean_name(text, limit=120))


def _changed(what: str) -> StepFailed:
    return StepFailed(
        f"The app is not as it was when it was moved: {what}.",
        done="It serves on where it is, with that.",
        next="See it with get_app; move_app moves it with all that it has now.",
        stage="drift",
    )


def _drifted(what: str) -> StepFailed:
    return StepFailed(
        f"What would run is not what was approved: {what}.",
        done="Nothing was started.",
        next="Call the tool again: its new plan shows what there is now.",
        stage="drift",
    )
