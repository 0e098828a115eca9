"""Sets of whole numbers as sorted, disjoint, inclusive spans: exact union, intersection, difference and complement."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

Span = tuple[int, int]
Spans = tuple[Span, ...]


def normal(spans: Iterable[Span]) -> Spans:
    """Return the spans sorted, with those that overlap or touch made one.

    Raises:
        ValueError: a span ends before it begins.
    """
    joined: list[Span] = []
    for first, last in sorted(spans):
        if last < first:
            raise ValueError(f"the range {first}-{last} ends before it begins")
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def intersection(ours: Spans, theirs: Spans) -> Spans:
    """Return what is in both."""
    common: list[Span] = []
    left = right = 0
    while left < len(ours) and right < len(theirs):
        first = max(ours[left][0], theirs[right][0])
        last = min(ours[left][1], theirs[right][1])
        if first <= last:
            common.append((first, last))
        if ours[left][1] < theirs[right][1]:
            left += 1
        else:
            right += 1
    return tuple(common)


def complement(spans: Spans, limit: int) -> Spans:
    """Return what of 0 to `limit` is not in the spans."""
    gaps: list[Span] = []
    start = 0
    for first, last in spans:
        if start < first:
            gaps.append((start, first - 1))
        start = last + 1
    if start <= limit:
        gaps.append((start, limit))
    return tuple(gaps)


@dataclass(frozen=True, slots=True)
class SpanSet:
    """A set of numbers of one kind; kinds cannot be mixed, which the types say and the operations check."""

    spans: Spans = ()
    LIMIT: ClassVar[int] = 0
    """The largest number that there is of the kind; the smallest is 0."""

    @classmethod
    def all(cls) -> Self:
        """Return the set of every number of the kind."""
        return _all(cls)

    @classmethod
    def of_spans(cls, spans: Iterable[Span]) -> Self:
        """Return the set of the numbers in any of the spans.

        Raises:
            ValueError: a span is upside down or leaves the range of the kind.
        """
        joined = normal(spans)
        if joined and (joined[0][0] < 0 or joined[-1][1] > cls.LIMIT):
            raise ValueError(f"a number is not between 0 and {cls.LIMIT}")
        return cls(joined)

    @property
    def is_all(self) -> bool:
        """Return whether nothing is missing."""
        return self.spans == ((0, self.LIMIT),)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __contains__(self, number: int) -> bool:
        before = bisect_right(self.spans, (number, self.LIMIT))
        return before > 0 and number <= self.spans[before - 1][1]

    def __or__(self, other: Self) -> Self:
        self._same_kind(other)
        if not other.spans or self.spans == other.spans:
            return self
        return type(self)(normal(self.spans + other.spans)) if self.spans else other

    def __and__(self, other: Self) -> Self:
        self._same_kind(other)
        return type(self)(intersection(self.spans, other.spans))

    def __sub__(self, other: Self) -> Self:
        self._same_kind(other)
        if not self.spans or not other.spans:
            return self
        return type(self)(intersection(self.spans, complement(other.spans, self.LIMIT)))

    def __invert__(self) -> Self:
        return type(self)(complement(self.spans, self.LIMIT))

    def __le__(self, other: Self) -> bool:
        """Return whether every number of this set is in the other."""
        return not self - other

    def _same_kind(self, other: object) -> None:
        if type(self) is not type(other):
            raise TypeError(f"{type(self).__name__} and {type(other).__name__} cannot be combined")


S = TypeVar("S", bound=SpanSet)
_WHOLE: dict[type[SpanSet], SpanSet] = {}


def _all(kind: type[S]) -> S:
    found = _WHOLE.setdefault(kind, kind(((0, kind.LIMIT),)))
    if not isinstance(found, kind):
        raise TypeError(f"{kind.__name__} is not a set of its own kind")
    return found
