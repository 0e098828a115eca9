"""Robot's form bodies: nested fields flattened as PHP reads them, and the check that no form locks a server out."""

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.clients.http import Form

_ACTION = re.compile(r"rules\[(?P<way>input|output)\]\[\d+\]\[action\]")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def form_fields(body: Mapping[str, JsonValue]) -> Form:
    """Return `body` as form fields: `{"rules": {"input": [{"name": "x"}]}}` is `rules[input][0][name]=x`.

    Booleans are true and false, and what is None is left out (Robot documentation). No HTTP library does this: they
    write a nested value as one text, which Robot takes as no rules at all.

    Raises:
        ValueError: a name that would read as something else.
    """
    return tuple(pair for name, value in body.items() for pair in _flat(_checked(name), value))


def _flat(name: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case dict():
            for key, part in value.items():
                yield from _flat(f"{name}[{_checked(key)}]", part)
        case list():
            for index, part in enumerate(value):
                yield from _flat(f"{name}[{index}]", part)
        case bool():
            yield name, "true" if value else "false"
        case _:
            yield name, str(value)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a form field")
    return name


def refuse_lockout(form: Form) -> None:
    """Let a form pass that leaves an active firewall something to let out, and something to let in.

    Robot discards what no rule accepts, in both directions, and a form without rules for a direction has none there.
    This looks at the very fields that go over the wire, whatever made them.

    Raises:
        ValueError: it would cut the server off.
    """
    if ("status", "active") not in form:
        return
    accepted = {match["way"] for name, value in form if value == "accept" and (match := _ACTION.fullmatch(name))}
    for way, words in (("output", "leave"), ("input", "reach")):
        if way not in accepted:
            raise ValueError(f"no {way} rule accepts anything, so nothing could {words} the server")
