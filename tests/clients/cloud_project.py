"""An emulated Cloud project over its own time, with our clients and step handlers of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from ink_infra_mcp.clients.hetzner_cloud import READS, HetznerCloudAct, HetznerCloudLook, classify
from ink_infra_mcp.clients.hetzner_cloud.steps import HetznerCloudSteps
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from ink_infra_mcp.sandbox.state_firewalls import Firewall as Held
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.settings.system import new_key_pair
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.permits import permit_here


def http_of(transport: httpx2.AsyncBaseTransport | None, clock: FakeClock, *, base_url: str = "") -> Http:
    """Return a door to the project, through `transport` or to a real address."""
    secret = Secret(HETZNER_TOKEN)
    url = base_url or "http://cloud.example.com/v1"
    settings = HttpSettings(service="hetzner_cloud", base_url=url, reads=READS, token=secret)
    return Http(settings, clock=clock, redact=Redactor([secret]), classify=classify, transport=transport)


@dataclass(frozen=True)
class Project:
    """An emulated project and its time."""

    world: World
    clock: FakeClock

    @property
    def http(self) -> Http:
        """Return the HTTP door of the project."""
        return http_of(httpx2.ASGITransport(app=build_hetzner(self.world)), self.clock)

    @property
    def look(self) -> HetznerCloudLook:
        """Return the read side."""
        return HetznerCloudLook(self.http)

    @property
    def act(self) -> HetznerCloudAct:
        """Return the write side."""
        return HetznerCloudAct(self.http, permit_here(), clock=self.clock)

    @property
    def steps(self) -> Steps:
        """Return the step handlers."""
        return self.steps_over(self.http)

    def steps_over(self, http: Http) -> Steps:
        """Return the step handlers over a door."""
        return Steps(HetznerCloudSteps(lambda: http, new_key_pair).handlers(), self.clock)

    @property
    def writes(self) -> list[str]:
        """Return the ends of the paths of what was accepted."""
        return [line.rpartition("/")[2] for line in self.world.read().journal]

    def held(self, id: int | str = FIREWALL) -> Held:
        """Return a firewall as the world has it."""
        return next(one for one in self.world.read().hetzner.firewalls if one.id == int(id))

    def arrange(self, change: Callable[[WorldState], object]) -> None:
        """Change the world."""
        with self.world.change() as state:
            change(state)

    def trouble(self, kind: str, match: str, **more: Any) -> None:
        """Script a fault."""
        self.arrange(lambda state: state.faults.append(Fault(system="hetzner", match=match, kind=kind, **more)))

    async def states(self, server: str) -> dict[str, str]:
        """Return the firewalls at a server with their states."""
        found = await self.look.server(server)
        assert found is not None
        return {str(at.id): at.status for at in found.public_net.firewalls}
