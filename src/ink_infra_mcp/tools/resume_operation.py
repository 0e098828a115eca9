"""resume_operation: go on with an operation that stopped, from where it stopped, under a new approval."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import placing, proofs, rollout
from ink_infra_mcp.areas.apps.app import App, all_apps, find_app
from ink_infra_mcp.areas.apps.history import VARIABLES, resumed_by
from ink_infra_mcp.areas.apps.isolation import check_rollout, factory_isolates, refuse_factory
from ink_infra_mcp.areas.apps.limits import compose_of, limit_bytes, promised_bytes
from ink_infra_mcp.areas.apps.rollout import KNOWN, NOTES, ROLLOUTS
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.buildlog import FINISHED, Deployment
from ink_infra_mcp.clients.coolify.ours import MARKER, Claim, wish_of
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.operation import Check, Mutation, Outcome, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.systems import DEPLOY, FACTORY, MUSCLE, OPTION, READ, RUNTIME, STATE, WRITE, Needs
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.state.records import Operation

RESUMABLE = frozenset({Outcome.FAILED, Outcome.CANCELLED})
_ENDED_WELL = frozenset({Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED})
_CREATIONS = frozenset({"coolify.create_application", "coolify.create_service"})
_TAKES_UP = "; takes up deployment "


class Args(BaseModel):
    """What resume_operation takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Annotated[str, Field(pattern=r"^op-[a-z0-9]{4,40}$", description="Operation id, op-...")]
    wait_s: Annotated[int, Field(ge=0, le=3600)] = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The operation that stopped, and the last deployments of its app.

    `taken_up` is the one that it asked for and could not follow to its end: that one is proved, and no other asked for.
    """

    operation: Operation
    done: tuple[str, ...]
    known: tuple[str, ...]
    taken_up: str = ""
    production: bool = False
    """Whether it touches a Muscle that is production now, whatever it was when the operation was approved."""
    resumed: str = ""
    """The operation that brought it to its end already."""


class ResumeOperation(Mutation[Args, Look, Facts]):
    """Go on with an operation that failed or was cancelled, after a person mended the cause: the same steps from where
    it stopped, under a new approval. Where other things changed since, call the original tool: it plans anew.
    """

    name: ClassVar[str] = "resume_operation"
    title: ClassVar[str] = "Resume an operation"
    toolset: ClassVar[Toolset] = "operations"
    needs: ClassVar[Needs] = Needs((STATE, READ), (WRITE, DEPLOY, FACTORY, MUSCLE, OPTION, RUNTIME))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.create_project",
        "coolify.create_environment",
        "coolify.create_application",
        "coolify.create_service",
        "coolify.update_application",
        "coolify.update_service",
        "coolify.set_env_new",
        "coolify.set_env",
        "coolify.delete_env",
        "coolify.note_deployments",
        "hosts.note_containers",
        "coolify.first_deploy",
        "coolify.deploy",
        "coolify.start",
        "coolify.restart",
        "coolify.rollback",
        "coolify.stop",
        "coolify.delete_application",
        "hosts.prove_isolation",
        "hosts.save_firewall",
        "hosts.set_firewall",
        "hosts.keep_firewall",
        "hosts.prove_way_in",
        "hetzner_cloud.create_firewall",
        "hetzner_cloud.set_firewall_rules",
        "hetzner_cloud.attach_firewall",
        "hetzner_cloud.detach_firewall",
        "hetzner_robot.set_firewall",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the operation and which of its steps are done.

        Raises:
            UnknownName: there is none with that id.
            InputError: it runs still, or ended in a way that leaves nothing to resume.
            RefusedByPolicy, HostError: what is left would run without gVisor, or nothing could be proved.
        """
        found = await look.archive.operation(args.operation)
        if found.receipt is None:
            raise InputError(f"{found.id} is still running.", next="Follow it with get_operation.")
        if found.receipt.outcome not in RESUMABLE:
            raise InputError(f"{found.id} ended as {found.receipt.outcome}.", next="There is nothing to resume.")
        if (by := await _resumed(look, found)) is not None:
            return Facts(operation=found, done=(), known=(), resumed=by)
        done = _kept(found)
        create = next((s for s in found.plan.steps if s.kind in _CREATIONS and s.id not in done), None)
        if create is not None:
            await _refuse_made_after_all(look, found)
            await _check_room(look, found, create)
        app, production = await _app(look, found, done), await _is_production(look, found.plan)
        if app is None or app.kind != "application":
            return Facts(operation=found, done=done, known=(), production=production)
        recent = await look.coolify.deployments_of(app.uuid, take=KNOWN)
        known = tuple(d.uuid for d in recent)
        taken_up = _taken_up(found, recent)
        return Facts(operation=found, done=done, known=known, taken_up=taken_up, production=production)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps that are left, with what the finished ones returned."""
        old = facts.operation.plan
        if facts.resumed:
            return _ended(self.name, facts)
        left = _left(facts)
        again = {step.id for step in left}
        finished: JsonObject = {k: v for k, v in sorted(_results(facts.operation).items()) if k not in again}
        return old.model_copy(
            update={
                "tool": self.name,
                "title": f"Resume {facts.operation.id}: {old.title}",
                "steps": left,
                "production": old.production or facts.production,
                "pinned": {"results": finished, "resumes": facts.operation.id},
                "reason": f"Every step of {facts.operation.id} is done.",
            }
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs of what the steps did."""
        if any(step.id == "prove_isolation" for step in plan.steps):
            return await proofs.of_deployment(plan, results, look)
        if plan.steps[-1].kind == "coolify.stop":
            return [await proofs.stopped(look, plan, results)]
        if plan.steps[-1].kind == "coolify.delete_application":
            return await proofs.gone(look, plan)
        if {step.kind for step in plan.steps} <= VARIABLES:
            return [await proofs.variables(look, plan)]
        return [Check(name="steps", status="skipped", evidence="nothing that they did was looked at again")]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the id of the operation that was resumed, and the app's result where it was deployed."""
        resumed: JsonObject = {"resumed": plan.pinned["resumes"]}
        proved = any(step.id == "prove_isolation" for step in plan.steps)
        return resumed | (proofs.summary_of_deployment(plan, results) if proved else {})


