"""Runs in the environment of the converters: lists a server's tools over stdio and prints what each makes of them.

One JSON document: `{converter: {tool: {"description": ..., "schema": ...} or {"error": ...}}}`.
"""

import asyncio
import copy
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Said = dict[str, Any]
Convert = Callable[[Any], Said]


def of(module: str, name: str) -> Any:
    """Return what a package of this environment calls by that name."""
    return getattr(importlib.import_module(module), name)


def google(tool: Any) -> Said:
    """Google's own reading of an MCP tool."""
    [declared] = of("google.genai._mcp_utils", "mcp_to_gemini_tool")(tool).function_declarations
    return _declared(declared)


def openai(tool: Any) -> Said:
    """OpenAI's Agents SDK as it comes; it wants a server beside the tool, of which it takes the name."""
    server = of("agents.mcp", "MCPServerStdio")(params={"command": "never-started"})
    made = of("agents.mcp", "MCPUtil").to_function_tool(tool, server, convert_schemas_to_strict=False)
    return {"description": made.description, "schema": made.params_json_schema}


def openai_strict(tool: Any) -> Said:
    """OpenAI's strict schemas; where the Agents SDK would fall back to a loose one, this raises."""
    return {
        "description": tool.description,
        "schema": of("agents.strict_schema", "ensure_strict_json_schema")(copy.deepcopy(tool.inputSchema)),
    }


def langchain(tool: Any, *, strict: bool | None = None) -> Said:
    """LangChain, for models with OpenAI's interface."""
    convert = of("langchain_core.utils.function_calling", "convert_to_openai_tool")
    made = convert(_langchain_tool(tool), strict=strict)["function"]
    return {"description": made["description"], "schema": made["parameters"]}


def langchain_strict(tool: Any) -> Said:
    """LangChain, for OpenAI's strict schemas."""
    return langchain(tool, strict=True)


def langchain_google(tool: Any) -> Said:
    """LangChain, for Google's models."""
    convert = of("langchain_google_genai._function_utils", "_format_to_genai_function_declaration")
    return _declared(convert(_langchain_tool(tool)))


def pydantic_ai(transformer: tuple[str, str], *, strict: bool | None = None) -> Convert:
    """Pydantic AI, for one provider's models."""

    def convert(tool: Any) -> Said:
        schema = copy.deepcopy(tool.inputSchema)
        made = of("pydantic_ai", "ToolDefinition")(
            name=tool.name, description=tool.description, parameters_json_schema=schema
        )
        walked = of(*transformer)(made.parameters_json_schema, strict=strict).walk()
        return {"description": made.description, "schema": walked}

    return convert


def anthropic(tool: Any) -> Said:
    """Anthropic's reading of an MCP tool."""
    made = of("anthropic.lib.tools.mcp", "async_mcp_tool")(tool, None).to_dict()
    return {"description": made["description"], "schema": made["input_schema"]}


def anthropic_strict(tool: Any) -> Said:
    """Anthropic's strict schemas."""
    return {
        "description": tool.description,
        "schema": of("anthropic", "transform_schema")(copy.deepcopy(tool.inputSchema)),
    }


def _langchain_tool(tool: Any) -> Any:
    convert = of("langchain_mcp_adapters.tools", "convert_mcp_tool_to_langchain_tool")
    return convert(None, tool, connection={"transport": "stdio", "command": "never-started", "args": []})


def _declared(declared: Any) -> Said:
    schema = declared.parameters.model_dump(mode="json", exclude_none=True, by_alias=True)
    return {"description": declared.description, "schema": schema}


OPENAI = ("pydantic_ai.profiles.openai", "OpenAIJsonSchemaTransformer")
CONVERTERS: dict[str, Convert] = {
    "google-genai": google,
    "openai": openai,
    "openai, strict": openai_strict,
    "langchain": langchain,
    "langchain, strict": langchain_strict,
    "langchain for google": langchain_google,
    "pydantic-ai for openai": pydantic_ai(OPENAI),
    "pydantic-ai for openai, strict": pydantic_ai(OPENAI, strict=True),
    "pydantic-ai for google": pydantic_ai(("pydantic_ai.profiles.google", "GoogleJsonSchemaTransformer")),
    "pydantic-ai for google, live": pydantic_ai(("pydantic_ai.profiles.google", "GoogleOpenAPISchemaTransformer")),
    "pydantic-ai for anthropic": pydantic_ai(("pydantic_ai.providers.anthropic", "AnthropicJsonSchemaTransformer")),
    "anthropic": anthropic,
    "anthropic, strict": anthropic_strict,
}


def tried(convert: Convert, tool: Any) -> Said:
    """Return what came of it; what a converter raises is its answer."""
    try:
        return convert(tool.model_copy(deep=True))
    except Exception as error:  # noqa: BLE001 - each package raises what it likes, and that is what is asked for
        return {"error": f"{type(error).__name__}: {error}"[:400]}


async def tools_of(command: list[str]) -> list[Any]:
    """Return the tools of the server that `command` starts, as the SDK that these packages use read them."""
    parameters = of("mcp", "StdioServerParameters")(command=command[0], args=command[1:], env=dict(os.environ))
    async with (
        of("mcp.client.stdio", "stdio_client")(parameters) as streams,
        of("mcp", "ClientSession")(*streams) as session,
    ):
        await session.initialize()
        return (await session.list_tools()).tools


if __name__ == "__main__":
    found = asyncio.run(tools_of(sys.argv[1:]))
    print(json.dumps({name: {t.name: tried(way, t) for t in found} for name, way in CONVERTERS.items()}))  # noqa: T201
