"""A Factory without Coolify, below a folder: its installer is a short one that does what the vendor's does there.

Written from scripts/install.sh and scripts/upgrade.sh of coollabsio/coolify (4.3.10): what they fetch, from where, what
they write into .env and daemon.json, and in which order.
"""

import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ink_infra_mcp.hosts.factory.installing import Installation, Orders, Site, read_installation, read_site
from ink_infra_mcp.hosts.scripts import packaged
from tests.hosts.pretend_root import Root, Said, root_at

NAME, OTHER = "op-1", "op-2"
TOP = "var/lib/ink-infra/install/installs"
IMAGE = "sha256:" + "a" * 64
DIGEST = "sha256:" + "d" * 64
LIMIT_S = 120
CUSTOM = 'services:\n  coolify:\n    ports: !override\n      - "127.0.0.1:8000:8080"\n'
DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""
"""As Debian's own base-files has it."""
DAEMON = '{"default-address-pools": [{"base": "172.20.0.0/14", "size": 24}]}\n'

INSTALLER = r"""#!/bin/bash
set -e
set -o pipefail
CDN="https://cdn.coollabs.io/coolify"
mkdir -p /data/coolify/source /data/coolify/ssh/keys
chmod -R 700 /data/coolify
helper=$(curl -L --silent $CDN/versions.json | grep -o '"helper": "[0-9.]*"' | cut -d '"' -f 4)
curl -s --max-time 2 "https://v2.jokeapi.dev/joke/Programming" || true
if ! [ -x "$(command -v docker)" ]; then
  curl -fsSL https://get.docker.com | sh 2>&1 || true
  apt-get install -y docker-ce
fi
if ! grep -q default-address-pools /etc/docker/daemon.json; then echo '{}' >/etc/docker/daemon.json; fi
for file in docker-compose.yml docker-compose.prod.yml .env.production upgrade.sh upgrade-postgres.sh; do
  curl -fsSL -L $CDN/$file -o /data/coolify/source/$file &
  wait $!
done
env=/data/coolify/source/.env
[ -f $env ] || cp /data/coolify/source/.env.production $env
grep -q '^APP_KEY=.' $env || echo "APP_KEY=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' ')" >>$env
[ "$AUTOUPDATE" != false ] || grep -q AUTOUPDATE $env || echo AUTOUPDATE=false >>$env
grep -q ADDRESS_POOL $env || echo "DOCKER_ADDRESS_POOL_BASE=$DOCKER_ADDRESS_POOL_BASE" >>$env
key=/data/coolify/ssh/keys/id.root@host.docker.internal
[ -f /root/.ssh/authorized_keys ] || { mkdir -p /root/.ssh && touch /root/.ssh/authorized_keys; }
if [ "$(docker volume ls | grep coolify-db | wc -l)" -eq 0 ]; then
  rm -f $key $key.pub
  ssh-keygen -t ed25519 -f $key -q -N "" -C coolify
  sed -i "/coolify/d" /root/.ssh/authorized_keys
  cat $key.pub >>/root/.ssh/authorized_keys
  rm -f $key.pub
fi
echo "$USER $HOME $helper" >/data/coolify/source/seen
bash /data/coolify/source/upgrade.sh "$1" "$helper" "$REGISTRY_URL" true
"""
UPGRADE = r"""#!/bin/bash
curl -fsSL -L https://cdn.coollabs.io/coolify/docker-compose.yml -o /data/coolify/source/docker-compose.yml
docker pull "$3/coollabsio/coolify:$1" || exit 1
echo "COOLIFY_VERSION=$1" >>/data/coolify/source/.env
docker up
"""
FILES = {
    "install.sh": INSTALLER,
    "upgrade.sh": UPGRADE,
    "upgrade-postgres.sh": "#!/bin/bash\n",
    "docker-compose.yml": "services: {}\n",
    "docker-compose.prod.yml": "services: {}\n",
    ".env.production": "APP_ID=\n",
    "versions.json": '{"helper": "1.0.15"}\n',
}
TICK = """
case "$0 $*" in *inspect* | *"docker ps"* | *"docker version"* | *" is-"*) reads=yes ;; *) reads= ;; esac
if [ -z "$reads" ] && [ -e "$ROOT/kill_at" ] && [ -e "$ROOT/pgid" ]; then
  echo x >>"$ROOT/ticks"
  if [ "$(wc -l <"$ROOT/ticks")" = "$(cat "$ROOT/kill_at")" ]; then
    rm -f "$ROOT/kill_at"
    kill -9 "-$(cat "$ROOT/pgid")"
    kill -9 $$
  fi
fi
"""
"""Every program that changes something may be the last thing that the unit does."""
DOCKER = r"""
[ ! -e "$ROOT/dead" ] || exit 1
for last; do :; done
there() { [ -e "$ROOT/containers/$1" ]; }
case "$*" in
  'ps -q') ls "$ROOT/containers" 2>/dev/null || true ;;
  'version --format {{.Server.Version}}') echo 28.5.1 ;;
  'compose version --short') echo 2.40.0 ;;
  'volume inspect'*) [ -e "$ROOT/volume" ] ;;
  'info --format {{.DockerRootDir}}') settings=$ROOT/etc/docker/daemon.json
    grep -q data-root "$settings" || echo "$ROOT/var/lib/docker"
    sed -n 's/.*"data-root": "\([^"]*\)".*/\1/p' "$settings" ;;
  'info --format {{json .DriverStatus}}') cat "$ROOT/store" 2>/dev/null || echo '[["Backing Filesystem","extfs"]]' ;;
  'volume ls') [ ! -e "$ROOT/volume" ] || echo 'local coolify-db' ;;
  'image inspect'*) echo "[\"coollabsio/coolify@$(cat "$ROOT/digest")\"]" ;;
  'inspect --type container --format {{.Id}}'*) there "$last" && echo x ;;
  'inspect --type container --format {{.Image}}'*) there "$last" && cat "$ROOT/image" ;;
  'inspect --type container --format {{range'*) there "$last" && cat "$ROOT/containers/$last" ;;
  'inspect --type container --format {{.State.Status}} {{.Config.Image}}'*) there "$last" && echo "running coolify:4" ;;
  'inspect --type container --format {{.State.Status}}'*) there "$last" && cat "$ROOT/health" ;;
  'pull '*) echo "$2" >>"$ROOT/pulled"; [ ! -e "$ROOT/unpullable" ] ;;
  'stop '*) shift; for word; do rm -f "$ROOT/containers/$word"; echo "$word" >>"$ROOT/stopped"; done ;;
  up) [ ! -e "$ROOT/moves" ] || cat "$ROOT/moves" >"$ROOT/digest"
    mkdir -p "$ROOT/containers"; : >"$ROOT/volume"
    at=0.0.0.0; ! grep -qs 127.0.0.1 "$ROOT/data/coolify/source/docker-compose.custom.yml" || at=127.0.0.1
    [ ! -e "$ROOT/open" ] || at=0.0.0.0
    echo "$at:8000 " >"$ROOT/containers/coolify"; echo "$at:6001 $at:6002 " >"$ROOT/containers/coolify-realtime"
    echo "$at" >>"$ROOT/ups" ;;
  exec*psql*) cat "$ROOT/instance" ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""
APT = r"""
case "$*" in
  'install -y docker-ce') cat "$APT_CONFIG" >"$ROOT/apt.conf"; mv "$ROOT/docker.later" "$ROOT/bin/docker" ;;
  *) echo "$*" >>"$ROOT/apt" ;;
