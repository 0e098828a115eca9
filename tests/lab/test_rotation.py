"""Coolify's image is swapped on a real Factory by the unit there, which goes back by itself whoever dies."""

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.hosts.factory.looking import CUSTOM
from tests.lab.bed import eventually, meanwhile
from tests.lab.ground.hosts import COOLIFY
from tests.lab.ground.stand_in.catalogue import CRASHING, GOOD_2, MORE, OFFICIAL, UNHEALTHY
from tests.lab.rotation_bed import BACK_S, LIMIT_S, TAG, UNIT, Ground, named_by, probed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1200)]


async def test_a_good_image_is_swapped_proved_confirmed_and_taken_back_by_hand(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """Backup, rehearsal, swap, proofs, the word to stay: nobody's app loses an answer, and by hand all comes back."""
    restart_ms = await anyio.to_thread.run_sync(ground.restarted_ms)
    await eventually(ground.coolify.works, what="no Horizon that runs", limit_s=180)
    before = ground.seen()
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        pulled = await ground.run("factory.pull_image", image=ground.images[GOOD_2].pinned, option=True, least_age_h=0)
        backup = await ground.run("factory.backup_coolify", name="")
        rehearsal = await ground.run("factory.rehearse", backup=backup["name"], image=ground.images[GOOD_2].pinned)
        swap = await ground.swap(GOOD_2, migrations=(MORE,))
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=rehearsal["seconds"])
        await ground.run("factory.confirm_image")
        await ground.run("factory.release_images")
    after = ground.seen()
    assert (rehearsal["ran"], swap["id"], proof["image"]) == ([MORE], pulled["id"], pulled["id"])
    assert (after.image, after.migrated, after.secret) == (pulled["id"], True, before.secret)
    assert ground.images[GOOD_2].pinned in after.custom
    assert lost == []
    assert isinstance(swap["downtime_ms"], int)
    record_property("figures", told_of(swap["downtime_ms"], restart_ms, rehearsal["seconds"]))
    refused = ground.factory.run("sh", "/data/coolify/ink/rollback")
    assert (refused.returncode, "--with-database" in refused.stderr) == (3, True)
    with anyio.fail_after(LIMIT_S):
        await meanwhile(
            partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
        )
    assert ground.seen() == before


def told_of(swap_ms: int, restart_ms: int, migrated_s: object) -> str:
    """Return how long the dashboard was away, beside what a restart and the migrations alone take."""
    assert isinstance(migrated_s, int | float)
    least_ms = restart_ms + migrated_s * 1000
    return (
        f"dashboard away for {swap_ms / 1000:.1f} s in a rotation; `docker restart` {restart_ms / 1000:.1f} s and the "
        f"rehearsed migrations {migrated_s:.1f} s: {swap_ms / least_ms:.2f} times"
    )


@pytest.mark.parametrize("name", [pytest.param(UNHEALTHY, marks=pytest.mark.long), CRASHING])
async def test_an_image_that_does_not_serve_is_taken_back_and_its_last_words_are_told(
    ground: Ground, name: str
) -> None:
    """Nobody has to be there for it: the file, the image and the database are those from before."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="went back to the Coolify from before") as caught:
        await ground.swap(name, migrations=("x",))
    assert (ground.seen(), ground.state()) == (before, "reverted")
    assert caught.value.untrusted_log


@pytest.mark.parametrize(
    "how",
    [
        "nobody confirms",
        "power",
        *(pytest.param(how, marks=pytest.mark.long) for how in ("killed", "terminated", "told")),
    ],
)
async def test_whoever_dies_the_factory_is_back_on_the_old_image_and_its_old_database(ground: Ground, how: str) -> None:
    """No confirmation, a power cut, a killed unit, the word to go back: what was written before the swap is there."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(GOOD_2, confirm_s=3 if how == "nobody confirms" else 600)
        if how != "nobody confirms":
            await ground.comes_to("swapped")
        match how:
            case "power":
                await meanwhile(ground.factory.cut_power)
                await meanwhile(ground.factory.power_on)
            case "killed":
                ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            case "terminated":
                ground.factory.say("systemctl", "kill", "--signal", "TERM", UNIT)
            case "told":
                await ground.run("factory.swap_back")
            case _:
                pass
        await ground.comes_to("reverted")
    assert ground.seen() == before


