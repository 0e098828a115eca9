"""What stands behind the MCP side in its own tests: tools of a few lines, and an application that holds them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NoReturn

from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp.server.lowlevel import Server
from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.core.operation import Check, Mutation, Outcome, Query, Results, Toolset
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Risk, Step
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.rendering import render
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.systems import Needs
from ink_infra_mcp.guard.caller import Answer, Asked, Caller, Progress, Reply
from ink_infra_mcp.server.backend import AnyMutation, AnyQuery, Kind, Records
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import Tool, contract_of
from ink_infra_mcp.state.records import Approval, Held, News, Place
from tests.ink import PRINCIPAL, Era
from tests.state.stores import operation

UNSEEN = "pass\u200bword-\u202e-42"
"""A password with characters that nobody sees."""
PASSWORD = "correct-horse-battery-staple"
_REDACT = Redactor([Secret(PASSWORD), Secret(UNSEEN)])
"""A secret that the process knows; no shape gives it away."""
INSTRUCTIONS = "Look first, then change."
CONNECTION = "cn-test"


async def unopened() -> NoReturn:
    """Fail: nothing that a list needs opens the application.

    Raises:
        AssertionError: always.
    """
    raise AssertionError("the application was opened")


class EchoArgs(BaseModel):
    """What the reading tool takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Annotated[str, Field(max_length=20)] = "hello"
    times: Annotated[int, Field(ge=1, le=3)] = 1
    labels: dict[str, int] = {}


class EchoReport(Frozen):
    """What the reading tool says."""

    words: str
    lines: tuple[str, ...] = ()
    labels: dict[str, str] = {}


Observe = Callable[[EchoArgs], Awaitable[EchoReport]]


async def echo(args: EchoArgs) -> EchoReport:
    """Return the words."""
    return EchoReport(words=args.words)


class Echo(Query[EchoArgs, object, EchoReport]):
    """Say the words again. It changes nothing."""

    name: ClassVar[str] = "get_echo"
    title: ClassVar[str] = "Echo"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs()
    args = EchoArgs
    report = EchoReport

    def __init__(self, observe: Observe = echo) -> None:
        self._observe = observe

    async def observe(self, args: EchoArgs, look: object) -> EchoReport:
        """Return what the test made of the arguments."""
        return await self._observe(args)

    def render(self, report: EchoReport) -> str:
        """Return the words and lines."""
        return "\n".join([report.words, *report.lines, *(f"{k}: {v}" for k, v in report.labels.items())])


class StopArgs(BaseModel):
    """What the changing tool takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    wait_s: int = 5


class Stop(Mutation[StopArgs, object, None]):
    """Stop an app. It deletes nothing."""

    name: ClassVar[str] = "stop_app"
    title: ClassVar[str] = "Stop"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs()
    args = StopArgs
    kinds: ClassVar[tuple[str, ...]] = ("coolify.stop",)

    async def observe(self, args: StopArgs, look: object, approved: Plan | None) -> None:
        """Return nothing: the plan depends on the arguments alone."""

    def plan(self, args: StopArgs, facts: None) -> Plan:
        """Return the one step."""
        return stop_plan(args.app)

    async def verify(self, plan: Plan, results: Results, look: object) -> list[Check]:
        """Return no checks."""
        return []


def stop_plan(app: str, *, summary: str = "") -> Plan:
    """Return the plan that stops an app."""
    step = Step(id="stop", kind="coolify.stop", target=app, summary=summary or f"Stop {app}")
    return Plan(tool="stop_app", title=f"Stop {app}", target=app, locks=(f"app:{app}",), steps=(step,))


def question(plan: Plan, *, phrase: str = "") -> Asked:
    """Return the question whether the plan may run; with a phrase, the one whose answer is typed."""
    risk = Risk.DESTRUCTIVE if phrase else Risk.DISRUPTIVE
    approval = Approval(
        id="ap-0000000001",
        principal="local:tester",
        tool=plan.tool,
        args_digest="0" * 64,
        plan_digest=plan.digest,
        plan=plan,
        risk=risk,
        need=Need.TYPED if phrase else Need.PERSON,
        phrase=phrase,
        created_at=0.0,
        expires_at=3600.0,
    )
    return Asked(approval=approval, text=render(plan, risk=risk, phrase=phrase))


def receipt(outcome: Outcome, message: str, result: JsonObject | None = None) -> Receipt:
    """Return a receipt that says one thing."""
    return Receipt(outcome=outcome, message=message, result=result or {})


APPLIED = receipt(Outcome.APPLIED, "Stop shop: done, and proved.")
REQUIRED = receipt(Outcome.APPROVAL_REQUIRED, "A person must approve this plan: `ink-infra-mcp approve ap-0000000001`.")


@dataclass(slots=True)
class Kept:
    """Operations that a test made up: `rows` newest first, and what is told as `new`."""

    rows: list[Held] = field(default_factory=list[Held])
    new: list[News] = field(default_factory=list[News])

    @classmethod
    def of(cls, count: int) -> "Kept":
        """Return so many operations of the tester, which began one a second."""
        made = (
            operation(f"op-{number:04}").model_copy(update={"principal": PRINCIPAL, "created_at": float(number)})
            for number in range(count, 0, -1)
        )
        return cls([Held(operation=each, updated_at=each.created_at) for each in made])

    async def held(self, handle: str, *, principal: str) -> Held | None:
        """Return the principal's own."""
        return next((each for each in self.rows if _is(each, handle, principal)), None)

    async def held_by(self, principal: str, *, after: Place | None, limit: int) -> tuple[Held, ...]:
        """Return the principal's own, those behind the place."""
        own = [each for each in self.rows if each.operation.principal == principal]
        begin = 0 if after is None else [each.operation.id for each in own].index(after.id) + 1
        return tuple(own[begin : begin + limit])

    async def news(self, *, since: float) -> tuple[News, ...]:
        """Return what the test says."""
        return tuple(self.new)


