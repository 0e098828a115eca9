"""Which of many cases of one kind run at every change; the others run before a release."""

from collections.abc import Collection, Iterable

import pytest


def chosen(every: Iterable[str], kept: Collection[str]) -> list[object]:
    """Return the cases for pytest, those that are not kept marked as `long`.

    Raises:
        ValueError: one that is to be kept is none of them: it would silently run never.
    """
    cases = [*every]
    if strange := {*kept} - {*cases}:
        raise ValueError(f"no such case: {', '.join(sorted(strange))}")
    return [case if case in kept else pytest.param(case, marks=pytest.mark.long) for case in cases]
