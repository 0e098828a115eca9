"""Coolify on a real Factory: a release with files of its own, and a registry, a disk or a cable that fails."""

from functools import partial

import anyio
import pytest

from ink_infra_mcp.core.errors import InkError, StepFailed
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.looking import PROD
from tests.lab.bed import meanwhile
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1, GOOD_2, NEXT_VERSION, SLOW
from tests.lab.ground.stand_in.pushing import Published
from tests.lab.rotation_bed import BACK_S, LIMIT_S, UNIT, Ground, named_by, probed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1200)]

ROTATIONS = 50
NOWHERE = "0" * 64
REJECT = ("-p", "tcp", "--dport", "5000", "-j", "REJECT", "--reject-with", "tcp-reset")
FULL = "/var/lib/docker/everything"
FILL = (
    f"fallocate -l $(($(df --output=avail -B1 /var/lib/docker | tail -n 1) / 100 * 98)) {FULL}; "
    f"dd if=/dev/zero of={FULL} bs=1M conv=notrunc oflag=append 2>/dev/null; "
    f"dd if=/dev/zero of={FULL}.more bs=4k 2>/dev/null; sync; df {FULL}"
)
"""Nearly all of it is taken without a byte that is written: labs beside this one have the same disk below."""


def released(ground: Ground) -> tuple[str, str]:
    """Return Coolify's own file as it is, and as the next release has it: with a health check that waits longer."""
    now = ground.factory.say("cat", f"{COOLIFY}/{PROD}")
    wanted = now.replace("retries: 24", "retries: 36")
    assert wanted != now
    return now, wanted


def retries(factory: Server) -> str:
    """Return how often Docker tries before it calls Coolify unhealthy."""
    return factory.say("docker", "inspect", "--format", "{{.Config.Healthcheck.Retries}}", "coolify").strip()


async def test_a_fork_goes_to_a_release_with_its_file_and_keys_and_all_of_it_comes_back_by_hand(ground: Ground) -> None:
    """Compose makes the container of the release's file; a user's app loses nothing; by hand not a byte is left."""
    before, named = ground.seen(), named_by(ground.coolify)
    old, wanted = released(ground)
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        swap = await ground.upgrade(wanted)
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0)
        await ground.run("factory.confirm_image")
    after = ground.seen()
    assert (after.image, after.migrated, after.secret) == (proof["image"], True, before.secret)
    assert (ground.factory.say("cat", f"{COOLIFY}/{PROD}"), retries(ground.factory), lost) == (wanted, "36", [])
    told = [f"LATEST_IMAGE={NEXT_VERSION}", f"COOLIFY_VERSION={NEXT_VERSION}", "AUTOUPDATE=false"]
    assert named_by(ground.coolify)[2:] == (told, True)
    with anyio.fail_after(LIMIT_S):
        back = partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
        await meanwhile(back)
    assert (ground.seen(), named_by(ground.coolify), ground.factory.say("cat", f"{COOLIFY}/{PROD}")) == (
        before,
        named,
        old,
    )


async def test_a_fork_that_was_built_on_another_commit_is_never_started(ground: Ground) -> None:
    """Its label says so, whatever its tag and its version are."""
    before, (_, wanted) = ground.seen(), released(ground)
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="its label says that it was built on 1212"):
        await ground.upgrade(wanted, commit="34" * 20)
    assert ground.seen() == before


@pytest.mark.long
@pytest.mark.parametrize("how", ["no such digest", "registry away"])
async def test_an_image_that_cannot_be_had_changes_nothing(ground: Ground, how: str) -> None:
    """What Docker says of it is told, and Coolify runs on."""
    before, image = ground.seen(), ground.images[SLOW]
    pinned = f"{image.pinned.partition('@')[0]}@sha256:{NOWHERE}" if how == "no such digest" else image.pinned
    ground.factory.run("docker", "image", "rm", pinned)
    ground.factory.say("iptables", "-I", "OUTPUT", *REJECT)
    try:
        if how == "no such digest":
            ground.factory.say("iptables", "-D", "OUTPUT", *REJECT)
        with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="could not be pulled on factory") as caught:
            await ground.run("factory.pull_image", image=pinned, option=True, least_age_h=0)
    finally:
        ground.factory.run("iptables", "-D", "OUTPUT", *REJECT)
    assert caught.value.untrusted_log
    assert ground.seen() == before


