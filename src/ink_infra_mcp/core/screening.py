"""Keeps stored secrets out of a plan before it is stored, shown and approved: masked in words, refused in what runs."""

from collections.abc import Callable, Iterable, Iterator

from pydantic import JsonValue

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Plan, Step, Undo
from ink_infra_mcp.core.rendering import rows_of, runs

Mask = Callable[[str], str]
_LOST = "cannot be put back: what there is holds the value of a stored secret"


def screened(plan: Plan, *, by_value: Mask, of_outside: Mask, names_in: Callable[[str], tuple[str, ...]]) -> Plan:
    """Return the plan without the value of any stored secret.

    `by_value` masks the values of stored secrets, `of_outside` also what only looks like a secret: that goes over what
    a step replaces, which runs no more. What runs is never masked, as a person could not approve it: where it holds a
    value that `names_in` knows, there is no plan. An undo that would put such a value back is left out, and said so.

    Raises:
        InputError: a text that would run holds the value of a stored secret.
    """
    for step in plan.steps:
        _refuse_secret(step, names_in)
    lost = {step.id for step in plan.steps if step.undo and _named(step.undo.params, names_in)}
    steps = [_screened_step(step, lost, by_value, of_outside) for step in plan.steps]
    return plan.model_copy(
        update={
            "title": by_value(plan.title),
            "steps": tuple(steps),
            "blast_radius": by_value(plan.blast_radius),
            "keeps": tuple(map(by_value, plan.keeps)),
            "warnings": tuple(map(by_value, plan.warnings)),
            "reason": by_value(plan.reason),
        }
    )


def _refuse_secret(step: Step, names_in: Callable[[str], tuple[str, ...]]) -> None:
    given = [row for name, value in runs(step).items() for row in rows_of(name, value)]
    given += [(change.name, change.after) for change in step.changes]
    for field, value in given:
        if names := _named(value, names_in):
            raise InputError(
                f"The {field} of {step.target} holds the value of the stored secret {names[0]}.",
                next=f"Give a variable the value secret:{names[0].removeprefix('app:')}, and read the variable there. "
                f"If it is no secret (a name, an address), a person runs `ink-infra-mcp secret remove {names[0]}`.",
            )


def _screened_step(step: Step, lost: Iterable[str], by_value: Mask, of_outside: Mask) -> Step:
    changes = [c.model_copy(update={"before": _masked(c.before, of_outside)}) for c in step.changes]
    gone = step.id in lost
    return step.model_copy(
        update={
            "summary": by_value(step.summary),
            "before": _masked(step.before, of_outside),
            "after": _masked(step.after, by_value),
            "changes": tuple(changes),
            "undo": None if gone or step.undo is None else _screened_undo(step.undo, by_value),
            "undo_words": _LOST if gone else by_value(step.undo_words),
            "undoes": tuple(id_ for id_ in step.undoes if id_ not in lost),
        }
    )


def _screened_undo(undo: Undo, by_value: Mask) -> Undo:
    return undo.model_copy(update={"summary": by_value(undo.summary), "effect": by_value(undo.effect)})


def _masked(text: str | None, mask: Mask) -> str | None:
    return None if text is None else mask(text)


def _named(value: JsonValue, names_in: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    return next((names for text in _texts(value) if (names := names_in(text))), ())


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
