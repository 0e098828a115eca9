"""How Coolify runs on the Factory and how it is configured to run, from one script in one round trip."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import Field, TypeAdapter

from ink_infra_mcp.core.compose.reading import read_override
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.hosts.facts.gathering import fresh_marker
from ink_infra_mcp.hosts.facts.sections import Reading, Unreadable, sections
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-coolify"
TIMEOUT_S = 120.0
"""The script lets each command run for 20 s, and asks Docker first: what hangs there hangs at once for all."""
BASE, PROD = "docker-compose.yml", "docker-compose.prod.yml"
CUSTOM, POSTGRES_UPGRADE = "docker-compose.custom.yml", "docker-compose.postgres-upgrade.yml"
FILES: Mapping[str, str] = {"base": BASE, "prod": PROD, "custom": CUSTOM, "postgres_upgrade": POSTGRES_UPGRADE}
"""Coolify's own order of -f (scripts/upgrade.sh of coollabsio/coolify at 4.3.11)."""
_NONE = 44
_OPTIONAL = frozenset({"custom", "postgres_upgrade"})
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,400}")
_STATE = re.compile(r"[a-z]{1,20}")
_VERSION = re.compile(r"'version' =>.*'([0-9]+(?:\.[0-9]+){1,2}(?:-[a-z]+\.[0-9]+)?)'\s*,?\s*")
_PART = re.compile(r"'(helper|realtime)_version' => '([0-9]{1,4}(?:\.[0-9]{1,4}){2})'", re.ASCII)
_ENV = re.compile(r"(?:export )?(?P<name>[A-Z_]+)=(?P<quote>[\"']?)(?P<value>[A-Za-z0-9._:/-]*)(?P=quote)\s*")
_CRON = re.compile(r"[A-Za-z0-9*/,@ -]{1,60}")
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,60}")
_LIST = TypeAdapter[tuple[str, ...] | None](tuple[str, ...] | None)
_DUMP = re.compile(r"([0-9]{1,12}) ([0-9]{1,15}) (/\S.*)")


class AutoUpdate(Frozen):
    """Whether Coolify updates itself, and when: a line of cron, and the time zone that it is meant in."""

    on: bool
    cron: str
    zone: str


class Schedule(Frozen):
    """A backup of Coolify's own database that Coolify makes itself; `last` is when one last ended well, by its word."""

    enabled: bool
    last: int | None = None


class Dump(Frozen):
    """A file with a dump of Coolify's database, when it was last written, in seconds of Unix, and its size."""

    at: int
    size: int


class Drill(Frozen):
    """When a restore was last proved on the Factory, in seconds of Unix, of which backup, and with which image."""

    at: int
    backup: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    dump_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    image: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class FactoryFacts(Frozen):
    """What the Factory says of Coolify. A fact is None when it is not known, and then `unknown` says why.

    `named` is the image that the container's reference names there now, empty: none. `images` has each compose file
    that is there with the image that it writes for the service coolify, as it stands there. `planned` are the images
    that Docker Compose reads out of all files. `dumps` are of Coolify's own backups, `kept` of ours that are whole;
    `drills` has the last proved restore, where one was.
    """

    host: str
    clock: int | None = None
    image: str | None = None
    reference: str | None = None
    state: str | None = None
    digests: tuple[str, ...] | None = None
    named: str | None = None
    base: str | None = None
    images: dict[str, str] | None = None
    env: dict[str, str] | None = None
    planned: tuple[str, ...] | None = None
    auto_update: AutoUpdate | None = None
    schedules: tuple[Schedule, ...] | None = None
    dumps: tuple[Dump, ...] | None = None
    kept: tuple[Dump, ...] | None = None
    drills: tuple[Drill, ...] | None = None
    unknown: dict[str, str] = {}


async def look_at_coolify(
    pool: HostPool, factory: str, *, new_marker: Callable[[], str] = fresh_marker
) -> FactoryFacts:
    """Return how Coolify runs there, and how it is configured to.

    Raises:
        HostError: the Factory cannot be reached, or does not let us become root.
    """
    marker = new_marker()
    begin = ("sh", "-s", "--") if is_root(pool, factory) else ("sh", "-c", AS_ROOT, "sh")
    script = packaged("factory/look.sh").encode()
    asked = HostCommand((*begin, MARK, marker), changes=False, timeout_s=TIMEOUT_S, stdin=script)
    said = await pool.run(factory, asked, check=True)
    return read_factory(factory, said.stdout, marker)


def read_factory(host: str, output: str, marker: str) -> FactoryFacts:
    """Return the facts in what the script printed; whatever is missing or damaged is unknown, and nothing raises."""
    reading = Reading(sections(output, marker))
    runs = reading.fact("running", "running", _running) or (None, None, None)
    facts = {
        "clock": reading.fact("clock", "clock", int),
        **dict(zip(("image", "reference", "state"), runs, strict=True)),
        "digests": reading.fact("digests", "digests", _digests),
        "named": reading.fact("named", "named", _named, good=(0, 1)),
        "base": reading.fact("base", "constants", _version),
        "images": _images(reading),
        "env": reading.fact("env", "env", _env, good=(0, 1)),
        "planned": reading.fact("planned", "images", _planned),
        "auto_update": reading.fact("auto_update", "settings", _auto_update),
        "schedules": reading.fact("schedules", "schedule", _schedules),
        "dumps": reading.fact("dumps", "dumps", _dumps, good=(0, _NONE)),
        "kept": reading.fact("kept", "kept", _dumps, good=(0, _NONE)),
        "drills": reading.fact("drills", "drill", _drills, good=(0, _NONE)),
    }
    return FactoryFacts.model_validate({"host": host, **facts, "unknown": reading.unknown})


