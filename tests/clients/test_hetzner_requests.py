"""Every request that our Cloud clients send, steps and looks, held against Hetzner's own description."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
import pytest
from pydantic import JsonValue

from ink_infra_mcp.clients import hetzner_dns
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook, classify
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.errors import BadAnswer, NotFound
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN, Network
from tests.clients.cloud_project import Project, http_of
from tests.clock import FakeClock
from tests.sandbox.cloud_spec import cloud_spec
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
RULE: JsonObject = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["198.51.100.7/32"]}
NETWORK = 77
SERVER = result_of("create_server", "server_id")
COURSE: tuple[tuple[str, JsonObject], ...] = (
    ("create_firewall", {"name": "web", "role": "muscle", "rules": [RULE]}),
    ("set_firewall_rules", {"firewall": str(FIREWALL), "rules": [RULE], "before": "now"}),
    ("restore_firewall_rules", {"firewall": str(FIREWALL), "rules": result_of("set_firewall_rules", "before")}),
    ("attach_firewall", {"firewall": result_of("create_firewall", "firewall"), "server": "4710003"}),
    ("detach_firewall", {"firewall": result_of("create_firewall", "firewall"), "server": "4710003"}),
    ("create_ssh_key", {"name": "ink", "public_key": PUBLIC, "labels": {"for": "muscles"}}),
    ("create_placement_group", {"name": "muscles"}),
    (
        "create_server",
        {
            "name": "muscle-3",
            "server_type": "ccx43",
            "location": "fsn1",
            "image": "debian-12",
            "ssh_keys": [result_of("create_ssh_key", "name")],
            "firewalls": [result_of("create_firewall", "firewall")],
            "placement_group": result_of("create_placement_group", "placement_group"),
            "labels": {"role": "muscle"},
            "first_host_key": True,
            "user_data": "#cloud-config\npackage_update: true\n",
        },
    ),
    ("enable_backup", {"server": SERVER}),
    ("attach_to_network", {"server": SERVER, "network": str(NETWORK), "ip": "10.250.0.9"}),
    ("detach_from_network", {"server": SERVER, "network": str(NETWORK)}),
    ("set_protection", {"server": "4710003", "on": True}),
    ("delete_server", {"server": "4710003", "name": "muscle-2", "unprotect": True}),
    ("discard_server", {"name": "muscle-3"}),
    ("delete_firewall", {"firewall": result_of("create_firewall", "firewall")}),
    ("delete_ssh_key", {"name": "ink"}),
    ("delete_placement_group", {"name": "muscles"}),
)


@dataclass
class Recorded(httpx2.AsyncBaseTransport):
    """Passes requests on, and keeps them."""

    inner: httpx2.AsyncBaseTransport
    seen: list[tuple[str, str, list[str], object]] = field(default_factory=list[tuple[str, str, list[str], object]])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Keep the method, the path below /v1, the names in the query and the body."""
        body: object = json.loads(request.content) if request.content else None
        self.seen.append((request.method, request.url.path.removeprefix("/v1"), [*request.url.params], body))
        return await self.inner.handle_async_request(request)


@pytest.fixture
async def project(tmp_path: Path) -> AsyncGenerator[Project]:
    """Give a fresh project with a private network, whose time is the clock's."""
    clock = FakeClock()
    project = Project(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)
    with project.world.change() as state:
        zones = [("eu-central", "10.250.0.0/24")]
        state.hetzner.networks = [Network(id=NETWORK, name="in", ip_range="10.250.0.0/16", created=0.0, subnets=zones)]
    with anyio.fail_after(90):
        yield project


def _rules(project: Project) -> list[JsonValue]:
    shown = {"direction", "protocol", "port", "source_ips", "description"}
    return [rule.model_dump(include=shown) for rule in project.held().rules]


