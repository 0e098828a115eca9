"""`completion`: prints the script by which a shell completes our commands; nothing of ours runs while it does."""

import argparse
from typing import get_args

import shtab

from ink_infra_mcp.cli.parser import Known, parser
from ink_infra_mcp.core.operation import Toolset
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.settings.secret_names import NAMES


def run(arguments: argparse.Namespace) -> int:
    """Print the script for a shell."""
    print(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """Return the script for a shell: commands, options and their choices, tools, toolsets, our secrets, files."""
    known = Known(
        tools=tuple(sorted(contract["name"] for contract in load())),
        toolsets=tuple(sorted(get_args(Toolset))),
        secrets=NAMES,
        path={"complete": shtab.FILE},
    )
    return shtab.complete(parser(known), shell=shell)
