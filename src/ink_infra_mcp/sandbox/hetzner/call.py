"""One request to the Cloud API as its handlers see it, and the errors they answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import HetznerState

JsonObject = dict[str, JsonValue]
BodyT = TypeVar("BodyT", bound="Body")


class Body(BaseModel):
    """A request body; unknown fields are ignored, as the vendor does."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class ApiError(Exception):
    """An error answer: status, the vendor's code and message, and its details."""

    def __init__(self, status: int, code: str, message: str, details: JsonValue = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer; a body of None is sent as no body at all."""

    status: int
    body: JsonObject | None


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the world to change, the time there, and the parts of the request.

    A handler raises `ApiError` before it changes anything.
    """

    state: WorldState
    now: float
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    body: JsonValue = None

    @property
    def project(self) -> HetznerState:
        """Return the Cloud project."""
        return self.state.hetzner

    @property
    def id(self) -> int:
        """Return the id in the path."""
        return int(self.parts["id"])

    def read(self, model: type[BodyT]) -> BodyT:
        """Return the body as `model`.

        Raises:
            ApiError: 422 invalid_input, with a message for each wrong field.
        """
        return parsed(model, self.body)

    def new_id(self) -> int:
        """Return an id that nothing in the project has."""
        self.project.next_id += 1
        return self.project.next_id


def parsed(model: type[BodyT], body: JsonValue) -> BodyT:
    """Return `body` as `model`.

    Raises:
        ApiError: 422 invalid_input, with a message for each wrong field.
    """
    try:
        return model.model_validate({} if body is None else body)
    except ValidationError as error:
        fields = {str(e["loc"][0]) if e["loc"] else "body": e["msg"] for e in error.errors()}
        raise invalid(fields) from error


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path such as /servers/{id}, with what answers."""

    method: str
    path: str
    handler: Handler


def invalid(fields: Mapping[str, str]) -> ApiError:
    """Return 422 invalid_input that names each wrong field."""
    listed: list[JsonValue] = [{"name": name, "messages": [message]} for name, message in fields.items()]
    first = next(iter(fields))
    return ApiError(422, "invalid_input", f"invalid input in field '{first}'", {"fields": listed})


def not_found(what: str, key: int | str) -> ApiError:
    """Return 404 not_found."""
    return ApiError(404, "not_found", f"{what} with ID '{key}' not found")


def taken(name: str) -> ApiError:
    """Return 409 uniqueness_error on the field `name`."""
    return ApiError(409, "uniqueness_error", f"{name} is already used", {"fields": [{"name": name}]})


def stamp(at: float) -> str:
    """Return a Unix time as RFC 3339 in UTC."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
