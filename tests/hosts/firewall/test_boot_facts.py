"""What a server's next boot loads: read from what its own tools load into an empty namespace, or said to be unknown."""

import pytest

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot, Stored
from ink_infra_mcp.core.firewall.rules import Table
from ink_infra_mcp.hosts.facts.sections import Section
from ink_infra_mcp.hosts.firewall.boot_facts import read_boot

UNITS = {
    "nftables": "disabled",
    "ufw": "enabled",
    "netfilter-persistent": "missing",
    "firewalld": "disabled",
    "ink-infra-firewall": "enabled",
}
SAVED = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT"
NFT = (
    "# Warning: table ip filter is managed by iptables-nft\n"
    '{"nftables": [{"metainfo": {}}, {"table": {"family": "inet", "name": "ink"}}]}'
)
ZONE = (
    "public (default, active)\n  target: default\n  interfaces: eth0\n  sources: \n"
    "  services: ssh\n  ports: \n  rich rules: "
)


def said(*parts: tuple[str, int, str], others: str = "", **units: str) -> Section:
    """Return what the script prints, with these parts between the units and the files that others run."""
    known = "\n".join(f"{name} {units.get(name.partition('-')[0], word)}" for name, word in UNITS.items())
    every = (("units", 0, known), *parts, ("others", 0, others))
    return Section("\n".join(f"== {name} {status}\n{text}" for name, status, text in every), 0)


def read(section: Section | None) -> NextBoot | Unreadable:
    """Read it for a server on which nothing filters now."""
    return read_boot(section, (), ())


def test_all_that_is_loaded_is_read_and_what_loads_it_is_named() -> None:
    """Both families and nft's own tables are there; a warning of an old nft, on a line of its own, is passed over."""
    found = read(
        said(
            ("load_ufw", 0, ""),
            ("load_ink", 0, ""),
            ("iptables", 0, SAVED),
            ("ip6tables", 0, ""),
            ("nft", 0, NFT),
            others="/etc/rc.local",
        )
    )
    assert isinstance(found, NextBoot)
    assert not isinstance(found.v4, Unreadable)
    assert not isinstance(found.v6, Unreadable)
    assert ([table.name for table in found.v4], [table.name for table in found.v6]) == (
        ["iptables filter", "nft inet ink"],
        ["nft inet ink"],
    )
    assert (found.loads, found.others, found.stored) == (("ufw", "ink-infra-firewall"), ("/etc/rc.local",), None)


def test_a_boot_that_loads_nothing_is_known_to_load_nothing() -> None:
    """Without iptables, too; that is no unreadable layer. What ufw has in store is there beside it."""
    nothing = said(("iptables", 127, "sh: iptables-save: not found"), ("ip6tables", 127, ""))
    assert read(nothing) == NextBoot((), ())
    stored = said(("iptables", 0, ""), ("ip6tables", 0, ""))
    more = f"{stored.text}\n== load_stored 0\n\n== stored_iptables 0\n\n== stored_ip6tables 0\n"
    assert read(Section(more, 0)) == NextBoot((), (), stored=Stored((), ()))


@pytest.mark.parametrize(
    ("section", "why"),
    [
        (None, "the server's answer has no end of boot"),
        (Section("", 127), "unshare or timeout is not installed there"),
        (Section("", 124), "loading it took too long"),
        (Section("unshare: unshare failed: Operation not permitted", 1), "Operation not permitted"),
        (Section("== units 0\nufw enabled\n== iptables 0", 0), "is cut off"),
        (said(ufw="static"), "systemctl calls ufw static"),
        (said(ufw=""), "systemctl calls ufw nothing at all"),
        (said(("load_nftables", 1, "/etc/nftables.conf:1:1-5: Error: syntax error")), "syntax error"),
        (said(("load_ufw", 90, "/etc/ufw/before.init is run, too")), "before.init is run, too"),
        (
            said(("load_nftables", 0, ""), ("load_ufw", 0, "")),
            "nftables.service and ufw are started at boot in no order",
        ),
    ],
)
def test_what_cannot_be_told_is_said_with_its_reason(section: Section | None, why: str) -> None:
    """What was not tried, was cut off, is not understood or did not load is never taken for "nothing is loaded"."""
    found = read(section)
    assert isinstance(found, Unreadable)
    assert why in found.reason


@pytest.mark.parametrize(
    ("now", "lasting", "why"),
    [
        ((252, "FirewallD is not running"), (252, "FirewallD is not running"), "does not run now"),
        ((0, ZONE), (0, ZONE.replace("ssh", "ssh http")), "is not the one in force"),
        ((0, ZONE), (0, ZONE.replace("eth0", "")), "no table of nftables that is its own"),
    ],
)
def test_firewalld_is_foreseen_only_where_its_lasting_zones_are_in_force(
    now: tuple[int, str], lasting: tuple[int, str], why: str
) -> None:
    """Its table of now is taken for the next one's, so the two must say the same; a card is bound when it comes up."""
    found = read(said(("firewalld_now", *now), ("firewalld_lasting", *lasting)))
    assert isinstance(found, NextBoot)
    assert isinstance(found.v4, Unreadable)
    assert why in found.v4.reason


def test_filters_that_are_not_known_now_are_not_known_after_a_boot() -> None:
    """Docker's own rules are those of now; without them nothing is told of that family, and the other one is."""
    found = read_boot(said(("iptables", 0, ""), ("ip6tables", 0, "")), Unreadable("cut off"), ())
    assert found == NextBoot(Unreadable("cut off"), ())


def test_a_comment_makes_no_part_of_what_the_next_boot_loads() -> None:
    """Rules print comments with line breaks: what has not the tag of the first line is text of somebody's own."""
    text = SAVED.replace("-j ACCEPT", '-m comment --comment "x\n== ip6tables 0\n== nft 0" -j ACCEPT')
    frames = said(("load_ufw", 0, ""), ("iptables", 0, "RULES"), ("ip6tables", 0, ""), ("nft", 127, ""))
    tagged = "\n".join(f"{line} ink-5f0c" if line.startswith("== ") else line for line in frames.text.split("\n"))
    found = read(Section(tagged.replace("RULES", text), 0))
    assert isinstance(found, NextBoot)
    assert not isinstance(found.v4, Unreadable)
    assert [len(rules) for table in found.v4 for rules in table.chains.values()] == [1]


def test_firewalld_may_list_its_lasting_rules_in_another_order() -> None:
    """Sources and rich rules come in an order of their own; what is loaded beside the zones must be the same."""
    rich = '\n\trule family="ipv4" source address="203.0.113.0/24" accept\n\trule service name="http" drop'
    now = ZONE.replace("sources: ", "sources: 198.51.100.0/24 192.0.2.0/24") + rich
    lasting = ZONE.replace("(default, active)", "(default)").replace(
        "sources: ", "sources: 192.0.2.0/24 198.51.100.0/24"
    )
    lasting += "\n".join(["", *reversed(rich.split("\n")[1:])])
    own: Table[V4] = Table("nft inet firewalld", {}, ())
    for more, known in (("no rules", True), ("-p tcp -j DROP", False)):
        parts = [("firewalld_now", 0, now), ("firewalld_lasting", 0, lasting), ("firewalld_now_more", 0, "no rules")]
        found = read_boot(said(*parts, ("firewalld_lasting_more", 0, more)), (own,), ())
        assert isinstance(found, NextBoot)
        assert (found.v4 == (own,)) is known
