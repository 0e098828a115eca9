"""The Cloud emulator, driven over a real socket by Hetzner's own Python client, which nobody here wrote."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import hcloud
import pytest
from hcloud.networks import NetworkSubnet
from hcloud.servers import BoundServer
from hcloud.ssh_keys import SSHKey
from hcloud.zones import ZoneRecord, ZoneRRSet

from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_READ_TOKEN, HETZNER_TOKEN
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, pretend_world, served

Thing = TypeVar("Thing")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU ci@example.com"


@dataclass(frozen=True)
class Project:
    """A served Cloud project and two clients of it."""

    world: World
    port: int
    api: hcloud.Client

    def as_token(self, token: str) -> hcloud.Client:
        """Return another client."""
        return _client(self.port, token)


def _client(port: int, token: str) -> hcloud.Client:
    endpoint = f"http://127.0.0.1:{port}/v1"
    return hcloud.Client(token, api_endpoint=endpoint, poll_interval=0.01, poll_max_retries=60, timeout=10)


@pytest.fixture
def project(tmp_path: Path) -> Generator[Project]:
    """Serve a fresh project in which every look takes a second."""
    world = pretend_world(tmp_path, SteppingTime(step_s=1.0))
    with served(build_hetzner(world)) as port:
        yield Project(world=world, port=port, api=_client(port, HETZNER_TOKEN))


def _must(thing: Thing | None) -> Thing:
    assert thing is not None
    return thing


def _ipv4(server: BoundServer) -> str:
    return _must(_must(_must(server.data_model.public_net).ipv4).ip)


def _create(api: hcloud.Client, name: str) -> BoundServer:
    made = api.servers.create(
        name=name,
        server_type=_must(api.server_types.get_by_name("ccx23")),
        image=_must(api.images.get_by_name_and_architecture("debian-12", "x86")),
        location=api.locations.get_by_name("nbg1"),
        ssh_keys=[*api.ssh_keys.get_all()],
        labels={"role": "muscle", "ink-operation": "op-1"},
    )
    assert made.server.data_model.status == "initializing"
    assert made.root_password is None
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    made.server.reload()
    return made.server


def test_the_seeded_fleet_is_listed_and_found_by_name_label_and_state(project: Project) -> None:
    """The three servers of the seed are there, with their public addresses, and each filter narrows them."""
    api = project.api
    everything = {s.data_model.name: _ipv4(s) for s in api.servers.get_all()}
    assert everything == {"factory": "192.0.2.10", "muscle-1": "192.0.2.11", "muscle-2": "192.0.2.12"}
    assert [s.data_model.name for s in api.servers.get_all(label_selector="role=factory")] == ["factory"]
    assert api.servers.get_all(status=["off"]) == []
    found = _must(api.servers.get_by_name("muscle-2")).data_model
    assert _must(found.server_type).name == "ccx33"
    assert _must(_must(found.public_net).ipv6).ip == "2001:db8:0:3::/64"


def test_a_server_is_created_comes_up_and_is_deleted(project: Project) -> None:
    """Creation initializes, its actions end, the server runs with its labels; deletion makes it vanish."""
    server = _create(project.api, "muscle-3")
    assert (server.data_model.status, _must(server.data_model.location).name) == ("running", "nbg1")
    assert server.data_model.labels == {"role": "muscle", "ink-operation": "op-1"}
    project.api.servers.delete(server).wait_until_finished()
    assert project.api.servers.get_by_name("muscle-3") is None
    assert project.world.read().journal == [
        "hetzner POST /v1/servers",
        f"hetzner DELETE /v1/servers/{server.data_model.id}",
    ]


def test_a_server_is_powered_off_and_on_and_its_host_with_it(project: Project) -> None:
    """After poweroff the server is off and the pretend host is down; after poweron both are back."""
    server = _must(project.api.servers.get_by_name("muscle-1"))
    server.power_off().wait_until_finished()
    server.reload()
    assert (server.data_model.status, project.world.read().hosts["muscle-1"].up) == ("off", False)
    server.power_on().wait_until_finished()
    server.reload()
    assert (server.data_model.status, project.world.read().hosts["muscle-1"].up) == ("running", True)


def test_a_shutdown_that_succeeded_has_only_been_sent(project: Project) -> None:
    """The action of a shutdown ends while the server still runs; it is off some time later."""
    server = _must(project.api.servers.get_by_name("muscle-1"))
    server.shutdown().wait_until_finished()
    server.reload()
    assert server.data_model.status == "running"
    for _ in range(30):
        server.reload()
    assert server.data_model.status == "off"


def test_a_server_joins_a_network_and_a_group_and_is_backed_up(project: Project) -> None:
    """At its creation or later it gets an address of the network, once; its group and its backups are told of it."""
    api = project.api
    subnets = [NetworkSubnet(type="cloud", network_zone="eu-central", ip_range="10.250.0.0/24")]
    network = api.networks.create(name="inside", ip_range="10.250.0.0/16", subnets=subnets)
    group = api.placement_groups.create(name="muscles", type="spread").placement_group
    made = api.servers.create(
        name="muscle-3",
        server_type=_must(api.server_types.get_by_name("ccx23")),
        image=_must(api.images.get_by_name_and_architecture("debian-12", "x86")),
        location=api.locations.get_by_name("nbg1"),
        ssh_keys=[*api.ssh_keys.get_all()],
        networks=[network],
        placement_group=group,
    )
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    made.server.enable_backup().wait_until_finished()
    other = _must(api.servers.get_by_name("muscle-1"))
    other.attach_to_network(network, ip="10.250.0.9").wait_until_finished()
    with pytest.raises(hcloud.APIException) as refused:
        other.attach_to_network(network)
    assert refused.value.code == "server_already_attached"
    for server in (made.server, other):
        server.reload()
    assert [_must(s.data_model.private_net)[0].ip for s in (made.server, other)] == ["10.250.0.2", "10.250.0.9"]
    assert made.server.data_model.backup_window == "22-02"
    assert _must(made.server.data_model.placement_group).data_model.servers == [made.server.data_model.id]
    other.detach_from_network(network).wait_until_finished()
    left = _must(_must(api.networks.get_by_name("inside")).data_model.servers)
    assert [server.data_model.id for server in left] == [made.server.data_model.id]
    assert api.placement_groups.delete(group) is True


def test_a_network_gets_its_subnets_one_by_one(project: Project) -> None:
    """A subnet is a part of the network that is free; one that overlaps, lies outside or is no cloud's is refused."""
    network = project.api.networks.create(name="inside", ip_range="10.250.0.0/16")
    for range_ in ("10.250.0.0/24", "10.250.1.0/24"):
        network.add_subnet(
            NetworkSubnet(type="cloud", network_zone="eu-central", ip_range=range_)
        ).wait_until_finished()
    wrong = (("cloud", "10.250.1.0/30"), ("cloud", "10.251.0.0/24"), ("vswitch", "10.250.9.0/24"))
    for kind, range_ in wrong:
        with pytest.raises(hcloud.APIException) as refused:
            network.add_subnet(NetworkSubnet(type=kind, network_zone="eu-central", ip_range=range_))
        assert refused.value.code == "invalid_input"
    network.reload()
    assert [subnet.ip_range for subnet in _must(network.data_model.subnets)] == ["10.250.0.0/24", "10.250.1.0/24"]


