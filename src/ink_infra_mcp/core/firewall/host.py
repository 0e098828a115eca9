"""All packet filters of a host in one: what iptables of both variants and nft say, without saying anything twice."""

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.ipsets import Ipsets, read_ipsets
from ink_infra_mcp.core.firewall.iptables import Saved, read_iptables
from ink_infra_mcp.core.firewall.nft import read_nft
from ink_infra_mcp.core.firewall.rules import Tables


def read_filters(
    kind: type[A],
    *,
    iptables: Answer | None,
    legacy: Answer | None,
    nft: Answer | None,
    ipsets: Answer | None = None,
) -> Tables[A] | Unreadable:
    """Read the filters of one family; one that cannot be read makes the whole unreadable, for it may drop or redirect.

    `iptables` is what iptables-save (V4) or ip6tables-save (V6) said, `legacy` what the -legacy-save of it said, `nft`
    what `nft -j list ruleset` said. None is a tool that is proved not to be installed, and so has made no rules;
    never one that could not be asked. `ipsets` is what `ipset save` said; a set that it does not tell is unknown.
    """
    sets = read_ipsets(ipsets, rules=[each.text for each in (iptables, legacy) if each])
    saved = _saved(iptables, kind, "iptables", sets)
    older = _saved(legacy, kind, "iptables-legacy", sets)
    if isinstance(saved, Unreadable):
        return saved
    if isinstance(older, Unreadable):
        return older
    native = _native(nft, kind, saved, older)
    return native if isinstance(native, Unreadable) else (*saved.tables, *older.tables, *native)


def _native(nft: Answer | None, kind: type[A], saved: Saved[A], older: Saved[A]) -> Tables[A] | Unreadable:
    if nft is not None:
        return read_nft(nft, kind, saved.shown | older.shown)
    hidden = sorted(saved.incompatible | older.incompatible)
    return Unreadable(f"iptables-save cannot show {', '.join(hidden)}, and nft is not there") if hidden else ()


def _saved(answer: Answer | None, kind: type[A], label: str, sets: Ipsets) -> Saved[A] | Unreadable:
    if answer is None:
        return Saved((), nf_tables=False, incompatible=frozenset())
    return read_iptables(answer, kind, label, sets=sets)
