"""A Factory with a second disk, below a folder: its mounts are links, its Docker notes on what it is started."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ink_infra_mcp.hosts.factory.disks import Orders
from ink_infra_mcp.hosts.factory.unit_script import coded
from ink_infra_mcp.hosts.scripts import packaged
from tests.hosts.pretend_root import Root, Said, root_at

NAME, DISK = "op-1", "scsi-0HC_Volume_1001"
SIZE = 10_737_418_240
TOP = f"var/lib/ink-infra/disk/moves/{NAME}"
LIMIT_S = 180
AUTOMOUNT = f"/dev/disk/by-id/{DISK} /mnt/HC_Volume_1001 ext4 discard,nofail,defaults 0 0\n"
LINE = "/data ext4 discard,nofail,x-systemd.device-timeout=30s 0 0"

TICK = """
case "$0 $*" in *"docker inspect"* | *"docker exec"* | *is-active*) reads=yes ;; *) reads= ;; esac
if [ -z "$reads" ] && [ -e "$ROOT/kill_at" ] && [ -e "$ROOT/pgid" ]; then
  echo x >>"$ROOT/ticks"
  if [ "$(wc -l <"$ROOT/ticks")" = "$(cat "$ROOT/kill_at")" ]; then
    rm -f "$ROOT/kill_at"
    kill -9 "-$(cat "$ROOT/pgid")"
    kill -9 $$
  fi
fi
"""
"""Every program that changes something may be the last thing that the script does."""
MOUNT = """
at=; for word; do at=$word; done
if [ -e "$ROOT/gone" ] || ! [ -d "$at" ] || [ -L "$at" ]; then exit 32; fi
mv "$at" "$at.under" && ln -s "$ROOT/disk" "$at"
echo "20 1 8:16 / $at rw - ext4 /dev/sdb rw" >>"$ROOT/proc/self/mountinfo"
"""
UMOUNT = """
[ ! -e "$ROOT/busy" ] || exit 32
rm "$1" && mv "$1.under" "$1" || exit 32
sed -i "\\\\| $1 rw |d" "$ROOT/proc/self/mountinfo"
"""
SYSTEMCTL = (
    f"\nTOP={TOP}"
    + """
case "$*" in
  'is-active --quiet docker.service') [ -e "$ROOT/docker_up" ] ;;
  'is-active --quiet containerd.service') [ -e "$ROOT/containerd_up" ] ;;
  'stop docker.socket docker.service') rm -f "$ROOT/docker_up" ;;
  'stop containerd.service') rm -f "$ROOT/containerd_up" ;;
  'start containerd.service') : >"$ROOT/containerd_up" ;;
  'start docker.service') "$ROOT/bin/boot-docker" ;;
  'start --no-block '*) grep -qs reverting "$ROOT/$TOP/state" || exit 0
    real=$(command -v setsid) limit=$(PATH=/usr/bin:/bin command -v timeout)
    "$real" "$limit" -k 1 150 sh "$ROOT/unit.sh" ink-disk run op-1 </dev/null >/dev/null 2>&1 & ;;
  'is-enabled --quiet '*) [ -e "$ROOT/enabled" ] ;;
  'is-active --quiet ink-'*) exit 3 ;;
  'enable --quiet '*) : >"$ROOT/enabled" ;;
  'disable --quiet '*) rm -f "$ROOT/enabled" ;;
esac
"""
)
BOOT_DOCKER = """
system=$ROOT/etc/systemd/system
[ ! -e "$ROOT/docker_up" ] || exit 0
[ ! -e "$ROOT/broken" ] || ! grep -q " $ROOT/data rw " "$ROOT/proc/self/mountinfo" || exit 1
if [ -e "$system/docker.service.d/ink-hold.conf" ] && [ -e "$ROOT/var/lib/ink-infra/disk/hold" ]; then exit 0; fi
guarded=$system/docker.service.d/ink-data.conf
if [ -e "$guarded" ] && ! grep -q " $ROOT/data rw " "$ROOT/proc/self/mountinfo"; then exit 1; fi
: >"$ROOT/docker_up"
(cd "$ROOT/data/" && find coolify -type f | wc -l || echo 0) 2>/dev/null \
  >>"$ROOT/starts"
