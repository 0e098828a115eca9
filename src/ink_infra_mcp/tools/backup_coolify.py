"""backup_coolify: back the control plane up, and prove that the backup restores."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.copies import COPY_STEP, copy_steps, where
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import HostError, InkError, InputError
from ink_infra_mcp.core.fleet import BackupPlace
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.systems import FACTORY, STATE, Needs
from ink_infra_mcp.hosts.factory import backing_up, copying
from ink_infra_mcp.hosts.factory.backing_up import FOLDER
from ink_infra_mcp.hosts.factory.backup_steps import BACK_UP, REHEARSE
from ink_infra_mcp.hosts.factory.copy_steps import COPY
from ink_infra_mcp.hosts.factory.looking import look_at_coolify

BACKUP_STEP, DRILL_STEP = "backup", "drill"
_SHOWN = ("restored", "image", "pending_before", "ran", "gone", "may_encrypt", "may_drop", "seconds", "secret")
_KEEPS = ("Coolify, its database and every app: all run on", "every earlier backup: none is removed")
_NOT_ELSEWHERE = (
    "the backup stays on the Factory's own disk: copy it to another place, and its folder secrets/ (.env with APP_KEY, "
    "ssh keys) to yet another"
)


class Args(BaseModel):
    """What backup_coolify takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drill: Annotated[bool, Field(description="Also prove that it restores")] = False
    wait_s: Wait = 45


class Facts(Frozen):
    """The Factory, where copies go, and the image of Coolify that runs, empty: not known, for the reason in `why`."""

    factory: str
    image: str = ""
    why: str = ""
    place: BackupPlace = BackupPlace()


