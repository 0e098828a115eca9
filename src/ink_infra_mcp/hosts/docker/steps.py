"""The step handlers that read notes and proofs on hosts, by kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ink_infra_mcp.core.errors import HostError, HostUnreachable, StepFailed
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.docker.causes import failed_with, fell, hopeless, why_not_up
from ink_infra_mcp.hosts.docker.containers import ContainerFacts, containers_of, is_preview
from ink_infra_mcp.hosts.docker.images import digests_of
from ink_infra_mcp.hosts.docker.rollouts import (
    Promise,
    judged,
    lingering,
    missing,
    noted,
    problems,
    promise_of,
    restarting,
    settling_s,
    unsettled,
)
from ink_infra_mcp.ssh.pool import HostPool

SEEN_WITHIN_S = 60.0
REPLACED_WITHIN_S = 600.0
"""A restart of a compose app first pulls its images, and Coolify's workers may be busy."""
Found = tuple[ContainerFacts, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HostSteps:
    """Binds the handlers to the hosts, under the isolation that policy wants."""

    pool: HostPool
    isolation: Isolation

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.note_containers": self.note_containers, "hosts.prove_isolation": self.prove_isolation}

    async def note_containers(self, call: StepCall) -> JsonObject:
        """Return which containers of the app are there, before anything replaces them; none for a fresh app.

        It is a step of its own, since its result is kept: taken again after the act, it would hold the new ones.

        Raises:
            HostError: they cannot be seen within a minute.
        """
        return {"containers": noted(await self._seen(call, call.text("muscle"), call.given("app")))}

    async def prove_isolation(self, call: StepCall) -> JsonObject:
        """Return what docker inspect says of the app's containers: new since the note, all promised, isolated, lasting.

        Waits up to ten minutes until the containers from before are gone, then a minute for the new ones, and then as
        long as policy says whether they stay up. Coolify's word that the app runs counts for nothing here: it may be
        about those from before.

        Where the plan has the digest of an image, that is what the containers run.

        Raises:
            StepFailed: it is not so, or cannot be seen for a minute: the plan then stops the app.
        """
        muscle, promise = call.text("muscle"), promise_of(call.given("app"), call.params, call.results)
        found = await self._replaced(call, muscle, promise)
        if missing(found, promise):
            found = await self._complete(call, muscle, promise)
        counted = judged(found, promise)
        wrong = problems(counted, self.isolation, promise)
        if wrong and not self.isolation.allow_without:
            raise _not_isolated(wrong, muscle)
        if "image_digest" in call.params:
            await self._is_image(call, muscle, counted, call.text("image_digest"))
        await self._settled(call, muscle, promise, counted)
        return {"containers": [{"name": c.name, "id": c.id, "runtime": c.runtime} for c in counted]}

    async def _is_image(self, call: StepCall, muscle: str, counted: Found, digest: str) -> None:
        """A preview has an image of its own."""
        for container in counted:
            if is_preview(container, call.given("app")):
                continue
            known = await self._asked(call, muscle, partial(digests_of, self.pool, muscle, container.image_id))
            if digest not in known:
                raise _another_image(container, digest, muscle)

    async def _settled(self, call: StepCall, muscle: str, promise: Promise, counted: Found) -> None:
        settle_s = settling_s(counted, self.isolation)
        call.say(f"waiting {settle_s:g} s whether it stays up on {muscle}")
        await call.clock.sleep(settle_s)
        if moved := unsettled(counted, await self._seen(call, muscle, promise.app)):
            raise failed_with(_falls(moved, muscle), await why_not_up(self.pool, muscle, promise))

    async def _seen(self, call: StepCall, muscle: str, app: str) -> Found:
        return await self._asked(call, muscle, partial(containers_of, self.pool, muscle, app))

    async def _asked(self, call: StepCall, muscle: str, ask: Callable[[], Awaitable[T]]) -> T:
        """A host that is away for a moment is asked again: the plan's answer to a failed proof is to stop the app."""

        async def told() -> T | NotYet:
            try:
                return await ask()
            except HostError as error:
                if not _may_pass(error):
                    raise
                return NotYet(f"waiting for {muscle} to answer", error)

        return await until(call, told, within_s=SEEN_WITHIN_S)

    async def _replaced(self, call: StepCall, muscle: str, promise: Promise) -> Found:
        async def replaced() -> Found | NotYet:
            found = await self._seen(call, muscle, promise.app)
            old = lingering(found, promise)
            if old and fell(call):
                raise failed_with(_stays(old, muscle), await why_not_up(self.pool, muscle, promise))
            return NotYet(f"waiting on {muscle} until {old[0]} is replaced", _stays(old, muscle)) if old else found

        return await until(call, replaced, within_s=REPLACED_WITHIN_S)

    async def _complete(self, call: StepCall, muscle: str, promise: Promise) -> Found:
        async def complete() -> Found | NotYet:
            found = await self._seen(call, muscle, promise.app)
            lacking = missing(found, promise)
            if lacking and (hopeless(found, promise) or fell(call)):
                raise _none_runs(found, promise, muscle)
            words = f"waiting on {muscle} for a container of {lacking}"
            return NotYet(words, _none_runs(found, promise, muscle)) if lacking else found

        try:
            return await until(call, complete, within_s=SEEN_WITHIN_S)
        except StepFailed as failure:
            raise failed_with(failure, await why_not_up(self.pool, muscle, promise)) from failure


def _may_pass(error: HostError) -> bool:
    """Return whether the server may answer in a moment; a refused login or another host key never does."""
    return isinstance(error, HostUnreachable) or type(error) is HostError


def _stays(old: tuple[str, ...], muscle: str) -> StepFailed:
    return StepFailed(
        f"On {muscle} the app still runs from before: {', '.join(old)}.",
        done=f"New containers were asked for, and {REPLACED_WITHIN_S:.0f} s waited.",
        next="Look at Coolify's queue and at get_app, then call again.",
        stage="isolation",
    )


def _none_runs(found: Found, promise: Promise, muscle: str) -> StepFailed:
    if loops := restarting(found, promise):
        return _falls(loops, muscle)
    return StepFailed(
        f"No container of {missing(found, promise)} runs on {muscle}.",
        done="It was deployed.",
        next="Look at get_app_logs: the app may end right after its start.",
        stage="isolation",
    )


def _not_isolated(wrong: tuple[str, ...], muscle: str) -> StepFailed:
    lost = any(": it runs under " in words for words in wrong)
    next_ = "The Factory's Coolify may have dropped the option, or the Muscle's Docker lacks the runtime."
    return StepFailed(
        f"The app does not run isolated on {muscle}: {'; '.join(wrong)}.",
        done="It was deployed.",
        next=next_
        if lost
        else "Take out of the app's file, or of its settings in Coolify, what is named, then call again.",
        stage="isolation",
        probable_cause="Coolify dropped --runtime, or docker on the Muscle has no such runtime"
        if lost
        else "the app asks for more than policies/isolation.toml allows",
    )


def _another_image(container: ContainerFacts, digest: str, muscle: str) -> StepFailed:
    return StepFailed(
        f"{container.name} on {muscle} does not run the image that was approved, {digest[:19]}.",
        done="It was deployed.",
        next="Call the tool again: its new plan has the image that the tag names now. Or give the image by its digest.",
        stage="isolation",
        probable_cause="the tag was moved to another image between the last look and the pull",
    )


def _falls(moved: tuple[str, ...], muscle: str) -> StepFailed:
    return StepFailed(
        f"The app does not stay up on {muscle}: {'; '.join(moved)}.",
        done="It was deployed.",
        next="Look at get_app_logs for why it ends, then call again.",
        stage="isolation",
        probable_cause="the app ends right after its start, and Docker starts it again",
    )
