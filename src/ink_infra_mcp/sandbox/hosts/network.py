"""What a pretend server says of its network: cards, sockets, packet filters, and who keeps them."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network

from ink_infra_mcp.sandbox.hosts.docker_rules import filter_chains, filter_rules, nat_rules
from ink_infra_mcp.sandbox.hosts.nft_text import Json, as_json
from ink_infra_mcp.sandbox.hosts.ufw_rules import ufw_chains, ufw_rules
from ink_infra_mcp.sandbox.hosts.ways import BRIDGE, GATEWAY, SSH_PORT, published, tables_of
from ink_infra_mcp.sandbox.state_hosts import HostFirewall, HostState, Ufw

_NFT: Json = {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}
_LEGACY = ("iptables-legacy-save", "ip6tables-legacy-save")
_NEAR = ("fe80::1", 64)
_SETTINGS = "/proc/sys/net/ipv4/conf"
_DEVICES = "/sys/class/net"
NAMES = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names", "/proc/net/netfilter/nfnetlink_queue")
"""Lists of the kernel in which nothing stands: tables of legacy iptables, and queues that a program waits at."""
Answers = dict[str, str]
"""What a command says, by its arguments."""


def network_commands(host: HostState) -> dict[str, Answers]:
    """Return the answers of each command. The rules of Docker are shown by iptables-save, as those made with it are."""
    commands = {
        "id": {"-u": "0"},
        "ip": {
            "-j -d address show": json.dumps(list(_cards(host))),
            "-j -4 route show table all": json.dumps(list(_routes(host, v4=True))),
            "-j -6 route show table all": json.dumps(list(_routes(host, v4=False))),
        },
        "ls": {f"-l {_DEVICES}": "\n".join(("total 0", *_devices(host)))},
        "grep": {f"-rs --include=route_localnet . {_SETTINGS}": "\n".join(_localnet(host))},
        "ss": {"-H -l -n -t -u -p": "\n".join(_sockets(host))},
        "nft": {"-j list ruleset": json.dumps({"nftables": list(_ruleset(host))})},
        "iptables-save": {"": _iptables(host, v4=True)},
        "ip6tables-save": {"": _iptables(host, v4=False)},
        **{name: {"": ""} for name in _LEGACY},
    }
    commands |= _managers(host.firewall)
    for asked, said in host.firewall.said.items():
        name, _, arguments = asked.partition(" ")
        commands[name] = commands.get(name, {}) | {arguments: said}
    return {name: answers for name, answers in commands.items() if name not in host.without}


def _managers(firewall: HostFirewall) -> dict[str, Answers]:
    commands: dict[str, Answers] = {}
    if firewall.ufw:
        commands["ufw"] = {"status verbose": f"Status: {'active' if firewall.ufw.active else 'inactive'}"}
    if firewall.firewalld:
        commands["firewall-cmd"] = {"--state": "running" if firewall.firewalld.running else "not running"}
    return commands


def cards_of(host: HostState) -> dict[str, tuple[str, ...]]:
    """Return the network cards, with what is plugged into those that are bridges."""
    private = ("eth1",) if host.private_address or host.private_ipv6 else ()
    plugged = _plugged(host)
    bridges = {name: plugged if name == BRIDGE else () for name in bridges_of(host)}
    return {**dict.fromkeys(("lo", "eth0", *private), ()), **bridges, **dict.fromkeys(plugged, ())}


def _plugged(host: HostState) -> tuple[str, ...]:
    running = (one for one in host.containers if one.state == "running")
    return tuple(f"veth{one.id[:7]}" for one in running)


def _cards(host: HostState) -> Iterator[dict[str, object]]:
    plugged, own = _plugged(host), _own(host)
    for index, name in enumerate(cards_of(host), 1):
        yield _card(index, name, *own.get(name, (_NEAR,))) | _link(name, plugged)


def _own(host: HostState) -> dict[str, tuple[tuple[str, int], ...]]:
    """IPv6 gives each card that is plugged in an address of its own, for its neighbours only."""
    return {
        "lo": (("127.0.0.1", 8), ("::1", 128)),
        "eth0": ((host.address, 32), (host.ipv6, 64), _NEAR),
        "eth1": ((host.private_address, 32), (host.private_ipv6, 64), _NEAR),
        "docker0": (("172.17.0.1", 16),),
        BRIDGE: ((GATEWAY, 24), *((_NEAR,) if _plugged(host) else ())),
    }


def _link(name: str, plugged: tuple[str, ...]) -> dict[str, object]:
    """Return what kind of link it is; `ip -d` says nothing of it for a card."""
    if name in plugged:
        return {"link_type": "ether", "master": BRIDGE, "linkinfo": {"info_kind": "veth", "info_slave_kind": "bridge"}}
    kinds = {
        "lo": {"link_type": "loopback"},
        **{bridge: {"linkinfo": {"info_kind": "bridge"}} for bridge in ("docker0", BRIDGE)},
    }
    return {"link_type": "ether", **kinds.get(name, {})}


def _card(index: int, name: str, *addresses: tuple[str, int]) -> dict[str, object]:
    found = [
        {"family": "inet6" if ip_address(text).version == 6 else "inet", "local": text, "prefixlen": length}
        for text, length in addresses
        if text
    ]
    return {"ifindex": index, "ifname": name, "flags": ["UP"], "mtu": 1500, "operstate": "UP", "addr_info": found}


def _routes(host: HostState, *, v4: bool) -> Iterator[dict[str, object]]:
    """Yield the default route, and those that the kernel makes of addresses: one to the network, one to itself."""
    yield {"dst": "default", "gateway": "172.31.1.1" if v4 else "fe80::1", "dev": "eth0", "flags": []}
    for name in cards_of(host):
        for text, length in _own(host).get(name, ()):
            if text and (ip_address(text).version == 4) is v4:
                yield {"dst": str(ip_interface(f"{text}/{length}").network), "dev": name, "scope": "link", "flags": []}
                yield {"type": "local", "dst": text, "dev": name, "table": "local", "scope": "host", "flags": []}
    if v4 and host.private_network:
        yield from _private_routes(host.private_network)


def _private_routes(network: str) -> Iterator[dict[str, object]]:
    """What DHCP of a Cloud network tells: its router alone is on the link, and all else behind it (documentation)."""
    router = str(next(ip_network(network).hosts()))
    yield {"dst": router, "dev": "eth1", "scope": "link", "flags": []}
    yield {"dst": network, "gateway": router, "dev": "eth1", "flags": []}


def _devices(host: HostState) -> Iterator[str]:
    for name in cards_of(host):
        bus = "pci0000:00/0000:00:03.0/virtio1" if name.startswith("eth") else "virtual"
        yield f"lrwxrwxrwx 1 root root 0 Jan  1 00:00 {name} -> ../../devices/{bus}/net/{name}"


def _localnet(host: HostState) -> Iterator[str]:
    return (f"{_SETTINGS}/{name}/route_localnet:0" for name in ("all", "default", *cards_of(host)))


def bridges_of(host: HostState) -> tuple[str, ...]:
    """Return the bridges of containers."""
    return (BRIDGE, "docker0") if host.docker_version else ()


def _sockets(host: HostState) -> Iterator[str]:
    yield _socket("tcp", f"0.0.0.0:{SSH_PORT}", "sshd", 700)
    yield _socket("tcp", f"[::]:{SSH_PORT}", "sshd", 700)
    for number, one in enumerate(published(host)):
        address = f"[{one.address}]" if ":" in one.address else one.address
        yield _socket(one.protocol, f"{address}:{one.port}", "docker-proxy", 1000 + number)


def _socket(protocol: str, at: str, program: str, pid: int) -> str:
    state, peer = ("LISTEN", "128") if protocol == "tcp" else ("UNCONN", "0")
    anywhere = "[::]:*" if at.startswith("[") else "0.0.0.0:*"
    return f'{protocol} {state} 0 {peer} {at} {anywhere} users:(("{program}",pid={pid},fd=4))'


def _ruleset(host: HostState) -> Iterator[Json]:
    yield {"metainfo": _NFT}
    for number, table in enumerate(tables_of(host), 1):
        yield from as_json(table, handle=number)


def _iptables(host: HostState, *, v4: bool) -> str:
    """Return what iptables-save and ip6tables-save show: the rules of Docker and of ufw, where there are any."""
    nat = ("*nat", *nat_rules(host), "COMMIT") if host.docker_version and v4 else ()
    return "\n".join((*nat, *_filter(host, v4=v4)))


def _filter(host: HostState, *, v4: bool) -> Iterator[str]:
    kept, ufw = [*_kept(host, v4=v4)], _active(host)
    if not kept:
        return
    yield from ("*filter", f":INPUT {ufw.default if ufw else 'ACCEPT'} [0:0]")
    yield from (":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]")
    yield from _lines_of(kept)
    yield "COMMIT"


def _lines_of(kept: list[tuple[Iterator[str], Iterator[str]]]) -> Iterator[str]:
    """All chains come before the first rule."""
    for lines in (*(chains for chains, _ in kept), *(rules for _, rules in kept)):
        yield from lines


def _kept(host: HostState, *, v4: bool) -> Iterator[tuple[Iterator[str], Iterator[str]]]:
    """Yield the chains and the rules of each that keeps some."""
    if host.docker_version and v4:
        yield filter_chains(host), filter_rules(host)
    if ufw := _active(host):
        yield ufw_chains(v4=v4), ufw_rules(ufw, v4=v4)


def _active(host: HostState) -> Ufw | None:
    ufw = host.firewall.ufw
    return ufw if ufw and ufw.active else None
