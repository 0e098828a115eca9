"""What a compose file may ask for under an isolation policy: an allow list, key by key and value by value.

What is not known to be good is a problem with its reason, so that a key of a newer Docker Compose, or a spelling that
another reader takes differently, cannot slip through. An unexpanded `${...}` is text where text is wanted (an image, a
command, a variable); where a path, a limit or a switch is expected it is a problem.
"""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.compose import resources
from ink_infra_mcp.core.compose.arriving import lost_in_coolify, texts_in
from ink_infra_mcp.core.compose.between import between_services, within_service
from ink_infra_mcp.core.compose.forms import is_nothing
from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.compose.kinds import wrong_kind
from ink_infra_mcp.core.compose.outside import OUTSIDE
from ink_infra_mcp.core.compose.plain import PLAIN, read_from_server
from ink_infra_mcp.core.compose.reads import odd_reads
from ink_infra_mcp.core.compose.rights import RIGHTS, not_isolated
from ink_infra_mcp.core.compose.top import top_problems
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table

JUDGES: Mapping[str, Judge] = {**PLAIN, **OUTSIDE, **RIGHTS, **resources.JUDGES}
"""What a service may have, key by key."""
_REFUSED = {
    "annotations": "can switch off parts of gVisor",
    "build": "runs on the Muscle outside gVisor; give `image`, or deploy the repository itself",
    "blkio_config": "names devices of the Muscle",
    "cgroup": "shares control groups with the host",
    "cgroup_parent": "leaves the app's control group",
    "credential_spec": "reads a file of the Muscle",
    "device_cgroup_rules": "opens devices of the Muscle",
    "devices": "opens devices of the Muscle",
    "env_file": "reads a file that a pasted file does not bring; give its variables as `env` of deploy_app",
    "extends": "brings in a service that this check does not see",
    "external_links": "reaches containers of other apps",
    "gpus": "opens devices of the Muscle",
    "group_add": "gives groups of the server to the app",
    "isolation": "is for Windows",
    "label_file": "reads a file of the Muscle",
    "links": "changes the app's network past what is proved; services reach each other by their names",
    "mac_address": "takes an address that Docker may give to a neighbour",
    "models": "runs a program on the Muscle",
    "oom_kill_disable": "lets the app outlive what needs its memory",
    "oom_score_adj": "has the kernel end something else first",
    "post_start": "is not known to the Compose that Coolify runs",
    "pre_start": "is not known to the Compose that Coolify runs",
    "pre_stop": "is not known to the Compose that Coolify runs",
    "provider": "runs a program on the Muscle",
    "storage_opt": "is not known to be harmless",
    "sysctls": "changes kernel settings",
    "use_api_socket": "hands the Docker socket to the app",
    "userns_mode": "leaves the container's user namespace",
    "uts": "shares the host's name space for host names",
    "volumes_from": "mounts what other containers have mounted",
}
_CLEARED = ("command", "entrypoint")
_UNKNOWN = "is not known to be harmless in an isolated app"


def compose_problems(
    compose: JsonObject, policy: Isolation, *, published: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Return a reason for everything in a compose file that an isolated app may not have, each once.

    `published` are the ports of the Muscle that it may publish, each as `25/tcp`. `compose` is what `read_compose`
    gives, or what `docker compose config --format json` prints of it.
    """
    services = table(compose.get("services"))
    if not services:
        return ("the file has no services",)
    ground = Ground.of(compose, policy, published)
    found = [
        *top_problems(compose, ground),
        *lost_in_coolify(compose),
        *odd_reads(compose),
        *_of_the_server(compose),
        *between_services(services),
    ]
    for name, service in services.items():
        reasons = [*_in_service(name, service, ground)] if isinstance(service, dict) else ["is no service"]
        found += [f"{name}: {reason}" for reason in reasons]
    return tuple(dict.fromkeys(found))


def _of_the_server(compose: JsonObject) -> Iterator[str]:
    names = dict.fromkeys(name for text in texts_in(compose) if (name := read_from_server(text)))
    for name in names:
        yield f"${{{name}}} may be a variable of the Muscle's own, or one that steers Docker Compose"


def _in_service(name: str, service: JsonObject, ground: Ground) -> Iterator[str]:
    yield from not_isolated(service, ground.policy)
    yield from resources.contradictions(service)
    yield from within_service(service)
    if not service.get("image"):
        yield "has no image"
    for key, value in service.items():
        yield from (f"{key}: {reason}" for reason in _in_key(key, value, ground))


def _in_key(key: str, value: JsonValue, ground: Ground) -> Iterator[str]:
    if _is_cleared(key, value):
        yield "an empty list does not arrive, Coolify makes an empty mapping of it"
    if is_nothing(value) or key.startswith("x-"):
        return
    if key not in JUDGES:
        yield _REFUSED.get(key, _UNKNOWN)
    elif wrong := wrong_kind(key, value):
        yield wrong
    else:
        yield from JUDGES[key](value, ground)


def _is_cleared(key: str, value: JsonValue) -> bool:
    return value == [] and key in _CLEARED
