"""The baseline in force: what a server is made of by role, with what an operator's overlay makes of it."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from ink_infra_mcp.core.baseline.lynis_tests import LYNIS_TESTS
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.policy import Loosened, Rule, admitted

Part = Literal["packages", "time", "updates", "swap", "kernel", "journal", "docker", "gvisor"]
Role = Literal["factory", "muscle", "bastion"]
CoolifyName = Literal["concurrent_builds", "cleanup_threshold"]
DrainName = Literal["volumes", "new_urls"]
BarName = Literal["ssh_audit_fails", "lynis_index", "lynis_gain"]
PARTS: tuple[Part, ...] = ("packages", "time", "updates", "swap", "kernel", "journal", "docker", "gvisor")
_NEEDED_BY_DOCKER = re.compile(
    r"net\.ipv4\.ip_forward|net\.ipv[46]\.conf\..+\.forwarding|net\.bridge\..+|user\.max_.+|kernel\.unprivileged_.+"
    r"|net\.netfilter\..+|kernel\.seccomp\..+|kernel\.yama\..+|net\.ipv4\.conf\..+\.(route_localnet|rp_filter)"
)
_NO_LINE = re.compile(r"[^\x00-\x1f\x7f\"\\]*")


def sysctl_name(value: str) -> str:
    """Return the name of a kernel setting.

    Raises:
        ValueError: it is no name, or Docker or gVisor needs it as it is.
    """
    if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_-]+)+", value):
        raise ValueError("use a name as sysctl prints it, such as vm.swappiness")
    if _NEEDED_BY_DOCKER.fullmatch(value):
        raise ValueError("Docker or gVisor needs it as they set it, so no baseline may touch it")
    return value


def one_line(value: str) -> str:
    """Return text that stands in one line of a settings file.

    Raises:
        ValueError: it has a quote, a backslash or a control character.
    """
    if not _NO_LINE.fullmatch(value):
        raise ValueError("use text of one line, without quotes and backslashes")
    return value


def lynis_test(value: str) -> str:
    """Return the id of a test of lynis.

    Raises:
        ValueError: lynis has none of that id.
    """
    if value not in LYNIS_TESTS:
        raise ValueError("lynis has no test of that id")
    return value


def pool_base(value: str) -> str:
    """Return an IPv4 network.

    Raises:
        ValueError: it is none.
    """
    return str(IPv4Network(value))


PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]{1,100}$")]
UnitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,100}\.(service|timer|socket)$")]
Line = Annotated[str, AfterValidator(one_line)]
Sysctl = Annotated[str, AfterValidator(sysctl_name)]
AptKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(::[A-Za-z0-9-]+)+$")]
JournalKey = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{1,60}$")]
Url = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:{}/_-]{3,200}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]
LynisTest = Annotated[str, AfterValidator(lynis_test)]
Bounds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=2, max_length=2)]
"""The least that is not refused, and what is recommended."""


class EntryRule(Rule):
    """One entry of the baseline; an overlay may say that it is not wanted."""

    wanted: bool = True


class RoleRule(EntryRule):
    """The parts that a role has."""

    parts: tuple[Part, ...]


class ReleaseRule(EntryRule):
    """A system that is supported."""

    codename: Annotated[str, Field(pattern=r"^[a-z]{3,20}$")]


class SpecRule(EntryRule):
    """What a server needs: each the least, and what is recommended; memory and disk in GiB."""

    cpus: Bounds
    memory: Bounds
    disk: Bounds


class UnitRule(EntryRule):
    """A unit that has to run; one of `instead` does as well."""

    part: Part
    package: PackageName | None = None
    instead: tuple[UnitName, ...] = ()


class TextRule(EntryRule):
    """A setting's value, as text of one line."""

    value: Line


class SizeRule(EntryRule):
    """A size in MiB."""

    value: Annotated[int, Field(ge=64, le=65_536)]


class RepositoryRule(EntryRule):
    """Where packages come from, and the key that signs them."""

    uri: Url
    suite: Annotated[str, Field(pattern=r"^[a-z0-9{}./-]{1,60}$")]
    components: Annotated[str, Field(pattern=r"^([a-z0-9-]+( [a-z0-9-]+)*)?$")]
    key: Url
    fingerprint: Fingerprint


class EngineRule(EntryRule):
    """A version of Docker; with `traefik`, only beside a proxy of at least that version."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    traefik: Annotated[str, Field(pattern=r"^(\d+\.\d+)?$")] = ""


class DockerPackageRule(EntryRule):
    """A package of Docker; `pinned` comes in the engine's own version."""

    pinned: bool = False


class ForeignRule(EntryRule):
    """Another package that brings a `docker`, and what becomes of it."""

    action: Literal["migrate", "refuse"]


class DaemonRule(EntryRule):
    """A key of Docker's settings."""

    value: JsonValue


class PoolRule(EntryRule):
    """A network that Docker may cut networks of `size` bits from."""

    base: Annotated[str, AfterValidator(pool_base)]
    size: Annotated[int, Field(ge=16, le=29)]


class DrainRule(EntryRule):
    """What an app may go through when it is moved away before its server is patched."""

    value: bool


