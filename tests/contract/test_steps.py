"""Step kinds: each has a declared risk, a handler and a tool or an undo that uses it, and nothing stands over."""

from functools import partial
from pathlib import Path
from types import MethodType

import anyio
import pytest

from ink_infra_mcp.areas.apps.own_values import OwnLogs
from ink_infra_mcp.core.plan import Plan, Risk
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.guard.steps import OperationSteps
from ink_infra_mcp.hosts.machine.newcomers import Newcomers
from tests.contract.cases import all_cases, outcome
from tests.contract.catalog import MUTATIONS, kinds
from tests.ink import ink

RESUMES = "resume_operation"
NEVER_RESUMED = frozenset(
    {"cancel_operation", "move_app", "add_muscle", "remove_muscle", "patch_fleet", "connect_private_network"}
    | {
        "rotate_fork_image",
        "restore_official_coolify",
        "upgrade_coolify",
        "restore_coolify",
        "build_fork_image",
        "setup_factory",
        RESUMES,
    }
)


async def handled(folder: Path) -> set[str]:
    """Return the step kinds that the wired application has handlers for."""
    found: set[str] = set()

    def keep(kind: str, handler: Handler) -> Handler:
        found.add(kind)
        return handler

    with anyio.fail_after(60):
        async with ink(folder, wrap_handler=keep) as it:
            assert it.app.guarded.guard
            return found | set(OperationSteps(it.app.store).handlers())


def undone_by() -> set[str]:
    """Return the kinds of the undo steps in all worked cases."""
    plans = (outcome(case.tool, case.read()) for case in all_cases())
    return {s.undo.kind for plan in plans if isinstance(plan, Plan) for s in plan.steps if s.undo is not None}


@pytest.mark.anyio
async def test_every_step_kind_has_a_risk_and_a_handler(tmp_path: Path) -> None:
    """What policy knows the risk of is what the application can run: no handler without a risk, no risk for nothing."""
    assert await handled(tmp_path) == set(kinds())


def test_every_step_kind_is_used() -> None:
    """Each kind is declared by a tool or takes a step back: none is left over from a tool that is no more."""
    declared = {kind for tool in MUTATIONS for kind in tool.kinds}
    assert declared | undone_by() == set(kinds())


@pytest.mark.parametrize("tool", MUTATIONS, ids=lambda tool: tool.name)
def test_a_change_declares_a_step_that_changes(tool: object) -> None:
    """A tool that only ever reads is no mutation; each kind is declared once."""
    declared = next(t.kinds for t in MUTATIONS if t is tool)
    assert len(set(declared)) == len(declared)
    assert any(kinds()[kind] is not Risk.READ for kind in declared)


def test_whatever_was_begun_can_be_resumed() -> None:
    """resume_operation declares the steps of every tool whose operations it can go on with, and no others."""
    resumed = next(set(tool.kinds) for tool in MUTATIONS if tool.name == RESUMES)
    assert resumed == {kind for tool in MUTATIONS if tool.name not in NEVER_RESUMED for kind in tool.kinds}


@pytest.mark.anyio
async def test_a_handler_is_bound_to_the_vendor_of_its_kind(tmp_path: Path) -> None:
    """What runs for a kind has been made from that vendor's clients alone: it is handed no other way to write."""
    bound: dict[str, set[str]] = {}

    def keep(kind: str, handler: Handler) -> Handler:
        bound.setdefault(_maker(handler), set()).add(kind.partition(".")[0])
        return handler

    with anyio.fail_after(60):
        async with ink(tmp_path, wrap_handler=keep) as it:
            assert it.app.guarded.guard
    assert bound["CoolifySteps"] == {"coolify"}
    assert bound["HostSteps"] == {"hosts"}
    assert [maker for maker, vendors in bound.items() if len(vendors) != 1] == []


def _maker(handler: Handler) -> str:
    """Return the name of the class whose method a handler is, through any partial call of it, and what wraps all."""
    method = handler.func if isinstance(handler, partial) else handler
    assert isinstance(method, MethodType)
    if isinstance(method.__self__, OwnLogs | Newcomers):
        assert isinstance(handler, partial)
        return _maker(handler.args[-1])
    return type(method.__self__).__name__
