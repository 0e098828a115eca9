"""The map of the repository and the index of its decisions tell what is there, all of it and nothing else."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "ink_infra_mcp"
MAP = ROOT / "docs" / "architecture.md"
DECISIONS = ROOT / "docs" / "decisions.md"
MOST_LINES = 120
"""Two screens."""
PATH = re.compile(r"`((?:\w+/)+(?:\w+\.\w+)?)`")
ENTRY = re.compile(r"^## (\d{4}-\d{2}-\d{2} .+)$", re.MULTILINE)
UNANCHORED = re.compile(r"[^\w\- ]")


def rooms() -> list[str]:
    """Return every package of the product, as a folder below its root."""
    return sorted(
        f"{init.parent.relative_to(SOURCE)}/" for init in SOURCE.rglob("__init__.py") if init.parent != SOURCE
    )


def unmapped(text: str) -> list[str]:
    """Return the packages that have no row of their own on the map."""
    return [room for room in rooms() if f"| `{room}` |" not in text]


def nowhere(text: str) -> list[str]:
    """Return the folders and files that the map names and that are not there."""
    named = PATH.findall(text)
    return [path for path in named if not any((base / path).exists() for base in (SOURCE, ROOT))]


def index_of(text: str) -> str:
    """Return the index that a page of decisions should have: a line for each, linked, newest last."""
    return "\n".join(f"- [{title}](#{_anchor(title)})" for title in ENTRY.findall(text))


def _anchor(title: str) -> str:
    return UNANCHORED.sub("", title.lower()).replace(" ", "-")


def test_every_room_is_on_the_map() -> None:
    """Whoever looks for a package finds in one sentence what it owns."""
    assert unmapped(MAP.read_text(encoding="utf-8")) == []


def test_the_map_leads_nowhere_that_is_not_there() -> None:
    """Each folder and file on the map exists: a file that moves takes its mark along."""
    assert nowhere(MAP.read_text(encoding="utf-8")) == []


def test_the_map_has_two_screens() -> None:
    """It is read before the work begins, so it stays short."""
    assert len(MAP.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_index_of_decisions_names_each_of_them() -> None:
    """The page begins with its index, in order; one that no longer holds says so in its title."""
    text = DECISIONS.read_text(encoding="utf-8")
    assert index_of(text) in text.partition("\n## ")[0]


@pytest.mark.parametrize("gone", ["hosts/nowhere/", "guard/nobody.py"])
def test_a_place_that_is_not_there_is_found(gone: str) -> None:
    """The checks can fail: a lost place and a missing row are named."""
    assert nowhere(f"see `{gone}` and `guard/runner.py`") == [gone]
    assert unmapped("nothing") == rooms()
