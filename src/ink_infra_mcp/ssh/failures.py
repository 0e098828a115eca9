"""The sentences that a person reads when a server cannot be reached or a command goes wrong."""

from collections.abc import Callable

from ink_infra_mcp.core.errors import (
    NOTHING_DONE,
    CommandFailed,
    ConfigError,
    HostError,
    HostKeyChanged,
    HostLoginRefused,
    HostUnreachable,
)
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.untrusted import clean, clean_name
from ink_infra_mcp.core.words import of_connection
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.guests import GuestHost

NOTHING_SENT = "Nothing was sent to it."
TAIL = 4_000

Redact = Callable[[str], str]
"""Masks secrets in text."""


def tail(text: str, *, limit: int, redact: Redact) -> str:
    """Return the last `limit` characters of `text`, cleaned first, so that no control character splits a secret."""
    safe = redact(clean(text, limit=None)).strip()
    return safe if len(safe) <= limit else "…" + safe[1 - limit :]


def reason(error: Exception, limit_s: float) -> str:
    """Return an error of the SSH library as words; a bare time-out has none of its own."""
    if isinstance(error, TimeoutError):
        return f"no answer within {limit_s:g} s"
    return of_connection(str(error)) or type(error).__name__


def where(host: Host) -> str:
    """Return a server's address and port in words."""
    return f"{host.ssh_address} port {host.ssh_port}"


def no_connection(name: str, place: str, why: str) -> HostUnreachable:
    """Return the error for a server that does not answer, or hangs up before the login."""
    return HostUnreachable(
        f"{name} does not answer over SSH at {place}: {clean_name(why, limit=200)}.",
        host=name,
        done=NOTHING_SENT,
        next="Check that the server is up and that its firewall lets this machine in, then call again.",
    )


def connection_lost(host: Host, command: HostCommand, why: str, *, acts: bool, redact: Redact) -> HostUnreachable:
    """Return the error for a connection that broke after the command had been sent; `acts`: it may change things."""
    unsure = "The command had been sent: it is not known whether it ran to its end."
    return HostUnreachable(
        f"The SSH connection to {host.name} broke while `{_shown(command, redact)}` ran: {clean_name(why, limit=200)}.",
        host=host.name,
        done=unsure if acts else NOTHING_DONE,
        next="Look at the server's state before anything is repeated." if acts else "Call again.",
        unsure=acts,
    )


def stream_broke(source: str, target: str, *, at: str, why: str) -> HostUnreachable:
    """Return the error for a stream from one server to another that broke; `at` is source or target."""
    broken = source if at == "source" else target
    return HostUnreachable(
        f"The stream from {source} to {target} broke at {broken}: {clean_name(why, limit=200)}.",
        host=broken,
        done=f"What {target} has got of it is not whole, and is not used.",
        next="Check that both servers are up, then call again: it begins anew.",
    )


def too_much(source: str, target: str, *, limit_bytes: int) -> CommandFailed:
    """Return the error for a stream that is longer than it may be."""
    return CommandFailed(
        f"More than {limit_bytes} bytes came from {source} for {target}.",
        host=source,
        done=f"It was stopped there; what {target} has got of it is not whole, and is not used.",
        next="Look at what grew on the source, then call again.",
    )


def no_session(host: Host, why: str) -> HostUnreachable:
    """Return the error for a server that lets us in but opens no session for a command."""
    return HostUnreachable(
        f"{host.name} accepted the login of {host.ssh_user} but runs no command for it: {clean_name(why, limit=200)}.",
        host=host.name,
        done=NOTHING_SENT,
        next="Check MaxSessions in its sshd_config, and that the user has a shell and no forced command.",
    )


def not_pinned(host: Host) -> HostError:
    """Return the error for a server whose host key nobody has recorded: we never trust the first one blindly."""
    return HostError(
        f"{host.name} has no pinned host key, so nothing proves that {where(host)} is that server.",
        host=host.name,
        done=NOTHING_SENT,
        next="Run `ink-infra-mcp init`, which shows the key and records it, or set host_key in fleet.toml.",
    )


