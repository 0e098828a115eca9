"""apply_firewall is killed with SIGKILL before, in and after every step: nobody is shut out, and the next ends it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.host_firewall.model import HostRule
from ink_infra_mcp.core.host_firewall.nftables import digest_of
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.caller import Asked
from ink_infra_mcp.hosts.firewall import changes as changes
from ink_infra_mcp.tools.check_firewall import Args, CheckFirewall
from tests.engine.aftermath import approvals, kept, once
from tests.engine.killing import CALLER, CHECKPOINT, Moment, begin_forking
from tests.lab import killing
from tests.lab.bed import Bed, eventually
from tests.lab.broken import BROKEN, break_
from tests.lab.chosen import chosen
from tests.lab.firewalls import firewall_of
from tests.lab.ground.commands import LabError
from tests.lab.ground.hosts import Server
from tests.lab.killing import Death, Hold, Scene
from tests.lab.test_firewall_tools import HARMLESS
from tests.lab.watch import AT_ONCE_S, WITH_UFW_S, watching
from tests.permits import permit_here

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1200)]

LIMIT_S = 1140
HOME = "/var/lib/ink-infra/firewall"
AUDIT = "INSERT INTO ink_audit"
NOW = "UPDATE ink_operations SET now_at"
PLAIN, UFW = "muscle-1", "muscle-2"
CONNECT_S = {PLAIN: AT_ONCE_S, UFW: WITH_UFW_S}
WAYS = {PLAIN: "nothing filters and Coolify's port is published", UFW: "ufw that Docker goes round"}
"""Two servers at the same time, both with ports that Docker publishes: one without a firewall, one with ufw."""
SOON_S, LATER_S = 15, 600
"""The shortest probation there is, and one whose end no test sees."""
QUIC = HostRule(protocol="udp", ports="443", sources=("0.0.0.0/0",), why="QUIC")
BROKEN_RELOAD = """#!/bin/sh
[ "$1" != reload ] || { /usr/sbin/ufw --force disable; exit 1; }
exec /usr/sbin/ufw "$@"
"""

STEPS = {"save": "hosts.save_firewall", "set": "hosts.set_firewall", "keep": "hosts.keep_firewall"}
"""The steps of the plan, by the ends of their ids, with their kinds."""
INSIDE: Mapping[str, Mapping[str, Sequence[Death]]] = {
    PLAIN: {
        "save": [Hold("mv", "*.part*")],
        "set": [Hold("nft", "-f*/table"), Hold("nft", "-f*/table", after=True)],
        "keep": [Moment("sends", "keep"), Hold("mv", "*/armed*/kept")],
    },
    UFW: {
        "save": [],
        "set": [Hold("ufw", "allow*"), Hold("nft", "-f*/table", after=True), Hold("ufw", "delete*")],
        "keep": [Hold("mv", "*/armed*/kept")],
    },
}
"""Written down and not yet called saved; armed, and not loaded, or loaded and not answered, and in between ufw is told
what to open and then what to close; proved and not yet kept; lasting and still armed."""
THE_END: Mapping[str, Sequence[Sequence[Death]]] = {
    PLAIN: [
        [Moment("statement", NOW, "verifying"), Moment("statement", CHECKPOINT, "verify")],
        [Moment("statement", AUDIT, "end")],
    ],
    UFW: [[Moment("statement", CHECKPOINT, "finish")]],
}
"""Before and after the verification; in the transaction of the end; after it, when nothing is left to be resumed."""


def around(server: str, step: str) -> Sequence[Sequence[Death]]:
    """Return the moments of a step, or of the end, as the deaths of one operation each.

    Round the step three processes die in a row: before it, after it and before that is written down, and after that and
    before the checkpoint. Inside, one dies, and what differs on the two servers is tried on both.
    """
    if step not in STEPS:
        return THE_END[server]
    kind, name = STEPS[step], f"{server.replace('-', '_')}_{step}"
    row = [Moment("before", kind), Moment("after", kind), Moment("statement", CHECKPOINT, name)]
    return [row, *([moment] for moment in INSIDE[server][step])]


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking(killing.__name__)


def scene(bed: Bed, folder: Path, name: str) -> Scene:
    """Return a fresh server that is wrong in its way, and an empty state folder."""
    server = bed.fresh(name)
    break_(bed.lab.site, server, BROKEN[WAYS[name]])
    (folder / name).mkdir()
    return Scene(bed, server, folder / name)


def filters(server: Server) -> str:
    """Return everything that filters on a server, now and after its next boot, and every unit of ours."""
    return server.say(
        "sh", "-c", "nft -s list ruleset; cat /etc/ufw/user.rules /etc/ufw/user6.rules /etc/default/ufw; ufw status; "
        "find /etc/systemd/system /etc/ink-infra -name '*ink*' ! -type d; "
        "cat /etc/ink-infra/firewall.nft /etc/systemd/system/*ink-infra*; true",
    )  # fmt: skip


def on_probation(server: Server) -> str:
    """Return what is left of a probation on a server: units and timers, files half written, and running scripts."""
    return server.run(
        "sh", "-c", "systemctl list-units --all --no-legend 'ink-infra-firewall-revert*'; "
        "systemctl list-timers --all --no-legend 'ink-infra*'; systemctl list-units --failed --no-legend; "
        "find /etc/systemd/system /run/systemd/transient -name 'ink-infra-firewall-revert*'; "
        f"find {HOME} /etc/ink-infra -name armed -o -name '*.new' -o -name '*.part' -o -name '*.ink-new'; "
        "pgrep -a -f '[i]nk-firewall'",
    ).stdout.strip()  # fmt: skip


async def receipt_of(it: Scene) -> Receipt:
    """Return the newest operation's receipt."""
    app = it.open()
    try:
        (operation,) = await app.guarded.operations.newest(before=None, limit=1)
    finally:
        await app.aclose()
    assert operation.receipt
    return operation.receipt


