"""Changing at Robot: firewalls as whole sets, waited for, and single requests that are sent once and never again."""

from typing import Literal

from ink_infra_mcp.clients.hetzner_robot.door import RobotDoor
from ink_infra_mcp.clients.hetzner_robot.errors import FIREWALL_IN_PROCESS
from ink_infra_mcp.clients.hetzner_robot.form import form_fields
from ink_infra_mcp.clients.hetzner_robot.look import HetznerRobotLook, firewall_path
from ink_infra_mcp.clients.hetzner_robot.models import RobotFirewall
from ink_infra_mcp.clients.hetzner_robot.rules import FirewallSet, form_of, holds
from ink_infra_mcp.clients.http import Form
from ink_infra_mcp.core.errors import BadAnswer, Conflict, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject

Way = Literal["rescue", "linux"]
Reset = Literal["sw", "hw"]
"""Ctrl-Alt-Del, and the reset button. The others switch off, or send a technician."""
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

    async def add_key(self, name: str, public: str) -> None:
        """Add an SSH key to the account. Each method from here on sends one request, and raises VendorError."""
        await self._post("/key", {"name": name, "data": public})

    async def delete_key(self, fingerprint: str) -> None:
        """Take an SSH key off the account; systems that were made with it keep it."""
        await self._door.send("DELETE", f"/key/{fingerprint}", permit=self._permit)

    async def arm_install(self, number: int, dist: str, lang: str, key: str) -> None:
        """Let the next start wipe the server and install `dist` anew; the password in the answer is dropped."""
        await self._post(f"/boot/{number}/linux", {"dist": dist, "lang": lang, "authorized_key": [key]})

    async def disarm(self, number: int, way: Way) -> None:
        """Let the next start boot the server's own system again."""
        await self._door.send("DELETE", f"/boot/{number}/{way}", permit=self._permit)

    async def reset(self, number: int, kind: Reset) -> None:
        """Reset a server at once; 50 an hour are possible."""
        await self._post(f"/reset/{number}", {"type": kind})

    async def add_to_vswitch(self, id: int, number: int) -> None:
        """Begin to put a server on a vSwitch; 100 changes an hour are possible."""
        await self._post(f"/vswitch/{id}/server", {"server": [str(number)]})

    async def remove_from_vswitch(self, id: int, number: int) -> None:
        """Begin to take a server off a vSwitch."""
        form = form_fields({"server": [str(number)]})
        await self._door.send("DELETE", f"/vswitch/{id}/server", permit=self._permit, form=form)

    async def cancel(self, number: int, date: str) -> None:
        """Give a server back on that day (YYYY-MM-DD), or at once with `now`; its place is not kept for another one."""
        await self._post(f"/server/{number}/cancellation", {"cancellation_date": date, "reserve_location": False})

    async def withdraw_cancellation(self, number: int) -> None:
        """Keep a server that was cancelled."""
        await self._door.send("DELETE", f"/server/{number}/cancellation", permit=self._permit)

    async def _post(self, path: str, body: JsonObject) -> None:
        await self._door.send("POST", path, permit=self._permit, form=form_fields(body))

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
