"""The script that puts a VLAN on a card: on probation first, written for whoever rules the card only when kept."""

from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

WORDS = ("4000", "10.250.1.10/24", "10.250.0.0/16", "10.250.1.1")
IP = """
case $* in
  "-4 route show default") cat "$ROOT/etc/default-route" ;;
  "link show dev ink-v4000") [ -e "$ROOT/etc/link" ] ;;
  "link add link eth0 name ink-v4000 type vlan id 4000") : >"$ROOT/etc/link" ;;
  "link delete dev ink-v4000") rm "$ROOT/etc/link" "$ROOT/etc/address" 2>/dev/null; [ ! -e "$ROOT/etc/link" ] ;;
  "address add 10.250.1.10/24 dev ink-v4000") : >"$ROOT/etc/address" ;;
  "-4 address show dev ink-v4000") [ ! -e "$ROOT/etc/address" ] || echo "    inet 10.250.1.10/24 scope global" ;;
  "-4 route show 10.250.0.0/16") [ ! -e "$ROOT/etc/link" ] || echo "10.250.0.0/16 via 10.250.1.1 dev ink-v4000" ;;
  "route add "*) [ ! -e "$ROOT/etc/no-route" ] ;;
  "link set "*) ;;
  *) exit 9 ;;
esac
"""
NETPLAN = "/run/systemd/network/10-netplan-eth0.network"
NETWORKD = "/etc/systemd/network/20-up.network"
FILES = {
    "netplan": ["/etc/netplan/60-ink-vlan.yaml"],
    "networkd": [
        "/etc/systemd/network/20-up.network.d/60-ink-vlan.conf",
        "/etc/systemd/network/60-ink-vlan.netdev",
        "/etc/systemd/network/60-ink-vlan.network",
    ],
    "ifupdown": ["/etc/network/interfaces.d/ink-vlan"],
}


def server(folder: Path, manager: str = "networkd", *, card: str = "/sys/devices/pci0000:00/net/eth0") -> Root:
    """Return a server whose card eth0 is ruled so."""
    folder.mkdir(exist_ok=True)
    root = root_at(folder)
    file = {"netplan": f"$ROOT{NETPLAN}", "networkd": f"$ROOT{NETWORKD}"}.get(manager, "n/a")
    rules = "exit 0" if manager == "ifupdown" else "exit 1"
    asked = f'[ "$1" != ink-v4000 ] || {{ echo "address: 10.250.1.10"; exit 0; }}\n{rules}'
    root.programs(
        {
            "ip": IP,
            "readlink": f"echo {card}",
            "networkctl": f'echo "   Network File: {file}"',
            "ifquery": asked,
            "netplan": '[ ! -e "$ROOT/etc/bad-netplan" ]',
            "systemctl": 'echo "$*" >>"$ROOT/etc/systemctl"; [ "$1" != is-active ] || [ -e "$ROOT/etc/armed" ]',
            "systemd-run": 'echo "$*" >>"$ROOT/etc/armed"',
        }
    )
    root.write("/etc/default-route", "default via 192.0.2.1 dev eth0 onlink")
    return root


def run(root: Root, verb: str, *words: str) -> Said:
    """Run the script under the operation op-1."""
    return root.run("machine/vlan.sh", "ink-vlan", verb, "op-1", *words)


def made(root: Root) -> tuple[bool, list[str]]:
    """Return whether the link is there, and the files of ours that are."""
    every = sorted(path for files in FILES.values() for path in files)
    return root.read("/etc/link") is not None, [path for path in every if root.read(path) is not None]


@pytest.mark.parametrize("manager", FILES)
def test_a_vlan_is_written_only_when_it_is_kept_and_goes_wholly(tmp_path: Path, manager: str) -> None:
    """Until then it is the kernel's alone, behind an armed switch, so that a boot ends it; twice is as good as once."""
    root = server(tmp_path, manager)
    assert root.run("machine/vlan.sh", "ink-vlan", "look").facts == f"card eth0\nmanager {manager}\ndone\n"
    for _ in range(2):
        assert run(root, "set", *WORDS, "600") == Said(0, f"link ink-v4000\nmanager {manager}\ndone\n", "")
        assert made(root) == (True, [])
    armed = (root.read("/etc/armed") or "").splitlines()
    assert [line.split(" --timer")[0] for line in armed] == ["--quiet --collect --unit ink-vlan-op-1 --on-active=600"]
    for _ in range(2):
        assert run(root, "keep", *WORDS) == Said(0, f"link ink-v4000\nmanager {manager}\ndone\n", "")
        assert made(root) == (True, FILES[manager])
    assert "stop ink-vlan-op-1.timer" in (root.read("/etc/systemctl") or "")
    assert run(root, "revert", "4000").status == 0
    assert made(root) == (False, [])
    assert run(root, "revert", "4000").facts == "link none\nmanager none\ndone\n"


