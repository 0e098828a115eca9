"""The lab is what it says: real servers, and real networks between them."""

import socket
import subprocess

import pytest

from tests.lab.bed import Bed
from tests.lab.ground.commands import said, until
from tests.lab.ground.hosts import Server
from tests.lab.ground.places import Met, open_from
from tests.lab.ground.site import OUTSIDE_IPV4, OUTSIDE_IPV6

TINY = "registry.lab:5000/library/tiny:1"
WEB = "registry.lab:5000/library/web:1"
CLOSED = 23
PROGRAMS = (
    "docker compose version",
    "docker buildx version",
    "runsc --version",
    "ufw version",
    "nft --version",
    "iptables-legacy --version",
    "netplan get",
)


def callers(server: Server) -> set[str]:
    """Return the addresses that the server sees on the other end of its SSH connections now."""
    lines = server.say("ss", "-Htn", "state", "established", "sport", "=", ":22").splitlines()
    return {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}


def firewall_of_this_machine() -> str:
    """Return the rules that this machine itself has, without their counters."""
    return subprocess.run(["nft", "--stateless", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def test_a_muscle_is_a_whole_debian_server(bed: Bed) -> None:
    """systemd runs with no failed unit, and the programs of a Docker host are there and work."""
    muscle = bed.clean("muscle-1")
    assert muscle.say("systemctl", "is-system-running", "--wait").strip() == "running"
    assert [words for words in PROGRAMS if not muscle.say(*words.split())] == []


def test_a_server_sees_only_itself(bed: Bed) -> None:
    """Its processes, disks, sockets and names are its own; two servers have nothing in common but the kernel."""
    muscle = bed.clean("muscle-1")
    assert muscle.say("hostname").strip() == "muscle-1"
    assert muscle.say("ps", "-o", "comm=", "-p", "1").strip() == "systemd"
    assert sorted(muscle.say("lsblk", "-nro", "NAME,TYPE").splitlines()) == ["sda disk", "sdb disk"]
    assert muscle.say("readlink", "-f", "/dev/disk/by-id/scsi-0HC_Volume_1001").strip() == "/dev/sdb"
    assert bed.clean("muscle-2").boot_id() != muscle.boot_id()
    listening = muscle.say("ss", "-Htln").splitlines()
    assert {line.split()[3] for line in listening if not line.split()[3].startswith("127.")} == {
        "0.0.0.0:22",
        "[::]:22",
    }


def test_every_place_has_an_address_of_its_own(bed: Bed) -> None:
    """A server tells the admin, the internet, the Factory and a Muscle apart, in both families and on both networks."""
    muscle, site = bed.clean("muscle-2"), bed.lab.site
    factory, machine = site.machines["factory"], muscle.machine
    calls = {
        ("admin", machine.ipv4): site.admin_ipv4,
        ("admin", machine.ipv6): site.admin_ipv6,
        ("outside", machine.ipv4): OUTSIDE_IPV4,
        ("outside", machine.ipv6): OUTSIDE_IPV6,
        ("factory", machine.ipv4): factory.ipv4,
        ("factory", machine.ipv6): factory.ipv6,
        ("factory", machine.private_ipv4): factory.private_ipv4,
        ("factory", machine.private_ipv6): factory.private_ipv6,
        ("muscle-1", machine.private_ipv4): site.machines["muscle-1"].private_ipv4,
    }
    seen: dict[tuple[str, str], set[str]] = {}
    for place, address in calls:
        before = callers(muscle)
        with open_from(site, place, address, 22):
            seen[place, address] = callers(muscle) - before
    assert seen == {call: {source} for call, source in calls.items()}


@pytest.mark.parametrize("place", ["admin", "outside", "factory", "muscle-1"])
def test_a_closed_port_refuses_and_an_open_one_does_not(bed: Bed, place: str) -> None:
    """Without a firewall every place meets the listener, or the refusal of the server itself."""
    machine = bed.clean("muscle-2").machine
    met = {
        (address, port): bed.connect(place, address, port)
        for address in (machine.ipv4, machine.ipv6)
        for port in (22, CLOSED)
    }
    assert met == {
        (machine.ipv4, 22): "open",
        (machine.ipv6, 22): "open",
        (machine.ipv4, CLOSED): "refused",
        (machine.ipv6, CLOSED): "refused",
    }


def test_the_private_network_is_reached_by_servers_only(bed: Bed) -> None:
    """Neither this machine nor the internet has a way in, and no packet for it leaves this machine."""
    machine = bed.clean("muscle-2").machine
    met = {place: bed.connect(place, machine.private_ipv4, 22) for place in ("admin", "outside", "factory")}
    assert met == {"admin": "unreachable", "outside": "unreachable", "factory": "open"}


def test_a_stateful_provider_firewall_filters_by_source_and_family(bed: Bed) -> None:
    """Rules like those of Hetzner Cloud let answers back in, and hold in front of the public card only."""
    muscle, site = bed.clean("muscle-1"), bed.lab.site
    machine = muscle.machine
    bed.provider("muscle-1", ["ct state established,related accept", f"ip saddr {site.admin_ipv4} tcp dport 22 accept"])
    places = {place: bed.connect(place, machine.ipv4, 22, limit_s=0.3) for place in ("admin", "outside", "factory")}
    assert places == {"admin": "open", "outside": "silent", "factory": "silent"}
    assert bed.connect("admin", machine.ipv6, 22, limit_s=0.3) == "silent"
    assert bed.connect("factory", machine.private_ipv4, 22) == "open"
    assert bed.connect("muscle-1", site.machines["factory"].ipv4, 22) == "open"
    bed.lab.provider_open("muscle-1")
    assert bed.connect("outside", machine.ipv4, 22) == "open"


def test_a_stateless_provider_firewall_keeps_answers_out(bed: Bed) -> None:
    """Rules like those of Robot know no connections: without one for answers the server hears none."""
    factory = bed.lab.site.machines["factory"]
    bed.clean("muscle-1")
    bed.provider("muscle-1", ["tcp dport 22 accept"])
    assert bed.connect("outside", bed.host("muscle-1").address, 22) == "open"
    assert bed.connect("muscle-1", factory.ipv4, 22, limit_s=0.3) == "silent"
    bed.provider("muscle-1", ["tcp dport 22 accept", "tcp flags & ack == ack accept"])
    assert bed.connect("muscle-1", factory.ipv4, 22) == "open"


def test_the_outgoing_side_of_a_provider_firewall_holds_too(bed: Bed) -> None:
    """Rules for what a server sends let nothing else out."""
    factory = bed.lab.site.machines["factory"]
    bed.clean("muscle-1")
    bed.provider("muscle-1", ["accept"], outbound=["ct state established,related accept", "tcp dport 22 accept"])
    met = [bed.connect("muscle-1", factory.ipv4, port, limit_s=0.3) for port in (22, 8000)]
    assert met == ["open", "silent"]
    assert bed.connect("outside", bed.host("muscle-1").address, 22) == "open"


@pytest.mark.parametrize(
    ("commands", "port", "met"),
    [
        (("ufw allow 22/tcp", "ufw --force enable"), CLOSED, "silent"),
        (("ufw allow 22/tcp", "ufw reject 23/tcp", "ufw --force enable"), CLOSED, "refused"),
        (("systemctl start firewalld",), CLOSED, "unreachable"),
        (("iptables-legacy -A INPUT -p tcp --dport 23 -j DROP",), CLOSED, "silent"),
        (("nft add table inet t", "nft add chain inet t i { type filter hook input priority 0; policy drop; }",
          "nft add rule inet t i tcp dport 22 accept"), CLOSED, "silent"),
    ],
    ids=["ufw", "ufw-reject", "firewalld", "iptables-legacy", "nftables"],
)  # fmt: skip
def test_the_firewalls_of_a_server_are_real_and_its_own(
    bed: Bed, commands: tuple[str, ...], port: int, met: Met
) -> None:
    """Each of them closes a port of that server and of no other, and this machine's own rules do not change."""
    before = firewall_of_this_machine()
    muscle = bed.fresh()
    for command in commands:
        muscle.say(*command.split())
    assert bed.connect("outside", muscle.machine.ipv4, port, limit_s=0.3) == met
    assert bed.connect("outside", muscle.machine.ipv4, 22) == "open"
    assert bed.connect("outside", bed.host("muscle-1").address, port) == "refused"
    assert firewall_of_this_machine() == before


def test_a_published_port_passes_by_ufw(bed: Bed) -> None:
    """The known hole is there to be found: Docker's own rules come before ufw's.

    Only where Docker has rules: without ip6tables its proxy listens for IPv6, and ufw's rules hold for that.
    """
    muscle = bed.fresh()
    muscle.say("docker", "run", "--detach", "--quiet", "--publish", "8080:8080", WEB)
    for command in ("ufw allow 22/tcp", "ufw --force enable"):
        muscle.say(*command.split())
    machine = muscle.machine
    met = {address: bed.connect("outside", address, 8080, limit_s=0.5) for address in (machine.ipv4, machine.ipv6)}
    assert met == {machine.ipv4: "open", machine.ipv6: "silent"}


def test_packages_can_be_taken_away_and_installed_again(bed: Bed) -> None:
    """apt works against the lab's own packages, so that an installation can be tried for real."""
    muscle = bed.fresh()
    muscle.say("apt-get", "purge", "-qq", "-y", "ufw", "runsc", limit_s=180)
    assert muscle.run("sh", "-c", "command -v ufw runsc").stdout == ""
    muscle.say("apt-get", "update", "-qq")
    muscle.say("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y", "ufw", "runsc", limit_s=180)
    assert muscle.say("ufw", "status").strip() == "Status: inactive"
    assert (
        muscle.say("docker", "run", "--rm", "--runtime", "runsc", "--quiet", TINY, "echo", "hello").strip() == "hello"
    )


def test_a_container_reaches_the_metadata_service(bed: Bed) -> None:
    """The address that a provider's metadata answers at is there, for containers too, as on a real server."""
    address = "http://169.254.169.254/hetzner/v1/metadata/region"
    muscle = bed.clean("muscle-1")
    assert muscle.say("docker", "run", "--rm", "--quiet", TINY, "wget", "-q", "-O-", address) == "eu-central"


def test_an_address_that_nobody_has_is_unreachable(bed: Bed) -> None:
    """Nobody answers for an address of the network that no server has, and the caller is told."""
    assert bed.connect("factory", f"{bed.lab.site.net}.200", 22, limit_s=5) == "unreachable"


def test_rules_that_were_not_saved_do_not_outlive_a_boot(bed: Bed) -> None:
    """A reboot begins with an empty firewall, its own clock and its own journal; what was on disk stays."""
    muscle = bed.fresh()
    before = muscle.boot_id()
    muscle.say("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "23", "-j", "DROP")
    muscle.write("/root/marker", "kept\n")
    assert bed.connect("outside", muscle.machine.ipv4, CLOSED, limit_s=0.3) == "silent"
    muscle.reboot()
    muscle.wait_rebooted(before)
    assert bed.connect("outside", muscle.machine.ipv4, CLOSED) == "refused"
    assert muscle.say("cat", "/root/marker") == "kept\n"
    assert float(muscle.say("cat", "/proc/uptime").split()[0]) < 60
    assert muscle.say("ip", "-br", "addr", "show", "eth1").split()[2].startswith(muscle.machine.private_ipv4)


def test_power_that_is_cut_in_the_middle_of_a_boot_leaves_no_fault_behind(bed: Bed) -> None:
    """A server whose card is just being made again when its power goes answers after the next boot."""
    muscle = bed.fresh()
    muscle.cut_power()
    said("ip", "-n", bed.lab.site.switch, "link", "delete", muscle.machine.port)
    muscle.power_on()
    assert bed.connect("outside", muscle.machine.ipv4, 22) == "open"


def test_ufw_comes_back_after_a_boot(bed: Bed) -> None:
    """A firewall that its owner switched on is on again after a reboot."""
    muscle = bed.fresh()
    before = muscle.boot_id()
    for command in ("ufw allow 22/tcp", "ufw --force enable"):
        muscle.say(*command.split())
    muscle.reboot()
    muscle.wait_rebooted(before)
    until(
        lambda: bed.connect("outside", muscle.machine.ipv4, CLOSED, limit_s=0.3) == "silent",
        what="ufw did not come back",
        limit_s=10,
    )
    assert bed.connect("outside", muscle.machine.ipv4, 22) == "open"


def test_a_light_server_has_its_own_sshd_and_nothing_else(bed: Bed) -> None:
    """Light servers are told apart by name and address, and cost no systemd."""
    first, second = bed.lab.light(2)
    assert [server.say("hostname").strip() for server in (first, second)] == ["l000", "l001"]
    assert first.machine.ipv4 != second.machine.ipv4
    with socket.create_connection((second.machine.ipv6, 22), 2) as caller:
        assert caller.recv(4) == b"SSH-"
    assert first.say("cat", "/proc/1/comm").strip() == "tini-static"
