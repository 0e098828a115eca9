"""`call` and the commands around it for who mistypes, pipes, wants JSON or breaks off."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ink_infra_mcp.cli import status
from ink_infra_mcp.cli.call import Course
from ink_infra_mcp.sandbox.running import open_world
from tests.cli.terminals import MODULE, PATIENCE_S, at_terminal, command, inside

SANDBOX = ("--sandbox", "--speed", "100")
CTRL_C = "\x03"
STOP = json.dumps({"app": "docs", "action": "stop"})


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give commands a state folder of their own, and return it."""
    monkeypatch.setenv("INK_INFRA_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("cal",), "There is no command `cal`; did you mean `call`?"),
        (("docter", "--json"), "There is no command `docter`; did you mean `doctor`?"),
        (("get_fleet",), "`get_fleet` is a tool, not a command: write `ink-infra-mcp call get_fleet`."),
        (("get-flet",), "There is no command `get-flet`; did you mean the tool `get_fleet`: `ink-infra-mcp call "),
        (("xyzzy",), "There is no command `xyzzy`. The commands are serve, init, doctor, "),
        (("call", "deploy"), "There is no tool `deploy`; did you mean `deploy_app`?"),
        (("call", "xyzzy"), "There is no tool `xyzzy`. The tools are add_muscle, "),
    ],
)
def test_a_mistyped_word_is_told_with_what_was_meant(
    words: tuple[str, ...], why: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The nearest command or tool is named, the status is that of bad usage, and nothing is started."""
    ended = inside(capsys, *words)
    assert (ended.status, ended.out, why in ended.err, "Nothing was done." in ended.err) == (2, "", True, True)
    assert (ended.err.count("\n"), state.exists()) == (1, False)


def test_the_help_lists_every_status(capsys: pytest.CaptureFixture[str]) -> None:
    """Who writes a script finds the statuses where the options are, and the README has the same."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    told = inside(capsys, "call", "--help").out
    assert [words for words in status.MEANINGS.values() if words not in told or words not in readme] == []


def test_a_wrong_argument_is_a_bad_call() -> None:
    """A tool's own refusal of its arguments has the status of a bad call, as a misspelt tool has."""
    ended = command("call", "get_app", '{"ap": "docs"}', *SANDBOX)
    assert (ended.status, ended.err) == (2, "")
    assert (
        ended.out
        == "[invalid_input] Nothing was done. app: is missing; ap: there is no such argument; did you mean `app`?\n"
    )


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    """`call ... | head -1` shows one line and nothing else."""
    with subprocess.Popen(
        [sys.executable, *MODULE, "call", "get_fleet", *SANDBOX], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(PATIENCE_S), told) == (0, b"")


def test_one_document_is_all_that_json_prints() -> None:
    """With --json standard output is one JSON document that has the status, the text and the data."""
    ended = command("call", "list_apps", '{"limit": 1}', "--json", *SANDBOX)
    told = json.loads(ended.out)
    assert (ended.status, ended.err, told["tool"], told["exit_status"]) == (0, "", "list_apps", 0)
    [answer] = told["answers"]
    assert (len(answer["data"]["rows"]), answer["text"].startswith("[sandbox: ")) == (1, True)


def test_an_error_is_one_document_too(tmp_path: Path) -> None:
    """What keeps a command from running is told as JSON on standard output, and in words beside it."""
    ended = command("call", "list_apps", "--json", "--config", str(tmp_path / "none.toml"))
    told = json.loads(ended.out)["error"]
    assert (ended.status, told["code"], told["done"]) == (2, "not_configured", "Nothing was changed.")
    assert ended.err.startswith("[not_configured] ")


def test_arguments_are_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Two sets of arguments are refused: nobody could tell which one holds."""
    ended = inside(capsys, "call", "get_app", "{}", "--json", "{}", *SANDBOX)
    assert (ended.status, "given twice" in ended.err) == (2, True)


def test_stopping_at_the_question_changes_nothing(state: Path) -> None:
    """Ctrl-C in place of an answer is no yes: it says that nothing was changed, and so it is."""
    with at_terminal("call", "control_app", STOP, *SANDBOX) as person:
        person.expect("Approve? [y/N] ")
        person.type(CTRL_C)
        person.expect("Stopped before the plan was approved. Nothing was changed.")
        assert person.end() == 130
    assert "Traceback" not in person.seen
    assert [line for line in open_world(state / "sandbox" / "world.db").read().journal if "stop" in line] == []


def test_stopping_an_approved_change_says_that_it_goes_on() -> None:
    """Ctrl-C after the yes leaves the operation: it says that it is not taken back, and where to see it."""
    deploy = json.dumps({"name": "web", "image": "registry.example.com/web:1", "port": 80, "wait_s": 0})
    with at_terminal("call", "deploy_app", deploy, "--sandbox", "--speed", "0.5") as person:
        person.expect("Approve? [y/N] ")
        person.type("y")
        person.expect("Following op-")
        person.type(CTRL_C)
        person.expect("Stopped watching. What was approved is not taken back; it goes on where it is")
        person.expect("ink-infra-mcp operations")
        assert person.end() == 130
    assert "Traceback" not in person.seen


@pytest.mark.parametrize(
    ("course", "words"),
    [
        (Course(), "Stopped. Nothing was changed."),
        (Course(reads=True, sent=True), "Stopped. Nothing was changed."),
        (Course(sent=True, asking=True), "Stopped before the plan was approved. Nothing was changed."),
        (Course(sent=True), "Whether a change began is not known"),
        (Course(sent=True, begun=True), "is not taken back"),
    ],
)
def test_what_stopping_means_depends_on_how_far_it_came(course: Course, words: str) -> None:
    """Nothing is called unchanged that may have begun: a call that was sent is open until it is answered."""
    assert words in course.stopped()
