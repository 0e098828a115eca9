"""Changing the firewall of a dedicated server: whole sets, waited for, and never sent twice without a look."""

from ink_infra_mcp.clients.hetzner_robot.door import RobotDoor
from ink_infra_mcp.clients.hetzner_robot.errors import FIREWALL_IN_PROCESS
from ink_infra_mcp.clients.hetzner_robot.look import HetznerRobotLook, firewall_path
from ink_infra_mcp.clients.hetzner_robot.models import RobotFirewall
from ink_infra_mcp.clients.hetzner_robot.rules import FirewallSet, form_of, holds
from ink_infra_mcp.clients.http import Form
from ink_infra_mcp.core.errors import BadAnswer, Conflict, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.permit import Permit

ATTEMPTS = 3
ACCEPTED = "Robot accepted the change, and had not finished it."


class HetznerRobotAct(HetznerRobotLook):
    """The write side of one Robot account; it exists only while a permit lives."""

    def __init__(self, door: RobotDoor, permit: Permit) -> None:
        super().__init__(door)
        self._permit = permit

    async def set_firewall(self, number: int, wanted: FirewallSet) -> RobotFirewall:
        """Return the firewall when this set has replaced both directions of what was there, or is there already.

        Before each sending, also after a lost answer or a 409, the firewall is read, when nothing is in process.

        Raises:
            VendorError: Robot refused, or gave no good answer three times; a Conflict: it is in process for ever.
        """
        form = form_of(wanted)
        trouble: VendorError | None = None
        for _ in range(ATTEMPTS):
            now = await self.settled_firewall(number, done=trouble.done if trouble else "Nothing was changed.")
            if holds(now, wanted):
                return now
            trouble = await self._tried(number, form)
            if trouble is None:
                return await self.settled_firewall(number, done=ACCEPTED)
        raise trouble or AssertionError("unreachable")

    async def clear_firewall(self, number: int) -> RobotFirewall:
        """Return the firewall when it lets everything pass in both directions; DELETE does that (documentation).

        Raises:
            VendorError: Robot refused or gave no good answer.
        """
        await self.settled_firewall(number)
        await self._door.send("DELETE", firewall_path(number), permit=self._permit)
        return await self.settled_firewall(number, done=ACCEPTED)

    async def _tried(self, number: int, form: Form) -> VendorError | None:
        """Return what leaves it open whether the change happened, or says that it did not happen yet."""
        try:
            await self._door.send("POST", firewall_path(number), permit=self._permit, form=form)
        except Conflict as error:
            if error.vendor_code != FIREWALL_IN_PROCESS:
                raise
            return error
        except (Unreachable, Unavailable, BadAnswer) as error:
            return error
        return None
