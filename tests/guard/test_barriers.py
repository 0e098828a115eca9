"""Three barriers keep an unapproved change out, and each holds alone: it is tried with the other two taken away."""

import ast
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ink_infra_mcp
from ink_infra_mcp.clients.coolify.act import CoolifyAct
from ink_infra_mcp.clients.coolify.bodies import EnvSpec, Source
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.reads import READS
from ink_infra_mcp.clients.http import Http, HttpSettings, WriteGate
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import WriteRefused
from ink_infra_mcp.core.permit import RUNNING, Permit, RunningStep
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.running import tokens
from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.ssh.command import HostCommand
from tests.clock import FakeClock
from tests.guard.bed import HELLO, STOP, nothing_is_written, told
from tests.guard.toy import toy
from tests.ink import Person, data, ink, says, says_yes, text
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 120
CHANGES = [
    ("control_app", STOP),
    ("deploy_app", HELLO),
    ("delete_app", {"app": "shop"}),
    ("set_app_env", {"app": "shop", "set": {"GREETING": "bye"}}),
    ("rollback_app", {"app": "shop", "to": commit_sha("example/hello main, a week ago")}),
]
EXAMPLES: dict[Any, Any] = {
    str: "k0k0k0k0k0k0k0k0k0k0k0k0",
    bool: False,
    JsonObject: {"name": "a"},
    Source: "public",
    EnvSpec: EnvSpec(key="KEY", value=Secret("v")),
    Secret: Secret("v"),
}
WRITES = [name for name in vars(CoolifyAct) if not name.startswith("_") and not hasattr(CoolifyLook, name)]
TOKEN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~"


def permit(*, live: bool = False) -> Permit:
    """Return a permit that nobody approved, which has ended unless it is `live`: then its step runs from here on."""
    forged = permit_here("op-forged", "coolify.stop")
    if not live:
        forged.revoke()
    return forged


ELSEWHERE = (
    ("no step of operation op-forged runs here", None),
    ("no step of operation op-forged runs here", RunningStep("op-other", "coolify.stop")),
    ("is not for coolify.delete_application", RunningStep("op-forged", "coolify.delete_application")),
)
"""How a live permit for stopping is refused, and what runs there instead: nothing, another operation, another kind."""


# 1. The guard's sequence: handlers that would act at once, without gate or token.


@dataclass(slots=True)
class Reckless:
    """Step handlers that pass no gate and need no token; `ran` says which of them were reached."""

    ran: list[str] = field(default_factory=list[str])

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Take the place of every handler."""

        async def act(_: StepCall) -> JsonObject:
            self.ran.append(kind)
            return {}

        return act


@pytest.mark.parametrize("person", [None, says("decline"), says("cancel")], ids=["cannot ask", "declines", "cancels"])
async def test_the_guard_alone_lets_no_step_run_without_a_yes(tmp_path: Path, person: Person | None) -> None:
    """With the gate and the token gone, still no tool's step is reached, and nothing begins."""
    reckless = Reckless()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=reckless) as it, it.client(person) as client:
            for tool, arguments in CHANGES:
                result = await client.call_tool(tool, arguments)
                assert data(result).get("outcome") == ("not_approved" if person else "approval_required"), text(result)
            assert "begin" not in await told(it)
    assert reckless.ran == []


async def test_with_a_yes_those_steps_do_run(tmp_path: Path) -> None:
    """The test above can fail: after a yes the same handlers are reached."""
    reckless = Reckless()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=reckless) as it, it.client(says_yes()) as client:
            await client.call_tool("control_app", STOP)
    assert reckless.ran == ["coolify.stop"]


# 2. The write gate: code that never asked the guard, with a token that may do everything.


