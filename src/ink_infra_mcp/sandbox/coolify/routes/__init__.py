"""Every endpoint that the pretend Coolify answers."""

from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.routes import (
    applications,
    clone,
    create,
    deployments,
    envs,
    keys,
    lifecycle,
    projects,
    servers,
    services,
    system,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *system.ENDPOINTS,
    *servers.ENDPOINTS,
    *keys.ENDPOINTS,
    *projects.ENDPOINTS,
    *create.ENDPOINTS,
    *clone.ENDPOINTS,
    *applications.ENDPOINTS,
    *lifecycle.ENDPOINTS,
    *envs.ENDPOINTS,
    *deployments.ENDPOINTS,
    *services.ENDPOINTS,
)