async def _resumed(look: Look, stopped: Operation) -> str | None:
    """Return the operation that resumed this one to its end, None when it is still to be resumed.

    Raises:
        InputError: it was resumed by one that runs, or broke off itself: that one is to be looked at.
    """
    found = await resumed_by(look, stopped)
    if found is None:
        return None
    later, outcome = found
    if outcome in _ENDED_WELL:
        return later
    words = f"ended as {outcome}" if outcome else "is running"
    raise InputError(f"{stopped.id} was resumed by {later}, which {words}.", next=f"See get_operation {later}.")


def _ended(tool: str, facts: Facts) -> Plan:
    old = facts.operation
    reason = f"{old.id} was brought to its end by {facts.resumed}."
    return Plan(tool=tool, title=f"Resume {old.id}", target=old.plan.target, locks=old.plan.locks, reason=reason)


def _results(operation: Operation) -> Results:
    """Return what every step returned, those included that ran before an operation that was itself a resumption."""
    before = operation.plan.pinned.get("results")
    earlier = {k: v for k, v in before.items() if isinstance(v, dict)} if isinstance(before, dict) else {}
    return {**earlier, **operation.results}


def _kept(operation: Operation) -> tuple[str, ...]:
    """Return the steps that need not run again: what a step that is left would take back runs again with it."""
    done = {step.id for step in operation.plan.steps if step.id in operation.results}
    again = {undone for step in operation.plan.steps if step.id not in done for undone in step.undoes}
    return tuple(sorted(done - again))


async def _refuse_made_after_all(look: Look, operation: Operation) -> None:
    """Coolify may have made an app whose answer got lost: creating it under another operation would make a second.

    Raises:
        InputError: the app is there.
    """
    apps = (*await look.coolify.applications(), *await look.coolify.services())
    made = next((app for app in apps if f"{MARKER}{operation.id}" in app.description), None)
    if made is not None:
        raise InputError(
            f"{operation.id} has created {clean_name(made.name)} ({made.uuid}), although it did not hear of it.",
            next=f"Call {operation.tool} again: it goes on with that app.",
        )


