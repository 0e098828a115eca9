"""What Coolify and Hetzner know of the servers, as proposals for fleet.toml; nobody is asked anything here."""

import base64
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio

from ink_infra_mcp.app import Places
from ink_infra_mcp.cli.hurry import Hurried, coolify_http, hetzner_http
from ink_infra_mcp.clients.answers import not_the_api
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.models import Abilities, Server
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.clients.hetzner_cloud import Server as CloudServer
from ink_infra_mcp.clients.resolver import Resolver
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.fleet import Provider
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.pool import HostPool

_NO_LABEL = re.compile(r"[^a-z0-9]+")
_LAST_NUMBER = re.compile(r"\d+$")
_OF_COOLIFY_ALONE = frozenset({"", "localhost", "127.0.0.1", "host.docker.internal", "::1"})
"""Addresses of its own machine as Coolify, inside a container there, reaches it; useless from anywhere else."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose machine answers at an address, as far as the providers that were asked know it."""

    provider: Provider = "other"
    provider_id: str = ""
    private_address: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A server as fleet.toml would have it. `wildcard_domain` is what Coolify says, and may be empty.

    `why_not` says why Coolify cannot use it as it is, empty where it can.
    """

    name: str
    address: str
    ssh_user: str = "root"
    ssh_port: int = 22
    wildcard_domain: str = ""
    why_not: str = ""

    @property
    def number(self) -> str:
        """Return the number that the name ends in, or an empty text."""
        found = _LAST_NUMBER.search(self.name)
        return str(int(found[0])) if found else ""


@dataclass(frozen=True, slots=True)
class Found:
    """The Factory (None: Coolify does not say which server it runs on), the other servers, and what Hetzner has."""

    factory: Proposal | None
    others: tuple[Proposal, ...]
    cloud: tuple[CloudServer, ...] = ()
    zones: tuple[str, ...] = ()

    def owner(self, address: str) -> Owner:
        """Return whose machine answers at the address."""
        server = _by_address(self.cloud).get(address)
        if server is None:
            return Owner()
        inner = next((net.ip for net in server.private_net), None)
        return Owner("hetzner_cloud", str(server.id), inner)


@dataclass(frozen=True, slots=True)
class Known:
    """What has been said so far: Coolify's address, and the tokens."""

    url: str
    coolify: Secret
    hetzner: Secret | None = None
    places: Places = field(default_factory=Places)
    redact: Redactor = field(default_factory=Redactor)


async def check_health(url: str, redact: Redactor) -> None:
    """Return when a Coolify answers at `url`; no token is sent.

    Raises:
        VendorError: nothing answers, or it is not Coolify's API.
    """
    async with coolify_http(url, None, redact, below="/api/") as http:
        answer = await http.get("/health")
        if answer.text.strip().strip('"') != "OK":
            raise not_the_api("Coolify", answer)


async def check_coolify_token(url: str, token: Secret, redact: Redactor) -> Abilities:
    """Return what the token may do; raises VendorError."""
    async with coolify_http(url, token, redact) as http:
        return await CoolifyLook(http).abilities()


async def check_hetzner_token(places: Places, token: Secret, redact: Redactor) -> int:
    """Return how many servers the token's project has; raises VendorError."""
    async with hetzner_http(places, token, redact) as http:
        return len(await HetznerCloudLook(http).servers())


async def discover(known: Known) -> Found:
    """Return what Coolify's servers would be in fleet.toml, with what Hetzner knows of them; raises VendorError."""
    async with coolify_http(known.url, known.coolify, known.redact) as http:
        servers = await CoolifyLook(http).servers()
    cloud: tuple[CloudServer, ...] = ()
    zones: tuple[str, ...] = ()
    if known.hetzner is not None:
        async with hetzner_http(known.places, known.hetzner, known.redact) as http:
            look = HetznerCloudLook(http)
            cloud, zones = await look.servers(), tuple(zone.name for zone in await look.zones())
    return proposals(servers, cloud, factory_at=await _addresses(known), zones=zones)


