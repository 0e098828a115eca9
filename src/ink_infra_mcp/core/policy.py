"""What policy says about a plan: the risk of each step kind, the approval a risk needs, and what is refused."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from ink_infra_mcp.core.plan import Frozen, Plan, Risk, Step, side_by_side
from ink_infra_mcp.core.rendering import render

MAX_PLAN_TEXT = 40_000
"""Characters of a plan as a terminal shows it: ten sheets of paper, of which the most is one text that runs."""


_STOPS = frozenset({"operations.request_cancel"})


class Need(StrEnum):
    """What must be given before a plan runs, from nothing to an operator who is not at the model's client."""

    NONE = "none"
    PERSON = "person"
    TYPED = "typed"
    TICKET = "ticket"

    @property
    def rank(self) -> int:
        """Return the place in the order none < person < typed < ticket."""
        return list(Need).index(self)


class Rule(Frozen):
    """One entry of a policy file: `why` is the reason it stands, `override` the reason an overlay may loosen it."""

    why: Annotated[str, Field(min_length=1)]
    override: str = ""


class KindRule(Rule):
    """The risk of one step kind."""

    risk: Risk


class NeedRule(Rule):
    """What one class of risk needs."""

    need: Need


class LimitRule(Rule):
    """An upper bound on what one plan may hold."""

    value: Annotated[int, Field(ge=0)]


class Limits(Frozen):
    """Bounds of a single plan: its number of steps, and what it may add to the monthly bill (EUR)."""

    max_steps: LimitRule | None = None
    max_monthly_eur: LimitRule | None = None


class Freeze(Frozen):
    """A stop to every change while it is active; `reason` is what callers are told."""

    active: bool | None = None
    reason: str = ""
    override: str = ""

    @model_validator(mode="after")
    def _says_why(self) -> "Freeze":
        if self.active and not self.reason:
            raise ValueError("an active freeze needs a reason")
        return self


class Protected(Frozen):
    """Apps and servers that no plan may touch, by the name that plans show."""

    targets: tuple[str, ...] = ()


class RiskRules(Frozen):
    """risk.toml as it is written: the packaged baseline has every section, an overlay only what it changes."""

    kinds: dict[str, dict[str, KindRule]] = {}
    approval: dict[Risk, NeedRule] = {}
    limits: Limits = Limits()
    freeze: Freeze = Freeze()
    protected: Protected = Protected()

    @property
    def flat_kinds(self) -> dict[str, KindRule]:
        """Return the rules by full step kind, such as `coolify.deploy`."""
        return {f"{part}.{act}": rule for part, acts in self.kinds.items() for act, rule in acts.items()}


class Loosened(Frozen):
    """One entry of an overlay that allows more than the baseline, and the reason it carries (maybe none)."""

    path: tuple[str, ...]
    was: str
    now: str
    override: str

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.was} -> {self.now} ({self.override})"


