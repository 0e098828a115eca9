"""Who is in the sets of ipset that rules of iptables name, and what such a rule asks then; other sets stay opaque."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Addresses, split
from ink_infra_mcp.core.firewall.answer import Answer, Damaged
from ink_infra_mcp.core.firewall.conditions import Condition, Listed, Opaque
from ink_infra_mcp.core.firewall.rules import Rule

_OF_ADDRESSES = frozenset({"hash:ip", "hash:net"})
_OF_SETS = "list:set"
_SETTINGS = {
    **dict.fromkeys(("family", "hashsize", "maxelem", "timeout", "bucketsize", "initval", "size"), 2),
    **dict.fromkeys(("counters", "comment", "skbinfo", "forceadd"), 1),
}
"""What a set may be made with and still hold just its members, and of how many words it is. `netmask` is not one."""
_MEMBER = {"timeout": 2, "comment": 2, "packets": 2, "bytes": 2, "skbmark": 2, "skbprio": 2, "skbqueue": 2}
"""What may stand behind a member. `nomatch` is not one: it takes addresses out of a wider member."""
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_FILLS = re.compile(r" -j SET .*?--(?:add|del|map)-set (\S+)")


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in a set now; `filled` says that rules may put further ones in, or take some out, as packets come."""

    v4: V4 = field(default_factory=V4)
    v6: V6 = field(default_factory=V6)
    filled: bool = False

    def of(self, kind: type[A]) -> A:
        """Return the members of a family; packets of the other one are in no set of addresses."""
        found: Addresses = self.v4 if issubclass(kind, V4) else self.v6
        return kind(found.spans)


Ipsets = Mapping[str, Members]
NONE: Ipsets = MappingProxyType({})


@dataclass(slots=True)
class _Draft:
    kind: str
    known: bool
    members: list[str] = field(default_factory=list[str])


def read_ipsets(answer: Answer | None, *, rules: Iterable[str] = ()) -> Ipsets:
    """Read what `ipset save` says: the sets of one-part addresses, and lists of them, by name.

    A set of another type, with a netmask, or with members that are taken out again is left out, and so are all where
    the answer failed or is damaged. `rules` are the texts of iptables-save, whose SET targets fill sets; one that
    fills a list fills the sets in it.
    """
    if answer is None or answer.status != 0:
        return NONE
    try:
        drafts = _drafts(answer.text)
        return _ipsets(drafts, _filled(rules, drafts))
    except ValueError:
        return NONE


def _filled(rules: Iterable[str], drafts: Mapping[str, _Draft]) -> set[str]:
    """Return the names of the sets that rules fill."""
    named = {name for text in rules for name in _FILLS.findall(text)}
    return named | {each for name in named & drafts.keys() for each in drafts[name].members}


def _ipsets(drafts: Mapping[str, _Draft], filled: Set[str]) -> Ipsets:
    return {name: found for name in drafts if (found := _members(name, drafts, filled)) is not None}


def _drafts(text: str) -> dict[str, _Draft]:
    drafts: dict[str, _Draft] = {}
    for line in text.splitlines():
        match _words(line):
            case ["create", name, kind, *settings]:
                drafts[name] = _Draft(kind, _only(settings, _SETTINGS))
            case ["add", name, member, *more] if name in drafts:
                drafts[name].members.append(member)
                drafts[name].known &= _only(more, _MEMBER)
            case []:
                pass
            case _:
                raise Damaged("a line of ipset save is neither a set nor a member of one")
    return drafts


def _words(line: str) -> list[str]:
    return [bare or quoted for quoted, bare in _WORD.findall(line)]


def _only(words: list[str], allowed: Mapping[str, int]) -> bool:
    """Return whether all that is said is allowed, each word with as many as belong to it."""
    at = 0
    while at < len(words):
        if words[at] not in allowed:
            return False
        at += allowed[words[at]]
    return at == len(words)


def _members(name: str, drafts: Mapping[str, _Draft], filled: Set[str]) -> Members | None:
    draft = drafts[name]
    if draft.kind != _OF_SETS or not draft.known:
        return _of_addresses(name, drafts, filled)
    return _of_sets(name, drafts, filled)


def _of_sets(name: str, drafts: Mapping[str, _Draft], filled: Set[str]) -> Members | None:
    inner = [_of_addresses(each, drafts, filled) for each in drafts[name].members]
    told = [each for each in inner if each is not None]
    return _together(told, filled=name in filled) if len(told) == len(inner) else None


def _of_addresses(name: str, drafts: Mapping[str, _Draft], filled: Set[str]) -> Members | None:
    """Return who is in a set of addresses; the kernel takes no list into a list."""
    draft = drafts.get(name)
    if draft is None or not draft.known or draft.kind not in _OF_ADDRESSES:
        return None
    v4, v6 = split(draft.members)
    return Members(v4, v6, name in filled)


def _together(sets: Sequence[Members], *, filled: bool) -> Members:
    return Members(
        V4.of_spans(chain.from_iterable(each.v4.spans for each in sets)),
        V6.of_spans(chain.from_iterable(each.v6.spans for each in sets)),
        filled or any(each.filled for each in sets),
    )


def with_members(rule: Rule[A], sets: Ipsets, kind: type[A]) -> Iterator[Rule[A]]:
    """Yield what a rule asks once its sets are known: a set that no rule fills is its members.

    Of a set that rules fill the members of now are sure and the others are not told: they are two rules.
    """
    listed = next(_known(rule, sets), None)
    if listed is None:
        yield rule
        return
    for told in _told(rule, listed, sets[listed.name], kind):
        yield from with_members(told, sets, kind)


def _known(rule: Rule[A], sets: Ipsets) -> Iterator[Listed]:
    return (one for one in rule.conditions if isinstance(one, Listed) and one.name in sets)


def _told(rule: Rule[A], listed: Listed, members: Members, kind: type[A]) -> Iterator[Rule[A]]:
    """Yield the rule without one of its sets."""
    inside = members.of(kind)
    opaque = Opaque(listed.what)
    if not members.filled:
        yield _narrowed(rule, listed, ~inside if listed.negated else inside)
    elif listed.negated:
        yield _narrowed(rule, listed, ~inside, opaque)
    else:
        yield _narrowed(rule, listed, inside)
        yield _narrowed(rule, listed, None, opaque)


def _narrowed(rule: Rule[A], listed: Listed, sources: A | None, *more: Condition) -> Rule[A]:
    both = rule.sources if sources is None else sources if rule.sources is None else rule.sources & sources
    rest = tuple(one for one in rule.conditions if one is not listed)
    return replace(rule, sources=both, conditions=(*rest, *more))
