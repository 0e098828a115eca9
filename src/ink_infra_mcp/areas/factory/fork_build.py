"""A build of the fork's image: from which release and which commit of the patch, where, why not, and its steps."""

import re
from collections.abc import Iterator

from ink_infra_mcp.areas.factory.upstream import UPSTREAM, published
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.github import FileChange, GithubLook
from ink_infra_mcp.core.errors import HostError, InkError, InputError, RefusedByPolicy, UnknownName
from ink_infra_mcp.core.fleet import Fleet, Fork
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Step, Undo
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory import building
from ink_infra_mcp.hosts.factory.build_steps import BUILD_IMAGE, DROP_BUILD, PUSH_IMAGE
from ink_infra_mcp.hosts.factory.building import BuildGround, BuildOrders, ready
from ink_infra_mcp.hosts.factory.configured import kind_of, repository_of

PLATFORM = "linux/amd64"
BUILD, PUSH = "build", "push"
KINDS = (BUILD_IMAGE, PUSH_IMAGE)
_SHORT = 12
_SHOWN = 12
_CHANGES = "changes"
_MOST = 300
"""GitHub's comparison of two commits names no more files."""
_BUILDS = re.compile(r"docker/|\.dockerignore$|composer\.|package[^/]*\.json$")
_SETUP = 'Set [fork] in fleet.toml: repository = "https://github.com/owner/coolify", branch, and image.'


class BuildFacts(Frozen):
    """What a build would be of. `changes` are lines of the patch as GitHub tells them, or why it does not.

    `pushed` is the digest that an earlier build on `host` pushed under that very tag, `pushed_of` the two commits that
    it was made from, and `registry` the digest that the registry names for it now; they are empty where there is none,
    and then `unseen` may say why nobody knows.
    """

    host: str
    production: bool
    orders: BuildOrders
    changes: tuple[str, ...]
    pushed: str = ""
    pushed_of: str = ""
    registry: str = ""
    unseen: str = ""


async def build_facts(look: Look, base: str, host: str, number: int, approved: Plan | None) -> BuildFacts:
    """Return what a build would be of, with every name pinned to a commit; `base` empty: the newest release.

    Raises:
        InputError: fleet.toml names no fork, or GitHub has no such release or branch.
        UnknownName: no server of the fleet has that name.
        RefusedByPolicy: the server cannot build now, or the tag is somebody else's already; every reason is said.
        VendorError, HostError: GitHub or the server does not answer.
    """
    fork, name = look.fleet.fork, _host(look.fleet, host)
    refuse_fork(fork)
    orders = await _orders(look.github, fork, await published(look.github, base), number)
    ground = await ready(look.hosts, name)
    seen, earlier = await look.registries.image(orders.image), ground.pushed.get(orders.image)
    facts = BuildFacts(
        host=name,
        production=name in production_of(look.fleet),
        orders=orders,
        changes=await _changes(look.github, orders, approved),
        pushed=earlier.digest if earlier else "",
        pushed_of=f"{earlier.base_commit} {earlier.patch_commit}" if earlier else "",
        registry=seen.digest,
        unseen=seen.why,
    )
    _refuse(facts, ground)
    return facts


def production_of(fleet: Fleet) -> frozenset[str]:
    """Return the names of the Muscles whose changes count one class higher."""
    return frozenset(muscle.name for muscle in fleet.muscles if muscle.production)


def _refuse(facts: BuildFacts, ground: BuildGround) -> None:
    reasons = () if is_so(facts) else (*reasons_against(ground), *_of_tag(facts))
    if reasons:
        raise RefusedByPolicy(
            f"{facts.orders.image} is not built on {facts.host}: {'; '.join(reasons)}.",
            next="Mend that, or call build_fork_image with another `host` or `build`.",
        )


def refuse_fork(fork: Fork) -> None:
    """Refuse a fork that is not set up, or whose image would be pushed where Coolify's own is.

    Raises:
        InputError: it is so.
    """
    if not (fork.repository and fork.branch and fork.image):
        raise InputError("fleet.toml does not say what the fork is built from.", next=_SETUP)
    if kind_of(fork.image) != "fork":
        raise InputError(f"{fork.image} is called as Coolify's own image: a build is not pushed there.", next=_SETUP)


