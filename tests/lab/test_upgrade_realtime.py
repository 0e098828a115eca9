"""An upgrade takes realtime along on a real Factory: proved with Coolify, and back with it whichever of both fails."""

from dataclasses import dataclass
from functools import partial

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.looking import PROD
from tests.lab.bed import meanwhile
from tests.lab.ground.hosts import COOLIFY
from tests.lab.ground.stand_in.catalogue import REALTIME_IMAGE, REALTIME_NEXT, REALTIME_SICK
from tests.lab.ground.stand_in.pushing import NAME
from tests.lab.rotation_bed import BACK_S, LIMIT_S, UNIT, Ground, Seen, probed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1200)]

INSPECT = ("docker", "inspect", "--format")


@dataclass(frozen=True)
class Beside:
    """What runs: Coolify as a rotation sees it, realtime by name, id and health, and since when the databases do."""

    coolify: Seen
    realtime: str
    databases: str
    file: str


def beside(ground: Ground) -> Beside:
    """Return what runs now."""
    say = ground.factory.say
    return Beside(
        coolify=ground.seen(),
        realtime=say(*INSPECT, "{{.Config.Image}} {{.Image}} {{.State.Health.Status}}", "coolify-realtime").strip(),
        databases=say(*INSPECT, "{{.Image}} {{.State.StartedAt}}", "coolify-db", "coolify-redis"),
        file=say("cat", f"{COOLIFY}/{PROD}"),
    )


def wanting(ground: Ground, realtime: str) -> str:
    """Return Coolify's own file as a release has it that wants that realtime."""
    now = ground.factory.say("cat", f"{COOLIFY}/{PROD}")
    wanted = now.replace(REALTIME_IMAGE, realtime)
    assert wanted != now
    return wanted


async def test_realtime_goes_along_is_proved_and_comes_back_by_hand_after_a_cleanup_of_images(ground: Ground) -> None:
    """Compose reads its name out of the release's file, Coolify reaches it, and nobody's app or database is touched."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        found = (await swapping.ready(ground.pool, "factory")).beside
        swap = await ground.upgrade(wanting(ground, REALTIME_NEXT), realtime=REALTIME_NEXT)
        id_ = ground.id_of(REALTIME_NEXT)
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0, realtime_id=id_)
        await ground.run("factory.confirm_image")
    after = beside(ground)
    ground.factory.say("docker", "image", "prune", "--all", "--force")
    assert {name: (each.names, each.reference) for name, each in found.items()} == {
        "soketi": (f"{NAME}/{REALTIME_IMAGE}",) * 2,
        "postgres": ("postgres:15-alpine",) * 2,
        "redis": ("redis:7-alpine",) * 2,
    }
    assert (after.realtime, proof["realtime_restarts"]) == (f"{NAME}/{REALTIME_NEXT} {id_} healthy", 0)
    assert (after.coolify.image, after.coolify.migrated, after.databases) == (swap["id"], True, before.databases)
    assert lost == []
    with anyio.fail_after(LIMIT_S):
        back = partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
        await meanwhile(back)
    assert beside(ground) == before


async def test_a_realtime_that_never_gets_healthy_ends_it_with_both_as_they_were(ground: Ground) -> None:
    """Coolify itself was not even stopped: its container is the one from before."""
    before, since = beside(ground), ground.factory.say(*INSPECT, "{{.Id}} {{.State.StartedAt}}", "coolify")
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="realtime service did not become healthy"):
        await ground.upgrade(wanting(ground, REALTIME_SICK), realtime=REALTIME_SICK)
    assert (beside(ground), ground.state()) == (before, "reverted")
    assert ground.factory.say(*INSPECT, "{{.Id}} {{.State.StartedAt}}", "coolify") == since


@pytest.mark.parametrize("how", ["killed", "power", "told"])
async def test_whoever_dies_both_are_back(ground: Ground, how: str) -> None:
    """With realtime new and Coolify new: a killed unit, a power cut, and the plan's own way back."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S):
        await ground.upgrade(wanting(ground, REALTIME_NEXT), realtime=REALTIME_NEXT)
        match how:
            case "killed":
                ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            case "power":
                await meanwhile(ground.factory.cut_power)
                await meanwhile(ground.factory.power_on)
            case _:
                await ground.run("factory.swap_back")
        await ground.comes_to("reverted")
    after = beside(ground)
    assert (after.coolify, after.realtime, after.file) == (before.coolify, before.realtime, before.file)


async def test_a_unit_that_is_killed_again_and_again_ends_with_both_as_they_were(ground: Ground) -> None:
    """With realtime on its way, with Coolify on its way, and on the way back of either."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S):
        await ground.begin_both(wanting(ground, REALTIME_NEXT), REALTIME_NEXT)
        for number in range(8):
            await ground.comes_to("swapping", "swapped", "reverting", "reverted", "refused")
            await anyio.sleep(0.5 * number)  # the moment of the kill is what differs, not something waited for
            ground.factory.run("systemctl", "kill", "--signal", "KILL", UNIT)
        await ground.comes_to("reverted", "refused")
    assert beside(ground) == before
    names = ground.factory.say("docker", "ps", "--all", "--format", "{{.Names}}").split()
    assert [name for name in names if name.endswith(("_coolify", "_coolify-realtime"))] == []


async def test_files_that_name_another_realtime_than_was_pulled_end_it_untouched(ground: Ground) -> None:
    """Docker Compose itself is asked before anything stops: it is the last reader of them."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="reads another image of realtime"):
        await ground.upgrade(wanting(ground, REALTIME_SICK), realtime=REALTIME_NEXT)
    assert beside(ground) == before
