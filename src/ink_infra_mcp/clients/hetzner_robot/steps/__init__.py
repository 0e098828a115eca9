"""The step handlers that change something at Robot, by kind: look, act if needed, look again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from ink_infra_mcp.clients.hetzner_robot.act import HetznerRobotAct
from ink_infra_mcp.clients.hetzner_robot.door import RobotDoor
from ink_infra_mcp.clients.hetzner_robot.steps import boot, cancelling, firewalls, keys, resetting, vswitches
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall

__all__ = ["HetznerRobotSteps"]
Run = Callable[[RobotStep], Awaitable[JsonObject]]
_HANDLERS: dict[str, Run] = {
    "hetzner_robot.set_firewall": firewalls.set_firewall,
    "hetzner_robot.restore_firewall": firewalls.restore_firewall,
    "hetzner_robot.create_ssh_key": keys.create_ssh_key,
    "hetzner_robot.delete_ssh_key": keys.delete_ssh_key,
    "hetzner_robot.install_system": boot.install_system,
    "hetzner_robot.withdraw_install": boot.withdraw_install,
    "hetzner_robot.reset_server": resetting.reset_server,
    "hetzner_robot.await_boot": resetting.await_boot,
    "hetzner_robot.note_host_keys": resetting.note_host_keys,
    "hetzner_robot.attach_to_vswitch": vswitches.attach_to_vswitch,
    "hetzner_robot.detach_from_vswitch": vswitches.detach_from_vswitch,
    "hetzner_robot.cancel_server": cancelling.cancel_server,
    "hetzner_robot.withdraw_cancellation": cancelling.withdraw_cancellation,
}


@dataclass(frozen=True, slots=True)
class HetznerRobotSteps:
    """Binds the handlers to one Robot account; each run gets a client that can write only under the run's permit.

    `door` raises SecretMissing where no webservice user is configured; it is the door that everything else uses too.
    """

    door: Callable[[], RobotDoor]

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {kind: partial(self._run, run) for kind, run in _HANDLERS.items()}

    async def _run(self, run: Run, call: StepCall) -> JsonObject:
        return await run(RobotStep(call, HetznerRobotAct(self.door(), call.permit)))
