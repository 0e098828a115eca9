"""The steps of an upgrade by way of releases in between, as one plan, and what came of each of them."""

from collections.abc import Iterator, Mapping
from itertools import dropwhile, takewhile

from pydantic import JsonValue

from ink_infra_mcp.areas.factory.exchange import Exchange
from ink_infra_mcp.areas.factory.exchange_steps import exchange_steps
from ink_infra_mcp.areas.machines.canary import SHARED
from ink_infra_mcp.core.lanes import prefix_of, renamed
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import table

_BACKUP, _REHEARSE, _SWAP, _CONFIRM, _RELEASE = "backup", "rehearse", "swap", "confirm", "release"
_MARK = prefix_of("")


def steps_by_way(stops: tuple[Exchange, ...], last: Exchange) -> tuple[Step, ...]:
    """Return the steps: each image is pulled, one backup, one rehearsal of all, then each in service and proved.

    Those of a stop have its release before their ids and take back its own swap only; those of the last have none.
    """
    planned = [(it, exchange_steps(it)) for it in (*stops, last)]
    ahead = [step for it, steps in planned for step in renamed(_ahead(steps), _pulled(it, steps))]
    own = [step for it, steps in planned for step in _own(it, steps, stops[0].part)]
    rehearsal = _rehearsal(stops, last, planned[-1][1], [step.id for step in ahead])
    return (*ahead, *_shared(planned[-1][1]), rehearsal, *own)


def _ahead(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(takewhile(lambda step: step.id != _BACKUP, steps))


def _shared(steps: tuple[Step, ...]) -> Iterator[Step]:
    return takewhile(lambda step: step.id != _REHEARSE, dropwhile(lambda step: step.id != _BACKUP, steps))


def _pulled(it: Exchange, steps: tuple[Step, ...]) -> dict[str, str]:
    """What is pulled is in service nowhere yet, so that its step is none of the part that a failure leaves done."""
    return {step.id: f"{step.id}_{it.part}" for step in _ahead(steps)} if it.part else {}


def _rehearsal(stops: tuple[Exchange, ...], last: Exchange, steps: tuple[Step, ...], pulls: list[str]) -> Step:
    way = ", then ".join([*(it.version for it in stops), last.version])
    first: list[JsonValue] = [{"part": it.part, "image": it.reference} for it in stops]
    step = next(step for step in steps if step.id == _REHEARSE)
    return step.model_copy(
        update={
            "summary": "Rehearse all of them on one copy without a network: restore that dump, run the migrations of "
            f"{way}, and decrypt a stored secret after each; a failure ends here, with nothing touched",
            "params": {**step.params, "stops": first},
            "uses": (*pulls, _BACKUP),
        }
    )


def _own(it: Exchange, steps: tuple[Step, ...], first: str) -> Iterator[Step]:
    """Yield the steps from the swap on."""
    own = tuple(dropwhile(lambda step: step.id != _SWAP, steps))
    there = _there(it, own, first)
    kept = [step for step in own if step.id not in there and not (it.part and step.id == _RELEASE)]
    for step in renamed(kept, {**_pulled(it, steps), **_in_part(it, kept), **there}):
        yield step.model_copy(update={"summary": f"{it.version}: {step.summary}"})


def _in_part(it: Exchange, steps: list[Step]) -> dict[str, str]:
    return {step.id: prefix_of(it.part) + step.id for step in steps} if it.part else {}


def _there(it: Exchange, steps: tuple[Step, ...], first: str) -> dict[str, str]:
    """Return what the canaries have in common, which the first of them makes, by what its steps are called there."""
    return {step.id: prefix_of(first) + step.id for step in steps if step.kind in SHARED and it.part != first}


def summary_of_way(plan: Plan, results: Results) -> JsonObject:
    """Return of a plan with stops what came of each, which release was confirmed last, and what to do next.

    Empty for a plan without stops.
    """
    releases = {step.id.removesuffix(_SWAP): _version_of(step) for step in plan.steps if _is_swap(step)}
    if len(releases) < 2:
        return {}
    told: JsonObject = {version: _told(results, part) for part, version in releases.items() if part}
    return {"stops": told, **_next([*releases.values()], _confirmed(releases, results))}


def _is_swap(step: Step) -> bool:
    return step.id == _SWAP or step.id.endswith(_MARK + _SWAP)


def _version_of(step: Step) -> str:
    return str(table(step.params.get("env")).get("COOLIFY_VERSION"))


def _confirmed(releases: Mapping[str, str], results: Results) -> list[str]:
    return [version for part, version in releases.items() if f"{part}{_CONFIRM}" in results]


def _told(results: Results, part: str) -> JsonObject:
    swap, tried, name = results.get(f"{part}{_SWAP}", {}), results.get(_REHEARSE, {}), part.removesuffix(_MARK)
    return {
        "image_id": swap.get("id"),
        "downtime_ms": swap.get("downtime_ms"),
        "migrations": tried.get(f"ran_{name}"),
        "rehearsed_s": tried.get(f"seconds_{name}"),
    }


def _next(way: list[str], confirmed: list[str]) -> JsonObject:
    if not confirmed:
        return {"confirmed": None}
    if confirmed == way:
        return {"confirmed": way[-1]}
    return {
        "confirmed": confirmed[-1],
        "next": f"{confirmed[-1]} was proved and confirmed, and is what a later one that failed goes back to. See "
        f"get_coolify_image, mend what failed, then call with {way[-1]} again: it goes on from {confirmed[-1]}.",
    }