async def test_a_unit_that_is_killed_again_and_again_ends_on_the_old_image(ground: Ground) -> None:
    """At no command of its way there or back is it in a state that it does not come back from."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(GOOD_2, confirm_s=600)
        for number in range(8):
            await ground.comes_to("swapping", "swapped", "reverting", "reverted", "refused")
            await anyio.sleep(0.4 * number)  # the moment of the kill is what differs, not something waited for
            ground.factory.run("systemctl", "kill", "--signal", "KILL", UNIT)
        await ground.comes_to("reverted", "refused")
    assert ground.seen() == before


async def test_a_deployment_that_waits_keeps_coolify_as_it_is(ground: Ground) -> None:
    """The unit looks at the last moment: what runs is not broken off."""
    before = ground.seen()
    ground.coolify.queue_deployment("dp0dp0dp0dp0dp0dp0dp0dp0")
    try:
        with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="1 deployments run or wait"):
            await ground.swap(GOOD_2, migrations=(MORE,))
    finally:
        ground.coolify.sql("delete from application_deployment_queues")
    assert ground.seen() == before


@pytest.mark.parametrize(
    ("name", "why"), [("wrong-arch", "could not be pulled|it is for"), ("no-option", "no --runtime")]
)
async def test_an_image_that_cannot_serve_here_is_known_before_anything_stops(
    ground: Ground, name: str, why: str
) -> None:
    """For other machines, or without the option: it is never started."""
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match=why):
        await ground.run("factory.pull_image", image=ground.images[name].pinned, option=True, least_age_h=0)


async def test_the_official_image_serves_by_its_tag_in_env_and_is_taken_back_by_hand(ground: Ground) -> None:
    """Compose itself makes that image of what is left, with every service, and the override comes back whole."""
    before, named = ground.seen(), named_by(ground.coolify)
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        swap = await ground.go_official()
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0)
        await ground.run("factory.confirm_image")
    image, id_, told, override = named_by(ground.coolify)
    env = ["LATEST_IMAGE=4.3.99", "COOLIFY_VERSION=4.3.99", "AUTOUPDATE=false"]
    assert (proof["image"], id_, image, told, override) == (swap["id"], ground.id_of(OFFICIAL), TAG, env, False)
    assert lost == []
    ground.coolify.up()
    assert named_by(ground.coolify) == (image, id_, told, override)
    with anyio.fail_after(LIMIT_S):
        await meanwhile(partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", limit_s=BACK_S))
    assert (ground.seen(), named_by(ground.coolify)[2:]) == (before, named[2:])


async def test_an_official_image_that_nobody_confirms_gives_way_to_the_fork_and_its_override(ground: Ground) -> None:
    """Compose takes an override in which only a comment of somebody else is left, and .env is what it was."""
    fork = ground.factory.say("cat", f"{COOLIFY}/{CUSTOM}")
    ground.factory.write(f"{COOLIFY}/{CUSTOM}", f"# ours\n{fork}")
    try:
        before, named = ground.seen(), named_by(ground.coolify)
        with anyio.fail_after(LIMIT_S):
            await ground.begin(OFFICIAL, confirm_s=600, migrates=False)
            await ground.comes_to("swapped")
            left = ground.factory.say("cat", f"{COOLIFY}/{CUSTOM}")
            ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            await ground.comes_to("reverted")
        assert left == "# ours\nservices: {}  # set by ink-infra-mcp\n"
        assert (ground.seen(), named_by(ground.coolify)[2:]) == (before, named[2:])
    finally:
        ground.factory.write(f"{COOLIFY}/{CUSTOM}", fork)
