"""A world of shelves with one mutation on it, under the real guard: for what does not depend on any vendor.

Store, approvals, locks, program and receipts are the product's own; only the world and the engine's driver are small.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.core.engine import Program
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Risk, Step, Undo
from ink_infra_mcp.core.policy import Need, Policy
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.engine.workflow import Course
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.caller import Answer, Asked, Caller
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.following import Operations
from ink_infra_mcp.guard.locking import Locks
from ink_infra_mcp.guard.program import GuardedProgram
from ink_infra_mcp.guard.runner import Guard
from ink_infra_mcp.settings.system import new_id
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.owners import FileOwners
from ink_infra_mcp.state.records import AuditLine
from ink_infra_mcp.state.store import Store
from tests.clock import FakeClock

TTL_S = 600.0
ANNA = Caller(principal="local:anna", channel="elicitation", can_ask=True)
BERT = Caller(principal="local:bert", channel="elicitation", can_ask=True)
YES = Answer(action="accept")
LANES = ("left", "right")
Hook = Callable[[], Awaitable[None]]


class Fill(BaseModel):
    """What fill_shelf takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shelf: str = "left"
    boxes: int = 3
    wait_s: int = 0


@dataclass(slots=True)
class Shelves:
    """The world. `boxes` is how many boxes lie on each shelf; `breaks` makes the step of that kind fail."""

    boxes: dict[str, int] = field(default_factory=dict[str, int])
    filled: list[str] = field(default_factory=list[str])
    breaks: str = ""
    on_look: Hook | None = None


class FillShelf(Mutation[Fill, Shelves, int]):
    """Put a number of boxes on a shelf and count them."""

    name: ClassVar[str] = "fill_shelf"
    title: ClassVar[str] = "Fill a shelf"
    toolset: ClassVar[Toolset] = "apps"
    args = Fill
    kinds: ClassVar[tuple[str, ...]] = ("shelf.fill", "shelf.count")

    async def observe(self, args: Fill, look: Shelves, approved: Plan | None) -> int:
        """Return how many boxes are there."""
        if look.on_look is not None:
            await look.on_look()
        return look.boxes.get(args.shelf, 0)

    def plan(self, args: Fill, facts: int) -> Plan:
        """Return a step that fills and one that counts; what fails takes the filling back."""
        fill = Step(
            id="fill",
            kind="shelf.fill",
            target=args.shelf,
            summary=f"Put {args.boxes} boxes on {args.shelf}",
            before=str(facts),
            after=str(args.boxes),
            params={"shelf": args.shelf, "boxes": args.boxes},
            undo=Undo(
                kind="shelf.fill",
                target=args.shelf,
                summary="put it back",
                params={"shelf": args.shelf, "boxes": facts},
            ),
            undoes=("fill",),
        )
        counting = Step(
            id="count", kind="shelf.count", target=args.shelf, summary=f"Count {args.shelf}", undoes=("fill",)
        )
        return Plan(
            tool=self.name,
            title=f"Fill {args.shelf}",
            target=args.shelf,
            locks=(f"shelf:{args.shelf}",),
            steps=() if facts == args.boxes else (fill, counting),
            phrase=args.shelf,
            reason=f"{args.shelf} holds {facts} boxes.",
        )

    async def verify(self, plan: Plan, results: Results, look: Shelves) -> list[Check]:
        """Return whether the boxes are there."""
        there = look.boxes.get(plan.target, 0) == plan.steps[0].params["boxes"]
        return [Check(name="boxes", status="passed" if there else "failed", evidence=f"{look.boxes}")]


class FillBoth(FillShelf):
    """Put a number of boxes on two shelves, side by side, and count them."""

    name: ClassVar[str] = "fill_both"

    def plan(self, args: Fill, facts: int) -> Plan:
        """Return a lane for each shelf: one step fills, one counts, and counting that fails takes the filling back."""
        steps = [step for shelf in LANES for step in _lane(shelf, args.boxes)]
        return Plan(
            tool=self.name, title="Fill both", target="both", locks=("shelf:both",), steps=tuple(steps), phrase="both"
        )

    async def verify(self, plan: Plan, results: Results, look: Shelves) -> list[Check]:
        """Return for each lane that is done whether the boxes are there."""
        done = [shelf for shelf in LANES if f"count_{shelf}" in results]
        return [Check(name=shelf, status="passed", evidence=str(look.boxes[shelf])) for shelf in done]


def _lane(shelf: str, boxes: int) -> tuple[Step, Step]:
    back = Undo(kind="shelf.fill", target=shelf, summary=f"empty {shelf}", params={"shelf": shelf, "boxes": 0})
    fill = Step(
        id=f"fill_{shelf}",
        kind="shelf.fill",
        target=shelf,
        summary=f"Put {boxes} boxes on {shelf}",
        params={"shelf": shelf, "boxes": boxes},
        undo=back,
        lane=shelf,
    )
    count = Step(
        id=f"count_{shelf}",
        kind="shelf.count",
        target=shelf,
        summary=f"Count {shelf}",
        reads=True,
        undoes=(fill.id,),
        lane=shelf,
    )
    return fill, count


@dataclass(slots=True)
class InlineEngine:
    """Runs an operation at once and to its end; while `holds`, it only remembers it. `on_start` runs first."""

    program: Program
    holds: bool = False
    started: list[str] = field(default_factory=list[str])
    ended: list[str] = field(default_factory=list[str])
    on_start: Hook | None = None

    async def start(self, operation_id: str) -> None:
        """Begin the operation."""
        if self.on_start is not None:
            await self.on_start()
        self.started.append(operation_id)
        if not self.holds:
            await self.finish(operation_id)

    async def forget(self, operation_ids: Sequence[str]) -> None:
        """Nothing is recorded here."""

    def has(self, operation_id: str) -> bool:
        """Return whether the operation was started here and has not ended."""
        return operation_id in self.started and operation_id not in self.ended

    async def finish(self, operation_id: str) -> None:
        """Run the operation to its end."""

        async def once(_: str, work: Callable[[], Awaitable[str]]) -> str:
            return await work()

        await Course(operation_id=operation_id, program=self.program, checkpoint=once).run()
        self.ended.append(operation_id)


