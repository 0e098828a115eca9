"""The shape of a network tells apart what lets different connections in, and nothing that only has another name."""

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.sockets import Sockets
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts
from tests.lab.network_shapes import network_shape
from tests.lab.shapes import Shape, apart

NO_NFT_TABLES = Answer('{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}]}')
SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A FORWARD -o br-0123456789ab -j DOCKER
-A DOCKER -d 172.18.0.2/32 ! -i br-0123456789ab -o br-0123456789ab -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""


def shape_of(saved: str) -> Shape:
    """Return the shape of the IPv4 filters in an iptables-save."""
    v4 = read_filters(V4, iptables=Answer(saved), legacy=None, nft=NO_NFT_TABLES)
    nothing = NetworkFacts("a", v4, Unreadable("x"), Interfaces(), Sockets(), Containers())
    return network_shape(nothing)["v4"]


def test_names_and_addresses_of_dockers_are_not_compared() -> None:
    """Docker numbers its bridges and addresses its containers as it likes."""
    other = SAVED.replace("0123456789ab", "ba9876543210").replace("172.18.0.2", "10.0.1.7")
    assert apart(shape_of(SAVED), shape_of(other)) == {}


def test_whatever_decides_about_a_packet_is_compared() -> None:
    """A policy, a verdict, a port, a protocol, a chain and the direction of an interface each make a difference."""
    changes = (
        (":INPUT ACCEPT", ":INPUT DROP"),
        ("--dport 80 -j ACCEPT", "--dport 80 -j DROP"),
        ("--dport 80", "--dport 81"),
        ("-p tcp -m tcp", "-p udp -m udp"),
        (":DOCKER - [0:0]", ":DOCKER - [0:0]\n:DOCKER-USER - [0:0]"),
        ("! -i br", "-i br"),
    )
    assert [old for old, new in changes if not apart(shape_of(SAVED), shape_of(SAVED.replace(old, new)))] == []
    assert list(apart(shape_of(SAVED), shape_of(SAVED.replace("80", "81")))) == ["/iptables filter/chains/DOCKER"]
