"""The commands that ufw is told on a pretend server, and what they make of its rules."""

from collections.abc import Iterator, Sequence

from ink_infra_mcp.sandbox.state_hosts import Ufw

_POLICIES = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}
_ANYWHERE = ("0.0.0.0/0", "::/0")


class NotUfw(Exception):
    """The command is not one that the pretend ufw takes; the message is what it says."""


def tell_ufw(ufw: Ufw, words: Sequence[str]) -> None:
    """Do what the words behind `ufw` say: a rule, its deletion, or the policy for what comes in.

    Raises:
        NotUfw: it is nothing of these.
    """
    match words:
        case ["default", policy, "incoming"] if policy in _POLICIES:
            ufw.default = _POLICIES[policy]
        case ["delete", *rule]:
            _each(ufw, rule, delete=True)
        case _:
            _each(ufw, words, delete=False)


def _each(ufw: Ufw, words: Sequence[str], *, delete: bool) -> None:
    for v4, rule in _rules(words):
        rules = ufw.rules4 if v4 else ufw.rules6
        known = _bare(rule) in map(_bare, rules)
        if delete:
            rules[:] = [one for one in rules if _bare(one) != _bare(rule)]
        elif not known:
            rules.append(rule)


def _bare(rule: str) -> str:
    return rule.partition(" comment=")[0]


def _rules(words: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """Yield a rule for each family that it is about, with whether that is IPv4."""
    said = _said(words)
    direction = f"in_{said['on']}" if said["on"] else "in"
    comment = f" comment={said['comment'].encode().hex()}" if said["comment"] else ""
    for v4 in (True, False):
        if _is_of(v4, said["from"]) and _is_of(v4, said["to"]):
            source, to = (_network(v4, said[end]) for end in ("from", "to"))
            yield v4, f"{words[0]} {said['proto']} {said['port']} {to} any {source} {direction}{comment}"


def _said(words: Sequence[str]) -> dict[str, str]:
    """Return what a rule says, by the word before it.

    Raises:
        NotUfw: it is none.
    """
    said = {"proto": "any", "from": "any", "to": "any", "port": "any", "on": "", "comment": ""}
    rest = [word for word in words[1:] if word != "in"]
    if len(rest) % 2 or not set(rest[::2]) <= said.keys():
        raise NotUfw(f"Invalid syntax: {' '.join(words)}")
    return said | dict(zip(rest[::2], rest[1::2], strict=True))


def _network(v4: bool, where: str) -> str:
    return _ANYWHERE[not v4] if where == "any" else where


def _is_of(v4: bool, where: str) -> bool:
    return where == "any" or (":" not in where) is v4
