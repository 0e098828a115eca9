"""What a server lacks of its baseline: refused, warned of, or to be mended; with what is there and what shall be."""

from collections.abc import Iterator

from ink_infra_mcp.core.baseline import daemon, engines, repositories
from ink_infra_mcp.core.baseline.engines import EngineWanted
from ink_infra_mcp.core.baseline.files import FileWanted, RepositoryWanted, files_of, repository_of
from ink_infra_mcp.core.baseline.machine import Engine, Machine
from ink_infra_mcp.core.baseline.policy import Baseline, Part, Role
from ink_infra_mcp.core.plan import Change, Frozen, JsonObject
from ink_infra_mcp.core.shapes import table

GIB = 2**30
ARCHITECTURES = ("amd64", "arm64")
UPGRADES = "unattended-upgrades"
_ORIGINS = ("Unattended-Upgrade::Origins-Pattern::", "Unattended-Upgrade::Allowed-Origins::")
_ALWAYS = ("os_id", "os_version", "arch", "kernel", "cpus", "memory_bytes", "disk_bytes")
_FACTS: dict[Part, tuple[str, ...]] = {
    "packages": ("packages", "broken"),
    "time": ("packages", "units"),
    "updates": ("packages", "units", "apt", "files"),
    "swap": ("swap_bytes",),
    "kernel": ("sysctls", "files"),
    "journal": ("journal", "files"),
    "docker": ("packages", "broken", "files", "keys", "sources", "daemon", "snap", "routes"),
    "gvisor": ("packages", "broken", "files", "keys", "sources", "daemon", "runsc"),
}
"""What has to be known before a part is judged: what is not known is never fine."""


class Wanted(Frozen):
    """What is asked of one server beside the policy.

    `networks` are those in use elsewhere in the fleet, which Docker must not take. `traefik` is the version of its
    proxy: empty where it has none yet, None where that is not known. `settings` go into Docker's settings beside the
    policy's; `parts` are those that are looked at, None: all of the role's.
    """

    role: Role
    networks: tuple[str, ...] = ()
    traefik: str | None = ""
    settings: JsonObject = {}
    parts: tuple[Part, ...] | None = None


class Finding(Frozen):
    """One thing that is not as the baseline says; `now` is None where nothing is there."""

    part: Part
    name: str
    now: str | None
    wanted: str
    why: str = ""


