"""`serve` answers first questions before it is loaded: with the same bytes, in one session, whoever ends it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.catalog import contracts
from tests.server.raw import MODERN, envelope
from tests.wire import connect

SERVE = (sys.executable, "-m", "ink_infra_mcp", "serve")
SANDBOX = (*SERVE, "--sandbox")
LIMIT_S = 60
EVERY = ",".join(sorted({contract["_meta"]["ink-infra/toolset"] for contract in contracts().values()}))
"""Every toolset by name: the same tools, and never answered ahead."""
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN)
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
GREETED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def asked(version: str) -> list[dict[str, Any]]:
    """Return what a client of that version asks first, and then something that only the whole server can answer."""
    found: list[dict[str, Any]]
    call: dict[str, Any] = {"name": "nobodys_tool", "arguments": {}}
    if version == MODERN:
        params: dict[str, Any] = {"_meta": envelope({})}
        methods: Sequence[str] = ("server/discover", *LISTS)
        found = [{"jsonrpc": "2.0", "id": n, "method": name, "params": params} for n, name in enumerate(methods)]
        call |= params
    else:
        about: dict[str, Any] = {
            "protocolVersion": version,
            "capabilities": {"roots": {}},
            "clientInfo": {"name": "x", "version": "1"},
        }
        greeting = {"jsonrpc": "2.0", "id": "g", "method": "initialize", "params": about}
        found = [greeting, GREETED, *({"jsonrpc": "2.0", "id": n, "method": name} for n, name in enumerate(LISTS))]
    return [*found, {"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": call}]


def told(command: Sequence[str], lines: Sequence[dict[str, Any]], *, at_once: bool = False) -> list[bytes]:
    """Return the lines that a server answers, to one question after the other or to all of them at once."""
    wanted = [each for each in lines if "id" in each]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        found: list[bytes] = []
        if at_once:
            child.stdin.write(b"".join(json.dumps(each).encode() + b"\n" for each in lines))
            child.stdin.flush()
            found = [child.stdout.readline() for _ in wanted]
        for each in () if at_once else lines:
            child.stdin.write(json.dumps(each).encode() + b"\n")
            child.stdin.flush()
            found += [child.stdout.readline()] if "id" in each else []
        child.stdin.close()
        assert child.stdout.read() == b""
        assert child.wait(timeout=LIMIT_S) == 0
    return found


@pytest.mark.parametrize(
    ("version", "options"),
    [*((version, ()) for version in VERSIONS), *((it, ("--read-only",)) for it in VERSIONS[-2:])],
)
def test_no_answer_differs_by_a_byte_from_the_whole_servers(version: str, options: tuple[str, ...]) -> None:
    """First questions and the call after them, in each version; nothing is answered twice."""
    lines, command = asked(version), (*SANDBOX, *options)
    whole = told((*command, "--toolsets", EVERY), lines)
    assert told(command, lines) == whole
    assert not options or sorted(told(command, lines, at_once=True)) == sorted(whole)


def test_where_nothing_is_configured_the_answers_say_so_too(tmp_path: Path) -> None:
    """The instructions are others then, and no tool works."""
    command = ("env", f"INK_INFRA_CONFIG={tmp_path / 'fleet.toml'}", *SERVE)
    lines = asked("2025-11-25")
    found = told(command, lines)
    assert found == told((*command, "--toolsets", EVERY), lines)
    assert b"Nothing is configured yet" in found[0]


def test_nothing_heavy_is_imported_before_the_first_answer() -> None:
    """Neither the SDK nor what it is made of; it is what starting took its time for."""
    program = "import sys, ink_infra_mcp.cli.parser, ink_infra_mcp.cli.serve; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert {"mcp", "mcp_types", "pydantic", "anyio", "asyncio", "httpx2"} & {*found.stdout.split()} == set()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [(b"", 0), (b"\n", 0), (b'{"jsonrpc":"2.0",', 1), (json.dumps(asked("2025-11-25")[0]).encode() + b"\n", 1)],
)
def test_a_client_that_goes_at_once_ends_it_well(sent: bytes, answers: int) -> None:
    """With nothing said, half a line, or a greeting whose answer nobody reads."""
    done = subprocess.run(SANDBOX, input=sent, capture_output=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert len(done.stdout.splitlines()) == answers


@pytest.mark.parametrize(("closed", "name"), [("<&-", "input"), (">&-", "output")])
def test_without_a_way_to_a_client_it_says_so_in_one_sentence(closed: str, name: str) -> None:
    """Whoever starts it by hand so reads no trace, and waits for nothing."""
    words = ("sh", "-c", f'exec "$@" {closed}', "sh", *SANDBOX)
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"[invalid_config] Standard {name} is closed")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_it_is_loaded_ends_it_as_one_later_does(number: signal.Signals, status: int) -> None:
    """The exit status is 128 and the signal's number, and nothing is left on standard error."""
    with subprocess.Popen(SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(json.dumps(asked("2025-11-25")[0]).encode() + b"\n")
        child.stdin.flush()
        assert child.stdout.readline()
        os.kill(child.pid, number)
        assert (child.wait(timeout=LIMIT_S), child.stderr.read()) == (status, b"")


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    """What was read when the whole server took over is read by it, to the byte."""
    greeting, greeted, *_, call = (json.dumps(each).encode() + b"\n" for each in asked("2025-11-25"))
    with subprocess.Popen(SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for piece in (greeting[:20], greeting[20:] + greeted + call[:30]):
            child.stdin.write(piece)
            child.stdin.flush()
        assert json.loads(child.stdout.readline())["id"] == "g"
        child.stdin.write(call[30:])
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["id"] == 99
        child.stdin.close()
        assert child.wait(timeout=LIMIT_S) == 0


def test_a_client_that_says_much_before_it_listens_is_heard_and_answered() -> None:
    """What it says while it is told something is kept; neither side waits for the other for ever."""
    greeting, greeted, *_ = asked("2025-11-25")
    lists = [{"jsonrpc": "2.0", "id": n, "method": "prompts/list"} for n in range(3_000)]
    whole = b"".join(json.dumps(each).encode() + b"\n" for each in (greeting, greeted, *lists))
    with subprocess.Popen(SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(whole)
        child.stdin.flush()
        found = [json.loads(child.stdout.readline())["id"] for _ in range(3_001)]
        child.stdin.close()
        assert child.wait(timeout=LIMIT_S) == 0
    assert sorted(found[1:]) == [*range(3_000)]


def test_a_client_that_dies_at_any_moment_ends_it_well() -> None:
    """Its socket is reset in the middle of a first answer, or both pipes are closed in the middle of a later one."""
    greeting, greeted, *_ = (json.dumps(each).encode() + b"\n" for each in asked("2025-11-25"))
    ours, theirs = socket.socketpair()
    with subprocess.Popen(SANDBOX, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE) as child:
        theirs.close()
        ours.sendall(greeting + greeted)
        ours.close()
        assert child.stderr is not None
        assert (child.wait(timeout=LIMIT_S), child.stderr.read()) == (0, b"")
    with subprocess.Popen(SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(greeting + greeted)
        child.stdin.flush()
        child.stdout.readline()
        call: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "nobodys_tool", "arguments": {}},
        }
        child.stdin.write((json.dumps(call).encode() + b"\n") * 2)
        child.stdin.flush()
        child.stdout.readline()
        child.stdin.write((json.dumps(call).encode() + b"\n") * 20)
        child.stdin.flush()
        child.stdout.close()
        child.stdin.close()
        assert (child.wait(timeout=LIMIT_S), b"Traceback" in child.stderr.read()) == (0, False)


@pytest.mark.parametrize(
    ("pauses", "lines"),
    [
        ("serve.BUSY_S = 3600", []),
        ("serve.BUSY_S = 3600", asked("2025-11-25")[:2]),
        ("serve.QUIET_S, serve.BUSY_S = 3600, 0", asked("2025-11-25")[:2]),
    ],
    ids=["silent", "greets and waits", "never pauses"],
)
def test_what_is_due_at_the_start_is_done_while_no_client_asks_for_it(pauses: str, lines: list[dict[str, Any]]) -> None:
    """Operations that a dead process left are taken up, whatever is said or not said to what answers ahead."""
    program = (
        "import sys; sys.argv = ['ink-infra-mcp', 'serve', '--sandbox']\n"
        "from ink_infra_mcp.cli import serve, serving\n"
        "async def recover(*_): print('begun', file=sys.stderr, flush=True)\n"
        f"serving._recover, serving.RECOVER_AFTER_S = recover, 0\n{pauses}\n"
        "from ink_infra_mcp.__main__ import main; main()\n"
    )
    command = (sys.executable, "-c", program)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(b"".join(json.dumps(each).encode() + b"\n" for each in lines))
        child.stdin.flush()
        assert child.stderr.readline() == b"begun\n"
        child.stdin.close()
        assert child.wait(timeout=LIMIT_S) == 0


def test_a_question_of_the_servers_own_reaches_a_client_that_was_greeted_ahead() -> None:
    """What the client can was told in its greeting, which the whole server has heard: it asks for the yes itself."""
    greeting, greeted, *_ = asked("2025-11-25")
    greeting["params"]["capabilities"] = {"elicitation": {"form": {}}}
    call = {"name": "control_app", "arguments": {"app": "docs", "action": "restart"}}
    with connect(SANDBOX) as wire:
        for message in (greeting, greeted, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}):
            wire.say(json.dumps(message).encode())
        heard = [wire.hear(), wire.hear()]
        no = {"jsonrpc": "2.0", "id": heard[1]["id"], "result": {"action": "decline"}}
        wire.say(json.dumps(no).encode())
        ended = wire.hear()
    assert [heard[0]["id"], heard[1].get("method"), ended["id"]] == ["g", "elicitation/create", 1]
