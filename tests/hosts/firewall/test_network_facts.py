"""The ways into a server: every layer is read, or says why not; nothing unread is ever taken for "no rules"."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.docker import Container, Containers, Published
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.routes import Delivery, Routes
from ink_infra_mcp.hosts.facts.sections import Section
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts, read_network
from tests.hosts.facts.answers import FIRST, FIRST_LINE

DATA = Path(__file__).parents[2] / "core" / "firewall" / "data"
NFT_WARNING = "# Warning: table ip filter is managed by iptables-nft, do not touch!"


def _recorded(situation: str) -> dict[str, Section]:
    """Return the sections as facts.sh frames what a real host said."""
    said = json.loads((DATA / f"{situation}.json").read_text(encoding="utf-8"))["answers"]
    answers = cast(Mapping[str, Mapping[str, object]], said)
    names = {"ufw_status": "ufw", "ss": "sockets"}
    found = {names.get(name, name): _section(answer) for name, answer in answers.items() if name != "docker"}
    return found | {
        "came_from": Section("203.0.113.66 51000 192.0.2.11 22", 0),
        "container_ids": Section(FIRST, 0),
        "containers": Section(FIRST_LINE, 0),
        "networks": Section('{"name":"coolify","driver":"bridge","options":{},"scope":"local"}', 0),
        "firewalld": Section("not running", 252),
    }


def _section(answer: Mapping[str, object]) -> Section:
    lines = cast(list[str], answer["text"]) + cast(list[str], answer["errors"])
    return Section("\n".join(lines), int(str(answer["status"])))


@pytest.fixture(scope="module")
def open_host() -> dict[str, Section]:
    """Return what a host without any filter said."""
    return _recorded("open")


def _reasons(facts: NetworkFacts) -> dict[str, str]:
    layers = {name: getattr(facts, name) for name in ("v4", "v6", "interfaces", "sockets", "containers")}
    return {name: layer.reason for name, layer in layers.items() if isinstance(layer, Unreadable)}


@pytest.mark.parametrize("situation", ["open", "ufw_published", "docker_user", "docker_nft", "firewalld", "nft_only"])
def test_what_real_hosts_say_is_read_whole(situation: str) -> None:
    """Filters of both families, interfaces, sockets and containers are known, and so is our own way in."""
    facts = read_network("muscle-1", _recorded(situation))
    assert _reasons(facts) == {}
    assert (facts.came_from, facts.came_to) == ("203.0.113.66", "192.0.2.11")
    assert (facts.ufw, facts.firewalld) == (situation in {"ufw_published", "docker_user"}, False)


def test_published_ports_keep_their_addresses_and_families(open_host: dict[str, Section]) -> None:
    """A container's own addresses and each published port are those that Docker said, by family."""
    assert read_network("muscle-1", open_host).containers == Containers(
        (
            Container(
                name="abc-1",
                addresses=("10.0.1.7",),
                host_network=False,
                published=(
                    Published("abc-1", "tcp", "0.0.0.0", 8080, 80),  # noqa: S104 - where Docker listens
                    Published("abc-1", "tcp", "::", 8080, 80),
                ),
            ),
        )
    )


def test_a_server_without_docker_has_no_containers_and_one_without_iptables_no_such_rules(
    open_host: dict[str, Section],
) -> None:
    """What is not installed has made nothing; an old nft warns on a line of its own, which is not its answer."""
    missing = dict.fromkeys(("container_ids", "iptables", "ip6tables", "ufw", "firewalld"), Section("", 127))
    missing |= dict.fromkeys(("iptables_legacy", "ip6tables_legacy"), Section("", 127))
    missing |= dict.fromkeys(
        ("legacy_tables", "legacy_tables6"),
        Section("cat: /proc/net/ip_tables_names: No such file or directory", 1),
    )
    warned = {"nft": Section(f"{NFT_WARNING}\n{open_host['nft'].text}", 0)}
    facts = read_network("muscle-1", open_host | missing | warned)
    assert _reasons(facts) == {}
    assert (facts.containers, facts.ufw, facts.firewalld) == (Containers(), False, False)


@pytest.mark.parametrize(
    ("changed", "unread"),
    [
        ({"nft": None}, {"v4", "v6"}),
        ({"nft": Section("", 127)}, {"v4", "v6"}),
        ({"nft": Section("sudo: a password is required", 1)}, {"v4", "v6"}),
        ({"nft": Section('{"nftables": [', 0)}, {"v4", "v6"}),
        ({"iptables": None}, {"v4"}),
        ({"ip6tables": Section("Killed", 137)}, {"v6"}),
        ({"iptables_legacy": Section("", 127), "legacy_tables": Section("filter", 0)}, {"v4"}),
        ({"iptables_legacy": Section("", 127), "legacy_tables": Section("cat: Permission denied", 1)}, {"v4"}),
        ({"iptables_legacy": Section("", 127), "legacy_tables": None}, {"v4"}),
        ({"sockets": None}, {"sockets"}),
        ({"sockets": Section("", 127)}, {"sockets"}),
        ({"addresses": Section("[]", 0)}, {"interfaces"}),
        ({"container_ids": Section("Cannot connect to the Docker daemon", 1)}, {"containers"}),
        ({"containers": None}, {"containers"}),
        ({"container_ids": None}, {"containers"}),
    ],
)
def test_what_is_missing_or_damaged_is_unread(
    open_host: dict[str, Section], changed: dict[str, Section | None], unread: set[str]
) -> None:
    """A command that is missing where it must not be, failed, was cut or gave rubbish makes its layer unreadable."""
    sections = {name: section for name, section in {**open_host, **changed}.items() if section is not None}
    assert _reasons(read_network("muscle-1", sections)).keys() == unread


