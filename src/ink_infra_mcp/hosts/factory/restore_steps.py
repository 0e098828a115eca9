"""The step handlers that put a backup of Coolify back into service: by the Factory, proved, kept or taken back."""

from dataclasses import dataclass

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.factory import restoring, swapping
from ink_infra_mcp.hosts.factory.following import BY_HAND, followed, patient, rotation_name
from ink_infra_mcp.hosts.factory.serving import faults
from ink_infra_mcp.hosts.factory.swapping import ENDED, UNTOUCHED, RestoreOrders, Rotation
from ink_infra_mcp.ssh.pool import HostPool

RESTORE, LEAVE = "factory.restore_backup", "factory.leave_backup"
PROVE, KEEP = "factory.prove_backup", "factory.keep_backup"
STAGE = "restore"
LEAST_HEALTH_S = 300
"""What Coolify's own upgrade.sh gives its container at most, and migrations of a release need besides (4.3.11)."""
CONFIRM_S = 1800
FILL_S = 2400.0
"""The script gives pg_restore half an hour beside the database in service."""
BACK_WITHIN_S = 1800.0
PROVED_WITHIN_S = 420.0
CONFIRMED_WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class RestoreSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {RESTORE: self.restore, LEAVE: self.leave, PROVE: self.prove, KEEP: self.keep}

    async def restore(self, call: StepCall) -> JsonObject:
        """Have the Factory put the database of the backup in `folder` into service, and follow it until it is healthy.

        The Factory does it by itself and goes back by itself, whatever becomes of us. Returns the image's `id`, and
        `downtime_ms`, how long the dashboard did not answer, if measured.

        Raises:
            StepFailed: it did not begin, or it went back: `done` says which.
            HostError: the Factory cannot be reached.
        """
        host, name = call.text("host"), rotation_name(call)
        if (await swapping.look(self.pool, host, name)).state == "":
            await swapping.act(self.pool, host, "prepare", name, permit=call.permit, orders=_orders(call))
        await swapping.act(self.pool, host, "start", name, permit=call.permit)
        limit_s = FILL_S + _health_s(call) + BACK_WITHIN_S
        found = await followed(self.pool, call, {"swapped", *ENDED}, within_s=limit_s)
        if found.state not in ("swapped", "confirmed"):
            raise _not_restored(host, found)
        return {"id": found.image, "downtime_ms": found.downtime_ms}

    async def leave(self, call: StepCall) -> JsonObject:
        """Have the Factory go back to the database from before; where nothing was begun, nothing is done.

        Raises:
            StepFailed: it was confirmed already, or does not get back in half an hour, at which it goes on trying.
            HostError: the Factory cannot be reached; it goes back by itself when its time is over.
        """
        host, name = call.text("host"), rotation_name(call)
        before = await swapping.look(self.pool, host, name)
        if before.state == "confirmed":
            raise _kept(host)
        if before.state in ("", "refused", "reverted"):
            return {"state": before.state, "image": before.image}
        await swapping.act(self.pool, host, "abort", name, permit=call.permit)
        found = await followed(self.pool, call, ENDED, within_s=BACK_WITHIN_S)
        return {"state": found.state, "image": found.image}

    async def prove(self, call: StepCall) -> JsonObject:
        """Wait until the restored Coolify serves: healthy, migrated, its queue running, its keys decrypted and in use.

        Returns `keys`, how many it decrypts, and the uuids of servers that it gets in to, and not: `reached` and
        `unreached`; `own` is the one that it runs on.

        Raises:
            StepFailed: something of it is not so within seven minutes, or the Factory has gone back.
            HostError: the Factory cannot be reached.
        """
        host, image, switch = call.text("host"), call.given("image_id"), call.params["auto_update"] is True

        async def once() -> JsonObject | NotYet:
            rotation = await swapping.look(self.pool, host, rotation_name(call))
            if rotation.state != "swapped":
                raise _not_restored(host, rotation)
            wrong = tuple(faults(await swapping.prove(self.pool, host), image, auto_update=switch))
            if wrong:
                return _unproved(host, wrong)
            seen = await restoring.secrets(self.pool, host)
            if wrong := tuple(seen.faults):
                return _unproved(host, wrong)
            return {"keys": seen.keys, "reached": [*seen.reached], "unreached": [*seen.unreached], "own": seen.own}

        within_s = PROVED_WITHIN_S + 3 * _migrated_s(call)
        return await until(call, patient(host, once), within_s=within_s)

    async def keep(self, call: StepCall) -> JsonObject:
        """Tell the Factory to stay with the restored database, and see that it does.

        Raises:
            StepFailed: it has gone back before.
            HostError: the Factory cannot be reached.
        """
        host, name = call.text("host"), rotation_name(call)
        if (await swapping.look(self.pool, host, name)).state == "swapped":
            await swapping.act(self.pool, host, "confirm", name, permit=call.permit)
        found = await followed(self.pool, call, ENDED, within_s=CONFIRMED_WITHIN_S)
        if found.state != "confirmed":
            raise _not_restored(host, found)
        return {"image": found.image}


def _orders(call: StepCall) -> RestoreOrders:
    return RestoreOrders(
        image_id=call.text("image_id"),
        folder=call.text("folder"),
        dump_sha256=call.text("dump_sha256"),
        other_machine=call.params["other_machine"] is True,
        health_s=_health_s(call),
        confirm_s=CONFIRM_S + 3 * _migrated_s(call),
        sums={name: str(value) for name, value in table(call.params["sums"]).items()},
    )


def _migrated_s(call: StepCall) -> int:
    """What the migrations took in the rehearsal: a start takes as long again, and health says nothing of it."""
    took = call.filled("migrated_s")
    return round(took if isinstance(took, int | float) else 0)


def _health_s(call: StepCall) -> int:
    return LEAST_HEALTH_S + 3 * _migrated_s(call)


def _unproved(host: str, wrong: tuple[str, ...]) -> NotYet:
    failure = StepFailed(
        f"The restored Coolify on {host} is not as it shall be: {'; '.join(wrong)}.",
        done="It is in service, and not confirmed.",
        next="The plan's undo goes back.",
        stage=STAGE,
    )
    return NotYet(f"waiting on {host}: {wrong[0]}", failure)


def _not_restored(host: str, found: Rotation) -> StepFailed:
    if found.state == "refused":
        return StepFailed(
            f"{host} did not begin to restore: {found.why}.",
            done=UNTOUCHED,
            next="Call the tool again when that is over.",
            stage=STAGE,
        )
    return StepFailed(
        f"{host} went back to the database from before: {found.why or found.state}.",
        done=f"In service is the Coolify from before, which is {found.container or 'not known to run'}; what was "
        "restored is kept as ink_left.",
        next="Read what the container said, mend that, then call again.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-200:],
    )


def _kept(host: str) -> StepFailed:
    return StepFailed(
        f"The restored database on {host} was confirmed and is kept.",
        done="It stays in service, and was not taken back.",
        next=f"On {host} `{BY_HAND} --with-database` goes back by hand; all since then is lost by that.",
        stage=STAGE,
    )
