"""The script that looks at what a server is made of: what a program does not say is unknown, and never `none`."""

import hashlib
from pathlib import Path

import pytest

from ink_infra_mcp.core.baseline.machine import Machine, Package, Unit
from ink_infra_mcp.core.baseline.sources import Address
from ink_infra_mcp.hosts.facts.sections import sections
from ink_infra_mcp.hosts.machine.reading import machine_of
from tests.hosts.pretend_root import Root, root_at

MARK = "ink-0123456789abcdef"
DPKG = """
echo 'jq 1.7 installed install'
echo 'dpkg-query: no packages found matching git' >&2
exit 1
"""
SYSTEMCTL = """
case "$1 $3" in
  'is-enabled a.timer') echo enabled ;;
  'is-active a.timer') echo active ;;
  'is-enabled b.timer') echo 'Failed to get unit file state for b.timer: No such file or directory' >&2; exit 1 ;;
  'is-active b.timer') echo inactive; exit 4 ;;
esac
"""


@pytest.fixture(params=["sh", "busybox"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Return a server of which one package and one unit are there, and one of each is not."""
    root = root_at(tmp_path, shell=request.param)
    root.programs({"dpkg-query": DPKG, "systemctl": SYSTEMCTL})
    return root


def looked(root: Root) -> Machine:
    """Return what is read of it."""
    said = root.run("machine/look.sh", "ink-machine", MARK, "package=jq", "package=git", "unit=a.timer", "unit=b.timer")
    assert (said.status, said.facts.endswith(f"{MARK} done\n")) == (0, True)
    return machine_of("m", sections(said.facts, MARK))


def test_what_is_there_and_what_is_not_is_told_apart(root: Root) -> None:
    """dpkg and systemd say so themselves: the one has never heard of it, the other has no such file."""
    found = looked(root)
    assert found.packages == {"jq": Package(version="1.7", status="installed", want="install")}
    assert found.units == {
        "a.timer": Unit(enabled="enabled", active="active"),
        "b.timer": Unit(enabled="not-found", active="inactive"),
    }


@pytest.mark.parametrize(
    "body",
    ["echo 'dpkg-query: error: cannot read' >&2; exit 1", "echo 'dpkg-query: error: lost' >&2; exit 2", "exit 124"],
)
def test_packages_that_dpkg_does_not_tell_of_are_unknown(root: Root, body: str) -> None:
    """Its status 1 alone does not say that a package is not there."""
    root.programs({"dpkg-query": body})
    found = looked(root)
    assert (found.packages, "packages" in found.unknown) == (None, True)


@pytest.mark.parametrize("asked", ["is-enabled a.timer", "is-active a.timer"])
def test_units_that_systemd_does_not_tell_of_are_unknown(root: Root, asked: str) -> None:
    """A unit that another one stands in for would be called missing, and be installed beside it."""
    broken = f"[ \"$1 $3\" != '{asked}' ] || {{ echo 'Connection timed out' >&2; exit 1; }}\n{SYSTEMCTL}"
    root.programs({"systemctl": broken})
    found = looked(root)
    assert (found.units, "Connection timed out" in found.unknown["units"]) == (None, True)


def test_the_files_that_apt_reads_are_read_whole(root: Root) -> None:
    """Also one whose last line has no end; a file whose name apt passes over is none."""
    root.write("/etc/apt/sources.list", "# nothing here\n\n")
    root.write("/etc/apt/sources.list.d/a.list", "deb https://a.example stable main")
    root.write("/etc/apt/sources.list.d/b.sources", "Types: deb\nURIs: https://b.example/\nSuites: s\nComponents: main")
    root.write("/etc/apt/sources.list.d/not read.list", "deb https://c.example stable main\n")
    root.write("/etc/apt/sources.list.d/d.list.save", "deb https://d.example stable main\n")
    found = {file.replace(str(root.folder), ""): uris for file, uris in (looked(root).sources or {}).items()}
    assert found == {
        "/etc/apt/sources.list": (),
        "/etc/apt/sources.list.d/a.list": (Address(uri="https://a.example"),),
        "/etc/apt/sources.list.d/b.sources": (Address(uri="https://b.example"),),
    }


@pytest.mark.parametrize(("digest", "known"), [("sum", {"docker": "FINGER"}), ("other", {}), ("", {})])
def test_a_key_counts_as_checked_only_while_it_is_the_file_that_was_checked(
    root: Root, digest: str, known: dict[str, str]
) -> None:
    """A note without a sum and a key that is not there are no pair that agrees."""
    if digest:
        root.write("/etc/apt/keyrings/docker.asc", "key\n")
    noted = hashlib.sha256(b"key\n").hexdigest() if digest == "sum" else digest
    root.write("/var/lib/ink-infra/keys/docker", f"FINGER {noted}\n")
    assert looked(root).keys == known


@pytest.mark.parametrize(
    ("sshd", "auditor", "status"),
    [
        ("echo 'port 2222'", '[ "$4" = 2222 ] || exit 1; exit 3', 0),
        ("echo 'port 2222'", "exit 1", 1),
        ("exit 255", "exit 0", 1),
    ],
)
def test_an_audit_of_another_port_than_sshds_is_none(root: Root, sshd: str, auditor: str, status: int) -> None:
    """Where sshd does not say its port, or nobody answers there, nothing was audited."""
    root.programs({"sshd": sshd, "ssh-audit": f'case $1 in --help) exit ;; esac; set -- x "$@"; {auditor}'})
    root.programs({"lynis": "exit 1"})
    said = root.run("machine/audit.sh", "ink-audit", MARK)
    assert sections(said.facts, MARK)["ssh_audit"].status == status


def test_a_file_of_apt_that_cannot_be_read_makes_the_sources_unknown(root: Root) -> None:
    """What it names could be what a plan would take away, or what stands in its way."""
    root.write("/etc/apt/sources.list.d/a.list/broken", "")
    root.programs({"awk": 'case $* in */a.list) exit 2 ;; esac; real "$@"'})
    found = looked(root)
    assert (found.sources, "sources" in found.unknown) == (None, True)
