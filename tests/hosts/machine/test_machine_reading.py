"""What a server prints of itself, read into facts: damaged or missing is unknown, and never empty."""

import json

import pytest

from ink_infra_mcp.core.baseline.machine import Engine, Machine, Package, Unit
from ink_infra_mcp.core.baseline.sources import Address
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.facts.sections import Section
from ink_infra_mcp.hosts.machine.auditing import Lynis, SshAudit, read_lynis, read_ssh_audit
from ink_infra_mcp.hosts.machine.reading import machine_of

INFO: JsonObject = {
    "version": "29.8.2",
    "live_restore": True,
    "runtimes": {"runsc": {}},
    "swarm": "inactive",
    "root": "/d",
    "running": 2,
}
TEXTS = {
    "os": 'ID=debian\nVERSION_ID="13"',
    "arch": "amd64",
    "kernel": "6.12.48+deb13-amd64",
    "cpus": "8",
    "memory": "MemTotal:       1024 kB\nMemFree: 1 kB",
    "swaps": "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 2048 0 -2",
    "disk": "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 4096 1 1 1% /",
    "packages": "jq 1.7 installed install\nrunsc 20260928.0 installed hold",
    "broken": "The following packages are only half configured:\n slow                 made by a test\n",
    "sysctls": "vm.swappiness 60\nfs.none none",
    "units": "a.timer enabled active\nb.service not-found inactive",
    "apt": 'APT::Periodic "";\nAPT::Periodic::Unattended-Upgrade "1";\nA::B:: "one";\nA::B:: "two";',
    "journal": "# /etc/systemd/journald.conf\n[Journal]\n#SystemMaxUse=\nSystemMaxUse=1G\n[Journal]\nSystemMaxUse=32M",
    "files": "abc /etc/x",
    "keys": "docker ABCD",
    "sources": "file /etc/apt/sources.list\n| # nothing\n| \nfile /etc/apt/sources.list.d/docker.list\n"
    "| deb [arch=amd64] https://download.docker.com/linux/debian/ trixie stable",
    "daemon": "{}",
    "docker": "WARNING: bridge-nf-call-iptables is disabled\n" + json.dumps(INFO),
    "proxy": "traefik:v3.6",
    "runsc": "runsc version release-20260928.0\nspec: 1.1.0-rc.1",
    "snap": "",
    "routes": "default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0 proto kernel\nunreachable 198.51.100.7",
    "kept": "op-1-daemon",
}


def read(**changes: Section) -> Machine:
    """Return the facts of the texts above, with other sections in place of some."""
    return machine_of("m", {name: Section(text, 0) for name, text in TEXTS.items()} | changes)


def test_a_whole_answer_is_read_whole() -> None:
    """As its last reader reads it: of journald's settings the last counts, a list of apt is one fact."""
    assert read() == Machine(
        host="m",
        os_id="debian",
        os_version="13",
        arch="amd64",
        kernel="6.12.48+deb13-amd64",
        cpus=8,
        memory_bytes=2**20,
        swap_bytes=2**21,
        disk_bytes=2**22,
        packages={
            "jq": Package(version="1.7", status="installed", want="install"),
            "runsc": Package(version="20260928.0", status="installed", want="hold"),
        },
        broken=("slow",),
        sysctls={"vm.swappiness": "60", "fs.none": "none"},
        units={
            "a.timer": Unit(enabled="enabled", active="active"),
            "b.service": Unit(enabled="not-found", active="inactive"),
        },
        apt={"APT::Periodic": "", "APT::Periodic::Unattended-Upgrade": "1", "A::B::": "one\ntwo"},
        journal={"SystemMaxUse": "32M"},
        files={"/etc/x": "abc"},
        keys={"docker": "ABCD"},
        sources={
            "/etc/apt/sources.list": (),
            "/etc/apt/sources.list.d/docker.list": (Address(uri="https://download.docker.com/linux/debian"),),
        },
        daemon="{}",
        engine=Engine(version="29.8.2", live_restore=True, runtimes=("runsc",), root="/d", running=2),
        proxy="traefik:v3.6",
        runsc="release-20260928.0",
        snap=False,
        routes=("192.0.2.0/24", "198.51.100.7/32"),
        kept=("op-1-daemon",),
    )


def test_an_empty_answer_is_all_unknown() -> None:
    """Nothing is taken for fine because nothing was said of it."""
    machine = machine_of("m", {})
    known = machine.model_dump(exclude={"host", "unknown", "kept"}, exclude_none=True)
    assert known == {}
    assert set(machine.unknown) >= {"packages", "broken", "daemon", "engine", "snap"}


@pytest.mark.parametrize(
    ("fact", "section", "text"),
    [
        ("packages", "packages", "jq 1.7 installed"),
        ("units", "units", "a.timer enabled"),
        ("swap_bytes", "swaps", "nothing"),
        ("engine", "docker", "Cannot connect to the Docker daemon"),
        ("runsc", "runsc", "panic"),
        ("apt", "apt", ""),
        ("memory_bytes", "memory", "MemFree: 1 kB"),
        ("routes", "routes", "somewhere"),
        ("sources", "sources", "file /etc/apt/sources.list\n| deb https://deb.example.com"),
        ("sources", "sources", "| deb https://deb.example.com stable main"),
    ],
)
def test_a_damaged_section_is_unknown_with_a_reason(fact: str, section: str, text: str) -> None:
    """Also where the program ended well."""
    machine = read(**{section: Section(text, 0)})
    assert getattr(machine, fact) is None
    assert machine.unknown[fact]


def test_figures_of_auditors_are_their_own() -> None:
    """lynis' index and tests, and which algorithms ssh-audit fails and warns of."""
    report = (
        "hardening_index=67\nwarning[]=PKGS-7392|found|-|-|\nsuggestion[]=SSH-7408|x|-|-|\nsuggestion[]=SSH-7408|y|-|-|"
    )
    assert read_lynis(report) == Lynis(index=67, warnings=("PKGS-7392",), suggestions=("SSH-7408",))

    def kinds(**notes: list[str]) -> list[dict[str, object]]:
        return [{"algorithm": "a", "notes": notes}]

    said = {"enc": kinds(fail=["x"]), "kex": kinds(warn=["x"]), "key": kinds(info=["x"]), "mac": kinds()}
    assert read_ssh_audit(json.dumps(said)) == SshAudit(fails=("enc a",), warnings=("kex a",))


@pytest.mark.parametrize("text", ["", "{}", '{"enc": [], "kex": [], "key": [], "mac": []}', "[exception] refused"])
def test_a_report_that_judges_nothing_is_none(text: str) -> None:
    """No algorithm was looked at: that nothing fails is then no good news."""
    with pytest.raises(ValueError):
        read_ssh_audit(text)
    with pytest.raises(ValueError, match="no index"):
        read_lynis(text)
