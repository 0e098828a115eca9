"""Whatever goes wrong while a server's firewall is changed, the server ends up with a whole one and can be reached."""

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from ink_infra_mcp.core.errors import HostError, InkError, StepFailed
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, Manager
from ink_infra_mcp.core.host_firewall.nftables import digest_of
from ink_infra_mcp.hosts.firewall import changes as changes
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.firewalls import Operation, admin_of, change_of, firewall_of
from tests.lab.ground.hosts import Server
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 330
NAME = "muscle-2"
HOME = "/var/lib/ink-infra/firewall"
SOON_S = 3
"""Of probation, where a test waits for its end."""


def state_of(server: Server) -> str:
    """Return where the change is, by the server's own files: armed, kept, reverted, or nothing of it."""
    done = server.run("sh", "-c", f"cd {HOME}/op-1 && ls -d armed kept reverted 2>/dev/null")
    return done.stdout.strip().replace("\n", " ")


def table_of(server: Server) -> str:
    """Return our table as it is loaded, or nothing."""
    return server.run("nft", "-s", "list", "table", "inet", "ink").stdout


def leftovers(server: Server) -> str:
    """Return what is left of the switch: units, timers, and what loads rules at boot."""
    found = server.run("sh", "-c", "ls /etc/systemd/system/*ink-infra* /etc/systemd/system/*/*ink-infra*; "
                       "systemctl list-timers --all --no-legend 'ink-infra*'; ls /etc/ink-infra")  # fmt: skip
    return found.stdout.strip()


async def on_probation(bed: Bed, pool: HostPool, firewall: HostFirewall, *, window_s: int = SOON_S) -> None:
    """Save and set, with a probation as short as a test needs it."""
    permit = permit_here("op-1", "hosts.set_firewall")
    seen = await changes.look(pool, NAME)
    await changes.save(pool, NAME, "op-1", manager=firewall.manager, permit=permit)
    report = await changes.apply(pool, seen, "op-1", firewall=firewall, window_s=window_s, permit=permit)
    assert (report.state, report.live) == ("armed", digest_of(firewall))


async def outcome(bed: Bed, firewall: HostFirewall, **meddle: Callable[[], object]) -> Operation:
    """Run a whole change into some trouble that comes before its steps."""
    async with bed.pool() as pool:
        asked = {name: partial(meanwhile, action) for name, action in meddle.items()}
        operation = Operation.of(pool, change_of(bed.lab.site, NAME, firewall), **asked)
        with anyio.fail_after(LIMIT_S):
            await operation.run()
        return operation


async def is_untouched(bed: Bed, server: Server) -> None:
    """Check that the server has no firewall of ours, nothing left of a change, and lets us in."""
    # a change is over by a rename, and then swept up
    await eventually(
        lambda: not table_of(server) and not leftovers(server), what=f"left: {leftovers(server)}", limit_s=10
    )
    async with bed.pool() as pool:
        await pool.try_new_connection(NAME)


async def test_without_a_keep_the_old_firewall_comes_back_by_itself(bed: Bed) -> None:
    """Rules and files, to the letter; the first change leaves no table behind, a later one the table of before."""
    server = bed.fresh()
    first = firewall_of(bed.lab.site)
    async with bed.pool() as pool:
        await on_probation(bed, pool, first)
        await eventually(lambda: state_of(server) == "reverted", what="the switch did not fire")
        await is_untouched(bed, server)
        permit = permit_here("op-1", "hosts.set_firewall")
        with pytest.raises(StepFailed, match="has put the old firewall back"):
            await changes.keep(pool, NAME, "op-1", digest=digest_of(first), permit=permit)
    server.say("nft", "add table inet ink; add chain inet ink hand; add rule inet ink hand tcp dport 81 drop")
    before = table_of(server)
    server.say("rm", "-r", f"{HOME}/op-1")
    async with bed.pool() as pool:
        await on_probation(bed, pool, first)
        await eventually(lambda: state_of(server) == "reverted", what="the switch did not fire")
    assert table_of(server) == before


