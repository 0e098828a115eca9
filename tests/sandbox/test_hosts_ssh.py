"""The pretend servers behave towards foreign SSH clients as servers do: logins, limits, refusals and trouble."""

import os
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import anyio.to_thread
import asyncssh
import pytest

from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.hosts.commands import PROGRAM_FILE, released
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hosts import Container, HostState, Ufw
from ink_infra_mcp.sandbox.world import World
from tests.programs import program as needed
from tests.ssh.openssh import new_key
from tests.ssh.servers import ADDRESS, NAME, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
PLAIN = [Container(id="1" * 64, name="a", image="a:1")]
NEIGHBOUR = HostState(name="muscle-2", address="192.0.2.12", role="muscle", cpus=4)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with two Muscles."""
    return world_of(tmp_path, HostState(name=NAME, address=ADDRESS, role="muscle"), NEIGHBOUR)


@pytest.fixture
async def ssh(world: World) -> AsyncGenerator[SshHosts]:
    """Run its servers."""
    async with await serve_hosts(world) as servers:
        yield servers


async def login(ssh: SshHosts, name: str = NAME, *, key: str = "", user: str = "root") -> asyncssh.SSHClientConnection:
    """Connect with asyncssh's own client, with the host key checked."""
    door = ssh.doors[name]
    return await asyncssh.connect(
        door.host,
        door.port,
        config=None,
        username=user,
        client_keys=[asyncssh.import_private_key(key or ssh.login_private_key)],
        agent_path=None,
        known_hosts=([asyncssh.import_public_key(door.host_public_key)], [], []),
    )


async def told(ssh: SshHosts, command: str, *, stdin: str = "") -> tuple[int | None, str, str]:
    """Run one command; return its status and its two outputs."""
    with anyio.fail_after(LIMIT_S):
        connection = await login(ssh)
        try:
            said = await connection.run(command, input=stdin)
            return said.exit_status, str(said.stdout), str(said.stderr)
        finally:
            connection.close()
            await connection.wait_closed()


async def openssh(ssh: SshHosts, folder: Path, *words: str, program: str = "ssh") -> subprocess.CompletedProcess[str]:
    """Use OpenSSH's client, which nobody here wrote."""
    door = ssh.doors[NAME]
    key, known = folder / "key", folder / "known_hosts"
    key.write_text(ssh.login_private_key, encoding="utf-8")
    key.chmod(0o600)
    known.write_text(f"[{door.host}]:{door.port} {door.host_public_key}\n", encoding="utf-8")
    options = ["-F", "none", "-i", str(key), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes"]
    target = ["-P" if program == "sftp" else "-p", str(door.port), f"root@{door.host}"]
    command = [needed(program), *options, *target, *words]
    return await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, input="", check=False)
    )


async def test_opensshs_client_logs_in_and_runs_a_command(ssh: SshHosts, tmp_path: Path) -> None:
    """A foreign client finds a proper server, with the pinned key and strict checking."""
    said = await openssh(ssh, tmp_path, "nproc; uname -r")
    assert (said.returncode, said.stdout) == (0, "8\n6.1.0-37-amd64\n")


async def test_a_terminal_a_login_shell_and_sftp_are_refused(ssh: SshHosts, tmp_path: Path) -> None:
    """Only commands are answered, because only commands can be known or unknown."""
    assert "PTY allocation request failed" in (await openssh(ssh, tmp_path, "-tt", "nproc")).stderr
    assert (await openssh(ssh, tmp_path)).returncode != 0
    assert (await openssh(ssh, tmp_path, program="sftp")).returncode != 0


async def test_only_the_worlds_key_and_root_come_in(ssh: SshHosts) -> None:
    """Every other try is refused and written down."""
    stranger = new_key().export_private_key().decode()
    with anyio.fail_after(LIMIT_S):
        for key, user in ((stranger, "root"), ("", "debian")):
            with pytest.raises(asyncssh.PermissionDenied):
                await login(ssh, key=key, user=user)
        async with await login(ssh):
            pass
    assert ssh.logins == [f"{NAME} root refused", f"{NAME} debian refused", f"{NAME} root accepted"]


async def test_keys_are_made_once_and_kept_in_the_world(ssh: SshHosts, world: World) -> None:
    """Whoever opens the same world later meets the same servers, so that a pinned key stays right."""
    async with await serve_hosts(world) as again:
        assert again.login_private_key == ssh.login_private_key
        assert {n: d.host_public_key for n, d in again.doors.items()} == {
            n: d.host_public_key for n, d in ssh.doors.items()
        }
    assert len({door.host_public_key for door in ssh.doors.values()}) == 2


