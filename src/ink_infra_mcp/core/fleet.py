"""The fleet as a person writes it in fleet.toml: one Factory, its Muscles, domains and defaults."""

import ipaddress
import re
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ink_infra_mcp.core.age_key import age_recipient
from ink_infra_mcp.core.copies import OWNER

_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
_NAME_OR_NONE = r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$"
_DOMAIN = re.compile(r"^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")
_MEMORY = re.compile(r"^[1-9][0-9]{0,6}[kmg]$")
_MIN_MEMORY_BYTES = 6 * 2**20
_LAST_PORT = 65535
_USER = r"[a-z_][a-z0-9_-]{0,31}"
_USER_OR_NONE = rf"^(?:{_USER})?$"
PLACE = "backup-place"
"""What the place of copies is called in answers; no server may have that name."""
PUBLIC_REGISTRIES = (
    *("docker.io", "ghcr.io", "quay.io", "registry.gitlab.com", "public.ecr.aws", "mcr.microsoft.com", "gcr.io"),
    *("registry.k8s.io", "lscr.io", "docker.n8n.io"),
)
"""Registries that are asked unless an operator says otherwise: nobody who may read their logs learns of us there."""
HERE = "here"
"""What `proof_from` calls the machine that we run on."""
_CPUS = re.compile(r"^(?:[1-9][0-9]{0,2}(?:\.[0-9]{1,2})?|0\.(?!0+$)[0-9]{1,2})$")


def dns_label(value: str) -> str:
    """Return `value` if it is a DNS label in lower case.

    Raises:
        ValueError: otherwise.
    """
    if not _NAME.fullmatch(value):
        raise ValueError("use 1-63 lower-case letters, digits and inner hyphens")
    return value


def domain(value: str) -> str:
    """Return `value` if it is a bare lower-case host name with at least one dot.

    Raises:
        ValueError: a scheme, a wildcard, a port or a character that is not allowed.
    """
    if not _DOMAIN.fullmatch(value):
        raise ValueError("use a bare domain such as s1.example.com: no scheme, no *, no port")
    return value


def address(value: str) -> str:
    """Return `value` if it is an IP address or a host name."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        if value == "localhost":
            return value
        return domain(value)


def memory_limit(value: str) -> str:
    """Return `value` if it is a Docker memory limit such as 512m or 2g; Docker takes nothing below 6m.

    Raises:
        ValueError: otherwise.
    """
    if not _MEMORY.fullmatch(value):
        raise ValueError("use a number with k, m or g, such as 512m or 2g; unlimited is not accepted")
    if memory_bytes(value) < _MIN_MEMORY_BYTES:
        raise ValueError("use 6m or more: Docker refuses less")
    return value


def cpu_limit(value: str) -> str:
    """Return `value` if it is a number of CPUs such as 0.5 or 2."""
    if not _CPUS.fullmatch(value):
        raise ValueError("use a number of CPUs above 0, such as 0.5 or 2; unlimited is not accepted")
    return value


def memory_bytes(limit: str) -> int:
    """Return a Docker memory limit in bytes."""
    return int(limit[:-1]) * {"k": 2**10, "m": 2**20, "g": 2**30}[limit[-1]]


def network(value: str) -> str:
    """Return `value` if it is an IPv4 or IPv6 network without host bits, or one address (as the network of itself).

    Raises:
        ValueError: otherwise.
    """
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(
            "use a network such as 198.51.100.0/24 or 2001:db8::/48, with no bits after the prefix"
        ) from None


def registry(value: str) -> str:
    """Return `value` if it is the host of an image registry, with its port where it is not 443.

    Raises:
        ValueError: otherwise.
    """
    host, colon, port = value.partition(":")
    if colon and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= _LAST_PORT):
        raise ValueError("use a host such as ghcr.io, with a port only as in registry.example.com:5000")
    return f"{domain(host)}{colon}{port}"


Name = Annotated[str, AfterValidator(dns_label)]
Domain = Annotated[str, AfterValidator(domain)]
Address = Annotated[str, AfterValidator(address)]
Memory = Annotated[str, AfterValidator(memory_limit)]
Cpus = Annotated[str, AfterValidator(cpu_limit)]
Network = Annotated[str, AfterValidator(network)]
Registry = Annotated[str, AfterValidator(registry)]
Port = Annotated[int, Field(ge=1, le=65535)]
SshAccess = Literal["public", "private"]
Provider = Literal["hetzner_cloud", "hetzner_robot", "other"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CoolifySettings(_Section):
    """Where Coolify answers, and where apps go by default. `url` is without /api/v1."""

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]
    project: str = "apps"
    environment: str = "production"


class Host(_Section):
    """A server that we reach over SSH. `host_key` is one or more OpenSSH public key lines, pinned."""

    name: Name
    address: Address
    ssh_user: Annotated[str, Field(pattern=rf"^{_USER}$")] = "root"
    ssh_port: Port = 22
    bastion: Name | None = None
    host_key: str = ""
    provider: Provider = "other"
    provider_id: str = ""
    private_address: Address | None = None

    @property
    def ssh_address(self) -> str:
        """Return where it is reached over SSH."""
        return self.address


class Muscle(Host):
    """A run server; apps get `<app>.<wildcard_domain>`. With `private` access SSH is on the private network only."""

    wildcard_domain: Domain | None = None
    production: bool = False
    access: SshAccess = "public"

    @property
    def ssh_address(self) -> str:
        """Return where it is reached over SSH: at its private address, where it takes SSH there only."""
        return self.private_address if self.access == "private" and self.private_address else self.address


class Domains(_Section):
    """The domain that covers apps on all Muscles, and who serves its DNS."""

    fleet: Domain | None = None
    dns: Literal["hetzner", "cloudflare", "none"] = "none"


class Fork(_Section):
    """The Coolify fork in service, what it is built from, and the pull request that would make it needless.

    `repository` is at GitHub, and `branch` there has the patch. A build is pushed to the name in `image`.
    """

    image: str = ""
    repository: Annotated[
        str, Field(pattern=r"^$|^https://github\.com/[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")
    ] = ""
    branch: Annotated[str, Field(max_length=100, pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*)?$")] = ""
    upstream_pull_request: Annotated[str, Field(pattern=r"^$|^[\w.-]+/[\w.-]+#\d+$")] = ""


class BackupPlace(_Section):
    """Where copies of the Factory's backups go, off the host: a folder reached by SFTP, such as a Storage Box.

    `recipient` is the public key of age that copies are encrypted for; who has its private key alone can read them.
    The newest `keep` copies stay, and all that are younger than `keep_days`, of those that `fleet` names as its own;
    `Fleet.backup_place` fills in the name of a fleet that has none here.
    """

    address: Address | None = None
    ssh_user: Annotated[str, Field(pattern=_USER_OR_NONE)] = ""
    ssh_port: Port = 23
    host_key: str = ""
    folder: Annotated[
        str, Field(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")
    ] = "coolify"
    fleet: Annotated[str, Field(pattern=rf"^(?:{OWNER})?$")] = ""
    recipient: Annotated[str, AfterValidator(age_recipient)] = ""
    keep: Annotated[int, Field(ge=1, le=1000)] = 14
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30

    @property
    def host(self) -> Host | None:
        """Return the way there, None where no place is named; it is no server of the fleet: nothing runs there."""
        if self.address is None:
            return None
        return Host(
            name=PLACE,
            address=self.address,
            ssh_user=self.ssh_user,
            ssh_port=self.ssh_port,
            host_key=self.host_key,
        )


class AppDefaults(_Section):
    """What an app gets when the caller does not say."""

    memory: Memory = "512m"
    cpus: Cpus = "1"
    port: Port = 3000
    branch: str = "main"


class Images(_Section):
    """The registries that are asked which image a tag names, before and after it is deployed.

    Those of `inner` may have an address of a private network.
    """

    registries: tuple[Registry, ...] = PUBLIC_REGISTRIES
    inner: tuple[Registry, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Return the registries of both kinds."""
        return frozenset({*self.registries, *self.inner})