class BackupCoolify(Mutation[Args, Look, Facts]):
    """Back up Coolify on the Factory: database, .env, compose files, ssh keys, verified, with sums. With `drill` the
    backup is restored, migrated and decrypted in a throw-away place beside it: nothing in service changes.
    """

    name: ClassVar[str] = "backup_coolify"
    title: ClassVar[str] = "Back up Coolify"
    hint: ClassVar[str] = (
        "make, save, dump the Factory's database; restore drill: try whether it could be restored, disk dies"
    )
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), ())
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (BACK_UP, COPY, REHEARSE)

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the Factory and the image that a drill would migrate with.

        Raises:
            HostError: the Factory cannot be reached.
        """
        factory = look.fleet.factory.name
        seen = await look_at_coolify(look.hosts, factory)
        why = seen.unknown.get("running", "")
        return Facts(factory=factory, image=seen.reference or "", why=why, place=look.fleet.backup_place)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the backup, with `drill` its rehearsal behind it.

        Raises:
            InputError: a drill is wanted, and which image runs is not known.
        """
        if args.drill and not facts.image:
            raise InputError(
                f"Which image of Coolify runs on {facts.factory} is not known: {facts.why or 'it does not say'}.",
                next="Call without drill for the backup alone; get_coolify_image tells more.",
            )
        return Plan(
            tool=self.name,
            title=f"Back up Coolify on {facts.factory}{', and prove that it restores' if args.drill else ''}",
            target=facts.factory,
            locks=(f"server:{facts.factory}",),
            steps=(_backup(facts), *_copy(facts), *((_drill(facts),) if args.drill else ())),
            blast_radius="nothing in service: the database is read, and room on the Factory's disk is taken",
            keeps=_KEEPS,
            warnings=(_warning(facts),),
            phrase=facts.factory,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the backup's files, read anew, have the sums of its manifest, and the proof is recorded."""
        made = results[BACKUP_STEP]
        checks = [await _sums(plan.target, made, look)]
        if COPY_STEP in results:
            checks.append(await _copied(look, results[COPY_STEP]))
        if DRILL_STEP in results:
            checks.append(await _proved(plan.target, made, look))
        return checks

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the folder, its dump's sum and size, and what the drill found."""
        made, drill = results.get(BACKUP_STEP, {}), results.get(DRILL_STEP)
        told: JsonObject = {name: made[name] for name in ("folder", "dump_sha256", "bytes", "seconds") if name in made}
        if copy := results.get(COPY_STEP):
            told["copy"] = {**copy}
        return told if drill is None else {**told, "drill": {name: drill[name] for name in _SHOWN}}


def _backup(facts: Facts) -> Step:
    return Step(
        id=BACKUP_STEP,
        kind=BACK_UP,
        target=facts.factory,
        summary=f"Back up Coolify on {facts.factory}: database, .env, compose files and ssh keys",
        servers=(facts.factory,),
        after=f"a folder below {FOLDER}, named after this operation; its dump is read back by pg_restore",
        params={"host": facts.factory, "name": ""},
        undo_words="it stays there; remove its folder by hand",
    )


def _copy(facts: Facts) -> Iterator[Step]:
    return copy_steps(facts.place, facts.factory, backup=BACKUP_STEP)


def _warning(facts: Facts) -> str:
    if not facts.place.address:
        return _NOT_ELSEWHERE
    return (
        f"only the private key of {facts.place.recipient} opens the copy: keep it with a person, never on "
        f"{facts.factory} or here; without it the copy is worth nothing"
    )


def _drill(facts: Facts) -> Step:
    return Step(
        id=DRILL_STEP,
        kind=REHEARSE,
        target=facts.factory,
        summary="Restore it in a throw-away place, a restore drill: changes nothing in service",
        servers=(facts.factory,),
        after=f"a Postgres of its own without a way out has it, migrated with {facts.image}, and one secret is "
        "decrypted; then all of that is removed",
        params={"host": facts.factory, "backup": result_of(BACKUP_STEP, "name"), "image": ""},
        uses=(BACKUP_STEP,),
        undo_words="nothing stays that could be undone",
    )


async def _sums(factory: str, made: JsonObject, look: Look) -> Check:
    try:
        told = await backing_up.check(look.hosts, factory, str(made["name"]))
    except InkError as error:
        return Check(name="backup", status="failed", evidence=f"not seen whole: {error.failed}")
    same = told.dump_sha256 == made["dump_sha256"]
    evidence = f"read anew, every file has its sum; dump {told.dump_sha256[:12]}, {told.bytes} bytes in all"
    return Check(name="backup", status="passed" if same else "failed", evidence=evidence)


async def _copied(look: Look, copy: JsonObject) -> Check:
    """The step has read every byte of it back; here it is still there, under its name and with its size."""
    place, path = look.fleet.backup_place, str(copy["file"])
    if place.host is None:
        return Check(name="copy", status="failed", evidence="fleet.toml names no place any more")
    try:
        there = await copying.copies(look.hosts, place.host, place.folder, fleet=place.fleet)
    except InkError as error:
        return Check(name="copy", status="failed", evidence=f"not seen: {error.failed}")
    seen = path.removeprefix(f"{place.folder}/") in [own.file for own in there.own]
    damaged = f"; damaged, and counted for nothing: {len(there.damaged)}" if there.damaged else ""
    evidence = f"read back when it was written; copies at {where(place)}: {len(there.own)} of {place.fleet}{damaged}"
    return Check(
        name="copy", status="passed" if seen else "failed", evidence=evidence if seen else f"{path} is not there"
    )


async def _proved(factory: str, made: JsonObject, look: Look) -> Check:
    try:
        drills = (await look_at_coolify(look.hosts, factory)).drills
    except HostError as error:
        return Check(name="restore", status="failed", evidence=f"not seen: {error.failed}")
    drill = drills[0] if drills else None
    proved = drill is not None and (drill.backup, drill.dump_sha256) == (made["name"], made["dump_sha256"])
    evidence = (
        "restored, migrated, one secret decrypted; recorded on the Factory" if proved else "no record of it there"
    )
    return Check(name="restore", status="passed" if proved else "failed", evidence=evidence)
