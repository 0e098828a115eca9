"""The Cloud emulator, driven by `hcloud`, Hetzner's own command, as Debian builds it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ink_infra_mcp.sandbox.state_firewalls import FirewallRule
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_READ_TOKEN
from ink_infra_mcp.sandbox.world import World
from tests.programs import program
from tests.vendor_clients.conftest import PUBLIC_KEY, Cloud

pytestmark = [pytest.mark.timeout(360), pytest.mark.clients]

PATIENCE_S = 90
RULES = (
    {"direction": "in", "protocol": "tcp", "port": "80-90", "source_ips": ["0.0.0.0/0", "::/0"], "description": "web"},
    {"direction": "in", "protocol": "icmp", "source_ips": ["198.51.100.0/24"]},
)


@dataclass(frozen=True)
class Hcloud:
    """The command before a pretend project."""

    world: World
    environment: dict[str, str]
    folder: Path

    def run(self, *words: str, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Return how the command ended; it looks at running actions without a pause."""
        command = [program("hcloud"), "--poll-interval", "10ms", *words]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), **self.environment}
        return subprocess.run(
            command,
            env={**environment, **(more or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def do(self, *words: str) -> None:
        """Run what has to go well."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr

    def listed(self, kind: str, columns: str, *words: str) -> list[list[str]]:
        """Return the rows of a list."""
        done = self.run(kind, "list", "-o", "noheader", "-o", f"columns={columns}", *words)
        assert done.returncode == 0, done.stderr
        return [line.split() for line in done.stdout.splitlines()]

    def shown(self, kind: str, name: str) -> dict[str, Any]:
        """Return one thing as the command writes it in JSON."""
        return json.loads(self.run(kind, "describe", name, "-o", "json").stdout)

    def file(self, name: str, text: str) -> str:
        """Return the path of a file with that text."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
def hcloud(cloud: Cloud, tmp_path: Path) -> Hcloud:
    """Give the command, and the project it speaks to."""
    return Hcloud(cloud.world, cloud.environment, tmp_path)


def test_what_is_there_is_listed(hcloud: Hcloud) -> None:
    """Servers, what can be bought and where, images, keys, addresses, volumes and firewalls, as the seed has them."""
    assert hcloud.listed("server", "id,name,status,ipv4") == [
        ["4710001", "factory", "running", "192.0.2.10"],
        ["4710002", "muscle-1", "running", "192.0.2.11"],
        ["4710003", "muscle-2", "running", "192.0.2.12"],
    ]
    assert hcloud.listed("server", "name,type", "-l", "role=factory") == [["factory", "ccx33"]]
    assert hcloud.listed("location", "name,country,network_zone")[:2] == [
        ["fsn1", "DE", "eu-central"],
        ["nbg1", "DE", "eu-central"],
    ]
    assert ["ccx43", "16", "dedicated"] in hcloud.listed("server-type", "name,cores,cpu_type")
    assert {tuple(row) for row in hcloud.listed("image", "name,type")} == {
        (name, "system") for name in ("debian-12", "debian-13", "ubuntu-24.04")
    }
    assert hcloud.listed("ssh-key", "name") == [["operator"]]
    assert [row[0] for row in hcloud.listed("primary-ip", "type")] == ["ipv4"] * 3 + ["ipv6"] * 3
    assert hcloud.listed("volume", "name,location") == [["factory-data", "fsn1"]]
    assert hcloud.listed("firewall", "name") == [["muscle-1"]]


def test_a_server_is_bought_with_all_that_goes_with_it_and_goes_again(hcloud: Hcloud) -> None:
    """Key, network, subnet, group and firewall are made, the server joins them, and each step is waited for."""
    hcloud.do("ssh-key", "create", "--name", "ci", "--public-key-from-file", hcloud.file("ci.pub", PUBLIC_KEY))
    hcloud.do("network", "create", "--name", "inside", "--ip-range", "10.250.0.0/16")
    zone = ("--type", "cloud", "--network-zone", "eu-central")
    hcloud.do("network", "add-subnet", "inside", *zone, "--ip-range", "10.250.0.0/24")
    hcloud.do("placement-group", "create", "--name", "muscles", "--type", "spread")
    hcloud.do("firewall", "create", "--name", "web", "--rules-file", hcloud.file("rules.json", json.dumps(RULES)))
    parts = ("--ssh-key", "ci", "--network", "inside", "--firewall", "web", "--placement-group", "muscles")
    data = ("--label", "role=muscle", "--user-data-from-file", hcloud.file("user-data", "#cloud-config\n"))
    kind = ("--name", "muscle-3", "--type", "ccx23", "--image", "debian-12", "--location", "nbg1")
    hcloud.do("server", "create", *kind, *parts, *data)
    made = hcloud.shown("server", "muscle-3")
    held = next(server for server in hcloud.world.read().hetzner.servers if server.name == "muscle-3")
    assert (held.user_data, held.root_keys, held.labels) == ("#cloud-config\n", [PUBLIC_KEY], {"role": "muscle"})
    assert (made["id"], made["status"], made["placement_group"]["name"]) == (held.id, "running", "muscles")
    assert (made["public_net"]["ipv4"]["ip"], made["private_net"][0]["ip"]) == (held.ipv4, "10.250.0.2")
    [firewall] = [one for one in hcloud.world.read().hetzner.firewalls if one.name == "web"]
    assert [bond.server for bond in firewall.bonds] == [held.id]

    hcloud.do("server", "delete", "muscle-3")
    for kind_, name in (("firewall", "web"), ("placement-group", "muscles"), ("network", "inside"), ("ssh-key", "ci")):
        hcloud.do(kind_, "delete", name)
    state = hcloud.world.read().hetzner
    assert [server.name for server in state.servers] == ["factory", "muscle-1", "muscle-2"]
    assert [len(x) for x in (state.firewalls, state.placement_groups, state.networks, state.ssh_keys)] == [1, 0, 0, 1]


def test_a_server_is_switched_protected_backed_up_and_moved_between_networks(hcloud: Hcloud) -> None:
    """Every action that the product starts, and those of the power switch, end as the command expects."""
    hcloud.do("network", "create", "--name", "inside", "--ip-range", "10.250.0.0/16")
    hcloud.do("network", "add-subnet", "inside", "--type", "cloud", "--network-zone", "eu-central")
    hcloud.do("server", "attach-to-network", "muscle-1", "--network", "inside", "--ip", "10.250.0.9")
    hcloud.do("server", "enable-backup", "muscle-1")
    hcloud.do("server", "enable-protection", "muscle-1", "delete", "rebuild")
    for verb in ("reboot", "reset", "poweroff", "poweron"):
        hcloud.do("server", verb, "muscle-1")
    refused = hcloud.run("server", "delete", "muscle-1")
    assert (refused.returncode, "(protected)" in refused.stderr) == (1, True)
    shown = hcloud.shown("server", "muscle-1")
    assert (shown["private_net"][0]["ip"], shown["backup_window"], shown["protection"], shown["status"]) == (
        *("10.250.0.9", "22-02", {"delete": True, "rebuild": True}, "running"),
    )
    hcloud.do("server", "disable-protection", "muscle-1", "delete", "rebuild")
    hcloud.do("server", "disable-backup", "muscle-1")
    hcloud.do("server", "detach-from-network", "muscle-1", "--network", "inside")
    hcloud.do("server", "add-label", "muscle-1", "pool=a")
    hcloud.do("server", "shutdown", "muscle-1")
    [server] = [one for one in hcloud.world.read().hetzner.servers if one.name == "muscle-1"]
    assert (server.private_net, server.backups, server.protected, server.labels) == (
        *([], False, False, {"role": "muscle", "pool": "a"}),
    )


def test_a_firewall_is_filled_applied_and_taken_away(hcloud: Hcloud) -> None:
    """Rules are added and replaced as a whole; a firewall in use stays; it is applied to servers and to labels."""
    hcloud.do("firewall", "create", "--name", "web")
    rule = ("--direction", "in", "--protocol", "tcp", "--port", "22", "--source-ips", "198.51.100.7/32")
    hcloud.do("firewall", "add-rule", "web", *rule, "--description", "ssh")
    assert [(one.port, one.description) for one in _firewall(hcloud, "web")] == [("22", "ssh")]
    hcloud.do("firewall", "replace-rules", "web", "--rules-file", hcloud.file("rules.json", json.dumps(RULES)))
    assert _firewall(hcloud, "web") == [FirewallRule.model_validate(rule) for rule in RULES]
    to_server = ("--type", "server", "--server", "muscle-1")
    to_label = ("--type", "label_selector", "--label-selector", "role=factory")
    hcloud.do("firewall", "apply-to-resource", "web", *to_server)
    hcloud.do("firewall", "apply-to-resource", "web", *to_label)
    [server, label] = hcloud.shown("firewall", "web")["applied_to"]
    assert (server["type"], server["server"]["id"]) == ("server", 4_710_002)
    assert (label["type"], label["label_selector"]["selector"]) == ("label_selector", "role=factory")
    refused = hcloud.run("firewall", "delete", "web")
    assert (refused.returncode, "(resource_in_use)" in refused.stderr) == (1, True)
    hcloud.do("firewall", "remove-from-resource", "web", *to_server)
    hcloud.do("firewall", "remove-from-resource", "web", *to_label)
    hcloud.do("firewall", "delete", "web")
    assert [one.name for one in hcloud.world.read().hetzner.firewalls] == ["muscle-1"]


def _firewall(hcloud: Hcloud, name: str) -> list[FirewallRule]:
    [found] = [one for one in hcloud.world.read().hetzner.firewalls if one.name == name]
    return found.rules


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("server", "create", "--name", "late", "--type", "cx53", "--location", "hel1"), "resource_unavailable"),
        (("server", "create", "--name", "a b", "--type", "cx53", "--location", "fsn1"), "invalid_input"),
        (("server", "create", "--name", "muscle-1", "--type", "cx53", "--location", "fsn1"), "uniqueness_error"),
    ],
)
def test_a_purchase_is_refused_with_a_code_that_the_command_tells(
    hcloud: Hcloud, words: tuple[str, ...], code: str
) -> None:
    """What cannot be had, is named wrongly or is there already buys nothing."""
    refused = hcloud.run(*words, "--image", "debian-12")
    assert (refused.returncode, f"({code})" in refused.stderr) == (1, True), refused.stderr
    assert len(hcloud.world.read().hetzner.servers) == 3


@pytest.mark.parametrize(("token", "code"), [(HETZNER_READ_TOKEN, "token_readonly"), ("x" * 64, "unauthorized")])
def test_a_token_may_do_what_it_may(hcloud: Hcloud, token: str, code: str) -> None:
    """A token that only reads, and one that nobody knows, write nothing."""
    refused = hcloud.run("network", "create", "--name", "n", "--ip-range", "10.0.0.0/8", more={"HCLOUD_TOKEN": token})
    assert (refused.returncode, f"({code})" in refused.stderr) == (1, True), refused.stderr
    assert hcloud.world.read().hetzner.networks == []


def test_too_many_requests_are_told_as_such(hcloud: Hcloud) -> None:
    """The vendor's 429 has the code that the command knows."""
    with hcloud.world.change() as state:
        state.hetzner.rate_limit, state.hetzner.rate_left = 1, 0.0
    refused = hcloud.run("server", "list")
    assert (refused.returncode, "rate_limit_exceeded" in refused.stderr) == (1, True), refused.stderr
