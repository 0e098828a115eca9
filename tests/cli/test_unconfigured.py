"""A machine on which nothing is configured yet: every way in says so in one sentence, with what to do."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ink_infra_mcp.server.prompts import MAX_INSTRUCTIONS, NOT_CONFIGURED, instructions
from tests.cli.terminals import at_terminal, command
from tests.contract.catalog import NAMES
from tests.server.test_stdio import logging_to
from tests.wire import Wire

COMMAND = (sys.executable, "-m", "ink_infra_mcp")
NEXT = "Run `ink-infra-mcp init` in a terminal to write it, or add --sandbox to try it in a pretend world."


@pytest.fixture
def fleet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where fleet.toml would be on a machine that has none."""
    monkeypatch.setenv("INK_INFRA_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("INK_INFRA_CONFIG", str(tmp_path / "fleet.toml"))
    return tmp_path / "fleet.toml"


def sentence(fleet_file: Path) -> str:
    """Return what everything says."""
    told = f"[not_configured] Nothing is configured yet: there is no file {fleet_file}."
    return f"{told} Nothing was changed. {NEXT}"


def served(fleet_file: Path, words: Sequence[str] = ("serve",)) -> AbstractContextManager[Wire]:
    """Connect to a server on that machine; what it says beside the protocol goes into the file `log` there."""
    return logging_to(fleet_file.with_name("log"), (*COMMAND, *words))


def test_every_tool_says_that_nothing_is_configured(fleet_file: Path) -> None:
    """Whatever is called, and with whatever arguments, the model hears the one sentence that a person needs."""
    with served(fleet_file) as wire:
        greeting = wire.initialize()
        names = [tool["name"] for tool in wire.request("tools/list")["tools"]]
        answers = [wire.request("tools/call", {"name": name, "arguments": {}}) for name in names]
    assert names == list(NAMES)
    said = {"content": [{"type": "text", "text": sentence(fleet_file)}], "isError": True}
    assert [{key: answer[key] for key in said} for answer in answers] == [said] * len(names)
    assert greeting["instructions"] == f"{NOT_CONFIGURED}\n\n{instructions()}"
    assert len(greeting["instructions"]) <= MAX_INSTRUCTIONS


@pytest.mark.parametrize("words", [(), ("serve",)])
def test_the_server_says_it_in_one_plain_line(fleet_file: Path, words: tuple[str, ...]) -> None:
    """Beside the protocol stands that one sentence, and neither a trace nor JSON, also when calls were refused."""
    with served(fleet_file, words) as wire:
        wire.initialize()
        wire.request("tools/call", {"name": "get_flet", "arguments": {}})
        wire.request("tools/call", {"name": "get_fleet", "arguments": {}})
    assert fleet_file.with_name("log").read_text(encoding="utf-8") == f"{sentence(fleet_file)}\n"


def test_a_file_that_comes_later_is_taken(fleet_file: Path) -> None:
    """Who configures it while the server runs need not start it anew: the next call goes on from there."""
    good = '[coolify]\nurl = "http://127.0.0.1:1"\n[factory]\nname = "f"\naddress = "192.0.2.10"\n'
    with served(fleet_file) as wire:
        wire.initialize()
        wire.request("tools/call", {"name": "get_fleet", "arguments": {}})
        fleet_file.write_text(good, encoding="utf-8")
        then = wire.request("tools/call", {"name": "list_apps", "arguments": {}})
    assert then["content"][0]["text"].startswith("[secret_missing] The secret coolify_token is needed")


def test_a_wrong_file_is_told_in_one_plain_line(fleet_file: Path) -> None:
    """A fleet.toml that cannot be used is no fault of ours with a trace, and is told once, not every few seconds."""
    fleet_file.write_text("[coolify\n", encoding="utf-8")
    with served(fleet_file) as wire:
        greeting = wire.initialize()
        log = fleet_file.with_name("log")
        while not log.read_text(encoding="utf-8"):
            wire.request("ping")
    told = log.read_text(encoding="utf-8").splitlines()
    assert (len(told), told[0].startswith(f"[invalid_config] {fleet_file}, line 1: not valid TOML")) == (1, True)
    assert greeting["instructions"] == instructions()


@pytest.mark.parametrize("words", [("call", "get_fleet"), ("approvals",), ("operations",), ("audit",)])
def test_every_command_says_it(fleet_file: Path, words: tuple[str, ...]) -> None:
    """A command that needs the configuration ends with the sentence, and nothing on standard output."""
    ended = command(*words)
    assert (ended.out, ended.err) == ("", f"{sentence(fleet_file)}\n")
    assert ended.status == (2 if words[0] == "call" else 1)


def test_the_sandbox_needs_no_file(fleet_file: Path) -> None:
    """What the sentence names as the other way works, and says nothing of a missing file."""
    ended = command("call", "get_fleet", "--sandbox")
    assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize("words", [(), ("serve",), ("--sandbox",)])
def test_a_server_started_by_hand_says_what_it_waits_for(fleet_file: Path, words: tuple[str, ...]) -> None:
    """At a terminal it names the client that it waits for, the way out, and where the commands are; Ctrl-C ends it."""
    with at_terminal(*words) as person:
        if "--sandbox" not in words:
            person.expect("Nothing is configured yet")
        person.expect("waits on standard input")
        person.expect("Ctrl-C ends it")
        person.expect("--help")
        person.type("\x03")
        assert person.end() == 130
    assert not [line for line in person.seen.splitlines() if line.startswith("{")]


def test_lines_break_at_words(fleet_file: Path) -> None:
    """On a narrow terminal no line is longer than it, but for a word that is."""
    with at_terminal("serve", environ={"COLUMNS": "40"}) as person:
        person.expect("--help")
        person.type("\x03")
        person.end()
    lines = person.seen.splitlines()
    assert [line for line in lines if len(line) > 40 and " " in line.strip()] == []
    told = sentence(fleet_file).split()
    assert person.seen.split()[: len(told)] == told
