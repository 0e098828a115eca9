"""One request to Coolify's API as its handlers see it, and the answers they give."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.release import Release, at_least
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import CoolifyState, Token

JsonObject = dict[str, JsonValue]
Found = TypeVar("Found")
TRUE_WORDS = frozenset({"1", "true", "on", "yes"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; text goes out as it is (as HTML, which is what Laravel does), all else as JSON."""

    body: JsonValue
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    plain: bool = False


class Refusal(Exception):
    """Ends a handler with an answer; what it had changed before stays, as in Coolify."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


def refusal(status: int, message: str, **more: JsonValue) -> Refusal:
    """Return a refusal with a message and more fields."""
    return Refusal(Answer({"message": message, **more}, status))


def invalid(errors: JsonValue) -> Refusal:
    """Return 422 with `errors`, whose shape is not always the same: lists, texts, or a bare list."""
    return refusal(422, "Validation failed.", errors=errors)


def found(thing: Found | None, message: str) -> Found:
    """Return the thing.

    Raises:
        Refusal: 404 with the message, when there is none.
    """
    if thing is None:
        raise refusal(404, message)
    return thing


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the world to change, the time there, who asks, and the parts of the request.

    `fields` is query and JSON body together, the body first, as Laravel's `input()` reads them.
    """

    state: WorldState
    now: float
    token: Token | None
    path: Mapping[str, str]
    query: Mapping[str, JsonValue]
    fields: JsonObject
    raw: bytes = b""
    content_type: str = ""

    @property
    def coolify(self) -> CoolifyState:
        """Return the Coolify section."""
        return self.state.coolify

    @property
    def uuid(self) -> str:
        """Return `$request->uuid`: a field of that name beats the one in the path (seen in ApplicationsController)."""
        return str(self.fields.get("uuid") or self.path.get("uuid", ""))

    @property
    def sees_secrets(self) -> bool:
        """Return whether the token may read sensitive fields: by its abilities and the role of its user."""
        if self.token is None or self.token.role == "member":
            return False
        return bool({"root", "read:sensitive"} & set(self.token.abilities))

    def is_at_least(self, release: Release) -> bool:
        """Return whether this Coolify is that release or newer."""
        return at_least(self.coolify.version, release)

    def switch(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean of the request as Laravel reads it."""
        value = self.fields.get(name)
        return default if value is None else is_true(value)

    def text(self, name: str) -> str:
        """Return a field as text; empty when it is absent or null."""
        value = self.fields.get(name)
        return "" if value is None else str(value)

    def items(self, name: str) -> list[JsonValue]:
        """Return a list of the request; empty when it is absent or something else."""
        value = self.fields.get(name)
        return value if isinstance(value, list) else []

    def require_json(self) -> None:
        """Let a request with a JSON object that is not empty pass.

        Raises:
            Refusal: 400.
        """
        error = _json_trouble(self.raw, self.content_type)
        if error:
            raise refusal(400, "Invalid request.", error=error)


Handler = Callable[[Call], Answer]


def is_true(value: JsonValue) -> bool:
    """Return a value as PHP's boolean filter reads it."""
    return str(value).strip().lower() in TRUE_WORDS


def tidy(value: JsonValue) -> JsonValue:
    """Return a request value trimmed, with empty text turned to null, as Laravel's global middleware does."""
    if isinstance(value, str):
        return _trimmed(value)
    if isinstance(value, list):
        return list(map(tidy, value))
    if isinstance(value, dict):
        return {name: tidy(part) for name, part in value.items()}
    return value


def _trimmed(text: str) -> str | None:
    return text.strip() or None


def _json_trouble(raw: bytes, content_type: str) -> str:
    if "json" not in content_type:
        return "Content-Type must be application/json."
    try:
        value = json.loads(raw)
    except ValueError:
        return "Invalid JSON."
    if value == {}:
        return "Empty JSON."
    return "" if value else "Invalid JSON."
