"""The part `docker_data`: Docker's own data on the disk at /data, since Coolify's database lives in a Docker volume.

Where Docker is only coming, with the part `coolify`, there is nothing to move: its settings are there before it is.
"""

from collections.abc import Iterator
from hashlib import sha256

from ink_infra_mcp.areas.factory import data_disk
from ink_infra_mcp.areas.factory.moves import (
    BACK,
    LOST,
    ONLY_UNTIL,
    UNTIL,
    Asked,
    Planned,
    checked,
    common_reasons,
    lasting,
    needed_kb,
    orders_of,
    shown,
)
from ink_infra_mcp.core.baseline.daemon import merged
from ink_infra_mcp.core.containerd import DEFAULT_ROOT, with_root
from ink_infra_mcp.core.fstab import DATA
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Change, Step
from ink_infra_mcp.hosts.factory.disks import Bare, Engine, Ground, Settings

STEP = "docker_data"
MOVE, PLACE = "factory.move_docker", "factory.place_docker"
OLD, NEW, NEW_STORE = "/var/lib/docker", f"{DATA}/docker", f"{DATA}/containerd"
SETTING = "data-root"
_TREES = ((OLD, NEW), (DEFAULT_ROOT, NEW_STORE))
_CHANGES = (
    Change(name="data-root in /etc/docker/daemon.json", after=NEW),
    Change(name="root in /etc/containerd/config.toml", before=DEFAULT_ROOT, after=NEW_STORE),
)
STORE_MARK = "io.containerd.snapshotter.v1"
"""What `docker info` has as driver-type where containerd keeps the images (daemon/containerd/service.go, moby 28)."""
_DRIVERS = ("overlay2 ", "overlayfs ")
ROOM_KB = 20 * 2**20
"""What Coolify's installer calls required where Docker keeps its data, in KiB (scripts/install.sh, 4.3.10)."""


def reasons(asked: Asked, ground: Ground) -> Iterator[str]:
    """Yield every reason not to begin."""
    engine = ground.engine
    if engine is None:
        yield from _of_bare(asked, ground)
        return
    if _is_there(engine):
        return
    yield from common_reasons(ground)
    yield from _of_engine(engine)
    if data_disk.STEP not in asked.parts:
        yield from _of_disk(ground)
    yield from _of_settings(engine.daemon, engine.config if _has_store(engine) else None)
    yield from _of_room(asked, ground, engine)


def _of_bare(asked: Asked, ground: Ground) -> Iterator[str]:
    """What keeps settings from being there before Docker is; who installs it then is the part `coolify`."""
    bare = ground.bare
    if bare is None:
        yield "Docker is not there, or does not say where it keeps its data"
    elif "coolify" not in asked.parts:
        yield "Docker is not there, and comes with coolify: set up both in one call"
    else:
        yield from common_reasons(ground)
        if data_disk.STEP not in asked.parts:
            yield from _of_disk(ground)
        yield from _of_settings(bare.daemon, bare.config)
        if not is_placed(bare):
            yield from _of_place(asked, ground, bare)


def _of_place(asked: Asked, ground: Ground, bare: Bare) -> Iterator[str]:
    if bare.remains:
        yield f"Docker is not there, and something of one is: {', '.join(bare.remains[:4])}"
    has = data_disk.room_kb(asked, ground)
    if has is None:
        yield "how much room the disk has is not known"
    elif has < ROOM_KB:
        yield f"Docker and Coolify want {shown(ROOM_KB)} there, and the disk has room for {shown(max(has, 0))}"


def _of_disk(ground: Ground) -> Iterator[str]:
    if ground.data != "mount":
        yield f"{DATA} is no disk of its own: set up data_disk with it"
    elif not (ground.guarded and data_disk.is_fixed(ground)):
        yield f"a boot may start Docker without the disk at {DATA}: set up data_disk with it"


def _of_engine(engine: Engine) -> Iterator[str]:
    if engine.root != OLD:
        yield f"Docker keeps its data at {engine.root}, and only {OLD} is moved"
    if not engine.store.startswith(_DRIVERS):
        yield f"Docker's storage is {engine.store.split(' ')[0] or 'not known'}: only overlay2 and overlayfs are moved"
    if engine.below:
        yield f"something is mounted at {', '.join(engine.below[:3])}"


def _of_settings(daemon: Settings, config: Settings | None) -> Iterator[str]:
    for conflict in merged(daemon.text, {SETTING: NEW}).conflicts:
        yield f"/etc/docker/daemon.json: {conflict.replace('by the baseline', 'is wanted')}"
    if config is not None:
        try:
            with_root(config.text, NEW_STORE)
        except ValueError as error:
            yield f"/etc/containerd/config.toml: {error}"


