"""The product's way to servers holds on real ones: limits, refusals, crashes, cuts and silence, each said plainly."""

from collections.abc import Callable, Coroutine

import anyio
import asyncssh
import pytest

from ink_infra_mcp.core.errors import CommandFailed, HostError, HostKeyChanged, HostLoginRefused, HostUnreachable
from ink_infra_mcp.ssh.command import CommandResult
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.ssh.openssh import new_key
from tests.ssh.servers import AtTheirWord, look, permit, script

pytestmark = pytest.mark.anyio

LIMIT_S = 180
NAME = "muscle-2"
MARK = "/root/begun"


def sshd_said(server: Server, words: str) -> int:
    """Return how many lines of sshd's log hold these words."""
    return server.say("journalctl", "--quiet", "--unit", "ssh", "--output", "cat").count(words)


def configure_sshd(server: Server, text: str) -> None:
    """Give sshd other settings; they hold for connections from now on."""
    server.write("/etc/ssh/sshd_config.d/lab.conf", text)
    # a reload returns before sshd listens again
    server.say("systemctl", "restart", "ssh")


async def while_it_runs(
    server: Server, pool: HostPool, action: Callable[[], object], *, timeout_s: float = 8
) -> CommandResult | HostError:
    """Start a change that takes 2 s, do something to the server once it has begun, and return what came of it."""
    change = script(f"echo begun >{MARK}; sleep 2; echo done", changes=True, timeout_s=timeout_s)
    outcomes: list[CommandResult | HostError] = []

    async def run() -> None:
        try:
            outcomes.append(await pool.run(NAME, change, permit=permit()))
        except HostError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await eventually(lambda: server.run("test", "-s", MARK).returncode == 0, what="the command did not begin")
        await meanwhile(action)
    return outcomes[0]


@pytest.fixture(autouse=True)
def at_their_word(bed: Bed) -> None:
    """Take commands at their word: which of them need a permit is not what is tried here."""
    bed.reads = AtTheirWord()


async def all_at_once(count: int, action: Callable[[], Coroutine[object, object, object]]) -> None:
    """Do the same thing that often at the same time."""
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(action)


async def test_forty_callers_share_one_login(bed: Bed) -> None:
    """sshd lets ten start at once and ten sessions be open: one connection with few sessions stays below both."""
    muscle = bed.fresh()
    # those who left it clean may have been on it before
    before = sshd_said(muscle, "Accepted publickey")
    answers: list[str] = []
    # a machine that has just booted may take long to open the first session
    async with bed.pool(connect_timeout_s=30) as pool:

        async def call() -> None:
            answers.append((await pool.run(NAME, look("hostname"))).stdout)

        with anyio.fail_after(LIMIT_S):
            await all_at_once(40, call)
    assert answers == [f"{NAME}\n"] * 40
    assert sshd_said(muscle, "Accepted publickey") - before == 1


async def test_a_server_with_one_session_is_asked_again(bed: Bed) -> None:
    """Where sshd allows a single session at a time, commands wait their turn instead of failing."""
    configure_sshd(bed.fresh(), "MaxSessions 1\n")
    async with bed.pool() as pool:

        async def call() -> None:
            assert (await pool.run(NAME, look("true"))).exit_status == 0

        with anyio.fail_after(LIMIT_S):
            await all_at_once(4, call)


async def test_a_changed_host_key_is_refused_before_the_login(bed: Bed) -> None:
    """A server with a new key is named with both fingerprints, and hears nothing of us."""
    muscle = bed.fresh()
    other = new_key()
    muscle.write("/etc/ssh/ssh_host_ed25519_key", other.export_private_key().decode())
    muscle.say("systemctl", "restart", "ssh")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostKeyChanged) as caught:
            await pool.run(NAME, look("true"))
    pinned = asyncssh.import_public_key(muscle.host_key).get_fingerprint()
    assert pinned in caught.value.failed
    assert other.get_fingerprint() in caught.value.failed
    assert sshd_said(muscle, "Accepted publickey") == 0


async def test_a_host_key_is_read_without_a_login(bed: Bed) -> None:
    """What `init` shows a person is the key of the server, in the form that is pinned."""
    muscle = bed.clean("muscle-1")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            shown = await pool.scan_host_key(muscle.machine.ipv4)
    assert shown.split()[:2] == muscle.host_key.split()


