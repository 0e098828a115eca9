"""Each outcome of the closed set, met with real tools: what the caller reads, the world shows and the audit says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import ClientRequestContext
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

from ink_infra_mcp.core.operation import Check, Outcome
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.policy import Policy
from ink_infra_mcp.core.receipt import StepReport
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from ink_infra_mcp.settings.policy_files import load_policy
from tests.guard.bed import CREATES, HELLO, STOP, THEIRS, Held, begun, locked, nothing_is_written, told
from tests.guard.toy import FillBoth, toy
from tests.ink import ERAS, Era, Ink, Person, data, ink, says, says_yes, text

pytestmark = pytest.mark.anyio

LIMIT_S = 120
NOTED = {"note_deployments": "done", "note_containers": "done"}
PUSHED = commit_sha("example/hello main, pushed while the person thinks")


class Meddler(Person):
    """A person who says yes, after the world has changed behind the question."""

    def __init__(self, it: Ink, meddle: Callable[[WorldState], None]) -> None:
        super().__init__([ElicitResult(action="accept", content={})])
        self._it, self._meddle = it, meddle

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Change the world, and accept."""
        with self._it.world.change() as state:
            self._meddle(state)
        return await super().__call__(context, params)


def steps_of(result: CallToolResult) -> dict[str, str]:
    """Return where each step stands."""
    return {step["id"]: step["state"] for step in data(result)["steps"]}


def checks_of(result: CallToolResult) -> dict[str, str]:
    """Return each check's status."""
    return {check["name"]: check["status"] for check in data(result)["checks"]}


async def test_applied_says_what_was_done_and_proved(tmp_path: Path) -> None:
    """Steps done, checks passed, the world as promised, targets free, and the whole story in the audit."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            result = await client.call_tool("control_app", STOP)
            story = await told(it)
            shop = it.state.coolify.applications[0]
            assert await locked(it, f"app:{shop.uuid}") == []

    assert (data(result)["outcome"], result.is_error) == ("applied", False)
    assert (steps_of(result), checks_of(result)) == ({"stop": "done"}, {"stopped": "passed"})
    assert shop.status.startswith("exited")
    assert story == ["proposed", "approved accept", "begin", "step done", "end applied"]


async def test_already_so_asks_nobody_and_changes_nothing(tmp_path: Path) -> None:
    """A running app need not be started: the answer is the reason, and the audit has the call."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", {"app": "shop", "action": "start"})
            assert await told(it) == ["stopped already_so"]

    assert (data(result)["outcome"], result.is_error) == ("already_so", False)
    assert "shop runs. Nothing was changed." in text(result)
    assert person.asked == []


async def test_approval_required_says_how_a_person_approves(tmp_path: Path) -> None:
    """A client that cannot ask gets the plan and the command; nothing happens until somebody runs that."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)
            assert await told(it) == ["proposed"]

    assert (data(result)["outcome"], result.is_error) == ("approval_required", False)
    assert "Nothing was changed." in text(result)
    assert f"`ink-infra-mcp approve {data(result)['approval_id']} --sandbox`" in text(result)
    assert "1. Stop shop" in data(result)["plan"]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_not_approved_is_a_persons_no(tmp_path: Path, era: Era, action: str) -> None:
    """Declined or dismissed: nothing was changed, and the audit keeps which of the two it was."""
    person = says("decline" if action == "decline" else "cancel")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)
            assert await told(it) == ["proposed", f"denied {action}"]

    assert data(result)["outcome"] == "not_approved"
    assert f"The person chose {action}. Nothing was changed." in text(result)
    assert len(person.asked) == 1


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"protected": ("shop",)}, "shop is protected by policy; no tool may change it."),
        ({"freeze": "Holidays until 7 January"}, "Changes are frozen: Holidays until 7 January."),
        ({"max_steps": 0}, "The plan has 1 steps; policy allows 0."),
    ],
    ids=["protected", "frozen", "too long"],
)
async def test_refused_by_policy_asks_nobody(tmp_path: Path, rules: dict[str, Any], why: str) -> None:
    """What policy forbids is refused before a person is asked, with the rule's own words and the plan."""
    person, policy = says_yes(), load_policy(None).model_copy(update=rules)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policy=Policy.model_validate(policy)) as it, it.client(person) as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)
            assert await told(it) == ["stopped refused_by_policy"]

    assert (data(result)["outcome"], result.is_error) == ("refused_by_policy", True)
    assert f"{why} Nothing was changed." in text(result)
    assert person.asked == []


