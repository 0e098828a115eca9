"""A rotation of Coolify's image as the unit on the Factory does it: one script, its verbs, and what it says."""

import re
from collections.abc import Iterable, Mapping

from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD
from ink_infra_mcp.hosts.factory.relying import Relier, read_relying
from ink_infra_mcp.hosts.factory.siblings import REALTIME, Sibling, read_siblings
from ink_infra_mcp.hosts.factory.unit_script import ANY, UnitScript, coded
from ink_infra_mcp.ssh.pool import HostPool

STAGE = "swap"
UNTOUCHED = "Nothing that is in service was touched."
SCRIPT = UnitScript(
    name="swap",
    stage=STAGE,
    subject="the rotation of Coolify's image",
    does_not="does not rotate Coolify's image",
    folder="/data/coolify/ink/rotations",
    untouched=UNTOUCHED,
    reads=frozenset({"look", "ready", "prove", "secrets"}),
    verb_s=240.0,
)
FILES = (CUSTOM, PROD)
IMAGES_MOUNT = "/data/coolify/images:/var/www/html/storage/app/images"
"""What Coolify mounts from 4.3.7 on (docker-compose.prod.yml); its upgrade.sh makes that folder."""
ENDED = frozenset({"confirmed", "reverted", "refused"})
_STATES = frozenset({"", "prepared", "swapping", "swapped", "reverting", *ENDED})
_IMAGE = re.compile(r"(sha256:[0-9a-f]{64}) ([a-z]{1,20})")
_CONTAINER = re.compile(
    r"(?P<image>sha256:[0-9a-f]{64}) (?P<state>[a-z]{1,20}) (?P<restarts>\d{1,9}) (?P<health>[a-z]*)"
)
_SUM = re.compile(r"[0-9a-f]{64}|none")
_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_YES_NO = {"yes": True, "no": False}
_UPDATES_OFF = {"AUTOUPDATE": "false"}


class Rotation(Frozen):
    """How far a rotation is: `state` is empty where the Factory knows none of that name.

    `image` and `container` are what runs now; `downtime_ms` is how long the dashboard did not answer, None where that
    was not measured. `untrusted_log` is what the new container said before it was taken away.
    """

    state: str
    why: str = ""
    downtime_ms: int | None = None
    image: str = ""
    container: str = ""
    restored: bool = False
    """Whether its database is that from before the swap again; what the new image left is kept there as `ink_left`."""
    untrusted_log: tuple[str, ...] = ()


class FileSeen(Frozen):
    """A compose file as it is: its SHA-256, `none` where there is no such file. Its text may hold others' secrets."""

    sha256: str
    text: str = ""


class Ready(Frozen):
    """What a rotation would meet; None is not known. `files` are by name, and never for anybody's eyes.

    `relying` is what has the option --runtime in Coolify's database: apps and databases of every team.
    """

    deployments: int | None
    upgrade: bool
    left_over: tuple[str, ...]
    under_way: str
    free_bytes: int | None
    relying: tuple[Relier, ...] | None
    files: Mapping[str, FileSeen]
    base: FileSeen = FileSeen(sha256="none")
    """Coolify's docker-compose.yml, which no rotation writes."""
    beside: Mapping[str, Sibling] = {}
    """What runs beside Coolify by its service: soketi, postgres, redis; one that did not tell is not there."""
    env_names: tuple[str, ...] = ()
    """What `.env` sets, by name only."""
    held: tuple[str, ...] = ()
    """Ports that Coolify's containers have and somebody else holds, as `8000=name`; `?` is no container."""


class Seen(Frozen):
    """A container: its image by id, its state, its health, and how often it was started again; None: unknown."""

    image: str = ""
    container: str = ""
    health: str = ""
    restarts: int | None = None


class Service(Seen):
    """The Coolify in service: its container, what artisan says, and what its database says; None: unknown.

    `realtime` is the service beside it; `reaches` is whether Coolify gets an answer from it, on both of its ports.
    """

    realtime: Seen = Seen()
    reaches: bool | None = None
    inside: bool | None = None
    """Whether realtime answers inside of Coolify's own container, where it is from 4.4 on, on both of its ports."""
    migrations_status: int | None = None
    untrusted_migrations: str = ""
    horizon_status: int | None = None
    untrusted_horizon: str = ""
    auto_update: bool | None = None
    failed_jobs: int | None = None


