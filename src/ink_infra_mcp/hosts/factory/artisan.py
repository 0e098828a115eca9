"""Reads what Laravel's artisan prints of migrations, in the forms of Laravel 8 and of 9 and later."""

import re

_NAME = r"(?P<name>[0-9]{4}_[0-9]{2}_[0-9]{2}_[0-9]{6}_[A-Za-z0-9_]+)"
_LINE = re.compile(rf" *{_NAME} +\.* *(?:\[[0-9]+\] )?(?P<what>Ran|Pending) *")
"""Between a long name and the end of a narrow line there is no dot."""
_ROW = re.compile(rf"\| (?P<what>Yes|No) +\| {_NAME} +\| *[0-9]* *\|")
_RULE = re.compile(r"\+[-+]+\+|\| Ran\? \| Migration +\| Batch \|| *Migration name \.+ Batch / Status *| *")


def pending_in(text: str) -> tuple[str, ...]:
    """Return the migrations that `artisan migrate:status` lists as not run, in its order.

    Raises:
        ValueError: it has a line that is none of its own, or lists no migration at all.
    """
    listed = [found for line in text.splitlines() if (found := _listed(line)) is not None]
    if not listed:
        raise ValueError("no migration")
    return tuple(found["name"] for found in listed if found["what"] in ("Pending", "No"))


def _listed(line: str) -> re.Match[str] | None:
    found = _LINE.fullmatch(line) or _ROW.fullmatch(line)
    if found is None and not _RULE.fullmatch(line):
        raise ValueError("a line of another form")
    return found
