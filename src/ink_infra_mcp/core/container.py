"""Whether a container is isolated as an app must be: an allow list over all that `docker inspect` says of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from ink_infra_mcp.core import host_config
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.routing import Routes, odd_labels
from ink_infra_mcp.core.shapes import items, table

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_NETWORK_OPTIONS = frozenset(
    {"com.docker.network.driver.mtu", "com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6"}
)
"""Options of a bridge that change nothing for whoever is not in it."""
CROWD = "crowd"
"""The type of the one mount that facts.sh tells instead of too many."""
_WILDCARDS = ("0.0.0.0:", "[::]:")


def _table(value: object) -> object:
    """Docker writes an empty table as null."""
    return {} if value is None else value


Table = Annotated[dict[str, JsonValue], BeforeValidator(_table)]


class Mount(Frozen):
    """What is mounted into a container: `docker inspect`'s entry in Mounts. `source` is the path on the server."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    type: str = Field(default="", validation_alias="Type")
    name: str = Field(default="", validation_alias="Name")
    source: str = Field(default="", validation_alias="Source")
    destination: str = Field(default="", validation_alias="Destination")
    driver: str = Field(default="", validation_alias="Driver")
    writable: bool = Field(default=False, validation_alias="RW")
    propagation: str = Field(default="", validation_alias="Propagation")


class Made(Frozen):
    """A volume or a network as `docker volume inspect` or `docker network inspect` tells it."""

    name: str
    driver: str
    options: Table = {}
    scope: str = "local"


class Told(Frozen):
    """All that was read of one container. `made` are the server's volumes and networks, each None where not readable.

    `networks` are those it is in, with Docker's endpoint; `ports` are the published ones, as `0.0.0.0:80->80/tcp`.
    """

    host_config: JsonObject
    mounts: tuple[Mount, ...]
    networks: dict[str, JsonObject]
    ports: tuple[str, ...]
    volumes: tuple[Made, ...] | None
    server_networks: tuple[Made, ...] | None
    own_cgroups: bool
    labels: dict[str, str] = {}
    """Those that a proxy or Coolify reads; the image's are among them."""


class Promised(Frozen):
    """What an app may have of its own: volumes and networks are named after it, `ports` are those it shall publish.

    A port is `0.0.0.0:8080->80/tcp`, or `8080->80/tcp` for every address of the server. `hosts` are those of its URLs.
    None is: not judged here.
    """

    app: str
    ports: tuple[str, ...] | None = ()
    hosts: frozenset[str] | None = None
    is_preview: bool = False


def problems(told: Told, policy: Isolation, promised: Promised) -> tuple[str, ...]:
    """Return in words what of a container is beyond the allow list; empty means that all of it was judged and is fine.

    What is unknown, unreadable or new in Docker is a problem. Of each mount, network and port there is one sentence.
    """
    found = [
        *host_config.problems(told.host_config, policy, own_cgroups=told.own_cgroups),
        *(words for mount in told.mounts if (words := _mounted(mount, told, promised.app))),
        *_connected(told, policy, promised.app),
        *(_published(told, promised.ports) if promised.ports is not None else ()),
        *odd_labels(told.labels, Routes(promised.app, promised.hosts, policy.networks, promised.is_preview)),
    ]
    return tuple(dict.fromkeys(found))


def _mounted(mount: Mount, told: Told, app: str) -> str:
    if mount.type == "tmpfs" and not mount.source:
        return ""
    if mount.type == CROWD:
        return "it has more than 200 mounts, too many to be read"
    return _odd_volume(mount, told, app) if mount.type == "volume" else _reached(mount)


def _reached(mount: Mount) -> str:
    what = f"{mount.source or 'something'} of the server"
    return f"it reaches {what} at {mount.destination} (a {mount.type or 'nameless'} mount)"


