"""A deployment is followed to its end, however Coolify names it, hides it or goes away meanwhile."""

import json
from dataclasses import dataclass, field

import anyio
import httpx2
import pytest
from pydantic import JsonValue

from ink_infra_mcp.clients.coolify.away import PATIENCE
from ink_infra_mcp.clients.coolify.buildlog import Deployment, LogLine
from ink_infra_mcp.clients.coolify.deployments import follow, log_tail, require_finished
from ink_infra_mcp.clients.coolify.ours import Claim, Wish
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from tests.clients.coolify_wire import APP, DEPLOYMENT, Spoken, coolify
from tests.clients.ordered import Call

pytestmark = pytest.mark.anyio

OTHER = "d1deployment1deployment1"
OLDER = "d2deployment2deployment2"
ONE = f"/deployments/{DEPLOYMENT}"
LAST = f"/deployments/applications/{APP}?skip=0&take=5"
GONE: JsonValue = {"message": "Deployment not found."}
COMMIT = "c" * 40
NOT_QUEUED = "The deployment was not queued: Coolify named one that does not exist, as it does when the queue is full."


@dataclass
class Told:
    """What was said on the way."""

    lines: list[str] = field(default_factory=list[str])

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def row(uuid: str, status: str, *lines: str, hidden: str = "", at: str = "2026-01-02T03:04:05Z") -> JsonObject:
    """Return a deployment that the API asked for as Coolify sends it, with visible lines and perhaps a hidden one."""
    log = [{"output": text, "hidden": False, "type": "stdout", "order": n} for n, text in enumerate(lines, 1)]
    if hidden:
        log.append({"output": hidden, "hidden": True, "type": "stderr", "order": 999})
    return {"deployment_uuid": uuid, "status": status, "created_at": at, "is_api": True, "logs": json.dumps(log)}


def poll(status: str, *lines: str, uuid: str = DEPLOYMENT) -> Call:
    """Return one look at the deployment."""
    return Call("GET", f"/deployments/{uuid}", answer=row(uuid, status, *lines))


async def followed(
    it: Spoken,
    told: Told,
    uuid: str | None = DEPLOYMENT,
    *,
    known: frozenset[str] | None = None,
    deadline_s: float = 600.0,
) -> Deployment:
    """Follow the deployment with a patience of a few real seconds."""
    claim = None if known is None else Claim(known=known, wish=Wish(commit=COMMIT))
    with anyio.fail_after(30):
        return await follow(it.look, APP, uuid, clock=it.clock, say=told.say, deadline_s=deadline_s, claim=claim)


async def test_each_visible_line_is_told_once_and_the_end_is_returned() -> None:
    """Polling every three seconds, new lines and changes of status come out once each, in order."""
    told = Told()
    with coolify(
        poll("queued"),
        poll("in_progress", "Cloning."),
        poll("in_progress", "Cloning."),
        Call("GET", ONE, answer=row(DEPLOYMENT, "finished", "Cloning.", "Built\n\nStarted.", hidden="npm ci")),
    ) as it:
        deployment = await followed(it, told)
        assert it.clock.slept == [3.0, 3.0, 3.0]
    assert (deployment.uuid, deployment.status) == (DEPLOYMENT, "finished")
    assert told.lines == [
        f"Deployment {DEPLOYMENT}: queued",
        f"Deployment {DEPLOYMENT}: in_progress",
        "Cloning.",
        f"Deployment {DEPLOYMENT}: finished",
        "Built",
        "Started.",
    ]


async def test_what_is_told_is_clean_short_and_without_secrets() -> None:
    """Lines are cut at 160 characters, lose control characters, and secrets are masked before the cut."""
    told = Told()
    secret = "ghp_" + "a1B2" * 8
    lines = ["\x1b[31mred\u202e", "x" * 150 + " " + secret, f"TOKEN={secret}"]
    with coolify(Call("GET", ONE, answer=row(DEPLOYMENT, "failed", *lines))) as it:
        await followed(it, told)
    assert told.lines[1:] == ["red<U+202E>", "x" * 150 + " (36 char…", "TOKEN=(36 characters hidden)"]
    assert max(len(line) for line in told.lines) <= 160


