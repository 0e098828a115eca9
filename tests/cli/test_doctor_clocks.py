"""What the doctor says of the servers' clocks, and how sure it must be of that."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.cli import doctor
from ink_infra_mcp.cli.doctor_clocks import clock_of
from ink_infra_mcp.cli.doctor_ground import Ground, ground_of_wiring
from ink_infra_mcp.cli.doctor_hosts import pool_of
from ink_infra_mcp.cli.doctor_report import Finding
from ink_infra_mcp.hosts.facts.gathering import HostFacts
from tests import ink
from tests.cli.sandboxes import Running, running

ASKED_AT = 1_000_000.0
BY_NTP = "Set both by NTP: approvals, tokens and certificates expire by the clock, and logs are read by it."


def said(epoch_s: int | None, *, round_trip_s: float) -> tuple[str, str]:
    """Return level and text of what is said of a server that told this time."""
    unknown = {} if epoch_s else {"epoch_s": "not understood: +%s"}
    facts = HostFacts(host="muscle-1", epoch_s=epoch_s, unknown=unknown)
    found = clock_of(facts, asked_at=ASKED_AT, heard_at=ASKED_AT + round_trip_s)
    return found.level, found.text


@pytest.mark.parametrize(
    ("ahead_s", "round_trip_s", "level", "text"),
    [
        (0, 0.0, "ok", "its clock is within 1 s of this machine's."),
        (5, 0.0, "ok", "its clock is within 6 s of this machine's."),
        (6, 0.0, "warning", "its clock is 6 s ahead of this machine's, give or take 0 s."),
        (-7, 0.0, "warning", "its clock is 6 s behind this machine's, give or take 0 s."),
        (60, 0.0, "warning", "its clock is 60 s ahead of this machine's, give or take 0 s."),
        (61, 0.0, "failed", "its clock is 62 s ahead of this machine's, give or take 0 s."),
        (-62, 0.0, "failed", "its clock is 62 s behind this machine's, give or take 0 s."),
        (7, 4.0, "ok", "its clock is within 8 s of this machine's."),
        (12, 4.0, "warning", "its clock is 10 s ahead of this machine's, give or take 2 s."),
        (64, 8.0, "warning", "its clock is 60 s ahead of this machine's, give or take 4 s."),
        (None, 0.0, "warning", "its clock could not be read: not understood: +%s."),
    ],
)
def test_a_clock_is_judged_by_what_is_sure(ahead_s: int | None, round_trip_s: float, level: str, text: str) -> None:
    """More than 5 seconds warn and more than 60 fail, beyond half of the round trip and the second that is not told."""
    told = None if ahead_s is None else int(ASKED_AT) + ahead_s
    assert said(told, round_trip_s=round_trip_s) == (level, text)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """Run the emulators, with a Factory that is right and Muscles that are not."""
    with running(tmp_path_factory.mktemp("world")) as found:
        with found.world.change() as state:
            state.hosts["muscle-1"].clock_ahead_s = 30.0
            state.hosts["muscle-2"].clock_ahead_s = -3600.0
        yield found


@pytest.mark.anyio
async def test_each_servers_clock_has_a_line(sandbox: Running, tmp_path: Path) -> None:
    """One that is right, one that is off and one that is an hour behind are each told; a pretend world has no clock."""
    pretend = ground_of_wiring(ink.wired(tmp_path, sandbox.world, sandbox.ends), {})
    found = await clocks(replace(pretend, sandbox=False))
    assert [finding.level for finding in found] == ["ok", "warning", "failed"]
    assert [finding.next for finding in found] == ["", BY_NTP, BY_NTP]
    assert found[1].text.startswith(("its clock is 29 s ahead", "its clock is 30 s ahead", "its clock is 31 s ahead"))
    assert await clocks(pretend) == []


async def clocks(ground: Ground) -> list[Finding]:
    """Return what is said of clocks, by server."""
    assert ground.fleet is not None
    async with pool_of(ground, ground.fleet) as pool:
        with anyio.fail_after(60):
            sections = await doctor.look(doctor.hosts(ground, ground.fleet, pool), ground, limit_s=10)
    return [finding for section in sections for finding in section.findings if "its clock" in finding.text]
