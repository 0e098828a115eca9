"""The one text in which a plan is put to a person, on every channel: all that will run, and what if it fails."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType

from pydantic import JsonValue

from ink_infra_mcp.core.alike import Lane, Likeness, Part, Said, likenesses
from ink_infra_mcp.core.plan import JsonObject, Plan, Risk, Step
from ink_infra_mcp.core.quoting import WIDTH, folded, quoted
from ink_infra_mcp.core.untrusted import code_block, written_out

SANDBOX = "Sandbox: a pretend world; nothing real is touched."
NOT_SHOWN: Mapping[str, str] = {
    "app": "the uuid of what the step's summary names",
    "service": "which of Coolify's two kinds of app it is",
    "project": "the uuid of the project",
    "server": "the number or uuid of the server that the summary names",
    "host": "the server that the summary names",
    "muscle": "the server that the summary names",
    "name": "the name that the summary says",
    "source": "which of Coolify's ways of creating an app is used; the summary says from what",
    "github_app": "the uuid of the key to the source that the summary names",
    "private_key": "the uuid of the key to the source that the summary names",
    "operation": "the operation that the summary names",
    "url": "where the proof looks, which is what the plan says of the app's URL",
    "hosts": "the domains that the plan says the app has",
    "services": "names of the file's services, which is shown",
    "once": "names of the file's services, which is shown",
    "pins": "digests of all that is not shown of the app: a difference stops the step",
    "pinned_by": "a name of the key of those digests",
    "free": "what Coolify itself sets with the plan's own changes",
    "ports": "what the file that is shown publishes",
    "seen": "uuids of deployments from before",
    "known": "uuids of deployments, or names of variables, from before",
    "image": "the image that the summary names",
    "image_digest": "the digest that is shown with the step that looks once more",
    "noted": "ids of containers from before",
    "deployment": "the uuid of the deployment that the summary names",
    "deadline_s": "how long is waited",
    "window_s": "how long the server waits, which the summary says",
    "change": "the id of the change",
    "force": "whether Coolify builds without its cache",
    "commit": "the summary says how it begins",
    "names": "the summary lists them",
    "manager": "which program keeps the server's rules",
    "role": "a label for our own later look",
    "rules": "`before` and `after` say them",
    "firewall": "`before` and `after` say its rules",
    "before": "what there is, which is put back by the undo",
    "ways": "the ways in that must stay, which the plan's text names",
    "knocks": "from where the proof connects",
    "tries": "which connects are made before and after, to see that none is lost: the plan names the networks",
    "part": "under which name the server keeps what was there before",
    "met": "those of them that got through before",
    "zone": "the zone of the names that the summary says",
    "expected": "what the steps before it set, which they say, and what of the same names is so already",
    "after": "what shall be there, which the step's changes say",
    "held": "the server's own addresses",
    "others": "the addresses of the fleet's other servers",
    "unproved": "whether Coolify has never seen it",
    "newcomer": "how the server is reached and known, all of which the step that waits for it says",
    "within_s": "how long is waited",
    "said": "in which words sshd repeats the settings",
    "first_line": "the summary names the file",
    "policy": "`changes` say what of it is set",
    "marker": "the name of the key in the file that holds it",
    "prove": "whether a new login is tried with the key",
}
"""Parameters that a person need not read, each with its reason. Whatever else a step is given is shown."""
_TABLES = frozenset({"settings", "variables", "runs", "fields"})
_NO_SETTINGS = frozenset({"variables"})
"""Tables whose entries are called as somebody likes: what is said of a change says nothing of them."""


def render(plan: Plan, *, risk: Risk, phrase: str = "", sandbox: bool = False) -> str:
    """Return the plan as the text that a person approves, the same to the last character for every channel.

    `phrase` is what must be typed. Each text of the plan stays on its own line, folded behind a mark; a text that runs
    is shown whole, behind bars where it does not fit a line: words from outside can make no line that looks like the
    plan's. Nothing is masked or left out here. The whole is a code block, which hosts that render Markdown show as it
    is, and no row is longer than 78 columns.
    """
    if plan.is_noop:
        return code_block("\n".join(_rows([f"{plan.title}: nothing to do. {plan.reason}"])))
    head = [plan.title, _target(plan), f"Risk: {_risk_words(plan, risk)} | cost: {_cost(plan)}"]
    foot = [f"Affects: {plan.blast_radius}"] if plan.blast_radius else []
    foot += [f"Stays as it is: {kept}" for kept in plan.keeps]
    foot += [f"Warning: {warning}" for warning in plan.warnings]
    last = [f"Plan {plan.digest[:12]}", *([f"To approve, type: {phrase}"] if phrase else [])]
    rows = [*_rows(head), *([SANDBOX] if sandbox else []), "", *_steps(plan), *_rows(foot), *_rows(last)]
    return code_block("\n".join(rows))


def cut(text: str, *, limit: int, digest: str) -> str:
    """Return a plan's text as it is where it has at most `limit` characters, else its head and tail.

    Between them stands how much is missing, the digest of the plan, and that nobody can approve it here.
    """
    if len(text) <= limit:
        return text
    bar, *rows, end = text.split("\n")
    head, tail = _up_to(rows, limit * 2 // 3), _up_to(rows[::-1], limit // 4)[::-1]
    missing = rows[len(head) : len(rows) - len(tail)]
    said = [
        f"*** {len(missing)} of {len(rows)} rows are NOT shown here ({sum(map(len, missing))} characters).",
        "*** It can be approved only where it is shown whole. The digest of the plan:",
        f"*** sha256 {digest}",
    ]
    return "\n".join([bar, *head, *said, *tail, end])


def _up_to(rows: list[str], limit: int) -> list[str]:
    found: list[str] = []
    for row in rows:
        limit -= len(row) + 1
        if limit < 0:
            break
        found.append(row)
    return found


def _rows(lines: Iterable[str]) -> list[str]:
    return [row for line in lines for row in folded(written_out(line))]


def _target(plan: Plan) -> str:
    servers = dict.fromkeys(name for step in plan.steps for name in step.servers)
    others = [name for name in servers if name != plan.target]
    return f"Target: {plan.target}" + (f" on {', '.join(others)}" if others else "")


def _risk_words(plan: Plan, risk: Risk) -> str:
    return risk.word + (", on production" if plan.production else "")


def _cost(plan: Plan) -> str:
    if plan.monthly_cost_eur is None:
        return "nothing new is bought"
    total = "" if plan.monthly_total_eur is None else f"; everything then costs {plan.monthly_total_eur}"
    return f"{plan.monthly_cost_eur} EUR a month{total}"


Stretches = list[tuple[str, tuple[Step, ...]]]
"""The steps of a plan, as they follow on one another in a lane, or in none."""


def _steps(plan: Plan) -> Iterator[str]:
    """Give the rows of all steps; a lane that is as an earlier one but for some values is told by these."""
    numbers = {step.id: number for number, step in enumerate(plan.steps, 1)}
    stretches = [(lane, tuple(steps)) for lane, steps in groupby(plan.steps, key=lambda step: step.lane)]
    names = [lane for lane, _ in stretches if lane]
    lanes = _whole_lanes(plan, numbers, stretches, names)
    alike = likenesses(lanes.values())
    teller, models = _Teller(plan, numbers), {like.of for like in alike.values()}
    beside = ", beside the others:" if len(set(names)) > 1 else ":"
    for lane, steps in stretches:
        if like := alike.get(lane):
            yield from _as_another(plan, numbers, lanes[lane], like)
            continue
        # what others are read by holds all its texts itself
        own = _Teller(plan, numbers) if lane in models else teller
        yield from _rows([lane + beside] if lane else [])
        yield from _told(own, steps)
        teller.shown.update({**own.shown, **teller.shown})


def _told(teller: "_Teller", steps: tuple[Step, ...]) -> Iterator[str]:
    for _, said in teller.parts(steps):
        yield from _laid(said)


def _whole_lanes(plan: Plan, numbers: Mapping[str, int], stretches: Stretches, names: list[str]) -> dict[str, Lane]:
    """Return the lanes that stand in one piece, each as it reads by itself; a single one has none to be as."""
    return {
        lane: Lane(lane, tuple(_parts(plan, numbers, steps)))
        for lane, steps in stretches
        if len(names) > 1 and names.count(lane) == 1
    }


def _parts(plan: Plan, numbers: Mapping[str, int], steps: tuple[Step, ...]) -> Iterator[Part]:
    own = {step.id: number for number, step in enumerate(steps, 1)}
    # a step outside is never taken for one of the lane
    within = _Teller(plan, {**{id_: -number for id_, number in numbers.items()}, **own})
    for (group, rows), (_, said) in zip(_Teller(plan, numbers).parts(steps), within.parts(steps), strict=True):
        kinds = tuple(step.kind for step in group)
        yield Part(_span([numbers[step.id] for step in group]), kinds, tuple(said), tuple(_laid(rows)))


def _as_another(plan: Plan, numbers: Mapping[str, int], lane: Lane, like: Likeness) -> Iterator[str]:
    at = {name: [numbers[step.id] for step in plan.steps if step.lane == name] for name in (lane.name, like.of)}
    apart = [part for number, part in enumerate(lane.parts) if number in like.others]
    but = f", but for {', '.join(part.numbers for part in apart)} (below)" if apart else ""
    how = f"with these values in place of those of {like.of}:" if like.table else "word for word:"
    word, verb = ("steps", "are") if len(at[like.of]) > 1 else ("step", "is")
    steps = f"{word} {_span(at[lane.name])} {verb} {word} {_span(at[like.of])} of {like.of}"
    yield from _rows([f"{lane.name}, beside the others: {steps}{but}, {how}"])
    yield from _laid(like.said())
    for part in apart:
        yield from part.rows


def _span(numbers: list[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says what is put to a person of steps, by number; a text that several are given is shown with the first."""

    plan: Plan
    numbers: Mapping[str, int]
    shown: dict[str, int] = field(default_factory=dict[str, int])

    def parts(self, steps: Iterable[Step]) -> Iterator[tuple[tuple[Step, ...], list[Said]]]:
        """Give the steps with what is said of them: each alone, and such as only read, one after the other, as one."""
        for reads, group in groupby(steps, key=lambda step: step.reads):
            if reads:
                together = tuple(group)
                yield together, list(self._reading(together))
            else:
                yield from (((step,), list(self._acting(step))) for step in group)

    def _reading(self, steps: tuple[Step, ...]) -> Iterator[Said]:
        numbers = _span([self.numbers[step.id] for step in steps])
        yield Said(f" {numbers}. Only reads: {'; '.join(step.summary for step in steps)}")
        yield from dict.fromkeys(said for step in steps for said in self._given(step))
        yield from self._failing(steps)

    def _acting(self, step: Step) -> Iterator[Said]:
        yield Said(f" {self.numbers[step.id]}. {step.summary}")
        for name, value in (("before", step.before), ("after", step.after)):
            if value is not None:
                yield Said(f"      {name}: {value}")
        for change in step.changes:
            yield _value(f"before {change.name}", _brief(change.before))
            yield self._text(step, f"after {change.name}", change.after)
        yield from self._given(step, {change.name: change.after for change in step.changes})
        yield from self._failing((step,))
        yield Said(f"      undo: {step.undo.summary if step.undo else step.undo_words}")

    def _failing(self, steps: tuple[Step, ...]) -> Iterator[Said]:
        """Say in plain words what becomes of things that run, and which steps are undone, last first."""
        ids, own = {id_ for step in steps for id_ in step.undoes}, {step.id for step in steps}
        undone = [step for step in self.plan.steps if step.id in ids][::-1]
        if undone:
            said = ", ".join("this step" if step.id in own else f"step {self.numbers[step.id]}" for step in undone)
            when = "if it fails" if len(steps) == 1 else "if one of them fails"
            yield Said(f"      {when}, {'; '.join([*_effects(undone), f'this is undone: {said}'])}")

    def _given(self, step: Step, told: Mapping[str, str | None] = MappingProxyType({})) -> Iterator[Said]:
        """Say what a step is given, but for settings whose very values are `told` as changes."""
        for name, value in runs(step).items():
            known: Mapping[str, str | None] = {} if name in _NO_SETTINGS else told
            for key, part in rows_of(name, value):
                if key not in known or known[key] not in _spellings(part):
                    yield self._text(step, key, _plain(part))

    def _text(self, step: Step, name: str, text: str | None) -> Said:
        """A text that stands in the plan already is not shown twice: the second would be passed over by the eye."""
        number = self.numbers[step.id]
        if text is None or "\n" not in text:
            return _value(name, text)
        earlier = self.shown.setdefault(text, number)
        return (
            Said(name, text) if earlier == number else Said(f"      {name}: the text that is shown with step {earlier}")
        )


