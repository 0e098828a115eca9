"""The risk policy: what it refuses, and that an overlay cannot loosen it in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.plan import Plan, Risk, Step, Undo
from ink_infra_mcp.core.policy import (
    Freeze,
    KindRule,
    LimitRule,
    Limits,
    Loosens,
    Need,
    NeedRule,
    Policy,
    Protected,
    RiskRules,
    UnknownEntry,
    apps_touched,
    baseline,
    names_touched,
    servers_touched,
    tighten,
)
from tests.core.plans import plan, step

NEEDS = dict(zip(Risk, (Need.NONE, Need.NONE, Need.PERSON, Need.PERSON, Need.TYPED, Need.TICKET), strict=True))
BASE = Policy(
    kinds={"coolify.stop": Risk.DISRUPTIVE, "coolify.start": Risk.SAFE, "dns.add_record": Risk.SAFE},
    approval=NEEDS,
    max_steps=3,
    max_monthly_eur=100,
)


def kind(risk: Risk, override: str = "") -> dict[str, dict[str, KindRule]]:
    """Return an overlay's rule for stopping an app."""
    return {"coolify": {"stop": KindRule(risk=risk, why="a test", override=override)}}


@pytest.mark.parametrize(
    ("policy", "asked", "risk", "told"),
    [
        (BASE, plan(step()), Risk.DISRUPTIVE, None),
        (BASE, plan(step(), cost="100.00"), Risk.COSTS_MONEY, None),
        (
            BASE,
            plan(step(), cost="100.01"),
            Risk.COSTS_MONEY,
            "The plan adds 100.01 EUR a month; policy allows 100 in all.",
        ),
        (
            BASE,
            plan(step(), cost="about 5"),
            Risk.SAFE,
            "The plan adds about 5 EUR a month; policy allows 100 in all.",
        ),
        (BASE, plan(step(), cost="nan"), Risk.SAFE, "The plan adds nan EUR a month; policy allows 100 in all."),
        (BASE, plan(step(), cost="10").model_copy(update={"monthly_total_eur": "100.00"}), Risk.SAFE, None),
        (
            BASE,
            plan(step(), cost="10").model_copy(update={"monthly_total_eur": "100.01"}),
            Risk.SAFE,
            "Everything would cost 100.01 EUR a month with this plan; policy allows 100.",
        ),
        (
            BASE,
            plan(step(), cost="10").model_copy(update={"monthly_total_eur": "unknown"}),
            Risk.SAFE,
            "Everything would cost unknown EUR a month with this plan; policy allows 100.",
        ),
        (
            BASE,
            plan(*(step(f"stop_{n}") for n in range(4))),
            Risk.SAFE,
            "The plan has 4 steps; policy allows 3.",
        ),
        (
            BASE.model_copy(update={"freeze": "holidays"}),
            plan(step()),
            Risk.SAFE,
            "Changes are frozen: holidays.",
        ),
        (BASE.model_copy(update={"freeze": "holidays"}), plan(step(reads=True)), Risk.READ, None),
        (BASE.model_copy(update={"freeze": "holidays"}), plan(step()), Risk.READ, "Changes are frozen: holidays."),
        (
            BASE.model_copy(update={"freeze": "holidays", "protected": ("shop",)}),
            plan(step("request_cancel", kind="operations.request_cancel")),
            Risk.SAFE,
            None,
        ),
        (BASE.model_copy(update={"freeze": "holidays", "protected": ("shop",)}), plan(), Risk.DISRUPTIVE, None),
        (
            BASE.model_copy(update={"protected": ("shop", "till")}),
            plan(step(target="till"), target="shop"),
            Risk.SAFE,
            "shop, till is protected by policy; no tool may change it.",
        ),
        (BASE.model_copy(update={"protected": ("sho", "app")}), plan(step()), Risk.DISRUPTIVE, None),
    ],
)
def test_a_refusal_says_which_rule_stands_in_the_way(policy: Policy, asked: Plan, risk: Risk, told: str | None) -> None:
    """Freeze, protected names and limits refuse with a sentence; reading and doing nothing never are refused."""
    assert policy.refusal(asked, risk) == told


def test_a_plan_touches_its_target_its_steps_targets_and_its_locks() -> None:
    """A protected server is found whether a plan names it as target, as a step's target or as a lock."""
    asked = plan(step(target="s1"), target="shop").model_copy(update={"locks": ("app:shop", "host:s2")})
    assert names_touched(asked) == {"shop", "s1", "app:shop", "host:s2", "s2"}


