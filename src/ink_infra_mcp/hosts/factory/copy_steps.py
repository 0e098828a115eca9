"""The step handler that copies a backup of Coolify off the host, and removes copies that are old and many."""

from dataclasses import dataclass

import anyio

from ink_infra_mcp.core.copies import Copy, Thinning
from ink_infra_mcp.core.errors import FileRefused, HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.hosts.factory import backing_up, copying
from ink_infra_mcp.hosts.factory.backing_up import Backup
from ink_infra_mcp.hosts.factory.copying import Place
from ink_infra_mcp.ssh.files import Files
from ink_infra_mcp.ssh.pool import HostPool

COPY = "factory.copy_backup"
TRIES = 3
"""How often a copy is begun when a connection breaks."""
PAUSE_S = 5.0
COPY_S = 3 * 3600.0
"""For all of it: a backup of gigabytes over a slow line, and read back."""
READ_S = 1800.0
"""So long older copies are begun to be read, to know which of them count; what was not read by then counts for none."""


@dataclass(frozen=True, slots=True)
class CopySteps:
    """Binds the handler to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {COPY: self.copy_backup}

    async def copy_backup(self, call: StepCall) -> JsonObject:
        """Have the backup `name` of `host` in `place`, encrypted for `recipient`, and thin the copies of `fleet` there.

        Run again it takes the copy as made where one of this backup is there and reads as its name says. Copies go
        that are neither among the newest `keep` nor younger than `keep_days`, and only after this one is proved. What
        counts in `keep` is read to its end before: a damaged copy counts for nothing, and is called so.

        Raises:
            StepFailed: with a stage `copy_*`; no half copy counts. Only with `copy_kept` the copy is made, and what was
                to go for its age was not removed.
            HostError: the Factory or the place cannot be reached, is another one, or broke off three times.
        """
        host, name = call.text("host"), call.given("name")
        place = Place.model_validate(
            {"host": call.params["place"]} | {name: call.text(name) for name in ("folder", "fleet", "recipient")}
        )
        backup = await backing_up.check(self.pool, host, name)
        call.say(f"copying the backup {name}, encrypted, to {place.host.address}")
        try:
            with anyio.fail_after(COPY_S):
                return await self._again(call, place, backup)
        except TimeoutError as error:
            raise StepFailed(
                f"The copy of {name} was not whole within {COPY_S / 3600:.0f} hours.",
                done="What is there of it does not count; the backup on the Factory is whole.",
                next="Look at the line to the place, then call again.",
                stage="copy_time",
            ) from error

    async def _again(self, call: StepCall, place: Place, backup: Backup) -> JsonObject:
        for attempt in range(TRIES - 1):
            try:
                return await self._once(call, place, backup)
            except HostUnreachable as error:
                call.say(f"{error.failed} Beginning anew.")
                await call.clock.sleep(PAUSE_S * 2**attempt)
        return await self._once(call, place, backup)

    async def _once(self, call: StepCall, place: Place, backup: Backup) -> JsonObject:
        async with self.pool.files(place.host, permit=call.permit) as files:
            done = await self._there(files, place, backup)
            if done is None:
                done = await copying.put(self.pool, call.text("host"), place, backup, files, permit=call.permit)
            try:
                removed = await self._thinned(call, files, place, done)
            except FileRefused as error:
                raise StepFailed(
                    f"{error.failed} Copies and parts that are to go for their age stay there.",
                    done=f"The copy {done.file} was made, read back and has its name there.",
                    next="Let our user rename and remove files there, or raise `keep_days` in fleet.toml; then call "
                    "again.",
                    stage="copy_kept",
                ) from error
            after = await copying.listed(files, place.folder, fleet=place.fleet)
            if done not in after.own:
                raise StepFailed(
                    f"The copy {done.file} is not seen whole at {place.host.name} after it was written.",
                    done="The backup on the Factory is whole.",
                    next="Find out what changes files there, then call again.",
                    stage="copy_lost",
                )
            return {
                "file": place.path(done.file),
                "sha256": done.sha256,
                "bytes": done.bytes,
                "copies": len(after.own),
                "damaged": [*after.damaged],
                "removed": [*removed],
            }

    async def _there(self, files: Files, place: Place, backup: Backup) -> Copy | None:
        """A copy of this backup that is read to its end and found whole; the content of a damaged one is left."""
        for copy in (await copying.listed(files, place.folder, fleet=place.fleet)).own:
            if (copy.backup, copy.made) == (backup.name, backup.made) and await copying.is_whole(files, place, copy):
                return copy
        return None

    async def _thinned(self, call: StepCall, files: Files, place: Place, proved: Copy) -> list[str]:
        """What is removed has as many whole copies before it as are kept; without the time to read them, none goes."""
        now = call.clock.now()
        own = (await copying.listed(files, place.folder, fleet=place.fleet)).own
        thinning = Thinning(proved=proved, keep=call.number("keep"), keep_days=call.number("keep_days"), now=now)
        whole: set[str] = set()
        damaged: set[str] = set()
        begun = call.clock.monotonic()
        while copy := thinning.unread(own, damaged=damaged, whole=whole):
            if call.clock.monotonic() - begun > READ_S:
                call.say("older copies are read too slowly to know which are whole: none that needs it is removed")
                break
            (whole if await copying.is_whole(files, place, copy) else damaged).add(copy.file)
        going = thinning.surplus(own, whole=whole)
        for copy in going:
            await files.remove(place.path(copy.file))
        await copying.swept(files, place, now=int(now.timestamp()))
        return [copy.file for copy in going]
