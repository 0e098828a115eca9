"""The packet filters of a host after its next boot: what is written down, and Docker's own, which it makes anew."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import Leaves
from ink_infra_mcp.core.firewall.rules import Rule, Rules, Table, Tables, Verdict

_USER = "DOCKER-USER"
_DOCKER = frozenset(
    {
        *("DOCKER", _USER, "DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-INTERNAL", "DOCKER-INGRESS"),
        *("DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"),
    }
)
"""The chains of Docker 20 to 29; all but DOCKER-USER are emptied and filled again when it starts."""
_OF_IPTABLES = "iptables"
_DOCKER_TABLE = " docker-bridges"
"""How the tables end that Docker 29 makes with its backend for nftables."""
_PASSING = frozenset({Verdict.ACCEPT, Verdict.DNAT, Verdict.CONTINUE})
_ENDING = frozenset({Verdict.DROP, Verdict.REJECT})


@dataclass(frozen=True, slots=True)
class Stored:
    """The filters that there would be if a firewall that is switched off were switched on."""

    v4: Tables[V4] | Unreadable
    v6: Tables[V6] | Unreadable


@dataclass(frozen=True, slots=True)
class NextBoot:
    """The filters of a host after its next boot.

    `loads` names the services that load rules; `others` are files that are run at boot and speak of rules, which
    nobody can foresee. `stored` is what a switched-off ufw holds, None where it holds nothing or is on.
    """

    v4: Tables[V4] | Unreadable
    v6: Tables[V6] | Unreadable
    loads: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    stored: Stored | None = None


def with_docker(now: Tables[A], loaded: Tables[A]) -> Tables[A]:
    """Return what is loaded at boot together with Docker's own tables and chains as they are now.

    Docker puts its chains in front of what is there, so that what is loaded for forwarded packets comes after them.
    What others put into its chains is not in the result, but for what the boot itself loads into DOCKER-USER.
    """
    theirs, mine = _named(part for table in now for part in _own(table)), _named(filter(_is_loaded, loaded))
    return tuple(_joined(mine.get(name), theirs.get(name)) for name in dict.fromkeys((*mine, *theirs)))


def _named(tables: Iterable[Table[A]]) -> dict[str, Table[A]]:
    return {table.name: table for table in tables}


def _is_loaded(table: Table[A]) -> bool:
    """Return whether a table can come from a boot: one that is wholly Docker's was saved, and is made anew."""
    return not table.name.endswith(_DOCKER_TABLE)


def _own(table: Table[A]) -> Tables[A]:
    """Return what of a table Docker made."""
    if not _is_loaded(table):
        return (table,)
    shared = table.name.startswith(_OF_IPTABLES) and table.chains.keys() & _DOCKER
    return (_part(table),) if shared else ()


def _part(table: Table[A]) -> Table[A]:
    hooks = {base.chain for base in table.bases}
    there = sorted(table.chains.keys() & (_DOCKER | hooks))
    chains = {name: tuple(_made(table.chains[name], hook=name in hooks)) for name in there}
    emptied = dict.fromkeys(chains.keys() & {_USER}, ())
    bases = tuple(replace(base, policy=Verdict.ACCEPT) for base in table.bases)
    return Table(table.name, MappingProxyType({**chains, **emptied}), bases)


def _made(rules: Rules[A], *, hook: bool) -> Iterator[Rule[A]]:
    """Yield the rules of Docker's making: in a built-in chain, those alone that lead to its chains."""
    return (rule for rule in rules if rule.target in _DOCKER or (not hook and _is_dockers(rule)))


def _is_dockers(rule: Rule[A]) -> bool:
    """Return whether a rule of Docker's chains has a form that Docker gives its own.

    Docker drops only what would leave by one of its bridges, and returns only what came in by one.
    """
    if rule.verdict in _ENDING:
        return any(isinstance(condition, Leaves) for condition in rule.conditions)
    if rule.verdict is Verdict.RETURN:
        return not rule.ports and rule.sources is None
    return rule.verdict in _PASSING


def _joined(loaded: Table[A] | None, docker: Table[A] | None) -> Table[A]:
    if loaded is not None and docker is not None:
        return _merged(loaded, docker)
    found = loaded or docker
    if found is None:
        raise ValueError("there is no table to join")
    return found


def _merged(loaded: Table[A], docker: Table[A]) -> Table[A]:
    bases = {base.chain: base for base in (*docker.bases, *loaded.bases)}
    chains = {**docker.chains, **loaded.chains, **_refilled(docker)}
    for name in bases:
        chains[name] = (*docker.chains.get(name, ()), *_others(loaded.chains.get(name, ()), docker))
    return Table(loaded.name, MappingProxyType(chains), tuple(bases.values()))


def _refilled(docker: Table[A]) -> dict[str, Rules[A]]:
    return {name: rules for name, rules in docker.chains.items() if name != _USER}


def _others(rules: Rules[A], docker: Table[A]) -> Iterator[Rule[A]]:
    """Yield the rules that do not lead to Docker's chains: those that do are made anew, in front."""
    return (rule for rule in rules if rule.target not in docker.chains)
