"""What is reachable of a host: all layers together, which decides, how deep, and that unknown is never closed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.cloud import Attachment, CloudFirewall, CloudRule, cloud_gates
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.exposure import Exposure, HostFacts, SourceClass, State, WayIn, exposures
from ink_infra_mcp.core.firewall.gates import Gates
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.sockets import Socket, Sockets
from tests.core.firewall.naive import HOST, PlainTable
from tests.core.firewall.recorded import OPEN_GATES, facts
from tests.core.firewall.test_walk import interfaces, table, translations

WORLD = SourceClass("internet", V4.parse("198.51.100.0/24"), V6.parse("2001:db8:1::/48"), "public")
ADMIN = SourceClass("admin", V4.parse("203.0.113.66"), V6(), "public")
LISTENING = Sockets((Socket("tcp", 22, process="sshd", said="*:22"),))
LOST = Unreadable("the command for it did not answer in time")
PUBLIC = WayIn("public", (HOST,), "eth0")


def gates(*remote: str) -> Gates:
    """Return a Cloud firewall that lets these in to port 22."""
    rule = CloudRule(direction="in", protocol="tcp", port="22", remote=remote)
    firewall = CloudFirewall(id=1, name="fw", rules=(rule,) if remote else ())
    found = cloud_gates([firewall], [Attachment(1, applied=True)])
    assert isinstance(found, Gates)
    return found


def host(
    provider: Gates | Unreadable = OPEN_GATES, *, rules: str = "", sockets: Sockets | Unreadable = LISTENING
) -> HostFacts:
    """Return a host with these rules at INPUT, whose policy is accept."""
    text = f"*filter\n:INPUT ACCEPT [0:0]\n{rules}COMMIT\n"
    return HostFacts(
        name="muscle-1",
        provider=provider,
        v4=read_filters(V4, iptables=Answer(text), legacy=None, nft=None),
        v6=(),
        interfaces=interfaces(),
        sockets=sockets,
        containers=Containers(),
        ways=(PUBLIC,),
    )


def seen(of: HostFacts, source: SourceClass = WORLD, port: int = 22) -> Exposure:
    """Return what is reachable of a TCP port for one class."""
    (found,) = exposures(of, [source], [("tcp", port)])
    return found


def told(of: HostFacts, source: SourceClass = WORLD, port: int = 22) -> tuple[State, str, int, tuple[str, ...]]:
    """Return the state, the layer that decides, the depth and the layers that deny all by themselves."""
    found = seen(of, source, port)
    return found.state, found.decided_by, found.depth, found.deniers


DROP = "-A INPUT -p tcp -m tcp --dport 22 -j DROP\n"


def test_a_port_is_open_when_every_layer_lets_it_in() -> None:
    """Provider, host and listener must all admit; the evidence says on whose word."""
    assert seen(host()) == Exposure(
        host="muscle-1",
        family=V4.FAMILY,
        protocol="tcp",
        port=22,
        source_class="internet",
        state=State.OPEN,
        decided_by="listener",
        depth=0,
        deniers=(),
        evidence=(
            "provider: no firewall",
            "iptables filter: INPUT: policy accept",
            "listener: sshd listens on *:22",
        ),
    )


def test_depth_is_how_many_layers_each_would_deny() -> None:
    """One layer deep, two, three: each counts only where it denies by itself; the first in the packet's way decides."""
    nobody = Sockets()
    assert told(host(rules=DROP)) == (State.CLOSED, "host", 1, ("host",))
    assert told(host(gates(), rules=DROP)) == (State.CLOSED, "cloud firewall", 2, ("cloud firewall", "host"))
    assert told(host(gates(), rules=DROP, sockets=nobody))[1:3] == ("cloud firewall", 3)
    assert told(host(sockets=nobody)) == (State.CLOSED, "listener", 1, ("listener",))


def test_two_layers_that_share_the_work_are_one_deep() -> None:
    """Where each of two layers denies one half, everybody is denied once, and no layer denies all."""
    half = "-A INPUT -s 198.51.100.0/25 -p tcp -m tcp --dport 22 -j DROP\n"
    assert told(host(gates("198.51.100.0/25"), rules=half)) == (State.CLOSED, "cloud firewall", 1, ())


def test_partly_open_names_who_is_let_in() -> None:
    """A class of which some are let in is partly open, and the addresses are given."""
    found = seen(host(gates("198.51.100.0/28")))
    assert (found.state, found.admitted, found.depth) == (State.PARTLY, ("198.51.100.0/28",), 1)
    assert seen(host(gates("203.0.113.0/24")), ADMIN).state is State.OPEN


def test_an_unreadable_layer_is_unknown_unless_another_denies() -> None:
    """A layer that cannot be read leaves the port unknown, with the reason; a definite denial elsewhere closes it."""
    for lost in (host(LOST), replace(host(), v4=LOST), host(sockets=LOST), replace(host(), interfaces=LOST)):
        assert (seen(lost).state, seen(lost).depth) == (State.UNKNOWN, 0)
        assert seen(lost).evidence[0].endswith(LOST.reason)
    assert told(replace(host(gates()), v4=LOST)) == (State.CLOSED, "cloud firewall", 1, ("cloud firewall",))
    assert told(host(LOST, rules=DROP))[:2] == (State.CLOSED, "host")


