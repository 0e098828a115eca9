"""The step handlers that change who may log in to a server and how: keys, host keys, and the settings of sshd.

A change of sshd is on probation: the server itself puts the earlier settings back after a while, or at its next boot,
unless a new login was proved meanwhile. So no loss of this process, of the connection or of power locks anybody out.
"""

import ipaddress
import re
from dataclasses import dataclass

from pydantic import JsonValue, TypeAdapter, ValidationError

from ink_infra_mcp.core.errors import NOTHING_DONE, HostError, HostKeyChanged, HostUnreachable, StepFailed
from ink_infra_mcp.core.login.drop_in import digest_of, said_otherwise
from ink_infra_mcp.core.login.judging import Judgement, judge
from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.core.login.sshd import SshdSeen
from ink_infra_mcp.core.login.steps import LEAST_WINDOW_S, MOST_WINDOW_S, KeyWanted
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.machine import logins
from ink_infra_mcp.ssh.guests import Guest
from ink_infra_mcp.ssh.pool import HostPool

PROVED_WITHIN_S = 20.0
"""After a reload sshd is away for a moment, and may refuse some of many logins at once (MaxStartups)."""
BACK_WITHIN_S = 240.0
"""Longer than a probation and a boot: until then the server has put its earlier settings back by itself."""
STAGE = "login"
_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,}={0,3})(?: .*)?")
_TEXTS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])
_ON_PROBATION = "The new settings are on probation: the server puts the earlier ones back by itself."


