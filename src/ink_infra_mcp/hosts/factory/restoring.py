"""What proves a restored Coolify: that it decrypts its keys, has them as files, and gets in to its servers."""

import re
from collections.abc import Iterable, Iterator

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.hosts.factory.swapping import SCRIPT
from ink_infra_mcp.hosts.factory.unit_script import ANY
from ink_infra_mcp.ssh.pool import HostPool

_SERVER = re.compile(r"(?P<id>[0-9]{1,9}) (?P<uuid>[a-z0-9]{1,64}) (?P<in>yes|no)")
OWN_ID = "0"
"""Coolify's own server has this id in every installation (ProductionSeeder, 4.3.11)."""


class Secrets(Frozen):
    """Of the private keys in the database, how many are there and how many decrypt; None: artisan did not say.

    `files` are those that lie as files with the owner and the mode that Coolify wants. `reached` and `unreached` are
    the uuids of servers that Coolify got in to from its container, or not; `own` is the one that it runs on.
    """

    keys: int | None = None
    decrypted: int | None = None
    files: int | None = None
    reached: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    own: str = ""

    @property
    def faults(self) -> Iterator[str]:
        """Yield what is not as it shall be; one server that lets it in is proof that its keys are whole."""
        if not self.keys:
            yield "whether Coolify decrypts its keys is not known"
        elif self.decrypted != self.keys:
            yield f"Coolify decrypts {self.decrypted} of {self.keys} keys"
        elif self.files != self.keys:
            yield f"of {self.keys} keys {self.files} lie in /data/coolify/ssh/keys as Coolify wants them"
        if not self.reached:
            yield "no server lets Coolify in with its key"


async def secrets(pool: HostPool, host: str) -> Secrets:
    """Return what is known of the keys of the Coolify in service; on each server that it tries it runs `true`.

    Raises:
        HostError: the Factory cannot be reached, or its answer is not whole.
    """
    return read_secrets(await SCRIPT.facts(pool, host, "secrets", ANY))


def read_secrets(facts: Iterable[tuple[str, str]]) -> Secrets:
    """Return what the script tells; what is missing or damaged there is unknown."""
    lines = list(facts)
    told = dict(lines)
    decrypted, keys = _numbers(told.get("keys", ""), 2)
    (files,) = _numbers(told.get("files", ""), 1)
    servers = [found for found in (_SERVER.fullmatch(rest) for rest in _of(lines, "server")) if found]
    return Secrets(
        keys=keys,
        decrypted=decrypted,
        files=files,
        reached=_uuids(servers, "in", "yes"),
        unreached=_uuids(servers, "in", "no"),
        own="".join(_uuids(servers, "id", OWN_ID)),
    )


def _numbers(text: str, many: int) -> tuple[int | None, ...]:
    words = text.split()
    right = len(words) == many and all(map(str.isdigit, words))
    return tuple(map(int, words)) if right else (None,) * many


def _of(lines: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [rest for first, rest in lines if first == name]


def _uuids(servers: Iterable[re.Match[str]], part: str, value: str) -> tuple[str, ...]:
    return tuple(sorted(one["uuid"] for one in servers if one[part] == value))
