"""What of the demo is in which picture, and what of it is made the same from run to run."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.pictures.drawing import drawn

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
LIMIT_S = 150.0
ENOUGH = "Second act:"
"""Where the demo begins to buy a server: no picture shows what comes then."""
_FIXED = (
    (re.compile(r"\bop-[a-z0-9]{10}\b"), "op-7wa826jvx6"),
    (re.compile(r"(?<=[a-z0-9]-)\d{12}\b"), "171944126862"),
    (re.compile(r"(?<=until )20\d\d-\d\d-\d\d(?=\))"), "2027-02-28"),
)
"""Names of operations and containers, and a date, are random or of the day: those of one run stand there for ever."""
_QUESTION = ("--- The server asks a person ---", "---")
_ANSWER = "  [sandbox:"


def transcript() -> list[str]:
    """Return the rows that `ink-infra-mcp demo` prints in its first act.

    Raises:
        AssertionError: it ended before, or did not get there within the limit.
    """
    words = [sys.executable, "-m", "ink_infra_mcp", "demo"]
    rows: list[str] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        limit = threading.Timer(LIMIT_S, demo.kill)
        limit.start()
        for row in demo.stdout:
            if row.startswith(ENOUGH):
                break
            rows.append(row.rstrip("\n"))
        else:
            raise AssertionError("\n".join(rows))
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        demo.wait()
        limit.cancel()
    return [fixed(row) for row in rows]


def fixed(row: str) -> str:
    """Return a row with what is random in it, or of the day, replaced; all else is as it was printed."""
    for pattern, instead in _FIXED:
        row = pattern.sub(instead, row)
    return row


def pictures(rows: Sequence[str]) -> Mapping[str, str]:
    """Return the pictures by their file names."""
    scenes = {"fleet.svg": fleet(rows), "deploy.svg": deployment(rows), "no.svg": refusal(rows)}
    titles = {
        "fleet.svg": "The fleet",
        "deploy.svg": "An app is deployed, with its proofs",
        "no.svg": "A person says no",
    }
    return {name: drawn(titles[name], scene) for name, scene in scenes.items()}


def fleet(rows: Sequence[str]) -> list[str]:
    """Return how the fleet is: what the resource fleet://overview shows, too."""
    return section(rows, "The fleet")


def deployment(rows: Sequence[str]) -> list[str]:
    """Return a plan with a person's yes, and what was proved then; what is told meanwhile differs by the second."""
    whole = section(rows, "Deploy an app")
    begin, end = (whole.index(mark) for mark in _QUESTION)
    answer = next(at for at, row in enumerate(whole) if row.startswith(_ANSWER))
    said = "  [... what it says while it runs is not in this picture ...]"
    return [*whole[:begin], *shortened(whole[begin : end + 2], 13, 11), said, *without_steps(whole[answer:])]


def refusal(rows: Sequence[str]) -> list[str]:
    """Return a plan that a person turns down."""
    return section(rows, "Delete it: the person says no")


def section(rows: Sequence[str], title: str) -> list[str]:
    """Return the rows of one call, from its heading on.

    Raises:
        StopIteration: the demo makes no such call.
    """
    begin = next(at for at, row in enumerate(rows) if row.startswith(f"=== {title}"))
    end = next((at for at, row in enumerate(rows) if at > begin and row.startswith("=== ")), len(rows))
    return "\n".join(rows[begin:end]).rstrip().splitlines()


def shortened(rows: Sequence[str], head: int, tail: int) -> list[str]:
    """Return the beginning and the end; between them stands how much is left out."""
    left_out = f"  [... {len(rows) - head - tail} lines of the plan are not in this picture ...]"
    return [*rows[:head], left_out, *rows[-tail:]]


def without_steps(rows: Sequence[str]) -> list[str]:
    """Return an answer without its list of steps, and say that it is left out."""
    steps = [at for at, row in enumerate(rows) if row.startswith("    [done]")]
    after = next(at for at, row in enumerate(rows) if row.startswith("    passed:"))
    return [*rows[: steps[0]], f"    [... {len(steps)} steps, all done ...]", *rows[after:]]
