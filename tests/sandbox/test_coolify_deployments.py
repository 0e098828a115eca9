"""Deployments of the pretend Coolify as its API shows them: phantoms, gated logs, odd lists, queues and cancelling."""

import json
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.seed import DOCS, LEGACY, SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Token
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

GONE = (404, {"message": "Deployment not found."})
SKIPPED = "Deployment already queued for this commit."


async def deploy(coolify: PretendCoolify, app: str, **query: str | int) -> str:
    """Deploy an application by POST /deploy and return the uuid of the answer."""
    status, answer = await coolify.ask("POST", "/deploy", query={"uuid": app, **query})
    assert status == 200, answer
    return str(items(fields(answer)["deployments"])[0]["deployment_uuid"])


async def status_of(coolify: PretendCoolify, uuid: str) -> str:
    """Return the status of a deployment."""
    return str((await coolify.row(f"/deployments/{uuid}"))["status"])


async def test_a_deployment_runs_and_ends(tmp_path: Path) -> None:
    """In progress at once, finished some seconds later, with its application and the commit that HEAD was."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await deploy(coolify, SHOP)
        running = await coolify.row(f"/deployments/{uuid}")
        coolify.clock.advance(7)
        ended = await coolify.row(f"/deployments/{uuid}")
        assert (running["status"], running["commit"], running["finished_at"]) == ("in_progress", "HEAD", None)
        assert (ended["status"], len(str(ended["commit"])), ended["application_name"]) == ("finished", 40, "shop")
        assert fields(ended["application"])["uuid"] == SHOP


async def test_body_and_query_of_deploy_work_alike(tmp_path: Path) -> None:
    """And misuse is 400, nothing found 404."""
    async with pretend_coolify(tmp_path) as coolify:
        _, answer = await coolify.ask("POST", "/deploy", {"uuid": f"{SHOP},{DOCS},none"})
        assert [row["resource_uuid"] for row in items(fields(answer)["deployments"])] == [SHOP, DOCS]
        asked = [{}, {"uuid": "a", "tag": "b"}, {"tag": "b", "pr": 1}, {"uuid": "a", "docker_tag": "1"}]
        assert [(await coolify.ask("POST", "/deploy", query=query))[0] for query in asked] == [400] * 4
        assert await coolify.ask("POST", "/deploy", query={"uuid": "none"}) == (404, {"message": "No resources found."})


async def test_a_tag_deploys_all_that_carry_it(tmp_path: Path) -> None:
    """In another shape than by uuid."""

    def tag(state: WorldState) -> None:
        for app in state.coolify.applications[:2]:
            app.tags = ["blue"]

    async with pretend_coolify(tmp_path, tag) as coolify:
        _, answer = await coolify.ask("POST", "/deploy", query={"tag": "blue"})
        assert fields(answer)["message"] == [f"Application {name} deployment queued." for name in ("shop", "docs")]
        assert [row["resource_uuid"] for row in items(fields(answer)["details"])] == [SHOP, DOCS]


async def test_a_skipped_deploy_answers_with_a_uuid_that_never_exists(tmp_path: Path) -> None:
    """While one of the same commit waits or runs, `/deploy` gives a phantom and `/start` no uuid at all."""
    async with pretend_coolify(tmp_path) as coolify:
        await deploy(coolify, DOCS)
        _, answer = await coolify.ask("POST", "/deploy", query={"uuid": DOCS})
        phantom = items(fields(answer)["deployments"])[0]
        assert phantom["message"] == SKIPPED
        assert await coolify.ask("GET", f"/deployments/{phantom['deployment_uuid']}") == GONE
        assert await coolify.ask("POST", f"/applications/{DOCS}/start") == (200, {"message": SKIPPED})
        assert (await coolify.row(f"/deployments/applications/{DOCS}"))["count"] == 2


async def test_once_head_is_resolved_another_deploy_waits_instead_of_being_skipped(tmp_path: Path) -> None:
    """The commit of a git application changes under way, so the next HEAD is another commit to the queue."""
    async with pretend_coolify(tmp_path) as coolify:
        first = await deploy(coolify, SHOP, force="true")
        coolify.clock.advance(3)
        second = await deploy(coolify, SHOP)
        with coolify.world.change() as state:
            assert [d.status for d in state.coolify.deployments[-2:]] == ["in_progress", "queued"]
        coolify.clock.advance(10)
        assert [await status_of(coolify, uuid) for uuid in (first, second)] == ["finished", "finished"]


async def test_force_and_instant_deploy_are_never_skipped(tmp_path: Path) -> None:
    """`force` waits for its turn, `instant_deploy` does not."""
    async with pretend_coolify(tmp_path) as coolify:
        await deploy(coolify, DOCS)
        forced = await deploy(coolify, DOCS, force="true")
        _, instant = await coolify.ask("POST", f"/applications/{DOCS}/start", query={"instant_deploy": "true"})
        assert await status_of(coolify, forced) == "queued"
        assert await status_of(coolify, str(fields(instant)["deployment_uuid"])) == "in_progress"


def full_queue(state: WorldState) -> None:
    """Let no deployment wait on the second Muscle."""
    state.coolify.servers[2].settings.deployment_queue_limit = 0


async def test_a_full_queue_is_429_for_deploy_and_a_phantom_for_start(tmp_path: Path) -> None:
    """`/start` and `/restart` say 200 and queued; no such deployment exists. A rollback says 400."""
    async with pretend_coolify(tmp_path, full_queue) as coolify:
        refused = await coolify.send("POST", "/deploy", query={"uuid": DOCS})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        for verb, message in (("start", "Deployment request queued."), ("restart", "Restart request queued.")):
            status, answer = await coolify.ask("POST", f"/applications/{DOCS}/{verb}")
            assert (status, fields(answer)["message"]) == (200, message)
            assert await coolify.ask("GET", f"/deployments/{fields(answer)['deployment_uuid']}") == GONE
        assert (await coolify.ask("POST", f"/applications/{DOCS}/rollback", {"commit": "a"}))[0] == 400


async def test_the_list_of_running_ones_may_be_an_object(tmp_path: Path) -> None:
    """A list of one, or of several in order; an object with numbers as keys as soon as one waits behind another."""
    async with pretend_coolify(tmp_path) as coolify:
        assert await coolify.ask("GET", "/deployments") == (200, [])
        first, other = await deploy(coolify, SHOP), await deploy(coolify, DOCS)
        _, listed = await coolify.ask("GET", "/deployments")
        assert [row["deployment_uuid"] for row in items(listed)] == [first, other]
        waiting = await deploy(coolify, DOCS, force="true")
        _, keyed = await coolify.ask("GET", "/deployments")
        assert {key: fields(row)["deployment_uuid"] for key, row in fields(keyed).items()} == {
            "1": first,
            "2": other,
            "0": waiting,
        }


@pytest.mark.parametrize(
    ("abilities", "role", "shown"),
    [(["read"], "owner", False), (["read", "read:sensitive"], "owner", True), (["root"], "owner", True)],
)
async def test_build_logs_need_the_right_to_secrets(
    tmp_path: Path, abilities: list[str], role: str, shown: bool
) -> None:
    """`logs` is JSON inside a text, and only there for `read:sensitive` or root."""
    token = Token.model_validate({"id": 9, "secret": "s", "abilities": abilities, "role": role})
    async with pretend_coolify(tmp_path, lambda state: state.coolify.tokens.append(token), token="9|s") as coolify:
        uuid = coolify.state().coolify.deployments[0].deployment_uuid
        row = await coolify.row(f"/deployments/{uuid}")
        assert ("logs" in row) is shown
        if shown:
            lines = json.loads(str(row["logs"]))
            assert sorted(lines[0]) == ["batch", "command", "hidden", "order", "output", "timestamp", "type"]
            assert {line["hidden"] for line in lines} == {False, True}


async def test_deployments_of_an_application_are_counted_and_paged(tmp_path: Path) -> None:
    """Newest first, ten by default; Laravel's own validation words wrong numbers."""
    async with pretend_coolify(tmp_path) as coolify:
        whole = await coolify.row(f"/deployments/applications/{SHOP}")
        second = await coolify.row(f"/deployments/applications/{SHOP}?skip=1&take=1")
        assert (whole["count"], second["count"]) == (2, 2)
        assert items(second["deployments"]) == items(whole["deployments"])[1:]
        wrong = await coolify.ask("GET", f"/deployments/applications/{SHOP}?take=0")
        words = "The take field must be at least 1."
        assert wrong == (422, {"message": words, "errors": {"take": [words]}})


