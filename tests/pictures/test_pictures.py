"""The pictures are what the demo prints, can be shown by anybody, and are shown where a reader begins."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.pictures.drawing import drawn
from tests.pictures.scenes import FOLDER, fixed, pictures, shortened, transcript

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.name for path in FOLDER.glob("*.svg"))
MOST_BYTES = 60_000
FIRST_SCREEN = 40
"""Lines of the README that a reader sees before anything is scrolled."""
GROUND = "#292929"


def luminance(color: str) -> float:
    """Return how bright a colour is, as WCAG 2 measures it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color: str) -> float:
    """Return by how much a colour is told from the ground of the pictures."""
    return (luminance(color) + 0.05) / (luminance(GROUND) + 0.05)


@pytest.mark.wheel
@pytest.mark.timeout(300)
def test_the_pictures_show_what_the_demo_prints_today() -> None:
    """Each picture is, byte for byte, what `make pictures` makes of the real demo."""
    made = pictures(transcript())
    assert sorted(made) == NAMES
    assert {name: (FOLDER / name).read_text(encoding="utf-8") == text for name, text in made.items()} == dict.fromkeys(
        NAMES, True
    ), "run `make pictures`, and look at what changed"


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_light_and_fetches_nothing(name: str) -> None:
    """It is XML of less than 60 kB, and whoever looks at it tells no third server so."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    tree = ET.fromstring(text)  # noqa: S314 - our own file
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(text.encode()) < MOST_BYTES
    assert re.findall(r"url\((?!#)|@import|href|<script", text) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_readable_on_a_dark_page_and_on_a_light_one(name: str) -> None:
    """It brings its own ground along, and each of its colours is told from that by at least 4.5 to 1."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert f'fill="{GROUND}"' in text
    colors = re.findall(r"\.ink-r\d+ { fill: (#[0-9a-f]{6})", text)
    assert colors
    assert [color for color in colors if contrast(color) < 4.5] == []


def test_a_reader_sees_a_picture_before_scrolling() -> None:
    """The README shows one of the pictures on its first screen, with words for who cannot see it."""
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:FIRST_SCREEN]
    shown = re.findall(r"!\[([^]]{20,})\]\(docs/pictures/([a-z]+\.svg)\)", "\n".join(first))
    assert [name for _, name in shown if name in NAMES] != []


def test_rows_stand_in_a_picture_as_they_were_printed() -> None:
    """Every character is in it, spaces before a row too, and what would be markup is shown as it is."""
    tree = ET.fromstring(drawn("title", ["  a <b> & [c]", "", "end"]))  # noqa: S314 - our own
    texts = [node.text or "" for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert [text.replace("\xa0", " ") for text in texts if text.strip()] == ["title", "  a <b> & [c]", "end"]


def test_what_differs_from_run_to_run_is_made_the_same() -> None:
    """Names that are random are those of one run; what a plan says stays."""
    rows = ("  operation: op-e4mb8w6spp", "  abc-172045560518 runs", "(certificate until 2027-03-01)", "op-short 512m")
    told = ("  operation: op-7wa826jvx6", "  abc-171944126862 runs", "(certificate until 2027-02-28)", "op-short 512m")
    assert tuple(map(fixed, rows)) == told


def test_a_picture_says_what_is_left_out_of_it() -> None:
    """Where a plan is shortened it is counted."""
    rows = [str(number) for number in range(10)]
    assert shortened(rows, 2, 3) == ["0", "1", "  [... 5 lines of the plan are not in this picture ...]", "7", "8", "9"]
