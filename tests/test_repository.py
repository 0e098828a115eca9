"""What is published with the code: dependencies, pinned versions, documents, and nothing of the workplace."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import ink_infra_mcp

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*$")
MAKE = re.compile(r"`make ([a-z-]+)")
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

# Each is written in two halves, so that this file does not hold what it looks for.
LEAKS = {
    "a path of one machine": r"(?<![\w.-])/(?:wo" r"rk|fa" r"rm)/|/bash_" r"jobs|/root/\.py" r"env|/opt/py" r"pi",
    "a package index": r"py" r"pi\.org|python" r"hosted\.org|npm" r"js\.org|index" r"-url|deb\.deb" r"ian\.org",
    "an address in a lock file": r'"reso' r'lved": *"',
    "how the work is organised": r"\.\./sha" r"red|DEVELO" r"PERS\.md|COMP" r"ASS\.md|BRI" r"EF\.md",
}
LEAKY = [
    ("a path of one machine", "cd /wo" + "rk/main"),
    ("a path of one machine", "x/bash_" + "jobs.0/1"),
    ("a package index", "pip install --index" + "-url https://example.com/"),
    ("an address in a lock file", '"reso' + 'lved": "https://example.com/a.tgz"'),
    ("how the work is organised", "see ../sha" + "red/specs"),
]
README_TOPICS = ("start", "safe", "tools", "config", "licen")


def pyproject() -> dict[str, list[str]]:
    """Return the declared requirements: those of the package, and those of each group."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = declared["dependency-groups"]
    return {"package": declared["project"]["dependencies"], "build": declared["build-system"]["requires"], **groups}


def published() -> list[Path]:
    """Return the files that git holds or would hold; every file where this is no git checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def leaks(text: str) -> list[str]:
    """Return what the text gives away, by the names of the patterns."""
    return [name for name, pattern in LEAKS.items() if re.search(pattern, text)]


def documents() -> list[Path]:
    """Return the published documents."""
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")] + [
        *ROOT.glob("docs/**/*.md")
    ]


def test_every_dependency_has_an_upper_bound() -> None:
    """A release that nobody here has seen cannot enter an installation by itself."""
    unbounded = [
        line
        for lines in pyproject().values()
        for line in lines
        if not any(part.operator in {"<", "<=", "==", "~="} for part in Requirement(line).specifier)
    ]
    assert unbounded == []


def test_the_constraints_hold_names_and_versions_only() -> None:
    """The tested set names no address, no path and no option, so it means the same on every machine."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and not PINNED.match(line)] == []


def test_the_constraints_pin_what_is_declared() -> None:
    """Every declared dependency is in the tested set, at a version that its declaration allows."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {Requirement(line).name.lower(): line.partition("==")[2] for line in lines if not line.startswith("#")}
    declared = [Requirement(line) for group, lines in pyproject().items() if group != "build" for line in lines]
    wrong = [str(need) for need in declared if Version(pinned.get(need.name.lower(), "0")) not in need.specifier]
    assert wrong == []


def test_nothing_of_the_workplace_is_published() -> None:
    """No published file names a path of one machine, a download host, or how the work was organised."""
    texts = ((path, path.read_text(encoding="utf-8", errors="replace")) for path in published())
    assert {str(path.relative_to(ROOT)): found for path, text in texts if (found := leaks(text))} == {}


@pytest.mark.parametrize(("name", "text"), LEAKY, ids=lambda value: value[:20])
def test_a_leak_is_found(name: str, text: str) -> None:
    """Each search notices what it is for."""
    assert leaks(text) == [name]


def test_the_license_is_the_declared_one() -> None:
    """The licence text is published, and is the one that the package declares."""
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_readme_starts_with_two_commands() -> None:
    """A reader gets a demonstration with one command and the proof with another."""
    lines = [line.strip() for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()]
    commands = [line.partition("#")[0].strip() for line in lines if line.startswith("make ")]
    assert commands[:2] == ["make demo", "make test"]


def test_the_readme_has_its_sections() -> None:
    """The first page says how to start, what keeps it safe, which tools there are, how to configure it, its licence."""
    headings = " ".join(HEADING.findall((ROOT / "README.md").read_text(encoding="utf-8"))).lower()
    assert [topic for topic in README_TOPICS if topic not in headings] == []


def test_every_tool_is_in_the_documents() -> None:
    """No tool is shipped that the documents do not name."""
    text = "".join(path.read_text(encoding="utf-8") for path in documents())
    tools = [path.parent.name for path in ROOT.glob("tools/*/contract.json")]
    assert [tool for tool in tools if tool not in text] == []


def test_every_make_target_in_the_documents_exists() -> None:
    """The documents name no command that the Makefile does not have."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for path in documents() for target in MAKE.findall(path.read_text(encoding="utf-8"))}
    assert named - targets == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    """No document points to a file that is not there."""
    links = [(path, link) for path in documents() for link in LINK.findall(path.read_text(encoding="utf-8"))]
    assert [f"{path.name}: {link}" for path, link in links if not (path.parent / link).exists()] == []


def test_the_changelog_tells_this_version() -> None:
    """What is new in the version at hand is written down."""
    headings = HEADING.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert any(ink_infra_mcp.__version__ in heading for heading in headings)


def test_what_comes_from_npm_is_pinned_by_content() -> None:
    """Every package that a test brings in through npm is held to the digest of its content."""
    locks = {path: json.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("tests/*/package-lock.json")}
    loose = [
        f"{path.parent.name}: {name}"
        for path, lock in locks.items()
        for name, package in lock["packages"].items()
        if name and "integrity" not in package
    ]
    assert locks
    assert loose == []
