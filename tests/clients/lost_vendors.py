"""The rows of lost answers at Hetzner (Cloud, DNS, Robot) and Cloudflare."""

from pydantic import JsonValue

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.told_keys import md5_fingerprint
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from ink_infra_mcp.sandbox.state_hetzner import Network
from ink_infra_mcp.sandbox.state_robot import SERVER, VSwitch
from tests.clients.lost import Earlier, Row

MUSCLE_1, MUSCLE_2, NETWORK = "4710002", "4710003", 71
RULES: list[JsonValue] = [
    {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["198.51.100.7/32"]},
    {"direction": "in", "protocol": "tcp", "port": "443", "source_ips": ["0.0.0.0/0", "::/0"]},
]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
PRINT = md5_fingerprint(KEY)
FIREWALL_MADE = Earlier(
    "hetzner_cloud.create_firewall", {"name": "fresh", "role": "muscle", "rules": RULES}, "firewall"
)
MADE = result_of("firewall", "firewall")
EMPTIED = Earlier("hetzner_cloud.set_firewall_rules", {"firewall": MADE, "rules": [], "before": RULES}, "emptied")
SSH_KEY: JsonObject = {"name": "ink", "public_key": KEY}
BOUGHT: JsonObject = {
    "name": "muscle-3",
    "server_type": "ccx43",
    "location": "nbg1",
    "image": "debian-12",
    "ssh_keys": ["operator"],
    "firewalls": [str(FIREWALL)],
    "labels": {"role": "muscle"},
    "backups": True,
    "first_host_key": True,
}


def _with_network(state: WorldState) -> None:
    subnets = [("eu-central", "10.0.1.0/24")]
    state.hetzner.networks.append(
        Network(id=NETWORK, name="private", ip_range="10.0.0.0/16", created=0.0, subnets=subnets)
    )


def _protected(state: WorldState) -> None:
    state.hetzner.servers[2].protected = True


ATTACHED: JsonObject = {"server": MUSCLE_2, "network": str(NETWORK)}
CLOUD = (
    Row("hetzner_cloud.create_firewall", FIREWALL_MADE.params),
    Row("hetzner_cloud.delete_firewall", {"firewall": MADE}, (FIREWALL_MADE,)),
    Row("hetzner_cloud.set_firewall_rules", EMPTIED.params, (FIREWALL_MADE,)),
    Row(
        "hetzner_cloud.restore_firewall_rules",
        {"firewall": MADE, "rules": result_of("emptied", "before")},
        (FIREWALL_MADE, EMPTIED),
    ),
    Row("hetzner_cloud.attach_firewall", {"firewall": MADE, "server": MUSCLE_2}, (FIREWALL_MADE,)),
    Row(
        "hetzner_cloud.attach_firewall",
        {"firewall": MADE, "selector": "role=muscle"},
        (FIREWALL_MADE,),
        variant="label",
    ),
    Row("hetzner_cloud.detach_firewall", {"firewall": str(FIREWALL), "server": MUSCLE_1}),
    Row("hetzner_cloud.create_server", BOUGHT),
    Row("hetzner_cloud.discard_server", {"name": "muscle-3"}, (Earlier("hetzner_cloud.create_server", BOUGHT),)),
    Row("hetzner_cloud.delete_server", {"server": MUSCLE_2, "name": "muscle-2", "unprotect": True}, arrange=_protected),
    Row("hetzner_cloud.set_protection", {"server": MUSCLE_2, "on": True}),
    Row("hetzner_cloud.enable_backup", {"server": MUSCLE_2}),
    Row("hetzner_cloud.attach_to_network", ATTACHED, arrange=_with_network),
    Row(
        "hetzner_cloud.detach_from_network",
        ATTACHED,
        (Earlier("hetzner_cloud.attach_to_network", ATTACHED),),
        arrange=_with_network,
    ),
    Row("hetzner_cloud.create_ssh_key", SSH_KEY),
    Row("hetzner_cloud.delete_ssh_key", {"name": "ink"}, (Earlier("hetzner_cloud.create_ssh_key", SSH_KEY),)),
    Row("hetzner_cloud.create_placement_group", {"name": "muscles"}),
    Row(
        "hetzner_cloud.delete_placement_group",
        {"name": "muscles"},
        (Earlier("hetzner_cloud.create_placement_group", {"name": "muscles"}),),
    ),
)