async def test_cancelling_frees_the_place_of_the_next(tmp_path: Path) -> None:
    """A cancelled deployment stays cancelled; one that has ended cannot be cancelled."""
    async with pretend_coolify(tmp_path) as coolify:
        first, second = await deploy(coolify, DOCS), await deploy(coolify, DOCS, force="true")
        cancelled = await coolify.ask("POST", f"/deployments/{first}/cancel")
        assert cancelled == (
            200,
            {
                "message": "Deployment cancelled successfully.",
                "deployment_uuid": first,
                "status": "cancelled-by-user",
            },
        )
        assert await status_of(coolify, second) == "in_progress"
        coolify.clock.advance(10)
        assert [await status_of(coolify, uuid) for uuid in (first, second)] == ["cancelled-by-user", "finished"]
        again = await coolify.ask("POST", f"/deployments/{second}/cancel")
        assert again == (400, {"message": "Deployment cannot be cancelled. Current status: finished"})


async def test_a_preview_of_an_image_needs_its_tag(tmp_path: Path) -> None:
    """Previews have their own container, without any run option: they are not isolated."""
    async with pretend_coolify(tmp_path) as coolify:
        _, unknown = await coolify.ask("POST", "/deploy", query={"uuid": SHOP, "pr": 7})
        assert items(fields(unknown)["deployments"]) == [
            {"message": "Pull request 7 not found for this resource.", "resource_uuid": SHOP}
        ]
        await deploy(coolify, DOCS, pr=7, docker_tag="pr-7")
        coolify.clock.advance(7)
        by_name = {c.name: (c.image, c.runtime) for c in coolify.containers("muscle-2", DOCS)}
        assert by_name.pop(f"{DOCS}-pr-7") == ("registry.example.com/docs:pr-7", "runc")
        assert list(by_name.values()) == [("registry.example.com/docs:1.4", "runsc")]


