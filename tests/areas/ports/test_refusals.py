"""What is not known is not planned on: unread layers, and ports that new rules are not known to close."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.host_target import Lies, host_rules
from ink_infra_mcp.areas.ports.refusals import carried, refuse_cut_tunnels, refuse_unforeseen, refuse_unread
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import OneOf, Opaque, Protocol, ToPort
from ink_infra_mcp.core.firewall.outside import Inner
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import Base, Rule, Table, Translation, Verdict
from ink_infra_mcp.core.firewall.sockets import Socket, Sockets
from ink_infra_mcp.core.host_firewall.model import HostFirewall
from tests.areas.ports.test_ground import ground
from tests.core.firewall.recorded import NAMES

TCP = Protocol(OneOf(("tcp",)))


def wanted(of: Ground) -> HostFirewall:
    """Return the firewall that carries out policy there."""
    return HostFirewall(rules=tuple(host_rules(of.policy, of.role, of.classes)), outside=("eth0", "eth1"))


def with_rule(of: Ground, rule: Rule[V4], base: Base) -> Ground:
    """Return the ground with one more table for IPv4."""
    assert not isinstance(of.facts.v4, Unreadable)
    table = Table("nft ip own", MappingProxyType({base.chain: (rule,)}), (base,))
    return replace(of, facts=replace(of.facts, v4=(*of.facts.v4, table)))


@pytest.mark.parametrize("layer", ["v4", "v6", "sockets", "containers", "interfaces"])
def test_a_layer_that_was_not_read_is_not_planned_on(layer: str) -> None:
    """Each is named with the reason."""
    with pytest.raises(RefusedByPolicy, match=r"could not be read \(cut off\)"):
        refuse_unread(ground("open", unread=layer), provider=False)


NOT_TOLD = {"changed_headers", "nft_in_iptables"}
"""Hosts with rules that may send packets anywhere: headers that are set, targets that iptables-save cannot print."""


@pytest.mark.parametrize("name", sorted(NOT_TOLD))
def test_rules_that_are_not_read_and_may_send_packets_anywhere_are_not_planned_on(name: str) -> None:
    """The rule is named."""
    of = ground(name)
    with pytest.raises(RefusedByPolicy, match=r"would not be known to be closed: .*(mangle|REDIRECT)"):
        refuse_unforeseen(of, wanted(of))


@pytest.mark.parametrize("name", sorted({*NAMES} - NOT_TOLD))
def test_what_is_known_of_a_server_is_known_of_it_with_new_rules(name: str) -> None:
    """Whatever filters there, and whoever publishes: nothing of it keeps our own rules from closing what they shall."""
    of = ground(name)
    refuse_unforeseen(of, wanted(of))


def test_a_rule_that_is_not_understood_and_only_lets_in_or_keeps_out_is_no_obstacle() -> None:
    """Bans of fail2ban in a set that cannot be read: what our table drops nobody lets in again."""
    of = ground("open")
    bans: Rule[V4] = Rule(Verdict.ACCEPT, None, (Opaque("a set"),), origin="opaque")
    refuse_unforeseen(with_rule(of, bans, Base("in", "input")), wanted(of))


def test_a_rewrite_that_is_not_understood_is_named_before_anything_is_done() -> None:
    """Where packets go is not known, so neither is whether our rules meet them: refused, with the port and the rule."""
    of = ground("open")
    rewrite: Rule[V4] = Rule(
        Verdict.DNAT, None, (TCP, ToPort(Ports.one(8081))), translation=Translation(vague=True), origin="dnat to a map"
    )
    changed = with_rule(of, rewrite, Base("pre", "prerouting", -100, work="nat"))
    with pytest.raises(RefusedByPolicy) as caught:
        refuse_unforeseen(changed, wanted(of))
    assert "8081/tcp ipv4 internet: unknown" in caught.value.failed
    assert "rewritten in a way that the rules do not tell" in caught.value.failed


def with_tunnel(of: Ground, kind: str, port: int | None = None) -> tuple[Ground, Lies]:
    """Return a server with a tunnel in it, and a UDP socket of the kernel's own on that port."""
    assert isinstance(of.facts.sockets, Sockets)
    kernels = (Socket("udp", port),) if port else ()
    sockets = Sockets((*of.facts.sockets.found, Socket("udp", 1194, process="openvpn"), *kernels))
    lies = Lies(("eth0",), (), (Inner("wg0", kind, ("10.66.0.1",), ("10.66.0.0/24",)),))
    return replace(of, facts=replace(of.facts, sockets=sockets)), lies


@pytest.mark.parametrize(
    ("kind", "port", "words"),
    [
        ("wireguard", 51820, r"the tunnel wg0 \(wireguard\) travels by UDP to port 51820, which these rules would let"),
        ("vxlan", 4789, "travels by UDP to port 4789"),
        ("gre", None, "travels by gre packets"),
        ("a-kind-of-next-year", None, "travels by a-kind-of-next-year packets"),
    ],
)
def test_a_tunnel_whose_peers_would_be_cut_off_is_named_before_anything_is_done(
    kind: str, port: int | None, words: str
) -> None:
    """What it travels by comes from outside, where policy has no rule for it."""
    of, lies = with_tunnel(ground("open"), kind, port)
    with pytest.raises(RefusedByPolicy, match=words):
        refuse_cut_tunnels(of, wanted(of), lies)


@pytest.mark.parametrize(("kind", "port"), [("wireguard", 443), ("wireguard", None), ("tun", 1194), ("bridge", None)])
def test_a_tunnel_that_policy_lets_in_is_no_obstacle(kind: str, port: int | None) -> None:
    """Nor one of a program's: by what that travels nobody can tell, and the plan warns of it."""
    of, lies = with_tunnel(ground("open"), kind, port)
    refuse_cut_tunnels(of, wanted(of), lies)
    assert bool(carried(lies)) is (kind == "tun")
