"""The step handlers that have the Factory move its data onto a disk, each by a unit there that goes back by itself."""

import re
from dataclasses import dataclass

from ink_infra_mcp.core.baseline.daemon import merged
from ink_infra_mcp.core.containerd import FRESH, with_root
from ink_infra_mcp.core.errors import HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.factory import disks
from ink_infra_mcp.hosts.factory.disks import ENDED, STAGE, UNTOUCHED, Bare, Engine, Move, Orders
from ink_infra_mcp.hosts.factory.unit_script import coded
from ink_infra_mcp.ssh.pool import HostPool

FORMAT, MOVE, GUARD, DOCKER, PLACE = (
    "factory.format_and_move",
    "factory.move_to_disk",
    "factory.guard_data",
    "factory.move_docker",
    "factory.place_docker",
)
BY_HAND = "/var/lib/ink-infra/disk/rollback"
WITHIN_S = 24 * 3600.0
"""A terabyte on a slow volume; the Factory acts by itself, and what we wait for is its end, there or back."""
EVERY_S = 5.0
TRIES = 3
"""How often the Factory is asked when the connection breaks."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


@dataclass(frozen=True, slots=True)
class DiskSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {FORMAT: self.move, MOVE: self.move, GUARD: self.move, DOCKER: self.move_docker, PLACE: self.move_docker}

    async def move(self, call: StepCall) -> JsonObject:
        """Have the Factory `host` do what `orders` say about the disk and /data, and follow it until it has ended.

        Run again it follows the same move: one operation makes one of each `part`. Returns for how many `seconds`
        Docker was stopped, None where that was not measured.

        Raises:
            StepFailed: it did not begin, or went back to the place from before; the reason is the Factory's.
            HostError: the Factory cannot be reached; it goes on, or back, by itself.
        """
        return await self._moved(call, {key: str(value) for key, value in table(call.params["orders"]).items()})

    async def move_docker(self, call: StepCall) -> JsonObject:
        """Have the Factory `host` move Docker's own data, with its settings merged as they are now, if as planned.

        Where there is no Docker yet only its settings are put there, with which it begins in that place.

        Raises:
            StepFailed: as with `move`; or the settings are not as they were when this was planned.
            HostError: as with `move`.
        """
        host = call.text("host")
        words = {key: str(value) for key, value in table(call.params["orders"]).items()}
        if (await disks.look(self.pool, host, _name(call))).state == "":
            words |= await self._settings(call, host)
        return await self._moved(call, words)

    async def _settings(self, call: StepCall, host: str) -> dict[str, str]:
        found = await disks.ground(self.pool, host)
        there = found.bare if call.kind == PLACE else found.engine
        sums = table(call.params["sums"])
        if there is None or (there.daemon.sha256, there.config.sha256) != (sums["daemon"], sums["config"]):
            raise StepFailed(
                f"Docker's settings on {host} are not as they were when this was planned.",
                done=UNTOUCHED,
                next="Call the tool again, which plans with what is there now.",
                stage=STAGE,
            )
        return _texts(there, store=call.params["store"] is True)

    async def _moved(self, call: StepCall, words: dict[str, str]) -> JsonObject:
        host, name = call.text("host"), _name(call)
        found = await disks.look(self.pool, host, name)
        if found.state == "":
            call.say(f"having {host} prepare the move")
            await self._act(call, host, "prepare", Orders(words=words))
        if found.state in ("", "prepared"):
            await self._act(call, host, "start")
        found = await self._followed(call, host, name)
        if found.state != "done":
            raise _not_moved(host, found)
        return {"move": name, "seconds": found.seconds}

    async def _act(self, call: StepCall, host: str, verb: str, orders: Orders | None = None) -> None:
        """A connection that broke says nothing of what the Factory did: each verb may be said twice."""
        for left in range(TRIES - 1, -1, -1):
            try:
                return await disks.act(self.pool, host, verb, _name(call), permit=call.permit, orders=orders)
            except HostUnreachable as error:
                if not left:
                    raise
                call.say(f"{error.failed} Asking again.")

    async def _followed(self, call: StepCall, host: str, name: str) -> Move:
        async def once() -> Move | NotYet:
            try:
                found = await disks.look(self.pool, host, name)
            except HostUnreachable as error:
                return NotYet(f"waiting for {host} to answer", error)
            return found if found.state in ENDED else NotYet(f"on {host}: {found.state}", _not_ended(host, found))

        return await until(call, once, within_s=WITHIN_S, every_s=EVERY_S)


def _texts(there: Engine | Bare, *, store: bool) -> dict[str, str]:
    """Return the settings as they shall be: read and edited in here, since others may keep secrets in them."""
    daemon = merged(there.daemon.text, {"data-root": "/data/docker"}).text
    begun = FRESH if isinstance(there, Bare) and there.config.sha256 == "none" else there.config.text
    return {
        "text:daemon": coded(daemon),
        "sum:daemon": there.daemon.sha256,
        "text:config": coded(with_root(begun, "/data/containerd")) if store else "same",
        "sum:config": there.config.sha256,
    }


def _name(call: StepCall) -> str:
    """One operation makes one move of each part, however often its step is run."""
    name = f"{call.operation_id.lower()}-{call.text('part')}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a move")
    return name


def _not_moved(host: str, found: Move) -> StepFailed:
    if found.state == "refused":
        return StepFailed(
            f"{host} did not begin to move its data: {found.why}.",
            done=UNTOUCHED,
            next="Call the tool again when that is over.",
            stage=STAGE,
        )
    return StepFailed(
        f"{host} went back to where its data was: {found.why or found.state}.",
        done="Docker runs in the old place, with all that was there when it stopped. What was written in the new place "
        "since, where the reason tells of that, is on the disk only. A disk that was to be formatted may be formatted.",
        next="Mend that, then call again.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-20:],
    )


def _not_ended(host: str, found: Move) -> StepFailed:
    return StepFailed(
        f"The move on {host} did not get to its end in time: it is {found.state or 'unknown there'}.",
        done=f"{host} goes on by itself, and goes back unless all of it came over. {found.why}".strip(),
        next=f"Look there at the newest log in /var/lib/ink-infra/disk/moves; `{BY_HAND}` goes back by hand.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-20:],
        unsure=True,
    )
