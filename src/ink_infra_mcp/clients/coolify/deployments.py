"""Following a deployment to its proven end, and telling why it failed."""

from collections.abc import Callable
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.buildlog import CANCELLED, FINISHED, Deployment
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
        fresh = deployment.visible[self.told :]
        self.told = max(self.told, len(deployment.visible))
        lines = [line for entry in fresh for line in _short_lines(entry.untrusted_text, self.redact, _SAID_CHARS)]
        if len(lines) > _SAID_AT_ONCE:
            self.say(f"... {len(lines) - _SAID_AT_ONCE} lines left out")
        for line in lines[-_SAID_AT_ONCE:]:
            self.say(line)


@dataclass(slots=True)
class _Target:
    """The deployment that came of a request, which may not be the one that the answer named."""

    look: CoolifyLook
    app_uuid: str
    uuid: str | None
    known: frozenset[str] | None
    sure: bool = False

    async def read(self) -> Deployment:
        uuid = self.uuid
        if uuid is None or uuid in (self.known or ()):
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
        fresh = [d for d in recent if self.known is not None and d.uuid not in self.known]
        if not fresh:
            raise _not_queued(next((d.uuid for d in recent if d.is_active), None))
        self.uuid = max(fresh, key=_age).uuid
        self.sure = True
        return self.uuid


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
    missed = 0
    while True:
        try:
            deployment = await target.read()
        except (Unavailable, Unreachable, RateLimited) as error:
            missed += 1
            if missed > PATIENCE:
                raise
            say(f"Coolify does not answer ({error.code}); asking again")
        else:
            missed = 0
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
    texts = [line.untrusted_text for line in deployment.lines or ()]
    cancelled = deployment.status == CANCELLED
    raise StepFailed(
        f"Deployment {deployment.uuid} ended as {clean_name(deployment.status) or 'unknown'}.",
        done="Somebody cancelled it in Coolify." if cancelled else "The containers that ran before may still run.",
        next=_advice(deployment),
        stage="deployment",
        probable_cause="" if cancelled else probable_cause(texts),
        untrusted_log=log_tail(deployment, _TAIL, redact=redact),
    )


def log_tail(
    deployment: Deployment, count: int, *, hidden: bool = False, redact: Callable[[str], str] = SHAPES_ONLY
) -> tuple[str, ...]:
    """Return the last `count` lines of the log, cleaned and redacted; hidden entries, the build's own, if asked."""
    entries = (deployment.lines or ()) if hidden else deployment.visible
    lines = [line for entry in entries for line in _short_lines(entry.untrusted_text, redact, 500)]
    return tuple(lines[max(0, len(lines) - count) :])


def _age(deployment: Deployment) -> float:
    return deployment.created_at.timestamp() if deployment.created_at else 0.0


def _short_lines(text: str, redact: Callable[[str], str], limit: int) -> list[str]:
    return [clean_name(line, limit=limit) for line in redact(text).splitlines() if line.strip()]


def _advice(deployment: Deployment) -> str:
    if deployment.lines is None:
        return "The token may not read build logs: give it read:sensitive, or read the log in Coolify."
    return "Mend the cause, then deploy again."


def _not_queued(running: str | None) -> StepFailed:
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
