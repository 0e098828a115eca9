"""What ufw has to be told so that it lets in what is wanted and nothing else: openings first, closings after them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, is_v4, is_world

Words = tuple[str, ...]
"""What follows `ufw` on its command line."""
_ANYWHERE = {True: "0.0.0.0/0", False: "::/0"}
_TUPLE = re.compile(r"### tuple ### (?P<fields>.+)")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_COMMENT = re.compile(r" comment=[0-9a-f]*$")
_ACTION = re.compile(r"(?P<verdict>allow|deny|reject|limit)(?:_(?P<log>log|log-all))?")


@dataclass(frozen=True, slots=True, order=True)
class UfwRule:
    """One rule for incoming packets, as a `### tuple ###` line of /etc/ufw/user.rules or user6.rules has it.

    `application` is a profile's name in place of ports; `interface` is empty for all.
    """

    v4: bool
    verdict: str
    log: str
    protocol: str
    port: str
    to: str
    their_port: str
    source: str
    application: str = ""
    their_application: str = ""
    interface: str = ""

    def __str__(self) -> str:
        return " ".join(("ufw", *_told(self, self.source)))


@dataclass(frozen=True, slots=True)
class UfwChanges:
    """What to tell ufw, in this order; all are empty where it is already so."""

    opens: tuple[Words, ...] = ()
    closes: tuple[Words, ...] = ()
    closed: tuple[UfwRule, ...] = ()
    """The rules that `closes` deletes, for whoever reads the plan."""

    def __bool__(self) -> bool:
        return bool(self.opens or self.closes)


def read_tuples(lines: Iterable[str], *, v4: bool) -> tuple[UfwRule, ...]:
    """Return the rules for incoming packets in a file of ufw; those for other packets are left out.

    Raises:
        ValueError: a line is not what ufw writes (0.36).
    """
    found = (match["fields"] for line in lines if (match := _TUPLE.fullmatch(line.strip())))
    return tuple(rule for fields in found if (rule := _read(_COMMENT.sub("", fields), v4=v4)))


def changes(firewall: HostFirewall, present: Sequence[UfwRule], *, default: str) -> UfwChanges:
    """Return what turns the present rules into the firewall's. `default` is the incoming policy as ufw says it.

    Rules that are bound to a bridge of containers stay. Where ufw has IPv6 switched off, only IPv4 is told to it.
    """
    wanted = {rule: why for one in firewall.rules for rule, why in _wanted(one) if _is_its_own(rule, firewall)}
    missing = {rule: why for rule, why in wanted.items() if rule not in present}
    unwanted = tuple(
        rule
        for rule in dict.fromkeys(present)
        if rule not in wanted and _is_its_own(rule, firewall) and not _for_containers(rule.interface, firewall)
    )
    deny = () if default.lower() in {"deny", "drop", "reject"} else (("default", "deny", "incoming"),)
    return UfwChanges(
        opens=tuple(_opens(missing)),
        closes=(*deny, *(("delete", *_told(rule, rule.source)) for rule in unwanted)),
        closed=unwanted,
    )


def _is_its_own(rule: UfwRule, firewall: HostFirewall) -> bool:
    return rule.v4 or firewall.ufw_ipv6


def _for_containers(interface: str, firewall: HostFirewall) -> bool:
    if interface in firewall.outside:
        return False
    return interface in firewall.inside or interface == "docker0" or interface.startswith("br-")


def _wanted(rule: HostRule) -> Iterator[tuple[UfwRule, str]]:
    for source in rule.sources:
        v4 = is_v4(source)
        for port in rule.ports.split(","):
            yield _allow(rule.protocol, port.replace("-", ":"), source, v4=v4), rule.why


def _allow(protocol: str, port: str, source: str, *, v4: bool) -> UfwRule:
    return UfwRule(
        v4=v4,
        verdict="allow",
        log="",
        protocol=protocol,
        port=port,
        to=_ANYWHERE[v4],
        their_port="any",
        source=source if is_world(source) else _shortest(source),
    )


def _shortest(source: str) -> str:
    """Return a network as ufw writes it: a single address has no prefix."""
    network = ip_network(source, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _opens(missing: dict[UfwRule, str]) -> Iterator[Words]:
    """A rule for both worlds is one command, as people would write it."""
    both = {(rule.protocol, rule.port) for rule in missing if not rule.v4 and is_world(rule.source)}
    for rule, why in missing.items():
        world = is_world(rule.source) and (rule.protocol, rule.port) in both
        if world and not rule.v4 and _twin(rule) in missing:
            continue
        source = "any" if world and rule.v4 else rule.source
        yield (*_told(rule, source), "comment", f"ink: {why}")


def _twin(rule: UfwRule) -> UfwRule:
    return _allow(rule.protocol, rule.port, _ANYWHERE[True], v4=True)


def _told(rule: UfwRule, source: str) -> Words:
    """Return a rule in ufw's full syntax, in which an anywhere with a family stays within it."""
    where = ("in", "on", rule.interface) if rule.interface else ()
    log = (rule.log,) if rule.log else ()
    protocol = () if rule.protocol == "any" or rule.application or rule.their_application else ("proto", rule.protocol)
    theirs = _end(rule.their_port, rule.their_application)
    ours = _end(rule.port, rule.application)
    to = "any" if is_world(rule.to) else rule.to
    return (rule.verdict, *where, *log, *protocol, "from", source, *theirs, "to", to, *ours)


def _end(port: str, application: str) -> Words:
    if application:
        return ("app", application)
    return () if port == "any" else ("port", port)


def _application(word: str) -> str:
    """Return the name of an application profile, in which ufw writes a space as %20, and none as -."""
    return "" if word == "-" else _ESCAPED.sub(lambda match: chr(int(match[1], 16)), word)


def _read(fields: str, *, v4: bool) -> UfwRule | None:
    words = fields.split(" ")
    if words[0].startswith("route:"):
        return None
    action = _ACTION.fullmatch(words[0])
    direction, _, interface = words[-1].partition("_")
    if action is None or len(words) not in {7, 9} or direction not in {"in", "out"}:
        raise ValueError(f"not a rule of ufw: {fields[:120]}")
    if direction == "out":
        return None
    ours, theirs = map(_application, words[6:-1] or ("-", "-"))
    return UfwRule(
        v4=v4,
        verdict=action["verdict"],
        log=action["log"] or "",
        protocol=words[1],
        port=words[2],
        to=words[3],
        their_port=words[4],
        source=words[5],
        application=ours,
        their_application=theirs,
        interface=interface,
    )
