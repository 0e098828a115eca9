"""Every error a caller may meet, in one tree.

InkError                      code, retryable, and three sentences: what failed, what was done, what to do next
├── InputError                the caller's words are wrong: another call can be right
│   ├── UnknownName           nothing has that name
│   └── AmbiguousName         several things have that name
├── ConfigError               fleet.toml, a policy file or the environment is wrong
│   ├── NotConfigured         there is no fleet.toml yet
│   └── SecretMissing         no secret of that name in the environment or the keyring
├── GuardError                the guard stopped a change; nothing was done
│   ├── RefusedByPolicy       data in policies/ says no
│   ├── ApprovalInvalid       unknown, expired, used or foreign approval
│   ├── TooManyWaiting        so many plans of this caller wait for a person already
│   ├── PlanDrifted           the world is no longer the one that was approved
│   ├── TargetLocked          another operation holds the target
│   └── WriteRefused          the write gate met a change without a live permit
├── VendorError               an API answered with an error
│   ├── Unauthorized          wrong or expired token: never retried
│   ├── Forbidden             the token may not do that
│   ├── NotFound              no such thing there
│   ├── Conflict              the thing exists, or is being changed
│   ├── Rejected              the request was understood and refused
│   ├── RateLimited           too many requests
│   ├── Unavailable           the service failed (5xx)
│   ├── Unreachable           no answer: connect, read or TLS failure
│   └── BadAnswer             an answer that is not the API's: HTML, wrong shape
├── HostError                 a server over SSH
│   ├── HostUnreachable       no connection
│   ├── HostKeyChanged        the host key is not the pinned one
│   ├── HostLoginRefused      our key or user is not accepted: never retried
│   ├── FileRefused           a place of files did not do what was asked (SFTP)
│   └── CommandFailed         a command ended with an error
├── StateError                our own state store
│   ├── StateUnavailable      cannot be read or written now (disk full, database down)
│   ├── StateCorrupt          what is stored is not what we wrote
│   └── NotOurs               another process runs the operation now, or it has ended
├── StepFailed                a step of an approved plan ended badly
└── OutcomeUnknown            the answer to a change was lost: what came of it is known only after a look
"""

from typing import ClassVar

NOTHING_DONE = "Nothing was changed."
MAYBE_DONE = "It is not known whether the change happened."
LOOKS_FIRST = "Call the tool again: it looks first."


class InkError(Exception):
    """The base: `failed`, `done` and `next` are whole sentences for a person; secrets never enter them."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    unsure: bool = False
    """Whether a change may have happened all the same: its answer was lost, and no look has settled it."""

    def __init__(self, failed: str, *, done: str = NOTHING_DONE, next: str = "") -> None:
        super().__init__(failed, done, next)
        self.failed = failed
        self.done = done
        self.next = next

    def __str__(self) -> str:
        return " ".join(part for part in (self.failed, self.done, self.next) if part)


class InputError(InkError):
    """An argument is wrong; the message names it and says what would be right."""

    code = "invalid_input"


class UnknownName(InputError):
    """No app, server or operation has the given name, uuid, address or domain."""

    code = "unknown_name"


class AmbiguousName(InputError):
    """More than one thing answers to the name; the message lists them."""

    code = "ambiguous_name"


class ConfigError(InkError):
    """The configuration cannot be used; the message names the file, the line and the key."""

    code = "invalid_config"


class NotConfigured(ConfigError):
    """There is no fleet.toml: nobody has set anything up yet."""

    code = "not_configured"


class SecretMissing(ConfigError):
    """A secret that a call needs is in neither the environment nor the keyring."""

    code = "secret_missing"


class GuardError(InkError):
    """The guard did not let a change begin."""

    code = "guard"


class RefusedByPolicy(GuardError):
    """A policy forbids the plan; no approval can change that."""

    code = "refused_by_policy"


class ApprovalInvalid(GuardError):
    """The approval is unknown, expired, already used, or somebody else's."""

    code = "approval_invalid"


class TooManyWaiting(GuardError):
    """As many plans of the caller wait for a person as may; the message names the oldest, and how to turn it down."""

    code = "too_many_waiting"


class PlanDrifted(GuardError):
    """The plan made just before acting differs from the approved one."""

    code = "plan_drifted"
    retryable = True


class TargetLocked(GuardError):
    """Another operation holds the target; the message says who, what and since when."""

    code = "locked"
    retryable = True


class WriteRefused(GuardError):
    """A write reached the gate without a live permit."""

    code = "write_refused"


class VendorError(InkError):
    """An API call failed; `service`, `status`, `vendor_code` and `request_id` are kept for support.

    `of_read` says that the call asked and changed nothing.
    """

    code = "vendor_error"

    def __init__(
        self,
        failed: str,
        *,
        service: str,
        done: str = NOTHING_DONE,
        next: str = "",
        status: int | None = None,
        vendor_code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        body: object = None,
        unsure: bool = False,
        of_read: bool = False,
    ) -> None:
        super().__init__(failed, done=done, next=next)
        self.service = service
        self.unsure = unsure
        self.of_read = of_read
        self.status = status
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.body = body


