"""The step handlers that change a server's own firewall: save, set, keep, and the revert that takes all of it back.

A set firewall is on probation: the server itself puts the old one back after a while, or at its next boot, unless
`keep` has come. So no loss of this process, of the connection or of the server's power leaves a firewall that nobody
proved.
"""

from dataclasses import dataclass

from pydantic import JsonValue, TypeAdapter

from ink_infra_mcp.core.errors import NOTHING_DONE, CommandFailed, HostError, HostUnreachable, StepFailed
from ink_infra_mcp.core.firewall.addresses import split
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.outside import Known
from ink_infra_mcp.core.host_firewall.lies import lies_in
from ink_infra_mcp.core.host_firewall.model import HostFirewall, Manager, WayIn, shut_out, way_of_connection
from ink_infra_mcp.core.host_firewall.nftables import digest_of
from ink_infra_mcp.core.host_firewall.steps import LEAST_WINDOW_S, MOST_WINDOW_S, Knock, Try
from ink_infra_mcp.core.operation import json_object
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.firewall import changes as changes
from ink_infra_mcp.hosts.firewall.changes import Report, Seen
from ink_infra_mcp.hosts.firewall.knocking import knock_from
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.hosts.firewall.tries import Here, tried_now
from ink_infra_mcp.ssh.pool import HostPool

STAGE = "host_firewall"
LET_IN_WITHIN_S = 20.0
"""A server that has many logins at once refuses some (MaxStartups): one refusal proves nothing."""
BACK_AFTER_WINDOW_S = 150.0
"""A server that reboots into its old firewall has to come up first."""
_ON_PROBATION = "The new rules are loaded on probation: the server puts the old ones back by itself."


_WAYS: TypeAdapter[tuple[WayIn, ...]] = TypeAdapter(tuple[WayIn, ...])
_KNOCKS: TypeAdapter[tuple[Knock, ...]] = TypeAdapter(tuple[Knock, ...])
_TRIES: TypeAdapter[tuple[Try, ...]] = TypeAdapter(tuple[Try, ...])
MOST_SHOWN = 6
_TEXTS: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...])
_MANAGER: TypeAdapter[Manager] = TypeAdapter(Manager)


