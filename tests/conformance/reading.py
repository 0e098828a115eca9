"""The suite's resources and prompts."""

import json
import re

from mcp import types

from tests.conformance.plain import RED_DOT, embedded, image

RESOURCES = (
    types.Resource(
        uri="test://static-text", name="static_text", description="A text that never changes.", mime_type="text/plain"
    ),
    types.Resource(uri="test://static-binary", name="static_binary", description="A red dot.", mime_type="image/png"),
    types.Resource(
        uri="test://watched-resource", name="watched", description="A text to watch.", mime_type="text/plain"
    ),
)
TEMPLATES = (
    types.ResourceTemplate(
        uri_template="test://template/{id}/data",
        name="template",
        description="Data by id.",
        mime_type="application/json",
    ),
)
TEMPLATE = re.compile(r"test://template/(?P<id>[^/]+)/data")


def _argument(name: str, description: str) -> types.PromptArgument:
    return types.PromptArgument(name=name, description=description, required=True)


PROMPTS = (
    types.Prompt(name="test_simple_prompt", description="A prompt without arguments."),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="A prompt with two arguments.",
        arguments=[_argument("arg1", "First test argument"), _argument("arg2", "Second test argument")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="A prompt that holds a resource.",
        arguments=[_argument("resourceUri", "URI of the resource to embed")],
    ),
    types.Prompt(name="test_prompt_with_image", description="A prompt that holds a picture."),
    types.Prompt(name="test_input_required_result_prompt", description="A prompt that asks first."),
)


def read(uri: str) -> types.ReadResourceResult | None:
    """Return what is at the address, or None when it is none of the suite's."""
    if uri == "test://static-binary":
        blob = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=RED_DOT)
        return types.ReadResourceResult(contents=[blob])
    if uri == "test://static-text":
        return _text(uri, "text/plain", "This is the content of the static text resource.")
    if uri == "test://watched-resource":
        return _text(uri, "text/plain", "This is the content of the watched resource.")
    if found := TEMPLATE.fullmatch(uri):
        data = {"id": found["id"], "templateTest": True, "data": f"Data for ID: {found['id']}"}
        return _text(uri, "application/json", json.dumps(data))
    return None


def get(name: str, arguments: dict[str, str]) -> types.GetPromptResult | None:
    """Return a prompt, or None when it is none of the suite's plain ones."""
    match name:
        case "test_simple_prompt":
            return _prompt(types.TextContent(text="This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            words = f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'"
            return _prompt(types.TextContent(text=words))
        case "test_prompt_with_embedded_resource":
            resource = embedded(arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")
            return _prompt(resource, types.TextContent(text="Please process the embedded resource above."))
        case "test_prompt_with_image":
            return _prompt(image(), types.TextContent(text="Please analyze the image above."))
        case _:
            return None


def _text(uri: str, mime_type: str, words: str) -> types.ReadResourceResult:
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=words)])


def _prompt(*content: types.ContentBlock) -> types.GetPromptResult:
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in content])
