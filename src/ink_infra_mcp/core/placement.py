"""Which Muscle an app goes to: a pure decision from what was measured."""

from collections.abc import Iterable

from ink_infra_mcp.core.plan import Frozen

RESERVE_BYTES = 512 * 2**20
"""Memory that stays free on every Muscle for the system, Docker and Traefik."""


class Candidate(Frozen):
    """A Muscle as measured now. `committed_bytes` is the sum of the memory limits of the apps placed on it."""

    name: str
    server_uuid: str
    healthy: bool
    why_not: str = ""
    runsc: bool
    memory_bytes: int
    committed_bytes: int
    apps: int

    def headroom_after(self, need_bytes: int) -> int:
        """Return the memory that is left when the new app uses all of its limit."""
        return self.memory_bytes - RESERVE_BYTES - self.committed_bytes - need_bytes


class Placement(Frozen):
    """The chosen Muscle, or none; `why` is one sentence, `rejected` says why each other one is out."""

    muscle: str | None
    server_uuid: str = ""
    why: str
    rejected: dict[str, str] = {}


def place(candidates: Iterable[Candidate], *, need_bytes: int, need_runsc: bool) -> Placement:
    """Return the Muscle for an app that needs `need_bytes` of memory.

    The rule, in this order: only a healthy Muscle (with runsc where isolation is required) whose memory, less a
    reserve of 512 MiB and the limits already promised there, still holds the new limit; of those the one with the
    fewest apps (spread); of those the one with the most headroom; of those the first by name. The answer depends on
    nothing else, so the same facts give the same Muscle in any order of the input.
    """
    fit: list[Candidate] = []
    rejected: dict[str, str] = {}
    for candidate in sorted(candidates, key=lambda c: c.name):
        if reason := unfit(candidate, need_bytes=need_bytes, need_runsc=need_runsc):
            rejected[candidate.name] = reason
        else:
            fit.append(candidate)
    if not fit:
        return Placement(muscle=None, why="No Muscle can take the app.", rejected=rejected)
    best = min(fit, key=lambda c: (c.apps, -c.headroom_after(need_bytes), c.name))
    return Placement(
        muscle=best.name, server_uuid=best.server_uuid, why=_why(best, len(fit), need_bytes), rejected=rejected
    )


def unfit(candidate: Candidate, *, need_bytes: int, need_runsc: bool) -> str:
    """Return why the app cannot go there, or an empty text."""
    if not candidate.healthy:
        return candidate.why_not or "not healthy"
    if need_runsc and not candidate.runsc:
        return "Docker has no runsc runtime"
    left = candidate.headroom_after(need_bytes)
    if left < 0:
        return f"no headroom: {-(left // 2**20)} MiB short"
    return ""


def _why(best: Candidate, fit: int, need_bytes: int) -> str:
    left = best.headroom_after(need_bytes) // 2**20
    spread = "the only one that fits" if fit == 1 else f"fewest apps ({best.apps}) of {fit} that fit"
    return f"{spread}; {left} MiB stay free after the app's limit and the reserve"
