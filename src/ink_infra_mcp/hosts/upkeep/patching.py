"""Installs security updates on a server over SSH, once for each name: one script, two verbs, and what it says."""

import re
from dataclasses import dataclass

from ink_infra_mcp.core.errors import NOTHING_DONE, CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.hosts.upkeep.turns import STAGE, refuse_late
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts, gather_upkeep
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-patch"
WITHIN_S = 3600.0
"""apt waits for slow mirrors, and a kernel's images are built again on slow disks."""
_AS_ROOT = 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
_SAID = re.compile(r"stand (none|runs|broken|ended (\d{1,3})( unfetched)?)\ndone\n")
_UNCHANGED = 3


@dataclass(frozen=True, slots=True)
class Patching:
    """How an installation stands: none, runs, broken, or ended; `fetched`: apt reached all its archives."""

    stand: str
    status: int | None = None
    fetched: bool = True


def command(words: tuple[str, str], *, as_root: bool, changes: bool) -> HostCommand:
    """Return the command that runs the script, which arrives by standard input."""
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", _AS_ROOT, "sh")
    script = packaged("upkeep/patch.sh").rstrip("\n") + " </dev/null\n"
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=30.0, stdin=script.encode())


async def look(pool: HostPool, host: str, name: str) -> Patching:
    """Return how the installation of that name stands; nothing is changed. Raises HostError."""
    return await _run(pool, host, "look", name)


async def ask(pool: HostPool, host: str, name: str, *, permit: Permit) -> Patching:
    """Begin the installation, unless it runs or has ended under that name.

    Raises:
        StepFailed: it is not begun, and nothing was changed. HostError: the server cannot be reached, or broke off.
    """
    return await _run(pool, host, "ask", name, permit=permit)


async def _run(pool: HostPool, host: str, verb: str, name: str, *, permit: Permit | None = None) -> Patching:
    as_root = host not in pool.hosts or pool.hosts[host].ssh_user == "root"
    said = await pool.run(host, command((verb, name), as_root=as_root, changes=verb == "ask"), permit=permit)
    if said.exit_status:
        raise _refusal(host, pool.presentable(said.stderr, limit=400), said.exit_status)
    found = _SAID.fullmatch(said.stdout)
    if found is None:
        raise HostError(
            f"What {host} says of its updates is not understood.", host=host, next="Look there at `systemctl status`."
        )
    return Patching(found[1].partition(" ")[0], int(found[2]) if found[2] else None, fetched=not found[3])


def _refusal(host: str, words: str, status: int) -> StepFailed | HostError:
    why = words.strip().rpartition("ink-patch: ")[2]
    if status == _UNCHANGED:
        return StepFailed(
            f"{host} does not install updates: {why}.",
            done=NOTHING_DONE,
            next="Mend that, then call again.",
            stage=STAGE,
        )
    return CommandFailed(
        f"{host} did not run what was asked of it (exit status {status}): {why}.",
        host=host,
        done="Whether updates are being installed is not known.",
        next="Give our user sudo without a password there, or log in as root.",
        exit_status=status,
    )


@dataclass(frozen=True, slots=True)
class PatchSteps:
    """Binds the handler that installs updates to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.apply_security_updates": self.apply_security_updates}

    async def apply_security_updates(self, call: StepCall) -> JsonObject:
        """Install on `host` what archives of security updates have, and wait until none of it is pending.

        With `not_after`, a moment in RFC 3339, it is not begun later; what was begun is ended.

        Run again it goes on waiting; what a power cut broke off is begun again, as apt allows.

        Raises:
            StepFailed: it is not begun, ends with an error, does not end within an hour, or leaves some pending; or
                an archive was not reached, or has not made anything new for so long that nobody can tell.
            HostError: the server cannot be reached.
        """
        host, name = call.text("host"), f"{call.operation_id}-{call.step_id}"
        before = await gather_upkeep(self.pool, host)
        if (await look(self.pool, host, name)).stand == "none":
            if before.security_updates == () and not before.is_stale:
                return {"installed": []}
            refuse_late(call, host)

        async def ended() -> Patching | NotYet:
            try:
                found = await look(self.pool, host, name)
                if found.stand in ("none", "broken"):
                    found = await ask(self.pool, host, name, permit=call.permit)
            except HostError as error:
                if isinstance(error, CommandFailed) and error.exit_status is not None:
                    raise
                return NotYet(f"waiting for {host} to answer", error)
            return found if found.stand == "ended" else NotYet(f"{host} installs updates", _slow(host))

        found = await until(call, ended, within_s=WITHIN_S)
        return _outcome(host, found, before, await gather_upkeep(self.pool, host))


def _outcome(host: str, found: Patching, before: UpkeepFacts, after: UpkeepFacts) -> JsonObject:
    left = after.security_updates
    if found.status or left is None or left:
        why = f"unattended-upgrade ended with {found.status}" if found.status else _pending(left)
        raise StepFailed(
            f"Not all security updates of {host} are installed: {why}.",
            done="What could be installed is; nothing was rebooted.",
            next="Look there at /var/log/unattended-upgrades/ and `apt-get -s dist-upgrade`; held packages stay.",
            stage=STAGE,
        )
    if why := "apt could not fetch from all of its archives" if not found.fetched else after.unproved:
        raise StepFailed(
            f"Whether {host} has all security updates is not known: {why}.",
            done="What the archives that were reached have is installed; nothing was rebooted.",
            next="Look there at `apt-get update`, mend what it cannot reach, then call again.",
            stage=STAGE,
        )
    return {"installed": [*(before.security_updates or ())]}


def _pending(left: tuple[str, ...] | None) -> str:
    return "apt does not say what is pending" if left is None else f"pending are {', '.join(left[:5])}"


def _slow(host: str) -> StepFailed:
    return StepFailed(
        f"{host} has not ended to install its updates within an hour.",
        done="It still installs them, and ends by itself.",
        next="Look there at `systemctl list-units 'ink-patch-*'`; call again when it has ended.",
        stage=STAGE,
    )
