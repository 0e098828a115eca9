"""The suite's tools that answer in one call: content kinds, progress, log, errors, and questions in mid-call."""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import PromptsListChanged, SubscriptionBus, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

Context = ServerRequestContext[Any, Any]
Arguments = dict[str, Any]
Content = list[types.ContentBlock]
Run = Callable[[Context, Arguments], Awaitable[Content]]

MISSING_CAPABILITY = -32021
RED_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
DIALECT = "https://json-schema.org/draft/2020-12/schema"
NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}


def text(words: str) -> Content:
    """Return content of one text block."""
    return [types.TextContent(text=words)]


def image() -> types.ImageContent:
    """Return a picture of one red dot."""
    return types.ImageContent(data=RED_DOT, mime_type="image/png")


def embedded(uri: str, mime_type: str, words: str) -> types.EmbeddedResource:
    """Return a text resource inside content."""
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=words))


def one_text(name: str) -> dict[str, Any]:
    """Return an input schema with one required string."""
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


async def simple_text(_: Context, __: Arguments) -> Content:
    """Answer with one text block."""
    return text("This is a simple text response for testing.")


async def image_content(_: Context, __: Arguments) -> Content:
    """Answer with a picture."""
    return [image()]


async def audio_content(_: Context, __: Arguments) -> Content:
    """Answer with a sound."""
    return [types.AudioContent(data=SILENCE, mime_type="audio/wav")]


async def embedded_resource(_: Context, __: Arguments) -> Content:
    """Answer with a resource."""
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


async def mixed_content(_: Context, __: Arguments) -> Content:
    """Answer with a text, a picture and a resource."""
    resource = embedded("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}')
    return [*text("Multiple content types test:"), image(), resource]


async def with_logging(ctx: Context, _: Arguments) -> Content:
    """Send three log lines, to clients of the protocols that have them without being asked."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            params = types.LoggingMessageNotificationParams(level="info", data=line)
            await ctx.session.send_notification(types.LoggingMessageNotification(params=params), ctx.request_id)
    return text("Tool with logging executed successfully")


async def with_progress(ctx: Context, _: Arguments) -> Content:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
    return text("Tool with progress executed successfully")


async def sampling(ctx: Context, arguments: Arguments) -> Content:
    """Ask the client's model in mid-call."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=arguments["prompt"]))
    request = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=100))
    answer = await ctx.session.send_request(
        request, types.CreateMessageResult, metadata=ServerMessageMetadata(related_request_id=ctx.request_id)
    )
    words = answer.content.text if isinstance(answer.content, types.TextContent) else answer.content.type
    return text(f"LLM response: {words}")


async def _elicit(ctx: Context, message: str, properties: dict[str, Any], required: list[str]) -> types.ElicitResult:
    schema = {"type": "object", "properties": properties, "required": required}
    return await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)


async def elicitation(ctx: Context, arguments: Arguments) -> Content:
    """Ask the person in mid-call."""
    properties = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    answer = await _elicit(ctx, arguments["message"], properties, ["username", "email"])
    return text(f"User response: action={answer.action}, content={answer.content}")


async def elicitation_defaults(ctx: Context, _: Arguments) -> Content:
    """Ask the person with a default for each primitive type."""
    properties: dict[str, Any] = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    answer = await _elicit(ctx, "Please review these values", properties, [])
    return text(f"Elicitation completed: action={answer.action}, content={answer.content}")


def _titled(*titles: str) -> list[dict[str, str]]:
    return [{"const": f"value{number}", "title": title} for number, title in enumerate(titles, 1)]


async def elicitation_enums(ctx: Context, _: Arguments) -> Content:
    """Ask the person with each way of writing an enumeration."""
    plain = ["option1", "option2", "option3"]
    properties: dict[str, Any] = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": _titled("First Option", "Second Option", "Third Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": _titled("First Choice", "Second Choice", "Third Choice")}},
    }
    answer = await _elicit(ctx, "Please choose", properties, [])
    return text(f"Elicitation completed: action={answer.action}, content={answer.content}")


async def reconnection(ctx: Context, _: Arguments) -> Content:
    """Close the stream in mid-call; the answer waits for the client to come back."""
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    return text("Reconnection test completed successfully")


async def missing_capability(ctx: Context, _: Arguments) -> Content:
    """Refuse clients that cannot sample.

    Raises:
        MCPError: the client did not declare sampling.
    """
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_CAPABILITY, "This tool needs the client's sampling capability.", needed)
    return text("The client declared sampling.")


async def region(_: Context, arguments: Arguments) -> Content:
    """Answer with an argument that a gateway sees as a header."""
    return text(f"region={arguments.get('region')}")


async def accept_anything(_: Context, arguments: Arguments) -> Content:
    """Answer with the names of the arguments."""
    return text(f"arguments: {sorted(arguments)}")


def triggers(bus: SubscriptionBus) -> dict[str, Run]:
    """Return the tools that announce a changed list to whoever listens on the bus."""

    async def tools_changed(_: Context, __: Arguments) -> Content:
        await bus.publish(ToolsListChanged())
        return text("The list of tools was announced as changed.")

    async def prompts_changed(_: Context, __: Arguments) -> Content:
        await bus.publish(PromptsListChanged())
        return text("The list of prompts was announced as changed.")

    return {"test_trigger_tool_change": tools_changed, "test_trigger_prompt_change": prompts_changed}


RUNS: dict[str, Run] = {
    "test_simple_text": simple_text,
    "test_image_content": image_content,
    "test_audio_content": audio_content,
    "test_embedded_resource": embedded_resource,
    "test_multiple_content_types": mixed_content,
    "test_tool_with_logging": with_logging,
    "test_logging_tool": with_logging,
    "test_tool_with_progress": with_progress,
    "test_sampling": sampling,
    "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": elicitation_defaults,
    "test_elicitation_sep1330_enums": elicitation_enums,
    "test_reconnection": reconnection,
    "test_missing_capability": missing_capability,
    "test_x_mcp_header": region,
    "json_schema_2020_12_tool": accept_anything,
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "test_sampling": one_text("prompt"),
    "test_elicitation": one_text("message"),
    "test_x_mcp_header": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
    "json_schema_2020_12_tool": {
        "$schema": DIALECT,
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
}