esac
"""
SYSTEMCTL = r"""
case "$*" in
  'enable --quiet '*) : >"$ROOT/enabled" ;;
  'disable --quiet '*) rm -f "$ROOT/enabled" ;;
  'is-enabled '*) [ -e "$ROOT/enabled" ] ;;
  'is-active '*) exit 3 ;;
  'restart docker.service') echo x >>"$ROOT/restarts"
    [ ! -e "$ROOT/flagged" ] || ! grep -q default-address-pools "$ROOT/etc/docker/daemon.json" ;;
esac
"""
PROGRAMS = {
    "docker": DOCKER,
    "apt-get": APT,
    "systemctl": SYSTEMCTL,
    "curl": 'echo "$*" >>"$ROOT/fetched"; exit 6',
    "ss": 'case "$*" in *":$(cat "$ROOT/port" 2>/dev/null)") cat "$ROOT/holder" ;; esac',
    "sleep": "real 0.01",
    "sync": '[ ! -e "$ROOT/full" ]',
    "snap": "exit 1",
    "dpkg": 'echo "$*" >>"$ROOT/dpkg"',
    "sshd": "echo port 22; echo permitrootlogin prohibit-password",
    "ip": "echo '10.0.0.0/16 dev eth1'; echo '172.17.0.0/16 dev docker0'; echo 'default via 192.0.2.1'",
    "df": "echo head; echo /dev/sda1 83886080 9 62914560 9 /",
    "uname": "echo x86_64",
    "dockerd": 'grep -q "^{" "$3"',
    "containerd": 'cat "$ROOT/etc/containerd/config.toml"',
    "wget": "exit 6",
    "git": "exit 6",
    "jq": "exit 6",
    "openssl": "exit 6",
    **{name: 'real "$@"' for name in ("cp", "mv", "mkdir")},
}
_CHANGING = ("docker", "apt-get", "systemctl", "cp", "mv", "mkdir", "curl")


@dataclass(frozen=True)
class Left:
    """What is left of an installation: its state, why, what is published, and how often its containers came up."""

    state: str
    why: str
    published: str = "127.0.0.1:8000 127.0.0.1:6001 127.0.0.1:6002"
    ups: int = 1


def factory(folder: Path, *, docker: bool = True) -> Root:
    """Return a Factory without Coolify, and with or without Docker."""
    root = root_at(folder)
    programs = {name: f"{TICK}{body}" if name in _CHANGING else body for name, body in PROGRAMS.items()}
    root.programs(programs)
    if not docker:
        (folder / "bin/docker").rename(folder / "docker.later")
    root.write("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    root.write("etc/os-release", DEBIAN)
    root.write("etc/systemd/system/.keep", "")
    root.write("etc/docker/.keep", "")
    for name, text in {
        "digest": DIGEST,
        "image": IMAGE,
        "health": "running healthy",
        "instance": "0|f|t|f",
        "port": "none",
    }.items():
        root.write(name, text)
    return root


def orders(root: Root, **changes: object) -> str:
    """Return orders for the release whose files these are, with their places below the folder."""
    files = {name: root.below(text) for name, text in FILES.items()}
    settings: dict[str, object] = {
        "version": "4.3.10",
        "registry": "docker.io",
        "digest": DIGEST,
        "pool": ("172.20.0.0/14", 24),
        "files": files,
        "sums": {name: sha256(text.encode()).hexdigest() for name, text in files.items()},
        "custom": CUSTOM,
        "daemon": DAEMON,
        "daemon_before": "none",
        "data": "any",
    }
    return Orders.model_validate(settings | changes).lines()


def told(root: Root, verb: str, name: str = NAME, *, data: str = "") -> Said:
    """Run a verb of the script."""
    return root.run("factory/install.sh", "ink-install", verb, name, data=data)


def begun(root: Root, name: str = NAME, **changes: object) -> None:
    """Prepare and start it; systemd, which does nothing here, would run the unit."""
    assert told(root, "prepare", name, data=orders(root, **changes)) == Said(0, "", "")
    assert told(root, "start", name) == Said(0, "", "")


def run(root: Root, name: str = NAME, *, kill_at: int = 0) -> int:
    """Run the unit; with `kill_at` it and all its children die at that many programs. Returns its status."""
    script = root.folder / "unit.sh"
    script.write_text(root.below(packaged("factory/install.sh")), encoding="utf-8")
    if kill_at:
        root.write("kill_at", f"{kill_at}\n")
        root.write("ticks", "")
    line = f'echo $$ >"{root.folder}/pgid"; exec sh "{script}" ink-install run {name}'
    env = {"PATH": f"{root.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}
    ran = subprocess.run(
        ["/bin/sh", "-c", line], env=env, timeout=LIMIT_S, start_new_session=True, check=False, capture_output=True
    )
    (root.folder / "kill_at").unlink(missing_ok=True)
    return ran.returncode


def boot(root: Root, name: str = NAME) -> None:
    """Give the power back: the unit starts, as long as it is enabled."""
    if (root.folder / "enabled").exists():
        assert run(root, name) == 0


def left(root: Root, name: str = NAME) -> Left:
    """Return what is left."""
    state, why = (root.read(f"{TOP}/{name}/{file}") or "" for file in ("state", "why"))
    containers = (root.read(f"containers/{each}") or "" for each in ("coolify", "coolify-realtime"))
    return Left(
        state=state.strip(),
        why=why.strip(),
        published=" ".join("".join(containers).split()),
        ups=len((root.read("ups") or "").split()),
    )


def facts(text: str) -> list[tuple[str, str]]:
    """Return what the script says, line by line."""
    return [(first, rest) for first, _, rest in (line.partition(" ") for line in text.splitlines())]


def site_of(root: Root) -> Site:
    """Return what an installation would meet, as it is read."""
    said = told(root, "look", "any")
    assert said.status == 0, said
    return read_site("factory", facts(said.facts))


def installation(root: Root, name: str = NAME) -> Installation:
    """Return how far it is, as it is read."""
    return read_installation("factory", facts(told(root, "look", name).facts))
