"""Services of the pretend Coolify: inline compose files that run as they are."""

import base64
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import PROJECT, SERVERS
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

COMPOSE = """
services:
  web:
    image: registry.example.com/site:1.0
    runtime: runsc
    pids_limit: 128
    mem_limit: 256m
    cap_drop: [ALL]
    ports: ["8081:80"]
    volumes: ["data:/data", "./conf:/conf"]
    environment:
      SERVICE_FQDN_WEB: ""
  cache:
    image: redis:7-alpine
"""


def encoded(text: str) -> str:
    """Return the text in base64."""
    return base64.b64encode(text.encode()).decode()


CHECKED_S = 61
"""A start, and the check of the server after which Coolify knows of it."""

BODY: dict[str, JsonValue] = {
    "project_uuid": PROJECT,
    "environment_name": "production",
    "server_uuid": SERVERS["muscle-1"],
    "name": "site",
    "docker_compose_raw": encoded(COMPOSE),
}


async def running(coolify: PretendCoolify) -> str:
    """Make and start a service and return its uuid."""
    uuid = await coolify.made("/services", {**BODY, "instant_deploy": True})
    coolify.clock.advance(CHECKED_S)
    return uuid


async def test_a_service_is_made_without_running(tmp_path: Path) -> None:
    """201 with uuid and a list of domains; a part that asks for a domain gets one."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/services", BODY)
        uuid = str(fields(answer)["uuid"])
        assert (status, fields(answer)["domains"]) == (201, [f"https://web-{uuid}.s1.example.com"])
        row = await coolify.row(f"/services/{uuid}")
        parts = [[part["name"] for part in items(row[kind])] for kind in ("applications", "databases")]
        assert (row["status"], parts) == ("exited", [["web"], ["cache"]])
        assert coolify.containers("muscle-1", uuid) == []


async def test_its_containers_keep_their_own_runtime_and_limits(tmp_path: Path) -> None:
    """No run option of Coolify touches them, which is how gVisor works without the fork."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await running(coolify)
        by_name = {c.name: c for c in coolify.containers("muscle-1", uuid)}
        web, cache = by_name[f"web-{uuid}"], by_name[f"cache-{uuid}"]
        assert (web.runtime, web.pids_limit, web.memory_bytes, web.cap_drop) == ("runsc", 128, 256 * 2**20, ["ALL"])
        conf = f"/data/coolify/services/{uuid}/conf:/conf"
        assert (web.ports, web.volumes) == (["0.0.0.0:8081->80/tcp"], [conf, f"{uuid}_data"])
        assert (cache.runtime, cache.memory_bytes) == ("runc", 0)
        assert web.labels["coolify.serviceId"] == str(coolify.state().coolify.services[0].id)
        assert (await coolify.row(f"/services/{uuid}"))["status"] == "running:unknown"


ENDS = "{image: one-shot:1, exclude_from_hc: true}"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        (f"web: {{image: web:1}}, job: {ENDS}", "running:unknown"),
        (f"job: {ENDS}, web: {{image: web:1, restart: 'no'}}", "degraded:unhealthy:excluded"),
        ("web: {image: web:1, restart: 'no'}", "running:unknown:excluded"),
    ],
)
async def test_a_part_that_may_end_counts_only_where_no_other_does(tmp_path: Path, parts: str, status: str) -> None:
    """One that has ended makes an app no worse, and one whose parts may all end is marked so."""
    async with pretend_coolify(tmp_path) as coolify:
        raw = encoded(f"services: {{{parts}}}")
        uuid = await coolify.made("/services", {**BODY, "docker_compose_raw": raw, "instant_deploy": True})
        coolify.clock.advance(CHECKED_S)
        assert (await coolify.row(f"/services/{uuid}"))["status"] == status
        states = {c.name.split("-")[0]: c.state for c in coolify.containers("muscle-1", uuid)}
        assert states == {"web": "running"} | ({"job": "exited"} if "job" in parts else {})