def test_what_is_written_is_what_the_manager_reads(tmp_path: Path) -> None:
    """The VLAN hangs at the card, carries 1400 bytes, and leads to the network by its router."""
    texts: dict[str, str | None] = {}
    for manager, files in FILES.items():
        root = server(tmp_path / manager, manager)
        run(root, "set", *WORDS, "600")
        run(root, "keep", *WORDS)
        texts |= {path: root.read(path) for path in files}
    assert texts == {
        "/etc/netplan/60-ink-vlan.yaml": (
            "network:\n  version: 2\n  vlans:\n    ink-v4000:\n      id: 4000\n      link: eth0\n      mtu: 1400\n"
            "      addresses: [10.250.1.10/24]\n      routes: [{to: 10.250.0.0/16, via: 10.250.1.1}]\n"
        ),
        "/etc/systemd/network/20-up.network.d/60-ink-vlan.conf": "[Network]\nVLAN=ink-v4000\n",
        "/etc/systemd/network/60-ink-vlan.netdev": (
            "[NetDev]\nName=ink-v4000\nKind=vlan\nMTUBytes=1400\n\n[VLAN]\nId=4000\n"
        ),
        "/etc/systemd/network/60-ink-vlan.network": (
            "[Match]\nName=ink-v4000\n\n[Network]\nAddress=10.250.1.10/24\n\n"
            "[Route]\nDestination=10.250.0.0/16\nGateway=10.250.1.1\n"
        ),
        "/etc/network/interfaces.d/ink-vlan": (
            "auto ink-v4000\niface ink-v4000 inet static\n  address 10.250.1.10/24\n  mtu 1400\n"
            "  pre-up ip link add link eth0 name ink-v4000 type vlan id 4000\n"
            "  up ip route add 10.250.0.0/16 via 10.250.1.1 dev ink-v4000\n  post-down ip link delete dev ink-v4000\n"
        ),
    }


def test_what_is_there_already_is_nobodys_to_take(tmp_path: Path) -> None:
    """A link of that name that this operation did not make is neither used nor deleted."""
    root = server(tmp_path)
    root.write("/etc/link", "")
    assert run(root, "set", *WORDS, "600") == Said(3, "", "ink-vlan: eth0 has a link ink-v4000 already\n")
    assert run(root, "revert", "4000").facts == "link none\nmanager none\ndone\n"
    assert made(root) == (True, [])


def test_half_a_link_is_no_link(tmp_path: Path) -> None:
    """Where the way to the network cannot be added, the link goes, and so does the switch."""
    root = server(tmp_path)
    root.write("/etc/no-route", "")
    assert (run(root, "set", *WORDS, "600").status, made(root)) == (4, (False, []))


def test_what_its_manager_does_not_take_is_not_kept(tmp_path: Path) -> None:
    """The file goes, and the link with it."""
    root = server(tmp_path, "netplan")
    run(root, "set", *WORDS, "600")
    root.write("/etc/bad-netplan", "")
    said = run(root, "keep", *WORDS)
    assert (said.status, made(root)) == (4, (False, []))
    assert said.words.startswith("ink-vlan: netplan does not take it")


def test_a_link_that_the_server_took_back_is_not_written(tmp_path: Path) -> None:
    """Nobody proved it in time."""
    root = server(tmp_path)
    run(root, "set", *WORDS, "600")
    (tmp_path / "etc/link").unlink()
    (tmp_path / "etc/address").unlink()
    assert (run(root, "keep", *WORDS).status, made(root)) == (3, (False, []))


@pytest.mark.parametrize(
    ("manager", "card", "route", "words"),
    [
        ("NetworkManager", "/sys/devices/pci0000:00/net/eth0", "default dev eth0", "who rules eth0 is not known"),
        ("networkd", "/sys/devices/virtual/net/eth0", "default dev eth0", "eth0, which leads outside, is no card"),
        ("networkd", "/sys/devices/pci0000:00/net/eth0", "", "no default route says which card leads outside"),
        ("networkd", "/x", "default dev eth0\ndefault dev eth1", "default routes lead by several links"),
    ],
)
def test_a_card_that_is_not_known_is_left_alone(
    tmp_path: Path, manager: str, card: str, route: str, words: str
) -> None:
    """The reason is said, and nothing is done."""
    root = server(tmp_path, manager, card=card)
    root.write("/etc/default-route", route)
    said = run(root, "set", *WORDS, "600")
    assert (said.status, words in said.words, made(root), root.read("/etc/armed")) == (3, True, (False, []), None)


@pytest.mark.parametrize("word", ["10.250.1.10/24;id", "$(id)", "a b", "-x", "", "../x\n"])
def test_words_that_are_none_are_refused_before_anything_is_done(tmp_path: Path, word: str) -> None:
    """They are numbers, addresses, networks and names."""
    root = server(tmp_path)
    said = run(root, "set", "4000", word, "10.250.0.0/16", "10.250.1.1", "600")
    assert (said, made(root)) == (Said(3, "", "ink-vlan: a word of the command is not one\n"), (False, []))
