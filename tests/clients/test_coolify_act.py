"""Each write is one exact request, under a permit, and its answer is read whole."""

import httpx2
import pytest

from ink_infra_mcp.clients.coolify.act import CoolifyAct
from ink_infra_mcp.clients.coolify.bodies import EnvSpec
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.models import Created, DeployQueued
from ink_infra_mcp.core.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    InputError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    Unreachable,
    WriteRefused,
)
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.secret import Secret
from tests.clients.coolify_wire import APP, DEPLOYMENT, PROJECT, SERVER, SERVICE, coolify
from tests.clients.ordered import Call, ordered, permit

pytestmark = pytest.mark.anyio

ENV = EnvSpec(key="KEY", value=Secret("s3cr3t"))
ENV_BODY: JsonObject = {
    "key": "KEY",
    "value": "s3cr3t",
    "is_preview": False,
    "is_literal": True,
    "is_multiline": False,
    "is_shown_once": False,
    "is_runtime": True,
    "is_buildtime": True,
}
SERVICE_ENV_BODY: JsonObject = {
    field: ENV_BODY[field] for field in ("key", "value", "is_literal", "is_multiline", "is_shown_once")
}
EXISTS: JsonObject = {"message": "Environment variable already exists. Use PATCH request to update it."}
MISSING: JsonObject = {"message": "Environment variable not found."}
QUEUED = DeployQueued(deployment_uuid=DEPLOYMENT, message="Deployment request queued.")
QUEUED_JSON: JsonObject = {"message": "Deployment request queued.", "deployment_uuid": DEPLOYMENT}


async def test_creations_return_uuid_and_domains() -> None:
    """Each creation is one POST; domains come as a text from apps and as a list from services."""
    domains: JsonObject = {"uuid": APP, "domains": "https://a.example.com,https://b.example.com"}
    with coolify(
        Call("POST", "/projects", body={"name": "apps"}, status=201, answer={"uuid": PROJECT}),
        Call("POST", "/projects", body={"name": "b", "description": "d"}, status=201, answer={"uuid": PROJECT}),
        Call(
            "POST",
            f"/projects/{PROJECT}/environments",
            body={"name": "production"},
            status=201,
            answer={"uuid": "n0n0n0n0"},
        ),
        Call("POST", "/applications/dockerimage", body={"name": "a"}, status=201, answer=domains),
        Call("POST", "/applications/public", body={"name": "a"}, status=201, answer={"uuid": APP, "domains": None}),
        Call("POST", "/services", body={"name": "s"}, status=201, answer={"uuid": SERVICE, "domains": ["https://c"]}),
    ) as it:
        assert await it.act.create_project("apps") == PROJECT
        assert await it.act.create_project("b", description="d") == PROJECT
        assert await it.act.create_environment(PROJECT, "production") == "n0n0n0n0"
        assert await it.act.create_application("dockerimage", {"name": "a"}) == Created(
            uuid=APP, domains=("https://a.example.com", "https://b.example.com")
        )
        assert await it.act.create_application("public", {"name": "a"}) == Created(uuid=APP)
        assert await it.act.create_service({"name": "s"}) == Created(uuid=SERVICE, domains=("https://c",))


async def test_updates_are_patches() -> None:
    """Settings of apps and services go by PATCH, as given."""
    with coolify(
        Call("PATCH", f"/applications/{APP}", body={"limits_memory": "1g"}, answer={"uuid": APP}),
        Call("PATCH", f"/services/{SERVICE}", body={"name": "s"}, answer={"uuid": SERVICE}),
    ) as it:
        await it.act.update_application(APP, {"limits_memory": "1g"})
        await it.act.update_service(SERVICE, {"name": "s"})


