"""Answers the scripts that read, make and fill Docker's volumes, and stop and start containers, on a pretend server."""

import hashlib
import json
from dataclasses import dataclass

from ink_infra_mcp.sandbox.state_hosts import Container, HostState, VolumeContent

UNCHANGED, CHANGED, UNKNOWN = 3, 4, 127
_UP = frozenset({"running", "restarting", "paused"})


@dataclass(frozen=True, slots=True)
class Told:
    """What a script said, and how it ended. `acted`: it changed the server."""

    output: str = ""
    complaint: str = ""
    status: int = 0
    acted: bool = False


def answer(host: HostState, words: tuple[str, ...], *, now: float) -> Told:
    """Return what a call of the script for volumes comes to; the words behind its mark say what to do."""
    match words:
        case ("look", name):
            return Told(_looked(host, name))
        case ("sum", name):
            return _summed(host, name)
        case ("send", name):
            return Told(_archive(host, name)) if name in host.volumes else _lost(name)
        case ("make", name, operation):
            return _made(host, name, operation)
        case ("stop" | "start" as verb, *ids):
            return _switched(host, verb, ids, now=now)
        case _:
            return Told(complaint="ink-volume: no such verb\n", status=UNKNOWN)


def received(host: HostState, name: str, operation: str, sent: bytes) -> Told:
    """Return what becomes of an archive that arrives; half of one leaves a volume that is half filled."""
    content = host.volume_contents.get(name)
    if name not in host.volumes or content is None or content.operation != operation:
        return Told(complaint=f"ink-volume: this operation has made no volume {name}\n", status=UNCHANGED)
    try:
        files: dict[str, str] = json.loads(sent)
    except ValueError:
        content.files = {"half": "half"}
        return Told(complaint="ink-volume: the archive could not be unpacked\n", status=CHANGED, acted=True)
    content.files = files
    return Told("done\n", acted=True)


def _looked(host: HostState, name: str) -> str:
    free = f"free {host.disk_bytes - host.disk_used_bytes}\ndone\n"
    if name not in host.volumes:
        return f"absent\n{free}"
    users = "".join(f"user {c.id} {c.state} {c.name}\n" for c in _users(host, name))
    if name in host.volume_options:
        return f"plain no\n{users}{free}"
    content = _content(host, name)
    size = content.size_bytes
    return f"plain yes\nbytes {size}\nused {size}\noperation {content.operation}\n{users}{free}"


def _summed(host: HostState, name: str) -> Told:
    if name not in host.volumes:
        return _lost(name)
    digest = hashlib.sha256(_archive(host, name).encode()).hexdigest()
    return Told(f"sum {digest}\nentries {len(_content(host, name).files) + 1}\ndone\n")


def _archive(host: HostState, name: str) -> str:
    return json.dumps(_content(host, name).files, sort_keys=True)


def _made(host: HostState, name: str, operation: str) -> Told:
    there = name in host.volumes
    if there and _content(host, name).operation != operation:
        words = f"ink-volume: {name} is there, and this operation did not make it\n"
        return Told(complaint=words, status=UNCHANGED)
    if any(container.state in _UP for container in _users(host, name)):
        return Told(complaint=f"ink-volume: a container that runs mounts {name}\n", status=UNCHANGED)
    host.volumes = list(dict.fromkeys((*host.volumes, name)))
    host.volume_contents[name] = VolumeContent(operation=operation)
    return Told("done\n", acted=True)


def _switched(host: HostState, verb: str, ids: list[str], *, now: float) -> Told:
    """Docker keeps what it stops: the same container runs again, under the same id."""
    there = {container.id: container for container in host.containers}
    if missing := [id_ for id_ in ids if id_ not in there]:
        return Told(complaint=f"ink-volume: No such container: {missing[0]}\n", status=CHANGED, acted=True)
    for container in (there[id_] for id_ in ids):
        container.state = "exited" if verb == "stop" else "running"
        container.exit_code = 143 if verb == "stop" else 0
        container.started_at = container.started_at if verb == "stop" else now
    return Told("done\n", acted=True)


def _users(host: HostState, name: str) -> list[Container]:
    return [container for container in host.containers if name in container.volumes]


def _content(host: HostState, name: str) -> VolumeContent:
    return host.volume_contents.get(name) or VolumeContent()


def _lost(name: str) -> Told:
    return Told(complaint=f"ink-volume: there is no volume {name}\n", status=UNCHANGED)
