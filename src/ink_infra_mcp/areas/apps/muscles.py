"""What is wrong with a Muscle for the apps on it: who reaches them, and whether they are isolated."""

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import isolation_problems
from ink_infra_mcp.hosts.docker.proxies import proxy_doubt, proxy_problem
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts

SHOWN = 5
"""How many apps one warning names; it counts the others."""
_NAME = "coolify.resourceName"
_APP_LABELS = frozenset({"coolify.applicationId", "coolify.serviceId"})


def muscle_warnings(facts: HostFacts, isolation: Isolation) -> list[str]:
    """Return a warning where no proxy runs, or not well, and one that names the apps that are not isolated."""
    why, doubt = proxy_problem(facts.containers), proxy_doubt(facts.containers)
    lost = [f"{facts.host}: {why}: no app there can be reached by its domain"] if why else []
    lost += [f"{facts.host}: {doubt}: apps there may not be reached"] if doubt else []
    return [*lost, *_not_isolated(facts, isolation)]


def _not_isolated(facts: HostFacts, isolation: Isolation) -> list[str]:
    apps = dict.fromkeys(_app(c) for c in _running_apps(facts) if isolation_problems(c, isolation))
    bad = [clean_name(name) for *_, name in apps]
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return [f"{facts.host}: not isolated: {', '.join(bad[:SHOWN])}{more}"] if bad else []


def _app(container: ContainerFacts) -> tuple[str | None, str | None, str]:
    """Return Coolify's numbers of the app and its name; a container's own name says nothing to a person."""
    number, service = (container.labels.get(label) for label in ("coolify.applicationId", "coolify.serviceId"))
    return number, service, container.labels.get(_NAME) or container.name


def _running_apps(facts: HostFacts) -> list[ContainerFacts]:
    return [c for c in facts.containers or () if c.state == "running" and _APP_LABELS & c.labels.keys()]
