"""How far a server's first boot is: read from what it says, and judged by what is known to be over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DONE_WORDS = frozenset({"done", "disabled", "degraded done"})
_RUNNING_WORDS = frozenset({"running", "degraded running", "not run", "not started"})
_UP = frozenset({"running", "degraded", "absent"})
_RESTING = frozenset({"inactive", "failed"})
_STARTING = frozenset({"initializing", "starting", "unknown", "offline", ""})

_RECOVERED = "cloud-init ended with errors that it could recover from (`cloud-init status --long`)"
_INTERRUPTED = "dpkg was interrupted and has to go on (`dpkg --configure -a`)"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a first boot still does. Nothing waited for and nothing failed: it is over; `warnings` are for people."""

    waits: tuple[str, ...]
    failed: str = ""
    warnings: tuple[str, ...] = ()


def read_readiness(lines: Sequence[str]) -> Readiness:
    """Return how far the first boot is.

    Raises:
        ValueError: the answer has not what it must have.
    """
    facts = [(key, value.strip()) for key, _, value in (line.partition(" ") for line in lines)]
    first = _cloud_init(facts)
    interrupted = any(key == "interrupted" for key, _ in facts)
    return Readiness(
        waits=(*first.waits, *_boot(facts), *_packages(facts)),
        failed=first.failed,
        warnings=(*first.warnings, *(_INTERRUPTED for _ in range(interrupted))),
    )


def _cloud_init(facts: Sequence[tuple[str, str]]) -> Readiness:
    status, _, word = _one(facts, "cloud_init").partition(" ")
    # who waits for a cloud-init that will not run any more would wait for ever
    never = _one(facts, "boot") in _UP and word in ("not run", "not started") and status in ("0", "2")
    if status == "absent" or never:
        return Readiness(waits=())
    if word in _RUNNING_WORDS:
        return Readiness(waits=(f"cloud-init ({word})",))
    if status == "2" and word in (*_DONE_WORDS, "error", "degraded"):
        return Readiness(waits=(), warnings=(_RECOVERED,))
    if status == "0" and word in _DONE_WORDS:
        return Readiness(waits=())
    return Readiness(waits=(), failed=f"cloud-init ended with status {status} and says {word or 'nothing'!r}")


def _boot(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    state = _one(facts, "boot")
    if state in _STARTING:
        yield f"systemd ({state or 'says nothing'})"
    elif state not in _UP:
        yield f"systemd, which is {state}"


def _packages(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    if ("locks", "unknown") in facts:
        yield "the locks of apt and dpkg, which cannot be read"
    for key, value in facts:
        name, _, more = value.partition(" ")
        match key:
            case "lock":
                yield f"{more or 'a program'}, which holds {name}"
            case "runs":
                yield f"{name}, which runs"
            case "unit" if more in ("activating", "active", "reloading"):
                yield f"{name}, which runs"
            case "unit" if more not in _RESTING:
                yield f"{name}, of which systemd says {more or 'nothing'}"
            case _:
                pass


def _one(facts: Sequence[tuple[str, str]], name: str) -> str:
    found = [value for key, value in facts if key == name]
    if len(found) != 1:
        raise ValueError(f"{name} is said {len(found)} times")
    return found[0]