def _of_room(asked: Asked, ground: Ground, engine: Engine) -> Iterator[str]:
    kb, has = _kb(engine), data_disk.room_kb(asked, ground)
    if kb is None or engine.entries is None:
        yield "how much Docker keeps is not known"
    elif has is None:
        yield "how much room the disk has is not known"
    elif (wanted := needed_kb(kb)) > has:
        yield f"Docker's data takes {shown(wanted)} with some to spare, and the disk has room for {shown(max(has, 0))}"


def _has_store(engine: Engine) -> bool:
    return STORE_MARK in engine.store


def _kb(engine: Engine) -> int | None:
    if not _has_store(engine):
        return engine.kb
    return None if engine.kb is None or engine.containerd_kb is None else engine.kb + engine.containerd_kb


def _is_there(engine: Engine) -> bool:
    return engine.root == NEW and (not _has_store(engine) or _has_root(engine.config))


def _has_root(config: Settings) -> bool:
    try:
        return with_root(config.text, NEW_STORE) == config.text
    except ValueError:
        return False


def is_placed(bare: Bare) -> bool:
    """Return whether a Docker that is installed now begins at its place on the disk."""
    wanted = merged(bare.daemon.text, {SETTING: NEW})
    return not wanted.changes and not wanted.conflicts and _has_root(bare.config)


def placed(daemon: Settings) -> Settings:
    """Return Docker's settings as this part leaves them; the same where they cannot be merged."""
    wanted = merged(daemon.text, {SETTING: NEW})
    if wanted.conflicts or not wanted.changes:
        return daemon
    return Settings(sha256=sha256(wanted.text.encode()).hexdigest(), text=wanted.text)


def planned(asked: Asked, ground: Ground) -> Planned:
    """Return the one step, whose unit on the Factory does all of it; none where it is so.

    Raises:
        ValueError: nobody knows whether there is a Docker, which `reasons` tells.
    """
    engine = ground.engine
    if engine is None:
        return _placing(asked, ground)
    if _is_there(engine):
        return Planned(so=f"Docker keeps its data at {NEW}")
    kb, files, store = _kb(engine) or 0, engine.entries or 0, _has_store(engine)
    trees = _TREES if store else _TREES[:1]
    places = " and ".join(old for old, _ in trees)
    step = Step(
        id=STEP,
        kind=MOVE,
        target=asked.host,
        summary=f"Have {asked.host} copy {places} to {DATA} ({shown(kb)}, {files} entries) with Docker stopped, "
        "compare both, and start Docker there; unless all of it is the same and serves, it goes back by itself",
        servers=(asked.host,),
        changes=_CHANGES[: len(trees)],
        params={
            "host": asked.host,
            "part": "docker",
            "store": store,
            "sums": {"daemon": engine.daemon.sha256, "config": engine.config.sha256},
            "orders": {"kind": "docker", "copy": "yes", "trees": " ".join(map(":".join, trees)), **orders_of(ground)},
        },
        undo_words=BACK,
    )
    return Planned(
        steps=(step,),
        stops=f"Coolify and every container on {asked.host} stop for {lasting(kb, files)}",
        keeps=(
            f"Docker's data from before, at {places}: it takes its room until somebody removes it, and the way back "
            "with it",
        ),
        warnings=(LOST,),
    )


def _placing(asked: Asked, ground: Ground) -> Planned:
    """Return the step for a Docker that is only coming: what it begins with."""
    bare = ground.bare
    if bare is None:
        raise ValueError("it is known what is there where nothing speaks against it")
    if is_placed(bare):
        return Planned(so=f"Docker is not there yet, and will keep its data at {NEW}")
    step = Step(
        id=STEP,
        kind=PLACE,
        target=asked.host,
        summary=f"Have {asked.host} write Docker's and containerd's settings before Docker is there: it begins "
        f"with its data at {NEW} and {NEW_STORE}, and nothing has to be moved",
        servers=(asked.host,),
        changes=_CHANGES,
        params={
            "host": asked.host,
            "part": "docker",
            "store": True,
            "sums": {"daemon": bare.daemon.sha256, "config": bare.config.sha256},
            "orders": {"kind": "docker", "copy": "no", **orders_of(ground)},
        },
        undo_words=UNTIL,
    )
    return Planned(steps=(step,), keeps=("other settings of Docker's that stand there",), warnings=(ONLY_UNTIL,))


def checks(asked: Asked, ground: Ground) -> Iterator[Check]:
    """Yield what is true afterwards, of a look that was made anew."""
    engine = ground.engine or Engine(root="unknown")
    there = _is_there(engine) and ground.data == "mount"
    evidence = f"Docker on {asked.host} keeps its data at {engine.root}; {DATA} is a {ground.data}"
    yield checked("docker_data", there, evidence)
