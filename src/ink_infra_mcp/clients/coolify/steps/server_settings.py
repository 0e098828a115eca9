"""Sets what Coolify's API takes of a server's settings, and reads back what it does not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.era import Era
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import not_seen, unless_lost
from ink_infra_mcp.core.errors import InkError, StepFailed, VendorError
from ink_infra_mcp.core.plan import JsonObject

CLEANUP = {"cleanup_threshold": "docker_cleanup_threshold", "cleanup_always": "force_docker_cleanup"}
"""Our names and Coolify's."""
SETTINGS = ("concurrent_builds", *CLEANUP)


async def set_server_settings(step: CoolifyStep) -> JsonObject:
    """Give the server `server` its `concurrent_builds` and `cleanup_threshold`, as far as the API takes them.

    With a threshold Coolify cleans up only a disk that is so full; `cleanup_always` true makes it as it was, each
    night. Returns what is `set`, and `to_click`: what a person sets in Coolify, since this version's API does not.

    Raises:
        StepFailed: it was taken, and is not so. OutcomeUnknown: so it is, and the answer was lost.
    """
    change = _Change(step, step.call.given("server"))
    wanted: JsonObject = {name: step.call.params[name] for name in SETTINGS if step.call.params.get(name) is not None}
    taken = taken_by(await step.coolify.era(), wanted)
    lost = [
        await change.unless_so(_builds(taken), step.coolify.update_server),
        await change.unless_so(_cleanup(taken), _renamed(step.coolify.set_docker_cleanup)),
    ]
    now = await step.coolify.server(change.uuid)
    if wrong := _differing(now, taken):
        raise _not_so(now, ", ".join(wrong), next(filter(None, lost), None))
    left: JsonObject = {name: value for name, value in wanted.items() if name not in taken}
    return {"set": taken, "to_click": [*clicks(now.name, left)]}


def _not_so(now: Server, wrong: str, lost: VendorError | None) -> InkError:
    if lost is not None:
        return not_seen(f"{now.name} has its settings ({wrong})", lost)
    return StepFailed(
        f"Coolify has other values of {wrong} of {now.name} than it was given.",
        done="Its settings may have changed.",
        next="Somebody else may change them: call the tool again.",
        stage="coolify_settings",
    )


async def set_server_wildcard(step: CoolifyStep) -> JsonObject:
    """Prove that Coolify has `wildcard` as the wildcard domain of the server `server`; nothing is changed.

    Raises:
        StepFailed: it has another one.
    """
    now, wanted = await step.coolify.server(step.call.given("server")), step.call.text("wildcard")
    if now.wildcard_domain != wanted:
        raise StepFailed(
            f"Coolify has {now.wildcard_domain or 'no domain'} as the wildcard domain of {now.name}, not "
            f"{wanted or 'none'}.",
            done="Nothing was changed by this look.",
            next=wildcard_click(now.name, wanted),
            stage="coolify_wildcard",
        )
    return {"wildcard": wanted}


def taken_by(era: Era, wanted: JsonObject) -> JsonObject:
    """Return those of the wanted settings that the API of this version takes."""
    return (_builds(wanted) if era.server_settings_api else {}) | (_cleanup(wanted) if era.proxy_api else {})


def clicks(server: str, left: JsonObject) -> tuple[str, ...]:
    """Return what a person sets in Coolify's pages, for each setting that its API does not take."""
    at = f"In Coolify, Servers > {server} >"
    words = {
        "concurrent_builds": f"{at} Advanced: set Number of concurrent builds to {left.get('concurrent_builds')}.",
        "cleanup_threshold": f"{at} Docker Cleanup: switch Force Docker Cleanup off, and set the threshold to "
        f"{left.get('cleanup_threshold')} %.",
    }
    return tuple(text for name, text in words.items() if name in left)


def wildcard_click(server: str, wildcard: str) -> str:
    """Return what a person sets in Coolify's pages to give a server its wildcard domain."""
    what = f"set Wildcard Domain to {wildcard}" if wildcard else "empty Wildcard Domain"
    return f"In Coolify, Servers > {server} > General: {what}, save, then call again."


Set = Callable[[str, JsonObject], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Change:
    step: CoolifyStep
    uuid: str

    async def unless_so(self, values: JsonObject, set: Set) -> VendorError | None:
        """Return a lost answer, which is no failure: the look afterwards tells."""
        if not values or not _differing(await self.step.coolify.server(self.uuid), values):
            return None
        return await unless_lost(self.step, set(self.uuid, values), whether="the settings are so")


def _renamed(set: Set) -> Set:
    async def send(uuid: str, values: JsonObject) -> None:
        await set(uuid, {CLEANUP[name]: value for name, value in values.items()})

    return send


def _builds(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if name not in CLEANUP}


def _cleanup(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if name in CLEANUP}


def _differing(server: Server, values: JsonObject) -> list[str]:
    return sorted(name for name, value in values.items() if getattr(server, name) != value)