@pytest.mark.parametrize("how", ["power cut", "reboot"])
async def test_a_server_that_boots_within_the_probation_boots_into_its_old_firewall(bed: Bed, how: str) -> None:
    """ufw's own files too, before ufw reads them; the operation then says that it is undone."""
    server = bed.fresh()
    server.say("ufw", "allow", "22/tcp")
    server.say("ufw", "--force", "enable")
    before = server.say("ufw", "show", "added")

    def again() -> None:
        was = server.boot_id()
        if how == "reboot":
            server.reboot()
            server.wait_rebooted(was)
        else:
            server.cut_power()
            server.power_on()

    operation = await outcome(bed, firewall_of(bed.lab.site, manager="ufw"), keep=again)
    assert operation.outcome == "undone"
    assert "put the old firewall back" in operation.problem
    assert (state_of(server), server.say("ufw", "show", "added")) == ("reverted", before)
    assert bed.connect("outside", server.machine.ipv4, 22) == "open"
    await is_untouched(bed, server)


async def test_a_cable_cut_in_the_middle_of_the_apply_is_undone_by_the_server(bed: Bed) -> None:
    """It reverts without anybody, and the operation, which has lost sight of it, looks again and says so."""
    server = bed.fresh()
    async with bed.pool(connect_timeout_s=3) as pool:
        operation = Operation.of(pool, change_of(bed.lab.site, NAME, firewall_of(bed.lab.site)))
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(operation.run)
                await eventually(lambda: state_of(server) == "armed", what="it was not armed")
                bed.link(NAME, "drop")
                await eventually(lambda: state_of(server) == "reverted", what="it did not revert", limit_s=180)
                bed.link(NAME, "clear")
    assert operation.outcome == "undone"
    await is_untouched(bed, server)


async def test_a_frozen_server_is_undone_once_it_lives_again(bed: Bed) -> None:
    """Its clock goes on while it is frozen, so the switch fires first of all."""
    server = bed.fresh()

    async def frozen() -> None:
        await meanwhile(server.freeze)

    async with bed.pool(connect_timeout_s=2) as pool:
        operation = Operation.of(pool, change_of(bed.lab.site, NAME, firewall_of(bed.lab.site)), keep=frozen)
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as group:
                group.start_soon(operation.run)
                await eventually(lambda: state_of(server) == "armed", what="it was not armed")
                await anyio.sleep(18)
                await meanwhile(server.thaw)
    assert operation.outcome == "undone"
    await is_untouched(bed, server)


async def test_whoever_does_not_get_in_any_more_stops_the_keep(bed: Bed) -> None:
    """A dead sshd, and a Factory that the rules forgot: proved by a new connection each, and undone."""
    server = bed.fresh()

    def stop_sshd() -> None:
        server.say("systemctl", "stop", "ssh.socket", "ssh.service")

    def start_sshd() -> None:
        server.say("systemctl", "start", "ssh.socket")

    operation = await outcome(bed, firewall_of(bed.lab.site), keep=stop_sshd, undo_save=start_sshd)
    assert operation.outcome == "undone"
    assert "no new connection gets through from this machine" in operation.problem
    await is_untouched(bed, server)
    server.say("rm", "-r", f"{HOME}/op-1")
    admin = HostRule(protocol="tcp", ports="22", sources=admin_of(bed.lab.site), why="the admin alone")
    operation = await outcome(bed, HostFirewall(rules=(admin,), outside=("eth0", "eth1")))
    assert operation.outcome == "undone"
    assert f"no new connection gets through from factory to {server.machine.private_ipv4} port 22" in operation.problem
    await is_untouched(bed, server)


async def test_rules_that_would_lock_us_out_are_refused_before_anything_is_done(bed: Bed) -> None:
    """By the address that this session really comes from, and by the admin's networks of the other family."""
    server = bed.fresh()
    rule = HostRule(protocol="tcp", ports="22", sources=("203.0.113.0/24",), why="somebody else")
    operation = await outcome(bed, HostFirewall(rules=(rule,), outside=("eth0",)))
    site = bed.lab.site
    assert operation.outcome == "undone"
    assert f"would shut out this very session ({site.admin_ipv4}/32 to tcp/22)" in operation.problem
    assert f"the admin ({site.admin_ipv4}/32, {site.admin_ipv6}/128 to tcp/22)" in operation.problem
    assert "Nothing was changed." in operation.problem
    await is_untouched(bed, server)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("rm /usr/sbin/nft", "lacks what a safe change of its firewall takes: nft"),
        ("mount -t tmpfs -o ro none /var/lib", "did not save its firewall: cannot write below /var/lib/ink-infra"),
        (
            "mount -t tmpfs -o size=64k none /var/lib && dd if=/dev/zero of=/var/lib/f bs=1k || :",
            "could not be written",
        ),
        ("systemctl start firewalld", "kept by firewalld now, not by nftables"),
        ("mkdir -p /var/lib/ink-infra/firewall/op-0 && : >/var/lib/ink-infra/firewall/op-0/armed", "still in its time"),
    ],
)
async def test_what_stands_in_the_way_is_said_before_anything_is_changed(bed: Bed, trouble: str, words: str) -> None:
    """Missing programs, a read-only or full disk, another program's firewall, another change."""
    server = bed.fresh()
    server.say("sh", "-c", trouble)
    operation = await outcome(bed, firewall_of(bed.lab.site))
    assert operation.outcome == "failed"
    assert words in operation.problem
    assert "Nothing was changed." in operation.problem
    assert (table_of(server), leftovers(server)) == ("", "")


