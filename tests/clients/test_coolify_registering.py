"""A server comes into Coolify as wanted, once, in every version, and leaves nothing when it is taken out again."""

from dataclasses import replace
from pathlib import Path

import pytest

from ink_infra_mcp.clients.coolify.registering import find_server, removal
from ink_infra_mcp.clients.coolify.steps.servers import host_address
from ink_infra_mcp.core.errors import AmbiguousName, BadAnswer, InputError, StepFailed, Unreachable
from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.seed import SERVERS, SHOP
from ink_infra_mcp.sandbox.state import Fault, WorldState
from tests.clients.coolify_registering import (
    ADDRESS,
    KEY_NAME,
    NAME,
    NEW,
    OLD,
    VERSIONS,
    WANTED,
    WILDCARD,
    plan_of,
    site,
)

pytestmark = pytest.mark.anyio
WRITES = {
    "m3_coolify_key": "POST /api/v1/security/keys",
    "m3_coolify_server": "POST /api/v1/servers",
    "m3_coolify_validated": "/validate",
    "m3_coolify_settings": "PATCH /api/v1/servers",
    "m3_coolify_proxy": "POST /api/v1/servers",
}
"""The step, and what its request has in its line."""


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_server_is_registered_as_wanted(tmp_path: Path, version: str) -> None:
    """Key, entry, validation, settings, proxy and wildcard domain are there, and seen; what the version's API does not
    take stands as what a person clicks.
    """
    async with site(tmp_path, version=version) as here:
        wanted = await here.planned()
        steps = await here.registered()
        plan_of(steps)
        server, settings = here.server, here.server.settings
        assert (server.ip, server.port, server.user, server.is_validating) == (ADDRESS, 22, "root", False)
        assert (settings.is_reachable, settings.is_usable, settings.wildcard_domain) == (True, True, WILDCARD)
        assert settings.concurrent_builds == (2 if version == OLD else 3)
        cleanup = (settings.docker_cleanup_threshold, settings.force_docker_cleanup)
        assert cleanup == ((70, False) if version == NEW else (80, True))
        assert [key.name for key in here.state.coolify.keys if key.id == server.private_key_id] == [KEY_NAME]
        assert here.steps.results["m3_coolify_proxy"] == {"image": "traefik:v3.6", "version": "3.6.2"}
        assert here.steps.results["m3_coolify_wildcard_seen"] == {"wildcard": WILDCARD}
        assert len(wanted.to_click) == {OLD: 2, NEW: 0}.get(version, 1)
        assert all(NAME in words for words in wanted.to_click)
        assert [line for line in here.ink.journal if "UNKNOWN" in line] == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_second_run_plans_nothing(tmp_path: Path, version: str) -> None:
    """What is so is not planned; the public key is still told, for who admits it."""
    async with site(tmp_path, version=version) as here:
        await here.registered()
        public = here.steps.results["m3_coolify_key"]["public_key"]
        again = await here.planned()
        assert (again.steps, again.server, again.public_key) == ((), here.server.uuid, public)


