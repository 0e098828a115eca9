"""check_fleet of apps: what has fallen, lacks a part or leads elsewhere is told, and so is what nobody looked at."""

import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import app_named, call, deploy
from tests.tools.troubles import (
    HOST,
    LATER_S,
    Change,
    aaaa,
    container,
    crashes,
    failing,
    gone,
    in_world,
    muscle,
    says,
    server,
    urls,
)

pytestmark = pytest.mark.anyio

LIMIT_S = 300
KINDS = frozenset(
    {
        *("app_fallen", "app_starting", "stopped", "app_down", "dns", "dns_unknown", "odd_url", "unwatched_apps"),
        *("ports_unknown", "unknown_rooms", "orphan", "not_visited"),
    }
)
FALLEN: dict[str, tuple[tuple[str, str, str], tuple[Change, ...]]] = {
    "it ended, and Coolify says so": (
        ("high", "app_fallen", "shop has a container that does not run"),
        (container(state="exited", exit_code=1), says("exited:unhealthy")),
    ),
    "it starts again and again, and has no name": (
        ("high", "app_fallen", "shop ends soon after each start"),
        (urls(), container(state="restarting", exit_code=1, restart_count=120)),
    ),
    "it runs in between": (
        ("high", "app_fallen", "shop ends soon after each start"),
        (urls(), container(restart_count=500, started_at=time.time() + LATER_S)),
    ),
    "its check fails": (
        ("high", "app_fallen", "shop runs and fails its health check"),
        (urls(), container(health="unhealthy")),
    ),
    "its check has not passed": (
        ("warning", "app_starting", "whether shop comes up is not known: its health check has not passed yet"),
        (urls(), container(health="starting")),
    ),
    "Coolify gave up": (
        ("high", "app_fallen", "shop does not run"),
        (gone, crashes, says("exited:unhealthy")),
    ),
    "somebody took it away": (("high", "app_fallen", "shop does not run"), (urls(), gone)),
    "it was stopped": (
        ("info", "stopped", "apps have no container: they are stopped or were never started, and are not visited"),
        (gone, says("exited:unhealthy")),
    ),
}


async def told(it: Ink, client: Client, *changes: Change) -> list[tuple[str, str, str]]:
    """Return severity, code and words of what is found of apps in a world with these troubles."""
    return [(one["severity"], one["code"], one["what"]) for one in await found(it, client, *changes)]


async def found(it: Ink, client: Client, *changes: Change) -> list[dict[str, Any]]:
    """Return what is found of apps in a world with these troubles."""
    async with in_world(it, *changes):
        every: list[dict[str, Any]] = []
        while True:
            said = await call(client, "check_fleet", skip=len(every))
            every += said.data.get("findings", [])
            if not said.data.get("more"):
                return [one for one in every if one["code"] in KINDS]


async def test_an_app_that_does_not_run_is_a_finding_with_a_name_or_without(tmp_path: Path) -> None:
    """Coolify calls an app that crashed exited as one that was stopped: Docker tells them apart."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            well = await told(it, client)
            said = {words: await told(it, client, *changes) for words, (_, changes) in FALLEN.items()}
            ended = await found(it, client, *FALLEN["it ended, and Coolify says so"][1])

    assert well == []
    assert said == {words: [expected] for words, (expected, _) in FALLEN.items()}
    assert (ended[0]["mend"], ended[0]["evidence"].split(" is ")[1]) == ("diagnose_app app=shop", "exited, exit code 1")


async def test_a_part_of_a_compose_app_that_is_gone_is_a_finding(tmp_path: Path) -> None:
    """Its other part answers: nobody who only visits it would see that."""

    def without_db(state: WorldState) -> None:
        machine = muscle(state, "muscle-2")
        machine.containers = [each for each in machine.containers if not each.name.startswith("db-")]

    file = "services:\n  web: {image: 'registry.example.com/web:1'}\n  db: {image: 'registry.example.com/db:1'}\n"
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="stack", compose=file, compose_service="web")
            well = await told(it, client)
            lacks = await found(it, client, without_db)

    assert well == []
    assert [(one["severity"], one["what"], one["evidence"]) for one in lacks] == [
        ("high", "stack lacks a part", "no container of its service db runs")
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((f"https://{HOST}:3000",), []),
        ((f"https://u:p@{HOST}",), []),
        ((f"ftp://{HOST}", "https://a b.example.com", f"https://{HOST}:99999"), [("muscle-1", "shop")]),
    ],
    ids=["a container's port", "a login", "no URL of the web"],
)
async def test_an_odd_url_of_one_app_is_told_and_stops_nothing(
    tmp_path: Path, given: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    """A port in it is the container's, a login nobody's; what cannot be visited is not known to be fine."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await found(it, client, urls(*given))

    assert [one["code"] for one in said] == ["odd_url"] * bool(expected)
    assert [(one["servers"][0], one["evidence"]) for one in said] == expected