@pytest.mark.parametrize("era", ERAS)
async def test_plan_drifted_shows_the_new_plan_and_runs_neither(tmp_path: Path, era: Era) -> None:
    """A push between question and answer: the approved commit is no longer the newest, so nothing is built."""

    def push(state: WorldState) -> None:
        state.github.repos["example/hello"].branches["main"] = PUSHED

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(Meddler(it, push), era=era) as client:
            with nothing_is_written(it):
                result = await client.call_tool("deploy_app", HELLO)
            assert await told(it) == ["proposed", "approved accept", "stopped plan_drifted"]

    assert (data(result)["outcome"], result.is_error) == ("plan_drifted", True)
    assert "The world changed since the plan was made. Nothing was changed." in text(result)
    assert PUSHED[:12] in data(result)["plan"]


async def test_locked_says_who_holds_it_and_for_what(tmp_path: Path) -> None:
    """While one caller's operation runs, another caller is told about it and asked nothing."""
    held, person = Held("coolify.stop"), says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it, it.client(person) as client:
            running = await begun(it, "control_app", STOP, THEIRS)
            await held.entered.wait()
            with nothing_is_written(it):
                result = await client.call_tool("control_app", {"app": "shop", "action": "restart"})
            assert (await told(it))[-1] == "stopped locked"
            held.go.set()
            await it.app.follow(running.operation_id or "", 30, None)

    assert (data(result)["outcome"], result.is_error) == ("locked", True)
    assert f"held by operation {running.operation_id} of local:other (Stop shop on muscle-1) since" in text(result)
    assert "Nothing was changed." in text(result)
    assert person.asked == []


async def test_failed_says_what_failed_and_how_far_it_came(tmp_path: Path) -> None:
    """A build that breaks: the step, a probable cause and the fenced end of its log; the rest never began."""
    broken = {"name": "broken", "repository": "https://github.com/example/broken", "wait_s": 30}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            result = await client.call_tool("deploy_app", broken)
            story = await told(it)

    assert (data(result)["outcome"], result.is_error) == ("failed", True)
    assert steps_of(result) == {"create_app": "done", **NOTED, "deploy": "failed", "prove_isolation": "not begun"}
    assert "Step deploy failed; 3 of 5 steps done." in text(result)
    assert "Probable cause: " in text(result)
    assert data(result)["problem"]["untrusted_log"]
    assert story[-3:] == ["step done", "step failed", "end failed"]


async def test_undone_takes_back_what_the_plan_said(tmp_path: Path) -> None:
    """An app that turns out not to be isolated is stopped again, and that is what the answer says."""

    def escape(kind: str, handler: Handler) -> Handler:
        async def deploy(call: StepCall) -> JsonObject:
            result = await handler(call)
            with world[0].world.change() as state:
                for container in state.hosts["muscle-1"].containers + state.hosts["muscle-2"].containers:
                    container.runtime = "runc"
            return result

        return deploy if kind == "coolify.first_deploy" else handler

    world: list[Ink] = []
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=escape) as it, it.client(says_yes()) as client:
            world.append(it)
            result = await client.call_tool("deploy_app", HELLO)
            story = await told(it)
            hello = next(app for app in it.state.coolify.applications if app.text("name") == "hello")

    assert (data(result)["outcome"], result.is_error) == ("undone", True)
    assert steps_of(result) == {"create_app": "done", **NOTED, "deploy": "undone", "prove_isolation": "failed"}
    assert "Step prove_isolation failed, and the undo of deploy ran. The app does not run isolated" in text(result)
    assert hello.status.startswith("exited")
    assert story[-4:] == ["step done", "step failed", "undo done", "end undone"]


