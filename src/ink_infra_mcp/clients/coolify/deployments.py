"""Following a deployment to its proven end, and telling why it failed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.buildlog import CANCELLED, FINISHED, Deployment, LogLine
from ink_infra_mcp.clients.coolify.causes import probable_cause
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.core.errors import NotFound, RateLimited, StepFailed, Unavailable, Unreachable
from ink_infra_mcp.core.ports import Clock
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import Say
from ink_infra_mcp.core.untrusted import clean_name

PATIENCE = 5
"""How many polls in a row may fail because Coolify is away, before we give up; each has its own retries inside."""
RECENT = 5
SHAPES_ONLY = Redactor()
"""Masks what looks like a secret. Give the process's own redactor instead: it also masks those that are known."""
_SAID_CHARS = 160
_SAID_AT_ONCE = 20
_TAIL = 40
_DONE = {CANCELLED: "Somebody cancelled it in Coolify."}


@dataclass(slots=True)
class _Teller:
    """Tells each visible line of a growing log once."""

    say: Say
    redact: Callable[[str], str]
    told: int = 0
    status: str = ""

    def tell(self, deployment: Deployment) -> None:
        if deployment.status != self.status:
            self.status = deployment.status
            self.say(f"Deployment {deployment.uuid}: {clean_name(deployment.status)}")
        lines = _short_lines(deployment.visible[self.told :], self.redact, _SAID_CHARS)
        self.told = max(self.told, len(deployment.visible))
        if len(lines) > _SAID_AT_ONCE:
            self.say(f"... {len(lines) - _SAID_AT_ONCE} lines left out")
        for line in lines[-_SAID_AT_ONCE:]:
            self.say(line)


@dataclass(slots=True)
class _Target:
    """The deployment that came of a request, which may not be the one that the answer named.

    `known` are the uuids that it cannot have; None: nothing may take the place of the one that was named.
    """

    look: CoolifyLook
    app_uuid: str
    uuid: str | None
    known: frozenset[str] | None
    sure: bool = False
    missed: int = 0

    async def read(self, say: Say) -> Deployment | None:
        """Return it as it is now, or None where Coolify is away, as it may be for a few polls in a row."""
        try:
            found = await self._found()
        except (Unavailable, Unreachable, RateLimited) as error:
            self.missed += 1
            if self.missed > PATIENCE:
                raise
            say(f"Coolify does not answer ({error.code}); asking again")
            return None
        self.missed = 0
        return found

    async def _found(self) -> Deployment:
        uuid = self.uuid
        if uuid is None or self._was_there(uuid):
            uuid = await self._newest()
        try:
            found = await self.look.deployment(uuid)
        except NotFound:
            if self.sure:
                raise _vanished(uuid) from None
            found = await self.look.deployment(await self._newest())
        self.sure = True
        return found

    async def _newest(self) -> str:
        recent = await self.look.deployments_of(self.app_uuid, take=RECENT)
        fresh = [d for d in recent if not self._was_there(d.uuid)]
        if self.known is None or not fresh:
            raise _not_queued(recent)
        self.uuid = max(fresh, key=_age).uuid
        self.sure = True
        return self.uuid

    def _was_there(self, uuid: str) -> bool:
        return self.known is not None and uuid in self.known


async def follow(
    look: CoolifyLook,
    app_uuid: str,
    deployment_uuid: str | None,
    *,
    clock: Clock,
    say: Say,
    deadline_s: float,
    poll_s: float = 3.0,
    known: frozenset[str] | None = None,
    redact: Callable[[str], str] = SHAPES_ONLY,
) -> Deployment:
    """Return the deployment when it is over, however it ended (`require_finished` judges that).

    `known` are the uuids of the app's deployments before the request was made. Coolify may name a deployment that
    never comes to be, or none: then the newest one that is not in `known` is followed in its place; without `known`
    nothing ever takes its place. New log lines are told through `say`, redacted, at most 160 characters each.
    Coolify being away for a few polls is tolerated.

    Raises:
        StepFailed: nothing was queued, the deployment vanished, or it is not over after `deadline_s` seconds; in the
            last case the build goes on in Coolify.
        VendorError: Coolify refuses to answer, or stays away.
    """
    target = _Target(look, app_uuid, deployment_uuid, known)
    teller = _Teller(say, redact)
    end = clock.monotonic() + deadline_s
    while True:
        deployment = await target.read(say)
        if deployment is not None:
            teller.tell(deployment)
            if deployment.is_over:
                return deployment
        if clock.monotonic() + poll_s > end:
            raise _too_long(target.uuid, deadline_s, teller.status)
        await clock.sleep(poll_s)


