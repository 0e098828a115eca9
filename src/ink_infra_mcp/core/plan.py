"""A plan: what a mutation would do, as frozen data that a person can read and a digest can pin."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ink_infra_mcp.core.quoting import folded, quoted
from ink_infra_mcp.core.untrusted import clean

CANNOT_BE_UNDONE = "cannot be undone"
SHOWN_WHOLE = ("dockerfile", "compose")
"""Parameters of steps whose text runs: a person reads it whole before saying yes."""

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
    """The step that takes another one back."""

    kind: str
    target: str
    summary: str
    params: JsonObject = {}


class Step(Frozen):
    """One act of a plan: a handler named by `kind`, all that it needs in `params`, and the line a person approves."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    target: str
    summary: str
    before: str | None = None
    after: str | None = None
    params: JsonObject = {}
    uses: tuple[str, ...] = ()
    undo: Undo | None = None
    undo_words: str = CANNOT_BE_UNDONE
    undoes: tuple[str, ...] = ()
    """Ids of earlier steps whose `undo` runs when this step fails; its own, when it fails after it may have acted."""

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
        return self

    @model_validator(mode="after")
    def _says_why_it_has_no_steps(self) -> "Plan":
        if not self.steps and not self.reason:
            raise ValueError("a plan without steps says why")
        return self

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON, in hex: what is approved is what runs."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()

    @property
    def is_noop(self) -> bool:
        """Return whether the world is already as asked."""
        return not self.steps


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


def render(plan: Plan, *, risk: Risk) -> str:
    """Return the plan as the text that a person approves, the same for every channel.

    Each of its texts stays on a line of its own, folded behind a mark: words from outside can make no line that looks
    like the plan's. Texts that run (an inline Dockerfile, a compose file) follow their step whole, see `quoted`.
    """
    if plan.is_noop:
        return _one_line(f"{plan.title}: nothing to do. {plan.reason}")
    head = [plan.title, f"Target: {plan.target} | risk: {_risk_words(plan, risk)} | cost: {_cost(plan)}", ""]
    numbers = {step.id: number for number, step in enumerate(plan.steps, 1)}
    steps = [row for step in plan.steps for row in _step_rows(step, numbers)]
    foot = [f"Affects: {plan.blast_radius}"] if plan.blast_radius else []
    foot += [f"Stays as it is: {kept}" for kept in plan.keeps]
    foot += [f"Warning: {warning}" for warning in (*plan.warnings, *_not_shown(plan))]
    return "\n".join([*_rows(head), *steps, *_rows(foot), f"Plan {plan.digest[:12]}"])


def _rows(lines: Iterable[str]) -> list[str]:
    return [row for line in lines for row in folded(_one_line(line))]


def _one_line(text: str) -> str:
    """Nothing is cut off here: what a person cannot see in full is not put to them at all."""
    return clean(" ".join(text.replace("\t", " ").splitlines()), limit=len(text) + 1)


def _risk_words(plan: Plan, risk: Risk) -> str:
    return risk.value.replace("_", " ") + (" (production)" if plan.production else "")


def _cost(plan: Plan) -> str:
    return "nothing new is bought" if plan.monthly_cost_eur is None else f"{plan.monthly_cost_eur} EUR a month"


def _step_rows(step: Step, numbers: Mapping[str, int]) -> list[str]:
    lines = [f" {numbers[step.id]}. {step.summary}", *_change_lines(step), *_setting_lines(step)]
    texts = [row for name, text in _texts(step) for row in quoted(text, name=name)[0]]
    last = [f"      if it fails, this is undone: {', '.join(_undone_with(step, numbers))}"] if step.undoes else []
    last.append(f"      undo: {step.undo.summary if step.undo else step.undo_words}")
    return [*_rows(lines), *texts, *_rows(last)]


def _undone_with(step: Step, numbers: Mapping[str, int]) -> list[str]:
    """Return what is taken back, in the order in which it is."""
    last_first = sorted((numbers[id_] for id_ in step.undoes), reverse=True)
    return ["this step itself" if number == numbers[step.id] else f"step {number}" for number in last_first]


def _change_lines(step: Step) -> list[str]:
    if step.before is None and step.after is None:
        return []
    return [f"      {step.before or '(nothing)'}  ->  {step.after or '(nothing)'}"]


def _setting_lines(step: Step) -> list[str]:
    """What a thing is made with; of one that is changed, `before` and `after` say it."""
    settings = step.params.get("settings")
    if step.before is not None or not isinstance(settings, dict) or not settings:
        return []
    return [f"      with: {'; '.join(f'{name}={_plain(value)}' for name, value in settings.items())}"]


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(step: Step) -> list[tuple[str, str]]:
    given = ((name, step.params.get(name)) for name in SHOWN_WHOLE)
    return [(name, text) for name, text in given if isinstance(text, str) and text]


def _not_shown(plan: Plan) -> list[str]:
    texts = [(number, *text) for number, step in enumerate(plan.steps, 1) for text in _texts(step)]
    hidden = ((number, name, quoted(text, name=name)[1]) for number, name, text in texts)
    return [f"{count} lines of the {name} of step {number} are not shown" for number, name, count in hidden if count]
