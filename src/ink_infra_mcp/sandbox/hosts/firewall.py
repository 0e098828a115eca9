"""Answers the script that changes a server's own firewall, from the world; the script itself is never run here."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.hosts.nft_text import NotNft, read_tables
from ink_infra_mcp.sandbox.hosts.ufw_told import NotUfw, tell_ufw
from ink_infra_mcp.sandbox.hosts.ways import Came, ssh_connection
from ink_infra_mcp.sandbox.state_hosts import FirewallChange, Firewalld, HostFirewall, HostState, Ufw

UNCHANGED, REVERTED, OTHER = 3, 4, 5
_DATA = re.compile(r"\nmain \"\$@\" <<'(?P<end>[A-Z-]+)'\n(?P<data>.*)(?P=end)\n\Z", re.DOTALL)
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_DIGEST = re.compile(r'"ink-infra ([0-9a-f]+)"')
_NEEDED = ("nft", "flock", "timeout", "sha256sum", "systemctl", "systemd-run")
_TOP = "/var/lib/ink-infra/firewall"
_EMPTIED = "add table inet ink\ndelete table inet ink\n"
_PART = re.compile(r"^== (\w+)\n((?:(?!== ).*\n)*)", re.MULTILINE)
Said = tuple[int, str, str]
"""The exit status, and what is said on both outputs."""


class _Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, slots=True)
class FirewallScript:
    """One call of the script on a server. `now` is the world's time."""

    host: HostState
    words: tuple[str, ...]
    stdin: str
    now: float
    came: Came

    def answer(self) -> Said:
        """Do what is asked and return what the script would say."""
        self.host.firewall.settle(self.now)
        verbs: dict[tuple[str, int], Callable[..., Iterator[str]]] = {
            ("look", 2): self._look,
            ("save", 5): self._save,
            ("set", 7): self._set,
            ("keep", 4): self._keep,
            ("revert", 3): self._revert,
        }
        try:
            verb = verbs.get((self.words[1] if len(self.words) > 1 else "", len(self.words)))
            if not all(map(_WORD.fullmatch, self.words[2:])):
                raise _Refused(UNCHANGED, "a word of the command is not one")
            if verb is None:
                raise _Refused(UNCHANGED, "this is not how it is called")
            lines = list(verb(*self.words[2:]))
        except _Refused as why:
            return why.status, "", f"ink-firewall: {why}\n"
        return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""

    def _look(self) -> Iterator[str]:
        firewall = self.host.firewall
        yield "uid 0"
        yield f"came_from {ssh_connection(self.came)}"
        yield from (f"has {tool}" for tool in self._tools())
        yield from (f"manager {firewall.manager}", f"live {self._live()}")
        if firewall.file:
            yield f"persisted {_digest(firewall.file)}"
            yield "loaded_at_boot yes"
        yield from (f"change {name} {change.state}" for name, change in sorted(firewall.changes.items()))
        yield from _look_at_manager(firewall)

    def _save(self, change: str, manager: str, total: str) -> Iterator[str]:
        self._ready(change)
        if change not in self.host.firewall.changes:
            self._write_down(change, manager, total)
        yield from self._report(change)

    def _write_down(self, change: str, manager: str, total: str) -> None:
        """Keep what a revert needs; changes that are over are forgotten."""
        firewall = self.host.firewall
        firewall.changes = {name: one for name, one in firewall.changes.items() if one.state in {"saved", "armed"}}
        self._kept_by(manager)
        self._data(total, "what a revert needs could not be written down; is the disk full or read-only?")
        new = FirewallChange(
            manager=manager,
            before=self._live(),
            table_before=firewall.table,
            loaded_before=firewall.loaded,
            file_before=firewall.file,
            ufw_before=firewall.ufw.model_copy(deep=True) if manager == "ufw" and firewall.ufw else None,
        )
        firewall.changes = {**firewall.changes, change: new}

    def _set(self, change: str, manager: str, seconds: str, digest: str, total: str) -> Iterator[str]:
        self._ready(change)
        known = self._known(change)
        if known.state == "kept":
            raise _Refused(UNCHANGED, "this change was kept already")
        parts = dict(_PART.findall(self._data(total, "the new rules did not arrive whole")))
        if known.manager != manager:
            raise _Refused(UNCHANGED, f"this firewall is not kept by {manager} any more")
        self._kept_by(manager)
        table = parts["table"].removeprefix(_EMPTIED)
        try:
            read_tables(table)
        except (NotNft, ValueError) as why:
            raise _Refused(UNCHANGED, f"nft does not take the new rules: {why}") from why
        known.state, known.until = "armed", self.now + int(seconds)
        self._apply(known, table, parts)
        if self._live() != digest:
            self._undo(known, "the new rules are not there after they were loaded: it did not do as told")
        yield from self._report(change)

    def _apply(self, known: FirewallChange, table: str, parts: dict[str, str]) -> None:
        """Openings first, then our table, then closings."""
        firewall = self.host.firewall
        self._tell_ufw(known, parts["ufw_open"], "ufw does not open what it has to")
        if firewall.firewalld:
            _add_rich(known, "runtime", firewall.firewalld.runtime, parts["firewalld"].splitlines())
        firewall.table = firewall.loaded = table
        self._tell_ufw(known, parts["ufw_close"], "ufw does not close what it has to")

    def _tell_ufw(self, known: FirewallChange, lines: str, what: str) -> None:
        for line in lines.splitlines():
            try:
                tell_ufw(self.host.firewall.ufw or Ufw(), line.split("\t"))
            except NotUfw as why:
                self._undo(known, f"{what}: ufw {line.replace(chr(9), ' ')}: ERROR: {why}")

    def _undo(self, known: FirewallChange, words: str) -> None:
        self.host.firewall.put_back(known)
        raise _Refused(REVERTED, words)

    def _keep(self, change: str, digest: str) -> Iterator[str]:
        self._ready(change)
        known = self.host.firewall.changes.get(change, FirewallChange())
        if known.state == "reverted":
            raise _Refused(REVERTED, "the switch has put the old firewall back, since the change was not kept in time")
        if known.state == "saved":
            raise _Refused(UNCHANGED, "nothing was set for this change")
        self._still_as_set(known, digest)
        if known.state == "armed":
            self._make_it_last(known)
        yield from self._report(change)

    def _still_as_set(self, known: FirewallChange, digest: str) -> None:
        if self._live() != digest:
            raise _Refused(OTHER, "the rules that are loaded are not those that were set")
        if self.host.firewall.manager != known.manager:
            raise _Refused(OTHER, "another program keeps this firewall now")

    def _make_it_last(self, known: FirewallChange) -> None:
        firewall = self.host.firewall
        firewall.file, known.state = firewall.table, "kept"
        if firewall.firewalld:
            added = [words.removeprefix("runtime ") for words in known.added if words.startswith("runtime ")]
            _add_rich(known, "permanent", firewall.firewalld.permanent, added)

    def _revert(self, change: str) -> Iterator[str]:
        self._ready(change)
        known = self._known(change)
        if known.state != "reverted":
            self.host.firewall.put_back(known)
        yield from self._report(change)

    def _tools(self) -> Iterator[str]:
        firewall = self.host.firewall
        managers = (("ufw", firewall.ufw), ("firewall-cmd", firewall.firewalld))
        there = (*_NEEDED, *(name for name, manager in managers if manager), "systemd")
        yield from (name for name in there if name not in self.host.without)

    def _ready(self, change: str) -> None:
        """Refuse where a program is missing, or another change is on probation."""
        missing = [tool for tool in _NEEDED if tool in self.host.without]
        if missing:
            raise _Refused(UNCHANGED, f"there is no {missing[0]} here")
        self._alone(change)

    def _alone(self, change: str) -> None:
        armed = [name for name, one in self.host.firewall.changes.items() if one.state == "armed"]
        others = sorted({*armed} - {change})
        if others:
            raise _Refused(UNCHANGED, f"the change {_TOP}/{others[0]} is still in its time of probation")

    def _kept_by(self, manager: str) -> None:
        if self.host.firewall.manager != manager:
            raise _Refused(UNCHANGED, f"this firewall is not kept by {manager} any more")

    def _known(self, change: str) -> FirewallChange:
        if change not in self.host.firewall.changes:
            raise _Refused(UNCHANGED, "nothing was saved for this change")
        return self.host.firewall.changes[change]

    def _data(self, total: str, otherwise: str) -> str:
        found = _DATA.search(self.stdin)
        if found is None or hashlib.sha256(found["data"].encode()).hexdigest() != total:
            raise _Refused(UNCHANGED, otherwise)
        return found["data"]

    def _report(self, change: str) -> Iterator[str]:
        firewall = self.host.firewall
        yield f"change {change} {firewall.changes[change].state}"
        yield f"manager {firewall.manager}"
        yield f"live {self._live()}"
        yield f"before {firewall.changes[change].before}"

    def _live(self) -> str:
        firewall = self.host.firewall
        if "nft" in self.host.without:
            return "unknown"
        return _digest(firewall.table) if firewall.table in {"", firewall.loaded} else "altered"


