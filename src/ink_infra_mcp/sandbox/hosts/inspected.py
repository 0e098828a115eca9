"""What `docker inspect` says of the containers, volumes and networks of a pretend server, under the daemon's names."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from ink_infra_mcp.sandbox.state_hosts import Container, HostState

Fields = Mapping[str, str]
"""What each piece of a Go template becomes."""

NEVER = "0001-01-01T00:00:00Z"
VOLUMES = "/var/lib/docker/volumes"

_READ_LABELS = (
    '{{if gt (len .Config.Labels) 300}}"traefik.crowd":"",{{else}}'
    "{{range $key, $value := .Config.Labels}}{{$read := lower $key}}"
    '{{if or (eq (printf "%.8s" $read) "coolify.") (eq (printf "%.8s" $read) "traefik.") '
    '(eq (printf "%.5s" $read) "caddy") (eq (printf "%.18s" $read) "com.docker.compose") (eq $read "com") '
    '(eq $read "com.docker") (eq $read "coolify")}}'
    '{{json (printf "%.300s" $key)}}:{{json (printf "%.500s" $value)}},{{end}}{{end}}{{end}}'
)
_PORTS = "{{range $port, $at := .NetworkSettings.Ports}}{{if $at}}{{json $port}}:{{json $at}},{{end}}{{end}}"
_MOUNTS = '{{if gt (len .Mounts) 200}}[{"Type":"crowd"}]{{else}}{{json .Mounts}}{{end}}'
_MOST_LABELS, _MOST_MOUNTS = 300, 200
_ENVIRONMENT = '{{range .Config.Env}}{{printf "%# x" .}}{{println}}{{end}}'
_EVERY = ("0.0.0.0", "::")  # noqa: S104 - what Docker says of ports that are open on every address
_DEFAULT_BRIDGE = {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": _EVERY[0],
    "com.docker.network.bridge.name": "docker0",
    "com.docker.network.driver.mtu": "1500",
}
_VOLUME_NAMES = "{{if le (len .Mounts) 200}}{{range .Mounts}}{{if .Name}}{{println .Name}}{{end}}{{end}}{{end}}"
_HEALTH = '{{if index .State "Health"}}{{json .State.Health.Status}}{{else}}""{{end}}'
_MASKED = "asound acpi kcore keys latency_stats timer_list timer_stats sched_debug scsi"
# As Docker 26.1 says for a container that Compose made, on a server with version 2 of cgroups.
_DEFAULTS: dict[str, JsonValue] = {
    **dict.fromkeys(("Binds", "VolumesFrom", "Dns", "DnsOptions", "DnsSearch", "GroupAdd", "Links", "Ulimits")),
    **dict.fromkeys(("BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps")),
    **dict.fromkeys(("BlkioDeviceWriteIOps", "Devices", "DeviceCgroupRules", "DeviceRequests", "MemorySwappiness")),
    **dict.fromkeys(("ContainerIDFile", "VolumeDriver", "Cgroup", "PidMode", "UTSMode", "UsernsMode"), ""),
    **dict.fromkeys(("Isolation", "CgroupParent", "CpusetCpus", "CpusetMems"), ""),
    **dict.fromkeys(("OomScoreAdj", "CpuShares", "BlkioWeight", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod"), 0),
    **dict.fromkeys(("CpuRealtimeRuntime", "MemoryReservation", "CpuCount", "CpuPercent", "IOMaximumIOps"), 0),
    **dict.fromkeys(("AutoRemove", "PublishAllPorts", "ReadonlyRootfs"), False),
    "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
    "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
    "ConsoleSize": [0, 0],
    "CgroupnsMode": "private",
    "ExtraHosts": [],
    "IpcMode": "private",
    "ShmSize": 67_108_864,
    "OomKillDisable": None,
    "IOMaximumBandwidth": 0,
    "MaskedPaths": [*(f"/proc/{name}" for name in _MASKED.split()), "/sys/firmware", "/sys/devices/virtual/powercap"],
    "ReadonlyPaths": [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")],
}


def container_fields(container: Container, now: float) -> Fields:
    """Return the pieces of `docker inspect` of a container, empty lists as null."""
    mounts = [_mount(volume) for volume in container.volumes]
    bindings = _bindings(container.ports)
    values: dict[str, object] = {
        ".Id": container.id,
        ".Name": f"/{container.name}",
        ".Image": container.image_id,
        ".RestartCount": _restarts(container, now),
        ".Config.Image": container.image,
        ".HostConfig": _host_config(container),
        ".State.Status": container.state,
        ".State.ExitCode": container.exit_code,
        ".State.OOMKilled": container.oom_killed,
        ".State.StartedAt": instant(container.started_at),
        ".Mounts": mounts,
        ".NetworkSettings.Ports": bindings,
        ".NetworkSettings.Networks": {name: _endpoint(name, container) for name in container.networks},
    }
    is_crowd = len(mounts) > _MOST_MOUNTS
    names = [] if is_crowd else _named(container.volumes)
    published = ((port, at) for port, at in bindings.items() if at)
    return {
        '{{"{"}}': "{",
        _READ_LABELS: "".join(_read_labels(container.labels)),
        _HEALTH: _json(container.health),
        _ENVIRONMENT: "".join(f"{_bytes(f'{name}={value}')}\n" for name, value in container.env.items()),
        _MOUNTS: '[{"Type":"crowd"}]' if is_crowd else _json(mounts),
        _PORTS: "".join(f"{_json(port)}:{_json(at)}," for port, at in published),
        _VOLUME_NAMES: "".join(f"{name}\n" for name in names),
        **json_fields(values),
    }


def images_of(host: HostState) -> dict[str, Fields]:
    """Return the images of a server's containers by id, with the pieces of `docker image inspect`."""
    return {c.image_id: json_fields({".RepoDigests": c.image_digests}) for c in host.containers}


