"""Has Coolify start the proxy of a server, and sees it run on the server itself."""

from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.era import Era
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import unless_lost
from ink_infra_mcp.core.errors import HostUnreachable, StepFailed, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.proxy import ProxySeen
from ink_infra_mcp.core.waiting import NotYet, until

DEADLINE_S = 300.0
"""Coolify looks each minute whether a proxy is missing (ServerCheckJob); then the image is pulled."""
EVERY_S = 10.0
"""A look at a server asks Docker of every container there."""
HELD_S = 4.0
"""One that cannot have its ports, or read its configuration, is gone again at once."""


async def start_proxy(step: CoolifyStep) -> JsonObject:
    """Have the proxy of the server `server` run, and see that on the server itself, whose name is `host`.

    Since 4.3.0 Coolify is asked to start it; before, it does so by itself within two minutes of a validation.
    Returns its `image` and the `version` that the Traefik in it tells.

    Raises:
        StepFailed: the server has no Traefik as its proxy, or it does not stay up within five minutes.
        HostError: the server cannot be asked.
    """
    uuid, host = step.call.given("server"), step.call.text("host")
    server, seen = await step.coolify.server(uuid), await step.see_proxy(host)
    _refuse_other_kind(server)
    lost = await _ask(step, uuid, await step.coolify.era()) if seen.state != "running" else None
    watch = _Watch(step, uuid, host, lost is not None)
    up = await until(step.call, watch.look, within_s=DEADLINE_S, every_s=EVERY_S)
    if not up.version:
        raise _failed(
            f"The proxy of {server.name} runs {up.image}, and does not tell its version of Traefik.",
            done="It runs, and was left so.",
            next=f"In Coolify, Servers > {server.name} > Proxy: have Traefik as the proxy, then call again.",
        )
    return {"image": up.image, "version": up.version}


async def _ask(step: CoolifyStep, uuid: str, era: Era) -> VendorError | None:
    """Nothing serves users there now, so that a start which removes the old container first takes nothing away."""
    if not era.proxy_api:
        step.call.say("this version of Coolify starts the proxy by itself, up to two minutes after the validation")
        return None
    return await unless_lost(step, step.coolify.restart_proxy(uuid), whether="the proxy comes up")


@dataclass(frozen=True, slots=True)
class _Watch:
    step: CoolifyStep
    uuid: str
    host: str
    lost: bool
    """Whether the answer to the request was lost."""

    async def look(self) -> ProxySeen | NotYet:
        """Return the proxy if it is up, and a while later still, without a new start."""
        try:
            first = await self.step.see_proxy(self.host)
            if first.state == "running":
                await self.step.call.clock.sleep(HELD_S)
            seen = await self.step.see_proxy(self.host) if first.state == "running" else first
        except HostUnreachable as error:
            return NotYet(f"{self.host} does not answer; asking again", error)
        if (first.state, seen.state, seen.since) == ("running", "running", first.since):
            return seen
        return NotYet(f"waiting for the proxy of {self.host} to stay up", await self._not_up(seen))

    async def _not_up(self, seen: ProxySeen) -> StepFailed:
        server = await self.step.coolify.server(self.uuid)
        there = f"its container is {seen.state}" if seen.state else "it has no container"
        return _failed(
            f"The proxy of {server.name} does not run after {DEADLINE_S:.0f} s: {there}, and Coolify calls it "
            f"{server.proxy_status or 'nothing'}.",
            done="The answer to the request for its start was lost; Coolify tries by itself each minute."
            if self.lost
            else "Its start was asked for, and Coolify tries again each minute.",
            unsure=self.lost,
            next=f"See Servers > {server.name} > Proxy > Logs in Coolify, and what listens at ports 80, 443 and 8080 "
            "there; then call again.",
            cause=_cause(seen, server),
        )


def _cause(seen: ProxySeen, server: Server) -> str:
    if seen.state == "created":
        return "Docker could not start it: something else has port 80, 443 or 8080 there"
    if seen.state:
        return "it ends as soon as it has begun: its own log tells why"
    if server.proxy_status == "starting":
        return "its image cannot be pulled: Coolify shows such a proxy as starting for good"
    return "something else has port 80, 443 or 8080 there: then Coolify does not start it, and says nothing"


def _refuse_other_kind(server: Server) -> None:
    if server.proxy_type.upper() != "TRAEFIK":
        raise _failed(
            f"Coolify has {server.proxy_type or 'nothing'} as the proxy of {server.name}, not Traefik.",
            done="Nothing was started.",
            next=f"In Coolify, Servers > {server.name} > Proxy: choose Traefik, then call again.",
        )


def _failed(failed: str, *, done: str, next: str, cause: str = "", unsure: bool = False) -> StepFailed:
    return StepFailed(failed, done=done, next=next, stage="coolify_proxy", probable_cause=cause, unsure=unsure)
