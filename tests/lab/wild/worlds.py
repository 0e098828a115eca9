"""One random server from a seed: a list of steps that a shell carries out, and what listens there."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from tests.lab.wild import iptables, managers, network, nft
from tests.lab.wild.dice import Dice

Part = Callable[[Dice], Iterator[str]]
Parts = Mapping[str, tuple[Part, int]]
"""What a server may be made of, by name, each with how often it is taken."""
LIGHT: Parts = {
    "nft": (nft.table, 10),
    "nft at the card": (nft.ingress, 2),
    "nft in iptables' tables": (nft.into_iptables, 5),
    "iptables": (iptables.rules, 9),
    "translations": (iptables.translations, 5),
    "comments": (iptables.comments, 2),
    "synproxy": (iptables.synproxy, 1),
    "prefixes": (iptables.prefixes, 1),
    "the shaper": (network.by_shaper, 1),
    "ipset": (iptables.sets, 3),
    "addresses": (network.addresses, 5),
    "routes": (network.routes, 3),
    "settings": (network.settings, 4),
    "a card in a bridge": (network.bridged, 1),
    "a guest": (network.guest, 2),
    "ufw": (managers.ufw, 2),
}
"""What any server can have."""
WHOLE: Parts = {
    **{name: LIGHT[name] for name in LIGHT if name != "ufw"},
    "ufw": (managers.ufw, 4),
    "firewalld": (managers.firewalld, 4),
    "docker": (managers.docker, 14),
}
"""What a server with systemd and Docker can have."""
_FIRST = ("docker", "firewalld", "ufw", "a card in a bridge", "addresses", "ipset")
"""What others build on comes first, mostly."""


@dataclass(frozen=True, slots=True)
class World:
    """A server to be: words for a shell, one step after the other, and where something listens in the end."""

    seed: int
    steps: tuple[str, ...]
    listens: tuple[str, ...]

    @property
    def told(self) -> str:
        """Return it as a person would type it."""
        return "\n".join((f"# seed {self.seed}", *self.steps, *(f"listen {each}" for each in self.listens)))


def world(seed: int, parts: Parts = LIGHT) -> World:
    """Return the server of a seed; the same seed and parts give the same server."""
    dice = Dice(Random(seed))  # noqa: S311 - a choice that can be repeated
    listens = network.listens(dice)
    names = [name for name, (_, weight) in parts.items() for _ in range(weight)]
    chosen = [dice.one(*names) for _ in range(dice.random.randint(1, 5))]
    if dice.chance(80):
        chosen.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    once = dict.fromkeys(name for name in chosen if name in _FIRST)
    taken = [*once, *(name for name in chosen if name not in _FIRST)]
    steps = tuple(step for name in taken for step in parts[name][0](dice))
    return World(seed, steps, tuple(dict.fromkeys(listens)))
