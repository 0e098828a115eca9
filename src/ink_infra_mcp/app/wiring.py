"""What an application is made of: settings, policies, secrets, time, ids, and where the outside world is."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.clients.knock import KNOCK_S
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.dns.rules import DnsRules
from ink_infra_mcp.core.effects import Clock, NewId
from ink_infra_mcp.core.firewall.in_force import PortsInForce
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.key_pair import NewKeyPair
from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.core.policy import Policy
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secrecy import Secrecy
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.settings.loading import Settings
from ink_infra_mcp.settings.policy_files import load_sshd
from ink_infra_mcp.settings.secrets import Secrets
from ink_infra_mcp.settings.system import new_key_pair, new_password

HETZNER_CLOUD = "https://api.hetzner.cloud/v1"
HETZNER_ROBOT = "https://robot-ws.your-server.de"
CLOUDFLARE = "https://api.cloudflare.com/client/v4"
GITHUB = "https://api.github.com"

Endpoint = tuple[str, int]
WrapHandler = Callable[[str, Handler], Handler]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the outside world is: the real one by default, a sandbox's sockets in the sandbox.

    `connect_to` dials another (address, port) in place of a server's own, for SSH, probes and name servers alike.
    """

    hetzner_cloud: str = HETZNER_CLOUD
    hetzner_robot: str = HETZNER_ROBOT
    github: str = GITHUB
    cloudflare: str = CLOUDFLARE
    connect_to: Mapping[tuple[str, int], tuple[str, int]] = field(
        default_factory=dict[tuple[str, int], tuple[str, int]]
    )
    nameservers: tuple[tuple[str, int], ...] | None = None
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Wiring:
    """What an App is made of that a test may want to hold in its hand."""

    settings: Settings
    policy: Policy
    isolation: Isolation
    ports: Callable[[], PortsInForce]
    secrecy: Secrecy
    dns: DnsRules
    images: ImageRules
    baseline: Callable[[], Baseline]
    secrets: Secrets
    redact: Redactor
    clock: Clock
    new_id: NewId
    sshd: Callable[[], SshdPolicy] = load_sshd
    new_password: Callable[[], str] = new_password
    new_key_pair: NewKeyPair = new_key_pair
    places: Places = field(default_factory=Places)
    knock_s: float = KNOCK_S
    """How long a connect that nobody answers is waited for."""
    wrap_handler: WrapHandler | None = None