@dataclass(frozen=True, slots=True)
class FirewallSteps:
    """Binds the handlers to the hosts; `here` tells what connects from this machine come to."""

    pool: HostPool
    here: Here

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "hosts.note_links": self.note_links,
            "hosts.save_firewall": self.save_firewall,
            "hosts.set_firewall": self.set_firewall,
            "hosts.keep_firewall": self.keep_firewall,
            "hosts.revert_firewall": self.revert_firewall,
            "hosts.prove_way_in": self.prove_way_in,
        }

    async def note_links(self, call: StepCall) -> JsonObject:
        """Return as `links` which links of the server `host` lead outside and inside now, and who keeps its rules.

        It is for a server that was not there, or had no Docker yet, when the plan was made. `held` are the addresses
        by which the server itself is called, `others` those of other servers, `private` the networks that they share.

        Raises:
            RefusedByPolicy: nothing is known to lead outside. HostError: it cannot be read.
        """
        host = call.text("host")
        facts = await gather_network(self.pool, host)
        held, others, private = (_TEXTS.validate_python(call.filled(name)) for name in ("held", "others", "private"))
        if isinstance(facts.interfaces, Unreadable):
            raise StepFailed(
                f"The links of {host} could not be read: {facts.interfaces.reason}.",
                done=NOTHING_DONE,
                next="Mend that, then call again.",
                stage=STAGE,
            )
        # behind a NAT no link has the address: then it is called by the one that our own connection came to
        called = held if any(map(facts.interfaces.holding, held)) else (*held, facts.came_to)
        known = Known(held=frozenset({*called} - {""}), others=split(others), private=split(private))
        lies, seen = lies_in(host, facts.interfaces, known), await changes.look(self.pool, host)
        return {
            "links": {
                "manager": seen.manager,
                "outside": [*lies.outside],
                "inside": [*lies.inside],
                "bridged": [*lies.bridged],
                "behind": [*lies.behind(seen.manager)],
                "ufw_ipv6": seen.ufw_ipv6,
            },
            "manager": seen.manager,
        }

    async def save_firewall(self, call: StepCall) -> JsonObject:
        """Keep on the server `host` all that a revert needs; `manager` is who keeps the rules for its own ports.

        Returns the name of the change, which the other steps are given as `change`, what is loaded now, which of
        `tries` get through now (`met`, as JSON), and in words what could not be tried (`untried`).

        Raises:
            StepFailed: the server lacks something that the way back needs, or another program keeps its rules now.
            HostError: it cannot be reached.
        """
        host, manager = call.text("host"), _MANAGER.validate_python(call.filled("manager"))
        seen = await changes.look(self.pool, host)
        _refuse_unready(seen, manager)
        tried = await tried_now(self.pool, self.here, _TRIES.validate_python(call.params["tries"]))
        report = await changes.save(self.pool, host, call.operation_id, manager=manager, permit=call.permit)
        return {
            "change": call.operation_id,
            "before": report.before,
            "manager": manager,
            "met": _TRIES.dump_json(tried.through).decode(),
            "untried": "; ".join(tried.untried),
        }

    async def set_firewall(self, call: StepCall) -> JsonObject:
        """Load `firewall` for `window_s` seconds of probation.

        It is refused before anything is done when it would drop the address that this very session comes from, or a
        part of `ways`: the networks of the admin and the addresses that the Factory comes from.

        Raises:
            StepFailed: it is refused, or was not loaded and the old one is back.
            HostError: the server cannot be reached, or the connection broke; then the server reverts by itself.
        """
        firewall, window_s = _firewall(call), _window(call)
        seen = await changes.look(self.pool, call.text("host"))
        _refuse_unready(seen, firewall.manager)
        _refuse_lockout(seen, firewall, _WAYS.validate_python(call.params["ways"]))
        report = await changes.apply(
            self.pool, seen, call.given("change"), firewall=firewall, window_s=window_s, permit=call.permit
        )
        return {"live": report.live, "state": report.state}

    async def keep_firewall(self, call: StepCall) -> JsonObject:
        """Prove that new connections get in, from here and by each of `knocks`, and that all of `met` still get
        through; then make `firewall` last.

        Raises:
            StepFailed: somebody does not get in, something that got through before does not any more, the server has
                reverted meanwhile, or other rules are loaded.
            HostError: the server cannot be reached.
        """
        host, firewall = call.text("host"), _firewall(call)
        await self._let_in(call, host)
        await self._let_in_others(_KNOCKS.validate_python(call.filled("knocks")))
        met = _TRIES.validate_json(call.given("met"))
        await self._nothing_lost(call, met)
        digest = digest_of(firewall)
        await changes.keep(self.pool, host, call.given("change"), digest=digest, permit=call.permit)
        seen = await changes.look(self.pool, host)
        if not seen.is_already(firewall):
            raise StepFailed(
                f"The firewall of {host} is not the one that was kept: {_differs(seen, firewall)}.",
                done="It was kept a moment ago.",
                next="Somebody else may change it: look at it with check_firewall.",
                stage=STAGE,
            )
        return {"live": seen.live, "persisted": seen.persisted, "proved": len(met)}

    async def revert_firewall(self, call: StepCall) -> JsonObject:
        """Put back what was saved under `change`, and see that it is loaded.

        A server that cannot be reached is waited for until after `window_s`, when it has reverted by itself.

        Raises:
            StepFailed: it is not back as it was.
            HostError: the server was not to be reached in all that time.
        """
        host, change = call.text("host"), call.given("change")

        async def back() -> Report | NotYet:
            try:
                return await changes.revert(self.pool, host, change, permit=call.permit)
            except (HostUnreachable, CommandFailed) as error:
                if isinstance(error, CommandFailed) and error.exit_status is not None:
                    raise
                return NotYet(f"waiting for {host}, which puts its old firewall back by itself", _out_of_reach(error))

        report = await until(call, back, within_s=_window(call) + BACK_AFTER_WINDOW_S)
        before = call.given("before")
        if (report.state, report.live) != ("reverted", before):
            raise StepFailed(
                f"The firewall of {host} is {report.state} and has {report.live} loaded, not {before} as before.",
                done="What was saved was put back.",
                next="Look at it with check_firewall.",
                stage=STAGE,
            )
        return {"live": report.live, "state": report.state}

    async def prove_way_in(self, call: StepCall) -> JsonObject:
        """Prove that new connections get in, from here and by each of `knocks`; nothing is changed.

        Raises:
            StepFailed: somebody does not get in: the plan then takes back what it changed in front of the server.
        """
        host, knocks = call.text("host"), _KNOCKS.validate_python(call.params["knocks"])
        await self._let_in(call, host)
        await self._let_in_others(knocks)
        return {"host": host, "from": [knock.of for knock in knocks]}

    async def _let_in(self, call: StepCall, host: str) -> None:
        async def tried() -> NotYet | None:
            try:
                return await self.pool.try_new_connection(host)
            except HostUnreachable as error:
                return NotYet(f"trying a new connection to {host}", _not_let_in(f"this machine to {host}", error))

        await until(call, tried, within_s=LET_IN_WITHIN_S)

    async def _nothing_lost(self, call: StepCall, met: tuple[Try, ...]) -> None:
        """Try again what got through before; what does not is tried once more after a while, for packets get lost."""
        left = met

        async def tried() -> NotYet | None:
            nonlocal left
            now = await tried_now(self.pool, self.here, left)
            lost = tuple(each for each in left if each not in now.through)
            left = lost
            return NotYet("trying again what got through before", _lost(lost, now.untried)) if lost else None

        if met:
            await until(call, tried, within_s=LET_IN_WITHIN_S)

    async def _let_in_others(self, knocks: tuple[Knock, ...]) -> None:
        for knock in knocks:
            way = f"{knock.of} to {knock.address} port {knock.port}"
            try:
                met = await knock_from(self.pool, knock.of, [(knock.address, knock.port)])
            except HostError as error:
                raise _not_let_in(way, error) from error
            if met[knock.address, knock.port] != "open":
                raise _not_let_in(way, None)


