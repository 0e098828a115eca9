"""rotate_fork_image: rehearsed, swapped by the Factory itself, proved, or back as it was; and never a guess."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import FORK_IMAGE
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_factory import CUSTOM, MIGRATIONS, PROD, PROD_TEXT, ImageKind
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import approved
from tests.tools.calls import Before, call
from tests.tools.exchanges import (
    ADDED,
    COOLIFYS,
    LIMIT_S,
    NEW,
    PROVED,
    TAGGED,
    Change,
    Ended,
    InService,
    acts_of,
    apps,
    by_hand,
    coolify,
    disk,
    exchanged,
    in_service,
    migrates,
    refused,
)

pytestmark = pytest.mark.anyio
ROTATE = "rotate_fork_image"


def is_(**kind: Any) -> Change:
    """Return a change that says what the new image is."""

    def changed(state: WorldState) -> None:
        state.coolify.factory.images[NEW] = ImageKind(**kind)

    return changed


def exited(state: WorldState) -> None:
    """Let Coolify's container have ended."""
    coolify(state).state = "exited"


async def rotated(folder: Path, change: Change | None = None, *, wrap: Before | None = None, image: str = NEW) -> Ended:
    """Return what came of a rotation that a person said yes to."""
    return await exchanged(folder, ROTATE, change, wrap=wrap, image=image)


