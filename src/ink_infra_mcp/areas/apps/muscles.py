"""What is wrong with a Muscle for the apps on it: who reaches them, and whether they are isolated."""

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import isolation_problems
from ink_infra_mcp.hosts.docker.proxies import proxy_problem
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts

SHOWN = 5
"""How many containers one warning names; it counts the others."""
_APP_LABELS = frozenset({"coolify.applicationId", "coolify.serviceId"})


def muscle_warnings(facts: HostFacts, isolation: Isolation) -> list[str]:
    """Return a warning where no proxy runs, and one that names the containers of apps that are not isolated."""
    why = proxy_problem(facts.containers)
    lost = [f"{facts.host}: {why}: no app there can be reached by its domain"] if why else []
    return [*lost, *_not_isolated(facts, isolation)]


def _not_isolated(facts: HostFacts, isolation: Isolation) -> list[str]:
    bad = [clean_name(c.name) for c in _running_apps(facts) if isolation_problems(c, isolation)]
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return [f"{facts.host}: not isolated: {', '.join(bad[:SHOWN])}{more}"] if bad else []


def _running_apps(facts: HostFacts) -> list[ContainerFacts]:
    return [c for c in facts.containers or () if c.state == "running" and _APP_LABELS & c.labels.keys()]
