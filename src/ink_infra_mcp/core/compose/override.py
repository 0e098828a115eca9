"""Sets the image of one service in the text of a compose file, or takes it out, and leaves all else as it was."""

import json
import re
from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, NoReturn

from pydantic import JsonValue

from ink_infra_mcp.core.compose.reading import read_override
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject

if TYPE_CHECKING:
    from yaml import MappingNode, Node

MARK = "# set by ink-infra-mcp"
_BY_HAND = "Write the image of that service into it by hand, or take it out, then call again."
_BEHIND = re.compile(r":?\s*(?P<comment>#[^\n]*)?\s*")
_NO_SERVICES = f"services: {{}}  {MARK}\n"


def with_image(text: str, service: str, image: str) -> str:
    """Return the text with that image for the service; comments, order and every other value stay as they are.

    It is read again by the reader that stands for Docker Compose's: nothing but this one value differs.

    Raises:
        InputError: the file is no compose file, or written in a way in which that cannot be done to its text.
    """
    before = read_override(text) if text.strip() else {}
    wanted = _wanted(before, service, image)
    if wanted == before:
        return text
    after = _edited(text, service, json.dumps(image)) if text.strip() else _fresh(service, json.dumps(image))
    if read_override(after) != wanted:
        raise _unfit()
    return after


def without_image(text: str, service: str) -> str:
    """Return the text in which the service has no image; an empty one: nothing of anybody else is left in it.

    Keys that hold nothing any more go with it, and comments stay, also those on a line that goes. Where only comments
    are left the text says that there are no services, since Docker Compose takes no file without a key.

    Raises:
        InputError: the file is no compose file, or written in a way in which that cannot be done to its text.
    """
    before = read_override(text) if text.strip() else {}
    wanted = _rest(before, service)
    if wanted == before:
        return text
    after = _taken_out(text, service)
    if not wanted:
        return f"{after.rstrip()}\n{_NO_SERVICES}" if after.strip() else ""
    if read_override(after) != wanted:
        raise _unfit()
    return after


def _rest(before: JsonObject, service: str) -> JsonObject:
    """Return what is left without that image, and without the keys that would hold nothing."""
    services = _mapping(before.get("services", {}))
    own = _mapping(services.get(service, {}))
    if "image" not in own:
        return before
    return _with(before, "services", _with(services, service, _but(own, "image")))


def _with(before: JsonObject, key: str, value: JsonObject) -> JsonObject:
    return {**before, key: value} if value else _but(before, key)


def _but(values: JsonObject, key: str) -> JsonObject:
    return {name: value for name, value in values.items() if name != key}


def _taken_out(text: str, service: str) -> str:
    """Keys are taken out from the last one up, so that what was read of the earlier ones still holds."""
    parents: list[tuple[Node, bool]] = []
    node = _block(_node(text))
    for name in ("services", service):
        key, value = _entry(node, name) or _raise()
        node = _block(value)
        parents.insert(0, (key, len(node.value) == 1))
    key, image = _entry(node, "image") or _raise()
    text = _without_line(text, key.start_mark.index, image.end_mark.index)
    for key, _ in takewhile(itemgetter(1), parents):
        text = _without_line(text, key.start_mark.index, key.end_mark.index)
    return text


def _without_line(text: str, start: int, end: int) -> str:
    """Take out a line from its key at `start` to where it is said whole, `end`; another's comment behind it stays."""
    first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    last = len(text) if last < 0 else last + 1
    told = _BEHIND.fullmatch(text[end:last])
    if text[first:start].strip() or "\n" in text[start:end] or told is None:
        raise _unfit()
    return text[:first] + _kept(text[first:start], (told["comment"] or "").rstrip()) + text[last:]


def _kept(indent: str, comment: str) -> str:
    return "" if comment in ("", MARK) else f"{indent}{comment}\n"


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
    if text.rstrip().endswith(_NO_SERVICES.rstrip()) and not services.value:
        return f"{text.rstrip().removesuffix(_NO_SERVICES.rstrip())}{_fresh(service, image)}"
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
    found = _entry(node, key)
    return found[1] if found else None


def _entry(node: "MappingNode", key: str) -> "tuple[Node, Node] | None":
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _before_first(text: str, node: "MappingNode", *lines: str) -> str:
    at = node.value[0][0].start_mark
    return text[: at.index] + "".join(f"{line}\n{' ' * at.column}" for line in lines) + text[at.index :]


def _unfit() -> InputError:
    words = "The compose file is written in a way in which its image cannot be set or taken out."
    return InputError(words, next=_BY_HAND)


def _raise() -> NoReturn:
    raise _unfit()
