"""When a server has its turn: so long after the last one, and not after the window in which updates may begin."""

from datetime import datetime

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall

STAGE = "updates"
EVERY_S = 30.0
"""How often it is said how long the wait still is."""


async def await_turn(call: StepCall) -> JsonObject:
    """Wait until `pause_s` seconds have passed since `since`, when the last server was back; none without it.

    The moment is that of the earlier step's result: whoever is killed meanwhile, the wait ends when it would have. A
    clock that was set back makes no wait longer than `pause_s`. With `not_after` it fails after that moment.

    Raises:
        StepFailed: the window is over.
    """
    end = call.clock.monotonic() + (_left_s(call) if "since" in call.params else 0.0)
    while (left_s := end - call.clock.monotonic()) > 0:
        call.say(f"{call.target} has its turn in {left_s:.0f} s")
        await call.clock.sleep(min(left_s, EVERY_S))
    refuse_late(call, call.target)
    return {"begun_at": call.clock.now().isoformat()}


def _left_s(call: StepCall) -> float:
    pause_s = float(str(call.params["pause_s"]))
    passed = call.clock.now() - datetime.fromisoformat(call.given("since"))
    return min(pause_s, pause_s - passed.total_seconds())


def refuse_late(call: StepCall, host: str) -> None:
    """Return while updates of a server may begin: until `not_after`, a moment in RFC 3339; always where it is empty.

    Raises:
        StepFailed: the window is over.
    """
    last = call.params.get("not_after")
    if isinstance(last, str) and last and call.clock.now() > datetime.fromisoformat(last):
        raise StepFailed(
            f"The window in which updates may begin ended at {last}, before {host} had its turn.",
            done="Nothing was changed on it; the servers before it are done.",
            next="Call again with another window.",
            stage=STAGE,
        )
