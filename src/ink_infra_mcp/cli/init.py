"""`init`: writes fleet.toml from what a person says and what Coolify and Hetzner know."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import anyio
from pydantic import ValidationError

from ink_infra_mcp.cli import init_questions as questions
from ink_infra_mcp.cli.discovery import Found, Known, Proposal, discover, fingerprint, scan
from ink_infra_mcp.cli.init_questions import Remembering, Setup, valid
from ink_infra_mcp.cli.status import INTERRUPTED
from ink_infra_mcp.cli.terminal import NO_PERSON, Ask, Terminal, has_person
from ink_infra_mcp.core.errors import ConfigError, HostError
from ink_infra_mcp.core.fleet import Domains, Fleet, dns_label
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.settings.fleet_file import faults, load_fleet
from ink_infra_mcp.settings.fleet_text import dump_fleet
from ink_infra_mcp.settings.paths import config_file, this_machine
from ink_infra_mcp.settings.secrets import Secrets
from ink_infra_mcp.settings.toml_file import dotted

AGAIN = "Answer again? Enter then keeps each answer"


def run(arguments: argparse.Namespace) -> int:
    """Ask everything, and write the file; the exit status is 1 when the person did not want it written.

    Raises:
        ConfigError: there is no terminal, or the file exists and --force was not given.
    """
    config = config_file(this_machine(), arguments.config)
    refuse_existing(config, force=arguments.force)
    if not has_person():
        raise ConfigError(f"`init` asks questions. {NO_PERSON}", next="Run it in a terminal, or write fleet.toml.")
    redact = Redactor()
    came_from = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    setup = Setup(Terminal(), Secrets(os.environ, redact=redact), redact, came_from=came_from)
    before = _mark(config)
    try:
        return 0 if create(setup, config, force=arguments.force) else 1
    except KeyboardInterrupt:
        setup.ask.tell(f"\n{_stopped(setup, config, written=_mark(config) != before)}")
        return INTERRUPTED


def _mark(config: Path) -> tuple[int, int] | None:
    """Return what another file at that path would not have in common with the one that is there."""
    try:
        found = config.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _stopped(setup: Setup, config: Path, *, written: bool) -> str:
    file = f"{config} was written." if written else f"{config} was not written."
    kept = f" Kept in the key store, and not asked for again: {', '.join(setup.kept)}." if setup.kept else ""
    return f"Stopped. {file}{kept} Nothing was changed on any server."


def refuse_existing(config: Path, *, force: bool) -> None:
    """Do nothing when the file may be written.

    Raises:
        ConfigError: it exists and `force` is not given.
    """
    if config.exists() and not force:
        raise ConfigError(f"{config} exists.", next="Use --force to replace it; the old one is kept beside it.")


def create(setup: Setup, config: Path, *, force: bool) -> bool:
    """Return whether the person wanted the file that came out of the answers, which then is written.

    Who does not want it, or whose answers do not fit together, may answer again: enter then means the answer before.

    Raises:
        ConfigError: the file cannot be written.
        VendorError: Coolify or Hetzner stopped answering in between.
    """
    setup.ask.tell(f"This writes {config}. Nothing is changed on any server.\n")
    remembering = replace(setup, ask=Remembering(setup.ask))
    while (fleet := _answered(remembering, setup.ask)) is None or not _wanted(fleet, setup.ask, config):
        if not setup.ask.yes(AGAIN, default=False):
            setup.ask.tell("Nothing was written.")
            return False
    write_private(config, dump_fleet(fleet), force=force)
    load_fleet(config)
    setup.ask.tell("Written. `ink-infra-mcp doctor` shows what works; secrets are not in the file.")
    return True


def _wanted(fleet: Fleet, person: Ask, config: Path) -> bool:
    person.tell(f"\n{dump_fleet(fleet)}")
    return person.yes(f"Write this to {config}?", default=True)


def _answered(setup: Setup, person: Ask) -> Fleet | None:
    """Return the fleet that the answers make; None where they do not fit together, and the person was told why."""
    url = questions.coolify_url(setup)
    known = Known(
        url=url,
        coolify=questions.coolify_token(setup, url),
        hetzner=questions.hetzner_token(setup),
        places=setup.places,
        redact=setup.redact,
    )
    questions.ssh_key(setup)
    found = anyio.run(discover, known)
    try:
        return _fleet(setup, url, found)
    except ConfigError as error:
        person.tell(f"\n{error.failed}")
        return None


def write_private(path: Path, text: str, *, force: bool) -> None:
    """Write the whole file or nothing, readable by its owner only; a file that it replaces stays as `<name>.bak`.

    Raises:
        ConfigError: it exists and `force` is not given, or it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force and path.exists():
            path.replace(path.with_name(f"{path.name}.bak"))
        # a link, unlike a rename, does not replace a file that somebody made meanwhile
        path.hardlink_to(draft)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", next="Look at its folder.") from error
    finally:
        draft.unlink(missing_ok=True)