def _is(held: Held, handle: str, principal: str) -> bool:
    return held.operation.principal == principal and handle in (held.operation.id, held.operation.approval_id)


@dataclass(slots=True)
class Desk:
    """An application without a world: it asks `asked` until a yes came, then says `ends`. It keeps what it was told."""

    tools: Sequence[Tool]
    asked: Asked | None = None
    ends: Receipt = APPLIED
    progress: tuple[str, ...] = ()
    sandbox: bool = False
    look: object = None
    named: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict[Kind, tuple[str, ...]])
    answers: list[Answer] = field(default_factory=list[Answer])
    callers: list[Caller] = field(default_factory=list[Caller])
    left: list[str] = field(default_factory=list[str])
    kept: "Kept" = field(default_factory=lambda: Kept())

    @property
    def queries(self) -> dict[str, AnyQuery]:
        """Return the reading tools."""
        return {tool.name: tool for tool in self.tools if isinstance(tool, Query)}

    @property
    def mutations(self) -> dict[str, AnyMutation]:
        """Return the changing tools."""
        return {tool.name: tool for tool in self.tools if isinstance(tool, Mutation)}

    async def change(self, tool: AnyMutation, args: BaseModel, caller: Caller) -> Receipt | Asked:
        """Return the question while nobody said yes, else the end."""
        self.callers.append(caller)
        if self.asked is None or any(answer.action == "accept" for answer in self.answers):
            return self.ends
        return self.asked if caller.can_ask else REQUIRED

    async def reply(self, tool: AnyMutation, args: BaseModel, reply: Reply, caller: Caller) -> Receipt | Asked:
        """Keep the answer; only a yes lets the change go on."""
        self.answers.append(reply.answer)
        if reply.answer.action != "accept":
            return receipt(Outcome.NOT_APPROVED, "Nothing was changed.")
        return await self.change(tool, args, caller)

    async def leave(self, approval_id: str, caller: Caller) -> None:
        """Keep which question nobody waits for any more."""
        self.left.append(approval_id)

    async def follow(self, operation_id: str, wait_s: float, progress: Progress | None) -> Receipt:
        """Tell the progress, then say that it is done."""
        for done, words in enumerate(self.progress):
            if progress is not None:
                await progress(float(done), float(len(self.progress)), words)
        return APPLIED

    async def names(self, kind: Kind, *, of: str = "") -> tuple[str, ...]:
        """Return the names that the test gave; images are those of one app."""
        return () if kind == "image" and of != "shop" else self.named.get(kind, ())

    @property
    def records(self) -> Records:
        """Return no operations."""
        return self.kept

    def redact(self, text: str) -> str:
        """Mask the passwords, and what looks like a secret."""
        return _REDACT(text)


@asynccontextmanager
async def client_of(desk: Desk, *, era: Era = "auto", person: ElicitationFnT | None = None) -> AsyncGenerator[Client]:
    """Give a client of a server over the desk's tools."""
    async with Client(server_of(desk), mode=era, elicitation_callback=person) as client:
        yield client


def server_of(desk: Desk) -> "Server[Any]":
    """Return a server over the desk's tools."""
    return build_server(settings_of(desk))


def settings_of(desk: Desk, *, look_every_s: float = 0.01) -> ServerSettings:
    """Return the settings of a server over the desk's tools."""

    async def opened() -> Desk:
        return desk

    kinds: dict[str, Any] = {"coolify.stop": Risk.DISRUPTIVE}
    return ServerSettings(
        catalogue=narrowed([contract_of(t, kinds) for t in desk.tools], toolsets=frozenset(), read_only=False),
        open=opened,
        principal=PRINCIPAL,
        instructions=INSTRUCTIONS,
        connection=CONNECTION,
        look_every_s=look_every_s,
    )
