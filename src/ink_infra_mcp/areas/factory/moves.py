"""What the parts of a Factory that move data have in common: what is asked, what is planned, and figures for people."""

from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Frozen, JsonObject, Step
from ink_infra_mcp.hosts.factory.disks import Engine, Ground

PartName = Literal["data_disk", "docker_data", "coolify", "firewall", "dns", "api"]
"""The parts that can be set up; one that is not built yet is not offered."""
SPARE_KB = 16_384
"""What is left free beside a tenth of what is copied, as the script on the host has it."""
BACK = (
    "/var/lib/ink-infra/disk/rollback on the Factory goes back by hand from the last move, and those below moves/ "
    "beside it from the others"
)
LOST = f"{BACK}: what was written since would be lost, and stays on the disk."
UNTIL = (
    "until Docker is installed, /var/lib/ink-infra/disk/rollback on the Factory goes back by hand; from then on the "
    "old place knows nothing of it, and rollback says that and does nothing"
)
ONLY_UNTIL = f"The way back: {UNTIL}."
PINNED = "sizes"
GROWS = 1.1
"""How much more than what was approved may be there when it begins: sizes move by themselves, and room is looked at."""
_KB_PER_S = 60_000
"""Copied, and then read twice: slow for a volume of a cloud, so that the estimate is rather too long."""
_ENTRIES_PER_S = 2_000
_RESTART_S = 60


class Asked(Frozen):
    """What a call asks for, on the Factory `host`."""

    host: str
    parts: tuple[PartName, ...]
    disk: str = ""
    erase: bool = False
    domain: str = ""
    version: str = ""


class Planned(Frozen):
    """What one part plans; without steps `so` says why. `phrase` is what a person types where data may be lost."""

    steps: tuple[Step, ...] = ()
    so: str = ""
    stops: str = ""
    keeps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    phrase: str = ""
    locks: tuple[str, ...] = ()
    pinned: JsonObject = {}

    def then(self, other: "Planned") -> "Planned":
        """Return both, one after the other."""
        return Planned(
            steps=(*self.steps, *other.steps),
            so="; ".join(filter(None, (self.so, other.so))),
            stops="; then ".join(filter(None, (self.stops, other.stops))),
            keeps=(*self.keeps, *other.keeps),
            warnings=tuple(dict.fromkeys((*self.warnings, *other.warnings))),
            phrase=self.phrase or other.phrase,
            locks=tuple(dict.fromkeys((*self.locks, *other.locks))),
            pinned=self.pinned | other.pinned,
        )


def needed_kb(kb: int) -> int:
    """Return how much room a copy of so many KiB wants."""
    return kb + kb // 10 + SPARE_KB


def shown(kb: int) -> str:
    """Return a size for a person."""
    return f"{kb / 2**20:.1f} GiB" if kb >= 2**20 else f"{kb / 1024:.1f} MiB"


def lasting(kb: int, entries: int) -> str:
    """Return how long a copy keeps Docker stopped, as a person says it."""
    seconds = _RESTART_S + kb // _KB_PER_S + entries // _ENTRIES_PER_S
    return f"about {max(2, -(-seconds // 60))} minutes"


def common_reasons(ground: Ground) -> Iterator[str]:
    """Yield what keeps any move from beginning; what is not known is one."""
    if ground.missing:
        yield f"it lacks {ground.missing}"
    if ground.under_way:
        yield f"a move is under way there ({ground.under_way})"
    if ground.unknown_engine:
        yield "Docker does not say where it keeps its data"
    if ground.engine is not None:
        yield from _of_work(ground.engine)


def _of_work(engine: Engine) -> Iterator[str]:
    if not engine.coolify:
        return
    if engine.deployments is None:
        yield "whether deployments run is not known"
    elif engine.deployments:
        yield f"{engine.deployments} deployments run or wait"


def orders_of(ground: Ground) -> dict[str, str]:
    """Return the words of orders that say what there is to stop."""
    engine = ground.engine
    return {"docker": "yes" if engine else "no", "coolify": "yes" if engine and engine.coolify else "no"}


def sizes_of(ground: Ground) -> dict[str, int | None]:
    """Return the measured figures that a plan tells of, by their names."""
    engine = ground.engine
    return {
        "data_kb": ground.data_kb,
        "data_entries": ground.data_entries,
        "kb": engine.kb if engine else None,
        "entries": engine.entries if engine else None,
        "containerd_kb": engine.containerd_kb if engine else None,
    }


def as_approved(ground: Ground, sizes: JsonObject) -> Ground:
    """Return the ground with the figures that a person saw, where what is there now has not outgrown them.

    Whether there is room is judged by what is there now, on the Factory, right before it is copied.
    """
    now = sizes_of(ground)
    if any(_outgrown(each, sizes.get(name)) for name, each in now.items()):
        return ground
    data = {"data_kb": sizes["data_kb"], "data_entries": sizes["data_entries"]}
    return ground.model_copy(update={**data, "engine": _as_approved(ground.engine, sizes)})


def _as_approved(engine: Engine | None, sizes: JsonObject) -> Engine | None:
    seen = {"kb": sizes["kb"], "entries": sizes["entries"], "containerd_kb": sizes["containerd_kb"]}
    return engine.model_copy(update=seen) if engine else None


def _outgrown(now: int | None, seen: JsonValue) -> bool:
    if now is None or not isinstance(seen, int):
        return now is not seen
    return now > seen * GROWS + SPARE_KB


def checked(name: str, passed: object, evidence: str) -> Check:
    """Return one statement about the Factory."""
    return Check(name=name, status="passed" if passed else "failed", evidence=evidence)
