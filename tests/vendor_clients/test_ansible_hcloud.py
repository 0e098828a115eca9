"""The Cloud emulator, and Hetzner's DNS in it, driven by the modules of hetzner.hcloud as they are published."""

from typing import Any

import pytest

from tests.vendor_clients.ansible import Task
from tests.vendor_clients.conftest import FINGERPRINT, PUBLIC_KEY, Modules

pytestmark = [pytest.mark.timeout(720), pytest.mark.clients]

SSH = {"description": "ssh", "direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["198.51.100.7/32"]}
PING = {"direction": "in", "protocol": "icmp", "source_ips": ["0.0.0.0/0", "::/0"]}
WEB = {"description": "web", "direction": "in", "protocol": "tcp", "port": "80-90", "source_ips": ["0.0.0.0/0", "::/0"]}


def hcloud(module: str, **arguments: Any) -> Task:
    """Return a task."""
    return f"hetzner.hcloud.{module}", arguments


def changed(answers: list[dict[str, Any]]) -> list[bool | str]:
    """Return of each answer whether something was changed, or the code with which it was refused."""
    return [one["failure"]["code"] if "failure" in one else one["changed"] for one in answers]


def test_a_server_is_bought_changed_and_deleted(on_cloud: Modules) -> None:
    """Each module makes what it is for, finds it as it made it, and waits for the actions in between."""
    zone = {"type": "cloud", "network_zone": "eu-central", "ip_range": "10.250.0.0/24"}
    parts = {"ssh_keys": ["ci"], "firewalls": ["web"], "placement_group": "muscles", "private_networks": ["inside"]}
    kind = {"server_type": "ccx23", "image": "debian-12", "location": "nbg1"}
    protected = {"delete_protection": True, "rebuild_protection": True}
    answers = on_cloud.ansible.run(
        hcloud("ssh_key", name="ci", public_key=PUBLIC_KEY, labels={"for": "muscles"}),
        hcloud("network", name="inside", ip_range="10.250.0.0/16"),
        hcloud("subnetwork", network="inside", **zone),
        hcloud("placement_group", name="muscles", type="spread"),
        hcloud("firewall", name="web", rules=[SSH]),
        hcloud("server", name="muscle-3", **kind, **parts, labels={"role": "muscle"}, user_data="#cloud-config\n"),
        hcloud("server", name="muscle-3", **kind, **parts, labels={"role": "muscle"}),
        hcloud("server", name="muscle-3", backups=True, **protected),
        hcloud("server", name="muscle-3", state="absent"),
        hcloud("server", name="muscle-3", **dict.fromkeys(protected, False)),
        hcloud("server", name="muscle-3", state="absent"),
        hcloud("server", name="late", server_type="cx53", image="debian-12", location="hel1"),
    )
    assert changed(answers) == [True] * 6 + [False, True, "protected", True, True, "resource_unavailable"]
    key, bought, guarded = answers[0]["hcloud_ssh_key"], answers[5]["hcloud_server"], answers[7]["hcloud_server"]
    assert (key["fingerprint"], answers[5]["root_password"]) == (FINGERPRINT, None)
    plain = {
        "id": bought["id"],
        "name": "muscle-3",
        "created": bought["created"],
        "ipv4_address": "203.0.113.10",
        "ipv6": bought["ipv6"],
        "private_networks": ["inside"],
        "private_networks_info": [{"name": "inside", "ip": "10.250.0.2"}],
        "image": "debian-12",
        "server_type": "ccx23",
        "datacenter": None,
        "location": "nbg1",
        "placement_group": "muscles",
        "rescue_enabled": False,
        "backup_window": None,
        "labels": {"role": "muscle"},
        "status": "running",
        "delete_protection": False,
        "rebuild_protection": False,
    }
    assert bought == answers[6]["hcloud_server"] == plain
    assert guarded == {**plain, "backup_window": "22-02", **protected}
    state = on_cloud.world.read()
    assert [server.name for server in state.hetzner.servers] == ["factory", "muscle-1", "muscle-2"]
    assert [line for line in state.journal if "UNKNOWN" in line] == []


def test_a_firewall_and_a_network_come_to_servers_and_go(on_cloud: Modules) -> None:
    """Rules that are the same change nothing, others replace them all; servers and labels are bound and freed."""
    bound = {"servers": ["muscle-1"], "label_selectors": ["role=factory"]}
    answers = on_cloud.ansible.run(
        hcloud("firewall", name="web", rules=[SSH, PING]),
        hcloud("firewall", name="web", rules=[SSH, PING]),
        hcloud("firewall", name="web", rules=[WEB]),
        hcloud("firewall_resource", firewall="web", **bound),
        hcloud("firewall_info", name="web"),
        hcloud("firewall", name="web", state="absent"),
        hcloud("firewall_resource", firewall="web", **bound, state="absent"),
        hcloud("firewall", name="web", state="absent"),
        hcloud("network", name="inside", ip_range="10.250.0.0/16"),
        hcloud("subnetwork", network="inside", type="cloud", network_zone="eu-central", ip_range="10.250.0.0/24"),
        hcloud("server_network", network="inside", server="muscle-1", ip="10.250.0.9"),
        hcloud("server_network", network="inside", server="muscle-1", state="absent"),
    )
    assert changed(answers) == [True, False, True, True, False, "resource_in_use", *[True] * 6]
    [shown] = answers[4]["hcloud_firewall_info"]
    assert (shown["rules"], shown["applied_to"]) == (
        [{**WEB, "destination_ips": []}],
        [
            {"type": "server", "server": 4_710_002, "label_selector": None},
            {
                "type": "label_selector",
                "server": None,
                "label_selector": "role=factory",
                "applied_to_resources": [{"type": "server", "server": 4_710_001}],
            },
        ],
    )
    assert answers[10]["hcloud_server_network"] == {
        "network": "inside",
        "server": "muscle-1",
        "ip": "10.250.0.9",
        "alias_ips": [],
    }
    assert [one.name for one in on_cloud.world.read().hetzner.firewalls] == ["muscle-1"]


def test_a_server_is_switched_as_its_state_is_wanted(on_cloud: Modules) -> None:
    """Stopped, started, restarted: each is waited for, and is nothing to do the second time."""
    answers = on_cloud.ansible.run(
        *(hcloud("server", name="muscle-1", state=state) for state in ("stopped", "stopped", "started", "restarted"))
    )
    assert changed(answers) == [True, False, True, True]
    assert [one["hcloud_server"]["status"] for one in answers] == ["off", "off", "running", "running"]


def test_a_zone_and_its_record_sets_are_set(on_cloud: Modules) -> None:
    """A set is made, found again, changed in values and TTL, and removed; a zone is made and deleted."""
    www = {"zone": "example.com", "name": "www", "type": "A"}
    two = [{"value": "192.0.2.11", "comment": "first"}, {"value": "192.0.2.12"}]
    answers = on_cloud.ansible.run(
        hcloud("zone_rrset", **www, ttl=300, records=two),
        hcloud("zone_rrset", **www, ttl=300, records=two),
        hcloud("zone_rrset", **www, ttl=60, records=two[1:]),
        hcloud("zone_rrset_info", zone="example.com"),
        hcloud("zone_rrset", **www, state="absent"),
        hcloud("zone", name="example.org", mode="primary", ttl=600),
        hcloud("zone_info", name="example.org"),
        hcloud("zone", name="example.org", state="absent"),
    )
    assert changed(answers) == [True, False, True, False, True, True, False, True]
    of_set: dict[str, Any] = {
        "zone": 4_710_300,
        "id": "www/A",
        "name": "www",
        "type": "A",
        "labels": {},
        "change_protection": False,
    }
    [first, second] = two
    assert answers[0]["hcloud_zone_rrset"] == {**of_set, "ttl": 300, "records": [first, {**second, "comment": ""}]}
    listed = {one["id"]: one for one in answers[3]["hcloud_zone_rrset_info"]}
    assert [*listed] == ["@/SOA", "@/NS", "coolify/A", "*.s1/A", "*.s2/A", "www/A"]
    assert listed["www/A"] == {**of_set, "ttl": 60, "records": [{**second, "comment": ""}]}
    [zone] = answers[6]["hcloud_zone_info"]
    assert (zone["ttl"], zone["record_count"], zone["authoritative_nameservers"]["delegation_status"]) == (
        *(600, 4, "unknown"),
    )
    assert [zone.name for zone in on_cloud.world.read().hetzner.zones] == ["example.com"]
