"""An installation of Coolify as the unit on the Factory does it: one script, its verbs, and what it says."""

import re
from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter

from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.disks import Settings
from ink_infra_mcp.hosts.factory.unit_script import ANY, UnitScript, coded
from ink_infra_mcp.ssh.pool import HostPool

STAGE = "install"
UNTOUCHED = "Nothing was installed or changed."
FOLDER = "/var/lib/ink-infra/install"
SCRIPT = UnitScript(
    name="install",
    stage=STAGE,
    subject="an installation of Coolify",
    does_not="does not install Coolify",
    folder=FOLDER,
    untouched=UNTOUCHED,
    reads=frozenset({"look"}),
    verb_s=240.0,
)
ENDED = frozenset({"done", "failed", "refused"})
_STATES = frozenset({"", "prepared", "installing", *ENDED})
_SUM = re.compile(r"[0-9a-f]{64}|none")
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_KINDS = frozenset({"folder", "mount", "absent", "other"})
_LIST = TypeAdapter[tuple[str, ...] | None](tuple[str, ...] | None)
_YES = {"yes": True, "no": False}
_TRUE = {"t": True, "f": False}
_INSTANCE = re.compile(r"(?P<users>[0-9]{1,9})\|(?P<api>[tf])\|(?P<registration>[tf])\|(?P<limited>[tf])")


class Instance(Frozen):
    """What Coolify's database says of itself: how many users, and what is on. `limited`: the API has a list of IPs."""

    users: int
    api: bool
    registration: bool
    limited: bool = False


class Installed(Frozen):
    """The Coolify that is there: its files by name and sum, its folder's mode, and where its ports are published.

    `digests` are those of the image in service, as Docker was told them; `instance` None is not known.
    """

    files: Mapping[str, str] = {}
    mode: str = ""
    env: str = ""
    published: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    instance: Instance | None = None


class Installation(Frozen):
    """How far an installation is: `state` is empty where the Factory knows none of that name."""

    state: str = ""
    why: str = ""
    attempts: int | None = None
    image: str = ""
    installed: Installed = Installed()
    untrusted_log: tuple[str, ...] = ()


class Site(Frozen):
    """What an installation would meet. `docker` None: it is there and does not answer, empty: it is not there.

    `container` is the state of the one called coolify, empty: there is none, None: not known; `image` is its own.
    `lacks` can be installed, `missing` not. `ports` are those in use of the ones that Coolify publishes, and by whom;
    sizes are in KiB. `source` is what lies in Coolify's folder; `begun` whether an installation of ours may have left
    it. `foreign_keys` are root's that Coolify's installer would delete.
    """

    os: str = ""
    release: str = ""
    arch: str = ""
    systemd: bool = False
    lacks: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    docker: str | None = None
    compose: str = ""
    container: str | None = None
    image: str = ""
    volume: bool | None = False
    running: int = 0
    snap: bool = False
    source: tuple[str, ...] = ()
    version: str = ""
    ports: Mapping[int, str] = {}
    data: str = "folder"
    fstab: bool = False
    total_kb: int | None = None
    free_kb: int | None = None
    data_free_kb: int | None = None
    daemon: Settings = Settings()
    foreign_keys: int | None = None
    ssh_port: int | None = None
    root_login: str = ""
    routes: tuple[str, ...] = ()
    begun: bool = False
    under_way: str = ""
    installed: Installed | None = None


class Orders(Frozen):
    """What the unit shall do. `files` are those of the release by name, with the sums that a person approved.

    `custom` is the override, `daemon` Docker's settings as they shall be, and `daemon_before` the sum of what is there.
    `data` is what /data has to be: `mount`, or anything; `docker_root` is where Docker has to keep its data, or `any`.
    """

    version: str
    registry: str
    digest: str
    pool: tuple[str, int]
    files: Mapping[str, str]
    sums: Mapping[str, str]
    custom: str
    daemon: str
    daemon_before: str
    data: str
    docker_root: str = "any"

    def lines(self) -> str:
        """Return the orders as the script reads them, each value a word that no shell reads."""
        base, size = self.pool
        return SCRIPT.orders(
            {
                "version": self.version,
                "registry": self.registry,
                "digest": self.digest,
                "pool_base": base,
                "pool_size": str(size),
                "data": self.data,
                "docker_root": self.docker_root,
                "custom": coded(self.custom),
                "daemon": coded(self.daemon),
                "daemon_before": self.daemon_before,
                **{f"sum:{name}": value for name, value in self.sums.items()},
                **{f"file:{name}": coded(text) for name, text in self.files.items()},
            }
        )


async def look(pool: HostPool, host: str, name: str) -> Installation:
    """Return how far an installation is.

    Raises:
        HostError: the Factory cannot be reached, or its answer is not understood.
    """
    return read_installation(host, await SCRIPT.facts(pool, host, "look", name))


async def site(pool: HostPool, host: str) -> Site:
    """Return what an installation would meet on the Factory now.

    Raises:
        HostError: as with `look`.
    """
    return read_site(host, await SCRIPT.facts(pool, host, "look", ANY))


