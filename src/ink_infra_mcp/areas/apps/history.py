"""What our own record says of an app: whether its last change was brought to its end, and who did what."""

from collections.abc import Iterable
from dataclasses import dataclass

from ink_infra_mcp.areas.apps.rollout import NOTES, ROLLOUTS, name_lock
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.buildlog import FINISHED, Deployment
from ink_infra_mcp.core.fingerprint import Facets
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.plan import Step
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.state.records import Operation

VARIABLES = frozenset({"coolify.set_env_new", "coolify.set_env", "coolify.delete_env"})
PIN = "pin"
"""The step of a rollback that sets a tag; what was set before it, the app had run."""
_HEAD = "HEAD"
_DEPLOYMENTS = 10
"""Coolify keeps two images of an app unless told otherwise; each deployment may come with a log of a megabyte."""
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
            return _left_undeployed(operation, operation.receipt.outcome)
        if _changed(operation) and not _rolled_out(operation):
            return True
    return False


def _left_undeployed(operation: Operation, outcome: Outcome) -> bool:
    broke_off = outcome in _BROKEN_OFF and _changed(operation)
    return broke_off or {step.kind for step in operation.plan.steps} <= VARIABLES


def _changed(operation: Operation) -> bool:
    """Return whether a step of it did more than to note what there is."""
    return any(step.id in operation.results and step.kind not in NOTES for step in operation.plan.steps)


def _rolled_out(operation: Operation) -> bool:
    return any(step.id in operation.results and step.kind in ROLLOUTS for step in operation.plan.steps)


async def last_ran(look: Look, app_uuid: str, name: str) -> Ran | None:
    """Return what the newest operation that rolled the app out started, or None where our record knows of none."""
    newest: Operation | None = None
    for lock in (f"app:{app_uuid}", name_lock(name)):
        async for operation in look.archive.on_target(lock):
            if _rolled_out(operation) and app_uuid in _apps(operation):
                newest = operation if newest is None or operation.created_at > newest.created_at else newest
                break
    return None if newest is None else _ran(newest)


def _ran(operation: Operation) -> Ran:
    step = next(step for step in operation.plan.steps if step.kind in ROLLOUTS and step.id in operation.results)
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
            if _rolled_out(operation) and app_uuid in _apps(operation):
                found |= _tags(operation)
    return frozenset(found - {"", _HEAD})


def _finished_commits(last: Iterable[Deployment]) -> set[str]:
    return {each.commit or "" for each in last if each.status == FINISHED and not each.is_preview}


def _apps(operation: Operation) -> set[str]:
    """Return the apps that an operation was about; the one that created it learned its uuid on the way."""
    steps = {str(step.params.get("app")) for step in operation.plan.steps}
    return steps | {str(table(result).get("uuid")) for result in operation.results.values()}


def _tags(operation: Operation) -> set[str]:
    found: set[str] = set()
    for step in operation.plan.steps:
        found |= _set_tags(step)
        found |= {str(step.params.get("commit") or ""), (step.before or "") if step.id == PIN else ""}
    return found


def _set_tags(step: Step) -> set[str]:
    settings = table(step.params.get("settings"))
    return {str(settings.get(field) or "") for field in ("docker_registry_image_tag", "git_commit_sha")}


async def deleted_by(look: Look, name: str) -> str:
    """Return the id of the newest operation that deleted an app of that name or uuid, or an empty text."""
    for lock in (name_lock(name), f"app:{name}"):
        async for operation in look.archive.on_target(lock):
            if _has_deleted(operation):
                return operation.id
    return ""


def _has_deleted(operation: Operation) -> bool:
    deletes = any(step.kind == "coolify.delete_application" for step in operation.plan.steps)
    return deletes and operation.receipt is not None and operation.receipt.outcome == Outcome.APPLIED


async def resumed_by(look: Look, stopped: Operation) -> tuple[str, Outcome | None] | None:
    """Return the newest operation that resumed another one, with its outcome (None: it runs); None when none did.

    A resumption locks what the operation locked that it resumes.
    """
    for lock in stopped.plan.locks[:1]:
        async for operation in look.archive.on_target(lock, tool="resume_operation"):
            if operation.plan.pinned.get("resumes") == stopped.id:
                return operation.id, operation.receipt.outcome if operation.receipt else None
    return None
