"""Changes a server's own firewall over SSH: one script, one command for each move, and what the server says to it."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.firewall.addresses import Family
from ink_infra_mcp.core.firewall.ufw import UfwRule, ufw_rules
from ink_infra_mcp.core.host_firewall import firewalld, nftables, ufw
from ink_infra_mcp.core.host_firewall.model import HostFirewall, Manager
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-firewall"
LOOK_S = 90.0
CHANGE_S = 240.0
REVERT_S = 240.0
NEEDED = ("nft", "flock", "timeout", "sha256sum", "systemctl", "systemd-run", "systemd")
NONE, ALTERED, UNKNOWN = "none", "altered", "unknown"
"""What `live` says where there is no table of ours, one that is not as it was loaded, or where it cannot be told."""

_END = "INK-FIREWALL-END-OF-DATA"
_AS_ROOT = 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
_UNCHANGED, _PUT_BACK, _UNSURE = 3, 4, 5
_PASSWORD = re.compile(r"sudo: .*(password|terminal|tty)|not (allowed|in the sudoers)", re.IGNORECASE)
_WORDS = re.compile(r"^ink-firewall: (.+)", re.MULTILINE | re.DOTALL)
_AFTERMATH = {
    _UNCHANGED: "Nothing was changed.",
    _PUT_BACK: "The old firewall is back.",
    _UNSURE: "The switch on the server is still armed, or the firewall is not as it was set.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server says of its own firewall. `live` and `persisted` are digests of `nftables.digest_of`.

    `came_from` is its SSH_CONNECTION. `changes` are those that it still knows, id -> saved, armed, kept or reverted.
    """

    host: str
    uid: int
    came_from: str
    has: frozenset[str]
    manager: Manager
    live: str
    persisted: str
    loaded_at_boot: bool
    changes: dict[str, str]
    ufw_default: str
    ufw_ipv6: bool
    ufw_rules: tuple[UfwRule, ...]
    zones: tuple[str, ...]
    rich_rules: frozenset[str]
    """Of firewalld: `runtime ZONE` or `permanent ZONE`, and the rules as `runtime ZONE RULE`."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what a change needs and the server has not."""
        return tuple(name for name in NEEDED if name not in self.has)

    def is_already(self, firewall: HostFirewall) -> bool:
        """Return whether the firewall is loaded unaltered, lasts over a reboot, and ufw, where it counts, agrees."""
        digest = nftables.digest_of(firewall)
        loaded = self.manager == firewall.manager and (self.live, self.persisted) == (digest, digest)
        settled = not self.ufw_changes(firewall) and not self.firewalld_lacks(firewall)
        return loaded and self.loaded_at_boot and settled

    def ufw_changes(self, firewall: HostFirewall) -> ufw.UfwChanges:
        """Return what ufw has to be told; nothing where it does not keep this firewall."""
        if firewall.manager != "ufw":
            return ufw.UfwChanges()
        return ufw.changes(firewall, self.ufw_rules, default=self.ufw_default)

    def firewalld_lacks(self, firewall: HostFirewall) -> tuple[str, ...]:
        """Return the rules that firewalld has to get, with their zones; none where it does not keep this firewall."""
        if firewall.manager != "firewalld":
            return ()
        return tuple(rule for rule in self._zone_rules(firewall) if rule not in self.rich_rules)

    def _zone_rules(self, firewall: HostFirewall) -> list[str]:
        return [f"{zone} {rule}" for zone in self.zones for rule in firewalld.rich_rules(firewall)]


@dataclass(frozen=True, slots=True)
class Report:
    """What a server says after a move: where the change is, what is loaded, and what was when it was saved."""

    state: str
    manager: str
    live: str
    before: str


