"""Reading Robot: dedicated servers, the firewalls at their switch ports, and firewall templates."""

from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_robot.door import RobotDoor
from ink_infra_mcp.clients.hetzner_robot.errors import FIREWALL_IN_PROCESS, NOTHING_THERE
from ink_infra_mcp.clients.hetzner_robot.models import RobotFirewall, RobotServer, Template
from ink_infra_mcp.core.errors import BadAnswer, Conflict, NotFound
from ink_infra_mcp.core.shapes import table

EVERY_S = 10.0
SETTLED_S = 180.0
"""A change of a firewall takes 20 to 60 s (documentation and other clients); three minutes are long."""
Model = TypeVar("Model", bound=BaseModel)


class HetznerRobotLook:
    """The read side of one Robot account. Every method raises `VendorError` when Robot does not answer well."""

    def __init__(self, door: RobotDoor) -> None:
        self._door = door

    async def servers(self) -> tuple[RobotServer, ...]:
        """Return all dedicated servers of the account; 200 requests an hour are possible."""
        return await self._listed("/server", "server", RobotServer)

    async def server(self, number: int) -> RobotServer | None:
        """Return the server with that number, or None."""
        try:
            return _part(await self._door.get(f"/server/{number}"), "server", RobotServer)
        except NotFound as error:
            return _none_if_absent(error)

    async def firewall(self, number: int) -> RobotFirewall:
        """Return a server's firewall as Robot shows it now; 500 requests an hour are possible.

        Raises:
            NotFound: no such server, or one that has no firewall; `vendor_code` tells which.
        """
        return _part(await self._door.get(firewall_path(number)), "firewall", RobotFirewall)

    async def settled_firewall(
        self, number: int, *, within_s: float = SETTLED_S, done: str = "Nothing was changed."
    ) -> RobotFirewall:
        """Return a server's firewall when no change of it is in process, asked every 10 seconds.

        Raises:
            Conflict: a change is still in process after `within_s` seconds; `done` then says what we did so far.
        """
        clock = self._door.clock
        until = clock.monotonic() + within_s
        while (firewall := await self.firewall(number)).in_process:
            left_s = until - clock.monotonic()
            if left_s <= 0:
                raise _never_ready(number, within_s, done)
            await clock.sleep(min(EVERY_S, left_s))
        return firewall

    async def templates(self) -> tuple[Template, ...]:
        """Return the account's firewall templates, without their rules."""
        return await self._listed("/firewall/template", "firewall_template", Template)

    async def template(self, id: int) -> Template | None:
        """Return a template with its rules, or None."""
        try:
            return _part(await self._door.get(f"/firewall/template/{id}"), "firewall_template", Template)
        except NotFound as error:
            return _none_if_absent(error)

    async def _listed(self, path: str, key: str, model: type[Model]) -> tuple[Model, ...]:
        """An empty list is a 404 with a code of its own (documentation)."""
        try:
            answer = await self._door.get(path)
        except NotFound as error:
            _none_if_absent(error)
            return ()
        if not isinstance(answer.json, list):
            raise _bad(answer, "it is not a list")
        return tuple(_model(answer, table(one).get(key), model) for one in answer.json)


def firewall_path(number: int) -> str:
    """Return the path of a server's firewall; asking by address is deprecated."""
    return f"/firewall/{number}"


def _none_if_absent(error: NotFound) -> None:
    """Only Robot's own word for it makes a 404 an absence."""
    if error.vendor_code not in NOTHING_THERE:
        raise error


def _part(answer: Answer, key: str, model: type[Model]) -> Model:
    return _model(answer, table(answer.json).get(key), model)


def _model(answer: Answer, value: JsonValue, model: type[Model]) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise _bad(answer, f"{model.__name__} {where} is missing or of another shape") from error


def _bad(answer: Answer, why: str) -> BadAnswer:
    return BadAnswer(
        f"Hetzner Robot answered {answer.method} {answer.path} with something else than documented: {why}.",
        service="Hetzner Robot",
        status=answer.status,
        next="Update ink-infra-mcp; if that does not help, report it.",
    )


def _never_ready(number: int, within_s: float, done: str) -> Conflict:
    return Conflict(
        f"The firewall of server {number} is still in process after {within_s:.0f} s.",
        service="Hetzner Robot",
        done=done,
        next="Look at the server in Robot; call again when its firewall is ready.",
        vendor_code=FIREWALL_IN_PROCESS,
    )