def test_policy_looks_at_all_that_the_steps_touch() -> None:
    """A server or app that any step names is protected, however it is spelt, also where an old plan does."""
    named = step().model_copy(update={"servers": ("muscle-2",), "apps": ("docs",)})
    undo = Undo(kind="coolify.start", target="tills", summary="start")
    old = step("old").model_copy(update={"params": {"muscle": "muscle-3", "host": "factory"}, "undo": undo})
    asked = plan(step("first"), named, old)
    assert names_touched(asked) == {"shop", "app:shop", "muscle-2", "docs", "muscle-3", "factory", "tills"}
    assert (servers_touched(asked), apps_touched(asked)) == ({"muscle-2", "muscle-3", "factory"}, {"docs"})
    for name in ("MUSCLE-2", "docs", "muscle-3", "tills"):
        rules = BASE.model_copy(update={"protected": (name,)})
        assert rules.refusal(asked, Risk.SAFE) == f"{name} is protected by policy; no tool may change it."


def test_the_apps_of_an_old_plan_are_its_target() -> None:
    """A plan from before steps named apps is about the app that it locks."""
    assert (apps_touched(plan(step())), apps_touched(plan(step()).model_copy(update={"locks": ("host:x",)}))) == (
        {"shop"},
        set(),
    )


def test_an_overlay_makes_rules_stricter() -> None:
    """Raised risks and needs, lower limits, a freeze and protected names are taken over, and are no overrides."""
    overlay = RiskRules(
        kinds=kind(Risk.DESTRUCTIVE),
        approval={Risk.SAFE: NeedRule(need=Need.PERSON, why="new here")},
        limits=Limits(max_steps=LimitRule(value=2, why="short plans")),
        freeze=Freeze(active=True, reason="holidays"),
        protected=Protected(targets=("till",)),
    )
    assert tighten(BASE, overlay) == Policy(
        kinds={**BASE.kinds, "coolify.stop": Risk.DESTRUCTIVE},
        approval={**NEEDS, Risk.SAFE: Need.PERSON},
        max_steps=2,
        max_monthly_eur=100,
        freeze="holidays",
        protected=("till",),
    )


def test_a_looser_entry_needs_a_reason_and_names_itself() -> None:
    """Each entry that allows more is listed with what it was and would be, and nothing of the overlay is taken."""
    overlay = RiskRules(
        kinds=kind(Risk.SAFE),
        approval={Risk.DESTRUCTIVE: NeedRule(need=Need.PERSON, why="we are quick")},
        limits=Limits(max_monthly_eur=LimitRule(value=101, why="rich")),
    )
    with pytest.raises(Loosens) as caught:
        tighten(BASE, overlay)
    assert [(e.path, e.was, e.now) for e in caught.value.entries] == [
        (("kinds", "coolify", "stop"), "disruptive", "safe"),
        (("approval", "destructive"), "typed", "person"),
        (("limits", "max_monthly_eur"), "100", "101"),
    ]


def test_what_acts_is_never_said_to_read() -> None:
    """A kind that acts cannot be called `read`, whatever reason is given: reading is what a step does."""
    with pytest.raises(ValueError, match=r"coolify\.stop acts, so that its risk is never `read`"):
        tighten(BASE, RiskRules(kinds=kind(Risk.READ, "test fleet")))


def test_an_override_loosens_openly() -> None:
    """With a reason the looser rule holds, and the reason stands in `overrides` for every plan to show."""
    policy = tighten(BASE, RiskRules(kinds=kind(Risk.SAFE, "test fleet")))
    assert (policy.kinds["coolify.stop"], policy.overrides) == (
        Risk.SAFE,
        ("kinds.coolify.stop: disruptive -> safe (test fleet)",),
    )


def test_a_blank_override_is_none() -> None:
    """Spaces are no reason."""
    with pytest.raises(Loosens):
        tighten(BASE, RiskRules(kinds=kind(Risk.SAFE, "  ")))


def test_a_freeze_is_lifted_with_a_reason_only() -> None:
    """Switching a freeze off loosens; leaving it out does not touch it."""
    frozen = BASE.model_copy(update={"freeze": "holidays"})
    assert tighten(frozen, RiskRules()).freeze == "holidays"
    with pytest.raises(Loosens):
        tighten(frozen, RiskRules(freeze=Freeze(active=False)))
    assert tighten(frozen, RiskRules(freeze=Freeze(active=False, override="over"))).freeze == ""


