"""check_fleet: all of the fleet in one answer; what is wrong is named with its mend, and so is what nobody saw."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from ink_infra_mcp.areas.machines import marks
from ink_infra_mcp.areas.machines.drift import Drift, counted, fitting, in_order, lines_of
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_factory import override
from ink_infra_mcp.sandbox.state_hetzner import Address, Volume
from ink_infra_mcp.sandbox.state_hosts import Container
from ink_infra_mcp.settings.policy_files import load_baseline
from ink_infra_mcp.tools.check_fleet import CheckFleet, Report
from tests.ink import ink
from tests.tools.arrivals import approved
from tests.tools.calls import Said, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 150
BYTES_PER_TOKEN = 3.2
"""Fewer than these texts have, as with the list of tools."""
SECURITY = "Debian-Security:12/oldstable-security"


def findings(said: Said) -> dict[str, dict[str, Any]]:
    """Return the findings by code and first server."""
    return {f"{one['code']}@{one['servers'][0]}": one for one in said.data.get("findings", [])}


async def checked(folder: Path, change: Callable[[WorldState], None] | None = None, **more: Any) -> Said:
    """Return what check_fleet says of a world, in as many answers as it takes."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change, **more) as it, it.client() as client:
            said = await whole(client)
            assert unknown(it) == []
    return said


async def whole(client: Client) -> Said:
    """Return the first answer with the findings of those that follow it; from the start where the list has moved."""
    while True:
        first = last = await call(client, "check_fleet")
        every = [*last.data["findings"]]
        while last.data.get("more") and last.data["mark"] == first.data["mark"]:
            last = await call(client, "check_fleet", skip=len(every))
            every += last.data.get("findings", [])
        if last.data["mark"] == first.data["mark"]:
            return replace(first, data={**first.data, "findings": every})


async def test_what_is_wrong_is_named_with_evidence_and_the_call_that_mends_it(tmp_path: Path) -> None:
    """Updates, a reboot that waits, full and broken disks, logins, containers, names, Coolify, and unused money."""

    def spoil(state: WorldState) -> None:
        one, two = state.hosts["muscle-1"], state.hosts["muscle-2"]
        one.updates = {"libssl3": SECURITY, "bash": "Debian:12.15/oldstable"}
        one.reboot_packages = ["linux-image-6.1.0-38-amd64"]
        one.disk_used_bytes = one.disk_bytes * 97 // 100
        one.sshd = {"passwordauthentication": "yes"}
        two.read_only, two.security_source = True, False
        state.hosts["factory"].lists_age_s = 9 * 86_400.0
        two.runtimes = ["runc"]
        two.inodes_percent = 90
        two.containers.append(Container(id="c3" * 32, name="by-hand", image="x"))
        state.coolify.servers[-1].settings.is_usable = False
        state.coolify.servers[-1].next_check_at += 1e9
        server = state.hetzner.servers[0]
        state.hetzner.volumes.append(Volume(id=9, name="left", size=10, location="fsn1", created=0.0))
        state.hetzner.addresses.append(
            Address(id=8, name="left-ip", type="ipv4", ip="203.0.113.9", location="fsn1", created=0.0)
        )
        state.hetzner.servers.append(server.model_copy(update={"id": 77, "name": "forgotten", "ipv4": "203.0.113.7"}))

    said = await checked(tmp_path, spoil)
    found = findings(said)
    assert said.data["verdict"] == "problems"
    mends = {
        "security_updates@muscle-1": 'patch_fleet servers=["muscle-1"]',
        "reboot_required@muscle-1": "reboot_server server=muscle-1",
        "disk_full@muscle-1": "docker system df",
        "sshd@muscle-1": "/etc/ssh/sshd_config.d/",
        "not_isolated@muscle-1": "deploy_app for legacy",
        "read_only@muscle-2": "dmesg",
        "no_security_source@muscle-2": "security archive",
        "old_lists@factory": 'patch_fleet servers=["factory"]',
        "no_runtime@muscle-2": "daemon.json",
        "disk_full@muscle-2": "docker system df",
        "beside@muscle-2": "docker inspect by-hand",
        "not_usable@muscle-2": "Validate",
        "ssh_open_to_world@factory": "apply_firewall",
        "unused_volume@fleet": "costs money",
        "unused_address@fleet": "costs money",
        "unused_server@fleet": "fleet.toml",
    }
    assert {key: True for key in mends} == {
        key: key in found and words in found[key]["mend"] for key, words in mends.items()
    }
    assert found["security_updates@muscle-1"]["evidence"] == "1: libssl3"


