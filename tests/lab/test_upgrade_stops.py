"""Two releases of one plan on a real Factory: each swapped and proved in its turn; a second that fails goes back."""

from collections.abc import AsyncGenerator
from functools import partial
from itertools import count

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.looking import CUSTOM
from ink_infra_mcp.hosts.factory.serving import faults
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_2, MORE, NEXT, UNHEALTHY
from tests.lab.ground.stand_in.factory import Coolify
from tests.lab.rotation_bed import BACK_S, LIMIT_S, UNIT, Ground, coolify_in, probed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1800)]

NUMBERS = count(1)
FIRST = "4_1_3"


@pytest.fixture(scope="module")
def coolify(request: pytest.FixtureRequest) -> Coolify:
    """Return Coolify on good-1, with a secret; each test leaves it so."""
    return coolify_in(request.getfixturevalue("lab"))


@pytest.fixture
async def ground(bed: Bed, coolify: Coolify) -> AsyncGenerator[Ground]:
    """Give the ground for one plan."""
    async with bed.pool() as pool:
        yield Ground(bed, coolify, catalogue.published(bed.lab.site), pool, f"op-stops{next(NUMBERS)}")


def of(part: str) -> dict[str, JsonValue]:
    """Return what tells the steps of one release from those of the other."""
    return {"part": part} if part else {}


async def swapped(ground: Ground, name: str, part: str, rehearsal: JsonObject) -> JsonObject:
    """Swap the image of one release in, as its part of the plan does, and return what that came to."""
    pinned, behind = ground.images[name].pinned, f"_{part}" if part else ""
    files = (await swapping.ready(ground.pool, "factory")).files
    return await ground.run(
        "factory.swap_image",
        image=pinned,
        image_id=ground.id_of(name),
        images={CUSTOM: pinned},
        sums={file: seen.sha256 for file, seen in files.items()},
        migrations=rehearsal.get(f"ran{behind}", []),
        migrated_s=rehearsal.get(f"seconds{behind}", 1.0),
        **of(part),
    )


async def kept(ground: Ground, name: str, part: str, rehearsal: JsonObject) -> JsonObject:
    """Swap the image of one release in, have it proved and confirmed, and return what the proof came to."""
    swap = await swapped(ground, name, part, rehearsal)
    proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0, **of(part))
    await ground.run("factory.confirm_image", **of(part))
    return proof


async def pulled(ground: Ground, *names: str) -> None:
    """Have the images of all releases on the Factory, as the plan does before anything else."""
    for name in names:
        await ground.run("factory.pull_image", image=ground.images[name].pinned, option=True, least_age_h=0)


async def back_by_hand(ground: Ground, *words: str) -> None:
    """Go back by the one command on the Factory."""
    await meanwhile(partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", *words, limit_s=BACK_S))
    await eventually(ground.coolify.works, what="no Horizon that runs", limit_s=180)


async def test_two_releases_are_rehearsed_on_one_copy_and_served_in_their_turn(ground: Ground) -> None:
    """The migration is the first one's; nobody's app loses an answer; by hand all goes back, one after the other."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        await pulled(ground, GOOD_2, NEXT)
        backup = await ground.run("factory.backup_coolify", name="")
        stops: list[JsonValue] = [{"part": FIRST, "image": ground.images[GOOD_2].pinned}]
        tried = await ground.run(
            "factory.rehearse", backup=backup["name"], image=ground.images[NEXT].pinned, stops=stops
        )
        first = await kept(ground, GOOD_2, FIRST, tried)
        between = ground.seen()
        last = await kept(ground, NEXT, "", tried)
    after = ground.seen()
    assert (tried[f"ran_{FIRST}"], tried["ran"], tried["image"]) == ([MORE], [], ground.id_of(NEXT))
    assert (first["image"], last["image"]) == (ground.id_of(GOOD_2), ground.id_of(NEXT))
    assert (between.image, between.migrated) == (ground.id_of(GOOD_2), True)
    assert (after.image, after.migrated, after.secret) == (ground.id_of(NEXT), True, before.secret)
    assert lost == []
    with anyio.fail_after(LIMIT_S):
        await back_by_hand(ground)
        assert ground.seen() == between
        await back_by_hand(ground, "--with-database")
    assert ground.seen() == before


@pytest.mark.parametrize("how", [pytest.param("unhealthy", marks=pytest.mark.long), "killed"])
async def test_a_second_release_that_fails_leaves_the_first_one_in_service_and_well(ground: Ground, how: str) -> None:
    """Nothing of ours has to live for that; the first one's own way back is still there behind it."""
    before, second = ground.seen(), UNHEALTHY if how == "unhealthy" else NEXT
    with anyio.fail_after(LIMIT_S):
        await pulled(ground, GOOD_2, second)
        await kept(ground, GOOD_2, FIRST, {f"ran_{FIRST}": [MORE]})
        between = ground.seen()
        if how == "unhealthy":
            with pytest.raises(StepFailed, match="did not become healthy"):
                await swapped(ground, second, "", {})
        else:
            await swapped(ground, second, "", {})
            ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
        await ground.comes_to("reverted")
        await eventually(ground.coolify.works, what="no Horizon that runs", limit_s=180)
        well = tuple(faults(await swapping.prove(ground.pool, "factory"), ground.id_of(GOOD_2)))
    assert (ground.seen(), between.image, well) == (between, ground.id_of(GOOD_2), ())
    with anyio.fail_after(LIMIT_S):
        await back_by_hand(ground, "--with-database")
    assert ground.seen() == before