def test_addresses_are_told_with_what_they_are_assigned_to(project: Project) -> None:
    """Each server's own addresses are Primary IPs that go with it."""
    found = project.api.primary_ips.get_all()
    assert [ip.data_model.type for ip in found] == ["ipv4", "ipv6"] * 3
    assert {ip.data_model.auto_delete for ip in found} == {True}
    assert project.api.floating_ips.get_all() == []


def test_a_protected_server_cannot_be_deleted(project: Project) -> None:
    """With change_protection on, deletion is refused as `protected`, and works after it is off again."""
    server = _must(project.api.servers.get_by_name("muscle-2"))
    server.change_protection(delete=True, rebuild=True).wait_until_finished()
    with pytest.raises(hcloud.APIException) as refused:
        server.delete()
    assert refused.value.code == "protected"
    server.change_protection(delete=False, rebuild=False).wait_until_finished()
    server.delete().wait_until_finished()
    assert project.api.servers.get_by_name("muscle-2") is None


def test_ssh_keys_are_unique_by_name_and_by_fingerprint(project: Project) -> None:
    """A key can be made, found by its fingerprint, renamed and deleted; the same key twice is a uniqueness error."""
    api = project.api
    key = api.ssh_keys.create(name="ci", public_key=KEY)
    for name, public_key in (("other", KEY), ("ci", KEY.replace("AAAAIKh0", "AAAAIKh1"))):
        with pytest.raises(hcloud.APIException) as refused:
            api.ssh_keys.create(name=name, public_key=public_key)
        assert refused.value.code == "uniqueness_error"
    found = _must(api.ssh_keys.get_by_fingerprint(_must(key.data_model.fingerprint)))
    assert found.update(name="renamed", labels={"a": "b"}).data_model.labels == {"a": "b"}
    assert api.ssh_keys.delete(key) is True
    assert [k.data_model.name for k in api.ssh_keys.get_all()] == ["operator"]


