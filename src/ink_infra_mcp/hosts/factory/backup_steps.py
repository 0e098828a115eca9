"""The step handlers that back Coolify up on the Factory, try a backup in a throw-away place, and restore one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue

from ink_infra_mcp.core.errors import HostUnreachable
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.hosts.factory import backing_up
from ink_infra_mcp.hosts.factory.backing_up import FOLDER, Rehearsal
from ink_infra_mcp.hosts.factory.restore_steps import RestoreSteps
from ink_infra_mcp.ssh.pool import HostPool

T = TypeVar("T")
TRIES = 3
"""How often the Factory is asked when the connection breaks."""
BACK_UP, REHEARSE = "factory.backup_coolify", "factory.rehearse"


@dataclass(frozen=True, slots=True)
class BackupSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {BACK_UP: self.backup_coolify, REHEARSE: self.rehearse, **RestoreSteps(self.pool).handlers()}

    async def backup_coolify(self, call: StepCall) -> JsonObject:
        """Back Coolify up on the Factory `host`, in a folder named `name`, empty: after the operation.

        Run again it takes the folder as made where all in it has its sums, and returns the same. It holds the dump,
        which pg_restore could list, Coolify's files, and a manifest with the sum of each; APP_KEY is in `secrets/`.

        Raises:
            StepFailed: there is no room, the database does not answer, or the dump is not whole; nothing of it stays.
            HostError: the Factory cannot be reached, or broke off; half of a backup never counts.
        """
        host, name = call.text("host"), call.text("name") or call.operation_id
        call.say(f"backing up Coolify's database and files on {host}")
        made = await _again(call, lambda: backing_up.make(self.pool, host, name, permit=call.permit))
        return {
            "name": name,
            "folder": f"{FOLDER}/{name}",
            "dump_sha256": made.dump_sha256,
            "bytes": made.bytes,
            "seconds": made.seconds,
        }

    async def rehearse(self, call: StepCall) -> JsonObject:
        """Restore `backup`, a name or a path, beside Coolify on `host`, migrate it with `image`, decrypt a secret.

        `image` is a reference of one that is on the Factory, empty: the one that runs. The copy is in a Postgres of its
        own on a network without a way out; both are removed at the end, after a failure too. Run again it begins anew.
        `stops` are images that it is migrated with before, each with the `part` of the plan that puts it into service;
        what is returned of one of those has its part behind the name: `ran_4_1_3`.

        Raises:
            StepFailed: one of it failed, with a stage `rehearsal_*`; nothing in service was touched.
            HostError: the Factory cannot be reached, or broke off; the next run removes what is left.
        """
        host, backup, image = call.text("host"), call.given("backup"), call.given("image")
        stops = [table(each) for each in items(call.params.get("stops"))]
        images = (*(str(each["image"]) for each in stops), image)
        call.say(f"restoring the backup {backup} in a throw-away place on {host}")
        name = call.operation_id
        tried = await _again(
            call,
            lambda: backing_up.rehearse(self.pool, host, name, backup=backup, images=images, permit=call.permit),
        )
        return {
            "restored": backup,
            "dump_sha256": tried.dump_sha256,
            "image": tried.image,
            "pending_before": _listed(tried.pending),
            "ran": _listed(tried.ran),
            "gone": _listed(tried.gone),
            "may_encrypt": _listed(tried.encrypts),
            "may_drop": _listed(tried.drops),
            "seconds": tried.seconds,
            "secret": "decrypted",
            **_of_stops([str(each["part"]) for each in stops], tried.earlier),
        }


def _of_stops(parts: list[str], tried: tuple[Rehearsal, ...]) -> JsonObject:
    told: JsonObject = {}
    for part, each in zip(parts, tried, strict=True):
        told |= {
            f"ran_{part}": _listed(each.ran),
            f"may_encrypt_{part}": _listed(each.encrypts),
            f"may_drop_{part}": _listed(each.drops),
            f"seconds_{part}": each.seconds,
        }
    return told


async def _again(call: StepCall, act: Callable[[], Awaitable[T]]) -> T:
    """A connection that broke says nothing of what the Factory did: asked again, it takes what is whole as made."""
    for _ in range(TRIES - 1):
        try:
            return await act()
        except HostUnreachable as error:
            call.say(f"{error.failed} Asking again.")
    return await act()


def _listed(names: tuple[str, ...]) -> list[JsonValue]:
    return [*names]
