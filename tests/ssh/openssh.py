"""A real OpenSSH server on loopback, run as the user who runs the tests; no root and no system service is needed."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import asyncssh

from tests.programs import program

USER = pwd.getpwuid(os.getuid()).pw_name
START_S = 10.0


def new_key() -> asyncssh.SSHKey:
    """Return a fresh key that no server knows."""
    return asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType] - its **kwargs


class OpenSsh:
    """One running server: its port, its keys, what it wrote to its log, and the processes of its connections."""

    def __init__(self, child: "subprocess.Popen[str]", folder: Path, port: int) -> None:
        self._child = child
        self._folder = folder
        self.port = port
        self.log: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(child.stderr,), daemon=True)
        self._reader.start()
        if not self._listening.wait(START_S):
            raise RuntimeError(f"sshd did not start: {self.log}")

    @property
    def host_key(self) -> str:
        """The public host key."""
        return (self._folder / "host.pub").read_text(encoding="utf-8").strip()

    @property
    def login_key(self) -> str:
        """The private key that is let in."""
        return (self._folder / "login").read_text(encoding="utf-8")

    def count(self, words: str) -> int:
        """Return how many lines of the log hold these words."""
        return sum(bool(re.search(words, line)) for line in list(self.log))

    def signal_connections(self, number: signal.Signals) -> None:
        """Send a signal to the process of each connection, not to the listener."""
        children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children").read_text(encoding="utf-8")
        for pid in children.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def stop(self) -> None:
        """Stop the server and everything that it started."""
        for number in (signal.SIGCONT, signal.SIGKILL):
            self.signal_connections(number)
        self._child.kill()
        self._child.wait(START_S)
        self._reader.join(START_S)
        if self._child.stderr is not None:
            self._child.stderr.close()

    def _read(self, stderr: IO[str] | None) -> None:
        for line in stderr or ():
            self.log.append(line.strip())
            if "Server listening on" in line:
                self._listening.set()


@contextmanager
def openssh(folder: Path) -> Generator[OpenSsh]:
    """Run a server with fresh keys in `folder` while the block runs."""
    for name in ("host", "login"):
        key = new_key()
        (folder / name).write_bytes(key.export_private_key())
        (folder / f"{name}.pub").write_bytes(key.export_public_key())
        (folder / name).chmod(0o600)
    shutil.copy(folder / "login.pub", folder / "authorized_keys")
    port = _free_port()
    (folder / "sshd_config").write_text(_config(folder, port), encoding="utf-8")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [program("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")]
    server = OpenSsh(subprocess.Popen(command, stderr=subprocess.PIPE, text=True), folder, port)
    try:
        yield server
    finally:
        server.stop()


def _config(folder: Path, port: int) -> str:
    return f"""
ListenAddress 127.0.0.1:{port}
HostKey {folder / "host"}
AuthorizedKeysFile {folder / "authorized_keys"}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
SetEnv HOME={folder}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