async def look(pool: HostPool, host: str) -> Seen:
    """Return what a server says of its own firewall, in one round trip; nothing is changed.

    Raises:
        HostError: it cannot be reached, is not to be had as root, or its answer is not understood.
    """
    said = await _run(pool, host, ("look",), changes=False, timeout_s=LOOK_S)
    try:
        return _seen(host, _lines(said.stdout))
    except (ValueError, KeyError, IndexError) as error:
        raise HostError(
            f"What {host} says of its firewall is not understood: {clean_name(str(error), limit=200)}.",
            host=host,
            next="Look at it by hand: `nft list ruleset` and `ufw status verbose`.",
        ) from error


async def save(pool: HostPool, host: str, change: str, *, manager: Manager, permit: Permit) -> Report:
    """Keep on the server all that a revert needs, once for each change.

    Raises:
        StepFailed: it cannot; nothing was changed.
        HostError: the server cannot be reached.
    """
    script = _script()
    return await _move(pool, host, ("save", change, manager, _sum(script)), permit=permit, data=script)


async def apply(
    pool: HostPool, seen: Seen, change: str, *, firewall: HostFirewall, window_s: int, permit: Permit
) -> Report:
    """Arm the switch that reverts after `window_s` seconds, then load the firewall.

    Raises:
        StepFailed: it was not loaded; `done` says whether the old one is back.
        HostError: the server cannot be reached, or broke off.
    """
    data = payload(firewall, seen.ufw_changes(firewall))
    digest = nftables.digest_of(firewall)
    words = ("set", change, firewall.manager, str(window_s), digest, _sum(data))
    return await _move(pool, seen.host, words, permit=permit, data=data)


async def keep(pool: HostPool, host: str, change: str, *, digest: str, permit: Permit) -> Report:
    """Make what was applied last over a reboot, and disarm the switch.

    Raises:
        StepFailed: the switch has fired, or other rules are loaded than those that were set.
        HostError: the server cannot be reached, or broke off.
    """
    return await _move(pool, host, ("keep", change, digest), permit=permit)


async def revert(pool: HostPool, host: str, change: str, *, permit: Permit) -> Report:
    """Put back what was saved; a server that has done so by itself says so.

    Raises:
        StepFailed: it could not be put back wholly.
        HostError: the server cannot be reached, or broke off.
    """
    return await _move(pool, host, ("revert", change), permit=permit)


def payload(firewall: HostFirewall, told: ufw.UfwChanges) -> str:
    """Return the data of `set`: the table, what ufw is told before and after it, and what firewalld has to let in."""
    rich = firewalld.rich_rules(firewall) if firewall.manager == "firewalld" else ()
    parts = {
        "table": [nftables.render(firewall).rstrip("\n")],
        "ufw_open": _tabbed(told.opens),
        "ufw_close": _tabbed(told.closes),
        "firewalld": list(rich),
    }
    return "".join(f"== {name}\n" + "".join(f"{line}\n" for line in lines) for name, lines in parts.items())


def command(words: Sequence[str], *, as_root: bool, changes: bool, timeout_s: float, data: str = "") -> HostCommand:
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
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=timeout_s, stdin=stdin)


async def _move(pool: HostPool, host: str, words: Sequence[str], *, permit: Permit, data: str = "") -> Report:
    said = await _run(pool, host, words, changes=True, timeout_s=CHANGE_S, permit=permit, data=data)
    facts = _lines(said.stdout)
    change, state = _one(facts, "change").split(" ")
    if change != words[1]:
        raise StepFailed(f"{host} answers for another change.", done=_AFTERMATH[_UNSURE], next="Call again.")
    return Report(state=state, manager=_one(facts, "manager"), live=_one(facts, "live"), before=_one(facts, "before"))


