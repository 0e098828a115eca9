"""A build host for the script that builds the fork's image: real git over real repositories, and a Docker that says."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ink_infra_mcp.hosts.factory.building import Build, BuildOrders, read_build
from ink_infra_mcp.hosts.scripts import packaged
from tests.hosts.pretend_root import LIMIT_S, Root, Said, root_at
from tests.programs import program

NAME = "op-1"
BASE = "v4.3.10"
FORK = "https://github.com/example/coolify"
IMAGE = "registry.example.com/ink/coolify"
HELPER, DOCKERFILE = "bootstrap/helpers/docker.php", "docker/production/Dockerfile"
OPTIONS = "<?php\n" + "".join(f"// line {n}\n" for n in range(9)) + "'--entrypoint' => 'entrypoint',\n"
RUNTIME = "'--runtime' => 'runtime',\n"
DIGEST, ID = (f"sha256:{digit * 64}" for digit in "da")
OLD_CACHE, NEW_CACHE = "o" * 25, "n" * 25
GIT = """
echo "$*" >>"$ROOT/git_asked"
[ ! -e "$ROOT/git_broken" ] || . "$ROOT/git_broken"
for word do
  shift
  case $word in
    https://github.com/coollabsio/coolify) word=$ROOT/upstream ;;
    https://github.com/example/coolify) word=$ROOT/fork ;;
  esac
  set -- "$@" "$word"
done
[ "$GIT_ALLOW_PROTOCOL" = https ] || exit 9
export GIT_ALLOW_PROTOCOL=file
real "$@"
"""
SYSTEMCTL = """
case $1 in is-active) [ -e "$ROOT/active" ] && { [ -e "$ROOT/stuck" ] || rm "$ROOT/active"; }; exit ;; esac
case $1 in is-enabled) grep -E '^(en|dis)able ' "$ROOT/systemd" | tail -n 1 | grep -q ^enable; exit ;; esac
echo "$*" >>"$ROOT/systemd"
"""
DOCKER = f"""
UNKNOWN='Error response from daemon'
echo "$*" >>"$ROOT/asked"
[ ! -e "$ROOT/broken" ] || . "$ROOT/broken"
build() {{
  for word; do
    case $word in ink-infra.base=*) base=${{word#*=}} ;; ink-infra.patch=*) patch=${{word#*=}} ;; esac
    case $word in ink-infra.tag=*) tag=${{word#*=}} ;; ink-infra.from=*) echo "${{word#*=}}" >"$ROOT/from" ;; esac
    tree=$word
  done
  echo '#5 RUN npm run build'
  rm -rf "$ROOT/image"
  cp -r "$tree" "$ROOT/image"
  find "$tree" ! -perm -044 ! -path "$tree" >"$ROOT/unreadable"
  echo {NEW_CACHE} >>"$ROOT/cache"
  echo "$base $patch $tag" >"$ROOT/labels"
  echo "ink-build:$tag" >>"$ROOT/images"
}}
has() {{ grep -qxF -- "$1" "$ROOT/images"; }}
case $* in
  'version --format '*) echo linux/amd64 ;;
  'buildx version') echo 'github.com/docker/buildx 0.13.1 0.13.1+ds1-3' ;;
  'info --format '*) echo / ;;
  'buildx du --builder default') echo 'ID RECLAIMABLE SIZE'; sed 's/$/* true 1B/' "$ROOT/cache" ;;
  'buildx prune --builder default --force --filter id=^('*) grep -Ev -- "${{7#id=}}" "$ROOT/cache" >"$ROOT/left"
    mv "$ROOT/left" "$ROOT/cache" ;;
  'buildx build '*) build "$@" ;;
  'image inspect --format {{{{.Id}}}} {IMAGE}:'*) cat "$ROOT/foreign" 2>/dev/null || {{ has "$5" && echo {ID}; }} ;;
  'image inspect --format {{{{.Id}}}} '*) has "$5" && echo {ID} ;;
  'image inspect --format {{{{.Os}}}}/{{{{.Architecture}}}} '*) echo linux/amd64 ;;
  'image inspect --format {{{{index .Config.Labels "ink-infra.from"}}}} '*) cat "$ROOT/from" ;;
  'image inspect --format {{{{index .Config.Labels '*) for last; do :; done; has "$last" && cat "$ROOT/labels" ;;
  'image tag '*) echo "$4" >>"$ROOT/images" ;;
  'image rm '*) grep -vxF -- "$3" "$ROOT/images" >"$ROOT/left"; mv "$ROOT/left" "$ROOT/images" ;;
  'run --rm '*' --entrypoint grep '*) grep -c -- "'--runtime'" "$ROOT/image/{HELPER}" ;;
  'run --rm '*' --entrypoint php '*)
    grep -q "'--runtime' => 'runtime'" "$ROOT/image/{HELPER}" && echo 'ink-option runsc' || echo 'ink-option dropped' ;;
  'push '*) echo "$2" >>"$ROOT/registry"; echo 'a1: Pushed'; echo "${{2##*:}}: digest: {DIGEST} size: 1148" ;;
  'pull --quiet {IMAGE}:'*)
    grep -qxF -- "$3" "$ROOT/registry" 2>/dev/null ||
      {{ echo "$UNKNOWN: manifest for $3 not found: manifest unknown: manifest unknown" >&2; exit 1; }} ;;
  'pull --quiet '*@sha256:*) echo "$3" >>"$ROOT/images" ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""


