"""A machine on its way to a Muscle: what it lacks, part by part, and the steps in the order in which each is needed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.compose_apps import ComposeApp
from ink_infra_mcp.areas.machines.canary import canary_steps, farewell_steps
from ink_infra_mcp.clients.coolify.registering import Registration
from ink_infra_mcp.core.baseline.steps import KINDS as BASELINE_KINDS
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.core.lanes import given_to, in_lane
from ink_infra_mcp.core.login.steps import KeyWanted, admit_key
from ink_infra_mcp.core.operation import json_object
from ink_infra_mcp.core.plan import JsonObject, Step, placed

COOLIFY_MARK = "ink-coolify"
OURS_MARK = "ink-infra"
KINDS = (
    "hetzner_cloud.create_ssh_key",
    "hetzner_cloud.create_firewall",
    "hetzner_cloud.create_placement_group",
    "hetzner_cloud.create_server",
    "hetzner_cloud.enable_backup",
    "hetzner_cloud.set_protection",
    "hetzner_cloud.attach_to_network",
    "hetzner_robot.create_ssh_key",
    "hetzner_robot.install_system",
    "hetzner_robot.reset_server",
    "hetzner_robot.await_boot",
    "hetzner_robot.note_host_keys",
    "hosts.note_told_host_key",
    "hosts.await_ready",
    "hosts.admit_key",
    "hosts.make_host_keys",
    "hosts.rotate_host_keys",
    *BASELINE_KINDS,
    "hosts.harden_sshd",
    "hosts.note_links",
    "hosts.save_firewall",
    "hosts.set_firewall",
    "hosts.keep_firewall",
    "hosts.await_private_card",
    "hosts.prove_private_way",
    "coolify.create_private_key",
    "coolify.create_server",
    "coolify.validate_server",
    "coolify.set_server_settings",
    "coolify.start_proxy",
    "hetzner_dns.set_records",
    "cloudflare.set_records",
    "nameservers.prove_records",
    "hosts.set_coolify_wildcard",
    "coolify.set_server_wildcard",
    "coolify.create_project",
    "coolify.create_environment",
    "coolify.create_service",
    "coolify.settle_service",
    "hosts.judge_compose",
    "hosts.judge_started",
    "hosts.note_containers",
    "coolify.first_deploy",
    "hosts.prove_isolation",
    "web.visit",
    "coolify.discard_service",
    "coolify.discard_canary",
    "fleet.add_muscle",
)
"""The kinds of step that a machine may need on its way, whatever its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What one machine lacks of being a Muscle. What is already so has no steps here.

    `muscle` is what fleet.toml will have, `address` and `host_key` as far as they are known; `pinned` stands for the
    host key that the finished Muscle shows. `newcomer` is how its steps reach it, None once the fleet has it.
    """

    muscle: Muscle
    address: JsonValue
    pinned: JsonValue
    newcomer: JsonObject | None
    factory_at: str
    bought: tuple[Step, ...] = ()
    login: tuple[Step, ...] = ()
    hardening: tuple[Step, ...] = ()
    baseline: tuple[Step, ...] = ()
    firewall: tuple[Step, ...] = ()
    private: tuple[Step, ...] = ()
    """The proof of the private way, where Coolify and we shall use it."""
    coolify: Registration
    dns: tuple[Step, ...] = ()
    canary: ComposeApp | None = None
    left_over: tuple[App, ...] = ()
    joined: bool = False
    """Whether fleet.toml has it already."""
    warnings: tuple[str, ...] = ()
    fields: JsonObject
    """The fields of its table in fleet.toml, each a value or what stands for one."""

    @property
    def name(self) -> str:
        """Return the name that it has, or will have."""
        return self.muscle.name

    def steps(self) -> tuple[Step, ...]:
        """Return the steps, as a lane of its own; none where it is a Muscle already."""
        on_host = (*self.login, *self.baseline, *self.hardening, *self.firewall, *self.private)
        rest = tuple(self._after())
        steps = (*self.bought, *self._reaching(on_host), *self._reaching(rest))
        return placed(in_lane(steps, self.name), servers=[self.name])

    def _after(self) -> Iterator[Step]:
        """Coolify, its key, names, and the proof; fleet.toml at the very end."""
        yield from self.coolify.key
        if self.coolify.register:
            yield self._coolify_in()
        yield from self.coolify.register
        yield from self.coolify.use
        yield from self.dns
        yield from self.coolify.wildcard
        yield from farewell_steps(self.left_over)
        if self.canary is not None:
            server = self.coolify.server
            given = server if isinstance(server, str) else json_object(server)
            steps = canary_steps(self.canary, server=given, address=_given(self.address))
            yield from placed(steps, apps=[self.canary.name])
        if not self.joined:
            yield self._into_fleet()

    def _coolify_in(self) -> Step:
        """Coolify's key gets in from the Factory alone, for what Coolify does: commands, files, and ports forwarded."""
        public = self.coolify.public_key
        key = KeyWanted(
            public_key=public if isinstance(public, str) else json_object(public),
            marker=COOLIFY_MARK,
            user=self.muscle.ssh_user,
            sources=(self.factory_at,),
        )
        return admit_key(self.name, key, of="Coolify's key")

    def _into_fleet(self) -> Step:
        return Step(
            id="into_fleet",
            kind="fleet.add_muscle",
            target=self.name,
            summary=f"Write {self.name} into fleet.toml as a Muscle: from then on apps may be placed there",
            params={"fields": self.fields},
            undo_words=f"remove_muscle {self.name}",
        )

    def _reaching(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """Each step that talks to the server is told how, until fleet.toml says it."""
        if self.newcomer is None:
            return steps
        return tuple(
            given_to((step,), {"newcomer": self.newcomer})[0] if _talks_to(step, self.name) else step for step in steps
        )


def _talks_to(step: Step, name: str) -> bool:
    """Return whether a step, or its undo, reaches a server of the fleet over SSH: by `host` or `muscle`."""
    params = [step.params, step.undo.params if step.undo else {}]
    return any(given.get(key) == name for given in params for key in ("host", "muscle"))


def _given(value: JsonValue) -> JsonObject | str:
    return value if isinstance(value, str) else json_object(value)


def zone_locks(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the locks of the DNS zones that these steps change."""
    zones = (json_object(step.params["zone"]) for step in steps if step.kind.endswith(".set_records"))
    return tuple(dict.fromkeys(f"dns:{zone['name']}" for zone in zones))


def factory_address(fleet: Fleet, muscle: Muscle) -> str:
    """Return the address from which the Factory comes to a Muscle: the private one where both have one."""
    both = fleet.factory.private_address and muscle.private_address
    return (fleet.factory.private_address or "") if both else fleet.factory.address
