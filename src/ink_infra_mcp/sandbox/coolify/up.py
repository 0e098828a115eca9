"""What `docker compose up -d` does with the services of a file: what it refuses, what runs, what is only created.

Sources: pkg/compose of docker/compose at v2.26.1 (pullRequiredImages, getLocalImagesDigests, startService,
waitDependencies, isServiceHealthy, isServiceCompleted), and moby at v26.1.3 for the daemon's words. What was seen with
both stands in tests/sandbox/starting_files.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ink_infra_mcp.sandbox.compose.reader import Refused
from ink_infra_mcp.sandbox.coolify.compose import ComposeService, Need
from ink_infra_mcp.sandbox.coolify.containers import MISSING, refused_by_docker, tagged
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

_DAEMON = "Error response from daemon: "
_PULLED = ("", "missing", "if_not_present", "always")
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
"""Other words for what a program is built for (package platforms of containerd)."""
Made = Sequence[tuple[ComposeService, Container]]


@dataclass(frozen=True, slots=True)
class Up:
    """The containers of services as they are left, and why some of them never start, in the words of Compose."""

    containers: list[Container]
    words: str = ""


def brought_up(host: HostState, made: Made) -> Up:
    """Return what is left of services: they run, or are created and never started, since they wait for one that cannot
    be waited for. Of a service that is scaled to 0 there is no container.

    Images come from a registry that has them for the server's own platform only, and bring no health check.

    Raises:
        Refused: an image cannot be had, or a container cannot be created, in the words of Docker. Then nothing new
            starts; what ran before is left alone here, while a real one may have stopped some of it.
    """
    wanted = [(part, container) for part, container in made if part.replicas]
    for part, _ in wanted:
        _refuse_image(host, part)
    for _, container in wanted:
        if reason := refused_by_docker(host, container):
            raise Refused(reason)
    containers = {part.name: container for part, container in wanted}
    vain = {part.name: words for part, _ in wanted if (words := next(_in_vain(part, containers), ""))}
    stuck = _with_those_behind(vain, [part for part, _ in wanted])
    return Up([_created(c) if part.name in stuck else c for part, c in wanted], next(iter(vain.values()), ""))


def _created(container: Container) -> Container:
    return container.model_copy(update={"state": "created", "health": "", "started_at": 0.0})


def _refuse_image(host: HostState, part: ComposeService) -> None:
    if part.is_built:
        return
    there, fits = tagged(part.image) in _present(host), _fits(host, part.platform)
    if part.pull_policy in _PULLED and (not (there and fits) or part.pull_policy == "always"):
        _refuse_pull(host, part, fits=fits)
    elif not there:
        raise Refused(f"{_DAEMON}No such image: {tagged(part.image)}")
    elif not fits:
        raise Refused(_DAEMON + _of_another(host, part))


def _present(host: HostState) -> set[str]:
    return {*host.images, *(tagged(container.image) for container in host.containers)}


def _refuse_pull(host: HostState, part: ComposeService, *, fits: bool) -> None:
    """An image for one platform only is pulled whatever is wanted, and then not found."""
    if MISSING in part.image:
        raise Refused(f"{_DAEMON}manifest for {part.image} not found: manifest unknown: manifest unknown")
    if not fits:
        raise Refused(_of_another(host, part))


def _of_another(host: HostState, part: ComposeService) -> str:
    wanted = f"wanted {_platform(host, part.platform)}, actual: linux/{_architecture(host)}"
    return f"image with reference {part.image} was found but does not match the specified platform: {wanted}"


def _fits(host: HostState, platform: str) -> bool:
    return not platform or _platform(host, platform) == f"linux/{_architecture(host)}"


def _architecture(host: HostState) -> str:
    return host.kernel.rpartition("-")[2]


def _platform(host: HostState, text: str) -> str:
    """A system or an architecture alone is taken, too; the other half is the server's."""
    parts = [_ALIASES.get(part, part) for part in text.lower().split("/")]
    if parts == ["linux"]:
        return f"linux/{_architecture(host)}"
    return "/".join(parts) if len(parts) > 1 else f"linux/{parts[0]}"


def _in_vain(part: ComposeService, containers: Mapping[str, Container]) -> Iterator[str]:
    """One without a container, since it is scaled to 0, is not waited for."""
    for name, need in part.needs.items():
        if need.required and name in containers and (words := unmet(need, containers[name])):
            yield words


def _with_those_behind(vain: Mapping[str, str], parts: Sequence[ComposeService]) -> set[str]:
    stuck = set(vain)
    while more := {part.name for part in parts if _needs_one_of(part, stuck)} - stuck:
        stuck |= more
    return stuck


def _needs_one_of(part: ComposeService, stuck: set[str]) -> bool:
    return any(need.required and name in stuck for name, need in part.needs.items())


def unmet(need: Need, container: Container) -> str:
    """Return in Compose's words why what waits for a container does not start, or an empty text where it does.

    For the end of one that does not end Compose waits for good, and says nothing.
    """
    match need.condition:
        case "service_healthy":
            return _unhealthy(container)
        case "service_completed_successfully" if container.state != "exited":
            return f"Container {container.name} Waiting"
        case "service_completed_successfully" if container.exit_code:
            name = container.labels.get("com.docker.compose.service", container.name)
            return f'service "{name}" didn\'t complete successfully: exit {container.exit_code}'
        case _:
            return ""


def _unhealthy(container: Container) -> str:
    if container.state == "exited":
        return f"dependency failed to start: container {container.name} exited ({container.exit_code})"
    if not container.health:
        return f"dependency failed to start: container {container.name} has no healthcheck configured"
    healthy = container.health == "healthy"
    return "" if healthy else f"dependency failed to start: container {container.name} is unhealthy"
