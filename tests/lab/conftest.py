"""The lab for the tests: up once for all of them, with every server set up anew after a test that changed it."""

import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import nullcontext
from itertools import count

import pytest

from tests.lab.bed import DIRTY, Bed
from tests.lab.ground.lab import Lab
from tests.lab.ground.site import Site
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.factory import Coolify
from tests.lab.rotation_bed import Ground, coolify_in
from tests.lab.run import HELD, alone, missing_packages, unfit

# kept now: the tests run with the machine's own settings hidden
ENVIRONMENT = dict(os.environ)
KEPT = os.environ.get("INK_LAB_KEEP", "")
"""Set by a person who works on a test: a lab that is up is used, and stays up."""
ALONE = not (KEPT or os.environ.get(HELD))
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Tests that run at the same time have a lab each."""
TOLD = ("random servers", "figures", "first contact")
"""What tests record is printed under these after a run; nothing asserts a figure."""
NUMBERS = count(1)
LIMIT_S = 360
"""The first test waits for the whole lab, and a server that is set up anew takes two seconds."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the lab, before pytest chooses by marks: no test can forget it."""
    for item in items:
        if {"lab", "ground_here"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.lab)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(LIMIT_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests tell: how many connects came to what was computed, and how long things took."""
    told = [
        (name, f"{said}")
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, said in report.user_properties
    ]
    for subject in TOLD:
        if lines := [said for name, said in told if name == subject]:
            terminalreporter.section(subject)
            for line in lines:
                terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def ground_here() -> Site:
    """Return where a lab can stand; the test is skipped where none can."""
    why_not = unfit()
    if not why_not and missing_packages():
        why_not = f"packages are missing, which `make lab` installs: {', '.join(missing_packages())}"
    if why_not:
        pytest.skip(why_not)
    return Site.of(ENVIRONMENT).beside(WORKER)


@pytest.fixture(scope="session")
def lab(ground_here: Site) -> Iterator[Lab]:
    """Bring the lab up before the first test that needs it, and take it down after the last."""
    ground = Lab(ground_here)
    if KEPT:
        DIRTY.update(name for name, server in ground.servers.items() if server.init is not None)
        ground.up()
        yield ground
        return
    with alone(ground_here) if ALONE else nullcontext():
        try:
            ground.down()
            ground.up()
            yield ground
        finally:
            ground.down()


@pytest.fixture
def bed(lab: Lab) -> Iterator[Bed]:
    """Give a test the lab's servers as the product knows them; those that it changed are set up anew later."""
    one = Bed(lab)
    yield one
    one.tidy()


@pytest.fixture(scope="module")
def coolify(lab: Lab) -> Coolify:
    """Return Coolify on good-1, with a secret; each test of a rotation leaves it so."""
    return coolify_in(lab)


@pytest.fixture
async def ground(bed: Bed, coolify: Coolify) -> AsyncGenerator[Ground]:
    """Give the ground for one rotation."""
    async with bed.pool() as pool:
        yield Ground(bed, coolify, catalogue.published(bed.lab.site), pool, f"op-rotation{next(NUMBERS)}")