async def test_what_is_wrong_with_the_factory_is_told_once(tmp_path: Path) -> None:
    """A fork in Coolify's own file with updates on, an image without the option, an old backup: each with its mend."""

    def neglected(state: WorldState) -> None:
        disk = state.coolify.factory
        disk.files.pop("docker-compose.custom.yml")
        disk.files["docker-compose.prod.yml"] = override("docker.io/example/coolify-fork:runtime-fix")
        disk.auto_update, disk.kept, disk.dumps = True, [], []
        state.coolify.supports_runtime_option = False

    said = await checked(tmp_path, neglected)
    found = findings(said)
    mends = {
        "auto_update@factory": "switch Auto Update off",
        "edited_file@factory": "write the fork by digest",
        "mutable_tag@factory": "name it by digest",
        "no_runtime_option@factory": "deploy nothing",
        "old_backup@factory": "backup_coolify",
        "not_isolated@muscle-1": "deploy_app for legacy",
    }
    assert {key: True for key in mends} == {
        key: key in found and words in found[key]["mend"] for key, words in mends.items()
    }
    assert [one["servers"] for one in said.data["findings"] if one["code"] == "not_isolated"] == [["muscle-1"]]


async def test_a_factory_that_is_away_is_told_once_and_nothing_of_it_is_fine(tmp_path: Path) -> None:
    """Its image, its backups and its drills are not known then."""

    def away(state: WorldState) -> None:
        state.hosts["factory"].up = False

    said = await checked(tmp_path, away)
    of_it = {one["code"] for one in said.data["findings"] if one["servers"] == ["factory"]}
    assert (said.data["verdict"], "not_reached" in of_it) == ("problems", True)
    assert of_it & {"restore_unproved", "old_backup", "auto_update"} == set()


async def test_what_cannot_be_seen_is_a_finding(tmp_path: Path) -> None:
    """A server that does not answer, one that lacks programs, a vendor that fails: none of it is taken for fine."""

    def blind(state: WorldState) -> None:
        state.hosts["muscle-1"].up = False
        state.hosts["muscle-2"].without = ["apt-get", "sshd"]
        state.faults.append(Fault(system="hetzner", match="GET /v1/volumes", kind="status", status=503, times=99))

    said = await checked(tmp_path, blind)
    found = findings(said)
    assert {"not_reached@muscle-1", "unknown_updates@muscle-2", "unknown_sshd@muscle-2"} <= set(found)
    assert found["not_looked_at@fleet"]["what"].startswith("Hetzner Cloud could not be looked at")
    told = {key.partition("@")[0] for key in found if key.endswith("@muscle-1")}
    of_coolify = {"app_down", "not_usable", "coolify_settings"}
    assert told <= {"not_reached", *of_coolify}, "of a server that is away nothing is known but by others"


async def test_where_coolify_does_not_answer_the_servers_are_judged_all_the_same(tmp_path: Path) -> None:
    """What it would have told is said to be unknown; nothing of the servers is lost."""

    def down(state: WorldState) -> None:
        state.faults.append(Fault(system="coolify", match="", kind="status", status=503, times=999))

    said = await checked(tmp_path, down)
    found = findings(said)
    assert said.data["apps"] == "?"
    assert {"no_apps@fleet", "not_looked_at@fleet", "not_isolated@muscle-1", "ssh_open_to_world@factory"} <= set(found)


async def test_only_what_is_new_is_told_since_an_earlier_answer(tmp_path: Path) -> None:
    """What stood then is left out and still counted; what came is shown, what went is counted; a wrong mark is told."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            first = await call(client, "check_fleet")
            same = await call(client, "check_fleet", changed_since=first.data["mark"])
            with it.world.change() as state:
                state.hosts["muscle-1"].updates = {"libssl3": SECURITY}
                state.hosts["muscle-1"].containers = [
                    c for c in state.hosts["muscle-1"].containers if c.runtime == "runsc" or c.name == "coolify-proxy"
                ]
            later = await call(client, "check_fleet", changed_since=first.data["mark"])
            wrong = await call(client, "check_fleet", changed_since="no mark")
    assert (findings(same), same.data["gone"], same.data["counts"]) == ({}, 0, first.data["counts"])
    assert "security_updates@muscle-1" in findings(later)
    assert later.data["gone"] >= 1
    assert "is not the mark of an answer" in wrong.text


async def test_answers_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """With `skip` the first findings are left out and the rest follows; the counts stay those of all."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            first = await call(client, "check_fleet")
            rest = await call(client, "check_fleet", skip=2)
    assert rest.data["findings"] == first.data["findings"][2:]
    assert rest.data["counts"] == first.data["counts"]


