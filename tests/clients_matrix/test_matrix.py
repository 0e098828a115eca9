"""Every client sees the tools, reads the fleet, is asked by a person's form, and gets an app to a proved end."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonschema import validate
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from ink_infra_mcp.server.prompts import load
from tests.cli.terminals import at_terminal
from tests.clients_matrix.nodes import inspector, mcpdo, servers_file, task_of, typescript, verified_skills
from tests.contract.catalog import NAMES
from tests.ink import ERAS, Era, data, says, says_yes, text

SERVE = [sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox", "--speed", "100"]
SLOWLY = [*SERVE[:-1], "4"]
"""For firewalls: a server puts the old one back after three minutes of its time, and nobody's computer is that slow."""
DEPLOY: dict[str, object] = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 50}
PROBE: dict[str, object] = {"server": "muscle-2", "probe": True}
MEND: dict[str, object] = {"server": "muscle-2", "wait_s": 50}
SERVERS = ["factory", "muscle-1", "muscle-2"]
APPS = ["docs", "hello", "legacy", "shop"]
PROOFS = dict.fromkeys(("deployment", "isolation", "variables", "dns", "tls", "http"), "passed")
MENDED = {name: "passed" for name in ("closed ports", "required ports", "connects", "kept ways")}
PROTOCOLS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
WRONG = ("problems", True, ["ssh_open_to_world", "traefik_dashboard_open", "no_provider_firewall"])
"""What the pretend world has for check_firewall to find on muscle-2."""
REPORTS = ["[mcp-inspector] Secrets are not written", "[mcp-inspector] How the secret store is chosen"]
"""What the Inspector says of itself in every run."""

pytestmark = [pytest.mark.timeout(360), pytest.mark.clients]


def names(structured: dict[str, Any], key: str) -> list[str]:
    """Return the names in get_fleet's or list_apps' answer."""
    return [row["name"] if isinstance(row, dict) else row[0] for row in structured[key]]


def proofs(receipt: dict[str, Any]) -> dict[str, str]:
    """Return what was proved of a deployment."""
    assert receipt["outcome"] == "applied", receipt
    return {check["name"]: check["status"] for check in receipt["checks"]}


def verdict(checked: dict[str, Any]) -> tuple[str, bool, list[str]]:
    """Return what check_firewall says of muscle-2, whether it tried connects, and the codes of its findings."""
    codes = [finding["code"] for finding in checked.get("findings", [])]
    return checked["verdict"], checked["connects"] > 0, codes


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_the_python_client(era: Era) -> None:
    """The official Python client deploys an app after one yes, hears how it goes, and sees it listed."""
    person, told = says_yes(), list[str]()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    server = StdioServerParameters(command=SERVE[0], args=SERVE[1:], env=dict(os.environ))
    with anyio.fail_after(180):
        async with Client(server, mode=era, elicitation_callback=person) as client:
            protocol = client.protocol_version
            listed = [tool.name for tool in (await client.list_tools()).tools]
            fleet = data(await client.call_tool("get_fleet", {}))
            deployed = data(await client.call_tool("deploy_app", DEPLOY, progress_callback=hear))
            apps = data(await client.call_tool("list_apps", {}))

    assert (protocol, listed) == (PROTOCOLS[era], [*NAMES])
    assert (names(fleet, "servers"), names(apps, "rows")) == (SERVERS, APPS)
    assert proofs(deployed) == PROOFS
    assert len(person.asked) == 1
    assert "Build and deploy hello" in " ".join(told)


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_the_python_client_whose_person_says_no(era: Era) -> None:
    """A no over standard streams changes nothing and is told as such."""
    server = StdioServerParameters(command=SERVE[0], args=SERVE[1:], env=dict(os.environ))
    with anyio.fail_after(180):
        async with Client(server, mode=era, elicitation_callback=says("decline")) as client:
            refused = await client.call_tool("deploy_app", DEPLOY)
            apps = data(await client.call_tool("list_apps", {}))
    assert data(refused)["outcome"] == "not_approved"
    assert "Nothing was changed." in text(refused)
    assert names(apps, "rows") == ["docs", "legacy", "shop"]