@dataclass(slots=True)
class Vendor:
    """Answers everything, and keeps what reached it."""

    reached: list[str] = field(default_factory=list[str])

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer with an empty list."""
        self.reached.append(f"{request.method} {request.url.path}")
        return httpx2.Response(200, json=[])


async def through_gate(vendor: Vendor, method: str, extensions: dict[str, Any] | None = None) -> None:
    """Send a request through the gate itself."""
    gate = WriteGate(httpx2.MockTransport(vendor), Reads("/x"), base_url="https://api.example.com/")
    async with httpx2.AsyncClient(transport=gate) as client:
        await client.send(client.build_request(method, "https://api.example.com/x", extensions=extensions or {}))


@given(method=st.text(TOKEN_LETTERS, min_size=1, max_size=8).filter(lambda m: m.upper() not in {"GET", "HEAD"}))
def test_every_method_but_reading_is_refused_before_it_leaves(method: str) -> None:
    """Whatever a method is called, if it is not GET or HEAD it needs a live permit."""
    vendor = Vendor()
    with pytest.raises(WriteRefused, match=r"no approved plan is running\. Nothing was changed"):
        anyio.run(through_gate, vendor, method)
    assert vendor.reached == []


@pytest.mark.parametrize("forged", [permit(), "op-1", True, {"live": True}, object()], ids=["ended", *"abcd"])
async def test_what_is_no_live_permit_opens_nothing(forged: object) -> None:
    """A permit that has ended and anything that only looks like one are refused."""
    vendor = Vendor()
    with pytest.raises(WriteRefused):
        await through_gate(vendor, "POST", {"ink_permit": forged})
    assert vendor.reached == []


async def test_reading_and_permitted_writing_pass() -> None:
    """The gate is no wall: reads pass without a permit, writes with a live one."""
    vendor = Vendor()
    await through_gate(vendor, "GET")
    await through_gate(vendor, "HEAD")
    await through_gate(vendor, "DELETE", {"ink_permit": permit(live=True)})
    assert vendor.reached == ["GET /x", "HEAD /x", "DELETE /x"]


@pytest.mark.parametrize("name", WRITES)
async def test_no_write_to_coolify_leaves_without_a_live_permit(name: str) -> None:
    """Each method that writes is refused before any of its requests that change something is sent."""
    vendor = Vendor()
    async with coolify_door("https://coolify.example.com", httpx2.MockTransport(vendor)) as http:
        act = CoolifyAct(http, permit())
        with pytest.raises(WriteRefused):
            await _called(getattr(act, name))
    assert [line for line in vendor.reached if not line.startswith("GET")] == []


async def test_a_live_permit_opens_nothing_for_another_step(tmp_path: Path) -> None:
    """With the guard passed by and the full token, a permit serves the steps of its own plan only: nothing is sent."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, coolify_door(it.ends.coolify_url) as http:
            mine, kill = permit(live=True), HostCommand(("docker", "kill", "x"), changes=True)
            with nothing_is_written(it):
                for told, step in ELSEWHERE:
                    RUNNING.set(step)
                    with pytest.raises(WriteRefused, match=told):
                        await CoolifyAct(http, mine).stop(SHOP)
                    with pytest.raises(WriteRefused, match=told):
                        await it.app.hosts.run("muscle-1", kill, permit=mine)


