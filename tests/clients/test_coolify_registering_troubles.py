"""What goes wrong while a server is registered is told with its cause, and nothing old is taken for new."""

from dataclasses import replace
from pathlib import Path

import pytest

from ink_infra_mcp.clients.coolify.registering import registration
from ink_infra_mcp.clients.coolify.steps.validating import DEADLINE_S, HELD_WITHOUT_STAMP_S, plain_words
from ink_infra_mcp.core.errors import HostError, InputError, StepFailed, unsettled
from ink_infra_mcp.core.plan import Step
from ink_infra_mcp.sandbox.seed import SERVERS, WILDCARDS
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Server
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.clients.coolify_registering import NAME, NEW, OLD, WANTED, WILDCARD, Site, site

pytestmark = pytest.mark.anyio
MUSCLE = SERVERS["muscle-1"]


async def entered(here: Site, *, admitted: bool = True) -> tuple[Step, ...]:
    """Make the key and enter the server; return the steps that are left."""
    plan = await here.planned()
    await here.run((*plan.key, plan.register[0]))
    if admitted:
        here.admit()
    return (*plan.register[1:], *plan.use, *plan.wildcard)


async def failure(here: Site, step: Step) -> StepFailed:
    """Return how a step fails."""
    with pytest.raises(StepFailed) as caught:
        await here.one(step)
    return caught.value


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_key_that_was_not_let_in_fails_the_validation(tmp_path: Path, version: str) -> None:
    """The failure has the cause in our words and Coolify's own lines without their HTML; let in, the call goes on."""
    async with site(tmp_path, version=version) as here:
        validate, *_ = await entered(here, admitted=False)
        failed = await failure(here, validate)
        assert failed.probable_cause == "the server does not take Coolify's key"
        assert any("Permission denied" in line for line in failed.untrusted_log)
        assert not any("<" in line for line in failed.untrusted_log)
        here.admit()
        await here.one(validate)
        assert here.steps.results[validate.id]["usable"] is True


@pytest.mark.parametrize(
    ("missing", "cause"),
    [
        ("git", "git, curl or jq is missing on the server"),
        ("docker", "Docker or its compose plugin is missing, too old, or not running on the server"),
        ("route", "the Factory has no way to the server"),
        ("os", "Coolify does not know the server's operating system"),
    ],
)
async def test_what_a_server_lacks_is_told(tmp_path: Path, missing: str, cause: str) -> None:
    """Each refusal of a validation has its cause; Docker that is there is never set up anew."""

    def lacking(state: WorldState) -> None:
        host = state.hosts[NAME]
        host.up = missing != "route"
        host.without = [missing] if missing == "git" else []
        host.docker_version = "" if missing == "docker" else host.docker_version
        host.os_id = "plan9" if missing == "os" else host.os_id

    async with site(tmp_path) as here:
        validate, *_ = await entered(here)
        here.change(lacking)
        assert (await failure(here, validate)).probable_cause == cause
        assert here.state.hosts[NAME].docker_version == ("" if missing == "docker" else "28.5.1")


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_validation_that_hangs_is_a_failure(tmp_path: Path, version: str) -> None:
    """Nothing comes within three minutes: it is said that this is not known, and where to look."""
    async with site(tmp_path, version=version) as here:
        validate, *_ = await entered(here)
        _hang(here, NAME)
        failed = await failure(here, validate)
        assert "not reachable, not usable" in failed.failed
        assert "queue" in failed.probable_cause
        assert here.clock.monotonic() < DEADLINE_S + 30


async def test_an_old_stamp_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """A server that was good before the request is not called validated while no worker comes to it."""
    async with site(tmp_path) as here:
        _hang(here, "muscle-1")
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("coolify.validate_server", {"server": MUSCLE})
        assert "may be older than the request" in caught.value.failed


@pytest.mark.parametrize(("version", "proof", "least_s"), [(OLD, "held", HELD_WITHOUT_STAMP_S), (NEW, "stamp", 8.0)])
async def test_a_server_that_was_good_is_validated_anew(
    tmp_path: Path, version: str, proof: str, least_s: float
) -> None:
    """Versions with the stamp tell it at once; in those before it counts only what outlasts Coolify's own checks."""
    async with site(tmp_path, version=version) as here:
        began = here.clock.monotonic()
        await here.steps.run("coolify.validate_server", {"server": MUSCLE})
        assert here.steps.results["one"] == {"reachable": True, "usable": True, "proof": proof}
        assert here.clock.monotonic() - began >= least_s


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_server_that_lost_its_key_is_not_called_good(tmp_path: Path, version: str) -> None:
    """Its old flags are true; the words of the new validation tell."""
    async with site(tmp_path, version=version) as here:
        here.change(lambda state: setattr(state.hosts["muscle-1"], "authorized_keys", []))
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("coolify.validate_server", {"server": MUSCLE})
        assert caught.value.probable_cause == "the server does not take Coolify's key"