async def test_a_rehearsed_image_is_swapped_proved_and_kept_and_the_same_call_then_plans_nothing(
    tmp_path: Path,
) -> None:
    """Its digest stands in the override alone, its migrations ran, apps are as they were, and no canary is left."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=migrates, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            before, apps_before = in_service(it.state), apps(it.state)
            said = await approved(it, client, ROTATE, image=NEW, wait_s=3600)
            after = in_service(it.state)
            again = await call(client, ROTATE, image=NEW)
            acts, apps_after = acts_of(it), apps(it.state)
    assert (said.outcome, said.checks, again.outcome) == ("applied", PROVED, "already_so"), said.text + again.text
    line = f'image: "{NEW}"  # set by ink-infra-mcp'
    files = {**before.files, CUSTOM: before.files[CUSTOM].replace(f'image: "{FORK_IMAGE}"', line)}
    assert after == InService(NEW, files, before.env, False, [*MIGRATIONS, ADDED], True)
    assert apps_after == apps_before
    assert acts == [f"ink-{act}" for act in ("backup make", "backup rehearse", "swap prepare", "swap start")] + [
        "ink-swap confirm",
        "ink-swap release",
    ]
    told = {name: said.data["result"][name] for name in ("migrations", "downtime_ms", "rehearsed_s")}
    assert told == {"migrations": [ADDED], "downtime_ms": 1840, "rehearsed_s": 4.2}
    copy = said.data["result"]["copy"]
    named = f"_{said.data['operation_id']}_{copy['bytes']}_{copy['sha256']}.tar.age"
    assert copy["file"].endswith(named), "what the box gives back is held to it"


async def test_a_fork_in_coolifys_own_file_moves_to_the_override_and_updates_go_off(tmp_path: Path) -> None:
    """Coolify's file has its own line again, so that no update of Coolify's takes the fork away."""
    ended = await rotated(tmp_path, by_hand)
    assert (ended.said.outcome, ended.said.checks) == ("applied", PROVED), ended.said.text
    assert ended.after.files == {
        **ended.before.files,
        PROD: PROD_TEXT.replace(f'"{COOLIFYS}"', f'"{COOLIFYS}"  # set by ink-infra-mcp'),
        CUSTOM: f'services:\n  coolify:\n    image: "{NEW}"  # set by ink-infra-mcp\n',
    }
    assert (ended.after.env["AUTOUPDATE"], ended.after.auto_update) == ("false", False)


async def test_somebody_elses_override_is_merged_and_one_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """Limits that others wrote stay, with their comment; a form in which that cannot be done stays wholly theirs."""
    theirs = "# ours: do not touch\nservices:\n  coolify:\n    mem_limit: 2g # why not\n  redis:\n    mem_limit: 256m\n"

    def beside(state: WorldState) -> None:
        by_hand(state)
        state.coolify.factory.files[CUSTOM] = theirs

    ended = await rotated(tmp_path / "1", beside)
    wanted = theirs.replace("    mem_limit: 2g", f'    image: "{NEW}"  # set by ink-infra-mcp\n    mem_limit: 2g')
    assert (ended.said.outcome, ended.after.files[CUSTOM]) == ("applied", wanted), ended.said.text
    flow = f'services: {{coolify: {{image: "{FORK_IMAGE}", mem_limit: 2g}}}}\n'
    assert "cannot be set" in await refused(
        tmp_path / "2", ROTATE, disk(lambda it: it.files.update({CUSTOM: flow})), image=NEW
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (disk(lambda it: setattr(it, "upgrading", True)), "an upgrade of Coolify's own runs"),
        (disk(lambda it: setattr(it, "left_over", ["0123456789ab_coolify"])), "containers are left of an earlier try"),
        (
            disk(lambda it: setattr(it, "held", ["8000=web", "443=?"])),
            "port 8000 is held by web; port 443 is held by a",
        ),
        (disk(lambda it: setattr(it, "free_kb", 1_000_000)), "its disks have 976 MiB left, and 5 GiB are needed"),
        (disk(lambda it: it.broken.append("settings")), "whether Coolify updates itself is not known"),
        (disk(lambda it: it.broken.append("images")), "Docker Compose does not take its files"),
        (exited, "its container is exited, and must run"),
        (disk(lambda it: it.files.pop(CUSTOM)), "its files name docker.io/coollabsio/coolify:4.3.10, and"),
    ],
)
async def test_a_factory_that_is_in_no_state_for_it_is_left_alone(tmp_path: Path, change: Change, reason: str) -> None:
    """Each with its reason, before anybody is asked."""
    assert reason in await refused(tmp_path, ROTATE, change, image=NEW)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("not an image", "is no image"),
        ("registry.example.com/ink/missing:1", "cannot be told"),
        ("elsewhere.example.net/ink/coolify:1", "is not among the registries of fleet.toml"),
        ("coollabsio/coolify@sha256:" + "1" * 64, "is an official image, which drops --runtime: 2 apps rely on it"),
    ],
)
async def test_an_image_that_nobody_can_pin_or_that_drops_isolation_is_refused(
    tmp_path: Path, image: str, reason: str
) -> None:
    """A tag is resolved at once; what the official image does to isolation is said before anything is pulled."""
    assert reason in await refused(tmp_path, ROTATE, migrates, image=image)


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (is_(arch="arm64"), "image"),
        (is_(option=False), "image"),
        (disk(lambda it: it.failing.append("pg_dump")), "backup_dump"),
        (disk(lambda it: it.failing.append("pg_restore")), "rehearsal_restore"),
        (disk(lambda it: setattr(it, "key_fits", False)), "rehearsal_secret"),
        (disk(lambda it: it.applied.append(ADDED)), "rehearsal_unknown"),
    ],
)
async def test_what_the_rehearsal_and_the_looks_before_it_find_ends_with_nothing_touched(
    tmp_path: Path, change: Change, stage: str
) -> None:
    """Another machine's image, one without the option, no dump, no restore, another key, an older image."""
    ended = await rotated(tmp_path, change)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", stage), ended.said.text
    assert (ended.after, ended.apps_after) == (ended.before, ended.apps_before)
    assert "ink-swap prepare" not in ended.journal


async def test_a_migration_that_fails_fails_on_the_copy(tmp_path: Path) -> None:
    """Coolify never stops for it."""

    def broken(state: WorldState) -> None:
        migrates(state)
        state.coolify.factory.failing.append(ADDED)

    ended = await rotated(tmp_path, broken)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", "rehearsal_migrate"), ended.said.text
    assert ended.after == ended.before