async def test_a_wrong_key_is_tried_once_and_costs_no_penalty(bed: Bed) -> None:
    """sshd shuts out an address that keeps failing: ten calls make one attempt, and the right key still gets in."""
    muscle = bed.fresh()
    configure_sshd(muscle, "PerSourcePenalties yes\nLogLevel VERBOSE\n")
    stranger = new_key().export_private_key().decode()
    async with bed.pool(key=stranger) as pool:

        async def call() -> None:
            with pytest.raises(HostLoginRefused):
                await pool.run(NAME, look("true"))

        with anyio.fail_after(LIMIT_S):
            await all_at_once(10, call)
    assert sshd_said(muscle, "Failed publickey for root") == 1
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            assert (await pool.run(NAME, look("true"))).exit_status == 0


async def test_a_wrong_user_is_named_and_not_asked_for_again(bed: Bed) -> None:
    """The message has the user that fleet.toml names; a second call does not reach the server."""
    muscle = bed.fresh()
    configure_sshd(muscle, "PerSourcePenalties yes\nLogLevel VERBOSE\n")
    async with bed.pool(bed.host(NAME, ssh_user="nobody-here")) as pool:
        with anyio.fail_after(LIMIT_S):
            for _ in range(2):
                with pytest.raises(HostLoginRefused, match="nobody-here"):
                    await pool.run(NAME, look("true"))
    assert sshd_said(muscle, "Invalid user nobody-here") == 1


async def test_a_killed_sshd_leaves_the_outcome_open_and_the_next_call_works(bed: Bed) -> None:
    """A change whose connection died may have run to its end: the message says so, and nothing is sent again."""
    muscle = bed.fresh()
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            outcome = await while_it_runs(muscle, pool, lambda: muscle.say("pkill", "-KILL", "sshd-session"))
            assert (await pool.run(NAME, look("hostname"))).stdout == f"{NAME}\n"
    assert isinstance(outcome, HostUnreachable)
    assert outcome.done == "The command had been sent: it is not known whether it ran to its end."


async def test_a_command_goes_on_when_sshd_itself_is_restarted(bed: Bed) -> None:
    """A restart of the listener, as an update of the package makes it, does not touch a command that runs."""
    muscle = bed.fresh()
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            said = await while_it_runs(muscle, pool, lambda: muscle.say("systemctl", "restart", "ssh"))
    assert said == CommandResult(0, "done\n", "")


async def test_two_seconds_without_a_cable_are_survived(bed: Bed) -> None:
    """A short break of the network is no error: the command's answer arrives after it."""
    muscle = bed.fresh()

    def unplug_shortly() -> None:
        bed.link(NAME, "drop")
        # what waits here is the cable's fault itself
        assert bed.connect("admin", muscle.machine.ipv4, 22, limit_s=2) == "silent"
        bed.lab.link(NAME, "clear")

    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            said = await while_it_runs(muscle, pool, unplug_shortly)
    assert said == CommandResult(0, "done\n", "")


async def test_a_cut_cable_ends_in_the_time_limit_of_the_command(bed: Bed) -> None:
    """A change whose server has gone silent is given up when its time is over, and may still be at work."""
    muscle = bed.fresh()
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            outcome = await while_it_runs(muscle, pool, lambda: bed.link(NAME, "drop"), timeout_s=4)
    assert isinstance(outcome, CommandFailed)
    assert "did not end within 4 s" in outcome.failed
    assert outcome.done == "It could not be stopped and may still be changing things."


async def test_a_power_cut_in_a_command_is_said_and_the_server_is_found_again(bed: Bed) -> None:
    """The change is reported as open; once the power is back the same pool connects anew by itself."""
    muscle = bed.fresh()
    async with bed.pool(connect_timeout_s=2) as pool:
        with anyio.fail_after(LIMIT_S):
            outcome = await while_it_runs(muscle, pool, muscle.cut_power, timeout_s=4)
            await meanwhile(muscle.power_on)
            assert (await pool.run(NAME, look("hostname"))).stdout == f"{NAME}\n"
    assert isinstance(outcome, CommandFailed)
    assert outcome.done == "It could not be stopped and may still be changing things."


