"""add_muscle: a machine becomes a Muscle that is proved, whether it was there or is bought."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.host_key import from_label
from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_logins import Logins
from tests.clock import FakeClock
from tests.ink import Ink, ink, says_yes
from tests.tools.arrivals import (
    ADDRESS,
    NAME,
    Meanwhile,
    Vendors,
    all_of,
    all_proved,
    approved,
    bare,
    bought,
    existing,
    fleet_members,
    posts,
    trouble,
    vendors,
    written,
)
from tests.tools.calls import Held, call, unknown

pytestmark = pytest.mark.anyio
LIMIT_S = 165
FIRST = ["muscle-1", "muscle-2"]


def joined(before: Vendors, name: str, ipv4: str, ipv6: str = "") -> Vendors:
    """Return what vendors hold once a Muscle is there: its names, and its place in Coolify; its canary is gone."""
    a = {f"*.{name} A": (ipv4,), f"{name} A": (ipv4,)}
    aaaa = {f"*.{name} AAAA": (ipv6,), f"{name} AAAA": (ipv6,)} if ipv6 else {}
    return replace(
        before,
        records={**before.records, **a, **aaaa},
        coolify_servers={**before.coolify_servers, name: ipv4},
        coolify_keys=(*before.coolify_keys, f"ink-{name}"),
    )


async def test_a_bare_server_becomes_a_muscle_and_is_given_back(tmp_path: Path) -> None:
    """Every check passes, the same call finds nothing to do, and nobody else is touched; remove_muscle leaves no trace
    at a vendor, and Coolify's key gets in no more.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=bare(), clock=FakeClock()) as it, it.client() as client:
            before, others = vendors(it.state), fleet_members(it.state)
            arguments = existing(it, NAME)
            said = await approved(it, client, "add_muscle", **arguments)
            after, same, file = vendors(it.state), fleet_members(it.state), written(it)
            keys = it.state.hosts[f"spare-{NAME}"].logins.keys or []
            again = await call(client, "add_muscle", **arguments)
            removed = await approved(it, client, "remove_muscle", name=NAME, wait_s=3600)
            end, left, fleet, lost = vendors(it.state), it.state.hosts[f"spare-{NAME}"], written(it), unknown(it)

    assert (said.outcome, said.checks) == ("applied", all_proved(NAME)), said.text
    assert file[NAME] == Muscle(
        name=NAME,
        address=ADDRESS,
        host_key=arguments["source"]["machines"][0]["host_key"],
        wildcard_domain=f"{NAME}.example.com",
    )
    assert (after, same) == (joined(before, NAME, ADDRESS), others)
    assert [key.split(" ")[0] for key in keys if "ink-coolify" in key] == ['from="192.0.2.10/32"']
    assert (again.outcome, removed.outcome, removed.checks) == (
        "already_so",
        "applied",
        {"fleet": "passed", "coolify": "passed"},
    )
    assert (end, [*fleet], lost) == (before, FIRST, [])
    assert (left.made.files, [key for key in left.logins.keys or [] if "ink-coolify" in key]) == ({}, [])


async def test_a_bought_server_becomes_a_muscle_and_its_deletion_leaves_nothing(tmp_path: Path) -> None:
    """It is bought once, behind its firewall and protected, and trusted by a host key that nobody at the provider ever
    had; remove_muscle deletes all that was made for it, but for the key of ours that others are bought with.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock()) as it, it.client() as client:
            before, others = vendors(it.state), fleet_members(it.state)
            said = await approved(it, client, "add_muscle", **bought(NAME))
            after, same, file = vendors(it.state), fleet_members(it.state), written(it)
            server = next(server for server in it.state.hetzner.servers if server.name == NAME)
            shown = it.state.hosts[NAME].host_public_key
            again = await call(client, "add_muscle", **bought(NAME))
            removed = await approved(it, client, "remove_muscle", name=NAME, machine="delete", wait_s=3600)
            end, fleet, journal, lost = vendors(it.state), written(it), it.journal, unknown(it)

    assert (said.outcome, said.checks) == ("applied", all_proved(NAME)), said.text
    assert "paid_for" not in said.data["result"]
    ipv4 = server.ipv4 or ""
    assert file[NAME] == Muscle(
        name=NAME,
        address=ipv4,
        host_key=" ".join(shown.split()[:2]),
        provider="hetzner_cloud",
        provider_id=str(server.id),
        wildcard_domain=f"{NAME}.example.com",
    )
    labels = dict(server.labels)
    first = from_label(labels.pop("ink-host-key"))
    assert first is not None
    assert first != fingerprint_of(shown)
    assert labels.pop("ink-operation").startswith("op-")
    assert (labels, server.protected, server.status) == (
        {"ink-role": "muscle", "ink-access": "public"},
        True,
        "running",
    )
    keyed = replace(before, keys=(*before.keys, "ink-infra"))
    assert (after, same) == (
        replace(
            joined(keyed, NAME, ipv4, (server.ipv6 or "").removesuffix("/64") + "1"),
            servers={**before.servers, NAME: ipv4},
            firewalls={**before.firewalls, f"ink-{NAME}": (server.id,)},
        ),
        others,
    )
    assert (again.outcome, removed.outcome, posts(journal, "/v1/servers")) == ("already_so", "applied", 1)
    assert (end, [*fleet], lost) == (keyed, FIRST, [])


async def test_a_lost_answer_of_the_purchase_buys_no_second_server(tmp_path: Path) -> None:
    """What was bought is found by the operation's own label, and goes on to the end."""
    lost_answer = trouble("hetzner", "POST /v1/servers", "drop_after")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=lost_answer, clock=FakeClock()) as it, it.client() as client:
            said = await approved(it, client, "add_muscle", **bought(NAME))
            names, journal = [server.name for server in it.state.hetzner.servers], it.journal
            hit = [fault.times for fault in it.state.faults]

    assert (said.outcome, said.checks, hit) == ("applied", all_proved(NAME), [0]), said.text
    assert (names.count(NAME), posts(journal, "/v1/servers")) == (1, 1)


