"""Puts the suite's tools, resources and prompts in front of a server's own; the rest goes on to the server."""

from collections.abc import Mapping
from typing import Any, cast

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from tests.conformance import plain, reading, rounds
from tests.conformance.plain import NO_ARGUMENTS, Context
from tests.conformance.rounds import Round

INVALID_PARAMS = -32602


class Fixtures:
    """What the conformance suite expects to find beside the tools of the server under test."""

    def __init__(self) -> None:
        bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(bus)
        self._runs = plain.RUNS | plain.triggers(bus) | {"test_error_handling": plain.simple_text}
        self._watched: set[str] = set()
        self._own: dict[str, Any] = {}
        self._own_schema: Any = None

    def register(self, server: Server[Any]) -> None:
        """Replace the server's handlers by ours, which fall back to what was there."""
        ours: dict[str, tuple[type[BaseModel], Any]] = {
            "tools/list": (types.PaginatedRequestParams, self._list_tools),
            "tools/call": (types.CallToolRequestParams, self._call_tool),
            "resources/list": (types.PaginatedRequestParams, self._list_resources),
            "resources/templates/list": (types.PaginatedRequestParams, self._list_templates),
            "resources/read": (types.ReadResourceRequestParams, self._read),
            "resources/subscribe": (types.SubscribeRequestParams, self._subscribe),
            "resources/unsubscribe": (types.UnsubscribeRequestParams, self._unsubscribe),
            "prompts/list": (types.PaginatedRequestParams, self._list_prompts),
            "prompts/get": (types.GetPromptRequestParams, self._get_prompt),
            "completion/complete": (types.CompleteRequestParams, self._complete),
            "logging/setLevel": (types.SetLevelRequestParams, self._set_level),
            "subscriptions/listen": (types.SubscriptionsListenRequestParams, self._listen),
        }
        for method, (params, handler) in ours.items():
            entry = server.get_request_handler(method)
            self._own[method] = entry.handler if entry else None
            server.add_request_handler(method, params, handler)
        self._own_schema, server.get_tool_input_schema = server.get_tool_input_schema, self._input_schema

    def _schema(self, name: str) -> dict[str, Any]:
        return plain.SCHEMAS.get(name, NO_ARGUMENTS)

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        if name in self._runs or name in rounds.TURNS:
            return self._schema(name)
        return cast("Mapping[str, Any] | None", self._own_schema(name)) if self._own_schema else None

    async def _go_on(self, method: str, ctx: Context, params: BaseModel) -> Any:
        handler = self._own[method]
        return await handler(ctx, params) if handler else None

    async def _list_tools(self, ctx: Context, params: types.PaginatedRequestParams) -> types.ListToolsResult:
        own = await self._go_on("tools/list", ctx, params)
        added = [
            types.Tool(name=name, description=f"Conformance fixture {name}.", input_schema=self._schema(name))
            for name in (*self._runs, *rounds.TURNS)
        ]
        return types.ListToolsResult(tools=[*(own.tools if own else ()), *added])

    async def _call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        if params.name == "test_error_handling":
            words = plain.text("This tool intentionally returns an error for testing")
            return types.CallToolResult(content=words, is_error=True)
        if run := self._runs.get(params.name):
            return types.CallToolResult(content=await run(ctx, params.arguments or {}))
        if turn := rounds.TURNS.get(params.name):
            answer = await turn(ctx, Round(dict(params.input_responses or {}), params.request_state))
            return types.CallToolResult(content=answer) if isinstance(answer, list) else answer
        own = await self._go_on("tools/call", ctx, params)
        if own is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
        return own

    async def _list_resources(self, ctx: Context, params: types.PaginatedRequestParams) -> types.ListResourcesResult:
        own = await self._go_on("resources/list", ctx, params)
        return types.ListResourcesResult(resources=[*(own.resources if own else ()), *reading.RESOURCES])

    async def _list_templates(
        self, ctx: Context, params: types.PaginatedRequestParams
    ) -> types.ListResourceTemplatesResult:
        own = await self._go_on("resources/templates/list", ctx, params)
        templates = [*(own.resource_templates if own else ()), *reading.TEMPLATES]
        return types.ListResourceTemplatesResult(resource_templates=templates)

    async def _read(self, ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        found = reading.read(str(params.uri)) or await self._go_on("resources/read", ctx, params)
        if found is None:
            raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": str(params.uri)})
        return found

    async def _subscribe(self, _: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self._watched.add(str(params.uri))
        return types.EmptyResult()

    async def _unsubscribe(self, _: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self._watched.discard(str(params.uri))
        return types.EmptyResult()

    async def _list_prompts(self, ctx: Context, params: types.PaginatedRequestParams) -> types.ListPromptsResult:
        own = await self._go_on("prompts/list", ctx, params)
        return types.ListPromptsResult(prompts=[*(own.prompts if own else ()), *reading.PROMPTS])

    async def _get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> Any:
        if params.name == "test_input_required_result_prompt":
            return rounds.prompt(Round(dict(params.input_responses or {}), params.request_state))
        found = reading.get(params.name, params.arguments or {}) or await self._go_on("prompts/get", ctx, params)
        if found is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name}")
        return found

    async def _complete(self, _: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        values = [value for value in ("test1", "test2") if value.startswith(params.argument.value)]
        return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))

    async def _set_level(self, _: Context, __: types.SetLevelRequestParams) -> types.EmptyResult:
        return types.EmptyResult()
