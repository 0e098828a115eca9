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
    Condition,
    Leaves,
    OneOf,
    Protocol,
    TheirPort,
    ToAddress,
    ToPort,
)
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import Base, Rule, Table, Verdict
from ink_infra_mcp.core.plan import Frozen

Action = Literal["allow", "deny", "reject", "limit"]
Default = Literal["allow", "deny", "reject", "disabled"]
ANYWHERE = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}
_DEFAULTS = re.compile(r"Default: (\w+) \(incoming\), (\w+) \(outgoing\), (\w+) \(routed\)")
_ACTION = re.compile(r"(?P<route>route:)?(?P<action>allow|deny|reject|limit)(?:_(?P<log>log|log-all))?")
_DIRECTION = re.compile(r"(?P<way>in|out)(?:_(?P<first>[^!]+))?(?:!out_(?P<second>.+))?")
_TUPLE = "### tuple ### "
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
        ways = (("in", self.arrives), ("out", self.leaves)) if self.route else ((self.direction, self._interface()),)
        on = [word for way, name in ways if name or not self.route for word in (way, *(("on", name) if name else ()))]
        proto = ["proto", self.protocol] if self.protocol != "any" else []
        log = [self.log] if self.log else []
        source = ["from", self.source, *(["port", self.from_ports] if self.from_ports != "any" else [])]
        to = ["to", self.to, *(["port", self.ports] if self.ports != "any" else [])]
        comment = ["comment", self.comment] if self.comment else []
        return (self.action, *on, *log, *proto, *source, *to, *comment)

    def _interface(self) -> str:
        return self.arrives if self.direction == "in" else self.leaves


def read_ufw_status(answer: Answer) -> UfwStatus | Unreadable:
    """Read what `ufw status verbose` said."""
    if bad := failed(answer, "ufw status"):
        return bad
    lines = [line.strip() for line in answer.text.splitlines()]
    if "Status: inactive" in lines:
        return UfwStatus(active=False)
    defaults = next((found for line in lines if (found := _DEFAULTS.fullmatch(line))), None)
    if "Status: active" not in lines or defaults is None:
        return Unreadable("ufw status says neither that it is inactive nor what its defaults are")
    try:
        return UfwStatus.model_validate(
            {"active": True, "incoming": defaults[1], "outgoing": defaults[2], "routed": defaults[3]}
        )
    except ValueError:
        return Unreadable(f"ufw status has a default that is not known: {defaults[0]}")


def read_ufw_rules(answer: Answer, family: Family) -> tuple[UfwRule, ...] | Unreadable:
    """Read /etc/ufw/user.rules (IPv4) or user6.rules (IPv6); a file without its COMMIT is cut off."""
    if bad := failed(answer, "reading ufw's rules"):
        return bad
    lines = answer.text.splitlines()
    if "*filter" not in lines or "COMMIT" not in lines:
        return Unreadable("ufw's rules are cut off")
    try:
        return tuple(_rule(line.removeprefix(_TUPLE), family) for line in lines if line.startswith(_TUPLE))
    except ValueError as why:
        return Unreadable(f"ufw's rules: {why}")


def _rule(text: str, family: Family) -> UfwRule:
    bare, _, comment = text.partition(" comment=")
    words = bare.split()
    if len(words) not in {7, 9}:
        raise Damaged(f"not a rule: {text[:80]}")
    action, direction = _ACTION.fullmatch(words[0]), _DIRECTION.fullmatch(words[-1])
    if action is None or direction is None or {family_of(words[3]), family_of(words[5])} != {family}:
        raise Damaged(f"not a rule of {family}: {text[:80]}")
    inward = direction["way"] == "in"
    return UfwRule.model_validate(
        {
            "family": family,
            "action": action["action"],
            "direction": direction["way"],
            "route": bool(action["route"]),
            "log": action["log"] or "",
            "protocol": words[1],
            "ports": words[2],
            "to": words[3],
            "from_ports": words[4],
            "source": words[5],
            "arrives": (direction["first"] or "") if inward else "",
            "leaves": direction["second"] or ("" if inward else direction["first"] or ""),
            "apps": (words[6], words[7]) if len(words) == 9 else ("-", "-"),
            "comment": unhexlify(comment.strip()).decode("utf-8", "replace"),
        }
    )


def ufw_table(kind: type[A], rules: Iterable[UfwRule], status: UfwStatus) -> Table[A]:
    """Return what ufw's own rules would do at INPUT and FORWARD if nothing else were there: its intent."""
    mine = [rule for rule in rules if rule.family is kind.FAMILY and rule.direction == "in"]
    policies = {"input": status.incoming, "forward": status.routed}
    chains = {
        "input": tuple(_translated(kind, rule) for rule in mine if not rule.route),
        "forward": tuple(_translated(kind, rule) for rule in mine if rule.route),
    }
    closed = {
        name: Verdict.ACCEPT if said in {"allow", "disabled"} else Verdict.DROP for name, said in policies.items()
    }
    return Table(
        "ufw",
        chains,
        (Base("input", "input", policy=closed["input"]), Base("forward", "forward", policy=closed["forward"])),
    )


def _translated(kind: type[A], rule: UfwRule) -> Rule[A]:
    asked: list[Condition] = []
    if rule.protocol != "any":
        asked.append(Protocol(OneOf((rule.protocol,))))
    if rule.ports != "any":
        asked.append(ToPort(Ports.parse(rule.ports)))
    if rule.from_ports != "any":
        asked.append(TheirPort(Ports.parse(rule.from_ports)))
    if rule.to != ANYWHERE[rule.family]:
        asked.append(ToAddress(kind.parse(rule.to)))
    if rule.arrives:
        asked.append(Arrives(OneOf((rule.arrives,))))
    if rule.leaves:
        asked.append(Leaves(OneOf((rule.leaves,))))
    sources = None if rule.source == ANYWHERE[rule.family] else kind.parse(rule.source)
    return Rule(_VERDICTS[rule.action], sources, tuple(asked), origin=" ".join(rule.words()))