async def nothing_is_left(it: Scene) -> None:
    """Check that the server has forgotten the probation."""
    # a change is over by a rename, and then swept up
    with suppress(LabError):
        await eventually(lambda: not on_probation(it.server), what="something is left")
    assert on_probation(it.server) == ""


async def is_applied(it: Scene, deaths: Sequence[Death], *, resumed: int) -> str:
    """Check one operation that was ended by the last process; return its id."""
    about = f"{it.server.name}: {', '.join(map(str, deaths))}"
    assert (about, kept(it.folder)[0]) == (about, once(resumed=resumed)), await receipt_of(it)
    await nothing_is_left(it)
    app = it.open()
    try:
        (operation,) = await app.guarded.operations.newest(before=None, limit=1)
        seen = await changes.look(app.hosts, it.server.name)
        assert (seen.changes, seen.persisted, seen.loaded_at_boot) == ({operation.id: "kept"}, seen.live, True)
        report = await CheckFirewall().observe(Args(server=it.server.name), app.look)
        assert [found for found in report.findings if found.code not in HARMLESS] == []
    finally:
        await app.aclose()
    return operation.id


async def put_back(it: Scene, operation_id: str, before: str) -> None:
    """Take the change back by what was saved for it, and check that the server is as it was, to the letter."""
    permit = permit_here(operation_id, "hosts.revert_firewall")
    async with it.bed.pool() as pool:
        report = await changes.revert(pool, it.server.name, operation_id, permit=permit)
    assert report.state == "reverted"
    await nothing_is_left(it)
    assert filters(it.server) == before


async def walk(bed: Bed, folder: Path, name: str, rows: Sequence[Sequence[Death]]) -> None:
    """Let an operation be killed at each row of moments, ended by the next process, and taken back."""
    it = await anyio.to_thread.run_sync(scene, bed, folder, name)
    before = filters(it.server)
    with watching(it.server, connect_s=CONNECT_S[name]):
        for deaths in rows:
            for number, death in enumerate(deaths):
                await it.kill(death, calls=number == 0)
            await it.succeed()
            resumed = 0 if deaths in THE_END[UFW] else len(deaths)
            await put_back(it, await is_applied(it, deaths, resumed=resumed), before)


@pytest.mark.parametrize("step", chosen([*STEPS, "the end"], {"set"}))
async def test_a_killed_change_lets_everybody_in_and_is_ended_by_the_next_process(
    bed: Bed, tmp_path: Path, step: str
) -> None:
    """All the while new connections get in and open ones live; it is applied and proved once, nothing is left behind,
    and what was saved before the kill puts the old firewall back.
    """
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            for name in WAYS:
                group.start_soon(walk, bed, tmp_path, name, around(name, step))


async def test_the_walk_goes_round_every_step_of_the_plan(bed: Bed, tmp_path: Path) -> None:
    """A step that apply_firewall gains on a server is missed here until it is walked round."""
    it = Scene(bed, await anyio.to_thread.run_sync(bed.clean, PLAIN), tmp_path)
    app = it.open()
    try:
        with anyio.fail_after(LIMIT_S):
            tool = app.mutations["apply_firewall"]
            asked = await app.change(tool, tool.args.model_validate(it.call), CALLER)
    finally:
        await app.aclose()
    assert isinstance(asked, Asked)
    assert {step.id: step.kind for step in asked.approval.plan.steps} == {
        f"muscle_1_{step}": kind for step, kind in STEPS.items()
    }


async def test_a_change_killed_before_its_begin_is_written_never_began(bed: Bed, tmp_path: Path) -> None:
    """It is planned and approved, and nothing is done; the next process finds nothing to go on with."""
    with anyio.fail_after(LIMIT_S):
        it = await anyio.to_thread.run_sync(scene, bed, tmp_path, PLAIN)
        before = filters(it.server)
        with watching(it.server):
            await it.kill(Moment("statement", AUDIT, "begin"), calls=True)
            await it.succeed()
    assert (kept(it.folder), approvals(it.folder)) == ([], ["approved"])
    assert filters(it.server) == before
    assert it.server.run("ls", HOME).stdout == ""


