"""What auditors that others wrote say of a server, held against the policy's bars and waivers; silence is no praise."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import FLEET, Drift, distinct
from ink_infra_mcp.areas.machines.joining import Joining
from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.machine.auditing import Audit, audit

_INSTALL = "apt-get install {auditor} on {{server}}"
_MEND = "mend it on {server}, or waive it by its id in policies/baseline.toml with the reason"
_ALL = 100
"""No index rises by so much: where no gain is wanted only the index itself counts."""
_IDLE = "take them out of policies/baseline.toml"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What auditors found: the figures, what misses a bar or is not waived, and who did not judge, with the reason."""

    figures: tuple[str, ...]
    wrong: tuple[str, ...]
    not_judged: Mapping[str, str]

    @property
    def told(self) -> str:
        """Return all of it in one line, what is wrong first."""
        silent = (f"not judged by {name}: {why}" for name, why in self.not_judged.items())
        return "; ".join((*self.wrong, *self.figures, *silent))


def verdict_of(seen: Audit, baseline: Baseline, *, before: int | None = None) -> Verdict:
    """Return how a server stands; `before` is lynis' index before we came, where it is known."""
    silent = {
        name: seen.unknown.get(fact, "it does not say")
        for name, fact, found in (("ssh-audit", "ssh_audit", seen.ssh_audit), ("lynis", "lynis", seen.lynis))
        if found is None
    }
    return Verdict(
        figures=tuple(_figures(seen, before)),
        wrong=(*_ssh_audit(seen, baseline), *_lynis(seen, baseline, before)),
        not_judged=silent,
    )


def idle_waivers(seen: Sequence[Audit], baseline: Baseline) -> tuple[str, ...]:
    """Return the waivers that lynis raises on none of these servers; none where it judged none of them."""
    judged = [one.lynis for one in seen if one.lynis is not None]
    raised = {name for one in judged for name in (*one.warnings, *one.suggestions)}
    return tuple(sorted(name for name in baseline.waivers if judged and name not in raised))


def _figures(seen: Audit, before: int | None) -> Iterator[str]:
    if seen.ssh_audit is not None:
        yield f"ssh-audit: {len(seen.ssh_audit.fails)} fails, {len(seen.ssh_audit.warnings)} warnings"
    if seen.lynis is not None:
        earlier = "" if before is None else f", {before} before"
        yield f"lynis: index {seen.lynis.index}{earlier}, {len(seen.lynis.warnings)} warnings"


def _ssh_audit(seen: Audit, baseline: Baseline) -> Iterator[str]:
    fails = seen.ssh_audit.fails if seen.ssh_audit is not None else ()
    if len(fails) > baseline.bar("ssh_audit_fails", none=len(fails)):
        yield f"ssh-audit fails {', '.join(fails)}"


def _lynis(seen: Audit, baseline: Baseline, before: int | None) -> Iterator[str]:
    if seen.lynis is None:
        return
    yield from _index(seen.lynis.index, baseline, before)
    raised = dict.fromkeys((*seen.lynis.warnings, *seen.lynis.suggestions))
    if left := [name for name in raised if name not in baseline.waivers]:
        yield f"lynis raises, neither mended nor waived: {', '.join(left)}"


def _index(index: int, baseline: Baseline, before: int | None) -> Iterator[str]:
    least, gain = baseline.bar("lynis_index", none=0), baseline.bar("lynis_gain", none=_ALL)
    if index < least and (before is None or index - before < gain):
        earlier = "what it was before is not known" if before is None else f"it was {before} before"
        yield f"lynis gives {index}: neither {least} nor {gain} more than before ({earlier})"


async def lynis_before(look: Look, machines: Sequence[Joining]) -> JsonObject:
    """Return lynis' index by machine, of those that are there and on which it was run within the last week."""
    found = await asyncio.gather(*(_kept(look, machine) for machine in machines))
    return {machine.name: index for machine, index in zip(machines, found, strict=True) if index is not None}


async def _kept(look: Look, machine: Joining) -> int | None:
    if machine.newcomer is None or not isinstance(machine.newcomer.get("address"), str):
        # a Muscle already, or a machine that is still to be bought or installed
        return None
    try:
        with look.knowing(machine.newcomer):
            seen = await audit(look.hosts, machine.name, kept=True)
    except InkError:
        return None
    return seen.lynis.index if seen.lynis is not None else None


def audit_drifts(seen: Audit, baseline: Baseline) -> Iterator[Drift]:
    """Yield what auditors find wrong with a server that stands, and who of them did not judge it."""
    verdict = verdict_of(seen, baseline)
    figures = "; ".join(verdict.figures)
    for words in verdict.wrong:
        yield Drift(seen.host, "warning", "auditors", words, figures, _MEND, distinct(words.partition(" ")[2]))
    for name, why in verdict.not_judged.items():
        mend = _INSTALL.format(auditor=name)
        yield Drift(seen.host, "info", "not_judged", f"not judged by {name}", why, mend, name)


def idle_drifts(seen: Sequence[Audit], baseline: Baseline) -> Iterator[Drift]:
    """Yield which waivers nobody needs any more, in one finding: one that stays hides what comes back."""
    if idle := idle_waivers(seen, baseline):
        what = "waivers are for nothing: lynis raises them on no server that it judged"
        yield Drift(FLEET, "info", "idle_waivers", what, f"{len(idle)}: {', '.join(idle)}", _IDLE)