@pytest.mark.parametrize("era", ERAS)
def test_the_typescript_client(era: Era) -> None:
    """The official TypeScript client deploys an app after one yes, in both eras, and checks every answer's shape."""
    calls: list[tuple[str, dict[str, object]]] = [
        *(("get_fleet", {}), ("deploy_app", DEPLOY), ("list_apps", {}), ("check_firewall", PROBE))
    ]
    said = typescript({"era": era, "command": SERVE, "answer": "accept", "calls": calls})
    fleet, deployed, apps, checked = (result["structuredContent"] for result in said["results"])
    assert (said["protocol"], said["tools"]) == (PROTOCOLS[era], [*NAMES])
    assert (names(fleet, "servers"), names(apps, "rows")) == (SERVERS, APPS)
    assert (proofs(deployed), verdict(checked)) == (PROOFS, WRONG)
    assert (len(said["questions"]), said["progress"] > 0) == (1, True)


@pytest.mark.parametrize("era", ERAS)
def test_the_official_client_of_tasks(era: Era) -> None:
    """It is given a task in both eras, asks its person once, follows the task by itself, and has the proofs."""
    said = task_of({"era": era, "command": SERVE, "answer": "accept", "call": ["deploy_app", DEPLOY]})
    assert (said["protocol"], said["kind"], said["status"]) == (PROTOCOLS[era], "task", "completed")
    assert proofs(said["result"]["structuredContent"]) == PROOFS
    assert (len(said["questions"]), said["statuses"][0], said["statuses"][-1]) == (1, "working", "completed")
    assert said["support"] == ("optional" if era == "legacy" else None)


@pytest.mark.parametrize("era", ERAS)
def test_the_official_client_of_tasks_whose_person_says_no(era: Era) -> None:
    """A no is the result of the call, as a task or before there is one, and nothing is changed."""
    said = task_of({"era": era, "command": SERVE, "answer": "decline", "call": ["deploy_app", DEPLOY]})
    assert (said["kind"], said["status"]) == ("task" if era == "legacy" else "immediate", "completed")
    assert said["result"]["structuredContent"]["outcome"] == "not_approved"


def test_the_typescript_client_mends_a_firewall() -> None:
    """Its person says yes to the plan, the change is proved, and the check that follows finds nothing any more."""
    calls: list[tuple[str, dict[str, object]]] = [("apply_firewall", MEND), ("check_firewall", PROBE)]
    said = typescript({"era": "legacy", "command": SLOWLY, "answer": "accept", "calls": calls})
    mended, checked = (result["structuredContent"] for result in said["results"])
    [question] = said["questions"]
    assert question.startswith("```text\nMake the firewalls of muscle-2 match policy\n")
    assert (proofs(mended), verdict(checked)) == (MENDED, ("clean", True, []))


@pytest.mark.parametrize("era", ERAS)
def test_the_typescript_client_without_forms(era: Era) -> None:
    """A client that cannot ask gets the command by which a person approves on a terminal."""
    said = typescript({"era": era, "command": SERVE, "answer": None, "calls": [("deploy_app", DEPLOY)]})
    [told] = said["results"]
    approval = told["structuredContent"]["approval_id"]
    assert told["structuredContent"]["outcome"] == "approval_required"
    assert f"`ink-infra-mcp approve {approval} --sandbox`" in told["content"][0]["text"]


