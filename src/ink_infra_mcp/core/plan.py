"""A plan: what a mutation would do, as frozen data that a person can read and a digest can pin."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

CANNOT_BE_UNDONE = "cannot be undone"
JsonObject = dict[str, JsonValue]


class Risk(StrEnum):
    """How much a step can hurt, from nothing to losing data; `critical` is a destructive step on production."""

    READ = "read"
    SAFE = "safe"
    COSTS_MONEY = "costs_money"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"
    CRITICAL = "critical"

    @property
    def word(self) -> str:
        """Return the class in one word, as the README's table and every question have it."""
        return {Risk.READ: "reads", Risk.COSTS_MONEY: "costs"}.get(self, self.value)

    @property
    def rank(self) -> int:
        """Return the place in the order read < safe < costs_money < disruptive < destructive < critical."""
        return list(Risk).index(self)

    def one_higher(self) -> "Risk":
        """Return the next class up; reading stays reading, and `critical` is the top."""
        return self if self is Risk.READ else list(Risk)[min(self.rank + 1, len(Risk) - 1)]


class Frozen(BaseModel):
    """Base of our own values: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Undo(Frozen):
    """The step that takes another one back. `effect` says what becomes of something that runs: `shop is stopped`."""

    kind: str
    target: str
    summary: str
    effect: str = ""
    params: JsonObject = {}


class Change(Frozen):
    """A setting as it is and as it shall be; None: it is not set."""

    name: str
    before: str | None = None
    after: str | None = None


class Step(Frozen):
    """One act of a plan: a handler named by `kind`, all that it needs in `params`, and the line a person approves.

    `servers` and `apps` are the names, as the fleet and Coolify have them, of all that it touches: policy looks at all
    of them. One that only `reads` gets no permit to write.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
    kind: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    target: str
    summary: str
    servers: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    reads: bool = False
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    params: JsonObject = {}
    uses: tuple[str, ...] = ()
    undo: Undo | None = None
    undo_words: str = CANNOT_BE_UNDONE
    undoes: tuple[str, ...] = ()
    """Ids of earlier steps whose `undo` runs when this step fails; its own, when it fails after it may have acted."""
    lane: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""
    """The lane that it runs in: lanes run side by side, and a step that fails ends its own lane only."""

    @property
    def can_undo_itself(self) -> bool:
        """Return whether there is an undo that needs nothing of what the step returns, so that it can fail before."""
        return self.undo is not None and not _stands_for(self.undo.params, self.id)


class Plan(Frozen):
    """An ordered list of steps with what a person must know to say yes or no.

    No steps means "already so", and `reason` says why. Volatile readings never enter a plan, except through `pinned`:
    choices made from them when the plan was first made, which are re-validated but not made anew.
    """

    tool: str
    title: str
    target: str
    locks: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    production: bool = False
    monthly_cost_eur: str | None = None
    monthly_total_eur: str | None = None
    """What everything costs a month after a plan that buys, VAT included; `unknown` is over any budget."""
    blast_radius: str = ""
    keeps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pinned: JsonObject = {}
    phrase: str = ""
    """The target's name, which a person types to approve a destructive plan."""
    reason: str = ""

    @model_validator(mode="after")
    def _steps_fit_together(self) -> "Plan":
        earlier: dict[str, Step] = {}
        for step in self.steps:
            _check_after(step, earlier)
            earlier[step.id] = step
        _check_lanes(self.steps)
        return self

    @model_validator(mode="after")
    def _says_why_it_has_no_steps(self) -> "Plan":
        if not self.steps and not self.reason:
            raise ValueError("a plan without steps says why")
        return self

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON, in hex: what is approved is what runs."""
        fields = self.model_dump(mode="json")
        if self.monthly_total_eur is None:
            # plans that buy nothing have the digest that they had before there was a total
            del fields["monthly_total_eur"]
        return hashlib.sha256(canonical(fields)).hexdigest()

    @property
    def is_noop(self) -> bool:
        """Return whether the world is already as asked."""
        return not self.steps


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a plan that ends before the next one begins: one step alone, or lanes side by side, by their names."""

    steps: tuple[Step, ...]

    @property
    def lanes(self) -> dict[str, tuple[Step, ...]]:
        """Return the steps of each lane, in the order of the plan; empty for a step alone."""
        names = dict.fromkeys(step.lane for step in self.steps if step.lane)
        return {name: tuple(step for step in self.steps if step.lane == name) for name in names}


