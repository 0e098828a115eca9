"""The mark of an answer: which findings it had, in a short text, so that a later call can tell what is new since."""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ink_infra_mcp.core.errors import InputError

MOST = 400
"""Findings that a mark keeps, those that come first: one beyond them counts as new each time."""
BITS = 20
"""Of each finding's digest: one that is new is taken for an old one in a case out of a million divided by their number;
the counts of all that stands are in each answer."""
_HEAD = 3


@dataclass(frozen=True, slots=True)
class Since:
    """What came and what went since an answer: the ids of what is new, and how many findings are gone."""

    new: frozenset[str]
    gone: int


def mark_of(ids: Sequence[str]) -> str:
    """Return the mark of an answer whose findings have these ids, the worst first."""
    return base64.urlsafe_b64encode(_packed(sorted({_number(id_) for id_ in ids[:MOST]}))).decode().rstrip("=")


def since(mark: str, ids: Iterable[str]) -> Since:
    """Return what is new and what is gone since the answer with that mark.

    Raises:
        InputError: no answer gave such a mark.
    """
    try:
        old = frozenset(_unpacked(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))))
    except (binascii.Error, ValueError, IndexError) as error:
        raise InputError(
            "changed_since is not the mark of an answer.", next="Give the `mark` of an earlier answer, or leave it out."
        ) from error
    now = {id_: _number(id_) for id_ in ids}
    return Since(frozenset(id_ for id_, number in now.items() if number not in old), len(old - set(now.values())))


def _number(id_: str) -> int:
    return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:4], "big") >> (32 - BITS)


def _packed(numbers: Sequence[int]) -> bytes:
    """Gaps in the code of Golomb and Rice: for random numbers that is nearly as short as can be."""
    low = _low_bits(len(numbers))
    bits = "".join(_coded(gap, low) for gap in _gaps(numbers))
    whole = bits + "1" * (-len(bits) % 8)
    body = int(whole, 2).to_bytes(len(whole) // 8, "big") if whole else b""
    return len(numbers).to_bytes(2, "big") + _sum(body) + body


def _gaps(numbers: Sequence[int]) -> list[int]:
    return [after - before for before, after in zip((0, *numbers), numbers, strict=False)]


def _coded(gap: int, low: int) -> str:
    return "1" * (gap >> low) + "0" + format(gap & ((1 << low) - 1), f"0{low}b")


def _low_bits(count: int) -> int:
    return max(1, ((1 << BITS) // max(1, count)).bit_length() - 1)


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:1]


def _unpacked(packed: bytes) -> list[int]:
    count, body = int.from_bytes(packed[:2], "big"), packed[_HEAD:]
    if len(packed) < _HEAD or count > MOST or _sum(body) != packed[2:_HEAD]:
        raise ValueError("not a mark")
    low, at, number = _low_bits(count), 0, 0
    bits = "".join(format(byte, "08b") for byte in body)
    found: list[int] = []
    for _ in range(count):
        end = bits.index("0", at)
        number += ((end - at) << low) + int(bits[end + 1 : end + 1 + low], 2)
        at = end + 1 + low
        found.append(number)
    return found