def test_a_firewall_is_mended_once_a_person_has_said_yes_on_a_terminal() -> None:
    """A client that cannot ask gets the whole plan; asked for again after the yes, and not before, it runs."""
    session: dict[str, object] = {"era": "auto", "command": SLOWLY, "answer": None}
    said = typescript({**session, "calls": [("apply_firewall", MEND), ("apply_firewall", MEND)]})
    first, second = (result["structuredContent"] for result in said["results"])
    plan = said["results"][0]["content"][0]["text"]
    assert (first["outcome"], second["outcome"]) == ("approval_required", "approval_required")
    assert "Load the new firewall of muscle-2" in plan
    assert f"`ink-infra-mcp approve {first['approval_id']} --sandbox`" in plan

    with at_terminal("approve", first["approval_id"], "--sandbox") as person:
        person.expect("Approve this plan?")
        person.type("y")
        assert person.end() == 0

    said = typescript({**session, "calls": [("apply_firewall", MEND), ("apply_firewall", MEND)]})
    mended, again = (result["structuredContent"] for result in said["results"])
    assert (proofs(mended), mended["approval_id"]) == (MENDED, first["approval_id"])
    assert again["outcome"] == "already_so"


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_nothing_to_remark(era: str, tmp_path: Path) -> None:
    """The Inspector's strict look at the tool list has no remark on any schema, and its calls are answered."""
    servers = servers_file(tmp_path, SERVE)
    listed, remarks = inspector(servers, era, "--method", "tools/list", "--strict")
    assert [tool["name"] for tool in listed["tools"]] == [*NAMES]
    assert [line for line in remarks.splitlines() if not line.startswith(tuple(REPORTS))] == []

    fleet, _ = inspector(servers, era, "--method", "tools/call", "--tool-name", "get_fleet")
    assert names(fleet["structuredContent"], "servers") == SERVERS
    asked = ("--tool-name", "check_firewall", "--tool-args-json", json.dumps(PROBE))
    checked, _ = inspector(servers, era, "--method", "tools/call", *asked)
    [schema] = [tool["outputSchema"] for tool in listed["tools"] if tool["name"] == "check_firewall"]
    validate(checked["structuredContent"], schema)
    assert verdict(checked["structuredContent"]) == WRONG
    wrong = ("--method", "tools/call", "--tool-name", "list_apps", "--tool-args-json", '{"dry_run": true}')
    refused, _ = inspector(servers, era, *wrong, status=5)
    assert "dry_run" in refused["content"][0]["text"]


def test_the_inspector_verifies_every_skill(tmp_path: Path) -> None:
    """It finds each runbook as a skill that keeps the extension's rules, with its front matter and its digest."""
    reports = verified_skills(servers_file(tmp_path, SERVE))
    assert [report["name"] for report in reports] == sorted(load())
    for report in reports:
        assert (report["ok"], report["outcome"], report["conformance"]) == (True, "verified", []), report
        assert [file["status"] for file in report["files"]] == ["verified"], report


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_shell_that_answers_the_question(era: str, tmp_path: Path) -> None:
    """The Inspector's connection tool shows the plan, takes the yes in another command, and gets the proofs."""
    with mcpdo(servers_file(tmp_path, SERVE), era) as do:
        fleet = do("tools/call", "get_fleet")
        pending = do("tools/call", "deploy_app", json.dumps(DEPLOY))["elicitationPending"]
        deployed = do("elicitation/respond", pending["elicitationId"], "{}")
        apps = do("tools/call", "list_apps")
    assert names(fleet["structuredContent"], "servers") == SERVERS
    assert pending["message"].startswith("```text\nDeploy hello on ")
    assert pending["requestedSchema"] == {"type": "object", "properties": {}}
    assert proofs(deployed["structuredContent"]) == PROOFS
    assert names(apps["structuredContent"], "rows") == APPS


def test_a_shell_that_answers_the_question_of_a_firewall(tmp_path: Path) -> None:
    """The plan of apply_firewall is shown, too, and runs to its proofs after the yes."""
    with mcpdo(servers_file(tmp_path, SLOWLY), "modern") as do:
        pending = do("tools/call", "apply_firewall", json.dumps(MEND))["elicitationPending"]
        mended = do("elicitation/respond", pending["elicitationId"], "{}")
    assert pending["message"].startswith("```text\nMake the firewalls of muscle-2 match policy\n")
    assert proofs(mended["structuredContent"]) == MENDED