def test_an_answer_of_nothing_is_all_unread() -> None:
    """From an answer that was cut at once, every layer is unreadable and who is in charge is not known."""
    facts = read_network("muscle-1", {})
    assert _reasons(facts).keys() == {"v4", "v6", "interfaces", "sockets", "containers"}
    assert (facts.came_from, facts.ufw, facts.firewalld) == ("", None, None)


def test_members_of_sets_are_read_where_ipset_is_installed(open_host: dict[str, Section]) -> None:
    """Behind a ban of fail2ban it is known who is let in; without ipset, or where it failed, it is not."""
    saved = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set f2b src -j DROP\nCOMMIT"
    sets = "create f2b hash:ip family inet hashsize 1024 maxelem 65536\nadd f2b 203.0.113.9"
    for answer, told in ((Section(sets, 0), "203.0.113.9/32"), (Section("", 127), "None"), (Section(sets, 1), "None")):
        v4 = read_network("muscle-1", open_host | {"iptables": Section(saved, 0), "ipsets": answer}).v4
        assert not isinstance(v4, Unreadable)
        (rule,) = next(table for table in v4 if table.name == "iptables filter").chains["INPUT"]
        assert str(rule.sources) == told


ROUTES = {
    "routes4": '[{"dst":"default","gateway":"203.0.113.1","dev":"eth0","flags":[]},'
    '{"type":"local","dst":"198.51.100.0/28","dev":"lo","table":"local","scope":"host","flags":[]}]',
    "routes6": '[{"dst":"default","gateway":"fe80::1","dev":"eth0","metric":1024,"flags":[],"pref":"medium"}]',
    "localnet": "/proc/sys/net/ipv4/conf/all/route_localnet:0\n/proc/sys/net/ipv4/conf/eth0/route_localnet:1",
}


def test_routes_and_what_the_loopback_lets_in_are_read(open_host: dict[str, Section]) -> None:
    """Of both families, with the interfaces that they belong to; what is missing, cut or odd is unread, never none."""
    told = {name: Section(text, 0) for name, text in ROUTES.items()}
    known = read_network("muscle-1", open_host | told).interfaces
    assert isinstance(known, Interfaces)
    assert isinstance(known.routes, Routes)
    assert (known.routes.uplinks(), known.localnet) == (frozenset({"eth0"}), frozenset({"eth0"}))
    number = V4.parse("198.51.100.9").spans[0][0]
    assert known.delivery(number, Family.V4, "eth0") is Delivery.HERE
    odd = (None, Section("", 127), Section("[{", 0), Section("the routes are too many to be sent", 90))
    for name in ("routes4", "routes6", "localnet"):
        for section in odd:
            changed = {**open_host, **told} | ({name: section} if section else {})
            found = read_network("muscle-1", changed if section else {k: v for k, v in changed.items() if k != name})
            assert isinstance(found.interfaces, Interfaces)
            unread = found.interfaces.localnet if name == "localnet" else found.interfaces.routes
            assert isinstance(unread, Unreadable), (name, section)


def test_cards_on_which_something_decides_before_any_rule_are_told(open_host: dict[str, Section]) -> None:
    """What tc or XDP does there no rule tells; a server without tc has none that it was told by, one cut off may."""
    answers = {"cut": None, "none": Section("", 0), "two": Section("eth0\nveth0", 0), "no tc": Section("", 127)}
    found = {
        name: read_network("muscle-1", {k: v for k, v in {**open_host, "shapers": said}.items() if v}).interfaces
        for name, said in {**answers, "hung": Section("", 124)}.items()
    }
    told = {name: isinstance(one, Interfaces) and one.shaped for name, one in found.items()}
    assert {name: said if isinstance(said, frozenset) else None for name, said in told.items()} == {
        "cut": None,
        "none": frozenset(),
        "two": frozenset({"eth0", "veth0"}),
        "no tc": frozenset(),
        "hung": None,
    }
    two, hung = found["two"], found["hung"]
    assert isinstance(two, Interfaces)
    assert isinstance(hung, Interfaces)
    assert two.before_rules("eth0") == "on eth0 tc or XDP decides of packets before any rule"
    assert two.before_rules("eth9") == ""
    assert hung.before_rules("eth9") == "tc filter show ended with status 124"


def test_a_paused_container_is_there_and_one_of_macvlan_is_apart(open_host: dict[str, Section]) -> None:
    """The kernel answers for a paused one; what is not known to be behind the server is told apart."""
    paused = FIRST_LINE.replace('"state":"running"', '"state":"paused"')
    beside = '{"name":"coolify","driver":"macvlan","options":{"parent":"eth0"},"scope":"local"}'
    for networks, apart in ((open_host["networks"], ()), (Section(beside, 0), ("10.0.1.7",)), (None, ("10.0.1.7",))):
        sections = {**open_host, "containers": Section(paused, 0)} | ({"networks": networks} if networks else {})
        known = read_network(
            "muscle-1", sections if networks else {k: v for k, v in sections.items() if k != "networks"}
        )
        assert isinstance(known.containers, Containers)
        assert [(each.name, each.apart) for each in known.containers.running] == [("abc-1", apart)]
