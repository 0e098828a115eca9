"""The first login on real servers: who is trusted, who gets in afterwards, and that nothing locks anybody out."""

import subprocess
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.core.errors import HostKeyChanged, HostLoginRefused, InputError, StepFailed
from ink_infra_mcp.core.login import steps
from ink_infra_mcp.core.login.sshd import DROP_IN, FIRST_LINE
from ink_infra_mcp.core.login.steps import KeyWanted
from ink_infra_mcp.core.plan import Change
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.ssh.guests import Guest
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.lab.logins import FUTURE, LIMIT_S, NAME, FirstLogin, configure, strange_pool, with_password
from tests.programs import program
from tests.ssh.openssh import new_key

pytestmark = pytest.mark.anyio

OTHER = new_key().export_public_key("openssh").decode().split()
OTHER_LINE = f'from="192.0.2.7" {OTHER[0]} {OTHER[1]} somebody else'


def fingerprint(server: Server) -> str:
    """Return the fingerprint of a server's host key, as ssh-keygen says it there."""
    return server.say("ssh-keygen", "-l", "-f", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]


async def own_key(first: FirstLogin) -> str:
    """Return our public key."""
    (key,) = await first.pool.own_public_keys()
    return key


async def test_a_server_with_a_password_becomes_one_that_only_keys_open(bed: Bed) -> None:
    """From a password and a fingerprint to our key, new host keys, and an sshd that asks for no password any more.

    Other people's keys stay, nothing is left to do afterwards, and each step may run twice.
    """
    server = bed.fresh(NAME)
    with_password(server)
    server.write("/root/.ssh/authorized_keys", OTHER_LINE)
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        new = first.newcomer(host_key=fingerprint(server), password="login_password")
        await first.run(steps.await_ready(FUTURE, new, within_s=60))
        key = KeyWanted(public_key=await own_key(first), marker="ink-control", prove=True)
        admitted = steps.admit_key(FUTURE, key, new)
        assert await first.run(admitted) == {"host": FUTURE, "key": "added", "file": "/root/.ssh/authorized_keys"}
        assert (await first.run(admitted))["key"] == "there"
        kept = server.say("cat", "/root/.ssh/authorized_keys").splitlines()
        assert kept == [OTHER_LINE, f"{await own_key(first)} ink-control"]
        for step in (made := steps.rotate_host_keys(FUTURE, new)):
            await first.run(step)
        await first.run(made[1])
        rotated = first.newcomer(host_key=result_of(made[1].id, "host_key"))
        assert first.results[made[1].id]["host_key"] != server.host_key
        hardened = steps.harden_new_sshd(FUTURE, first.policy, rotated)
        assert (await first.run(hardened))["state"] == "kept"
        assert (await first.run(hardened))["state"] == "kept"
        assert (await first.judged(rotated)).is_good
        with pool.knowing(Guest(FUTURE, server.machine.ipv4, str(first.results[made[1].id]["host_key"]))):
            assert await pool.password_ways(FUTURE) == ()
        with pytest.raises(HostKeyChanged), anyio.fail_after(LIMIT_S):
            await first.judged(new)
        assert admitted.undo
        undo = admitted.undo.model_copy(update={"params": {**admitted.undo.params, "newcomer": rotated}})
        assert (await first.run(undo))["key"] == "removed"
    assert server.say("cat", "/root/.ssh/authorized_keys").splitlines() == [OTHER_LINE]
    assert first.says()["passwordauthentication"] == "no"


async def test_another_host_key_is_refused_and_hears_no_password(bed: Bed) -> None:
    """Neither a password nor a login is given to a server that shows another key than the one that is trusted."""
    server = bed.fresh(NAME)
    with_password(server)
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        stranger = new_key().get_fingerprint()
        with pytest.raises(HostKeyChanged):
            await first.run(steps.await_ready(FUTURE, first.newcomer(host_key=stranger, password="x"), within_s=3))
    assert "password for root" not in server.say("journalctl", "--quiet", "--unit", "ssh", "--output", "cat")


