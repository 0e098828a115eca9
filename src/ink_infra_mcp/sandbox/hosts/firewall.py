"""Answers the script that changes a server's own firewall, from the world; the script itself is never run here."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.hosts.nft_text import NotNft, read_table
from ink_infra_mcp.sandbox.hosts.ways import CLIENT, ssh_connection
from ink_infra_mcp.sandbox.state_hosts import FirewallChange, HostState

UNCHANGED, REVERTED, OTHER = 3, 4, 5
_DATA = re.compile(r"\nmain \"\$@\" <<'(?P<end>[A-Z-]+)'\n(?P<data>.*)(?P=end)\n\Z", re.DOTALL)
_DIGEST = re.compile(r'"ink-infra ([0-9a-f]+)"')
_TOOLS = ("nft", "flock", "timeout", "sha256sum", "systemctl", "systemd-run", "systemd")
_EMPTIED = "add table inet ink\ndelete table inet ink\n"
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
            if verb is None:
                raise _Refused(UNCHANGED, "this is not how it is called")
            lines = list(verb(*self.words[2:]))
        except _Refused as why:
            return why.status, "", f"ink-firewall: {why}\n"
        return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""

    def _look(self) -> Iterator[str]:
        firewall = self.host.firewall
        yield "uid 0"
        yield f"came_from {ssh_connection(self.host, CLIENT)}"
        yield from (f"has {tool}" for tool in _TOOLS)
        yield from ("card eth0 ", "card lo ", "uplink eth0", "manager nftables", f"live {_digest(firewall.table)}")
        if self.host.docker_version:
            yield "bridge docker0 "
        if firewall.file:
            yield f"persisted {_digest(firewall.file)}"
            yield "loaded_at_boot yes"
        yield from (f"change {name} {change.state}" for name, change in sorted(firewall.changes.items()))

    def _save(self, change: str, manager: str, total: str) -> Iterator[str]:
        self._alone(change)
        firewall = self.host.firewall
        if change not in firewall.changes:
            if manager != "nftables":
                raise _Refused(UNCHANGED, f"this firewall is not kept by {manager} any more")
            self._data(total, "what a revert needs could not be written down")
            others = {name: one for name, one in firewall.changes.items() if one.state in {"saved", "armed"}}
            new = FirewallChange(table_before=firewall.table, file_before=firewall.file)
            firewall.changes = {**others, change: new}
        yield from self._report(change)

    def _set(self, change: str, manager: str, seconds: str, digest: str, total: str) -> Iterator[str]:
        self._alone(change)
        known = self._known(change)
        if known.state == "kept":
            raise _Refused(UNCHANGED, "this change was kept already")
        parts = dict(
            re.findall(r"^== (\w+)\n((?:(?!== ).*\n)*)", self._data(total, "did not arrive whole"), re.MULTILINE)
        )
        if manager != "nftables" or any(parts[name] for name in parts if name != "table"):
            raise _Refused(UNCHANGED, f"this firewall is not kept by {manager} any more")
        table = parts["table"].removeprefix(_EMPTIED)
        try:
            read_table(table)
        except (NotNft, ValueError) as why:
            raise _Refused(UNCHANGED, f"nft does not take the new rules: {why}") from why
        self.host.firewall.table = table
        known.state, known.until = "armed", self.now + int(seconds)
        if _digest(table) != digest:
            self.host.firewall.put_back(known)
            raise _Refused(REVERTED, "the new rules are not there after they were loaded")
        yield from self._report(change)

    def _keep(self, change: str, digest: str) -> Iterator[str]:
        self._alone(change)
        known, firewall = self._known(change), self.host.firewall
        if known.state == "reverted":
            raise _Refused(REVERTED, "the switch has put the old firewall back, since the change was not kept in time")
        if known.state == "saved":
            raise _Refused(UNCHANGED, "nothing was set for this change")
        if _digest(firewall.table) != digest:
            raise _Refused(OTHER, "the rules that are loaded are not those that were set")
        firewall.file, known.state = firewall.table, "kept"
        yield from self._report(change)

    def _revert(self, change: str) -> Iterator[str]:
        self._alone(change)
        known = self._known(change)
        if known.state != "reverted":
            self.host.firewall.put_back(known)
        yield from self._report(change)

    def _alone(self, change: str) -> None:
        for name, other in self.host.firewall.changes.items():
            if name != change and other.state == "armed":
                raise _Refused(UNCHANGED, f"the change {name} is still in its time of probation")

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
        yield "manager nftables"
        yield f"live {_digest(firewall.table)}"
        yield f"before {_digest(firewall.changes[change].table_before)}"


def _digest(table: str) -> str:
    if not table:
        return "none"
    found = set(_DIGEST.findall(table))
    return found.pop() if len(found) == 1 else "altered"
