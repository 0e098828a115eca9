"""A backup of the lab's Coolify, and its restore tried there by real Docker, PostgreSQL and Laravel."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.hosts.factory import backing_up
from tests.ink import says_yes
from tests.lab.bed import Bed
from tests.lab.ground.lab import Lab
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1, GOOD_2, MORE
from tests.lab.ground.stand_in.factory import Coolify, installed
from tests.lab.ground.stand_in.migrations import BROKEN, Broken
from tests.lab.ground.stand_in.pushing import Published
from tests.lab.tools_bed import app_of, client_of
from tests.permits import permit_here
from tests.tools.calls import call

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in's backups"), pytest.mark.timeout(900)]

LIMIT_S = 600.0
KEPT = "/data/coolify/backups/ink"
HANGS_S = 20
CAUGHT = [each for each in BROKEN.values() if each.shows != "drops"]
IN_EVERY_RUN = frozenset(
    {"waits_for_its_own_lock", "encrypts_with_another_key", "half_done", "exits_with_zero", "throws"}
)
"""Of the broken migrations, one for each way to be known: it hangs, its secret, halfway, a wrong status, an error."""


def _weighed(broken: Broken) -> object:
    return broken if broken.name in IN_EVERY_RUN else pytest.param(broken, marks=pytest.mark.long)


@pytest.fixture(scope="module")
def images(lab: Lab) -> dict[str, Published]:
    """Return the images of the stand-in, which are in the registry then."""
    return catalogue.published(lab.site)


@pytest.fixture(scope="module")
def coolify(lab: Lab, images: dict[str, Published]) -> Coolify:
    """Return a Coolify in the fork's image, which no test changes."""
    return installed(Bed(lab).fresh("factory"), images[GOOD_1].pinned)


def service(coolify: Coolify) -> dict[str, str]:
    """Return what must be the same afterwards: each container and when it began, networks, volumes, and migrations."""
    inspect = ("docker", "inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}")
    ids = coolify.server.say("docker", "ps", "--all", "--quiet").split()
    return {
        "containers": coolify.server.say(*inspect, *ids),
        "networks": coolify.server.say("docker", "network", "ls", "--format", "{{.Name}}"),
        "volumes": coolify.server.say("docker", "volume", "ls", "--quiet"),
        "migrations": coolify.sql("select migration, batch from migrations order by id"),
        "keys": coolify.sql("select id, private_key from private_keys order by id"),
    }


async def rehearsed(bed: Bed, image: str, *, limit_s: int = 120) -> backing_up.Rehearsal:
    """Return what a rehearsal with an image comes to, of a backup that is made first where there is none."""
    permit = permit_here()
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            await backing_up.make(pool, "factory", "op-lab", permit=permit)
            return await backing_up.rehearse(
                pool, "factory", "op-try", backup="op-lab", images=(image,), limit_s=limit_s, permit=permit
            )


def pulled(coolify: Coolify, image: Published) -> str:
    """Return the reference of an image that is on the Factory then."""
    coolify.server.say("docker", "pull", "--quiet", image.pinned, limit_s=LIMIT_S)
    return image.pinned


async def test_a_drill_leaves_all_as_it_was_and_is_known_afterwards(bed: Bed, coolify: Coolify, tmp_path: Path) -> None:
    """The tool itself: backed up, restored, migrated and decrypted, and no container, network or volume more."""
    before = service(coolify)
    app = app_of(bed, tmp_path / "state")
    try:
        async with client_of(app, says_yes()) as client:
            with anyio.fail_after(LIMIT_S):
                said = await call(client, "backup_coolify", drill=True, wait_s=180)
    finally:
        await app.aclose()
    assert (said.outcome, said.checks) == ("applied", {"backup": "passed", "restore": "passed"}), said.text
    result = said.data["result"]
    manifest: dict[str, Any] = json.loads(coolify.server.say("cat", f"{result['folder']}/manifest.json"))
    assert (manifest["coolify"]["version"], manifest["postgres"]["version"][:2]) == ("4.3.11", "15")
    assert (result["drill"]["pending_before"], result["drill"]["secret"]) == ([], "decrypted")
    drill = json.loads(coolify.server.say("cat", f"{KEPT}/last-drill.json"))
    assert drill["dump_sha256"] == result["dump_sha256"]
    assert service(coolify) == before


