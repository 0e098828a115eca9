"""delete_app: a person types the name, everything that goes is named, volumes stay unless said, and gone is gone."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import Ink, Person, ink, says_yes
from tests.tools.calls import Before, call, deploy, fault

FILE = """
services:
  db:
    image: registry.example.com/db:1
    volumes: ["data:/var/lib/db"]
volumes:
  data: {}
"""


def volumes(it: Ink, host: str) -> list[str]:
    """Return the volumes of a server."""
    return it.state.hosts[host].volumes


@pytest.mark.anyio
@pytest.mark.parametrize("keep", [True, False])
async def test_a_compose_app_goes_and_its_data_only_when_asked(tmp_path: Path, keep: bool) -> None:
    """The plan says what stays; Coolify and the host both have nothing of it left; the same call finds it gone."""
    person = Person([*says_yes().answers, *says_yes("stack").answers])
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(person) as client:
            made = await deploy(client, name="stack", compose=FILE)
            assert made.outcome == "applied", made.text
            [volume] = [v for v in volumes(it, "muscle-2") if v.endswith("_data")]
            said = await call(client, "delete_app", app="stack", delete_volumes=not keep, wait_s=60)
            left = (len(it.state.coolify.services), volume in volumes(it, "muscle-2"))
            again = await call(client, "delete_app", app="stack", delete_volumes=not keep, wait_s=60)

    question = person.asked[-1]
    assert (said.outcome, said.checks) == (
        "applied",
        {"gone from Coolify": "passed", "no container left": "passed", "records": "passed"},
    )
    assert left == (0, keep)
    assert ("Stays as it is: its volumes, without an owner in Coolify" in question) is keep
    assert ("Warning: its data is lost for ever" in question) is not keep
    assert "undo: cannot be undone" in question
    assert again.outcome == "already_so"
    assert "There is no app stack any more." in again.text


@pytest.mark.anyio
async def test_only_the_typed_name_deletes(tmp_path: Path) -> None:
    """A wrong name, nothing, or another app's name is a refusal; the app runs on, and the next call asks anew."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it:
            said: list[str] = []
            for typed in ("", "docs", "Shop", "yes"):
                async with it.client(says_yes(typed)) as client:
                    answer = await call(client, "delete_app", app="shop")
                    said.append(answer.outcome)
                    assert "The name typed was not the target's. Nothing was changed." in answer.text
            journal = it.journal
            async with it.client(says_yes("shop")) as client:
                by_uuid = await call(client, "delete_app", app=SHOP, wait_s=60)
                other = await call(client, "delete_app", app="docs", wait_s=60)

    assert (said, journal) == (["not_approved"] * 4, [])
    assert (by_uuid.outcome, other.outcome) == ("applied", "not_approved")


@pytest.mark.anyio
async def test_unknown_names_delete_nothing(tmp_path: Path) -> None:
    """A name that never was is an error, not a success; a deletion that somebody else did meanwhile counts as done."""
    with anyio.fail_after(90):
        gone = Before(tmp_path, "coolify.delete_application", lambda state: state.coolify.applications.clear())
        async with ink(tmp_path, wrap_handler=gone) as it, it.client(says_yes("shop")) as client:
            unknown = await call(client, "delete_app", app="shopp")
            assert it.journal == []
            meanwhile = await call(client, "delete_app", app="shop", wait_s=60)

    assert unknown.text.startswith("[unknown_name] There is no app 'shopp'. Near names: shop. Nothing was changed.")
    assert meanwhile.outcome == "applied_unverified"
    assert meanwhile.checks == {"gone from Coolify": "passed", "no container left": "failed", "records": "passed"}


@pytest.mark.anyio
async def test_what_cannot_be_seen_is_not_called_gone(tmp_path: Path) -> None:
    """With the Muscle away Coolify forgets the app and its containers stay: the proof fails and says why."""

    def off(state: WorldState) -> None:
        state.hosts["muscle-1"].up = False

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=off) as it, it.client(says_yes("shop")) as client:
            said = await call(client, "delete_app", app="shop", wait_s=60)

    assert (said.outcome, said.is_error) == ("applied_unverified", True)
    assert said.checks == {"gone from Coolify": "passed", "no container left": "failed", "records": "passed"}
    assert "not seen: muscle-1 does not answer over SSH" in said.text


@pytest.mark.anyio
async def test_a_deletion_that_coolify_does_not_finish_is_told(tmp_path: Path) -> None:
    """A worker that hangs leaves the app: after five minutes that is an error, and the same call waits again."""

    def stuck(state: WorldState) -> None:
        state.coolify.jobs = [job for job in state.coolify.jobs if job.kind != "delete_app"]

    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes("shop")) as client:
            fault(it, f"DELETE /api/v1/applications/{SHOP}", status=200, body='{"message":"queued"}')
            said = await call(client, "delete_app", app="shop", wait_s=60)
            with it.world.change() as state:
                stuck(state)
            again = await call(client, "delete_app", app="shop", wait_s=60)

    assert (said.outcome, said.problem["stage"]) == ("failed", "delete")
    assert "The app is still there 300 s after its deletion was queued." in said.problem["message"]
    assert again.outcome == "applied"