def test_a_volume_is_attached_moved_grown_and_deleted(project: Project) -> None:
    """A volume made beside a server attaches to it, moves to another in the same place, grows, and goes when free."""
    api = project.api
    first, second = (_must(api.servers.get_by_name(name)) for name in ("muscle-1", "muscle-2"))
    made = api.volumes.create(size=10, name="data", server=first, format="ext4")
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    volume = made.volume
    with pytest.raises(hcloud.APIException) as refused:
        volume.delete()
    assert refused.value.code == "resource_in_use"
    volume.detach().wait_until_finished()
    volume.attach(second, automount=False).wait_until_finished()
    volume.resize(20).wait_until_finished()
    volume.reload()
    assert volume.data_model.linux_device == f"/dev/disk/by-id/scsi-0HC_Volume_{volume.data_model.id}"
    assert volume.data_model.size == 20
    assert project.world.read().hetzner.volumes[-1].server == second.data_model.id
    volume.detach().wait_until_finished()
    assert volume.delete() is True


def test_records_are_added_and_removed_one_by_one(project: Project) -> None:
    """Adding makes the record set, adding again keeps the first value, removing the last value removes the set."""
    zone = project.api.zones.get("example.com")
    assert _must(zone.data_model.authoritative_nameservers).delegation_status == "valid"
    rrset = ZoneRRSet(name="www", type="A", zone=zone)
    zone.add_rrset_records(rrset, [ZoneRecord(value="192.0.2.11")], ttl=300).wait_until_finished()
    zone.add_rrset_records(rrset, [ZoneRecord(value="192.0.2.12")]).wait_until_finished()
    values = [record.value for record in _must(zone.get_rrset("www", "A").data_model.records)]
    assert values == ["192.0.2.11", "192.0.2.12"]
    zone.remove_rrset_records(rrset, [ZoneRecord(value=value) for value in values]).wait_until_finished()
    with pytest.raises(hcloud.APIException) as gone:
        zone.get_rrset("www", "A")
    assert gone.value.code == "not_found"


