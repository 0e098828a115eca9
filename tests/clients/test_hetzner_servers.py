"""Buying and deleting servers by steps, against the emulated project and answers that get lost."""

import ipaddress
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.clients.hetzner_cloud.user_data import user_data
from ink_infra_mcp.core.errors import InputError, OutcomeUnknown, StepFailed
from ink_infra_mcp.core.host_key import from_label
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from ink_infra_mcp.sandbox.state_hetzner import Server
from tests.clients.cloud_project import Project, http_of
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
CREATE, DISCARD, DELETE = (f"hetzner_cloud.{verb}_server" for verb in ("create", "discard", "delete"))
PROTECT = "hetzner_cloud.set_protection"
KEY = "hetzner_cloud.create_ssh_key"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU ci@example.com"
WANTED: JsonObject = {
    "name": "muscle-3",
    "server_type": "ccx43",
    "location": "nbg1",
    "image": "debian-12",
    "ssh_keys": ["operator"],
    "firewalls": [str(FIREWALL)],
    "labels": {"role": "muscle"},
    "backups": True,
    "first_host_key": True,
    "user_data": "#cloud-config\npackage_update: true\n",
}


@pytest.fixture
async def project(tmp_path: Path) -> AsyncGenerator[Project]:
    """Give a fresh project whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(90):
        yield Project(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


def named(state: WorldState, name: str = "muscle-3") -> list[Server]:
    """Return the servers of that name."""
    return [server for server in state.hetzner.servers if server.name == name]


async def test_a_server_is_bought_with_everything_and_comes_up_protected_behind_its_firewall(project: Project) -> None:
    """One request; then it runs, protected and backed up, with its marker, and the answer says where it is."""
    result = await project.steps.run(CREATE, WANTED)
    state = project.world.read()
    [server] = named(state)
    label = server.labels.pop("ink-host-key")
    assert result == {
        "server_id": str(server.id),
        "name": "muscle-3",
        "ipv4": server.ipv4,
        "ipv6": str(ipaddress.IPv6Network(server.ipv6 or "")[1]),
        "private_address": "",
        "host_key_fingerprint": from_label(label),
    }
    assert server.labels == {"role": "muscle", "ink-operation": "op-1"}
    assert (server.status, server.protected, server.backups) == ("running", True, True)
    assert await project.states("muscle-3") == {str(FIREWALL): "applied"}
    assert project.writes == ["servers", "change_protection", "enable_backup"]
    host = state.hosts["muscle-3"]
    assert (host.address, host.docker_version, host.os_version, host.cpus) == (server.ipv4, "", "12", 16)
    assert host.host_public_key.startswith("ssh-ed25519 ")


async def test_a_second_run_finds_what_the_first_bought(project: Project) -> None:
    """Killed anywhere, the step goes on with the server that is there: nothing is bought twice, or made anew."""
    steps = project.steps
    first = await steps.run(CREATE, WANTED)
    before = project.world.read().journal
    assert await project.steps.run(CREATE, WANTED) == first
    assert project.world.read().journal == before


async def test_a_run_that_was_killed_after_the_purchase_goes_on(project: Project) -> None:
    """What was bought and not yet built is awaited, protected and backed up by the next run."""
    project.trouble("status", "GET /v1/actions", status=401, times=1)
    with pytest.raises(Exception, match="401"):
        await project.steps.run(CREATE, WANTED)
    assert [server.status for server in named(project.world.read())] == ["initializing"]
    result = await project.steps.run(CREATE, WANTED)
    assert result["host_key_fingerprint"]
    assert project.writes == ["servers", "change_protection", "enable_backup"]


async def test_a_lost_answer_of_the_purchase_is_settled_by_name_and_marker(project: Project) -> None:
    """The server is there, so it was bought; it is not asked for again, and its host key is still known."""
    project.trouble("drop_after", "POST /v1/servers")
    result = await _over_the_wire(project, CREATE, WANTED)
    assert [server.id for server in named(project.world.read())] == [int(str(result["server_id"]))]
    assert project.writes == ["servers", "change_protection", "enable_backup"]
    assert str(result["host_key_fingerprint"]).startswith("SHA256:")


async def test_a_purchase_of_which_nothing_is_known_is_unknown_and_not_asked_for_again(project: Project) -> None:
    """Without an answer and without a server, the outcome is unknown: neither failed nor done, and nothing is sent."""
    project.trouble("drop", "POST /v1/servers")
    with pytest.raises(OutcomeUnknown, match="Whether the server muscle-3 was bought is not known"):
        await _over_the_wire(project, CREATE, WANTED)
    assert project.writes == []


async def test_a_name_that_is_somebody_elses_is_refused_before_anything_is_bought(project: Project) -> None:
    """A server of that name without this operation's marker is left alone, and named with its id."""
    with pytest.raises(StepFailed, match=r"A server called muscle-1 is there already \(4710002\)"):
        await project.steps.run(CREATE, {**WANTED, "name": "muscle-1"})
    assert project.writes == []