def _digest(table: str) -> str:
    if not table:
        return "none"
    found = set(_DIGEST.findall(table))
    return found.pop() if len(found) == 1 else "altered"


def _add_rich(known: FirewallChange, lasting: str, rules: list[str], wanted: list[str]) -> None:
    """Give firewalld the rules that it has not, and remember which those were."""
    new = [rule for rule in wanted if rule not in rules]
    rules += new
    known.added = [*known.added, *(f"{lasting} {rule}" for rule in new)]


def _look_at_manager(firewall: HostFirewall) -> Iterator[str]:
    if firewall.manager == "ufw" and firewall.ufw:
        yield from _look_at_ufw(firewall.ufw)
    if firewall.manager == "firewalld" and firewall.firewalld:
        yield from _look_at_firewalld(firewall.firewalld)


def _look_at_ufw(ufw: Ufw) -> Iterator[str]:
    yield from ("ufw_ipv6 yes", f"ufw_default {ufw.default}")
    yield from (f"ufw4 ### tuple ### {rule}" for rule in ufw.rules4)
    yield from (f"ufw6 ### tuple ### {rule}" for rule in ufw.rules6)


def _look_at_firewalld(firewalld: Firewalld) -> Iterator[str]:
    for lasting, rules in (("runtime", firewalld.runtime), ("permanent", firewalld.permanent)):
        yield f"zone {lasting} {firewalld.zone}"
        yield from (f"rich {lasting} {firewalld.zone} {rule}" for rule in rules)
