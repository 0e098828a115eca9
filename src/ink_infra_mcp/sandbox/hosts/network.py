"""What a pretend server says of its network: cards, sockets, and the packet filters of Docker and our own."""

import json
from collections.abc import Iterator
from ipaddress import ip_address

from ink_infra_mcp.sandbox.hosts.docker_cli import address_of
from ink_infra_mcp.sandbox.hosts.nft_text import Json, as_json, read_table
from ink_infra_mcp.sandbox.hosts.ways import BRIDGE, GATEWAY, SSH_PORT, PublishedPort, published
from ink_infra_mcp.sandbox.state_hosts import HostState

_NFT: Json = {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}
_LEGACY = ("iptables-legacy-save", "ip6tables-legacy-save")
NAMES = ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")
Answers = dict[str, str]
"""What a command says, by its arguments."""


def network_commands(host: HostState) -> dict[str, Answers]:
    """Return the answers of each command. The rules of Docker are shown by iptables-save, as those made with it are."""
    return {
        "id": {"-u": "0"},
        "ip": {"-j address show": json.dumps(list(_cards(host)))},
        "ss": {"-H -l -n -t -u -p": "\n".join(_sockets(host))},
        "nft": {"-j list ruleset": json.dumps({"nftables": list(_ruleset(host))})},
        "iptables-save": {"": _iptables(host)},
        "ip6tables-save": {"": ""},
        **{name: {"": ""} for name in _LEGACY},
        "ufw": {"status verbose": "Status: inactive"},
    }


def _cards(host: HostState) -> Iterator[dict[str, object]]:
    yield _card(1, "lo", ("127.0.0.1", 8), ("::1", 128))
    yield _card(2, "eth0", (host.address, 32))
    if host.docker_version:
        yield _card(3, "docker0", ("172.17.0.1", 16))
        yield _card(4, BRIDGE, (GATEWAY, 24))


def _card(index: int, name: str, *addresses: tuple[str, int]) -> dict[str, object]:
    found = [
        {"family": "inet6" if ip_address(text).version == 6 else "inet", "local": text, "prefixlen": length}
        for text, length in addresses
    ]
    return {"ifindex": index, "ifname": name, "flags": ["UP"], "mtu": 1500, "operstate": "UP", "addr_info": found}


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
    if host.firewall.table:
        yield from as_json(read_table(host.firewall.table), family="inet", table="ink")


def _iptables(host: HostState) -> str:
    """Return Docker's chains as 28 makes them, without those that concern no way in; nothing without Docker."""
    if not host.docker_version:
        return ""
    ports = [one for one in published(host) if ":" not in one.address]
    return "\n".join(("*nat", *_nat(ports), "COMMIT", "*filter", *_filter(ports), "COMMIT"))


def _nat(ports: list[PublishedPort]) -> Iterator[str]:
    yield from (f":{chain} ACCEPT [0:0]" for chain in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"))
    yield ":DOCKER - [0:0]"
    yield "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
    yield "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"
    yield f"-A POSTROUTING -s {GATEWAY.rpartition('.')[0]}.0/24 ! -o {BRIDGE} -j MASQUERADE"
    for one in ports:
        where = "" if one.address == "0.0.0.0" else f"-d {one.address}/32 "  # noqa: S104 - where Docker listens
        to = f"{address_of(one.container)}:{one.inner}"
        yield (
            f"-A DOCKER {where}! -i {BRIDGE} -p {one.protocol} -m {one.protocol} --dport {one.port} "
            f"-j DNAT --to-destination {to}"
        )


def _filter(ports: list[PublishedPort]) -> Iterator[str]:
    yield from (":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]")
    yield from (":DOCKER - [0:0]", ":DOCKER-USER - [0:0]")
    yield "-A FORWARD -j DOCKER-USER"
    yield f"-A FORWARD -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield f"-A FORWARD -o {BRIDGE} -j DOCKER"
    yield f"-A FORWARD -i {BRIDGE} -j ACCEPT"
    for one in ports:
        yield (
            f"-A DOCKER -d {address_of(one.container)}/32 ! -i {BRIDGE} -o {BRIDGE} -p {one.protocol} "
            f"-m {one.protocol} --dport {one.inner} -j ACCEPT"
        )
    yield "-A DOCKER-USER -j RETURN"
