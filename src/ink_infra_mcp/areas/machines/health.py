"""What is wrong with a server itself: its disks, its Docker, its proxy, who may log in, and what runs not isolated."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.machines.drift import HERE, Drift
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import belongs_to, isolation_problems
from ink_infra_mcp.hosts.docker.proxies import NAME as PROXY
from ink_infra_mcp.hosts.docker.proxies import proxy_doubt, proxy_problem
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts, troubles
from ink_infra_mcp.hosts.upkeep.upkeep_facts import Room, UpkeepFacts

NEARLY_FULL, FULL = 85, 95
"""Percent: Docker's pulls and databases break long before the last byte."""
OWN = frozenset({PROXY, "coolify-sentinel", "coolify-log-drain"})
"""Containers of Coolify itself on every server (source, version 4.3.11)."""
_APP_LABELS = frozenset({"coolify.applicationId", "coolify.serviceId"})
_SSHD: Mapping[str, frozenset[str]] = {
    "permitrootlogin": frozenset({"no", "without-password", "prohibit-password", "forced-commands-only"}),
    "passwordauthentication": frozenset({"no"}),
    "kbdinteractiveauthentication": frozenset({"no"}),
    "permitemptypasswords": frozenset({"no"}),
}
_DAY_S = 86_400
_MAY_BE_READ_ONLY = ("/boot", "/usr", "/efi")
"""What hardened systems mount so on purpose: it is written by updates alone, which mount it anew."""
_FREE = "free space on {server}: `docker system df` shows what Docker holds; or give it a larger disk"


def health_drifts(facts: HostFacts, *, factory: bool, now: datetime | None = None) -> Iterator[Drift]:
    """Yield what could not be read of a server, and a clock that is a day off `now` or more; its load says nothing of
    policy. Seconds are the doctor's: what is told here makes certificates and the age of updates wrong.
    """
    yield from _clock(facts, now)
    unread = troubles(facts, factory=factory)
    for reason in sorted(set(unread.values())):
        names = ", ".join(sorted(name for name, why in unread.items() if why == reason))
        what = f"not known: {names}"
        yield Drift(facts.host, "high", "unread", what, reason, "look at it there, then again", names, unknown=True)
    if factory and facts.disk_data is not None and facts.disk_data.mount == "/":
        what = "/data, with all of Coolify's files, lies on the system's disk: it fills with it and is lost with it"
        mend = "setup_factory with data_disk: it moves /data onto a volume"
        yield Drift(facts.host, "warning", "data_on_root", what, f"{facts.disk_data.device} holds / and /data", mend)


def _clock(facts: HostFacts, now: datetime | None) -> Iterator[Drift]:
    ahead_s = 0.0 if facts.epoch_s is None or now is None else facts.epoch_s - now.timestamp()
    if abs(ahead_s) >= _DAY_S:
        way = "ahead of" if ahead_s > 0 else "behind"
        what = f"its clock is days {way} this machine's: certificates and the age of updates are not judged well there"
        evidence = f"{abs(ahead_s) / _DAY_S:.0f} days {way} it; `date` there"
        mend = "set the clock of {server} by NTP, or this machine's where each server is told so; then look again"
        yield Drift(facts.host, "high", "clock", what, evidence, mend)


def room_drifts(facts: UpkeepFacts) -> Iterator[Drift]:
    """Yield which disks are nearly full of bytes or of files, or cannot be written to."""
    yield from _untold(facts)
    for room in facts.rooms or ():
        yield from _full(facts.host, room)
    for mount in facts.read_only or ():
        yield from _read_only(facts.host, mount)


def _untold(facts: UpkeepFacts) -> Iterator[Drift]:
    """Where files could not be counted none of them would stand there as used."""
    if facts.rooms is None or facts.read_only is None:
        evidence = facts.unknown.get("rooms") or facts.unknown.get("read_only", "")
        what = "how full its disks are is not known"
        yield Drift(facts.host, "high", "unknown_rooms", what, evidence, "look there at `df`", unknown=True)
    elif "inodes" in facts.unknown:
        what, evidence = "how many files its disks still take is not known", facts.unknown["inodes"]
        yield Drift(facts.host, "warning", "unknown_rooms", what, evidence, "look there at `df -i`", unknown=True)


def _full(server: str, room: Room) -> Iterator[Drift]:
    used = max(room.bytes_used, room.files_used)
    if used >= NEARLY_FULL:
        of = "bytes" if room.bytes_used == used else "files"
        what = f"{room.mount} is {'full' if used >= FULL else 'nearly full'} of {of}"
        severity = "high" if used >= FULL else "warning"
        yield Drift(server, severity, "disk_full", what, f"{used} % used", _FREE, room.mount)


