"""The other clients, each set to what ours does: run the facts script on every server, and bring back what it says."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ink_infra_mcp.hosts.facts.sections import sections
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.peers.ours import AREAS, Failed

MARKER = "ink-peers"
SECTIONS = {"clock", "os", "kernel", "cpus", "memory", "load", "disk_root", "disk_docker", "disk_data"}
LIMIT_S = 300.0
CURVE = ("-o", "KexAlgorithms=curve25519-sha256")

_PARALLEL_SSH = """
import json, sys
from pssh.clients import ParallelSSHClient

asked = json.loads(sys.stdin.readline())
client = ParallelSSHClient(asked["hosts"], user="root", pkey=asked["key"], pool_size=len(asked["hosts"]), num_retries=1)
print("ready", flush=True)
for line in sys.stdin:
    outputs = client.run_command(asked["command"], stop_on_errors=False)
    client.join(outputs)
    print(json.dumps({one.host: "\\n".join(one.stdout or ()) for one in outputs}), flush=True)
"""

Answers = Mapping[str, str]
"""What each server said, by its address."""


@dataclass(frozen=True)
class Ground:
    """What every client needs: the servers, the key and their keys as files, and where the peers are installed."""

    servers: Sequence[Server]
    folder: Path
    installed: Path

    @property
    def addresses(self) -> list[str]:
        """The addresses of the servers."""
        return [server.machine.ipv4 for server in self.servers]

    @property
    def key(self) -> Path:
        """The private key."""
        return self.folder / "key"

    @property
    def known(self) -> Path:
        """The keys of the servers, as OpenSSH keeps them."""
        return self.folder / "known_hosts"

    @property
    def ssh_options(self) -> tuple[str, ...]:
        """What makes `ssh` take these files and nothing of this machine's own."""
        files = ("-F", "none", "-i", str(self.key), "-o", f"UserKnownHostsFile={self.known}")
        return (*files, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes")

    def program(self, name: str) -> str:
        """Return a program of the peers."""
        return str(self.installed / "bin" / name)


def lay_out(lab: Lab, servers: Sequence[Server], folder: Path, installed: Path) -> Ground:
    """Write the files that the clients read."""
    ground = Ground(servers, folder, installed)
    ground.key.touch(mode=0o600)
    ground.key.write_text(lab.login_key, encoding="ascii")
    ground.known.write_text("".join(f"{one.machine.ipv4} {one.host_key}\n" for one in servers), encoding="ascii")
    return ground


def script() -> bytes:
    """Return the product's own script of facts."""
    return files("ink_infra_mcp.hosts.facts").joinpath("facts.sh").read_bytes()


def command() -> str:
    """Return the script as one command, for clients that feed no standard input."""
    return shlex.join(("sh", "-c", script().decode(), "sh", MARKER, *AREAS))


def check(ground: Ground, answers: Answers) -> int:
    """Return how many servers have answered, which is all of them.

    Raises:
        Failed: one did not, or not with all facts.
    """
    for address in ground.addresses:
        found = sections(answers.get(address, ""), MARKER)
        if set(found) != SECTIONS or found["kernel"].text != os.uname().release:
            raise Failed(f"no whole facts of {address}")
    return len(answers)


def run_ssh(ground: Ground, at_once: int, *options: str) -> Answers:
    """Run one `ssh` for each server, so many at once; the caller starts them, and nothing else does."""
    feed = ground.folder / "script"
    feed.write_bytes(script())
    waiting = list(reversed(ground.addresses))
    running: dict[int, subprocess.Popen[bytes]] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            one = _start_ssh(ground, waiting.pop(), feed, options)
            running[one.pid] = one
        pid, status = os.wait()
        running.pop(pid).returncode = os.waitstatus_to_exitcode(status)
    return {address: _out(ground, address).read_text("utf-8", errors="replace") for address in ground.addresses}


def end_masters(ground: Ground, *options: str) -> None:
    """End the shared connections that `ssh` has left open."""
    for address in ground.addresses:
        words = ("ssh", *ground.ssh_options, *options, "-O", "exit", f"root@{address}")
        subprocess.run(words, capture_output=True, check=False, timeout=LIMIT_S)


def shared(ground: Ground) -> tuple[str, ...]:
    """Return the options that keep a connection of `ssh` open for the next one."""
    return ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={ground.folder}/m-%h")


def run_pyinfra(ground: Ground) -> Answers:
    """Run `pyinfra exec` on all servers; each line of an answer comes after the address and blanks that align it."""
    about = {"ssh_user": "root", "ssh_key": str(ground.key), "ssh_known_hosts_file": str(ground.known)}
    inventory = ground.folder / "inventory.py"
    inventory.write_text(f"hosts = {[(address, about) for address in ground.addresses]!r}\n", encoding="ascii")
    said = _said(ground, ground.program("pyinfra"), "-y", str(inventory), "exec", "--", command())
    lines: dict[str, list[str]] = {}
    for address, line in re.findall(r"^\[([\d.]+)\] +(.*)$", re.sub(r"\x1b\[[\d;]*m", "", said), re.MULTILINE):
        lines.setdefault(address, []).append(line)
    return {address: "\n".join(found) for address, found in lines.items()}


def run_ansible(ground: Ground, *, kept: bool) -> Answers:
    """Run `ansible-playbook` with one task that sends the script raw, 50 servers at once."""
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"raw": "SCRIPT"}]}]
    # the script has braces, which would be templates to it
    text = json.dumps(play).replace('"SCRIPT"', f"!unsafe {json.dumps(command())}")
    (ground.folder / "play.yml").write_text(text, encoding="utf-8")
    (ground.folder / "hosts").write_text("\n".join(ground.addresses) + "\n", encoding="ascii")
    master = ("ControlMaster=auto", "ControlPersist=60") if kept else ("ControlMaster=no",)
    options = ("-F none", f"-o UserKnownHostsFile={ground.known}", *(f"-o {word}" for word in master))
    environment = {
        "ANSIBLE_HOME": str(ground.folder / "ansible"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_SSH_ARGS": " ".join(options),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(ground.folder),
        "ANSIBLE_SSH_CONTROL_PATH": "%(directory)s/a-%%h",
        "ANSIBLE_NOCOLOR": "1",
    }
    about = ("-i", str(ground.folder / "hosts"), "-u", "root", "--private-key", str(ground.key), "-f", "50")
    said = _said(ground, ground.program("ansible-playbook"), *about, str(ground.folder / "play.yml"), **environment)
    parts = re.split(r"^([\d.]+) \| [A-Z]+ \| rc=0 >>$", said, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


class ParallelSsh:
    """parallel-ssh in a process of its own, which is a library as ours is: to load it costs no round anything.

    A second round finds the connections of the first one open.
    """

    def __init__(self, ground: Ground) -> None:
        words = (ground.program("python"), "-c", _PARALLEL_SSH)
        self._child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ask(json.dumps({"hosts": ground.addresses, "key": str(ground.key), "command": command()}))

    def run(self) -> Answers:
        """Run the script on all servers."""
        return json.loads(self._ask("go"))

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.communicate()

    def _ask(self, line: str) -> str:
        to, back = self._child.stdin, self._child.stdout
        if to is None or back is None:
            raise Failed("parallel-ssh has no way in or out")
        to.write(f"{line}\n")
        to.flush()
        answer = back.readline()
        if not answer:
            raise Failed("parallel-ssh ended without an answer")
        return answer


def _out(ground: Ground, address: str) -> Path:
    return ground.folder / f"out-{address}"


def _start_ssh(ground: Ground, address: str, feed: Path, options: Sequence[str]) -> "subprocess.Popen[bytes]":
    words = ("ssh", *ground.ssh_options, *options, f"root@{address}", "sh", "-s", "--", MARKER, *AREAS)
    with feed.open("rb") as stdin, _out(ground, address).open("wb") as stdout:
        return subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)


def _said(ground: Ground, *words: str, **environment: str) -> str:
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=LIMIT_S,
        cwd=ground.folder,
        env=os.environ | environment,
    )
    if done.returncode:
        raise Failed(f"{Path(words[0]).name} ended with {done.returncode}: {done.stdout.strip()[-200:]}")
    return done.stdout
