"""All packet filters of a host in one: what iptables of both variants and nft say, without saying anything twice."""

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.iptables import Saved, read_iptables
from ink_infra_mcp.core.firewall.nft import read_nft
from ink_infra_mcp.core.firewall.rules import Tables


def read_filters(
    kind: type[A], *, iptables: Answer | None, legacy: Answer | None, nft: Answer | None
) -> Tables[A] | Unreadable:
    """Read the filters of one family; one that cannot be read makes the whole unreadable, for it may drop or redirect.

    `iptables` is what iptables-save (V4) or ip6tables-save (V6) said, `legacy` what the -legacy-save of it said, `nft`
    what `nft -j list ruleset` said. None is a tool that is proved not to be installed, and so has made no rules;
    never one that could not be asked.
    """
    found: list[Tables[A]] = []
    shown: frozenset[str] = frozenset()
    for answer, label in ((iptables, "iptables"), (legacy, "iptables-legacy")):
        saved = _saved(answer, kind, label)
        if isinstance(saved, Unreadable):
            return saved
        found.append(saved.tables)
        shown |= saved.shown
        if saved.incompatible and nft is None:
            return Unreadable(f"{label}-save cannot show {', '.join(sorted(saved.incompatible))}, and nft is not there")
    native = () if nft is None else read_nft(nft, kind, shown)
    if isinstance(native, Unreadable):
        return native
    return tuple(table for tables in (*found, native) for table in tables)


def _saved(answer: Answer | None, kind: type[A], label: str) -> Saved[A] | Unreadable:
    if answer is None:
        return Saved((), nf_tables=False, incompatible=frozenset())
    return read_iptables(answer, kind, label)
