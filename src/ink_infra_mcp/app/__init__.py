"""The composition root: settings -> secrets -> clients -> guard -> engine. The only place that wires."""

from collections.abc import Mapping
from functools import cache, cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ink_infra_mcp.app.vendors import (
    ROBOT_LOGIN,
    cloudflare_settings,
    coolify_settings,
    github_settings,
    hetzner_dns_settings,
    hetzner_settings,
    robot_settings,
)
from ink_infra_mcp.app.wiring import Places, Wiring, WrapHandler
from ink_infra_mcp.areas.apps.own_values import OwnLogs
from ink_infra_mcp.areas.factory.installer import release_file
from ink_infra_mcp.areas.known_names import NamedKind, known_names
from ink_infra_mcp.areas.look import Dns, Look, ZoneBook
from ink_infra_mcp.clients import cloudflare, github, hetzner_cloud, hetzner_dns, hetzner_robot
from ink_infra_mcp.clients.answers import Classify
from ink_infra_mcp.clients.cloudflare import CloudflareLook
from ink_infra_mcp.clients.cloudflare.steps import CloudflareSteps
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.steps import CoolifySteps
from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.clients.hetzner_cloud.steps import HetznerCloudSteps
from ink_infra_mcp.clients.hetzner_dns import HetznerDnsLook
from ink_infra_mcp.clients.hetzner_dns.steps import HetznerDnsSteps
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook, RobotDoor
from ink_infra_mcp.clients.hetzner_robot.steps import HetznerRobotSteps
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.clients.knock import Knock
from ink_infra_mcp.clients.nameservers import Nameservers
from ink_infra_mcp.clients.nameservers.steps import NameserverSteps
from ink_infra_mcp.clients.probe import Probe
from ink_infra_mcp.clients.probe.steps import VisitSteps
from ink_infra_mcp.clients.registry.look import RegistryLook
from ink_infra_mcp.clients.registry.steps import RegistrySteps
from ink_infra_mcp.clients.resolver import Resolver
from ink_infra_mcp.core.dotenv import unfit
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.key_pair import KeyPair
from ink_infra_mcp.core.operation import Mutation, Query
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.guard.caller import Asked, Caller, Progress, Reply
from ink_infra_mcp.hosts.docker.causes import ContainerWatch
from ink_infra_mcp.hosts.docker.judging import ComposeSteps
from ink_infra_mcp.hosts.docker.proxy import proxy_on
from ink_infra_mcp.hosts.docker.steps import HostSteps
from ink_infra_mcp.hosts.factory.backup_steps import BackupSteps
from ink_infra_mcp.hosts.factory.build_steps import BuildSteps
from ink_infra_mcp.hosts.factory.copy_steps import CopySteps
from ink_infra_mcp.hosts.factory.disk_steps import DiskSteps
from ink_infra_mcp.hosts.factory.install_steps import InstallSteps
from ink_infra_mcp.hosts.factory.steps import FactorySteps
from ink_infra_mcp.hosts.factory.swap_steps import SwapSteps
from ink_infra_mcp.hosts.firewall.steps import FirewallSteps
from ink_infra_mcp.hosts.host_keys.steps import HostKeySteps
from ink_infra_mcp.hosts.machine.booting import BootSteps
from ink_infra_mcp.hosts.machine.login_steps import LoginSteps
from ink_infra_mcp.hosts.machine.newcomers import Newcomers
from ink_infra_mcp.hosts.machine.private_way import PrivateWaySteps
from ink_infra_mcp.hosts.machine.steps import MachineSteps
from ink_infra_mcp.hosts.machine.vlans import VlanSteps
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.hosts.upkeep.patching import PatchSteps
from ink_infra_mcp.hosts.upkeep.steps import UpkeepSteps
from ink_infra_mcp.hosts.volumes.steps import VolumeSteps
from ink_infra_mcp.hosts.web.steps import WebSteps
from ink_infra_mcp.settings.fleet_steps import FleetSteps
from ink_infra_mcp.settings.live_fleet import LiveFleet
from ink_infra_mcp.ssh.pool import HostPool
from ink_infra_mcp.state.archive import Archive
from ink_infra_mcp.tools import ALL

