"""The Cloud emulator against Hetzner's own description of its API."""

import re
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.hetzner.app import ROUTES
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from tests.sandbox.cloud_spec import cloud_spec
from tests.sandbox.pretend import SteppingTime, caller, pretend_world

pytestmark = pytest.mark.anyio
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU ci@example.com"
SERVER, VOLUME, SSH_KEY, ZONE = 4_710_002, 4_710_200, 4_710_100, 4_710_300
NETWORK, GROUP = 4_711_012, 4_711_016
NOT_DESCRIBED = {("GET", "/floating_ips"), ("GET", "/load_balancers")}
RRSET = "/zones/{id_or_name}/rrsets/{rr_name}/{rr_type}"
Exchange = tuple[str, str, str, object]

EXCHANGES: tuple[Exchange, ...] = (
    ("GET", "/servers", "/servers?per_page=2", None),
    ("GET", "/servers/{id}", f"/servers/{SERVER}", None),
    ("GET", "/servers/{id}", "/servers/1", None),
    ("PUT", "/servers/{id}", f"/servers/{SERVER}", {"labels": {"role": "muscle", "pool": "a"}}),
    ("PUT", "/servers/{id}", f"/servers/{SERVER}", {"labels": {"not a key": "x"}}),
    (
        "POST",
        "/servers",
        "/servers",
        {
            "name": "muscle-3",
            "server_type": "ccx33",
            "image": "debian-12",
            "location": "fsn1",
            "ssh_keys": ["operator"],
            "labels": {"role": "muscle"},
            "user_data": "#cloud-config\n",
            "public_net": {"enable_ipv4": True, "enable_ipv6": False},
        },
    ),
    ("POST", "/servers", "/servers", {"name": "muscle-3", "server_type": "ccx33", "image": "debian-12"}),
    ("POST", "/servers", "/servers", {"name": "x", "server_type": "cx53", "image": "debian-12", "location": "hel1"}),
    ("GET", "/servers/{id}/actions", f"/servers/{SERVER}/actions?sort=started:desc", None),
    ("POST", "/servers/{id}/actions/poweroff", f"/servers/{SERVER}/actions/poweroff", None),
    ("POST", "/servers/{id}/actions/poweron", f"/servers/{SERVER}/actions/poweron", None),
    ("POST", "/servers/{id}/actions/reboot", f"/servers/{SERVER}/actions/reboot", None),
    ("POST", "/servers/{id}/actions/reset", f"/servers/{SERVER}/actions/reset", None),
    ("POST", "/servers/{id}/actions/shutdown", f"/servers/{SERVER}/actions/shutdown", None),
    (
        "POST",
        "/servers/{id}/actions/change_protection",
        f"/servers/{SERVER}/actions/change_protection",
        {"delete": True, "rebuild": True},
    ),
    ("POST", "/servers/{id}/actions/enable_backup", f"/servers/{SERVER}/actions/enable_backup", None),
    ("POST", "/servers/{id}/actions/disable_backup", f"/servers/{SERVER}/actions/disable_backup", None),
    (
        "POST",
        "/networks",
        "/networks",
        {
            "name": "inside",
            "ip_range": "10.250.0.0/16",
            "subnets": [{"type": "cloud", "network_zone": "eu-central", "ip_range": "10.250.0.0/24"}],
        },
    ),
    ("POST", "/networks", "/networks", {"name": "inside", "ip_range": "10.250.0.0/16"}),
    ("GET", "/networks", "/networks", None),
    (
        "POST",
        "/networks/{id}/actions/add_subnet",
        f"/networks/{NETWORK}/actions/add_subnet",
        {"type": "cloud", "network_zone": "eu-central"},
    ),
    ("GET", "/networks/{id}", f"/networks/{NETWORK}", None),
    (
        "POST",
        "/servers/{id}/actions/attach_to_network",
        f"/servers/{SERVER}/actions/attach_to_network",
        {"network": NETWORK},
    ),
    ("GET", "/servers/{id}", f"/servers/{SERVER}", None),
    (
        "POST",
        "/servers/{id}/actions/detach_from_network",
        f"/servers/{SERVER}/actions/detach_from_network",
        {"network": NETWORK},
    ),
    ("DELETE", "/networks/{id}", f"/networks/{NETWORK}", None),
    ("POST", "/placement_groups", "/placement_groups", {"name": "muscles", "type": "spread"}),
    ("POST", "/placement_groups", "/placement_groups", {"name": "muscles", "type": "spread"}),
    ("GET", "/placement_groups", "/placement_groups?name=muscles", None),
    ("GET", "/placement_groups/{id}", f"/placement_groups/{GROUP}", None),
    ("PUT", "/placement_groups/{id}", f"/placement_groups/{GROUP}", {"labels": {"for": "muscles"}}),
    ("DELETE", "/placement_groups/{id}", f"/placement_groups/{GROUP}", None),
    ("GET", "/primary_ips", "/primary_ips", None),
    ("DELETE", "/servers/{id}", f"/servers/{SERVER}", None),
    ("DELETE", "/servers/{id}", "/servers/4710003", None),
    ("GET", "/actions", "/actions?id=4711002&id=4711003", None),
    ("GET", "/actions", "/actions", None),
    ("GET", "/actions/{id}", "/actions/4711002", None),
    ("GET", "/server_types", "/server_types", None),
    ("GET", "/server_types/{id}", "/server_types/98", None),
    ("GET", "/locations", "/locations?name=fsn1", None),
    ("GET", "/locations/{id}", "/locations/4", None),
    ("GET", "/images", "/images?architecture=arm", None),
    ("GET", "/images/{id}", "/images/114690387", None),
    ("GET", "/pricing", "/pricing", None),
    ("GET", "/ssh_keys", "/ssh_keys", None),
    ("POST", "/ssh_keys", "/ssh_keys", {"name": "ci", "public_key": KEY}),
    ("POST", "/ssh_keys", "/ssh_keys", {"name": "ci", "public_key": KEY}),
    ("GET", "/ssh_keys/{id}", f"/ssh_keys/{SSH_KEY}", None),
    ("PUT", "/ssh_keys/{id}", f"/ssh_keys/{SSH_KEY}", {"name": "admin"}),
    ("DELETE", "/ssh_keys/{id}", f"/ssh_keys/{SSH_KEY}", None),
    ("GET", "/volumes", "/volumes", None),
    ("POST", "/volumes", "/volumes", {"name": "more", "size": 10, "location": "fsn1", "format": "ext4"}),
    ("GET", "/volumes/{id}", f"/volumes/{VOLUME}", None),
    ("PUT", "/volumes/{id}", f"/volumes/{VOLUME}", {"name": "data"}),
    ("GET", "/volumes/{id}/actions", f"/volumes/{VOLUME}/actions", None),
    ("POST", "/volumes/{id}/actions/resize", f"/volumes/{VOLUME}/actions/resize", {"size": 200}),
    ("POST", "/volumes/{id}/actions/detach", f"/volumes/{VOLUME}/actions/detach", None),
    ("POST", "/volumes/{id}/actions/attach", f"/volumes/{VOLUME}/actions/attach", {"server": 4_710_001}),
    (
        "POST",
        "/volumes/{id}/actions/change_protection",
        f"/volumes/{VOLUME}/actions/change_protection",
        {"delete": True},
    ),
    ("DELETE", "/volumes/{id}", f"/volumes/{VOLUME}", None),
    ("GET", "/firewalls", "/firewalls?label_selector=role==muscle", None),
    ("GET", "/firewalls/{id}", f"/firewalls/{FIREWALL}", None),
    (
        "POST",
        "/firewalls",
        "/firewalls",
        {
            "name": "web",
            "labels": {"role": "muscle"},
            "rules": [{"direction": "in", "protocol": "tcp", "port": "80-90", "source_ips": ["0.0.0.0/0", "::/0"]}],
            "apply_to": [{"type": "label_selector", "label_selector": {"selector": "role=factory"}}],
        },
    ),
    ("POST", "/firewalls", "/firewalls", {"name": "web"}),
    (
        "POST",
        "/firewalls/{id}/actions/set_rules",
        f"/firewalls/{FIREWALL}/actions/set_rules",
        {"rules": [{"direction": "out", "protocol": "icmp", "destination_ips": ["2001:db8::/64"], "description": "x"}]},
    ),
    (
        "POST",
        "/firewalls/{id}/actions/set_rules",
        f"/firewalls/{FIREWALL}/actions/set_rules",
        {"rules": [{"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["192.0.2.1/24"]}]},
    ),
    (
        "POST",
        "/firewalls/{id}/actions/apply_to_resources",
        f"/firewalls/{FIREWALL}/actions/apply_to_resources",
        {"apply_to": [{"type": "server", "server": {"id": 4_710_001}}]},
    ),
    ("GET", "/firewalls/{id}", f"/firewalls/{FIREWALL}", None),
    ("GET", "/servers/{id}", "/servers/4710001", None),
    (
        "POST",
        "/firewalls/{id}/actions/remove_from_resources",
        f"/firewalls/{FIREWALL}/actions/remove_from_resources",
        {"remove_from": [{"type": "server", "server": {"id": 4_710_001}}]},
    ),
    ("GET", "/firewalls/{id}/actions", f"/firewalls/{FIREWALL}/actions", None),
    ("PUT", "/firewalls/{id}", f"/firewalls/{FIREWALL}", {"name": "muscle", "labels": {"role": "muscle"}}),
    ("DELETE", "/firewalls/{id}", f"/firewalls/{FIREWALL}", None),
    ("GET", "/zones", "/zones?name=example.com", None),
    ("POST", "/zones", "/zones", {"name": "example.org", "mode": "primary", "ttl": 600}),
    ("GET", "/zones/{id_or_name}", "/zones/example.com", None),
    ("PUT", "/zones/{id_or_name}", f"/zones/{ZONE}", {"labels": {"for": "apps"}}),
    ("GET", "/zones/{id_or_name}/actions", "/zones/example.org/actions", None),
    ("POST", "/zones/{id_or_name}/actions/change_ttl", "/zones/example.com/actions/change_ttl", {"ttl": 1200}),
    (
        "POST",
        "/zones/{id_or_name}/actions/change_protection",
        "/zones/example.com/actions/change_protection",
        {"delete": True},
    ),
    ("DELETE", "/zones/{id_or_name}", "/zones/example.com", None),
    ("DELETE", "/zones/{id_or_name}", "/zones/example.org", None),
    ("GET", "/zones/{id_or_name}/rrsets", "/zones/example.com/rrsets?type=A", None),
    (
        "POST",
        "/zones/{id_or_name}/rrsets",
        "/zones/example.com/rrsets",
        {"name": "www", "type": "A", "records": [{"value": "192.0.2.11"}]},
    ),
    ("GET", RRSET, "/zones/example.com/rrsets/*.s1/A", None),
    ("PUT", RRSET, "/zones/example.com/rrsets/@/NS", {"labels": {"keep": "yes"}}),
    (
        "POST",
        f"{RRSET}/actions/add_records",
        "/zones/example.com/rrsets/www/A/actions/add_records",
        {"records": [{"value": "192.0.2.12", "comment": "second"}]},
    ),
    (
        "POST",
        f"{RRSET}/actions/set_records",
        "/zones/example.com/rrsets/www/A/actions/set_records",
        {"records": [{"value": "192.0.2.12"}, {"value": "192.0.2.11"}]},
    ),
    (
        "POST",
        f"{RRSET}/actions/remove_records",
        "/zones/example.com/rrsets/www/A/actions/remove_records",
        {"records": [{"value": "192.0.2.11"}]},
    ),
    ("POST", f"{RRSET}/actions/change_ttl", "/zones/example.com/rrsets/www/A/actions/change_ttl", {"ttl": None}),
    (
        "POST",
        f"{RRSET}/actions/change_protection",
        "/zones/example.com/rrsets/www/A/actions/change_protection",
        {"change": True},
    ),
    ("DELETE", RRSET, "/zones/example.com/rrsets/www/A", None),
    ("DELETE", RRSET, "/zones/example.com/rrsets/coolify/A", None),
)
"""Method, the path as the description writes it, what is asked, and the body; twenty seconds pass between two."""


async def test_every_answer_has_the_shape_that_hetzner_describes(tmp_path: Path) -> None:
    """Requests and answers of all operations, good and bad, validate against the official description."""
    spec, time, problems = cloud_spec(), SteppingTime(), list[str]()
    statuses: set[int] = set()
    async with caller(build_hetzner(pretend_world(tmp_path, time)), token=HETZNER_TOKEN) as api:
        for method, template, path, body in EXCHANGES:
            time.at += 20.0
            with anyio.fail_after(30):
                answer = await api.request(method, f"/v1{path}", json=body)
            statuses.add(answer.status_code)
            found = spec.answer_problems(
                method, template, answer.status_code, answer.json() if answer.content else None
            )
            found += [] if body is None else spec.request_problems(method, template, body)
            problems += [f"{method} {path} {answer.status_code}: {problem}" for problem in found]
    assert problems == []
    assert statuses == {200, 201, 204, 404, 409, 412, 422, 423}


def test_the_description_finds_what_is_wrong() -> None:
    """The judge itself works: a body without its field, of a wrong type, or with an unknown status is a problem."""
    spec = cloud_spec()
    action = {"id": 1, "command": "c", "status": "running", "progress": 0, "started": "t", "finished": None}
    resources: list[object] = []
    whole = {**action, "resources": resources, "error": None}
    body = {"action": whole}
    assert spec.answer_problems("GET", "/actions/{id}", 200, body) == []
    assert spec.answer_problems("GET", "/actions/{id}", 200, {"action": action}) != []
    assert spec.answer_problems("GET", "/actions/{id}", 200, {"action": {**whole, "id": "1"}}) != []
    assert spec.answer_problems("GET", "/actions/{id}", 299, body) != []
    assert spec.request_problems("POST", "/ssh_keys", {"name": "x"}) != []


def test_no_route_is_an_invention() -> None:
    """Every route of the emulator is an operation of the description, but the two that Hetzner has removed.

    The description at hand is an extract, without Floating IPs and load balancers.
    """
    described = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in cloud_spec().operations}
    ours = {(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ROUTES}
    assert ours - described - NOT_DESCRIBED == {("GET", "/datacenters"), ("GET", "/datacenters/{}")}


def test_every_route_is_exercised() -> None:
    """The exchanges above leave out no route, so that a new one needs a new exchange."""
    asked = {(method, re.sub(r"\{\w+\}", "{}", template)) for method, template, _, _ in EXCHANGES}
    ours = {(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ROUTES}
    assert {route for route in ours - asked - NOT_DESCRIBED if not route[1].startswith("/datacenters")} == set()
