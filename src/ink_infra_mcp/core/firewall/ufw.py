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
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
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
    """One rule of ufw, for one family, as a `### tuple ###` line of user.rules or user6.rules has it (ufw 0.36).

    Ports are as ufw writes them: `any`, `22`, `81,82`, `6000:6010`. An application profile (`app`,
    and `from_app` for the far end) is told to ufw by name, in place of the ports that it stood for at the time.
    """

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
    app: str = ""
    from_app: str = ""
    comment: str = ""

    @property
    def opens(self) -> bool:
        """Return whether it lets something through."""
        return self.action in {"allow", "limit"}

    @property
    def is_for_itself(self) -> bool:
        """Return whether it is about what is sent to the server itself."""
        return self.direction == "in" and not self.route

    @property
    def bare(self) -> "UfwRule":
        """Return the rule without its comment: what it does."""
        return self.model_copy(update={"comment": ""})

    def words(self, *, source: str = "") -> tuple[str, ...]:
        """Return the rule as arguments of `ufw`; `delete`, or `insert N` behind `route`, go before them.

        A whole world as the source keeps the rule in its family. With `source` it is called so: `any` is both worlds.
        """
        to = "any" if self.to in ANYWHERE.values() else self.to
        return (
            self.action,
            *self._ways(),
            *_said("", self.log),
            *_said("proto", "any" if self.app or self.from_app else self.protocol, unless="any"),
            *("from", source or self.source, *_end(self.from_ports, self.from_app)),
            *("to", to, *_end(self.ports, self.app)),
            *_said("comment", self.comment),
        )

    def __str__(self) -> str:
        return " ".join(("ufw", *(("route",) if self.route else ()), *self.words()))

    def _ways(self) -> tuple[str, ...]:
        if self.route:
            return (*_on("in", self.arrives), *_on("out", self.leaves))
        if self.direction == "out":
            return _on("out", self.leaves) or ("out",)
        return _on("in", self.arrives)


def _on(way: str, interface: str) -> tuple[str, ...]:
    return (way, "on", interface) if interface else ()


def _end(ports: str, app: str) -> tuple[str, ...]:
    return ("app", app) if app else _said("port", ports, unless="any")


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
        return ufw_rules(lines, family)
    except ValueError as why:
        return Unreadable(f"ufw's rules: {why}")


def ufw_rules(lines: Iterable[str], family: Family) -> tuple[UfwRule, ...]:
    """Return the rules among lines of user.rules (IPv4) or user6.rules (IPv6), in their order.

    Raises:
        ValueError: a line is not what ufw writes: it may be the rule that lets everybody in.
    """
    return tuple(_rule(line.removeprefix(_TUPLE), family) for line in map(str.strip, lines) if line.startswith(_TUPLE))


def _rule(text: str, family: Family) -> UfwRule:
    found = _RULE.fullmatch(text)
    if found is None or not _is_of(family, found["to"], found["source"]):
        raise Damaged(f"not a rule of ufw for {family}: {text[:80]}")
    said = {name: value for name, value in found.groupdict().items() if value is not None}
    first, second = said.pop("first", ""), said.pop("second", "")
    app, from_app = map(_application, said.pop("apps", "- -").split())
    inward = said["direction"] == "in"
    return UfwRule.model_validate(
        {
            **said,
            "family": family,
            "route": "route" in said,
            "arrives": first if inward else "",
            "leaves": second if inward else first,
            "app": app,
            "from_app": from_app,
            "comment": unhexlify(said.get("comment", "")).decode("utf-8", "replace"),
        }
    )


def _is_of(family: Family, *ends: str) -> bool:
    try:
        return {family_of(end) for end in ends} == {family}
    except ValueError:
        return False


def _application(word: str) -> str:
    """Return the name of an application profile, in which ufw writes a space as %20, and none as -."""
    return "" if word == "-" else _ESCAPED.sub(lambda match: chr(int(match[1], 16)), word)


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
        origin=str(rule),
    )


def _named(text: str) -> str | None:
    return None if text == "any" else text
