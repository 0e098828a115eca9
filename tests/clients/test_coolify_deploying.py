"""The steps that roll out: what they note, wait out, take for theirs, cancel in the end, and say when they give up."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.clients.coolify.away import PATIENCE
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.steps import CoolifySteps
from ink_infra_mcp.core.errors import StepFailed, Unavailable
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.watching import Seen, Watcher, blind
from tests.clients.coolify_wire import APP, DEPLOYMENT, SERVICE
from tests.clients.ordered import Call, Wire, ordered, permit

pytestmark = pytest.mark.anyio

OTHER = "d1deployment1deployment1"
OLDER = "d2deployment2deployment2"
RECENT = f"/deployments/applications/{APP}?skip=0&take=5"
ONE = f"/deployments/{DEPLOYMENT}"
ASKED = Call(
    "POST", "/deploy", {"uuid": APP, "force": False}, answer={"deployments": [{"deployment_uuid": DEPLOYMENT}]}
)


@dataclass
class Run:
    """One run of a step, and what was said on the way."""

    kind: str
    params: JsonObject = field(default_factory=dict[str, JsonValue])
    said: list[str] = field(default_factory=list[str])
    seen: list[Seen | None] = field(default_factory=list[Seen | None])
    """What is seen on the server, look by look."""

    def watch(self, call: StepCall) -> Watcher:
        """Watch the server."""

        async def look() -> Seen | None:
            return self.seen.pop(0)

        return look

    async def __call__(self, wire: Wire) -> JsonObject:
        """Run the step after a note that knew one deployment, with a patience of a few real seconds."""
        watch = self.watch if self.seen else blind
        random = Secret("random")
        pinning = Pinning(Secret("token"))
        steps = CoolifySteps(wire.http, lambda name: Secret(name), lambda: random, Redactor(), pinning, watch)
        call = StepCall(
            operation_id="op-test",
            step_id="deploy",
            kind=self.kind,
            target="shop",
            params={"app": APP, "known": {"step": "note", "field": "known"}, "deadline_s": 5, **self.params},
            results={"note": {"known": [OLDER]}},
            permit=permit(),
            clock=wire.clock,
            say=self.said.append,
        )
        with anyio.fail_after(30):
            return await steps.handlers()[self.kind](call)


def row(uuid: str, status: str, **more: JsonValue) -> JsonObject:
    """Return a deployment that the API asked for as Coolify sends it."""
    return {"deployment_uuid": uuid, "status": status, "is_api": True, "commit": "HEAD", **more}


def recent(*rows: JsonObject) -> Call:
    """Return a look at the app's last deployments."""
    return Call("GET", RECENT, answer={"deployments": [*rows]})


def poll(status: str, **more: JsonValue) -> Call:
    """Return a look at our deployment."""
    return Call("GET", ONE, answer=row(DEPLOYMENT, status, **more))


def crash(method: str, target: str, body: JsonValue = None) -> Call:
    """Return a request that Coolify breaks down over."""
    return Call(method, target, body, status=500, answer={"message": "Server Error"})


def cancel(status: int = 200, message: str = "ok") -> Call:
    """Return the request to cancel our deployment."""
    return Call("POST", f"{ONE}/cancel", status=status, answer={"message": message})


def wired(*calls: Call) -> AbstractContextManager[Wire]:
    """Give a door to a Coolify that expects exactly these calls."""
    return ordered(*calls, classify=classify_coolify)


NOT_OVER = (recent(row(OLDER, "finished")), ASKED, poll("queued"), poll("in_progress"))
"""A deployment that is asked for, and still works when its time is over."""


async def test_deployments_are_noted_once_none_is_under_way() -> None:
    """Whoever asked for it, one that works is waited out; that of a pull request is none of our business."""
    preview = row("d9", "in_progress", pull_request_id=4)
    run = Run("coolify.note_deployments")
    with wired(
        recent(row(OTHER, "queued", is_webhook=True, is_api=False), row(OLDER, "finished")),
        crash("GET", RECENT),
        recent(preview, row(OTHER, "finished"), row(OLDER, "finished")),
    ) as wire:
        assert await run(wire) == {"known": ["d9", OTHER, OLDER]}
    assert run.said == [
        f"waiting for deployment {OTHER}, which is not ours",
        "Coolify does not answer (unavailable); asking again",
    ]


