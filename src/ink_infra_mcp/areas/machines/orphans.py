"""What is at Coolify or at Hetzner and belongs to no server of the fleet, or the other way round."""

from collections.abc import Collection, Iterable, Iterator

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.dns.strays import Books
from ink_infra_mcp.areas.machines.drift import FLEET, Drift, named
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.hetzner_cloud import Server as CloudServer
from ink_infra_mcp.clients.hetzner_cloud.resources import PrimaryIp, Volume
from ink_infra_mcp.core.fleet import Fleet, Host, Muscle
from ink_infra_mcp.core.untrusted import clean_name

_DELETE = "in Hetzner's Cloud Console, once nobody needs it: it costs money each month"


def coolify_drifts(fleet: Fleet, servers: Iterable[Server]) -> Iterator[Drift]:
    """Yield which servers Coolify does not reach, does not know, or has beside the fleet."""
    servers = tuple(servers)
    for muscle in fleet.muscles:
        if not any(_is(muscle, server) for server in servers):
            what, mend = "Coolify does not know it: nothing can be deployed there", "add {server} in Coolify: Servers"
            yield Drift(muscle.name, "high", "not_in_coolify", what, "GET /servers does not have it", mend)
    for server in servers:
        host = next((host for host in fleet.hosts if _is(host, server)), None)
        yield from _strange(server) if host is None and not server.is_coolify_host else ()
        yield from _unusable(server, host) if not server.reachable or not server.usable else ()


def token_drift() -> Drift:
    """Return what nobody can know from here: when the token of Coolify's API ends.

    A token has the day on which it ends (`expires_at` of personal_access_tokens), and no route of routes/api.php tells
    it, up to the main branch of 2026-08; the page of the tokens does. SSH keys in Coolify have no such day.
    """
    what = "when Coolify's API token ends is not known: its API does not tell"
    mend = "look in Coolify: Keys & Tokens, API Tokens, Expires; then ink-infra-mcp secret set coolify_token"
    return Drift(FLEET, "info", "token_expiry", what, "it is accepted now; SSH keys in Coolify never end", mend)


def unwatched_drifts(apps: Iterable[App]) -> Iterator[Drift]:
    """Yield which apps nobody looks at, since they are on a server that is no Muscle of fleet.toml."""
    if names := [app.name for app in apps if not app.muscle]:
        what = "apps are on servers that are no Muscles of fleet.toml: nobody looks at them"
        mend = "add_muscle for their server, or move_app; diagnose_app visits their pages"
        yield Drift(FLEET, "warning", "unwatched_apps", what, named(names), mend, unknown=True)


def _strange(server: Server) -> Iterator[Drift]:
    what = f"Coolify has a server {_name(server)}, which fleet.toml does not know: nothing watches it"
    mend = "add it to fleet.toml, or delete it in Coolify"
    yield Drift(FLEET, "warning", "unknown_server", what, f"at {clean_name(server.ip)}", mend, server.uuid)


def _unusable(server: Server, host: Host | None) -> Iterator[Drift]:
    evidence = f"reachable: {_word(yes=server.reachable)}, usable: {_word(yes=server.usable)}"
    mend = "validate {server} in Coolify: Servers, Validate; check_firewall shows who reaches it"
    if host is not None:
        what = "Coolify cannot use it: nothing can be deployed there"
        yield Drift(host.name, "high", "not_usable", what, evidence, mend)
        return
    what = f"Coolify cannot use its server {_name(server)}: nothing can be deployed there"
    yield Drift(FLEET, "high", "not_usable", what, evidence, mend.replace("{server}", _name(server)), server.uuid)


def _name(server: Server) -> str:
    return clean_name(server.name) or server.uuid


def _is(host: Host, server: Server) -> bool:
    addresses = {host.address, host.private_address} - {None}
    return server.ip in addresses or (isinstance(host, Muscle) and server.name == host.name)


def _word(*, yes: bool) -> str:
    return "yes" if yes else "no"


def hetzner_drifts(
    fleet: Fleet, servers: Iterable[CloudServer], volumes: Iterable[Volume], addresses: Iterable[PrimaryIp]
) -> Iterator[Drift]:
    """Yield what the Cloud project holds, and so is paid for, and nothing of the fleet uses."""
    yield from _unused_servers(fleet, servers)
    for volume in volumes:
        if volume.server is None:
            what = f"the volume {clean_name(volume.name)} is attached to no server"
            evidence = f"id {volume.id}, {volume.size} GB at {clean_name(volume.location.name)}"
            yield Drift(FLEET, "warning", "unused_volume", what, evidence, f"delete it {_DELETE}", str(volume.id))
    for address in addresses:
        if address.assignee_id is None:
            what = f"the Primary IP {clean_name(address.ip)} is assigned to nothing"
            evidence = f"id {address.id}, {clean_name(address.name)}"
            yield Drift(FLEET, "warning", "unused_address", what, evidence, f"delete it {_DELETE}", str(address.id))


def _unused_servers(fleet: Fleet, servers: Iterable[CloudServer]) -> Iterator[Drift]:
    """A server is of the fleet by one of its addresses, its id, or its name."""
    ours = {address for host in fleet.hosts for address in (host.address, host.private_address) if address}
    ours |= {host.provider_id for host in fleet.hosts if host.provider == "hetzner_cloud" and host.provider_id}
    ours |= {host.name for host in fleet.hosts}
    for server in servers:
        private = (net.ip for net in server.private_net)
        if not ours & {server.ipv4, server.ipv6, str(server.id), server.name, *private}:
            what = f"the Cloud server {clean_name(server.name)} belongs to no server of fleet.toml"
            evidence = f"id {server.id}, {clean_name(server.server_type.name)}, {server.ipv4 or 'no IPv4'}"
            mend = f"add it to fleet.toml, or delete it {_DELETE}"
            yield Drift(FLEET, "warning", "unused_server", what, evidence, mend, str(server.id))


def record_drifts(books: Books, hosts: Collection[str]) -> Iterator[Drift]:
    """Yield which records of ours no app of these `hosts` has any more."""
    for each in books.strays(hosts).names:
        host, values = each.name.host, frozenset[str]().union(*(found.ours for found in each.present))
        evidence = f"{host} leads to {', '.join(sorted(values))}"
        if values - books.places.keys():
            what = f"{host}, which no app has, leads to an address of no server of the fleet: others may answer for it"
            yield Drift(FLEET, "high", "record_astray", what, evidence, "set_fleet_domain", host)
        else:
            what = f"{host} leads to the fleet, and no app has that name"
            yield Drift(FLEET, "warning", "record_without_app", what, evidence, "set_fleet_domain", host)