@dataclass(frozen=True, slots=True)
class LoginSteps:
    """Binds the handlers to the hosts."""

    pool: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {
            "hosts.admit_key": self.admit_key,
            "hosts.remove_key": self.remove_key,
            "hosts.widen_key": self.widen_key,
            "hosts.narrow_key": self.narrow_key,
            "hosts.make_host_keys": self.make_host_keys,
            "hosts.rotate_host_keys": self.rotate_host_keys,
            "hosts.harden_sshd": self.harden_sshd,
            "hosts.restore_sshd": self.restore_sshd,
        }

    async def admit_key(self, call: StepCall) -> JsonObject:
        """Let `public_key` log in to `host` as `user`, from `sources` alone if there are any; other keys are kept.

        With `prove`, a new login with our key and no password is made afterwards.

        Raises:
            StepFailed: what was given is no public key, it is there with other limits, or it does not let us in.
            HostError: the server cannot be reached.
        """
        host, wanted = call.text("host"), _key_wanted(call)
        line = _line(call, wanted)
        done = await logins.admit(self.pool, host, wanted.user, wanted.marker, line=line, permit=call.permit)
        if wanted.prove:
            # who looked at the server before the key was there has been refused, and that counts for a minute
            self.pool.forget_refusal(host)
            await self._let_in(call, host, "The key was written, and other keys are as they were.")
        return {"host": host, "key": done["key"], "file": done["file"]}

    async def remove_key(self, call: StepCall) -> JsonObject:
        """Take the line with `marker` out of the keys of `user` on `host`; others are kept.

        Raises:
            StepFailed: the file cannot be written.
            HostError: the server cannot be reached.
        """
        host = call.text("host")
        done = await logins.remove(self.pool, host, call.text("user"), call.text("marker"), permit=call.permit)
        return {"host": host, "key": done["key"], "file": done["file"]}

    async def widen_key(self, call: StepCall) -> JsonObject:
        """Let the key with `marker` of `user` on `host` in from `network`, too; `added` tells whether that is new.

        Raises:
            StepFailed: the file cannot be written.
            HostError: the server cannot be reached.
        """
        return await self._sources(call, back=False)

    async def narrow_key(self, call: StepCall) -> JsonObject:
        """Take `network` back, where `widened` says that it was added; another line, or none, is left alone.

        Raises:
            StepFailed: the file cannot be written, or the key would let in from everywhere.
            HostError: the server cannot be reached.
        """
        if call.given("widened") != "added":
            return {"host": call.text("host"), "key": "there"}
        return await self._sources(call, back=True)

    async def _sources(self, call: StepCall, *, back: bool) -> JsonObject:
        host, network = call.text("host"), str(ipaddress.ip_network(call.text("network")))
        user, marker = call.text("user"), call.text("marker")
        done = await logins.widen(self.pool, host, user, marker, network=network, permit=call.permit, back=back)
        return {"host": host, "key": done["key"], "file": done["file"]}

    async def make_host_keys(self, call: StepCall) -> JsonObject:
        """Make new host keys on `host`, of the kinds that it has, beside those in use; return them as `host_key`.

        Raises:
            StepFailed: it cannot; nothing was changed.
            HostError: the server cannot be reached.
        """
        host, change = call.text("host"), call.operation_id
        made = await logins.host_keys(self.pool, host, "make-keys", change, permit=call.permit)
        if not made or not all(map(_KEY.fullmatch, made.splitlines())):
            raise StepFailed(
                f"{host} did not say which host keys it made.",
                done="Those in use are as they were.",
                next="Look at /etc/ssh there.",
                stage=STAGE,
            )
        return {"host": host, "change": change, "host_key": made}

    async def rotate_host_keys(self, call: StepCall) -> JsonObject:
        """Put the keys `host_key`, which were made on `host` as `change`, in place of the earlier ones.

        A new login with them is proved before the earlier ones are forgotten; open connections stay. Where the server
        shows them already, for a run that broke off, it is known by them.

        Raises:
            StepFailed: a login with the new keys was not let in, and the earlier ones are back.
            HostError: the server cannot be reached.
        """
        host, change, made = call.text("host"), call.given("change"), call.given("host_key")
        new = self._with_key(host, made)
        if not await self._shows(host, new):
            await logins.host_keys(self.pool, host, "use-keys", change, permit=call.permit)
        try:
            with self.pool.knowing(new):
                await self._let_in(call, host, "The new host keys are in their place.")
                await logins.host_keys(self.pool, host, "drop-keys", change, permit=call.permit)
        except (StepFailed, HostKeyChanged) as error:
            # with the connection that was there before
            await logins.host_keys(self.pool, host, "back-keys", change, permit=call.permit)
            raise StepFailed(
                f"A login with the new host keys of {host} was not let in: {error.failed}",
                done="The earlier host keys are back.",
                next="Look at sshd's log there: `journalctl -u ssh`.",
                stage=STAGE,
            ) from error
        return {"host": host, "host_key": made}

    async def harden_sshd(self, call: StepCall) -> JsonObject:
        """Let sshd of `host` read `settings`, or those of `policy` where it was not looked at before, on probation.

        Before and after, a new login with our key alone is proved; after it sshd takes no password any more, which it
        is asked itself. Otherwise the earlier settings come back. `said` are the words that sshd says otherwise than
        they are set, `first_line` tells that the first line of sshd_config has to name our file.

        Raises:
            StepFailed: something stands in the way, or sshd does not take the settings; what is there now is said.
            HostError: the server cannot be reached.
        """
        host, change, window_s = call.text("host"), call.operation_id, _window(call)
        seen = await logins.look(self.pool, host)
        _refuse_unready(seen)
        wanted = _wanted(call, seen)
        if _is_kept(seen, change, wanted):
            return {"host": host, "change": change, "state": "kept"}
        _refuse_pin_lost(self.pool.hosts[host].host_key, wanted, host)
        await self._let_in(call, host, NOTHING_DONE)
        if seen.changes.get(change) != "kept":
            await logins.apply(
                self.pool,
                host,
                change,
                settings=wanted.settings,
                said=wanted.said,
                first_line=wanted.first_line,
                window_s=window_s,
                permit=call.permit,
            )
        await self._takes_no_password(call, host, wanted)
        await self._let_in(call, host, _ON_PROBATION)
        state = await logins.keep(self.pool, host, change, permit=call.permit)
        return {"host": host, "change": change, "state": state}

    async def restore_sshd(self, call: StepCall) -> JsonObject:
        """Put the settings of sshd of `host` back: as before this operation, or before all of ours with `original`.

        A server that cannot be reached is waited for until it has put them back by itself.

        Raises:
            StepFailed: not all could be put back.
            HostError: the server was not to be reached in all that time.
        """
        host = call.text("host")
        change = "original" if call.params.get("original") is True else call.operation_id

        async def back() -> str | NotYet:
            try:
                return await logins.revert(self.pool, host, change, permit=call.permit)
            except HostUnreachable as error:
                return NotYet(f"waiting for {host}, which puts its earlier settings back by itself", error)

        state = await until(call, back, within_s=BACK_WITHIN_S)
        return {"host": host, "change": change, "state": state}

    def _with_key(self, host: str, host_key: str) -> Guest:
        known = self.pool.hosts[host]
        return Guest(
            name=host,
            address=known.address,
            host_key=host_key,
            port=known.ssh_port,
            user=known.ssh_user,
            bastion=known.bastion,
        )

    async def _shows(self, host: str, new: Guest) -> bool:
        """Return whether the server shows the new key and lets us in with ours."""
        try:
            with self.pool.knowing(new):
                await self.pool.try_new_connection(host)
        except HostKeyChanged:
            return False
        return True

    async def _let_in(self, call: StepCall, host: str, done: str) -> None:
        """Prove that a new connection gets in with our key alone."""

        async def tried() -> NotYet | None:
            try:
                with self.pool.by_key(host):
                    return await self.pool.try_new_connection(host)
            except (HostUnreachable, HostKeyChanged) as error:
                # a reload returns before sshd has read its keys and listens again
                return NotYet(f"trying a new login to {host}", _not_let_in(host, error, done))
            except HostError as error:
                raise _not_let_in(host, error, done) from error

        await until(call, tried, within_s=PROVED_WITHIN_S)

    async def _takes_no_password(self, call: StepCall, host: str, wanted: "Wanted") -> None:
        """Prove that sshd itself, whatever its files say, asks for no password: so it has read the new settings."""
        if wanted.settings.get("PasswordAuthentication") != "no":
            return

        async def asked() -> NotYet | None:
            try:
                ways = await self.pool.password_ways(host)
            except HostUnreachable as error:
                return NotYet(f"asking sshd of {host} how it lets people in", _not_let_in(host, error, _ON_PROBATION))
            return NotYet(f"waiting for sshd of {host} to read its settings", _still(host, ways)) if ways else None

        await until(call, asked, within_s=PROVED_WITHIN_S)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The settings that a step sets, the words that sshd says for them, and whether the first line has to be ours."""

    settings: dict[str, str]
    said: dict[str, str]
    first_line: bool


def _key_wanted(call: StepCall) -> KeyWanted:
    names = ("public_key", "marker", "user", "sources", "options", "prove")
    try:
        return KeyWanted.model_validate({name: call.params[name] for name in names if name in call.params})
    except ValidationError as error:
        raise TypeError(f"step {call.step_id}: {error.errors()[0]['loc']} is wrong") from None


def _line(call: StepCall, wanted: KeyWanted) -> str:
    """Return the line of authorized_keys: options, kind, key, and our marker as its comment."""
    text = call.given("public_key").strip()
    found = _KEY.fullmatch(text)
    if found is None:
        raise StepFailed(
            f"What shall be let in to {call.text('host')} is no public key.",
            done=NOTHING_DONE,
            next="Please report it.",
            stage=STAGE,
        )
    sources = ",".join(str(ipaddress.ip_network(source)) for source in wanted.sources)
    options = [*((f'from="{sources}"',) if sources else ()), *wanted.options]
    return " ".join([*((",".join(options),) if options else ()), found[1], found[2], wanted.marker])


def _window(call: StepCall) -> int:
    seconds: JsonValue = call.params["window_s"]
    if not isinstance(seconds, int) or not LEAST_WINDOW_S <= seconds <= MOST_WINDOW_S:
        raise TypeError(f"step {call.step_id}: window_s is not {LEAST_WINDOW_S} to {MOST_WINDOW_S}")
    return seconds


def _wanted(call: StepCall, seen: SshdSeen) -> Wanted:
    """Return what was planned; where nobody could look before, what the policy asks of what is seen now."""
    if "policy" not in call.params:
        settings = _TEXTS.validate_python(call.params["settings"])
        said = _TEXTS.validate_python(call.params["said"])
        return Wanted(settings, said, call.params["first_line"] is True)
    policy = SshdPolicy.model_validate(call.params["policy"])
    judgement = judge(seen, policy)
    _refuse(judgement)
    return Wanted(dict(judgement.wanted), said_otherwise(policy, judgement.wanted), judgement.first_line)


def _is_kept(seen: SshdSeen, change: str, wanted: Wanted) -> bool:
    says = {keyword: wanted.said.get(keyword, value) for keyword, value in wanted.settings.items()}
    as_said = all(seen.says.get(keyword.lower()) == (value,) for keyword, value in says.items())
    return seen.changes.get(change) == "kept" and seen.drop_in == digest_of(wanted.settings) and as_said


def _refuse(judgement: Judgement) -> None:
    if judgement.refusals:
        raise StepFailed(
            f"sshd of {judgement.host} cannot be hardened as it is: {'; '.join(judgement.refusals)}.",
            done=NOTHING_DONE,
            next="Settle it on the server, then call again.",
            stage=STAGE,
        )


def _refuse_unready(seen: SshdSeen) -> None:
    missing = tuple(name for name in logins.NEEDED if name not in seen.has)
    if missing:
        raise StepFailed(
            f"{seen.host} lacks what a safe change of its sshd takes: {', '.join(missing)}.",
            done=NOTHING_DONE,
            next="On Debian and Ubuntu: apt-get install openssh-server util-linux coreutils; systemd has to run.",
            stage=STAGE,
        )


def _refuse_pin_lost(pinned: str, wanted: Wanted, host: str) -> None:
    """A host key of a kind that sshd would not show any more is the only one that we know it by."""
    kinds = {line.split()[0] for line in pinned.splitlines() if line.strip() and not line.startswith("SHA256:")}
    allowed = set(wanted.settings.get("HostKeyAlgorithms", "").split(","))
    shown = {kind for kind in kinds if kind in allowed or (kind == "ssh-rsa" and "rsa-sha2-512" in allowed)}
    if kinds and "HostKeyAlgorithms" in wanted.settings and not shown:
        raise StepFailed(
            f"{host} is known by a host key of the kind {', '.join(sorted(kinds))}, which it would not show any more.",
            done=NOTHING_DONE,
            next="Pin its ssh-ed25519 key first: `ink-infra-mcp init` shows it.",
            stage=STAGE,
        )


def _not_let_in(host: str, error: HostError, done: str) -> StepFailed:
    return StepFailed(
        f"A new login to {host} with our key is not let in: {error.failed}",
        done=done,
        next="Look at sshd's log there: `journalctl -u ssh`.",
        stage=STAGE,
    )


def _still(host: str, ways: tuple[str, ...]) -> StepFailed:
    return StepFailed(
        f"sshd of {host} still takes a password ({', '.join(ways)}), whatever its files say.",
        done=_ON_PROBATION,
        next="Look whether another sshd listens there: `ss -tlnp`.",
        stage=STAGE,
    )
