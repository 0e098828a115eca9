"""What every handler of Robot works with: the step, the client under its permit, and what a lost answer means."""

from collections.abc import Awaitable
from dataclasses import dataclass

from ink_infra_mcp.clients.hetzner_robot.act import HetznerRobotAct
from ink_infra_mcp.clients.hetzner_robot.machines import BootSystem, RobotBoot
from ink_infra_mcp.core.errors import (
    MAYBE_DONE,
    BadAnswer,
    InkError,
    OutcomeUnknown,
    StepFailed,
    Unavailable,
    Unreachable,
)
from ink_infra_mcp.core.step import StepCall


@dataclass(frozen=True, slots=True)
class RobotStep:
    """One run of one step, and the client with its permit."""

    call: StepCall
    robot: HetznerRobotAct

    @property
    def number(self) -> int:
        """Return the number of the server that the step is about."""
        return int(self.call.given("server"))

    async def unless_lost(self, change: Awaitable[None]) -> InkError | None:
        """Send a change; when its answer gets lost, return that: the look afterwards settles it.

        Raises:
            VendorError: the change surely did not happen.
        """
        try:
            await change
        except (Unavailable, Unreachable, BadAnswer) as error:
            if not error.unsure:
                raise
            self.call.say(f"Robot gave no good answer ({error.code}); looking what came of it")
            return error
        return None

    async def boot(self) -> RobotBoot:
        """Return what the server can boot.

        Raises:
            StepFailed: Robot does not say it of that server.
        """
        found = await self.robot.boot(self.number)
        if found is None:
            raise failed(f"Robot has no boot settings for server {self.number}.", next="Check its number in Robot.")
        return found

    async def alone(self, way: str) -> BootSystem:
        """Return that way to boot, if the next start boots no other one.

        Raises:
            StepFailed: it boots another one, or the server has no such way.
        """
        boot = await self.boot()
        if others := [name for name in boot.active if name != way]:
            raise failed(
                f"The next start of server {self.number} boots {others[0]}, which somebody else has set.",
                next="Withdraw that in Robot, if it is not wanted any more, and call the tool again.",
            )
        if way not in boot.ways:
            raise failed(f"Server {self.number} cannot boot {way}.", next="Use a server that can, or do without.")
        return boot.ways[way]


def not_seen(what: str, lost: InkError | None) -> InkError:
    """Return the error for a change that is not seen after it was sent; `lost` is its answer, where that was lost."""
    if lost is not None:
        return OutcomeUnknown(
            f"Whether {what} is not known: the answer was lost, and it is not seen now.",
            next="Call the tool again: it looks first, and asks for it only when it is still not so.",
        )
    return failed(f"Robot took the request, but it is not so that {what}.", done=MAYBE_DONE)


def failed(what: str, *, done: str = "Nothing was changed.", next: str = "Call the tool again.") -> StepFailed:
    """Return the failure of a step at Robot."""
    return StepFailed(what, done=done, next=next, stage="server")
