"""Public addresses that are resources of their own: Primary IPs, those of servers too, and Floating IPs."""

from collections.abc import Iterator

from ink_infra_mcp.sandbox.hetzner.call import Call, JsonObject, Reply, Route, stamp
from ink_infra_mcp.sandbox.hetzner.catalogue import location_of, show_location
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.state_hetzner import Address, HetznerState, Server

BORN_IPV4, BORN_IPV6 = 500_000, 600_000
"""What the id of a server's own address is above the server's."""


def _primary(project: HetznerState) -> Iterator[JsonObject]:
    for server in project.servers:
        yield from _born(project, server)
    yield from (_show_primary(project, a, auto=False) for a in project.addresses if not a.floats)


def _born(project: HetznerState, server: Server) -> Iterator[JsonObject]:
    for kind, ip, above in (("ipv4", server.ipv4, BORN_IPV4), ("ipv6", server.ipv6, BORN_IPV6)):
        if ip is not None:
            address = Address(
                id=server.id + above,
                name=f"primary_ip-{server.id + above}",
                type="ipv4" if kind == "ipv4" else "ipv6",
                ip=ip,
                location=server.location,
                created=server.created,
                server=server.id,
            )
            yield _show_primary(project, address, auto=True)


def _show_primary(project: HetznerState, address: Address, *, auto: bool) -> JsonObject:
    """An address that is assigned to nothing says so since August 2026."""
    return {
        **_common(address),
        "assignee_id": address.server,
        "assignee_type": "unassigned" if address.server is None else "server",
        "auto_delete": auto,
        "location": show_location(location_of(project, address.location)),
    }


def _show_floating(project: HetznerState, address: Address) -> JsonObject:
    return {
        **_common(address),
        "description": None,
        "server": address.server,
        "home_location": show_location(location_of(project, address.location)),
    }


def _common(address: Address) -> JsonObject:
    return {
        "id": address.id,
        "name": address.name,
        "type": address.type,
        "ip": address.ip,
        "blocked": False,
        "dns_ptr": [],
        "protection": {"delete": False},
        "labels": {**address.labels},
        "created": stamp(address.created),
    }


def _primary_ips(call: Call) -> Reply:
    return listing(call, "primary_ips", list(_primary(call.project)), filters=("name", "ip"))


def _floating_ips(call: Call) -> Reply:
    items = [_show_floating(call.project, address) for address in call.project.addresses if address.floats]
    return listing(call, "floating_ips", items, filters=("name",))


def _load_balancers(call: Call) -> Reply:
    """There are none in this project."""
    return listing(call, "load_balancers", [])


ROUTES = (
    Route("GET", "/primary_ips", _primary_ips),
    Route("GET", "/floating_ips", _floating_ips),
    Route("GET", "/load_balancers", _load_balancers),
)
