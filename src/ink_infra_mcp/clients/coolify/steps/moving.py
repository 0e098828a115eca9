"""Moves an app to another server: Coolify copies it there, the copy takes its place, or is discarded.

Coolify cannot change the server of an app. What it copies is all that it has of the app, values of variables included:
none of them passes through here.
"""

from collections.abc import Callable, Iterable

from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.bodies import AppChanges, update_body
from ink_infra_mcp.clients.coolify.models import Created, Storages
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.ending import delete_app
from ink_infra_mcp.clients.coolify.steps.once import make_once
from ink_infra_mcp.core.errors import BadAnswer, StepFailed, Unavailable, Unreachable, VendorError
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.shapes import items, table

STAGE = "move"
ORIGIN = "ink-moved="
"""What stands before the uuid of the original in the description of a copy: one operation may move several apps."""
_MOST_CHARS = 255
_AGAIN = "Look at the app with get_app; then call move_app again."


class _Place(Frozen):
    """What an app shall be called, by which URLs it shall be reached, and whether a push deploys it; None: as it is."""

    name: str | None = None
    domains: tuple[str, ...] | None = None
    is_auto_deploy_enabled: bool


async def clone_application(step: CoolifyStep) -> JsonObject:
    """Copy the app to another server under a name of this operation's own, or find the copy that an earlier run made.

    Returns its uuid, and the names of its volumes as `volume_0`, `volume_1` ... in the order of `mounts`, the places
    where they are mounted. A copy takes no part in deployments by push until it is switched to.

    Raises:
        StepFailed: its volumes are not those of the original, each under a name of its own.
    """
    given, text = step.call.params, step.call.text

    async def there() -> Created | None:
        found = await _copies(step)
        return Created(uuid=found[0].uuid) if found else None

    made = await make_once(
        step,
        there,
        lambda: step.coolify.clone_application(text("app"), text("destination"), _copy_name(step)),
        whether="the copy is there",
    )
    urls = tuple(map(str, items(given["urls"])))
    await _set(step, made.uuid, _as_copy(step, urls), lambda now: _not_as_copy(step, now, urls))
    names = _volume_names(made.uuid, await step.coolify.storages(made.uuid), map(str, items(given["mounts"])))
    return {"uuid": made.uuid, **{f"volume_{number}": name for number, name in enumerate(names)}}


async def discard_clone(step: CoolifyStep) -> JsonObject:
    """Delete the copy that this operation has made, with its volumes; nothing else is touched."""
    gone: JsonObject = {"gone": True}
    for copy in await _copies(step):
        storages = await step.coolify.storages(copy.uuid)
        own = all(storage.name.startswith(copy.uuid) for storage in storages.persistent_storages)
        gone = await delete_app(step, copy.uuid, delete_volumes=own)
    return gone


async def switch_domains(step: CoolifyStep) -> JsonObject:
    """Give two apps their names and URLs, `first` and then `second`; what is so already is left alone.

    Raises:
        StepFailed: Coolify says it did, and shows something else.
    """
    uuids = [await _placed(step, which) for which in ("first", "second")]
    return {"first": uuids[0], "second": uuids[1]}


async def _placed(step: CoolifyStep, which: str) -> str:
    uuid = step.call.given(f"{which}_app")
    wanted = _Place.model_validate(table(step.call.params[which]))
    await _set(step, uuid, _changes(wanted), lambda now: _differs(now, wanted))
    return uuid


async def _set(step: CoolifyStep, uuid: str, changes: AppChanges, wrong: Callable[[Application], str]) -> None:
    """Set what is `wrong` of an app, and look; an answer that gets lost is settled by the look.

    Raises:
        StepFailed: Coolify says it did, and shows something else. VendorError: it did not, and says why.
    """
    if not wrong(await step.coolify.application(uuid)):
        return
    lost: VendorError | None = None
    try:
        await step.coolify.update_application(uuid, update_body(changes))
    except (Unavailable, Unreachable, BadAnswer) as error:
        step.call.say(f"Coolify gave no good answer ({error.code}); looking whether the app is changed")
        lost = error
    if left := wrong(await step.coolify.application(uuid)):
        raise lost or StepFailed(
            f"Coolify did not change {left} of the app {uuid}.",
            done="Other settings may have been changed.",
            next=_AGAIN,
            stage=STAGE,
        )


def _differs(now: Application, wanted: _Place) -> str:
    """Return what of an app is not as wanted, in words."""
    there = {"its name": wanted.name in (None, now.name), "its domains": wanted.domains in (None, now.domains)}
    there["deployment by push"] = now.is_auto_deploy_enabled is wanted.is_auto_deploy_enabled
    return " and ".join(words for words, so in there.items() if not so)


def _changes(wanted: _Place) -> AppChanges:
    """The URLs of both meet for a moment, on two servers: Coolify would refuse that unless it is told to."""
    met = {} if wanted.domains is None else {"force_domain_override": True}
    return AppChanges.model_validate(wanted.model_dump(exclude_none=True) | met)


def _not_as_copy(step: CoolifyStep, now: Application, urls: tuple[str, ...]) -> str:
    if not _is_marked(now, step):
        return "the description"
    return _differs(now, _Place(name=now.name, domains=urls, is_auto_deploy_enabled=False))


def _as_copy(step: CoolifyStep, urls: tuple[str, ...]) -> AppChanges:
    return AppChanges(
        description=f"Moved by ink-infra-mcp. {' '.join(_marks(step))}",
        domains=urls,
        is_auto_deploy_enabled=False,
        force_domain_override=True,
    )


async def _copies(step: CoolifyStep) -> list[Application]:
    """Return what this operation has made of the app on the server: by the name that it was made under, or by its
    description.
    """
    server, name = step.call.text("server"), _copy_name(step)
    return [
        app
        for app in await step.coolify.applications()
        if app.server_uuid == server and (app.name == name or _is_marked(app, step))
    ]


def _is_marked(app: Application, step: CoolifyStep) -> bool:
    return {*_marks(step)} <= {*app.description.split(" ")}


def _marks(step: CoolifyStep) -> tuple[str, ...]:
    """Return the words that tell a copy. An undo that an earlier version planned names no original."""
    origin = step.call.params.get("app")
    return (step.marker, *((f"{ORIGIN}{origin}",) if origin else ()))


def _copy_name(step: CoolifyStep) -> str:
    """A copy is made with nothing but a name: that is what a second run knows it by."""
    mark = f"-moving-{step.call.operation_id}"
    return step.call.text("name")[: _MOST_CHARS - len(mark)] + mark


def _volume_names(uuid: str, found: Storages, mounts: Iterable[str]) -> list[str]:
    """Coolify makes the names of volumes anew, and one name of two where both end in one word (4.3.11).

    Raises:
        StepFailed: a volume is missing, shares its name, or something else is mounted.
    """
    by_place = {storage.mount_path: storage.name for storage in found.persistent_storages if not storage.host_path}
    names = [by_place.get(mount, "") for mount in mounts]
    all_ours = all(name.startswith(uuid) for name in names)
    whole = len(names) == len(set(names)) == len(found.persistent_storages) and not found.file_storages
    if all_ours and whole:
        return names
    raise StepFailed(
        "The copy that Coolify made of the app has other volumes than the app.",
        done="The copy is there, and was not started.",
        next="Give each volume of the app a name of its own in Coolify, then call again.",
        stage=STAGE,
    )
