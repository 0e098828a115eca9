"""Docker's chains of iptables on a pretend server, as iptables-save shows them."""

from collections.abc import Iterator

from ink_infra_mcp.sandbox.hosts.inspected import address_of
from ink_infra_mcp.sandbox.hosts.ways import BRIDGE, GATEWAY, PublishedPort, published
from ink_infra_mcp.sandbox.state_hosts import HostState

EVERYWHERE = "0.0.0.0"  # noqa: S104 - where Docker listens
_NETWORKS = ((BRIDGE, f"{GATEWAY.rpartition('.')[0]}.0/24"), ("docker0", "172.17.0.0/16"))
_FIRST_STAGE, _SECOND_STAGE = "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"


def nat_rules(host: HostState) -> Iterator[str]:
    """Yield what Docker has in the table nat, chains first."""
    yield from (f":{chain} ACCEPT [0:0]" for chain in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"))
    yield ":DOCKER - [0:0]"
    yield "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
    yield "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"
    yield from (f"-A POSTROUTING -s {network} ! -o {card} -j MASQUERADE" for card, network in _NETWORKS)
    yield from map(_hairpin, _ports(host))
    yield from (f"-A DOCKER -i {card} -j RETURN" for card, _ in _NETWORKS)
    yield from map(_translation, _ports(host))


def _hairpin(one: PublishedPort) -> str:
    inside = address_of(one.container)
    return f"-A POSTROUTING -s {inside}/32 -d {inside}/32 {_to(one, one.inner)} -j MASQUERADE"


def _translation(one: PublishedPort) -> str:
    where = "" if one.address == EVERYWHERE else f"-d {one.address}/32 "
    to = f"{address_of(one.container)}:{one.inner}"
    return f"-A DOCKER {where}! -i {BRIDGE} {_to(one, one.port)} -j DNAT --to-destination {to}"


def filter_chains(host: HostState) -> Iterator[str]:
    """Yield Docker's own chains of the table filter."""
    staged = (_FIRST_STAGE, _SECOND_STAGE) if _has_stages(host) else ()
    yield from (f":{chain} - [0:0]" for chain in ("DOCKER", *staged, "DOCKER-USER"))


def filter_rules(host: HostState) -> Iterator[str]:
    """Yield Docker's rules in the table filter: as 26 makes them, and of 28 those that concern a way in."""
    staged = _has_stages(host)
    yield "-A FORWARD -j DOCKER-USER"
    if staged:
        yield f"-A FORWARD -j {_FIRST_STAGE}"
    for card, _ in _NETWORKS:
        yield f"-A FORWARD -o {card} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        yield f"-A FORWARD -o {card} -j DOCKER"
        yield f"-A FORWARD -i {card} ! -o {card} -j ACCEPT"
        yield f"-A FORWARD -i {card} -o {card} -j ACCEPT"
    for one in _ports(host):
        inside = address_of(one.container)
        yield f"-A DOCKER -d {inside}/32 ! -i {BRIDGE} -o {BRIDGE} {_to(one, one.inner)} -j ACCEPT"
    yield from _stages() if staged else ()
    yield "-A DOCKER-USER -j RETURN"


def _stages() -> Iterator[str]:
    for card, _ in _NETWORKS:
        yield f"-A {_FIRST_STAGE} -i {card} ! -o {card} -j {_SECOND_STAGE}"
    yield f"-A {_FIRST_STAGE} -j RETURN"
    yield from (f"-A {_SECOND_STAGE} -o {card} -j DROP" for card, _ in _NETWORKS)
    yield f"-A {_SECOND_STAGE} -j RETURN"


def _has_stages(host: HostState) -> bool:
    """Docker 28 has chains of other names in their place (moby 28.0)."""
    return int(host.docker_version.partition(".")[0]) < 28


def _ports(host: HostState) -> list[PublishedPort]:
    """Docker up to 26 leaves IPv6 to its proxy."""
    return [one for one in published(host) if ":" not in one.address]


def _to(one: PublishedPort, port: int) -> str:
    return f"-p {one.protocol} -m {one.protocol} --dport {port}"