def test_without_the_filters_no_listener_proves_nothing() -> None:
    """What is not listened on may still be sent on to a container, so unread filters leave it unknown."""
    assert seen(replace(host(sockets=Sockets()), v4=LOST)).state is State.UNKNOWN


def test_what_is_sent_on_to_nobody_known_is_unknown() -> None:
    """A published port is open where its container is known, unknown where it is not one or cannot be read."""
    of = facts("open")
    for containers, state in ((of.containers, State.OPEN), (LOST, State.UNKNOWN), (Containers(), State.UNKNOWN)):
        found = exposures(replace(of, containers=containers), [WORLD], [("tcp", 8000)])
        assert found[0].state is state


def test_the_private_way_goes_round_the_provider() -> None:
    """A neighbour in the private network is not stopped by a firewall that sees the public side only."""
    neighbour = SourceClass("fleet", V4.parse("10.0.0.0/24"), V6(), "private")
    of = replace(host(gates()), ways=(PUBLIC, WayIn("private", ("10.0.0.2",), "eth1", gated=False)))
    found = exposures(of, [WORLD, neighbour], [("tcp", 22)])
    assert {each.source_class: each.state for each in found} == {"internet": State.CLOSED, "fleet": State.OPEN}


def test_of_several_addresses_the_most_reachable_counts() -> None:
    """A port that is closed on one address of the host and open on another is open."""
    rules = f"-A INPUT -d {HOST} -p tcp -m tcp --dport 22 -j DROP\n"
    of = host(rules=rules)
    assert seen(of).state is State.CLOSED
    assert seen(replace(of, ways=(WayIn("public", (HOST, "203.0.113.12"), "eth0"),))).state is State.OPEN


def test_a_family_without_an_address_is_not_reachable_and_not_reported() -> None:
    """Nothing is said of IPv6 for a host that has no IPv6 address."""
    assert {each.family for each in exposures(host(), [WORLD], [("tcp", 22)])} == {V4.FAMILY}


NOT_CLOSED = {State.OPEN, State.PARTLY, State.UNKNOWN}


@given(translations(), table(), st.sampled_from((80, 8000)), st.booleans(), st.booleans())
def test_losing_sight_of_a_layer_never_closes_a_port(
    nat: PlainTable, filters: PlainTable, port: int, gated: bool, listened: bool
) -> None:
    """Whichever layer becomes unreadable, what was open, partly open or unknown is not closed afterwards."""
    sockets = Sockets((Socket("tcp", port),)) if listened else Sockets()
    text = nat.text("nat") + filters.text("filter")
    of = replace(
        host(gates("10.0.0.2/31") if gated else OPEN_GATES, sockets=sockets),
        v4=read_filters(V4, iptables=Answer(text), legacy=None, nft=None),
    )
    source = SourceClass("near", V4.parse("10.0.0.0-10.0.0.5"), V6(), "public")
    before = seen(of, source, port)
    lost = [replace(of, **{name: LOST}) for name in ("provider", "v4", "interfaces", "sockets", "containers")]
    after = {seen(each, source, port).state for each in lost}
    if before.state in NOT_CLOSED:
        assert State.CLOSED not in after
    if before.state is State.CLOSED:
        assert after <= {State.CLOSED, State.UNKNOWN}


@pytest.mark.parametrize("name", ["ufw_published", "firewalld", "nft_only"])
def test_an_unreadable_family_leaves_the_other_alone(name: str) -> None:
    """What cannot be read of IPv6 changes nothing that is said of IPv4."""
    of = facts(name)
    asked = ([WORLD], [("tcp", 22), ("tcp", 8000)])
    lost = exposures(replace(of, v6=LOST), *asked)
    kept = tuple(each for each in exposures(of, *asked) if each.family is V4.FAMILY)
    assert tuple(each for each in lost if each.family is V4.FAMILY) == kept
    assert {each.state for each in lost if each.family is V6.FAMILY} == {State.UNKNOWN}


def test_some_who_are_banned_leave_a_port_open_but_for_few() -> None:
    """One of the internet's 256 here; two are no few any more, and of a single admin one is all."""
    ban = "-A INPUT -s 198.51.100.{}/32 -j DROP\n"
    one, two = seen(host(rules=ban.format(1))), seen(host(rules=ban.format(1) + ban.format(3)))
    assert [(found.state, found.few_denied) for found in (one, two)] == [(State.PARTLY, True), (State.PARTLY, False)]
    assert not seen(host(rules=ban.format(1) + DROP)).few_denied
    assert seen(host(rules="-A INPUT -s 203.0.113.66/32 -j DROP\n"), ADMIN).state is State.CLOSED


def test_beside_a_long_list_of_addresses_only_the_first_are_shown() -> None:
    """A blocklist of thousands makes no answer of hundreds of thousands of networks."""
    listed = ",".join(f"198.{51 + n // 128}.{n % 128}.7" for n in range(20_000 // 128 * 8))
    world = SourceClass("internet", V4.all(), V6(), "public")
    found = seen(host(rules=f"-A INPUT -s {listed} -j DROP\n"), world)
    assert (found.state, found.few_denied, len(found.admitted) < 3000) == (State.PARTLY, True, True)