@dataclass(frozen=True)
class Sources:
    """The commits of the release and of the fork's branch."""

    base: str
    patch: str


def git(folder: Path, *words: str) -> str:
    """Return what git says in a repository, as somebody who has made it."""
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "init.defaultBranch=main")
    ran = subprocess.run(
        ("git", *who, "-C", str(folder), *words), capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    return ran.stdout.strip()


def commit(folder: Path, **files: str | None) -> str:
    """Change files of a repository, `__` in a name being a slash and None taking it away, and return the commit."""
    return commit_files(folder, {name.replace("__", "/"): text for name, text in files.items()})


def commit_files(folder: Path, files: dict[str, str | None]) -> str:
    """Change files of a repository, None taking one away, and return the commit."""
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            place.unlink()
        else:
            place.write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", f"change {', '.join(files)}")
    return git(folder, "rev-parse", "HEAD")


def sources(root: Root) -> Sources:
    """Make Coolify with an old state, a release and an unreleased migration on next, and a fork with a patch of old."""
    upstream, fork = root.folder / "upstream", root.folder / "fork"
    upstream.mkdir()
    git(upstream, "init", "--quiet")
    commit_files(upstream, {HELPER: OPTIONS, DOCKERFILE: "FROM php\n", "app/a.php": "1\n", "tests/t.php": "old\n"})
    git(root.folder, "clone", "--quiet", str(upstream), str(fork))
    git(fork, "checkout", "--quiet", "-b", "runtime")
    patch = commit_files(fork, {HELPER: OPTIONS + RUNTIME, "tests/new.php": "it works\n"})
    base = commit_files(upstream, {"app/a.php": "2\n", HELPER: f"{OPTIONS.replace('line 0', 'another')}"})
    git(upstream, "tag", "-a", BASE, "-m", BASE)
    git(upstream, "checkout", "--quiet", "-b", "next")
    commit_files(upstream, {"database/migrations/unreleased.php": "drop\n"})
    git(upstream, "checkout", "--quiet", "main")
    return Sources(base, patch)


def build_host(folder: Path, shell: str = "sh") -> Root:
    """Return a server that can build."""
    program("git")
    root = root_at(folder, shell=shell)
    root.programs({"git": GIT, "docker": DOCKER, "systemctl": SYSTEMCTL, "sleep": "real 0.001"})
    root.write("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    root.write("etc/systemd/system/.keep", "")
    root.write("root/.keep", "")
    root.write("cache", f"{OLD_CACHE}\n")
    root.write("images", "")
    return root


def orders(it: Sources, **changes: str) -> str:
    """Return the orders as they are sent."""
    plain = BuildOrders(
        base=BASE,
        base_commit=it.base,
        repository=FORK,
        branch="runtime",
        patch_commit=it.patch,
        image=f"{IMAGE}:{BASE[1:]}-{it.patch[:12]}",
    )
    return plain.model_copy(update=changes).lines()


def told(root: Root, verb: str, name: str = NAME, *, data: str = "", room: int | None = None) -> Said:
    """Run a verb of the script."""
    return root.run("factory/build.sh", "ink-build", verb, name, data=data, room=room)


def unit(root: Root, name: str = NAME) -> int:
    """Run what the unit runs, in a shell whose pid stands in the file `shell`; return how it ended."""
    shell = [program(root.shell), *(["sh"] if root.shell == "busybox" else [])]
    text = f"echo $$ >'{root.folder}/shell'\n{root.below(packaged('factory/build.sh')).rstrip()} </dev/null\n"
    ran = subprocess.run(
        [*shell, "-s", "--", "ink-build", "run", name],
        input=text,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={"PATH": f"{root.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return ran.returncode


def begun(root: Root, it: Sources, name: str = NAME, **changes: str) -> None:
    """Prepare and start a build."""
    prepared = told(root, "prepare", name, data=orders(it, **changes))
    started = told(root, "start", name)
    assert (prepared.status, started.status) == (0, 0), prepared.words + started.words


def built(root: Root, it: Sources, name: str = NAME, **changes: str) -> Build:
    """Have it build, and return what became of it."""
    begun(root, it, name, **changes)
    unit(root, name)
    return seen(root, name)


def pushed(root: Root, name: str = NAME) -> Build:
    """Have it push what was built, and return what became of it."""
    assert told(root, "push", name).status == 0
    unit(root, name)
    return seen(root, name)


def seen(root: Root, name: str = NAME) -> Build:
    """Return the build as we read it."""
    said = told(root, "look", name)
    assert (said.status, said.words) == (0, "")
    return read_build("factory", [(line.partition(" ")[0], line.partition(" ")[2]) for line in said.facts.splitlines()])


def asked(root: Root, what: str) -> list[str]:
    """Return what Docker was asked that begins so."""
    return [line for line in (root.read("asked") or "").splitlines() if re.match(what, line)]


def lines(root: Root, file: str) -> list[str]:
    """Return the lines of a file of the server."""
    return (root.read(file) or "").splitlines()
