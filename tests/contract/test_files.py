"""The contract files are what the tools say and what goes over the wire, and each way to differ is found."""

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from mcp import Client

from ink_infra_mcp.core.operation import Toolset
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import differences, folder, load, text_of, write
from ink_infra_mcp.tools.list_apps import ListApps
from tests.contract.catalog import NAMES, TOOLS, contracts, kinds
from tests.ink import ERAS, Era
from tests.server.backends import unopened


class NewTool(ListApps):
    """List apps in another way."""

    name: ClassVar[str] = "list_apps_anew"


class ChangedTool(ListApps):
    """List apps and say it in other words."""


class MovedTool(ListApps):
    """Only its toolset is another; the words are taken over below."""

    toolset: ClassVar[Toolset] = "fleet"


MovedTool.__doc__ = ListApps.__doc__


def test_every_contract_is_the_tools_own() -> None:
    """No contract is missing, changed or orphaned: what is reviewed in the files is what the code offers."""
    assert differences(TOOLS, kinds()) == {}


def test_a_missing_contract_is_found() -> None:
    """A new tool without its file is named."""
    assert differences([*TOOLS, NewTool()], kinds()) == {"list_apps_anew": "missing"}


@pytest.mark.parametrize("changed", [ChangedTool(), MovedTool()], ids=["description", "toolset"])
def test_a_changed_contract_is_found(changed: ListApps) -> None:
    """A tool that says something else than its file is named, whichever part it is."""
    others = [tool for tool in TOOLS if tool.name != changed.name]
    assert differences([*others, changed], kinds()) == {"list_apps": "changed"}


def test_a_changed_risk_changes_contracts() -> None:
    """A policy that calls a step more harmful changes the annotations of each tool that can plan it, so it is seen."""
    wrong = differences(TOOLS, {**kinds(), "coolify.start": max(kinds().values(), key=lambda risk: risk.rank)})
    assert {name for name in wrong if name == "control_app"} == {"control_app"}
    assert set(wrong.values()) == {"changed"}


def test_an_orphaned_contract_is_found() -> None:
    """The file of a tool that is no more is named."""
    assert differences([tool for tool in TOOLS if tool.name != "get_audit"], kinds()) == {"get_audit": "orphaned"}


def test_a_tool_with_an_undeclared_step_has_no_contract() -> None:
    """A step kind without a declared risk stops the making of contracts; it never counts as harmless."""
    known = {kind: risk for kind, risk in kinds().items() if kind != "coolify.delete_application"}
    with pytest.raises(KeyError, match=r"coolify\.delete_application"):
        differences(TOOLS, known)


def test_contracts_are_written_in_one_way(tmp_path: Path) -> None:
    """The files have sorted keys and one final new line, and writing them again changes none."""
    written = {name: (Path(str(folder())) / name / "contract.json").read_text(encoding="utf-8") for name in NAMES}
    assert written == {name: text_of(contract) for name, contract in contracts().items()}
    assert sorted(write(TOOLS, kinds(), tmp_path)) == sorted(NAMES)
    assert write(TOOLS, kinds(), tmp_path) == ()
    assert {name: (tmp_path / name / "contract.json").read_text(encoding="utf-8") for name in NAMES} == written


async def _listed(era: Era) -> list[dict[str, Any]]:
    server = build_server(
        ServerSettings(
            catalogue=narrowed(load(), toolsets=frozenset(), read_only=False),
            open=unopened,
            principal="local:tester",
            instructions="Be careful.",
        )
    )
    async with Client(server, mode=era) as client:
        tools = (await client.list_tools()).tools
    return [tool.model_dump(mode="json", by_alias=True, exclude_unset=True) for tool in tools]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_the_wire_carries_the_files(era: Era) -> None:
    """What a client is told is exactly what the files say, in the order of their names, in both eras."""
    with anyio.fail_after(30):
        listed = await _listed(era)
    beside = {"icons", "execution"}
    assert [{key: tool[key] for key in tool if key not in beside} for tool in listed] == [
        contracts()[name] for name in NAMES
    ]


def test_the_list_is_the_same_in_every_process() -> None:
    """Order and text depend on no hash seed and no clock, so that a client can cache what it read."""

    def printed(seed: str) -> str:
        code = "from ink_infra_mcp.server.contracts import *; from ink_infra_mcp.tools import ALL\n"
        code += "from ink_infra_mcp.settings.policy_files import load_policy; kinds = load_policy(None).kinds\n"
        code += "import sys; sys.stdout.write(''.join(text_of(contract_of(t(), kinds)) for t in ALL))"
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert printed("1") == printed("2")


def test_every_folder_of_a_tool_has_its_contract() -> None:
    """No folder of worked cases stands without a tool."""
    folders = {entry.name for entry in folder().iterdir() if entry.is_dir()}
    assert folders == set(NAMES)
