"""Choices from a seed, and the values that every part of a random server draws from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

T = TypeVar("T")

SERVED = (80, 443, 8080, 9100, 9101)
"""What something may listen on."""
ASKED = (81, 8081)
"""What nothing listens on, and rules may send on to a port that is served."""
DOORS = (*SERVED, *ASKED)
"""What is knocked at, beside SSH; no rule is ever about SSH's own port, so that the way of the admin stays."""
SSH = 22
SOURCES4 = ("$OUTSIDE4", "$ADMIN4", "$FACTORY4", "$FLEET4")
SOURCES6 = ("$OUTSIDE6", "$ADMIN6", "$FACTORY6", "$FLEET6")
NETS4 = ("$OUTSIDE4/24", "$NET4", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "192.0.2.0/24")
NETS6 = ("$OUTSIDE6/64", "$NET6", "2000::/3", "fd00::/8", "2001:db8::/32")


@dataclass
class Dice:
    """One run of choices: the same seed gives the same server; `count` numbers what must not have one name twice."""

    random: Random
    count: int = 0
    served: list[int] = field(default_factory=list[int])
    near: tuple[int, ...] = field(init=False)
    """The ports that most rules of this server are about, so that they meet each other."""

    def __post_init__(self) -> None:
        self.near = tuple(self.some(DOORS, 3, least=2))

    def one(self, *of: T) -> T:
        """Return one of them."""
        return self.random.choice(of)

    def chance(self, percent: int) -> bool:
        """Return true in so many of a hundred cases."""
        return self.random.randrange(100) < percent

    def some(self, of: Sequence[T], most: int, *, least: int = 1) -> list[T]:
        """Return from `least` to `most` different ones of them, in any order."""
        return self.random.sample(of, self.random.randint(least, min(most, len(of))))

    def maybe(self, percent: int, *of: T) -> list[T]:
        """Return one of them in so many of a hundred cases, and none in the others."""
        return [self.one(*of)] if self.chance(percent) else []

    def mixed(self, parts: Iterable[str]) -> str:
        """Return the parts in any order."""
        found = list(parts)
        self.random.shuffle(found)
        return " ".join(found)

    def name(self, stem: str) -> str:
        """Return a new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def door(self) -> int:
        """Return a port that is knocked at."""
        return self.one(*self.near) if self.chance(75) else self.one(*DOORS)

    def to(self) -> int:
        """Return a port that something listens on, mostly."""
        return self.one(*(self.served or SERVED)) if self.chance(85) else self.door()

    def four(self) -> str:
        """Return an IPv4 source or network."""
        return self.one(*SOURCES4, *NETS4)

    def six(self) -> str:
        """Return an IPv6 source or network."""
        return self.one(*SOURCES6, *NETS6)
