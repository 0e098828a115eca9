"""Resources: fleet:// and operation://{id}, each the structured answer of the query that a tool also gives."""

import json
import re
from dataclasses import dataclass

from mcp import MCPError, types

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.server import answers
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.backend import Backend, Open
from ink_infra_mcp.server.catalogue import Catalogue

FLEET = "fleet://overview"
_OPERATION = re.compile(r"^operation://(op-[a-z0-9]{4,40})$")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reading:
    """Answers resources/list, templates and read."""

    catalogue: Catalogue
    open: Open

    async def list(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        """Return the fixed resources whose tool is shown."""
        fleet = types.Resource(
            uri=FLEET, name="fleet", title="Fleet", description="Servers, versions and headroom.", mime_type=_JSON
        )
        return types.ListResourcesResult(resources=[fleet] if "get_fleet" in self.catalogue.contracts else [])

    async def templates(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        """Return the template of an operation."""
        operation = types.ResourceTemplate(
            uri_template="operation://{id}",
            name="operation",
            title="Operation",
            description="Where an operation stands.",
            mime_type=_JSON,
        )
        shown = "get_operation" in self.catalogue.contracts
        return types.ListResourceTemplatesResult(resource_templates=[operation] if shown else [])

    async def read(self, _: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """Return a resource's contents.

        Raises:
            MCPError: there is no such resource, or it cannot be read now.
        """
        uri = str(params.uri)
        call = _call_for(uri)
        if call is None or call[0] not in self.catalogue.contracts:
            raise MCPError(code=types.INVALID_PARAMS, message="Resource not found", data={"uri": uri[:200]})
        result = await self._answer(*call)
        if result.is_error:
            words = "".join(part.text for part in result.content if isinstance(part, types.TextContent))
            raise MCPError(code=types.INVALID_PARAMS, message=words, data={"uri": uri})
        text = json.dumps(result.structured_content, ensure_ascii=False)
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)])

    async def _answer(self, name: str, arguments: dict[str, str]) -> types.CallToolResult:
        backend: Backend | None = None
        try:
            backend = await self.open()
            query = backend.queries[name]
            report = await query.observe(query.args.model_validate(arguments), backend.look)
            return answers.of_report(query, report, backend)
        except InkError as error:
            return answers.of_error(error, backend)


def _call_for(uri: str) -> tuple[str, dict[str, str]] | None:
    if uri == FLEET:
        return "get_fleet", {}
    match = _OPERATION.match(uri)
    return ("get_operation", {"operation": match[1]}) if match else None
