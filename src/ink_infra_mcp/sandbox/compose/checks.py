"""What Docker Compose refuses in a file whose keys it knows (messages seen with 2.26.1)."""

from collections.abc import Mapping

from ink_infra_mcp.sandbox.compose.reader import Map, Refused, Value, entries
from ink_infra_mcp.sandbox.compose.typed import listed

INVALID = "invalid compose project"


def check_files(document: Map) -> None:
    """Refuse secrets and configs that come from nowhere, or from two places.

    Raises:
        Refused: in Compose's words.
    """
    for kind, keys in (("secrets", ("file", "environment")), ("configs", ("file", "environment", "content"))):
        for name, entry in entries(document.get(kind)).items():
            if len(entry.keys() & {*keys}) > 1:
                raise Refused(f"{kind}.{name}: {'|'.join(keys)} attributes are mutually exclusive")
            if not entry.keys() & {*keys, "external", "driver"}:
                raise Refused(f"{kind}.{name}: one of {'|'.join(keys)} must be set")


def check(name: str, services: Mapping[str, Map], document: Map) -> None:
    """Refuse what does not fit together.

    Raises:
        Refused: in Compose's words.
    """
    body = services[name]
    _check_image(name, body)
    _check_networks(name, body, document)
    _check_test(body)
    _check_needs(name, body, services)
    _check_sources(name, body, document)
    _check_limits(name, body)


def _check_image(name: str, body: Map) -> None:
    if not body.get("image") and "build" not in body:
        raise Refused(f'service "{name}" has neither an image nor a build context specified: {INVALID}')


def _check_networks(name: str, body: Map, document: Map) -> None:
    if body.get("network_mode") and body.get("networks"):
        raise Refused(f"service {name} declares mutually exclusive `network_mode` and `networks`: {INVALID}")
    known = {"default", *entries(document.get("networks"))}
    for network in entries(body.get("networks")):
        if network not in known:
            raise Refused(f'service "{name}" refers to undefined network {network}: {INVALID}')


def _check_needs(name: str, body: Map, services: Mapping[str, Map]) -> None:
    for other in entries(body.get("depends_on")):
        if other not in services:
            raise Refused(f'service "{name}" depends on undefined service "{other}": {INVALID}')


def refuse_cycles(services: Mapping[str, Map]) -> None:
    """Refuse services that wait for each other.

    Raises:
        Refused: in Compose's words.
    """
    for name in sorted(services):
        way = [name]
        while (needs := sorted(entries(services[way[-1]].get("depends_on")))) and way.count(way[-1]) == 1:
            way.append(needs[0])
        if way.count(name) > 1:
            raise Refused(f"dependency cycle detected: {' -> '.join(way)}")


def _check_sources(name: str, body: Map, document: Map) -> None:
    for kind in ("volumes", "configs", "secrets"):
        for one in listed(body.get(kind) or []):
            _check_source(name, kind, _named_source(one), document)


def _check_source(name: str, kind: str, source: Value, document: Map) -> None:
    if source and source not in entries(document.get(kind)):
        raise Refused(f'service "{name}" refers to undefined {kind[:-1]} {source}: {INVALID}')


def _named_source(given: Value) -> Value:
    """Return the source that the document has to name; what is mounted from elsewhere has none."""
    if isinstance(given, dict) and given.get("type", "volume") == "volume":
        return given.get("source")
    return None


def _check_test(body: Map) -> None:
    health = body.get("healthcheck")
    test = health.get("test") if isinstance(health, dict) else None
    if isinstance(test, list) and test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
        raise Refused('healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"')


def _check_limits(name: str, body: Map) -> None:
    deploy = body.get("deploy")
    deployed: Map = deploy if isinstance(deploy, dict) else {}
    _check_twice_limited(name, body, entries(deployed.get("resources")))
    _check_scale(name, body, deployed)


def _check_twice_limited(name: str, body: Map, resources: Mapping[str, Map]) -> None:
    pairs = (("cpus", "limits", "cpus"), ("mem_limit", "limits", "memory"), ("pids_limit", "limits", "pids"))
    for key, kind, below in (*pairs, ("mem_reservation", "reservations", "memory")):
        if body.get(key) and kind in resources and resources[kind].get(below, 0) != body[key]:
            where = f"'{key}' and 'deploy.resources.{kind}.{below}'"
            raise Refused(f"services.{name}: can't set distinct values on {where}: {INVALID}")


def _check_scale(name: str, body: Map, deployed: Map) -> None:
    scale = body.get("scale", deployed.get("replicas", 1))
    if body.get("container_name") and isinstance(scale, int) and scale > 1:
        attribute = "scale" if "scale" in body else "deploy.replicas"
        said = "as container name must be unique"
        raise Refused(f"services.{attribute}: can't set container_name and {name} {said}: {INVALID}")
