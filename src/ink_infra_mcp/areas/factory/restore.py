"""A restore of Coolify from a backup: what it would meet, why it is refused, and its steps."""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory.exchange import of_files, of_work
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.errors import InkError, InputError, RefusedByPolicy, StepFailed
from ink_infra_mcp.core.plan import Change, Frozen, Step, Undo, placed
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.factory import backing_up, weighing
from ink_infra_mcp.hosts.factory.backing_up import FOLDER
from ink_infra_mcp.hosts.factory.backup_steps import BACK_UP, REHEARSE
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.factory.looking import FactoryFacts, look_at_coolify
from ink_infra_mcp.hosts.factory.restore_steps import KEEP, LEAVE, PROVE, RESTORE
from ink_infra_mcp.hosts.factory.swapping import Ready, ready
from ink_infra_mcp.hosts.factory.weighing import Thing, Weighed, weigh

KINDS = (BACK_UP, REHEARSE, RESTORE, PROVE, "coolify.validate_server", KEEP)
TIMES, SPARE_BYTES = 5, 2**28
"""The database as it is dumped, restored on a copy with what migrations add to it, and restored beside itself."""
DAY_S = 86_400
ADDED = {"other": "APP_KEY", "earlier": "earlier keys"}
"""What of the backup's `.env` goes among the earlier keys, by what is known of its keys."""
_READS = "nothing to undo: it only reads"


class RestoreFacts(Frozen):
    """What a restore of the backup at `place`, a name or a path, would meet. `option` None: nobody could tell.

    `needless` is whether policy asks for no isolation. `days` is how old the backup is. `sums` are those of Coolify's
    compose files. `address` is where fleet.toml has the Factory.
    """

    host: str
    address: str
    place: str
    other_machine: bool
    weighed: Weighed
    dump_sha256: str
    days: int
    coolify: FactoryFacts
    ready: Ready
    sums: dict[str, str] = {}
    option: bool | None = None
    needless: bool = False

    @property
    def folder(self) -> str:
        """Return where the backup lies on the Factory."""
        return self.place if self.place.startswith("/") else f"{FOLDER}/{self.place}"

    @property
    def isolates(self) -> bool:
        """Return whether apps that rely on --runtime keep gVisor with the image that runs, or need not."""
        return self.needless or self.option is True

    @property
    def again(self) -> bool:
        """Return whether it was the last that was restored; what was changed since then is known to nobody."""
        return self.weighed.last == self.dump_sha256

    @property
    def validated(self) -> Thing | None:
        """Return the server that Coolify shall validate afterwards: one that is in both, its own one last.

        On another machine there is none: the API is perhaps not yet where fleet.toml has it.
        """
        if self.other_machine:
            return None
        both = self.weighed.both("servers")
        return min(both, key=lambda thing: (thing.name == "localhost", thing.name), default=None)


async def restore_facts(look: Look, backup: str | None, folder: str | None) -> RestoreFacts:
    """Return what a restore would meet; all of it is read, and nothing is restored for that.

    Raises:
        InputError: there is no such backup, or none or two are named.
        RefusedByPolicy: the backup, Coolify or the Factory is in no state for it; every reason is said.
        HostError: the Factory cannot be reached.
    """
    host = look.fleet.factory
    place = await _place(look, backup, folder)
    seen = await weigh(look.hosts, host.name, place)
    whole = await _whole(look, place)
    meets = await ready(look.hosts, host.name)
    facts = RestoreFacts(
        host=host.name,
        address=host.address,
        place=place,
        other_machine=folder is not None,
        weighed=seen,
        dump_sha256=whole,
        days=max(0, int(look.clock.now().timestamp()) - seen.made) // DAY_S,
        coolify=await look_at_coolify(look.hosts, host.name),
        ready=meets.model_copy(update={"files": {}}),
        sums={name: file.sha256 for name, file in meets.files.items()},
        option=await _option(look),
        needless=look.isolation.allow_without,
    )
    if reasons := tuple(reasons_against(facts)):
        raise _refused(facts.host, reasons)
    return facts


async def _place(look: Look, backup: str | None, folder: str | None) -> str:
    given = [place for place in (backup, folder) if place]
    if len(given) == 1:
        return given[0]
    there = await weighing.backups(look.hosts, look.fleet.factory.name)
    raise InputError(
        f"Which one backup shall be restored is not said. On {look.fleet.factory.name} there are: "
        f"{', '.join(there) or 'none that backup_coolify made'}.",
        next="Give `backup`, or `from_folder` for one that was brought there from another machine.",
    )


async def _whole(look: Look, place: str) -> str:
    try:
        return (await backing_up.check(look.hosts, look.fleet.factory.name, place)).dump_sha256
    except StepFailed as error:
        why = "its files are not what its manifest says, or one is missing; secrets/ is part of it"
        raise _refused(look.fleet.factory.name, (why,)) from error


async def _option(look: Look) -> bool | None:
    try:
        return await knows_runtime_option(look.hosts, look.fleet.factory.name)
    except InkError:
        return None


def _refused(host: str, reasons: tuple[str, ...]) -> RefusedByPolicy:
    return RefusedByPolicy(
        f"The backup is not restored on {host}: {'; '.join(reasons)}.",
        next="Mend that, look with get_coolify_image, then call again.",
    )


def reasons_against(facts: RestoreFacts) -> Iterator[str]:
    """Yield every reason not to begin; what is not known is one."""
    yield from _of_service(facts.coolify)
    yield from of_work(facts.ready)
    if left := facts.ready.left_over:
        yield f"containers are left of an earlier try: {', '.join(left[:3])}"
    yield from _of_room(facts)
    yield from _of_version(facts)
    yield from _of_postgres(facts.weighed)
    if facts.weighed.key == "missing":
        yield "the backup has no APP_KEY in secrets/.env: nothing of what is encrypted could be read"


