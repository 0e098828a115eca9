"""What our own record says of an app: whether its last change was brought to its end, and who did what."""

from collections.abc import Iterable
from dataclasses import dataclass

from ink_infra_mcp.areas.apps.rollout import NOTES, ROLLOUTS, name_lock
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.buildlog import FINISHED, Deployment
from ink_infra_mcp.core.fingerprint import Facets
from ink_infra_mcp.core.lanes import part_of
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import Step
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.state.records import Operation

VARIABLES = frozenset({"coolify.set_env_new", "coolify.set_env", "coolify.delete_env"})
PIN = "pin"
"""The step of a rollback that sets a tag; what was set before it, the app had run."""
_LEFT_BEHIND = frozenset({"coolify.clone_application", "hosts.stop_containers", "coolify.stop"})
"""What a move does to the app that it leaves behind: another one is rolled out."""
_HEAD = "HEAD"
_DEPLOYMENTS = 10
"""Coolify keeps two images of an app unless told otherwise; each deployment may come with a log of a megabyte."""
_RECENT = 50
"""Operations of an app that are asked which names it was given: each holds its whole plan."""
_BROKEN_OFF = frozenset({Outcome.FAILED, Outcome.UNDONE, Outcome.CANCELLED})


@dataclass(frozen=True, slots=True)
class Ran:
    """What our record says that an app last ran: the facets of it, the key of their digests, and the deployment.

    `by` is empty where the record has no facets: those of earlier versions have none.
    """

    operation: str
    facets: Facets
    by: str
    deployment: str


async def waits_for_rollout(look: Look, app_uuid: str) -> bool:
    """Return whether the newest operation on the app changed something in Coolify and did not roll it out.

    It broke off, was to change variables only, or is on its way there: Coolify then shows what no container has.
    """
    async for operation in look.archive.on_target(f"app:{app_uuid}"):
        if operation.receipt is not None:
            return _left_undeployed(operation, operation.receipt.outcome, app_uuid)
        if _changed(operation, app_uuid) and not _rolled_out(operation, app_uuid):
            return True
    return False


def _left_undeployed(operation: Operation, outcome: Outcome, app_uuid: str) -> bool:
    broke_off = outcome in _BROKEN_OFF and _changed(operation, app_uuid)
    return broke_off or {step.kind for step in operation.plan.steps} <= VARIABLES


def _changed(operation: Operation, app_uuid: str) -> bool:
    """Return whether a step of it did more than to note what there is."""
    return any(step.id in operation.results and step.kind not in NOTES for step in _steps_on(operation, app_uuid))


def _rolled_out(operation: Operation, app_uuid: str) -> bool:
    return any(step.id in operation.results and step.kind in ROLLOUTS for step in _steps_on(operation, app_uuid))


def _steps_on(operation: Operation, app_uuid: str) -> tuple[Step, ...]:
    """Return what an operation does to one app: of one that moves several, the parts in which it is named or made."""
    steps = operation.plan.steps
    if len([step for step in steps if step.kind in ROLLOUTS]) <= 1:
        return steps
    parts = {part_of(step.id) for step in steps if step.params.get("app") == app_uuid}
    parts |= {part_of(id_) for id_, result in operation.results.items() if table(result).get("uuid") == app_uuid}
    return tuple(step for step in steps if part_of(step.id) in parts)


async def last_ran(look: Look, app_uuid: str, name: str) -> Ran | None:
    """Return what the newest operation that rolled the app out started, or None where our record knows of none."""
    newest: Operation | None = None
    for lock in (f"app:{app_uuid}", name_lock(name)):
        async for operation in look.archive.on_target(lock):
            if _rolled_out(operation, app_uuid) and app_uuid in _apps(operation):
                newest = operation if newest is None or operation.created_at > newest.created_at else newest
                break
    return None if newest is None else _ran(newest, app_uuid)


def _ran(operation: Operation, app_uuid: str) -> Ran:
    steps = _steps_on(operation, app_uuid)
    step = next(step for step in steps if step.kind in ROLLOUTS and step.id in operation.results)
    result = operation.results[step.id]
    facets = table(step.params.get("runs")) | table(step.params.get("pins")) | table(result.get("also"))
    known = "pins" in step.params and "also" in result
    return Ran(
        operation=operation.id,
        facets={name: str(text) for name, text in facets.items()} if known else {},
        by=str(step.params["pinned_by"]) if known else "",
        deployment=str(result.get("deployment") or ""),
    )