async def test_the_private_half_is_in_coolify_only(tmp_path: Path) -> None:
    """No result and no line that is said has it; what Coolify holds is the half of the public key that is returned."""
    async with site(tmp_path) as here:
        await here.registered()
        (key,) = [key for key in here.state.coolify.keys if key.name == KEY_NAME]
        told = here.steps.results["m3_coolify_key"]
        assert told == {
            "uuid": key.uuid,
            "public_key": key.public_key.strip(),
            "fingerprint": fingerprint_of(key.public_key),
        }
        assert "BEGIN OPENSSH" in key.private_key
        secret = key.private_key.splitlines()[1]
        assert secret not in repr(here.steps.results) + repr(here.steps.said)


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_lost_answer_makes_nothing_twice(tmp_path: Path, version: str) -> None:
    """Of each write the answer gets lost: the step finds what it made, and there is one key and one server."""
    async with site(tmp_path, version=version) as here:
        plan = await here.planned()
        for step in plan.steps:
            if step.id == "m3_coolify_server":
                here.admit()
            if step.id in WRITES and not (step.id == "m3_coolify_proxy" and version == OLD):
                here.trouble(WRITES[step.id])
            await here.one(step)
        assert [key.name for key in here.state.coolify.keys].count(KEY_NAME) == 1
        assert here.server.settings.wildcard_domain == WILDCARD
        assert [fault.times for fault in here.state.faults] == [0] * len(here.state.faults)
        assert (await here.planned()).steps == ()


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("drop", "It is not known whether the change happened."),
        ("html", "It is not known whether the change happened."),
    ],
)
async def test_a_creation_without_an_answer_is_not_asked_for_again(tmp_path: Path, kind: str, done: str) -> None:
    """What is not there after the look was not made, as far as is known: the same step makes it once when run again."""
    async with site(tmp_path) as here:
        plan = await here.planned()
        for step in (plan.key[0], plan.register[0]):
            here.trouble(WRITES[step.id], kind)
            with pytest.raises((Unreachable, BadAnswer)) as caught:
                await here.one(step)
            assert caught.value.done == done
            await here.one(step)
        made = [line for line in here.ink.journal if line.startswith("coolify POST")]
        assert len(made) == 2
        assert (_servers(here.state).count(NAME), _keys(here.state).count(KEY_NAME)) == (1, 1)


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_every_step_may_run_twice(tmp_path: Path, version: str) -> None:
    """A process that was killed after the act runs the step again: it returns the same, and makes nothing more."""
    async with site(tmp_path, version=version) as here:
        plan = await here.planned()
        for step in plan.steps:
            if step.id == "m3_coolify_server":
                here.admit()
            await here.one(step)
            first = here.steps.results[step.id]
            await here.one(step)
            second = here.steps.results[step.id]
            assert {**first, "proof": ""} == {**second, "proof": ""}
        assert [key.name for key in here.state.coolify.keys].count(KEY_NAME) == 1
        assert here.server.name == NAME


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_the_undo_leaves_nothing(tmp_path: Path, version: str) -> None:
    """Undone, Coolify has the servers and keys that it had; undone twice, too."""
    async with site(tmp_path, version=version) as here:
        before = (_servers(here.state), _keys(here.state))
        steps = await here.registered()
        await here.undo(steps)
        assert (_servers(here.state), _keys(here.state)) == before
        await here.undo([step for step in steps if step.undo and step.undo.kind.startswith("coolify.discard")])
        assert (_servers(here.state), _keys(here.state)) == before


async def test_an_undo_leaves_alone_what_another_operation_made(tmp_path: Path) -> None:
    """A server and a key with the same names, and the mark of another operation, stay."""
    async with site(tmp_path) as here:
        steps = await here.registered()
        before = (_servers(here.state), _keys(here.state))
        here.steps.operation = "op-register-2"
        await here.undo([step for step in steps if step.undo and step.undo.kind.startswith("coolify.discard")])
        assert (_servers(here.state), _keys(here.state)) == before