def is_so(facts: BuildFacts) -> bool:
    """Return whether that host has built, checked and pushed just this, and the registry does not say otherwise."""
    return bool(facts.pushed) and _is_of_these(facts) and facts.registry in ("", facts.pushed)


def _is_of_these(facts: BuildFacts) -> bool:
    """A tag of ours names the release, which may be another commit by now."""
    return facts.pushed_of == _pair(facts.orders)


def reasons_against(ground: BuildGround) -> Iterator[str]:
    """Yield every reason why a server cannot build now; what is not known is one."""
    yield from _of_tools(ground)
    room, memory = ground.wanted_kib
    yield from _too_little("room on its disks", ground.free_kib, room)
    yield from _too_little("memory", ground.memory_kib, memory)
    if ground.under_way:
        yield f"another build is under way there ({ground.under_way})"


def _of_tools(ground: BuildGround) -> Iterator[str]:
    if ground.docker != PLATFORM:
        yield f"its Docker is {ground.docker or 'not known'}, and {PLATFORM} is built on its own kind only"
    if not ground.buildx:
        yield "it has no docker buildx, and Coolify's Dockerfile needs it (RUN --mount, TARGETPLATFORM)"
    if not ground.git:
        yield "it has no git"
    if not ground.systemd:
        yield "systemd does not run there"


def _too_little(what: str, has: int | None, wanted: int) -> Iterator[str]:
    if has is None or not wanted:
        yield f"how much {what} is left is not known"
    elif has < wanted:
        yield f"{has // 1024} MiB of {what} are left, and {wanted // 1024} are wanted"


def _of_tag(facts: BuildFacts) -> Iterator[str]:
    """A tag of ours names its sources: whatever else is found under it is not overwritten."""
    if facts.pushed and not _is_of_these(facts):
        of = " and ".join(facts.pushed_of.split())
        yield f"{facts.host} pushed that tag before, of {of}: another `build` gets a tag of its own"
    elif facts.registry:
        whose = f"{facts.host} pushed {facts.pushed[:19]}" if facts.pushed else f"no build of {facts.host} pushed it"
        yield f"the registry has that tag as {facts.registry}, and {whose}: nothing is overwritten"


def _host(fleet: Fleet, host: str) -> str:
    names = [each.name for each in fleet.hosts]
    if host and host not in names:
        raise UnknownName(f"No server is called {clean_name(host)!r}.", next=f"Use one of: {', '.join(sorted(names))}.")
    return host or fleet.factory.name


async def _orders(github: GithubLook, fork: Fork, tag: str, number: int) -> BuildOrders:
    owner, name = fork.repository.split("/")[-2:]
    whose, what = UPSTREAM.split("/")
    base = await github.tag(whose, what, tag)
    patch = await github.head(owner, name, fork.branch)
    if base is None or patch is None:
        missing = f"tag {tag} of {UPSTREAM}" if base is None else f"branch {fork.branch} of {owner}/{name}"
        raise InputError(f"GitHub shows us no {missing}.", next="A build needs public repositories; see [fork].")
    again = f"-{number}" if number > 1 else ""
    return BuildOrders(
        base=tag,
        base_commit=base,
        repository=fork.repository,
        branch=fork.branch,
        patch_commit=patch,
        image=f"{repository_of(fork.image)}:{tag.removeprefix('v')}-{patch[:_SHORT]}{again}",
    )


async def _changes(github: GithubLook, orders: BuildOrders, approved: Plan | None) -> tuple[str, ...]:
    """Both commits are pinned, so that what GitHub told of them once holds: an answer that is lost is no drift."""
    kept = table(approved.pinned.get(_CHANGES)) if approved is not None else {}
    if kept.get("of") == _pair(orders):
        return tuple(str(line) for line in items(kept.get("lines")))
    owner, name = orders.repository.split("/")[-2:]
    whose = UPSTREAM.partition("/")[0]
    try:
        files = await github.changes(owner, name, f"{whose}:{orders.base}", orders.patch_commit)
    except InkError as error:
        return (f"not told: {error.failed}",)
    lines = [f"{each.filename} +{each.additions} -{each.deletions}" for each in sorted(files, key=_decides_less)]
    cut = (f"GitHub tells {_MOST} files at most: others may differ, too",) if len(files) >= _MOST else ()
    return (*cut, *lines)


