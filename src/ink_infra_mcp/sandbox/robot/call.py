"""One request to Robot as its handlers see it, and the errors they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.forms import Nested, empty
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_robot import RobotState

JsonObject = dict[str, JsonValue]


class RobotError(Exception):
    """An error answer in Robot's form; `more` are the fields that only some errors have."""

    def __init__(self, status: int, code: str, message: str, **more: JsonValue) -> None:
        super().__init__(code, message)
        self.status = status
        self.body: JsonObject = {"error": {"status": status, "code": code, "message": message, **more}}


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets. It raises `RobotError` before it changes anything."""

    state: WorldState
    now: float
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    form: Nested = field(default_factory=empty)

    @property
    def account(self) -> RobotState:
        """Return the account."""
        return self.state.robot


Handler = Callable[[Call], JsonValue]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path such as /firewall/{server}, with what answers, and how many requests an hour it takes."""

    method: str
    path: str
    handler: Handler
    limit: int
    status: int = 200

    @property
    def name(self) -> str:
        """Return what its requests are counted under."""
        return f"{self.method} {self.path}"


def invalid(*names: str, missing: tuple[str, ...] = ()) -> RobotError:
    """Return 400 INVALID_INPUT that names the wrong and the missing fields."""
    return RobotError(400, "INVALID_INPUT", "invalid input", missing=[*missing] or None, invalid=[*names] or None)
