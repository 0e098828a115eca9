"""What became of the apps of Muscles that were emptied: which moved, which are back, and the proofs of each."""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from ink_infra_mcp.areas.apps import proofs
from ink_infra_mcp.areas.apps.moving_steps import SWITCH
from ink_infra_mcp.areas.apps.returning import DELETES, ENDS
from ink_infra_mcp.areas.apps.rollout import ISOLATED
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.lanes import alone, part_of
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan


def moved_in(plan: Plan) -> Mapping[str, str]:
    """Return the parts of a plan in which an app is moved, or was by an earlier one, and the app of each."""
    proven = (step for step in plan.steps if step.id == f"{part_of(step.id)}__{ISOLATED}")
    return {part_of(step.id): step.target for step in proven}


async def proofs_of(plan: Plan, results: Results, look: Look) -> list[Check]:
    """Return the proofs of each app that has moved, under its name: where it serves now, be it back."""
    parts = moved_in(plan)
    stays = [part for part in parts if f"{part}{ENDS}" not in parts]
    moved = [_named(parts[part], await _moved(plan, part, results, look)) for part in stays]
    copies = [step for step in plan.steps if step.id.endswith(f"__{DELETES}")]
    gone = [_named(step.target, await proofs.gone(look, step, results)) for step in copies]
    return [*chain.from_iterable((*moved, *gone))]


async def _moved(plan: Plan, part: str, results: Results, look: Look) -> list[Check]:
    own = plan.model_copy(update={"steps": alone(plan.steps, part)})
    said = {step.id: results[f"{part}__{step.id}"] for step in own.steps if f"{part}__{step.id}" in results}
    return await proofs.of_deployment(own, said, look)


def _named(app: str, checks: Iterable[Check]) -> list[Check]:
    return [check.model_copy(update={"name": f"{app} {check.name}"}) for check in checks]


def told(plan: Plan, results: Results) -> JsonObject:
    """Return which apps have moved and which have not, and which are back; nothing where none was to move."""
    parts, ends = moved_in(plan), _ends(plan)
    done = {part for part in parts if ends.get(part, "") in ("", *results)}
    back = {part for part in parts if part.endswith(ENDS)}
    return {**_told("moved", parts, parts.keys() - back, done), **_told("returned", parts, back, done)}


def _ends(plan: Plan) -> Mapping[str, str]:
    """Return the step with which an app is away, or back, by the part: no failure after it takes that back."""
    switches = {part_of(step.id): step.id for step in plan.steps if step.id.endswith(SWITCH)}
    return switches | {part_of(id): id for id in _guarded_back(plan)}


def _guarded_back(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps if step.undoes and part_of(step.id).endswith(ENDS)]


def _told(word: str, apps: Mapping[str, str], parts: Collection[str], done: Collection[str]) -> JsonObject:
    own = [(app, part in done) for part, app in apps.items() if part in parts]
    there, away = [app for app, is_there in own if is_there], [app for app, is_there in own if not is_there]
    return {word: [*there], f"not_{word}": [*away]} if own else {}
