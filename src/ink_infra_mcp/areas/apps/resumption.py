"""What is left of an operation on an app that stopped: the steps to run again, and whether they still may."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.areas.apps import placing, proofs, rollout
from ink_infra_mcp.areas.apps.app import App, all_apps, find_app
from ink_infra_mcp.areas.apps.isolation import check_rollout, factory_isolates, refuse_factory
from ink_infra_mcp.areas.apps.judged import JUDGES
from ink_infra_mcp.areas.apps.limits import compose_of, limit_bytes, promised_bytes
from ink_infra_mcp.areas.apps.rollout import NOTES, ROLLOUTS
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.buildlog import FINISHED, Deployment
from ink_infra_mcp.clients.coolify.ours import MARKER, Claim, wish_of
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.state.records import Operation

CALLED_AGAIN = frozenset({"move_app"})
"""Tools whose operations are not resumed: what failed has been taken back, or is settled by the same call."""
_CREATIONS = frozenset({"coolify.create_application", "coolify.create_service"})
_TAKES_UP = "; takes up deployment "


def results_of(operation: Operation) -> Results:
    """Return what every step returned, those included that ran before an operation that was itself a resumption."""
    before = operation.plan.pinned.get("results")
    earlier = {k: v for k, v in before.items() if isinstance(v, dict)} if isinstance(before, dict) else {}
    return {**earlier, **operation.results}


def kept(operation: Operation) -> tuple[str, ...]:
    """Return the steps that need not run again: what a step that is left would take back runs again with it."""
    done = {step.id for step in operation.plan.steps if step.id in operation.results}
    return tuple(sorted(done - _taken_back(operation.plan, done)))


def _taken_back(plan: Plan, done: Collection[str]) -> set[str]:
    return {undone for step in plan.steps if step.id not in done for undone in step.undoes}


async def check_creation(look: Look, operation: Operation, done: tuple[str, ...]) -> None:
    """Return when an app that the operation has not created yet may still be created as it was planned.

    Raises:
        InputError: it was created after all, or its Muscle cannot take it any more.
    """
    create = next((s for s in operation.plan.steps if s.kind in _CREATIONS and s.id not in done), None)
    if create is not None:
        await _refuse_made_after_all(look, operation)
        await _check_room(look, operation, create)


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


async def app_to_roll_out(look: Look, operation: Operation, done: tuple[str, ...]) -> App | None:
    """Return the app that will be rolled out, checked that it may be, or None where none is or none exists yet."""
    left = _kinds_left(operation.plan, done)
    if not left & ROLLOUTS:
        return None
    if "coolify.create_application" in left and not await factory_isolates(look):
        raise refuse_factory()
    app = await _deployed_app(look, operation)
    if app is not None:
        await check_rollout(look, app)
    return app


def _kinds_left(plan: Plan, done: Collection[str]) -> set[str]:
    return {step.kind for step in plan.steps if step.id not in done}


async def _deployed_app(look: Look, operation: Operation) -> App | None:
    uuid = proofs.app_of(operation.plan, results_of(operation))
    return await find_app(look, uuid) if uuid else None


async def is_production(look: Look, plan: Plan) -> bool:
    """Return whether the plan touches a Muscle that is production: one that a step names, or that its app runs on."""
    names = {str(step.params.get("muscle", "")) for step in plan.steps}
    if uuids := _locked_apps(plan):
        names |= await _muscles_of(look, uuids)
    return any(muscle.production for muscle in look.fleet.muscles if muscle.name in names)


def _locked_apps(plan: Plan) -> set[str]:
    return {lock.removeprefix("app:") for lock in plan.locks if lock.startswith("app:")}


async def _muscles_of(look: Look, uuids: Collection[str]) -> set[str]:
    return {app.muscle for app in await all_apps(look) if app.uuid in uuids}


def taken_up(operation: Operation, recent: tuple[Deployment, ...]) -> str:
    """Return the deployment that the operation asked for and lost sight of, if it works or has finished since.

    Nothing is taken up where the step has an answer: that deployment was judged, and is not to be proved again.
    """
    step = _unanswered_rollout(operation)
    note = results_of(operation).get("note_deployments")
    if step is None or note is None:
        return ""
    claim = Claim(known=frozenset(map(str, items(note["known"]))), wish=wish_of(step.kind, step.params))
    mine = claim.ours(recent)
    return mine.uuid if mine is not None and _may_come_up(mine) else ""


def _unanswered_rollout(operation: Operation) -> Step | None:
    step = next((s for s in operation.plan.steps if s.kind in ROLLOUTS), None)
    return None if step is None or step.id in operation.results else step


def _may_come_up(deployment: Deployment) -> bool:
    return deployment.is_active or deployment.status == FINISHED


@dataclass(frozen=True, slots=True)
class Rest:
    """What is known of an operation that stopped: its finished steps, and the last deployments of its app.

    `taken_up` is the deployment that it asked for and lost sight of: that one is proved, and no other asked for.
    """

    operation: Operation
    done: tuple[str, ...]
    known: tuple[str, ...] = ()
    taken_up: str = ""


def steps_left(rest: Rest) -> tuple[Step, ...]:
    """Return the steps that are left. Before a rollout its file is judged and the notes are taken anew, unless its
    deployment is taken up.
    """
    left: list[Step] = []
    for step in rest.operation.plan.steps:
        if step.kind in NOTES or (step.id in rest.done and not _is_judged_again(step, rest)):
            continue
        left += _renewed(step, rest)
    return tuple(left)


def _is_judged_again(step: Step, rest: Rest) -> bool:
    """Somebody may have changed the file in Coolify since it was judged."""
    kinds = _kinds_left(rest.operation.plan, rest.done)
    return step.kind in JUDGES and not rest.taken_up and bool(kinds & ROLLOUTS)


def _renewed(step: Step, rest: Rest) -> Iterator[Step]:
    if step.kind in ROLLOUTS and not rest.taken_up:
        yield from _notes(step, rest)
    yield _again(step, rest)


def _notes(step: Step, rest: Rest) -> list[Step]:
    app, service = step.params["app"], step.params["service"] is True
    proof = next(s for s in rest.operation.plan.steps if step.id in s.undoes)
    muscle = str(proof.params["muscle"])
    return rollout.notes(
        step.target, app if isinstance(app, dict) else str(app), muscle=muscle, seen=rest.known, service=service
    )


def _again(step: Step, rest: Rest) -> Step:
    """A step that deploys follows the deployment that is taken up, or asks for one as it did at first."""
    update: dict[str, object] = {
        "uses": _not_done(step.uses, rest),
        "undoes": _not_done(step.undoes, rest),
    }
    if step.kind in ROLLOUTS:
        words = f"{_TAKES_UP}{rest.taken_up}" if rest.taken_up else ""
        update["summary"] = step.summary.partition(_TAKES_UP)[0] + words
        update["params"] = step.params | {"deployment": rest.taken_up}
    return step.model_copy(update=update)


def _not_done(steps: Iterable[str], rest: Rest) -> tuple[str, ...]:
    return tuple(step for step in steps if step not in rest.done)