@pytest.mark.parametrize("step", ["set", "keep"])
async def test_a_disk_that_fills_up_later_is_undone(bed: Bed, step: str) -> None:
    """The way back takes no room: what it puts back was written when it was saved."""
    server = bed.fresh()
    assert (await outcome(bed, firewall_of(bed.lab.site))).outcome == "applied"
    server.say("rm", "-r", f"{HOME}/op-1")
    before, files = table_of(server), leftovers(server)

    def fill() -> None:
        server.run("sh", "-c", "fallocate -l $(df --output=avail -B1 / | tail -1) /fill; "
                   "for n in 1 2; do dd if=/dev/zero of=/fill$n bs=4k; done")  # fmt: skip

    more = HostRule(protocol="udp", ports="443", sources=("0.0.0.0/0",), why="QUIC")
    operation = await outcome(bed, firewall_of(bed.lab.site, more), **{step: fill})
    assert operation.outcome == "undone"
    assert "is the disk full" in operation.problem
    server.say("rm", "-f", "/fill", "/fill1", "/fill2")
    assert (table_of(server), state_of(server)) == (before, "reverted")
    assert leftovers(server).replace("firewall.nft.before-op-1", "").split() == files.split()
    async with bed.pool() as pool:
        assert (await changes.look(pool, NAME)).is_already(firewall_of(bed.lab.site))


async def test_a_table_that_somebody_changes_meanwhile_is_not_kept(bed: Bed) -> None:
    """What is made to last is what was set, and nothing else."""
    server = bed.fresh()

    def change() -> None:
        server.say("nft", "insert rule inet ink input tcp dport 81 accept")

    operation = await outcome(bed, firewall_of(bed.lab.site), keep=change)
    assert operation.outcome == "undone"
    assert "the rules that are loaded are not those that were set" in operation.problem
    await is_untouched(bed, server)


@pytest.mark.parametrize(("service", "manager"), [("ufw", "ufw"), ("nftables", "nftables"), ("firewalld", "firewalld")])
async def test_a_firewall_service_that_is_stopped_meanwhile_ends_the_change(
    bed: Bed, service: str, manager: Manager
) -> None:
    """Between the load and the proof: what is left is not what was planned, and is taken back; everybody gets in."""
    server = bed.fresh()
    server.say("ufw", "allow", "22/tcp")
    begin = ("ufw", "--force", "enable") if service == "ufw" else ("systemctl", "start", service)
    server.say(*begin)

    def stop() -> None:
        server.say("systemctl", "stop", service)

    operation = await outcome(bed, firewall_of(bed.lab.site, manager=manager), keep=stop)
    assert operation.outcome == "undone", operation.problem
    await is_untouched(bed, server)


async def test_a_ufw_that_does_not_do_as_told_is_put_back_at_once(bed: Bed) -> None:
    """One that is locked by another ufw, for instance; rules that were opened already are taken back."""
    server = bed.fresh()
    server.say("ufw", "allow", "22/tcp")
    server.say("ufw", "--force", "enable")
    before = server.say("ufw", "show", "added")
    # the first that is told to delete something fails
    server.write("/usr/local/bin/ufw", '#!/bin/sh\n[ "$1" != delete ] || { echo "ERROR: locked" >&2; exit 1; }\n'
                 'exec /usr/sbin/ufw "$@"\n')  # fmt: skip
    server.say("chmod", "755", "/usr/local/bin/ufw")
    operation = await outcome(bed, firewall_of(bed.lab.site, manager="ufw"))
    assert operation.outcome == "undone"
    assert "ufw does not close what it has to: ufw delete allow" in operation.problem
    assert "The old firewall is back." in operation.problem
    assert server.say("ufw", "show", "added") == before
    await is_untouched(bed, server)


