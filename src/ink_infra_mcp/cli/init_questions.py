"""The questions of `init`: each is asked until its answer is right, and a secret answer goes to the key store."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, get_args
from urllib.parse import urlsplit

import anyio
from pydantic import ValidationError

from ink_infra_mcp.app import Places
from ink_infra_mcp.cli.discovery import check_coolify_token, check_health, check_hetzner_token
from ink_infra_mcp.cli.terminal import Ask
from ink_infra_mcp.clients.coolify.models import Abilities
from ink_infra_mcp.core.errors import ConfigError, InkError
from ink_infra_mcp.core.fleet import CoolifySettings, Domains, address, domain, network
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.settings.paths import expanded
from ink_infra_mcp.settings.secret_names import secret_name
from ink_infra_mcp.settings.secrets import Secrets, read_secret_file

T = TypeVar("T")
_USER, _PORT, _PORTS = "root", 22, 65_536
_LOGIN_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_AT = re.compile(r"(?:\[(?P<inner>[^\[\]]+)\]|(?P<outer>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_DNS: tuple[str, ...] = get_args(Domains.model_fields["dns"].annotation)


@dataclass(frozen=True, slots=True)
class Setup:
    """Who is asked, and what the answers are tried on and kept in."""

    ask: Ask
    secrets: Secrets
    redact: Redactor
    places: Places = field(default_factory=Places)
    came_from: str = ""
    """The address from which the person came over SSH; empty: not known."""
    given: dict[str, Secret] = field(default_factory=dict[str, Secret])
    """Secrets that were given in this run: who answers again is not asked for them again."""
    kept: list[str] = field(default_factory=list[str])
    """Names of the secrets that this run has put into the key store."""


def valid(ask: Ask, question: str, *, default: str, check: Callable[[str], T]) -> T:
    """Return what `check` makes of the answer; one that it refuses with ValueError is asked for again."""
    while True:
        try:
            return check(ask.text(question, default=default))
        except ValueError as error:
            ask.tell(f"  {error}")


class Remembering:
    """Asks as `ask` does, and when the same is asked again, enter means what was answered before; never a secret."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._said: dict[str, str] = {}
        self._agreed: dict[str, bool] = {}

    def tell(self, text: str) -> None:
        """Show a text."""
        self._ask.tell(text)

    def text(self, question: str, *, default: str = "") -> str:
        """Return one line; an empty answer is the last one, else the default."""
        self._said[question] = self._ask.text(question, default=self._said.get(question, default))
        return self._said[question]

    def secret(self, question: str) -> str:
        """Return one line that is not shown while it is typed."""
        return self._ask.secret(question)

    def yes(self, question: str, *, default: bool) -> bool:
        """Return whether the answer is yes; an empty answer is the last one, else the default."""
        self._agreed[question] = self._ask.yes(question, default=self._agreed.get(question, default))
        return self._agreed[question]


def coolify_url(setup: Setup) -> str:
    """Return the address of a Coolify that answers."""
    while True:
        url = valid(setup.ask, "Coolify's address, such as https://coolify.example.com", default="", check=tidy_url)
        if not _is_safe(url) and not setup.ask.yes("The token would travel unencrypted. Go on?", default=False):
            continue
        try:
            anyio.run(check_health, url, setup.redact)
            return url
        except InkError as error:
            setup.ask.tell(f"  {error}")


def tidy_url(text: str) -> str:
    """Return scheme and host of what a person typed or copied, /api/v1 and slashes cut off.

    Raises:
        ValueError: it is no such address.
    """
    whole = text.strip() if "://" in text else f"https://{text.strip()}"
    url = whole.rstrip("/").removesuffix("/api/v1").removesuffix("/api")
    try:
        usable = bool(urlsplit(CoolifySettings(url=url).url).hostname) and "@" not in url
    except ValidationError:
        usable = False
    if not usable:
        raise ValueError("write scheme and host only, such as https://coolify.example.com")
    return url


def coolify_token(setup: Setup, url: str) -> Secret:
    """Return a token that Coolify accepts; one that may not do what is needed is kept only when the person insists."""

    def tried(token: Secret) -> Abilities:
        return anyio.run(check_coolify_token, url, token, setup.redact)

    def fits(may: Abilities) -> bool:
        setup.ask.tell(f"  It may: {_abilities(may)}.")
        lacks = ", ".join(_lacks(may))
        if not lacks:
            return True
        setup.ask.tell(f"  Without {lacks} most tools cannot work: make a token with read, write and deploy ticked.")
        return setup.ask.yes("Go on with this one?", default=False)

    return _token(setup, "coolify_token", "Coolify API token (in Coolify: Security > API Tokens)", tried, fits)[0]


def _lacks(may: Abilities) -> tuple[str, ...]:
    """Return the abilities that a token certainly has not, and without which nothing can be deployed."""
    return tuple(
        name for name, known in (("read", may.read), ("write", may.write), ("deploy", may.deploy)) if known == "no"
    )


def hetzner_token(setup: Setup) -> Secret | None:
    """Return a token that Hetzner Cloud accepts, or None when the person has none."""
    if _known(setup, "hetzner_cloud_token") is None and not setup.ask.yes(
        "Have you a Hetzner Cloud token? It tells what servers cost, and serves DNS", default=False
    ):
        return None
    token, count = _token(
        setup,
        "hetzner_cloud_token",
        "Hetzner Cloud API token",
        lambda token: anyio.run(check_hetzner_token, setup.places, token, setup.redact),
    )
    setup.ask.tell(f"  Its project has {count} servers.")
    return token


