"""What policies/images.toml asks of an image is asked before anything in service is touched."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import ImageKind
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.clock import FakeClock
from tests.ink import Ink, ink
from tests.tools.arrivals import approved
from tests.tools.calls import Before, call
from tests.tools.exchanges import LIMIT_S, NEW, in_service
from tests.tools.test_rotate_fork_image import ROTATE

pytestmark = pytest.mark.anyio
OLD_ENOUGH = 'least_age_h = { value = 48, why = "a stolen release is found out in two days" }\n'


def policies(folder: Path, text: str) -> Path:
    """Return a folder of policies with that images.toml."""
    found = folder / "policies"
    found.mkdir()
    (found / "images.toml").write_text(text)
    return found


def swaps(it: Ink) -> list[str]:
    """Return what was sent to the Factory that changes Coolify."""
    return [line for line in it.journal if "ink-swap" in line or "ink-backup" in line]


async def test_an_image_that_is_not_on_the_list_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody is asked for a yes."""
    rules = policies(tmp_path, f'digests = {{ value = ["sha256:{"1" * 64}"], why = "released" }}\n')
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path / "it", policies=rules) as it, it.client() as client:
            said = await call(client, ROTATE, image=NEW)
            assert (said.is_error, it.journal) == (True, [])
    assert f"{NEW} is not among the digests that policies/images.toml lets run" in said.text


@pytest.mark.parametrize(
    ("created", "outcome", "reason"),
    [
        ("2026-01-01T00:00:00Z", "applied", ""),
        (f"{datetime.now(UTC):%Y-%m-%dT00:00:00Z}", "failed", "h old, and policy wants 48 h"),
        ("1970-01-01T00:00:00Z", "failed", "1970-01-01 is no date to tell its age by"),
    ],
)
async def test_an_image_that_is_too_young_is_pulled_and_never_started(
    tmp_path: Path, created: str, outcome: str, reason: str
) -> None:
    """Its date is in its own configuration, which is there after the pull; the plan says that it will be looked at."""

    def made(state: WorldState) -> None:
        state.coolify.factory.images[NEW] = ImageKind(created=created)

    rules = policies(tmp_path, OLD_ENOUGH)
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path / "it", policies=rules, change_world=made, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            before = in_service(it.state)
            asked = await call(client, ROTATE, image=NEW)
            said = await approved(it, client, ROTATE, image=NEW, wait_s=3600)
            assert "and that it was made at least 48 h ago" in asked.text
            assert (said.outcome, reason in said.text) == (outcome, True), said.text
            assert outcome == "applied" or (in_service(it.state), swaps(it)) == (before, [])


@pytest.mark.parametrize(("tool", "of"), [(ROTATE, {}), ("upgrade_coolify", {"version": "4.3.11"})])
async def test_an_app_that_comes_to_rely_on_isolation_after_the_yes_keeps_it(
    tmp_path: Path, tool: str, of: dict[str, str]
) -> None:
    """Nobody relied on it, so that the plan did not ask the image for it; now one does, and the unit does not begin."""

    def nobody(state: WorldState) -> None:
        for app in state.coolify.applications:
            app.columns["custom_docker_run_options"] = ""
        made = {"option": False, "version": "4.3.11", "built_on": commit_sha("coollabsio/coolify v4.3.11")}
        state.coolify.factory.images[NEW] = ImageKind.model_validate(made)

    def one(state: WorldState) -> None:
        state.coolify.factory.relying.append(("applications", "a9", "late"))

    free = load_isolation(None).model_copy(update={"allow_without": True})
    wrap = Before(tmp_path / "it", "factory.swap_image", one)
    clock = FakeClock(datetime.now(UTC))
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path / "it", isolation=free, change_world=nobody, clock=clock, wrap_handler=wrap) as it,
            it.client() as client,
        ):
            before = in_service(it.state)
            asked = await call(client, tool, image=NEW, **of)
            said = await approved(it, client, tool, image=NEW, **of, wait_s=3600)
            assert in_service(it.state) == before
    assert "0 apps rely on" in " ".join(asked.text.replace("...", " ").split()), asked.text
    assert "others rely on --runtime by now than those that were named" in " ".join(said.text.split()), said.text


async def test_where_policy_lets_apps_run_without_isolation_those_that_wish_it_keep_it(tmp_path: Path) -> None:
    """Options of their own are a wish, too: the image is searched, and an official one is refused."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path / "it", isolation=load_isolation(None).model_copy(update={"allow_without": True})) as it,
            it.client() as client,
        ):
            asked = await call(client, ROTATE, image=NEW)
            refused = await call(client, ROTATE, image=f"coollabsio/coolify@sha256:{'1' * 64}")
    assert "and see that it accepts --runtime" in " ".join(asked.text.replace("...", " ").split())
    assert "is an official image, which drops --runtime: 2 apps rely on it" in refused.text
