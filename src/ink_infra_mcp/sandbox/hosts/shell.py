"""One command on a pretend server: run by a real shell whose PATH holds only what the world can answer."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import asyncssh

from ink_infra_mcp.sandbox.hosts import machine
from ink_infra_mcp.sandbox.hosts.commands import UNKNOWN_FILE, released, write_commands
from ink_infra_mcp.sandbox.hosts.database import CONTAINER, NO_CONTAINER, psql_words, run_psql
from ink_infra_mcp.sandbox.hosts.firewall import FirewallScript
from ink_infra_mcp.sandbox.hosts.logins import LoginScript, ready_answer
from ink_infra_mcp.sandbox.hosts.on_factory import answer_factory, words_of
from ink_infra_mcp.sandbox.hosts.patch import answer_patch
from ink_infra_mcp.sandbox.hosts.reboot import answer_reboot, settle_boot
from ink_infra_mcp.sandbox.hosts.scripts import (
    firewall_words,
    inside_words,
    knock_words,
    login_words,
    machine_words,
    patch_words,
    reboot_words,
    receive_words,
    vlan_words,
    volume_words,
)
from ink_infra_mcp.sandbox.hosts.visits import Visitor, visit_words
from ink_infra_mcp.sandbox.hosts.vlan import answer_vlan
from ink_infra_mcp.sandbox.hosts.volumes import Told, answer, received
from ink_infra_mcp.sandbox.hosts.ways import Came, inhabited, knock, knock_inside, ssh_connection
from ink_infra_mcp.sandbox.state import Fault, take_fault
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.world import World

_NOT_FOUND = re.compile(rb"sh: (?:line )?(?:\d+: )?(?:eval: |exec: )?([^\n:]+): (?:command )?not found")
_CHUNK = 65_536
_KEPT = 2**20

_UPKEEP = ((reboot_words, answer_reboot), (patch_words, answer_patch), (vlan_words, answer_vlan))
SHELL = "/bin/sh"
GERMAN = {"LANG": "de_DE.UTF-8", "LANGUAGE": "de:en"}
"""What the login of a pretend server sets: who wants English words from it has to say so."""


class _Channel(Protocol):
    """What we use of asyncssh's channel, which is not fully typed."""

    def write(self, data: bytes) -> None: ...
    def write_stderr(self, data: bytes) -> None: ...
    def exit(self, status: int) -> None: ...
    def exit_with_signal(self, signal: str) -> None: ...