async def test_every_request_of_every_step_is_one_that_hetzner_describes(project: Project) -> None:
    """All kinds of step of the Cloud run once; method, path and body of each request validate."""
    spec, transport = cloud_spec(), Recorded(httpx2.ASGITransport(app=build_hetzner(project.world)))
    steps = project.steps_over(http_of(transport, project.clock))
    assert {f"hetzner_cloud.{verb}" for verb, _ in COURSE} == steps.handlers.keys()
    for verb, params in COURSE:
        wanted: JsonObject = {**params, "before": _rules(project)} if "before" in params else params
        await steps.run(f"hetzner_cloud.{verb}", wanted, step=verb)
    assert [problem for request in transport.seen for problem in spec.problems_of(*request)] == []
    assert sum(method == "POST" and path == "/servers" for method, path, _, _ in transport.seen) == 1


async def test_every_look_at_a_project_is_a_request_that_hetzner_describes(project: Project) -> None:
    """Each method of the read side is called once; path and names in the query of each request are described."""
    spec, transport = cloud_spec(), Recorded(httpx2.ASGITransport(app=build_hetzner(project.world)))
    look = HetznerCloudLook(http_of(transport, project.clock))
    (server, *_) = await look.servers()
    looks: dict[str, Callable[[], Awaitable[object]]] = {
        "servers": look.servers,
        "server": lambda: look.server("4710002"),
        "server_named": lambda: look.server_named("muscle-1"),
        "server_actions": lambda: look.server_actions(4_710_002),
        "ssh_keys": lambda: look.ssh_keys(fingerprint="0:0", name="ink"),
        "placement_groups": lambda: look.placement_groups(name="muscles"),
        "networks": look.networks,
        "volumes": look.volumes,
        "primary_ips": look.primary_ips,
        "floating_ips": look.floating_ips,
        "load_balancers": look.load_balancers,
        "snapshots": look.snapshots,
        "firewalls": lambda: look.firewalls(label_selector="role=muscle"),
        "firewall": lambda: look.firewall(FIREWALL),
        "firewalls_of": lambda: look.firewalls_of(server),
        "running_on_firewall": lambda: look.running_on_firewall(FIREWALL),
        "server_types": look.server_types,
        "pricing": look.pricing,
        "zones": look.zones,
        "zone_for": lambda: look.zone_for("a.example.com"),
        "rrset": lambda: look.rrset("example.com", "*.s1", "A"),
        "action": lambda: look.action(1),
        "actions": lambda: look.actions([1]),
    }
    assert looks.keys() == {name for name in vars(HetznerCloudLook) if not name.startswith("_")}
    for ask in looks.values():
        with suppress(NotFound, BadAnswer):
            await ask()
    assert {problem for request in transport.seen for problem in spec.problems_of(*request)} == {
        f"GET {path} is not described" for path in ("/floating_ips", "/load_balancers")
    }, "the extract is of a description without these two"


async def test_every_look_at_a_zone_is_a_request_that_hetzner_describes(project: Project) -> None:
    """The same of its DNS."""
    spec, transport = cloud_spec(), Recorded(httpx2.ASGITransport(app=build_hetzner(project.world)))
    secret = Secret(HETZNER_TOKEN)
    settings = HttpSettings(
        service="hetzner_dns", base_url="http://cloud.example.com/v1", reads=hetzner_dns.READS, token=secret
    )
    http = Http(settings, clock=project.clock, redact=Redactor([secret]), classify=classify, transport=transport)
    look = hetzner_dns.HetznerDnsLook(http)
    (zone,) = await look.zones()
    looks: dict[str, Callable[[], Awaitable[object]]] = {
        "zones": look.zones,
        "record_sets": lambda: look.record_sets(zone, ["*.s1.example.com", "example.com"]),
        "all_record_sets": lambda: look.all_record_sets(zone),
        "record_set": lambda: look.record_set(zone.id, "example.com", "*.s1.example.com", "A"),
        "zone_status": lambda: look.zone_status(zone.id),
    }
    assert looks.keys() == {name for name in vars(hetzner_dns.HetznerDnsLook) if not name.startswith("_")}
    for ask in looks.values():
        assert await ask()
    assert [problem for request in transport.seen for problem in spec.problems_of(*request)] == []
