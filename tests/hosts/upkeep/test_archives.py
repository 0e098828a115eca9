"""What apt itself says of its archives is read: real ones in a folder, one that is away, and each form of sources."""

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.facts.sections import sections
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts, read_upkeep
from tests.programs import program

LIMIT_S = 150
MARKER = "ink-0123456789abcdef"
NOWHERE = "http://127.0.0.1:9/debian-security"
"""Nobody listens on the port of `discard`."""


@dataclass(frozen=True, slots=True)
class Apt:
    """An apt of its own below a folder, on this machine's programs; `codename` is this machine's release."""

    folder: Path
    codename: str

    def archive(self, name: str, suite: str, codename: str, *, days: float) -> str:
        """Make an archive without packages that was made so many days ago, and return its address."""
        release = self.folder / name / "dists" / suite
        (release / "main/binary-all").mkdir(parents=True)
        (release / "main/binary-all/Packages").touch()
        made = format_datetime(datetime.now(UTC) - timedelta(days=days), usegmt=True)
        lines = ("Origin: lab", f"Suite: {suite}", f"Codename: {codename}", f"Date: {made}", "Architectures: all amd64")
        digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        text = "\n".join([*lines, "Components: main", "SHA256:", f" {digest} 0 main/binary-all/Packages", ""])
        (release / "Release").write_text(text, encoding="utf-8")
        return f"file:{self.folder / name}"

    def sources(self, name: str, text: str) -> None:
        """Write a file of sources, and take away all others."""
        folder = self.folder / "etc/sources.list.d"
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_text(text, encoding="utf-8")

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program with this apt's settings."""
        variables = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}
        return subprocess.run(
            words, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=variables
        )

    def facts(self) -> UpkeepFacts:
        """Return what the product reads here."""
        said = self.run("sh", "-s", "--", MARKER, stdin=packaged("upkeep/upkeep.sh"))
        return read_upkeep("here", sections(said.stdout, MARKER))


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    """Return an apt that has asked nobody yet."""
    program("apt-get")
    for name in ("lists/partial", "cache/archives/partial", "etc/sources.list.d", "etc/parts"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "status").touch()
    settings = {
        "Dir::State::Lists": "lists", "Dir::State::status": "status", "Dir::Cache": "cache", "Dir::Etc": "etc",
        "Dir::Etc::parts": "etc/parts", "Dir::Etc::sourceparts": "etc/sources.list.d", "Dir::Etc::sourcelist": "none",
    }  # fmt: skip
    lines = [f'{name} "{tmp_path / value}";' for name, value in settings.items()]
    lines += ['APT::Sandbox::User "root";', 'Acquire::Languages "none";', 'Acquire::Retries "0";']
    (tmp_path / "apt.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    return Apt(
        tmp_path, next(line[17:] for line in text.splitlines() if line.startswith("VERSION_CODENAME=")).strip('"')
    )


def one_line(uri: str, suite: str) -> str:
    """Return a source in the older form."""
    return f"deb [trusted=yes] {uri} {suite} main\n"


def deb822(uri: str, suite: str) -> str:
    """Return a source in the newer form."""
    return f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nTrusted: yes\n\n"


@pytest.mark.parametrize("style", ["one line", "deb822", "mirrors"])
def test_the_age_is_that_of_the_security_archive_itself(apt: Apt, style: str) -> None:
    """An archive of other packages that was made today hides nothing, in whatever form the sources are written."""
    today = apt.archive("debian", apt.codename, apt.codename, days=0)
    old = apt.archive("debian-security", f"{apt.codename}-security", f"{apt.codename}-security", days=5)
    if style == "mirrors":
        (apt.folder / "mirrors").write_text(f"{old}/\n", encoding="utf-8")
        old = f"mirror+file:{apt.folder / 'mirrors'}"
    form, name = (deb822, "all.sources") if style == "deb822" else (one_line, "all.list")
    apt.sources(name, form(today, apt.codename) + form(old, f"{apt.codename}-security"))
    before = apt.facts()
    updated = apt.run("apt-get", "-q", "update")
    after = apt.facts()
    assert updated.returncode == 0, updated.stderr
    assert (before.has_security_source, before.security_age_s) == (True, None)
    assert before.unknown["security_age_s"] == "apt never fetched its archive of security updates"
    assert after.has_security_source
    assert after.security_age_s is not None
    assert 5 * 86_400 <= after.security_age_s < 5 * 86_400 + LIMIT_S * 3


def test_an_archive_that_is_away_is_nothing_that_apt_fails_at(apt: Apt) -> None:
    """By its own account apt is content with it; neither the exit status nor another archive makes it known."""
    today = apt.archive("debian", apt.codename, apt.codename, days=0)
    apt.sources("all.list", one_line(today, apt.codename) + one_line(NOWHERE, f"{apt.codename}-security"))
    content = apt.run("apt-get", "-q", "update")
    strict = apt.run("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    facts = apt.facts()
    assert (content.returncode, strict.returncode) == (0, 100)
    assert (facts.has_security_source, facts.security_age_s) == (True, None)


def test_only_the_archive_of_another_release_is_none(apt: Apt) -> None:
    """What was left of the release before an upgrade has no updates for this one."""
    other = apt.archive("debian-security", "buzz-security", "buzz-security", days=0)
    apt.sources("all.list", one_line(other, "buzz-security"))
    apt.run("apt-get", "-q", "update")
    facts = apt.facts()
    assert (facts.has_security_source, facts.security_age_s) == (False, None)


def test_a_source_that_is_written_twice_is_still_one(apt: Apt) -> None:
    """apt warns of it with every command, beside what it was asked for; its sources are known all the same."""
    archive = apt.archive("debian-security", f"{apt.codename}-security", f"{apt.codename}-security", days=2)
    apt.sources("all.list", one_line(archive, f"{apt.codename}-security") * 2)
    apt.run("apt-get", "-q", "update")
    warned = apt.run("apt-get", "indextargets")
    facts = apt.facts()
    assert "configured multiple times" in warned.stderr
    assert (facts.updates, facts.has_security_source, (facts.security_age_s or 0) // 86_400) == ((), True, 2)