async def test_a_deployment_that_never_ends_is_not_waited_for_for_ever() -> None:
    """After a quarter of an hour the step fails and says whose it is and what to do."""
    busy = recent(row(OTHER, "in_progress", is_api=False))
    with wired(*[busy] * 452) as wire, pytest.raises(StepFailed) as caught:
        await Run("coolify.note_deployments")(wire)
    assert str(caught.value) == (
        f"Deployment {OTHER} of the app, which somebody at its UI asked for, is still under way after 900 s. "
        f"Nothing of ours was deployed. Wait until {OTHER} ends, or cancel it in Coolify, then call again."
    )


async def test_a_deployment_that_an_earlier_run_asked_for_is_followed_and_asked_for_once() -> None:
    """After a crash it is known by the marks that Coolify keeps: over the API, the same way, the same commit, new."""
    mine = row(DEPLOYMENT, "in_progress", commit="c" * 40)
    with wired(recent(mine, row(OLDER, "finished")), poll("finished", commit="c" * 40)) as wire:
        result = await Run("coolify.deploy", {"commit": "c" * 40})(wire)
    assert result == {"deployment": DEPLOYMENT, "commit": "c" * 40, "status": "finished"}


async def test_a_deployment_that_is_taken_up_is_followed_and_no_other_asked_for() -> None:
    """A resumption names it; nothing is looked for."""
    with wired(poll("in_progress"), poll("finished")) as wire:
        result = await Run("coolify.first_deploy", {"deployment": DEPLOYMENT})(wire)
    assert result["deployment"] == DEPLOYMENT


async def test_somebody_elses_deployment_after_the_note_ends_the_step_before_anything_is_asked_for() -> None:
    """It is neither taken nor waited out: the notes are no longer true."""
    theirs = row(OTHER, "finished", is_webhook=True, is_api=False)
    with wired(recent(theirs, row(OLDER, "finished"))) as wire, pytest.raises(StepFailed, match="it is not ours"):
        await Run("coolify.restart")(wire)


async def test_a_request_whose_answer_and_traces_are_lost_may_still_deploy() -> None:
    """The step says so, and that a resumption takes up what came of it."""
    lost = crash("POST", "/deploy", {"uuid": APP, "force": False})
    with wired(recent(), lost, recent()) as wire, pytest.raises(StepFailed) as caught:
        await Run("coolify.deploy")(wire)
    assert caught.value.done == "The deployment that was asked for may still come up, and nothing has proved it."
    assert "call resume_operation" in caught.value.next


async def test_a_request_whose_answer_is_lost_is_not_called_undone_for_somebody_elses_deployment() -> None:
    """Theirs is seen and ours is not: ours may still come up behind it."""
    theirs = row(OTHER, "queued", is_webhook=True, is_api=False)
    lost = crash("POST", "/deploy", {"uuid": APP, "force": False})
    with wired(recent(), lost, recent(theirs)) as wire, pytest.raises(StepFailed) as caught:
        await Run("coolify.deploy")(wire)
    assert caught.value.done == "The deployment that was asked for may still come up, and nothing has proved it."
    assert caught.value.unsure


async def test_a_coolify_that_is_away_before_anything_is_asked_for_leaves_nothing_behind() -> None:
    """No deployment may come up: nobody asked for one."""
    with wired(crash("GET", RECENT)) as wire, pytest.raises(Unavailable, match="Nothing was changed"):
        await Run("coolify.deploy")(wire)


async def test_a_deployment_that_takes_too_long_is_cancelled_and_seen_to_have_ended() -> None:
    """It does not come up unproved behind our back, and the error says that it was we who cancelled it."""
    gone = poll("cancelled-by-user")
    with wired(*NOT_OVER, cancel(), poll("in_progress"), gone) as wire, pytest.raises(StepFailed) as caught:
        await Run("coolify.deploy")(wire)
    assert str(caught.value) == (
        f"Deployment {DEPLOYMENT} was not over after 5 s, and was cancelled. It has ended. The containers that ran "
        "before may still run, and beside them what it had started already. See get_app for what runs, and mend what "
        "takes so long; then call again."
    )


async def test_a_deployment_that_finishes_before_it_is_cancelled_goes_on_to_its_proof() -> None:
    """Coolify refuses to cancel what has ended."""
    refused = cancel(400, "Deployment cannot be cancelled. Current status: finished")
    with wired(*NOT_OVER, refused, poll("finished")) as wire:
        assert (await Run("coolify.deploy")(wire))["status"] == "finished"


async def test_a_deployment_that_fails_before_it_is_cancelled_failed_by_itself() -> None:
    """Its own end is what is told."""
    refused = cancel(400, "Deployment cannot be cancelled. Current status: failed")
    with wired(*NOT_OVER, refused, poll("failed")) as wire, pytest.raises(StepFailed, match="ended as failed"):
        await Run("coolify.deploy")(wire)