cat "$("$ROOT/bin/docker-root")/volumes/coolify-db/_data/rows" >>"$ROOT/starts" 2>&1
"""
DOCKER = """
[ -e "$ROOT/docker_up" ] || exit 1
case "$*" in
  *psql*) cat "$ROOT/deployments" ;;
  'ps -q --no-trunc' | 'ps -q') cat "$ROOT/containers" ;;
  'stop '*) for word; do sed -i "/^$word$/d" "$ROOT/containers"; done ;;
  'start '*) ! grep -qsx "$2" "$ROOT/unstartable" || exit 1
    grep -qx "$2" "$ROOT/containers" || echo "$2" >>"$ROOT/containers" ;;
  'inspect --type container --format x coolify-redis') exit 1 ;;
  'inspect --type container --format x '*) ;;
  'inspect --type container --format {{.HostConfig.AutoRemove}}'*)
    if grep -qsx "$6" "$ROOT/passing"; then echo "true /$6"; else echo "false /$6"; fi ;;
  'inspect --type container --format {{.RestartCount}}'*)
    ! grep -qsx "$6" "$ROOT/restarting" || echo x >>"$ROOT/restarts"
    cat "$ROOT/restarts" 2>/dev/null || true ;;
  'inspect --type container --format {{.Name}} '[a-z]*) echo "/$6" ;;
  'inspect --type container --format {{.Name}}'*)
    for word; do :; done
    if grep -qx "$word" "$ROOT/containers"; then echo "/$word running healthy"; else echo "/$word exited "; fi ;;
  'inspect --type container --format {{.State.Status}} coolify') echo running ;;
  'info --format {{.DockerRootDir}}') "$ROOT/bin/docker-root" ;;
  'info '*) echo 'overlay2 [["Backing Filesystem","extfs"]]' ;;
  version) ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""
DOCKER_ROOT = """
if grep -q data-root "$ROOT/etc/docker/daemon.json"; then echo "$ROOT/data/docker"; else echo "$ROOT/var/lib/docker"; fi
"""
LSBLK = f"""
for path; do :; done
[ -e "$path" ] && [ ! -e "$ROOT/gone" ] || exit 32
case $2 in
  MAJ:MIN) echo 8:16 ;;
  TYPE,SIZE,RO,MAJ:MIN) echo 'disk {SIZE} 0 8:16' ;;
  TYPE,SIZE,RO) echo 'disk {SIZE} 0' ;;
  NAME) echo sdb; [ ! -e "$ROOT/parted" ] || echo sdb1 ;;
esac
"""
FINDMNT = """
case $1 in
  --verify) if [ -e "$ROOT/bad_fstab" ]; then cat "$ROOT/bad_fstab"; exit 1; fi
    [ -d "$ROOT/data" ] || { echo '   [E] unreachable on boot required target: No such file or directory'; exit 1; } ;;
  *) real "$@" ;;
esac
"""
"""As that of util-linux 2.41, for which the folder of a mount has to be there."""
PROGRAMS = {
    "lsblk": LSBLK,
    "wipefs": 'case $1 in --all) : >"$ROOT/signs"; rm -rf "$ROOT/disk" ;; *) cat "$ROOT/signs" ;; esac',
    "blkid": '[ -s "$ROOT/signs" ] || exit 2\ncase "$*" in *"-s TYPE"*) cat "$ROOT/signs" ;; esac',
    "debugfs": 'echo "/2/040755/0/0/.//"; ls "$ROOT/disk" | sed "s|.*|/12/040755/0/0/&//|"',
    "mkfs.ext4": '[ ! -e "$ROOT/unformatted" ] || exit 1\necho ext4 >"$ROOT/signs"; mkdir -p "$ROOT/disk/lost+found"',
    "mount": MOUNT,
    "umount": UMOUNT,
    "findmnt": FINDMNT,
    "systemctl": SYSTEMCTL,
    "docker": DOCKER,
    "sleep": "real 0.02",
    "sync": 'case $1 in -f) ;; *) real "$@" ;; esac',
    **{name: 'real "$@"' for name in ("cp", "mv", "perl", "rm", "mkdir", "rmdir")},
    "boot-docker": BOOT_DOCKER,
    "docker-root": DOCKER_ROOT,
    "dockerd": 'case $1 in --help) echo --validate ;; *) grep -q "^{" "$3" ;; esac',
    "containerd": 'sed "s/\\"/\'/g" "$2"',
}
_CHANGING = (
    "wipefs",
    "mkfs.ext4",
    "mount",
    "umount",
    "systemctl",
    "docker",
    "cp",
    "mv",
    "perl",
    "rm",
    "mkdir",
    "rmdir",
)