async def test_a_container_that_does_not_become_healthy_is_taken_back_by_the_factory_itself(tmp_path: Path) -> None:
    """Its last words are told, and all is as it was: image, files, switch and database."""

    def ill(state: WorldState) -> None:
        by_hand(state)
        migrates(state)
        is_(starts="unhealthy")(state)

    ended = await rotated(tmp_path, ill)
    assert ended.said.outcome == "undone", ended.said.text
    assert ended.said.problem["stage"] == "swap"
    assert ended.said.problem["untrusted_log"] == ["the new container unhealthy"]
    assert (ended.after, ended.apps_after) == (ended.before, ended.apps_before)


async def test_a_queue_that_does_not_run_is_a_failed_proof_and_the_way_back(tmp_path: Path) -> None:
    """Docker calls such a container healthy; nobody could deploy anything with it."""
    ended = await rotated(tmp_path, disk(lambda it: it.failing.append("horizon")))
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("undone", "proof"), ended.said.text
    assert "its queue (horizon) does not run" in ended.said.text
    assert ended.after == ended.before


async def test_a_canary_that_does_not_run_isolated_is_deleted_and_the_old_image_comes_back(tmp_path: Path) -> None:
    """The option was in the source and does nothing: only a container under the wrong runtime shows it."""

    def forgets(state: WorldState) -> None:
        state.coolify.supports_runtime_option = False

    ended = await rotated(tmp_path, wrap=Before(tmp_path, "coolify.first_deploy", forgets))
    assert ended.said.outcome == "undone", ended.said.text
    assert (ended.after, ended.apps_after) == (ended.before, ended.apps_before)


async def test_a_deployment_that_began_meanwhile_is_not_broken_off(tmp_path: Path) -> None:
    """The unit looks once more, at the last moment, and does not begin."""

    def deploying(state: WorldState) -> None:
        last = state.coolify.deployments[-1].model_copy(update={"status": "in_progress", "ends_at": None})
        state.coolify.deployments.append(last)

    ended = await rotated(tmp_path, wrap=Before(tmp_path, "factory.swap_image", deploying))
    assert "1 deployments run or wait" in ended.said.text
    assert ended.after == ended.before


async def test_files_that_change_after_the_yes_are_not_overwritten(tmp_path: Path) -> None:
    """Whoever wrote into the override meanwhile finds it as they left it."""
    theirs = "services:\n  coolify:\n    mem_limit: 1g\n"

    def writes(state: WorldState) -> None:
        state.coolify.factory.files[CUSTOM] = theirs

    ended = await rotated(tmp_path, wrap=Before(tmp_path, "factory.swap_image", writes))
    assert f"{CUSTOM} on factory is not as it was" in ended.said.text
    assert ended.after == replace(ended.before, files={**ended.before.files, CUSTOM: theirs})


async def test_a_tag_is_pinned_when_the_plan_is_made(tmp_path: Path) -> None:
    """The plan names the digest; a tag that moves afterwards makes another plan, and not another image."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            asked = await call(client, ROTATE, image=TAGGED)
            digest = it.state.registry.digest("registry.example.com/ink/coolify", "runtime-fix")
            with it.world.change() as state:
                state.registry.moved[TAGGED] = "sha256:" + "9" * 64
            moved = await call(client, ROTATE, image=TAGGED)
    assert (asked.outcome, moved.outcome) == ("approval_required", "approval_required")
    assert [digest[7:40] in asked.text, "9" * 40 in asked.text, "9" * 40 in moved.text] == [True, False, True]


async def test_a_factory_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """It swaps without us: a connection that breaks in the middle is no failure."""
    fault = Fault(system="ssh", match="ink-swap look", kind="drop_after", times=3)
    ended = await rotated(
        tmp_path, wrap=Before(tmp_path, "factory.prove_image", lambda state: state.faults.append(fault))
    )
    assert (ended.said.outcome, ended.said.checks) == ("applied", PROVED), ended.said.text