class Orders(Frozen):
    """What the unit shall do: the image by digest and its id, and what the files shall be.

    A text that is None stays as it is; with an empty one the file goes. `tag` is the name that the files have for the
    image, where they name it by none of its own; `env` is what `.env` sets beside auto-update, which goes off.
    """

    image: str
    image_id: str
    migrates: bool
    health_s: int
    confirm_s: int
    sums: Mapping[str, str]
    texts: Mapping[str, str | None]
    tag: str = ""
    env: Mapping[str, str] = {}
    relying: str = ""
    """The sum of those that may rely on --runtime (`sum_of`); empty: it does not matter to this image."""
    folder: bool = False
    """Whether /data/coolify/images is made, for a Coolify that is the first here to mount it."""
    realtime: str = ""
    """The name that the files have for realtime's new image; empty: that service stays as it is."""
    realtime_id: str = ""
    withdraws: bool = False
    """Whether the container that realtime has is stopped and kept, since the new Coolify takes its ports."""

    def lines(self) -> str:
        """Return the orders as the script reads them, each value a word of harmless letters."""
        return SCRIPT.orders(
            {
                "image": self.image,
                "id": self.image_id,
                "migrates": "yes" if self.migrates else "no",
                "health_s": str(self.health_s),
                "confirm_s": str(self.confirm_s),
                **{f"sum:{name}": value for name, value in self.sums.items()},
                **{f"text:{name}": _written(text) for name, text in self.texts.items()},
                **self._named(),
            }
        )

    def _named(self) -> dict[str, str]:
        wanted = {
            "tag": self.tag,
            "relying": self.relying,
            "folder": "images" if self.folder else "",
            "realtime": self.realtime,
            "realtime_id": self.realtime_id,
            "withdraws": REALTIME if self.withdraws else "",
        }
        named = {key: value for key, value in wanted.items() if value}
        return named | {f"env:{name}": value for name, value in {**self.env, **_UPDATES_OFF}.items()}


class RestoreOrders(Frozen):
    """What the unit shall do with a backup: the folder where it lies, and the sum of its dump; `image_id` is what runs.

    On an `other_machine` than the one that made it, Coolify is let in to its own server anew.
    """

    image_id: str
    folder: str
    dump_sha256: str
    other_machine: bool
    health_s: int
    confirm_s: int
    sums: Mapping[str, str]

    def lines(self) -> str:
        """Return the orders as the script reads them, each value a word of harmless letters."""
        return SCRIPT.orders(
            {
                "kind": "restore",
                "image": self.image_id,
                "id": self.image_id,
                "migrates": "no",
                "backup": self.folder,
                "dump": self.dump_sha256,
                "other_machine": "yes" if self.other_machine else "no",
                "health_s": str(self.health_s),
                "confirm_s": str(self.confirm_s),
                **{f"sum:{name}": value for name, value in self.sums.items()},
                **{f"text:{name}": _written(None) for name in self.sums},
            }
        )


async def look(pool: HostPool, host: str, name: str) -> Rotation:
    """Return how far a rotation is.

    Raises:
        HostError: the Factory cannot be reached, or its answer is not understood.
    """
    return read_rotation(host, await SCRIPT.facts(pool, host, "look", name))


async def ready(pool: HostPool, host: str) -> Ready:
    """Return what a rotation would meet on the Factory now.

    Raises:
        HostError: as with `look`.
    """
    return read_ready(host, await SCRIPT.facts(pool, host, "ready", ANY))


async def prove(pool: HostPool, host: str) -> Service:
    """Return how the Coolify in service is; what does not answer is unknown.

    Raises:
        HostError: as with `look`.
    """
    return read_service(host, await SCRIPT.facts(pool, host, "prove", ANY))


async def act(
    pool: HostPool, host: str, verb: str, name: str, *, permit: Permit, orders: Orders | RestoreOrders | None = None
) -> None:
    """Have the script do one thing: prepare, start, confirm, abort or release. Each may be done twice.

    Raises:
        StepFailed: it does not, and nothing was changed.
        HostError: the Factory cannot be reached, or broke off: a look tells how far it is.
    """
    await SCRIPT.act(pool, host, verb, name, permit=permit, data=orders.lines() if orders else "")


