"""A reader of plans, as a person is one: puts a table's values into the lane that is shown, and gets the other one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ink_infra_mcp.core.plan import Plan, Risk, Step
from ink_infra_mcp.core.rendering import render

MARK = "      ... "
WIDE = 68 - 4
"""Characters of a line's part in a row, without spaces round it; a shorter one was broken at a space."""
BREAK = "\x01"
"""Where a row ends that may be full: nobody sees whether a space stood there."""
HEAD = re.compile(
    r"(?P<lane>[a-z0-9-]+),besidetheothers:steps?(?P<ours>\d+)(?:-\d+)?(?:aresteps|isstep)(?P<theirs>\d+)(?:-\d+)?"
    r"of(?P<of>[a-z0-9-]+)(?:,butfor(?P<but>[\d,-]+)\(below\))?,"
    r"(?:withthesevaluesinplaceofthoseof(?P=of)|wordforword):"
)
"""Without its spaces: no name has one, and a row's end may hide it."""
FULL = re.compile(r"(?P<lane>[a-z0-9-]+)(?:, beside the others)?:")
STEP = re.compile(r" (\d+)(-\d+)?\.(?: |$)")
QUOTE = re.compile(r"      (.+), (\d+) lines, whole, behind bars:")
GUTTER = re.compile(r"^(?:(?= {3,})[ ]{3,9}\d+ \|| {11}\+) ?")
PAIR = re.compile(r" (?P<left>[^ ]+) -> (?P<right>[^ ,]+)(?P<names>, also inside longer names)?")
HALF = re.compile(r" in (?P<of>[a-z0-9-]+) = (?P<value>[^ ]+)")


@dataclass
class LaneRead:
    """A lane as it stands there: its parts by the number of their first step, and of which lane it is a likeness.

    `but` are the steps that the head says to be otherwise.
    """

    name: str
    parts: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    of: str = ""
    but: str = ""
    offset: int = 0
    names: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, str] = field(default_factory=dict[str, str])


def lines_of(rows: list[str]) -> list[str]:
    """Return the lines that rows were broken from; a text behind bars is one with its name, as a short value is."""
    lines: list[str] = []
    for line in _joined(rows):
        gutter = GUTTER.match(line)
        if gutter is None:
            lines.append(line)
        elif gutter[0].rstrip().endswith("+"):
            lines[-1] += line[gutter.end() :]
        elif quote := QUOTE.fullmatch(lines[-1].replace(BREAK, " ")):
            name, count = quote.groups()
            lines[-1] = f"      {name}{' of more lines' if count != '1' else ''} = {line[gutter.end() :]}"
        else:
            lines[-1] += "\n" + line[gutter.end() :]
    return [re.sub(" +", " ", line).rstrip() for line in lines]


def _joined(rows: list[str]) -> Iterator[str]:
    line: str | None = None
    last = 0
    for row in rows:
        if row.startswith(MARK) and line is not None:
            line += (BREAK if last >= WIDE else " ") + row[len(MARK) :]
            last = len(row) - len(MARK)
            continue
        if line is not None:
            yield line
        line, last = row, len(row)
    if line is not None:
        yield line


def lanes_in(text: str) -> dict[str, LaneRead]:
    """Return each lane of a plan's text, as it stands there."""
    lines = lines_of(text.split("\n")[1:-1])
    found: dict[str, LaneRead] = {}
    lane: LaneRead | None = None
    part: list[str] | None = None
    for line in lines:
        if not line.startswith(" "):
            part = None
            lane = _begun(line)
            if lane is not None:
                found[lane.name] = lane
        elif lane is not None and (step := STEP.match(line)):
            part = lane.parts.setdefault(int(step[1]), [])
            part.append(line)
        elif part is not None:
            part.append(line)
        elif lane is not None:
            _note(lane, line)
    return found


def _begun(line: str) -> LaneRead | None:
    if head := HEAD.fullmatch(re.sub(f"[ {BREAK}]", "", line)):
        return LaneRead(
            head["lane"], of=head["of"], but=head["but"] or "", offset=int(head["ours"]) - int(head["theirs"])
        )
    full = FULL.fullmatch(line.replace(BREAK, ""))
    return LaneRead(full["lane"]) if full else None


