"""How the Cloud emulator behaves at its edges: order of checks, limits, locks, faults, time."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest

from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, caller, pretend_world

pytestmark = pytest.mark.anyio
SERVER = "/v1/servers/4710002"
WWW = "/v1/zones/example.com/rrsets/www/A/actions"


@dataclass(frozen=True)
class Project:
    """A project, its time, and a plain HTTP client with the good token."""

    world: World
    time: SteppingTime
    api: httpx2.AsyncClient


@pytest.fixture
async def project(tmp_path: Path) -> AsyncGenerator[Project]:
    """Give a fresh project in which time stands still."""
    time = SteppingTime()
    world = pretend_world(tmp_path, time)
    async with caller(build_hetzner(world), token=HETZNER_TOKEN) as api:
        yield Project(world=world, time=time, api=api)


def _error(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_an_unknown_route_is_not_found_before_the_token_is_looked_at(project: Project) -> None:
    """A route that the emulator lacks is 404 even without a token, and is named in the journal."""
    answer = await project.api.get("/v1/certificates", headers={"Authorization": ""})
    assert _error(answer) == (404, "not_found")
    assert project.world.read().journal == ["hetzner UNKNOWN GET /v1/certificates"]


async def test_a_known_route_asks_for_method_then_token_then_json(project: Project) -> None:
    """405 for a wrong method, 401 for no token, 400 for broken JSON, 422 for a body of another shape."""
    assert _error(await project.api.patch(SERVER)) == (405, "method_not_allowed")
    assert _error(await project.api.get(SERVER, headers={"Authorization": "Basic abc"})) == (401, "unauthorized")
    assert _error(await project.api.put(SERVER, content="{")) == (400, "json_error")
    answer = await project.api.post("/v1/servers", json={"name": 7, "server_type": "ccx33", "image": "debian-12"})
    assert _error(answer) == (422, "invalid_input")
    assert [field["name"] for field in answer.json()["error"]["details"]["fields"]] == ["name"]


async def test_every_answer_has_a_correlation_id_and_what_is_left_of_the_limit(project: Project) -> None:
    """Two requests have two ids, and each takes one from the remaining requests of the hour."""
    first, second = [await project.api.get("/v1/locations") for _ in range(2)]
    assert first.headers["x-correlation-id"] != second.headers["x-correlation-id"]
    assert [a.headers["ratelimit-remaining"] for a in (first, second)] == ["3599", "3598"]
    assert first.headers["ratelimit-limit"] == "3600"


async def test_the_limit_is_refused_with_a_part_of_the_token_and_refills_by_the_second(project: Project) -> None:
    """An empty bucket answers 429 with 32 characters of the token, as the vendor does; a second later one is back."""
    with project.world.change() as state:
        state.hetzner.rate_left = 0
        state.hetzner.rate_at = project.time.at
    spent = await project.api.get("/v1/locations")
    assert _error(spent) == (429, "rate_limit_exceeded")
    assert HETZNER_TOKEN[:32] in spent.json()["error"]["message"]
    assert HETZNER_TOKEN[:33] not in spent.json()["error"]["message"]
    project.time.at += 1.0
    assert (await project.api.get("/v1/locations")).status_code == 200


async def test_a_server_is_locked_while_an_action_works_on_it(project: Project) -> None:
    """A second action is 423 locked, the server says so itself, and both end with the first action."""
    begun = (await project.api.post(f"{SERVER}/actions/reboot")).json()["action"]
    assert (begun["status"], begun["finished"], begun["resources"]) == (
        "running",
        None,
        [{"id": 4710002, "type": "server"}],
    )
    assert _error(await project.api.post(f"{SERVER}/actions/poweroff")) == (423, "locked")
    assert _error(await project.api.delete(SERVER)) == (423, "locked")
    assert (await project.api.get(SERVER)).json()["server"]["locked"] is True
    project.time.at += 3.0
    ended = (await project.api.get(f"/v1/actions/{begun['id']}")).json()["action"]
    assert (ended["status"], ended["progress"], ended["error"]) == ("success", 100, None)
    assert (await project.api.get(SERVER)).json()["server"]["locked"] is False


async def test_a_zone_that_is_being_published_refuses_changes(project: Project) -> None:
    """While a zone is `updating`, a change to any of its record sets is a conflict; afterwards it is taken."""
    body = {"records": [{"value": "192.0.2.11"}]}
    assert (await project.api.post(f"{WWW}/add_records", json=body)).status_code == 201
    assert (await project.api.get("/v1/zones/example.com")).json()["zone"]["status"] == "updating"
    other = "/v1/zones/example.com/rrsets/api/A/actions/add_records"
    assert _error(await project.api.post(other, json=body)) == (409, "conflict")
    project.time.at += 3.0
    assert (await project.api.post(other, json=body)).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("www/A/actions/add_records", {"records": []}),
        ("www/A/actions/add_records", {"records": [{"value": "not an address"}]}),
        ("www/A/actions/add_records", {"records": [{"value": "192.0.2.1"}, {"value": "192.0.2.1"}]}),
        ("www/A/actions/add_records", {"records": [{"value": "192.0.2.1"}], "ttl": 59}),
        ("www/TXT/actions/add_records", {"records": [{"value": "unquoted"}]}),
        ("Www/A/actions/add_records", {"records": [{"value": "192.0.2.1"}]}),
        ("x.example.com/A/actions/add_records", {"records": [{"value": "192.0.2.1"}]}),
        ("coolify/CNAME/actions/add_records", {"records": [{"value": "example.org."}]}),
        ("coolify/A/actions/add_records", {"records": [{"value": "192.0.2.1"}], "ttl": 300}),
        ("coolify/A/actions/remove_records", {"records": [{"value": "192.0.2.99"}]}),
    ],
)
async def test_a_record_that_a_name_server_would_not_take_is_refused(project: Project, path: str, body: object) -> None:
    """Wrong values, repeated values, a low or differing TTL, bad names and a CNAME beside others are 422."""
    url = f"/v1/zones/example.com/rrsets/{path}"
    assert _error(await project.api.post(url, json=body)) == (422, "invalid_input")
    assert project.world.read().journal == []


async def test_a_creation_without_a_key_returns_a_root_password_that_is_not_kept(project: Project) -> None:
    """The password is in the answer only: neither a later read nor the world's state has it."""
    wanted = {"name": "plain", "server_type": "ccx33", "image": "debian-12"}
    made = (await project.api.post("/v1/servers", json=wanted)).json()
    assert len(made["root_password"]) >= 12
    assert made["root_password"] not in project.world.read().model_dump_json()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "muscle-1"}, (409, "uniqueness_error")),
        ({"name": "under_score"}, (422, "invalid_input")),
        ({"server_type": "cx23", "location": "ash"}, (422, "invalid_input")),
        ({"server_type": "cx99"}, (422, "invalid_input")),
        ({"image": "cax"}, (422, "invalid_input")),
        ({"ssh_keys": ["nobody"]}, (404, "not_found")),
        ({"networks": [5]}, (404, "not_found")),
        ({"labels": {"hetzner.cloud/x": "y"}}, (422, "invalid_input")),
        ({"user_data": "x" * 32_769}, (422, "invalid_input")),
        ({"volumes": [4710200]}, (422, "invalid_input")),
    ],
)
async def test_a_bad_creation_makes_nothing(
    project: Project, change: dict[str, object], expected: tuple[int, str]
) -> None:
    """Each wrong field of POST /servers is refused with the vendor's code, and the project stays as it was."""
    before = project.world.read().hetzner.servers
    wanted = {"name": "new", "server_type": "ccx33", "image": "debian-12", **change}
    assert _error(await project.api.post("/v1/servers", json=wanted)) == expected
    assert project.world.read().hetzner.servers == before


