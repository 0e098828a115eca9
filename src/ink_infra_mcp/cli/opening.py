"""Opens the application for a command: the configured one, or the sandbox's. Nothing heavy is imported before that."""

import argparse
import logging
import os
import ssl
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ink_infra_mcp.core.redact import Redactor

if TYPE_CHECKING:
    from ink_infra_mcp.app import App, Places, Wiring
    from ink_infra_mcp.core.effects import Clock
    from ink_infra_mcp.core.fleet import Fleet
    from ink_infra_mcp.guard.caller import Refusal
    from ink_infra_mcp.guard.refusals import Refusals
    from ink_infra_mcp.settings.loading import Flags, Settings
    from ink_infra_mcp.settings.secrets import Secrets

log = logging.getLogger(__name__)
SANDBOX_ADMIN = "198.51.100.7"
"""The address from which this server comes to the pretend servers."""
SANDBOX_DOMAIN = "example.com"


class Opener:
    """Opens the App once, at the first need, and closes it with everything that was started for it.

    `redact` learns every secret that is read, so that the logs, which pass it from the start, show none.
    """

    def __init__(self, arguments: argparse.Namespace, redact: Redactor | None = None) -> None:
        self._arguments = arguments
        self._redact = redact or Redactor()
        self._closing: list[Callable[[], None]] = []
        self._refusals: Refusals | None = None
        self._is_fresh = not arguments.fresh
        self._lock = anyio.Lock()
        self.app: App | None = None

    async def open(self) -> "App":
        """Return the App, opened by the first caller.

        Raises:
            ConfigError: fleet.toml or a policy cannot be used, or a needed secret is missing.
        """
        from ink_infra_mcp.app import App

        async with self._lock:
            if self.app is None:
                self.app = App(self.wiring())
            return self.app

    def wiring(self) -> "Wiring":
        """Return what an App is made of, without making one; the sandbox is started for that if it was asked for.

        Raises:
            ConfigError: fleet.toml or a policy cannot be used.
        """
        return self._sandbox() if self._arguments.sandbox else self._configured()

    async def recover(self) -> None:
        """Go on with operations that a dead process left, and thin old plans, if the state store may hold any."""
        from ink_infra_mcp.state.hint import may_have_work

        url, retention_s = self._state()
        if may_have_work(url, now=time.time(), retention_s=retention_s):
            await (await self.open()).take_over_orphans()

    async def note(self, refusal: "Refusal") -> None:
        """Write a refused call into the audit: the state store alone is opened for it, at the first one."""
        from ink_infra_mcp.core.errors import ConfigError, NotConfigured

        try:
            if self._refusals is None:
                self._refusals = self._opened_refusals()
        except NotConfigured:
            # there is no store to write into, and nothing that a call could have reached
            return
        except ConfigError as error:
            log.warning("a refused call could not be written down: %s", error)
            return
        await self._refusals.note(refusal)

    def _opened_refusals(self) -> "Refusals":
        from ink_infra_mcp.guard.refusals import Refusals
        from ink_infra_mcp.settings.system import SystemClock
        from ink_infra_mcp.state.store import Store

        if self._arguments.sandbox:
            self._begin_anew(self._sandbox_folder())
        store = Store(self._state()[0])
        self._closing.append(store.close)
        return Refusals(store=store, clock=SystemClock())

    async def drain(self) -> None:
        """Let running operations end."""
        if self.app is not None:
            await self.app.drain()

    async def close(self) -> None:
        """Close the App and the sandbox, if they were opened; what runs goes on in the next process."""
        if self.app is not None:
            await self.app.aclose()
            self.app = None
        while self._closing:
            self._closing.pop()()

    def _state(self) -> tuple[str, float]:
        """Return the url of the state store, and the retention of the policy in force in seconds."""
        from ink_infra_mcp.settings.loading import STATE_FILE, load_settings
        from ink_infra_mcp.settings.paths import this_machine
        from ink_infra_mcp.settings.policy_files import load_secrecy

        if self._arguments.sandbox:
            url = self._arguments.state or f"sqlite:///{self._sandbox_folder() / STATE_FILE}"
            return url, load_secrecy(None).retention_s
        settings = load_settings(this_machine(), flags(self._arguments))
        return settings.state_url, load_secrecy(settings.policy_dir).retention_s

    def _begin_anew(self, folder: Path) -> None:
        """Forget the sandbox's past once, where that was asked for: who writes first must not lose what it wrote."""
        if not self._is_fresh:
            forget(folder)
            self._is_fresh = True

    def _configured(self) -> "Wiring":
        from ink_infra_mcp.settings.loading import load_settings
        from ink_infra_mcp.settings.paths import this_machine
        from ink_infra_mcp.settings.secrets import Secrets

        settings = load_settings(this_machine(), flags(self._arguments))
        return wiring(settings, Secrets(os.environ, redact=self._redact), self._redact)

    def _sandbox_folder(self) -> Path:
        from ink_infra_mcp.settings.paths import state_folder, this_machine

        return state_folder(this_machine()) / "sandbox"

    def _sandbox(self) -> "Wiring":
        from ink_infra_mcp.app import Places
        from ink_infra_mcp.core.errors import ConfigError
        from ink_infra_mcp.sandbox.running import Sandbox, open_world, tokens
        from ink_infra_mcp.sandbox.world import WorldUnreadable
        from ink_infra_mcp.settings.keychain import no_keyring
        from ink_infra_mcp.settings.loading import FLEET_FILE, load_settings
        from ink_infra_mcp.settings.paths import private_folder, this_machine
        from ink_infra_mcp.settings.secrets import Secrets
        from ink_infra_mcp.settings.system import SystemClock

        folder = private_folder(self._sandbox_folder())
        self._begin_anew(folder)
        world = open_world(
            folder / "world.db", speed=self._arguments.speed, coolify_version=self._arguments.coolify_version
        )
        try:
            world.read()
        except WorldUnreadable as error:
            raise ConfigError(f"{error}.", next="Begin a new one: add --fresh.") from error
        sandbox = Sandbox(world)
        self._closing.append(sandbox.stop)
        ends = sandbox.start()
        values = {**tokens(), "ssh_key": ends.login_key}
        environ = {name: value for name, value in os.environ.items() if name.startswith("INK_APP_SECRET_")}
        environ |= {f"INK_{name.upper()}": value for name, value in values.items()}
        secrets = Secrets(environ, redact=self._redact, open_keyring=no_keyring)
        addresses = {name: host.address for name, host in world.read().hosts.items()}
        keys, file = dict(ends.host_keys), folder / FLEET_FILE
        fleet = sandbox_fleet(ends.coolify_url, addresses, keys, file, place_key=ends.place_key)
        places = Places(
            hetzner_cloud=ends.hetzner_url,
            hetzner_robot=ends.robot_url,
            github=ends.github_url,
            cloudflare=ends.cloudflare_url,
            connect_to=ends.connect_to,
            nameservers=(ends.nameserver,),
            trust=ssl.create_default_context(cadata=ends.authority_pem),
        )
        settings = load_settings(this_machine(), flags(self._arguments), sandbox_fleet=fleet)
        return wiring(settings, secrets, self._redact, places=places, clock=SystemClock(self._arguments.speed))


