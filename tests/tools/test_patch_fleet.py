"""patch_fleet: one server after the other, the next only when all of the last is back; it stops where one fails."""

from pathlib import Path
from typing import Literal

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import ink, says_yes
from tests.tools.calls import call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 150
DAY_S = 86_400.0
SECURITY = "Debian-Security:12/oldstable-security"
OTHER = "Debian:12.15/oldstable"


def pending(state: WorldState) -> None:
    """Both Muscles lack updates, and one of them a kernel."""
    state.hosts["muscle-1"].updates = {"libssl3": SECURITY, "bash": OTHER}
    state.hosts["muscle-2"].updates = {"linux-image-6.1.0-38-amd64": SECURITY}


async def test_each_server_in_turn_gets_its_updates_and_the_reboot_that_they_need(tmp_path: Path) -> None:
    """Who needs no reboot gets none; other updates stay; the same call again has nothing to do."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=pending) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", wait_s=1800)
            again = await call(client, "patch_fleet", wait_s=60)
            one, two = it.state.hosts["muscle-1"], it.state.hosts["muscle-2"]
            order = [entry.split()[1] for entry in it.journal if " ink-patch ask " in entry]
            assert (said.outcome, again.outcome) == ("applied", "already_so"), said.text
            assert (one.updates, one.boots, two.updates, two.boots) == ({"bash": OTHER}, 1, {}, 2)
            assert (order, unknown(it)) == (["muscle-1", "muscle-2"], [])
            assert said.data["result"]["installed"] == {
                "muscle-1": ["libssl3"],
                "muscle-2": ["linux-image-6.1.0-38-amd64"],
            }


async def test_an_empty_text_in_place_of_servers_patches_none(tmp_path: Path) -> None:
    """It is refused, with what to say instead, and no server is asked."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=pending) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", servers="", wait_s=60)
            assert it.state.hosts["muscle-1"].patches == {}
    assert said.text == (
        "[invalid_input] Nothing was done. servers: an empty text may mean none: leave it out for all, or name them"
    )


async def test_it_stops_at_the_first_server_that_fails(tmp_path: Path) -> None:
    """Where one does not install its updates the next is left as it is."""

    def broken(state: WorldState) -> None:
        pending(state)
        state.hosts["muscle-1"].patch_status = 1

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=broken) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", wait_s=1800)
            assert said.outcome == "failed", said.text
            assert "unattended-upgrade ended with 1" in said.text
            assert it.state.hosts["muscle-2"].patches == {}


async def test_after_its_window_nothing_is_begun(tmp_path: Path) -> None:
    """A server whose turn comes too late is left as it is, and that is said."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=pending) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", not_after="2020-01-31T04:00:00Z", wait_s=60)
            assert said.outcome == "failed", said.text
            assert "The window in which updates may begin ended" in said.text
            assert it.state.hosts["muscle-1"].patches == {}


async def test_a_server_that_heard_of_no_update_for_days_is_asked_to_fetch(tmp_path: Path) -> None:
    """An empty list that is old says nothing: it fetches, and only what it hears then counts; the plan says so."""

    def old(state: WorldState) -> None:
        state.hosts["muscle-1"].lists_age_s = 4 * DAY_S

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=old) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", wait_s=1800)
            again = await call(client, "patch_fleet", wait_s=60)
            asked = [entry.split()[1] for entry in it.journal if " ink-patch ask " in entry]
    assert (said.outcome, again.outcome, asked) == ("applied", "already_so", ["muscle-1"]), said.text
    assert "its lists are old, so that more may come" in said.text


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        ("away", "apt could not fetch from all of its archives"),
        ("still", "the newest that its archive of security updates told apt is from 8 days ago"),
    ],
)
async def test_an_archive_that_was_not_reached_proves_nothing(
    tmp_path: Path, archive: Literal["away", "still"], why: str
) -> None:
    """Nothing is pending by what apt has heard, and unattended-upgrade is content: it fails all the same."""

    def unheard(state: WorldState) -> None:
        state.hosts["muscle-1"].lists_age_s, state.hosts["muscle-1"].archive = 8 * DAY_S, archive

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=unheard) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", wait_s=1800)
            asked = [entry.split()[1] for entry in it.journal if " ink-patch ask " in entry]
    assert (said.outcome, asked) == ("failed", ["muscle-1"]), said.text
    assert f"Whether muscle-1 has all security updates is not known: {why}." in said.text


async def test_what_is_not_known_is_not_called_patched(tmp_path: Path) -> None:
    """A server that asks no archive of security updates has none pending by its own word: nobody believes that."""

    def blind(state: WorldState) -> None:
        state.hosts["muscle-1"].security_source = False

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=blind) as it, it.client(says_yes()) as client:
            said = await call(client, "patch_fleet", wait_s=60)
            assert said.outcome == "already_so"
            assert "Not all is known: muscle-1: apt asks no archive of security updates" in said.text