async def test_what_is_half_done_is_gone_on_with(tmp_path: Path) -> None:
    """After the key alone the same key is entered; after the entry alone only the rest is planned."""
    async with site(tmp_path) as here:
        first = await here.planned()
        await here.run(first.key)
        second = await here.planned()
        key = here.steps.results["m3_coolify_key"]
        assert (second.key, second.public_key) == ((), key["public_key"])
        assert second.register[0].params["key"] == key["uuid"]
        await here.one(second.register[0])
        third = await here.planned()
        ids = ["m3_coolify_validated", "m3_coolify_settings", "m3_coolify_proxy"]
        assert [step.id for step in third.steps] == [*ids, "m3_coolify_wildcard", "m3_coolify_wildcard_seen"]
        plan_of(third.steps)
        here.admit()
        await here.run(third.steps)
        assert (await here.planned()).steps == ()


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_removal_takes_out_server_and_key(tmp_path: Path, version: str) -> None:
    """The machine keeps what runs there; a second removal plans nothing, and a step of it may run twice."""
    async with site(tmp_path, version=version) as here:
        before = (_servers(here.state), _keys(here.state))
        await here.registered()
        running = [container.name for container in here.state.hosts[NAME].containers]
        steps = removal(await here.present(), "m3_")
        plan_of(steps)
        assert [step.id for step in steps] == ["m3_coolify_deleted", "m3_coolify_key_deleted"]
        here.trouble("DELETE /api/v1/servers")
        await here.run(steps)
        await here.run(steps)
        assert (_servers(here.state), _keys(here.state)) == before
        assert [container.name for container in here.state.hosts[NAME].containers] == running
        assert removal(await here.present()) == ()


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_server_with_apps_is_not_taken_out(tmp_path: Path, version: str) -> None:
    """Coolify refuses and is never forced: the failure names what lives there."""
    async with site(tmp_path, version=version) as here:
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("coolify.delete_server", {"server": SERVERS["muscle-1"], "address": "192.0.2.11"})
        assert "shop" in caught.value.failed
        assert any(app.uuid == SHOP for app in here.state.coolify.applications)


async def test_the_factory_and_a_server_elsewhere_are_not_taken_out(tmp_path: Path) -> None:
    """Only the server at the address that the plan saw goes, and never Coolify's own."""
    async with site(tmp_path) as here:
        for name, address in (("factory", "192.0.2.10"), ("muscle-1", "192.0.2.99")):
            with pytest.raises(StepFailed):
                await here.steps.run("coolify.delete_server", {"server": SERVERS[name], "address": address})
        assert set(SERVERS.values()) <= {server.uuid for server in here.state.coolify.servers}


async def test_a_key_in_use_or_another_one_is_not_deleted(tmp_path: Path) -> None:
    """Coolify refuses the one, the plan's fingerprint the other."""
    async with site(tmp_path) as here:
        await here.registered()
        key = here.steps.results["m3_coolify_key"]
        for fingerprint in (key["fingerprint"], "SHA256:other"):
            params: JsonObject = {"key": key["uuid"], "fingerprint": fingerprint}
            with pytest.raises(StepFailed):
                await here.steps.run("coolify.delete_private_key", params)
        assert KEY_NAME in _keys(here.state)


@pytest.mark.parametrize("version", [OLD, "4.2.0", NEW])
async def test_a_taken_address_is_refused(tmp_path: Path, version: str) -> None:
    """The server that has it is named, also where another spelling of IPv6 hides it from Coolify's own comparison."""

    def taken(state: WorldState) -> None:
        state.coolify.servers[1].ip = "2001:db8::1"

    async with site(tmp_path, version=version, change=taken) as here:
        plan = await here.planned(replace(WANTED, address=ADDRESS))
        await here.run(plan.key)
        params = {**plan.register[0].params, "address": "2001:DB8:0::/64"}
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("coolify.create_server", params)
        assert "2001:db8::1" in caught.value.failed
        assert len(here.state.coolify.servers) == len(SERVERS)


async def test_an_address_that_another_team_has_is_refused(tmp_path: Path) -> None:
    """Coolify lists only the team's servers, and compares with all: its refusal is told in our words."""
    async with site(tmp_path) as here:
        plan = await here.planned()
        await here.run(plan.key)
        body = '{"message": "A server with this IP/Domain is already in use by another team."}'
        here.change(lambda state: state.faults.append(_refusing("POST /api/v1/servers", body)))
        with pytest.raises(StepFailed) as caught:
            await here.one(plan.register[0])
        assert caught.value.done == "No server was entered."