async def test_applied_unverified_names_what_is_not_as_promised(tmp_path: Path) -> None:
    """The app runs, but its name is somebody else's: the steps are done and the answer does not call it proved."""

    def give_away(state: WorldState) -> None:
        for zone in state.hetzner.zones:
            for held in (zone.rrsets, zone.served):
                held += [
                    RRset(name=name, type="A", records=[Record(value="203.0.113.9")], ttl=300)
                    for name in ("hello.s1", "hello.s2")
                ]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            with it.world.change() as state:
                give_away(state)
            result = await client.call_tool("deploy_app", HELLO)
            story = await told(it)

    assert (data(result)["outcome"], result.is_error) == ("applied_unverified", True)
    assert set(steps_of(result).values()) == {"done"}
    assert {name for name, status in checks_of(result).items() if status == "failed"} == {"dns"}
    assert "the steps ran, but this is not as promised: dns." in text(result)
    assert story[-1] == "end applied_unverified"


async def test_cancelled_stops_before_the_next_step(tmp_path: Path) -> None:
    """The step that runs ends, the next does not begin, what is done stays done, and the same call plans the rest."""
    held = Held("coolify.create_application")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it, it.client(says_yes()) as client:
            running = await begun(it, "deploy_app", HELLO)
            await held.entered.wait()
            cancel = await client.call_tool("cancel_operation", {"operation": running.operation_id, "wait_s": 30})
            held.go.set()
            receipt = await it.app.follow(running.operation_id or "", 30, None)
            story = await told(it)
            left = await client.call_tool("deploy_app", HELLO)

    assert data(cancel)["outcome"] == "applied"
    assert receipt.outcome is Outcome.CANCELLED
    assert {step.id: step.state for step in receipt.steps} == {
        "create_app": "done",
        **dict.fromkeys(NOTED, "not begun"),
        "deploy": "not begun",
        "prove_isolation": "not begun",
    }
    assert (
        receipt.message
        == "Cancelled before step note_deployments; 1 of 5 steps done. The same call plans what is left."
    )
    assert story[-1] == "end cancelled"
    assert data(left)["outcome"] == "applied"
    assert "create_app" not in steps_of(left)


async def test_running_gives_an_id_to_follow(tmp_path: Path) -> None:
    """A call that does not wait returns at once; get_operation follows it, and it ends without its caller."""
    held = Held("coolify.create_application")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it, it.client(says_yes()) as client:
            with nothing_is_written(it):
                result = await client.call_tool("deploy_app", {**HELLO, "wait_s": 0})
                await held.entered.wait()
            operation = data(result)["operation_id"]
            seen = await client.call_tool("get_operation", {"operation": operation})
            assert (await told(it))[-1] == "begin"
            held.go.set()
            receipt = await it.app.follow(operation, 30, None)

    assert (data(result)["outcome"], result.is_error) == ("running", False)
    assert f"follow it with get_operation {operation}." in text(result)
    assert "Create hello on" in text(seen)
    assert receipt.outcome is Outcome.APPLIED
    assert sum(CREATES in line for line in it.journal) == 1


async def test_applied_in_part_has_a_sentence_for_each_lane(tmp_path: Path) -> None:
    """One shelf broke and was emptied again, the other is full and proved; the outcome says that it is a part."""
    with anyio.fail_after(LIMIT_S):
        async with toy(tmp_path, tool=FillBoth()) as it:
            it.world.breaks = "count_right"
            await it.approved()
            receipt = await it.operations.follow((await it.receipt()).operation_id or "", wait_s=5, progress=None)
            told = await it.told()
    assert receipt.outcome == "applied_in_part"
    assert receipt.message == (
        "Fill both: done in part. left: done. right: count_right failed, and the undo of fill_right ran. "
        "The step count_right broke. Nothing was put anywhere. Call again."
    )
    assert receipt.steps == (
        StepReport(id="fill_left", summary="Put 3 boxes on left", state="done"),
        StepReport(id="count_left", summary="Count left", state="done"),
        StepReport(id="fill_right", summary="Put 3 boxes on right", state="undone"),
        StepReport(id="count_right", summary="Count right", state="failed"),
    )
    assert receipt.checks == (Check(name="left", status="passed", evidence="3"),)
    assert it.world.boxes == {"left": 3, "right": 0}
    assert (told[-1], sorted(told[3:-1])) == (
        "end applied_in_part",
        ["step done", "step done", "step done", "step failed", "undo done"],
    )


def test_every_outcome_has_its_test() -> None:
    """The set is closed: a new outcome needs a test of its own in this file."""
    tests = " ".join(name for name in globals() if name.startswith("test_"))
    assert {outcome for outcome in Outcome if f"test_{outcome.value}_" not in tests} == set()