def _fleet(setup: Setup, url: str, found: Found) -> Fleet:
    """Return the fleet that the person agrees with; raises ConfigError like `_built`."""
    setup.ask.tell(f"\nCoolify knows {len(found.others) + (found.factory is not None)} servers.")
    domains = questions.domains(setup, found.zones)
    admins = questions.admins(setup)
    factory = _confirmed(setup, "The Factory, which runs Coolify", found.factory or Proposal("factory", ""))
    muscles = _muscles(setup, found, domains)
    keys = _host_keys(setup, [factory, *muscles])
    return _built(
        {
            "coolify": {"url": url},
            "factory": _fields(factory, keys, found),
            "muscles": [_fields(host, keys, found) | {"wildcard_domain": at} for host, at in muscles.items()],
            "domains": domains,
            "access": {"admin": admins},
        }
    )


def _built(answers: dict[str, object]) -> Fleet:
    """Return the answers as a fleet.

    Raises:
        ConfigError: names, addresses or domains are doubled, or Coolify has a value that no fleet takes.
    """
    try:
        fleet = Fleet.model_validate(answers)
    except ValidationError as error:
        fields = ", ".join(dotted(item["loc"]) for item in error.errors())
        failed = f"Coolify has values that fleet.toml does not take: {fields}."
        raise ConfigError(failed, next="Mend them there.") from None
    if wrong := [f"{dotted(fault.path)} {fault.what}" for fault in faults(fleet)]:
        raise ConfigError(f"The answers do not fit together: {'; '.join(wrong)}.", next="Answer again.")
    return fleet


def _muscles(setup: Setup, found: Found, domains: Domains) -> dict[Proposal, str | None]:
    """Return the servers that run apps, each with the domain of its apps."""
    muscles: dict[Proposal, str | None] = {}
    for proposal in found.others:
        why = f" {proposal.why_not}." if proposal.why_not else ""
        question = f"{why} Is {proposal.name} ({proposal.address}) a Muscle, which runs apps?".strip()
        if setup.ask.yes(question, default=not why):
            host = _confirmed(setup, f"Muscle {proposal.name}", proposal)
            muscles[host] = _wildcard(setup, host, len(muscles) + 1, domains)
    return muscles


def _confirmed(setup: Setup, who: str, proposal: Proposal) -> Proposal:
    name = valid(setup.ask, f"{who}: name", default=proposal.name, check=dns_label)
    question = f"{who}: address for SSH, as [user@]address[:port]"
    here = questions.written_login(proposal.address, proposal.ssh_user, proposal.ssh_port)
    user, at, port = valid(setup.ask, question, default=here, check=questions.ssh_login)
    return replace(proposal, name=name, address=at, ssh_user=user, ssh_port=port)


def _wildcard(setup: Setup, host: Proposal, place: int, domains: Domains) -> str | None:
    guess = host.wildcard_domain or (f"s{host.number or place}.{domains.fleet}" if domains.fleet else "-")
    question = f"Muscle {host.name}: apps get <app>.WHAT ('-' for none)"
    return valid(setup.ask, question, default=guess, check=questions.domain_or_none)


def _host_keys(setup: Setup, hosts: Sequence[Proposal]) -> dict[str, str]:
    """Return the host keys that the person recognised, by server name; without one there is no SSH to a server."""
    setup.ask.tell("\nSSH host keys. Compare each with the server's console or its provider before you say yes.")
    wanted = [(host.address, host.ssh_port) for host in hosts]
    shown = anyio.run(partial(scan, wanted, setup.places, setup.redact))
    keys: dict[str, str] = {}
    for host in hosts:
        key = shown[host.address, host.ssh_port]
        if isinstance(key, HostError):
            setup.ask.tell(f"  {key.failed} No key is recorded for {host.name}: nothing will be sent to it.")
        elif setup.ask.yes(f"{host.name} ({host.address}) shows {fingerprint(key)}. Is that its key?", default=False):
            keys[host.name] = key
        else:
            setup.ask.tell(f"  No key is recorded for {host.name}: nothing will be sent to it.")
    return keys


def _fields(host: Proposal, keys: dict[str, str], found: Found) -> dict[str, object]:
    return {
        "name": host.name,
        "address": host.address,
        "ssh_user": host.ssh_user,
        "ssh_port": host.ssh_port,
        "host_key": keys.get(host.name, ""),
        **asdict(found.owner(host.address)),
    }
