"""The one text in which a plan is put to a person, on every channel: all that will run, and what if it fails."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from pydantic import JsonValue

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
    "commit": "the summary says it",
    "names": "the summary lists them",
    "manager": "which program keeps the server's rules",
    "role": "a label for our own later look",
    "rules": "`before` and `after` say them",
    "firewall": "`before` and `after` say its rules",
    "before": "what there is, which is put back by the undo",
    "ways": "the ways in that must stay, which the plan's text names",
    "knocks": "from where the proof connects",
    "tries": "which connects are made before and after, to see that none is lost: the plan names the networks",
    "met": "those of them that got through before",
}
"""Parameters that a person need not read, each with its reason. Whatever else a step is given is shown."""
_TABLES = frozenset({"settings", "variables", "runs"})


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
    rows = [*_rows(head), *([SANDBOX] if sandbox else []), "", *_Steps(plan).rows(), *_rows(foot), *_rows(last)]
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
    return "nothing new is bought" if plan.monthly_cost_eur is None else f"{plan.monthly_cost_eur} EUR a month"


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of one plan as rows. A text that several steps are given is shown with the first of them."""

    plan: Plan
    _shown: dict[str, int] = field(default_factory=dict[str, int])

    def rows(self) -> Iterator[str]:
        """Give the rows of all steps; such as only read, one after the other, are one line."""
        numbered = enumerate(self.plan.steps, 1)
        for reads, group in groupby(numbered, key=lambda pair: pair[1].reads):
            steps = list(group)
            if reads:
                yield from self._reading(steps)
            else:
                for number, step in steps:
                    yield from self._acting(number, step)

    def _reading(self, steps: list[tuple[int, Step]]) -> Iterator[str]:
        first, last = steps[0][0], steps[-1][0]
        numbers = f"{first}" if first == last else f"{first}-{last}"
        yield from _rows([f" {numbers}. Only reads: {'; '.join(step.summary for _, step in steps)}"])
        for number, step in steps:
            if not any(text in self._shown for text in step.params.values() if isinstance(text, str)):
                yield from self._given(number, step)
        yield from _rows(self._failing([step for _, step in steps]))

    def _acting(self, number: int, step: Step) -> Iterator[str]:
        yield from _rows([f" {number}. {step.summary}"])
        for name, value in (("before", step.before), ("after", step.after)):
            if value is not None:
                yield from _rows([f"      {name}: {value}"])
        for change in step.changes:
            yield from _value(f"before {change.name}", _brief(change.before))
            yield from self._text(number, f"after {change.name}", change.after)
        yield from self._given(number, step)
        yield from _rows(self._failing([step]))
        yield from _rows([f"      undo: {step.undo.summary if step.undo else step.undo_words}"])

    def _failing(self, steps: list[Step]) -> list[str]:
        """Say in plain words what becomes of things that run, and which steps are undone, last first."""
        ids, own = {id_ for step in steps for id_ in step.undoes}, {step.id for step in steps}
        undone = [(number, step) for number, step in enumerate(self.plan.steps, 1) if step.id in ids][::-1]
        if not undone:
            return []
        said = ", ".join("this step" if step.id in own else f"step {number}" for number, step in undone)
        when = "if it fails" if len(steps) == 1 else "if one of them fails"
        return [f"      {when}, {'; '.join([*_effects(undone), f'this is undone: {said}'])}"]

    def _given(self, number: int, step: Step) -> Iterator[str]:
        changed = {change.name for change in step.changes}
        for name, value in runs(step).items():
            for key, part in rows_of(name, value):
                if key not in changed:
                    yield from self._text(number, key, _plain(part))

    def _text(self, number: int, name: str, text: str | None) -> Iterator[str]:
        """A text that stands in the plan already is not shown twice: the second would be passed over by the eye."""
        if text is None or "\n" not in text:
            yield from _value(name, text)
        elif (earlier := self._shown.setdefault(text, number)) != number:
            yield from _rows([f"      {name}: the text that is shown with step {earlier}"])
        else:
            yield from quoted(text, name=name)


def _effects(undone: Iterable[tuple[int, Step]]) -> list[str]:
    return [step.undo.effect for _, step in undone if step.undo and step.undo.effect]


def _value(name: str, text: str | None) -> list[str]:
    """A value that a row of the plan could show otherwise than it is stands behind bars."""
    if not text:
        return _rows([f"      {name} is {'not set' if text is None else 'empty'}"])
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


def runs(step: Step) -> JsonObject:
    """Return what of a step's parameters is put to a person: what runs, or steers what runs."""
    return {n: value for n, value in step.params.items() if n not in NOT_SHOWN and not _is_nothing(n, value)}


def rows_of(name: str, value: JsonValue) -> tuple[tuple[str, JsonValue], ...]:
    """Return what a person reads of one parameter, by name: the entries of a table, else the parameter itself."""
    return tuple(value.items()) if name in _TABLES and isinstance(value, dict) else ((name, value),)