def _odd_volume(mount: Mount, told: Told, app: str) -> str:
    if not (_is_named_after(mount.name, app) or _ANONYMOUS.fullmatch(mount.name)):
        return f"the volume {mount.name} at {mount.destination} is not one of its own"
    if mount.driver != "local" or mount.propagation not in ("", "rprivate", "private"):
        return f"the volume {mount.name} at {mount.destination} is not a plain one of the local driver"
    return _made_volume(mount, _called(mount.name, told.volumes))


def _called(name: str, all_made: Iterable[Made] | None) -> Made | None:
    return next((made for made in all_made or () if made.name == name), None)


def _made_volume(mount: Mount, volume: Made | None) -> str:
    if volume is None:
        return f"how the volume {mount.name} was made could not be read"
    if (volume.driver, volume.scope) != ("local", "local") or not host_config.is_empty(dict(volume.options)):
        options = ", ".join(sorted(volume.options)) or "none"
        return f"the volume {mount.name} at {mount.destination} is made with driver {volume.driver}, options {options}"
    return ""


def _is_named_after(name: str, app: str) -> bool:
    """Coolify names volumes `<uuid>_<name>` and `<uuid>-<name>`, and networks `<uuid>` and `<uuid>_<name>` (4.3.11)."""
    return bool(app) and (name == app or name.startswith((f"{app}_", f"{app}-")))


def _connected(told: Told, policy: Isolation, app: str) -> Iterator[str]:
    yield from _odd_mode(told)
    for name, endpoint in told.networks.items():
        if name == "none":
            continue
        if not _is_allowed(name, policy, app):
            yield f"it is in the network {name}, which is neither its own nor Coolify's"
        elif words := _odd_network(name, endpoint, told.server_networks):
            yield words


def _odd_mode(told: Told) -> Iterator[str]:
    mode = told.host_config.get("NetworkMode")
    ids = {str(endpoint.get("NetworkID")) for endpoint in told.networks.values()}
    if mode not in (*told.networks, *ids, "none"):
        yield f"its network is not one of its own (NetworkMode is {mode or 'not set'})"


def _is_allowed(network: str, policy: Isolation, app: str) -> bool:
    return network in policy.networks or _is_named_after(network, app)


def _odd_network(name: str, endpoint: JsonObject, networks: Iterable[Made] | None) -> str:
    if odd := [key for key in ("DriverOpts", "IPAMConfig", "Links") if not host_config.is_empty(endpoint.get(key))]:
        return f"it is in the network {name} with {', '.join(odd)} of its own"
    return _made_network(name, _called(name, networks))


def _made_network(name: str, network: Made | None) -> str:
    if network is None:
        return f"how the network {name} was made could not be read"
    unknown = network.options.keys() - _NETWORK_OPTIONS
    if (network.driver, network.scope) != ("bridge", "local") or unknown:
        options = ", ".join(sorted(unknown)) or "none"
        return f"the network {name} is made with driver {network.driver}, scope {network.scope}, options {options}"
    return ""


def _published(told: Told, promised: Iterable[str]) -> Iterator[str]:
    allowed = {full for port in promised for full in _in_full(port)}
    asked = _bindings(table(told.host_config.get("PortBindings")))
    for port in dict.fromkeys((*told.ports, *asked)):
        if port not in allowed:
            yield f"it publishes {port}, which nobody asked for"


def _in_full(port: str) -> tuple[str, ...]:
    outer, _, _ = port.partition("->")
    return (port,) if ":" in outer else tuple(f"{address}{port}" for address in _WILDCARDS)


def _bindings(ports: Mapping[str, JsonValue]) -> Iterator[str]:
    """What was asked for: it shows also while the container is stopped, and a port of 0 is one that Docker chooses."""
    for inner, bound in ports.items():
        for at in map(table, items(bound)):
            yield f"{_address(str(at.get('HostIp') or ''))}:{at.get('HostPort') or 0}->{inner}"


def _address(text: str) -> str:
    return f"[{text}]" if ":" in text else text or "0.0.0.0"  # noqa: S104 - says where Docker listens
