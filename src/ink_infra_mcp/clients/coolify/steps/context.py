"""What a Coolify step handler works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ink_infra_mcp.clients.coolify.act import CoolifyAct
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.clients.coolify.bodies import EnvSpec
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.clients.coolify.ours import MARKER
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.key_pair import NewKeyPair
from ink_infra_mcp.core.proxy import SeeProxy
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.watching import Watch, blind


class _Delete(Protocol):
    async def __call__(self, uuid: str, /, *, delete_volumes: bool) -> None: ...


class _UpsertEnv(Protocol):
    async def __call__(self, uuid: str, env: EnvSpec, /, *, exists: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class AppCalls:
    """The calls that are the same for both of Coolify's kinds of app; each takes the app's uuid first."""

    read: Callable[[str], Awaitable[Application | Service]]
    stop: Callable[[str], Awaitable[None]]
    delete: _Delete
    envs: Callable[[str], Awaitable[tuple[EnvVar, ...]]]
    upsert_env: _UpsertEnv
    delete_env: Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CoolifyStep:
    """One run of one step, the client with its permit, and the way to a stored secret by its name and to a random one.

    `watch` sees what comes of it on the server, which Coolify knows late or never, and `see_proxy` the proxy there.
    """

    call: StepCall
    coolify: CoolifyAct
    need_secret: Callable[[str], Secret]
    new_password: Callable[[], Secret]
    redact: Callable[[str], str]
    pinning: Pinning
    new_key_pair: NewKeyPair
    see_proxy: SeeProxy
    watch: Watch = blind

    @property
    def marker(self) -> str:
        """Return the text by which a second run recognises what the first one made."""
        return f"{MARKER}{self.call.operation_id}"

    @property
    def is_service(self) -> bool:
        """Return whether the step is about a compose app, which is a service in Coolify."""
        return self.call.params.get("service") is True

    @property
    def app_calls(self) -> AppCalls:
        """Return the calls for the kind of app that the step is about."""
        act = self.coolify
        if self.is_service:
            return AppCalls(
                read=act.service,
                stop=act.stop_service,
                delete=act.delete_service,
                envs=act.service_envs,
                upsert_env=act.upsert_service_env,
                delete_env=act.delete_service_env,
            )
        return AppCalls(
            read=act.application,
            stop=act.stop,
            delete=act.delete_application,
            envs=act.envs,
            upsert_env=act.upsert_env,
            delete_env=act.delete_env,
        )


def urls_given(step: CoolifyStep) -> tuple[str, ...]:
    """Return the URLs in the parameters of a step."""
    return tuple(map(str, items(step.call.params["urls"])))
