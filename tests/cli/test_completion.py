"""Completion as a person has it: each shell reads its script, and completes what is typed there."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ink_infra_mcp.cli.completion import script
from ink_infra_mcp.cli.parser import COMMANDS, SHELLS
from ink_infra_mcp.tools import ALL
from tests.cli.terminals import at_terminal, inside
from tests.programs import program

LIMIT_S = 60.0
TYPED = {
    "dem": "demo",
    "call depl": "call deploy_app",
    "call --sandbox list_o": "call --sandbox list_operations",
    "call --toolsets netw": "call --toolsets network",
    "serve --log-level wa": "serve --log-level warning",
    "secret set hetzner_cl": "secret set hetzner_cloud_token",
    "operations ab": "operations abandon",
    "doctor --js": "doctor --json",
    "init --config fle": "init --config fleet.toml",
    "completion fi": "completion fish",
}
"""What a person types before the tab, and what stands there after it: nothing else would fit."""
IN_BASH = """
source "$1"
while IFS= read -r line; do
  COMP_WORDS=($line)
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _shtab_ink_infra_mcp
  echo "${COMPREPLY[*]}"
done
"""
IN_FISH = """
source $argv[1]
while read line
  complete -C $line | string split -f1 \\t | string join ' '
end
true
"""
IN_ZSH = 'fpath=($PWD $fpath); autoload -U compinit; compinit -D -u; ink-infra-mcp() { print -r -- "ran <$*>" }'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the three scripts and a file to complete."""
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(script(shell), encoding="utf-8")
    (tmp_path / "_ink-infra-mcp").symlink_to("script.zsh")
    (tmp_path / "fleet.toml").touch()
    return tmp_path


def offers(words: Sequence[str], lines: Sequence[str], folder: Path) -> list[list[str]]:
    """Return what a shell that reads command lines offers for each of them."""
    given = "".join(f"ink-infra-mcp {line}\n" for line in lines)
    ended = subprocess.run(words, input=given, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return [row.split() for row in ended.stdout.splitlines()]


def in_bash(folder: Path, *lines: str) -> list[list[str]]:
    """Return what bash offers for each line."""
    return offers([program("bash"), "--norc", "-c", IN_BASH, "bash", "script.bash"], lines, folder)


def at_the_end(line: str, offered: Sequence[str]) -> str:
    """Return a line with its last word replaced by what was offered."""
    return " ".join((*line.split(" ")[:-1], *offered))


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_can_read_its_script(shell: str, folder: Path) -> None:
    """The script is in the language of the shell that it is for, whole and without a fault."""
    read = subprocess.run(
        [program(shell), "-n", folder / f"script.{shell}"], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (read.returncode, read.stderr) == (0, "")


def test_bash_completes_what_is_typed(folder: Path) -> None:
    """Commands, options, their choices, tools, toolsets, our secrets and files: the one that fits is offered alone."""
    offered = in_bash(folder, *TYPED)
    assert [at_the_end(line, words) for line, words in zip(TYPED, offered, strict=True)] == [*TYPED.values()]


def test_fish_completes_what_is_typed(folder: Path) -> None:
    """The same in fish, by its own reader of command lines."""
    offered = offers([program("fish"), "--no-config", "-c", IN_FISH, "script.fish"], [*TYPED], folder)
    assert [at_the_end(line, words) for line, words in zip(TYPED, offered, strict=True)] == [*TYPED.values()]


def test_zsh_completes_what_is_typed(folder: Path) -> None:
    """The same in zsh, at a terminal, where its tab works and finds the script by its name: the completed line runs."""
    terminal = {"PS1": "ready> ", "TERM": "dumb"}
    with at_terminal("-f", "-i", program=[program("env"), "-C", str(folder), program("zsh")], environ=terminal) as zsh:
        zsh.expect("ready> ")
        zsh.type(IN_ZSH)
        for line, completed in TYPED.items():
            zsh.type(f"ink-infra-mcp {line}\t")
            zsh.expect(f"ran <{completed}>")
        zsh.type("exit")
        assert zsh.end() == 0


def test_every_command_and_tool_is_offered(folder: Path) -> None:
    """Nothing that can be called is left out of the script, nor is anything in it that is gone."""
    commands, tools = in_bash(folder, "", "call ")
    assert commands == [*COMMANDS]
    assert sorted(tools) == sorted(tool.name for tool in ALL)


def test_the_options_offered_are_those_of_the_help(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each command every option is completed that its help names, and no other."""
    (commands,) = in_bash(folder, "")
    offered = in_bash(folder, *(f"{command} --" for command in commands))
    helps = (inside(capsys, command, "--help").out for command in commands)
    named = [{*re.findall(r"^  (?:-h, )?(--[a-z-]+)", text, re.MULTILINE)} for text in helps]
    assert dict(zip(commands, map(set, offered), strict=True)) == dict(zip(commands, named, strict=True))


def test_the_command_prints_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is the script and nothing else; a shell that we know nothing of is refused."""
    assert inside(capsys, "completion", "zsh").out == script("zsh") + "\n"
    assert inside(capsys, "completion", "ksh").status == 2