def ssh_key(setup: Setup) -> None:
    """Keep the private key for the servers, if the person names its file; one that cannot be read is asked again."""
    if (found := setup.secrets.get("ssh_key")) is not None:
        setup.ask.tell(f"SSH key for the servers: from {found.source}.")
        return
    while named := setup.ask.text("File with the private SSH key for the servers ('-' for none: the ssh-agent has it)"):
        if named == "-":
            return
        try:
            path = expanded(Path(named), "this answer")
            key = Secret(read_secret_file(path, "this answer"), source="terminal")
        except ConfigError as error:
            setup.ask.tell(f"  {error.failed}")
            continue
        return _keep_key(setup, key, path)


def _keep_key(setup: Setup, key: Secret, path: Path) -> None:
    try:
        setup.secrets.set("ssh_key", setup.redact.add(key))
    except ConfigError as error:
        setup.ask.tell(f"  {error.failed} Set {secret_name('ssh_key').file_variable}={path} to use it.")
        return
    setup.kept.append("ssh_key")
    setup.ask.tell("  Kept in the key store.")


def admins(setup: Setup) -> tuple[str, ...]:
    """Return the networks that admins come from; the whole internet only when the person insists."""
    while True:
        found = valid(
            setup.ask,
            "Addresses or networks that admins come from, such as 192.0.2.7 198.51.100.0/24 ('-' for none)",
            default=setup.came_from or "-",
            check=_networks,
        )
        if all(_is_agreed(setup, one) for one in found):
            return found


def _is_agreed(setup: Setup, one: str) -> bool:
    question = f"{one} is the whole internet: it could reach what is for admins alone, SSH among it. Keep it?"
    return not one.endswith("/0") or setup.ask.yes(question, default=False)


def _networks(text: str) -> tuple[str, ...]:
    return tuple(network(word) for word in text.replace(",", " ").split() if word != "-")


def domains(setup: Setup, zones: tuple[str, ...]) -> Domains:
    """Return the domain for apps on any Muscle, and who serves DNS; both may be none."""
    name = valid(
        setup.ask,
        "Domain for apps on any Muscle, such as apps.example.com ('-' for none)",
        default=zones[0] if len(zones) == 1 else "-",
        check=domain_or_none,
    )
    dns = valid(
        setup.ask,
        "Who serves your DNS zones: hetzner, cloudflare or none",
        default="hetzner" if zones else "none",
        check=_one_of_dns,
    )
    return Domains.model_validate({"fleet": name, "dns": dns})


def written_login(address_: str, user: str, port: int) -> str:
    """Return a login as `ssh_login` reads it, without what is as it mostly is; without an address there is none."""
    if not address_:
        return ""
    before = "" if user == _USER else f"{user}@"
    if port == _PORT:
        return f"{before}{address_}"
    return f"{before}[{address_}]:{port}" if ":" in address_ else f"{before}{address_}:{port}"


def ssh_login(text: str) -> tuple[str, str, int]:
    """Return user, address and port of `[user@]address[:port]`; an IPv6 address with a port stands in brackets.

    Raises:
        ValueError: it is no such login.
    """
    before, _, rest = text.strip().rpartition("@")
    parts = _AT.fullmatch(rest)
    user, at, port = before or _USER, rest, _PORT
    if parts is not None:
        at, port = parts["inner"] or parts["outer"], int(parts["port"] or _PORT)
    if not _LOGIN_NAME.fullmatch(user) or not 0 < port < _PORTS:
        raise ValueError("write it as [user@]address[:port], such as root@192.0.2.10:22")
    return user, address(at), port


def domain_or_none(text: str) -> str | None:
    """Return a domain, or None for a dash; raises ValueError for anything else."""
    return None if text == "-" else domain(text)


def _one_of_dns(text: str) -> str:
    if text not in _DNS:
        raise ValueError(f"write one of: {', '.join(_DNS)}")
    return text


def _token(
    setup: Setup, name: str, question: str, try_it: Callable[[Secret], T], fits: Callable[[T], bool] = lambda told: True
) -> tuple[Secret, T]:
    """Return a token that works and `fits`, from where it is kept already or from the person, and what trying told."""
    kept = _kept(setup, name)
    while True:
        token = kept or Secret(setup.ask.secret(question), source="terminal")
        if not token:
            continue
        setup.redact.add(token)
        try:
            told = try_it(token)
        except InkError as error:
            setup.ask.tell(f"  {error}")
            kept = None
            continue
        if not fits(told):
            kept = None
            continue
        if kept is None:
            _keep(setup, name, token)
        return token, told


def _known(setup: Setup, name: str) -> Secret | None:
    return setup.given.get(name) or setup.secrets.get(name)


def _kept(setup: Setup, name: str) -> Secret | None:
    if (given := setup.given.get(name)) is not None:
        return given
    try:
        found = setup.secrets.get(name)
    except ConfigError as error:
        setup.ask.tell(str(error))
        return None
    if found is not None:
        setup.ask.tell(f"The secret {name} is there already: {found.source}.")
    return found


def _keep(setup: Setup, name: str, token: Secret) -> None:
    setup.given[name] = token
    try:
        setup.secrets.set(name, token)
        setup.kept.append(name)
        setup.ask.tell("  Kept in the key store of this machine.")
    except ConfigError as error:
        setup.ask.tell(f"  {error.failed} {error.next}")


def _abilities(may: Abilities) -> str:
    told = {"read": may.read, "read:sensitive": may.read_sensitive, "write": may.write, "deploy": may.deploy}
    return ", ".join(f"{name} {known}" for name, known in told.items())


def _is_safe(url: str) -> bool:
    """Return whether a token may travel there: encrypted, or not beyond this machine or a private network."""
    parts = urlsplit(url)
    try:
        own = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return parts.scheme == "https" or parts.hostname == "localhost"
    return parts.scheme == "https" or own.is_private