def flags(arguments: argparse.Namespace) -> "Flags":
    """Return what the command line said, for the settings."""
    from ink_infra_mcp.settings.loading import Flags

    return Flags(
        config=arguments.config,
        state=arguments.state or "",
        read_only=getattr(arguments, "read_only", False),
        toolsets=getattr(arguments, "toolsets", ""),
        sandbox=arguments.sandbox,
        log_level=arguments.log_level,
    )


def wiring(
    settings: "Settings",
    secrets: "Secrets",
    redact: Redactor,
    *,
    places: "Places | None" = None,
    clock: "Clock | None" = None,
) -> "Wiring":
    """Return what an App is made of, with the real ids, the real clock unless told, and the policies in force."""
    from ink_infra_mcp.app import Places, Wiring
    from ink_infra_mcp.settings.policy_files import (
        load_baseline,
        load_dns,
        load_images,
        load_isolation,
        load_policy,
        load_ports,
        load_secrecy,
        load_sshd,
    )
    from ink_infra_mcp.settings.system import SystemClock, new_id

    return Wiring(
        settings=settings,
        policy=load_policy(settings.policy_dir),
        isolation=load_isolation(settings.policy_dir),
        ports=partial(load_ports, settings.policy_dir),
        baseline=partial(load_baseline, settings.policy_dir),
        sshd=partial(load_sshd, settings.policy_dir),
        secrecy=load_secrecy(settings.policy_dir),
        dns=load_dns(settings.policy_dir),
        images=load_images(settings.policy_dir),
        secrets=secrets,
        redact=redact,
        clock=clock or SystemClock(),
        new_id=new_id,
        places=places or Places(),
    )