def test_a_hundred_servers_fit_into_four_thousand_tokens() -> None:
    """Whatever is wrong with them, the text and the data are each bounded, and the rest is counted."""
    long = "wrong in a way that takes many words to say, and differs from server to server " * 3
    found = in_order(
        Drift(f"muscle-{n}", "high", f"code_{c}", f"{long}{n}{c}", long, f"apply_firewall server=muscle-{n}")
        for n in range(100)
        for c in range(6)
    )
    lines = lines_of(found)
    fit = fitting(lines)
    report = Report(
        verdict="problems",
        servers=100,
        apps="800",
        counts=counted(found),
        findings=fit,
        more=len(lines) - len(fit),
        mark=marks.mark_of([drift.id for drift in found]),
    )
    assert report.more + len(report.findings) == 600
    assert len(CheckFleet().render(report).encode()) / BYTES_PER_TOKEN <= 4_000
    assert len(report.model_dump_json().encode()) / BYTES_PER_TOKEN <= 4_000


async def test_a_fleet_that_has_nobody_else_says_so(tmp_path: Path) -> None:
    """A server that fleet.toml leaves out is told twice: Coolify has it, and it costs money."""

    def smaller(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"muscles": fleet.muscles[:1]})

    found = findings(await checked(tmp_path, change_fleet=smaller))
    assert {"unknown_server@fleet", "unused_server@fleet"} <= set(found)


async def test_the_baseline_is_judged_as_repair_server_would_mend_it(tmp_path: Path) -> None:
    """What it would plan is a finding with its call, gone when that has run; what it would refuse is a problem."""

    def spoil(state: WorldState) -> None:
        state.hosts["muscle-1"].disk_bytes = 20 * 2**30

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=spoil) as it, it.client() as client:
            before = findings(await whole(client))
            repaired = await approved(it, client, "repair_server", server="factory", wait_s=3600)
            after = findings(await whole(client))

    settings = before["coolify_settings@muscle-1"]
    assert (settings["servers"], settings["mend"]) == (["muscle-1", "muscle-2"], "repair_server server=NAME")
    assert settings["evidence"].endswith("however full the disk is: yes, not no")
    factory = before["baseline@factory"]
    parts = "packages, updates, swap, kernel, journal, docker"
    assert (factory["severity"], factory["what"], factory["mend"]) == (
        "warning",
        f"not as its role's baseline says in {parts}",
        "repair_server server=factory",
    )
    assert "nftables (not there, not installed)" in factory["evidence"]
    assert (repaired.outcome, "baseline@factory" in after) == ("applied", False), repaired.text
    refused = before["baseline_refused@muscle-1"]
    assert (refused["severity"], "needs at least 30 GiB" in refused["evidence"]) == ("high", True)


async def test_when_the_token_ends_is_said_to_be_unknown(tmp_path: Path) -> None:
    """Once for the fleet, with where a person sees it; it makes nothing worse than it is."""
    found = findings(await checked(tmp_path))
    assert found["token_expiry@fleet"] == {
        "severity": "info",
        "code": "token_expiry",
        "servers": ["fleet"],
        "what": "when Coolify's API token ends is not known: its API does not tell",
        "evidence": "it is accepted now; SSH keys in Coolify never end",
        "mend": "look in Coolify: Keys & Tokens, API Tokens, Expires; then ink-infra-mcp secret set coolify_token",
    }


async def test_what_auditors_find_and_who_is_silent_is_told(tmp_path: Path) -> None:
    """Where they are installed each bar that is missed is a finding; where not they have not judged, which is said."""

    def audited(state: WorldState) -> None:
        report = "hardening_index=70\nsuggestion[]=PKGS-7392|x|-|-|\nsuggestion[]=SSH-7408|x|-|-|"
        broken = [{"algorithm": "old", "notes": {"fail": ["broken"]}}]
        ssh = {"enc": broken, "kex": broken[:1], "key": broken[:1], "mac": broken[:1]}
        state.hosts["muscle-1"].audits = {"lynis": report, "ssh_audit": json.dumps(ssh)}

    found = (await checked(tmp_path, audited)).data["findings"]
    told = {one["what"]: one["servers"] for one in found}
    assert told["ssh-audit fails enc old, kex old, key old, mac old"] == ["muscle-1"]
    least = "lynis gives 70: neither 80 nor 25 more than before (what it was before is not known)"
    assert told[least] == ["muscle-1"]
    assert told["lynis raises, neither mended nor waived: PKGS-7392"] == ["muscle-1"]
    assert told["not judged by lynis"] == told["not judged by ssh-audit"] == ["factory", "muscle-2"]
    (idle,) = [one for one in found if one["code"] == "idle_waivers"]
    assert idle["evidence"].startswith(f"{len(load_baseline().waivers) - 1}: ACCT-9622, ")