def bad_pin(host: Host, why: str) -> HostError:
    """Return the error for a host_key that is not a list of OpenSSH public keys."""
    return HostError(
        f"The host_key of {host.name} in fleet.toml is not an OpenSSH public key: {clean_name(why, limit=120)}.",
        host=host.name,
        done=NOTHING_SENT,
        next="Write it as `ssh-ed25519 AAAA...`, one key a line; `ink-infra-mcp init` does that.",
    )


def key_changed(host: Host, *, pinned: tuple[str, ...], offered: str) -> HostKeyChanged:
    """Return the error for a server that shows another key than the pinned one; both are named by fingerprint."""
    return HostKeyChanged(
        f"{host.name} at {where(host)} shows host key {offered}, but pinned is {' or '.join(pinned)}.",
        host=host.name,
        done=NOTHING_SENT,
        next="If the server was set up anew, compare the fingerprint on its console and pin it with "
        "`ink-infra-mcp init`; otherwise somebody may stand in between.",
    )


def login_refused(host: Host) -> HostLoginRefused:
    """Return the error for a server that does not accept our key, nor the password if it has one, for the user."""
    has_password = isinstance(host, GuestHost) and host.password is not None
    refused = "accepts neither our SSH key nor the password" if has_password else "does not accept our SSH key"
    return HostLoginRefused(
        f"{host.name} at {where(host)} {refused} for user {host.ssh_user}.",
        host=host.name,
        done=NOTHING_SENT,
        next="Add the public key to that user's authorized_keys, or correct ssh_user in fleet.toml.",
    )


def login_refused_lately(host: Host, *, ago_s: float, wait_s: float) -> HostLoginRefused:
    """Return the error for a login that was refused a moment ago and is not tried again yet."""
    return HostLoginRefused(
        f"{host.name} refused our SSH key for user {host.ssh_user} {ago_s:.0f} s ago; it was not asked again.",
        host=host.name,
        done=NOTHING_SENT,
        next=f"Add the key to that user's authorized_keys; the next try is made after {max(1.0, wait_s):.0f} s.",
    )


def no_login_key(why: str) -> ConfigError:
    """Return the error for an SSH login that we have no usable private key for."""
    return ConfigError(
        f"There is no usable SSH login key: {clean_name(why, limit=200)}.",
        next="Store one with `ink-infra-mcp init`, or start an ssh-agent that holds it.",
    )


def timed_out(
    host: Host, command: HostCommand, said: CommandResult, *, acts: bool, stopped: bool, redact: Redact
) -> CommandFailed:
    """Return the error for a command that did not end within its limit."""
    changed = (
        "It was stopped part-way: what it had changed until then stays changed."
        if stopped
        else "It could not be stopped and may still be changing things."
    )
    return CommandFailed(
        f"`{_shown(command, redact)}` on {host.name} did not end within {command.timeout_s:g} s.",
        host=host.name,
        done=changed if acts else NOTHING_DONE,
        next="Look at the server's load and disk; something on it hangs.",
        untrusted_output=_output(said, redact),
    )


def command_failed(
    host: Host, command: HostCommand, said: CommandResult, *, acts: bool, redact: Redact
) -> CommandFailed:
    """Return the error for a command that ended with a status other than 0."""
    ran = "The command ran; what it had changed before it failed stays changed."
    return CommandFailed(
        f"`{_shown(command, redact)}` on {host.name} ended with exit status {said.exit_status}.",
        host=host.name,
        done=ran if acts else NOTHING_DONE,
        next="Its own words are in the output.",
        exit_status=said.exit_status,
        untrusted_output=_output(said, redact),
    )


def _output(said: CommandResult, redact: Redact) -> str:
    return tail(said.stderr if said.stderr.strip() else said.stdout, limit=TAIL, redact=redact)


def _shown(command: HostCommand, redact: Redact) -> str:
    return clean_name(redact(command.line), limit=100)
