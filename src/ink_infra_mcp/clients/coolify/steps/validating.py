"""Has Coolify validate a server, and follows that to an end that cannot be an old one."""

import html
import re
from datetime import datetime

from ink_infra_mcp.clients.coolify.away import patiently
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import unless_lost
from ink_infra_mcp.core.errors import Rejected, StepFailed, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean
from ink_infra_mcp.core.waiting import NotYet, until

DEADLINE_S = 180.0
"""Twenty times what a validation of a good server takes, and a dead address is told after 15 seconds (seen)."""
HELD_S = 8.0
"""Coolify's check of each minute sets the same fields as a validation, which is done within 5 seconds (seen)."""
OLD_WORDS_S = 30.0
"""A validation empties the words of the one before as it begins; in between two looks it may have found the same."""
HELD_WITHOUT_STAMP_S = 90.0
"""Longer than the minute between two checks, either of which would have set the fields back."""
LINES = 20


async def validate_server(step: CoolifyStep) -> JsonObject:
    """Have Coolify validate the server `server`; return when it calls it reachable and usable, anew.

    `proof` says how it is known to be new: `stamp` (Coolify has seen Docker there since the request), `turned` (one of
    both was false before), or `held` (no stamp in this version: both were true all the time, for 90 seconds).
    Coolify installs nothing and changes no setting of Docker.

    Raises:
        StepFailed: it is not reachable or usable, with Coolify's own words; or that is not known in three minutes.
    """
    uuid = step.call.given("server")
    before = await step.coolify.server(uuid)
    lost = await _ask(step, uuid)
    watch = _Watch(step, before, unproved=step.call.params.get("unproved") is True, lost=lost is not None)

    async def look() -> JsonObject | NotYet:
        return watch.judge(await step.coolify.server(uuid))

    return await until(step.call, patiently(look), within_s=DEADLINE_S)


async def _ask(step: CoolifyStep, uuid: str) -> VendorError | None:
    """To ask again does no harm, since a validation only looks: so a lost answer is followed like a good one."""
    era, whether = await step.coolify.era(), "the validation began"
    try:
        return await unless_lost(step, step.coolify.validate_server(uuid, by_post=era.post_only), whether=whether)
    except Rejected as error:
        if error.vendor_code != "post_required":
            raise
    return await unless_lost(step, step.coolify.validate_server(uuid, by_post=True), whether=whether)


class _Watch:
    """What was seen since the request."""

    def __init__(self, step: CoolifyStep, before: Server, *, unproved: bool, lost: bool) -> None:
        self._step = step
        self._lost = lost
        self._stamp = before.docker_checked_at
        self._old_words = before.untrusted_validation_logs
        self._turned = unproved or not (before.reachable and before.usable)
        self._good_since: float | None = None
        self._cleared = not self._old_words
        self._asked_at = step.call.clock.monotonic()

    def judge(self, now: Server) -> JsonObject | NotYet:
        """Return the result once it is good and new, and has stayed so for a while.

        Raises:
            StepFailed: Coolify says what is wrong.
        """
        words = now.untrusted_validation_logs
        waited = self._step.call.clock.monotonic() - self._asked_at
        self._cleared = self._cleared or words != self._old_words or waited > OLD_WORDS_S
        if words and self._cleared:
            raise self._bad(now, words)
        good = now.reachable and now.usable and not words
        proof = self._proof(now.docker_checked_at) if good else ""
        if not proof:
            self._good_since = None
            return NotYet(f"waiting for Coolify to validate {now.name}", self._late(now))
        return self._held(now, proof)

    def _proof(self, stamp: datetime | None) -> str:
        if stamp is not None:
            return "stamp" if self._stamp is None or stamp > self._stamp else ""
        return "turned" if self._turned else "held"

    def _held(self, now: Server, proof: str) -> JsonObject | NotYet:
        at = self._step.call.clock.monotonic()
        self._good_since = at if self._good_since is None else self._good_since
        needed = HELD_WITHOUT_STAMP_S if proof == "held" else HELD_S
        if at - self._good_since < needed:
            return NotYet(f"looking whether {now.name} stays reachable and usable", self._late(now))
        return {"reachable": True, "usable": True, "proof": proof}

    def _bad(self, now: Server, words: str) -> StepFailed:
        return StepFailed(
            f"Coolify's validation of {now.name} at {now.ip} failed.",
            done="The server is entered in Coolify, which puts nothing on it.",
            next="Mend what Coolify says of it, then call again.",
            stage="coolify_validation",
            probable_cause=_cause(words),
            untrusted_log=self._lines(words),
        )

    def _late(self, now: Server) -> StepFailed:
        flags = ", ".join(f"{'' if on else 'not '}{word}" for word, on in _flags(now))
        words = now.untrusted_validation_logs
        return StepFailed(
            f"Coolify has not validated {now.name} after {DEADLINE_S:.0f} s: it calls it {flags}"
            + (", and that may be older than the request." if now.reachable and now.usable else "."),
            done="The answer to the request was lost: it may have begun, and may still run."
            if self._lost
            else "The validation was asked for, and it may still run.",
            unsure=self._lost,
            next="See whether Coolify's workers run (docker logs coolify on the Factory) and whether the Factory gets "
            "into the server over SSH; then call again.",
            stage="coolify_validation",
            probable_cause="Coolify's queue stands still, or its connection to the server hangs",
            untrusted_log=self._lines(words) if words else (),
        )

    def _lines(self, words: str) -> tuple[str, ...]:
        text = self._step.redact(plain_words(words))
        return tuple(line for line in text.splitlines() if line.strip())[-LINES:]


def plain_words(logs: str) -> str:
    """Return the text of Coolify's HTML, cleaned: its tags away, its line breaks kept."""
    broken = re.sub(r"<(?:br|/?div|/?p)\b[^>]{0,400}>", "\n", logs)
    return clean(html.unescape(re.sub(r"<[a-z/][^>]{0,400}>", "", broken)), limit=4_000).strip()


_CAUSES = (
    ("Permission denied", "the server does not take Coolify's key"),
    ("Host key verification", "the server shows another host key than before"),
    ("No route to host", "the Factory has no way to the server"),
    ("timed out", "the Factory does not reach the server's SSH port: a firewall in between drops it"),
    ("Connection refused", "nothing listens at the server's SSH port, or a firewall refuses the Factory"),
    ("Prerequisites", "git, curl or jq is missing on the server"),
    ("OS type is not supported", "Coolify does not know the server's operating system"),
    ("Docker Engine", "Docker or its compose plugin is missing, too old, or not running on the server"),
)


def _cause(logs: str) -> str:
    return next((cause for mark, cause in _CAUSES if mark in logs), "")


def _flags(now: Server) -> tuple[tuple[str, bool], ...]:
    return ("reachable", now.reachable), ("usable", now.usable)