def volumes_of(host: HostState) -> dict[str, Fields]:
    """Return the volumes of a server by name, with the pieces of `docker volume inspect`."""
    used = (volume for container in host.containers for volume in _named(container.volumes))
    return {
        name: json_fields(
            {
                ".Name": name,
                ".Driver": "local",
                ".Options": host.volume_options.get(name) or None,
                ".Scope": "local",
            }
        )
        for name in dict.fromkeys((*host.volumes, *used))
    }


def networks_of(host: HostState) -> dict[str, Fields]:
    """Return the networks of a server by id, sorted by name, with the pieces of `docker network inspect`."""
    used = (name for container in host.containers for name in container.networks)
    drivers = {"bridge": "bridge", "host": "host", "none": "null", "coolify": "bridge", **dict.fromkeys(used, "bridge")}
    return {
        network_id(name): json_fields(
            {
                ".Name": name,
                ".Driver": host.network_drivers.get(name, driver),
                ".Options": _DEFAULT_BRIDGE if name == "bridge" else {},
                ".Scope": "local",
            }
        )
        for name, driver in sorted(drivers.items())
    }


def json_fields(values: Mapping[str, object]) -> dict[str, str]:
    """A field can be asked for as JSON, or bare where it is a plain value."""
    as_json = {f"{{{{json {path}}}}}": _json(value) for path, value in values.items()}
    bare = {f"{{{{{path}}}}}": _bare(value) for path, value in values.items() if not isinstance(value, list | dict)}
    return as_json | bare


def address_of(container: Container) -> str:
    """Return the address of a container in Docker's network; its number is made from the container's id."""
    return f"10.0.1.{2 + int(container.id[:8], 16) % 250}"


def network_id(name: str) -> str:
    """Return the id that Docker gives a network: 64 hexadecimal digits."""
    return hashlib.sha256(f"network {name}".encode()).hexdigest()


