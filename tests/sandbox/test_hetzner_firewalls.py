"""The Cloud emulator's firewalls, driven over a real socket by Hetzner's own Python client."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hcloud
import pytest
from hcloud.actions import BoundAction
from hcloud.firewalls import BoundFirewall, FirewallResource, FirewallResourceLabelSelector, FirewallRule
from hcloud.servers import Server

from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, caller, pretend_world, served

FACTORY, MUSCLE_1, MUSCLE_2 = 4_710_001, 4_710_002, 4_710_003
EVERYBODY = ["0.0.0.0/0", "::/0"]
WEB = FirewallRule(direction="in", protocol="tcp", port="443", source_ips=EVERYBODY)


@dataclass(frozen=True)
class Project:
    """A served Cloud project, its time, and the official client of it."""

    world: World
    time: SteppingTime
    api: hcloud.Client

    def states(self, server: int) -> dict[int, str]:
        """Return the firewalls at a server with their states."""
        public = self.api.servers.get_by_id(server).data_model.public_net
        assert public is not None
        return {found.firewall.data_model.id or 0: found.status for found in public.firewalls or []}


@pytest.fixture
def project(tmp_path: Path) -> Generator[Project]:
    """Serve a fresh project in which every look takes a second."""
    time = SteppingTime(step_s=1.0)
    world = pretend_world(tmp_path, time)
    with served(build_hetzner(world)) as port:
        client = hcloud.Client(
            HETZNER_TOKEN,
            api_endpoint=f"http://127.0.0.1:{port}/v1",
            poll_interval=0.01,
            poll_max_retries=60,
            timeout=10,
        )
        yield Project(world=world, time=time, api=client)


def at(server: int) -> FirewallResource:
    """Return the resource that is one server."""
    return FirewallResource(type="server", server=Server(id=server))


def matching(selector: str) -> FirewallResource:
    """Return the resource that is all servers with such labels."""
    return FirewallResource(type="label_selector", label_selector=FirewallResourceLabelSelector(selector=selector))


def done(actions: Sequence[BoundAction] | None) -> list[str]:
    """Wait for the actions; return what they did."""
    for action in actions or ():
        action.wait_until_finished()
    return [action.data_model.command or "" for action in actions or ()]


def made(project: Project, name: str = "web", *, rules: Sequence[FirewallRule] = (WEB,)) -> BoundFirewall:
    """Make a firewall that is attached to nothing."""
    answer = project.api.firewalls.create(name=name, rules=[*rules])
    done(answer.actions)
    return answer.firewall


def code_of(call: Callable[[], object]) -> str:
    """Return the code with which Hetzner's client says that a call was refused."""
    with pytest.raises(hcloud.APIException) as refused:
        call()
    return str(refused.value.code)


def test_the_seeded_muscle_has_a_firewall(project: Project) -> None:
    """It is applied at the first Muscle only: the web for all, SSH for two addresses."""
    seeded = project.api.firewalls.get_by_id(FIREWALL).data_model
    assert (seeded.name, seeded.labels) == ("muscle-1", {"role": "muscle"})
    assert [(r.protocol, r.port, len(r.source_ips)) for r in seeded.rules or []] == [
        ("tcp", "22", 2),
        ("tcp", "80", 2),
        ("tcp", "443", 2),
        ("udp", "443", 2),
    ]
    assert [project.states(s) for s in (FACTORY, MUSCLE_1, MUSCLE_2)] == [{}, {FIREWALL: "applied"}, {}]


def test_a_firewall_is_made_attached_taken_off_and_deleted(project: Project) -> None:
    """It is pending until its action ends, in use while attached, and taking it off twice is no error."""
    firewall = made(project)
    actions = firewall.apply_to_resources([at(MUSCLE_2)])
    assert project.states(MUSCLE_2) == {firewall.id: "pending"}
    assert done(actions) == ["apply_firewall"]
    assert project.states(MUSCLE_2) == {firewall.id: "applied"}
    assert code_of(firewall.delete) == "resource_in_use"
    assert done(firewall.remove_from_resources([at(MUSCLE_2)])) == ["remove_firewall"]
    assert done(firewall.remove_from_resources([at(MUSCLE_2)])) == []
    assert (project.states(MUSCLE_2), firewall.delete()) == ({}, True)
    assert [one.data_model.name for one in project.api.firewalls.get_all()] == ["muscle-1"]


def test_rules_are_replaced_at_once_and_pending_at_each_server(project: Project) -> None:
    """The new set is shown right away, IPv6 in its canonical form, and the server has it when the action ends."""
    firewall = project.api.firewalls.get_by_id(FIREWALL)
    with project.world.change() as state:
        state.hetzner.action_s = 10.0
    rule = FirewallRule(direction="out", protocol="udp", port="53", destination_ips=["2001:0DB8::/64"], description="d")
    actions = firewall.set_rules([rule])
    firewall.reload()
    assert [r.destination_ips for r in firewall.data_model.rules or []] == [["2001:db8::/64"]]
    assert project.states(MUSCLE_1) == {FIREWALL: "pending"}
    assert done(actions) == ["set_firewall_rules", "apply_firewall"]
    assert project.states(MUSCLE_1) == {FIREWALL: "applied"}
    done(firewall.set_rules([]))
    firewall.reload()
    assert firewall.data_model.rules == []


