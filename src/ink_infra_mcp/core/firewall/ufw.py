"""ufw as it was set up: its defaults, and its own rules as they are kept in user.rules; what they do is in iptables.

The state that counts is iptables-save: what is kept may not be loaded, and Docker's chains come before ufw's.
"""

import re
from binascii import unhexlify
from collections.abc import Iterable
from typing import Literal

from ink_infra_mcp.core.firewall.addresses import A, Family, family_of
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.conditions import (
    Arrives,
    Leaves,
    OneOf,
    ToAddress,
    of_protocol,
    present,
    their_ports,
    to_ports,
)
from ink_infra_mcp.core.firewall.rules import Base, Rule, Table, Verdict
from ink_infra_mcp.core.plan import Frozen

Action = Literal["allow", "deny", "reject", "limit"]
Default = Literal["allow", "deny", "reject", "disabled"]
ANYWHERE = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}
_DEFAULTS = re.compile(
    r"^Default: (?P<incoming>\w+) \(incoming\), (?P<outgoing>\w+) \(outgoing\), (?P<routed>\w+) \(routed\)$", re.M
)
_RULE = re.compile(
    r"(?P<route>route:)?(?P<action>allow|deny|reject|limit)(?:_(?P<log>log|log-all))?"
    r" (?P<protocol>\S+) (?P<ports>\S+) (?P<to>\S+) (?P<from_ports>\S+) (?P<source>\S+)(?: (?P<apps>\S+ \S+))?"
    r" (?P<direction>in|out)(?:_(?P<first>[^!\s]+))?(?:!out_(?P<second>\S+))?(?: comment=(?P<comment>[0-9a-f]*))?"
)
_TUPLE = "### tuple ### "
_POLICIES = {
    "allow": Verdict.ACCEPT,
    "disabled": Verdict.ACCEPT,
    "deny": Verdict.DROP,
    "reject": Verdict.REJECT,
}
_VERDICTS = {"allow": Verdict.ACCEPT, "limit": Verdict.ACCEPT, "deny": Verdict.DROP, "reject": Verdict.REJECT}


class UfwStatus(Frozen):
    """Whether ufw is on, and what it does with what no rule names."""

    active: bool
    incoming: Default = "disabled"
    outgoing: Default = "disabled"
    routed: Default = "disabled"


class UfwRule(Frozen):
    """One rule of ufw, for one family. Ports are as ufw writes them: `any`, `22`, `81,82`, `6000:6010`."""

    family: Family
    action: Action
    direction: Literal["in", "out"] = "in"
    route: bool = False
    log: str = ""
    protocol: str = "any"
    ports: str = "any"
    to: str
    from_ports: str = "any"
    source: str
    arrives: str = ""
    leaves: str = ""
    apps: tuple[str, str] = ("-", "-")
    comment: str = ""

    @property
    def opens(self) -> bool:
        """Return whether it lets something through."""
        return self.action in {"allow", "limit"}

    def words(self) -> tuple[str, ...]:
        """Return the rule as arguments of `ufw`; `delete`, or `insert N` behind `route`, go before them."""
        return (
            self.action,
            *self._ways(),
            *_said("", self.log),
            *_said("proto", self.protocol, unless="any"),
            *("from", self.source, *_said("port", self.from_ports, unless="any")),
            *("to", self.to, *_said("port", self.ports, unless="any")),
            *_said("comment", self.comment),
        )

    def _ways(self) -> tuple[str, ...]:
        if self.route:
            return (*_on("in", self.arrives), *_on("out", self.leaves))
        name = self.arrives if self.direction == "in" else self.leaves
        return _on(self.direction, name) or (self.direction,)


def _on(way: str, interface: str) -> tuple[str, ...]:
    return (way, "on", interface) if interface else ()


def _said(word: str, value: str, *, unless: str = "") -> tuple[str, ...]:
    """Return a word and its value as arguments, or none where the value says nothing."""
    if value == unless:
        return ()
    return (word, value) if word else (value,)


def read_ufw_status(answer: Answer) -> UfwStatus | Unreadable:
    """Read what `ufw status verbose` said."""
    if bad := failed(answer, "ufw status"):
        return bad
    lines = [line.strip() for line in answer.text.splitlines()]
    if "Status: inactive" in lines:
        return UfwStatus(active=False)
    defaults = _DEFAULTS.search(answer.text)
    if defaults is None or "Status: active" not in lines:
        return Unreadable("ufw status says neither that it is inactive nor what its defaults are")
    try:
        return UfwStatus.model_validate({"active": True, **defaults.groupdict()})
    except ValueError:
        return Unreadable(f"ufw status has a default that is not known: {defaults[0]}")


def read_ufw_rules(answer: Answer, family: Family) -> tuple[UfwRule, ...] | Unreadable:
    """Read /etc/ufw/user.rules (IPv4) or user6.rules (IPv6); a file without its COMMIT is cut off."""
    if bad := failed(answer, "reading ufw's rules"):
        return bad
    lines = answer.text.splitlines()
    if not {"*filter", "COMMIT"} <= set(lines):
        return Unreadable("ufw's rules are cut off")
    try:
        return tuple(_rule(line.removeprefix(_TUPLE), family) for line in lines if line.startswith(_TUPLE))
    except ValueError as why:
        return Unreadable(f"ufw's rules: {why}")


def _rule(text: str, family: Family) -> UfwRule:
    found = _RULE.fullmatch(text)
    if found is None or {family_of(found["to"]), family_of(found["source"])} != {family}:
        raise Damaged(f"not a rule of {family}: {text[:80]}")
    said = {name: value for name, value in found.groupdict().items() if value is not None}
    first, second, apps = said.pop("first", ""), said.pop("second", ""), said.pop("apps", "- -")
    inward = said["direction"] == "in"
    return UfwRule.model_validate(
        {
            **said,
            "family": family,
            "route": "route" in said,
            "arrives": first if inward else "",
            "leaves": second if inward else first,
            "apps": tuple(apps.split()),
            "comment": unhexlify(said.get("comment", "")).decode("utf-8", "replace"),
        }
    )


def ufw_table(kind: type[A], rules: Iterable[UfwRule], status: UfwStatus) -> Table[A]:
    """Return what ufw's own rules would do at INPUT and FORWARD if nothing else were there: its intent."""
    mine = [rule for rule in rules if rule.family is kind.FAMILY and rule.direction == "in"]
    chains = {"input": _chain(kind, mine, route=False), "forward": _chain(kind, mine, route=True)}
    bases = (
        Base("input", "input", policy=_POLICIES[status.incoming]),
        Base("forward", "forward", policy=_POLICIES[status.routed]),
    )
    return Table("ufw", chains, bases)


def _chain(kind: type[A], rules: Iterable[UfwRule], *, route: bool) -> tuple[Rule[A], ...]:
    return tuple(_translated(kind, rule) for rule in rules if rule.route is route)


def _translated(kind: type[A], rule: UfwRule) -> Rule[A]:
    anywhere = ANYWHERE[rule.family]
    return Rule(
        verdict=_VERDICTS[rule.action],
        sources=None if rule.source == anywhere else kind.parse(rule.source),
        conditions=present(
            of_protocol(_named(rule.protocol)),
            to_ports(_named(rule.ports)),
            their_ports(_named(rule.from_ports)),
            None if rule.to == anywhere else ToAddress(kind.parse(rule.to)),
            Arrives(OneOf((rule.arrives,))) if rule.arrives else None,
            Leaves(OneOf((rule.leaves,))) if rule.leaves else None,
        ),
        origin=" ".join(rule.words()),
    )


def _named(text: str) -> str | None:
    return None if text == "any" else text
