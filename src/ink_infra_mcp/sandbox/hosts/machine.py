"""Answers the scripts that read and change what a server is made of, from the world; neither is ever run here."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_machine import Made

UNCHANGED, BACK, UNSURE = 3, 4, 5
Said = tuple[int, str, str]
_DATA = re.compile(r"\nmain \"\$@\" <<'(?P<end>[A-Z-]+)'\n(?P<data>.*)(?P=end)\n\Z", re.DOTALL)
_SETTING = re.compile(r"^([A-Za-z0-9_.-]+) ?= ?(.*)$", re.MULTILINE)
_APT = re.compile(r'^([A-Za-z0-9:_-]+) "(.*)";$', re.MULTILINE)
KEYS = {
    "https://download.docker.com/linux/debian/gpg": "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
    "https://download.docker.com/linux/ubuntu/gpg": "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
    "https://gvisor.dev/archive.key": "6F1DF85E3A71C24918E727D56FC6D554E32BD943",
}
"""What Docker's and gVisor's pages say of their keys."""
ARCHIVE = {"nftables": "1.0.6-2+deb12u2", "unattended-upgrades": "2.9.1+nmu3", "docker.io": "20.10.24+dfsg1-1+deb12u1"}
"""What the distribution offers beside what is installed."""
FROM_DOCKER = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
LATEST = "2.3.6-1~debian.12~bookworm"


class _Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def look(host: HostState, words: tuple[str, ...]) -> Said:
    """Answer the script that reads; its words are its mark, the marker of its sections, and what is asked for."""
    marker, asked = words[1], [(kind, name) for kind, _, name in (word.partition("=") for word in words[2:])]
    lines: list[str] = []
    for name, text in _sections(host, asked):
        lines += [f"{marker} begin {name}", text, f"{marker} end {name} 0"]
    return 0, "".join(f"{line}\n" for line in (*lines, f"{marker} done")), ""


def audit(host: HostState, words: tuple[str, ...]) -> Said:
    """Answer the script that asks auditors: each says what the world has of it, and one of which it has nothing is not
    installed; a run of lynis and its kept report are one.
    """
    marker = words[1]
    lines = [
        f"{marker} begin {name}\n{host.audits.get(name, '')}\n{marker} end {name} {0 if name in host.audits else 127}"
        for name in ("lynis", "ssh_audit")
    ]
    return 0, "".join(f"{line}\n" for line in (*lines, f"{marker} done")), ""


def _sections(host: HostState, asked: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    made = host.made
    names = {kind: [name for what, name in asked if what == kind] for kind in ("package", "sysctl", "unit")}
    yield from _size(host)
    yield (
        "packages",
        "\n".join(_package(made, name) for name in names["package"] if name in {*made.packages, *made.broken}),
    )
    yield "broken", "".join(f" {name:<20} made by the world\n" for name in made.broken)
    yield "held", "\n".join(made.held)
    yield "sysctls", "\n".join(f"{name} {made.sysctls.get(name, 'none')}" for name in names["sysctl"])
    yield "units", "\n".join(f"{name} {made.units.get(name, 'not-found inactive')}" for name in names["unit"])
    yield "apt", "\n".join(f'{name} "{value}";' for name, value in made.apt.items())
    yield "journal", "[Journal]\n" + "\n".join(f"{name}={value}" for name, value in made.journald.items())
    yield from _apt_files(made)
    yield from _engines(host)


def _size(host: HostState) -> Iterator[tuple[str, str]]:
    yield from (("user", "0"), ("os", f'ID={host.os_id}\nVERSION_ID="{host.os_version}"'), ("arch", host.made.arch))
    yield from (("kernel", host.kernel), ("cpus", str(host.cpus)))
    yield "memory", f"MemTotal:       {host.memory_bytes // 1024} kB"
    swap = f"/swapfile.ink-infra file {host.made.swap_mib * 1024} 0 -2" if host.made.swap_mib else ""
    yield "swaps", f"Filename Type Size Used Priority\n{swap}"
    size, used = host.disk_bytes // 1024, host.disk_used_bytes // 1024
    yield "disk", f"Filesystem 1024-blocks Used\n/dev/sda1 {size} {used} {size - used} 1% /"


def _apt_files(made: Made) -> Iterator[tuple[str, str]]:
    files = {**made.files, **({"/etc/docker/daemon.json": made.daemon} if made.daemon else {})}
    yield "files", "\n".join(f"{_digest(text)} {path}" for path, text in files.items())
    yield "keys", "\n".join(f"{name} {fingerprint}" for name, fingerprint in made.checked.items())
    listed = [
        (path, text.splitlines()) for path, text in made.files.items() if path.startswith("/etc/apt/sources.list")
    ]
    yield (
        "sources",
        "\n".join(line for path, text in listed for line in (f"file {path}", *(f"| {one}" for one in text))),
    )


def _engines(host: HostState) -> Iterator[tuple[str, str]]:
    made = host.made
    yield "daemon", made.daemon
    yield "docker", _engine(host) if host.docker_version else ""
    yield "proxy", next((one.image for one in host.containers if one.name == "coolify-proxy"), "")
    yield "runsc", f"runsc version {host.runsc_version}\nspec: 1.1.0-rc.1" if host.runsc_version else ""
    yield from (("snap", "/snap/bin/docker" if made.snap else ""), ("routes", "\n".join(made.routes)))
    yield "kept", "\n".join(made.kept)


def _package(made: Made, name: str) -> str:
    if name in made.broken:
        return f"{name} {ARCHIVE.get(name, '1')} half-configured install"
    return f"{name} {made.packages[name]} installed {'hold' if name in made.held else 'install'}"


def _engine(host: HostState) -> str:
    running = sum(one.state == "running" for one in host.containers)
    return json.dumps({
        "version": host.docker_version,
        "live_restore": host.made.live_restore,
        "runtimes": {name: {"path": name} for name in host.runtimes},
        "swarm": "inactive",
        "root": "/var/lib/docker",
        "running": running,
    })  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MachineScript:
    """One call of the script that changes a server; `stdin` is the script with its data behind it."""

    host: HostState
    words: tuple[str, ...]
    stdin: str

    def answer(self) -> Said:
        """Do what is asked and return what the script would say."""
        verbs: dict[str, Callable[..., Iterator[str]]] = {
            "finish": self._finish,
            "install": self._install,
            "remove": self._remove,
            "repository": self._repository,
            "files": self._files,
            "units": self._units,
            "swap": self._swap,
            "daemon": self._daemon,
            "prove": self._prove,
            "restore": self._restore,
            "restore-all": self._restore_all,
        }
        try:
            if self.words[1] not in verbs:
                raise _Refused(UNCHANGED, f"there is no {self.words[1]}")
            lines = list(verbs[self.words[1]](*self.words[4:]))
        except _Refused as why:
            return why.status, "", f"ink-change: {why}\n"
        return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""

    @property
    def _made(self) -> Made:
        return self.host.made

    @property
    def _key(self) -> str:
        return f"{self.words[2]}-{self.words[3]}"

    def _keep(self, *fields: str) -> None:
        if self._key not in self._made.kept:
            whole = self._made.model_dump(mode="json")
            self._made.kept[self._key] = {name: whole[name] for name in fields}

    def _finish(self) -> Iterator[str]:
        self._finish_all()
        yield from ()

    def _finish_all(self) -> None:
        for name in self._made.broken:
            self._made.packages[name] = ARCHIVE.get(name, "1")
        self._made.broken = []

    def _install(self, how: str, *wanted: str) -> Iterator[str]:
        self._finish_all()
        self._keep("packages", "held")
        for word in wanted:
            name, _, version = word.partition("=")
            there = self._version(name, version)
            self._made.packages[name] = there
            if how == "hold" and name not in self._made.held:
                self._made.held.append(name)
            yield f"package {name} {there}"
        self._settle()

    def _version(self, name: str, version: str) -> str:
        made = self._made
        if name in made.packages and version in {"", made.packages[name]}:
            return made.packages[name]
        source = "docker" if name in FROM_DOCKER else "gvisor" if name == "runsc" else ""
        if source and f"/etc/apt/sources.list.d/{source}.sources" not in made.files:
            raise _Refused(UNSURE, f"apt did not install {name}={version}: E: Unable to locate package {name}")
        if not source and name not in ARCHIVE:
            raise _Refused(UNSURE, f"apt did not install {name}: E: Unable to locate package {name}")
        if source == "docker" and "docker.io" in made.packages:
            raise _Refused(
                UNSURE, f"apt did not install {name}: E: Packages need to be removed but remove is disabled."
            )
        return version or ARCHIVE.get(name, LATEST)

    def _remove(self, *names: str) -> Iterator[str]:
        self._keep("packages", "held")
        for name in names:
            self._made.packages.pop(name, None)
            yield f"removed {name}"
        self._settle()

    def _settle(self) -> None:
        """Docker and gVisor are what their packages are."""
        packages = self._made.packages
        engine = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)", packages.get("docker-ce", packages.get("docker.io", "")))
        self.host.docker_version = engine[1] if engine else ""
        self.host.runsc_version = f"release-{packages['runsc']}" if "runsc" in packages else ""

    def _repository(self, name: str, key: str, fingerprint: str, *others: str) -> Iterator[str]:
        if KEYS.get(key) != fingerprint:
            raise _Refused(UNCHANGED, f"the key from {key} is not {fingerprint} but {KEYS.get(key, 'none')}")
        self._keep("files", "checked")
        path = f"/etc/apt/sources.list.d/{name}.sources"
        self._made.files[path] = self._data()
        for other in others:
            self._made.files.pop(other, None)
        self._made.checked[name] = fingerprint
        yield from (f"fingerprint {fingerprint}", f"sources {_digest(self._made.files[path])}")

    def _files(self, reload: str) -> Iterator[str]:
        made = self._made
        self._keep("files", "sysctls", "journald", "apt")
        for line in self._data().splitlines():
            path, digest, data = line.split(" ")
            text = base64.b64decode(data).decode()
            if _digest(text) != digest:
                raise _Refused(UNCHANGED, f"{path} did not arrive whole")
            made.files[path] = text
            made.apt.update(_APT.findall(text))
            target = {"sysctl": made.sysctls, "journald": made.journald}.get(reload, {})
            target.update(_SETTING.findall(text))
            yield f"file {path} {digest}"

    def _units(self, *names: str) -> Iterator[str]:
        self._keep("units")
        for name in names:
            self._made.units[name] = "enabled active"
            yield f"unit {name} enabled active"

    def _swap(self, mib: str) -> Iterator[str]:
        self._keep("swap_mib")
        self._made.swap_mib = int(mib)
        yield "swap /swapfile.ink-infra"

    def _daemon(self, digest: str) -> Iterator[str]:
        made, text = self._made, base64.b64decode(self._data()).decode()
        settings: dict[str, JsonValue] = json.loads(text)
        if digest not in {_digest(made.daemon) if made.daemon else "none", _digest(text)}:
            raise _Refused(UNCHANGED, "/etc/docker/daemon.json was changed by somebody else meanwhile")
        self._keep("daemon", "live_restore")
        made.daemon, made.live_restore = text, settings.get("live-restore") is True
        runtimes = settings.get("runtimes")
        self.host.runtimes = ["runc", *(runtimes if isinstance(runtimes, dict) else ())]
        yield f"daemon {_digest(text)}"

    def _prove(self, image: str) -> Iterator[str]:
        del image
        if "runsc" not in self.host.runtimes:
            raise _Refused(UNCHANGED, "no container starts under it: unknown or invalid runtime name: runsc")
        yield from ("kernel gVisor", f"runsc {self.host.runsc_version}")

    def _restore(self) -> Iterator[str]:
        yield f"restored {self._key if self._given_back(self._key) else 'nothing'}"

    def _restore_all(self) -> Iterator[str]:
        for key in reversed([*self._made.kept]):
            self._given_back(key)
            yield f"restored {key}"

    def _given_back(self, key: str) -> bool:
        before = self._made.kept.pop(key, None)
        for name, value in (before or {}).items():
            setattr(self._made, name, value)
        self._settle()
        return before is not None

    def _data(self) -> str:
        found = _DATA.search(self.stdin)
        if found is None:
            raise _Refused(UNCHANGED, "nothing arrived")
        return found["data"]
