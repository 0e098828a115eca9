"""An app's own variables while its words are shown: their values are known for that one answer, and masked in it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from ink_infra_mcp.areas.apps.env_values import own_rows, readable
from ink_infra_mcp.areas.apps.rollout import ROLLOUTS
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.core.errors import InkError, NotFound, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.secret_forms import SHORTEST
from ink_infra_mcp.core.secret_signs import is_made_by_machine, sign_in_value
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name

_ORDINARY = re.compile(
    r"""(?x)
    [A-Za-z]++ (?: [\ ,._-]++ [A-Za-z]++ )*+ [.!]?             # words
    | [a-z0-9]{1,16}+ (?: [._-] [a-z0-9]{1,16}+ )*+           # a name, a version, a region
    | [0-9.:-]++                                              # a number, an address, a time
    | \.{0,2} (?: / [\w.@-]*+ )++                             # a path
    | [a-z][a-z0-9+]*+:// [\w.-]++ (?: :[0-9]{1,5} )? (?: / [^\s@]*+ )?   # a URL without a login
    """
)
"""Values that stand in many texts and tell nobody anything: to mask them would make a log unreadable."""
_FEW = 5


@dataclass(frozen=True, slots=True)
class OwnValues:
    """What is known of an app's values: `mask` masks them in a text, `note` says of which nothing is known."""

    redact: Redactor = field(default_factory=Redactor)
    note: str = ""

    def mask(self, text: str) -> str:
        """Return the text with the known values masked, and as many lines."""
        return self.redact.by_value(text)

    def lines(self, lines: Iterable[str]) -> list[str]:
        """Return the lines with the known values masked, also one that goes over several of them."""
        whole = list(lines)
        return self.mask("\n".join(whole)).split("\n") if whole else []


async def own_values(coolify: CoolifyLook, uuid: str, *, service: bool | None) -> OwnValues:
    """Return the values of the variables that Coolify has for an app, as far as its token may read them.

    Where it is not known whether the app is a compose app (`service`), Coolify is asked for both.
    Whatever keeps them from being read is said in `note`: the app's words are shown all the same.
    """
    try:
        rows = await _rows(coolify, uuid, service=service)
    except InkError as error:
        return OwnValues(note=f"values of the app's own variables are not masked: {error.failed}")
    return OwnValues(Redactor(_secret(rows)), _note(rows))


async def _rows(coolify: CoolifyLook, uuid: str, *, service: bool | None) -> tuple[EnvVar, ...]:
    if service:
        return await coolify.service_envs(uuid)
    try:
        return await coolify.envs(uuid)
    except NotFound:
        if service is False:
            raise
        return await coolify.service_envs(uuid)


def _secret(rows: Iterable[EnvVar]) -> Iterable[Secret]:
    return (row.value for row in rows if row.value is not None and is_worth_hiding(row.key, row.value.reveal()))


def is_worth_hiding(name: str, value: str) -> bool:
    """Return whether a value is masked while the app's words are shown.

    It is where its name or form tells that it is a secret, or a machine made it, and where it has 8 characters and is
    neither words, a number, a path nor an address without a login.
    """
    if sign_in_value(name, value) or is_made_by_machine(value):
        return True
    return len(value) >= SHORTEST and not _ORDINARY.fullmatch(value)


def _note(rows: Iterable[EnvVar]) -> str:
    own = own_rows(rows)
    hidden = sorted(own.keys() - readable(own).keys())
    if not hidden:
        return ""
    named = ", ".join(clean_name(name) for name in hidden[:_FEW])
    more = f" and {len(hidden) - _FEW} more" if len(hidden) > _FEW else ""
    return (
        f"values of {named}{more} are not masked: the Coolify token lacks read:sensitive, or they are locked in Coolify"
    )


@dataclass(frozen=True, slots=True)
class OwnLogs:
    """Masks an app's own values in what steps tell: lines on their way, and the log of a failure."""

    coolify: CoolifyLook

    def wrap(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """Return the handlers, each with its words masked."""
        return {kind: partial(self._run, kind, handler) for kind, handler in handlers.items()}

    async def _run(self, kind: str, handler: Handler, call: StepCall) -> JsonObject:
        own = await self._of(call) if kind in ROLLOUTS else None
        try:
            return await handler(call if own is None else _masked(call, own))
        except StepFailed as error:
            if error.untrusted_log:
                _mask(error, own or await self._of(call))
            raise

    async def _of(self, call: StepCall) -> OwnValues:
        if "app" not in call.params:
            return OwnValues()
        # a step that only looks at containers does not say what kind its app is
        given = call.params.get("service")
        return await own_values(self.coolify, call.given("app"), service=given if isinstance(given, bool) else None)


def _masked(call: StepCall, own: OwnValues) -> StepCall:
    def say(words: str) -> None:
        call.say(own.mask(words))

    return replace(call, say=say)


def _mask(error: StepFailed, own: OwnValues) -> None:
    error.untrusted_log = tuple(own.lines(error.untrusted_log))
    if own.note:
        error.next = f"{error.next} In the log, {own.note}.".strip()
