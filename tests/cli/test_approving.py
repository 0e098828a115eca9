"""Approvals at the terminal: what waits, what a person sees, and who can decide."""

from pathlib import Path

import pytest

from ink_infra_mcp.cli import approve
from ink_infra_mcp.cli.store import opened
from ink_infra_mcp.cli.terminal import operator
from ink_infra_mcp.core.errors import ApprovalInvalid
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.rendering import render
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.state.records import ApprovalState
from tests.cli.people import Scripted
from tests.cli.stores import PLAN, Shelf
from tests.cli.terminals import at_terminal, command, inside
from tests.clock import FakeClock


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Return a store of its own."""
    return Shelf(tmp_path)


def test_pending_approvals_are_listed(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """The list has everything that tells one question from another, and how to answer it."""
    first, second = (
        shelf.propose(),
        shelf.propose(
            need=Need.TICKET, risk=Risk.CRITICAL, plan=PLAN.model_copy(update={"target": "docs", "tool": "control_app"})
        ),
    )
    ended = inside(capsys, "approvals", *shelf.flags)
    assert (ended.status, ended.out.splitlines()) == (
        0,
        [
            "id             state  tool         target  risk        needs   asked by    expires in",
            f"{first.id}  waits  delete_app   shop    disruptive  person  local:anna  10 min",
            f"{second.id}  waits  control_app  docs    critical    ticket  local:anna  10 min",
            "",
            "Show a plan and decide: ink-infra-mcp approve ID --sandbox, or ink-infra-mcp deny ID --sandbox",
        ],
    )


def test_no_approvals_are_said_to_be_none(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list says so."""
    said = "Nothing waits for a person, and no yes is left unused.\n"
    assert inside(capsys, "approvals", *shelf.flags).out == said


