"""Who gets into a pretend server, judged without a connection: by family, card, ufw and tables made by hand."""

from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.hosts.nft_text import NotNft, read_tables
from ink_infra_mcp.sandbox.hosts.ufw_told import NotUfw, tell_ufw
from ink_infra_mcp.sandbox.hosts.ways import knock
from ink_infra_mcp.sandbox.state_hosts import Container, Firewalld, HostFirewall, HostState, Ufw
from tests.ssh.servers import world_of

PUBLISHED = ["0.0.0.0:80->80/tcp", "[::]:80->80/tcp", "127.0.0.1:81->81/tcp", "0.0.0.0:443->443/udp"]
WEB = Container(id="a" * 64, name="web", image="web", ports=PUBLISHED)
UFW = Ufw(active=True, rules4=["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"], rules6=["reject tcp 22 ::/0 any ::/0 in"])
PRIVATE = "table inet own {\n chain in {\n type filter hook input priority 0; policy drop;\nRULE\n}\n}"


def server(name: str, number: int, *, firewall: HostFirewall | None = None) -> HostState:
    """Return a server with an address of each kind, and a web server in a container."""
    return HostState(
        name=name,
        role="muscle",
        address=f"192.0.2.{number}",
        ipv6=f"2001:db8::{number}",
        private_address=f"198.51.100.{number}",
        private_ipv6="",
        containers=[WEB],
        firewall=firewall or HostFirewall(),
    )


def met(folder: Path, firewall: HostFirewall, port: int) -> list[str]:
    """Return what a neighbour meets at the public addresses of both families and at the private one."""
    source, target = server("one", 1), server("two", 2, firewall=firewall)
    state = world_of(folder, source, target).read()
    addresses = (target.address, target.ipv6, target.private_address)
    return [knock(state, state.hosts["one"], address, port, now=0.0) for address in addresses]


@pytest.mark.parametrize(
    ("firewall", "port", "wanted"),
    [
        (HostFirewall(), 22, ["open"] * 3),
        (HostFirewall(), 80, ["open"] * 3),
        (HostFirewall(), 81, ["refused"] * 3),
        (HostFirewall(), 443, ["refused"] * 3),
        (HostFirewall(ufw=UFW), 22, ["open", "refused", "open"]),
        (HostFirewall(ufw=UFW), 80, ["open", "silent", "open"]),
        (HostFirewall(ufw=UFW), 81, ["silent"] * 3),
        (HostFirewall(tables=PRIVATE.replace("RULE", 'iifname "eth1" accept')), 22, ["silent", "silent", "open"]),
        (
            HostFirewall(tables=PRIVATE.replace("RULE", "ip saddr 192.0.2.0/24 accept")),
            22,
            ["open", "silent", "silent"],
        ),
        (HostFirewall(firewalld=Firewalld(running=True)), 22, ["open"] * 3),
        (HostFirewall(firewalld=Firewalld(running=True)), 9000, ["refused"] * 3),
    ],
)
def test_a_connect_meets_what_listens_there_and_what_filters_there(
    tmp_path: Path, firewall: HostFirewall, port: int, wanted: list[str]
) -> None:
    """Docker takes IPv4 round the server's own filters and not IPv6; what is published on loopback is not reached."""
    assert met(tmp_path, firewall, port) == wanted


def test_ufw_keeps_each_rule_once_and_in_the_families_that_it_is_about() -> None:
    """A rule added twice is one, a comment is no other rule, and a source of one family stays there."""
    ufw = Ufw(active=True, default="ACCEPT")
    for words in (
        "allow proto tcp from any to any port 22",
        "allow proto tcp from any to any port 22 comment x",
        "allow in on eth1 proto tcp from 2001:db8::/32 to any port 80,443",
        "deny proto udp from 192.0.2.7 to any port 53",
        "delete deny proto udp from 192.0.2.7 to any port 53",
        "delete allow proto tcp from any to any port 4711",
        "default deny incoming",
    ):
        tell_ufw(ufw, words.split())
    assert ufw == Ufw(
        active=True,
        default="DROP",
        rules4=["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"],
        rules6=["allow tcp 22 ::/0 any ::/0 in", "allow tcp 80,443 ::/0 any 2001:db8::/32 in_eth1"],
    )


def test_what_the_pretend_programs_do_not_know_is_refused() -> None:
    """Nothing is half understood: not a command of ufw's, not an expression of nft's."""
    with pytest.raises(NotUfw, match="Invalid syntax: route allow"):
        tell_ufw(Ufw(), ["route", "allow"])
    with pytest.raises(NotNft, match="syntax error, unexpected mark set"):
        read_tables(PRIVATE.replace("RULE", "mark set 7"))