async def test_what_is_sold_out_is_not_bought_and_what_is_there_instead_is_named_with_its_price(
    project: Project,
) -> None:
    """Nothing was bought; the cheapest that is at least as large comes first, and what is not available is left out."""
    with pytest.raises(StepFailed) as refused:
        await project.steps.run(CREATE, {**WANTED, "server_type": "cx53", "location": "hel1"})
    assert str(refused.value) == (
        "cx53 is sold out at hel1 (resource_unavailable). Nothing was bought. Available now: "
        "cx53 at fsn1 for 17.49 net, 20.81 with VAT a month; cx53 at nbg1 for 17.49 net, 20.81 with VAT a month; "
        "ccx43 at ash for 96.49 net, 114.82 with VAT a month; ccx43 at fsn1 for 96.49 net, 114.82 with VAT a month; "
        "ccx43 at hel1 for 96.49 net, 114.82 with VAT a month. Call again with one of them, or later."
    )
    assert project.writes == []


async def test_a_server_whose_start_fails_is_named_because_it_costs_money(project: Project) -> None:
    """Every following action is awaited: one that fails says which server is there, and what goes on or deletes it."""
    project.arrange(lambda state: state.hetzner.breaks.update(start_server="no host has room"))
    with pytest.raises(StepFailed) as broken:
        await project.steps.run(CREATE, WANTED)
    [server] = named(project.world.read())
    assert "could not finish start_server" in broken.value.failed
    assert broken.value.done == f"muscle-3 ({server.id}) was bought, exists and costs money."
    with pytest.raises(StepFailed, match="start_server"):
        await project.steps.run(CREATE, WANTED)
    assert project.writes == ["servers"]


async def test_too_many_requests_are_waited_out(project: Project) -> None:
    """A 429 did nothing: the same request is sent again after a while."""
    project.trouble("status", "POST /v1/servers", status=429, body='{"error":{"code":"rate_limit_exceeded"}}', times=2)
    assert (await project.steps.run(CREATE, WANTED))["name"] == "muscle-3"


async def test_what_an_earlier_step_made_is_used(project: Project) -> None:
    """Keys, firewalls, networks and the group may be results of steps before: the server is in all of them."""
    network = await _network(project)
    steps = project.steps
    await steps.run(KEY, {"name": "ink", "public_key": PUBLIC}, step="key")
    await steps.run("hetzner_cloud.create_placement_group", {"name": "muscles"}, step="group")
    params: JsonObject = {
        **WANTED,
        "ssh_keys": [result_of("key", "name")],
        "networks": [network],
        "placement_group": result_of("group", "placement_group"),
    }
    result = await steps.run(CREATE, params)
    [server] = named(project.world.read())
    assert (server.placement_group, server.root_keys) == (int(str(steps.results["group"]["placement_group"])), [PUBLIC])
    assert result["private_address"] == server.private_net[0].ip == "10.250.0.2"


