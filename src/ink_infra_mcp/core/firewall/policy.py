"""Which ports should be reachable for whom, by the role of a server, and how far that and the truth agree."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal, TypeVar, cast

from pydantic import Field, field_validator

from ink_infra_mcp.core.firewall.addresses import Family
from ink_infra_mcp.core.firewall.exposure import Port, State
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.plan import Frozen

Role = Literal["factory", "muscle", "bastion"]
Name = TypeVar("Name", bound=str)
ClassName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class Demand(StrEnum):
    """Whether a port must be open for those that it is for, may be, or is closed for everybody."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    FORBIDDEN = "forbidden"


class Intent(StrEnum):
    """What policy wants of one port for one class of sources."""

    MUST = "must be open"
    MAY = "may be open"
    MUST_NOT = "must be closed"


class Agreement(StrEnum):
    """How far what is meets what is wanted; `unproven` is a port that must be closed and is not known to be."""

    AGREES = "agrees"
    EXPOSED = "exposed"
    MISSING = "missing"
    UNPROVEN = "unproven"


class PortRule(Frozen):
    """What is wanted of some ports of a role's servers: `allowed` are the classes of sources that they are for."""

    name: Annotated[str, Field(min_length=1)]
    role: Role
    protocol: Literal["tcp", "udp"]
    ports: str
    families: tuple[Family, ...] = (Family.V4, Family.V6)
    allowed: tuple[ClassName, ...] = ()
    demand: Demand
    why: Annotated[str, Field(min_length=1)]

    @field_validator("ports")
    @classmethod
    def _are_ports(cls, ports: str) -> str:
        return str(Ports.parse(ports))

    @field_validator("allowed")
    @classmethod
    def _once(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(allowed)))

    def doors(self) -> Iterator[Port]:
        """Yield every port that it is about."""
        for first, last in Ports.parse(self.ports).spans:
            yield from ((self.protocol, port) for port in range(first, last + 1))

    def intent(self, source_class: str, family: Family) -> Intent:
        """Return what it wants for a class over a family."""
        if self.demand is Demand.FORBIDDEN or source_class not in self.allowed or family not in self.families:
            return Intent.MUST_NOT
        return Intent.MUST if self.demand is Demand.REQUIRED else Intent.MAY


class Tightening(Frozen):
    """An operator's own word on a rule, by its name: what is left out stays as it is."""

    name: str
    allowed: tuple[ClassName, ...] | None = None
    families: tuple[Family, ...] | None = None
    demand: Literal[Demand.FORBIDDEN] | None = None
    why: Annotated[str, Field(min_length=1)]

    @property
    def shuts(self) -> bool:
        """Return whether it leaves nobody that the port is open for."""
        return self.demand is Demand.FORBIDDEN or () in (self.allowed, self.families)


class Loosening(ValueError):
    """An operator's word would allow what the baseline forbids, or take away what it requires; `entries` say which."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        super().__init__("; ".join(entries))
        self.entries = entries


class PortPolicy(Frozen):
    """All rules of a policy. A port that none names must be closed for everybody."""

    rules: tuple[PortRule, ...] = ()

    @field_validator("rules")
    @classmethod
    def _named_once(cls, rules: tuple[PortRule, ...]) -> tuple[PortRule, ...]:
        names = [rule.name for rule in rules]
        if len(set(names)) != len(names):
            raise ValueError("two rules have one name")
        return rules

    def ports(self, role: Role) -> tuple[Port, ...]:
        """Return every port that a rule for the role names; of a range, all its ports."""
        mine = (rule for rule in self.rules if rule.role == role)
        return tuple(sorted({port for rule in mine for port in rule.doors()}))

    def rule_for(self, role: Role, port: Port) -> tuple[PortRule, ...]:
        """Return the rules that name a port of a role."""
        protocol, number = port
        mine = (rule for rule in self.rules if (rule.role, rule.protocol) == (role, protocol))
        return tuple(rule for rule in mine if number in Ports.parse(rule.ports))

    def intent(self, role: Role, port: Port, *, source_class: str, family: Family) -> Intent:
        """Return what is wanted: of several rules on one port, a forbidding one wins, then a requiring one."""
        rules = self.rule_for(role, port)
        if any(rule.demand is Demand.FORBIDDEN for rule in rules):
            return Intent.MUST_NOT
        wanted = [rule.intent(source_class, family) for rule in rules]
        return next((intent for intent in (Intent.MUST, Intent.MAY) if intent in wanted), Intent.MUST_NOT)


@dataclass(frozen=True, slots=True)
class Intents:
    """What a policy wants of a role's servers: each port, class and family is worked out once for all of them."""

    policy: PortPolicy
    role: Role
    ports: tuple[Port, ...]
    _known: dict[tuple[Port, str, Family], Intent] = field(
        default_factory=dict[tuple[Port, str, Family], Intent], compare=False
    )

    def of(self, port: Port, source_class: str, family: Family) -> Intent:
        """Return what is wanted of one port for a class over a family."""
        key = (port, source_class, family)
        if key not in self._known:
            self._known[key] = self.policy.intent(self.role, port, source_class=source_class, family=family)
        return self._known[key]