def _note(lane: LaneRead, line: str) -> None:
    """A row of the table, or one half of it."""
    both = (line.replace(BREAK, " "), line.replace(BREAK, ""))
    row = next(filter(None, (PAIR.fullmatch(one) or HALF.fullmatch(one) for one in both)))
    if row.re is PAIR:
        (lane.names if row["names"] else lane.values)[row["left"]] = row["right"]
    elif row["of"] == lane.of:
        lane.values[row["value"]] = ""
    else:
        assert row["of"] == lane.name
        lane.values[[*lane.values][-1]] = row["value"]


def read_back(text: str, name: str) -> list[str]:
    """Return all lines of a lane: as they stand there, or as the table makes them of another's."""
    lanes = lanes_in(text)
    lane = lanes[name]
    if not lane.of:
        return [line for part in lane.parts.values() for line in part]
    parts = {first + lane.offset: [_put(lane, line) for line in lines] for first, lines in lanes[lane.of].parts.items()}
    apart = [match[0].strip(" .") for lines in lane.parts.values() if (match := STEP.match(lines[0]))]
    assert (",".join(apart), lane.parts.keys() - parts.keys()) == (lane.but, set())
    parts |= lane.parts
    return [line for first in sorted(parts) for line in parts[first]]


def _put(lane: LaneRead, line: str) -> str:
    """Numbers of steps are the plan's own words only where the plan says them: in front, and after `undone`."""
    step = STEP.match(line)
    begin, rest = (line[: step.end()], line[step.end() :]) if step else ("", line)
    begin = re.sub(r"\d+", lambda number: str(int(number[0]) + lane.offset), begin)
    own = ("if it fails, ", "if one of them fails, ")
    before, undone, numbers = rest.rpartition("this is undone: ")
    if rest.strip().startswith(own) and undone:
        return f"{_values(lane, before)}{undone}{_counted(lane, numbers)}"
    before, shown, number = rest.rpartition(": the text that is shown with step ")
    if shown:
        return f"{_values(lane, before)}{shown}{int(number) + lane.offset}"
    return begin + _values(lane, rest)


def _counted(lane: LaneRead, numbers: str) -> str:
    return re.sub(r"\d+", lambda number: str(int(number[0]) + lane.offset), numbers)


def _values(lane: LaneRead, text: str) -> str:
    """All at once, from the left, the longest that fits: names where no letter or digit goes on, the others always."""
    table = {**lane.names, **lane.values}
    broken = {left: f"{BREAK}?".join(map(re.escape, left)) for left in sorted(table, key=len, reverse=True)}
    whole = [rf"(?<![^\W_]){one}(?![^\W_])" if left in lane.names else one for left, one in broken.items()]
    found = re.compile("|".join(whole) or "(?!)")
    return found.sub(lambda match: table[match[0].replace(BREAK, "")], text)


def unbroken(found: list[str], wanted: list[str]) -> tuple[list[str], list[str]]:
    """Return both without the spaces of those lines in which one of them may have lost one at a row's end."""
    if len(found) == len(wanted):
        lines = [_squeezed(one, two) for one, two in zip(found, wanted, strict=True)]
        return [one for one, _ in lines], [two for _, two in lines]
    return found, wanted


def _squeezed(one: str, two: str) -> tuple[str, str]:
    if BREAK not in one + two:
        return one, two
    return re.sub(f"[ {BREAK}]", "", one), re.sub(f"[ {BREAK}]", "", two)


def alone(plan: Plan, name: str) -> list[str]:
    """Return all lines of a lane as they are where it is the only one: each other step says nothing."""
    last = max(number for number, step in enumerate(plan.steps) if step.lane == name)
    steps = tuple(
        step if step.lane == name else Step(id=step.id, kind="coolify.stop", target="-", summary="-")
        for step in plan.steps[: last + 1]
    )
    (lane,) = lanes_in(render(plan.model_copy(update={"steps": steps}), risk=Risk.DISRUPTIVE)).values()
    return [line for part in lane.parts.values() for line in part]