async def test_a_deletion_says_every_flag() -> None:
    """What is left out would be true in Coolify, volumes included: nothing is left out."""
    queued: JsonObject = {"message": "Application deletion request queued."}
    kept = "delete_volumes=false&delete_connected_networks=true&delete_configurations=true&docker_cleanup=false"
    gone = "delete_volumes=true&delete_connected_networks=false&delete_configurations=false&docker_cleanup=true"
    with coolify(
        Call("DELETE", f"/applications/{APP}?{kept}", answer=queued),
        Call("DELETE", f"/applications/{APP}?{gone}", answer=queued),
        Call("DELETE", f"/services/{SERVICE}?{kept}", answer=queued),
    ) as it:
        await it.act.delete_application(APP, delete_volumes=False)
        await it.act.delete_application(
            APP,
            delete_volumes=True,
            delete_connected_networks=False,
            delete_configurations=False,
            docker_cleanup=True,
        )
        await it.act.delete_service(SERVICE, delete_volumes=False)


async def test_apps_and_services_start_stop_and_restart_by_post() -> None:
    """The lifecycle is POST in every version, without a body and without a `uuid` query."""
    said: JsonObject = {"message": "queued"}
    with coolify(
        Call("POST", f"/applications/{APP}/start", answer=QUEUED_JSON),
        Call("POST", f"/applications/{APP}/restart", answer={"message": "Deployment already queued for this commit."}),
        Call("POST", f"/applications/{APP}/stop?docker_cleanup=false", answer=said),
        Call("POST", f"/services/{SERVICE}/start", answer=said),
        Call("POST", f"/services/{SERVICE}/restart?latest=true", answer=said),
        Call("POST", f"/services/{SERVICE}/stop?docker_cleanup=true", answer=said),
        Call("POST", f"/services/{SERVICE}/start", status=400, answer={"message": "Service is already running."}),
        Call(
            "POST",
            f"/services/{SERVICE}/stop?docker_cleanup=false",
            status=400,
            answer={"message": "Service is already stopped."},
        ),
    ) as it:
        assert await it.act.start(APP) == QUEUED
        assert await it.act.restart(APP) == DeployQueued(message="Deployment already queued for this commit.")
        await it.act.stop(APP)
        await it.act.start_service(SERVICE)
        await it.act.restart_service(SERVICE, pull_latest=True)
        await it.act.stop_service(SERVICE, docker_cleanup=True)
        with pytest.raises(Rejected) as started:
            await it.act.start_service(SERVICE)
        with pytest.raises(Rejected) as stopped:
            await it.act.stop_service(SERVICE)
        assert all("uuid" not in request.url.params for request in it.vendor.requests)
    assert (started.value.vendor_code, stopped.value.vendor_code) == ("already_running", "already_stopped")


async def test_a_deployment_is_queued_cancelled_and_rolled_back() -> None:
    """Deploy names the app in its body; cancel and rollback name it in their path."""
    row: JsonObject = {**QUEUED_JSON, "resource_uuid": APP}
    body: JsonObject = {"uuid": APP, "force": True}
    cancelled: JsonObject = {"message": "ok", "deployment_uuid": DEPLOYMENT, "status": "cancelled-by-user"}
    with coolify(
        Call("POST", "/deploy", body=body, answer={"deployments": [row]}),
        Call("POST", f"/deployments/{DEPLOYMENT}/cancel", answer=cancelled),
        Call("POST", f"/applications/{APP}/rollback", body={"commit": "abc"}, answer=QUEUED_JSON),
    ) as it:
        assert await it.act.deploy(APP, force=True) == QUEUED
        await it.act.cancel_deployment(DEPLOYMENT)
        assert await it.act.rollback(APP, "abc") == QUEUED


