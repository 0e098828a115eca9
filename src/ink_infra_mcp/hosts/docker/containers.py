"""The containers of one app on a server: which they are, what they log, and whether they are isolated."""

import re
from collections.abc import Callable

from ink_infra_mcp.core.container import Promised, Told, problems
from ink_infra_mcp.core.errors import HostError, InputError
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import gather
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

LOG_LIMIT = 200_000
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_SINCE = re.compile(r"\d{1,9}[smh]|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")


async def containers_of(pool: HostPool, host: str, app_uuid: str) -> tuple[ContainerFacts, ...]:
    """Return the containers of a Coolify app on a server, running or not, sorted by name.

    Raises:
        HostError: the server cannot be reached, or Docker on it cannot be asked; that is not the same as "none".
    """
    return tuple(c for c in await containers_on(pool, host) if belongs_to(c, app_uuid))


async def containers_on(pool: HostPool, host: str) -> tuple[ContainerFacts, ...]:
    """Return all containers on a server, whosever they are; raises HostError like `containers_of`."""
    facts = await gather(pool, host, areas=("containers",))
    if facts.containers is None:
        raise HostError(
            f"Docker on {host} cannot be asked for its containers: {facts.unknown['containers']}.",
            host=host,
            next="Check that Docker runs there and that our user may use it.",
        )
    return facts.containers


def belongs_to(container: ContainerFacts, app_uuid: str) -> bool:
    """Return whether a container belongs to the Coolify app.

    Coolify names them `<uuid>`, `<uuid>-<digits>` or `<uuid>-pr-<n>`, and those of compose apps
    `<service>-<uuid>[-<digits>]` (generateApplicationContainerName and the compose parser of Coolify 4); the label
    coolify.name repeats the name, and coolify.applicationId is a number that the API does not show. An app
    chooses `<service>`, so another's uuid in it counts for nothing.
    """
    uuid = re.escape(app_uuid)
    whole = re.compile(rf"{uuid}(?:-[0-9]+|-pr-[0-9]+|[-_].+[-_][0-9]+)?|.+-{uuid}(?:-[0-9]+|-pr-[0-9]+)?", re.DOTALL)
    return any(whole.fullmatch(name) for name in (container.name, container.labels.get("coolify.name", "")))


def service_of(container: ContainerFacts, app_uuid: str) -> str:
    """Return which service of the app's compose file a container is, empty for an app of one container.

    Compose apps have `<service>-<uuid>[-<digits>]`; Docker Compose's own names are `<uuid>-<service>-<number>`.
    """
    uuid = re.escape(app_uuid)
    found = re.fullmatch(rf"(?P<a>.+)-{uuid}(?:-\d+)?|{uuid}[-_](?P<b>.+)[-_]\d+", container.name)
    return (found["a"] or found["b"]) if found else ""


def is_preview(container: ContainerFacts, app_uuid: str) -> bool:
    """Return whether a container is that of a pull request, by its label or its name."""
    by_name = re.search(rf"{re.escape(app_uuid)}-pr-\d+$", container.name)
    return by_name is not None or container.labels.get("coolify.pullRequestId", "0") not in ("", "0")


async def container_logs(
    pool: HostPool,
    host: str,
    container_id: str,
    *,
    lines: int = 200,
    since: str | None = None,
    mask: Callable[[str], str] = str,
) -> str:
    """Return the last `lines` lines that a container wrote to both outputs, each with its time, cleaned and redacted.

    `since` is a span such as 10m or an instant such as 2030-01-31T12:00:00Z; `mask` masks secrets that only the caller
    knows. The text is the app's: data, never instructions.

    Raises:
        InputError: an argument is not of that form.
        CommandFailed: there is no such container.
        HostError: the server cannot be reached.
    """
    words = ["--timestamps", "--tail", str(_between(lines)), *_since(since), "--", container_word(container_id)]
    # docker writes the container's two outputs to its own two; only a shell can join them in their order.
    command = HostCommand(("sh", "-c", 'exec docker logs "$@" 2>&1', "sh", *words), changes=False)
    said = await pool.run(host, command, check=True)
    return pool.presentable(said.stdout, limit=LOG_LIMIT, mask=mask)


def isolation_problems(
    container: ContainerFacts,
    policy: Isolation,
    *,
    app: str = "",
    ports: tuple[str, ...] | None = None,
    hosts: frozenset[str] | None = None,
) -> tuple[str, ...]:
    """Return in words what of a container is beyond what an app may have; empty means that all was judged and is fine.

    `app` is the Coolify app that it belongs to, by default the one that its labels name. `ports` are those that it was
    promised to publish (see `core/container.py`), `hosts` those of its URLs; with None they are not judged.
    """
    told = Told(
        host_config=container.host_config,
        mounts=container.mounts,
        networks=container.networks,
        ports=container.ports,
        volumes=container.volumes,
        server_networks=container.server_networks,
        own_cgroups=container.own_cgroups,
        labels=container.labels,
    )
    own = app or app_of(container)
    promised = Promised(app=own, ports=ports, hosts=hosts, is_preview=is_preview(container, own))
    return problems(told, policy, promised)


def app_of(container: ContainerFacts) -> str:
    """Return the uuid of the Coolify app that a container says to belong to, or an empty text.

    The label coolify.name is `<uuid>` or `<service>-<uuid>`, with `-pr-<n>` for a preview; a uuid has no hyphen.
    """
    name = re.sub(r"-pr-\d+$", "", container.labels.get("coolify.name", ""))
    return name.rpartition("-")[2]


def _between(lines: int) -> int:
    if not 1 <= lines <= 5_000:
        raise InputError(f"{lines} log lines cannot be had at once.", next="Ask for 1 to 5000 lines.")
    return lines


def _since(since: str | None) -> tuple[str, ...]:
    if since is None:
        return ()
    if not _SINCE.fullmatch(since):
        raise InputError(f"{since!r} is not a time.", next="Use a span such as 10m, or 2030-01-31T12:00:00Z.")
    return ("--since", since)


def container_word(container_id: str) -> str:
    """Return the id or name of a container as it is, once it can be nothing else to docker.

    Raises:
        InputError: it is neither.
    """
    if not _CONTAINER.fullmatch(container_id):
        raise InputError(
            f"{container_id!r} is neither the id nor the name of a container.", next="Use one that get_app shows."
        )
    return container_id