async def test_a_flood_of_lines_is_told_by_its_end() -> None:
    """Of many new lines at once the last twenty are told, and how many were left out."""
    told = Told()
    with coolify(Call("GET", ONE, answer=row(DEPLOYMENT, "finished", *(f"line {n}" for n in range(50))))) as it:
        await followed(it, told)
    assert told.lines[1:] == ["... 30 lines left out", *(f"line {n}" for n in range(30, 50))]


@pytest.mark.parametrize("named", [DEPLOYMENT, None])
async def test_a_phantom_is_replaced_by_the_new_deployment(named: str | None) -> None:
    """A uuid that names nothing, or none at all, leads to the newest deployment that was not there before."""
    phantom = [Call("GET", ONE, status=404, answer=GONE)] if named else []
    rows: list[JsonValue] = [
        row(OTHER, "queued", at="2026-01-02T03:04:06Z"),
        row("d3d3d3d3", "queued", at="2026-01-02T03:04:05Z"),
        row(OLDER, "finished"),
    ]
    told = Told()
    with coolify(
        *phantom,
        Call("GET", LAST, answer={"count": 3, "deployments": rows}),
        poll("finished", uuid=OTHER),
    ) as it:
        deployment = await followed(it, told, named, known=frozenset({OLDER}))
    assert deployment.uuid == OTHER


async def test_a_deployment_that_was_there_before_is_not_ours() -> None:
    """When Coolify names a deployment that was there already, ours was dropped, and that is said."""
    older = Call("GET", LAST, answer={"deployments": [row(OLDER, "in_progress")]})
    with coolify(older) as it, pytest.raises(StepFailed) as caught:
        await followed(it, Told(), OLDER, known=frozenset({OLDER}))
    assert (caught.value.failed, caught.value.done) == (NOT_QUEUED, "Nothing was deployed.")


@pytest.mark.parametrize(
    ("marks", "who"),
    [
        ({"is_webhook": True, "is_api": False}, f"which a webhook asked for at commit {COMMIT}"),
        ({"is_api": False}, f"which somebody at its UI asked for at commit {COMMIT}"),
        ({"restart_only": True}, f"which another call of its API asked for at commit {COMMIT}"),
        ({"force_rebuild": True}, f"which another call of its API asked for at commit {COMMIT}"),
        ({"rollback": True}, f"which another call of its API asked for at commit {COMMIT}"),
        ({"commit": "d" * 40}, f"which another call of its API asked for at commit {'d' * 40}"),
    ],
    ids=["webhook", "ui", "restart", "force", "rollback", "commit"],
)
async def test_a_new_deployment_that_is_not_what_we_asked_for_takes_no_place_of_ours(
    marks: JsonObject, who: str
) -> None:
    """Coolify drops a request while another deployment of the commit is under way: that other one is not ours."""
    other = row(OTHER, "in_progress") | {"commit": COMMIT} | marks
    phantom = Call("GET", ONE, status=404, answer=GONE)
    recent = Call("GET", LAST, answer={"deployments": [other]})
    with coolify(phantom, recent) as it, pytest.raises(StepFailed) as caught:
        await followed(it, Told(), known=frozenset())
    assert str(caught.value) == (
        f"Deployment {OTHER} of the app, {who}, came in between: it is not ours. Nothing of ours was deployed. "
        "Call resume_operation: it waits until that one has ended, and deploys then."
    )