def _effects(undone: Iterable[Step]) -> list[str]:
    return [step.undo.effect for step in undone if step.undo and step.undo.effect]


def _value(name: str, text: str | None) -> Said:
    return Said(name, text) if text else Said(f"      {name} is {'not set' if text is None else 'empty'}")


def _laid(said: Iterable[Said]) -> list[str]:
    return [row for one in said for row in _laid_out(one)]


def _laid_out(said: Said) -> list[str]:
    """A value that a row of the plan could show otherwise than it is stands behind bars."""
    name, text = said.line, said.text
    if text is None:
        return _rows([name])
    exact = text == text.strip() and "  " not in text and text == written_out(text)
    row = f"      {name} = {text}"
    return [row] if exact and folded(row) == [row] else quoted(text, name=name)


def _brief(text: str | None) -> str | None:
    """What is replaced runs no more: of a long one it is said how long it was."""
    if text is None or ("\n" not in text and len(text) <= 5 * WIDTH):
        return text
    return f"({len(text.splitlines())} lines, {len(text)} characters, which this replaces)"


def _is_nothing(name: str, value: JsonValue) -> bool:
    """A table is none that stands for a result, whatever its entries are called: their names are the caller's."""
    return value in ("", None, [], {}) or (name not in _TABLES and _stands_for_a_result(value))


def _stands_for_a_result(value: JsonValue) -> bool:
    if not isinstance(value, dict) or value.keys() != {"step", "field"}:
        return False
    return all(isinstance(part, str) for part in value.values())


def _plain(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) and "," not in part for part in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def _spellings(value: JsonValue) -> tuple[JsonValue, ...]:
    """Return how a change may say a value."""
    return value, _plain(value), json.dumps(value, ensure_ascii=False)


def runs(step: Step) -> JsonObject:
    """Return what of a step's parameters is put to a person: what runs, or steers what runs."""
    return {n: value for n, value in step.params.items() if n not in NOT_SHOWN and not _is_nothing(n, value)}


def rows_of(name: str, value: JsonValue) -> tuple[tuple[str, JsonValue], ...]:
    """Return what a person reads of one parameter, by name: the entries of a table, else the parameter itself."""
    return tuple(value.items()) if name in _TABLES and isinstance(value, dict) else ((name, value),)
