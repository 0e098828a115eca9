"""add_muscle while the server's cable is pulled and its power fails, step by step: called again, it ends well."""

import random
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.app import App
from ink_infra_mcp.core.errors import InkError
from tests.engine.killing import called
from tests.lab import debs
from tests.lab.bed import Bed, eventually
from tests.lab.conftest import ENVIRONMENT
from tests.lab.cuts import Cut, Striking, drawn
from tests.lab.ground.hosts import greets
from tests.lab.joining_bed import Joining, joining
from tests.lab.run import SEED
from tests.lab.test_add_muscle import LIMIT_S, look, muscle, repository

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(8400)]

LONG_S = 8100
"""A start that Coolify was asked for while the server was off is waited for ten minutes before it is called failed."""
MOST_CALLS, WAIT_S, BACK_S = 60, 600, 120
ENDED = frozenset({"applied", "already_so"})
WORST = {
    "s3__s3_harden_sshd": Cut("cable", 0.0, 12.0),
    "s3__s3_keep": Cut("power", 0.0, 0.0),
}
"""Where a server that is let alone could shut everybody out; away for longer than a connection is waited for."""

__all__ = ["repository"]


async def called_until_it_is_done(it: Joining, striking: Striking) -> list[str]:
    """Call add_muscle again and again, as a person does who reads what it says; return what came of it each time.

    The last one is `applied`, or `already_so` where a proof failed before.
    """
    said: list[str] = []
    async with it.app(striking.wrap()) as app:
        while len(said) < MOST_CALLS and (not said or said[-1] not in ENDED):
            await eventually(lambda: greets(it.server.machine.ipv4), what="the server stays away", limit_s=BACK_S)
            said.append(await came_of(app, it))
    striking.end()
    return said


async def came_of(app: App, it: Joining) -> str:
    """Return what comes of one call that a person says yes to: an outcome, or an error in words."""
    try:
        receipt = await called(app, "add_muscle", it.arguments)
    except InkError as error:
        return str(error)
    if not receipt.operation_id:
        return receipt.outcome
    return (await app.follow(receipt.operation_id, WAIT_S, None)).outcome


@pytest.mark.long
async def test_whatever_is_cut_in_each_step_the_same_call_ends_with_one_muscle(
    bed: Bed, repository: debs.Repository, tmp_path: Path
) -> None:
    """In every step once, cable or power goes, for a moment or long, before the step or in it. At the end there is one
    Muscle, one key, one row, no canary, and everybody gets in who should.
    """
    seed = int(ENVIRONMENT.get(SEED, "0"))
    chance = random.Random(seed)  # noqa: S311 - a test's own dice
    with anyio.fail_after(LONG_S), joining(bed, tmp_path, repository) as it:
        striking = Striking(bed, it.server, lambda step: drawn(chance))
        said = await called_until_it_is_done(it, striking)
        after = await look(it)
    told = "; ".join(f"{step}: {cut}" for step, cut in striking.told.items())
    assert (said[-1] in ENDED, after) == (True, muscle(it)), f"seed {seed}: {said}; {told}"


async def test_what_is_cut_where_it_hurts_most_is_ended_by_the_same_call(
    bed: Bed, repository: debs.Repository, tmp_path: Path
) -> None:
    """As above, for the two steps in which somebody could be locked out, each of which is struck."""
    with anyio.fail_after(LIMIT_S), joining(bed, tmp_path, repository) as it:
        striking = Striking(bed, it.server, WORST.get)
        said = await called_until_it_is_done(it, striking)
        after = await look(it)
    assert (striking.told, said[-1] in ENDED, after) == (WORST, True, muscle(it)), said