def _zone(vendor: str) -> JsonObject:
    hetzner = vendor == "hetzner_dns"
    return {"id": "4710300", "name": "example.com"} if hetzner else {"id": "5a" * 16, "name": "example.org"}


def _records(vendor: str, before: JsonValue, after: JsonValue) -> JsonObject:
    zone = _zone(vendor)
    return {"zone": zone, "name": f"*.s9.{zone['name']}", "type": "A", "before": before, "after": after}


def _set(vendor: str, ttl: int, *values: str) -> JsonObject:
    records: list[JsonValue] = [{"value": value} for value in values]
    return {"name": f"*.s9.{_zone(vendor)['name']}", "type": "A", "ttl": ttl, "records": records}


def _dns(vendor: str) -> tuple[Row, ...]:
    old, new = _set(vendor, 3600, "203.0.113.9", "203.0.113.10"), _set(vendor, 60, "192.0.2.13")
    made, replaced = _records(vendor, None, old), _records(vendor, old, new)
    setting, restoring = f"{vendor}.set_records", f"{vendor}.restore_records"
    first, second = Earlier(setting, made, "made"), Earlier(setting, replaced, "replaced")
    return (
        Row(setting, made, variant="made"),
        Row(setting, replaced, (first,), variant="replaced"),
        Row(setting, _records(vendor, old, None), (first,), variant="removed"),
        Row(restoring, made, (first,), variant="made"),
        Row(restoring, replaced, (first, second), variant="replaced"),
    )


ROBOT_KEY = Earlier("hetzner_robot.create_ssh_key", {"public_key": KEY, "name": "ink muscle-3"}, "key")
INSTALL: JsonObject = {"server": str(SERVER), "key": PRINT, "dist": "Debian 13 base", "lang": "en"}
ON_VSWITCH: JsonObject = {"server": str(SERVER), "vswitch": "4321"}


def _with_vswitch(state: WorldState) -> None:
    state.robot.vswitches.append(VSwitch(id=4321, name="inner", vlan=4000))


INSTALLED = Earlier("hetzner_robot.install_system", INSTALL, "install")
CANCELLED: JsonObject = {"server": str(SERVER), "date": "2027-01-31"}
OPEN: JsonObject = {"status": "disabled", "filter_ipv6": False, "whitelist_hos": True, "input": [], "output": []}
ACCEPT: JsonObject = {"name": "all", "action": "accept"}
SHUT: JsonObject = {
    "status": "active",
    "filter_ipv6": True,
    "whitelist_hos": True,
    "input": [{"name": "web", "dst_port": "443", "action": "accept"}],
    "output": [ACCEPT],
}
FILTERED: JsonObject = {"server": str(SERVER), "firewall": SHUT, "before": OPEN}
ROBOT = (
    Row("hetzner_robot.set_firewall", FILTERED),
    Row(
        "hetzner_robot.restore_firewall",
        {"server": str(SERVER), "firewall": result_of("filtered", "before")},
        (Earlier("hetzner_robot.set_firewall", FILTERED, "filtered"),),
    ),
    Row("hetzner_robot.attach_to_vswitch", ON_VSWITCH, arrange=_with_vswitch),
    Row(
        "hetzner_robot.detach_from_vswitch",
        ON_VSWITCH,
        (Earlier("hetzner_robot.attach_to_vswitch", ON_VSWITCH),),
        arrange=_with_vswitch,
    ),
    Row("hetzner_robot.create_ssh_key", ROBOT_KEY.params),
    Row("hetzner_robot.delete_ssh_key", {"fingerprint": PRINT, "name": "ink muscle-3"}, (ROBOT_KEY,)),
    Row("hetzner_robot.install_system", INSTALL, (ROBOT_KEY,)),
    Row("hetzner_robot.withdraw_install", INSTALL, (ROBOT_KEY, INSTALLED)),
    Row("hetzner_robot.reset_server", {**INSTALL, "boot": "linux", "type": "hw"}, (ROBOT_KEY, INSTALLED)),
    Row("hetzner_robot.cancel_server", CANCELLED),
    Row(
        "hetzner_robot.withdraw_cancellation",
        {"server": str(SERVER)},
        (Earlier("hetzner_robot.cancel_server", CANCELLED),),
    ),
)
VENDORS = (*CLOUD, *_dns("hetzner_dns"), *_dns("cloudflare"), *ROBOT)