def _read_only(server: str, mount: str) -> Iterator[Drift]:
    """A folder that only updates write may be so; where programs and apps write it is a broken disk, and elsewhere it
    may be one: nobody knows what lies there.
    """
    what, mend = f"{mount} cannot be written to", "look there at `dmesg`: a broken disk is mounted so"
    if mount == "/" or _is_below(mount, ("/var", "/data")):
        yield Drift(server, "high", "read_only", what, "mounted read-only", mend, mount)
    elif not _is_below(mount, _MAY_BE_READ_ONLY):
        yield Drift(server, "warning", "read_only_mount", what, "mounted read-only", mend, mount)


def _is_below(mount: str, folders: Iterable[str]) -> bool:
    return any(mount == folder or mount.startswith(f"{folder}/") for folder in folders)


def login_drifts(facts: UpkeepFacts) -> Iterator[Drift]:
    """Yield what lets people log in to a server otherwise than by a key; what match blocks say is not looked at."""
    if facts.sshd is None:
        what, why = "how one may log in by SSH is not known", facts.unknown.get("sshd", "")
        yield Drift(facts.host, "warning", "unknown_sshd", what, why, "look there at `sshd -T`", unknown=True)
        return
    for name, value in facts.sshd.items():
        if value not in _SSHD[name]:
            what = f"sshd has {name} {value}"
            mend = "set it to no in /etc/ssh/sshd_config.d/ on {server}, and reload ssh"
            yield Drift(facts.host, "high", "sshd", what, f"sshd -T: {name} {value}", mend, name)


def muscle_drifts(facts: HostFacts, isolation: Isolation, apps: tuple[App, ...] | None) -> Iterator[Drift]:
    """Yield what is wrong with a Muscle for apps: no runtime, no proxy, or containers that are not isolated.

    With `apps` a container is held against the app that it is of: another's name in its labels is told. Without them,
    for Coolify did not answer, it is held against what it says of itself.
    """
    runtime = str(isolation.runtime)
    if facts.docker_runtimes is not None and runtime not in facts.docker_runtimes:
        what = f"its Docker has no runtime {runtime}: no app can run isolated there"
        mend = "register runsc in /etc/docker/daemon.json on {server}, and restart docker"
        yield Drift(facts.host, "critical", "no_runtime", what, f"has {', '.join(facts.docker_runtimes)}", mend)
    if why := proxy_problem(facts.containers):
        mend = "start the proxy of {server} in Coolify: Servers, Proxy, Start"
        yield Drift(facts.host, "high", "proxy", f"{why}: no app there can be reached by its domain", "docker ps", mend)
    if why := proxy_doubt(facts.containers):
        mend = "look there at `docker logs coolify-proxy`; then restart it in Coolify: Servers, Proxy, Restart"
        yield Drift(facts.host, "high", "proxy_ill", f"{why}: apps there may not be reached", "docker inspect", mend)
    for container in facts.containers or ():
        if container.state == "running":
            yield from _not_isolated(facts.host, container, isolation, apps)


def _not_isolated(
    server: str, container: ContainerFacts, isolation: Isolation, apps: tuple[App, ...] | None
) -> Iterator[Drift]:
    if not _APP_LABELS & container.labels.keys():
        yield from _strange(server, container, isolation)
        return
    name = clean_name(container.name)
    app = next((app for app in apps or () if belongs_to(container, app.uuid)), None)
    if app is None and apps is not None:
        what = f"{name} runs, and Coolify knows no such app"
        mend = "look whose it is before it is stopped: a Coolify that lost apps, or another team's token, says so, too"
        yield Drift(server, "high", "orphan", what, f"image {clean_name(container.image, limit=80)}", mend, name)
    wrong = isolation_problems(
        container,
        isolation,
        app=app.uuid if app else "",
        hosts=frozenset(app.domains) if app else None,
    )
    if wrong:
        what = f"{app.name if app else name} does not run isolated"
        mend = f"deploy_app for {app.name}, which sets its isolation" if app else "look whose it is with list_apps"
        yield Drift(server, "critical", "not_isolated", what, f"{name}: {'; '.join(wrong)}", mend, name)


def _strange(server: str, container: ContainerFacts, isolation: Isolation) -> Iterator[Drift]:
    """What Coolify did not start as an app: its own, a database of Coolify's, or somebody's by hand."""
    if container.name in OWN or container.runtime == isolation.runtime:
        return
    managed = any(key.startswith("coolify.") for key in container.labels)
    name = clean_name(container.name)
    what = f"{name} runs beside the apps, under {clean_name(container.runtime)}"
    evidence = "Coolify manages it, and it is no app" if managed else "Coolify did not start it"
    mend = f"look whose it is: `docker inspect {name}` on {HERE}"
    yield Drift(server, "info" if managed else "warning", "beside", what, evidence, mend, name)
