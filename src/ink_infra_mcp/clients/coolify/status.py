"""The words that Coolify puts into one `status` text, taken apart."""

import re

from ink_infra_mcp.core.plan import Frozen

_STATUS = re.compile(r"\s*([A-Za-z][A-Za-z_-]{0,31})(?:\s*[:(]\s*([A-Za-z][A-Za-z_-]{0,31})\)?)?(:excluded)?\s*")


class Status(Frozen):
    """State and health of an app or service, as Coolify saw it at its last look.

    States seen: running, exited, restarting, starting, degraded, paused, created, dead; health: healthy, unhealthy,
    unknown, starting. Others may come. `excluded`: no container of it takes part in health checks.
    """

    state: str = "unknown"
    health: str = "unknown"
    excluded: bool = False

    @property
    def running(self) -> bool:
        """Return whether it runs and, where it has a health check, passes it.

        Without a health check that is `running:unknown`. Right after a deployment a healthy app reads
        `running:unhealthy` until Coolify looks again (source, version 4.3.11): ask again before believing it.
        """
        return self.state == "running" and self.health in {"healthy", "unknown"}

    def __str__(self) -> str:
        return f"{self.state}:{self.health}"


def parse_status(text: str) -> Status:
    """Return the status in `running:healthy`, `running (healthy)`, `exited` or `degraded:unhealthy:excluded`.

    Text of any other form is unknown in both halves. A bare state has an unknown health.
    """
    found = _STATUS.fullmatch(text)
    if found is None:
        return Status()
    state, health, excluded = found.groups()
    return Status(state=state.lower(), health=(health or "unknown").lower(), excluded=bool(excluded))