def test_a_record_set_is_created_replaced_timed_and_deleted(project: Project) -> None:
    """create, set_records, change_ttl and delete each take effect when their action has ended."""
    zone = project.api.zones.get("example.com")
    made = zone.create_rrset(name="api", type="TXT", ttl=60, records=[ZoneRecord(value='"one"', comment="first")])
    made.action.wait_until_finished()
    zone.set_rrset_records(made.rrset, [ZoneRecord(value='"two"')]).wait_until_finished()
    zone.change_rrset_ttl(made.rrset, 120).wait_until_finished()
    seen = zone.get_rrset("api", "TXT").data_model
    assert (seen.id, seen.ttl, [r.value for r in _must(seen.records)]) == ("api/TXT", 120, ['"two"'])
    zone.delete_rrset(made.rrset).action.wait_until_finished()
    assert [r.data_model.id for r in zone.get_rrset_all()] == ["@/SOA", "@/NS", "coolify/A", "*.s1/A", "*.s2/A"]


def test_a_zone_is_created_with_soa_and_ns_and_deleted(project: Project) -> None:
    """A new zone gets its SOA and three name servers, is not delegated yet, and can be deleted."""
    made = project.api.zones.create(name="example.org", mode="primary", labels={"for": "apps"})
    made.action.wait_until_finished()
    zone = project.api.zones.get("example.org")
    assert (zone.data_model.status, zone.data_model.record_count) == ("ok", 4)
    assert _must(zone.data_model.authoritative_nameservers).delegation_status == "unknown"
    zone.change_ttl(600).wait_until_finished()
    zone.delete().action.wait_until_finished()
    assert [z.data_model.name for z in project.api.zones.get_all()] == ["example.com"]


def test_the_catalogue_says_what_can_be_had_where(project: Project) -> None:
    """Types name their locations with availability and deprecation, and prices parse; data centers are gone."""
    api = project.api
    kind = _must(api.server_types.get_by_name("ccx23"))
    there = {_must(place.location).name: place.deprecation is not None for place in _must(kind.data_model.locations)}
    assert there == {"fsn1": False, "nbg1": False, "hel1": False, "ash": True}
    assert _must(kind.data_model.prices)[0]["price_monthly"]["net"] == "24.4900000000"
    assert len(api.images.get_all(architecture=["arm"])) == 1
    assert api.locations.get_by_id(1).data_model.network_zone == "eu-central"
    with pytest.raises(hcloud.APIException) as gone, pytest.deprecated_call():
        api.datacenters.get_all()
    assert gone.value.code == "deprecated_api_endpoint"


@pytest.mark.parametrize(
    ("token", "code"), [(HETZNER_READ_TOKEN, "token_readonly"), ("wrong", "unauthorized"), (HETZNER_TOKEN, "not_found")]
)
def test_each_token_may_do_what_it_may(project: Project, token: str, code: str) -> None:
    """A read-only token may not write, an unknown one may do nothing, a good one is told what is not there."""
    with pytest.raises(hcloud.APIException) as refused:
        project.as_token(token).ssh_keys.delete(SSHKey(id=1))
    assert refused.value.code == code
    assert refused.value.correlation_id


def test_a_sold_out_type_is_refused_as_unavailable(project: Project) -> None:
    """cx53 cannot be had at hel1: the creation is refused and nothing is left behind."""
    api = project.api
    kind, image = _must(api.server_types.get_by_name("cx53")), api.images.get_by_id(114690387)
    with pytest.raises(hcloud.APIException) as refused:
        api.servers.create(name="late", server_type=kind, image=image, location=api.locations.get_by_name("hel1"))
    assert refused.value.code == "resource_unavailable"
    assert len(api.servers.get_all()) == 3


def test_long_lists_come_in_pages(project: Project) -> None:
    """Sixty keys need two pages, and the official client finds each of them once."""
    with project.world.change() as state:
        one = state.hetzner.ssh_keys[0]
        state.hetzner.ssh_keys = [one.model_copy(update={"id": n, "name": f"key-{n}"}) for n in range(1, 61)]
    assert [key.data_model.id for key in project.api.ssh_keys.get_all()] == list(range(1, 61))
