"""Cards: pages that a host of MCP Apps (revision 2026-01-26 of its specification) shows beside the answer of a tool.

Each is one document with all that it needs. It shows what the answer has, and calls no tool but get_fleet and
get_operation and, once a person presses its button, the very call again that it belongs to. It can approve nothing:
what a card may call, some hosts let a model call, too. Who has no such host reads the same in the answer's text.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

MIME = "text/html;profile=mcp-app"
FLEET = "ui://ink-infra/fleet"
PLAN = "ui://ink-infra/plan"
OPERATION = "ui://ink-infra/operation"
_PLACE = re.compile(r"\{\{([a-z]+)\}\}")
META: Mapping[str, object] = {"ui": {"prefersBorder": True}}
"""No domain is declared, so that a host allows none: its default (specification, "Host Behavior")."""
_UNDER = "The answer of the tool stands in the conversation; this card shows it once its host passes it on."


@dataclass(frozen=True, slots=True)
class _Card:
    title: str
    scripts: tuple[str, ...]


_CARDS: Mapping[str, _Card] = {
    FLEET: _Card("Fleet", ("host.js", "words.js", "fleet.js")),
    PLAN: _Card("Plan", ("host.js", "words.js", "operation.js", "plan_card.js")),
    OPERATION: _Card("Operation", ("host.js", "words.js", "operation.js", "operation_card.js")),
}
_OF_QUERIES: Mapping[str, str] = {"get_fleet": FLEET, "get_operation": OPERATION}


def card_of(tool: str, *, changes: bool) -> str | None:
    """Return the URI of the card that shows a tool's answers; None where text is enough."""
    return PLAN if changes else _OF_QUERIES.get(tool)


@cache
def document(uri: str) -> str:
    """Return the HTML of a card: by its own policy nothing but its own style and script counts, and nothing is loaded.

    Raises:
        KeyError: there is no such card.
    """
    card = _CARDS[uri]
    style = _file("card.css")
    script = "".join(map(_file, card.scripts))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    parts = {"policy": policy, "title": card.title, "style": style, "script": script, "waiting": _UNDER}
    return _PLACE.sub(lambda place: parts[place[1]], _file("card.html"))


def _file(name: str) -> str:
    place = resources.files("ink_infra_mcp.server") / "html" / name
    return place.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