async def test_a_first_boot_that_works_on_packages_is_waited_for(bed: Bed) -> None:
    """While apt's lock is held nothing goes on, and what is waited for is said; when it is free, it is ready."""
    server = bed.fresh(NAME)
    holds = (
        "import fcntl, sys, time\n"
        "lock = open('/var/lib/dpkg/lock-frontend', 'w')\n"
        "fcntl.lockf(lock, fcntl.LOCK_EX)\nopen('/run/held', 'w').close()\ntime.sleep(600)\n"
    )
    server.write("/root/hold.py", holds)
    server.say("systemd-run", "--unit", "first-boot", "python3", "/root/hold.py")
    await eventually(lambda: server.run("test", "-e", "/run/held").returncode == 0, what="the lock is not held")
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        with pytest.raises(StepFailed, match="python3, which holds /var/lib/dpkg/lock-frontend"):
            await first.run(steps.await_ready(FUTURE, first.newcomer(), within_s=3))
        async with anyio.create_task_group() as group:
            group.start_soon(first.run, steps.await_ready(FUTURE, first.newcomer(), within_s=60))
            await eventually(lambda: bool(first.said), what="nothing is said")
            await meanwhile(partial(server.say, "systemctl", "stop", "first-boot"))
    assert first.results["muscle_9_ready"] == {"host": FUTURE, "state": "ready", "warnings": ""}


async def test_a_file_that_would_win_over_ours_is_beaten_by_the_first_line(bed: Bed) -> None:
    """A drop-in sorted before ours keeps passwords on: our file is named in the first line, and taken out again."""
    server = bed.fresh(NAME)
    configure(server, "PasswordAuthentication yes\n", file="00-a-cloud.conf")
    before = server.say("cat", "/etc/ssh/sshd_config")
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        judged = await first.judged(first.newcomer())
        assert (judged.first_line, judged.refusals) == (True, ())
        assert Change(name="PasswordAuthentication", before="yes", after="no") in judged.changes
        (step,) = steps.harden_sshd(judged, first.policy, first.newcomer())
        assert (await first.run(step))["state"] == "kept"
        assert first.says()["passwordauthentication"] == "no"
        assert server.say("cat", "/etc/ssh/sshd_config") == f"{FIRST_LINE}\n{before}"
        assert steps.harden_sshd(await first.judged(first.newcomer()), first.policy, first.newcomer()) == ()
        assert step.undo
        assert (await first.run(step.undo))["state"] == "reverted"
    assert server.say("cat", "/etc/ssh/sshd_config") == before
    assert server.run("test", "-e", DROP_IN).returncode == 1
    assert first.says()["passwordauthentication"] == "yes"


async def test_a_match_block_that_loosens_is_named_and_nothing_is_done(bed: Bed) -> None:
    """What holds for somebody alone wins over what holds for all: file and line are named, and a plan is refused."""
    server = bed.fresh(NAME)
    configure(server, "Match User backup\n  PasswordAuthentication yes\n", file="50-backup.conf")
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        judged = await first.judged(first.newcomer())
        assert judged.refusals == (
            "/etc/ssh/sshd_config.d/50-backup.conf line 2, under `Match User backup` says PasswordAuthentication yes, "
            "which wins over a setting for everybody",
        )
        with pytest.raises(InputError, match=r"50-backup\.conf line 2"):
            steps.harden_sshd(judged, first.policy, first.newcomer())
        with pytest.raises(StepFailed, match=r"50-backup\.conf line 2"):
            await first.run(steps.harden_new_sshd(FUTURE, first.policy, first.newcomer()))
    assert server.run("test", "-e", DROP_IN).returncode == 1


async def test_settings_that_sshd_does_not_take_are_refused_on_a_copy(bed: Bed) -> None:
    """Nothing is put in its place that sshd was not asked about first: a word that it does not know stays out."""
    server = bed.fresh(NAME)
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        judged = await first.judged(first.newcomer())
        (step,) = steps.harden_sshd(judged, first.policy, first.newcomer())
        params = {**step.params, "settings": {**judged.wanted, "KexAlgorithms": "no-such-algorithm"}}
        with pytest.raises(StepFailed, match="does not take the new settings") as caught:
            await first.run(step.model_copy(update={"params": params}))
    assert caught.value.done == "Nothing was changed."
    assert server.run("test", "-e", DROP_IN).returncode == 1


async def test_a_socket_that_starts_sshd_is_known(bed: Bed) -> None:
    """Where systemd listens, as on Ubuntu 24.04, the settings are read all the same, by the next login."""
    server = bed.fresh(NAME)
    server.say("systemctl", "disable", "--now", "ssh.service")
    server.say("systemctl", "enable", "--now", "ssh.socket")
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        (step,) = steps.harden_sshd(await first.judged(first.newcomer()), first.policy, first.newcomer())
        assert (await first.run(step))["state"] == "kept"
        assert (await first.judged(first.newcomer())).is_good


