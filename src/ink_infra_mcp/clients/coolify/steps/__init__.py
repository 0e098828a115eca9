"""The step handlers that change Coolify, by kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from ink_infra_mcp.clients.coolify.act import CoolifyAct
from ink_infra_mcp.clients.coolify.steps import (
    creating,
    deploying,
    ending,
    keys,
    moving,
    noting,
    pinned,
    proxying,
    server_settings,
    servers,
    setting,
    validating,
    variables,
)
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.key_pair import KeyPair, NewKeyPair
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.proxy import ProxySeen, SeeProxy
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.watching import Watch, blind

_HANDLERS: dict[str, Callable[[CoolifyStep], Awaitable[JsonObject]]] = {
    "coolify.create_project": creating.create_project,
    "coolify.create_environment": creating.create_environment,
    "coolify.create_application": creating.create_application,
    "coolify.create_service": creating.create_service,
    "coolify.clone_application": moving.clone_application,
    "coolify.discard_clone": moving.discard_clone,
    "coolify.switch_domains": moving.switch_domains,
    "coolify.update_application": setting.update_application,
    "coolify.update_service": setting.update_service,
    "coolify.settle_service": setting.settle_service,
    "coolify.discard_service": ending.discard_service,
    "coolify.discard_application": ending.discard_application,
    "coolify.discard_canary": ending.discard_canary,
    "coolify.set_env_new": variables.set_env,
    "coolify.set_env": variables.set_env,
    "coolify.delete_env": variables.delete_env,
    "coolify.restore_env": variables.restore_env,
    "coolify.note_deployments": noting.note_deployments,
    "coolify.prove_unchanged": pinned.prove_unchanged,
    "coolify.first_deploy": deploying.deploy,
    "coolify.deploy": deploying.deploy,
    "coolify.start": deploying.start,
    "coolify.restart": deploying.restart,
    "coolify.rollback": deploying.rollback,
    "coolify.stop": ending.stop,
    "coolify.stop_application": ending.stop,
    "coolify.delete_application": ending.delete_application,
    "coolify.create_private_key": keys.create_private_key,
    "coolify.discard_private_key": keys.discard_private_key,
    "coolify.delete_private_key": keys.delete_private_key,
    "coolify.create_server": servers.create_server,
    "coolify.discard_server": servers.discard_server,
    "coolify.delete_server": servers.delete_server,
    "coolify.set_server_address": servers.set_server_address,
    "coolify.set_server_settings": server_settings.set_server_settings,
    "coolify.set_server_wildcard": server_settings.set_server_wildcard,
    "coolify.validate_server": validating.validate_server,
    "coolify.start_proxy": proxying.start_proxy,
}


def no_key_pair() -> KeyPair:
    """Stand for what makes key pairs where none is wired.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("nothing that makes key pairs is wired")


async def no_proxy(host: str) -> ProxySeen:
    """Stand for the way to a server's proxy where none is wired.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(f"nothing that sees the proxy of {host} is wired")


@dataclass(frozen=True, slots=True)
class CoolifySteps:
    """Binds the handlers to one Coolify; each run gets a client that can write only under the run's permit."""

    http: Http
    need_secret: Callable[[str], Secret]
    new_password: Callable[[], Secret]
    redact: Callable[[str], str]
    pinning: Pinning
    watch: Watch = blind
    new_key_pair: NewKeyPair = no_key_pair
    see_proxy: SeeProxy = no_proxy

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {kind: partial(self._run, handler) for kind, handler in _HANDLERS.items()}

    async def _run(self, handler: Callable[[CoolifyStep], Awaitable[JsonObject]], call: StepCall) -> JsonObject:
        act = CoolifyAct(self.http, call.permit)
        step = CoolifyStep(
            call=call,
            coolify=act,
            need_secret=self.need_secret,
            new_password=self.new_password,
            redact=self.redact,
            pinning=self.pinning,
            watch=self.watch,
            new_key_pair=self.new_key_pair,
            see_proxy=self.see_proxy,
        )
        return await handler(step)
