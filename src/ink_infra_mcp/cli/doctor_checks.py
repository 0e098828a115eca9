"""The doctor's checks of services: state store, Hetzner Cloud, GitHub and DNS."""

import asyncio
import ipaddress
from urllib.parse import urlsplit

import anyio.to_thread
from pydantic import JsonValue

from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.cli.hurry import github_http, hetzner_http
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.clients.resolver import Resolver
from ink_infra_mcp.core.engine import STEP_FORMAT
from ink_infra_mcp.core.errors import VendorError
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.core.systems import DNS, GITHUB, HETZNER, STATE
from ink_infra_mcp.state import approvals, audit, operations
from ink_infra_mcp.state.records import OperationHead
from ink_infra_mcp.state.store import Connection, Store

PROBE_LABEL = "ink-doctor"
"""A name below each wildcard domain that no app has."""


async def check_state(ground: Ground) -> Section:
    """Return whether the store can be written, and what waits in it; raises StateError, and ConfigError without one."""
    if ground.state_trouble is not None:
        raise ground.state_trouble
    store = Store(ground.state_url)
    now = ground.clock.now().timestamp()

    def work(connection: Connection) -> tuple[int, int, tuple[OperationHead, ...]]:
        waiting = approvals.pending(connection, now=now)
        return audit.last_seq(connection), len(waiting), operations.running(connection)

    try:
        # a database that somebody else has locked answers late; the time limit of the check comes first
        lines, waiting, running = await anyio.to_thread.run_sync(store.run_sync, work, abandon_on_cancel=True)
    finally:
        store.close()
    where = store.url.render_as_string(hide_password=True)
    said = f"{where}: {lines} audit lines, {waiting} approvals waiting, {len(running)} operations running."
    stuck = [_stuck(head.id) for head in running if head.step_format != STEP_FORMAT]
    return Section(name="state store", findings=(Finding(level="ok", text=said), *stuck), gives=(STATE,))


def _stuck(operation_id: str) -> Finding:
    return Finding(
        level="warning",
        text=f"{operation_id} was begun by another version, and this one cannot go on with it.",
        next=f"Start that version once, or `ink-infra-mcp operations abandon {operation_id} --reason TEXT`.",
    )


async def check_hetzner(ground: Ground) -> Section:
    """Return whether the token reads its project; raises VendorError.

    What else the token may do cannot be found out without changing something.
    """
    name = "Hetzner Cloud"
    token = ground.secrets.get("hetzner_cloud_token")
    if token is None:
        why = "no Hetzner Cloud token is set"
        text = f"{why}: prices and zones are not known."
        return Section(name=name, findings=(Finding(level="note", text=text),), lacks={HETZNER: why})
    async with hetzner_http(ground.places, token, ground.redact) as http:
        servers = await HetznerCloudLook(http).servers()
    text = f"answers; token from {token.source}; reads {len(servers)} servers; whether it may write is not known."
    return Section(name=name, findings=(Finding(level="ok", text=text),), gives=(HETZNER,))


async def check_github(ground: Ground) -> Section:
    """Return whether GitHub answers, and how many requests are left; raises VendorError only where a token is set."""
    token = ground.secrets.get("github_token")
    try:
        async with github_http(ground.places, token, ground.redact) as http:
            answer = await http.get("/rate_limit")
    except VendorError as error:
        if token is not None:
            raise
        unneeded = Finding(level="warning", text=error.failed, next="Ignore it if no app comes from a git repository.")
        return Section(name="GitHub", findings=(unneeded,), lacks={GITHUB: error.failed})
    left = _number(answer.json, "remaining")
    who = f"token from {token.source}" if token else "no token: public repositories only"
    findings = [Finding(level="ok", text=f"answers; {who}; {left} requests left this hour.")]
    if left == "0":
        findings.append(Finding(level="warning", text="the rate limit is used up.", next="Wait, or set github_token."))
    return Section(name="GitHub", findings=tuple(findings), gives=(GITHUB,))


async def check_dns(ground: Ground) -> Section:
    """Return whether names can be looked up, and whether each Muscle's wildcard leads to it."""
    findings = await _lookups(Resolver(ground.places.nameservers, timeout_s=4.0), ground)
    failed = [finding.text.rstrip(".") for finding in findings if finding.level == "failed"]
    if failed:
        return Section(name="DNS", findings=findings, lacks={DNS: failed[0]})
    return Section(name="DNS", findings=findings, gives=(DNS,))


async def _lookups(resolver: Resolver, ground: Ground) -> tuple[Finding, ...]:
    muscles = ground.fleet.muscles if ground.fleet else ()
    looks = [_wildcard(resolver, muscle) for muscle in muscles if muscle.wildcard_domain]
    return tuple(await asyncio.gather(*(looks or [_name_that_exists(resolver, ground)])))


async def _name_that_exists(resolver: Resolver, ground: Ground) -> Finding:
    """A name that surely exists and is not found means that this machine does not see the public names."""
    name = _name_to_try(ground.fleet)
    seen = await resolver.addresses(name)
    if seen.status == "failed":
        return _no_answer(name)
    if ground.sandbox:
        return Finding(level="ok", text="name servers answer.")
    if seen.status == "found":
        return Finding(level="ok", text=f"names are found ({name}: {', '.join((*seen.ipv4, *seen.ipv6))}).")
    return Finding(
        level="failed",
        text=f"the name servers of this machine find no address of {name}.",
        next="Check that this machine has a network, and its DNS.",
    )


async def _wildcard(resolver: Resolver, muscle: Muscle) -> Finding:
    """A wildcard that leads elsewhere may be meant so, through a proxy: that is a warning."""
    star = f"*.{muscle.wildcard_domain}"
    seen = await resolver.addresses(f"{PROBE_LABEL}.{muscle.wildcard_domain}")
    found = (*seen.ipv4, *seen.ipv6)
    if seen.status == "failed":
        return _no_answer(star)
    if not found:
        fix = f"Add a record {star} that leads to {muscle.address}."
        return Finding(level="warning", text=f"{star} leads nowhere: apps get no address.", next=fix)
    if not _is_address(muscle.address) or muscle.address in found:
        return Finding(level="ok", text=f"{star} leads to {', '.join(found)}.")
    text = f"{star} leads to {', '.join(found)}, not to {muscle.name} ({muscle.address})."
    return Finding(level="warning", text=text, next="Right only if a proxy stands there.")


def _no_answer(name: str) -> Finding:
    return Finding(level="failed", text=f"no name server answered about {name}.", next="Check this machine's DNS.")


def _name_to_try(fleet: Fleet | None) -> str:
    host = urlsplit(fleet.coolify.url).hostname if fleet else None
    return host if host and not _is_address(host) else "github.com"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _number(body: JsonValue, name: str) -> str:
    rate = body.get("rate") if isinstance(body, dict) else None
    value = rate.get(name) if isinstance(rate, dict) else None
    return str(value) if isinstance(value, int) else "?"
