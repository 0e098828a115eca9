"""The step handlers that change a Cloud project, by kind: look, act if needed, look again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ink_infra_mcp.clients.hetzner_cloud.act import HetznerCloudAct
from ink_infra_mcp.clients.hetzner_cloud.steps import deleting, firewalls, keys, networks, servers
from ink_infra_mcp.clients.hetzner_cloud.steps.context import CloudStep, Run
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.key_pair import KeyPair, NewKeyPair
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall

_HANDLERS: dict[str, Run] = {
    **firewalls.HANDLERS,
    "hetzner_cloud.create_server": servers.create_server,
    "hetzner_cloud.set_protection": servers.set_protection,
    "hetzner_cloud.enable_backup": servers.enable_backup,
    "hetzner_cloud.discard_server": deleting.discard_server,
    "hetzner_cloud.delete_server": deleting.delete_server,
    "hetzner_cloud.attach_to_network": networks.attach,
    "hetzner_cloud.detach_from_network": networks.detach,
    "hetzner_cloud.create_ssh_key": keys.create_ssh_key,
    "hetzner_cloud.delete_ssh_key": keys.delete_ssh_key,
    "hetzner_cloud.create_placement_group": keys.create_placement_group,
    "hetzner_cloud.delete_placement_group": keys.delete_placement_group,
}


def _no_host_key() -> KeyPair:
    raise RuntimeError("no maker of host keys was wired")


@dataclass(frozen=True, slots=True)
class HetznerCloudSteps:
    """Binds the handlers to one Cloud project; each run gets a client that can write only under the run's permit.

    `http` raises SecretMissing where no token is configured.
    """

    http: Callable[[], Http]
    new_key_pair: NewKeyPair = _no_host_key

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {kind: partial(self._run, run) for kind, run in _HANDLERS.items()}

    async def _run(self, run: Run, call: StepCall) -> JsonObject:
        act = HetznerCloudAct(self.http(), call.permit, clock=call.clock)
        return await run(CloudStep(call, act, self.new_key_pair))
