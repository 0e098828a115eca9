"""What a review of the tools found: each test here failed once, where an answer or a way on was too good."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.areas.apps.compose_apps import prepared
from ink_infra_mcp.core.errors import InputError, StepFailed
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.guard.bed import HELLO, begun
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Held, app_named, call, creations, deploy, fault

pytestmark = pytest.mark.anyio

LIMIT_S = 180
BUILT = {"name": "hello", "repository": "https://github.com/example/hello"}


class Breaks:
    """Lets the steps of these kinds fail, `times` each, before or after they have acted."""

    def __init__(self, *kinds: str, times: int = 1, acts: bool = False) -> None:
        self._left = dict.fromkeys(kinds, times)
        self._acts = acts

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Return the handler to run in place of another."""

        async def run(call: StepCall) -> JsonObject:
            if self._left.get(kind, 0) <= 0:
                return await handler(call)
            self._left[kind] -= 1
            if self._acts:
                await handler(call)
            raise StepFailed(f"{kind} broke.", done="", next="Call again.")

        return run


async def ended(it: Ink, tool: str, arguments: dict[str, Any]) -> tuple[str, Outcome]:
    """Begin an operation through the guard, and return its id and outcome."""
    receipt = await begun(it, tool, arguments)
    operation_id = receipt.operation_id or ""
    return operation_id, (await it.app.follow(operation_id, 50, None)).outcome


async def test_an_app_that_was_not_proved_is_rolled_out_again_by_the_resumption(tmp_path: Path) -> None:
    """Proof and undo both failed: going on with the proof alone would ask nobody, and could stop nothing."""
    breaks = Breaks("hosts.prove_isolation", "coolify.stop_application")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=breaks) as it, it.client(person := says_yes()) as client:
            first, outcome = await ended(it, "deploy_app", HELLO)
            resumed = await call(client, "resume_operation", operation=first, wait_s=60)
    assert (outcome, resumed.outcome) == (Outcome.FAILED, "applied")
    assert len(person.asked) == 1
    assert "Build and deploy hello" in person.asked[0]
    assert "if it fails, hello is stopped; this is undone: step 3" in person.asked[0]


async def test_a_resumption_that_broke_off_can_be_resumed_with_all_that_was_done_before(tmp_path: Path) -> None:
    """What the first operation returned is still known in the third."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, wrap_handler=Breaks("coolify.first_deploy", times=2)) as it,
            it.client(says_yes()) as client,
        ):
            first, _ = await ended(it, "deploy_app", HELLO)
            second, outcome = await ended(it, "resume_operation", {"operation": first})
            third = await call(client, "resume_operation", operation=second, wait_s=60)
            made = creations(it)
    assert (outcome, third.outcome) == (Outcome.FAILED, "applied")
    assert third.checks["isolation"] == "passed"
    assert len(made) == 1


async def test_an_app_that_was_created_after_all_is_not_created_by_the_resumption(tmp_path: Path) -> None:
    """Coolify made the app although the step failed: another operation would not know its marker."""
    breaks = Breaks("coolify.create_application", acts=True)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=breaks) as it, it.client(says_yes()) as client:
            first, outcome = await ended(it, "deploy_app", HELLO)
            resumed = await call(client, "resume_operation", operation=first)
            made = len(creations(it))
            again = await deploy(client, **BUILT)
            assert len(creations(it)) == made == 1
    assert outcome is Outcome.FAILED
    assert resumed.is_error
    assert f"{first} has created hello" in resumed.text
    assert "Call deploy_app again" in resumed.text
    assert again.outcome == "applied"


async def test_a_resumption_that_creates_needs_a_muscle_with_room(tmp_path: Path) -> None:
    """The Muscle was chosen when the old plan was made; one that no longer isolates takes no app."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, wrap_handler=Breaks("coolify.create_application")) as it,
            it.client(says_yes()) as client,
        ):
            first, _ = await ended(it, "deploy_app", HELLO)
            with it.world.change() as state:
                for name in ("muscle-1", "muscle-2"):
                    state.hosts[name].up = False
            resumed = await call(client, "resume_operation", operation=first)
    assert (resumed.is_error, resumed.outcome) == (True, "")
    assert "No Muscle can take the app" in resumed.text