def test_a_yes_that_nothing_has_used_is_listed_until_it_is_taken_back(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was approved and did not begin is no secret of the store: it is listed as such, and denying ends it."""
    approval = shelf.propose()
    with opened(shelf.arguments) as desk:
        desk.decide(approval.id, Answer("accept"), by="terminal:anna")
    listed = inside(capsys, "approvals", *shelf.flags).out.splitlines()
    with at_terminal("deny", approval.id, *shelf.flags) as person:
        person.expect("Turned down: Delete shop. Nothing was changed.")
        status = person.end()
    assert listed == [
        "id             state             tool        target  risk        needs   asked by    expires in",
        f"{approval.id}  approved, unused  delete_app  shop    disruptive  person  local:anna  10 min",
        "",
        "Show a plan and decide: ink-infra-mcp approve ID --sandbox, or ink-infra-mcp deny ID --sandbox",
        "A yes that nothing has used is taken back by: ink-infra-mcp deny ID --sandbox",
    ]
    assert (status, shelf.approval(approval.id).state) == (0, ApprovalState.WITHDRAWN)
    assert inside(capsys, "approvals", *shelf.flags).out.startswith("Nothing waits for a person")


@pytest.mark.parametrize("words", ["approve", "deny"])
def test_a_decision_cannot_be_piped_in(shelf: Shelf, words: str) -> None:
    """A program that writes `yes` or the name to standard input decides nothing: a model may have a shell."""
    approval = shelf.propose()
    ended = command(words, approval.id, *shelf.flags, stdin="yes\nshop\n")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("[approval_invalid] This decision is a person's.")
    assert shelf.approval(approval.id).state is ApprovalState.PENDING


def test_a_yes_approves_what_needs_a_person(shelf: Shelf) -> None:
    """At a terminal the plan is shown as every channel shows it; a yes approves it, as a ticket of this user."""
    approval = shelf.propose()
    with at_terminal("approve", approval.id, *shelf.flags) as person:
        person.expect(render(PLAN, risk=Risk.DISRUPTIVE, sandbox=True))
        person.expect("Asked for by local:anna.")
        person.expect("Approve this plan? [y/N] ")
        person.type("y")
        person.expect("It runs when delete_app is called again with the same arguments, once.")
        status = person.end()
    decided, line = shelf.approval(approval.id), shelf.last_line()
    assert (status, decided.state, decided.channel) == (0, ApprovalState.APPROVED, "ticket")
    assert (line.event, line.principal, line.detail["channel"]) == ("approved", f"terminal:{operator()}", "ticket")


@pytest.mark.parametrize("words", ["yess", ""])
def test_what_is_no_yes_turns_the_plan_down(shelf: Shelf, words: str) -> None:
    """Any answer that is not a yes, enter alone too, is a no, which the audit keeps and the exit status tells."""
    approval = shelf.propose()
    with at_terminal("approve", approval.id, *shelf.flags) as person:
        person.expect("[y/N] ")
        person.type(words)
        person.expect("Turned down. Nothing was changed.")
        status = person.end()
    assert (status, shelf.approval(approval.id).state, shelf.last_line().event) == (1, ApprovalState.DENIED, "denied")


def test_the_name_approves_what_needs_a_ticket(shelf: Shelf) -> None:
    """What only an operator's terminal may approve is approved there by typing the target's name."""
    approval = shelf.propose(need=Need.TICKET, risk=Risk.CRITICAL)
    with at_terminal("approve", approval.id, *shelf.flags) as person:
        person.expect("To approve, type shop: ")
        person.type("shop")
        status = person.end()
    assert (status, shelf.approval(approval.id).state) == (0, ApprovalState.APPROVED)


def test_a_person_can_deny_without_reading(shelf: Shelf) -> None:
    """`deny` at a terminal turns the plan down at once."""
    approval = shelf.propose()
    with at_terminal("deny", approval.id, *shelf.flags) as person:
        person.expect("Turned down: Delete shop. Nothing was changed.")
        status = person.end()
    assert (status, shelf.approval(approval.id).state) == (0, ApprovalState.DENIED)


def test_a_yes_that_nothing_has_used_can_be_taken_back(shelf: Shelf) -> None:
    """Denying what was approved withdraws the yes, once; the audit says who did."""
    approval = shelf.propose()
    with opened(shelf.arguments) as desk:
        desk.decide(approval.id, Answer("accept"), by="terminal:anna")
        desk.deny(approval.id, by="terminal:bert")
        line = shelf.last_line()
        assert (line.event, line.principal) == ("withdrawn", "terminal:bert")
        with pytest.raises(ApprovalInvalid):
            desk.deny(approval.id, by="terminal:bert")
    assert shelf.approval(approval.id).state is not ApprovalState.APPROVED


@pytest.mark.parametrize("need", [Need.TYPED, Need.TICKET])
@pytest.mark.parametrize("typed", ["", "yes", "Shop", "shop2"])
def test_another_name_never_approves(shelf: Shelf, need: Need, typed: str) -> None:
    """Where the target's name is asked for, everything else is a refusal, enter too."""
    person = Scripted([("To approve, type shop", typed)])
    assert approve.answered(shelf.propose(need=need), person) == Answer("decline")
    assert "That is not shop." in person.told


def test_a_plan_without_a_phrase_still_asks_for_the_target(shelf: Shelf) -> None:
    """An approval without a phrase does not turn the top class into a question that enter answers."""
    nameless = shelf.propose(need=Need.TICKET).model_copy(update={"phrase": ""})
    assert approve.answered(nameless, Scripted([("type shop", "")])) == Answer("decline")
    assert approve.answered(nameless, Scripted([("type shop", "shop")])) == Answer("accept")


def test_words_from_outside_cannot_repaint_the_plan(shelf: Shelf) -> None:
    """Terminal commands in a name are written out, so that no line of the plan can be hidden."""
    plan = PLAN.model_copy(update={"title": "Delete shop\x1b[1A\x1b[2KDeploy docs"})
    approval = shelf.propose(plan=plan)
    with at_terminal("approve", approval.id, *shelf.flags) as person:
        person.expect("Delete shop<U+001B>[1A<U+001B>[2KDeploy docs\n")
        person.expect("[y/N] ")
        person.type("n")
        person.end()
    assert "\x1b" not in person.seen


@pytest.mark.parametrize(
    ("arrange", "why"),
    [
        ("unknown", "There is no approval 'ap-unknown'."),
        ("denied", "is denied already by terminal:anna."),
        ("expired", "has expired."),
    ],
)
def test_what_cannot_be_decided_says_why(shelf: Shelf, arrange: str, why: str) -> None:
    """Unknown, decided and expired approvals are told apart before anybody is asked."""
    approval_id = "ap-unknown"
    if arrange != "unknown":
        approval_id = shelf.propose(clock=FakeClock() if arrange == "expired" else None).id
    with opened(shelf.arguments) as desk:
        if arrange == "denied":
            desk.decide(approval_id, Answer("decline"), by="terminal:anna")
        with pytest.raises(ApprovalInvalid) as raised:
            desk.question(approval_id)
    assert raised.value.failed.endswith(why)


def test_no_system_is_needed_to_decide(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    """Approvals are read and decided with a fleet whose Coolify does not exist, and without any token."""
    approval = shelf.propose()
    config = shelf.folder / "fleet.toml"
    config.write_text(
        '[coolify]\nurl = "https://coolify.example.com"\n[factory]\nname = "factory"\naddress = "192.0.2.10"\n',
        encoding="utf-8",
    )
    flags = ("--config", str(config), "--state", shelf.url)
    assert approval.id in inside(capsys, "approvals", *flags).out
    with at_terminal("approve", approval.id, *flags) as person:
        person.expect("[y/N] ")
        person.type("y")
        assert person.end() == 0
