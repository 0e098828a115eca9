"""A build of the fork's image as the unit on a build host does it: one script, its verbs, and what it says."""

import re
from collections.abc import Iterable

from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.unit_script import ANY, UnitScript
from ink_infra_mcp.ssh.pool import HostPool

STAGE = "build"
FOLDER = "/var/lib/ink-build/builds"
UNTOUCHED = "Nothing in service was touched, and nothing was pushed."
SCRIPT = UnitScript(
    name="build",
    stage=STAGE,
    subject="the build",
    does_not="does not build",
    folder=FOLDER,
    untouched=UNTOUCHED,
    reads=frozenset({"look", "ready"}),
    verb_s=240.0,
)
_STATES = frozenset({"", "prepared", "building", "built", "pushing", "unpushed", "pushed", "failed", "dropped"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PUSHED = re.compile(r"(\S{1,400}) (sha256:[0-9a-f]{64}) ([0-9a-f]{40}) ([0-9a-f]{40})")
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6}){1,3}")


class Build(Frozen):
    """How far a build is: `state` is empty where the host knows none of that name.

    `id` is the image's on the host once it is built and checked, `digest` the registry's once it is pushed.
    `origin` is the commit of Coolify at which the fork's branch left it, and `applied` are the files (500 at most) that
    were changed of the release; a build that found its image there tells none.
    `conflicts` are the files on which patch and release do not agree. `untrusted_log` is the end of its log.
    """

    state: str
    stage: str = ""
    why: str = ""
    id: str = ""
    digest: str = ""
    origin: str = ""
    applied: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    untrusted_log: str = ""


class PushedBuild(Frozen):
    """What an earlier build pushed: its digest at the registry, and the two commits that it was made from."""

    digest: str
    base_commit: str
    patch_commit: str


class BuildGround(Frozen):
    """What a build would meet; empty or None is not known, or not there. `pushed`: by image, what builds pushed before.

    `docker` is the platform of the daemon, such as `linux/amd64`; `wanted_kib` the least of room and memory.
    """

    docker: str = ""
    buildx: str = ""
    git: str = ""
    systemd: bool = False
    free_kib: int | None = None
    memory_kib: int | None = None
    wanted_kib: tuple[int, int] = (0, 0)
    under_way: str = ""
    pushed: dict[str, PushedBuild] = {}


class BuildOrders(Frozen):
    """What the unit shall build: a release of Coolify and the fork's branch, both as commits, and the image's tag."""

    base: str
    base_commit: str
    repository: str
    branch: str
    patch_commit: str
    image: str

    def lines(self) -> str:
        """Return the orders as the script reads them, each value a word; the script judges each once more."""
        return SCRIPT.orders(self.model_dump())


async def look(pool: HostPool, host: str, name: str) -> Build:
    """Return how far a build is.

    Raises:
        HostError: the host cannot be reached, or its answer is not understood.
    """
    return read_build(host, await SCRIPT.facts(pool, host, "look", name))


async def ready(pool: HostPool, host: str) -> BuildGround:
    """Return what a build would meet on the host now.

    Raises:
        HostError: as with `look`.
    """
    return read_ground(await SCRIPT.facts(pool, host, "ready", ANY))


async def act(
    pool: HostPool, host: str, verb: str, name: str, *, permit: Permit, orders: BuildOrders | None = None
) -> None:
    """Have the script do one thing: prepare, start, push or drop. Each may be done twice.

    Raises:
        StepFailed: it does not, and nothing was changed.
        HostError: the host cannot be reached, or broke off: a look tells how far it is.
    """
    await SCRIPT.act(pool, host, verb, name, permit=permit, data=orders.lines() if orders else "")


def read_build(host: str, facts: Iterable[tuple[str, str]]) -> Build:
    """Return the build that the script tells of.

    Raises:
        HostError: its answer is not understood.
    """
    told = dict(facts)
    if told.get("state", "?") not in _STATES:
        raise SCRIPT.not_understood(host)
    return Build(
        state=told["state"],
        stage=clean_name(told.get("stage", ""), limit=20),
        why=clean_name(SCRIPT.decoded(host, told.get("why", "")).strip(), limit=300),
        id=_digest(told.get("id", "")),
        digest=_digest(told.get("digest", "")),
        origin=told["from"] if _COMMIT.fullmatch(told.get("from", "")) else "",
        applied=_files(host, told.get("applied", "")),
        conflicts=_files(host, told.get("conflicts", "")),
        untrusted_log=SCRIPT.decoded(host, told.get("said", "")),
    )


def read_ground(facts: Iterable[tuple[str, str]]) -> BuildGround:
    """Return what a build would meet, of what the script tells; what is missing or damaged there is not known."""
    lines = list(facts)
    told = dict(lines)
    named = (_PUSHED.fullmatch(rest) for first, rest in lines if first == "pushed")
    room, memory = (*_numbers(told.get("wanted_kb", "")), 0, 0)[:2]
    return BuildGround(
        docker=clean_name(told.get("docker", ""), limit=40),
        buildx=_version(told.get("buildx", "")),
        git=_version(told.get("git", "")),
        systemd=told.get("systemd") == "yes",
        free_kib=_least(_numbers(told.get("free_kb", ""))),
        memory_kib=next(iter(_numbers(told.get("memory_kb", ""))), None),
        wanted_kib=(room, memory),
        under_way=clean_name(told.get("under_way", "")),
        # the newest comes first
        pushed={
            found[1]: PushedBuild(digest=found[2], base_commit=found[3], patch_commit=found[4])
            for found in reversed([*filter(None, named)])
        },
    )


def _numbers(text: str) -> list[int]:
    words = text.split()
    return [int(word) for word in words] if all(re.fullmatch(r"[0-9]{1,15}", word) for word in words) else []


def _least(kib: list[int]) -> int | None:
    """Return the room on the fuller of both disks; of one alone nobody knows whether it is that."""
    return min(kib) if len(kib) > 1 else None


def _digest(text: str) -> str:
    return text if _DIGEST.fullmatch(text) else ""


def _version(text: str) -> str:
    return text if _VERSION.fullmatch(text) else ""


def _files(host: str, text: str) -> tuple[str, ...]:
    return tuple(clean_name(file, limit=200) for file in SCRIPT.decoded(host, text).splitlines())