async def test_a_resumed_deletion_is_looked_at_on_the_host(tmp_path: Path) -> None:
    """The resumption proves what the tool itself would have proved."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, wrap_handler=Breaks("coolify.delete_application")) as it,
            it.client(says_yes("shop")) as client,
        ):
            first, _ = await ended(it, "delete_app", {"app": "shop"})
            resumed = await call(client, "resume_operation", operation=first, wait_s=60)
    assert resumed.outcome == "applied"
    assert resumed.checks == {"gone from Coolify": "passed", "no container left": "passed"}


async def test_a_stored_secret_goes_to_no_app_without_a_person_who_sees_its_name(tmp_path: Path) -> None:
    """A new variable needs nobody, but whoever writes the app's code could read the secret out of it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, app_secrets={"TILL_KEY": "till-key-0123456789"}) as it, it.client() as client:
            said = await call(client, "set_app_env", app="shop", set={"X": "secret:TILL_KEY"}, redeploy=False)
    assert said.outcome == "approval_required"
    assert "add X; hands it secret:TILL_KEY" in said.text
    assert "till-key-0123456789" not in said.text


async def test_an_app_on_a_server_that_cannot_be_seen_is_not_called_stopped(tmp_path: Path) -> None:
    """Coolify calls every app of a server it lost exited; a stop is then planned, and what came of it not proved."""

    def lost(state: WorldState) -> None:
        app_named(state, "shop").status = "exited:unhealthy"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=lost) as it, it.client() as client:
            fault(it, "muscle-1", "drop", system="ssh", times=50)
            said = await call(client, "control_app", app="shop", action="stop")
    assert said.outcome == "approval_required"


@pytest.mark.parametrize("levels", [6, 30])
def test_a_compose_file_whose_aliases_explode_is_refused_at_once(levels: int) -> None:
    """A few lines that stand for millions of values cost nothing here, and reach no parser behind us."""
    lines = ["x-0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    text = "\n".join([*lines, f"services: {{web: {{image: nginx, security_opt: [*a{levels - 1}]}}}}"])
    with pytest.raises(InputError, match="grows too large") as caught:
        prepared(text, load_isolation(None), memory="512m", cpus="1")
    assert len(str(caught.value)) < 300


def test_a_compose_file_that_holds_itself_is_refused() -> None:
    """An alias inside what it stands for has no end."""
    with pytest.raises(InputError, match="names nothing that is known there"):
        prepared("x: &a [*a]\nservices: {web: {image: nginx}}", load_isolation(None), memory="512m", cpus="1")


def test_aliases_that_share_settings_are_fine() -> None:
    """What compose files use them for goes on to work."""
    services = "{web: {image: nginx, environment: *env}, job: {image: redis, environment: *env}}"
    text = f"x-env: &env {{A: '1'}}\nservices: {services}"
    assert prepared(text, load_isolation(None), memory="512m", cpus="1").services == ("web", "job")


@pytest.mark.parametrize("tool", ["delete_app", "control_app", "set_app_env"])
async def test_an_app_that_is_deployed_for_the_first_time_is_locked_by_its_name(tmp_path: Path, tool: str) -> None:
    """Its uuid was not known when the plan was made; other tools meet its deployment all the same."""
    more = {"control_app": {"action": "stop"}, "set_app_env": {"set": {"X": "1"}, "redeploy": False}}
    held = Held("coolify.first_deploy")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=held) as it, it.client(says_yes("hello")) as client:
            running = await begun(it, "deploy_app", HELLO)
            await held.begun.wait()
            said = await call(client, tool, app="hello", **more.get(tool, {}))
            held.go.set()
            await it.app.follow(running.operation_id or "", 50, None)
    assert said.outcome in {"locked", "already_so"}
    assert f"held by operation {running.operation_id}" in said.text or tool == "control_app"
