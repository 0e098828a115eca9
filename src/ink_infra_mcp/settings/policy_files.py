"""Loads the policies: the packaged baseline, tightened (or openly loosened) by the operator's files."""

from collections.abc import Callable
from functools import cache, partial
from importlib.resources import as_file, files
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar, cast

from pydantic import BaseModel

from ink_infra_mcp.core import image_rules, isolation, policy, secrecy
from ink_infra_mcp.core.baseline import policy as baseline_policy
from ink_infra_mcp.core.baseline.policy import Baseline, BaselineFile
from ink_infra_mcp.core.dns import rules as dns_rules
from ink_infra_mcp.core.dns.rules import DnsFile, DnsRules
from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.firewall import in_force
from ink_infra_mcp.core.firewall.in_force import PortsFile, PortsInForce, PortsOverlay
from ink_infra_mcp.core.image_rules import ImageRules, ImagesFile
from ink_infra_mcp.core.isolation import Isolation, IsolationRules
from ink_infra_mcp.core.login import policy as login_policy
from ink_infra_mcp.core.login.policy import SshdPolicy, SshdRules
from ink_infra_mcp.core.policy import Loosens, Policy, RiskRules, UnknownEntry
from ink_infra_mcp.core.secrecy import Secrecy, SecrecyRules
from ink_infra_mcp.core.signing import LONGEST_KEY, SigningKey, signing_key
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.words import own_words
from ink_infra_mcp.settings.toml_file import Fault, Read, nearest, read_model, wrong

NAMES = (
    "baseline.toml",
    "dns.toml",
    "images.toml",
    "isolation.toml",
    "ports.toml",
    "risk.toml",
    "secrets.toml",
    "sshd.toml",
)
"""The policy files that there are; another name in the operator's folder is an error, not a file without effect."""

Rules = TypeVar("Rules", bound=BaseModel)
InForce = TypeVar("InForce")


def load_policy(folder: Path | None = None) -> Policy:
    """Return the risk policy in force: the packaged risk.toml, with the one in `folder` on top.

    Raises:
        ConfigError: a file is wrong, or loosens the baseline without an `override`; names file, line and key.
    """
    base = policy.baseline(_packaged("risk.toml", RiskRules))
    return _overlaid(base, folder, "risk.toml", model=RiskRules, tighten=policy.tighten)


def load_isolation(folder: Path | None = None) -> Isolation:
    """Return the isolation in force: the packaged isolation.toml, with the one in `folder` on top.

    Raises:
        ConfigError: as for `load_policy`.
    """
    base = isolation.baseline(_packaged("isolation.toml", IsolationRules))
    return _overlaid(base, folder, "isolation.toml", model=IsolationRules, tighten=isolation.tighten)


def load_ports(folder: Path | None = None) -> PortsInForce:
    """Return the port policy in force: the packaged ports.toml, with the one in `folder` on top.

    Raises:
        ConfigError: a file is wrong, or opens what the baseline forbids, or shuts what it requires.
    """
    base = in_force.baseline(_packaged("ports.toml", PortsFile))
    return _overlaid(base, folder, "ports.toml", model=PortsOverlay, tighten=in_force.tighten)


def load_dns(folder: Path | None = None) -> DnsRules:
    """Return how DNS records are made: the packaged dns.toml, with the one in `folder` on top.

    Raises:
        ConfigError: a file is wrong; names file, line and key.
    """
    base = dns_rules.baseline(_packaged("dns.toml", DnsFile))
    return _overlaid(base, folder, "dns.toml", model=DnsFile, tighten=dns_rules.adjusted)


def load_images(folder: Path | None = None) -> ImageRules:
    """Return which images of Coolify may run: the packaged images.toml, with the one in `folder` on top.

    The keys that it names are files below `folder`, or anywhere by their whole path; each is read now.

    Raises:
        ConfigError: a file is wrong; names file, line and key.
    """
    read = partial(_key_in, folder or Path())
    base = image_rules.adjusted(ImageRules(), _packaged("images.toml", ImagesFile), read)
    tighten = partial(image_rules.adjusted, read=read)
    return _overlaid(base, folder, "images.toml", model=ImagesFile, tighten=tighten)


def load_baseline(folder: Path | None = None) -> Baseline:
    """Return what servers are made of: the packaged baseline.toml, with the one in `folder` on top.

    Raises:
        ConfigError: a file is wrong, or says otherwise than the baseline without an `override`.
    """
    base = baseline_policy.whole(_packaged("baseline.toml", BaselineFile))
    return _overlaid(base, folder, "baseline.toml", model=BaselineFile, tighten=baseline_policy.tighten)


