"""The server as a client starts it: over standard streams, in a process of its own, spoken to without an SDK."""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ink_infra_mcp.core.redact import mask
from ink_infra_mcp.sandbox.seed import SECRET as COOLIFY_SECRET
from ink_infra_mcp.server.prompts import instructions, load
from tests.contract.catalog import NAMES, contracts
from tests.server.raw import MODERN, approved, envelope
from tests.wire import Wire, WireError, connect

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
SERVE = (sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox", "--speed", "100")
CLIENT = {"name": "wire", "version": "1"}
ELSEWHERE = "import sys; sys.argv = ['ink-infra-mcp', 'serve', '--sandbox', '--speed', '100', *sys.argv[1:]]\n"
"""How a test program begins that is the server, with something added."""
RUN = "from ink_infra_mcp.__main__ import main; main()\n"
HEAVY = (
    "asyncssh",
    "dbos",
    "dns",
    "hcloud",
    "keyring",
    "psycopg",
    "requests",
    "shtab",
    "sqlalchemy",
    "tiktoken",
    "yaml",
)


@contextmanager
def logging_to(log: Path, command: Sequence[str]) -> Generator[Wire]:
    """Connect to a server whose standard error goes into a file."""
    with connect(("sh", "-c", 'log=$1; shift; exec "$@" 2>"$log"', "sh", str(log), *command)) as wire:
        yield wire


def begin(wire: Wire, revision: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Greet the server in a revision; return what it says of itself, and what belongs into every request."""
    if revision == MODERN:
        more = {"_meta": envelope({})}
        return wire.request("server/discover", more), more
    about = {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}
    answer = wire.request("initialize", about)
    wire.notify("notifications/initialized")
    return answer, {}


@pytest.mark.parametrize("revision", [*LEGACY, MODERN])
def test_every_revision_of_the_protocol_is_served(revision: str) -> None:
    """From the first to the newest revision a client lists, reads and calls, and is told the same tools."""
    with connect(SERVE) as wire:
        said, more = begin(wire, revision)
        listed = wire.request("tools/list", more)["tools"]
        prompts = wire.request("prompts/list", more)["prompts"]
        resources = wire.request("resources/list", more)["resources"]
        fleet = wire.request("tools/call", {"name": "get_fleet", "arguments": {}, **more})
        text = wire.request("resources/read", {"uri": "fleet://overview", **more})["contents"][0]["text"]
        refused = wire.request("tools/call", {"name": "list_apps", "arguments": {"dry_run": True}, **more})

    assert said["instructions"] == instructions()
    if revision == MODERN:
        assert MODERN in said["supportedVersions"]
    else:
        assert said["protocolVersion"] == revision
    beside = [{key: tool.pop(key) for key in ("icons", "execution") if key in tool} for tool in listed]
    assert listed == [{key: contracts()[name][key] for key in listed[0]} for name in NAMES]
    changing = [not contracts()[name]["annotations"]["readOnlyHint"] for name in NAMES]
    assert ["execution" in more for more in beside] == [revision == "2025-11-25" and each for each in changing]
    assert all(more["icons"][0]["src"].startswith("data:image/svg+xml;base64,") for more in beside)
    assert {"name", "description", "inputSchema"} <= set(listed[0])
    assert prompts
    runbooks = [f"skill://{name}/SKILL.md" for name in sorted(load())]
    assert sorted(resource["uri"] for resource in resources) == ["fleet://overview", *runbooks]
    assert fleet.get("isError", False) is False
    assert fleet["content"][0]["text"].startswith("[sandbox: a pretend world, nothing real was touched]")
    assert {server["name"] for server in json.loads(text)["servers"]} == {"factory", "muscle-1", "muscle-2"}
    assert refused["isError"] is True
    assert "dry_run" in refused["content"][0]["text"]


def test_a_revision_of_the_future_is_answered_with_one_that_exists() -> None:
    """A client that asks for an unknown revision is offered the newest that begins with a handshake."""
    with connect(SERVE) as wire:
        about = {"protocolVersion": "2099-01-01", "capabilities": {}, "clientInfo": CLIENT}
        assert wire.request("initialize", about)["protocolVersion"] == LEGACY[-1]


NOISE = """
import os, subprocess
from ink_infra_mcp.tools.list_operations import ListOperations
real = ListOperations.observe
async def noisy(self, args, look):
    print("noise from print", flush=True)
    print("noise left in a buffer", end="")
    os.write(1, b"noise from a library\\n")
    subprocess.run(["echo", "noise from a child"], check=True)
    return await real(self, args, look)
ListOperations.observe = noisy
"""
SOURCES = ("from print", "left in a buffer", "from a library", "from a child")


def test_nothing_but_the_protocol_reaches_standard_output(tmp_path: Path) -> None:
    """Whatever a tool, a library or a child prints ends on standard error, even what is left in a buffer at the end."""
    log, out = tmp_path / "log", tmp_path / "out"
    program = ("env", "PYTHONUNBUFFERED=", sys.executable, "-c", ELSEWHERE + NOISE + RUN)
    with logging_to(log, ("sh", "-c", 'out=$1; shift; "$@" | tee "$out"', "sh", str(out), *program)) as wire:
        wire.initialize()
        found = [wire.request("tools/call", {"name": "list_operations", "arguments": {}}) for _ in range(2)]
        assert len(wire.request("tools/list")["tools"]) == len(NAMES)
    noise, spoken = log.read_text(encoding="utf-8"), out.read_text(encoding="utf-8").splitlines()
    assert [result["structuredContent"]["rows"] for result in found] == [[], []]
    assert [json.loads(line)["id"] for line in spoken] == [1, 2, 3, 4]
    assert [source for source in SOURCES if f"noise {source}" in noise] == [*SOURCES]


BROKEN = """
from ink_infra_mcp.tools.list_operations import ListOperations
async def broken(self, args, look):
    token = look.coolify._http._settings.find_token().reveal()
    raise RuntimeError(f"the inside of things, Bearer abcdefgh12345678, {token}")
ListOperations.observe = broken
"""


def logged(log: Path) -> list[dict[str, Any]]:
    """Return the log's lines, each of which must be a JSON object."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def crash(log: Path, level: str) -> list[dict[str, Any]]:
    """Return what is logged at a level when a tool breaks in a client's second call."""
    program = (sys.executable, "-c", ELSEWHERE + BROKEN + RUN, "--log-level", level)
    with logging_to(log, program) as wire:
        wire.initialize()
        wire.request("tools/list")
        broken = wire.request("tools/call", {"name": "list_operations", "arguments": {}})
    assert "inside" not in json.dumps(broken)
    assert "abcdefgh12345678" not in log.read_text(encoding="utf-8")
    assert COOLIFY_SECRET not in log.read_text(encoding="utf-8")
    return logged(log)


def test_logs_are_json_lines_on_standard_error(tmp_path: Path) -> None:
    """A fault is one JSON object on one line, with time, level, source and trace, and with every secret masked."""
    [line] = crash(tmp_path / "log", "warning")
    assert (line["level"], line["logger"], line["error"]) == ("error", "ink_infra_mcp.server.binding", "RuntimeError")
    assert line["message"] == "tool list_operations broke"
    assert f"the inside of things, Bearer {mask(16)}, {mask(2 + len(COOLIFY_SECRET))}" in line["trace"]
    assert set(line) == {"at", "level", "logger", "message", "error", "trace"}


def test_the_log_level_decides_what_is_logged(tmp_path: Path) -> None:
    """At debug the log tells more than the fault, and still every line of it is a JSON object."""
    levels = {line["level"] for line in crash(tmp_path / "log", "debug")}
    assert "error" in levels
    assert levels - {"error", "warning"}


def test_an_unknown_toolset_ends_the_server_with_a_reason(tmp_path: Path) -> None:
    """A misspelt --toolsets is told on standard error; the server does not start without tools."""
    log = tmp_path / "log"
    with pytest.raises((WireError, BrokenPipeError)), logging_to(log, (*SERVE, "--toolsets", "apps,flete")) as wire:
        wire.initialize()
    assert "[invalid_config] There is no toolset 'flete'." in log.read_text(encoding="utf-8")


def test_read_only_holds_over_standard_streams() -> None:
    """A server started with --read-only shows and runs nothing that changes."""
    with connect((*SERVE, "--read-only", "--toolsets", "apps")) as wire:
        wire.initialize()
        listed = wire.request("tools/list")["tools"]
        refused = wire.request("tools/call", {"name": "delete_app", "arguments": {"app": "shop"}})
    assert [tool["name"] for tool in listed] == [
        name
        for name in NAMES
        if contracts()[name]["annotations"]["readOnlyHint"]
        and contracts()[name]["_meta"]["ink-infra/toolset"] == "apps"
    ]
    assert refused["content"][0]["text"].startswith("[unknown_name]")


def test_a_client_that_breaks_off_cancels_nothing() -> None:
    """An operation goes on to its end when the client dies in the middle of it and can no longer be written to."""
    with subprocess.Popen(SERVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        wire = Wire(child, patience_s=20)
        stopped = approved(wire, "control_app", {"app": "docs", "action": "stop"})
        begun = approved(wire, "control_app", {"app": "docs", "action": "start", "wait_s": 0})
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.close()
        unheard = {"jsonrpc": "2.0", "id": 99, "method": "tools/list", "params": {"_meta": envelope({})}}
        child.stdin.write(json.dumps(unheard).encode() + b"\n")
        child.stdin.close()
        assert child.wait(timeout=30) == 0
    with connect((*SERVE, "--read-only")) as wire:
        wire.initialize()
        left = wire.request("tools/call", {"name": "list_operations", "arguments": {}})
    outcomes = [result["structuredContent"]["outcome"] for result in (stopped, begun)]
    assert outcomes == ["applied", "running"]
    assert [row[3] for row in left["structuredContent"]["rows"]] == ["applied", "applied"]


AT_ONCE = "from ink_infra_mcp.cli import serving; serving.RECOVER_AFTER_S = 0\n"
AT_EXIT = """
import atexit, pathlib
target = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: target.write_text("\\n".join(sorted(sys.modules)), encoding="utf-8"))
"""


def imported_after(target: Path, *calls: tuple[str, dict[str, Any]]) -> set[str]:
    """Return what a server has imported by its end, after its start-up work, every list, and some calls of tools."""
    program = "import sys\n" + AT_EXIT + ELSEWHERE + AT_ONCE + RUN
    with connect((sys.executable, "-c", program, str(target))) as wire:
        wire.initialize()
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
            wire.request(method)
        for name, arguments in calls:
            assert not wire.request("tools/call", {"name": name, "arguments": arguments}).get("isError")
    return set(target.read_text(encoding="utf-8").split())


def test_starting_and_listing_import_nothing_heavy(tmp_path: Path) -> None:
    """Until the first call a server imports no SSH, database, durable execution, key store, DNS, nor any tool."""
    found = imported_after(tmp_path / "modules")
    assert [name for name in HEAVY if name in found] == []
    parts = ("app", "clients", "engine", "hosts", "sandbox", "tools")
    assert [part for part in parts if f"ink_infra_mcp.{part}" in found] == []


def test_reading_imports_neither_the_engine_nor_the_database(tmp_path: Path) -> None:
    """A server that only reads never pays for durable execution."""
    found = imported_after(tmp_path / "modules", ("get_fleet", {}), ("list_apps", {}), ("get_app", {"app": "shop"}))
    assert "ink_infra_mcp.tools.list_apps" in found
    assert [name for name in ("dbos", "sqlalchemy", "ink_infra_mcp.engine") if name in found] == []


def test_reading_operations_imports_no_engine(tmp_path: Path) -> None:
    """What was done can be read without what does it."""
    found = imported_after(tmp_path / "modules", ("list_operations", {}), ("get_audit", {}))
    assert "ink_infra_mcp.tools.list_operations" in found
    assert [name for name in ("dbos", "ink_infra_mcp.engine") if name in found] == []