def _firewall(call: StepCall) -> HostFirewall:
    """What a plan could not know yet of the server's links, `hosts.note_links` has read for it."""
    links = json_object(call.filled("links")) if "links" in call.params else {}
    return HostFirewall.model_validate({**json_object(call.params["firewall"]), **links})


def _window(call: StepCall) -> int:
    seconds: JsonValue = call.params["window_s"]
    if not isinstance(seconds, int) or not LEAST_WINDOW_S <= seconds <= MOST_WINDOW_S:
        raise TypeError(f"step {call.step_id}: window_s is not {LEAST_WINDOW_S} to {MOST_WINDOW_S}")
    return seconds


def _refuse_unready(seen: Seen, manager: Manager) -> None:
    if seen.missing:
        raise StepFailed(
            f"{seen.host} lacks what a safe change of its firewall takes: {', '.join(seen.missing)}.",
            done=NOTHING_DONE,
            next="On Debian and Ubuntu: apt-get install nftables util-linux coreutils; systemd has to run.",
            stage=STAGE,
        )
    if seen.manager != manager:
        raise StepFailed(
            f"The firewall of {seen.host} is kept by {seen.manager} now, not by {manager} as planned.",
            done=NOTHING_DONE,
            next="Call again: the plan is made anew.",
            stage=STAGE,
        )


def _refuse_lockout(seen: Seen, firewall: HostFirewall, ways: tuple[WayIn, ...]) -> None:
    try:
        own = way_of_connection(seen.came_from)
    except ValueError as error:
        raise StepFailed(
            f"{seen.host} does not say from where this session comes.",
            done=NOTHING_DONE,
            next="Its sshd has to set SSH_CONNECTION, as OpenSSH does.",
            stage=STAGE,
        ) from error
    if lost := shut_out(firewall, (own, *ways)):
        raise StepFailed(
            f"The new firewall of {seen.host} would shut out {'; '.join(lost)}.",
            done=NOTHING_DONE,
            next="Add the address to access.admin in fleet.toml, or mend the ports policy.",
            stage="lockout",
        )


def _differs(seen: Seen, firewall: HostFirewall) -> str:
    told, lacks = seen.ufw_changes(firewall), seen.firewalld_lacks(firewall)
    lasting = "" if seen.loaded_at_boot else ", and nothing is loaded at boot"
    return (
        f"{seen.live} is loaded by {seen.manager}, {seen.persisted} is on the disk{lasting}; "
        f"{len(told.opens) + len(told.closes)} rules of ufw and {len(lacks)} of firewalld differ"
    )


def _not_let_in(way: str, error: HostError | None) -> StepFailed:
    why = f": {error.failed}" if error else "."
    return StepFailed(
        f"With the new rules no new connection gets through from {way}{why}",
        done=_ON_PROBATION,
        next="Look which layer stops it with check_firewall: a provider's firewall may, too.",
        stage=STAGE,
    )


def _lost(lost: tuple[Try, ...], untried: tuple[str, ...]) -> StepFailed:
    shown = ", ".join(map(str, lost[:MOST_SHOWN])) + (f" and {len(lost) - MOST_SHOWN} more" * (len(lost) > MOST_SHOWN))
    why = f" Not tried: {'; '.join(untried)}." if untried else ""
    return StepFailed(
        f"With the new rules these connections do not get through any more, and did before: {shown}.{why}",
        done=_ON_PROBATION,
        next="Look at what stands between them with check_firewall, and report it: these rules should not touch them.",
        stage=STAGE,
    )


def _out_of_reach(error: HostError) -> HostError:
    return HostUnreachable(
        error.failed,
        host=error.host,
        done="It had to put its old firewall back by itself in the meantime, which could not be seen.",
        next="Look at it from its console: `nft list table inet ink`.",
    )
