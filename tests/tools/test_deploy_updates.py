"""deploy_app on apps that exist: what is not asked for stays, what changed is deployed, what broke off is finished."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import ISOLATED, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_github import commit_sha
from tests.ink import ink, says_yes
from tests.tools.calls import COMPOSE_ROLLOUT, ROLLOUT, app_named, call, deploy, fault, push

HELLO = "https://github.com/example/hello"


@pytest.mark.anyio
async def test_an_update_changes_what_is_asked_for_and_nothing_else(tmp_path: Path) -> None:
    """Domains, build pack, branch, run options and limits that nobody names stay; the plan shows both values."""

    def with_history(state: WorldState) -> None:
        columns = app_named(state, "shop").columns
        columns["fqdn"] = "https://shop.s1.example.com,https://www.s1.example.com/shop"
        columns["build_pack"], columns["git_branch"] = "dockerfile", "feature/greeting"

    person = says_yes()
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=with_history) as it, it.client(person) as client:
            said = await deploy(client, name="shop", repository=HELLO, memory="1g")
            again = await deploy(client, name="shop", repository=HELLO, memory="1g")
            columns = app_named(it.state, "shop").columns
            deployed = it.state.coolify.deployments[-1]

    assert (said.outcome, again.outcome, len(person.asked)) == ("applied", "already_so", 1), said.text
    assert "      before limits_memory = 512m\n      after limits_memory = 1g\n" in person.asked[0]
    assert {name: columns[name] for name in ("fqdn", "build_pack", "git_branch", "limits_cpus", "limits_memory")} == {
        "fqdn": "https://shop.s1.example.com,https://www.s1.example.com/shop",
        "build_pack": "dockerfile",
        "git_branch": "feature/greeting",
        "limits_cpus": "0.5",
        "limits_memory": "1g",
    }
    assert columns["custom_docker_run_options"] == ISOLATED
    assert deployed.commit == commit_sha("example/hello feature/greeting")


@pytest.mark.anyio
async def test_a_new_commit_is_deployed_and_an_old_one_is_not(tmp_path: Path) -> None:
    """The name alone deploys the head of the app's branch, public or private; without a new commit nothing happens."""
    person = says_yes()
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(person) as client:
            nothing = await deploy(client, name="shop")
            with it.world.change() as state:
                public = push(state)
            shop = await deploy(client, name="shop")
            await deploy(client, name="legacy")
            with it.world.change() as state:
                private = push(state, "example/private-api")
            legacy = await deploy(client, name="legacy")
            again = [await deploy(client, name=name) for name in ("shop", "legacy")]

    assert nothing.outcome == "already_so"
    assert (shop.outcome, shop.data["result"]["commit"]) == ("applied", public)
    assert (legacy.outcome, legacy.data["result"]["commit"]) == ("applied", private)
    assert [said.outcome for said in again] == ["already_so", "already_so"]


@pytest.mark.anyio
async def test_an_app_that_was_held_at_a_commit_follows_its_branch_again(tmp_path: Path) -> None:
    """Going back in an old Coolify holds the app at a commit: its name alone keeps it there, a repository frees it."""
    held = commit_sha("example/hello main, a week ago")

    def pinned(state: WorldState) -> None:
        state.coolify.version = "4.0.0-beta.463"
        app_named(state, "shop").columns["git_commit_sha"] = held

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=pinned) as it, it.client(says_yes()) as client:
            kept = await deploy(client, name="shop")
            freed = await deploy(client, name="shop", repository=HELLO)
            again = await deploy(client, name="shop", repository=HELLO)
            columns = app_named(it.state, "shop").columns

    assert (kept.outcome, kept.data["result"]["commit"]) == ("applied", held)
    assert (freed.outcome, freed.data["result"]["commit"]) == ("applied", commit_sha("example/hello main"))
    assert (again.outcome, columns["git_commit_sha"]) == ("already_so", "HEAD")


