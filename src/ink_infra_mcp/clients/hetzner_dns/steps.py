"""The step handlers that change record sets at Hetzner, by kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from ink_infra_mcp.clients.hetzner_dns.act import HetznerDnsAct
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.dns.setting import Editor, restore_records, set_records
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall


@dataclass(frozen=True, slots=True)
class HetznerDnsSteps:
    """Binds the handlers to one project; each run gets a client that can write only under the run's permit.

    `http` raises SecretMissing where no token is configured.
    """

    http: Callable[[], Http]

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "hetzner_dns.set_records": partial(self._run, set_records),
            "hetzner_dns.restore_records": partial(self._run, restore_records),
        }

    async def _run(self, run: Callable[[StepCall, Editor], Awaitable[JsonObject]], call: StepCall) -> JsonObject:
        return await run(call, HetznerDnsAct(self.http(), call.permit, clock=call.clock))
