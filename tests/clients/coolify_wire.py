"""What every Coolify test speaks through: doors that expect fixed calls, and texts that Coolify sends."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.coolify.act import CoolifyAct
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from tests.clients.ordered import Call, Ordered, ordered, permit
from tests.clock import FakeClock

APP = "a0app4pp4pp4pp4pp4pp4pp4"
SERVER = "s0server0server0server00"
PROJECT = "p0project0project0projec"
SERVICE = "v0service0service0servic"
DEPLOYMENT = "d0deployment0deployment0"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A reader and a writer behind one door, the clock they wait with, and what was sent."""

    look: CoolifyLook
    act: CoolifyAct
    clock: FakeClock
    vendor: Ordered


@contextmanager
def coolify(*calls: Call) -> Generator[Spoken]:
    """Give a client of a Coolify that expects exactly `calls`."""
    with ordered(*calls, classify=classify_coolify) as wire:
        yield Spoken(
            look=CoolifyLook(wire.http),
            act=CoolifyAct(wire.http, permit()),
            clock=wire.clock,
            vendor=wire.vendor,
        )


def refusal(status: int, body: JsonValue, *, method: str = "GET", text: str = "", html: bool = False) -> Answer:
    """Return an answer as the HTTP door hands it to the classifier."""
    return Answer(
        method=method,
        path="/applications/x",
        status=status,
        headers={"content-type": "text/html" if html else "application/json"},
        text=text or str(body),
        json=body,
    )
