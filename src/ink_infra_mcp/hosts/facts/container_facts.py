"""A container as Docker describes it, read from the lines of `docker inspect`."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, TypeAdapter

from ink_infra_mcp.core.container import Made, Mount
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.hosts.facts.sections import Unreadable

_ID = re.compile(r"[0-9a-f]{64}")
_GONE = re.compile(r"error.*no such (?:container|object): ([0-9a-f]{64})", re.IGNORECASE)
_NOISE = "WARNING"
_NEVER = "0001-01-01T00:00:00Z"
_LABELS = TypeAdapter(dict[str, str])
_PORTS = TypeAdapter(dict[str, list[dict[str, str]] | None])
_MADE = TypeAdapter(list[Made])
_CGROUPS_1 = "tmpfs"
"""The file system at /sys/fs/cgroup of a server with version 1 of cgroups (stat -f)."""


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


def _moment(value: object) -> object:
    """Docker says the year 1 for "never"."""
    return None if value in (_NEVER, "") else value


def _endpoints(value: object) -> object:
    """Docker writes a container without networks with null."""
    return {} if value is None else value


Count = Annotated[int, Field(ge=0)]


class ContainerFacts(Frozen):
    """What Docker says of one container, running or not. Its environment is never read: it holds the app's secrets.

    `host_config` is Docker's own, whole: also keys that its client does not know. `labels` are those that Coolify or a
    proxy reads, the image's own among them. `ports` are the published ones, as `0.0.0.0:80->80/tcp`. `volumes` and
    `server_networks` say how those of the server were made, and are None where that could not be read; `own_cgroups`
    is whether it has version 2 of cgroups.
    """

    id: Annotated[str, Field(pattern=_ID.pattern)]
    name: Annotated[str, AfterValidator(lambda name: name.removeprefix("/"))]
    image: str
    image_id: str
    labels: Annotated[dict[str, str], BeforeValidator(_labels)]
    host_config: JsonObject
    mounts: Annotated[tuple[Mount, ...], BeforeValidator(_list)]
    state: str
    health: str
    exit_code: int
    oom_killed: bool
    restart_count: Count
    started_at: Annotated[AwareDatetime | None, BeforeValidator(_moment)]
    ports: Annotated[tuple[str, ...], BeforeValidator(_published)]
    networks: Annotated[dict[str, JsonObject], BeforeValidator(_endpoints)]
    volumes: tuple[Made, ...] | None = None
    server_networks: tuple[Made, ...] | None = None
    own_cgroups: bool = True

    @property
    def runtime(self) -> str:
        """Return the name of the Docker runtime that it runs under."""
        return str(self.host_config.get("Runtime") or "")

    @property
    def network_mode(self) -> str:
        """Return `host` where it shares the server's network, else the name or id of a network."""
        return str(self.host_config.get("NetworkMode") or "")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return its address in each of its networks, for each family that the network has; a stopped one has none."""
        return addresses_in(self.networks)


def addresses_in(networks: Mapping[str, JsonObject]) -> tuple[str, ...]:
    """Return the addresses that a container has in some of its networks, as `docker inspect` has them by name."""
    texts = (at.get(key) for at in networks.values() for key in ("IPAddress", "GlobalIPv6Address"))
    return tuple(text for text in texts if isinstance(text, str) and text)


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


def with_surroundings(
    found: Iterable[ContainerFacts], *, volumes: str | None, networks: str | None, cgroups: str | None
) -> tuple[ContainerFacts, ...]:
    """Return the containers with what was printed of the server's volumes, networks and cgroups; None is not known."""
    added = {"volumes": _made(volumes), "server_networks": _made(networks), "own_cgroups": cgroups != _CGROUPS_1}
    return tuple(container.model_copy(update=added) for container in found)


def _made(text: str | None) -> tuple[Made, ...] | None:
    """Of several volumes one may have gone: Docker says so in a line that is no JSON, and the others count."""
    if text is None:
        return None
    try:
        return tuple(_MADE.validate_json(f"[{','.join(line for line in _lines(text) if line.startswith('{'))}]"))
    except ValueError:
        return None


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.startswith(_NOISE)]