async def test_stopping_takes_a_moment_and_starting_brings_it_back(tmp_path: Path) -> None:
    """A stopped application reads `exited:unhealthy` and has no log; a started one is deployed anew."""
    async with pretend_coolify(tmp_path) as coolify:
        stopped = await coolify.ask("POST", f"/applications/{SHOP}/stop")
        assert stopped == (200, {"message": "Application stopping request queued."})
        assert (await coolify.row(f"/applications/{SHOP}"))["status"] == "running:unknown"
        coolify.clock.advance(4)
        assert (await coolify.row(f"/applications/{SHOP}"))["status"] == "exited:unhealthy"
        assert coolify.containers("muscle-1", SHOP) == []
        log = await coolify.ask("GET", f"/applications/{SHOP}/logs")
        assert log == (400, {"message": "Application is not running."})
        await coolify.ask("POST", f"/applications/{SHOP}/start")
        coolify.clock.advance(20)
        assert (await coolify.row(f"/applications/{SHOP}"))["status"] == "running:unknown"


async def test_container_logs_are_one_text_with_as_many_lines_as_asked_for(tmp_path: Path) -> None:
    """A hundred by default."""

    def chatty(state: WorldState) -> None:
        state.coolify.applications[0].log_lines = [f"line {number}" for number in range(200)]

    async with pretend_coolify(tmp_path, chatty) as coolify:
        two = await coolify.row(f"/applications/{SHOP}/logs?lines=2")
        many = await coolify.row(f"/applications/{SHOP}/logs")
        assert two == {"logs": "line 198\nline 199\n"}
        assert str(many["logs"]).count("\n") == 100


async def test_a_uuid_in_the_query_selects_another_application_than_the_path(tmp_path: Path) -> None:
    """Coolify reads the field before the route."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.ask("POST", f"/applications/{SHOP}/stop?uuid={LEGACY}")
        coolify.clock.advance(4)
        assert [coolify.app(uuid).status for uuid in (SHOP, LEGACY)] == ["running:unknown", "exited:unhealthy"]


async def test_images_to_go_back_to_and_going_back(tmp_path: Path) -> None:
    """`current` is null under rolling updates; a rollback runs the old image without a build."""
    async with pretend_coolify(tmp_path) as coolify:
        listed = await coolify.row(f"/applications/{SHOP}/rollback-images")
        new, old = [str(image["tag"]) for image in items(listed["images"])]
        assert (listed["current"], [image["is_current"] for image in items(listed["images"])]) == (None, [False, False])
        status, answer = await coolify.ask("POST", f"/applications/{SHOP}/rollback", {"commit": old})
        assert (status, fields(answer)["message"]) == (200, "Rollback deployment queued.")
        coolify.clock.advance(3)
        assert await status_of(coolify, str(fields(answer)["deployment_uuid"])) == "finished"
        assert [c.image for c in coolify.containers("muscle-1", SHOP)] == [f"{SHOP}:{old}"]
        assert new != old


async def test_a_rollback_of_an_image_application_ignores_the_commit(tmp_path: Path) -> None:
    """It redeploys the tag that is set."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.ask("POST", f"/applications/{DOCS}/rollback", {"commit": "1.3"})
        coolify.clock.advance(7)
        assert [c.image for c in coolify.containers("muscle-2", DOCS)] == ["registry.example.com/docs:1.4"]


async def test_a_stop_prunes_old_images(tmp_path: Path) -> None:
    """As many stay as `docker_images_to_keep` says, unless the cleanup is switched off."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.ask("PATCH", f"/applications/{SHOP}", {"docker_images_to_keep": 1})
        await coolify.ask("POST", f"/applications/{SHOP}/stop", query={"docker_cleanup": "false"})
        coolify.clock.advance(4)
        assert len(coolify.app(SHOP).images) == 2
        await coolify.ask("POST", f"/applications/{SHOP}/stop")
        coolify.clock.advance(4)
        assert len(coolify.app(SHOP).images) == 1


async def test_a_deployment_of_a_deleted_application_is_not_found(tmp_path: Path) -> None:
    """Its row is there, its application is not."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = coolify.state().coolify.deployments[0].deployment_uuid
        await coolify.ask("DELETE", f"/applications/{SHOP}")
        coolify.clock.advance(5)
        assert await coolify.ask("GET", f"/deployments/{uuid}") == GONE
        assert SERVERS["muscle-1"] == coolify.state().coolify.deployments[0].server_uuid