async def nobody_comes(it: Scene, dies: Moment) -> str:
    """Let a change be killed, and the server put its old firewall back by itself; return what filters then."""
    await it.kill(dies, calls=True, window_s=SOON_S)
    await eventually(it.reverted, what="the switch did not fire", limit_s=300)
    await nothing_is_left(it)
    return filters(it.server)


async def undone_and_told(bed: Bed, folder: Path) -> None:
    """Set and written down, and dead until the window is over: it is not set again, and the receipt tells why."""
    it = await anyio.to_thread.run_sync(scene, bed, folder, PLAIN)
    before = filters(it.server)
    with watching(it.server):
        assert await nobody_comes(it, Moment("before", "hosts.keep_firewall")) == before
        await it.succeed()
        await nothing_is_left(it)
    assert filters(it.server) == before
    told = await receipt_of(it)
    assert kept(it.folder) == [replace(once(), outcome="undone", checks=frozenset())]
    assert "the switch has put the old firewall back, since the change was not kept in time" in told.message
    assert [step.state for step in told.steps] == ["undone", "done", "failed"]


async def set_again(bed: Bed, folder: Path) -> None:
    """Set and not written down: the next process begins the step once more, and proves and keeps it."""
    dies = Moment("after", "hosts.set_firewall")
    it = await anyio.to_thread.run_sync(scene, bed, folder, UFW)
    before = filters(it.server)
    with watching(it.server, connect_s=WITH_UFW_S):
        assert await nobody_comes(it, dies) == before
        await it.succeed()
        await put_back(it, await is_applied(it, [dies], resumed=1), before)


async def test_what_nobody_comes_back_for_is_undone_by_the_server_and_told_or_set_again(
    bed: Bed, tmp_path: Path
) -> None:
    """What was set and written down ends as undone; what was not written down is set once more, and kept."""
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(undone_and_told, bed, tmp_path)
            group.start_soon(set_again, bed, tmp_path)


async def test_a_change_that_is_set_again_is_taken_back_as_wholly_as_the_first_time(bed: Bed) -> None:
    """A process that comes after the switch has fired sets it again: what the next boot loads is put back, too."""
    server = await anyio.to_thread.run_sync(bed.fresh, PLAIN)
    permit = permit_here("op-2", "hosts.set_firewall")
    first = firewall_of(bed.lab.site)
    other = firewall_of(bed.lab.site, QUIC)
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            for change, firewall in (("op-1", first), ("op-2", other)):
                await changes.save(pool, PLAIN, change, manager="nftables", permit=permit)
                seen = await changes.look(pool, PLAIN)
                before = filters(server)
                await changes.apply(pool, seen, change, firewall=firewall, window_s=LATER_S, permit=permit)
                if change == "op-1":
                    await changes.keep(pool, PLAIN, change, digest=digest_of(firewall), permit=permit)
            await changes.revert(pool, PLAIN, "op-2", permit=permit)
            await changes.apply(pool, seen, "op-2", firewall=other, window_s=LATER_S, permit=permit)
            await changes.keep(pool, PLAIN, "op-2", digest=digest_of(other), permit=permit)
            report = await changes.revert(pool, PLAIN, "op-2", permit=permit)
            assert (report.state, report.live) == ("reverted", digest_of(first))
            assert (await changes.look(pool, PLAIN)).is_already(first)
    assert filters(server) == before


async def test_a_reload_of_ufw_that_broke_off_is_done_once_more(bed: Bed) -> None:
    """ufw is switched off in the middle of its reload: files that are back already do not mean that it filters."""
    server = await anyio.to_thread.run_sync(bed.fresh, PLAIN)
    server.say("sh", "-ec", "ufw allow 22/tcp; ufw allow 9100/tcp; ufw --force enable")
    before = filters(server)
    permit = permit_here("op-1", "hosts.set_firewall")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            await changes.save(pool, PLAIN, "op-1", manager="ufw", permit=permit)
            seen = await changes.look(pool, PLAIN)
            firewall = firewall_of(bed.lab.site, manager="ufw")
            await changes.apply(pool, seen, "op-1", firewall=firewall, window_s=LATER_S, permit=permit)
            server.write("/usr/local/bin/ufw", BROKEN_RELOAD)
            server.say("chmod", "755", "/usr/local/bin/ufw")
            with pytest.raises(StepFailed, match="not all of the old firewall could be put back"):
                await changes.revert(pool, PLAIN, "op-1", permit=permit)
            server.say("rm", "/usr/local/bin/ufw")
            assert (await changes.revert(pool, PLAIN, "op-1", permit=permit)).state == "reverted"
    assert filters(server) == before
