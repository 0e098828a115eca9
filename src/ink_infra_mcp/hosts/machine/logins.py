"""Looks at who may log in to a server and how, and changes it over SSH: one script, one command for each move."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.login.drop_in import drop_in, expected
from ink_infra_mcp.core.login.sshd import SshdSeen, read_files, read_settings
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-login"
LOOK_S, CHANGE_S = 90.0, 240.0
NEEDED = ("sshd", "ssh-keygen", "flock", "timeout", "sha256sum", "systemctl", "systemd-run", "systemd")
STAGE = "login"

_END = "INK-LOGIN-END-OF-DATA"
_AS_ROOT = 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
_UNCHANGED, _PUT_BACK, _UNSURE = 3, 4, 5
_PASSWORD = re.compile(r"sudo: .*(password|terminal|tty)|not (allowed|in the sudoers)", re.IGNORECASE)
_EXPIRED = re.compile(r"password change required|password has expired", re.IGNORECASE)
_WORDS = re.compile(r"^ink-login: (.+)", re.MULTILINE | re.DOTALL)
_AFTERMATH = {
    _UNCHANGED: "Nothing was changed.",
    _PUT_BACK: "What was there before is back.",
    _UNSURE: "It is not known to be as it was before.",
}
_EVENTS = frozenset({"in", "at", "out", "unread"})


async def look(pool: HostPool, host: str) -> SshdSeen:
    """Return what a server's sshd says of itself and of its files, in one round trip; nothing is changed.

    Raises:
        HostError: it cannot be reached, is not to be had as root, or its answer is not understood.
    """
    user = pool.hosts[host].ssh_user if host in pool.hosts else "root"
    said = await _run(pool, host, ("look", user), changes=False)
    try:
        return _seen(host, said.stdout)
    except (ValueError, KeyError, IndexError) as error:
        raise HostError(
            f"What {host} says of its sshd is not understood: {clean_name(str(error), limit=200)}.",
            host=host,
            next="Look at it by hand: `sshd -T`.",
        ) from error


async def admit(pool: HostPool, host: str, user: str, marker: str, *, line: str, permit: Permit) -> dict[str, str]:
    """Write a line into a user's authorized_keys; return whether it was `added` or `there`, and the file.

    A key that lets in already without our marker, just as widely, is `earlier`: nothing is written, and nothing taken
    away later.

    Raises:
        StepFailed: it cannot be written, or the key is there with other limits.
        HostError: the server cannot be reached.
    """
    data = f"{line}\n"
    return _pairs(await _move(pool, host, ("admit", user, marker, _sum(data)), permit=permit, data=data))


async def widen(
    pool: HostPool, host: str, user: str, marker: str, *, network: str, permit: Permit, back: bool = False
) -> dict[str, str]:
    """Let the key with that marker in from a network, too, or (`back`) no more; return what came of it, and the file.

    `open` is a key that is not limited, or not there under that marker: nothing is written then.

    Raises:
        StepFailed: it cannot be written, or would let in from everywhere.
        HostError: the server cannot be reached.
    """
    data, verb = f"{network}\n", "narrow" if back else "widen"
    return _pairs(await _move(pool, host, (verb, user, marker, _sum(data)), permit=permit, data=data))


async def remove(pool: HostPool, host: str, user: str, marker: str, *, permit: Permit) -> dict[str, str]:
    """Take the lines with that marker out of a user's authorized_keys; return whether they were `removed` or `absent`.

    Raises:
        StepFailed: it cannot be written.
        HostError: the server cannot be reached.
    """
    return _pairs(await _move(pool, host, ("remove", user, marker), permit=permit))


async def host_keys(pool: HostPool, host: str, verb: str, change: str, *, permit: Permit) -> str:
    """Make, use, drop or put back host keys (`make-keys` ...); return the public ones that it says, one a line.

    Raises:
        StepFailed: it could not; the message says what is there now.
        HostError: the server cannot be reached.
    """
    said = await _move(pool, host, (verb, change), permit=permit)
    return "\n".join(value for key, value in _lines(said) if key == "host_key")


async def apply(
    pool: HostPool,
    host: str,
    change: str,
    *,
    settings: Mapping[str, str],
    said: Mapping[str, str],
    first_line: bool,
    window_s: int,
    permit: Permit,
) -> str:
    """Arm the switch that reverts after `window_s` seconds, then let sshd read our settings; return the change's state.

    They are tried on a copy first.

    Raises:
        StepFailed: sshd does not take them, or not all of them; `done` says what is there now.
        HostError: the server cannot be reached, or broke off.
    """
    parts = {"dropin": drop_in(settings), "expected": expected(settings, said), "script": _script()}
    data = "".join(f"== {name}\n{text}" for name, text in parts.items())
    words = ("set", change, str(window_s), "yes" if first_line else "no", _sum(data))
    return _state(await _move(pool, host, words, permit=permit, data=data), change)


async def keep(pool: HostPool, host: str, change: str, *, permit: Permit) -> str:
    """Disarm the switch; return the change's state.

    Raises:
        StepFailed: it has fired, or sshd says other settings than those that were set.
        HostError: the server cannot be reached, or broke off.
    """
    return _state(await _move(pool, host, ("keep", change), permit=permit), change)


async def revert(pool: HostPool, host: str, change: str, *, permit: Permit) -> str:
    """Put back what was before a change, or (`original`) before all of ours; return the change's state.

    Raises:
        StepFailed: not all could be put back.
        HostError: the server cannot be reached, or broke off.
    """
    return _state(await _move(pool, host, ("revert", change), permit=permit), change)


def command(words: Sequence[str], *, as_root: bool, changes: bool, data: str = "") -> HostCommand:
    """Return the command that runs the script, which arrives by standard input with its data behind it.

    The data is a here-document that no shell reads into, and the script compares its sum: half of it is never used.

    Raises:
        ValueError: the data has the line that would end it.
    """
    if _END in data.split("\n"):
        raise ValueError("the data ends itself")
    rest = f" <<'{_END}'\n{data}{_END}\n" if data else " </dev/null\n"
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", _AS_ROOT, "sh")
    stdin = (_script().rstrip("\n") + rest).encode()
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=CHANGE_S if changes else LOOK_S, stdin=stdin)


async def _move(pool: HostPool, host: str, words: Sequence[str], *, permit: Permit, data: str = "") -> str:
    return (await _run(pool, host, words, changes=True, permit=permit, data=data)).stdout


async def _run(
    pool: HostPool, host: str, words: Sequence[str], *, changes: bool, permit: Permit | None = None, data: str = ""
) -> CommandResult:
    told = command(words, as_root=_is_root(pool, host), changes=changes, data=data)
    said = await pool.run(host, told, permit=permit)
    if said.exit_status != 0:
        raise _refusal(pool, host, words[0], said)
    if not said.stdout.endswith("done\n") or said.truncated:
        raise CommandFailed(
            f"The answer of {host} about its logins is not whole.",
            host=host,
            done=_AFTERMATH[_UNSURE] if changes else "Nothing was changed.",
            next="Call again.",
        )
    return said


def _is_root(pool: HostPool, host: str) -> bool:
    """A server that fleet.toml does not have is a guest, and its user is root."""
    return host not in pool.hosts or pool.hosts[host].ssh_user == "root"


def _refusal(pool: HostPool, host: str, verb: str, said: CommandResult) -> StepFailed | HostError:
    words = pool.presentable(said.stderr, limit=600)
    told = _WORDS.search(words)
    if said.exit_status not in _AFTERMATH or told is None:
        return not_run(host, words, said.exit_status)
    return StepFailed(
        f"{host} did not {verb.replace('-', ' ')} as told: {clean_name(told[1], limit=400)}.",
        done=_AFTERMATH[said.exit_status],
        next="Mend what it says there, then call again.",
        stage=STAGE,
    )


def not_run(host: str, words: str, status: int) -> HostError:
    """Return the error for a script that did not run, or not to its end; `words` is what the server said instead."""
    if _EXPIRED.search(words):
        return HostError(
            f"{host} wants its password changed at the first login, and runs nothing before.",
            host=host,
            next="Log in once by hand and change it; Hetzner asks for that where a server was made without an SSH key.",
        )
    if _PASSWORD.search(words):
        return HostError(
            f"sudo on {host} does not let our user become root without a password.",
            host=host,
            next="Give the user NOPASSWD in sudoers, or log in as root.",
        )
    return CommandFailed(
        f"The script that looks after the logins of {host} broke off with status {status}.",
        host=host,
        done="If it had armed its switch, the server puts the earlier settings back by itself.",
        next="Call again.",
        exit_status=status,
        untrusted_output=words,
    )


def _script() -> str:
    return packaged("machine/login.sh")


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(stdout: str) -> list[tuple[str, str]]:
    parted = (line.partition(" ") for line in stdout.splitlines())
    return [(key, value) for key, _, value in parted]


def _pairs(stdout: str) -> dict[str, str]:
    return {key: value.strip() for key, value in _lines(stdout)}


def _state(stdout: str, change: str) -> str:
    named, _, state = _pairs(stdout)["change"].partition(" ")
    if named != change:
        raise StepFailed("The server answers for another change.", done=_AFTERMATH[_UNSURE], next="Call again.")
    return state


def _seen(host: str, stdout: str) -> SshdSeen:
    facts = _lines(stdout)
    directives, unread = read_files([(key, value) for key, value in facts if key in _EVENTS])
    knows = (value.partition(" ") for value in _all(facts, "knows"))
    units = (value.partition(" ") for value in _all(facts, "unit"))
    changes = (value.partition(" ") for value in _all(facts, "change"))
    return SshdSeen(
        host=host,
        uid=int(_all(facts, "uid")[0]),
        came_from=_all(facts, "came_from")[0],
        has=frozenset(_all(facts, "has")),
        says=read_settings(_all(facts, "says")),
        says_us=read_settings(_all(facts, "says_us")),
        knows={kind: tuple(filter(None, names.split(","))) for kind, _, names in knows},
        directives=directives,
        unread=unread,
        runs=tuple(_all(facts, "runs")),
        units={name: state for name, _, state in units},
        changes={name: state for name, _, state in changes},
        drop_in="".join(_all(facts, "dropin")),
        first_line=bool(_all(facts, "line")),
    )


def _all(facts: Sequence[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in facts if key == name]