async def tags_run(look: Look, app_uuid: str, name: str) -> frozenset[str]:
    """Return the image tags and commits that the app has run: by our record, and by Coolify's last deployments.

    What else lies on the server under the image's name nobody has run as this app.
    """
    found = _finished_commits(await look.coolify.deployments_of(app_uuid, take=_DEPLOYMENTS))
    for lock in (f"app:{app_uuid}", name_lock(name)):
        async for operation in look.archive.on_target(lock):
            if _rolled_out(operation, app_uuid) and app_uuid in _apps(operation):
                found |= _tags(operation, app_uuid)
    return frozenset(found - {"", _HEAD})


async def images_left(look: Look, app_uuid: str, name: str) -> tuple[tuple[str, str], ...]:
    """Return the images (tag, time) that the app ran and that are still on its server, newest first.

    Coolify lists every tag of the image on the server, also those of other apps and of people (seen on 4.3.11).
    """
    found = await look.coolify.rollback_images(app_uuid)
    ran = await tags_run(look, app_uuid, name)
    return tuple((image.tag, image.created_at) for image in found.images if image.tag in ran)


def _finished_commits(last: Iterable[Deployment]) -> set[str]:
    return {each.commit or "" for each in last if each.status == FINISHED and not each.is_preview}


def _apps(operation: Operation) -> set[str]:
    """Return the apps that an operation rolled out; the one that created it learned its uuid on the way."""
    steps = {str(step.params.get("app")) for step in operation.plan.steps if step.kind not in _LEFT_BEHIND}
    return steps | {str(table(result).get("uuid")) for result in operation.results.values()}


def _tags(operation: Operation, app_uuid: str) -> set[str]:
    found: set[str] = set()
    for step in _steps_on(operation, app_uuid):
        found |= _set_tags(step)
        found |= {str(step.params.get("commit") or ""), (step.before or "") if step.id == PIN else ""}
    return found


def _set_tags(step: Step) -> set[str]:
    settings = table(step.params.get("settings"))
    return {str(settings.get(field) or "") for field in ("docker_registry_image_tag", "git_commit_sha")}


async def names_kept(look: Look, app_uuid: str, name: str) -> frozenset[str]:
    """Return the host names whose records the newest operations on the app set, or were to take away."""
    found: set[str] = set()
    for lock in (*([f"app:{app_uuid}"] if app_uuid else []), name_lock(name)):
        seen = 0
        async for operation in look.archive.on_target(lock):
            found |= {step.target for step in operation.plan.steps if _keeps_name(step, name)}
            seen += 1
            if seen == _RECENT:
                break
    return frozenset(found)


def _keeps_name(step: Step, app: str) -> bool:
    return step.kind.endswith(".set_records") and app in step.apps


async def deletion_of(look: Look, name: str) -> Step | None:
    """Return the step of the newest operation that deleted an app of that name or uuid; None: there is none."""
    for lock in (name_lock(name), f"app:{name}"):
        async for operation in look.archive.on_target(lock):
            if (step := _deletion(operation, name)) is not None:
                return step
    return None


def _deletion(operation: Operation, name: str) -> Step | None:
    """What is wrong afterwards, such as a record that stayed, does not bring the app back; one that moved the app of
    that name has deleted only what was left of it, under another name.
    """
    deleted = (step for step in operation.plan.steps if step.kind == "coolify.delete_application")
    own = (step for step in deleted if name in (step.target, step.params.get("app")))
    return next((step for step in own if step.id in operation.results), None)


async def resumed_by(look: Look, stopped: Operation) -> tuple[str, Outcome | None] | None:
    """Return the newest operation that resumed another one, with its outcome (None: it runs); None when none did.

    A resumption locks what the operation locked that it resumes.
    """
    for lock in stopped.plan.locks[:1]:
        async for operation in look.archive.on_target(lock, tool="resume_operation"):
            if operation.plan.pinned.get("resumes") == stopped.id:
                return operation.id, operation.receipt.outcome if operation.receipt else None
    return None
