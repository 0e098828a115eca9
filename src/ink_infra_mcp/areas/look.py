"""What tools observe through: reading clients only, so that observing cannot change anything."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook
from ink_infra_mcp.clients.knock import Knock
from ink_infra_mcp.clients.nameservers import Nameservers
from ink_infra_mcp.clients.probe import Probe
from ink_infra_mcp.clients.registry.look import RegistryLook
from ink_infra_mcp.clients.resolver import Resolver
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.dns.records import RecordSet
from ink_infra_mcp.core.dns.rules import DnsRules
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.firewall.in_force import PortsInForce
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.secrecy import Secrecy
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.pool import HostPool
from ink_infra_mcp.state.archive import Archive


class ZoneBook(Protocol):
    """The zones of one account at a DNS provider. Every method raises `VendorError` when it does not answer well."""

    async def zones(self) -> tuple[Zone, ...]:
        """Return all zones of the account."""
        ...

    async def record_sets(self, zone: Zone, names: Iterable[str]) -> tuple[RecordSet, ...]:
        """Return the record sets of every type at these names of the zone."""
        ...

    async def all_record_sets(self, zone: Zone) -> tuple[RecordSet, ...]:
        """Return every record set of the zone."""
        ...


@dataclass(frozen=True, slots=True)
class Dns:
    """DNS as the providers hold it and as name servers tell it. `books` has the providers whose token is stored, by the
    words of fleet.toml: `hetzner`, `cloudflare`.
    """

    books: Mapping[str, ZoneBook]
    nameservers: Nameservers
    rules: DnsRules


@dataclass(frozen=True, slots=True)
class Look:
    """The reading side of every system. `has_secret` tells whether a stored secret exists, `is_secret` whether a value
    is the stored one, `secret_digest` its SHA-256 in hex (empty where it is not stored), and `secret_unfit` why it
    could not reach a container as it is (`core.dotenv.unfit`; `expanded_again` is its second argument): a tool never
    has the value itself, and keeps no digest of it but the one under a key that `secret_pin` gives. `learn_secrets`
    makes every stored secret known to the redactor: what an app logs may hold one that was never used here.

    `hetzner` is None when no token is configured, and `robot` when no webservice user is: what they would tell is then
    unknown, not absent.
    """

    fleets: Callable[[], Fleet]
    coolify: CoolifyLook
    hosts: HostPool
    github: GithubLook
    hetzner: HetznerCloudLook | None
    robot: HetznerRobotLook | None
    registries: RegistryLook
    probe: Probe
    knock: Knock
    resolver: Resolver
    dns: Dns
    images: ImageRules
    isolation: Isolation
    secrecy: Secrecy
    ports: Callable[[], PortsInForce]
    baseline: Callable[[], Baseline]
    sshd: Callable[[], SshdPolicy]
    learn_secrets: Callable[[], None]
    has_secret: Callable[[str], bool]
    is_secret: Callable[[str, Secret], bool]
    secret_digest: Callable[[str], str]
    secret_unfit: Callable[[str, bool], str]
    redact: Callable[[str], str]
    """Masks what is known, or looks, to be secret: for words that are cut, as a part of a secret is known to nobody."""
    secret_pin: Callable[[str], str]
    """Returns the digest of a stored secret that may stand in a plan, empty where it is not stored."""
    pinning: Pinning
    archive: Archive
    clock: Clock
    knowing: Callable[[JsonObject], AbstractContextManager[object]]
    """Knows a server that is not in the fleet within the block, as the step parameter `newcomer` describes it."""

    @property
    def fleet(self) -> Fleet:
        """Return the fleet as it is now: a Muscle that was just added is in it."""
        return self.fleets()