def sandbox_fleet(
    coolify_url: str,
    addresses: dict[str, str],
    host_keys: dict[str, str],
    edited: Path | None = None,
    *,
    place_key: str = "",
) -> "Fleet":
    """Return the fleet of the pretend world: the factory, and each muscle-N with the wildcard domain sN.

    Copies of backups go to its Storage Box, where its host key is given.

    Once tools have changed which Muscles there are, the file `edited` says it.
    """
    from ink_infra_mcp.core.fleet import (
        PUBLIC_REGISTRIES,
        Access,
        BackupPlace,
        CoolifySettings,
        Domains,
        Fleet,
        Fork,
        Host,
        Images,
        Muscle,
    )
    from ink_infra_mcp.sandbox.state_place import AGE_KEY, BOX, BOX_FLEET, BOX_USER
    from ink_infra_mcp.settings.fleet_file import load_fleet

    names = sorted(name for name in addresses if name.startswith("muscle-"))
    fleet = Fleet(
        coolify=CoolifySettings(url=coolify_url),
        factory=Host(name="factory", address=addresses["factory"], host_key=host_keys["factory"]),
        muscles=tuple(
            Muscle(
                name=name,
                address=addresses[name],
                host_key=host_keys[name],
                provider="hetzner_cloud",
                wildcard_domain=f"s{name.removeprefix('muscle-')}.{SANDBOX_DOMAIN}",
            )
            for name in names
        ),
        domains=Domains(fleet=SANDBOX_DOMAIN, dns="hetzner"),
        fork=Fork(
            image=f"registry.{SANDBOX_DOMAIN}/ink/coolify@sha256:{'f' * 64}",
            repository="https://github.com/example/coolify",
            branch="runtime",
        ),
        access=Access(admin=(SANDBOX_ADMIN,)),
        images=Images(registries=(*PUBLIC_REGISTRIES, f"registry.{SANDBOX_DOMAIN}")),
        backups=BackupPlace(address=BOX, ssh_user=BOX_USER, host_key=place_key, fleet=BOX_FLEET, recipient=AGE_KEY)
        if place_key
        else BackupPlace(),
    )
    if edited is None or not edited.exists():
        return fleet
    said = load_fleet(edited)
    muscles, inner = said.muscles, {"private_address": said.factory.private_address}
    keys = [{"host_key": host_keys.get(muscle.name, muscle.host_key)} for muscle in muscles]
    return fleet.model_copy(
        update={
            "muscles": tuple(m.model_copy(update=key) for m, key in zip(muscles, keys, strict=True)),
            "factory": fleet.factory.model_copy(update=inner),
        }
    )


def forget(folder: Path) -> None:
    """Delete the sandbox's world, state and fleet, so that everything begins anew."""
    for file in (*folder.glob("*.db*"), *folder.glob("*.sqlite3*"), *folder.glob("fleet.toml*")):
        file.unlink(missing_ok=True)
