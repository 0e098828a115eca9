"""All packet filters of a host in one: what the kernel says through nft, and of legacy iptables what that says.

Where two tools speak of one table, nft decides: iptables-save leaves out what it cannot say. What nft in turn shows by
name alone is taken from iptables-save, rule by rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.ipsets import Ipsets, read_ipsets
from ink_infra_mcp.core.firewall.iptables import Saved, read_iptables
from ink_infra_mcp.core.firewall.iptables_text import SavedTable
from ink_infra_mcp.core.firewall.nft import Beside, native_tables, read_nft
from ink_infra_mcp.core.firewall.queues import Queues, read_queues
from ink_infra_mcp.core.firewall.rules import Tables


@dataclass(frozen=True, slots=True)
class _Known:
    sets: Ipsets
    queues: Queues


def read_filters(
    kind: type[A],
    *,
    iptables: Answer | None,
    legacy: Answer | None,
    nft: Answer | None,
    ipsets: Answer | None = None,
    queues: Answer | None = None,
) -> Tables[A] | Unreadable:
    """Read the filters of one family; one that cannot be read makes the whole unreadable, for it may drop or redirect.

    `iptables` is what iptables-save (V4) or ip6tables-save (V6) said, `legacy` what the -legacy-save of it said, `nft`
    what `nft -j list ruleset` said. None is a tool that is proved not to be installed, and so has made no rules;
    never one that could not be asked. `ipsets` is what `ipset save` said, `queues` the kernel's list of queues; what
    they do not tell is unknown.
    """
    known = _Known(read_ipsets(ipsets, rules=[each.text for each in (iptables, legacy) if each]), read_queues(queues))
    saved = _saved(iptables, kind, "iptables", known)
    older = _saved(legacy, kind, "iptables-legacy", known)
    if isinstance(saved, Unreadable):
        return saved
    if isinstance(older, Unreadable):
        return older
    if nft is None:
        return _without_nft(saved, older)
    shown = _shown_by_nft(saved, older, {} if saved.nf_tables else native_tables(nft, kind))
    native = read_nft(nft, kind, Beside(tuple(text for text in saved.texts if text.name in shown), *_beside(known)))
    if isinstance(native, Unreadable):
        return native
    own = [table for table, text in zip(saved.tables, saved.texts, strict=False) if text.name not in shown]
    return (*own, *older.tables, *native)


def _beside(known: _Known) -> tuple[Ipsets, Queues]:
    return known.sets, known.queues


def _without_nft(saved: Saved[A], older: Saved[A]) -> Tables[A] | Unreadable:
    hidden = sorted(saved.hidden | older.hidden)
    if hidden:
        return Unreadable(f"iptables-save cannot show all of {', '.join(hidden)}, and nft is not there")
    return (*saved.tables, *older.tables)


def _shown_by_nft(saved: Saved[A], older: Saved[A], native: Mapping[str, Mapping[str, int]]) -> frozenset[str]:
    """Return the names of the tables of iptables-save that are in nf_tables, and so in what nft says.

    Where the header does not tell the variant, a table is there if nft has its chains with as many rules in each, and
    legacy iptables has not the same table.
    """
    if saved.nf_tables:
        return frozenset(text.name for text in saved.texts)
    return frozenset(
        text.name for text in saved.texts if text not in older.texts and _is_same(text, native.get(text.name, {}))
    )


def _is_same(text: SavedTable, counts: Mapping[str, int]) -> bool:
    made = {name: len(lines) for name, lines in text.chains.items() if lines or name not in text.policies}
    return bool(counts) and made == {name: count for name, count in counts.items() if count or name in made}


def _saved(answer: Answer | None, kind: type[A], label: str, known: _Known) -> Saved[A] | Unreadable:
    if answer is None:
        return Saved((), ())
    return read_iptables(answer, kind, label, sets=known.sets, queues=known.queues)