async def test_discarding_deletes_what_this_operation_bought_and_nothing_else(project: Project) -> None:
    """Its protection is lifted, it goes, and doing it again is as good; a server of others is never touched."""
    steps = project.steps
    bought = await steps.run(CREATE, WANTED)
    gone = {"server_id": bought["server_id"], "deleted": True}
    assert await steps.run(DISCARD, {"name": "muscle-3"}, step="undo") == gone
    assert await steps.run(DISCARD, {"name": "muscle-3"}, step="undo") == {"server_id": "", "deleted": False}
    assert "muscle-3" not in project.world.read().hosts
    with pytest.raises(StepFailed, match="was not made by this operation"):
        await steps.run(DISCARD, {"name": "muscle-2"}, step="undo")
    assert [server.name for server in project.world.read().hetzner.servers] == ["factory", "muscle-1", "muscle-2"]


async def test_deleting_compares_before_and_respects_protection(project: Project) -> None:
    """Another name or label, or a protection that the plan does not lift, deletes nothing; else it goes, once."""
    good: JsonObject = {"server": "4710003", "name": "muscle-2", "labels": {"role": "muscle"}}
    wrongs: tuple[tuple[JsonObject, str], ...] = (
        ({"name": "muscle-9"}, "is called muscle-2 now"),
        ({"labels": {"role": "factory"}}, "has another label role now"),
    )
    for wrong, why in wrongs:
        with pytest.raises(StepFailed, match=why):
            await project.steps.run(DELETE, {**good, **wrong})
    await project.steps.run(PROTECT, {"server": "4710003", "on": True})
    with pytest.raises(StepFailed, match="protected against deletion"):
        await project.steps.run(DELETE, good)
    deleted = {"server_id": "4710003", "deleted": True}
    assert await project.steps.run(DELETE, {**good, "unprotect": True}) == deleted
    assert await project.steps.run(DELETE, good) == {"server_id": "4710003", "deleted": False}


async def test_a_locked_server_is_waited_for(project: Project) -> None:
    """While another action works on it the server is locked; the step waits, and then does its part."""
    await project.http.send("POST", "/servers/4710003/actions/reboot", permit=permit_here())
    network = await _network(project)
    result = await project.steps.run("hetzner_cloud.attach_to_network", {"server": "4710003", "network": network})
    assert result == {"server": "4710003", "private_address": "10.250.0.2"}


async def test_a_card_in_a_network_comes_and_goes_once(project: Project) -> None:
    """Attaching and detaching twice is as good as once, at the address that was asked for."""
    network = await _network(project)
    params: JsonObject = {"server": "4710002", "network": network, "ip": "10.250.0.9"}
    for _ in range(2):
        result = await project.steps.run("hetzner_cloud.attach_to_network", params)
        assert result == {"server": "4710002", "private_address": "10.250.0.9"}
    assert project.world.read().hosts["muscle-1"].private_address == "10.250.0.9"
    for _ in range(2):
        await project.steps.run("hetzner_cloud.detach_from_network", params)
    assert project.world.read().hosts["muscle-1"].private_address == ""
    assert project.writes[-2:] == ["attach_to_network", "detach_from_network"]


async def test_a_key_is_added_once_and_only_ours_is_deleted(project: Project) -> None:
    """A key that is there is used, whoever added it; deleting takes only what this operation made."""
    steps = project.steps
    made = await steps.run(KEY, {"name": "ink", "public_key": PUBLIC, "labels": {"for": "muscles"}})
    assert await steps.run(KEY, {"name": "other", "public_key": PUBLIC}) == made
    assert (made["name"], made["made"]) == ("ink", True)
    seeded = project.world.read().hetzner.ssh_keys[0]
    assert await steps.run(KEY, {"name": "ink-2", "public_key": seeded.public_key}) == {
        "ssh_key": str(seeded.id),
        "name": "operator",
        "made": False,
    }
    with pytest.raises(StepFailed, match="was not made by the operation op-1"):
        await steps.run("hetzner_cloud.delete_ssh_key", {"name": "operator"})
    assert (await steps.run("hetzner_cloud.delete_ssh_key", {"name": "ink"}))["deleted"] is True
    assert (await steps.run("hetzner_cloud.delete_ssh_key", {"name": "ink"}))["deleted"] is False