class Loosens(ValueError):
    """An overlay allows more than the baseline without an `override`; `entries` are those that lack it."""

    def __init__(self, entries: tuple[Loosened, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(e.path)}: {e.was} -> {e.now}" for e in entries))
        self.entries = entries


class UnknownEntry(ValueError):
    """An overlay has a rule for something that the baseline does not know; `known` are the names that it does."""

    def __init__(self, path: tuple[str, ...], known: Iterable[str]) -> None:
        super().__init__(".".join(path))
        self.path = path
        self.known = tuple(known)


class Policy(Frozen):
    """The rules in force. A higher risk never needs less than a lower one, and every risk has its need.

    `overrides` lists, in words, each entry of the operator's overlay that is looser than the packaged baseline.
    """

    kinds: Mapping[str, Risk]
    approval: Mapping[Risk, Need]
    max_steps: int
    max_monthly_eur: int
    freeze: str = ""
    """Why every change is frozen; empty: no freeze."""
    protected: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _needs_rise_with_risk(self) -> "Policy":
        if missing := sorted(set(Risk) - set(self.approval)):
            raise ValueError(f"approval says nothing about {', '.join(missing)}")
        needs = [self.approval[risk].rank for risk in Risk]
        if needs != sorted(needs):
            raise ValueError("approval asks less for a higher risk than for a lower one")
        return self

    def by_ticket_only(self) -> "Policy":
        """Return the same policy with every decision of a person moved to an operator's terminal."""
        moved = {risk: Need.NONE if need is Need.NONE else Need.TICKET for risk, need in self.approval.items()}
        return self.model_copy(update={"approval": moved})

    def refusal(self, plan: Plan, risk: Risk) -> str | None:
        """Return why the plan may not run whatever a person says, in whole sentences, or None.

        A plan that only reads is never refused, and no rule keeps a running operation from being stopped. What a step
        does tells whether it reads, and not what an overlay calls its risk. A cost that cannot be read counts as too
        high.
        """
        if all(step.reads or step.kind in _STOPS for step in plan.steps):
            return None
        if self.freeze:
            return f"Changes are frozen: {_sentence(self.freeze)}"
        touched = {name.casefold() for name in names_touched(plan)}
        if hit := [name for name in self.protected if name.casefold() in touched]:
            return f"{', '.join(hit)} is protected by policy; no tool may change it."
        if len(render(plan, risk=risk)) > MAX_PLAN_TEXT:
            return (
                f"The plan is longer than {MAX_PLAN_TEXT} characters; nobody could read what they approve. "
                "Ask for less at once, such as fewer servers, or for those together that are alike."
            )
        return self._over_limit(plan)

    def _over_limit(self, plan: Plan) -> str | None:
        if (in_a_row := _in_a_row(plan)) > self.max_steps:
            how = " in a row" if in_a_row < len(plan.steps) else ""
            return f"The plan has {in_a_row} steps{how}; policy allows {self.max_steps}."
        if _eur(plan.monthly_cost_eur) > self.max_monthly_eur:
            return f"The plan adds {plan.monthly_cost_eur} EUR a month; policy allows {self.max_monthly_eur} in all."
        if _eur(plan.monthly_total_eur) > self.max_monthly_eur:
            total = plan.monthly_total_eur
            return f"Everything would cost {total} EUR a month with this plan; policy allows {self.max_monthly_eur}."
        return None


def names_touched(plan: Plan) -> set[str]:
    """Return every name by which a plan says what it changes: target, typed phrase, locks, and all of each step.

    That is its target and that of its undo, its servers and its apps. A lock such as `app:shop` counts as itself and as
    `shop`; what happens to an app happens to its Muscle. Steps of a plan from before steps had servers name them as
    `muscle` and `host` only.
    """
    locks = {name for lock in plan.locks for name in (lock, lock.partition(":")[2])}
    steps = {name for step in plan.steps for name in _names_of(step)}
    return {plan.target, plan.phrase, *steps, *locks} - {""}


def servers_touched(plan: Plan) -> set[str]:
    """Return the servers that the steps of a plan name."""
    named = {str(step.params.get(name, "")) for step in plan.steps for name in ("muscle", "host")}
    return {*named, *(server for step in plan.steps for server in step.servers)} - {""}


def apps_touched(plan: Plan) -> set[str]:
    """Return the apps that the steps of a plan name; of one from before steps had apps, its target, if that is one."""
    named = {app for step in plan.steps for app in step.apps}
    is_app = any(lock.startswith(("app:", "name:")) for lock in plan.locks)
    return named or ({plan.target} if is_app else set())


def _names_of(step: Step) -> set[str]:
    told = {str(step.params.get(name, "")) for name in ("muscle", "host")}
    return {step.target, step.undo.target if step.undo else "", *step.servers, *step.apps, *told}


def _in_a_row(plan: Plan) -> int:
    """Lanes say the same of each server: who has read one has read the others but for their names."""
    stretches = side_by_side(plan.steps)
    return sum(max(map(len, stretch.lanes.values()), default=1) for stretch in stretches)


def baseline(rules: RiskRules) -> Policy:
    """Return the policy of the packaged file alone.

    Raises:
        ValueError: a section is missing, so that the policy would have a hole.
    """
    if rules.limits.max_steps is None or rules.limits.max_monthly_eur is None:
        raise ValueError("limits needs max_steps and max_monthly_eur")
    return Policy(
        kinds={kind: rule.risk for kind, rule in rules.flat_kinds.items()},
        approval={risk: rule.need for risk, rule in rules.approval.items()},
        max_steps=rules.limits.max_steps.value,
        max_monthly_eur=rules.limits.max_monthly_eur.value,
        freeze=_frozen_because(rules.freeze, ""),
        protected=rules.protected.targets,
    )


def tighten(base: Policy, overlay: RiskRules) -> Policy:
    """Return `base` with the overlay's entries in place of its own; protected targets add up.

    Raises:
        Loosens: an entry allows more than `base` and carries no `override`.
        UnknownEntry: a step kind that `base` does not have: a rule that would never apply.
        ValueError: the result asks less for a higher risk, or a kind that acts is called one that reads.
    """
    if strangers := sorted(overlay.flat_kinds.keys() - base.kinds.keys()):
        raise UnknownEntry(("kinds", *strangers[0].split(".", 1)), base.kinds)
    if hidden := [kind for kind, rule in overlay.flat_kinds.items() if _hides_an_act(base.kinds[kind], rule.risk)]:
        raise ValueError(f"{hidden[0]} acts, so that its risk is never `read`; what it needs is said under `approval`")
    overrides = admitted(_loosened(base, overlay))
    limits = overlay.limits
    return Policy(
        kinds={**base.kinds, **{kind: rule.risk for kind, rule in overlay.flat_kinds.items()}},
        approval={**base.approval, **{risk: rule.need for risk, rule in overlay.approval.items()}},
        max_steps=_limit(limits.max_steps, base.max_steps),
        max_monthly_eur=_limit(limits.max_monthly_eur, base.max_monthly_eur),
        freeze=_frozen_because(overlay.freeze, base.freeze),
        protected=tuple(sorted({*base.protected, *overlay.protected.targets})),
        overrides=(*base.overrides, *overrides),
    )


def admitted(entries: Iterable[Loosened]) -> tuple[str, ...]:
    """Return loosened entries in words.

    Raises:
        Loosens: some of them carry no reason.
    """
    found = tuple(entries)
    if bare := tuple(entry for entry in found if not entry.override.strip()):
        raise Loosens(bare)
    return tuple(str(entry) for entry in found)


def _hides_an_act(was: Risk, now: Risk) -> bool:
    return now is Risk.READ and was is not Risk.READ


def _limit(rule: LimitRule | None, otherwise: int) -> int:
    return otherwise if rule is None else rule.value


def _frozen_because(freeze: Freeze, otherwise: str) -> str:
    if freeze.active is None:
        return otherwise
    return freeze.reason if freeze.active else ""


def _loosened(base: Policy, overlay: RiskRules) -> list[Loosened]:
    found = [*_looser_kinds(base, overlay), *_looser_needs(base, overlay), *_looser_limits(base, overlay)]
    if base.freeze and overlay.freeze.active is False:
        found.append(Loosened(path=("freeze",), was="active", now="off", override=overlay.freeze.override))
    return found


def _looser_kinds(base: Policy, overlay: RiskRules) -> list[Loosened]:
    return [
        Loosened(path=("kinds", *kind.split(".", 1)), was=was.value, now=rule.risk.value, override=rule.override)
        for kind, rule in overlay.flat_kinds.items()
        if rule.risk.rank < (was := base.kinds[kind]).rank
    ]


def _looser_needs(base: Policy, overlay: RiskRules) -> list[Loosened]:
    return [
        Loosened(path=("approval", risk.value), was=was.value, now=rule.need.value, override=rule.override)
        for risk, rule in overlay.approval.items()
        if rule.need.rank < (was := base.approval[risk]).rank
    ]


def _looser_limits(base: Policy, overlay: RiskRules) -> list[Loosened]:
    bounds = (
        ("max_steps", base.max_steps, overlay.limits.max_steps),
        ("max_monthly_eur", base.max_monthly_eur, overlay.limits.max_monthly_eur),
    )
    return [
        Loosened(path=("limits", name), was=str(was), now=str(rule.value), override=rule.override)
        for name, was, rule in bounds
        if rule is not None and rule.value > was
    ]


def _eur(amount: str | None) -> Decimal:
    """What is no number is over any budget."""
    try:
        cost = Decimal(amount or "0")
    except InvalidOperation:
        return Decimal("Infinity")
    return Decimal("Infinity") if cost.is_nan() else cost


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
