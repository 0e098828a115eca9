"""A place for copies on a light server of the lab: OpenSSH with internal-sftp alone in a chroot, on port 23."""

import base64
import hashlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from ink_infra_mcp.core.copies import Copy, in_order
from ink_infra_mcp.core.fleet import BackupPlace
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server

HOME, FOLDER, FLEET = "/srv/box/home", "coolify", "coolify.example.com"
KEPT = "/data/coolify/backups/ink"
CONFIG = """\
Port 23
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/box.pid
UsePAM no
PermitRootLogin no
PasswordAuthentication no
AuthorizedKeysFile /etc/ssh/box_keys
Subsystem sftp internal-sftp
Match User box
  ChrootDirectory /srv/box
  ForceCommand internal-sftp -d /home
"""
SETUP = f"""
set -eu
useradd --no-create-home --shell /usr/sbin/nologin --password '*' box
mkdir -p {HOME}
[ -z "$1" ] || mount -t tmpfs -o "size=$1,mode=755" box {HOME}
chown box {HOME}
/usr/sbin/sshd -f /etc/ssh/box_config -E /var/log/box.log
"""


@dataclass(frozen=True)
class Box:
    """The place, and the pair of keys whose public half copies are encrypted for."""

    server: Server
    identity: Path
    recipient: str

    def place(self, **changes: object) -> BackupPlace:
        """Return it as fleet.toml would have it."""
        told = {
            "address": self.server.machine.ipv4,
            "ssh_user": "box",
            "host_key": self.server.host_key,
            "fleet": FLEET,
            "recipient": self.recipient,
        }
        return BackupPlace.model_validate({**told, **changes})

    def names(self) -> list[str]:
        """Return what lies there."""
        return self.server.say("sh", "-c", f"ls -A {HOME}/{FOLDER} 2>/dev/null || true").split("\n")[:-1]

    def copies(self) -> list[str]:
        """Return of which backups copies lie there that count, each with the sum that its name has."""
        found = in_order(self.names())
        sums = [self.server.say("sha256sum", f"{HOME}/{FOLDER}/{copy.file}").split()[0] for copy in found]
        assert sums == [copy.sha256 for copy in found]
        return [copy.backup for copy in found]

    def part_bytes(self) -> int:
        """Return how much of a copy has arrived that does not count yet."""
        said = self.server.say("sh", "-c", f"cat {HOME}/{FOLDER}/.part-* 2>/dev/null | wc -c")
        return int(said)

    def left(self, backup: str, *, days: int, fleet: str = FLEET, harm: str = "") -> str:
        """Leave a copy that was made so many days ago, harmed by a command of the shell for the file `$1` or not."""
        data = f"{fleet} {backup}".encode() * 99
        copy = Copy(
            fleet=fleet,
            backup=backup,
            made=int(time.time()) - days * 86_400,
            bytes=len(data) if fleet else 0,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        path = f"{HOME}/{FOLDER}/{copy.file}"
        self.server.say("sh", "-c", f"mkdir -p {HOME}/{FOLDER} && chown box {HOME}/{FOLDER}")
        self.server.write(path, data.decode())
        self.server.say("sh", "-c", f"{harm or ':'}; chown box {HOME}/{FOLDER}/*", "sh", path)
        return copy.file

    def fetched(self, to: Path, login: Path) -> Path:
        """Fetch the newest copy as a person does, with `sftp`, and return it."""
        file = in_order(self.names())[0].file
        known = to / "known_hosts"
        known.write_text(f"[{self.server.machine.ipv4}]:23 {self.server.host_key}\n", encoding="utf-8")
        options = ("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-i", str(login))
        source = f"box@{self.server.machine.ipv4}:{FOLDER}/{file}"
        subprocess.run(("sftp", "-q", "-P", "23", *options, source, str(to)), check=True, timeout=120)
        return to / file


def box_on(server: Server, folder: Path, login_public_key: str, *, size: str = "") -> Box:
    """Return a place on that light server; with a `size` its disk has no more."""
    server.write("/etc/ssh/box_config", CONFIG)
    server.write("/etc/ssh/box_keys", f"{login_public_key}\n")
    server.say("sh", "-c", SETUP, "sh", size)
    identity = folder / "age.key"
    subprocess.run(("age-keygen", "-o", str(identity)), check=True, capture_output=True, timeout=30)
    said = subprocess.run(("age-keygen", "-y", str(identity)), check=True, capture_output=True, timeout=30)
    until(lambda: server.run("test", "-e", "/run/box.pid").returncode == 0, what="no sshd on port 23", limit_s=10)
    return Box(server, identity, said.stdout.decode().strip())


def give_age(server: Server) -> None:
    """Let a server have the program `age`, as its own packages would."""
    program = which("age")
    assert program is not None
    server.write("/root/age", base64.b64encode(Path(program).read_bytes()).decode())
    server.say("sh", "-c", "base64 -d /root/age >/usr/bin/age && chmod 755 /usr/bin/age")


def backup_of(server: Server, name: str, *, mib: int) -> str:
    """Put a backup on a server as the script would have made it, of random bytes, and return the sum of its dump."""
    at = f"{KEPT}/{name}"
    server.say("mkdir", "-p", f"{at}/secrets")
    server.say("sh", "-c", f"head -c {mib * 2**20} /dev/urandom >{at}/coolify.dump")
    server.write(f"{at}/secrets/.env", "APP_KEY=base64:notreallyasecret\n")
    files: list[dict[str, object]] = []
    for path in ("coolify.dump", "secrets/.env"):
        said = server.say("sha256sum", f"{at}/{path}").split()[0]
        size = int(server.say("stat", "-c", "%s", f"{at}/{path}"))
        files.append({"sha256": said, "bytes": size, "path": path})
    rows = ",\n".join(f"    {json.dumps(file)}" for file in files)
    total = sum(int(str(file["bytes"])) for file in files)
    # what lies there is older or younger than it by the clock: a time of its own would be one of another day tomorrow
    head = f'{{\n  "format": 1,\n  "name": "{name}",\n  "made": {int(time.time())},\n'
    server.write(
        f"{at}/manifest.json", f'{head}  "files": [\n{rows}\n  ],\n  "bytes": {total},\n  "seconds": 1.00\n}}\n'
    )
    return str(files[0]["sha256"])