async def test_start_and_stop_know_what_is_already_so(tmp_path: Path) -> None:
    """400 for what needs no doing; otherwise it is queued, and known to have started at the next check only."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await running(coolify)
        path = f"/services/{uuid}"
        assert await coolify.ask("POST", f"{path}/start") == (400, {"message": "Service is already running."})
        assert await coolify.ask("POST", f"{path}/stop") == (200, {"message": "Service stopping request queued."})
        coolify.clock.advance(4)
        assert (await coolify.row(path))["status"] == "exited"
        assert await coolify.ask("POST", f"{path}/stop") == (400, {"message": "Service is already stopped."})
        assert await coolify.ask("POST", f"{path}/start") == (200, {"message": "Service starting request queued."})
        coolify.clock.advance(6)
        assert (await coolify.row(path))["status"] == "exited"
        coolify.clock.advance(CHECKED_S)
        assert (await coolify.row(path))["status"] == "running:unknown"


async def test_deploy_starts_a_service_and_has_no_deployment_for_it(tmp_path: Path) -> None:
    """There is nothing to follow but its status."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/services", BODY)
        _, answer = await coolify.ask("POST", "/deploy", query={"uuid": uuid})
        message = "Service site started. It could take a while, be patient."
        assert answer == {"deployments": [{"message": message, "resource_uuid": uuid}]}
        coolify.clock.advance(6)
        assert len(coolify.containers("muscle-1", uuid)) == 2


async def test_a_runtime_that_the_server_lacks_keeps_every_part_from_starting(tmp_path: Path) -> None:
    """Compose makes all containers before it starts any. The API never says why: the status is all there is."""
    async with pretend_coolify(tmp_path, lambda state: state.hosts["muscle-1"].runtimes.remove("runsc")) as coolify:
        uuid = await running(coolify)
        assert coolify.containers("muscle-1", uuid) == []
        assert (await coolify.row(f"/services/{uuid}"))["status"] == "exited"


async def test_urls_of_a_service_are_checked(tmp_path: Path) -> None:
    """Errors are a bare list; a taken one is 409; there is no field `domains`."""
    async with pretend_coolify(tmp_path) as coolify:

        async def refused(**more: JsonValue) -> tuple[int, JsonValue]:
            status, answer = await coolify.ask("POST", "/services", {**BODY, **more})
            return status, fields(answer).get("errors")

        assert await refused(urls=[{"name": "none", "url": "https://x.example.com"}]) == (
            422,
            ["Service container with 'none' not found."],
        )
        assert await refused(urls=[{"name": "web", "url": "x"}]) == (422, ["Invalid URL: x"])
        assert (await refused(urls=[{"name": "web", "url": "https://shop.s1.example.com"}]))[0] == 409
        assert await refused(domains="https://x.example.com") == (422, {"domains": ["This field is not allowed."]})
        assert coolify.state().coolify.services == []


TWO = encoded("services: {web: {image: web:1}, api: {image: api:1}}")


async def test_an_item_of_urls_that_is_misshapen_changes_nothing(tmp_path: Path) -> None:
    """It is refused by its place before the new file is stored."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/services", BODY)
        before = (await coolify.row(f"/services/{uuid}"))["docker_compose_raw"]
        for item, said in (
            ({"url": "https://x.example.com"}, {"urls.0.name": ["The urls.0.name field is required."]}),
            ({"name": "web", "url": 1}, {"urls.0.url": ["The urls.0.url field must be a string."]}),
        ):
            body = {"docker_compose_raw": TWO, "urls": [item]}
            status, answer = await coolify.ask("PATCH", f"/services/{uuid}", body)
            assert (status, fields(answer)["errors"]) == (422, said)
        assert (await coolify.row(f"/services/{uuid}"))["docker_compose_raw"] == before


async def test_a_url_of_two_containers_is_refused_unless_forced(tmp_path: Path) -> None:
    """422 in a bare list; `force_domain_override` lets both have it."""
    urls: JsonValue = [{"name": name, "url": "https://x.example.com"} for name in ("web", "api")]
    body = {**BODY, "docker_compose_raw": TWO, "urls": urls}
    words = "conflicting URLs across containers: https://x.example.com. Use force_domain_override=true to proceed."
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/services", body)
        assert (status, fields(answer)["errors"]) == (422, [f"The current request contains {words}"])
        await coolify.made("/services", {**body, "force_domain_override": True})


async def test_what_is_in_order_is_changed_although_the_rest_is_refused(tmp_path: Path) -> None:
    """A container that is not there or whose URL is taken does not keep the others from theirs; null empties a text."""
    free: JsonValue = {"name": "web", "url": "https://free.example.com"}
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/services", {**BODY, "docker_compose_raw": TWO, "description": "old"})
        for other, expected in (("https://shop.s1.example.com", 409), ("https://y.example.com", 422)):
            name = "api" if expected == 409 else "none"
            urls: JsonValue = [{"name": name, "url": other}, free]
            body: dict[str, JsonValue] = {"urls": urls, "description": None}
            assert (await coolify.ask("PATCH", f"/services/{uuid}", body))[0] == expected
        row = await coolify.row(f"/services/{uuid}")
        fqdns = {part["name"]: part["fqdn"] for part in items(row["applications"])}
        assert (fqdns, row["description"]) == ({"web": "https://free.example.com", "api": None}, None)


@pytest.mark.parametrize(
    ("raw", "errors"),
    [
        ("services: {}", {"docker_compose_raw": "The docker_compose_raw should be base64 encoded."}),
        (encoded("web: {}"), {"docker_compose_raw": 'Docker Compose file must contain a "services" section'}),
    ],
)
async def test_a_compose_file_must_be_base64_with_services(tmp_path: Path, raw: str, errors: JsonValue) -> None:
    """The text is named, not a list."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", "/services", {**BODY, "docker_compose_raw": raw})
        assert (status, fields(answer)["errors"]) == (422, errors)


