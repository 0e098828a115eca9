"""Reading a Hetzner Cloud project: servers, what they cost, firewalls, DNS zones, actions."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from ink_infra_mcp.clients.answers import Answer, Model
from ink_infra_mcp.clients.envelope import Envelope
from ink_infra_mcp.clients.hetzner_cloud.firewalls import Firewall
from ink_infra_mcp.clients.hetzner_cloud.models import Action, Pricing, RRset, Server, ServerType, Zone
from ink_infra_mcp.clients.hetzner_cloud.resources import (
    FloatingIp,
    LoadBalancer,
    Network,
    PlacementGroup,
    PrimaryIp,
    Snapshot,
    SshKey,
    Volume,
)
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import NotFound

BASE_URL = "https://api.hetzner.cloud/v1"
READS = Reads(
    "/servers?name&page&per_page",
    "/servers/{number}",
    "/servers/{number}/actions?page&per_page",
    "/ssh_keys?fingerprint&name&page&per_page",
    "/placement_groups?name&page&per_page",
    "/networks?page&per_page",
    "/volumes?page&per_page",
    "/primary_ips?page&per_page",
    "/floating_ips?page&per_page",
    "/load_balancers?page&per_page",
    "/images?type&page&per_page",
    "/firewalls?name&label_selector&page&per_page",
    "/firewalls/{number}",
    "/firewalls/{number}/actions?status&page&per_page",
    "/server_types?page&per_page",
    "/pricing",
    "/volumes?page&per_page",
    "/primary_ips?page&per_page",
    "/zones?page&per_page",
    "/zones/{word}/rrsets/{word}/{word}",
    "/actions?id",
    "/actions/{number}",
)
"""No GET of this API changes anything (documentation); listed is what we ask."""
ENVELOPE = Envelope("Hetzner Cloud")
ACTIONS_EACH = 25


class HetznerCloudLook:
    """The read side of one Cloud project. Every method raises `VendorError` when Hetzner does not answer well."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def servers(self) -> tuple[Server, ...]:
        """Return all servers of the project."""
        return await self._all("/servers", "servers", Server)

    async def server(self, id_or_name: int | str) -> Server | None:
        """Return the server with that id, or else with exactly that name, or None."""
        key = str(id_or_name)
        if key.isdigit():
            answer = await self._get_or_none(f"/servers/{key}")
            if answer is not None:
                return ENVELOPE.parsed(answer, "server", Server)
        answer = await self._http.get("/servers", {"name": key})
        found = ENVELOPE.listed(answer, "servers", Server)
        return found[0] if found else None

    async def server_named(self, name: str) -> Server | None:
        """Return the server with exactly that name, or None; names are unique in a project."""
        found = ENVELOPE.listed(await self._http.get("/servers", {"name": name}), "servers", Server)
        return next((server for server in found if server.name == name), None)

    async def server_actions(self, id: int) -> tuple[Action, ...]:
        """Return all that was ever begun on a server and is remembered.

        Raises:
            NotFound: the server is gone.
        """
        return await self._all(f"/servers/{id}/actions", "actions", Action)

    async def ssh_keys(self, *, fingerprint: str = "", name: str = "") -> tuple[SshKey, ...]:
        """Return the keys of the project, or those with that fingerprint (MD5 with colons) or name."""
        query = {key: value for key, value in (("fingerprint", fingerprint), ("name", name)) if value}
        return await self._all("/ssh_keys", "ssh_keys", SshKey, query)

    async def placement_groups(self, *, name: str = "") -> tuple[PlacementGroup, ...]:
        """Return the placement groups of the project, or the one of that name."""
        return await self._all("/placement_groups", "placement_groups", PlacementGroup, {"name": name} if name else {})

    async def networks(self) -> tuple[Network, ...]:
        """Return the private networks of the project."""
        return await self._all("/networks", "networks", Network)

    async def volumes(self) -> tuple[Volume, ...]:
        """Return the volumes of the project."""
        return await self._all("/volumes", "volumes", Volume)

    async def primary_ips(self) -> tuple[PrimaryIp, ...]:
        """Return the Primary IPs of the project, those that came with servers too."""
        return await self._all("/primary_ips", "primary_ips", PrimaryIp)

    async def floating_ips(self) -> tuple[FloatingIp, ...]:
        """Return the Floating IPs of the project."""
        return await self._all("/floating_ips", "floating_ips", FloatingIp)

    async def load_balancers(self) -> tuple[LoadBalancer, ...]:
        """Return the load balancers of the project."""
        return await self._all("/load_balancers", "load_balancers", LoadBalancer)

    async def snapshots(self) -> tuple[Snapshot, ...]:
        """Return the snapshots of the project; backups are paid for with their server."""
        return await self._all("/images", "images", Snapshot, {"type": "snapshot"})

    async def firewalls(self, *, label_selector: str = "") -> tuple[Firewall, ...]:
        """Return all firewalls of the project, or those whose own labels match."""
        return await self._all(
            "/firewalls", "firewalls", Firewall, {"label_selector": label_selector} if label_selector else {}
        )

    async def firewall(self, id_or_name: int | str) -> Firewall | None:
        """Return the firewall with that id, or else with exactly that name, or None."""
        key = str(id_or_name)
        if key.isdigit():
            answer = await self._get_or_none(f"/firewalls/{key}")
            if answer is not None:
                return ENVELOPE.parsed(answer, "firewall", Firewall)
        found = ENVELOPE.listed(await self._http.get("/firewalls", {"name": key}), "firewalls", Firewall)
        return found[0] if found else None

    async def firewalls_of(self, server: Server) -> tuple[Firewall, ...]:
        """Return the firewalls at a server, in the order of `server.public_net.firewalls`, which has their states.

        Raises:
            NotFound: one of them is gone since the server was read.
        """
        if not server.public_net.firewalls:
            return ()
        every = {firewall.id: firewall for firewall in await self.firewalls()}
        for at in server.public_net.firewalls:
            if at.id not in every:
                # made between the two requests
                every[at.id] = ENVELOPE.parsed(await self._http.get(f"/firewalls/{at.id}"), "firewall", Firewall)
        return tuple(every[at.id] for at in server.public_net.firewalls)

    async def running_on_firewall(self, id: int) -> tuple[Action, ...]:
        """Return the actions that run on a firewall: until they have ended, it is locked.

        Raises:
            NotFound: the firewall is gone.
        """
        return await self._all(f"/firewalls/{id}/actions", "actions", Action, {"status": "running"})

    async def server_types(self) -> tuple[ServerType, ...]:
        """Return the catalogue of server types, with prices and availability by location."""
        return await self._all("/server_types", "server_types", ServerType)

    async def pricing(self) -> Pricing:
        """Return the prices of volumes, addresses and backups."""
        return ENVELOPE.parsed(await self._http.get("/pricing"), "pricing", Pricing)

    async def zones(self) -> tuple[Zone, ...]:
        """Return all DNS zones of the project."""
        return await self._all("/zones", "zones", Zone)

    async def zone_for(self, domain: str) -> Zone | None:
        """Return the zone of this project that `domain` is in, the closest one, or None."""
        bare = domain.lower().rstrip(".")
        holding = [zone for zone in await self.zones() if bare == zone.name or bare.endswith(f".{zone.name}")]
        return max(holding, key=lambda zone: len(zone.name), default=None)

    async def rrset(self, zone: str, name: str, type: str) -> RRset | None:
        """Return the record set of a relative `name` (`@`, `*.s1`), or None when it or the zone is not there."""
        answer = await self._get_or_none(rrset_path(zone, name, type))
        return None if answer is None else ENVELOPE.parsed(answer, "rrset", RRset)

    async def action(self, id: int) -> Action:
        """Return one action."""
        return ENVELOPE.parsed(await self._http.get(f"/actions/{id}"), "action", Action)

    async def actions(self, ids: Sequence[int]) -> tuple[Action, ...]:
        """Return these actions in the order asked for, 25 for each request.

        It takes nothing but ids (API description), and 25 is the size of Hetzner's lists where none is given.

        Raises:
            BadAnswer: Hetzner left one out.
        """
        found: dict[int, Action] = {}
        for start in range(0, len(ids), ACTIONS_EACH):
            batch = ids[start : start + ACTIONS_EACH]
            query = urlencode({"id": batch}, doseq=True)
            answer = await self._http.get(f"/actions?{query}")
            found.update({action.id: action for action in ENVELOPE.listed(answer, "actions", Action)})
            missing = set(batch) - set(found)
            if missing:
                raise ENVELOPE.undocumented(answer, f"action {min(missing)} is missing")
        return tuple(found[id_] for id_ in ids)

    async def _all(
        self, path: str, key: str, model: type[Model], query: Mapping[str, str] | None = None
    ) -> tuple[Model, ...]:
        return await ENVELOPE.pages(self._http, path, key, model, query)

    async def _get_or_none(self, path: str) -> Answer | None:
        try:
            return await self._http.get(path)
        except NotFound:
            return None


def rrset_path(zone: str, name: str, type: str) -> str:
    """Return the path of a record set; `@` and `*` stand in it as they are."""
    return f"/zones/{quote(zone, safe='')}/rrsets/{quote(name, safe='@*')}/{quote(type, safe='')}"