@pytest.mark.anyio
async def test_an_app_without_isolation_gets_it_at_its_next_deployment(tmp_path: Path) -> None:
    """An app that came up without gVisor is isolated by deploy_app; other tools that would start it refuse."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            refused = [
                await call(client, "control_app", app="legacy", action="restart"),
                await call(client, "set_app_env", app="legacy", set={"A": "1"}),
                await call(client, "rollback_app", app="legacy", to="abc"),
            ]
            untouched = it.journal
            said = await deploy(client, name="legacy")
            restarted = await call(client, "control_app", app="legacy", action="restart", wait_s=60)

    for refusal in refused:
        assert "[refused_by_policy] legacy would run without gVisor: its run options lack --runtime" in refusal.text
        assert "Nothing was changed. Call deploy_app for it" in refusal.text
    assert untouched == []
    assert (said.outcome, said.checks["isolation"], restarted.outcome) == ("applied", "passed", "applied")


@pytest.mark.anyio
async def test_after_a_failure_the_same_call_does_what_is_left(tmp_path: Path) -> None:
    """A build that fails leaves the app as it was, and says why; mended, the same call deploys and creates nothing."""

    def broken(state: WorldState) -> None:
        app_named(state, "shop").fails_because = "npm error ERESOLVE could not resolve dependency"

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=broken) as it, it.client(says_yes()) as client:
            failed = await deploy(client, name="shop", memory="1g")
            served = await call(client, "get_app", app="shop")
            with it.world.change() as state:
                app_named(state, "shop").fails_because = ""
            mended = await deploy(client, name="shop", memory="1g")
            again = await deploy(client, name="shop", memory="1g")

    assert (failed.outcome, failed.is_error) == ("failed", True)
    assert [(step["id"], step["state"]) for step in failed.data["steps"]] == [
        ("update_app", "done"),
        ("note_deployments", "done"),
        ("note_containers", "done"),
        ("deploy", "failed"),
        ("prove_isolation", "not begun"),
    ]
    assert failed.problem["probable_cause"] == "npm could not install the dependencies."
    assert failed.problem["stage"] == "deployment"
    assert any("ERESOLVE" in line for line in failed.problem["untrusted_log"])
    assert served.data["isolated"] is True
    assert [step["id"] for step in mended.data["steps"]] == ROLLOUT
    assert (mended.outcome, again.outcome) == ("applied", "already_so")


@pytest.mark.anyio
async def test_a_change_that_was_not_rolled_out_is_not_forgotten(tmp_path: Path) -> None:
    """When Coolify refuses the deployment after the change, Coolify shows the new setting and no container has it:
    the same call still deploys."""
    arguments: dict[str, Any] = {"name": "shop", "memory": "1g"}
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            fault(it, "POST /api/v1/deploy", status=403, body='{"message":"Missing required permissions: deploy"}')
            refused = await deploy(client, **arguments)
            container = next(c for c in it.state.hosts["muscle-1"].containers if c.name.startswith(SHOP))
            mended = await deploy(client, **arguments)

    assert refused.outcome == "failed"
    assert "The Coolify token lacks the ability deploy." in refused.problem["message"]
    assert container.memory_bytes == 512 * 2**20
    assert [step["id"] for step in mended.data["steps"]] == ROLLOUT
    assert mended.outcome == "applied"


@pytest.mark.anyio
async def test_a_compose_app_is_changed_by_its_file_its_port_and_its_variables(tmp_path: Path) -> None:
    """Each of them alone is a change; the URL keeps its port when nobody names another; the kind cannot change."""
    file = "services:\n  web: {image: 'registry.example.com/web:1'}\n"
    base: dict[str, Any] = {"name": "stack", "compose": file}
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            made = await deploy(client, **base, port=8080, env={"A": "1"})
            steps = {
                "same": await deploy(client, **base),
                "port": await deploy(client, **base, port=9090),
                "file": await deploy(client, name="stack", compose=file.replace("web:1", "web:2")),
                "variables": await deploy(client, name="stack", compose=file.replace("web:1", "web:2"), env={"A": "2"}),
            }
            kind = await deploy(client, name="stack", repository=HELLO)
            other = await deploy(client, name="shop", compose=file)
            bare = await deploy(client, name="stack")
            service = it.state.coolify.services[0]

    assert made.outcome == "applied"
    assert {name: [step["id"] for step in said.data.get("steps", ())] for name, said in steps.items()} == {
        "same": [],
        "port": ["update_app", *COMPOSE_ROLLOUT],
        "file": ["update_app", *COMPOSE_ROLLOUT],
        "variables": ["set_env", *COMPOSE_ROLLOUT],
    }
    assert {said.outcome for said in steps.values()} == {"already_so", "applied"}
    assert service.parts[0].fqdn == "https://stack.s2.example.com:9090"
    assert {env.key: env.value for env in service.envs} == {"A": "2"}
    assert "stack is a compose app." in kind.text
    assert "shop is not a compose app." in other.text
    assert "stack is a compose app." in bare.text


@pytest.mark.anyio
async def test_a_helper_without_git_lfs_is_named_as_the_cause(tmp_path: Path) -> None:
    """Coolify ends every clone with `git lfs pull`: git's own sentence is in the log, what to do about it is said, and
    with Git LFS switched off for the app it is deployed."""

    def without(state: WorldState) -> None:
        for host in state.hosts.values():
            host.without = ["git-lfs"]

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=without) as it, it.client(says_yes()) as client:
            failed = await deploy(client, name="shop", redeploy=True)
            with it.world.change() as state:
                app_named(state, "shop").settings["is_git_lfs_enabled"] = False
            well = await deploy(client, name="shop", redeploy=True)

    assert (failed.outcome, failed.problem["stage"], well.outcome) == ("failed", "deployment", "applied"), failed.text
    assert failed.problem["probable_cause"].startswith(
        "The repository keeps files in Git LFS, and the fetch lacks git-lfs"
    )
    assert "git: 'lfs' is not a git command. See 'git --help'." in failed.problem["untrusted_log"]