def test_a_rule_for_an_unknown_kind_is_an_error() -> None:
    """A misspelt step kind would protect nothing, so it is refused with the kinds that there are."""
    overlay = RiskRules(kinds={"coolify": {"stopp": KindRule(risk=Risk.CRITICAL, why="a typo")}})
    with pytest.raises(UnknownEntry) as caught:
        tighten(BASE, overlay)
    assert (caught.value.path, caught.value.known) == (("kinds", "coolify", "stopp"), tuple(BASE.kinds))


def test_a_higher_risk_never_needs_less() -> None:
    """Raising one need above that of a higher risk makes no policy, and neither does a missing one."""
    overlay = RiskRules(approval={Risk.SAFE: NeedRule(need=Need.TICKET, why="odd")})
    with pytest.raises(ValueError, match="asks less for a higher risk"):
        tighten(BASE, overlay)
    with pytest.raises(ValueError, match="says nothing about critical"):
        Policy(kinds={}, approval={r: Need.TICKET for r in list(Risk)[:-1]}, max_steps=1, max_monthly_eur=1)


def test_a_freeze_without_a_reason_is_refused() -> None:
    """Whoever is stopped by a freeze is told why."""
    with pytest.raises(ValueError, match="needs a reason"):
        Freeze(active=True)


def test_a_baseline_without_limits_is_refused() -> None:
    """A packaged file with a hole is no policy."""
    with pytest.raises(ValueError, match="max_steps"):
        baseline(RiskRules())


KINDS = st.dictionaries(
    st.sampled_from(["start", "stop"]), st.builds(KindRule, risk=st.sampled_from(Risk), why=st.just("w")), max_size=2
)
OVERLAYS = st.builds(
    RiskRules,
    kinds=KINDS.map(lambda acts: {"coolify": acts}),
    approval=st.dictionaries(
        st.sampled_from(Risk), st.builds(NeedRule, need=st.sampled_from(Need), why=st.just("w")), max_size=3
    ),
    limits=st.builds(Limits, max_steps=st.none() | st.builds(LimitRule, value=st.integers(0, 6), why=st.just("w"))),
    freeze=st.builds(Freeze, active=st.none() | st.booleans(), reason=st.just("r")),
    protected=st.builds(Protected, targets=st.sampled_from([(), ("till",), ("shop", "till")])),
)


@given(OVERLAYS, st.sampled_from(["", "holidays"]))
def test_no_overlay_without_a_reason_allows_more(overlay: RiskRules, freeze: str) -> None:
    """Whatever an overlay without overrides says, it is refused or every rule is at least as strict as before."""
    base = BASE.model_copy(update={"freeze": freeze, "protected": ("bank",)})
    try:
        found = tighten(base, overlay)
    except ValueError:
        return
    assert found.overrides == ()
    assert all(found.kinds[name].rank >= risk.rank for name, risk in base.kinds.items())
    assert all(found.approval[risk].rank >= need.rank for risk, need in base.approval.items())
    assert found.max_steps <= base.max_steps
    assert bool(found.freeze) >= bool(base.freeze)
    assert set(found.protected) >= set(base.protected)


@given(st.sampled_from(list(Risk)[3:]), st.sampled_from(list(Need)[1:]), st.integers(0, 3))
def test_a_stricter_overlay_needs_no_reason(risk: Risk, need: Need, steps: int) -> None:
    """Nobody has to excuse a rule that is as strict as the packaged one, or stricter."""
    raised = {r: NeedRule(need=max(need, NEEDS[r], key=lambda n: n.rank), why="w") for r in Risk if r is not Risk.READ}
    overlay = RiskRules(kinds=kind(risk), approval=raised, limits=Limits(max_steps=LimitRule(value=steps, why="w")))
    found = tighten(BASE, overlay)
    assert (found.kinds["coolify.stop"], found.max_steps, found.overrides) == (risk, steps, ())


def test_a_plan_of_many_servers_is_refused_only_where_nobody_could_read_it() -> None:
    """Nine that are as the first are a table each and can be read; three that are each otherwise are too long."""

    def lane(name: str, words: int) -> list[Step]:
        text = "".join(f"echo {name} {line:04} {'x' * words}\n" for line in range(400))
        return [step(f"{name}__run", target=name).model_copy(update={"lane": name, "params": {"compose": text}})]

    alike = plan(*(one for number in range(10) for one in lane(f"s{number}", 20)))
    otherwise = plan(*(one for number in range(3) for one in lane(f"s{number}", 20 + number)))
    assert BASE.refusal(alike, Risk.DISRUPTIVE) is None
    assert BASE.refusal(otherwise, Risk.DISRUPTIVE) == (
        "The plan is longer than 40000 characters; nobody could read what they approve. "
        "Ask for less at once, such as fewer servers, or for those together that are alike."
    )