@dataclass(slots=True)
class Toy:
    """An opened guard over shelves. `ran` lists the steps whose handlers ran; `looks` counts looks at the time."""

    guard: Guard
    engine: InlineEngine
    operations: Operations
    world: Shelves
    clock: FakeClock
    ran: list[str]
    looks: list[int]
    tool: FillShelf = field(default_factory=FillShelf)

    @property
    def store(self) -> Store:
        """Return the state store."""
        return self.guard.store

    async def call(self, args: Fill | None = None, caller: Caller = ANNA) -> Receipt | Asked:
        """Call the tool through the guard."""
        return await self.guard.call(self.tool, args or Fill(), caller)

    async def asked(self, args: Fill | None = None, caller: Caller = ANNA) -> Asked:
        """Call the tool, which must ask."""
        said = await self.call(args, caller)
        assert isinstance(said, Asked), said
        return said

    async def receipt(self, args: Fill | None = None, caller: Caller = ANNA) -> Receipt:
        """Call the tool, which must not ask."""
        said = await self.call(args, caller)
        assert isinstance(said, Receipt), said
        return said

    async def approved(self, args: Fill | None = None, caller: Caller = ANNA) -> str:
        """Call the tool and say yes; return the approval's id."""
        asked = await self.asked(args, caller)
        assert await self.guard.answer(asked.approval.id, YES, caller) is None
        return asked.approval.id

    async def audit(self) -> tuple[AuditLine, ...]:
        """Return every line of the audit."""
        return await self.store.run(lambda c: audit.read(c, limit=1000))

    async def told(self) -> list[str]:
        """Return each audit line in short: the event, with its outcome where it has one."""
        return [f"{line.event} {line.outcome}".strip() for line in await self.audit()]


def policy(need: Need = Need.PERSON) -> Policy:
    """Return a policy in which filling a shelf has the given need."""
    needs = {risk: max(need, Need.NONE, key=lambda n: n.rank) for risk in Risk}
    needs |= {Risk.READ: Need.NONE, Risk.SAFE: Need.NONE, Risk.COSTS_MONEY: Need.NONE}
    kinds = {"shelf.fill": Risk.DISRUPTIVE, "shelf.count": Risk.READ}
    return Policy(kinds=kinds, approval=needs, max_steps=10, max_monthly_eur=100)


@asynccontextmanager
async def toy(
    folder: Path,
    *,
    need: Need = Need.PERSON,
    rules: Policy | None = None,
    wrap: Callable[[Handler], Handler] = lambda handler: handler,
    tool: FillShelf | None = None,
) -> AsyncGenerator[Toy]:
    """Give a guard over empty shelves, with its state in `folder`."""
    clock, world, ran, looks = FakeClock(), Shelves(), list[str](), [0]
    store = Store(f"sqlite:///{folder / 'state.sqlite3'}")
    owners = FileOwners(folder / "owners", "ex-toy")
    changes = Changes()
    tool = tool or FillShelf()
    program = GuardedProgram(
        store=store,
        handlers={"shelf.fill": wrap(_fill(world, ran)), "shelf.count": wrap(_count(world, ran))},
        mutations={tool.name: tool},
        look=world,
        clock=clock,
        redact=Redactor(),
        changes=changes,
        sandbox=False,
    )
    engine = InlineEngine(program)
    guard = Guard(
        store=store,
        engine=engine,
        policy=rules or policy(need),
        approvals=Approvals(store=store, clock=clock, new_id=new_id, ttl_s=TTL_S),
        locks=Locks(store=store, owners=owners, clock=clock),
        clock=clock,
        new_id=new_id,
        look=world,
        screen=lambda plan: plan,
    )
    operations = Operations(
        store=store, engine=engine, owners=owners, clock=clock, changes=changes, elapsed=_never_still(clock, looks)
    )
    try:
        yield Toy(
            guard=guard, engine=engine, operations=operations, world=world, clock=clock, ran=ran, looks=looks, tool=tool
        )
    finally:
        owners.close()
        store.close()


def _never_still(clock: FakeClock, looks: list[int]) -> Callable[[], float]:
    """Time of the clock, in which a microsecond passes between two looks."""

    def elapsed() -> float:
        looks[0] += 1
        return clock.monotonic() + looks[0] * 1e-6

    return elapsed


def _fill(world: Shelves, ran: list[str]) -> Callable[[StepCall], Awaitable[JsonObject]]:
    async def fill(call: StepCall) -> JsonObject:
        ran.append(call.step_id)
        boxes = call.params["boxes"]
        _break(world, call)
        call.permit.require("fill")
        assert isinstance(boxes, int)
        world.boxes[call.text("shelf")] = boxes
        return {"boxes": boxes}

    return fill


def _count(world: Shelves, ran: list[str]) -> Callable[[StepCall], Awaitable[JsonObject]]:
    async def counted(call: StepCall) -> JsonObject:
        ran.append(call.step_id)
        _break(world, call)
        return {"counted": world.boxes.get(call.target, 0)}

    return counted


def _break(world: Shelves, call: StepCall) -> None:
    if world.breaks == call.step_id:
        raise StepFailed(f"The step {call.step_id} broke.", done="Nothing was put anywhere.", next="Call again.")