async def test_the_guard_says_which_step_runs_and_a_handler_does_not(tmp_path: Path) -> None:
    """While a handler runs, the step of the plan that it was called for is the one that runs, undos too; then none."""
    RUNNING.set(None)
    seen: list[tuple[RunningStep | None, frozenset[str]]] = []

    def watching(handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            seen.append((RUNNING.get(), call.permit.kinds))
            return await handler(call)

        return run

    async with toy(tmp_path, wrap=watching) as it:
        it.world.breaks = "count"
        await it.approved()
        operation = (await it.receipt()).operation_id or ""
        assert RUNNING.get() is None

    kinds = frozenset({"shelf.fill", "shelf.count"})
    ran = ("shelf.fill", "shelf.count", "shelf.fill")
    assert seen == [(RunningStep(operation, kind), kinds) for kind in ran]


async def test_the_gate_alone_keeps_the_world_as_it_is(tmp_path: Path) -> None:
    """With the full token and past the guard, Coolify gets no write and a server runs no changing command."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, coolify_door(it.ends.coolify_url) as http:
            with nothing_is_written(it):
                with pytest.raises(WriteRefused):
                    await CoolifyAct(http, permit()).stop(SHOP)
                for bad in (None, permit()):
                    with pytest.raises(WriteRefused):
                        await it.app.hosts.run(
                            "muscle-1", HostCommand(("docker", "kill", "x"), changes=True), permit=bad
                        )
            await CoolifyAct(http, permit(live=True)).stop(SHOP)
            assert it.journal[-1].endswith(f"/applications/{SHOP}/stop")


async def test_a_permit_dies_with_its_step(tmp_path: Path) -> None:
    """A handler that keeps its permit for later keeps nothing: after its step, ended well or not, it is refused."""
    kept: list[Permit] = []

    def keeping(handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            kept.append(call.permit)
            assert call.permit.live
            return await handler(call)

        return run

    async with toy(tmp_path, wrap=keeping) as it:
        it.world.breaks = "count"
        await it.approved()
        receipt = await it.receipt()

    held = (receipt.operation_id, receipt.plan_digest, False)
    assert [(one.operation_id, one.digest, one.live) for one in kept] == [held] * 3
    for one in kept:
        with pytest.raises(WriteRefused, match=f"the permit of operation {receipt.operation_id} has ended"):
            one.require("stop the shop")


def test_only_the_guard_makes_permits() -> None:
    """No module of the product but guard/permit.py constructs a Permit, or says which step runs."""
    assert [where for where, made in calls() if made == "Permit"] == ["guard/permit.py"]
    assert {where for where, made in calls() if made in {"RunningStep", "RUNNING.set"}} == {"guard/permit.py"}


def calls() -> Iterator[tuple[str, str]]:
    """Give the file of each call in the product, and the last two words of what is called."""
    root = Path(ink_infra_mcp.__file__).parent
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield file.relative_to(root).as_posix(), ".".join(ast.unparse(node.func).split(".")[-2:])


# 3. Least privilege: an approved plan, a live permit, and a token that may only read.


@pytest.mark.parametrize(("tool", "arguments"), CHANGES[:3], ids=[tool for tool, _ in CHANGES[:3]])
async def test_a_token_that_may_only_read_changes_nothing(tmp_path: Path, tool: str, arguments: dict[str, Any]) -> None:
    """With a yes and an open gate, Coolify itself refuses: the operation fails at its first write and says why."""

    def only_read(state: WorldState) -> None:
        state.coolify.tokens[0].abilities = ["read", "read:sensitive"]

    person = says_yes("shop" if tool == "delete_app" else "")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=only_read) as it, it.client(person) as client:
            before = it.state.coolify.applications
            with nothing_is_written(it):
                result = await client.call_tool(tool, {**arguments, "wait_s": 30})
            assert [app.columns for app in it.state.coolify.applications] == [app.columns for app in before]
            assert (await told(it))[-2:] == ["step failed", "end failed"]

    assert data(result)["outcome"] == "failed"
    assert data(result)["problem"]["code"] == "forbidden"
    assert "Nothing was changed." in data(result)["problem"]["message"]


@asynccontextmanager
async def coolify_door(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> AsyncGenerator[Http]:
    """Give the door to a Coolify with the token that may do everything."""
    settings = HttpSettings(
        service="Coolify", base_url=f"{url}/api/v1/", reads=READS, token=Secret(tokens()["coolify_token"])
    )
    async with Http(settings, clock=FakeClock(), redact=Redactor(), transport=transport) as http:
        yield http


async def _called(method: Callable[..., Awaitable[object]]) -> None:
    """Call a method with an example for each argument that it cannot do without."""
    hints = get_type_hints(method)
    needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    values = {p.name: EXAMPLES[hints[p.name]] for p in needed}
    await method(**values)