async def test_a_volume_given_at_creation_is_attached_by_a_following_action(project: Project) -> None:
    """`next_actions` has attach_volume and start_server, and the volume belongs to the new server."""
    await project.api.post("/v1/volumes/4710200/actions/detach")
    project.time.at += 3.0
    wanted = {"name": "new", "server_type": "ccx33", "image": "debian-12", "location": "fsn1", "volumes": [4710200]}
    made = (await project.api.post("/v1/servers", json=wanted)).json()
    assert [action["command"] for action in made["next_actions"]] == ["attach_volume", "start_server"]
    assert made["server"]["volumes"] == [4710200]


async def test_scripted_trouble_hits_the_requests_it_names(project: Project) -> None:
    """A status fault answers for the vendor, spares the first request when told, and is used up."""
    fault = Fault(system="hetzner", match="GET /v1/servers", kind="status", status=503, body="{}", skip=1)
    with project.world.change() as state:
        state.faults.append(fault)
    statuses = [(await project.api.get("/v1/servers")).status_code for _ in range(3)]
    assert statuses == [200, 503, 200]
    assert (await project.api.get("/v1/servers")).headers["content-type"] == "application/json"


@pytest.mark.parametrize(("kind", "deleted"), [("drop", False), ("drop_after", True), ("hang", False)])
async def test_a_cut_connection_may_hide_what_was_done(tmp_path: Path, kind: str, deleted: bool) -> None:
    """drop and hang close the connection without acting, drop_after acts first: the caller cannot tell."""
    world = pretend_world(tmp_path, SteppingTime())
    with world.change() as state:
        state.faults.append(Fault(system="hetzner", match="DELETE", kind=kind, seconds=0.01))
    port, close = await listen(build_hetzner(world))
    with anyio.fail_after(30):
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {HETZNER_TOKEN}"}) as api:
            with pytest.raises(httpx2.RemoteProtocolError):
                await api.delete(f"http://127.0.0.1:{port}/v1/ssh_keys/4710100")
        await close()
    assert (world.read().hetzner.ssh_keys == []) is deleted
    assert (world.read().journal != []) is deleted


async def test_two_processes_see_one_project(tmp_path: Path) -> None:
    """What one emulator accepted, another one over the same file shows."""
    time = SteppingTime()
    first, second = pretend_world(tmp_path, time), pretend_world(tmp_path, time)
    async with caller(build_hetzner(first), token=HETZNER_TOKEN) as api:
        await api.put(SERVER, json={"labels": {"seen": "by-all"}})
    async with caller(build_hetzner(second), token=HETZNER_TOKEN) as api:
        assert (await api.get(SERVER)).json()["server"]["labels"] == {"seen": "by-all"}