class CoolifyRule(EntryRule):
    """What Coolify shall have of a Muscle: a number of builds, or percent of its disk."""

    value: Annotated[int, Field(ge=1, le=99)]


class BarRule(EntryRule):
    """What auditors are held to: at most so many failures, at least such an index of 0 to 100."""

    value: Annotated[int, Field(ge=0, le=100)]


class BaselineFile(Frozen):
    """baseline.toml as it is written: the packaged file has every entry, an overlay those that it changes or adds."""

    roles: dict[Role, RoleRule] = {}
    releases: dict[str, ReleaseRule] = {}
    specs: dict[Role, SpecRule] = {}
    packages: dict[PackageName, EntryRule] = {}
    units: dict[UnitName, UnitRule] = {}
    updates: dict[AptKey, TextRule] = {}
    swap: dict[Literal["mib"], SizeRule] = {}
    sysctls: dict[Sysctl, TextRule] = {}
    journal: dict[JournalKey, TextRule] = {}
    repositories: dict[Literal["docker", "gvisor"], RepositoryRule] = {}
    engines: dict[str, EngineRule] = {}
    docker_packages: dict[PackageName, DockerPackageRule] = {}
    foreign: dict[PackageName, ForeignRule] = {}
    daemon: dict[str, DaemonRule] = {}
    pools: dict[str, PoolRule] = {}
    gvisor: dict[Literal["package", "version", "path", "image"], TextRule] = {}
    drain: dict[DrainName, DrainRule] = {}
    coolify: dict[CoolifyName, CoolifyRule] = {}
    bars: dict[BarName, BarRule] = {}
    waivers: dict[LynisTest, EntryRule] = {}


class Baseline(BaselineFile):
    """What is in force. `overrides` lists, in words, what the overlay says otherwise than the packaged file."""

    overrides: tuple[str, ...] = ()

    def parts_of(self, role: Role) -> tuple[Part, ...]:
        """Return the parts that a role has."""
        return self.roles[role].parts if role in self.roles else ()

    def bar(self, name: BarName, *, none: int) -> int:
        """Return what auditors are held to, `none` where an overlay takes the bar away."""
        return self.bars[name].value if name in self.bars else none

    def drains(self, name: DrainName) -> bool:
        """Return whether an app may go through that, False where an overlay takes the entry away."""
        return name in self.drain and self.drain[name].value

    def in_coolify(self, name: CoolifyName) -> int | None:
        """Return what Coolify shall have of a Muscle; None: what it has is left as it is."""
        return self.coolify[name].value if name in self.coolify else None

    def settings(self) -> JsonObject:
        """Return what Docker's settings shall have, without networks and runtimes."""
        return {name: rule.value for name, rule in self.daemon.items()}

    def networks(self) -> tuple[tuple[str, int], ...]:
        """Return the pools, in the order of preference."""
        return tuple((rule.base, rule.size) for rule in self.pools.values())


def whole(file: BaselineFile) -> Baseline:
    """Return what is in force without an operator's words.

    Raises:
        ValueError: a section of the packaged file has no entry, or a pool overlaps another.
    """
    if missing := [name for name, section in _sections(file) if not section]:
        raise ValueError(f"there is nothing in [{missing[0]}]")
    return _fitting(Baseline.model_validate(dict(file)))


def _fitting(baseline: Baseline) -> Baseline:
    networks = [ip_network(rule.base) for rule in baseline.pools.values()]
    if any(one.overlaps(other) for at, one in enumerate(networks) for other in networks[at + 1 :]):
        raise ValueError("pools overlap each other")
    return baseline


def tighten(base: Baseline, overlay: BaselineFile) -> Baseline:
    """Return `base` with the overlay's entries in place of its own.

    Raises:
        Loosens: an entry says otherwise than `base` and carries no `override`.
        ValueError: what comes out is no baseline.
    """
    overrides = admitted([*_otherwise(base, overlay)])
    given = dict(_sections(overlay))
    changed = {
        name: {entry: rule for entry, rule in {**section, **given[name]}.items() if rule.wanted}
        for name, section in _sections(base)
    }
    return _fitting(base.model_copy(update={**changed, "overrides": (*base.overrides, *overrides)}))


def _otherwise(base: Baseline, overlay: BaselineFile) -> Iterator[Loosened]:
    known = dict(_sections(base))
    for name, section in _sections(overlay):
        for entry, rule in section.items():
            was = known[name].get(entry)
            if was is not None and _said(was) != _said(rule):
                yield Loosened(path=(name, entry), was=_shown(was), now=_shown(rule), override=rule.override)


def _sections(file: BaselineFile) -> Iterator[tuple[str, Mapping[str, EntryRule]]]:
    for name in BaselineFile.model_fields:
        section = getattr(file, name)
        if isinstance(section, dict):
            yield name, section


def _said(rule: EntryRule) -> JsonObject:
    return rule.model_dump(mode="json", exclude={"why", "override"})


def _shown(rule: EntryRule) -> str:
    said = rule.model_dump(mode="json", exclude={"why", "override", "wanted"})
    return "not wanted" if not rule.wanted else ", ".join(f"{name} {value}" for name, value in said.items())[:120]