async def test_a_deployment_that_was_not_queued_is_told() -> None:
    """A refusal inside a 200 is an error, a skipped one has no uuid, a full queue is a rate limit."""
    body: JsonObject = {"uuid": APP, "force": False}
    unauthorized: JsonObject = {"message": "Unauthorized to deploy this application.", "resource_uuid": APP}
    full = Call(
        "POST",
        "/deploy",
        body=body,
        status=429,
        answer={"message": "Deployment queue is full."},
        headers={"retry-after": "600"},
    )
    with coolify(
        Call("POST", "/deploy", body=body, answer={"deployments": [unauthorized]}),
        Call("POST", "/deploy", body=body, answer={"deployments": [{"message": "Service web started."}]}),
        Call("POST", "/deploy", body=body, status=404, answer={"message": "No resources found."}),
        full,
        Call("POST", "/deploy", body=body, answer={"message": ["odd"]}),
    ) as it:
        with pytest.raises(Forbidden, match=f"does not let the token's user deploy {APP}"):
            await it.act.deploy(APP, force=False)
        assert await it.act.deploy(APP, force=False) == DeployQueued(message="Service web started.")
        with pytest.raises(NotFound):
            await it.act.deploy(APP, force=False)
        with pytest.raises(RateLimited) as limited:
            await it.act.deploy(APP, force=False)
        with pytest.raises(BadAnswer) as odd:
            await it.act.deploy(APP, force=False)
    assert (limited.value.vendor_code, limited.value.retry_after_s) == ("queue_full", 600.0)
    assert odd.value.done == "The change was probably made: it was accepted."


async def test_a_variable_is_made_or_changed_whichever_it_needs() -> None:
    """A new one is posted and patched on conflict; a known one is patched and posted when it is gone."""
    target = f"/applications/{APP}/envs"
    with coolify(
        Call("POST", target, body=ENV_BODY, status=201, answer={"uuid": "e1"}),
        Call("POST", target, body=ENV_BODY, status=409, answer=EXISTS),
        Call("PATCH", target, body=ENV_BODY, status=201, answer={"uuid": "e1"}),
        Call("PATCH", target, body=ENV_BODY, status=201, answer={"uuid": "e1"}),
        Call("PATCH", target, body=ENV_BODY, status=404, answer=MISSING),
        Call("POST", target, body=ENV_BODY, status=201, answer={"uuid": "e1"}),
        Call("POST", f"/services/{SERVICE}/envs", body=SERVICE_ENV_BODY, status=201, answer={}),
        Call("DELETE", f"{target}/e1", answer={"message": "Environment variable deleted."}),
        Call("DELETE", f"/services/{SERVICE}/envs/e2", answer={"message": "Environment variable deleted."}),
    ) as it:
        await it.act.upsert_env(APP, ENV)
        await it.act.upsert_env(APP, ENV)
        await it.act.upsert_env(APP, ENV, exists=True)
        await it.act.upsert_env(APP, ENV, exists=True)
        await it.act.upsert_service_env(SERVICE, ENV)
        await it.act.delete_env(APP, "e1")
        await it.act.delete_service_env(SERVICE, "e2")


async def test_a_missing_app_is_not_mistaken_for_a_missing_variable() -> None:
    """When both ways fail, the last refusal stands."""
    target = f"/applications/{APP}/envs"
    gone: JsonObject = {"message": "Application not found"}
    with (
        coolify(
            Call("PATCH", target, body=ENV_BODY, status=404, answer=gone),
            Call("POST", target, body=ENV_BODY, status=404, answer=gone),
        ) as it,
        pytest.raises(NotFound, match="Application not found"),
    ):
        await it.act.upsert_env(APP, ENV, exists=True)


async def test_a_private_key_goes_to_the_wire_only() -> None:
    """The key is in the request, and in no error when Coolify throws it back."""
    pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"
    body: JsonObject = {"name": "muscles", "description": "ink", "private_key": pem}
    with coolify(
        Call("POST", "/security/keys", body=body, status=201, answer={"uuid": "k0k0k0k0"}),
        Call("POST", "/security/keys", body=body, status=422, answer={"message": f"Invalid private key. {pem}"}),
    ) as it:
        assert await it.act.create_private_key("muscles", Secret(pem), description="ink") == "k0k0k0k0"
        with pytest.raises(Rejected) as caught:
            await it.act.create_private_key("muscles", Secret(pem), description="ink")
    assert "c2VjcmV0" not in f"{caught.value} {caught.value.body}"


