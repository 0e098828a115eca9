"""The doctor's check of Coolify: whether it answers, its version, the clocks, and what the token may do."""

from datetime import datetime
from email.utils import parsedate_to_datetime

from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.cli.hurry import coolify_http
from ink_infra_mcp.clients.coolify.era import NEWEST, Era
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.models import Abilities
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.systems import DEPLOY, READ, SENSITIVE, WRITE
from ink_infra_mcp.settings.secrets import how_to_keep

NAME = "Coolify"
ALL = (READ, SENSITIVE, WRITE, DEPLOY)
MAX_SKEW_S = 60.0
NO_TOKEN = "no token is set."

_WITHOUT = {
    SENSITIVE: " Values of variables and compose files are not read without it: a variable that no running container "
    "shows is set again by each call, its copy for previews keeps the old value, and no compose app is rolled out."
}
"""What does not work without an ability, where the tools' own lines do not say it."""


async def check_coolify(ground: Ground) -> Section:
    """Return what Coolify and the token can do; raises VendorError, also for a switched-off API or a login page."""
    if ground.fleet is None:
        return _unknown("not asked: its address is not known without the configuration.")
    url = ground.fleet.coolify.url
    token = ground.secrets.get("coolify_token")
    async with coolify_http(url, token, ground.redact) as http:
        reached = await _reached(ground, http, url)
        if token is None:
            next_ = how_to_keep("coolify_token", trouble=ground.keyring_trouble)
            return _unknown(NO_TOKEN, (reached, Finding(level="failed", text=NO_TOKEN, next=next_)))
        look = CoolifyLook(http)
        may = await look.abilities()
        version = (_version(await look.era()),) if may.read == "yes" else ()
    told = Finding(level="ok", text=f"token from {token.source}; it may: {_words(may)}.")
    return _judged(may, (reached, *version, told))


def skew_s(date: str, now: datetime) -> float | None:
    """Return how many seconds a server's clock is ahead of ours, from its Date header; None when it tells none."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds()
    except (TypeError, ValueError):
        return None


async def _reached(ground: Ground, http: Http, url: str) -> Finding:
    answer = await http.get("/health")
    skew = None if ground.sandbox else skew_s(answer.headers.get("date", ""), ground.clock.now())
    if skew is None or abs(skew) <= MAX_SKEW_S:
        return Finding(level="ok", text=f"answers at {url}.")
    way = "ahead of" if skew > 0 else "behind"
    return Finding(
        level="warning",
        text=f"answers at {url}; its clock is {abs(skew):.0f} s {way} this machine's.",
        next="Set both by NTP: approvals, tokens and certificates expire by the clock.",
    )


def _version(era: Era) -> Finding:
    if era.version is None or era.version > NEWEST:
        return Finding(level="warning", text=era.words)
    return Finding(level="ok" if era.supported else "failed", text=era.words)


def _judged(may: Abilities, findings: tuple[Finding, ...]) -> Section:
    known = _known(may)
    lacks = {ability: f"the Coolify token lacks the ability {name}" for name, ability, has in known if has == "no"}
    gives = tuple(ability for _, ability, has in known if has == "yes")
    missing = (_missing(ability, why) for ability, why in lacks.items())
    return Section(name=NAME, findings=(*findings, *missing), gives=gives, lacks=lacks)


def _known(may: Abilities) -> tuple[tuple[str, str, str], ...]:
    return (
        ("read", READ, may.read),
        ("read:sensitive", SENSITIVE, may.read_sensitive),
        ("write", WRITE, may.write),
        ("deploy", DEPLOY, may.deploy),
    )


def _words(may: Abilities) -> str:
    return ", ".join(f"{name} {known}" for name, _, known in _known(may))


def _missing(ability: str, why: str) -> Finding:
    level = "failed" if ability == READ else "warning"
    without = _WITHOUT.get(ability, "")
    next_ = "Make a token that has it; no ability includes another but root."
    return Finding(level=level, text=f"{why}.{without}", next=next_)


def _unknown(why: str, findings: tuple[Finding, ...] = ()) -> Section:
    shown = findings or (Finding(level="note", text=why),)
    return Section(name=NAME, findings=shown, lacks=dict.fromkeys(ALL, why.rstrip(".")))
