"""The step handlers that have the Factory install Coolify by a unit there, and that switch its API on."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from ink_infra_mcp.core.baseline.daemon import merged
from ink_infra_mcp.core.errors import CommandFailed, HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.factory import installing, swapping
from ink_infra_mcp.hosts.factory.installing import ENDED, FOLDER, STAGE, UNTOUCHED, Installation, Orders
from ink_infra_mcp.hosts.factory.serving import faults
from ink_infra_mcp.hosts.factory.steps import psql_command
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

INSTALL, ENABLE_API = "factory.install_coolify", "factory.enable_api"
WITHIN_S = 2 * 3600.0
"""Packages, Docker and images over a slow line; the installer has an hour, and starts again after a boot."""
EVERY_S = 5.0
SETTLED_WITHIN_S = 180.0
TRIES = 3
"""How often the Factory is asked when the connection breaks."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
TextAt = Callable[[str, str], Awaitable[str]]
"""Returns a file of Coolify's repository, by the commit and its path; raises `VendorError` where it cannot be had."""


@dataclass(frozen=True, slots=True)
class InstallSteps:
    """Binds the handlers to the hosts, and to who has the files of a release."""

    pool: HostPool
    text_at: TextAt

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {INSTALL: self.install_coolify, ENABLE_API: self.enable_api}

    async def install_coolify(self, call: StepCall) -> JsonObject:
        """Have the Factory `host` install Coolify `version` with the files of `commit`, and follow it to its end.

        Run again it follows the same installation: one operation makes one. Returns its `image`, by id, and its name.

        Raises:
            StepFailed: a file is not the approved one, it did not begin, or it failed; the reason is the Factory's.
            VendorError: GitHub does not give the files. HostError: the Factory cannot be reached; it goes on by itself.
        """
        host, name = call.text("host"), _name(call)
        found = await installing.look(self.pool, host, name)
        if found.state == "":
            call.say(f"having {host} prepare the installation")
            await self._act(call, "prepare", await self._orders(call))
        if found.state in ("", "prepared"):
            await self._act(call, "start")
        found = await self._followed(call, name)
        if found.state != "done":
            raise _not_installed(host, found)
        await self._settled(call, found.image)
        return {"install": name, "image": found.image, "attempts": found.attempts}

    async def enable_api(self, call: StepCall) -> JsonObject:
        """Switch Coolify's API on in its database, on the Factory `host`; one UPDATE that compares and sets.

        Coolify reads that row anew in each request (app/Models/InstanceSettings.php at 4.3.10: `once`, and no cache).

        Raises:
            StepFailed: psql failed, or there is no such row. HostError: the Factory cannot be reached.
        """
        host = call.text("host")
        try:
            said = await self.pool.run(host, api_command(), permit=call.permit, check=True)
        except CommandFailed as error:
            raise _not_switched(host, error.untrusted_output, sure=error.exit_status is not None) from error
        if said.stdout.splitlines() != ["now on"]:
            raise _not_switched(host, said.stdout, sure=True)
        return {"api": "on"}

    async def _orders(self, call: StepCall) -> Orders:
        """Docker's settings are read and edited in here, since others may keep secrets in them."""
        host, wanted, sums = call.text("host"), table(call.params["daemon"]), _texts(call, "sums")
        daemon = (await installing.site(self.pool, host)).daemon
        settings = merged(daemon.text, wanted)
        if settings.conflicts or daemon.sha256 != call.text("daemon_before"):
            raise StepFailed(
                f"Docker's settings on {host} are not as they were when this was planned.",
                done=UNTOUCHED,
                next="Call the tool again, which plans with what is there now.",
                stage=STAGE,
            )
        pool = table(call.params["pool"])
        return Orders(
            version=call.text("version"),
            registry=call.text("registry"),
            digest=call.text("digest"),
            pool=(str(pool["base"]), int(str(pool["size"]))),
            files=await self._files(call, sums),
            sums=sums,
            custom=call.text("custom"),
            daemon=settings.text,
            daemon_before=daemon.sha256,
            data=call.text("data"),
            docker_root=call.text("docker_root"),
        )

    async def _files(self, call: StepCall, sums: Mapping[str, str]) -> dict[str, str]:
        call.say("fetching the release's files")
        files = {name: await self.text_at(call.text("commit"), path) for name, path in _texts(call, "paths").items()}
        other = [name for name, text in files.items() if sha256(text.encode()).hexdigest() != sums.get(name)]
        if other:
            raise StepFailed(
                f"GitHub gives another {', '.join(other)} than the one that was approved.",
                done=UNTOUCHED,
                next="Look at that commit on GitHub, then call again.",
                stage=STAGE,
            )
        return files

    async def _act(self, call: StepCall, verb: str, orders: Orders | None = None) -> None:
        """A connection that broke says nothing of what the Factory did: each verb may be said twice."""
        host = call.text("host")
        for left in range(TRIES - 1, -1, -1):
            try:
                return await installing.act(self.pool, host, verb, _name(call), permit=call.permit, orders=orders)
            except HostUnreachable as error:
                if not left:
                    raise
                call.say(f"{error.failed} Asking again.")

    async def _settled(self, call: StepCall, image: str) -> None:
        """Wait a while for what begins after its container is healthy, as its queue does; the proofs judge it then."""
        host, end = call.text("host"), call.clock.monotonic() + SETTLED_WITHIN_S
        while wrong := tuple(faults(await swapping.prove(self.pool, host), image)):
            if call.clock.monotonic() >= end:
                return
            call.say(f"on {host}: {wrong[0]}")
            await call.clock.sleep(EVERY_S)

    async def _followed(self, call: StepCall, name: str) -> Installation:
        host = call.text("host")

        async def once() -> Installation | NotYet:
            try:
                found = await installing.look(self.pool, host, name)
            except HostUnreachable as error:
                return NotYet(f"waiting for {host} to answer", error)
            return found if found.state in ENDED else NotYet(f"on {host}: {found.state}", _not_ended(host, found))

        return await until(call, once, within_s=WITHIN_S, every_s=EVERY_S)