async def scan(
    wanted: Iterable[tuple[str, int]], places: Places, redact: Redactor
) -> dict[tuple[str, int], str | HostError]:
    """Return the host key that each address and port shows, or why none; all are asked at once, nobody logs in."""
    found: dict[tuple[str, int], str | HostError] = {}
    async with HostPool(
        {}, login=lambda: None, clock=Hurried(), redact=redact, connect_to=places.connect_to, connect_timeout_s=8.0
    ) as pool:

        async def one(address: str, port: int) -> None:
            try:
                found[address, port] = await pool.scan_host_key(address, port)
            except HostError as error:
                found[address, port] = error

        async with anyio.create_task_group() as group:
            for address, port in wanted:
                group.start_soon(one, address, port)
    return found


def proposals(
    servers: Sequence[Server], cloud: Sequence[CloudServer], *, factory_at: Sequence[str], zones: tuple[str, ...] = ()
) -> Found:
    """Return the servers as fleet.toml would have them, each name a DNS label and none twice.

    `factory_at` are the addresses of the Factory, best first: Coolify knows its own machine only from the inside. A
    server that Coolify reaches at a private address gets its public one, where Hetzner knows it.
    """
    known = _by_address(cloud)
    taken: set[str] = set()
    factory: Proposal | None = None
    others: list[Proposal] = []
    for server in sorted(servers, key=lambda one: not one.is_coolify_host):
        if server.is_coolify_host:
            at = factory_at if server.ip in _OF_COOLIFY_ALONE else (server.ip,)
            factory = _proposal(server, _free_label("factory", taken), at, known)
        else:
            others.append(_proposal(server, _free_label(server.name, taken), (server.ip,), known))
    return Found(factory, tuple(others), tuple(cloud), zones)


def label(name: str) -> str:
    """Return the DNS label nearest to a name; `server` when nothing of it can be kept."""
    return _NO_LABEL.sub("-", name.lower()).strip("-")[:63].rstrip("-") or "server"


def bare_domain(text: str) -> str:
    """Return the host name in what Coolify calls a wildcard domain, such as https://s1.example.com."""
    host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    return host.removeprefix("*.")


def fingerprint(key_line: str) -> str:
    """Return kind and SHA-256 fingerprint of an OpenSSH public key line, as `ssh-keygen -l` writes it."""
    kind, blob = key_line.split()[:2]
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


async def _addresses(known: Known) -> tuple[str, ...]:
    """Return Coolify's host name as it stands in its address, and after it what it leads to."""
    host = urlsplit(known.url).hostname or ""
    with suppress(ValueError):
        return (str(ipaddress.ip_address(host)),)
    seen = await Resolver(known.places.nameservers).addresses(host)
    return (host, *seen.ipv4, *seen.ipv6)


def _proposal(server: Server, name: str, at: Sequence[str], known: dict[str, CloudServer]) -> Proposal:
    outer = (known[address].ipv4 for address in at if address in known)
    return Proposal(
        name=name,
        address=next(filter(None, (*outer, *at)), ""),
        ssh_user=server.user or "root",
        ssh_port=server.port,
        wildcard_domain=bare_domain(server.wildcard_domain),
        why_not=_why_not(server),
    )


def _why_not(server: Server) -> str:
    if not server.reachable:
        return "Coolify cannot reach it"
    return "" if server.usable else "Coolify reaches it and cannot use it: validate it there"


def _by_address(cloud: Sequence[CloudServer]) -> dict[str, CloudServer]:
    return {address: server for server in cloud for address in _all_addresses(server)}


def _all_addresses(server: CloudServer) -> list[str]:
    inner = [net.ip for net in server.private_net]
    return [address for address in (server.ipv4, server.ipv6, *inner) if address]


def _free_label(name: str, taken: set[str]) -> str:
    wanted = label(name)
    number = 2
    found = wanted
    while found in taken:
        found = f"{wanted[:60]}-{number}"
        number += 1
    taken.add(found)
    return found
