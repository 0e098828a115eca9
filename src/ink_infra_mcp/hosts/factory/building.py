"""A build of the fork's image as the unit on a build host does it: one script, its verbs, and what it says."""

import base64
import re
from collections.abc import Iterable
from hashlib import sha256

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-build"
STAGE = "build"
FOLDER = "/var/lib/ink-build/builds"
UNTOUCHED = "Nothing in service was touched, and nothing was pushed."
VERB_S = 240.0
READS = frozenset({"look", "ready"})
ANY = "any"
"""The name that is given where no build is meant."""
_DATA_END = "INK-BUILD-END-OF-DATA"
_STATES = frozenset({"", "prepared", "building", "built", "pushing", "unpushed", "pushed", "failed", "dropped"})
_WORDS = re.compile(r"^ink-build: (.+)", re.MULTILINE | re.DOTALL)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PUSHED = re.compile(r"(\S{1,400}) (sha256:[0-9a-f]{64}) ([0-9a-f]{40}) ([0-9a-f]{40})")
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6}){1,3}")
_UNCHANGED = 3


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
        script = packaged("factory/build.sh")
        told = {
            **self.model_dump(),
            "script": base64.b64encode(script.encode()).decode(),
            "end": sha256(script.encode()).hexdigest(),
        }
        return "".join(f"{key} {value}\n" for key, value in told.items())


def command(verb: str, name: str, *, as_root: bool, data: str = "") -> HostCommand:
    """Return the command that runs the script, which arrives by standard input with its orders behind it."""
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", AS_ROOT, "sh")
    rest = f" <<'{_DATA_END}'\n{data}{_DATA_END}\n" if data else " </dev/null\n"
    stdin = (packaged("factory/build.sh").rstrip("\n") + rest).encode()
    return HostCommand((*begin, MARK, verb, name), changes=verb not in READS, timeout_s=VERB_S, stdin=stdin)


async def look(pool: HostPool, host: str, name: str) -> Build:
    """Return how far a build is.

    Raises:
        HostError: the host cannot be reached, or its answer is not understood.
    """
    return read_build(host, await _facts(pool, host, "look", name))


async def ready(pool: HostPool, host: str) -> BuildGround:
    """Return what a build would meet on the host now.

    Raises:
        HostError: as with `look`.
    """
    return read_ground(await _facts(pool, host, "ready", ANY))


async def act(
    pool: HostPool, host: str, verb: str, name: str, *, permit: Permit, orders: BuildOrders | None = None
) -> None:
    """Have the script do one thing: prepare, start, push or drop. Each may be done twice.

    Raises:
        StepFailed: it does not, and nothing was changed.
        HostError: the host cannot be reached, or broke off: a look tells how far it is.
    """
    data = orders.lines() if orders else ""
    said = await pool.run(host, command(verb, name, as_root=is_root(pool, host), data=data), permit=permit)
    if said.exit_status:
        raise _refusal(pool, host, said)


async def _facts(pool: HostPool, host: str, verb: str, name: str) -> list[tuple[str, str]]:
    said = await pool.run(host, command(verb, name, as_root=is_root(pool, host)))
    if said.exit_status:
        raise _refusal(pool, host, said)
    if said.truncated or not said.stdout.endswith("done\n"):
        raise _not_understood(host)
    return [_parted(line) for line in said.stdout.splitlines()]


def _parted(line: str) -> tuple[str, str]:
    first, _, rest = line.partition(" ")
    return first, rest


def read_build(host: str, facts: Iterable[tuple[str, str]]) -> Build:
    """Return the build that the script tells of.

    Raises:
        HostError: its answer is not understood.
    """
    told = dict(facts)
    if told.get("state", "?") not in _STATES:
        raise _not_understood(host)
    return Build(
        state=told["state"],
        stage=clean_name(told.get("stage", ""), limit=20),
        why=clean_name(_decoded(host, told.get("why", "")).strip(), limit=300),
        id=_digest(told.get("id", "")),
        digest=_digest(told.get("digest", "")),
        origin=told["from"] if _COMMIT.fullmatch(told.get("from", "")) else "",
        applied=_files(host, told.get("applied", "")),
        conflicts=_files(host, told.get("conflicts", "")),
        untrusted_log=_decoded(host, told.get("said", "")),
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
    return tuple(clean_name(file, limit=200) for file in _decoded(host, text).splitlines())


def _decoded(host: str, text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except ValueError as error:
        raise _not_understood(host) from error


def _not_understood(host: str) -> HostError:
    return HostError(
        f"What {host} says of the build is not understood.",
        host=host,
        done="Nothing was changed by asking.",
        next=f"Look at it there: {FOLDER}.",
    )


def _refusal(pool: HostPool, host: str, said: CommandResult) -> StepFailed | HostError:
    words = pool.presentable(said.stderr, limit=600)
    told = _WORDS.search(words)
    if said.exit_status == _UNCHANGED and told:
        return StepFailed(
            f"{host} does not build: {clean_name(told[1], limit=400)}.",
            done=UNTOUCHED,
            next="Mend that, then call again.",
            stage=STAGE,
        )
    return CommandFailed(
        f"{host} did not run what was asked of it (exit status {said.exit_status}): {clean_name(words, limit=300)}.",
        host=host,
        done="A look tells how far it is.",
        next="Give our user sudo without a password there, or log in as root.",
        exit_status=said.exit_status,
    )
