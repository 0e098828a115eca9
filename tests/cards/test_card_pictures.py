"""The pictures of the cards show what the cards show today, are light, and are shown where readers are."""

import re
import struct
import zlib
from pathlib import Path

import pytest

from tests.cards.hosts import opened_host
from tests.cards.pictures import FOLDER, TAKEN, WIDTH, shown
from tests.cards.png import light, size_of, words_in
from tests.cards.served import served

ROOT = FOLDER.parents[1]
MOST_BYTES = 60_000
TALLEST = 1000


@pytest.mark.clients
@pytest.mark.timeout(360)
@pytest.mark.xdist_group("chromium")
def test_the_pictures_of_cards_have_the_words_that_the_cards_show_today(tmp_path: Path) -> None:
    """Fonts differ from machine to machine, and words do not: what was pictured is what is drawn now."""
    with opened_host() as host, served(tmp_path) as server:
        now = {name: shown(host, server, name) for name in TAKEN}
    kept = {name: words_in((FOLDER / name).read_bytes()) for name in TAKEN}
    assert kept == now, "run `make pictures`, and look at what changed"


@pytest.mark.parametrize("name", TAKEN)
def test_a_picture_of_a_card_is_light_and_has_its_words_inside(name: str) -> None:
    """Less than 60 kB, no taller than a screen or so, and it says that it is of a pretend world."""
    picture = (FOLDER / name).read_bytes()
    width, height = size_of(picture)
    assert (len(picture) < MOST_BYTES, width, height < TALLEST) == (True, WIDTH, True)
    assert "sandbox: a pretend world" in words_in(picture)


def test_both_pictures_are_in_the_readme_with_words_for_who_cannot_see_them() -> None:
    """One is shown, the other one click away; nothing else of that kind lies in the folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"(!?)\[([^]]{20,})\]\(docs/pictures/([a-z-]+\.png)\)", readme)
    assert sorted(name for _, _, name in named) == sorted(TAKEN)
    assert "!" in {mark for mark, _, _ in named}
    assert sorted(path.name for path in FOLDER.glob("*.png")) == sorted(TAKEN)


def rgb(*lines: bytes, width: int) -> bytes:
    """Return a picture as a browser writes it: lines of points, each with the kind of its filter before it."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, len(lines), 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(lines)),
        b"IEND": b"",
    }
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def points(picture: bytes) -> list[list[tuple[int, ...]]]:
    """Return the points of a picture with a palette, line by line, read without the code that wrote it."""
    palette = data = b""
    at, width = 8, size_of(picture)[0]
    while at < len(picture):
        [length], kind = struct.unpack(">I", picture[at : at + 4]), picture[at + 4 : at + 8]
        body = picture[at + 8 : at + 8 + length]
        assert struct.unpack(">I", picture[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + body),)
        palette, data = (body if kind == b"PLTE" else palette), (body if kind == b"IDAT" else data)
        at += length + 12
    rows = zlib.decompress(data)
    lines = [rows[start + 1 : start + 1 + width] for start in range(0, len(rows), width + 1)]
    return [[tuple(palette[3 * place : 3 * place + 3]) for place in line] for line in lines]


def test_a_picture_is_made_lighter_point_for_point() -> None:
    """Each of PNG's five filters is undone, colours that are few stay as they are, and the words come back."""
    white, black, red = (255, 255, 255), (0, 0, 0), (255, 0, 0)
    made = rgb(
        bytes([0, *white, *black, *red]),
        bytes([1, *white, *((1,) * 3), *((255, 0, 0))]),
        bytes([2, *((0,) * 9)]),
        bytes([3, *((128, 128, 128)), *((128, 128, 128)), *((0, 128, 128))]),
        bytes([4, *((0,) * 9)]),
        width=3,
    )
    lighter = light(made, "words of a card")
    assert words_in(lighter) == "words of a card"
    assert points(lighter) == [*[[white, black, red]] * 3, *[[white, white, white]] * 2]
    with pytest.raises(ValueError, match="another form"):
        light(lighter, "")
