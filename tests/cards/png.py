"""PNG as far as pictures of a page need it (third edition of its specification): few colours, and words inside."""

import struct
import zlib
from collections import Counter
from collections.abc import Generator, Iterable, Sequence

KEY = "Description"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _PALETTE = 2, 3
_TEXT = f"{KEY}\0\1\0\0\0".encode()
"""How international text begins that is packed and names no language."""
_MOST = 128
"""Colours that are kept: a page has a few, and the edges of its letters, which have many, look well in the nearest."""
_Point = tuple[int, int, int]


def light(picture: bytes, words: str) -> bytes:
    """Return a picture of a browser with a palette, which makes it a third as large, and these words inside.

    Raises:
        ValueError: it is no picture of 8 bits of red, green and blue a point.
    """
    width, height = size_of(picture)
    points = [*_points(picture, width)]
    colours = [colour for colour, _ in Counter(points).most_common(_MOST)]
    place = {colour: _closest(colour, colours) for colour in {*points}}
    rows = (bytes([0, *(place[point] for point in points[at : at + width])]) for at in range(0, len(points), width))
    header = struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", bytes(part for colour in colours for part in colour)),
        (b"iTXt", _TEXT + zlib.compress(words.encode(), 9)),
        (b"IDAT", zlib.compress(b"".join(rows), 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(_packed(*chunk) for chunk in chunks)


def _closest(colour: _Point, kept: Sequence[_Point]) -> int:
    distances = [sum((one - two) ** 2 for one, two in zip(colour, each, strict=True)) for each in kept]
    return distances.index(min(distances))


def words_in(picture: bytes) -> str:
    """Return the words in a picture, empty where it holds none."""
    texts = (body for kind, body in _chunks(picture) if kind == b"iTXt" and body.startswith(_TEXT))
    return next((zlib.decompress(body.removeprefix(_TEXT)).decode() for body in texts), "")


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height in points."""
    width, height = struct.unpack(">II", _header(picture)[:8])
    return width, height


def _header(picture: bytes) -> bytes:
    return next((body for kind, body in _chunks(picture) if kind == b"IHDR"), b"")


def _points(picture: bytes, width: int) -> Generator[_Point]:
    if _header(picture)[8:13] != bytes([8, _RGB, 0, 0, 0]):
        raise ValueError("it has another form")
    data = zlib.decompress(b"".join(body for kind, body in _chunks(picture) if kind == b"IDAT"))
    line = bytes(3 * width)
    for at in range(0, len(data), 3 * width + 1):
        line = _unfiltered(data[at], data[at + 1 : at + 1 + 3 * width], line)
        yield from zip(line[0::3], line[1::3], line[2::3], strict=True)


def _unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    """A point is told as its difference to what is left of it, above it, or in between."""
    found = bytearray(line)
    for at, byte in enumerate(line):
        left, corner = (found[at - 3], above[at - 3]) if at >= 3 else (0, 0)
        near = (0, left, above[at], (left + above[at]) // 2, _nearest(left, above[at], corner))
        found[at] = (byte + near[kind]) & 255
    return bytes(found)


def _nearest(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


def _chunks(picture: bytes) -> Iterable[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(picture):
        [length] = struct.unpack(">I", picture[at : at + 4])
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += length + 12


def _packed(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
