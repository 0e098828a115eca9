"""Answers the script that builds Coolify's fork on a server; nothing is ever built.

What git and Docker complain is written from git 2.47, buildx 0.13 and Docker 28. A build is over at the third look.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_builds import Build
from ink_infra_mcp.sandbox.state_factory import ImageKind
from ink_infra_mcp.sandbox.state_github import GITHUB_TOKEN
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_registry import whole_name

Said = tuple[int, str, str]
UNCHANGED = 3
_READS = ("look", "ready")
_MOVES = {
    ("start", "prepared"): "building",
    ("push", "built"): "pushing",
    ("push", "unpushed"): "pushing",
    **{("drop", state): "dropped" for state in ("prepared", "building", "built", "pushing", "unpushed", "failed")},
}
"""What becomes of a build in a state when it is told a verb; all else changes nothing."""
_ROOM_KB, _MEMORY_KB = 10_485_760, 3_145_728
_LOOKS = 3
_DATA = re.compile(r"<<'(?P<end>[A-Z-]+)'\n(?P<data>.*?)(?P=end)\n", re.DOTALL)
_DENIED = "denied: requested access to the resource is denied"
_NO_BUILD = '#12 ERROR: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1'
_FROM = "f" * 40
_APPLIED = "bootstrap/helpers/docker.php\ntests/Feature/DockerCustomCommandsTest.php\n"
_CONFLICT = "tests/Feature/DockerCustomCommandsTest.php"


_FAULTS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "conflict": ("patch", "the patch does not fit {base}: 1 files conflict", [_CONFLICT], []),
    "build": ("build", "docker buildx build failed", [], [f"npm warn config token {GITHUB_TOKEN}", _NO_BUILD]),
    "option": ("check", "the source in the image has no --runtime", [], []),
}
"""What goes wrong: the stage, why, the files that conflict, and the last words."""


@dataclass(frozen=True, slots=True)
class BuildScript:
    """One call of it on a pretend server."""

    state: WorldState
    host: HostState
    stdin: str

    def answer(self, words: tuple[str, ...]) -> Said:
        """Do what is asked, and return the exit status and what is said on both outputs."""
        _, verb, name = words
        self._settle(name)
        if verb in _READS:
            lines = self._ready(name) if verb == "ready" else self._look(name)
            return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""
        if verb == "prepare":
            return self._prepare(name)
        return self._acted(verb, name)

    def _prepare(self, name: str) -> Said:
        if name in self.host.builds:
            return 0, "", ""
        found = _DATA.search(self.stdin)
        if found is None:
            return _no("its orders could not be written")
        orders = dict(line.split(" ", 1) for line in found["data"].splitlines())
        del orders["script"]
        self.host.builds[name] = Build(orders=orders)
        return 0, "", ""

    def _acted(self, verb: str, name: str) -> Said:
        build = self.host.builds.get(name, Build(state="", orders={}))
        if (verb, build.state) not in _MOVES:
            return 0, "", ""
        if verb != "drop" and (busy := self._under_way(name)):
            return _no(f"another build is under way: {busy}")
        build.state, build.looks = _MOVES[verb, build.state], 0
        return 0, "", ""

    def _settle(self, name: str) -> None:
        build = self.host.builds.get(name)
        if build is None or build.state not in ("building", "pushing"):
            return
        build.looks += 1
        if build.state == "pushing":
            self._push(build)
        elif build.looks < _LOOKS:
            build.stage = ("fetch", "patch")[build.looks - 1]
            build.log = [*build.log, f"#{build.looks} [base 1/9] RUN composer install"]
        else:
            self._end(build)

    def _end(self, build: Build) -> None:
        orders, fault = build.orders, self.host.build_host.fault
        if moved := self._moved(orders):
            _fail(build, "fetch", moved)
        elif fault in _FAULTS:
            stage, why, build.conflicts, said = _FAULTS[fault]
            build.log = [*build.log, *said]
            _fail(build, stage, why.format(**orders))
        else:
            build.state, build.stage, build.id = "built", "check", f"sha256:{_sum(orders['image'])}"

    def _moved(self, orders: dict[str, str]) -> str:
        repo = self.state.github.repos[orders["repository"].removeprefix("https://github.com/")]
        head = repo.branches.get(orders["branch"])
        if head == orders["patch_commit"]:
            return ""
        moved = f"the branch {orders['branch']} moved since it was planned: it is {head}"
        return f"{moved}, and not {orders['patch_commit']}"

    def _push(self, build: Build) -> None:
        build.stage, image = "push", build.orders["image"]
        name, tag = whole_name(image)
        if name in self.state.registry.refusing:
            registry = image.partition("/")[0]
            build.log = [*build.log, _DENIED]
            build.state = "unpushed"
            build.why = f"login {registry} refuses the push to the login that root has here"
            return
        build.pushed = f"sha256:{_sum(build.id)}"
        build.state, build.why = "pushed", ""
        self.state.registry.moved[f"{name}:{tag}"] = build.pushed
        made = ImageKind(version=build.orders["base"].removeprefix("v"), built_on=build.orders["base_commit"])
        self.state.coolify.factory.images[f"{image.rpartition(':')[0]}@{build.pushed}"] = made
        self.state.journal.append(f"registry push {image}")

    def _under_way(self, name: str) -> str:
        busy = (n for n, build in self.host.builds.items() if build.state in ("building", "pushing") and n != name)
        return next(busy, "")

    def _look(self, name: str) -> Iterator[str]:
        build = self.host.builds.get(name, Build(state="", orders={}))
        yield f"state {build.state}"
        yield f"stage {build.stage}"
        yield f"why {_coded(build.why)}"
        yield f"id {build.id}"
        yield f"digest {build.pushed}"
        yield f"from {_FROM if build.id else ''}"
        yield f"applied {_coded(_APPLIED if build.id else '')}"
        yield f"conflicts {_coded(''.join(f'{file}{chr(10)}' for file in build.conflicts))}"
        yield f"said {_coded(''.join(f'{line}{chr(10)}' for line in build.log))}"

    def _ready(self, name: str) -> Iterator[str]:
        has = self.host.build_host
        yield f"docker {has.platform if self.host.docker_version else ''}"
        yield f"buildx {has.buildx}"
        yield f"git {has.git}"
        yield "systemd yes"
        yield f"free_kb {has.free_kb} {has.free_kb}"
        yield f"memory_kb {has.memory_kb}"
        yield f"wanted_kb {_ROOM_KB} {_MEMORY_KB}"
        yield f"under_way {self._under_way(name)}"
        for build in self.host.builds.values():
            if build.pushed:
                of = f"{build.orders['base_commit']} {build.orders['patch_commit']}"
                yield f"pushed {build.orders['image']} {build.pushed} {of}"


def _fail(build: Build, stage: str, why: str) -> None:
    build.state, build.stage, build.why = "failed", stage, why


def _no(why: str) -> Said:
    return UNCHANGED, "", f"ink-build: {why}\n"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
