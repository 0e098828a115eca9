"""Why an app does not come up, as its server tells: containers that end or start again, their logs, a file that
Docker Compose refuses."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ink_infra_mcp.core.compose.words import without_quoted
from ink_infra_mcp.core.errors import HostError, InkError, InputError, StepFailed
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.watching import Seen, Watcher, blind
from ink_infra_mcp.hosts.docker.composing import folder_of
from ink_infra_mcp.hosts.docker.containers import container_logs, containers_of, is_preview, service_of
from ink_infra_mcp.hosts.docker.rollouts import Promise, missing, promise_of
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

CRASHES = 8
"""Docker waits twice as long before each start (100 ms at first): eight in a row are half a minute. An app that only
waits for its database is up again by then."""
LOOKS_BEFORE_ASKING = 5
"""How many looks without any container, before Docker Compose is asked whether it takes the file at all."""
LOG_LINES = 20
LOGS_OF = 3
_LINE_CHARS = 300
_NOT_THERE = re.compile(r"no such file or directory|no configuration file provided", re.IGNORECASE)
"""Coolify's worker has not written the file yet."""
_COMPOSE_CAUSES = (
    (
        re.compile(r"unexpected character|unterminated quoted|\.env\b"),
        "Docker Compose cannot read the app's .env: a variable's value holds a quote, or ends in a backslash",
    ),
    (re.compile(r"hard(?: limit)? is required|missing propert\w+ .?hard"), "a ulimit has no hard limit"),
    (re.compile(r""), "Docker Compose does not take the app's file: its own words are in the log"),
)
_ITS_VERSION = ("docker", "compose", "version", "--short")
_NO_COMPOSE = "the server has no Docker Compose, with which Coolify starts this app"
_NO_PROGRAM = 127
"""What a POSIX shell says of a program that it does not find."""
_EXITS = {126: "its command may not be run", 127: "its command is not in the image", 137: "it was killed"}


@dataclass(frozen=True, slots=True)
class Why:
    """What was found out: the likely cause in our own words, and the app's or Docker's, cleaned and without secrets.

    `no_compose`: the server has no Docker Compose, so that nobody there has read the app's file.
    """

    cause: str = ""
    untrusted_log: tuple[str, ...] = ()
    no_compose: bool = False


@dataclass(frozen=True, slots=True)
class ContainerWatch:
    """Watches the containers that a step starts: `watch` is a `core.watching.Watch`."""

    pool: HostPool

    def watch(self, call: StepCall) -> Watcher:
        """Return the watcher of a step that says where its app runs and what is promised of it."""
        muscle = call.params.get("muscle")
        if not isinstance(muscle, str) or not muscle or "noted" not in call.params:
            return blind(call)
        return _Look(self.pool, muscle, promise_of(call.given("app"), call.params, call.results)).look


@dataclass(slots=True)
class _Look:
    pool: HostPool
    muscle: str
    promise: Promise
    empty: int = 0

    async def look(self) -> Seen | None:
        """Tell what goes wrong; where the server does not answer, nothing is known."""
        try:
            found = await containers_of(self.pool, self.muscle, self.promise.app)
            return await self._seen(found)
        except InkError:
            return None

    async def _seen(self, found: Collection[ContainerFacts]) -> Seen:
        if hopeless(found, self.promise) or not missing(found, self.promise):
            return Seen(trouble(found, self.promise), over=True)
        if _new(found, self.promise):
            return Seen(trouble(found, self.promise))
        self.empty += 1
        if self.empty % LOOKS_BEFORE_ASKING:
            return Seen()
        refused = (await compose_refuses(self.pool, self.muscle, self.promise.app)).cause
        return Seen(refused, over=bool(refused))


def trouble(found: Collection[ContainerFacts], promise: Promise) -> str:
    """Return in words which of the new containers do not stay up, or an empty text."""
    return "; ".join(_told(c, promise) for c in _fallen(found, promise))


def hopeless(found: Collection[ContainerFacts], promise: Promise) -> bool:
    """Return whether a new container has fallen for good: Docker starts it no more, or has done so in vain."""
    return any(c.state != "restarting" or c.restart_count >= CRASHES for c in _fallen(found, promise))


def fell(call: StepCall) -> bool:
    """Return whether the step that rolled the app out has seen that it never will come up."""
    lane, mark, _ = call.step_id.rpartition("__")
    return bool(call.results.get(f"{lane}{mark}deploy", {}).get("seen"))