def _decides_less(file: FileChange) -> bool:
    """What says how the image is built, and what is fetched into it, is read first."""
    return _BUILDS.match(file.filename) is None


def _pair(orders: BuildOrders) -> str:
    return f"{orders.base_commit} {orders.patch_commit}"


def pinned_of(facts: BuildFacts) -> JsonObject:
    """Return what the plan keeps of what GitHub told."""
    return {_CHANGES: {"of": _pair(facts.orders), "lines": [*facts.changes]}}


def build_steps(facts: BuildFacts) -> tuple[Step, ...]:
    """Return the steps: built and checked first, and only then pushed."""
    host, orders = facts.host, facts.orders
    return (
        Step(
            id=BUILD,
            kind=BUILD_IMAGE,
            target=host,
            summary=f"Have {host} put the patch {orders.patch_commit[:_SHORT]} on Coolify {orders.base} "
            f"({orders.base_commit[:_SHORT]}), build it for {PLATFORM}, and see in the image that "
            "--runtime is kept; nothing is pushed where a file conflicts or that fails",
            servers=(host,),
            after=f"an image on {host}, with both commits and the operation in its labels",
            params={"host": host, "orders": {**orders.model_dump()}},
            undo=Undo(
                kind=DROP_BUILD,
                target=host,
                summary=f"have {host} end the build and remove what it made there",
                effect=f"{host} is as it was",
                params={"host": host},
            ),
            undoes=(BUILD,),
        ),
        Step(
            id=PUSH,
            kind=PUSH_IMAGE,
            target=host,
            summary=f"Push it from {host} as {orders.image}, with the login that root's Docker has there, and pull it "
            "back by its digest",
            servers=(host,),
            after=f"the registry has {orders.image}, and tells its digest",
            params={"host": host, "image": orders.image},
            uses=(BUILD,),
            undo_words="a registry keeps what it was given: delete the tag there",
        ),
    )


def warnings_of(facts: BuildFacts) -> tuple[str, ...]:
    """Return what a person should know before a yes."""
    orders, changes = facts.orders, facts.changes
    more = f", and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    words = [
        f"Base: {orders.base}, commit {orders.base_commit}.",
        f"Patch: {orders.repository}, branch {orders.branch}, commit {orders.patch_commit}.",
        f"The branch against {orders.base}, as GitHub compares them: {', '.join(changes[:_SHOWN]) or 'nothing'}{more}. "
        "Of it, what Coolify's own branches have too is left out: where the fork left them is seen when it is built, "
        "and the answer tells the commit and each file that was changed.",
        f"It publishes: whoever may read {orders.image.rpartition(':')[0]} can have it from then on.",
        "The build runs the Dockerfile of that release, with the patch on it, and what it fetches from the internet, "
        f"as root in containers of {facts.host} with a network; with low priority and 4 GiB of memory at most. The "
        "room and memory that it wants are estimates.",
    ]
    if facts.unseen:
        words.append(f"Whether the registry has that tag already is not known: {facts.unseen}.")
    return tuple(words)


async def registry_has(look: Look, pushed: JsonObject) -> Check:
    """Return whether the registry names the pushed digest for the tag; what it shows to nobody is not seen."""
    image, digest = str(pushed["image"]), pushed["digest"]
    seen = await look.registries.image(image)
    if not seen.digest:
        return Check(name="registry", status="skipped", evidence=f"not seen from here: {seen.why}")
    status = "passed" if seen.digest == digest else "failed"
    return Check(name="registry", status=status, evidence=f"{image} is {seen.digest} there")


async def pulled_back(look: Look, host: str, pushed: JsonObject) -> Check:
    """Return whether the host says that it has pulled the image back by that digest, with the login that it has."""
    try:
        found = await building.look(look.hosts, host, str(pushed["build"]))
    except HostError as error:
        return Check(name="pulled_back", status="failed", evidence=f"not seen: {error.failed}")
    told = found.state == "pushed" and found.digest == pushed["digest"]
    evidence = f"{host} pulled {found.digest or 'nothing'} after the push; its build is {found.state or 'unknown'}"
    return Check(name="pulled_back", status="passed" if told else "failed", evidence=evidence)