async def _check_room(look: Look, operation: Operation, create: Step) -> None:
    """The Muscle was chosen when the old plan was made: it must have the room, the runtime and the address still.

    Raises:
        InputError: it has not.
    """
    proof = next(step for step in operation.plan.steps if step.id == "prove_isolation")
    placement = await placing.choose(
        look,
        muscle=str(proof.params["muscle"]),
        need_bytes=_need_bytes(create),
        need_runsc=not look.isolation.allow_without,
    )
    if placement.server_uuid != create.params["server"]:
        raise InputError(f"{placement.muscle} is another server now.", next=f"Call {operation.tool} again.")


def _need_bytes(create: Step) -> int:
    settings = create.params.get("settings")
    if isinstance(settings, dict):
        return limit_bytes(str(settings.get("limits_memory", "")))
    return promised_bytes(compose_of(str(create.params["compose"])) or {}, otherwise=0)


async def _app(look: Look, operation: Operation, done: tuple[str, ...]) -> App | None:
    """Return the app that will be rolled out, checked that it may be, or None where none is or none exists yet."""
    left = {step.kind for step in operation.plan.steps if step.id not in done}
    if not left & ROLLOUTS:
        return None
    if "coolify.create_application" in left and not await factory_isolates(look):
        raise refuse_factory()
    uuid = proofs.app_of(operation.plan, _results(operation))
    app = await find_app(look, uuid) if uuid else None
    if app is not None:
        await check_rollout(look, app)
    return app


async def _is_production(look: Look, plan: Plan) -> bool:
    """Return whether the plan touches a Muscle that is production: one that a step names, or that its app runs on."""
    names = {str(step.params.get("muscle", "")) for step in plan.steps}
    uuids = {lock.removeprefix("app:") for lock in plan.locks if lock.startswith("app:")}
    if uuids:
        names |= {app.muscle for app in await all_apps(look) if app.uuid in uuids}
    return any(muscle.production for muscle in look.fleet.muscles if muscle.name in names)


def _taken_up(operation: Operation, recent: tuple[Deployment, ...]) -> str:
    """Return the deployment that the operation asked for and lost sight of, if it works or has finished since.

    Nothing is taken up where the step has an answer: that deployment was judged, and is not to be proved again.
    """
    step = next((s for s in operation.plan.steps if s.kind in ROLLOUTS), None)
    note = _results(operation).get("note_deployments")
    if step is None or note is None or step.id in operation.results:
        return ""
    claim = Claim(known=frozenset(map(str, items(note["known"]))), wish=wish_of(step.kind, step.params))
    mine = claim.ours(recent)
    return mine.uuid if mine is not None and (mine.is_active or mine.status == FINISHED) else ""


def _left(facts: Facts) -> tuple[Step, ...]:
    """Return the steps that are left; before a rollout the notes are taken anew, unless its deployment is taken up."""
    left: list[Step] = []
    for step in facts.operation.plan.steps:
        if step.id in facts.done or step.kind in NOTES:
            continue
        if step.kind in ROLLOUTS and not facts.taken_up:
            left += _notes(step, facts)
        left.append(_again(step, facts))
    return tuple(left)


def _notes(step: Step, facts: Facts) -> list[Step]:
    app, service = step.params["app"], step.params["service"] is True
    proof = next(s for s in facts.operation.plan.steps if step.id in s.undoes)
    muscle = str(proof.params["muscle"])
    return rollout.notes(
        step.target, app if isinstance(app, dict) else str(app), muscle=muscle, seen=facts.known, service=service
    )


def _again(step: Step, facts: Facts) -> Step:
    """A step that deploys follows the deployment that is taken up, or asks for one as it did at first."""
    update: dict[str, object] = {
        "uses": tuple(s for s in step.uses if s not in facts.done),
        "undoes": tuple(s for s in step.undoes if s not in facts.done),
    }
    if step.kind in ROLLOUTS:
        words = f"{_TAKES_UP}{facts.taken_up}" if facts.taken_up else ""
        update["summary"] = step.summary.partition(_TAKES_UP)[0] + words
        update["params"] = step.params | {"deployment": facts.taken_up}
    return step.model_copy(update=update)
