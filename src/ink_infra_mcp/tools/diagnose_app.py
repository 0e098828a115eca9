"""diagnose_app: why an app is down, in one answer across Coolify, container, server, firewall, DNS, TLS and HTTP."""

import secrets
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.diagnosing import Looked, looked_at
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.diagnosis import Diagnosis, diagnosed
from ink_infra_mcp.core.diagnosis_facts import Finding
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import DNS, HETZNER, MUSCLE, READ, ROBOT, SENSITIVE, Needs
from ink_infra_mcp.core.untrusted import clean_name, fence

WORDS, MOST = 300, 6
"""Characters of one part of a finding, and findings of a kind in one answer."""


class Args(BaseModel):
    """What diagnose_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]


class Report(Frozen):
    """One app. `causes` are in the order of likeliness; `beside` is wrong, too, and does not explain it.

    The verdict is `up` only where everything was read and is as it should be, else `down` or `unknown`. `unknown` are
    the facts that could not be read, and why; `not_looked_at` is what nobody tried to. `asked` is what was asked, and
    from where, until `at` (ISO 8601). `note` says how many more there are than stand here, and what no log shows.
    """

    app: str
    server: str
    verdict: str
    causes: tuple[Finding, ...] = ()
    beside: tuple[Finding, ...] = ()
    unknown: dict[str, str] = {}
    not_looked_at: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    at: str
    note: str = ""
    untrusted_log: tuple[str, ...] = ()


class DiagnoseApp(Query[Args, Look, Report]):
    """Find out why an app is down or serves nobody: the likeliest cause first, with evidence and the call that mends
    it. What could not be read is `unknown`. It changes nothing.
    """

    name: ClassVar[str] = "diagnose_app"
    title: ClassVar[str] = "Why is an app down"
    hint: ClassVar[str] = (
        "site or website is down after a push, unreachable, does not load, nobody can reach it, "
        "error 404, 502, 503; diagnosis"
    )
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((READ,), (MUSCLE, SENSITIVE, DNS, HETZNER, ROBOT))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return what is wrong with the app, from all layers looked at side by side."""
        looked = await looked_at(look, args.app)
        return _report(looked, at=look.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"))

    def render(self, report: Report) -> str:
        """Return the verdict, the causes, and all else that was seen or not."""
        where = f" on {report.server}" if report.server else ""
        lines = [f"{report.app}{where}: {_VERDICTS[report.verdict]} (looked at until {report.at})"]
        for number, cause in enumerate(report.causes, start=1):
            lines += _told(f"cause {number}", cause)
        for finding in report.beside:
            lines += _told("beside", finding)
        lines += [f"unknown: {what}: {why}" for what, why in report.unknown.items()]
        lines += [f"not looked at: {what}" for what in report.not_looked_at]
        lines += [f"asked: {what}" for what in report.asked]
        return "\n".join([*lines, *_log(report)])


_VERDICTS = {
    "down": "DOWN or not as it should be, the likeliest cause first",
    "up": "it is up, as far as was asked",
    "unknown": "nothing was seen to be wrong, and NOT all is known: whether it is up is unknown",
}


def _report(looked: Looked, *, at: str) -> Report:
    found = diagnosed(looked.seen)
    return Report(
        app=looked.seen.name,
        server=looked.seen.muscle,
        verdict=found.verdict,
        causes=tuple(map(_bounded, found.causes[:MOST])),
        beside=tuple(map(_bounded, found.beside[:MOST])),
        unknown={clean_name(what, limit=WORDS): clean_name(why, limit=WORDS) for what, why in found.unknown.items()},
        not_looked_at=found.skipped,
        asked=tuple(clean_name(words, limit=WORDS) for words in looked.asked),
        at=at,
        note="; ".join(filter(None, (_left_out(found), looked.note))),
        untrusted_log=looked.untrusted_log,
    )


def _left_out(found: Diagnosis) -> str:
    """Return in words how many findings are not told."""
    counts = {"causes": len(found.causes) - MOST, "findings beside them": len(found.beside) - MOST}
    words = [f"{count} more {what}" for what, count in counts.items() if count > 0]
    return f"left out here: {' and '.join(words)}" if words else ""


def _bounded(finding: Finding) -> Finding:
    words = {name: clean_name(text, limit=WORDS) for name, text in finding.model_dump().items()}
    return Finding(**words)


def _told(head: str, finding: Finding) -> Iterator[str]:
    yield f"{head}: {finding.what} [{finding.code}]"
    yield f"  seen: {finding.evidence}"
    yield f"  next: {finding.mend}"


def _log(report: Report) -> Iterator[str]:
    if report.untrusted_log:
        yield fence("\n".join(report.untrusted_log), nonce=secrets.token_hex(8), label="log of what failed")
    if report.note:
        yield report.note