async def test_a_deployment_that_coolify_names_and_did_not_make_for_us_is_not_ours() -> None:
    """An answer that names the deployment of a webhook is not believed."""
    theirs = Call("GET", ONE, answer=row(DEPLOYMENT, "queued") | {"is_webhook": True, "is_api": False})
    with coolify(theirs) as it, pytest.raises(StepFailed, match="which a webhook asked for, came in between"):
        await followed(it, Told(), known=frozenset())


@pytest.mark.parametrize("marks", [{"pull_request_id": 7}, {"status": "failed", "is_webhook": True}])
async def test_a_deployment_that_replaces_nothing_is_in_nobodys_way(marks: JsonObject) -> None:
    """Those of pull requests have containers of their own, and one that failed has put none into service."""
    rows: list[JsonValue] = [row(OTHER, "queued") | marks, row(OLDER, "queued") | {"commit": "HEAD"}]
    with coolify(Call("GET", LAST, answer={"deployments": rows}), poll("finished", uuid=OLDER)) as it:
        deployment = await followed(it, Told(), None, known=frozenset())
    assert deployment.uuid == OLDER


@pytest.mark.parametrize("known", [None, frozenset[str](), frozenset({OLDER})])
async def test_a_phantom_without_a_new_deployment_was_not_queued(known: frozenset[str] | None) -> None:
    """Nothing takes the place of a phantom unless it is known to be new: then the step failed in the queue."""
    rows: list[JsonValue] = [] if known == frozenset() else [row(OLDER, "finished")]
    phantom = Call("GET", ONE, status=404, answer=GONE)
    recent = Call("GET", LAST, answer={"count": 1, "deployments": rows})
    with coolify(phantom, recent) as it, pytest.raises(StepFailed) as caught:
        await followed(it, Told(), known=known)
    assert (caught.value.stage, caught.value.failed, caught.value.done) == (
        "queue",
        NOT_QUEUED,
        "Nothing was deployed.",
    )


async def test_a_deployment_that_vanishes_is_told() -> None:
    """A 404 after it was seen means that the app was deleted meanwhile, not that it was never queued."""
    gone = Call("GET", ONE, status=404, answer=GONE)
    with coolify(poll("in_progress"), gone) as it, pytest.raises(StepFailed, match="vanished while it was followed"):
        await followed(it, Told())


async def test_a_coolify_that_is_away_for_a_while_is_waited_for() -> None:
    """A crash, a missing backend and a phantom after them do not end the watch."""
    crash = Call("GET", ONE, status=500, answer={"message": "Server Error"})
    no_backend = Call("GET", ONE, status=404, text="404 page not found\n", content_type="text/plain")
    told = Told()
    with coolify(
        crash,
        no_backend,
        Call("GET", ONE, status=404, answer=GONE),
        Call("GET", LAST, answer={"deployments": [row(OTHER, "queued")]}),
        Call("GET", f"/deployments/{OTHER}", status=500, answer={"message": "Server Error"}),
        poll("finished", uuid=OTHER),
    ) as it:
        deployment = await followed(it, told, known=frozenset())
    assert deployment.uuid == OTHER
    assert told.lines[:3] == ["Coolify does not answer (unavailable); asking again"] * 3


async def test_a_coolify_that_stays_away_ends_the_watch_and_not_the_build() -> None:
    """After a few polls in a row the step fails; it names the deployment, what may become of it, and the way on."""
    crash = Call("GET", ONE, status=500, answer={"message": "Server Error"})
    with coolify(poll("in_progress"), *[crash] * (PATIENCE + 1)) as it, pytest.raises(StepFailed) as caught:
        await followed(it, Told())
    assert caught.value.failed.startswith(f"Coolify was lost while it worked on deployment {DEPLOYMENT}: Coolify answe")
    assert caught.value.done == f"Deployment {DEPLOYMENT} may still come up, and nothing has proved it."
    assert f"call resume_operation: it takes up deployment {DEPLOYMENT} and proves it." in caught.value.next


