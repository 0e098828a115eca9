"""Which version of Docker and of gVisor a server shall have, beside its proxy, its kernel and what is there already."""

import re
from collections.abc import Iterator

from ink_infra_mcp.core.baseline.machine import Engine, Machine
from ink_infra_mcp.core.baseline.policy import Baseline, EngineRule
from ink_infra_mcp.core.plan import Frozen

OLD_RUNSC = "20240826"
"""Before it, runsc takes every network namespace for the first one on kernels from 6.11 on (google/gvisor#10704)."""
_DOCKER = re.compile(r"(?:\d+:)?(\d+)\.(\d+)\.(\d+)(?:[-~+].*)?")
_RUNSC = re.compile(r"(?:release-)?(?:0\.0~)?(\d{8})(?:\.\d+)?(?:[-~+].*)?")
_TRAEFIK = re.compile(r"(?:^|/)traefik:v?(\d+\.\d+)")
_KERNEL = re.compile(r"(\d+)\.(\d+)")
_ROOT_NETWORK = "network enabled in root network namespace"


class EngineWanted(Frozen):
    """Packages to be installed, each with its version or none, and then held."""

    packages: dict[str, str]
    version: str


class Choice(Frozen):
    """What shall be installed; `differs` are the packages that are not so: name, what is there, what shall be."""

    wanted: EngineWanted | None = None
    differs: tuple[tuple[str, str | None, str], ...] = ()
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


def docker_of(machine: Machine, baseline: Baseline, *, traefik: str | None) -> Choice:
    """Return which packages of Docker a server shall have; a newer one than the policy's is never taken back."""
    rule = next((rule for rule in baseline.engines.values() if _goes_with(rule, traefik)), None)
    if rule is None:
        return Choice(refusals=(f"no version of Docker in the baseline goes with the proxy of {machine.host}",))
    codename = baseline.releases[machine.release].codename
    suffix = f"-1~{machine.os_id}.{machine.os_version}~{codename}"
    there = _docker_version(machine.package("docker-ce").version)
    newer = there is not None and there > _numbers(rule.version)
    packages: dict[str, str] = {}
    for name, package in baseline.docker_packages.items():
        kept = machine.package(name).version if newer else ""
        packages[name] = (kept or f"5:{rule.version}{suffix}") if package.pinned else ""
    wanted = EngineWanted(packages=packages, version=_shown(there) if newer and there else rule.version)
    return Choice(
        wanted=wanted,
        differs=(*_differing(machine, packages),),
        warnings=(*_about_docker(machine, baseline, rule, there, traefik),),
    )


def checks_settings(engine: Engine | None) -> bool:
    """Return whether this Docker can check its settings before it is started with them (`dockerd --validate`)."""
    there = _docker_version(engine.version) if engine else None
    return there is not None and there >= (23, 0, 0)


def gvisor_of(machine: Machine, baseline: Baseline) -> Choice:
    """Return which gVisor a server shall have; a newer one than the policy's is never taken back."""
    name, version = baseline.gvisor["package"].value, baseline.gvisor["version"].value
    there, wanted = runsc_date(machine.package(name).version), runsc_date(version)
    newer = bool(there and wanted and there > wanted)
    packages = {name: machine.package(name).version if newer else version}
    warnings = [f"gVisor {there} on {machine.host} is newer than {version} of the baseline, and stays"] if newer else []
    if broken := old_runsc(machine.kernel or "", machine.runsc or ""):
        warnings.append(f"{machine.host}: {broken}")
    return Choice(
        wanted=EngineWanted(packages=packages, version=packages[name]),
        differs=(*_differing(machine, packages),),
        warnings=tuple(warnings),
    )


def traefik_of(proxy: str | None) -> str | None:
    """Return the version of Traefik that an image names: empty without a proxy, None where it is not known."""
    if not proxy:
        return proxy
    found = _TRAEFIK.search(proxy)
    return found[1] if found else None


def old_runsc(kernel: str, runsc: str) -> str:
    """Return why containers cannot start under this gVisor on this kernel, and what mends it; empty where they can."""
    date, numbers = runsc_date(runsc), _KERNEL.match(kernel)
    if not date or not numbers or date >= OLD_RUNSC or (int(numbers[1]), int(numbers[2])) < (6, 11):
        return ""
    return (
        f"runsc {runsc} says `{_ROOT_NETWORK}` on kernel {kernel}, and starts nothing (google/gvisor#10704): "
        "the newer one of the baseline mends it"
    )


def explained(said: str) -> str:
    """Return what is known of words that a failed start under gVisor says; empty where nothing is."""
    if _ROOT_NETWORK in said:
        return (
            "This runsc is older than August 2024 and the kernel 6.11 or newer (google/gvisor#10704): take a newer one."
        )
    if "unknown or invalid runtime name" in said or "unknown runtime specified" in said:
        return "Docker does not know the runtime: its settings have no runsc, or it was not restarted since."
    return ""


def runsc_date(version: str) -> str:
    """Return the day of a version of gVisor, as its own and Debian's packages write it; empty where it has none."""
    found = _RUNSC.fullmatch(version)
    return found[1] if found else ""


def _differing(machine: Machine, packages: dict[str, str]) -> Iterator[tuple[str, str | None, str]]:
    for name, version in packages.items():
        there = machine.package(name)
        if not there.installed or (version and there.version != version):
            yield name, there.version if there.installed else None, version or "installed"
        elif not there.held:
            yield name, f"{there.version}, not held", "held"


def _goes_with(rule: EngineRule, traefik: str | None) -> bool:
    """Without a proxy yet Coolify brings a new one; one that is not known may be old."""
    if not rule.traefik or traefik == "":
        return True
    return traefik is not None and _at_least(traefik, rule.traefik)


def _about_docker(
    machine: Machine, baseline: Baseline, rule: EngineRule, there: tuple[int, ...] | None, traefik: str | None
) -> Iterator[str]:
    first = next(iter(baseline.engines.values()))
    host = machine.host
    if rule is not first:
        known = f"Traefik {traefik}" if traefik else "a proxy whose version is not known"
        yield f"{host} gets Docker {rule.version}: {first.version} needs Traefik {first.traefik}, and it has {known}"
    if there is not None and there > _numbers(rule.version):
        blind = rule is not first and there >= _numbers(first.version)[:1]
        beside = "; an older proxy finds no app with it" if blind else ""
        yield f"Docker {_shown(there)} on {host} is newer than {rule.version} of the baseline, and stays{beside}"


def _at_least(version: str, least: str) -> bool:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= _numbers(least)


def _docker_version(version: str) -> tuple[int, ...] | None:
    found = _DOCKER.fullmatch(version)
    return tuple(map(int, found.groups())) if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