class ShellSession(asyncssh.SSHServerSession[bytes]):
    """A session that runs one command and nothing else: no terminal, no shell to type in, no SFTP.

    `shows` lets the server show a host key from the next connection on.
    """

    _channel: _Channel

    def __init__(
        self,
        world: World,
        host: str,
        *,
        came: Came,
        hang_up: Callable[[], None],
        shows: Callable[[str], None],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        self._world = world
        self._shows = shows
        self._host = host
        self._came = came
        self._hang_up = hang_up
        self._gone = asyncio.Event()
        self._command = ""
        self._stdin = asyncio.StreamReader()
        self._child: asyncio.subprocess.Process | None = None
        self._tasks = tasks

    @property
    def ended(self) -> bool:
        """Return whether the channel is closed."""
        return self._gone.is_set()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel to answer on."""
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        """Accept a command."""
        self._command = command
        return True

    def session_started(self) -> None:
        """Begin to run it."""
        task = asyncio.get_running_loop().create_task(self._serve())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Hand standard input on."""
        self._stdin.feed_data(data)

    def eof_received(self) -> bool:
        """Close standard input; the output stays open."""
        self._stdin.feed_eof()
        return True

    def signal_received(self, signal: str) -> None:
        """Send the signal to the command and all that it started, as sshd does."""
        self._kill(signal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a command that nobody waits for any more."""
        self._gone.set()
        self._stdin.feed_eof()
        self._kill("KILL")

    async def _serve(self) -> None:
        try:
            await self._serve_while_there()
        except KeyError:
            # one that is deleted while a command runs cuts its connections, as a provider's does
            if self._host in self._world.read().hosts:
                raise
            self._hang_up()

    async def _serve_while_there(self) -> None:
        with self._world.change() as state:
            fault = take_fault(state, "ssh", f"{self._host} {self._command}")
            state.hosts[self._host].firewall.settle(self._world.now(state))
            settle_boot(state.hosts[self._host], self._world.now(state))
            up = state.hosts[self._host].up
        if not up:
            self._hang_up()
        elif fault is None:
            self._leave(await self._run())
        else:
            await self._misbehave(fault)

    async def _misbehave(self, fault: Fault) -> None:
        if fault.kind == "status":
            self._channel.write_stderr(fault.body.encode())
            self._leave(min(max(fault.status, 1), 255))
            return
        if fault.kind == "hang":
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), fault.seconds)
        if fault.kind == "drop_after":
            await self._run()
        self._hang_up()

    def _leave(self, status: int) -> None:
        """Say how the command ended, if anybody still listens; a negative status is the number of a signal."""
        if self.ended:
            return
        if status < 0:
            self._channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            self._channel.exit(status)

    async def _run(self) -> int:
        """Run the command in the world as it is now; return its status."""
        if words := firewall_words(self._command):
            return await self._changed_firewall(words)
        if words := login_words(self._command):
            return await self._looked_after_logins(words)
        if words := machine_words(self._command):
            return await self._machine(words)
        for found_in, answer_to in _UPKEEP:
            if words := found_in(self._command):
                return await self._kept_up(words, answer_to)
        if words := volume_words(self._command) or receive_words(self._command):
            return await self._kept_volumes(words)
        if words := inside_words(self._command):
            return await self._tried_inside(words[2:])
        if words := knock_words(self._command):
            return await self._knocked(words)
        if words := words_of(self._command):
            return await self._on_factory(words)
        return await self._looked()

    async def _looked(self) -> int:
        """Run what only programs of the world answer."""
        if words := psql_words(self._command):
            return await self._asked_database(words)
        if words := visit_words(self._command):
            return self._visited(words)
        scratch = Path(tempfile.mkdtemp(prefix="ink-sandbox-"))
        try:
            with self._world.change() as state:
                commands = write_commands(scratch, state, state.hosts[self._host], now=self._world.now(state))
            await released(scratch)
            status, said = await self._in_shell(commands, scratch, ssh_connection(self._came))
            self._report_unknown(scratch, said)
            return status
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    async def _changed_firewall(self, words: tuple[str, ...]) -> int:
        """Answer the script that changes the firewall: it is read to its end, and never run."""
        script = (await self._stdin.read()).decode()
        if self.ended:
            return 1
        with self._world.change() as state:
            call = FirewallScript(state.hosts[self._host], words, script, self._world.now(state), self._came)
            status, said, complaint = call.answer()
            if words[1:2] != ("look",) and status == 0:
                state.journal.append(f"ssh {self._host} {' '.join(words[:3])}")
        return self._say(said, complaint, status)

    async def _looked_after_logins(self, words: tuple[str, ...]) -> int:
        """Answer the scripts that look after logins and the first boot: read to their end, and never run."""
        script = (await self._stdin.read()).decode()
        if self.ended:
            return 1
        with self._world.change() as state:
            host, now = state.hosts[self._host], self._world.now(state)
            call = LoginScript(host, words, script, now, self._came)
            status, said, complaint = ready_answer(host, now) if words == ("ink-ready",) else call.answer()
            if words[0] == "ink-login" and words[1:2] != ("look",) and status == 0:
                state.journal.append(f"ssh {self._host} {' '.join(words[:3])}")
            key = host.host_private_key
        self._shows(key)
        return self._say(said, complaint, status)

    async def _machine(self, words: tuple[str, ...]) -> int:
        """Answer the scripts that read and change what the server is made of; they are read to their end, never run."""
        script = (await self._stdin.read()).decode()
        if self.ended:
            return 1
        with self._world.change() as state:
            host = state.hosts[self._host]
            if words[0] != "ink-change":
                read = machine.look if words[0] == "ink-machine" else machine.audit
                status, said, complaint = read(host, words)
            else:
                status, said, complaint = machine.MachineScript(host, words, script).answer()
                if status == 0:
                    state.journal.append(f"ssh {self._host} {' '.join((words[0], words[1], words[3]))}")
        return self._say(said, complaint, status)

    async def _on_factory(self, words: tuple[str, ...]) -> int:
        """Answer what is about Coolify on the Factory: read to its end, and never run."""
        script = (await self._stdin.read()).decode()
        if self.ended:
            return 1
        with self._world.change() as state:
            host, now = state.hosts[self._host], self._world.now(state)
            status, said, complaint = answer_factory(state, host, words, script, now=now)
        return self._say(said, complaint, status)

    async def _kept_up(self, words: tuple[str, ...], answer: Callable[..., tuple[int, str, str]]) -> int:
        """Answer a script that reboots, installs updates or makes a VLAN: it is read to its end, and never run."""
        await self._stdin.read()
        with self._world.change() as state:
            status, said, complaint = answer(state.hosts[self._host], words, now=self._world.now(state))
            if words[1] in ("ask", "set", "keep", "revert") and status == 0:
                state.journal.append(f"ssh {self._host} {' '.join(words)}")
        return self._say(said, complaint, status)

    async def _kept_volumes(self, words: tuple[str, ...]) -> int:
        """Answer the scripts for volumes, which are read to their end and never run; one takes an archive instead."""
        sent = await self._stdin.read()
        if self.ended:
            return 1
        with self._world.change() as state:
            host = state.hosts[self._host]
            told = self._told(host, words, sent, now=self._world.now(state))
            if told.acted:
                state.journal.append(f"ssh {self._host} {' '.join(words[:3])}")
        return self._say(told.output, told.complaint, told.status)

    def _told(self, host: HostState, words: tuple[str, ...], sent: bytes, *, now: float) -> Told:
        if words[0] == "ink-receive":
            return received(host, words[1], words[2], sent)
        return answer(host, words[1:], now=now)

    async def _knocked(self, words: tuple[str, ...]) -> int:
        """Answer the script that tries TCP connects to other servers; it is read to its end, and never run."""
        await self._stdin.read()
        state = self._world.read()
        now = self._world.now(state)
        places = zip(words[1::2], words[2::2], strict=True)
        met = ((at, port, knock(state, state.hosts[self._host], at, int(port), now=now)) for at, port in places)
        return self._say("".join(f"{at} {port} {answer}\n" for at, port, answer in met) + "done\n", "", 0)

    async def _tried_inside(self, words: tuple[str, ...]) -> int:
        """Answer the script that tries TCP connects from inside a server's own networks; it is never run either."""
        await self._stdin.read()
        state = self._world.read()
        host, now = state.hosts[self._host], self._world.now(state)
        tries = [*zip(words[::3], words[1::3], words[2::3], strict=True)]
        lines = [f"who {name} {'yes' if inhabited(host, name) else 'nobody'}" for name in dict.fromkeys(words[::3])]
        for name, at, port in tries:
            if inhabited(host, name) and port != "0":
                lines.append(f"{name} {at} {port} {knock_inside(state, host, name, (at, int(port)), now=now)}")
        return self._say("".join(f"{line}\n" for line in (*lines, "done")), "", 0)

    async def _asked_database(self, words: tuple[str, ...]) -> int:
        """Answer psql in Coolify's database, which only the Factory has."""
        script = (await self._stdin.read()).decode()
        with self._world.change() as state:
            running = {c.name for c in state.hosts[self._host].containers if c.state == "running"}
            now = self._world.now(state)
            said = run_psql(state.coolify, words, script, now=now) if CONTAINER in running else NO_CONTAINER
            state.journal.append(f"ssh {'' if said else 'UNKNOWN '}{self._host} psql")
        return 127 if said is None else self._say(said.output, said.complaint, said.status)

    def _visited(self, words: tuple[str, ...]) -> int:
        """Answer a program that asks about other servers."""
        with self._world.change() as state:
            said = Visitor(state, state.hosts[self._host], self._world.now(state)).said(words)
            if said is None:
                state.journal.append(f"ssh UNKNOWN {self._host} {' '.join(words)}")
                return 127
        return self._say(said.output, said.complaint, said.status)

    def _say(self, text: str, complaint: str, status: int) -> int:
        with suppress(BrokenPipeError):
            self._channel.write(text.encode())
            self._channel.write_stderr(complaint.encode())
        return status

    async def _in_shell(self, commands: Path, scratch: Path, connection: str) -> tuple[int, bytes]:
        """Run the command with the real shell; return its status and the beginning of all that it said."""
        self._child = child = await asyncio.create_subprocess_exec(
            SHELL,
            "-c",
            self._command,
            env={"PATH": str(commands), "HOME": str(scratch), **GERMAN, "SSH_CONNECTION": connection},
            cwd=scratch,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if self.ended:
            self._kill("KILL")
        said = bytearray()
        feeding = asyncio.get_running_loop().create_task(self._feed(child))
        try:
            await asyncio.gather(
                _copy(child.stdout, self._channel.write, said), _copy(child.stderr, self._channel.write_stderr, said)
            )
            return await child.wait(), bytes(said)
        finally:
            self._kill("KILL")
            feeding.cancel()
            await asyncio.wait([feeding])
            await child.wait()
            self._child = None

    async def _feed(self, child: asyncio.subprocess.Process) -> None:
        """Hand standard input to the command until it ends, or the command wants no more."""
        if child.stdin is None:
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            while data := await self._stdin.read(_CHUNK):
                child.stdin.write(data)
                await child.stdin.drain()
        child.stdin.close()

    def _kill(self, name: str) -> None:
        """Send a signal to the whole group, as sshd does; it may be gone already."""
        number = getattr(signal, f"SIG{name}", None)
        if self._child is not None and isinstance(number, signal.Signals):
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def _report_unknown(self, scratch: Path, said: bytes) -> None:
        """Put into the journal what the world could not answer, so that no test passes by accident."""
        file = scratch / UNKNOWN_FILE
        asked = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        missing = [name.decode(errors="replace").strip() for name in _NOT_FOUND.findall(said)]
        if unknown := [*asked, *missing]:
            with self._world.change() as state:
                state.journal += [f"ssh UNKNOWN {self._host} {what}" for what in unknown]


async def _copy(stream: asyncio.StreamReader | None, write: Callable[[bytes], None], said: bytearray) -> None:
    if stream is None:
        return
    while data := await stream.read(_CHUNK):
        said += data[: max(0, _KEPT - len(said))]
        with suppress(BrokenPipeError):
            write(data)