@dataclass(frozen=True)
class Left:
    """What is left of a move: its state, why, whether /data is the disk, and what of the Factory's runs."""

    state: str
    why: str
    on_disk: bool
    docker: bool
    containers: tuple[str, ...]


def factory(folder: Path, *, fstab: str = "") -> Root:
    """Return a Factory with data on its root disk, and a blank second one."""
    root = root_at(folder, fstab=f"/dev/sda1 / ext4 defaults 0 1\n{fstab}".replace("/dev/disk", f"{folder}/dev/disk"))
    root.programs({name: f"{TICK}{body}" if name in _CHANGING else body for name, body in PROGRAMS.items()})
    root.write("proc/sys/kernel/random/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n")
    root.write("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    root.write(f"dev/disk/by-id/{DISK}", "\0" * 1024)
    root.write("etc/systemd/system/.keep", "")
    root.write("data/coolify/source/.env", "APP_KEY=base64:bm90\n")
    root.write("data/coolify/ssh/keys/key", "secret\n")
    root.write("var/lib/docker/volumes/coolify-db/_data/rows", "rows\n")
    root.write("var/lib/containerd/content", "layers\n")
    root.write("etc/docker/daemon.json", "{}\n")
    root.write("etc/containerd/config.toml", "version = 2\n")
    os.link(folder / "data/coolify/ssh/keys/key", folder / "data/coolify/ssh/keys/again")
    root.write("unit.sh", root.below(packaged("factory/disk.sh")))
    root.write("containers", "coolify\ncoolify-db\nweb\n")
    for name, text in {"docker_up": "", "containerd_up": "", "signs": "", "deployments": "0\n", "starts": ""}.items():
        root.write(name, text)
    return root


def formatted(root: Root, **entries: str) -> None:
    """Have an ext4 on the disk, with files on it."""
    root.write("signs", "ext4\n")
    root.write("disk/lost+found/.keep", "")
    for name, text in entries.items():
        root.write(f"disk/{name}", text)


def orders(**changes: str) -> str:
    """Return orders to format the blank disk and move /data there."""
    words = {
        "kind": "data",
        "copy": "yes",
        "disk": DISK,
        "size": str(SIZE),
        "signs": "",
        "used_at": "",
        "format": "blank",
        "data": "folder",
        "line": LINE,
        "docker": "yes",
        "coolify": "yes",
    }
    return Orders(words={**words, **changes}).lines()


def on_disk(root: Root) -> None:
    """Have /data on the disk, in service."""
    formatted(root)
    (root.folder / "data/coolify").rename(root.folder / "disk/coolify")
    with (root.folder / "etc/fstab").open("a", encoding="utf-8") as fstab:
        fstab.write(f"{root.folder}/dev/disk/by-id/{DISK} {LINE}\n")
    guard = re.search(r"GUARD='(.*?)'", root.below(packaged("factory/disk.sh")), re.DOTALL)
    assert guard
    for name in ("docker", "containerd"):
        root.write(f"etc/systemd/system/{name}.service.d/ink-data.conf", f"{guard[1]}\n")
    boot(root)
    root.write("starts", "")


def docker_orders(root: Root, **changes: str) -> str:
    """Return orders to move Docker's and containerd's data to /data."""
    pairs = (("var/lib/docker", "data/docker"), ("var/lib/containerd", "data/containerd"))
    words = {
        "kind": "docker",
        "copy": "yes",
        "trees": " ".join(f"{root.folder}/{old}:{root.folder}/{new}" for old, new in pairs),
        "docker": "yes",
        "coolify": "yes",
        "sum:daemon": _sum(root, "etc/docker/daemon.json"),
        "sum:config": _sum(root, "etc/containerd/config.toml"),
        "text:daemon": coded('{"data-root": "/data/docker"}\n'),
        "text:config": coded(f'root = "{root.folder}/data/containerd"\nversion = 2\n'),
    }
    return Orders(words={**words, **changes}).lines()


def bare(folder: Path) -> Root:
    """Return a Factory whose /data is the disk and which has no Docker yet, but somebody's settings for one."""
    root = factory(folder)
    on_disk(root)
    for program in ("docker", "dockerd", "containerd"):
        (folder / "bin" / program).unlink()
    for place in ("var/lib/docker", "var/lib/containerd", "etc/containerd"):
        shutil.rmtree(folder / place)
    (folder / "docker_up").unlink()
    root.write("etc/docker/daemon.json", '{"debug": false}\n')
    return root


def bare_orders(root: Root, **changes: str) -> str:
    """Return orders for settings that are there before Docker is."""
    words = {
        "kind": "docker",
        "copy": "no",
        "docker": "no",
        "coolify": "no",
        "sum:daemon": _sum(root, "etc/docker/daemon.json"),
        "sum:config": "none",
        "text:daemon": coded('{"debug": false, "data-root": "/data/docker"}\n'),
        "text:config": coded(f'root = "{root.folder}/data/containerd"\nversion = 2\n'),
    }
    return Orders(words={**words, **changes}).lines()


def docker_root(root: Root) -> str:
    """Return where Docker keeps its data, as its settings have it."""
    return "/data/docker" if "data-root" in (root.read("etc/docker/daemon.json") or "") else "/var/lib/docker"


def _sum(root: Root, path: str) -> str:
    return sha256((root.folder / path).read_bytes()).hexdigest()


def told(root: Root, verb: str, *words: str, data: str = "") -> Said:
    """Run a verb of the script."""
    return root.run("factory/disk.sh", "ink-disk", verb, NAME, *words, data=data)


def begun(root: Root, *, docker: bool = False, **changes: str) -> None:
    """Prepare and start it; systemd, which does nothing here, would run the unit."""
    data = docker_orders(root, **changes) if docker else orders(**changes)
    assert told(root, "prepare", data=data) == Said(0, "", "")
    assert told(root, "start") == Said(0, "", "")


def run(root: Root, *, kill_at: int = 0) -> int:
    """Run the unit; with `kill_at` it and all its children die at that many programs. Returns its status."""
    script = root.folder / "unit.sh"
    if kill_at:
        root.write("kill_at", f"{kill_at}\n")
        root.write("ticks", "")
    line = f'echo $$ >"{root.folder}/pgid"; exec sh "{script}" ink-disk run {NAME}'
    env = {"PATH": f"{root.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", line], env=env, timeout=LIMIT_S, start_new_session=True, check=False, capture_output=True
    ).returncode