async def test_a_service_changes_and_takes_variables(tmp_path: Path) -> None:
    """A new compose file takes effect at the next start; variables have no twin for previews."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await running(coolify)
        await coolify.made(f"/services/{uuid}/envs", {"key": "MODE", "value": "fast"})
        raw = encoded(COMPOSE.replace(":1.0", ":2.0"))
        assert (await coolify.ask("PATCH", f"/services/{uuid}", {"docker_compose_raw": raw}))[0] == 200
        await coolify.ask("POST", f"/services/{uuid}/restart")
        coolify.clock.advance(6)
        web = next(c for c in coolify.containers("muscle-1", uuid) if c.name.startswith("web"))
        assert (web.image, web.env["MODE"]) == ("registry.example.com/site:2.0", "fast")
        keys = {row.key for row in coolify.state().coolify.services[0].envs}
        assert keys == {"MODE", "SERVICE_FQDN_WEB", "SERVICE_URL_WEB"}


async def test_variables_of_a_service_reach_each_part_by_its_file_or_the_file_of_variables(tmp_path: Path) -> None:
    """`env_file: .env` is added to every part; what the file itself says wins; `Y: ${X}` and `${X:-d}` bring the raw
    value into the file, where it is expanded once more; a broken file of variables starts nothing."""
    text = """services:
  web:
    image: registry.example.com/site:1.0
    environment: {A: '${A}', FIXED: theirs, Y: '${B}', C: '${C:-none}'}
  side: {image: 'registry.example.com/side:1.0'}
"""
    async with pretend_coolify(tmp_path) as coolify:
        made = await coolify.ask("POST", "/services", {**BODY, "docker_compose_raw": encoded(text)})
        uuid = str(fields(made[1])["uuid"])
        # the file has made rows of those that it names
        for key, how in (("A", "PATCH"), ("B", "PATCH"), ("C", "PATCH"), ("FIXED", "POST")):
            await coolify.ask(how, f"/services/{uuid}/envs", {"key": key, "value": "p$ss", "is_literal": True})
        await coolify.ask("POST", f"/services/{uuid}/start")
        coolify.clock.advance(6)
        env = {c.name.partition("-")[0]: c.env for c in coolify.containers("muscle-1", uuid)}
        keys = ("A", "B", "C", "FIXED")
        assert [env["web"].get(key) for key in (*keys, "Y")] == ["p$ss", "p", "p", "theirs", "p$ss"]
        assert [env["side"].get(key) for key in keys] == ["p$ss"] * 4
        patched = await coolify.ask("PATCH", f"/services/{uuid}/envs", {"key": "A", "value": "it's"})
        assert fields(patched[1])["is_literal"] is True
        await coolify.ask("POST", f"/services/{uuid}/restart")
        coolify.clock.advance(6)
        assert coolify.containers("muscle-1", uuid) == []


async def test_logs_of_a_service_are_per_container(tmp_path: Path) -> None:
    """Its name must be given."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await running(coolify)
        path = f"/services/{uuid}/logs"
        assert await coolify.ask("GET", path) == (400, {"message": "Sub service name is required."})
        assert "Server listening" in str(await coolify.row(f"{path}?sub_service_name=web"))


@pytest.mark.parametrize(("query", "left"), [({}, 0), ({"delete_volumes": "false"}, 1)])
async def test_a_deleted_service_goes_after_a_while(tmp_path: Path, query: dict[str, str], left: int) -> None:
    """With its volumes, unless they are spared."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await running(coolify)
        deleted = await coolify.ask("DELETE", f"/services/{uuid}", query=query)
        assert deleted == (200, {"message": "Service deletion request queued."})
        coolify.clock.advance(5)
        assert await coolify.ask("GET", f"/services/{uuid}") == (404, {"message": "Service not found."})
        assert coolify.containers("muscle-1", uuid) == []
        assert len(coolify.state().hosts["muscle-1"].volumes) == left
