"""A fault in a tool's own code, in the last moments of an operation: it still ends, says so, and frees its targets."""

import logging
from pathlib import Path
from typing import ClassVar

import anyio
import pytest
from pydantic import BaseModel

from ink_infra_mcp.core.engine import Ending, StepEnd
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.engine.workflow import Course
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.program import GuardedProgram
from ink_infra_mcp.state import locks, operations
from tests.clock import FakeClock
from tests.state.stores import PLAN, lock, operation, sqlite_store


class Forgetful(Mutation[BaseModel, object, None]):
    """A tool that looks for what its plans never had."""

    name: ClassVar[str] = PLAN.tool
    title: ClassVar[str] = "Forget"
    toolset: ClassVar[Toolset] = "apps"
    args = BaseModel
    kinds: ClassVar[tuple[str, ...]] = ()