async def test_servers_are_entered_changed_and_taken_out_by_exact_requests() -> None:
    """Nothing is installed by a validation, nothing is forced by a deletion, and old versions validate by GET alone."""
    entry: JsonObject = {"name": "muscle-3", "ip": "192.0.2.13", "private_key_uuid": APP}
    one, ok = f"/servers/{SERVER}", JsonObject(message="done")
    with coolify(
        Call("POST", "/servers", entry, status=201, answer={"uuid": SERVER}),
        Call("PATCH", one, {"concurrent_builds": 3}, status=201, answer={"uuid": SERVER}),
        Call("PATCH", f"{one}/docker-cleanup", {"docker_cleanup_threshold": 70}, answer={}),
        Call("POST", f"{one}/validate", {"install": False}, status=201, answer=ok),
        Call("GET", f"{one}/validate", status=201, answer=ok),
        Call("POST", f"{one}/proxy/restart", answer=ok),
        Call("DELETE", one, answer=ok),
        Call("DELETE", f"/security/keys/{APP}", answer=ok),
    ) as spoken:
        act = spoken.act
        assert await act.create_server(entry) == SERVER
        await act.update_server(SERVER, {"concurrent_builds": 3})
        await act.set_docker_cleanup(SERVER, {"docker_cleanup_threshold": 70})
        await act.validate_server(SERVER, by_post=True)
        await act.validate_server(SERVER, by_post=False)
        await act.restart_proxy(SERVER)
        await act.delete_server(SERVER)
        await act.delete_private_key(APP)


async def test_a_name_that_is_taken_is_a_conflict() -> None:
    """An environment that exists says so, and nothing was changed."""
    taken: JsonObject = {"message": "Environment with this name already exists."}
    call = Call("POST", f"/projects/{PROJECT}/environments", body={"name": "p"}, status=409, answer=taken)
    with coolify(call) as it, pytest.raises(Conflict) as caught:
        await it.act.create_environment(PROJECT, "p")
    assert (caught.value.vendor_code, caught.value.done) == ("exists", "Nothing was changed.")


async def test_a_creation_is_never_repeated_when_it_may_have_happened() -> None:
    """A crash or a lost answer ends the call at once and says that nobody knows; a refused connection is retried."""
    crash = Call("POST", "/projects", body={"name": "a"}, status=500, answer={"message": "Server Error"})
    lost = Call("POST", "/projects", body={"name": "a"}, breaks=httpx2.ReadTimeout)
    refused = Call("POST", "/projects", body={"name": "a"}, breaks=httpx2.ConnectError)
    made = Call("POST", "/projects", body={"name": "a"}, status=201, answer={"uuid": PROJECT})
    with coolify(crash, lost, refused, made) as it:
        with pytest.raises(Unavailable) as crashed:
            await it.act.create_project("a")
        with pytest.raises(Unreachable) as unanswered:
            await it.act.create_project("a")
        assert await it.act.create_project("a") == PROJECT
    unsure = "It is not known whether the change happened."
    assert (crashed.value.done, unanswered.value.done) == (unsure, unsure)


async def test_an_accepted_creation_without_a_uuid_is_probably_made() -> None:
    """A 201 of another shape is a bad answer that says what to fear."""
    odd = Call("POST", "/projects", body={"name": "a"}, status=201, answer={"id": 7})
    with coolify(odd) as it, pytest.raises(BadAnswer, match="Created field uuid is missing") as caught:
        await it.act.create_project("a")
    assert caught.value.done == "The change was probably made: it was accepted."


@pytest.mark.parametrize("uuid", ["", "a/b", "x?force=true", "../projects"])
async def test_what_is_no_uuid_is_never_sent(uuid: str) -> None:
    """A text that could reach another endpoint, or several apps at once, is refused before any call."""
    with coolify() as it:
        for write in (it.act.start(uuid), it.act.deploy(uuid, force=False), it.act.delete_env(APP, uuid)):
            with pytest.raises(InputError):
                await write


async def test_nothing_is_written_once_the_permit_has_ended() -> None:
    """A revoked permit stops the write at the door, and reading goes on."""
    with ordered(Call("GET", "/projects", answer=[]), classify=classify_coolify) as wire:
        mine = permit()
        act = CoolifyAct(wire.http, mine)
        mine.revoke()
        with pytest.raises(WriteRefused):
            await act.create_project("a")
        assert await act.projects() == ()