def instant(at: float) -> str:
    """Return a time as Docker writes it; 0 is never."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z") if at else NEVER


def _host_config(container: Container) -> dict[str, JsonValue]:
    """Docker says the memory twice as the most of memory and swap together, unless that was given."""
    return {
        **_DEFAULTS,
        "NetworkMode": container.networks[0] if container.networks else "none",
        "PortBindings": _asked(container.ports),
        "Runtime": container.runtime,
        "Memory": container.memory_bytes,
        "MemorySwap": 2 * container.memory_bytes,
        "NanoCpus": container.nano_cpus,
        "PidsLimit": container.pids_limit or None,
        "CapAdd": _or_null(container.cap_add),
        "CapDrop": _or_null(container.cap_drop),
        "SecurityOpt": _or_null(container.security_opt),
        "Privileged": container.privileged,
        **({} if "Binds" in container.host_config else _mount_specs(container.volumes)),
        **container.host_config,
    }


def _or_null(values: Iterable[str]) -> list[JsonValue] | None:
    return [*values] or None


def _mount_specs(volumes: Iterable[str]) -> dict[str, JsonValue]:
    """Compose asks for volumes here; without any Docker leaves the key out."""
    specs: list[JsonValue] = [
        {"Type": "volume", "Source": name, "Target": "/data", "VolumeOptions": {}} for name in _named(volumes)
    ]
    return {"Mounts": specs} if specs else {}


def _named(volumes: Iterable[str]) -> list[str]:
    return [volume for volume in volumes if not volume.startswith("/")]


def _asked(ports: Iterable[str]) -> dict[str, JsonValue]:
    """What is open on every address was asked for with none."""
    found: dict[str, list[JsonValue]] = {}
    for inner, bindings in _bindings(ports).items():
        for at in bindings:
            asked = _asked_address(at)
            if asked not in found.setdefault(inner, []):
                found[inner].append(asked)
    return {inner: bound for inner, bound in found.items()}


def _asked_address(at: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {**at, "HostIp": "" if at["HostIp"] in _EVERY else at["HostIp"]}


def _read_labels(labels: Mapping[str, str]) -> list[str]:
    if len(labels) > _MOST_LABELS:
        return ['"traefik.crowd":"",']
    starts, whole = ("coolify.", "traefik.", "caddy", "com.docker.compose"), ("com", "com.docker", "coolify")
    read = {key: value for key, value in labels.items() if key.lower().startswith(starts) or key.lower() in whole}
    return [f"{_json(key[:300])}:{_json(value[:500])}," for key, value in sorted(read.items())]


def _bare(value: object) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mount(volume: str) -> dict[str, object]:
    """A volume has a name; a folder of the server is given by its path."""
    if volume.startswith("/"):
        source, _, target = volume.partition(":")
        at = {"Source": source, "Destination": target or source}
        return {"Type": "bind", **at, "Mode": "rw", "RW": True, "Propagation": "rprivate"}
    at = {"Source": f"{VOLUMES}/{volume}/_data", "Destination": "/data", "Driver": "local"}
    return {"Type": "volume", "Name": volume, **at, "Mode": "z", "RW": True, "Propagation": ""}


def _endpoint(name: str, container: Container) -> dict[str, JsonValue]:
    """Docker gives a container that runs an address of the network; one that never ran is not in it yet."""
    endpoint: dict[str, JsonValue] = {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": "",
        "DriverOpts": None,
        "NetworkID": "",
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }
    if container.state != "created":
        endpoint |= {"NetworkID": network_id(name), "DNSNames": [container.name, container.id[:12]]}
    if container.state == "running":
        endpoint |= _address_fields(container)
    return endpoint


def _address_fields(container: Container) -> dict[str, JsonValue]:
    return {
        "MacAddress": "02:42:0a:00:01:02",
        "EndpointID": hashlib.sha256(container.id.encode()).hexdigest(),
        "Gateway": "10.0.1.1",
        "IPAddress": address_of(container),
        "IPPrefixLen": 24,
    }


def _bindings(ports: Iterable[str]) -> dict[str, list[dict[str, JsonValue]]]:
    found: dict[str, list[dict[str, JsonValue]]] = {}
    for published in ports:
        outer, _, inner = published.partition("->")
        address, _, port = outer.rpartition(":")
        found.setdefault(inner, []).append({"HostIp": address.strip("[]"), "HostPort": port})
    return found


def _bytes(text: str) -> str:
    """Return what the verb `%# x` of Go makes of a text: each byte as 0xHH."""
    return " ".join(f"{byte:#04x}" for byte in text.encode())


def _json(value: object) -> str:
    """Docker's templates write compact JSON without escaping HTML (seen with clients 20.10 and 28.2)."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _restarts(container: Container, now: float) -> int:
    """Docker waits twice as long before each start of what crashes, 100 ms at first."""
    if container.state != "restarting":
        return container.restart_count
    return max(container.restart_count, int(math.log2(max(0.0, now - container.created_at) * 10 + 1)))