async def test_the_next_release_is_rehearsed_before_it_runs(
    bed: Bed, coolify: Coolify, images: dict[str, Published]
) -> None:
    """Its one migration ran on the copy, and not in the database."""
    before = service(coolify)
    tried = await rehearsed(bed, pulled(coolify, images[GOOD_2]))
    assert (tried.pending, tried.ran, tried.encrypts, tried.drops) == ((MORE,), (MORE,), (), ())
    assert 0 < tried.seconds < LIMIT_S
    assert service(coolify) == before


@pytest.mark.parametrize("broken", [_weighed(each) for each in CAUGHT], ids=lambda each: each.name)
async def test_a_broken_migration_is_caught_on_the_copy(bed: Bed, coolify: Coolify, broken: Broken) -> None:
    """However it is broken, the rehearsal fails with a stage that says where, and nothing in service is touched."""
    before = service(coolify)
    image = pulled(coolify, catalogue.broken(bed.lab.site, broken))
    with pytest.raises(StepFailed) as failed:
        await rehearsed(bed, image, limit_s=HANGS_S if broken.shows == "hangs" else 120)
    wanted = "rehearsal_secret" if broken.shows == "secret" else "rehearsal_migrate"
    assert failed.value.stage == wanted, failed.value.failed
    assert service(coolify) == before


@pytest.mark.parametrize("name", [each.name for each in BROKEN.values() if each.shows == "drops"])
async def test_what_drops_or_renames_is_told(bed: Bed, coolify: Coolify, name: str) -> None:
    """It runs well on the copy: that it takes something away is told, by its name."""
    tried = await rehearsed(bed, pulled(coolify, catalogue.broken(bed.lab.site, BROKEN[name])))
    assert tried.drops == (BROKEN[name].file,)


async def test_an_app_key_that_is_not_its_own_proves_nothing(bed: Bed, coolify: Coolify) -> None:
    """The dump is whole and restores; a backup whose .env has another key is no backup, and that is told."""
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            await backing_up.make(pool, "factory", "op-key", permit=permit_here())
    other = f"s|^APP_KEY=.*|APP_KEY=base64:{'A' * 43}=|"
    at = f"{KEPT}/op-key"
    coolify.server.say("sed", "-i", other, f"{at}/secrets/.env")
    old = json.loads(coolify.server.say("cat", f"{at}/manifest.json"))["files"]
    sum_of = next(file["sha256"] for file in old if file["path"] == "secrets/.env")
    now = coolify.server.say("sha256sum", f"{at}/secrets/.env").split()[0]
    coolify.server.say("sed", "-i", f"s/{sum_of}/{now}/", f"{at}/manifest.json")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed) as failed:
            await backing_up.rehearse(pool, "factory", "op-try", backup="op-key", permit=permit_here())
    assert failed.value.stage == "rehearsal_secret", failed.value.failed


@pytest.mark.parametrize("image", ["", GOOD_2], ids=["the image that runs", "the next one"])
async def test_a_migration_that_no_image_here_knows_is_told_before_anything_migrates(
    bed: Bed, coolify: Coolify, images: dict[str, Published], image: str
) -> None:
    """The database was migrated by something newer: no image that is older serves it, and the copy is not touched."""
    at = f"op-of-{image or 'now'}".replace("_", "-").lower()
    row = "2099_01_01_000000_of_a_release_to_come"
    coolify.sql("insert into migrations (migration, batch) values (:'row', 99)", row=row)
    before = service(coolify)
    reference = pulled(coolify, images[image]) if image else ""
    try:
        async with bed.pool() as pool:
            with anyio.fail_after(LIMIT_S):
                await backing_up.make(pool, "factory", at, permit=permit_here())
            with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed) as failed:
                await backing_up.rehearse(
                    pool, "factory", "op-try", backup=at, images=(reference,), permit=permit_here()
                )
        assert (failed.value.stage, row in failed.value.failed) == ("rehearsal_unknown", True), failed.value.failed
        assert service(coolify) == before
    finally:
        coolify.sql("delete from migrations where migration = :'row'", row=row)