async def test_sudo_without_a_password_will_do_and_with_one_is_said(bed: Bed) -> None:
    """The address that the session comes from gets through sudo; a password is never asked for by a hanging command."""
    server = bed.fresh()
    server.say("sh", "-c", "useradd -m -s /bin/sh ops && echo ops:secret | chpasswd && cp -r /root/.ssh /home/ops/ && "
               "chown -R ops: /home/ops")  # fmt: skip
    host = bed.host(NAME, ssh_user="ops")
    firewall = firewall_of(bed.lab.site)
    async with bed.pool(bed.host("factory"), host) as pool:
        for rule, words in (("", "sudo on muscle-2"), ("ops ALL=(ALL) ALL", "without a password")):
            server.write("/etc/sudoers.d/ops", f"{rule}\n")
            with pytest.raises(HostError, match=words):
                await changes.look(pool, NAME)
        server.write("/etc/sudoers.d/ops", "ops ALL=(ALL) NOPASSWD: ALL\n")
        operation = Operation.of(pool, change_of(bed.lab.site, NAME, firewall))
        assert await operation.run() == "applied", operation.problem
        assert (await changes.look(pool, NAME)).came_from.startswith(f"{bed.lab.site.admin_ipv4} ")


KILLER = """#!/bin/sh
# counts the programs that the script starts, and kills all of the session at one of them
n=$(($(cat /run/kill/count) + 1))
echo "$n ${0##*/} $*" >>/run/kill/log
echo "$n" >/run/kill/count
[ "$n" != "$(cat /run/kill/at)" ] || { rm -f /usr/local/bin/*; pkill -KILL -s "$(ps -o sid= -p $$ | tr -d ' ')"; }
for place in /usr/sbin /usr/bin; do [ ! -x "$place/${0##*/}" ] || exec "$place/${0##*/}" "$@"; done
"""
COUNTED = ("nft", "mv", "systemctl", "systemd-run", "rm", "cp")


def plant_killer(server: Server, at: int) -> None:
    """Let the session that runs the next commands be killed at the one with that number."""
    server.say("mkdir", "-p", "/run/kill")
    for name, text in (("count", "0"), ("at", str(at)), ("log", "")):
        server.write(f"/run/kill/{name}", text)
    for name in COUNTED:
        server.write(f"/usr/local/bin/{name}", KILLER)
        server.say("chmod", "755", f"/usr/local/bin/{name}")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("verb", ["save", "set", "keep"])
async def test_killed_at_any_command_the_server_reverts_or_has_kept(bed: Bed, verb: str) -> None:
    """The script is killed at each program that it starts: either nothing lasts of it, or all of it does."""
    server = bed.fresh()
    firewall, permit = firewall_of(bed.lab.site), permit_here("op-1", "hosts.set_firewall")
    ends: list[str] = []
    async with bed.pool() as pool:
        seen = await changes.look(pool, NAME)

        async def run(verb: str, window_s: int) -> None:
            match verb:
                case "save":
                    await changes.save(pool, NAME, "op-1", manager="nftables", permit=permit)
                case "set":
                    await changes.apply(pool, seen, "op-1", firewall=firewall, window_s=window_s, permit=permit)
                case _:
                    await changes.keep(pool, NAME, "op-1", digest=digest_of(firewall), permit=permit)

        for at in range(1, 60):
            order = ("save", "set", "keep")
            for before in order[: order.index(verb)]:
                await run(before, 2)
            plant_killer(server, at)
            try:
                await run(verb, 2)
            except InkError:
                ends.append(await settled(server))
            else:
                break
            assert bed.connect("admin", server.machine.ipv4, 22) == "open"
            assert bool(table_of(server)) == (ends[-1] == "kept")
            if ends[-1] != "reverted" and server.run("test", "-d", f"{HOME}/op-1").returncode == 0:
                await changes.revert(pool, NAME, "op-1", permit=permit)
            await is_untouched(bed, server)
            server.say("sh", "-c", f"rm -rf /usr/local/bin/* {HOME}/op-1 {HOME}/op-1.part; systemctl reset-failed")
    assert len(ends) >= {"save": 3, "set": 10, "keep": 10}[verb]
    assert set(ends) <= {"", "reverted"} | ({"kept"} if verb == "keep" else set())


async def settled(server: Server) -> str:
    """Return where the change is once no switch is armed any more; the switch has two seconds."""
    await eventually(lambda: "armed" not in state_of(server), what="it stays armed", limit_s=15)
    return state_of(server)
