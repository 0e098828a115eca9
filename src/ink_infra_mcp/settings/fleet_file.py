"""Reads fleet.toml, and refuses a fleet that does not fit together."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ink_infra_mcp.core.fleet import HERE, PLACE, Fleet, Host
from ink_infra_mcp.settings.keys import HINTS
from ink_infra_mcp.settings.state_url import state_url_fault
from ink_infra_mcp.settings.toml_file import Fault, nearest, read_model
from ink_infra_mcp.settings.toml_lines import KeyPath

_KEY = r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d{3}|sk-[\w@.-]+) [A-Za-z0-9+/]{20,}={0,2}(?: .*)?"
_KEYS = re.compile(rf"\s*(?:{_KEY}(?:\n\s*|$))*")
_KEY_LINES = "write OpenSSH public key lines, such as `ssh-ed25519 AAAA...`, without a host name"


def load_fleet(path: Path) -> Fleet:
    """Return the fleet in the file.

    Raises:
        ConfigError: naming the file, and line and key of everything that is wrong.
    """
    read = read_model(path, Fleet, hints=HINTS)
    read.refuse(faults(read.model))
    return read.model


def faults(fleet: Fleet) -> Iterator[Fault]:
    """Return what is wrong between the keys: doubled names or addresses, bastions that lead nowhere, a wrong URL."""
    if not _is_plain_url(fleet.coolify.url):
        yield Fault(("coolify", "url"), HINTS[("coolify", "url")])
    yield from _doubled(fleet)
    yield from _bastion_faults(fleet)
    yield from _access_faults(fleet)
    yield from _domain_faults(fleet)
    yield from _host_key_faults(fleet)
    yield from _proof_faults(fleet)
    yield from _fork_faults(fleet)
    yield from _backup_faults(fleet)
    if fault := state_url_fault(fleet.state.url):
        yield Fault(("state", "url"), fault)


def placed(fleet: Fleet) -> list[tuple[KeyPath, Host]]:
    """Return every server with the path of its table."""
    found: list[tuple[KeyPath, Host]] = [(("factory",), fleet.factory)]
    found += [(("muscles", index), muscle) for index, muscle in enumerate(fleet.muscles)]
    return found + [(("bastions", index), host) for index, host in enumerate(fleet.bastions)]


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.netloc and not (parts.query or parts.fragment)


def _host_key_faults(fleet: Fleet) -> Iterator[Fault]:
    for path, host in placed(fleet):
        if not _KEYS.fullmatch(host.host_key):
            yield Fault((*path, "host_key"), _KEY_LINES)


def _doubled(fleet: Fleet) -> Iterator[Fault]:
    taken: dict[tuple[str, object], KeyPath] = {}
    for path, host in placed(fleet):
        for key, value, words in _unique(host):
            if value and taken.setdefault((key, value), path) != path:
                yield Fault((*path, key), f"{words} of another server too")


def _unique(host: Host) -> tuple[tuple[str, object, str], ...]:
    """Return what no two servers may have in common: the key, its value, and words for it."""
    return (
        ("name", host.name, f"`{host.name}` is the name"),
        ("address", (host.address, host.ssh_port, host.bastion), "is the address"),
        ("private_address", host.private_address, "is the private address"),
    )


def _bastion_faults(fleet: Fleet) -> Iterator[Fault]:
    hops = {host.name: host.bastion for host in fleet.hosts}
    for path, host in placed(fleet):
        if host.bastion is None:
            continue
        if host.bastion not in hops:
            yield Fault((*path, "bastion"), f"no server has that name; {nearest(host.bastion, hops)}")
        elif loop := _loop(host.name, hops):
            yield Fault((*path, "bastion"), f"leads back to itself: {' -> '.join(loop)}")


def _access_faults(fleet: Fleet) -> Iterator[Fault]:
    """Where SSH is on the private network only, nobody would get in who has no address there: the Factory not, too."""
    for index, muscle in enumerate(fleet.muscles):
        both = {muscle.name: muscle.private_address, fleet.factory.name: fleet.factory.private_address}
        if muscle.access == "private" and (lost := [name for name, address in both.items() if not address]):
            yield Fault(("muscles", index, "access"), f"`private` needs a private_address of {' and '.join(lost)}")


def _proof_faults(fleet: Fleet) -> Iterator[Fault]:
    wanted, names = fleet.access.proof_from, {host.name for host in fleet.hosts}
    if wanted not in {"", HERE, *names}:
        yield Fault(("access", "proof_from"), f"no server has that name; {nearest(wanted, {HERE, *names})}")


def _fork_faults(fleet: Fleet) -> Iterator[Fault]:
    """What is built needs all three: a repository alone has no patch, and its image would go nowhere."""
    fork = fleet.fork
    needed = {"repository": fork.repository, "branch": fork.branch, "image": fork.image}
    if fork.repository or fork.branch:
        yield from (Fault(("fork", key), "is needed to build the fork") for key, value in needed.items() if not value)


def _backup_faults(fleet: Fleet) -> Iterator[Fault]:
    """What is sent there leaves the fleet: without all four nobody knows whom it reaches, or who can read it."""
    place = fleet.backups
    needed = {name: getattr(place, name) for name in ("address", "ssh_user", "host_key", "recipient")}
    if any(needed.values()):
        yield from (Fault(("backups", key), "is needed for copies off the host") for key in needed if not needed[key])
    if place.address and not fleet.backup_place.fleet:
        yield Fault(("backups", "fleet"), "is needed for copies off the host: coolify.url has no domain for it")
    if not _KEYS.fullmatch(place.host_key):
        yield Fault(("backups", "host_key"), _KEY_LINES)
    yield from _backups_within(fleet)


def _backups_within(fleet: Fleet) -> Iterator[Fault]:
    address = fleet.backups.address
    for path, host in placed(fleet):
        if host.name == PLACE:
            yield Fault((*path, "name"), "is what the place of backups is called")
        if address and address in (host.address, host.private_address):
            yield Fault(("backups", "address"), f"is {host.name}: a copy in the fleet itself burns with it")


def _loop(start: str, hops: dict[str, str | None]) -> list[str]:
    """Return the way from `start` back to it, or nothing when the way ends or circles elsewhere."""
    way = [start]
    while (hop := hops.get(way[-1])) is not None:
        way.append(hop)
        if hop == start:
            return way
        if hop in way[:-1]:
            return []
    return []


def _domain_faults(fleet: Fleet) -> Iterator[Fault]:
    taken: dict[str, KeyPath] = {fleet.domains.fleet: ("domains",)} if fleet.domains.fleet else {}
    for index, muscle in enumerate(fleet.muscles):
        path: KeyPath = ("muscles", index)
        if muscle.wildcard_domain and taken.setdefault(muscle.wildcard_domain, path) != path:
            other = "the whole fleet" if taken[muscle.wildcard_domain] == ("domains",) else "another Muscle"
            yield Fault((*path, "wildcard_domain"), f"is the domain of {other} too")
