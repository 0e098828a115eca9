"""Resources: the fleet, an app, a server, an operation, each an answer of a tool or a part of one; and the skills."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from mcp import MCPError, types

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.server import answers, cards
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.backend import Backend, Open
from ink_infra_mcp.server.catalogue import Catalogue
from ink_infra_mcp.server.skills import Skills

FLEET = "fleet://overview"
_OPERATION = re.compile(r"operation://(op-[a-z0-9]{4,40})")
_NAMED = re.compile(r"(?P<kind>app|server)://(?P<name>[^/?#\s]{1,300})")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a tool that answers for a resource; of the fleet's answer perhaps the part of one server."""

    tool: str
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    server: str = ""

    def part_of(self, data: dict[str, Any], uri: str) -> dict[str, Any]:
        """Return what the resource holds; raises MCPError where the fleet has no such server."""
        if not self.server:
            return data
        wanted = self.server.strip().lower()
        found = [line for line in data.get("servers", ()) if line["name"].lower() == wanted]
        if not found:
            raise _not_found(uri)
        return found[0]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a resource is of: the fleet, or an app, server or operation by its name in small letters."""

    kind: str
    name: str = ""

    @property
    def tool(self) -> str:
        """Return the tool that the resource is read with: hidden there, it is hidden here."""
        return _READ_BY[self.kind]


FLEET_SUBJECT = Subject("fleet")
_READ_BY = {"fleet": "get_fleet", "server": "get_fleet", "app": "get_app", "operation": "get_operation"}


def subject_of(uri: str) -> Subject | None:
    """Return what a resource of that address would be of, None where no resource has such an address."""
    if uri == FLEET:
        return FLEET_SUBJECT
    if match := _OPERATION.fullmatch(uri):
        return Subject("operation", match[1])
    match = _NAMED.fullmatch(uri)
    name = unquote(match["name"]).strip().lower() if match else ""
    return Subject(match["kind"], name) if match and name else None


@dataclass(frozen=True, slots=True)
class Reading:
    """Answers resources/list, templates and read."""

    catalogue: Catalogue
    open: Open
    skills: Skills

    async def list(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        """Return the fixed resources whose tool is shown, and the skills."""
        fleet = types.Resource(
            uri=FLEET, name="fleet", title="Fleet", description="Servers, versions and headroom.", mime_type=_JSON
        )
        shown = [fleet] if "get_fleet" in self.catalogue.contracts else []
        return types.ListResourcesResult(resources=[*shown, *self.skills.resources()])

    async def templates(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        """Return the templates of an app, a server and an operation, whose names can be completed."""
        shown = [template for tool, template in _TEMPLATES if tool in self.catalogue.contracts]
        return types.ListResourceTemplatesResult(resource_templates=shown)

    async def read(self, _: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """Return a resource's contents.

        Raises:
            MCPError: there is no such resource, or it cannot be read now.
        """
        uri = str(params.uri)
        if (skill := self.skills.read(uri)) is not None:
            return skill
        if self._is_card(uri):
            return types.ReadResourceResult(contents=[_card(uri)])
        call = _call_for(uri)
        if call is None or call.tool not in self.catalogue.contracts:
            raise _not_found(uri)
        result = await self._answer(call.tool, call.arguments)
        if result.is_error:
            words = "".join(part.text for part in result.content if isinstance(part, types.TextContent))
            raise MCPError(code=types.INVALID_PARAMS, message=words, data={"uri": uri})
        text = json.dumps(call.part_of(result.structured_content or {}, uri), ensure_ascii=False)
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)])

    def _is_card(self, uri: str) -> bool:
        """A card is there as long as a tool that names it is shown."""
        return any(
            uri == contract["_meta"].get("ui", {}).get("resourceUri") for contract in self.catalogue.contracts.values()
        )

    async def _answer(self, name: str, arguments: dict[str, str]) -> types.CallToolResult:
        backend: Backend | None = None
        try:
            backend = await self.open()
            query = backend.queries[name]
            report = await query.observe(query.args.model_validate(arguments), backend.look)
            return answers.of_report(query, report, backend)
        except InkError as error:
            return answers.of_error(error, backend)


def _card(uri: str) -> types.TextResourceContents:
    return types.TextResourceContents(uri=uri, mime_type=cards.MIME, text=cards.document(uri), _meta=dict(cards.META))


def _not_found(uri: str) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message="Resource not found", data={"uri": uri[:200]})


def _call_for(uri: str) -> _Call | None:
    if uri == FLEET:
        return _Call("get_fleet")
    if match := _OPERATION.fullmatch(uri):
        return _Call("get_operation", {"operation": match[1]})
    return _call_for_name(uri)


def _call_for_name(uri: str) -> _Call | None:
    match = _NAMED.fullmatch(uri)
    if match is None or not (name := unquote(match["name"])).strip():
        return None
    return _Call("get_app", {"app": name}) if match["kind"] == "app" else _Call("get_fleet", server=name)


def _template(kind: str, name: str, title: str, description: str) -> types.ResourceTemplate:
    return types.ResourceTemplate(
        uri_template=f"{kind}://{{{name}}}", name=kind, title=title, description=description, mime_type=_JSON
    )


_TEMPLATES = (
    ("get_app", _template("app", "app", "App", "What runs, where, and its last deployments.")),
    ("get_fleet", _template("server", "server", "Server", "A server's state and headroom.")),
    ("get_operation", _template("operation", "id", "Operation", "Where an operation stands.")),
)
"""By the tool that each is read with."""
