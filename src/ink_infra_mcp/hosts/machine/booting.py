"""Waits for a new server: until it lets us in with the known host key, and its first boot is over."""

from dataclasses import dataclass

from ink_infra_mcp.core.errors import (
    NOTHING_DONE,
    HostError,
    HostKeyChanged,
    HostLoginRefused,
    HostUnreachable,
    StepFailed,
)
from ink_infra_mcp.core.login.readiness import Readiness, read_readiness
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.machine.logins import not_run
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

SETTLES_S = 75.0
"""cloud-init puts host keys and ours in place a moment after sshd first answers; a refused login is asked once more
after a minute. Until the key fits nothing is sent, and no login is tried."""
MISFIT_PAUSE_S = 8.0
"""OpenSSH since 9.8 shuts out, for a while, whoever comes again and again without logging in (PerSourcePenalties)."""
MOST_WITHIN_S = 7200
LOOK_S = 60.0
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BootSteps:
    """Binds the handler to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.await_ready": self.await_ready}

    async def await_ready(self, call: StepCall) -> JsonObject:
        """Wait until the server `host` answers with its pinned key, cloud-init and its boot are over, and no program
        works on its packages; at most `within_s` seconds. Nothing is changed.

        Raises:
            StepFailed: its first boot failed, or was not over in time; what was waited for is named.
            HostError: it did not answer in time, shows another host key, or does not let us in.
        """
        host, within_s = call.text("host"), _within(call)
        settled = call.clock.monotonic() + min(SETTLES_S, within_s)

        async def looked() -> Readiness | NotYet:
            try:
                found = await readiness(self.pool, host)
            except HostUnreachable as error:
                return NotYet(f"waiting for SSH of {host}", error)
            except (HostKeyChanged, HostLoginRefused) as error:
                if call.clock.monotonic() > settled:
                    raise
                await call.clock.sleep(MISFIT_PAUSE_S)
                return NotYet(f"waiting for {host}: {_why(error)}", error)
            if found.failed:
                raise _failed(host, found.failed)
            if not found.waits:
                return found
            return NotYet(f"{host} waits for {_listed(found.waits)}", _late(host, found.waits, within_s))

        found = await until(call, looked, within_s=within_s)
        for warning in found.warnings:
            call.say(f"{host}: {warning}")
        return {"host": host, "state": "ready", "warnings": "; ".join(found.warnings)}


async def readiness(pool: HostPool, host: str) -> Readiness:
    """Return how far a server's first boot is, in one round trip; nothing is changed.

    Raises:
        HostError: it cannot be reached, or its answer is not understood.
    """
    script = packaged("machine/ready.sh").encode()
    said = await pool.run(
        host, HostCommand(("sh", "-s", "--", "ink-ready"), changes=False, timeout_s=LOOK_S, stdin=script)
    )
    if said.exit_status != 0 or not said.stdout.endswith("done\n"):
        raise not_run(host, pool.presentable(said.stderr, limit=600), said.exit_status)
    try:
        return read_readiness(said.stdout.splitlines())
    except ValueError as error:
        raise HostError(
            f"What {host} says of its first boot is not understood: {clean_name(str(error), limit=200)}.",
            host=host,
            next="Look at it by hand: `cloud-init status --long` and `systemctl is-system-running`.",
        ) from error


def _within(call: StepCall) -> int:
    seconds = call.params["within_s"]
    if not isinstance(seconds, int) or not 1 <= seconds <= MOST_WITHIN_S:
        raise TypeError(f"step {call.step_id}: within_s is not 1 to {MOST_WITHIN_S}")
    return seconds


def _why(error: HostError) -> str:
    return "it shows another host key" if isinstance(error, HostKeyChanged) else "it does not let us in yet"


def _listed(waits: tuple[str, ...]) -> str:
    return ", ".join(waits[:_SHOWN]) + (f" and {len(waits) - _SHOWN} more" if len(waits) > _SHOWN else "")


def _failed(host: str, why: str) -> StepFailed:
    return StepFailed(
        f"The first boot of {host} failed: {clean_name(why, limit=200)}.",
        done=NOTHING_DONE,
        next="Look at `cloud-init status --long` and /var/log/cloud-init.log there.",
        stage="first_boot",
    )


def _late(host: str, waits: tuple[str, ...], within_s: int) -> StepFailed:
    return StepFailed(
        f"The first boot of {host} was not over after {within_s} s: it waits for {_listed(waits)}.",
        done=NOTHING_DONE,
        next="Let it end, or look what holds it up there; then call again.",
        stage="first_boot",
    )