class Judgement(Frozen):
    """What a server lacks. With a refusal nothing may be planned; warnings stand in every plan.

    The fields behind `findings` say the same for the steps: what is to be installed, written, run or taken away.
    """

    host: str
    role: Role
    parts: tuple[Part, ...]
    known: bool = True
    """Whether all was read that has to be; else the refusals say what was not, and nothing else is judged."""
    findings: tuple[Finding, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    files: tuple[FileWanted, ...] = ()
    swap_mib: int = 0
    foreign: tuple[str, ...] = ()
    repositories: tuple[RepositoryWanted, ...] = ()
    docker: EngineWanted | None = None
    gvisor: EngineWanted | None = None
    settings: JsonObject | None = None
    """What Docker's settings shall have, where something of it is missing there."""
    settings_first: bool = False
    """Whether the Docker that is there takes them before it is upgraded: it checks them from 23 on."""
    changes: tuple[Change, ...] = ()
    image: str = ""
    """With which the kernel of a container is proved, where Docker or gVisor is touched."""

    @property
    def is_already_so(self) -> bool:
        """Return whether nothing differs and nothing is refused."""
        return not self.findings and not self.refusals

    @property
    def touches_docker(self) -> bool:
        """Return whether Docker is installed anew, or restarted."""
        return bool(self.foreign or self.docker or self.settings is not None)


def judge(machine: Machine, baseline: Baseline, wanted: Wanted) -> Judgement:
    """Return what a server lacks of the baseline of its role."""
    role_parts = baseline.parts_of(wanted.role)
    asked = frozenset[str](role_parts if wanted.parts is None else wanted.parts)
    parts: tuple[Part, ...] = tuple(part for part in role_parts if str(part) in asked)
    first = Judgement(host=machine.host, role=wanted.role, parts=parts)
    if unknown := (*_unknown(machine, parts),):
        return first.model_copy(update={"known": False, "refusals": unknown})
    refusals = (*_unsupported(machine, baseline), *_too_small(machine, baseline, wanted.role, least=True))
    if refusals:
        return first.model_copy(update={"refusals": refusals})
    return _Judging(machine, baseline, wanted, parts).judgement()


def _unknown(machine: Machine, parts: tuple[Part, ...]) -> Iterator[str]:
    needed = dict.fromkeys((*_ALWAYS, *(fact for part in parts for fact in _FACTS[part])))
    for fact in needed:
        if getattr(machine, fact) is None:
            why = machine.unknown.get(fact, "it was not read")
            yield f"{fact.replace('_', ' ')} of {machine.host} is not known: {why}"
    if "docker" in parts and machine.engine is None and "engine" in machine.unknown and machine.has("docker-ce"):
        yield f"Docker on {machine.host} does not answer: {machine.unknown['engine']}"


def _unsupported(machine: Machine, baseline: Baseline) -> Iterator[str]:
    if machine.release not in baseline.releases:
        yield f"{machine.host} runs {machine.release}; supported are {', '.join(baseline.releases)}"
    if machine.arch not in ARCHITECTURES:
        yield f"{machine.host} is of architecture {machine.arch}; supported are {', '.join(ARCHITECTURES)}"


def _too_small(machine: Machine, baseline: Baseline, role: Role, *, least: bool) -> Iterator[str]:
    spec = baseline.specs.get(role)
    if spec is None:
        return
    have = {
        "CPUs": (machine.cpus or 0, spec.cpus, ""),
        "memory": ((machine.memory_bytes or 0) / GIB, spec.memory, " GiB"),
        "disk": ((machine.disk_bytes or 0) / GIB, spec.disk, " GiB"),
    }
    bound, words = (0, "needs at least") if least else (1, "is recommended to have")
    for name, (there, bounds, unit) in have.items():
        if there < bounds[bound]:
            yield f"{machine.host} has {there:.3g}{unit} of {name}; a {role} {words} {bounds[bound]}{unit}"


def _stale(engine: Engine, settings: JsonObject) -> Iterator[tuple[str, str, str]]:
    lost = [name for name in sorted(table(settings.get("runtimes"))) if name not in engine.runtimes]
    if lost:
        yield "runtimes", ", ".join(engine.runtimes), f"with {', '.join(lost)}"
    if settings.get("live-restore") is True and not engine.live_restore:
        yield "live-restore", "false", "true"


class _Judging:
    """Collects what differs, part by part, of a server that is supported and known."""

    def __init__(self, machine: Machine, baseline: Baseline, wanted: Wanted, parts: tuple[Part, ...]) -> None:
        self.machine, self.baseline, self.wanted, self.parts = machine, baseline, wanted, parts
        self.findings: list[Finding] = []
        self.refusals: list[str] = []
        self.warnings = [f"the baseline is changed: {words}" for words in baseline.overrides]
        self.warnings += _too_small(machine, baseline, wanted.role, least=False)
        self.install: list[str] = []
        self.repositories: list[RepositoryWanted] = []

    def judgement(self) -> Judgement:
        """Return all of it."""
        finish = self._finish()
        self._packages()
        units = self._units()
        files = tuple(file for file in files_of(self.baseline) if file.part in self.parts and self._differs(file))
        swap = self._swap()
        foreign = self._foreign()
        docker = self._engine()
        gvisor = self._gvisor()
        merged, settings = self._settings()
        restart = bool(merged.changes or self._not_in_force(settings))
        touched = any((docker, gvisor, restart, foreign))
        return Judgement(
            host=self.machine.host,
            role=self.wanted.role,
            parts=self.parts,
            findings=tuple(self.findings),
            refusals=tuple(self.refusals),
            warnings=tuple(self.warnings),
            finish=finish,
            packages=tuple(dict.fromkeys(self.install)),
            units=units,
            files=files,
            swap_mib=swap,
            foreign=foreign,
            repositories=tuple(self.repositories),
            docker=docker,
            gvisor=gvisor,
            settings=settings if restart else None,
            settings_first=not foreign and engines.checks_settings(self.machine.engine),
            changes=merged.changes,
            image=self._image() if touched else "",
        )

    def _found(self, part: Part, name: str, now: str | None, wanted: str, why: str = "") -> None:
        self.findings.append(Finding(part=part, name=name, now=now, wanted=wanted, why=why))

    def _finish(self) -> tuple[str, ...]:
        if broken := self.machine.broken or ():
            part: Part = "packages" if "packages" in self.parts else self.parts[0]
            self._found(part, "dpkg", f"interrupted: {', '.join(broken)}", "every package wholly there")
        return broken

    def _packages(self) -> None:
        if "packages" in self.parts:
            for name, rule in self.baseline.packages.items():
                self._need(name, "packages", rule.why)
        if "updates" in self.parts:
            self._need(UPGRADES, "updates", "security updates come by themselves")
            origins = "\n".join((self.machine.apt or {}).get(name, "") for name in _ORIGINS)
            if self.machine.has(UPGRADES) and "security" not in origins.lower():
                self.warnings.append(f"{UPGRADES} on {self.machine.host} is told of no origin of security updates")

    def _need(self, name: str, part: Part, why: str) -> None:
        package = self.machine.package(name)
        if not package.installed:
            now = None if package.status == "not-installed" else package.status
            self._found(part, name, now, "installed", why)
            self.install.append(name)

    def _units(self) -> tuple[str, ...]:
        wanted: list[str] = []
        units = self.machine.units or {}
        for name, rule in self.baseline.units.items():
            runs = [other for other in (name, *rule.instead) if other in units and units[other].runs]
            if rule.part not in self.parts or runs:
                continue
            there = units.get(name)
            if there and there.enabled == "masked":
                self.refusals.append(
                    f"{name} is masked on {self.machine.host}, and the baseline has it run: `systemctl unmask {name}`"
                )
            if rule.package:
                self._need(rule.package, rule.part, rule.why)
            now = f"{there.enabled}, {there.active}" if there else None
            self._found(rule.part, name, now, "enabled, active", rule.why)
            wanted.append(name)
        return tuple(wanted)

    def _differs(self, file: FileWanted) -> bool:
        """A file of ours that is not there as it shall be, or whose words another file takes back."""
        there = (self.machine.files or {}).get(file.path)
        others = [*self._otherwise(file.part)]
        for name, now, value in others:
            self._found(file.part, name, now, value)
        if there != file.digest and not others:
            self._found(file.part, file.path, None if there is None else "another text", "the baseline's")
        return there != file.digest or bool(others)

    def _otherwise(self, part: Part) -> Iterator[tuple[str, str | None, str]]:
        kernel, journal = part == "kernel", part == "journal"
        have = self.machine.sysctls if kernel else self.machine.journal if journal else self.machine.apt
        baseline = self.baseline
        rules = baseline.sysctls if kernel else baseline.journal if journal else baseline.updates
        for name, rule in rules.items():
            now = (have or {}).get(name)
            if now != rule.value:
                yield name, now, rule.value

    def _swap(self) -> int:
        rule = self.baseline.swap.get("mib")
        if "swap" not in self.parts or rule is None or self.machine.swap_bytes:
            return 0
        self._found("swap", "swap", "none", f"{rule.value} MiB", rule.why)
        return rule.value

    def _foreign(self) -> tuple[str, ...]:
        """What is in the way of Docker's own packages; with these there, it is in nobody's."""
        if "docker" not in self.parts:
            return ()
        if self.machine.snap and "snap" in self.baseline.foreign:
            why = self.baseline.foreign["snap"].why
            self.refusals.append(
                f"{self.machine.host} has Docker as a snap ({why}): move what runs there, then `snap remove docker`"
            )
        found = [name for name in self.baseline.foreign if name != "snap" and self.machine.has(name)]
        for name in found:
            rule = self.baseline.foreign[name]
            if rule.action == "refuse":
                self.refusals.append(f"{self.machine.host} has {name}, which no plan takes away: {rule.why}")
            self._found("docker", name, self.machine.package(name).version, "not installed", rule.why)
        if found:
            self.warnings.append(
                f"every container on {self.machine.host} stops while its Docker is replaced; images, volumes and "
                "containers stay, and those that Docker restarts by itself come back"
            )
        return tuple(found)

    def _engine(self) -> EngineWanted | None:
        if "docker" not in self.parts:
            return None
        self._repository("docker", "docker")
        choice = engines.docker_of(self.machine, self.baseline, traefik=self.wanted.traefik)
        self.warnings += choice.warnings
        self.refusals += choice.refusals
        for name, now, after in choice.differs:
            self._found("docker", name, now, after, self.baseline.docker_packages[name].why)
        return choice.wanted if choice.differs else None

    def _gvisor(self) -> EngineWanted | None:
        if "gvisor" not in self.parts:
            return None
        self._repository("gvisor", "gvisor")
        choice = engines.gvisor_of(self.machine, self.baseline)
        self.warnings += choice.warnings
        for name, now, after in choice.differs:
            self._found("gvisor", name, now, after, "apps run under it")
        return choice.wanted if choice.differs else None

    def _repository(self, name: str, part: Part) -> None:
        rules = {str(known): rule for known, rule in self.baseline.repositories.items()}
        if name not in rules:
            return
        machine, codename = self.machine, self.baseline.releases[self.machine.release].codename
        wanted = repository_of(name, rules[name], os_id=machine.os_id or "", codename=codename, arch=machine.arch or "")
        others, now = repositories.standing(machine, wanted)
        if now == repositories.AS_IT_SHALL:
            return
        self._found(part, f"repository {name}", now, f"{wanted.uri} {wanted.suite}", rules[name].why)
        wanted = wanted.model_copy(update={"replaces": others})
        self.refusals += repositories.in_the_way(machine, wanted)
        self.repositories.append(wanted)

    def _settings(self) -> tuple[daemon.Merged, JsonObject]:
        if "docker" not in self.parts and "gvisor" not in self.parts:
            return daemon.Merged(), {}
        taken = (*(self.machine.routes or ()), *self.wanted.networks)
        try:
            wanted = daemon.wanted_of(
                self.baseline, gvisor="gvisor" in self.parts, taken=taken, more=self.wanted.settings
            )
        except ValueError as error:
            self.refusals.append(f"{error}: name another in [pools] of policies/baseline.toml")
            return daemon.Merged(), {}
        merged = daemon.merged(self.machine.daemon or "", wanted, taken=taken)
        self.refusals += [
            f"/etc/docker/daemon.json of {self.machine.host}: {words}; change one of them" for words in merged.conflicts
        ]
        for change in merged.changes:
            self._found("docker", change.name, change.before, change.after or "")
        engine = self.machine.engine
        if engine and engine.swarm != "inactive" and wanted.get("live-restore"):
            self.refusals.append(
                f"{self.machine.host} is in a swarm ({engine.swarm}), which live-restore does not go with"
            )
        return merged, wanted

    def _not_in_force(self, settings: JsonObject) -> bool:
        """Settings that lie there and that Docker does not say: it was not started anew since they were written."""
        engine = self.machine.engine
        if engine is None or self.refusals:
            return False
        named = tuple(finding.name for finding in self.findings)
        stale = [*_stale(engine, settings)]
        for name, now, wanted in stale:
            if not any(one.startswith(name) for one in named):
                self._found("docker", f"{name} in force", now, wanted)
        return bool(stale)

    def _image(self) -> str:
        rule = self.baseline.gvisor.get("image")
        return rule.value if rule and "gvisor" in self.parts else ""