FILL: JsonObject = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["198.51.100.7/32"]}
LOST = (
    ("hetzner_cloud.create_firewall", {"name": "web", "role": "muscle", "rules": [FILL]}, "POST /v1/firewalls"),
    ("hetzner_cloud.restore_firewall_rules", {"firewall": str(FIREWALL), "rules": [FILL]}, "set_rules"),
    ("hetzner_cloud.attach_firewall", {"firewall": str(FIREWALL), "server": "4710003"}, "apply_to_resources"),
    ("hetzner_cloud.detach_firewall", {"firewall": str(FIREWALL), "server": "4710002"}, "remove_from_resources"),
    (CREATE, WANTED, "POST /v1/servers"),
    (CREATE, WANTED, "change_protection"),
    (CREATE, WANTED, "enable_backup"),
    (PROTECT, {"server": "4710003", "on": True}, "change_protection"),
    (DELETE, {"server": "4710003", "name": "muscle-2"}, "DELETE /v1/servers"),
    (KEY, {"name": "ink", "public_key": PUBLIC}, "POST /v1/ssh_keys"),
    ("hetzner_cloud.create_placement_group", {"name": "muscles"}, "POST /v1/placement_groups"),
)


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
@pytest.mark.parametrize(("step", "params", "match"), LOST, ids=[f"{one[0]} {one[2]}" for one in LOST])
async def test_a_lost_answer_is_settled_by_a_look_or_stays_unknown(
    project: Project, step: str, params: JsonObject, match: str, kind: str
) -> None:
    """What happened is found and counts as done; what did not is unknown, sent once, and never called failed."""
    project.trouble(kind, match)
    if kind == "drop_after":
        await _over_the_wire(project, step, params)
    else:
        with pytest.raises(OutcomeUnknown):
            await _over_the_wire(project, step, params)
    assert len(project.writes) == len(set(project.writes))


@pytest.mark.parametrize(
    "text",
    [
        "runcmd: [reboot]",
        "#cloud-config\nruncmd: [reboot]",
        "#cloud-config\nchpasswd: {list: 'root:secret'}",
        "#cloud-config\nssh_keys: {ed25519_private: x}",
        "#cloud-config\nssh_pwauth: true",
        "#cloud-config\npackages: ['-----BEGIN OPENSSH PRIVATE KEY-----\\nx']",
        "#cloud-config\n- a",
        "#cloud-config\n{",
    ],
)
def test_user_data_that_may_hold_a_secret_is_refused(text: str) -> None:
    """Only what is known to hold none goes to where every process of the server can read it."""
    with pytest.raises(InputError, match="This user_data is not sent"):
        user_data(text, None)


def test_user_data_without_anything_is_nothing() -> None:
    """Nothing asked, nothing sent; what is asked goes as JSON under the head that cloud-init looks for."""
    assert user_data("", None) == ""
    assert user_data("#cloud-config\npackages: [curl]\n", None) == '#cloud-config\n{"packages": ["curl"]}\n'


async def _network(project: Project) -> str:
    body: JsonObject = {
        "name": "inside",
        "ip_range": "10.250.0.0/16",
        "subnets": [{"type": "cloud", "network_zone": "eu-central", "ip_range": "10.250.0.0/24"}],
    }
    made = await project.http.send("POST", "/networks", permit=permit_here(), body=body)
    return str(table(table(made.json)["network"])["id"])


async def _over_the_wire(project: Project, kind: str, params: JsonObject) -> JsonObject:
    port, close = await listen(build_hetzner(project.world))
    async with http_of(None, project.clock, base_url=f"http://127.0.0.1:{port}/v1") as http:
        try:
            return await project.steps_over(http).run(kind, params)
        finally:
            await close()