async def test_a_lost_connection_counts_as_one_miss_with_its_retries() -> None:
    """Connection errors are retried inside a poll first; then the next poll goes on."""
    broken = [Call("GET", ONE, breaks=httpx2.ReadError)] * 4
    with coolify(*broken, poll("finished")) as it:
        assert (await followed(it, Told())).status == "finished"


async def test_a_refusal_is_not_waited_out() -> None:
    """A token that may no longer read ends the watch at once; the deployment is named all the same."""
    refused = Call("GET", ONE, status=403, answer={"message": "Missing required permissions: read"})
    with coolify(refused) as it, pytest.raises(StepFailed, match="lacks the ability read") as caught:
        await followed(it, Told())
    assert f"deployment {DEPLOYMENT}" in caught.value.failed


async def test_the_deadline_returns_the_deployment_as_it_is() -> None:
    """Who set the deadline decides what becomes of it."""
    with coolify(*[poll("in_progress")] * 4) as it:
        seen = await followed(it, Told(), deadline_s=10.0)
        assert it.clock.monotonic() == 9.0
    assert (seen.uuid, seen.is_over) == (DEPLOYMENT, False)


def deployment(status: str, *lines: LogLine, dark: bool = False) -> Deployment:
    """Return a deployment that has ended, with its log, or without the right to read it."""
    ended = Deployment(uuid=DEPLOYMENT, status=status)
    return ended if dark else ended.model_copy(update={"lines": lines})


async def test_a_finished_deployment_is_handed_on() -> None:
    """What finished is returned as it is."""
    done = deployment("finished")
    assert require_finished(done) is done


async def test_a_failed_deployment_tells_its_cause_and_its_last_visible_lines() -> None:
    """The cause is found in hidden lines too; the tail shows the visible ones, redacted."""
    failed = deployment(
        "failed",
        LogLine(untrusted_text="Building.\nTOKEN=abcdefgh"),
        LogLine(untrusted_text="write: no space left on device", hidden=True),
        LogLine(untrusted_text="Deployment failed."),
    )
    with pytest.raises(StepFailed) as caught:
        require_finished(failed)
    assert (caught.value.stage, caught.value.probable_cause, caught.value.untrusted_log) == (
        "deployment",
        "The server's disk is full: remove unused images, or use another Muscle.",
        ("Building.", "TOKEN=(8 characters hidden)", "Deployment failed."),
    )
    assert str(caught.value) == (
        f"Deployment {DEPLOYMENT} ended as failed. The containers that ran before may still run. "
        "Mend the cause, then deploy again."
    )


async def test_a_cancelled_deployment_has_no_cause() -> None:
    """A person's cancel is named as such, whatever the log holds."""
    with pytest.raises(StepFailed) as caught:
        require_finished(deployment("cancelled-by-user", LogLine(untrusted_text="no space left on device")))
    assert (caught.value.probable_cause, caught.value.done) == ("", "Somebody cancelled it in Coolify.")


async def test_a_log_that_the_token_may_not_read_is_said_to_be_so() -> None:
    """Without read:sensitive the failure says how to see the log."""
    with pytest.raises(StepFailed) as caught:
        require_finished(deployment("failed", dark=True))
    assert (caught.value.next, caught.value.untrusted_log) == (
        "The token may not read build logs: give it read:sensitive, or read the log in Coolify.",
        (),
    )


async def test_the_tail_counts_lines_and_shows_hidden_ones_only_when_asked() -> None:
    """Entries of several lines count by line; hidden entries stay out by default."""
    log = deployment(
        "failed",
        LogLine(untrusted_text="a\nb"),
        LogLine(untrusted_text="c", hidden=True),
        LogLine(untrusted_text="d"),
    )
    assert log_tail(log, 2) == ("b", "d")
    assert log_tail(log, 3, hidden=True) == ("b", "c", "d")
    assert [log_tail(log, 0), log_tail(deployment("failed", dark=True), 5)] == [(), ()]
    assert log_tail(log, 99) == ("a", "b", "d")
