"""A server as Coolify shall have it, and what Coolify has of it already."""

import re
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.era import Era
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.models import PrivateKey, Server
from ink_infra_mcp.clients.coolify.ours import MARKER
from ink_infra_mcp.clients.coolify.steps.servers import host_address
from ink_infra_mcp.core.errors import AmbiguousName, InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.proxy import ProxySeen
from ink_infra_mcp.core.untrusted import clean_name

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:(?P<scheme>https?)://)?(?P<host>{_LABEL}(?:\.{_LABEL})+)/?")
_MOST_BUILDS = 64


@dataclass(frozen=True, slots=True)
class WantedServer:
    """A server as Coolify shall have it.

    `name` is its name in Coolify and `host` that in the fleet, over which it is reached. `address` is where the Factory
    reaches it: a text, or `result_of` an earlier step. `wildcard_domain` is a name or a URL; None leaves Coolify's.
    `cleanup_threshold` in percent makes Coolify clean up Docker only from there on; None leaves that, too, as it does
    `concurrent_builds`. `factory` is
    the Factory's name in the fleet.

    Raises:
        InputError: a value is one that Coolify would not take, or would take for another.
    """

    name: str
    address: str | JsonObject
    key_name: str
    factory: str
    host: str = ""
    port: int = 22
    user: str = "root"
    wildcard_domain: str | None = None
    concurrent_builds: int | None = 2
    cleanup_threshold: int | None = None

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("key name", self.key_name)):
            _require(_NAME.fullmatch(text) is not None, f"The {what} {text!r} is not one that Coolify keeps as it is.")
        _require(re.fullmatch(r"[A-Za-z0-9._-]{1,32}", self.user) is not None, f"{self.user!r} is no name of a user.")
        _require(0 < self.port < 2**16, f"{self.port} is no port.")
        builds = self.concurrent_builds
        _require(builds is None or 0 < builds <= _MOST_BUILDS, f"Builds at the same time are 1 to {_MOST_BUILDS}.")
        _require(self.cleanup_threshold is None or 0 < self.cleanup_threshold < 100, "The threshold is 1 to 99 %.")
        _require(not self.wildcard_domain or _DOMAIN.fullmatch(self.wildcard_domain) is not None, self._no_domain)

    @property
    def wildcard(self) -> str | None:
        """Return the wildcard domain as Coolify wants it: a URL, https unless it says http, without a slash at its end.

        Coolify makes `shop.` + its host of it, and of a bare name it would make nothing (generateUrl).
        """
        found = _DOMAIN.fullmatch(self.wildcard_domain) if self.wildcard_domain else None
        return f"{found['scheme'] or 'https'}://{found['host']}" if found else self.wildcard_domain

    @property
    def settings(self) -> JsonObject:
        """Return what it wants of Coolify's settings, under our names for them."""
        builds: JsonObject = {"concurrent_builds": self.concurrent_builds}
        cleanup: JsonObject = {"cleanup_threshold": self.cleanup_threshold, "cleanup_always": False}
        return (builds if self.concurrent_builds is not None else {}) | (
            cleanup if self.cleanup_threshold is not None else {}
        )

    @property
    def _no_domain(self) -> str:
        return f"{self.wildcard_domain!r} is no wildcard domain: give it as s1.example.com."


@dataclass(frozen=True, slots=True)
class Present:
    """What Coolify has of a server; `key` is one that we made under the wanted name, `proxy` what the server tells."""

    era: Era
    server: Server | None = None
    key: PrivateKey | None = None
    proxy: ProxySeen | None = None


async def find_server(look: CoolifyLook, name: str, address: str | None) -> Server | None:
    """Return the server of that name and address in full; None where Coolify has neither.

    Addresses count, not their spelling. Without an address the name counts alone.

    Raises:
        AmbiguousName: the name belongs to a server at another address, or the address to one of another name.
    """
    at = host_address(address) if address else ""
    found = [server for server in await look.servers() if server.name == name or _is_at(server, at)]
    if not found:
        return None
    if len(found) == 1 and found[0].name == name and (not at or _is_at(found[0], at)):
        return await look.server(found[0].uuid)
    has = "; ".join(f"{clean_name(server.name)!r} at {clean_name(server.ip)}" for server in found)
    raise AmbiguousName(
        f"Coolify has {has}, which is not the one server {name!r}{f' at {at}' if at else ''}.",
        next="Use the name and the address that Coolify has, or take the other server out of Coolify first.",
    )


async def what_is_there(look: CoolifyLook, wanted: WantedServer, proxy: ProxySeen | None = None) -> Present:
    """Return what Coolify has of a wanted server; raises AmbiguousName as `find_server` does."""
    address = wanted.address if isinstance(wanted.address, str) else None
    return Present(
        era=await look.era(),
        server=await find_server(look, wanted.name, address),
        key=await find_key(look, wanted.key_name),
        proxy=proxy,
    )


async def find_key(look: CoolifyLook, name: str) -> PrivateKey | None:
    """Return the key of that name which we made; those that others made under the name are none of ours."""
    keys = [key for key in await look.private_keys() if key.name == name and _is_ours(key)]
    if len(keys) > 1:
        raise AmbiguousName(
            f"Coolify has {len(keys)} keys called {name!r} that ink-infra-mcp made.",
            next="Delete those that no server uses in Coolify, under Keys & Tokens, then call again.",
        )
    return keys[0] if keys else None


def _is_at(server: Server, address: str) -> bool:
    return bool(address) and host_address(server.ip) == address


def _is_ours(key: PrivateKey) -> bool:
    return any(word.startswith(MARKER) for word in key.description.split())


def _require(good: bool, failed: str) -> None:
    if not good:
        raise InputError(failed, next="Correct it, then call again.")