if TYPE_CHECKING:
    from ink_infra_mcp.app.guarded import Guarded
    from ink_infra_mcp.state.store import Store

__all__ = ["App", "Places", "Wiring", "WrapHandler"]

AnyQuery = Query[Any, Any, Any]
AnyMutation = Mutation[Any, Any, Any]


class App:
    """The opened application: every tool, the guard in front of those that change, and what they work on."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        settings = wiring.settings
        self.settings = settings
        self.sandbox = settings.sandbox
        self._https: list[Http] = []
        self._live = LiveFleet(settings.fleet_path, settings.fleet, of_memory=settings.sandbox)
        self._by_name = {host.name: host for host in settings.fleet.hosts}
        self._live.tell(self._learn_hosts)
        self.hosts = _hosts(wiring, self._by_name)
        # without a token nothing of Coolify's is pinned: the key only has to be nobody else's
        self._pinning = Pinning(wiring.secrets.get("coolify_token") or self._new_password())
        self._coolify_http = self._http(coolify_settings(wiring), classify_coolify)
        self._looking = self._look()
        tools = [tool() for tool in ALL]
        self.queries: Mapping[str, AnyQuery] = {t.name: t for t in tools if isinstance(t, Query)}
        self.mutations: Mapping[str, AnyMutation] = {t.name: t for t in tools if isinstance(t, Mutation)}

    @property
    def look(self) -> Look:
        """Return what tools observe through, with the Muscles that fleet.toml names now."""
        self._live.refresh()
        return self._looking

    @cached_property
    def store(self) -> "Store":
        """Return the state store; the database layer is imported here."""
        from ink_infra_mcp.state.store import Store

        return Store(self.settings.state_url)

    @cached_property
    def guarded(self) -> "Guarded":
        """Return the half that changes go through, made at the first need."""
        from ink_infra_mcp.app.guarded import Guarded, Outside

        self.look.learn_secrets()
        return Guarded(
            self._wiring, self.store, Outside(self._handlers(), self.mutations, self._looking, lambda: self._live.fleet)
        )

    async def change(self, tool: AnyMutation, args: BaseModel, caller: Caller) -> Receipt | Asked:
        """Run the guard's sequence up to the begin of the operation.

        Raises:
            RefusedByPolicy: this server was started with --read-only.
        """
        self._live.refresh()
        if self.settings.read_only:
            raise RefusedByPolicy("This server only reads.", next="Start one without --read-only to change anything.")
        await self.guarded.forgetting.if_due()
        return await self.guarded.guard.call(tool, args, caller)

    async def reply(self, tool: AnyMutation, args: BaseModel, reply: Reply, caller: Caller) -> Receipt | Asked:
        """Take the answer to the question of a call, and begin what it approves; a yes does not outlive its call."""
        return await self.guarded.guard.reply(tool, args, reply, caller)

    async def leave(self, approval_id: str, caller: Caller) -> None:
        """Take back a question that nobody waits for any more."""
        await self.guarded.guard.leave(approval_id, caller)

    async def follow(self, operation_id: str, wait_s: float, progress: Progress | None) -> Receipt:
        """Wait for an operation, up to `wait_s` seconds."""
        return await self.guarded.operations.follow(operation_id, wait_s=wait_s, progress=progress)

    @property
    def records(self) -> Archive:
        """Return the operations that the state store has."""
        return self._looking.archive

    async def names(self, kind: NamedKind, *, of: str = "") -> tuple[str, ...]:
        """Return the names of all of a kind, those of images `of` an app; no server is asked for it."""
        return await known_names(self.look, kind, of=of)

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        return self._wiring.redact(text)

    async def take_over_orphans(self) -> tuple[str, ...]:
        """Go on with what a dead process left; a read-only server leaves it to others.

        Plans that nobody needs any more are thinned as well.
        """
        if self.settings.read_only:
            return ()
        taken = await self.guarded.operations.take_over_orphans()
        await self.guarded.approvals.expire()
        await self.guarded.forgetting.if_due()
        return taken

    async def drain(self) -> None:
        """Wait until no operation of this process runs any more: a client that goes away cancels nothing."""
        if "guarded" in vars(self):
            await self.guarded.drain()

    async def aclose(self) -> None:
        """Stop the engine where it is and close every connection."""
        if "guarded" in vars(self):
            await self.guarded.aclose()
        await self.hosts.aclose()
        for http in self._https:
            await http.aclose()
        if "store" in vars(self):
            self.store.close()

    def _http(self, http_settings: HttpSettings, classify: Classify) -> Http:
        wiring = self._wiring
        http = Http(http_settings, clock=wiring.clock, redact=wiring.redact, classify=classify)
        self._https.append(http)
        return http

    @cached_property
    def _hetzner_http(self) -> Http:
        """Raises SecretMissing where no token is configured."""
        token = self._wiring.secrets.need("hetzner_cloud_token")
        return self._http(hetzner_settings(self._wiring, token), hetzner_cloud.classify)

    @cached_property
    def _hetzner_dns_http(self) -> Http:
        """Raises SecretMissing where no token is configured: it is the Cloud project's."""
        token = self._wiring.secrets.need("hetzner_cloud_token")
        return self._http(hetzner_dns_settings(self._wiring, token), hetzner_dns.classify)

    @cached_property
    def _cloudflare_http(self) -> Http:
        """Raises SecretMissing where no token is configured."""
        token = self._wiring.secrets.need("cloudflare_token")
        return self._http(cloudflare_settings(self._wiring, token), cloudflare.classify)

    @cached_property
    def _dns(self) -> Dns:
        places, books = self._wiring.places, dict[str, ZoneBook]()
        if self._has("hetzner_cloud_token"):
            books["hetzner"] = HetznerDnsLook(self._hetzner_dns_http)
        if self._has("cloudflare_token"):
            books["cloudflare"] = CloudflareLook(self._cloudflare_http)
        nameservers = Nameservers(places.nameservers, places.connect_to, confined=self.settings.sandbox)
        return Dns(books, nameservers, self._wiring.dns)

    @cached_property
    def _robot_door(self) -> RobotDoor:
        """Raises SecretMissing where no webservice user is configured."""
        wiring = self._wiring
        settings = robot_settings(wiring)
        return RobotDoor(lambda: self._http(settings, hetzner_robot.classify), clock=wiring.clock)

    @cached_property
    def _registries(self) -> RegistryLook:
        places, settings = self._wiring.places, self.settings
        return RegistryLook(
            settings.fleet.images, self._wiring.clock, places.connect_to, places.trust, confined=settings.sandbox
        )

    def _has(self, *names: str) -> bool:
        return all(self._wiring.secrets.get(name) is not None for name in names)

    def _look(self) -> Look:
        wiring, places = self._wiring, self._wiring.places
        return Look(
            fleets=lambda: self._live.fleet,
            coolify=CoolifyLook(self._coolify_http),
            hosts=self.hosts,
            github=GithubLook(self._http(github_settings(wiring), github.classify)),
            hetzner=HetznerCloudLook(self._hetzner_http) if self._has("hetzner_cloud_token") else None,
            robot=HetznerRobotLook(self._robot_door) if self._has(*ROBOT_LOGIN) else None,
            registries=self._registries,
            knock=Knock(places.connect_to, confined=self.settings.sandbox, timeout_s=wiring.knock_s),
            probe=Probe(places.connect_to, places.trust),
            resolver=Resolver(places.nameservers),
            dns=self._dns,
            isolation=wiring.isolation,
            images=wiring.images,
            secrecy=wiring.secrecy,
            ports=wiring.ports,
            baseline=wiring.baseline,
            sshd=wiring.sshd,
            learn_secrets=cache(wiring.secrets.learn),
            has_secret=lambda name: wiring.secrets.get(name) is not None,
            is_secret=lambda name, value: wiring.secrets.get(name) == value,
            secret_digest=lambda name: _digest(wiring.secrets.get(name)),
            secret_unfit=lambda name, again: _unfit(wiring.secrets.get(name), expanded_again=again),
            redact=wiring.redact,
            secret_pin=lambda name: _pin(wiring.secrets.get(name), self._pinning),
            pinning=self._pinning,
            archive=Archive(lambda: self.store),
            knowing=Newcomers(self.hosts, wiring.secrets.need).knowing,
            clock=wiring.clock,
        )

    def _new_password(self) -> Secret:
        return self._wiring.redact.add(Secret(self._wiring.new_password()))

    def _new_key_pair(self) -> KeyPair:
        pair = self._wiring.new_key_pair()
        return KeyPair(private=self._wiring.redact.add(pair.private), public=pair.public)

    def _handlers(self) -> dict[str, Handler]:
        wiring, isolation = self._wiring, self._wiring.isolation
        watch = ContainerWatch(self.hosts).watch
        need, new = wiring.secrets.need, self._new_password
        see_proxy = partial(proxy_on, self.hosts)
        coolify = CoolifySteps(
            self._coolify_http, need, new, wiring.redact, self._pinning, watch, self._new_key_pair, see_proxy
        )
        hosts = HostSteps(self.hosts, isolation)
        cloud = HetznerCloudSteps(lambda: self._hetzner_http, self._new_key_pair)
        robot = HetznerRobotSteps(lambda: self._robot_door)
        composed = ComposeSteps(self.hosts, isolation, self.look.coolify.generated_file)
        makers = (
            coolify,
            hosts,
            composed,
            cloud,
            robot,
            FirewallSteps(self.hosts, self.look.knock.all),
            RegistrySteps(self._registries, wiring.images.keys),
            FleetSteps(self._live),
            VisitSteps(self.look.probe),
            HetznerDnsSteps(lambda: self._hetzner_dns_http),
            CloudflareSteps(lambda: self._cloudflare_http),
            FactorySteps(self.hosts),
            BackupSteps(self.hosts),
            CopySteps(self.hosts),
            SwapSteps(self.hosts, self._wiring.clock),
            BuildSteps(self.hosts),
            DiskSteps(self.hosts),
            InstallSteps(self.hosts, partial(release_file, self.look.github)),
            MachineSteps(self.hosts),
            BootSteps(self.hosts),
            LoginSteps(self.hosts),
            PrivateWaySteps(self.hosts),
            VlanSteps(self.hosts),
            UpkeepSteps(self.hosts, isolation.settle_s),
            PatchSteps(self.hosts),
            VolumeSteps(self.hosts),
            WebSteps(self.hosts),
            HostKeySteps(self.hosts),
            NameserverSteps(self.look.dns.nameservers),
        )
        handlers = {kind: handler for maker in makers for kind, handler in maker.handlers().items()}
        handlers = Newcomers(self.hosts, need).wrap(OwnLogs(self.look.coolify).wrap(handlers))
        wrap = wiring.wrap_handler
        return {kind: wrap(kind, handler) for kind, handler in handlers.items()} if wrap else handlers

    def _learn_hosts(self, fleet: Fleet) -> None:
        hosts = {host.name: host for host in fleet.hosts}
        for name in self._by_name.keys() - hosts.keys():
            del self._by_name[name]
        self._by_name.update(hosts)


def _digest(secret: Secret | None) -> str:
    return "" if secret is None else sha256(secret.reveal().encode(errors="surrogatepass")).hexdigest()


def _pin(secret: Secret | None, pinning: Pinning) -> str:
    return "" if secret is None else pinning.of(secret.reveal())


def _unfit(secret: Secret | None, *, expanded_again: bool) -> str:
    return "" if secret is None else unfit(secret.reveal(), expanded_again=expanded_again)


def _hosts(wiring: Wiring, hosts: Mapping[str, Host]) -> HostPool:
    return HostPool(
        hosts,
        login=lambda: wiring.secrets.get("ssh_key"),
        clock=wiring.clock,
        redact=wiring.redact,
        reads=READINGS,
        connect_to=wiring.places.connect_to,
    )