def boot(root: Root) -> None:
    """Take the power away and give it back: fstab is mounted if the disk is there, then Docker and the unit start."""
    for at in (root.folder / "data", root.folder / "var/lib/ink-infra/disk/stage"):
        if at.is_symlink():
            at.unlink()
        under = at.with_name(f"{at.name}.under")
        if under.exists():
            if at.exists():
                at.rmdir()
            under.rename(at)
    root.write("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    for name in ("docker_up", "containerd_up", "kill_at"):
        (root.folder / name).unlink(missing_ok=True)
    env = {"PATH": f"{root.folder / 'bin'}:/usr/bin:/bin"}
    if f"{DISK} /data ext4" in (root.read("etc/fstab") or ""):
        subprocess.run([root.folder / "bin/mount", root.folder / "data"], env=env, check=False)
    subprocess.run([root.folder / "bin/boot-docker"], env=env, check=False)
    if (root.folder / "enabled").exists():
        assert run(root) == 0


def facts(text: str) -> list[tuple[str, str]]:
    """Return what the script says, line by line."""
    return [(first, rest) for first, _, rest in (line.partition(" ") for line in text.splitlines())]


def left(root: Root) -> Left:
    """Return what is left."""
    state, why = (root.read(f"{TOP}/{name}") or "" for name in ("state", "why"))
    mounts = root.read("proc/self/mountinfo") or ""
    return Left(
        state=state.strip(),
        why=why.strip(),
        on_disk=" /data rw " in mounts,
        docker=(root.folder / "docker_up").exists(),
        containers=tuple(sorted((root.read("containers") or "").split())),
    )


def content(root: Root) -> dict[str, str]:
    """Return what Docker sees in /data."""
    place = root.folder / "data"
    return {
        str(file.relative_to(place)): file.read_text(encoding="utf-8")
        for file in sorted(place.rglob("*"))
        if file.is_file() and not {"lost+found", "docker", "containerd"} & {*file.parts}
    }