def intents(policy: PortPolicy, role: Role) -> Intents:
    """Return what a policy wants of a role; equal policies share it."""
    # what is frozen can be hashed, which the type of a model does not say
    return _intents(cast(Hashable, policy), role)


@lru_cache(maxsize=32)
def _intents(policy: Hashable, role: Role) -> Intents:
    known = cast(PortPolicy, policy)
    return Intents(known, role, known.ports(role))


def overlaid(policy: PortPolicy, overlay: Sequence[Tightening]) -> PortPolicy:
    """Return the policy with an operator's words on it, which may only tighten.

    Raises:
        Loosening: a word names no rule, allows a class or family that the rule does not, or shuts what is required.
    """
    by_name = {rule.name: rule for rule in policy.rules}
    if wrong := tuple(said for word in overlay for said in _loosens(by_name.get(word.name), word)):
        raise Loosening(wrong)
    for word in overlay:
        by_name[word.name] = _tightened(by_name[word.name], word)
    return PortPolicy(rules=tuple(by_name.values()))


def _loosens(rule: PortRule | None, word: Tightening) -> Iterator[str]:
    if rule is None:
        yield f"{word.name}: the baseline has no rule of that name"
        return
    yield from (f"{word.name}: {name} is not allowed by the baseline" for name in _beyond(word.allowed, rule.allowed))
    yield from (f"{word.name}: {name} is not open in the baseline" for name in _beyond(word.families, rule.families))
    if rule.demand is Demand.REQUIRED and word.shuts:
        yield f"{word.name}: the port is required"


def _beyond(wanted: Sequence[str] | None, allowed: Sequence[str]) -> list[str]:
    return [str(name) for name in wanted or () if name not in allowed]


def _tightened(rule: PortRule, word: Tightening) -> PortRule:
    return PortRule(
        name=rule.name,
        role=rule.role,
        protocol=rule.protocol,
        ports=rule.ports,
        families=_left(rule.families, word.families),
        allowed=_left(rule.allowed, word.allowed),
        demand=word.demand or rule.demand,
        why=word.why,
    )


def _left(now: tuple[Name, ...], wanted: Collection[str] | None) -> tuple[Name, ...]:
    return now if wanted is None else tuple(name for name in now if name in wanted)


def agreement(intent: Intent, state: State) -> Agreement:
    """Return how far a state meets an intent. Unknown never counts as closed, and never as open."""
    if intent is Intent.MAY:
        return Agreement.AGREES
    if intent is Intent.MUST:
        return Agreement.AGREES if state is State.OPEN else Agreement.MISSING
    return _WHERE_CLOSED.get(state, Agreement.EXPOSED)


_WHERE_CLOSED = {State.CLOSED: Agreement.AGREES, State.UNKNOWN: Agreement.UNPROVEN}