def _running(text: str) -> tuple[str, str, str]:
    image, reference, state = (str(json.loads(word)) for word in text.split(" "))
    return _fitting(_ID, image), _fitting(_REFERENCE, reference), _fitting(_STATE, state)


def _fitting(shape: re.Pattern[str], text: str) -> str:
    if not shape.fullmatch(text):
        raise ValueError("of another shape")
    return text


def _digests(text: str) -> tuple[str, ...]:
    """Docker writes `[]`, in some versions `null`, for an image that was built there."""
    listed = _LIST.validate_json(text)
    return tuple(_fitting(_REFERENCE, each) for each in listed or ())


def _named(text: str) -> str:
    """Docker ends with 1 for whatever goes wrong; only its own words say that there is no such image."""
    if re.search(r"^Error[^\n]*: No such image: ", text, re.MULTILINE):
        return ""
    return _fitting(_ID, str(json.loads(text)))


def version_in(constants: str) -> str | None:
    """Return which Coolify its config/constants.php says that it is, where .env does not; None: it does not say."""
    told = _VERSION.search(constants)
    return told[1] if told else None


def part_in(constants: str, part: str) -> str | None:
    """Return which `helper` or `realtime` config/constants.php wants beside its Coolify; None: it does not say."""
    return dict(_PART.findall(constants)).get(part)


def _version(text: str) -> str:
    told = version_in(text)
    if told is None:
        raise ValueError("no version")
    return told


def _images(reading: Reading) -> dict[str, str] | None:
    """Return the image in each file that is there. Where one cannot be read, nobody knows which of them decides."""
    found: dict[str, str] = {}
    for section, name in FILES.items():
        text = reading.fact("images", section, _as_it_is, good=(0, _NONE) if section in _OPTIONAL else (0,))
        if text is None:
            return None
        if reading.found[section].status != _NONE:
            found[name] = text
    return _named_in(reading, found)


def _as_it_is(text: str) -> str:
    return text


def _named_in(reading: Reading, texts: Mapping[str, str]) -> dict[str, str] | None:
    """Nothing of a file is in the reason why it was not understood: others may keep secrets in theirs."""
    try:
        return {name: _image_in(text) for name, text in texts.items()}
    except InputError:
        reading.unknown["images"] = "a compose file is not written so that every reader takes it alike"
        return None


def _image_in(text: str) -> str:
    if not text.strip():
        return ""
    services = read_override(text).get("services")
    service = services.get("coolify") if isinstance(services, dict) else None
    image = service.get("image") if isinstance(service, dict) else None
    return image if isinstance(image, str) else ""


def _env(text: str) -> dict[str, str]:
    """Return the keys that are set. Of two lines upgrade.sh takes the first, and Compose the last: that is unclear."""
    found: dict[str, str] = {}
    for line in filter(None, text.splitlines()):
        told = _ENV.fullmatch(line)
        if told is None or found.get(told["name"], told["value"]) != told["value"]:
            raise Unreadable("its .env sets a key in a way that is not understood, or twice")
        found[told["name"]] = told["value"]
    return found


def _planned(text: str) -> tuple[str, ...]:
    lines = text.split()
    if not lines:
        raise Unreadable("docker compose named no image")
    return tuple(_fitting(_REFERENCE, line) for line in lines)


def _auto_update(text: str) -> AutoUpdate:
    on, cron, zone = _row(text, 3)
    return AutoUpdate(on=_bool(on), cron=_fitting(_CRON, cron), zone=_fitting(_ZONE, zone))


def _schedules(text: str) -> tuple[Schedule, ...]:
    rows = (_row(line, 3) for line in filter(None, text.splitlines()))
    return tuple(Schedule(enabled=_bool(on), last=int(last) if last else None) for on, _, last in rows)


def _row(line: str, columns: int) -> list[str]:
    cells = line.strip("\n").split("|")
    if len(cells) != columns:
        raise ValueError("another number of columns")
    return cells


def _bool(text: str) -> bool:
    if text not in ("t", "f"):
        raise ValueError("neither true nor false")
    return text == "t"


def _dumps(text: str) -> tuple[Dump, ...]:
    return tuple(_dump_in(filter(None, text.splitlines())))


def _dump_in(lines: Iterable[str]) -> Iterable[Dump]:
    for line in lines:
        told = _DUMP.fullmatch(line)
        if told is None:
            raise ValueError("no file")
        yield Dump(at=int(told[1]), size=int(told[2]))


def _drills(text: str) -> tuple[Drill, ...]:
    return (Drill.model_validate_json(text),) if text.strip() else ()