class Unauthorized(VendorError):
    """The token is wrong, expired or its user left the team (HTTP 401, and Coolify's 400 for a teamless token)."""

    code = "unauthorized"


class Forbidden(VendorError):
    """The token is good but may not do this (HTTP 403)."""

    code = "forbidden"


class NotFound(VendorError):
    """The thing is not there (HTTP 404)."""

    code = "not_found"


class Conflict(VendorError):
    """The thing exists already or is being changed by another action (HTTP 409, 423)."""

    code = "conflict"


class Rejected(VendorError):
    """The API understood the request and refused it (HTTP 400, 405, 422)."""

    code = "rejected"


class RateLimited(VendorError):
    """Too many requests (HTTP 429); `retry_after_s` says when to come back."""

    code = "rate_limited"
    retryable = True


class Unavailable(VendorError):
    """The service failed on its side (HTTP 5xx)."""

    code = "unavailable"
    retryable = True


class Unreachable(VendorError):
    """No usable answer arrived: connection refused, DNS, TLS or time-out."""

    code = "unreachable"
    retryable = True


class BadAnswer(VendorError):
    """Something answered that is not the API: an HTML login page, or JSON of another shape."""

    code = "bad_answer"


class HostError(InkError):
    """A server could not be read or changed over SSH; `host` is its name in the fleet."""

    code = "host_error"

    def __init__(
        self, failed: str, *, host: str, done: str = NOTHING_DONE, next: str = "", unsure: bool = False
    ) -> None:
        super().__init__(failed, done=done, next=next)
        self.host = host
        self.unsure = unsure


class HostUnreachable(HostError):
    """The SSH connection could not be made or broke."""

    code = "host_unreachable"
    retryable = True


class HostKeyChanged(HostError):
    """The server shows another host key than the pinned one; we never connect to it."""

    code = "host_key_changed"


class HostLoginRefused(HostError):
    """The server does not accept our key for that user."""

    code = "host_login_refused"


class FileRefused(HostError):
    """A place that is reached by SFTP did not do what was asked.

    `missing`: there is no such file or folder; `unknown`: it does not know this request at all.
    """

    code = "file_refused"

    def __init__(
        self,
        failed: str,
        *,
        host: str,
        done: str = NOTHING_DONE,
        next: str = "",
        missing: bool = False,
        unknown: bool = False,
    ) -> None:
        super().__init__(failed, host=host, done=done, next=next)
        self.missing = missing
        self.unknown = unknown


class CommandFailed(HostError):
    """A command ended with a non-zero exit status or a signal; `exit_status` and cleaned output are kept."""

    code = "command_failed"

    def __init__(
        self,
        failed: str,
        *,
        host: str,
        done: str = NOTHING_DONE,
        next: str = "",
        exit_status: int | None = None,
        untrusted_output: str = "",
    ) -> None:
        super().__init__(failed, host=host, done=done, next=next)
        self.exit_status = exit_status
        self.untrusted_output = untrusted_output


class StateError(InkError):
    """The state store (approvals, audit, locks, operations) could not be used."""

    code = "state_error"


class StateUnavailable(StateError):
    """The store cannot be read or written now: disk full, read-only, database down."""

    code = "state_unavailable"
    retryable = True


class StateCorrupt(StateError):
    """The store holds something that we did not write; nothing is done on top of it."""

    code = "state_corrupt"


class NotOurs(StateError):
    """An operation that this process began or took over has ended, or belongs to another process now."""

    code = "not_ours"


class StepFailed(InkError):
    """A step of an approved plan failed; `untrusted_log` holds the last lines of the vendor's own log, cleaned."""

    code = "step_failed"

    def __init__(
        self,
        failed: str,
        *,
        done: str,
        next: str = "",
        stage: str = "",
        probable_cause: str = "",
        untrusted_log: tuple[str, ...] = (),
        unsure: bool = False,
    ) -> None:
        super().__init__(failed, done=done, next=next)
        self.unsure = unsure
        self.stage = stage
        self.probable_cause = probable_cause
        self.untrusted_log = untrusted_log


class OutcomeUnknown(InkError):
    """The answer to a change was lost, and looking did not settle whether it happened: neither done nor failed."""

    code = "outcome_unknown"
    unsure = True

    def __init__(self, failed: str, *, done: str = MAYBE_DONE, next: str = "") -> None:
        super().__init__(failed, done=done, next=next or LOOKS_FIRST)


def unsettled(error: InkError, *, acted: bool) -> OutcomeUnknown | None:
    """Return what a step's error means for what it was to change, where that is open; None where it is settled.

    It is open when the answer to a change was lost, and when a step has sent changes (`acted`) and then could not look.
    """
    if isinstance(error, OutcomeUnknown):
        return error
    if error.unsure:
        return OutcomeUnknown(error.failed, done=error.done, next=error.next)
    blind = isinstance(error, (Unreachable, Unavailable, BadAnswer)) and error.of_read
    return OutcomeUnknown(error.failed, next=error.next) if acted and blind else None