def side_by_side(steps: Iterable[Step]) -> tuple[Stretch, ...]:
    """Return the steps in stretches: each step without a lane alone, those with one together with their neighbours."""
    stretches: list[Stretch] = []
    for in_lanes, group in groupby(steps, key=lambda step: bool(step.lane)):
        together = tuple(group)
        stretches += [Stretch(together)] if in_lanes else [Stretch((step,)) for step in together]
    return tuple(stretches)


def _check_lanes(steps: tuple[Step, ...]) -> None:
    """What runs beside something cannot build on it, and a lane that has ended does not begin again."""
    lane_of = {step.id: step.lane for step in steps}
    for step in steps:
        if beside := _of_another_lane(step, lane_of):
            raise ValueError(f"step {step.id!r} builds on {sorted(beside)} of another lane")
    names = [name for stretch in side_by_side(steps) for name in stretch.lanes]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"the lanes {sorted(twice)} begin twice")


def _of_another_lane(step: Step, lane_of: Mapping[str, str]) -> set[str]:
    """A lane may use what was there before all lanes; it takes back only its own."""
    fit = {"", step.lane} if step.lane else set(lane_of.values())
    used = {id_ for id_ in step.uses if lane_of[id_] not in fit}
    return used | {id_ for id_ in step.undoes if lane_of[id_] != step.lane}


def _check_after(step: Step, earlier: Mapping[str, Step]) -> None:
    if step.id in earlier:
        raise ValueError(f"step id {step.id!r} is used twice")
    if missing := ({*step.uses, *step.undoes} - earlier.keys()) - ({step.id} - set(step.uses)):
        raise ValueError(f"step {step.id!r} refers to {sorted(missing)}, which do not come before it")
    if lost := [id_ for id_ in step.undoes if not {**earlier, step.id: step}[id_].undo]:
        raise ValueError(f"step {step.id!r} undoes {lost}, which cannot be undone")
    if step.id in step.undoes and not step.can_undo_itself:
        raise ValueError(f"step {step.id!r} undoes itself with its own result, which it has not when it fails")


def _stands_for(value: JsonValue, step_id: str) -> bool:
    """Return whether the value holds a result of that step (see `core.step.result_of`)."""
    if isinstance(value, dict):
        return value.get("step") == step_id or any(_stands_for(part, step_id) for part in value.values())
    return isinstance(value, list) and any(_stands_for(part, step_id) for part in value)


def canonical(value: object) -> bytes:
    """Return the one JSON encoding of `value`: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def risk_of(plan: Plan, kinds: Mapping[str, Risk]) -> Risk:
    """Return the worst risk of the plan's steps, one class higher when it touches production.

    Raises:
        KeyError: a step's kind has no declared risk, which is a bug of the tool and never means "safe".
    """
    worst = max((kinds[step.kind] for step in plan.steps), key=lambda r: r.rank, default=Risk.READ)
    return worst.one_higher() if plan.production else worst


def placed(steps: Iterable[Step], *, servers: Iterable[str] = (), apps: Iterable[str] = ()) -> tuple[Step, ...]:
    """Return the steps such that each names these servers and apps, beside those that it names already."""
    more, names = tuple(filter(None, servers)), tuple(filter(None, apps))
    return tuple(
        step.model_copy(
            update={
                "servers": tuple(dict.fromkeys((*step.servers, *more))),
                "apps": tuple(dict.fromkeys((*step.apps, *names))),
            }
        )
        for step in steps
    )
