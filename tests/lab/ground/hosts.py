"""One server of the lab: booting it, looking into it, and everything that can happen to it as a whole.

Not its own are the kernel with its log, the size of the memory, the processors and the clock: `date -s` on a server
sets this machine's. Its root is kept from accidents, not from malice.
"""

import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.lab.ground import cgroups, disks, faults, first_boot
from tests.lab.ground.commands import LabError, Word, tried, until
from tests.lab.ground.network import NAMESPACES, port_exists
from tests.lab.ground.processes import end, end_with_children, recorded, spawn, wait_gone
from tests.lab.ground.site import ExtraDisk, Machine, Site
from tests.lab.ground.tree import tree_of

SUPERVISE = Path(__file__).with_name("supervise.sh")
COOLIFY = "/data/coolify/source"
BOOT_S, DOCKER_S, END_S = 180.0, 180.0, 60.0
SSH_PORT = 22

Done = subprocess.CompletedProcess[str]


class Server:
    """A server of the lab, on or off."""

    def __init__(self, site: Site, machine: Machine) -> None:
        self.site = site
        self.machine = machine
        self.home = site.home(machine.name)

    @property
    def name(self) -> str:
        """The server's name, which it also has for its neighbours."""
        return self.machine.name

    @property
    def host_key(self) -> str:
        """Its public host key; it stays the same when the server is set up anew."""
        return first_boot.host_key(self.site, self.name)

    @property
    def init(self) -> int | None:
        """The number that its first process has outside; None when it is off."""
        above = recorded(self.home / "unshare.pid")
        if above is None:
            return None
        with suppress(OSError):
            children = Path(f"/proc/{above}/task/{above}/children").read_text(encoding="ascii").split()
            return int(children[0]) if children else None
        return None

    def prepare(self) -> None:
        """Make its disks and its keys, if it has none."""
        first_boot.prepare(self.site, self.machine)

    def start(self) -> None:
        """Switch it on, unless it runs; it may take a second until it answers."""
        if self.init is not None:
            return
        groups = " ".join(map(str, cgroups.make(self.site.prefix, self.name)))
        mode = "sshd" if self.machine.light else "systemd"
        about = (self.name, tree_of(self.site), mode, self.site.namespace(self.name), self.site.switch, groups)
        words = ("env", "-C", self.home, "/bin/bash", SUPERVISE, *about)
        services = cgroups.make(self.site.prefix, cgroups.SERVICES)
        spawn(words, record=self.home / "supervisor.pid", log=self.home / "console.log", groups=services)

    def wait_ssh(self) -> None:
        """Wait until its sshd greets.

        Raises:
            LabError: it does not within a minute.
        """
        until(self._greets, what=f"{self.name} does not answer over SSH; see {self.home}/console.log", limit_s=BOOT_S)

    def wait_docker(self) -> None:
        """Wait until its Docker answers.

        Raises:
            LabError: it does not within a minute.
        """
        until(self._docker_answers, what=f"Docker does not start on {self.name}", limit_s=DOCKER_S)

    def wait_ready(self) -> None:
        """Wait until it is all that it is when the lab comes up: SSH, Docker and, on the Factory, Coolify."""
        self.wait_ssh()
        if not self.machine.light:
            self.wait_docker()
        # where a test has installed another Coolify, Docker starts that by itself
        if self.name == "factory" and self.run("test", "-e", f"{COOLIFY}/docker-compose.prod.yml").returncode:
            self.say("docker", "compose", "--project-directory", COOLIFY, "up", "--detach", "--wait", "--quiet-pull")

    def run(self, *words: Word, stdin: str | None = None, limit_s: float = 180.0) -> Done:
        """Run a program on it, past its network and its sshd, and return how it ended.

        Raises:
            LabError: the server is off, or the program did not end in time.
        """
        pid = self.init
        if pid is None:
            raise LabError(f"{self.name} is off")
        return tried("nsenter", "--target", pid, "--all", "--", *words, stdin=stdin, limit_s=limit_s)

    def say(self, *words: Word, stdin: str | None = None, limit_s: float = 180.0) -> str:
        """Run a program on it that must succeed, and return what it printed.

        Raises:
            LabError: it failed, or the server is off.
        """
        done = self.run(*words, stdin=stdin, limit_s=limit_s)
        if done.returncode:
            shown = " ".join(map(str, words))
            raise LabError(f"{shown!r} on {self.name} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file on it."""
        self.say("sh", "-c", 'cat >"$1"', "sh", path, stdin=text)

    def cut_power(self) -> None:
        """Take its power away: nothing is written any more, and nothing answers, not even with a refusal."""
        if port_exists(self.site, self.machine.port):
            # the network namespace outlives the server a little, and would say that nobody listens
            faults.strike(self.site, self.machine, faults.Fault("drop"))
        # a container that is paused, too
        cgroups.thaw_all(self.site.prefix, self.name)
        pids = [pid for pid in (self.init,) if pid is not None]
        # the supervisor first, or it would boot the server again; with what it has just begun, at any moment of a boot
        end_with_children(self.home / "supervisor.pid", limit_s=END_S)
        end(self.home / "unshare.pid")
        wait_gone(pids, limit_s=END_S)
        cgroups.end_all(self.site.prefix, self.name)

    def power_on(self) -> None:
        """Switch it on again after a power cut, and wait until it answers."""
        self.start_mended()
        self.wait_ssh()

    def start_mended(self) -> None:
        """Switch it on with a cable that has no fault."""
        # also where the card is gone: of the cut's own fault the switch's rule outlives it
        faults.mend(self.site, self.machine)
        self.start()

    def reboot(self, *, away_s: float = 0) -> None:
        """Let it reboot in its own good order, and stay off for `away_s` seconds in between; nothing is waited for."""
        (self.home / "boot_delay").write_text(f"{away_s}", encoding="ascii")
        # the connection to systemd may break before it has answered
        self.run("systemctl", "reboot")

    def reset(self) -> None:
        """Set it up anew, with its old keys and addresses, and wait until it is ready."""
        if self.init is not None or recorded(self.home / "supervisor.pid") is not None:
            self.cut_power()
        disks.remove_disks(self.home)
        (self.home / "boot_delay").unlink(missing_ok=True)
        if self.machine.light:
            for folder in ("upper", "work"):
                shutil.rmtree(self.home / folder, ignore_errors=True)
        self.prepare()
        self.start_mended()
        self.wait_ready()

    def freeze(self) -> None:
        """Stop everything on it where it is: its kernel still accepts connections, and nobody answers them."""
        cgroups.freeze(self.site.prefix, self.name, on=True)

    def thaw(self) -> None:
        """Let everything go on."""
        cgroups.freeze(self.site.prefix, self.name, on=False)

    def attach(self, disk: ExtraDisk) -> None:
        """Put a new, empty disk in while it runs.

        Raises:
            LabError: it is off, or has such a disk.
        """
        disks.attach(self.home, self._running(), disk)

    def detach(self, node: str) -> None:
        """Pull a disk out while it runs; what is on it is gone.

        Raises:
            LabError: it is off, or has no such disk.
        """
        disks.detach(self.home, self._running(), node)

    def boot_id(self) -> str:
        """Return what tells one boot of it from another."""
        return self.say("cat", "/proc/sys/kernel/random/boot_id").strip()

    def rebooted_since(self, before: str) -> bool:
        """Return whether it is in another boot than `before`, and far enough to know its own."""
        pid = self.init
        if pid is None:
            return False
        with suppress(OSError):
            now = Path(f"/proc/{pid}/root/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            own = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return now not in (before, own)
        return False

    def wait_rebooted(self, before: str) -> None:
        """Wait until it is up again, in another boot than `before`.

        Raises:
            LabError: it is not within a minute.
        """
        until(lambda: self.rebooted_since(before), what=f"{self.name} does not come back", limit_s=BOOT_S)
        self.wait_ssh()

    def _running(self) -> int:
        pid = self.init
        if pid is None:
            raise LabError(f"{self.name} is off")
        return pid

    def _greets(self) -> bool:
        if recorded(self.home / "supervisor.pid") is None:
            raise LabError(f"{self.name} did not start: {_tail(self.home / 'console.log')}")
        return greets(self.machine.ipv4)

    def _docker_answers(self) -> bool:
        pid = self.init
        if pid is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX) as caller:
                caller.settimeout(2)
                caller.connect(f"/proc/{pid}/root/run/docker.sock")
                caller.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                return b"200 OK" in caller.recv(200)
        except OSError:
            return False


def greets(address: str) -> bool:
    """Return whether an SSH server greets at that address now."""
    try:
        with socket.create_connection((address, SSH_PORT), 0.5) as caller:
            caller.settimeout(2)
            return caller.recv(8).startswith(b"SSH-")
    except OSError:
        return False


def enter(server: Server, words: list[str]) -> None:
    """Become a program on a server; it does not return.

    Raises:
        LabError: the server is off.
    """
    pid = server.init
    if pid is None:
        raise LabError(f"{server.name} is off")
    os.execvp("nsenter", ["nsenter", "--target", str(pid), "--all", "--", *words])  # noqa: S606 - meant so


def namespace_file(server: Server) -> Path:
    """Return the file of a server's network namespace."""
    return NAMESPACES / server.site.namespace(server.name)


def _tail(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace").strip()[-300:]
    return ""
