"""What tools observe through: reading clients only, so that observing cannot change anything."""

from collections.abc import Callable
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook
from ink_infra_mcp.clients.knock import Knock
from ink_infra_mcp.clients.probe import Probe
from ink_infra_mcp.clients.registry.look import RegistryLook
from ink_infra_mcp.clients.resolver import Resolver
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.firewall.in_force import PortsInForce
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.secrecy import Secrecy
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.pool import HostPool
from ink_infra_mcp.state.archive import Archive


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

    fleet: Fleet
    coolify: CoolifyLook
    hosts: HostPool
    github: GithubLook
    hetzner: HetznerCloudLook | None
    robot: HetznerRobotLook | None
    registries: RegistryLook
    probe: Probe
    knock: Knock
    resolver: Resolver
    isolation: Isolation
    secrecy: Secrecy
    ports: Callable[[], PortsInForce]
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