def test_a_label_selector_follows_the_labels_of_servers(project: Project) -> None:
    """Servers that begin to match get the firewall after some seconds, those that no longer match lose it."""
    firewall = made(project)
    done(firewall.apply_to_resources([matching("role=muscle,web")]))
    assert project.states(MUSCLE_2) == {}
    server = project.api.servers.get_by_id(MUSCLE_2)
    server.update(labels={"role": "muscle", "web": ""})
    assert project.states(MUSCLE_2) == {firewall.id: "pending"}
    project.time.at += 10
    assert project.states(MUSCLE_2) == {firewall.id: "applied"}
    firewall.reload()
    (resource,) = firewall.data_model.applied_to or []
    found = [one.server for one in resource.applied_to_resources or []]
    assert [server.data_model.id for server in found if server is not None] == [MUSCLE_2]
    assert code_of(lambda: firewall.remove_from_resources([at(MUSCLE_2)])) == "firewall_managed_by_label_selector"
    server.update(labels={"role": "muscle"})
    assert project.states(MUSCLE_2) == {}
    done(firewall.remove_from_resources([matching("role=muscle,web")]))
    assert firewall.delete() is True


def test_a_server_may_get_its_firewall_before_the_first_boot_and_takes_it_along(project: Project) -> None:
    """Named at the creation it is there when the server runs; with the server its bond goes."""
    api, firewall = project.api, made(project)
    new = api.servers.create(
        name="muscle-3",
        server_type=api.server_types.get_by_id(98),
        image=api.images.get_by_id(114690387),
        ssh_keys=[*api.ssh_keys.get_all()],
        firewalls=[firewall],
    )
    done([new.action, *new.next_actions])
    id_ = new.server.data_model.id or 0
    assert project.states(id_) == {firewall.id: "applied"}
    new.server.delete().wait_until_finished()
    project.time.at += 10
    assert firewall.delete() is True


def test_what_cannot_be_attached_is_refused_with_the_vendors_codes(project: Project) -> None:
    """Twice the same server, an unknown one, one without a public side, and a sixth firewall."""
    firewall = project.api.firewalls.get_by_id(FIREWALL)
    with project.world.change() as state:
        state.hetzner.servers[2].ipv4 = state.hetzner.servers[2].ipv6 = None
    assert code_of(lambda: firewall.apply_to_resources([at(MUSCLE_1)])) == "firewall_already_applied"
    assert code_of(lambda: firewall.apply_to_resources([at(1)])) == "firewall_resource_not_found"
    assert code_of(lambda: firewall.apply_to_resources([at(MUSCLE_2)])) == "private_net_only_server"
    for number in range(5):
        done(made(project, f"fw-{number}").apply_to_resources([at(FACTORY)]))
    assert code_of(lambda: firewall.apply_to_resources([at(FACTORY)])) == "resource_limit_exceeded"
    twice = [at(FACTORY), at(FACTORY)]
    assert code_of(lambda: project.api.firewalls.create(name="x", resources=twice)) == "server_already_added"


def test_what_is_no_rule_is_refused(project: Project) -> None:
    """Host bits, missing networks, ports where there are none, too many rules, and a name that is taken."""
    firewall = project.api.firewalls.get_by_id(FIREWALL)
    wrong = [
        [FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["192.0.2.1/24"])],
        [FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["192.0.2.1"])],
        [FirewallRule(direction="in", protocol="tcp", port="22", destination_ips=["192.0.2.1/32"])],
        [FirewallRule(direction="in", protocol="tcp", source_ips=EVERYBODY)],
        [FirewallRule(direction="in", protocol="icmp", port="22", source_ips=EVERYBODY)],
        [FirewallRule(direction="in", protocol="tcp", port="90-80", source_ips=EVERYBODY)],
        [FirewallRule(direction="in", protocol="tcp", port="22", source_ips=[f"192.0.2.{n}/32" for n in range(101)])],
        [WEB] * 51,
        [FirewallRule(direction="in", protocol="gre", source_ips=[f"10.{n}.0.0/16" for n in range(100)])] * 6,
    ]
    for rules in wrong:
        assert code_of(lambda rules=rules: firewall.set_rules(rules)) == "invalid_input"
    assert code_of(lambda: made(project, "muscle-1")) == "uniqueness_error"
    assert project.world.read().journal == []


@pytest.mark.anyio
async def test_two_changes_at_once_are_refused(tmp_path: Path) -> None:
    """While a change of the firewall runs, another action is locked out, and renaming it is a conflict."""
    world = pretend_world(tmp_path, SteppingTime())
    path, web = f"/v1/firewalls/{FIREWALL}", {"rules": [WEB.to_payload()]}
    to = {"apply_to": [at(MUSCLE_2).to_payload()]}
    async with caller(build_hetzner(world), token=HETZNER_TOKEN) as api:
        assert (await api.post(f"{path}/actions/set_rules", json=web)).status_code == 201
        refused = [
            await api.post(f"{path}/actions/set_rules", json=web),
            await api.post(f"{path}/actions/apply_to_resources", json=to),
            await api.put(path, json={"name": "x"}),
        ]
    assert [(a.status_code, a.json()["error"]["code"]) for a in refused] == [
        (423, "locked"),
        (423, "locked"),
        (409, "conflict"),
    ]
