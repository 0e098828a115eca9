"""The services beside Coolify as the script on the Factory tells of them: what runs, and what the files name."""

import re
from collections.abc import Sequence

from ink_infra_mcp.core.plan import Frozen

REALTIME = "soketi"
"""What Coolify's files call realtime (docker-compose.prod.yml, v4.0.0 to v4.3.11); from 4.4 on none is started."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,400}")
_DIGEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,300}@sha256:[0-9a-f]{64}")
_SIBLING = re.compile(
    r"(?P<image>sha256:[0-9a-f]{64}) (?P<state>[a-z]{1,20}) (?P<health>[a-z]{1,20}) "
    r"(?P<reference>[A-Za-z0-9][A-Za-z0-9._:/@-]{0,400})"
)


class Sibling(Frozen):
    """A service beside Coolify: its image by id, and the name that its container was made from, by which it goes.

    `names` is what Docker Compose reads for it out of the files that are there, empty: not known. `digests` are those
    under which its image was pulled, as `name@sha256:...`.
    """

    image: str
    state: str
    health: str
    reference: str
    names: str = ""
    digests: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return by which digest it is told: that of the registry, or where it has none its id."""
        return self.digests[0].partition("@")[2] if self.digests else self.image


def read_siblings(lines: Sequence[tuple[str, str]]) -> dict[str, Sibling]:
    """Return what the script tells, by service; a line that is not understood is none: what runs is not known then."""
    names, digests = _of_each(lines, "names"), _of_each(lines, "digests")
    read = {
        service: _sibling(runs, names.get(service, ""), digests.get(service, ""))
        for service, runs in _of_each(lines, "beside").items()
    }
    return {service: each for service, each in read.items() if each is not None}


def _of_each(lines: Sequence[tuple[str, str]], word: str) -> dict[str, str]:
    told = (rest.partition(" ") for first, rest in lines if first == word)
    return {service: rest for service, _, rest in told}


def _sibling(runs: str, names: str, digests: str) -> Sibling | None:
    found = _SIBLING.fullmatch(runs)
    if found is None:
        return None
    known = tuple(each for each in digests.split() if _DIGEST.fullmatch(each))
    return Sibling(**found.groupdict(), names=_one(names.split()), digests=known)


def _one(words: list[str]) -> str:
    return words[0] if len(words) == 1 and _NAME.fullmatch(words[0]) else ""
