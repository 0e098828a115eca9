"""Visiting a URL until it answers as it should: what counts, what is waited for, and what is told if it never does."""

import ssl

import anyio
import pytest

from ink_infra_mcp.clients.probe import Probe
from ink_infra_mcp.clients.probe.steps import VisitSteps
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.sandbox.state import Fault
from tests.clients.test_probe import APP, MUSCLE, Internet, internet
from tests.clock import FakeClock
from tests.permits import permit_here

__all__ = ["internet"]
pytestmark = pytest.mark.anyio
LIMIT_S = 60


async def visit(internet: Internet, probe: Probe | None = None, *, address: str = MUSCLE) -> JsonObject:
    """Visit the app under a clock that does not wait."""
    params: JsonObject = {"url": f"https://{APP}", "address": address, "deadline_s": 60}
    call = StepCall(
        "op-1", "visit", "web.visit", "canary", params, {}, permit_here("op-1", "web.visit"), FakeClock(), print
    )
    with anyio.fail_after(LIMIT_S):
        return await VisitSteps(probe or internet.probe()).handlers()["web.visit"](call)


async def test_an_app_that_answers_is_told_with_its_certificate(internet: Internet) -> None:
    """Both ways are visited; over http a way to https is an answer."""
    seen = await visit(internet)
    assert (seen["visited"], seen["status"], seen["http"] in (200, 301, 302, 307, 308)) == (True, 200, True)
    assert str(seen["until"]).startswith("20")


async def test_it_is_waited_for_until_it_is_up(internet: Internet) -> None:
    """An answer of 502, as a proxy gives before its app is up, is no answer yet."""
    with internet.world.change() as state:
        state.faults.append(Fault(system="edge", match="GET", kind="status", status=502, times=3))
    assert (await visit(internet))["status"] == 200


async def test_a_certificate_that_nobody_trusts_is_no_answer(internet: Internet) -> None:
    """The last that was seen is told, with what to look at."""
    with pytest.raises(StepFailed, match="its certificate is not trusted") as failed:
        await visit(internet, Probe(internet.ports, ssl.create_default_context()))
    assert "proxy" in failed.value.next


async def test_an_address_that_is_not_public_is_not_visited(internet: Internet) -> None:
    """What nobody could see is not called proved: the result says that it was not visited, and why."""
    seen = await visit(internet, address="10.0.0.9")
    assert seen == {"visited": False, "why": "10.0.0.9 is not a public address"}