async def _run(
    pool: HostPool,
    host: str,
    words: Sequence[str],
    *,
    changes: bool,
    timeout_s: float,
    permit: Permit | None = None,
    data: str = "",
) -> CommandResult:
    as_root = host not in pool.hosts or pool.hosts[host].ssh_user == "root"
    asked = command(words, as_root=as_root, changes=changes, timeout_s=timeout_s, data=data)
    said = await pool.run(host, asked, permit=permit)
    if said.exit_status != 0:
        raise _refusal(pool, host, words[0], said)
    if not said.stdout.endswith("done\n") or said.truncated:
        raise CommandFailed(
            f"The answer of {host} about its firewall is not whole.",
            host=host,
            done=_AFTERMATH[_UNSURE] if changes else "Nothing was changed.",
            next="Call again.",
        )
    return said


def _refusal(pool: HostPool, host: str, verb: str, said: CommandResult) -> StepFailed | HostError:
    words = pool.presentable(said.stderr, limit=600)
    if said.exit_status not in _AFTERMATH:
        return _not_run(host, words, said.exit_status)
    told = _WORDS.search(words)
    return StepFailed(
        f"{host} did not {verb} its firewall: {clean_name(told[1] if told else words, limit=400)}.",
        done=_AFTERMATH[said.exit_status],
        next="Mend what it says there, then call again.",
        stage="host_firewall",
    )


def _not_run(host: str, words: str, status: int) -> HostError:
    """The script itself ends with few numbers only: with another one it did not run, or not to its end."""
    if _PASSWORD.search(words):
        return HostError(
            f"sudo on {host} does not let our user become root without a password.",
            host=host,
            next='Give the user NOPASSWD in sudoers, or set ssh_user = "root" in fleet.toml.',
        )
    return CommandFailed(
        f"The script that changes the firewall of {host} broke off with status {status}.",
        host=host,
        done="If it had armed its switch, the server puts the old firewall back by itself.",
        next="Look at the firewall with check_firewall, then call again.",
        exit_status=status,
        untrusted_output=words,
    )


def _script() -> str:
    return packaged("firewall/firewall.sh")


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tabbed(commands: Iterable[ufw.Words]) -> list[str]:
    lines = ["\t".join(words) for words in commands]
    if any("\n" in line or line.count("\t") != len(words) - 1 for line, words in zip(lines, commands, strict=True)):
        raise ValueError("a word for ufw holds a tab or the end of a line")
    return lines


def _lines(stdout: str) -> list[tuple[str, str]]:
    parted = (line.partition(" ") for line in stdout.splitlines())
    return [(key, value.strip()) for key, _, value in parted]


def _all(facts: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in facts if key == name]


def _one(facts: list[tuple[str, str]], name: str, otherwise: str | None = None) -> str:
    found = _all(facts, name)
    if not found and otherwise is not None:
        return otherwise
    if len(found) != 1:
        raise ValueError(f"{name} is said {len(found)} times")
    return found[0]


def _seen(host: str, facts: list[tuple[str, str]]) -> Seen:
    changes = (line.split(" ") for line in _all(facts, "change"))
    return Seen(
        host=host,
        uid=int(_one(facts, "uid")),
        came_from=_one(facts, "came_from"),
        has=frozenset(_all(facts, "has")),
        manager=_manager(_one(facts, "manager")),
        live=_one(facts, "live"),
        persisted=_one(facts, "persisted", NONE) or ALTERED,
        loaded_at_boot=bool(_all(facts, "loaded_at_boot")),
        changes={words[0]: words[1] for words in changes},
        ufw_default=_one(facts, "ufw_default", ""),
        ufw_ipv6=_one(facts, "ufw_ipv6", "yes").lower() == "yes",
        ufw_rules=(
            *ufw_rules(_all(facts, "ufw4"), Family.V4),
            *ufw_rules(_all(facts, "ufw6"), Family.V6),
        ),
        zones=tuple(_all(facts, "zone")),
        rich_rules=frozenset(_all(facts, "rich")),
    )


def _manager(text: str) -> Manager:
    match text:
        case "nftables" | "ufw" | "firewalld":
            return text
        case "unknown":
            raise ValueError("ufw or firewalld is installed and does not say whether it is active")
        case _:
            raise ValueError(f"no manager is called {text[:40]!r}")