def require_finished(deployment: Deployment, *, redact: Callable[[str], str] = SHAPES_ONLY) -> Deployment:
    """Return the deployment if it finished.

    Finished means that the new container started, and passed its health check where it has one; it is no proof that
    the app answers.

    Raises:
        StepFailed: it failed, was cancelled or has not ended; with the last visible log lines and a probable cause.
    """
    if deployment.status == FINISHED:
        return deployment
    raise StepFailed(
        f"Deployment {deployment.uuid} ended as {clean_name(deployment.status) or 'unknown'}.",
        done=_DONE.get(deployment.status, "The containers that ran before may still run."),
        next=_advice(deployment),
        stage="deployment",
        probable_cause=_cause(deployment),
        untrusted_log=log_tail(deployment, _TAIL, redact=redact),
    )


def log_tail(
    deployment: Deployment, count: int, *, hidden: bool = False, redact: Callable[[str], str] = SHAPES_ONLY
) -> tuple[str, ...]:
    """Return the last `count` lines of the log, cleaned and redacted; hidden entries, the build's own, if asked."""
    entries = (deployment.lines or ()) if hidden else deployment.visible
    lines = _short_lines(entries, redact, 500)
    return tuple(lines[max(0, len(lines) - count) :])


def _age(deployment: Deployment) -> float:
    return deployment.created_at.timestamp() if deployment.created_at else 0.0


def _short_lines(entries: Iterable[LogLine], redact: Callable[[str], str], limit: int) -> list[str]:
    lines = (line for entry in entries for line in redact(entry.untrusted_text).splitlines())
    return [clean_name(line, limit=limit) for line in lines if line.strip()]


def _cause(deployment: Deployment) -> str:
    if deployment.status == CANCELLED:
        return ""
    return probable_cause([line.untrusted_text for line in deployment.lines or ()])


def _advice(deployment: Deployment) -> str:
    if deployment.lines is None:
        return "The token may not read build logs: give it read:sensitive, or read the log in Coolify."
    return "Mend the cause, then deploy again."


def _not_queued(recent: Iterable[Deployment]) -> StepFailed:
    running = next((d.uuid for d in recent if d.is_active), None)
    if running:
        return StepFailed(
            f"The deployment was not queued: deployment {running} of the app still runs, and Coolify dropped ours.",
            done="Nothing was deployed.",
            next=f"Wait until {running} ends, or cancel it, then call again.",
            stage="queue",
        )
    return StepFailed(
        "The deployment was not queued: Coolify named one that does not exist, as it does when the queue is full.",
        done="Nothing was deployed.",
        next="Wait until other deployments on the server end, then call again.",
        stage="queue",
    )


def _vanished(uuid: str | None) -> StepFailed:
    return StepFailed(
        f"Deployment {uuid} vanished while it was followed: its app was probably deleted in Coolify.",
        done="It is not known what it left on the server.",
        next="Look at the app in Coolify, then call again.",
        stage="deployment",
    )


def _too_long(uuid: str | None, deadline_s: float, status: str) -> StepFailed:
    says = clean_name(status) or "nothing"
    return StepFailed(
        f"Deployment {uuid or '(not named)'} is not over after {deadline_s:.0f} s; Coolify says {says}.",
        done="The build goes on in Coolify.",
        next="Look at it again later, or cancel the deployment.",
        stage="deployment",
    )