async def test_every_server_is_found_by_the_address_that_it_has_in_the_world(ssh: SshHosts) -> None:
    """The map leads from documentation addresses to loopback."""
    assert dict(ssh.connect_to) == {
        (ADDRESS, 22): (ssh.doors[NAME].host, ssh.doors[NAME].port),
        ("192.0.2.12", 22): (ssh.doors["muscle-2"].host, ssh.doors["muscle-2"].port),
    }


async def test_a_server_that_comes_into_the_world_later_can_be_followed(ssh: SshHosts, world: World) -> None:
    """A server that was just bought gets a door, and the maps that others hold grow."""
    doors, connect_to = ssh.doors, ssh.connect_to
    with world.change() as state:
        state.hosts["muscle-3"] = HostState(name="muscle-3", address="192.0.2.13", role="muscle")
    await ssh.follow()
    await ssh.follow()
    assert len(doors) == len(connect_to) == 3
    with anyio.fail_after(LIMIT_S):
        async with await login(ssh, "muscle-3"):
            pass


async def test_a_server_that_is_down_hangs_up(ssh: SshHosts, world: World) -> None:
    """A powered-off server logs nobody in; powered on again, it does."""
    with world.change() as state:
        state.hosts[NAME].up = False
    with anyio.fail_after(LIMIT_S), pytest.raises((OSError, asyncssh.Error)):
        await login(ssh)
    with world.change() as state:
        state.hosts[NAME].up = True
    assert (await told(ssh, "nproc"))[1] == "8\n"


@pytest.mark.parametrize("command", ["nproc", ""])
async def test_a_server_that_is_deleted_cuts_whoever_is_on_it(ssh: SshHosts, world: World, command: str) -> None:
    """Before its next command, and while one waits for its input: nobody waits for an answer that never comes."""
    with anyio.fail_after(LIMIT_S):
        async with await login(ssh) as connection:
            waits = await connection.create_process("exec sh -s -- ink-machine look")
            with world.change() as state:
                del state.hosts[NAME]
            if command:
                assert (await connection.run(command)).exit_status is None
            waits.stdin.write_eof()
            await connection.wait_closed()


async def test_what_changes_in_the_world_is_seen_by_the_next_command(ssh: SshHosts, world: World) -> None:
    """One world behind all doors: nothing is remembered from the login."""
    with anyio.fail_after(LIMIT_S):
        async with await login(ssh) as connection:
            assert (await connection.run("nproc")).stdout == "8\n"
            with world.change() as state:
                state.hosts[NAME].cpus = 3
            assert (await connection.run("nproc")).stdout == "3\n"


async def test_a_tunnel_leads_to_neighbours_only(ssh: SshHosts) -> None:
    """A server can be a bastion for the others of the world, and for nothing else on this machine."""
    with anyio.fail_after(LIMIT_S):
        async with await login(ssh) as bastion:
            door = ssh.doors["muscle-2"]
            async with await asyncssh.connect(
                "192.0.2.12",
                tunnel=bastion,
                config=None,
                username="root",
                client_keys=[asyncssh.import_private_key(ssh.login_private_key)],
                known_hosts=([asyncssh.import_public_key(door.host_public_key)], [], []),
            ) as inner:
                assert (await inner.run("nproc")).stdout == "4\n"
            with pytest.raises(asyncssh.ChannelOpenError, match="refused"):
                await bastion.create_connection(asyncssh.SSHTCPSession[bytes], "127.0.0.1", door.port)


async def test_the_eleventh_session_at_once_is_refused(ssh: SshHosts) -> None:
    """As by an sshd with its default MaxSessions."""
    with anyio.fail_after(LIMIT_S):
        async with await login(ssh) as connection:
            for _ in range(10):
                await connection.create_process("cat")
            with pytest.raises(asyncssh.ChannelOpenError, match="open failed"):
                await connection.create_process("cat")


async def test_standard_input_reaches_the_command_and_no_journal(ssh: SshHosts, world: World) -> None:
    """What is sent to a command stays between it and the client."""
    assert await told(ssh, "cat", stdin="s3cret\n") == (0, "s3cret\n", "")
    assert "s3cret" not in world.read().model_dump_json()