def load_secrecy(folder: Path | None = None) -> Secrecy:
    """Return what may be stored of secrets: the packaged secrets.toml, with the one in `folder` on top.

    Raises:
        ConfigError: as for `load_policy`.
    """
    base = secrecy.baseline(_packaged("secrets.toml", SecrecyRules))
    return _overlaid(base, folder, "secrets.toml", model=SecrecyRules, tighten=secrecy.tighten)


def load_sshd(folder: Path | None = None) -> SshdPolicy:
    """Return the policy of sshd in force: the packaged sshd.toml, with the one in `folder` on top.

    Raises:
        ConfigError: as for `load_policy`.
    """
    base = login_policy.baseline(_packaged("sshd.toml", SshdRules))
    return _overlaid(base, folder, "sshd.toml", model=SshdRules, tighten=login_policy.tighten)


def _key_in(folder: Path, name: str) -> SigningKey:
    """Return the public key in a file that signed_by names.

    Raises:
        ValueError: it cannot be read, or holds no key whose signatures are understood.
    """
    try:
        file = folder / Path(name).expanduser()
    except RuntimeError:
        raise ValueError(f"{clean_name(name)} of signed_by cannot be read: nobody has that home") from None
    try:
        if not S_ISREG(file.stat().st_mode):
            # a pipe would keep us waiting for whoever never writes into it
            raise ValueError(f"{file} of signed_by cannot be read: no plain file")
        with file.open("rb") as opened:
            text = opened.read(LONGEST_KEY + 1)
    except OSError as error:
        raise ValueError(f"{file} of signed_by cannot be read: {(error.strerror or 'no file').lower()}") from None
    try:
        return signing_key(name, text[:LONGEST_KEY].decode("ascii"))
    except ValueError as error:
        why = "is no PEM" if isinstance(error, UnicodeError) else str(error)
        raise ValueError(f"{file} of signed_by {why}") from None


def _packaged(name: str, model: type[Rules]) -> Rules:
    return cast(Rules, _read_once(name, model))


@cache
def _read_once(name: str, model: type[BaseModel]) -> BaseModel:
    """Return a file of this release, which stays what it is: reading it takes as long as an answer of the sandbox."""
    with as_file(files("ink_infra_mcp") / "policies" / name) as path:
        return read_model(path, model).model


def _overlaid(
    base: InForce,
    folder: Path | None,
    name: str,
    *,
    model: type[Rules],
    tighten: Callable[[InForce, Rules], InForce],
) -> InForce:
    if folder is None or name not in _names_in(folder):
        return base
    file = folder / name
    read = read_model(file, model)
    try:
        return tighten(base, read.model)
    except Loosens as error:
        raise _looser(read, error) from None
    except UnknownEntry as error:
        fault = Fault(error.path, f"no such rule; {nearest(str(error), error.known)}")
        raise wrong(file, [fault], read.lines) from None
    except ValueError as error:
        raise wrong(file, [Fault((), _first_words(error))], read.lines) from None


def _names_in(folder: Path) -> list[str]:
    """Return the names of the files there, none where there is no such folder.

    What is there and cannot be looked into may be what an operator has tightened: it is an error, never no policy.
    """
    try:
        found = sorted(file.name for file in folder.iterdir())
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not folder.is_symlink():
            return []
        why = (error.strerror or "it cannot be read").lower()
        raise ConfigError(
            f"The policies in {folder} cannot be read: {why}.",
            next="Let this user read that folder, or take it away if there shall be no policies of yours.",
        ) from None
    for name in found:
        if name.endswith(".toml") and name not in NAMES:
            raise ConfigError(
                f"{folder / name} is no policy file; {nearest(name, NAMES)}.", next="Rename it or take it away."
            )
    return found


def _looser(read: Read[Rules], error: Loosens) -> ConfigError:
    found = [
        Fault(entry.path, f'loosens the packaged policy ({entry.was} -> {entry.now}); add override = "the reason"')
        for entry in error.entries
    ]
    return wrong(read.file, found, read.lines)


def _first_words(error: ValueError) -> str:
    """Return what a failed check says, without pydantic's frame around it."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = next((line for line in lines if own_words(line) != line), lines[0])
    return own_words(said).partition(" [type=")[0]