async def act(pool: HostPool, host: str, verb: str, name: str, *, permit: Permit, orders: Orders | None = None) -> None:
    """Have the script do one thing, `prepare` or `start`. Each may be done twice.

    Raises:
        StepFailed: it does not, and nothing was changed.
        HostError: the Factory cannot be reached, or broke off: a look tells how far it is.
    """
    await SCRIPT.act(pool, host, verb, name, permit=permit, data=orders.lines() if orders else "")


def read_installation(host: str, facts: Iterable[tuple[str, str]]) -> Installation:
    """Return the installation that the script tells of.

    Raises:
        HostError: its answer is not understood.
    """
    lines = list(facts)
    told = dict(lines)
    state = told.get("state", "?")
    if state not in _STATES:
        raise SCRIPT.not_understood(host)
    return Installation(
        state=state,
        why=clean_name(SCRIPT.decoded(host, told.get("why", "")).strip(), limit=400),
        attempts=_number(told.get("attempts", "")),
        image=clean_name(told.get("image", ""), limit=80),
        installed=_installed(host, lines),
        untrusted_log=tuple(SCRIPT.decoded(host, told.get("said", "")).splitlines()),
    )


def read_site(host: str, facts: Iterable[tuple[str, str]]) -> Site:
    """Return what an installation would meet, of what the script tells.

    Raises:
        HostError: its answer is not understood.
    """
    lines = list(facts)
    told = {"container": "?", "systemd": "no", "begun": "no", "snap": "no", "fstab": "no", **dict(lines)}
    if told.get("data", "") not in _KINDS:
        raise SCRIPT.not_understood(host)
    os, _, release = told.get("os", "").partition(" ")
    room = told.get("room", "").partition(" ")
    ssh_port, _, root_login = told.get("sshd", "").partition(" ")
    status, _, image = told["container"].partition(" ")
    docker = told.get("docker", "")
    return Site(
        os=clean_name(os),
        release=clean_name(release),
        arch=clean_name(told.get("arch", "")),
        systemd=told["systemd"] == "yes",
        lacks=_words(told.get("lacks", "")),
        missing=_words(told.get("missing", "?")),
        docker={"none": "", "": None}.get(docker, clean_name(docker)),
        compose=clean_name(told.get("compose", "")),
        container={"none": "", "?": None}.get(status, clean_name(status)),
        image=clean_name(image, limit=400),
        volume=_YES.get(told.get("volume", "no")),
        running=_number(told.get("running", "")) or 0,
        snap=told["snap"] == "yes",
        source=_words(told.get("source", "")),
        version=clean_name(told.get("version", "")),
        ports=dict(_ports(told_port for kind, told_port in lines if kind == "port")),
        data=told["data"],
        fstab=told["fstab"] == "yes",
        total_kb=_number(room[0]),
        free_kb=_number(room[2]),
        data_free_kb=_number(told.get("data_room", "")),
        daemon=_settings(host, told.get("daemon", "")),
        foreign_keys=_number(told.get("foreign_keys", "")),
        ssh_port=_number(ssh_port),
        root_login=clean_name(root_login),
        routes=tuple(sorted(clean_name(rest) for kind, rest in lines if kind == "route")),
        begun=told["begun"] == "yes",
        under_way=clean_name(told.get("under_way", "")),
        installed=_installed(host, lines) if "published" in told else None,
    )


def _installed(host: str, lines: Iterable[tuple[str, str]]) -> Installed:
    found = list(lines)
    told = dict(found)
    mode, _, env = told.get("env", "").partition(" ")
    return Installed(
        files=dict(_files(rest for kind, rest in found if kind == "file")),
        mode=clean_name(mode),
        env=clean_name(env),
        published=_words(told.get("published", "")),
        digests=_digests(host, told.get("digests", "")),
        instance=_instance(told.get("instance", "")),
    )


def _files(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name, _, sum_ in (line.partition(" ") for line in lines):
        if _SUM.fullmatch(sum_):
            yield clean_name(name), sum_


def _digests(host: str, text: str) -> tuple[str, ...]:
    """Docker writes `null` or `[]` for an image that was built there."""
    try:
        listed = _LIST.validate_json(text or "null")
    except ValueError as error:
        raise SCRIPT.not_understood(host) from error
    return tuple(clean_name(each, limit=400) for each in listed or ())


def _instance(text: str) -> Instance | None:
    told = _INSTANCE.fullmatch(text)
    if told is None:
        return None
    return Instance(
        users=int(told["users"]),
        api=_TRUE[told["api"]],
        registration=_TRUE[told["registration"]],
        limited=_TRUE[told["limited"]],
    )


def _ports(lines: Iterable[str]) -> Iterable[tuple[int, str]]:
    for number, _, who in (line.partition(" ") for line in lines):
        if (port := _number(number)) is not None:
            yield port, clean_name(who)


def _settings(host: str, text: str) -> Settings:
    sum_, _, rest = text.partition(" ")
    if not _SUM.fullmatch(sum_):
        raise SCRIPT.not_understood(host)
    return Settings(sha256=sum_, text=SCRIPT.decoded(host, rest))


def _words(text: str) -> tuple[str, ...]:
    return tuple(clean_name(word, limit=128) for word in text.split())


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