async def test_the_same_words_as_last_time_are_believed_after_a_while(tmp_path: Path) -> None:
    """A validation empties them between two looks of ours: half a minute later they are this one's."""
    async with site(tmp_path) as here:
        validate, *_ = await entered(here, admitted=False)
        first = await failure(here, validate)
        second = await failure(here, validate)
        assert (first.failed, first.probable_cause) == (second.failed, second.probable_cause)


async def test_coolify_may_be_away_for_a_moment(tmp_path: Path) -> None:
    """A few looks without an answer end no validation."""
    async with site(tmp_path) as here:
        validate, *_ = await entered(here)
        here.trouble("/validate")
        for _ in range(3):
            here.trouble(f"GET /api/v1/servers/{here.server.uuid}", "drop")
        await here.one(validate)
        assert here.steps.results[validate.id]["proof"] == "stamp"


@pytest.mark.parametrize("version", [OLD, NEW])
async def test_a_proxy_whose_image_cannot_be_had_is_a_failure(tmp_path: Path, version: str) -> None:
    """Coolify shows it as starting for good, and tells the cause nowhere: we do."""
    async with site(tmp_path, version=version) as here:
        validate, settings, *_ = await entered(here)
        here.change(lambda state: setattr(state.hosts[NAME], "without", ["traefik:v3.6"]))
        await here.one(validate)
        proxy = next(step for step in (await here.planned()).use if step.kind == "coolify.start_proxy")
        failed = await failure(here, proxy)
        assert "its image cannot be pulled" in failed.probable_cause
        assert "it has no container" in failed.failed
        assert settings.target == NAME


@pytest.mark.parametrize(("version", "there"), [(OLD, "it has no container"), (NEW, "its container is created")])
async def test_a_proxy_whose_ports_are_taken_is_a_failure(tmp_path: Path, version: str, there: str) -> None:
    """Coolify does not start it and says nothing, or Docker cannot: both are told with the ports."""
    async with site(tmp_path, version=version) as here:
        validate, *_ = await entered(here)
        here.change(lambda state: setattr(state.hosts[NAME], "taken_ports", [443]))
        await here.one(validate)
        proxy = next(step for step in (await here.planned()).use if step.kind == "coolify.start_proxy")
        failed = await failure(here, proxy)
        assert there in failed.failed
        assert "something else has port 80, 443 or 8080" in failed.probable_cause


async def test_a_proxy_that_ends_again_and_again_is_a_failure(tmp_path: Path) -> None:
    """Its container is there, and that is not enough."""

    def crashing(state: WorldState) -> None:
        state.hosts[NAME].containers = [
            Container(id="f" * 64, name="coolify-proxy", image="traefik:v3.6", state="restarting", restart_count=9)
        ]
        state.hosts[NAME].without = ["traefik:v3.6"]

    async with site(tmp_path, version=OLD) as here:
        validate, *_ = await entered(here)
        here.change(crashing)
        await here.one(validate)
        (proxy,) = (await here.planned()).use
        failed = await failure(here, proxy)
        assert "its container is restarting" in failed.failed
        assert "its own log tells why" in failed.probable_cause


@pytest.mark.parametrize("kind", ["validate_server", "start_proxy"])
async def test_what_was_asked_for_without_an_answer_and_does_not_come_is_unknown(tmp_path: Path, kind: str) -> None:
    """The request may be in a queue that stands still: the step is not called failed, and its cause is told."""
    async with site(tmp_path) as here:
        validate, *_ = await entered(here)
        if kind == "start_proxy":
            here.change(lambda state: setattr(state.hosts[NAME], "taken_ports", [443]))
            await here.one(validate)
        _hang(here, NAME)
        here.trouble("/validate" if kind == "validate_server" else "/proxy/restart")
        step = next(step for step in (await here.planned()).steps if step.kind == f"coolify.{kind}")
        failed = await failure(here, step)
        open_ = unsettled(failed, acted=True)
        assert open_ is not None
        assert "The answer to the request" in open_.done
        assert failed.probable_cause


async def test_another_proxy_than_traefik_is_refused(tmp_path: Path) -> None:
    """Apps are routed by labels for Traefik: nothing is started, and the click is named."""
    async with site(tmp_path) as here:
        await here.registered()
        here.change(lambda state: setattr(_row(state, NAME), "proxy_type", "CADDY"))
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("coolify.start_proxy", {"server": here.server.uuid, "host": NAME})
        assert "choose Traefik" in caught.value.next


async def test_a_proxy_that_runs_is_left_alone(tmp_path: Path) -> None:
    """A restart would cut off its users: none is asked for."""
    async with site(tmp_path) as here:
        await here.steps.run("coolify.start_proxy", {"server": MUSCLE, "host": "muscle-1"})
        assert [line for line in here.ink.journal if "proxy" in line] == []


