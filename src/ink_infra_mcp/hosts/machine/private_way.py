"""The proof that the Factory reaches a server over the private network: its card, whole packets, and its SSH port."""

from dataclasses import dataclass

from ink_infra_mcp.core.errors import HostError, StepFailed
from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.firewall.knocking import knock_from
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

STAGE = "private_network"
CARD_WITHIN_S = 300.0
"""A Cloud server configures a new card by itself, which took up to four minutes (canonical/cloud-init 4263)."""
PROVED_WITHIN_S = 30.0
HEADERS = 28
"""Bytes of IPv4 and ICMP before what ping sends."""
_NO_PING = 127


@dataclass(frozen=True, slots=True)
class PrivateWaySteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.await_private_card": self.await_card, "hosts.prove_private_way": self.prove}

    async def await_card(self, call: StepCall) -> JsonObject:
        """Wait until a card of the server `host` has `address`; nothing is changed.

        Raises:
            StepFailed: none has it after five minutes.
            HostError: the server cannot be reached.
        """
        host, address = call.text("host"), call.given("address")

        async def look() -> str | NotYet:
            card = await self._card(host, address)
            return card or NotYet(f"waiting for a card of {host} to have {address}", _no_card(host, address))

        return {"card": await until(call, look, within_s=CARD_WITHIN_S), "address": address}

    async def prove(self, call: StepCall) -> JsonObject:
        """Prove from the server `of`, whose private address is `from`, that `host` is reached at `address`.

        The way there leads over the card with `from`; packets of `mtu` bytes that may not be cut come back to either
        end; and the SSH port answers. Nothing is changed.

        Raises:
            StepFailed: one of the three is not so within half a minute.
            HostError: `of` cannot be reached.
        """
        way = _Way(call.text("of"), call.text("from"), call.given("address"), call.number("mtu"))

        async def look() -> JsonObject | NotYet:
            wrong = await self._wrong(way, call.text("host"), call.number("port"))
            if wrong:
                return NotYet(f"trying the private way from {way.of} to {call.text('host')}", _unproved(way, wrong))
            return {"address": way.address, "mtu": str(way.mtu)}

        return await until(call, look, within_s=PROVED_WITHIN_S)

    async def _wrong(self, way: "_Way", host: str, port: int) -> str:
        """Return what keeps the way from being proved, empty where nothing does.

        Packets are sent from both ends: a kernel cuts its answer to one that is too large for its own card.
        """
        interfaces = await self._interfaces(way.of)
        over = interfaces.towards(_numeric(way.address), Family.V4)
        if over is None or over != interfaces.holding(way.own):
            return (
                f"the way to {way.address} leads to {over or 'no card that is known'}, not to the card with {way.own}"
            )
        ends = ((way.of, way.address), (host, way.own))
        if lost := [said for end, to in ends if (said := await self._ping(end, to, way.mtu))]:
            return "; ".join(lost)
        met = (await knock_from(self.pool, way.of, [(way.address, port)]))[way.address, port]
        return "" if met == "open" else f"port {port} of {way.address} is {met}"

    async def _ping(self, end: str, to: str, mtu: int) -> str:
        done = await self.pool.run(end, ping(to, mtu))
        if done.exit_status == _NO_PING:
            return f"{end} has no ping (package iputils-ping)"
        return "" if done.exit_status == 0 else f"no packet of {mtu} bytes came back to {end} from {to}"

    async def _card(self, host: str, address: str) -> str | None:
        return (await self._interfaces(host)).holding(address)

    async def _interfaces(self, host: str) -> Interfaces:
        found = (await gather_network(self.pool, host)).interfaces
        if isinstance(found, Unreadable):
            raise HostError(
                f"The links of {host} could not be read: {found.reason}.", host=host, next="Mend that, then call again."
            )
        return found


@dataclass(frozen=True, slots=True)
class _Way:
    """From the server `of`, by its `own` private address, to another's."""

    of: str
    own: str
    address: str
    mtu: int


def ping(address: str, mtu: int) -> HostCommand:
    """Return the command that sends three packets of `mtu` bytes that may not be cut (ping(8) of iputils: -M do)."""
    words = ("ping", "-n", "-q", "-c", "3", "-W", "2", "-M", "do", "-s", str(mtu - HEADERS), address)
    return HostCommand(words, changes=False, timeout_s=30.0)


def _numeric(address: str) -> int:
    ((first, _),) = V4.parse(address).spans
    return first


def _no_card(host: str, address: str) -> StepFailed:
    return StepFailed(
        f"No card of {host} has {address}.",
        done="It was only looked at.",
        next="Look at its network there (`ip address`): the system has to take the address by DHCP. Then call again.",
        stage=STAGE,
    )


def _unproved(way: _Way, wrong: str) -> StepFailed:
    return StepFailed(
        f"The private way from {way.of} to {way.address} is not proved: {wrong}.",
        done="It was only tried.",
        next="Look which firewall stops it with check_firewall; apply_firewall lets the Factory in. Then call again.",
        stage=STAGE,
    )
