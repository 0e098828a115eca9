"""The two shapes of tool, and what a finished mutation reports."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, JsonValue

from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan
from ink_infra_mcp.core.systems import Needs

A = TypeVar("A", bound=BaseModel)
L = TypeVar("L")
F = TypeVar("F")
R = TypeVar("R", bound=BaseModel)

Toolset = Literal["apps", "fleet", "network", "servers", "factory", "operations"]
Results = Mapping[str, JsonObject]
"""What each finished step returned, by step id."""


class Outcome(StrEnum):
    """How a mutation ended: the closed set that callers may switch on."""

    APPLIED = "applied"
    ALREADY_SO = "already_so"
    APPROVAL_REQUIRED = "approval_required"
    NOT_APPROVED = "not_approved"
    REFUSED_BY_POLICY = "refused_by_policy"
    PLAN_DRIFTED = "plan_drifted"
    LOCKED = "locked"
    FAILED = "failed"
    UNDONE = "undone"
    APPLIED_UNVERIFIED = "applied_unverified"
    APPLIED_IN_PART = "applied_in_part"
    CANCELLED = "cancelled"
    RUNNING = "running"


class Check(Frozen):
    """One statement about the world after a change, with what was seen."""

    name: str
    status: Literal["passed", "failed", "skipped"]
    evidence: str


class Query(ABC, Generic[A, L, R]):
    """A tool that reads. The docstring of the subclass is the description the model sees.

    `needs` says what it does not work without; `doctor` tells from it which tools work. `hint` has the words that
    people say for it, by which hosts find it that show a model names first; an `entry` tool is shown whole from the
    start, and the answer of a `long` one may be longer than hosts expect.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hint: ClassVar[str] = ""
    entry: ClassVar[bool] = False
    long: ClassVar[bool] = False
    toolset: ClassVar[Toolset]
    needs: ClassVar[Needs]
    args: ClassVar[type[BaseModel]]
    report: ClassVar[type[BaseModel]]
    open_world: ClassVar[bool] = True

    @abstractmethod
    async def observe(self, args: A, look: L) -> R:
        """Return the report; changes nothing."""

    @abstractmethod
    def render(self, report: R) -> str:
        """Return the report as a short text for a person."""


class Mutation(ABC, Generic[A, L, F]):
    """A tool that changes. It has no `execute`: the plan is the program.

    `kinds` lists every step kind that its plans can hold; risk and annotations derive from them. `needs` says what it
    does not work without; `doctor` tells from it which tools work. `hint`, `entry` and `long` are as with a Query.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hint: ClassVar[str] = ""
    entry: ClassVar[bool] = False
    long: ClassVar[bool] = False
    toolset: ClassVar[Toolset]
    needs: ClassVar[Needs]
    args: ClassVar[type[BaseModel]]
    kinds: ClassVar[tuple[str, ...]]

    @abstractmethod
    async def observe(self, args: A, look: L, approved: Plan | None) -> F:
        """Return the facts that the plan is made from; changes nothing.

        With an `approved` plan, its pinned choices are re-validated and kept where they still hold.
        """

    @abstractmethod
    def plan(self, args: A, facts: F) -> Plan:
        """Return the plan: pure and deterministic, no clock, no random, no I/O."""

    @abstractmethod
    async def verify(self, plan: Plan, results: Results, look: L) -> list[Check]:
        """Return what is now true of the world, statement by statement."""

    def only_lists(self, args: A) -> bool:
        """Return whether a call with these arguments only asks what there is to choose from, and can change nothing."""
        return False

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the tool's own result fields (url, uuid ...) from what the steps returned."""
        return {}


def json_object(value: JsonValue) -> JsonObject:
    """Return `value` as an object.

    Raises:
        TypeError: it is not one.
    """
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, got {type(value).__name__}")
    return value