async def test_a_cable_that_is_cut_in_the_middle_brings_the_earlier_settings_back(bed: Bed) -> None:
    """On probation with nobody to confirm it, the server puts its earlier settings back by itself."""
    server = bed.fresh(NAME)
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        judged = await first.judged(first.newcomer())
        (step,) = steps.harden_sshd(judged, first.policy, first.newcomer(), window_s=15)
        held = '#!/bin/sh\n/usr/bin/systemctl "$@"\ncase $1 in reload) : >/run/reloaded; sleep 18 ;; esac\n'
        server.write("/usr/local/sbin/systemctl", held)
        server.say("chmod", "755", "/usr/local/sbin/systemctl")

        async def cut() -> None:
            await eventually(lambda: server.run("test", "-e", "/run/reloaded").returncode == 0, what="nothing is set")
            await meanwhile(partial(bed.link, NAME, "drop"))
            await meanwhile(partial(server.say, "rm", "/usr/local/sbin/systemctl"))
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(first.run, step)
            group.start_soon(cut)
        assert server.run("test", "-e", DROP_IN).returncode == 0
        await eventually(lambda: first.state() == "reverted", what="it does not go back", limit_s=180)
        assert first.says()["passwordauthentication"] == "yes"
        await meanwhile(partial(bed.link, NAME, "clear"))
    async with strange_pool(bed) as pool:
        assert (await replace(first, pool=pool).run(step))["state"] == "kept"


async def test_a_power_cut_on_probation_brings_the_earlier_settings_back_at_boot(bed: Bed) -> None:
    """The next boot puts the earlier settings back before sshd starts."""
    server = bed.fresh(NAME)
    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        judged = await first.judged(first.newcomer())
        (step,) = steps.harden_sshd(judged, first.policy, first.newcomer())
        params = {**step.params, "window_s": 1800}
        # a proof that cannot succeed: no key is let in any more
        server.write("/etc/ssh/sshd_config.d/zz-late.conf", "AllowUsers nobody-at-all\n")
        with pytest.raises((StepFailed, HostLoginRefused)):
            await first.run(step.model_copy(update={"params": params}))
        assert first.state() == "armed"
        server.say("rm", "/etc/ssh/sshd_config.d/zz-late.conf")
        await meanwhile(server.cut_power)
        await meanwhile(server.power_on)
    assert first.state() == "reverted"
    assert server.run("test", "-e", DROP_IN).returncode == 1
    assert first.says()["passwordauthentication"] == "yes"


async def test_a_key_that_is_limited_to_an_address_lets_in_from_there_alone(bed: Bed) -> None:
    """The line says from where, in a file that sshd accepts; one that is there without that limit is not overlooked."""
    server = bed.fresh(NAME)
    server.say("sh", "-c", "chmod 777 /root/.ssh; chmod 666 /root/.ssh/authorized_keys")
    factory = f"{bed.lab.site.machines['factory'].private_ipv4}/32"
    coolify = KeyWanted(
        public_key=" ".join(OTHER[:2]), marker="ink-coolify", sources=(factory,), options=("restrict", "pty")
    )
    async with bed.pool() as pool:
        first = FirstLogin(server, pool)
        server.say("sh", "-c", "chmod 700 /root/.ssh; chmod 600 /root/.ssh/authorized_keys")
        assert (await first.run(steps.admit_key(NAME, coolify)))["key"] == "added"
        line = server.say("tail", "-n", "1", "/root/.ssh/authorized_keys").strip()
        assert line == f'from="{factory}",restrict,pty {OTHER[0]} {OTHER[1]} ink-coolify'
        modes = server.say("stat", "-c", "%a %U", "/root/.ssh", "/root/.ssh/authorized_keys")
        assert modes == "700 root\n600 root\n"
        server.write("/root/.ssh/more", f"{OTHER[0]} {OTHER[1]} by hand\n")
        server.say(
            "sh",
            "-c",
            "cat /root/.ssh/more >>/root/.ssh/authorized_keys; sed -i /ink-coolify/d /root/.ssh/authorized_keys",
        )
        with pytest.raises(StepFailed, match="has this key already, with other limits"):
            await first.run(steps.admit_key(NAME, coolify))


async def test_an_auditor_that_nobody_here_wrote_finds_nothing_that_fails(bed: Bed) -> None:
    """ssh-audit, which talks to the server as any client does, finds something before and nothing afterwards."""
    auditor = program("ssh-audit")
    server = bed.fresh(NAME)

    def fails() -> int:
        words = [auditor, "-n", "-l", "fail", server.machine.ipv4]
        said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        return said.stdout.count("[fail]")

    async with strange_pool(bed) as pool:
        first = FirstLogin(server, pool)
        before = await anyio.to_thread.run_sync(fails)
        (step,) = steps.harden_sshd(await first.judged(first.newcomer()), first.policy, first.newcomer())
        await first.run(step)
        assert (before > 0, await anyio.to_thread.run_sync(fails)) == (True, 0)