async def test_a_first_login_by_password_ends_with_keys_only(tmp_path: Path) -> None:
    """The password is named and never shown; afterwards our key gets in, and no password does."""
    password = "correct-horse-battery"
    closed = bare(logins=Logins(keys=[], password=password, settings=["PermitRootLogin yes"]))
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=closed, clock=FakeClock(), app_secrets={"S3_ROOT": password}) as it,
            it.client() as client,
        ):
            arguments = existing(it, NAME, root_login="S3_ROOT")
            refused = await call(client, "add_muscle", **existing(it, NAME))
            said = await approved(it, client, "add_muscle", **arguments)
            again = await call(client, "add_muscle", **existing(it, NAME))
            machine = it.state.hosts[f"spare-{NAME}"]

    assert refused.is_error
    assert (said.outcome, said.checks, again.outcome) == ("applied", all_proved(NAME), "already_so"), said.text
    assert machine.logins.says()["passwordauthentication"] == "no"
    assert password not in said.text + str(said.data)


async def test_two_at_once_where_one_fails_are_applied_in_part_and_the_same_call_goes_on(tmp_path: Path) -> None:
    """The other one is proved and may be used at once; the one that failed is no Muscle; then it is one, too."""
    other, at = "s4", "198.51.100.41"
    world = all_of(bare(), bare(other, at, taken_ports=[80]))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=world, speed=60.0) as it, it.client() as client:
            arguments = existing(it, NAME, other)
            said = await approved(it, client, "add_muscle", **arguments)
            file, apps = written(it), vendors(it.state).apps
            with it.world.change() as state:
                state.hosts[f"spare-{other}"].taken_ports = []
            again = await approved(it, client, "add_muscle", **arguments)
            end = written(it)

    assert (said.outcome, said.checks) == ("applied_in_part", all_proved(NAME)), said.text
    assert ([*file], apps) == ([*FIRST, NAME], ("docs", "legacy", "shop"))
    assert again.outcome == "applied", again.text
    assert (all_proved(other).items() <= again.checks.items(), [*end]) == (True, [*FIRST, NAME, other])


async def test_what_a_cancelled_call_has_half_built_the_same_call_ends(tmp_path: Path) -> None:
    """Cancelled behind the purchase it stays bought and is no Muscle; the next call buys none, and ends the rest."""
    held = Held("hosts.harden_sshd")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock(), wrap_handler=held) as it, it.client() as client:
            said, file = await cancelled(it, held)
            again = await approved(it, client, "add_muscle", **bought(NAME))
            journal = it.journal

    assert (said, file) == ("cancelled", FIRST)
    assert (again.outcome, again.checks) == ("applied", all_proved(NAME)), again.text
    assert posts(journal, "/v1/servers") == 1


async def test_what_is_bought_and_fails_for_good_is_named_with_its_price_and_both_calls(tmp_path: Path) -> None:
    """Money never runs unnamed: by the call that bought it, and by the next that fails again; the call that is named
    deletes it.
    """

    def broken(state: WorldState) -> None:
        state.hosts[NAME].logins.cloud_init = "error"

    then = Meanwhile("hetzner_cloud.create_server", broken)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock(), wrap_handler=then) as it, it.client() as client:
            then.it = it
            first = await approved(it, client, "add_muscle", **bought(NAME))
            second = await approved(it, client, "add_muscle", **bought(NAME))
            server = next(server for server in it.state.hetzner.servers if server.name == NAME)
            removed = await approved(it, client, "remove_muscle", name=NAME, machine="delete", wait_s=3600)
            end = [server.name for server in it.state.hetzner.servers]

    told = (
        f"{NAME} is bought and is no Muscle: the Cloud server {server.id} at {server.ipv4} costs "
        "17.99 EUR (21.41 EUR with VAT) a month, until it is deleted. To go on with it: add_muscle with the same "
        f"arguments. To delete it: remove_muscle name={NAME} machine=delete."
    )
    assert [said.data["result"]["paid_for"] for said in (first, second)] == [[told], [told]], first.text
    assert (told in first.text, told in second.text) == (True, True)
    assert ({first.outcome, second.outcome} <= {"failed", "undone"}, removed.outcome) == (True, "applied")
    assert NAME not in end


async def cancelled(it: Ink, held: Held) -> tuple[str, list[str]]:
    """Begin to buy one, cancel it at the held step; return how that ended, and the Muscles of fleet.toml then."""
    async with it.client(says_yes()) as client:
        begun = await approved(it, client, "add_muscle", **{**bought(NAME), "wait_s": 0})
        operation = begun.data["operation_id"]
        await held.begun.wait()
        cancelled = await call(client, "cancel_operation", operation=operation, wait_s=0)
        held.go.set()
        await it.app.drain()
        report = await call(client, "get_operation", operation=operation)
        assert cancelled.outcome == "running", cancelled.text
        return str(report.data["state"]), [*written(it)]