class Access(_Section):
    """From where servers may be reached: `admin` by people and by this server, `private` only by the fleet's own.

    `proof_from` is from where apps without a public address are visited to prove them: the name of a server of the
    fleet, `here` for this machine, or empty: from nowhere.
    """

    admin: tuple[Network, ...] = ()
    private: tuple[Network, ...] = ()
    proof_from: Annotated[str, Field(pattern=_NAME_OR_NONE)] = ""


class Approvals(_Section):
    """How long an approval may wait (minutes) and who must give it."""

    ttl_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    channel: Literal["any", "ticket"] = "any"


class State(_Section):
    """Where approvals, audit, locks and operations live; empty: SQLite in the platform's state folder."""

    url: str = ""


class Fleet(_Section):
    """Everything in fleet.toml. Secrets are never in it."""

    coolify: CoolifySettings
    factory: Host
    muscles: tuple[Muscle, ...] = ()
    bastions: tuple[Host, ...] = ()
    domains: Domains = Domains()
    fork: Fork = Fork()
    backups: BackupPlace = BackupPlace()
    defaults: AppDefaults = AppDefaults()
    access: Access = Access()
    images: Images = Images()
    approvals: Approvals = Approvals()
    state: State = State()

    def host(self, name: str) -> Host:
        """Return the server called `name`.

        Raises:
            KeyError: no server of the fleet has that name.
        """
        return {h.name: h for h in self.hosts}[name]

    @property
    def backup_place(self) -> BackupPlace:
        """Return the place of copies with this fleet's name in it: its own, else the domain that Coolify answers at.

        Without either it is empty. A domain is of one fleet in the world, and stays when the machine burns.
        """
        return self.backups.model_copy(update={"fleet": self.backups.fleet or _domain_in(self.coolify.url)})

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return the Factory, the Muscles and the bastions, in that order."""
        return (self.factory, *self.muscles, *self.bastions)


def _domain_in(url: str) -> str:
    """Return the domain that a URL names, if it can be in a file's name, else nothing: an address may be another's."""
    with suppress(ValueError):
        name = domain(url.partition("://")[2].partition(":")[0].lower())
        return name if re.fullmatch(OWNER, name) else ""
    return ""
