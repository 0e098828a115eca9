"""The VLAN of a vSwitch on a server's card: made on probation, then written for whoever rules the card."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.errors import CommandFailed, HostError, HostUnreachable, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-vlan"
STAGE = "private_network"
WINDOW_S = 600
"""Longer than the wait for the card and the proof from the Factory take together."""
LET_IN_WITHIN_S = 20.0
BACK_WITHIN_S = 60.0
_WORDS = re.compile(r"^ink-vlan: (.+)", re.MULTILINE | re.DOTALL)
_AFTERMATH = {3: "Nothing was changed.", 4: "What was made is gone again.", 5: "Not all is known to be back."}


@dataclass(frozen=True, slots=True)
class VlanSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.set_vlan": self.set, "hosts.keep_vlan": self.keep, "hosts.revert_vlan": self.revert}

    async def set(self, call: StepCall) -> JsonObject:
        """Make the link with `vlan` and `address` on `host`, and the way to `network` by `gateway`, on probation.

        The server deletes it after ten minutes, or with its next boot, unless `keep` has come.

        Raises:
            StepFailed: nobody known rules the card, or the link cannot be made; nothing of it is there then.
            HostError: the server cannot be reached; then it deletes the link by itself.
        """
        return await self._moved(call, "set", (*_words(call), str(WINDOW_S)))

    async def keep(self, call: StepCall) -> JsonObject:
        """Prove that a new connection gets in, then write the link for whoever rules the card: it outlasts a boot.

        Raises:
            StepFailed: no new connection gets in, the server has taken the link back, or its manager does not take it.
            HostError: the server cannot be reached.
        """
        host = call.text("host")

        async def tried() -> NotYet | None:
            try:
                return await self.pool.try_new_connection(host)
            except HostUnreachable as error:
                return NotYet(f"trying a new connection to {host}", error)

        await until(call, tried, within_s=LET_IN_WITHIN_S)
        return await self._moved(call, "keep", _words(call))

    async def revert(self, call: StepCall) -> JsonObject:
        """Delete the link and what was written for it; a server that cannot be reached is waited for, ten minutes.

        Raises:
            StepFailed: not all is gone.
            HostError: the server was not to be reached in all that time.
        """

        async def back() -> JsonObject | NotYet:
            try:
                return await self._moved(call, "revert", _words(call)[:2])
            except HostUnreachable as error:
                return NotYet(f"waiting for {call.text('host')}, which deletes the link by itself", error)

        return await until(call, back, within_s=WINDOW_S + BACK_WITHIN_S)

    async def _moved(self, call: StepCall, verb: str, words: Sequence[str]) -> JsonObject:
        host = call.text("host")
        said = await _run(self.pool, host, (verb, *words), changes=True, permit=call.permit)
        return {"host": host, **said}


async def manager_of(pool: HostPool, host: str) -> tuple[str, str]:
    """Return who rules the card that leads outside (netplan, networkd, ifupdown), or nothing and why that is not known.

    Raises:
        HostError: the server cannot be reached, or its answer is not whole.
    """
    try:
        return str((await _run(pool, host, ("look",), changes=False))["manager"]), ""
    except StepFailed as error:
        return "", error.failed


def command(words: Sequence[str], *, as_root: bool, changes: bool) -> HostCommand:
    """Return the command that runs the script, which arrives by standard input."""
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", AS_ROOT, "sh")
    stdin = (packaged("machine/vlan.sh").rstrip("\n") + " </dev/null\n").encode()
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=90.0, stdin=stdin)


async def _run(
    pool: HostPool, host: str, words: Sequence[str], *, changes: bool, permit: Permit | None = None
) -> JsonObject:
    told = command(words, as_root=is_root(pool, host), changes=changes)
    said = await pool.run(host, told, permit=permit)
    if said.exit_status != 0:
        raise _refusal(pool, host, words[0], said)
    if said.truncated or not said.stdout.endswith("done\n"):
        raise CommandFailed(
            f"The answer of {host} about its VLAN is not whole.", host=host, done=_AFTERMATH[5], next="Call again."
        )
    parted = (line.partition(" ") for line in said.stdout.splitlines()[:-1])
    return {key: value for key, _, value in parted}


def _refusal(pool: HostPool, host: str, verb: str, said: CommandResult) -> StepFailed | HostError:
    words = pool.presentable(said.stderr, limit=600)
    told = _WORDS.search(words)
    if said.exit_status not in _AFTERMATH or told is None:
        return CommandFailed(
            f"The script for the VLAN of {host} broke off with status {said.exit_status}.",
            host=host,
            done="If it had armed its switch, the server deletes the link by itself.",
            next="Call again.",
            exit_status=said.exit_status,
            untrusted_output=words,
        )
    return StepFailed(
        f"{host} did not {verb} the VLAN: {clean_name(told[1], limit=400)}.",
        done=_AFTERMATH[said.exit_status],
        next="Mend what it says there, then call again.",
        stage=STAGE,
    )


def _words(call: StepCall) -> tuple[str, ...]:
    """Return the words of the script; what is no number, address or network does not get into one."""
    address, network = ipaddress.IPv4Interface(call.text("address")), ipaddress.IPv4Network(call.text("network"))
    gateway, vlan = ipaddress.IPv4Address(call.text("gateway")), _vlan(call.params["vlan"])
    return (call.operation_id, str(vlan), str(address), str(network), str(gateway))


def _vlan(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 4095:
        raise TypeError("vlan is no number of a VLAN")
    return value
