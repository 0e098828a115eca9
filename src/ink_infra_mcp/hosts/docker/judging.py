"""Judges what Coolify made of a compose file, before anything of it starts: read by the server's own Docker Compose."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.made import Front, Making, differences, names_read, without_names
from ink_infra_mcp.core.compose.preparing import for_docker
from ink_infra_mcp.core.compose.published import ports_in
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.words import without_quoted
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.hosts.docker.composing import (
    ComposeRefused,
    compose_config,
    folder_of,
    started_config,
    variables_of_the_server,
)
from ink_infra_mcp.ssh.pool import HostPool

_CHANGED = "Look at the app in Coolify; somebody may have changed it, or its version writes files in another way."
_STARTED = "It was started."
Stored = Callable[[str], Awaitable[str]]
"""Returns the file that Coolify will start of an app, by its uuid; empty where the token may not read it."""


@dataclass(frozen=True, slots=True)
class ComposeSteps:
    """Binds the handler to the hosts, the policy, and the reading of what Coolify stored."""

    pool: HostPool
    isolation: Isolation
    stored: Stored

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.judge_compose": self.judge_compose, "hosts.judge_started": self.judge_started}

    async def judge_compose(self, call: StepCall) -> JsonObject:
        """Return the digest of the file that Coolify will start, once it is what was approved and nothing more.

        Both files are taken apart by Docker Compose on the server itself: what it understands is what will run. The
        file that Coolify made may hold values of variables, so that only its digest is kept.

        Raises:
            StepFailed: it cannot be read, Docker does not take it, or it is not what was approved.
        """
        muscle, uuid = call.text("muscle"), call.given("app")
        folder_of(uuid)  # that the app could not be judged after its start is said before it
        stored = await self.stored(uuid)
        if not stored:
            raise _failed("What Coolify made of the file cannot be read.", "Give the token the ability read:sensitive.")
        try:
            ours = await self._approved(call)
            theirs = await compose_config(self.pool, muscle, stored, project=uuid)
        except ComposeRefused as error:
            raise _failed(
                f"Docker Compose on {muscle} refuses the file: {without_quoted(error.words)}", "Mend the file."
            ) from error
        if found := self._found(call, ours, theirs):
            raise _failed(f"What Coolify would start is not what was approved: {'; '.join(found[:10])}.", _CHANGED)
        if theirs := await variables_of_the_server(self.pool, muscle, names_read(ours)):
            raise _failed(
                f"{muscle} itself sets {', '.join(theirs)}, and its values come before those of the app.",
                "Give the variables of the app other names, or take them out of the server's environment.",
            )
        return {"sha256": hashlib.sha256(stored.encode()).hexdigest()}

    async def judge_started(self, call: StepCall) -> JsonObject:
        """Return nothing, once the file on the server from which the app was started is what was approved.

        Coolify writes it when it starts the app, from what it has stored by then: somebody may have changed that since
        it was judged.

        Raises:
            StepFailed: it is not what was approved: the plan then stops the app.
        """
        muscle, uuid = call.text("muscle"), call.given("app")
        try:
            ours = await self._approved(call)
            theirs = await started_config(self.pool, muscle, app=uuid)
        except ComposeRefused as error:
            raise _failed(
                f"Docker Compose on {muscle} refuses the file: {without_quoted(error.words)}", "Mend the file."
            ) from error
        if found := self._found(call, ours, theirs):
            raise _failed(
                f"What Coolify started is not what was approved: {'; '.join(found[:10])}.", _CHANGED, done=_STARTED
            )
        return {}

    async def _approved(self, call: StepCall) -> JsonObject:
        text = written(for_docker(read_compose(call.text("compose"))))
        return await compose_config(self.pool, call.text("muscle"), text, project=call.given("app"))

    def _found(self, call: StepCall, ours: JsonObject, theirs: JsonObject) -> tuple[str, ...]:
        making = Making(call.given("app"), _fronts_of(table(call.params["urls"])))
        return differences(ours, theirs, making) or compose_problems(
            without_names(ours, making), self.isolation, published=ports_in(ours)
        )


def _fronts_of(urls: JsonObject) -> tuple[Front, ...]:
    """Return the fronts in a mapping of services to lists of their URLs."""
    return tuple(_front(service, str(url)) for service, listed in urls.items() for url in items(listed))


def _front(service: str, url: str) -> Front:
    parts = urlsplit(url)
    return Front(service, parts.scheme, parts.hostname or "", parts.path, str(parts.port or ""))


def _failed(what: str, then: str, done: str = "Nothing was started.") -> StepFailed:
    return StepFailed(what, done=done, next=then, stage="judge")
