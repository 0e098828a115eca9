"""Reading Robot: dedicated servers, what they boot, their cancellation, firewalls, templates, and SSH keys."""

from ink_infra_mcp.clients.answers import Answer, Model, shaped, undocumented
from ink_infra_mcp.clients.hetzner_robot.door import RobotDoor
from ink_infra_mcp.clients.hetzner_robot.errors import FIREWALL_IN_PROCESS, NOTHING_THERE
from ink_infra_mcp.clients.hetzner_robot.machines import (
    BootSystem,
    RobotBoot,
    RobotCancellation,
    RobotKey,
    RobotReset,
    VSwitch,
)
from ink_infra_mcp.clients.hetzner_robot.models import MarketProduct, RobotFirewall, RobotServer, Template
from ink_infra_mcp.core.errors import Conflict, NotFound
from ink_infra_mcp.core.shapes import table

EVERY_S = 10.0
SETTLED_S = 180.0
"""A change of a firewall takes 20 to 60 s (documentation and other clients); three minutes are long."""
SERVICE = "Hetzner Robot"


class HetznerRobotLook:
    """The read side of one Robot account. Every method raises `VendorError` when Robot does not answer well."""

    def __init__(self, door: RobotDoor) -> None:
        self._door = door

    async def servers(self) -> tuple[RobotServer, ...]:
        """Return all dedicated servers of the account; 200 requests an hour are possible."""
        return await self._listed("/server", "server", RobotServer)

    async def server(self, number: int) -> RobotServer | None:
        """Return the server with that number, or None."""
        return await self._one(f"/server/{number}", "server", RobotServer)

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
        return await self._one(f"/firewall/template/{id}", "firewall_template", Template)

    async def keys(self) -> tuple[RobotKey, ...]:
        """Return the SSH keys of the account; 500 requests an hour are possible, as for all that follows here."""
        return await self._listed("/key", "key", RobotKey)

    async def boot(self, number: int) -> RobotBoot | None:
        """Return what a server can boot and what its next start will; None when Robot cannot say it of that server."""
        return await self._one(f"/boot/{number}", "boot", RobotBoot)

    async def last_linux(self, number: int) -> BootSystem | None:
        """Return the last installation that Robot made on a server, None when there is none."""
        return await self._one(f"/boot/{number}/linux/last", "linux", BootSystem)

    async def last_rescue(self, number: int) -> BootSystem | None:
        """Return the rescue system that was activated last on a server, None when there is none."""
        return await self._one(f"/boot/{number}/rescue/last", "rescue", BootSystem)

    async def reset_ways(self, number: int) -> RobotReset | None:
        """Return how a server can be reset, None when it cannot."""
        return await self._one(f"/reset/{number}", "reset", RobotReset)

    async def cancellation(self, number: int) -> RobotCancellation | None:
        """Return whether a server is cancelled, None when there is no such server (200 requests an hour)."""
        return await self._one(f"/server/{number}/cancellation", "cancellation", RobotCancellation)

    async def _one(self, path: str, key: str, model: type[Model]) -> Model | None:
        try:
            return _part(await self._door.get(path), key, model)
        except NotFound as error:
            return _none_if_absent(error)

    async def vswitches(self) -> tuple[VSwitch, ...]:
        """Return the vSwitches that are not cancelled, without their servers. They come without an envelope."""
        answer = await self._door.get("/vswitch")
        if not isinstance(answer.json, list):
            raise undocumented(SERVICE, answer, "it is not a list")
        found = (shaped(SERVICE, answer, one, VSwitch) for one in answer.json)
        return tuple(vswitch for vswitch in found if not vswitch.cancelled)

    async def vswitch(self, id: int) -> VSwitch:
        """Return a vSwitch with its servers.

        Raises:
            NotFound: there is none.
        """
        answer = await self._door.get(f"/vswitch/{id}")
        return shaped(SERVICE, answer, answer.json, VSwitch)

    async def market(self) -> tuple[MarketProduct, ...]:
        """Return what the auction offers at this moment; 500 requests an hour are possible.

        Raises:
            Forbidden: ordering is not switched on for this webservice user.
        """
        return await self._listed("/order/server_market/product", "product", MarketProduct)

    async def _listed(self, path: str, key: str, model: type[Model]) -> tuple[Model, ...]:
        """An empty list is a 404 with a code of its own (documentation)."""
        try:
            answer = await self._door.get(path)
        except NotFound as error:
            _none_if_absent(error)
            return ()
        if not isinstance(answer.json, list):
            raise undocumented(SERVICE, answer, "it is not a list")
        return tuple(shaped(SERVICE, answer, table(one).get(key), model) for one in answer.json)


def firewall_path(number: int) -> str:
    """Return the path of a server's firewall; asking by address is deprecated."""
    return f"/firewall/{number}"


def _none_if_absent(error: NotFound) -> None:
    """Only Robot's own word for it makes a 404 an absence."""
    if error.vendor_code not in NOTHING_THERE:
        raise error


def _part(answer: Answer, key: str, model: type[Model]) -> Model:
    return shaped(SERVICE, answer, table(answer.json).get(key), model)


def _never_ready(number: int, within_s: float, done: str) -> Conflict:
    return Conflict(
        f"The firewall of server {number} is still in process after {within_s:.0f} s.",
        service=SERVICE,
        done=done,
        next="Look at the server in Robot; call again when its firewall is ready.",
        vendor_code=FIREWALL_IN_PROCESS,
    )
