"""Containers as `docker inspect` shows them: their addresses, and the ports that they publish."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family, family_of
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable, failed
from ink_infra_mcp.core.firewall.ports import LAST_PORT


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Bound(_Seen):
    host_ip: str = Field(default="", alias="HostIp")
    host_port: str = Field(default="", alias="HostPort")


class _Network(_Seen):
    ipv4: str = Field(default="", alias="IPAddress")
    ipv6: str = Field(default="", alias="GlobalIPv6Address")


class _Settings(_Seen):
    ports: dict[str, tuple[_Bound, ...] | None] | None = Field(alias="Ports")
    networks: dict[str, _Network] | None = Field(alias="Networks")


class _State(_Seen):
    running: bool = Field(alias="Running")


class _HostConfig(_Seen):
    network_mode: str = Field(default="", alias="NetworkMode")


class _Inspected(_Seen):
    name: str = Field(alias="Name")
    state: _State = Field(alias="State")
    host_config: _HostConfig = Field(alias="HostConfig")
    settings: _Settings = Field(alias="NetworkSettings")


_EVERYWHERE = (".".join("0000"), "::")
_ALL: TypeAdapter[tuple[_Inspected, ...]] = TypeAdapter(tuple[_Inspected, ...])


@dataclass(frozen=True, slots=True)
class Published:
    """A port that Docker publishes. `host_address` is the one it is bound to; 0.0.0.0 and :: are all of a family."""

    container: str
    protocol: str
    host_address: str
    host_port: int
    container_port: int

    @property
    def family(self) -> Family:
        """Return the family of the address that it is published on."""
        return family_of(self.host_address)

    @property
    def everywhere(self) -> bool:
        """Return whether it is published on every address of the family."""
        return self.host_address in _EVERYWHERE


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs, or is paused: its own addresses, and what it publishes.

    `host_network` has no addresses of its own. `apart` are those addresses that lie in a network which is not known to
    be behind the server, such as one of macvlan or ipvlan.
    """

    name: str
    addresses: tuple[str, ...]
    host_network: bool
    published: tuple[Published, ...]
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Containers:
    """All running containers of a host."""

    running: tuple[Container, ...] = ()

    @property
    def published(self) -> tuple[Published, ...]:
        """Return every published port."""
        return tuple(port for container in self.running for port in container.published)

    def at(self, number: int, family: Family) -> Container | None:
        """Return the container that has an address, or None."""
        text = _text(number, family)
        return next((container for container in self.running if text in container.addresses), None)


def read_containers(answer: Answer) -> Containers | Unreadable:
    """Read what `docker inspect` said of every container; no text at all is what it says where there is none."""
    if bad := failed(answer, "docker inspect"):
        return bad
    try:
        seen = _ALL.validate_json(answer.text.strip() or "[]")
        return Containers(tuple(_container(one) for one in seen if one.state.running))
    except ValueError:
        return Unreadable("what docker inspect said is not its JSON")


def _container(seen: _Inspected) -> Container:
    name = seen.name.removeprefix("/")
    return Container(
        name=name,
        addresses=tuple(_addresses(seen.settings)),
        host_network=seen.host_config.network_mode == "host",
        published=tuple(_published(name, inside, bound) for inside, bound in _bounds(seen.settings)),
    )


def _addresses(settings: _Settings) -> Iterator[str]:
    for network in (settings.networks or {}).values():
        yield from (_text(_number(text), family_of(text)) for text in (network.ipv4, network.ipv6) if text)


def _bounds(settings: _Settings) -> Iterator[tuple[str, _Bound]]:
    for inside, bounds in (settings.ports or {}).items():
        yield from ((inside, bound) for bound in bounds or ())


def _published(container: str, inside: str, bound: _Bound) -> Published:
    port, _, protocol = inside.partition("/")
    if not 0 < int(bound.host_port) <= LAST_PORT or not 0 < int(port) <= LAST_PORT:
        raise ValueError(f"{container} publishes what is no port")
    address = bound.host_ip or _EVERYWHERE[0]
    family_of(address)
    return Published(container, protocol or "tcp", address, int(bound.host_port), int(port))


def _number(text: str) -> int:
    kind = V4 if family_of(text) is Family.V4 else V6
    return kind.parse(text).spans[0][0]


def _text(number: int, family: Family) -> str:
    kind = V4 if family is Family.V4 else V6
    return kind(((number, number),)).first()