@pytest.mark.long
@pytest.mark.parametrize(
    ("when", "why"), [("pulled", "could not be pulled"), ("swapped", "its folder cannot be made|takes nothing")]
)
async def test_a_disk_that_is_full_ends_it_before_anything_stops(ground: Ground, when: str, why: str) -> None:
    """While the image comes, and while the unit puts down what its way back needs; then there is room, and it goes."""
    before, pull = ground.seen(), partial(ground.run, "factory.pull_image", option=True, least_age_h=0)
    pulled = await pull(image=ground.images[SLOW].pinned)
    if when == "pulled":
        ground.factory.run("docker", "image", "rm", ground.images[SLOW].pinned)
    ground.factory.run("sh", "-c", FILL)
    try:
        with anyio.fail_after(LIMIT_S), pytest.raises(InkError, match=why):
            await (pull(image=ground.images[SLOW].pinned) if when == "pulled" else ground.put(SLOW, pulled["id"]))
        serves = ground.factory.say("docker", "inspect", "--format", "{{.Image}}", "coolify").strip()
    finally:
        ground.factory.say("rm", "-f", FULL, f"{FULL}.more")
    assert (serves, ground.state() in ("", "refused"), ground.seen()) == (before.image, True, before)


@pytest.mark.long
async def test_a_disk_that_fills_once_it_is_prepared_ends_it_at_once(ground: Ground) -> None:
    """Before systemd has its unit or after: nothing has stopped, nothing is waited for, and the reason is told."""
    before = ground.seen()
    try:
        with anyio.fail_after(LIMIT_S):
            with pytest.raises(StepFailed, match="see whether the disk is full"):
                await ground.begin(GOOD_2, confirm_s=3, between=FILL)
            ground.factory.say("rm", "-f", FULL, f"{FULL}.more")
            ground.factory.say("systemctl", "enable", UNIT)
            ground.factory.run("sh", "-c", FILL)
            await swapping.act(ground.pool, "factory", "start", ground.operation, permit=ground.permit())
            await ground.comes_to("refused", limit_s=60)
            told = await swapping.look(ground.pool, "factory", ground.operation)
    finally:
        ground.factory.say("rm", "-f", FULL, f"{FULL}.more")
    assert (told.state, told.why) == ("refused", "the disk takes no word of why: see whether it is full")
    assert ground.seen() == before


async def test_a_cable_that_is_cut_while_it_swaps_leaves_the_factory_to_itself(ground: Ground) -> None:
    """The unit needs nobody: it waits for the word to stay, goes back when its time is over, and says so afterwards."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(GOOD_2, confirm_s=3)
        await ground.comes_to("swapping", "swapped")
        ground.bed.link("factory", "drop")
        await ground.comes_to("reverted")
        ground.bed.link("factory", "clear")
        with pytest.raises(StepFailed, match="went back to the Coolify from before"):
            await ground.run("factory.prove_image", image_id="sha256:1", migrated_s=1.0)
    assert ground.seen() == before


@pytest.mark.long
@pytest.mark.timeout(5400)
async def test_fifty_rotations_in_a_row_lose_no_answer_of_a_users_app(ground: Ground) -> None:
    """Each one is proved and confirmed; at twenty visits a second none is lost."""
    other: Published = catalogue.again(ground.bed.lab.site)
    images = {**ground.images, "again": other}
    before = ground.seen()
    with probed(ground.factory) as lost:
        for number in range(ROTATIONS):
            one = Ground(ground.bed, ground.coolify, images, ground.pool, f"op-fifty{number}")
            with anyio.fail_after(LIMIT_S):
                swap = await one.swap("again" if number % 2 == 0 else GOOD_1)
                await one.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0)
                await one.run("factory.confirm_image")
                await one.run("factory.release_images")
    after = ground.seen()
    assert (after.image, after.migrated, after.secret) == (before.image, before.migrated, before.secret)
    assert lost == []