async def test_a_server_without_power_is_a_timeout_that_says_so(bed: Bed) -> None:
    """A new connection to a dead server ends at its limit, with what was done: nothing."""
    bed.fresh().cut_power()
    async with bed.pool(connect_timeout_s=0.5) as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match=r"no answer within 0\.5 s") as caught:
            await pool.run(NAME, look("true"))
    assert caught.value.done == "Nothing was sent to it."


async def test_a_frozen_server_is_a_timeout_that_says_so(bed: Bed) -> None:
    """A server that accepts and then says nothing is not waited for longer than the limit."""
    muscle = bed.fresh()
    muscle.freeze()
    try:
        async with bed.pool(connect_timeout_s=0.5) as pool:
            with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match=r"no answer within 0\.5 s") as caught:
                await pool.run(NAME, look("true"))
    finally:
        muscle.thaw()
    assert caught.value.done == "Nothing was sent to it."


async def test_a_server_that_freezes_keeps_nobody_waiting(bed: Bed) -> None:
    """Over a connection that is open already a command ends at the limit too, and works again after the thaw."""
    muscle = bed.fresh()
    async with bed.pool(connect_timeout_s=1) as pool:
        with anyio.fail_after(LIMIT_S):
            await pool.run(NAME, look("true"))
            muscle.freeze()
            try:
                with pytest.raises(HostUnreachable, match="no answer within 1 s"):
                    await pool.run(NAME, look("true"))
            finally:
                muscle.thaw()
            assert (await pool.run(NAME, look("hostname"))).stdout == f"{NAME}\n"


async def test_a_stopped_sshd_is_a_refusal(bed: Bed) -> None:
    """A server where nothing listens says so at once, unlike one that is silent."""
    bed.fresh().say("systemctl", "stop", "ssh.socket", "ssh.service")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(HostUnreachable, match="the connection is refused"):
            await pool.run(NAME, look("true"))


async def test_a_full_disk_is_told_in_the_words_of_the_server(bed: Bed) -> None:
    """A change that finds no room fails with its own words, and is not tried again."""
    muscle = bed.fresh()
    muscle.say("sh", "-c", "fallocate -l 100G /root/all || true; cat /dev/zero >/root/rest || true")
    change = script("cp /etc/services /root/more", changes=True)
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed, match="exit status 1") as caught:
            await pool.run(NAME, change, permit=permit(), check=True)
    assert "No space left on device" in caught.value.untrusted_output


async def test_a_command_that_never_ends_is_gone_from_the_server(bed: Bed) -> None:
    """After its time limit nothing of it is left, though it ignores the first signal and has children."""
    muscle = bed.fresh()
    endless = script('trap "" TERM; sleep 7777 & while :; do sleep 7778; done', timeout_s=1, changes=True)
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed) as caught:
            await pool.run(NAME, endless, permit=permit())
    assert caught.value.done == "It was stopped part-way: what it had changed until then stays changed."
    assert muscle.run("pgrep", "-f", "sleep 777").stdout == ""


async def test_a_muscle_is_reached_through_the_factory_on_the_private_network(bed: Bed) -> None:
    """With the Factory as bastion a Muscle needs no public way in at all."""
    bed.clean("factory")
    bed.clean("muscle-1")
    bed.provider("muscle-1", ["ct state established,related accept"])
    private = bed.host("muscle-1").private_address
    muscle = bed.host("muscle-1", address=private, bastion="factory")
    async with bed.pool(bed.host("factory"), muscle) as pool:
        with anyio.fail_after(LIMIT_S):
            said = await pool.run("muscle-1", script("echo $SSH_CONNECTION"))
    assert said.stdout.split()[0] == bed.host("factory").private_address
    assert bed.connect("admin", bed.host("muscle-1").address, 22, limit_s=0.3) == "silent"


async def test_an_account_without_a_shell_is_no_server_that_works(bed: Bed) -> None:
    """Where the login succeeds and no command runs, that is an error and not an empty answer."""
    muscle = bed.fresh()
    muscle.say("usermod", "--shell", "/usr/sbin/nologin", "root")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed, match="exit status 1") as caught:
            await pool.run(NAME, look("true"), check=True)
    assert "not available" in caught.value.untrusted_output + caught.value.failed
