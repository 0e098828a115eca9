"""`doctor`: checks every system, secret and tool, all at once, and says what to do about what is wrong."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import anyio

from ink_infra_mcp.cli.doctor_checks import check_dns, check_github, check_hetzner, check_state
from ink_infra_mcp.cli.doctor_coolify import ALL as COOLIFY
from ink_infra_mcp.cli.doctor_coolify import check_coolify
from ink_infra_mcp.cli.doctor_ground import Ground, ground_of
from ink_infra_mcp.cli.doctor_hosts import abilities_of, check_host, pool_of
from ink_infra_mcp.cli.doctor_place import NAME as PLACE
from ink_infra_mcp.cli.doctor_place import check_place
from ink_infra_mcp.cli.doctor_report import Finding, Report, Section, as_json, as_text
from ink_infra_mcp.cli.doctor_robot import check_robot
from ink_infra_mcp.cli.doctor_tools import judge, lacking
from ink_infra_mcp.cli.opening import Opener
from ink_infra_mcp.cli.terminal import readable, shown
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.systems import DNS, GITHUB, HETZNER, MUSCLE, ROBOT, STATE
from ink_infra_mcp.ssh.pool import HostPool
from ink_infra_mcp.tools import ALL

LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """One system to look at, and the abilities that tools lack when that fails."""

    name: str
    abilities: tuple[str, ...]
    look: Callable[[], Awaitable[Section]]


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit status is 1 when something failed, and warnings are no failure."""
    return anyio.run(_run, arguments)


async def examine(ground: Ground, *, limit_s: float = LIMIT_S) -> Report:
    """Return the report on everything, each check within `limit_s` seconds; nothing raises."""
    fleet = ground.fleet
    if fleet is None:
        return report_of(ground, await look(services(ground), ground, limit_s=limit_s))
    async with pool_of(ground, fleet) as pool:
        sections = await look([*services(ground), *hosts(ground, fleet, pool)], ground, limit_s=limit_s)
    return report_of(ground, sections if fleet.muscles else [*sections, _no_muscles()])


def services(ground: Ground) -> list[Check]:
    """Return the checks of everything that is no server of the fleet."""
    return [
        Check("state store", (STATE,), partial(check_state, ground)),
        Check("Coolify", COOLIFY, partial(check_coolify, ground)),
        Check("Hetzner Cloud", (HETZNER,), partial(check_hetzner, ground)),
        Check(ROBOT, (ROBOT,), partial(check_robot, ground)),
        Check("GitHub", (GITHUB,), partial(check_github, ground)),
        Check("DNS", (DNS,), partial(check_dns, ground)),
    ]


def hosts(ground: Ground, fleet: Fleet, pool: HostPool) -> list[Check]:
    """Return the checks of the fleet's servers, and of the place of their Factory's backups."""
    servers = [
        Check(host.name, abilities_of(host, fleet), partial(check_host, ground, fleet, pool, host))
        for host in fleet.hosts
    ]
    return [*servers, Check(PLACE, (), partial(check_place, ground, fleet.backup_place, pool))]


async def look(checks: Sequence[Check], ground: Ground, *, limit_s: float) -> list[Section]:
    """Return what all the checks found, run at once, each within the limit; nothing raises."""
    ended = await asyncio.gather(*(_limited(check, limit_s) for check in checks), return_exceptions=True)
    return [
        found if isinstance(found, Section) else _broken(check, found, ground)
        for check, found in zip(checks, ended, strict=True)
    ]


def report_of(ground: Ground, sections: Sequence[Section]) -> Report:
    """Return the report on these sections, the configuration first, with what follows from them for the tools."""
    every = (ground.section, *sections)
    return Report(sandbox=ground.sandbox, sections=every, tools=judge((tool.name for tool in ALL), lacking(every)))


async def _run(arguments: argparse.Namespace) -> int:
    opener = Opener(arguments)
    try:
        # the key store may keep a thread waiting for seconds
        ground = await anyio.to_thread.run_sync(ground_of, arguments, opener)
        report = await examine(ground)
    finally:
        await opener.close()
    said = json.dumps(as_json(report), indent=2, ensure_ascii=False) if arguments.json else as_text(report)
    with readable():
        print(shown(ground.redact(said)))
    return 0 if report.healthy else 1


async def _limited(check: Check, limit_s: float) -> Section:
    with anyio.move_on_after(limit_s):
        try:
            return await check.look()
        except InkError as error:
            return _failed(check, error.failed, error.next)
    return _failed(check, f"gave no answer within {limit_s:g} s.", "Check that it is up, and the way there.")


def _failed(check: Check, why: str, next: str) -> Section:
    finding = Finding(level="failed", text=why, next=next)
    return Section(name=check.name, findings=(finding,), lacks=dict.fromkeys(check.abilities, why.rstrip(".")))


def _broken(check: Check, error: BaseException, ground: Ground) -> Section:
    """A fault of ours is told like any other trouble: the doctor ends with its report whatever happens."""
    words = ground.redact(f"{type(error).__name__}: {error}")
    return _failed(check, f"the check itself broke with {words}.", "This is a fault of ink-infra-mcp: report it.")


def _no_muscles() -> Section:
    why = "fleet.toml names no Muscle"
    return Section(name="Muscles", findings=(Finding(level="warning", text=f"{why}."),), lacks={MUSCLE: why})
