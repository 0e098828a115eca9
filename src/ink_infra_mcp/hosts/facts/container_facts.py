"""A container as Docker describes it, read from the lines of `docker inspect`."""

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.hosts.facts.sections import Unreadable

_ID = re.compile(r"[0-9a-f]{64}")
_GONE = re.compile(r"error.*no such (?:container|object): ([0-9a-f]{64})", re.IGNORECASE)
_NOISE = "WARNING"
_NEVER = "0001-01-01T00:00:00Z"
_LABELS = TypeAdapter(dict[str, str])
_PORTS = TypeAdapter(dict[str, list[dict[str, str]] | None])
_NETWORKS = TypeAdapter(dict[str, dict[str, object]])


def _list(value: object) -> object:
    """Docker writes an empty list as null."""
    return () if value is None else value


def _labels(value: object) -> dict[str, str]:
    """The template ends the labels with an empty pair, because Go's templates know no "all but the last"."""
    return {key: text for key, text in _LABELS.validate_python(value).items() if key}


def _published(value: object) -> tuple[str, ...]:
    """Docker lists a port that is exposed but not published with null in place of bindings."""
    ports = _PORTS.validate_python(value or {})
    return tuple(f"{_address(at)}:{at['HostPort']}->{port}" for port, bound in ports.items() for at in bound or ())


def _address(binding: dict[str, str]) -> str:
    address = binding.get("HostIp", "")
    return f"[{address}]" if ":" in address else address or "0.0.0.0"  # noqa: S104 - says where Docker listens


def _addresses(value: object) -> tuple[str, ...]:
    """A container has an address in each of its networks, for each family that the network has; a stopped one none."""
    found = _NETWORKS.validate_python(value or {}).values()
    texts = (network.get(key) for network in found for key in ("IPAddress", "GlobalIPv6Address"))
    return tuple(text for text in texts if isinstance(text, str) and text)


def _moment(value: object) -> object:
    """Docker says the year 1 for "never"."""
    return None if value in (_NEVER, "") else value


Words = Annotated[tuple[str, ...], BeforeValidator(_list)]
Count = Annotated[int, Field(ge=0)]


class Mount(Frozen):
    """A volume, or a path of the server, in a container."""

    model_config = ConfigDict(extra="ignore")

    source: str = Field(default="", validation_alias="Source")
    """The path on the server."""
    destination: str = Field(default="", validation_alias="Destination")
    writable: bool = Field(default=False, validation_alias="RW")


class ContainerFacts(Frozen):
    """What Docker says of one container, running or not. Its environment is never read: it holds the app's secrets.

    `memory_bytes` and `nano_cpus` are 0, and `pids_limit` None, 0 or -1, where there is no limit. `labels` are those
    of Coolify only. `ports` are the published ones, as `0.0.0.0:80->80/tcp`; `addresses` those in Docker's networks.
    """

    id: Annotated[str, Field(pattern=_ID.pattern)]
    name: Annotated[str, AfterValidator(lambda name: name.removeprefix("/"))]
    image: str
    image_id: str
    labels: Annotated[dict[str, str], BeforeValidator(_labels)]
    runtime: str
    memory_bytes: Count
    nano_cpus: Count
    pids_limit: int | None
    cap_add: Words
    cap_drop: Words
    security_opt: Words
    privileged: bool
    network_mode: str
    pid_mode: str
    mounts: Annotated[tuple[Mount, ...], BeforeValidator(_list)]
    state: str
    health: str
    exit_code: int
    oom_killed: bool
    restart_count: Count
    started_at: Annotated[AwareDatetime | None, BeforeValidator(_moment)]
    ports: Annotated[tuple[str, ...], BeforeValidator(_published)]
    addresses: Annotated[tuple[str, ...], BeforeValidator(_addresses)]


def container_ids(text: str) -> tuple[str, ...]:
    """Return the ids that `docker ps --quiet --no-trunc` printed.

    Raises:
        Unreadable: a line is something else.
    """
    ids = _lines(text)
    if odd := [line for line in ids if not _ID.fullmatch(line)]:
        raise Unreadable(f"the list of containers has a line that is no id: {odd[0][:40]!r}")
    return tuple(ids)


def containers(text: str, *, ids: Collection[str]) -> tuple[ContainerFacts, ...]:
    """Return the containers, sorted by name, of which `docker inspect` printed one JSON line each.

    Those that went away since they were listed may be missing; no other one may, so that nobody takes a part for the
    whole.

    Raises:
        Unreadable: a listed container is missing.
        ValueError: a line is not what it should be.
    """
    found: list[ContainerFacts] = []
    seen: set[str] = set()
    for line in _lines(text):
        if gone := _GONE.match(line):
            seen.add(gone[1])
        else:
            found.append(ContainerFacts.model_validate_json(line))
            seen.add(found[-1].id)
    if seen != set(ids):
        raise Unreadable("the answer does not describe every container that it lists")
    return tuple(sorted(found, key=lambda container: container.name))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.startswith(_NOISE)]
