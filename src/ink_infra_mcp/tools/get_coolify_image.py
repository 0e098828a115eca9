"""get_coolify_image: which Coolify image really runs, what would replace it, and what depends on it."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.areas.factory.ages import days
from ink_infra_mcp.areas.factory.copies import copy_age_of
from ink_infra_mcp.areas.factory.findings import backup_of, drift_of, drill_age_of, findings, some
from ink_infra_mcp.areas.factory.image import Picture, picture
from ink_infra_mcp.areas.factory.upstream import Upstream
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drift import Line, counted, in_order, lines_of, verdict
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import FACTORY, GITHUB, MUSCLE, READ, Needs
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import repository_of
from ink_infra_mcp.hosts.factory.looking import BASE, PROD

UNKNOWN = "?"
_MOST_CHARS = 2_400
"""Of the findings: both forms of the answer together are at most 2,000 tokens (o200k)."""


class Args(BaseModel):
    """What get_coolify_image takes: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Apps(Frozen):
    """Apps by name, as many as there are, the first few named. `unseen` are those whose containers nobody saw."""

    relying: str
    not_isolated: str
    unseen: str


class Report(Frozen):
    """The image; `?` is not known. `version_told` is what Coolify's API says, `based_on` what is in the image.

    `drift` is what the next `up` would start in place of what runs. `findings` are the worst, `more` did not fit.
    """

    verdict: str
    image: str
    digest: str
    kind: str
    based_on: str
    version_told: str
    accepts_runtime: str
    configured: str
    configured_in: str
    overrides: tuple[str, ...]
    drift: str
    auto_update: str
    upstream: Upstream
    apps: Apps
    last_backup: str
    last_proved_restore: str
    counts: dict[str, int]
    findings: tuple[Line, ...]
    more: int = 0


class GetCoolifyImage(Query[Args, Look, Report]):
    """Show which Coolify image really runs on the Factory: fork or official, --runtime, drift, auto-update, upstream,
    backups, apps that depend on it. It changes nothing; `?` is not known.
    """

    name: ClassVar[str] = "get_coolify_image"
    title: ClassVar[str] = "Show the Coolify image"
    hint: ClassVar[str] = "whether we still run our Coolify fork, its version, runtime option, will it update itself"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((FACTORY,), (READ, MUSCLE, GITHUB))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return the image in service, all systems asked side by side; what does not answer is a finding."""
        return report_of(await picture(look))

    def render(self, report: Report) -> str:
        """Return the facts, then the findings, the worst first."""
        up = report.upstream
        lines = [
            f"verdict: {report.verdict}",
            f"runs: {report.image} ({report.kind}, based on {report.based_on}; API says {report.version_told})",
            f"digest: {report.digest}; accepts --runtime: {report.accepts_runtime}",
            f"configured: {report.configured} in {report.configured_in}; drift: {report.drift}",
            f"overrides: {', '.join(report.overrides) or 'none'}; auto-update: {report.auto_update}",
            f"upstream: {up.pull_request or '-'} {up.state}, released: {up.released}; "
            f"newest {up.newest}, {up.newer} newer",
            f"rely on --runtime: {report.apps.relying}; not isolated: {report.apps.not_isolated}",
            f"last backup: {report.last_backup}; last proved restore: {report.last_proved_restore}",
        ]
        lines += [f"{f.severity}: {f.what} [{f.code}; {f.evidence}] -> {f.mend}" for f in report.findings]
        return "\n".join([*lines, *([f"{report.more} more findings"] if report.more else [])])


def report_of(seen: Picture) -> Report:
    """Return the answer for what was seen."""
    facts, every = seen.facts, in_order(findings(seen))
    lines = lines_of(every)
    fit = _fitting(lines)
    return Report(
        verdict=verdict(every),
        image=_text(facts.reference),
        digest=_digest(seen),
        kind=seen.kind,
        based_on=_text(facts.base),
        version_told=_text(seen.told),
        accepts_runtime=_yes(seen.option),
        configured=_text(seen.configured.image),
        configured_in=_text(seen.configured.file),
        overrides=_overrides(seen),
        drift=_drift(seen),
        auto_update=_auto_update(seen),
        upstream=seen.upstream.model_copy(update={"why": clean_name(seen.upstream.why, limit=200)}),
        apps=_apps(seen),
        last_backup=_backup(seen),
        last_proved_restore=_drill(seen),
        counts=counted(every),
        findings=fit,
        more=len(lines) - len(fit),
    )


def _text(known: str | None) -> str:
    return clean_name(known or UNKNOWN, limit=200)


def _overrides(seen: Picture) -> tuple[str, ...]:
    images = seen.facts.images
    return (UNKNOWN,) if images is None else tuple(name for name in images if name not in (BASE, PROD))


def _fitting(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    sizes = [len(line.model_dump_json()) for line in lines]
    fit = sum(sum(sizes[: n + 1]) <= _MOST_CHARS for n in range(len(sizes)))
    return lines[: max(1, fit)]


def _yes(known: bool | None) -> str:
    return UNKNOWN if known is None else "yes" if known else "no"


def _digest(seen: Picture) -> str:
    """An image that was built on the Factory was never in a registry, and has none."""
    if seen.facts.digests is None:
        return UNKNOWN
    own = repository_of(seen.facts.reference or "")
    digests = sorted(seen.facts.digests, key=lambda digest: repository_of(digest) != own)
    return clean_name(digests[0].partition("@")[2], limit=80) if digests else "none"


def _drift(seen: Picture) -> str:
    other = drift_of(seen)
    return UNKNOWN if other is None else clean_name(other, limit=200) or "none"


def _auto_update(seen: Picture) -> str:
    update = seen.facts.auto_update
    if update is None:
        return UNKNOWN
    return f"on, at `{update.cron}` ({update.zone})" if update.on else "off"


def _apps(seen: Picture) -> Apps:
    if seen.apps is None:
        return Apps(relying=UNKNOWN, not_isolated=UNKNOWN, unseen=UNKNOWN)
    return Apps(relying=_named(seen.relying), not_isolated=_named(seen.weak), unseen=_named(seen.blind))


def _named(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {some(names)}" if names else "0"


def _backup(seen: Picture) -> str:
    backup = backup_of(seen)
    if backup is None:
        return UNKNOWN
    told = UNKNOWN if seen.facts.schedules is None else _ago(backup.told)
    return f"{_ago(backup.file)}; by Coolify's word {told}; off the host {_copy(seen)}"


def _copy(seen: Picture) -> str:
    """Without a place nobody knows whether somebody copies backups by other means."""
    return UNKNOWN if seen.copies is None else _ago(copy_age_of(seen))


def _drill(seen: Picture) -> str:
    age = drill_age_of(seen)
    return age if isinstance(age, str) else _ago(age)


def _ago(seconds: int | None) -> str:
    return "never" if seconds is None else f"{days(seconds)} ago"