@pytest.mark.parametrize(
    ("command", "journal"),
    [
        ("systemctl restart docker", "systemctl"),
        ("uname -a", "uname -a"),
        ("cat /etc/shadow", "cat /etc/shadow"),
        ("docker system prune -f", "docker system prune -f"),
        ("docker ps -a", "docker ps -a"),
        ("docker ps -a --format '{{.Ports}}'", "docker ps -a --format {{.Ports}}"),
        ("exec reboot", "reboot"),
        ("sh -c 'ls /'", "ls /"),
    ],
)
async def test_what_the_world_cannot_answer_fails_loudly(
    ssh: SshHosts, world: World, command: str, journal: str
) -> None:
    """An unknown command or argument ends with 127 and is in the journal; nobody believes that it worked."""
    with world.change() as state:
        state.hosts[NAME].containers = PLAIN
    status, out, err = await told(ssh, command)
    assert (status, out) == (127, "")
    assert err
    assert world.read().journal == [f"ssh UNKNOWN {NAME} {journal}"]


async def test_a_command_that_fails_for_good_reasons_is_no_surprise(ssh: SshHosts, world: World) -> None:
    """Only what the sandbox lacks is journaled, not what a server would refuse as well."""
    assert (await told(ssh, "docker inspect --format '{{.ID}}' nobody"))[0] == 1
    assert (await told(ssh, "exit 3"))[0] == 3
    assert world.read().journal == []


async def test_scripted_trouble_strikes_the_matching_command_once(ssh: SshHosts, world: World) -> None:
    """A status with words; the same command works afterwards, and others were never touched."""
    with world.change() as state:
        state.faults = [Fault(system="ssh", match=f"{NAME} nproc", kind="status", status=4, body="out of nprocs")]
    assert await told(ssh, "uname -r") == (0, "6.1.0-37-amd64\n", "")
    assert await told(ssh, "nproc") == (4, "", "out of nprocs")
    assert await told(ssh, "nproc") == (0, "8\n", "")


@pytest.mark.parametrize("kind", ["drop", "drop_after", "hang"])
async def test_a_scripted_break_closes_the_connection(ssh: SshHosts, world: World, kind: str) -> None:
    """The client sees the connection go, at once or after a silence."""
    with world.change() as state:
        state.faults = [Fault(system="ssh", match="nproc", kind=kind, seconds=0.05)]
    with anyio.fail_after(LIMIT_S):
        async with await login(ssh) as connection:
            assert (await connection.run("nproc")).exit_status is None
            await connection.wait_closed()
    assert (await told(ssh, "nproc"))[1] == "8\n"


async def test_a_scripted_refusal_strikes_the_login_and_leaves_other_trouble_waiting(
    ssh: SshHosts, world: World
) -> None:
    """Trouble for commands is not used up by a login that goes wrong."""
    later = Fault(system="ssh", match=NAME, kind="status", status=9)
    with world.change() as state:
        state.faults = [later, Fault(system="ssh", match=f"{NAME} login", kind="refuse")]
    with anyio.fail_after(LIMIT_S), pytest.raises(asyncssh.PermissionDenied):
        await login(ssh)
    assert (await told(ssh, "nproc"))[0] == 9


async def test_a_command_is_killed_when_its_connection_ends(ssh: SshHosts) -> None:
    """Nothing that a test started lives on."""
    with anyio.fail_after(LIMIT_S):
        connection = await login(ssh)
        process = await connection.create_process("echo $$; sleep 30")
        pid = int(await process.stdout.readline())
        connection.abort()
        await ssh.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_server_speaks_german_to_whoever_does_not_ask_for_english(world: World, ssh: SshHosts) -> None:
    """ufw is written in Python: LANGUAGE wins over LC_ALL there (gettext of Python 3.11)."""
    with world.change() as state:
        state.hosts[NAME].firewall.ufw = Ufw()
    asked = "ufw status verbose"
    assert (await told(ssh, asked))[1] == "Status: Inaktiv\n"
    assert (await told(ssh, f"LC_ALL=C {asked}"))[1] == "Status: Inaktiv\n"
    assert (await told(ssh, f"LC_ALL=C LANGUAGE=C {asked}"))[1] == "Status: inactive\n"


@pytest.mark.anyio
async def test_no_program_is_run_while_somebody_writes_it(tmp_path: Path) -> None:
    """A process that is started elsewhere at that moment holds the open file for an instant: it is waited for."""
    script = tmp_path / PROGRAM_FILE
    with script.open("w") as writing:
        with anyio.move_on_after(0.05) as waited:
            await released(tmp_path)
        writing.write("#!/bin/sh\n")
    with anyio.fail_after(5):
        await released(tmp_path)
    assert waited.cancelled_caught
