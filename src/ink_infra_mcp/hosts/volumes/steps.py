"""The step handlers that take an app's data from one Muscle to another: stop it, copy its volumes, start it again.

The containers are stopped by Docker and stay as they are: what takes the stop back starts the very same ones, whatever
became of Coolify, its registry or its repository meanwhile. A copy counts once its sum is that of what was copied.
"""

import re
from dataclasses import dataclass

from ink_infra_mcp.core.errors import NOTHING_DONE, HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.docker.containers import ContainerFacts, containers_of
from ink_infra_mcp.hosts.docker.rollouts import UP
from ink_infra_mcp.hosts.volumes import asking
from ink_infra_mcp.hosts.volumes.asking import STAGE, Seen, Sum, Volume
from ink_infra_mcp.ssh.pool import HostPool

QUIET_WITHIN_S = 60.0
TRIES = 3
"""How often a copy is begun when a connection breaks."""
SPARE_BYTES = 2**30
"""Room that stays free on the target beside the copy."""
SAY_EVERY_BYTES = 2**28
HEADERS_BYTES = 8192
"""What an archive may need for an entry beside its content: headers, padding, attributes."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_CONTAINER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class VolumeSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "hosts.stop_containers": self.stop_containers,
            "hosts.start_containers": self.start_containers,
            "hosts.copy_volume": self.copy_volume,
        }

    async def stop_containers(self, call: StepCall) -> JsonObject:
        """Stop the `containers` of `app` on `muscle`, and see that nothing of the app runs there any more.

        Raises:
            StepFailed: something of it still runs: it was deployed meanwhile.
            HostError: the server cannot be asked.
        """
        muscle, ids = call.text("muscle"), _containers(call)
        there = {c.id for c in await self._running(call)}
        if stopping := [id_ for id_ in ids if id_ in there]:
            await self._switched(call, "stop", stopping)
        if left := await self._running(call):
            raise _still_runs(call.target, muscle, left)
        return {"stopped": [*ids]}

    async def start_containers(self, call: StepCall) -> JsonObject:
        """Start the `containers` of `app` on `muscle` again, the very same ones, and wait until they run.

        Raises:
            StepFailed: they do not run within a minute, or are gone.
            HostError: the server cannot be asked.
        """
        muscle, ids = call.text("muscle"), _containers(call)
        there = {c.id for c in await self._running(call)}
        if starting := [id_ for id_ in ids if id_ not in there]:
            await self._switched(call, "start", starting)

        async def running() -> JsonObject | NotYet:
            up = {c.id for c in await self._running(call) if c.state == "running"}
            lacking = [id_ for id_ in ids if id_ not in up]
            words = f"waiting on {muscle} for {len(lacking)} containers"
            return NotYet(words, _not_up(call.target, muscle)) if lacking else {"started": [*ids]}

        return await until(call, running, within_s=QUIET_WITHIN_S)

    async def copy_volume(self, call: StepCall) -> JsonObject:
        """Copy `volume` of the Muscle `source` to `copy` of `target`, and compare the sums of both.

        The bytes go through here, at most `limit_bytes`. What an earlier run left half done is emptied first. Returns
        both names, the sum, and how many bytes and entries it holds.

        Raises:
            StepFailed: it is in use, is no plain volume, there is no room, or the copy is another than the original.
            HostError: a server cannot be reached, or the stream broke; the copy is not used.
        """
        names = _name(call.text("volume")), _name(call.given("copy"))
        seen = await self._copied_from(call, names[0])
        known = await self._sum(call, "source", names[0])
        for left in reversed(range(TRIES)):
            try:
                await self._settled(call, seen, names[1], known)
                break
            except HostUnreachable as error:
                if not left:
                    raise
                call.say(f"{error.failed} Looking what {call.text('target')} has got.")
        return {
            "volume": names[0],
            "copy": names[1],
            "sha256": known.sha256,
            "entries": known.entries,
            "bytes": seen.size_bytes,
        }

    async def _settled(self, call: StepCall, volume: Volume, copy: str, known: Sum) -> None:
        """Copy it, unless what is there is the whole of it."""
        if await self._is_there(call, copy, known):
            return
        await self._check_room(call, volume, copy)
        await asking.make(self.pool, call.text("target"), copy, call.operation_id, permit=call.permit)
        await self._sent(
            call, volume.name, copy, limit_bytes=call.number("limit_bytes") + known.entries * HEADERS_BYTES
        )
        await self._check_same(call, (volume.name, copy), known)

    async def _switched(self, call: StepCall, verb: str, ids: list[str]) -> None:
        """An answer that gets lost settles nothing: whoever calls this looks afterwards."""
        try:
            await asking.switch(self.pool, call.text("muscle"), verb, ids, permit=call.permit)
        except HostUnreachable as error:
            call.say(f"{error.failed} Looking what became of it.")

    async def _running(self, call: StepCall) -> list[ContainerFacts]:
        found = await containers_of(self.pool, call.text("muscle"), call.text("app"))
        return [container for container in found if container.state in UP]

    async def _copied_from(self, call: StepCall, name: str) -> Volume:
        host = call.text("source")
        volume = (await asking.look(self.pool, host, name)).volume
        if volume is None or not volume.plain:
            raise _failed(f"{host} has no plain volume {name}", "Look at the app's volumes with get_app.")
        if users := [user.name for user in volume.users if user.is_up]:
            raise _failed(f"{clean_name(users[0])} on {host} runs and mounts {name}", "Stop it, then call again.")
        if max(volume.size_bytes, volume.used_bytes) > call.number("limit_bytes"):
            raise _failed(f"{name} holds more than was approved, {_mib(volume.size_bytes)}", "Call move_app again.")
        return volume

    async def _sum(self, call: StepCall, side: str, name: str) -> Sum:
        host = call.text(side)
        call.say(f"reading {name} on {host} for its sum")
        return await asking.sum_of(self.pool, host, name, permit=call.permit)

    async def _is_there(self, call: StepCall, name: str, known: Sum) -> bool:
        """Return whether an earlier run of this step has copied it whole."""
        there = (await asking.look(self.pool, call.text("target"), name)).volume
        if there is None or not there.plain or there.operation != call.operation_id:
            return False
        return await self._sum(call, "target", name) == known

    async def _check_room(self, call: StepCall, volume: Volume, copy: str) -> None:
        host = call.text("target")
        there: Seen = await asking.look(self.pool, host, copy)
        used = there.volume.used_bytes if there.volume else 0
        if there.free_bytes + used < volume.used_bytes + SPARE_BYTES:
            raise _failed(
                f"{host} has no room for {volume.name}: it takes {_mib(volume.used_bytes)}, and "
                f"{_mib(there.free_bytes)} are free",
                "Make room there, or move the app to another Muscle.",
            )

    async def _sent(self, call: StepCall, name: str, copy: str, *, limit_bytes: int) -> None:
        source, target = call.text("source"), call.text("target")
        sending = asking.command(self.pool, source, ("send", name), changes=False, timeout_s=asking.SUM_S)
        receiving = asking.receiving(self.pool, target, copy, call.operation_id)
        piped = await self.pool.pipe(
            (source, sending),
            (target, receiving),
            permit=call.permit,
            limit_bytes=limit_bytes,
            told=_Telling(call, name),
        )
        if piped.source is not None and piped.source.exit_status != 0:
            raise asking.refused(self.pool, source, "send a volume", piped.source)
        if piped.target.exit_status != 0:
            raise asking.refused(self.pool, target, "fill a volume", piped.target)

    async def _check_same(self, call: StepCall, names: tuple[str, str], known: Sum) -> None:
        """The original is read once more: a copy of what changed under the reading proves nothing."""
        after = await self._sum(call, "source", names[0])
        copied = await self._sum(call, "target", names[1])
        if after != known:
            raise _failed(f"{names[0]} changed while it was copied", "Find out what writes to it, then call again.")
        if copied != known:
            raise StepFailed(
                f"The copy of {names[0]} on {call.text('target')} is not what was copied: its sum is another.",
                done="The copy is not used; the original is as it was.",
                next="Both servers must keep the same attributes of files: look at their file systems and tar.",
                stage=STAGE,
            )


@dataclass(slots=True)
class _Telling:
    """Says now and then how far a copy has come."""

    call: StepCall
    name: str
    last: int = 0

    def __call__(self, sent: int) -> None:
        if sent - self.last >= SAY_EVERY_BYTES:
            self.last = sent
            self.call.say(f"copied {_mib(sent)} of {self.name}")


def _containers(call: StepCall) -> tuple[str, ...]:
    ids = tuple(map(str, items(call.params["containers"])))
    if not ids or not all(map(_CONTAINER.fullmatch, ids)):
        raise ValueError(f"step {call.step_id}: containers are no ids")
    return ids


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _failed(f"{clean_name(name)!r} is no name of a volume", "Look at the app's volumes in Coolify.")
    return name


def _mib(size: int) -> str:
    return f"{size // 2**20} MiB"


def _failed(what: str, next_: str) -> StepFailed:
    return StepFailed(f"{what}.", done=NOTHING_DONE, next=next_, stage=STAGE)


def _still_runs(app: str, muscle: str, left: list[ContainerFacts]) -> StepFailed:
    return StepFailed(
        f"{app} still runs on {muscle}: {', '.join(c.name for c in left)}.",
        done="Its other containers were stopped.",
        next="Somebody may have deployed it meanwhile: look at get_app, then call again.",
        stage=STAGE,
    )


def _not_up(app: str, muscle: str) -> StepFailed:
    return StepFailed(
        f"The containers of {app} do not run on {muscle} again.",
        done="They were started.",
        next="Look at get_app_logs, and start the app with control_app.",
        stage=STAGE,
    )