@pytest.mark.parametrize("seen", ["cancelled-by-user", "in_progress"])
async def test_a_cancellation_without_an_answer_is_looked_at(seen: str) -> None:
    """Whether it worked is read from the deployment; one that goes on may still come up, and that is said."""
    looks = [poll(seen)] * (1 if seen == "cancelled-by-user" else 32)
    words = "was cancelled" if seen == "cancelled-by-user" else "may still come up"
    with (
        wired(*NOT_OVER, cancel(500, "Server Error"), *looks) as wire,
        pytest.raises(StepFailed, match=words) as caught,
    ):
        await Run("coolify.deploy")(wire)
    assert DEPLOYMENT in caught.value.failed
    assert caught.value.unsure is (seen == "in_progress")


async def test_coolify_that_is_lost_while_it_cancels_leaves_a_deployment_that_may_come_up() -> None:
    """The way on is the resumption, which proves it."""
    away = [crash("GET", ONE)] * (PATIENCE + 1)
    with wired(*NOT_OVER, cancel(), *away) as wire, pytest.raises(StepFailed) as caught:
        await Run("coolify.deploy")(wire)
    assert caught.value.done == f"Deployment {DEPLOYMENT} may still come up, and nothing has proved it."


def state(status: str) -> Call:
    """Return a look at a compose app."""
    return Call("GET", f"/services/{SERVICE}", answer={"uuid": SERVICE, "status": status})


COMPOSE: JsonObject = {"app": SERVICE, "service": True}
STARTS = Call("POST", f"/services/{SERVICE}/start", answer={"message": "queued"})
RUNS = Call("POST", f"/services/{SERVICE}/start", status=400, answer={"message": "Service is already running."})
PULLS = Call("POST", f"/services/{SERVICE}/restart?latest=true", answer={"message": "queued"})
RESTARTS = Call("POST", f"/services/{SERVICE}/restart?latest=false", answer={"message": "queued"})


async def test_a_compose_app_that_coolify_calls_running_is_restarted_where_a_start_was_asked_for() -> None:
    """The word may be from before a stop: without an act nothing new would ever come up."""
    away = crash("GET", f"/services/{SERVICE}")
    with wired(RUNS, RESTARTS, state("starting:unhealthy"), away, state("running:healthy")) as wire:
        assert await Run("coolify.start", COMPOSE)(wire) == {"status": "running"}


async def test_a_compose_app_that_fell_on_its_server_is_not_waited_for() -> None:
    """What cannot come right any more ends the waiting at that look; what may still come is said once."""
    falls, fell = Seen("web was started again 2 times"), Seen("web has ended, with exit status 1", over=True)
    run = Run("coolify.first_deploy", COMPOSE, seen=[Seen(), falls, falls, fell])
    with wired(STARTS, *[state("starting:unknown")] * 4) as wire:
        assert await run(wire) == {"status": "starting", "seen": fell.words}
        assert wire.clock.monotonic() < 10
    assert run.said == ["waiting for the compose app to run (starting)", falls.words]


async def test_coolifys_word_counts_only_where_the_server_cannot_be_seen() -> None:
    """It may be about the containers from before: what the server shows decides, as long as it shows anything."""
    run = Run("coolify.restart", COMPOSE, seen=[Seen(), Seen(), Seen(over=True)])
    with wired(PULLS, *[state("running:healthy")] * 3) as wire:
        assert await run(wire) == {"status": "running"}
    lost = Run("coolify.restart", COMPOSE, seen=[Seen(), None])
    with wired(PULLS, *[state("running:healthy")] * 2) as wire:
        assert await lost(wire) == {"status": "running"}


async def test_a_compose_app_that_does_not_come_to_run_is_left_to_the_proof() -> None:
    """A failure here would leave what did come up, and what still comes, without proof and without its undo."""
    with wired(STARTS, *[state("degraded:unhealthy")] * 151) as wire:
        assert await Run("coolify.first_deploy", COMPOSE)(wire) == {"status": "degraded"}
        assert 300 <= wire.clock.monotonic() < 310


async def test_coolify_that_is_lost_while_it_starts_a_compose_app_may_still_start_it() -> None:
    """The step says so, and that a resumption starts it again and proves it."""
    away = [crash("GET", f"/services/{SERVICE}")] * (PATIENCE + 1)
    with wired(STARTS, *away) as wire, pytest.raises(StepFailed) as caught:
        await Run("coolify.deploy", COMPOSE)(wire)
    assert caught.value.done == "The app may still come up, and nothing has proved it."
    assert "call resume_operation: it starts the app again and proves it." in caught.value.next
