"""The commands and their options, and which module runs each of them."""

import argparse
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, cast

from ink_infra_mcp import __version__
from ink_infra_mcp.cli.status import BAD_CALL, HELP, of_code
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.settings.switches import READ_ONLY, SANDBOX, is_on

Run = Callable[[argparse.Namespace], int]
COMMANDS = {
    "serve": "serve the tools over stdio (what a bare `ink-infra-mcp` does)",
    "init": "write fleet.toml by asking, and by discovering Coolify's servers",
    "doctor": "check every system, secret and tool",
    "secret": "set, list and remove secrets",
    "call": "call a tool as a client, and approve on the terminal",
    "approvals": "list what waits for a person, and each yes that is unused",
    "approve": "approve a plan",
    "deny": "turn a plan down, or take an unused yes back",
    "operations": "list operations, or abandon one that cannot end",
    "audit": "show or verify the audit, or accept that its end is lost",
    "contracts": "check or update the tool contracts",
    "demo": "run the main jobs in the sandbox",
    "completion": "print a script that completes these commands in a shell",
}

_OF_THEIR_OWN = frozenset({"init", "secret", "contracts", "completion"})
"""Commands that know no sandbox and no state store."""
SHELLS = ("bash", "zsh", "fish")


class Known(NamedTuple):
    """Words that a shell offers and a start of ours would pay for; each command checks its own once it runs.

    `path` is what marks an option as a file for whoever writes the script.
    """

    tools: tuple[str, ...] | None = None
    toolsets: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    path: Mapping[str, object] = MappingProxyType({})


UNKNOWN = Known()


def run(words: Sequence[str]) -> int:
    """Run the command in `words` and return its exit status."""
    if words and words[0] == "help":
        words = [*words[1:2], "--help"]
    first = words[0] if words else "--serve"
    is_flag = first.startswith("-")
    if not is_flag and first not in COMMANDS:
        return _no_command(first)
    bare = is_flag and first not in {"-h", "--help", "--version"}
    arguments = parser().parse_args(["serve", *words] if bare else list(words))
    module = importlib.import_module(f"ink_infra_mcp.cli.{arguments.command}")
    gc.freeze()
    gc.enable()
    try:
        _switch(arguments, os.environ)
        return cast(Run, module.run)(arguments)
    except KeyboardInterrupt:
        return 130
    except InkError as error:
        return _failed(error, arguments)


def _switch(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """A switch of the environment is the option that it names, for each command that has it."""
    for option, name in (("sandbox", SANDBOX), ("read_only", READ_ONLY)):
        if hasattr(arguments, option) and is_on(environ, name):
            setattr(arguments, option, True)


def _failed(error: InkError, arguments: argparse.Namespace) -> int:
    """Tell an error, with --json as the one document that standard output then has."""
    print(f"[{error.code}] {error}", file=sys.stderr)
    if getattr(arguments, "json", False) is True:
        told = {"code": error.code, "failed": error.failed, "done": error.done, "next": error.next}
        print(json.dumps({"error": told}, indent=2, ensure_ascii=False))
    return of_code(error.code) if arguments.command == "call" else 1


def _no_command(word: str) -> int:
    from ink_infra_mcp.cli.meant import hint
    from ink_infra_mcp.server.contracts import load

    tools = [contract["name"] for contract in load()]
    print(f"ink-infra-mcp: {hint(word, [*COMMANDS], tools)} Nothing was done.", file=sys.stderr)
    return BAD_CALL


def parser(known: Known = UNKNOWN) -> argparse.ArgumentParser:
    """Return the parser of all commands; with what is known it is there to be completed from, not to read words."""
    top = argparse.ArgumentParser(prog="ink-infra-mcp", description="Runs the Ink hosting platform over MCP.")
    top.add_argument("--version", action="version", version=f"ink-infra-mcp {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {name: commands.add_parser(name, help=words, description=words) for name, words in COMMANDS.items()}
    for name, command in made.items():
        if name not in _OF_THEIR_OWN:
            _common(command, known)
    _serving(made["serve"], known)
    _serving(made["call"], known)
    made["call"].add_argument("tool", nargs="?", choices=known.tools, help="name of the tool")
    made["call"].add_argument("arguments", nargs="?", metavar="ARGS", help="the tool's arguments as a JSON object")
    made["call"].add_argument(
        "--json", nargs="?", const=True, metavar="ARGS", help="print one JSON document; with ARGS: the tool's arguments"
    )
    made["call"].formatter_class = argparse.RawDescriptionHelpFormatter
    made["call"].epilog = HELP
    _printing_json(made)
    _file(made["init"], "--config", "fleet.toml to write", known)
    made["init"].add_argument("--force", action="store_true", help="replace an existing file")
    made["secret"].add_argument("action", choices=["set", "list", "remove"])
    made["secret"].add_argument("name", nargs="?", choices=known.secrets, help="such as coolify_token, or app:NAME")
    for name in ("approve", "deny"):
        made[name].add_argument("id", help="the approval's id, ap-...")
    made["operations"].add_argument("action", nargs="?", choices=["list", "abandon"], default="list")
    made["operations"].add_argument("id", nargs="?", help="the operation to abandon, op-...")
    made["operations"].add_argument("--reason", metavar="TEXT", help="why it is abandoned, for the audit")
    made["operations"].add_argument("--limit", type=_count, default=20, metavar="N", help="the newest N")
    made["audit"].add_argument("action", nargs="?", choices=["show", "verify", "accept-loss"], default="show")
    made["audit"].add_argument("--reason", metavar="TEXT", help="why a loss is accepted, for the audit")
    made["audit"].add_argument("--limit", type=_count, metavar="N", help="the newest N lines (50; with --json: all)")
    made["contracts"].add_argument("--update", action="store_true", help="write what differs")
    made["demo"].add_argument("--ask", action="store_true", help="answer the questions yourself")
    made["completion"].add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    return top


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return int(text)


def _file(command: argparse.ArgumentParser, option: str, words: str, known: Known) -> None:
    vars(command.add_argument(option, type=Path, metavar="F", help=words)).update(known.path)


def _common(command: argparse.ArgumentParser, known: Known) -> None:
    _file(command, "--config", "fleet.toml to use", known)
    command.add_argument("--state", metavar="URL", help="state store, such as sqlite:////var/lib/ink/state.db")
    command.add_argument("--sandbox", action="store_true", help="use a pretend world; nothing real is touched")
    command.add_argument("--fresh", action="store_true", help="with --sandbox: begin with a new world")
    command.add_argument("--speed", type=float, default=1.0, metavar="N", help="with --sandbox: its time runs N times")
    command.add_argument(
        "--coolify-version", default="", metavar="V", help="with --sandbox and a new world: the version of its Coolify"
    )
    levels = ["debug", "info", "warning", "error"]
    command.add_argument("--log-level", default="warning", choices=levels, help="what goes to stderr")


def _printing_json(made: Mapping[str, argparse.ArgumentParser]) -> None:
    for name in ("doctor", "secret", "approvals", "operations", "audit", "contracts"):
        made[name].add_argument("--json", action="store_true", help="print one JSON document")


def _serving(command: argparse.ArgumentParser, known: Known) -> None:
    command.add_argument("--read-only", action="store_true", help="only the tools that change nothing")
    command.add_argument(
        "--toolsets", default="", metavar="A,B", choices=known.toolsets, help="only the tools of these sets"
    )
