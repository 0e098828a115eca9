"""`call`: a real client of a real server over the sandbox, with a person at the terminal or without one."""

import json
from pathlib import Path

import pytest

from ink_infra_mcp.cli import call
from ink_infra_mcp.cli.parser import parser
from ink_infra_mcp.sandbox.running import open_world
from ink_infra_mcp.sandbox.state import WorldState
from tests.cli.terminals import at_terminal, command

SANDBOX = ("--sandbox", "--speed", "100")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a state folder of its own."""
    (tmp_path / "state").mkdir(mode=0o700)
    return {"INK_INFRA_STATE": str(tmp_path / "state")}


def world(environ: dict[str, str]) -> WorldState:
    """Return the pretend world of that state folder."""
    return open_world(Path(environ["INK_INFRA_STATE"]) / "sandbox" / "world.db").read()


def test_an_answer_goes_to_standard_output(environ: dict[str, str]) -> None:
    """What the tool says is printed as it is, and nothing else is."""
    ended = command("call", "list_apps", "--json", '{"search": "docs"}', *SANDBOX, environ=environ)
    lines = ended.out.splitlines()
    assert (ended.status, ended.err, lines[0], lines[1].split("\t")[0], lines[2].split("\t")[:2], len(lines)) == (
        0,
        "",
        "[sandbox: a pretend world, nothing real was touched]",
        "name",
        ["docs", "muscle-2"],
        3,
    )


def test_an_error_of_the_tool_is_exit_status_1(environ: dict[str, str]) -> None:
    """A tool that cannot do what was asked says why on standard output, and the status tells scripts."""
    ended = command("call", "get_app", "--json", '{"app": "nothing"}', *SANDBOX, environ=environ)
    assert (ended.status, "[unknown_name] There is no app 'nothing'" in ended.out) == (1, True)


@pytest.mark.parametrize(("arguments", "why"), [("{", "--json is not JSON"), ("[1]", "--json must be an object")])
def test_arguments_that_are_no_object_are_bad_usage(arguments: str, why: str) -> None:
    """Nothing is started for arguments that cannot be any tool's."""
    ended = command("call", "list_apps", "--json", arguments, *SANDBOX)
    assert (ended.status, ended.out, why in ended.err) == (2, "", True)


def test_without_a_person_the_answer_names_the_ticket(environ: dict[str, str]) -> None:
    """A script cannot approve, not even by piping: it gets the command by which a person can, and nothing changes."""
    ended = command("call", "control_app", "--json", STOP, *SANDBOX, stdin="y\n", environ=environ)
    assert (ended.status, "approval required" in ended.out, "ink-infra-mcp approve ap-" in ended.out) == (0, True, True)
    assert [line for line in world(environ).journal if "stop" in line] == []
    assert "control_app" in command("approvals", *SANDBOX, environ=environ).out


STOP = json.dumps({"app": "docs", "action": "stop"})


def test_a_yes_at_the_terminal_runs_the_plan(environ: dict[str, str]) -> None:
    """The plan is shown, the person says yes, progress is told, and the result is printed."""
    with at_terminal("call", "control_app", "--json", STOP, *SANDBOX, environ=environ) as person:
        person.expect("Stop docs on muscle-2")
        person.expect("Approve? [y/N] ")
        person.type("y")
        person.expect("applied: ")
        status = person.end()
    assert (status, "[0/1] " in person.seen) == (0, True)
    assert [line for line in world(environ).journal if "stop" in line] != []


def test_enter_declines(environ: dict[str, str]) -> None:
    """Where `call` asks, an empty answer is a no, and nothing is changed."""
    with at_terminal("call", "control_app", "--json", STOP, *SANDBOX, environ=environ) as person:
        person.expect("Approve? [y/N] ")
        person.type("")
        person.expect("not approved: ")
        person.end()
    assert [line for line in world(environ).journal if "stop" in line] == []


def test_a_destructive_plan_asks_for_the_name(environ: dict[str, str]) -> None:
    """The name of the target is typed; the right one deletes."""
    with at_terminal("call", "delete_app", "--json", '{"app": "docs"}', *SANDBOX, environ=environ) as person:
        person.expect("To approve, type: docs")
        person.expect("name: ")
        person.type("docs")
        person.expect("applied: ")
        assert person.end() == 0
    assert "docs" not in [app.columns["name"] for app in world(environ).coolify.applications]


def test_an_operation_that_takes_longer_is_followed(environ: dict[str, str]) -> None:
    """The client stays until the operation has ended, because the server lives no longer than it."""
    deploy = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 0}
    with at_terminal("call", "deploy_app", "--json", json.dumps(deploy), *SANDBOX, environ=environ) as person:
        person.expect("Approve? [y/N] ")
        person.type("y")
        person.expect("running: ")
        person.expect("Following op-")
        person.expect(": applied")
        assert person.end() == 0


def test_the_server_gets_the_flags_of_the_call() -> None:
    """What the command line says of configuration and tools holds for the server that it starts."""
    words = "call get_fleet --config /etc/ink/fleet.toml --state sqlite:////s.db --read-only --toolsets apps,fleet"
    server = call.server_of(parser().parse_args([*words.split(), "--log-level", "error"]))
    assert server.args == [
        *("-m", "ink_infra_mcp", "serve", "--log-level", "error", "--config", "/etc/ink/fleet.toml"),
        *("--state", "sqlite:////s.db", "--toolsets", "apps,fleet", "--read-only", "--speed", "1.0"),
    ]


def test_flags_of_the_sandbox_are_passed_on() -> None:
    """A fresh sandbox of another speed is the server's."""
    server = call.server_of(parser().parse_args(["call", "get_fleet", "--sandbox", "--fresh", "--speed", "9"]))
    assert server.args[-4:] == ["--sandbox", "--fresh", "--speed", "9.0"]