def read_rotation(host: str, facts: Iterable[tuple[str, str]]) -> Rotation:
    """Return the rotation that the script tells of.

    Raises:
        HostError: its answer is not understood.
    """
    told = dict(facts)
    image, container = _running(told.get("runs", ""))
    state, downtime = told.get("state", "?"), told.get("downtime_ms", "")
    if state not in _STATES or not re.fullmatch(r"\d{0,9}", downtime):
        raise SCRIPT.not_understood(host)
    return Rotation(
        state=state,
        why=clean_name(SCRIPT.decoded(host, told.get("why", "")).strip(), limit=300),
        downtime_ms=int(downtime) if downtime else None,
        image=image,
        container=container,
        restored=told.get("restored") == "yes",
        untrusted_log=tuple(SCRIPT.decoded(host, told.get("said", "")).splitlines()),
    )


def read_ready(host: str, facts: Iterable[tuple[str, str]]) -> Ready:
    """Return what a rotation would meet, of what the script tells.

    Raises:
        HostError: its answer is not understood.
    """
    lines = list(facts)
    told = dict(lines)
    files = dict(_file(host, rest) for first, rest in lines if first == "file")
    if told.get("upgrade") not in ("yes", "no") or files.keys() != set(FILES):
        raise SCRIPT.not_understood(host)
    return Ready(
        deployments=_count(told.get("deployments", "")),
        upgrade=told["upgrade"] == "yes",
        left_over=tuple(clean_name(name) for name in told.get("left_over", "").split()),
        under_way=clean_name(told.get("under_way", "")),
        free_bytes=_least(told.get("free_kb", "").split()),
        relying=_relying(host, lines),
        files=files,
        base=_file(host, f"{BASE} {told.get('base', 'none')}")[1],
        beside=read_siblings(lines),
        env_names=tuple(_NAMED.findall(told.get("env_names", ""))),
        held=tuple(clean_name(each) for each in told.get("held", "").split()),
    )


def read_service(host: str, facts: Iterable[tuple[str, str]]) -> Service:
    """Return how Coolify is, of what the script tells; what is missing or damaged there is unknown."""
    told = dict(facts)
    migrations, horizon = _ended(host, told.get("migrations", "")), _ended(host, told.get("horizon", ""))
    return Service(
        **_seen(told.get("container", "")).model_dump(),
        realtime=_seen(told.get("realtime", "")),
        reaches=_YES_NO.get(told.get("reaches", "")),
        inside=_YES_NO.get(told.get("inside", "")),
        migrations_status=migrations[0],
        untrusted_migrations=migrations[1],
        horizon_status=horizon[0],
        untrusted_horizon=horizon[1],
        auto_update={"t": True, "f": False}.get(told.get("auto_update", "")),
        failed_jobs=_count(told.get("failed_jobs", "")),
    )


def _relying(host: str, lines: Iterable[tuple[str, str]]) -> tuple[Relier, ...] | None:
    try:
        return read_relying(lines)
    except ValueError as error:
        raise SCRIPT.not_understood(host) from error


def _running(text: str) -> tuple[str, str]:
    found = _IMAGE.fullmatch(text)
    return (found[1], found[2]) if found else ("", "")


def _seen(text: str) -> Seen:
    found = _CONTAINER.fullmatch(text)
    if found is None:
        return Seen()
    return Seen(
        image=found["image"], container=found["state"], health=found["health"], restarts=_count(found["restarts"])
    )


def _least(kib: list[str]) -> int | None:
    """Return the room on the fuller of both disks, in bytes."""
    known = len(kib) > 1 and all(map(str.isdigit, kib))
    return min(map(int, kib)) * 1024 if known else None


def _written(text: str | None) -> str:
    return "same" if text is None else coded(text) or "gone"


def _file(host: str, text: str) -> tuple[str, FileSeen]:
    name, _, rest = text.partition(" ")
    sha256, _, coded = rest.partition(" ")
    if not _SUM.fullmatch(sha256):
        raise SCRIPT.not_understood(host)
    return name, FileSeen(sha256=sha256, text=SCRIPT.decoded(host, coded))


def _ended(host: str, text: str) -> tuple[int | None, str]:
    status, _, coded = text.partition(" ")
    return _count(status), SCRIPT.decoded(host, coded)


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None
