"""Sets the image of one service in the text of a compose file, and leaves everything else in it as it was written."""

import json
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject

if TYPE_CHECKING:
    from yaml import MappingNode, Node

MARK = "# set by ink-infra-mcp"
_BY_HAND = "Write the image of that service into it by hand, then call again."


def with_image(text: str, service: str, image: str) -> str:
    """Return the text with that image for the service; comments, order and every other value stay as they are.

    It is read again by the reader that stands for Docker Compose's: nothing but this one value differs.

    Raises:
        InputError: the file is no compose file, or written in a way in which that cannot be done to its text.
    """
    before = read_compose(text) if text.strip() else {}
    wanted = _wanted(before, service, image)
    if wanted == before:
        return text
    after = _edited(text, service, json.dumps(image)) if text.strip() else _fresh(service, json.dumps(image))
    if read_compose(after) != wanted:
        raise _unfit()
    return after


def _wanted(before: JsonObject, service: str, image: str) -> JsonObject:
    services = _mapping(before.get("services", {}))
    return {**before, "services": {**services, service: {**_mapping(services.get(service, {})), "image": image}}}


def _mapping(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise _unfit()
    return value


def _fresh(service: str, image: str) -> str:
    return f"services:\n  {service}:\n    image: {image}  {MARK}\n"


def _edited(text: str, service: str, image: str) -> str:
    top = _block(_node(text))
    if (services := _value(top, "services")) is None:
        return f"{text.rstrip()}\n{_fresh(service, image)}"
    if (own := _value(_block(services), service)) is None:
        return _before_first(text, _block(services), f"{service}:", f"  image: {image}  {MARK}")
    if (now := _value(_block(own), "image")) is None:
        return _before_first(text, _block(own), f"image: {image}  {MARK}")
    rest = text[now.end_mark.index :].partition("\n")[0]
    marked = image if rest.strip() else f"{image}  {MARK}"
    return text[: now.start_mark.index] + marked + text[now.end_mark.index :]


def _node(text: str) -> "Node | None":
    """PyYAML wants each anchor once in a file, which YAML itself does not."""
    import yaml

    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _unfit() from error


def _block(node: "Node | None") -> "MappingNode":
    import yaml

    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise _unfit()
    return node


def _value(node: "MappingNode", key: str) -> "Node | None":
    return next((value for name, value in node.value if name.value == key), None)


def _before_first(text: str, node: "MappingNode", *lines: str) -> str:
    at = node.value[0][0].start_mark
    return text[: at.index] + "".join(f"{line}\n{' ' * at.column}" for line in lines) + text[at.index :]


def _unfit() -> InputError:
    return InputError("The compose file is written in a way in which its image cannot be set.", next=_BY_HAND)