def _of_service(coolify: FactoryFacts) -> Iterator[str]:
    if coolify.state != "running":
        yield f"Coolify's container is {coolify.state or 'not known'}, and must run"
    if coolify.auto_update is None:
        yield "whether Coolify updates itself is not known"
    yield from of_files(coolify)


def _of_room(facts: RestoreFacts) -> Iterator[str]:
    free, largest = facts.ready.free_bytes, facts.weighed.largest_bytes
    if free is None or largest is None:
        yield "how much room is left, or how large the databases are, is not known"
        return
    wanted = TIMES * largest + SPARE_BYTES
    if free < wanted:
        yield f"its disks have {free // 2**20} MiB left, and {wanted // 2**20} are needed"


def _of_version(facts: RestoreFacts) -> Iterator[str]:
    made, runs = parse_version(facts.weighed.version), parse_version(facts.coolify.base or "")
    if made is None or runs is None:
        yield "which Coolify made the backup, or which one runs, is not known"
    elif made > runs:
        yield f"the backup is of Coolify {made}, which is newer than the {runs} that runs"


def _of_postgres(seen: Weighed) -> Iterator[str]:
    kept, now = _major(seen.postgres), _major(seen.now_postgres)
    if kept is None or now is None:
        yield "which PostgreSQL made the backup, or which one runs, is not known"
    elif kept > now:
        yield f"the backup is of PostgreSQL {kept}, which is newer than the {now} that runs"


def _major(version: str) -> int | None:
    digits = version.partition(".")[0].partition(" ")[0]
    return int(digits) if digits.isdigit() else None


def restore_steps(facts: RestoreFacts) -> tuple[Step, ...]:
    """Return the steps: nothing in service is touched before the third, and whichever fails from there goes back."""
    steps = (*_before(facts), _restore(facts), _prove(facts), *_validate(facts), _keep(facts.host))
    return placed(steps, servers=[facts.host])


def _before(facts: RestoreFacts) -> tuple[Step, ...]:
    host = facts.host
    return (
        Step(
            id="backup",
            kind=BACK_UP,
            target=host,
            summary=f"Back up the Coolify on {host} as it is now: database, .env, compose files and ssh keys",
            params={"host": host, "name": ""},
            undo_words="a backup is kept",
        ),
        Step(
            id="rehearse",
            kind=REHEARSE,
            target=host,
            summary="Rehearse on a copy without a network: restore the backup, run the migrations of the image that "
            "runs, decrypt a stored secret; a failure ends here, with nothing touched",
            params={"host": host, "backup": facts.place, "image": ""},
            undo_words="the copy is removed at its end",
        ),
    )


def _restore(facts: RestoreFacts) -> Step:
    host = facts.host
    return Step(
        id="restore",
        kind=RESTORE,
        target=host,
        summary=f"Have {host} fill another database from the backup, stop Coolify, change the names of both databases "
        "at once and start Coolify, with its way back on its own disk: it goes back unless this plan proves and "
        "confirms it in time",
        changes=tuple(_changes(facts)),
        after="the database from before stays beside it as ink_left",
        params={
            "host": host,
            "folder": facts.folder,
            "dump_sha256": facts.dump_sha256,
            "image_id": facts.coolify.image or "",
            "other_machine": facts.other_machine,
            "sums": {**facts.sums},
            "migrated_s": result_of("rehearse", "seconds"),
        },
        uses=("rehearse",),
        undo=Undo(
            kind=LEAVE,
            target=host,
            summary=f"have {host} go back to the database and the .env from before",
            effect="Coolify is as it was; what was restored is kept as ink_left",
            params={"host": host},
        ),
        undoes=("restore",),
    )


def _changes(facts: RestoreFacts) -> Iterator[Change]:
    yield Change(name="Coolify's database", before="as it is now", after=f"the dump {facts.dump_sha256[:12]}")
    if added := ADDED.get(facts.weighed.key):
        yield Change(name="APP_PREVIOUS_KEYS in .env", before="as it is now", after=f"and the {added} of the backup")
    if facts.other_machine:
        yield Change(
            name="authorized_keys of Coolify's own server", before="as it is now", after="and the key from the backup"
        )


def _prove(facts: RestoreFacts) -> Step:
    host, update = facts.host, facts.coolify.auto_update
    return Step(
        id="prove",
        kind=PROVE,
        target=host,
        summary="Prove that Coolify is healthy, no migration is pending, its queue runs, auto-update as it was, each "
        "key decrypts and lies as a file, and a server lets Coolify in with it",
        params={
            "host": host,
            "image_id": facts.coolify.image or "",
            "auto_update": update is not None and update.on,
            "migrated_s": result_of("rehearse", "seconds"),
        },
        uses=("rehearse",),
        reads=True,
        undo_words=_READS,
        undoes=("restore",),
    )


def _validate(facts: RestoreFacts) -> Iterator[Step]:
    """Where no server can be validated, the proof before is all."""
    server = facts.validated
    if server is None:
        return
    yield Step(
        id="validate",
        kind="coolify.validate_server",
        target=server.name,
        summary=f"Have the restored Coolify validate {server.name}, asked over its API with our token",
        params={"server": server.uuid},
        undo_words="nothing to undo: Coolify only looks",
        undoes=("restore",),
    )


def _keep(host: str) -> Step:
    return Step(
        id="keep",
        kind=KEEP,
        target=host,
        summary=f"Tell {host} to stay with the restored database",
        params={"host": host},
        undo_words="/data/coolify/ink/rollback --with-database on the Factory goes back by hand",
        undoes=("restore",),
    )
