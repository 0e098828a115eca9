"""What a part of a compose file is judged by: the policy, and what else the file names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table


@dataclass(frozen=True, slots=True)
class Ground:
    """The policy, and the names of the services, networks, configs and secrets of the file.

    `published` are the ports of the Muscle that the file may publish, each as `25/tcp`.
    """

    policy: Isolation
    services: frozenset[str]
    networks: frozenset[str]
    configs: frozenset[str]
    secrets: frozenset[str]
    published: frozenset[str]

    @classmethod
    def of(cls, compose: JsonObject, policy: Isolation, published: frozenset[str]) -> "Ground":
        """Return the ground of a file."""
        names = {part: frozenset(table(compose.get(part))) for part in ("services", "networks", "configs", "secrets")}
        return cls(
            policy=policy,
            services=names["services"],
            networks=names["networks"] | {"default"},
            configs=names["configs"],
            secrets=names["secrets"],
            published=published,
        )


COOLIFY_S = "is a name of Coolify's own, which its proxy looks up in every network that it is in"


def is_coolify_s(name: str) -> bool:
    """Return whether a name in a network is one that Coolify's own containers have: coolify, coolify-db, ..."""
    return name.lower() in ("coolify", "host.docker.internal") or name.lower().startswith("coolify-")


Judge = Callable[[JsonValue, Ground], Iterator[str]]
"""Yields what is wrong with the value of a key."""