async def why_not_up(pool: HostPool, muscle: str, promise: Promise, *, mask: Callable[[str], str] = str) -> Why:
    """Return why an app does not come up, with the last lines of the containers that fell, or Docker Compose's words.

    `mask` masks secrets that only the caller knows, before lines are cut.
    One that Docker has started again runs in between: its log tells what it did before. Nothing that cannot be found
    out is an error: then the answer is empty.
    """
    try:
        found = await containers_of(pool, muscle, promise.app)
        if fallen := _fallen(found, promise):
            return Why(trouble(fallen, promise), await _logs(pool, muscle, fallen[:LOGS_OF], mask))
        if new := _new(found, promise):
            again = [container for container in new if container.restart_count]
            return Why(untrusted_log=await _logs(pool, muscle, again[:LOGS_OF], mask))
        return await compose_refuses(pool, muscle, promise.app, mask=mask)
    except HostError:
        return Why()


async def compose_refuses(pool: HostPool, muscle: str, app: str, *, mask: Callable[[str], str] = str) -> Why:
    """Return what Docker Compose on the server has against the file of a compose app, empty where it takes it.

    `mask` masks secrets that only the caller knows, before anything is cut.
    Coolify keeps it in /data/coolify/services/<uuid> with its .env, and starts it from there (StartService, version
    4.3.11). The file is only read; its values are not shown.

    Raises:
        HostError: the server cannot be reached.
    """
    try:
        folder = folder_of(app)
    except InputError:
        return Why()
    words = ("docker", "compose", "--project-directory", folder, "-f", f"{folder}/docker-compose.yml")
    said = await pool.run(muscle, HostCommand((*words, "config", "--quiet"), changes=False))
    if said.exit_status in (0, _NO_PROGRAM) or _NOT_THERE.search(said.stderr) or not said.stderr.strip():
        return Why()
    # Docker's own words for a plugin that is not there are other ones in each version, and about options
    if (await pool.run(muscle, HostCommand(_ITS_VERSION, changes=False))).exit_status != 0:
        return Why(_NO_COMPOSE, no_compose=True)
    return _refusal(pool.presentable(said.stderr, limit=LOG_LINES * _LINE_CHARS, mask=mask))


def _refusal(text: str) -> Why:
    """Return the likely cause of what Docker Compose says, and its words without what they quote."""
    cause = next(words for signs, words in _COMPOSE_CAUSES if signs.search(text))
    return Why(cause, _lines("docker compose config", without_quoted(text).splitlines()))


def failed_with(failure: StepFailed, why: Why) -> StepFailed:
    """Return a failure of a step together with what was found out about it."""
    return StepFailed(
        failure.failed,
        done=failure.done,
        next=failure.next,
        stage=failure.stage,
        probable_cause=why.cause or failure.probable_cause,
        untrusted_log=why.untrusted_log or failure.untrusted_log,
    )


async def _logs(
    pool: HostPool, muscle: str, fallen: Iterable[ContainerFacts], mask: Callable[[str], str]
) -> tuple[str, ...]:
    return tuple([line for container in fallen for line in await _log(pool, muscle, container, mask)])


async def _log(pool: HostPool, muscle: str, container: ContainerFacts, mask: Callable[[str], str]) -> tuple[str, ...]:
    try:
        text = await container_logs(pool, muscle, container.id, lines=LOG_LINES, mask=mask)
    except HostError:
        return ()
    return _lines(container.name, text.splitlines())


def _lines(name: str, lines: Iterable[str]) -> tuple[str, ...]:
    kept = [clean_name(line, limit=_LINE_CHARS) for line in lines if line.strip()]
    return tuple(f"{clean_name(name)}: {line}" for line in kept[-LOG_LINES:])


def _new(found: Collection[ContainerFacts], promise: Promise) -> tuple[ContainerFacts, ...]:
    return tuple(c for c in found if c.id not in promise.noted and not is_preview(c, promise.app))


def _fallen(found: Collection[ContainerFacts], promise: Promise) -> tuple[ContainerFacts, ...]:
    return tuple(c for c in _new(found, promise) if _is_fallen(c, promise))


def _is_fallen(container: ContainerFacts, promise: Promise) -> bool:
    """One that may end has not fallen when it ended well; `created` ones still wait for others."""
    if container.state not in {"exited", "dead", "restarting"}:
        return False
    ended_well = container.state == "exited" and container.exit_code == 0
    return not (ended_well and service_of(container, promise.app) in promise.once)


def _told(container: ContainerFacts, promise: Promise) -> str:
    name = clean_name(service_of(container, promise.app) or container.name)
    does = f"was started again {container.restart_count} times" if container.state == "restarting" else "has ended"
    status = f"exit status {container.exit_code}"
    why = "it had no memory left: raise its limit" if container.oom_killed else _EXITS.get(container.exit_code, "")
    return f"{name} {does}, with {status}" + (f": {why}" if why else "")