async def test_a_server_that_does_not_tell_its_containers_has_no_known_proxy(tmp_path: Path) -> None:
    """Unknown is not "none": the step fails, and asks Coolify for nothing."""
    async with site(tmp_path) as here:
        here.change(lambda state: setattr(state.hosts["muscle-1"], "docker_version", ""))
        with pytest.raises(HostError):
            await here.steps.run("coolify.start_proxy", {"server": MUSCLE, "host": "muscle-1"})
        assert [line for line in here.ink.journal if "proxy" in line] == []


async def test_settings_go_back_as_they_were(tmp_path: Path) -> None:
    """Of a server that was there the plan shows what it had, and the undo gives that back, cleanup each night too."""
    async with site(tmp_path) as here:
        wanted = replace(WANTED, name="muscle-1", address="192.0.2.11", wildcard_domain=None)
        (step,) = registration(wanted, replace(await here.present(wanted), proxy=None)).use[:1]
        shown = {change.name.split()[0]: (change.before, change.after) for change in step.changes}
        assert shown == {"builds": ("2", "3"), "fullness": ("80", "70"), "Docker": ("yes", "no")}
        before = _row(here.state, "muscle-1").settings
        await here.one(step)
        assert _row(here.state, "muscle-1").settings.concurrent_builds == 3
        await here.undo([step])
        after = _row(here.state, "muscle-1").settings
        fields = {"concurrent_builds", "docker_cleanup_threshold", "force_docker_cleanup"}
        assert after.model_dump(include=fields) == before.model_dump(include=fields)


async def test_a_wildcard_domain_that_somebody_changed_meanwhile_is_left(tmp_path: Path) -> None:
    """It is compared and set in one statement: another value than the plan saw stays, and is told."""
    async with site(tmp_path) as here:
        params = {"host": "factory", "server": MUSCLE, "before": "https://old.example.com", "wanted": WILDCARD}
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("hosts.set_coolify_wildcard", {**params})
        assert WILDCARDS["muscle-1"] in caught.value.failed
        assert _row(here.state, "muscle-1").settings.wildcard_domain == WILDCARDS["muscle-1"]


async def test_a_wildcard_domain_goes_back_as_it_was(tmp_path: Path) -> None:
    """Set and undone, with the answer of psql lost in between."""
    async with site(tmp_path) as here:
        wanted = replace(WANTED, name="muscle-1", address="192.0.2.11")
        change, seen = registration(wanted, await here.present(wanted)).wildcard
        assert (change.before, change.after, seen.undoes) == (WILDCARDS["muscle-1"], WILDCARD, (change.id,))
        here.trouble("psql", system="ssh")
        with pytest.raises(HostError):
            await here.one(change)
        await here.run((change, seen))
        assert _row(here.state, "muscle-1").settings.wildcard_domain == WILDCARD
        await here.undo([change])
        assert _row(here.state, "muscle-1").settings.wildcard_domain == WILDCARDS["muscle-1"]
        failed = await failure(here, seen)
        assert WILDCARDS["muscle-1"] in failed.failed
        assert WILDCARD in failed.next


@pytest.mark.parametrize("server", ["nosuchserver", "no such server", "x'; DROP TABLE servers; --"])
async def test_a_server_that_is_not_there_gets_no_wildcard_domain(tmp_path: Path, server: str) -> None:
    """Nothing is changed, and no word of a caller becomes SQL."""
    async with site(tmp_path) as here:
        before = here.state.coolify
        params = {"host": "factory", "server": server, "before": "", "wanted": WILDCARD}
        with pytest.raises((StepFailed, InputError)):
            await here.steps.run("hosts.set_coolify_wildcard", {**params})
        assert here.state.coolify.servers == before.servers


async def test_a_factory_without_the_database_container_is_told(tmp_path: Path) -> None:
    """Docker's own words are there, and what a person can do instead."""
    async with site(tmp_path) as here:
        params = {"host": "muscle-2", "server": MUSCLE, "before": WILDCARDS["muscle-1"], "wanted": WILDCARD}
        with pytest.raises(StepFailed) as caught:
            await here.steps.run("hosts.set_coolify_wildcard", {**params})
        assert caught.value.untrusted_log == ("Error response from daemon: No such container: coolify-db",)
        assert "Wildcard Domain" in caught.value.next


def test_html_of_coolify_becomes_lines() -> None:
    """Tags go, breaks stay, entities are read once, and what only looks like a tag at first stays text."""
    logs = 'Not reachable.<br>Check this <a href="x">documentation</a>.<div class="e">Error: a &lt;b&gt;</div>'
    assert plain_words(logs) == "Not reachable.\nCheck this documentation.\nError: a <b>"


def _row(state: WorldState, name: str) -> Server:
    return next(server for server in state.coolify.servers if server.name == name)


def _hang(here: Site, name: str) -> None:
    here.change(lambda state: setattr(_row(state, name), "workers_hang", True))
