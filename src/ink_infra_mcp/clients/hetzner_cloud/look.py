"""Reading a Hetzner Cloud project: servers, what they cost, firewalls, DNS zones, actions."""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, JsonValue, ValidationError

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_cloud.firewalls import Firewall
from ink_infra_mcp.clients.hetzner_cloud.models import Action, Meta, Pricing, RRset, Server, ServerType, Zone
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import BadAnswer, NotFound
from ink_infra_mcp.core.shapes import table

BASE_URL = "https://api.hetzner.cloud/v1"
READS = Reads(
    "/servers?name&page&per_page",
    "/servers/{number}",
    "/firewalls?name&label_selector&page&per_page",
    "/firewalls/{number}",
    "/firewalls/{number}/actions?status&page&per_page",
    "/server_types?page&per_page",
    "/pricing",
    "/zones?page&per_page",
    "/zones/{word}/rrsets/{word}/{word}",
    "/actions?id&per_page",
    "/actions/{number}",
)
"""No GET of this API changes anything (documentation); listed is what we ask."""
PER_PAGE = 50
MAX_PAGES = 200
ACTIONS_EACH = 25
Model = TypeVar("Model", bound=BaseModel)


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
                return parsed(answer, "server", Server)
        answer = await self._http.get("/servers", {"name": key})
        found = listed(answer, "servers", Server)
        return found[0] if found else None

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
                return parsed(answer, "firewall", Firewall)
        found = listed(await self._http.get("/firewalls", {"name": key}), "firewalls", Firewall)
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
                every[at.id] = parsed(await self._http.get(f"/firewalls/{at.id}"), "firewall", Firewall)
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
        return parsed(await self._http.get("/pricing"), "pricing", Pricing)

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
        return None if answer is None else parsed(answer, "rrset", RRset)

    async def action(self, id: int) -> Action:
        """Return one action."""
        return parsed(await self._http.get(f"/actions/{id}"), "action", Action)

    async def actions(self, ids: Sequence[int]) -> tuple[Action, ...]:
        """Return these actions in the order asked for, 25 for each request.

        Raises:
            BadAnswer: Hetzner left one out.
        """
        found: dict[int, Action] = {}
        for start in range(0, len(ids), ACTIONS_EACH):
            batch = ids[start : start + ACTIONS_EACH]
            query = urlencode({"id": batch, "per_page": PER_PAGE}, doseq=True)
            answer = await self._http.get(f"/actions?{query}")
            found.update({action.id: action for action in listed(answer, "actions", Action)})
            missing = set(batch) - set(found)
            if missing:
                raise _bad(answer, f"action {min(missing)} is missing")
        return tuple(found[id_] for id_ in ids)

    async def _all(
        self, path: str, key: str, model: type[Model], query: Mapping[str, str] | None = None
    ) -> tuple[Model, ...]:
        """Follow the pages; a page that does not come after the last one would never end."""
        items: list[Model] = []
        page = 1
        while True:
            answer = await self._http.get(path, {**(query or {}), "page": page, "per_page": PER_PAGE})
            items.extend(listed(answer, key, model))
            following = parsed(answer, "meta", Meta).pagination.next_page
            if following is None:
                return tuple(items)
            if following <= page or following > MAX_PAGES:
                raise _bad(answer, f"page {following} follows page {page}")
            page = following

    async def _get_or_none(self, path: str) -> Answer | None:
        try:
            return await self._http.get(path)
        except NotFound:
            return None


def rrset_path(zone: str, name: str, type: str) -> str:
    """Return the path of a record set; `@` and `*` stand in it as they are."""
    return f"/zones/{quote(zone, safe='')}/rrsets/{quote(name, safe='@*')}/{quote(type, safe='')}"


def parsed(answer: Answer, key: str, model: type[Model]) -> Model:
    """Return the part `key` of an answer.

    Raises:
        BadAnswer: it is missing or of another shape.
    """
    return _model(answer, _part(answer, key), model)


def listed(answer: Answer, key: str, model: type[Model]) -> tuple[Model, ...]:
    """Return the list `key` of an answer.

    Raises:
        BadAnswer: it is missing or of another shape.
    """
    part = _part(answer, key)
    if not isinstance(part, list):
        raise _bad(answer, f"{key} is not a list")
    return tuple(_model(answer, item, model) for item in part)


def _part(answer: Answer, key: str) -> JsonValue:
    body = table(answer.json)
    if key not in body:
        raise _bad(answer, f"{key} is missing")
    return body[key]


def _model(answer: Answer, value: JsonValue, model: type[Model]) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise _bad(answer, f"{model.__name__}.{where} is of another shape") from error


def _bad(answer: Answer, why: str) -> BadAnswer:
    return BadAnswer(
        f"Hetzner Cloud answered {answer.method} {answer.path} with something else than documented: {why}.",
        service="hetzner_cloud",
        status=answer.status,
        done="Nothing was changed." if answer.only_read else "The change was accepted.",
        next="Update ink-infra-mcp; if that does not help, report it.",
        request_id=answer.headers.get("x-correlation-id"),
    )