async def test_an_address_of_the_other_kind_is_held_against_the_server_s_own(tmp_path: Path) -> None:
    """Browsers that have IPv6 take it: one that is another's is a finding, one of nobody known is not fine."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            own = next(str(each.ipv6) for each in it.state.hetzner.servers if each.ipv4 == "192.0.2.11")
            strange = await told(it, client, aaaa("2001:db8:dead::1"))
            silent = await told(it, client, aaaa("2001:db8:dead::1"), failing("hetzner", match="/servers", status=503))
            right = await told(it, client, aaaa(own))

    assert strange == [("high", "dns", f"{HOST} leads elsewhere, too")]
    assert silent == [("warning", "dns_unknown", f"whether {HOST} leads to its server alone is not known")]
    assert right == []


async def test_a_server_that_fleet_toml_knows_by_a_name_is_held_against_its_address(tmp_path: Path) -> None:
    """A name that leads to a page of somebody else's is no app that answers."""

    def by_name(fleet: Fleet) -> Fleet:
        first = fleet.muscles[0].model_copy(update={"address": "m1.example.com"})
        return fleet.model_copy(update={"muscles": (first, *fleet.muscles[1:])})

    def names(state: WorldState) -> None:
        rows = (("m1", "192.0.2.11"), ("shop.s1", "192.0.2.12"))
        state.hetzner.zones[0].rrsets += [
            RRset(name=name, type="A", records=[Record(value=value)], ttl=60) for name, value in rows
        ]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=by_name) as it, it.client() as client:
            said = await told(it, client, names)

    assert ("high", "dns", f"{HOST} leads elsewhere") in said


async def test_apps_that_nobody_looks_at_are_named(tmp_path: Path) -> None:
    """Those on the Factory itself, or on a server that fleet.toml does not name: they are not known to be fine."""

    def on_factory(state: WorldState) -> None:
        app_named(state, "docs").server_uuid = state.coolify.servers[0].uuid

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await found(it, client, on_factory)

    assert [(one["code"], one["evidence"]) for one in said if one["code"] == "unwatched_apps"] == [
        ("unwatched_apps", "1: docs")
    ]


async def test_ports_and_files_that_one_server_does_not_tell_are_findings(tmp_path: Path) -> None:
    """It tells all else: what is left out is not taken for closed, nor for empty."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            ports = await told(it, client, failing("ssh", match=" network containers", status=137))
            files = await told(it, client, server(without=["df -i"]))

    what = "who gets in at its ports is not known: it did not tell of its network"
    assert ports == [("high", "ports_unknown", what)]
    assert files == [("warning", "unknown_rooms", "how many files its disks still take is not known")]


async def test_no_container_is_to_be_removed_because_coolify_lacks_its_app(tmp_path: Path) -> None:
    """An empty list may be another team's token, or a Coolify that was set back: people are served all the same."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await found(it, client, failing("coolify", match="/applications", status=200, body="[]"))

    orphans = [one for one in said if one["code"] == "orphan"]
    assert {SHOP in one["what"] for one in orphans} == {True, False}
    assert {one["mend"] for one in orphans} == {
        "look whose it is before it is stopped: a Coolify that lost apps, or another team's token, says so, too"
    }
