"""The port policy as its files are written, and what is in force once the operator's words are on it."""

from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.firewall.addresses import Family
from ink_infra_mcp.core.firewall.policy import Demand, Loosening, PortPolicy, PortRule, Tightening, overlaid
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.plan import Frozen


class Opening(PortRule):
    """A port that an operator opens where the baseline names no rule; `override` is the reason, always shown."""

    override: Annotated[str, Field(min_length=1)]


class PortsFile(Frozen):
    """ports.toml as it is packaged: all rules, and the names of those that a domain for Coolify changes."""

    rules: tuple[PortRule, ...]
    until_domain: tuple[str, ...] = ()
    once_domain: tuple[str, ...] = ()


class PortsOverlay(Frozen):
    """An operator's ports.toml: rules that say less by their names, and ports of their own."""

    tighten: tuple[Tightening, ...] = ()
    open: tuple[Opening, ...] = ()


class PortsInForce(Frozen):
    """The policy in force. `own` are the names of the operator's openings, and `overrides` these in words, for every
    report and plan.
    """

    policy: PortPolicy
    until_domain: tuple[str, ...] = ()
    once_domain: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()

    def publishable(self) -> frozenset[str]:
        """Return the ports of a Muscle that an app may publish, each as `25/tcp`.

        These are the operator's own openings for the internet over both families: Docker publishes a port to everybody,
        past the server's own filter.
        """
        mine = (rule for rule in self.policy.rules if rule.name in self.own and rule.role == "muscle")
        doors = {door for rule in mine if _is_for_everybody(rule) for door in rule.doors()}
        shut = {port for port in doors if len(self.policy.rule_for("muscle", port)) != 1}
        return frozenset(f"{number}/{protocol}" for protocol, number in doors - shut)

    def with_domain(self, *, has_domain: bool) -> PortPolicy:
        """Return the rules for a Coolify with or without a domain of its own."""
        required = self.once_domain if has_domain else self.until_domain
        return PortPolicy(rules=tuple(_demanded(rule, required) for rule in self.policy.rules))


def baseline(file: PortsFile) -> PortsInForce:
    """Return what is in force without an operator's words.

    Raises:
        ValueError: a name of a rule that there is not.
    """
    known = {rule.name for rule in file.rules}
    if strange := sorted({*file.until_domain, *file.once_domain} - known):
        raise ValueError(f"there is no rule called {strange[0]!r}")
    return PortsInForce(
        policy=PortPolicy(rules=file.rules), until_domain=file.until_domain, once_domain=file.once_domain
    )


def tighten(base: PortsInForce, overlay: PortsOverlay) -> PortsInForce:
    """Return what is in force with the operator's words on it.

    Raises:
        Loosening: a word allows what the baseline forbids, or shuts what it requires.
        ValueError: an opening has the name of another rule.
    """
    policy = overlaid(base.policy, overlay.tighten)
    if shut := tuple(said for opening in overlay.open for said in _forbidden(policy, opening)):
        raise Loosening(shut)
    opened = tuple(PortRule.model_validate(opening.model_dump(exclude={"override"})) for opening in overlay.open)
    return base.model_copy(
        update={
            "policy": PortPolicy(rules=(*policy.rules, *opened)),
            "own": tuple(opening.name for opening in overlay.open),
            "overrides": tuple(_words(opening) for opening in overlay.open),
        }
    )


def _forbidden(policy: PortPolicy, opening: Opening) -> list[str]:
    asked = Ports.parse(opening.ports)
    return [
        f"{opening.name}: {asked & Ports.parse(rule.ports)}/{rule.protocol} is forbidden ({rule.name}: {rule.why})"
        for rule in policy.rules
        if (rule.role, rule.protocol) == (opening.role, opening.protocol)
        and rule.demand is Demand.FORBIDDEN
        and asked & Ports.parse(rule.ports)
    ]


def _words(opening: Opening) -> str:
    who = ", ".join(opening.allowed) or "nobody"
    return (
        f"ports.{opening.name}: {opening.ports}/{opening.protocol} of a {opening.role} for {who} ({opening.override})"
    )


def _is_for_everybody(rule: PortRule) -> bool:
    is_open = rule.demand is not Demand.FORBIDDEN and "internet" in rule.allowed
    return is_open and set(rule.families) == {Family.V4, Family.V6}


def _demanded(rule: PortRule, required: tuple[str, ...]) -> PortRule:
    needed = rule.name in required and rule.demand is Demand.OPTIONAL
    return rule.model_copy(update={"demand": Demand.REQUIRED}) if needed else rule
