"""What is claimed after a deployment: every proof that fails is named with its evidence, none is called passed."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.state import Fault, WorldState
from tests.ink import ink, says_yes
from tests.tools.calls import After, Before, Said, app_named, call, deploy, push

IMAGE: dict[str, Any] = {"image": "registry.example.com/web:1", "port": 80}


def evidence(said: Said, name: str) -> str:
    """Return what was seen for a proof."""
    return next(check["evidence"] for check in said.data["checks"] if check["name"] == name)


def without_domain(fleet: Fleet) -> Fleet:
    """Return a fleet without a domain for all: then no tool keeps records of apps."""
    return fleet.model_copy(update={"domains": fleet.domains.model_copy(update={"fleet": None})})


@pytest.mark.anyio
async def test_a_name_that_leads_elsewhere_is_not_called_proved(tmp_path: Path) -> None:
    """The app runs isolated and its name does not resolve to its Muscle: the outcome is not `applied`, and says why."""
    with anyio.fail_after(90):
        async with ink(tmp_path, change_fleet=without_domain) as it, it.client(says_yes()) as client:
            nowhere = await deploy(client, name="nowhere", **IMAGE, domain="nowhere.example.net")
            other = await deploy(client, name="other", **IMAGE, domain="other.s1.example.com", muscle="muscle-2")

    for said, host in ((nowhere, "nowhere.example.net"), (other, "other.s1.example.com")):
        assert (said.outcome, said.is_error) == ("applied_unverified", True)
        assert (said.checks["dns"], said.checks["isolation"]) == ("failed", "passed")
        assert evidence(said, "dns").startswith(f"{host} should be 192.0.2.1")
        assert "the steps ran, but this is not as promised: dns" in said.text
    assert "seen: 192.0.2.11" in evidence(other, "dns")


@pytest.mark.anyio
async def test_an_app_that_does_not_answer_is_not_called_proved(tmp_path: Path) -> None:
    """An error page, no route and a closed connection each fail the HTTP proof with what was seen."""
    faults = {
        "answers 503": Fault(system="edge", match="GET fresh", kind="status", status=503, times=10_000),
        "no route": Fault(
            system="edge", match="GET fresh", kind="status", status=404, body="404 page not found\n", times=10_000
        ),
    }
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said: dict[str, Said] = {}
            for number, (words, trouble) in enumerate(faults.items()):
                with it.world.change() as state:
                    state.faults = [trouble.model_copy(update={"match": f"GET fresh-{number}"})]
                said[words] = await deploy(client, name=f"fresh-{number}", **IMAGE)

    for words, answer in said.items():
        assert (answer.outcome, answer.checks["http"]) == ("applied_unverified", "failed"), answer.text
        assert words in evidence(answer, "http")
        assert answer.checks["deployment"] == answer.checks["isolation"] == "passed"


@pytest.mark.anyio
async def test_a_new_version_that_fails_its_health_check_never_replaces_the_old_one(tmp_path: Path) -> None:
    """Coolify keeps the old container; the answer names the cause, and the old one still serves."""

    def checked(state: WorldState) -> None:
        shop = app_named(state, "shop")
        shop.columns["health_check_enabled"] = True
        shop.healthy = False

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=checked) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="shop", health_path="/ready")
            shown = await call(client, "get_app", app="shop")

    assert (said.outcome, said.problem["stage"]) == ("failed", "deployment")
    assert said.problem["probable_cause"].startswith("The new container did not pass its health check")
    assert "The containers that ran before may still run." in said.problem["message"]
    assert (len(shown.data["containers"]), shown.data["isolated"]) == (1, True)


@pytest.mark.anyio
async def test_a_commit_other_than_the_approved_one_is_noticed(tmp_path: Path) -> None:
    """A push between the yes and the build deploys something that nobody looked at: the proof says which."""
    pushed = Before(tmp_path, "coolify.first_deploy", push)
    with anyio.fail_after(90):
        async with ink(tmp_path, wrap_handler=pushed) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="fresh", repository="https://github.com/example/hello")
            newest = it.state.github.repos["example/hello"].branches["main"]
            again = await deploy(client, name="fresh", repository="https://github.com/example/hello")

    assert (said.outcome, said.checks["deployment"]) == ("applied_unverified", "failed")
    assert f"but it deployed {newest} and not " in evidence(said, "deployment")
    assert again.outcome == "already_so"


@pytest.mark.anyio
async def test_a_proof_that_cannot_be_looked_at_is_a_failed_one(tmp_path: Path) -> None:
    """Coolify breaks down at the very end: the steps ran, the proof could not be made, and that is what is said."""
    broken = Fault(system="coolify", match="GET /api/v1/deployments/", kind="status", body="{}", times=10_000)
    down = After(tmp_path, "hosts.prove_isolation", lambda state: state.faults.append(broken))
    with anyio.fail_after(90):
        async with ink(tmp_path, wrap_handler=down) as it, it.client(says_yes()) as client:
            said = await call(client, "control_app", app="shop", action="restart", wait_s=60)

    assert (said.outcome, said.checks) == ("applied_unverified", {"verification": "failed"})
    assert "Coolify answered 500 to GET /deployments/" in evidence(said, "verification")
