"""An app that exists is rolled out again only where every reading of its run options isolates it."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from mcp import Client

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.run_options import run_options
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.seed import ISOLATED, SHOP
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Said, app_named, call, deploy

pytestmark = pytest.mark.anyio

LIMIT_S = 180
ELSE = "--pids-limit=256 --cap-drop=ALL"
LACKS = "would run without gVisor: its run options lack --"
READINGS = {
    f"--runtime=runc --runtime=runsc {ELSE}": LACKS,
    f"--runtime=runsc --runtime=runc {ELSE}": LACKS,
    f"--runtime=runsc-kvm {ELSE}": LACKS,
    f"{ISOLATED} --pids-limit=0": LACKS,
    f"{ISOLATED} --cap-add-x=SYS_ADMIN": "of its run options `--cap-add-x` is dropped by Coolify without a word",
    "--runtime=runsc": LACKS,
    f"{ISOLATED} --ulimit=nofile=1024": "of its run options `--ulimit=nofile=1024` stops the deployment",
}
"""Options that Coolify, its fork or Docker read otherwise than they look, and why nothing is rolled out with them."""


def set_options(it: Ink, text: str) -> None:
    """Let somebody have put these into Coolify."""
    with it.world.change() as state:
        app_named(state, "shop").columns["custom_docker_run_options"] = text


async def ready(client: Client) -> JsonObject:
    """Need nothing before."""
    return {}


async def stopped(client: Client) -> JsonObject:
    """Stop the app."""
    assert (await call(client, "control_app", app="shop", action="stop", wait_s=60)).outcome == "applied"
    return {}


async def failed(client: Client) -> JsonObject:
    """Leave an operation that stopped before it restarted the app."""
    said = await call(client, "control_app", app="shop", action="restart", wait_s=60)
    assert said.outcome == "failed", said.text
    return {"operation": said.data["operation_id"]}


Before = Callable[[Client], Awaitable[JsonObject]]
WAYS: dict[str, tuple[str, JsonObject, Before]] = {
    "restart": ("control_app", {"app": "shop", "action": "restart"}, ready),
    "start": ("control_app", {"app": "shop", "action": "start"}, stopped),
    "variables": ("set_app_env", {"app": "shop", "set": {"A": "1"}}, ready),
    "rollback": ("rollback_app", {"app": "shop", "to": commit_sha("example/hello main, a week ago")}, ready),
    "resumption": ("resume_operation", {}, failed),
}
"""What rolls out an app as it is configured: a tool, its arguments, and what it needs before."""


@pytest.mark.parametrize("way", WAYS)
async def test_an_app_whose_options_are_read_in_two_ways_is_not_rolled_out(tmp_path: Path, way: str) -> None:
    """The fork runs the first value, hyphens included. Whatever would roll the app out is refused before anybody is
    asked, and nothing is written."""
    tool, arguments, before = WAYS[way]
    person, breaks = says_yes(), [way == "resumption"]

    def breaking(kind: str, handler: Handler) -> Handler:
        async def run(step: StepCall) -> JsonObject:
            if breaks == [True]:
                raise HostError("The Muscle was away.", host="muscle-1", next="Try again.")
            return await handler(step)

        return run if kind == "hosts.note_containers" else handler

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=breaking) as it, it.client(person) as client:
            arguments = {**arguments, **await before(client)}
            journal, asked = it.journal, list(person.asked)
            told = dict[str, Said]()
            for text in READINGS:
                set_options(it, text)
                told[text] = await call(client, tool, **arguments)
            assert (it.journal, person.asked) == (journal, asked)
            breaks.clear()
            set_options(it, ISOLATED)
            well = await call(client, tool, **arguments, wait_s=60)
    assert {text: said.text for text, said in told.items() if READINGS[text] not in said.text} == {}
    assert well.outcome == "applied", well.text


async def test_deploy_app_puts_policy_s_options_in_the_place_of_those_that_are_read_in_two_ways(tmp_path: Path) -> None:
    """It is the way out that the refusals name: the plan shows what was there; the same texts are no argument of it."""
    ours = run_options(load_isolation(None))
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            for text in READINGS:
                refused = await deploy(client, name="shop", run_options=text)
                assert refused.text.startswith("[invalid_input] run_options would weaken isolation: ")
            assert (it.journal, person.asked) == ([], [])
            for text in READINGS:
                set_options(it, text)
                mended = await deploy(client, name="shop")
                question = "".join(re.sub(r"(?m)^ +(?:\d+ \||\+|\.\.\.) ?", "", person.asked.pop()).split())
                (container,) = [c for c in it.state.hosts["muscle-1"].containers if c.name.startswith(SHOP)]
                assert "".join(text.split()) in question
                assert "".join(ours.split()) in question
                assert (mended.outcome, container.runtime) == ("applied", "runsc")
                assert app_named(it.state, "shop").columns["custom_docker_run_options"] == ours