async def test_the_address_may_come_from_an_earlier_step(tmp_path: Path) -> None:
    """A server that is bought in the same plan has no address before; of a /64 its first host is taken."""
    async with site(tmp_path) as here:
        wanted = replace(WANTED, address=result_of("m3_bought", "ipv6"))
        plan = await here.planned(wanted)
        assert plan.register[0].uses == ("m3_coolify_key", "m3_bought")
        here.steps.results["m3_bought"] = {"ipv6": "2001:db8:7::/64"}
        await here.run((*plan.key, plan.register[0]))
        assert here.server.ip == "2001:db8:7::1"


async def test_a_server_is_found_by_name_and_address_together(tmp_path: Path) -> None:
    """Neither: none. One of both: refused, since it may be another server; without an address the name counts."""
    async with site(tmp_path) as here:
        look = here.ink.app.look.coolify
        assert await find_server(look, "nobody", "192.0.2.99") is None
        found = await find_server(look, "muscle-1", "192.0.2.11")
        assert found is not None
        assert found == await find_server(look, "muscle-1", None)
        assert found.uuid == SERVERS["muscle-1"]
        for name, address in (("muscle-1", "192.0.2.99"), ("another", "192.0.2.11"), ("muscle-1", "192.0.2.12")):
            with pytest.raises(AmbiguousName):
                await find_server(look, name, address)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a\nb"},
        {"name": "<b>x</b>"},
        {"key_name": ""},
        {"user": "root;id"},
        {"port": 0},
        {"concurrent_builds": 0},
        {"cleanup_threshold": 100},
        {"wildcard_domain": "*.s3.example.com"},
        {"wildcard_domain": "s3.example.com' or 1=1"},
        {"wildcard_domain": "https://s3.example.com/path"},
        {"wildcard_domain": "s3"},
    ],
)
def test_what_coolify_would_read_otherwise_is_refused(change: dict[str, object]) -> None:
    """Names that lose their tags, ports that are none, domains with more than a host."""
    with pytest.raises(InputError):
        replace(WANTED, **change)  # pyright: ignore[reportArgumentType] - wrong values on purpose


@pytest.mark.parametrize(
    ("given", "one"),
    [
        ("192.0.2.13", "192.0.2.13"),
        ("192.0.2.13/24", "192.0.2.13"),
        ("192.0.2.13/32", "192.0.2.13"),
        ("2001:DB8:0:7::1", "2001:db8:0:7::1"),
        ("2001:db8:0:7::/64", "2001:db8:0:7::1"),
        ("2001:db8:0:7::5/64", "2001:db8:0:7::5"),
        ("2001:db8:0:7::/128", "2001:db8:0:7::"),
        ("s3.example.com", "s3.example.com"),
    ],
)
def test_a_server_is_entered_by_its_own_address(given: str, one: str) -> None:
    """Of what a vendor tells, such as the /64 of IPv6, one address is taken, in one spelling; names stay."""
    assert host_address(given) == one


def test_a_network_of_ipv4_is_no_address() -> None:
    """Which of its addresses the server has is not known, and not guessed."""
    with pytest.raises(InputError):
        host_address("192.0.2.0/24")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s3.example.com", WILDCARD),
        ("https://s3.example.com/", WILDCARD),
        ("http://s3.example.com", "http://s3.example.com"),
        ("", ""),
        (None, None),
    ],
)
def test_a_wildcard_domain_is_a_url_for_coolify(given: str | None, kept: str | None) -> None:
    """Coolify takes the host out of a URL, and nothing out of a bare name."""
    assert replace(WANTED, wildcard_domain=given).wildcard == kept


def _servers(state: WorldState) -> list[str]:
    return [server.name for server in state.coolify.servers]


def _keys(state: WorldState) -> list[str]:
    return [key.name for key in state.coolify.keys]


def _refusing(match: str, body: str) -> Fault:
    return Fault(system="coolify", match=match, kind="status", status=400, body=body)
