"""The script that changes a server's own firewall gets the same answers from the sandbox as from a real server."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, Manager
from ink_infra_mcp.core.host_firewall.nftables import digest_of
from ink_infra_mcp.hosts.firewall import changes as changes
from ink_infra_mcp.hosts.firewall.changes import Report, Seen
from tests.lab.bed import Bed
from tests.lab.shapes import Shape, apart, shape
from tests.lab.twins import NAME, NOTHING, SITUATIONS, Situation, Twin, pretend, real
from tests.ssh.servers import permit

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(720)]

LIMIT_S = 660
EVERYBODY = ("0.0.0.0/0", "::/0")
CHANGED = ("nothing filters", "ufw is active, and ports are published", "nft is absent", "firewalld")
ONCE = frozenset(
    {
        "a second apply",
        "apply after revert",
        "another change, which finds it on probation",
        "revert of it",
        "a second change applied",
        "a rule put in by hand",
        "a look at what was altered",
        "keep of what was altered",
        "revert of what was altered",
        "a third change",
        "a third change applied for a second",
        "its second is over",
        "keep too late",
        "a last look",
    }
)
"""What goes the same way whoever keeps the firewall, and takes its time: it is done where nobody does."""
Act = Callable[[], Awaitable[object]]


def firewall_of(manager: Manager) -> HostFirewall:
    """Return the same firewall for both: SSH for everybody, the web for some."""
    ssh = HostRule(protocol="tcp", ports="22", sources=EVERYBODY, why="SSH")
    web = HostRule(protocol="tcp", ports="80,443", sources=("192.0.2.0/24", "2001:db8::/32"), why="the web")
    return HostFirewall(manager=manager, rules=(ssh, web), outside=("eth0", "eth1"))


def acts_of(twin: Twin, manager: Manager) -> dict[str, Act]:
    """Return every move that the product makes, in the right order and in wrong ones."""
    pool, allowed, firewall = twin.pool, permit(), firewall_of(manager)
    digest = digest_of(firewall)
    other: Manager = "nftables" if manager == "ufw" else "ufw"

    def save(change: str, by: Manager = manager) -> Act:
        return lambda: changes.save(pool, NAME, change, manager=by, permit=allowed)

    def apply(change: str, window_s: int = 600) -> Act:
        async def look_and_apply() -> object:
            seen = await changes.look(pool, NAME)
            return await changes.apply(pool, seen, change, firewall=firewall, window_s=window_s, permit=allowed)

        return look_and_apply

    def keep(change: str, wanted: str = digest) -> Act:
        return lambda: changes.keep(pool, NAME, change, digest=wanted, permit=allowed)

    def revert(change: str) -> Act:
        return lambda: changes.revert(pool, NAME, change, permit=allowed)

    def look() -> Awaitable[object]:
        return changes.look(pool, NAME)

    return {
        "a look at what is there": look,
        "save for another manager": save("op-1", other),
        "keep without save": keep("op-1"),
        "revert of an unknown change": revert("op-1"),
        "apply without save": apply("op-1"),
        "a change whose name is none": save("Op_1"),
        "save": save("op-1"),
        "a look at it": look,
        "a second save": save("op-1"),
        "keep without apply": keep("op-1"),
        "apply": apply("op-1"),
        "a second apply": apply("op-1"),
        "a look at it on probation": look,
        "another change meanwhile": save("op-2"),
        "keep of other rules": keep("op-1", "0123"),
        "keep": keep("op-1"),
        "a second keep": keep("op-1"),
        "a look at it kept": look,
        "apply after keep": apply("op-1"),
        "revert of what was kept": revert("op-1"),
        "a second revert": revert("op-1"),
        "keep after revert": keep("op-1"),
        "a look after revert": look,
        "apply after revert": apply("op-1"),
        "another change, which finds it on probation": save("op-2"),
        "revert of it": revert("op-1"),
        "another change": save("op-2"),
        "keep of a change that is forgotten": keep("op-1"),
        "a second change applied": apply("op-2"),
        "a rule put in by hand": twin.alter,
        "a look at what was altered": look,
        "keep of what was altered": keep("op-2"),
        "revert of what was altered": revert("op-2"),
        "a third change": save("op-3"),
        "a third change applied for a second": apply("op-3", 1),
        "its second is over": lambda: twin.expire("op-3"),
        "keep too late": keep("op-3"),
        "a last look": look,
    }


async def told(twin: Twin, situation: Situation) -> dict[str, Shape]:
    """Make every move and return what was said to each; the two firewalls are one, so the digests must be, too."""
    left_out = ONCE if situation is not NOTHING else frozenset[str]()
    acts = {name: act for name, act in acts_of(twin, situation.manager).items() if name not in left_out}
    return {name: _said(await _outcome(act)) for name, act in acts.items()}


async def _outcome(act: Act) -> object:
    try:
        return await act()
    except InkError as error:
        return error


def _said(answer: object) -> Shape:
    if isinstance(answer, Report):
        return {**asdict(answer)}
    return _seen(answer) if isinstance(answer, Seen) else shape(answer)


def _seen(seen: Seen) -> Shape:
    """Values, all of them: only where we come from and what Docker numbers differ from server to server."""
    return {
        "is_root": seen.uid == 0,
        "came_from": len(seen.came_from.split()) == 4,
        "has": sorted(seen.has),
        "missing": [*seen.missing],
        "manager": seen.manager,
        "live": seen.live,
        "persisted": seen.persisted,
        "loaded_at_boot": seen.loaded_at_boot,
        "changes": {**seen.changes},
        "ufw": [seen.ufw_default, seen.ufw_ipv6, *map(str, seen.ufw_rules)],
        "firewalld": [*seen.zones, *sorted(seen.rich_rules)],
    }


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(one, marks=[pytest.mark.long] if one.name == "firewalld" else [])
        for one in SITUATIONS
        if one.name in CHANGED
    ],
    ids=lambda situation: situation.name,
)
async def test_a_change_of_a_pretend_firewall_goes_as_one_of_a_real_firewall_does(
    situation: Situation, bed: Bed, tmp_path: Path
) -> None:
    """Every move and every wrong one is answered alike: states, managers, digests, rules, statuses and words."""
    with anyio.fail_after(LIMIT_S):
        async with real(situation, bed) as twin:
            wanted = await told(twin, situation)
        async with pretend(situation, tmp_path) as twin:
            found = await told(twin, situation)
    assert apart(found, wanted) == {}
