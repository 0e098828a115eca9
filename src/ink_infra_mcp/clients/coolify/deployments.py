"""Following a deployment to its proven end, and telling why it failed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ink_infra_mcp.clients.coolify.away import AWAY, Patience
from ink_infra_mcp.clients.coolify.buildlog import CANCELLED, FINISHED, Deployment, LogLine
from ink_infra_mcp.clients.coolify.causes import probable_cause
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.ours import Claim, came_over_api, described
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import NotFound, StepFailed, VendorError
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import Say
from ink_infra_mcp.core.untrusted import clean_name

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

    `claim` says what may take the place of the one that was named; None: nothing may.
    """

    look: CoolifyLook
    app_uuid: str
    uuid: str | None
    claim: Claim | None
    sure: bool = False
    patience: Patience = field(default_factory=Patience)

    async def read(self, say: Say) -> Deployment | None:
        """Return it as it is now, or None where Coolify is away, as it may be for a few polls in a row."""
        try:
            found = await self._found()
        except AWAY as error:
            say(self.patience.lose(error))
            return None
        self.patience.seen()
        return found

    async def _found(self) -> Deployment:
        named = self.uuid
        if named is None or (self.claim is not None and named in self.claim.known):
            return await self._claimed()
        try:
            found = await self.look.deployment(named)
        except NotFound:
            if self.sure:
                raise _vanished(named) from None
            return await self._claimed()
        if self.claim is not None and not self.sure and not came_over_api(found):
            raise not_ours(found)
        self.sure = True
        return found

    async def _claimed(self) -> Deployment:
        """Coolify names a deployment that never comes when it drops a request for one (source, version 4.3.11)."""
        recent = await self.look.deployments_of(self.app_uuid, take=RECENT)
        mine = self.claim.ours(recent) if self.claim else None
        if mine is None:
            other = self.claim.foreign(recent) if self.claim else None
            raise not_ours(other) if other else _not_queued()
        self.uuid, self.sure = mine.uuid, True
        return await self.look.deployment(mine.uuid)


async def follow(
    look: CoolifyLook,
    app_uuid: str,
    deployment_uuid: str | None,
    *,
    clock: Clock,
    say: Say,
    deadline_s: float,
    poll_s: float = 3.0,
    claim: Claim | None = None,
    redact: Callable[[str], str] = SHAPES_ONLY,
) -> Deployment:
    """Return the deployment when it is over, however it ended, or as it is after `deadline_s` seconds.

    `require_finished` judges it. Coolify may name a deployment that never comes to be, or none: then the newest one
    that `claim` takes for ours is followed in its place; without a claim nothing ever takes its place. New log lines
    are told through `say`, redacted, at most 160 characters each. Coolify being away for a few polls is tolerated.

    Raises:
        StepFailed: nothing of ours was queued, the deployment vanished, or Coolify stays away or refuses to answer; in
            the last two cases the build goes on in Coolify.
    """
    target = _Target(look, app_uuid, deployment_uuid, claim)
    teller = _Teller(say, redact)
    end = clock.monotonic() + deadline_s
    while True:
        try:
            deployment = await target.read(say)
        except VendorError as error:
            raise left_alone(target.uuid, error) from error
        if deployment is not None:
            teller.tell(deployment)
            if deployment.is_over or clock.monotonic() + poll_s > end:
                return deployment
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


def not_ours(other: Deployment) -> StepFailed:
    """Return the failure of a step that found a deployment of somebody else where only its own may be.

    Whose containers run next could not be told any more; a resumption waits for it, takes new notes, and deploys then.
    """
    return StepFailed(
        f"Deployment {described(other)}, came in between: it is not ours.",
        done="Nothing of ours was deployed.",
        next="Call resume_operation: it waits until that one has ended, and deploys then.",
        stage="queue",
    )


def left_alone(uuid: str | None, error: VendorError) -> StepFailed:
    """Return the failure of a step that can no longer follow its deployment, which goes on without it."""
    named = f"deployment {uuid}" if uuid else "the deployment that was asked for"
    return StepFailed(
        f"Coolify was lost while it worked on {named}: {error.failed}",
        done=f"{named[0].upper()}{named[1:]} may still come up, and nothing has proved it.",
        next=f"When Coolify answers again, call resume_operation: it takes up {named} and proves it. {error.next}",
        stage="deployment",
        unsure=True,
    )


def _not_queued() -> StepFailed:
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
