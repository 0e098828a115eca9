"""Steps put into a lane or a part of a plan: their ids and all that refers to them get its name before them."""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.operation import json_object
from ink_infra_mcp.core.plan import JsonObject, Step, Undo

_MARK = "__"


def prefix_of(lane: str) -> str:
    """Return what the ids of a lane's steps begin with; no two lanes, and no lane and id, come to the same."""
    return f"{lane.replace('-', '_')}{_MARK}"


def part_of(step_id: str) -> str:
    """Return the lane or part that a step's id names, or an empty text for one of the plan itself."""
    return step_id.rpartition(_MARK)[0]


def in_lane(steps: Iterable[Step], lane: str) -> tuple[Step, ...]:
    """Return the steps as those of a lane; what they refer to of steps before the lane stays as it is."""
    return tuple(step.model_copy(update={"lane": lane}) for step in in_part(steps, lane))


def in_part(steps: Iterable[Step], part: str) -> tuple[Step, ...]:
    """Return the steps as those of a part of a plan: they run in their place, one after the other."""
    steps = tuple(steps)
    return renamed(steps, {step.id: prefix_of(part) + step.id for step in steps})


def alone(steps: Iterable[Step], part: str) -> tuple[Step, ...]:
    """Return the steps of one part as they were before they were put into it."""
    own = tuple(step for step in steps if part_of(step.id) == part)
    return renamed(own, {step.id: step.id.removeprefix(prefix_of(part)) for step in own})


def renamed(steps: Iterable[Step], names: Mapping[str, str]) -> tuple[Step, ...]:
    """Return the steps with other ids, and all that refers to them in them; an id that has no new name stays."""
    return tuple(_moved(step, names) for step in steps)


def _moved(step: Step, names: Mapping[str, str]) -> Step:
    return step.model_copy(
        update={
            "id": names.get(step.id, step.id),
            "params": json_object(_refers(step.params, names)),
            "uses": tuple(names.get(id_, id_) for id_ in step.uses),
            "undoes": tuple(names.get(id_, id_) for id_ in step.undoes),
            "undo": _undo(step.undo, names) if step.undo else None,
            "undo_words": _words(step.undo_words, names),
        }
    )


def _undo(undo: Undo, names: Mapping[str, str]) -> Undo:
    return undo.model_copy(update={"params": json_object(_refers(undo.params, names))})


def _words(words: str, names: Mapping[str, str]) -> str:
    return " ".join(names.get(word, word) for word in words.split(" "))


def _refers(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if isinstance(value, list):
        return [_refers(part, names) for part in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"step", "field"}:
        step = str(value["step"])
        return {**value, "step": names.get(step, step)}
    return {name: _refers(part, names) for name, part in value.items()}


def given_to(steps: Iterable[Step], params: JsonObject) -> tuple[Step, ...]:
    """Return the steps with these parameters beside their own, in their undo too; a step's own win."""
    return tuple(
        step.model_copy(
            update={
                "params": {**params, **step.params},
                "undo": step.undo.model_copy(update={"params": {**params, **step.undo.params}}) if step.undo else None,
            }
        )
        for step in steps
    )
