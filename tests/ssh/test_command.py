"""Words reach the program on the other side exactly as they are, whatever is in them."""

import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.command import MAX_LINE_BYTES, HostCommand

WORDS = st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=6)
HOSTILE = [
    "",
    "a b",
    "'",
    '"',
    "\\",
    "$(id)",
    "`id`",
    "$HOME",
    "*",
    "~",
    "a\nb",
    "; rm -rf /",
    "&& x",
    "#",
    "\t",
    "é😀",
    "!",
]


def printed_by_a_real_shell(words: list[str]) -> list[str]:
    """Let /bin/sh run the line that we would send, and return the words that arrived."""
    line = HostCommand(("printf", r"%s\0", *words), changes=False).line
    out = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, timeout=10).stdout.decode()
    return out.split("\0")[:-1]


@given(words=WORDS)
@example(words=HOSTILE)
def test_words_arrive_unchanged_through_a_real_shell(words: list[str]) -> None:
    """Nothing in a word is read by the shell: no quote, variable, substitution, new line or wildcard."""
    # printf without arguments prints its format once
    assert printed_by_a_real_shell(["-", *words]) == ["-", *words]


@pytest.mark.parametrize("program", ["A=b", "if", "time", "{", "!", "$(id)", "a b", "while", "x;y", "function"])
def test_the_first_word_is_always_the_name_of_a_program(program: str) -> None:
    """A first word that a shell would take for an assignment or a keyword is looked for as a program, in vain."""
    line = HostCommand((program, "1"), changes=False).line
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, timeout=10, env={"PATH": "/nowhere"})
    assert (ran.returncode, ran.stdout) == (127, b"")


def test_a_plain_command_stays_readable() -> None:
    """Only what needs quotes gets them, because a person reads the line in messages and journals."""
    assert (
        HostCommand(("docker", "ps", "--format", "{{.ID}} x"), changes=False).line == "docker ps --format '{{.ID}} x'"
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "at least one word"),
        (("",), "at least one word"),
        (("echo", "a\0b"), "NUL"),
        (("echo", "\ud800"), "surrogate"),
        (("echo", "x" * MAX_LINE_BYTES), "longer than"),
    ],
)
def test_words_that_cannot_be_sent_are_refused_at_once(words: tuple[str, ...], problem: str) -> None:
    """A command that would not arrive as it is cannot even be made."""
    with pytest.raises(InputError, match=problem):
        HostCommand(words, changes=False)


@given(text=st.text())
def test_no_text_makes_a_command_that_surprises(text: str) -> None:
    """Any text at all is either refused or arrives."""
    try:
        command = HostCommand(("printf", text), changes=False)
    except InputError:
        return
    assert command.words == ("printf", text)


def test_what_goes_through_stdin_is_never_shown() -> None:
    """The command's own text does not hold its standard input, secret or not."""
    command = HostCommand(("cat",), changes=False, stdin=Secret("hunter2-hunter2"))
    assert "hunter2" not in repr(command)
    assert command.stdin_bytes() == b"hunter2-hunter2"
    assert "plain" not in repr(HostCommand(("cat",), changes=False, stdin=b"plain"))


def test_every_command_answers_in_plain_english_words() -> None:
    """Whatever language the login sets: LC_ALL for C programs, LANGUAGE for Python's, set so that sudo keeps it."""
    asked = HostCommand(("sh", "-c", 'echo "$LC_ALL $LANG $LANGUAGE"'), changes=False).remote_line
    german = {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de:en", "PATH": "/usr/bin:/bin"}
    for env in (german, {"PATH": german["PATH"]}):
        said = subprocess.run(["/bin/sh", "-c", asked], capture_output=True, check=True, timeout=10, env=env)
        assert said.stdout == b"C C C\n"


SCRIPTS = sorted(path for path in Path(str(files("ink_infra_mcp.hosts"))).rglob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_sets_its_language_before_it_asks_anything(script: Path) -> None:
    """Also where it runs without us, as a timer on the server does, or below a sudo that forgets the environment."""
    code = [line for line in script.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    head = "\n".join(code[:6])
    before = head[: head.index("LANGUAGE=C")]
    assert "$(" not in before
    asked = f"{before}LANGUAGE=C\nexport LC_ALL LANG LANGUAGE\nsh -c 'echo $LC_ALL $LANG $LANGUAGE'"
    said = subprocess.run(["/bin/sh", "-c", asked], capture_output=True, check=True, timeout=10, env={"LANGUAGE": "de"})
    assert said.stdout == b"C C C\n"
