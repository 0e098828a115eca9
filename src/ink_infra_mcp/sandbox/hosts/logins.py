"""Answers the scripts that look after logins and the first boot, from the world; they are never run here."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ink_infra_mcp.sandbox.hosts.ways import Came, ssh_connection
from ink_infra_mcp.sandbox.key_pairs import new_key_pair
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_logins import CONFIG, DEFAULTS, HostKeyPair, Logins, SshdChange

UNCHANGED, REVERTED, OTHER = 3, 4, 5
_DATA = re.compile(r"\nmain \"\$@\" <<'(?P<end>[A-Z-]+)'\n(?P<data>.*)(?P=end)\n\Z", re.DOTALL)
_PART = re.compile(r"^== (\w+)\n((?:(?!== ).*\n)*)", re.MULTILINE)
_WORD = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_BLOB = re.compile(r"(?:ssh-[a-z0-9]+|ecdsa-sha2-[a-z0-9]+) +([A-Za-z0-9+/=]{40,})")
_TOOLS = ("sshd", "ssh-keygen", "flock", "timeout", "sha256sum", "systemctl", "systemd-run", "systemd")
_LISTS = ("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms")
_KEYS = "/root/.ssh/authorized_keys"
Said = tuple[int, str, str]
"""The exit status, and what is said on both outputs."""


class _Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def ready_answer(host: HostState, now: float) -> Said:
    """Return what the script says that asks how far the first boot is."""
    logins = host.logins
    busy = now < logins.boot_until
    word = "running" if busy and logins.cloud_init else logins.cloud_init
    lines = [f"cloud_init {1 if word == 'error' else 0} {word}" if word else "cloud_init absent"]
    lines.append(f"boot {'starting' if busy else 'running'}")
    lines += [f"unit {unit} inactive" for unit in ("apt-daily.service", "apt-daily-upgrade.service")]
    lines += ["lock /var/lib/dpkg/lock-frontend apt-get", "runs apt-get"] if busy else []
    return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""


@dataclass(frozen=True, slots=True)
class LoginScript:
    """One call of the script on a server. `now` is the world's time."""

    host: HostState
    words: tuple[str, ...]
    stdin: str
    now: float
    came: Came

    def answer(self) -> Said:
        """Do what is asked and return what the script would say."""
        self.host.logins.settle(self.now)
        verbs: dict[tuple[str, int], Callable[..., Iterator[str]]] = {
            ("look", 3): self._look,
            ("admit", 5): self._admit,
            ("widen", 5): partial(self._sources, adding=True),
            ("narrow", 5): partial(self._sources, adding=False),
            ("remove", 4): self._remove,
            ("make-keys", 3): self._make_keys,
            ("use-keys", 3): self._use_keys,
            ("drop-keys", 3): self._drop_keys,
            ("back-keys", 3): self._back_keys,
            ("set", 6): self._set,
            ("keep", 3): self._keep,
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
            return why.status, "", f"ink-login: {why}\n"
        return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""

    def _look(self, user: str) -> Iterator[str]:
        logins = self.host.logins
        yield "uid 0"
        yield f"came_from {ssh_connection(self.came)}"
        yield from (f"has {tool}" for tool in _TOOLS if tool not in self.host.without)
        said = [f"{keyword} {value}" for keyword, value in logins.says().items()]
        yield from (f"says {line}" for line in said)
        yield from (f"says_us {line}" for line in said)
        yield from (f"knows {name} {DEFAULTS[name]}" for name in _LISTS)
        yield from _told(logins)
        yield from ("unit ssh.service active", "unit sshd.service active")
        yield from ("unit ssh.socket inactive", "unit sshd.socket inactive")
        yield "runs /usr/sbin/sshd -D"
        if logins.drop_in:
            yield f"dropin {_sum(logins.drop_in)}"
        if logins.first_line:
            yield "line yes"
        yield from (f"change {name} {change.state}" for name, change in sorted(logins.changes.items()))

    def _admit(self, user: str, marker: str, total: str) -> Iterator[str]:
        wanted = self._data(total, "the key did not arrive whole").strip()
        keys, state = self._root_keys(user), "there"
        if wanted not in keys:
            blob = _blob(wanted)
            same = [line for line in keys if _blob(line) == blob and not line.endswith(f" {marker}")]
            if same and not (same[0].startswith("ssh-") and wanted.startswith("ssh-")):
                raise _Refused(UNCHANGED, f"{_KEYS} of {user} has this key already, with other limits")
            if same:
                yield from ("key earlier", f"file {_KEYS}")
                return
            keys, state = [*(line for line in keys if not line.endswith(f" {marker}")), wanted], "added"
            self.host.logins.keys = keys
        yield from (f"key {state}", f"file {_KEYS}")

    def _sources(self, user: str, marker: str, total: str, *, adding: bool) -> Iterator[str]:
        """Sources stand in the option `from`, with commas between (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""
        network, keys = self._data(total, "the network did not arrive whole").strip(), self._root_keys(user)
        ours = [line for line in keys if line.startswith('from="') and line.endswith(f" {marker}")]
        state = self._moved(keys, ours[0], network, adding=adding) if ours else "open"
        yield from (f"key {state}", f"file {_KEYS}")

    def _moved(self, keys: list[str], ours: str, network: str, *, adding: bool) -> str:
        held = ours.removeprefix('from="').partition('"')[0].split(",")
        if (network in held) is adding:
            return "there" if adding else "absent"
        left = [network, *held] if adding else [each for each in held if each != network]
        line = ours.replace(f'from="{",".join(held)}"', f'from="{",".join(left)}"')
        self.host.logins.keys = [*(each for each in keys if each != ours), line]
        return "added" if adding else "removed"

    def _remove(self, user: str, marker: str) -> Iterator[str]:
        keys = self._root_keys(user)
        kept = [line for line in keys if not line.endswith(f" {marker}")]
        self.host.logins.keys = kept
        yield from (f"key {'absent' if kept == keys else 'removed'}", f"file {_KEYS}")

    def _root_keys(self, user: str) -> list[str]:
        if user != "root":
            raise _Refused(UNCHANGED, f"there is no user {user}")
        return self.host.logins.keys if self.host.logins.keys is not None else [self.host.login_public_key]

    def _make_keys(self, change: str) -> Iterator[str]:
        logins = self.host.logins
        if change not in logins.made_keys:
            private, public = new_key_pair()
            made = HostKeyPair(private=private, public=" ".join(public.split()[:2]))
            logins.made_keys = {**logins.made_keys, change: made}
        yield f"host_key {logins.made_keys[change].public}"

    def _use_keys(self, change: str) -> Iterator[str]:
        made = self.host.logins.made_keys.get(change)
        if made is None:
            raise _Refused(UNCHANGED, "no host keys were made for this change")
        earlier = HostKeyPair(private=self.host.host_private_key, public=self.host.host_public_key)
        self.host.logins.earlier_keys.setdefault(change, earlier)
        self.host.host_private_key, self.host.host_public_key = made.private, made.public
        yield f"host_key {made.public}"

    def _drop_keys(self, change: str) -> Iterator[str]:
        self.host.logins.made_keys.pop(change, None)
        self.host.logins.earlier_keys.pop(change, None)
        yield from ()

    def _back_keys(self, change: str) -> Iterator[str]:
        if earlier := self.host.logins.earlier_keys.pop(change, None):
            self.host.host_private_key, self.host.host_public_key = earlier.private, earlier.public
        self.host.logins.made_keys.pop(change, None)
        yield from ()

    def _set(self, change: str, seconds: str, first: str, total: str) -> Iterator[str]:
        logins = self.host.logins
        known = logins.changes.get(change)
        if known and known.state == "kept":
            raise _Refused(UNCHANGED, "this change was kept already")
        parts = dict(_PART.findall(self._data(total, "the new settings did not arrive whole")))
        unknown = [name for name in _algorithms(parts["dropin"]) if name not in _known_algorithms()]
        if unknown:
            raise _Refused(UNCHANGED, f"sshd does not take the new settings: Bad SSH2 algorithm '{unknown[0]}'.")
        self._as_wanted(logins.says(trial=parts["dropin"]), parts["expected"], UNCHANGED, "on a copy, ")
        known = known or SshdChange(drop_in_before=logins.drop_in, first_line_before=logins.first_line)
        known.state, known.until = "armed", self.now + int(seconds)
        logins.changes = {**logins.changes, change: known}
        logins.drop_in, logins.first_line = parts["dropin"], logins.first_line or first == "yes"
        try:
            self._as_wanted(logins.says(), parts["expected"], REVERTED, "")
        except _Refused:
            logins.put_back(known)
            raise
        yield f"change {change} armed"

    def _as_wanted(self, says: dict[str, str], expected: str, status: int, where: str) -> None:
        for line in expected.splitlines():
            keyword, _, value = line.partition(" ")
            if says.get(keyword) != value:
                raise _Refused(status, f"{where}sshd does not say: {line}")

    def _keep(self, change: str) -> Iterator[str]:
        known = self.host.logins.changes.get(change)
        if known is None:
            raise _Refused(UNCHANGED, "nothing was set for this change")
        if known.state == "reverted":
            words = "the switch has put the earlier settings back, since the change was not kept in time"
            raise _Refused(REVERTED, words)
        known.state = "kept"
        yield f"change {change} kept"

    def _revert(self, change: str) -> Iterator[str]:
        logins = self.host.logins
        known = logins.changes.get(change)
        if change == "original":
            logins.drop_in, logins.first_line = "", False
            yield "change original reverted"
            return
        if known and known.state != "reverted":
            logins.put_back(known)
        yield f"change {change} {known.state if known else 'none'}"

    def _data(self, total: str, otherwise: str) -> str:
        found = _DATA.search(self.stdin)
        data = found["data"] if found else ""
        if _sum(data) != total:
            raise _Refused(UNCHANGED, otherwise)
        return data


def lets_in(logins: Logins, key: str, *, world_key: str) -> bool:
    """Return whether root comes in with a public key, from where the pretend people are."""
    lines = [world_key] if logins.keys is None else logins.keys
    return any(_blob(line) == _blob(key) and not line.startswith(("from=", "#")) for line in lines)


def takes_password(logins: Logins) -> bool:
    """Return whether sshd offers that root may give a password: with prohibit-password it is asked for, and refused."""
    return logins.says()["passwordauthentication"] == "yes"


def is_password(logins: Logins, given: str) -> bool:
    """Return whether root comes in with that password."""
    return bool(logins.password) and given == logins.password and logins.says()["permitrootlogin"] == "yes"


def _told(logins: Logins) -> Iterator[str]:
    yield "in /etc/ssh/sshd_config"
    if logins.first_line:
        yield "at Include /etc/ssh/sshd_config.d/00-ink-infra.conf"
        yield from _file("00-ink-infra.conf", logins.drop_in.splitlines())
    for line in CONFIG:
        yield f"at {line}"
        if line.startswith("Include"):
            for name, lines in logins.files():
                yield from _file(name, lines)
    yield "out"


def _file(name: str, lines: list[str]) -> Iterator[str]:
    yield f"in /etc/ssh/sshd_config.d/{name}"
    yield from (f"at {line}" for line in lines)
    yield "out"


def _algorithms(drop_in: str) -> Iterator[str]:
    for line in drop_in.splitlines():
        keyword, _, value = line.partition(" ")
        if keyword.lower() in _LISTS:
            yield from value.split(",")


def _known_algorithms() -> frozenset[str]:
    return frozenset(name for keyword in _LISTS for name in DEFAULTS[keyword].split(","))


def _blob(line: str) -> str:
    found = _BLOB.search(line)
    return found[1] if found else ""


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
