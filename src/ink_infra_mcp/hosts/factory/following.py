"""Follows a rotation on the Factory to where it ends: it goes on without us, so that a broken line settles nothing."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ink_infra_mcp.core.errors import HostUnreachable, StepFailed
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.swapping import STAGE, Rotation
from ink_infra_mcp.ssh.pool import HostPool

BY_HAND = "/data/coolify/ink/rollback"
T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


async def followed(pool: HostPool, call: StepCall, ends: set[str] | frozenset[str], *, within_s: float) -> Rotation:
    """Return the rotation of this operation as soon as its state is one of `ends`.

    Raises:
        StepFailed: it is not, `within_s` seconds later. HostError: the Factory cannot be reached at the end.
    """
    host = call.text("host")

    async def once() -> Rotation | NotYet:
        found = await swapping.look(pool, host, rotation_name(call))
        return found if found.state in ends else NotYet(f"on {host}: {found.state}", _not_ended(host, found))

    return await until(call, patient(host, once), within_s=within_s)


def patient(host: str, look: Callable[[], Awaitable[T | NotYet]]) -> Callable[[], Awaitable[T | NotYet]]:
    """Return the look, for which a Factory that cannot be reached for a while is nothing but not yet."""

    async def once() -> T | NotYet:
        try:
            return await look()
        except HostUnreachable as error:
            return NotYet(f"waiting for {host} to answer", error)

    return once


def rotation_name(call: StepCall) -> str:
    """Return the name of the rotation of this operation, which is one, whichever of its steps asks.

    Of one with several after the other each is named by its `part` as well.
    """
    part = f"-{call.text('part')}".replace("_", "-") if "part" in call.params else ""
    name = call.operation_id.lower() + part
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a rotation")
    return name


def _not_ended(host: str, found: Rotation) -> StepFailed:
    """It acts by itself, so that what it does after our patience is over is its own."""
    return StepFailed(
        f"The rotation on {host} did not get to its end in time: it is {found.state or 'unknown there'}.",
        done=f"{host} goes on by itself, and goes back unless it is confirmed. {found.why}".strip(),
        next=f"Look there at the newest log in /data/coolify/ink/rotations; `{BY_HAND}` goes back by hand.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-200:],
        unsure=True,
    )
