"""What Coolify made of a compose file is judged once more before anything of it starts."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.ink import ink, says_yes
from tests.tools.calls import call

pytestmark = pytest.mark.anyio

LIMIT_S = 50
FILE = "services: {web: {image: 'registry.example.com/web:1', volumes: [data:/data]}}\nvolumes: {data: }\n"


async def test_a_compose_app_is_judged_by_the_muscle_s_own_docker_and_a_second_call_changes_nothing(
    tmp_path: Path,
) -> None:
    """Created, settled, judged, started, proved; the same call again finds the same document."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            first = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            journal = it.journal
            again = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            assert it.journal == journal
    assert (first.data["outcome"], again.data["outcome"]) == ("applied", "already_so")
    assert [step["id"] for step in first.data["steps"]] == [
        "create_app",
        "settle",
        "judge",
        "note_containers",
        "deploy",
        "prove_isolation",
    ]


async def test_what_coolify_stored_otherwise_starts_nothing_and_is_taken_back(tmp_path: Path) -> None:
    """Somebody changes the stored file before it starts: it is named, nothing runs, and the new app is gone."""

    def meddling(kind: str, handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            with it.world.change() as state:
                service = next(s for s in state.coolify.services if s.name == "stack")
                service.docker_compose = (service.docker_compose or "").replace("runtime: runsc", "runtime: runc")
            return await handler(call)

        return run if kind == "hosts.judge_compose" else handler

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=meddling) as it, it.client(says_yes()) as client:
            told = await call(client, "deploy_app", name="stack", compose=FILE, wait_s=300)
            state = it.state
    assert told.data["outcome"] == "undone"
    assert "web: runtime is runc and not runsc" in told.data["problem"]["message"]
    assert [service.name for service in state.coolify.services if service.name == "stack"] == []
    assert [c.name for host in state.hosts.values() for c in host.containers if c.name.startswith("web-")] == [
        c.name for host in state.hosts.values() for c in host.containers if c.name == "web-none"
    ]