def api_command() -> HostCommand:
    """Return the command that switches the API on, by psql in the container coolify-db."""
    return psql_command(packaged("factory/api.sql"))


def _texts(call: StepCall, name: str) -> dict[str, str]:
    return {key: str(value) for key, value in table(call.params[name]).items()}


def _name(call: StepCall) -> str:
    """One operation makes one installation, however often its step is run."""
    name = call.operation_id.lower()
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of an installation")
    return name


def _not_installed(host: str, found: Installation) -> StepFailed:
    if found.state == "refused":
        return StepFailed(
            f"{host} did not begin to install Coolify: {found.why}.",
            done=UNTOUCHED,
            next="Mend that, then call again.",
            stage=STAGE,
        )
    return StepFailed(
        f"Coolify is not installed on {host}: {found.why or found.state}.",
        done="What its installer has made so far stays: packages, Docker and its settings, /data/coolify, and where it "
        "got so far its containers, published on the loopback only.",
        next=f"Read the log in {FOLDER}/installs on {host}, mend that, then call again: it goes on from what is there.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-40:],
    )


def _not_ended(host: str, found: Installation) -> StepFailed:
    return StepFailed(
        f"The installation on {host} did not get to its end in time: it is {found.state or 'unknown there'}.",
        done=f"{host} goes on by itself. {found.why}".strip(),
        next=f"Look at the log in {FOLDER}/installs there; calling again tells how far it is.",
        stage=STAGE,
        untrusted_log=found.untrusted_log[-40:],
        unsure=True,
    )


def _not_switched(host: str, words: str, *, sure: bool) -> StepFailed:
    return StepFailed(
        f"Coolify's API on {host} could not be switched on in its database.",
        done="It was not changed." if sure else "It is not known whether it was changed.",
        next="See whether the container coolify-db runs there. A person can switch it on as well, under Settings > "
        "Advanced > API access.",
        stage="api",
        untrusted_log=tuple(words.splitlines()[-10:]),
    )
