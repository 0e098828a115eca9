"""Which containers are an app's, what they log, and what makes one less isolated than promised."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import CommandFailed, HostError, InputError
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.docker.containers import app_of, belongs_to, container_logs, containers_of, isolation_problems
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.pool import HostPool
from tests.core.told import APP as TOLD_APP
from tests.core.told import PLAIN, POLICY
from tests.hosts.facts.answers import first_container
from tests.ssh.servers import ADDRESS, NAME, PretendServer, pool_of, world_of

LIMIT_S = 60
APP = "kc8sgwcg4o04wk0wckog0s4g"
OTHER = "vk0s4cwk8sggc4o0wckog0kc"
ASYNC = pytest.mark.anyio
BASE = first_container()


def container(number: int, name: str, *, state: str = "running", labels: dict[str, str] | None = None) -> Container:
    """Return a pretend container."""
    return Container(id=f"{number:064x}", name=name, image="app:1", runtime="runsc", state=state, labels=labels or {})


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with one Muscle that runs two apps and the proxy."""
    found = [
        container(1, "coolify-proxy"),
        container(2, f"{APP}-142624797838", labels={"coolify.applicationId": "7", "coolify.name": APP}),
        container(3, f"{APP}-pr-12", state="exited"),
        container(4, f"web-{APP}-101010"),
        container(5, f"{OTHER}-142624797838"),
        container(6, f"{APP}x-142624797838"),
    ]
    made = world_of(tmp_path, HostState(name=NAME, address=ADDRESS, role="muscle", containers=found))
    with made.change() as state:
        lines = ["listening on 3000", "token=abcdef123456", "\x1b[31mred\x1b[0m", "last"]
        state.coolify.applications.append(
            Application(
                id=7,
                uuid=APP,
                environment_uuid="e",
                server_uuid="s",
                destination_uuid="d",
                columns={},
                settings={},
                log_lines=lines,
            )
        )
        state.hosts[NAME].containers[1].started_at = 1_799_999_000.0
    return made


@pytest.fixture
async def pool(world: World) -> AsyncGenerator[HostPool]:
    """Give a pool that reaches the Muscle."""
    async with await serve_hosts(world) as ssh:
        there = PretendServer(world, ssh)
        redact = Redactor([Secret("abcdef123456")])
        async with pool_of(there.host, key=there.key, connect_to=there.connect_to, redact=redact) as made:
            yield made


@ASYNC
async def test_the_containers_of_an_app_are_found_by_its_whole_uuid(pool: HostPool) -> None:
    """Plain, preview and compose containers are the app's, running or not; one with a longer uuid is not."""
    with anyio.fail_after(LIMIT_S):
        found = await containers_of(pool, NAME, APP)
    assert [(c.name, c.state) for c in found] == [
        (f"{APP}-142624797838", "running"),
        (f"{APP}-pr-12", "exited"),
        (f"web-{APP}-101010", "running"),
    ]


@ASYNC
async def test_containers_that_cannot_be_seen_are_an_error_and_not_none(pool: HostPool, world: World) -> None:
    """Who asks "is it isolated?" must not hear "nothing is wrong" from a server without Docker."""
    with world.change() as state:
        state.hosts[NAME].docker_version = ""
    with anyio.fail_after(LIMIT_S), pytest.raises(HostError, match="not installed"):
        await containers_of(pool, NAME, APP)


@ASYNC
async def test_logs_come_in_order_bounded_cleaned_and_redacted(pool: HostPool) -> None:
    """The last lines with their times, without colours and without known secrets."""
    with anyio.fail_after(LIMIT_S):
        logs = await container_logs(pool, NAME, f"{2:064x}", lines=3)
    at = "2027-01-15T07:43:20.000000000Z"
    assert logs == f"{at} token=(12 characters hidden)\n{at} red\n{at} last"


@ASYNC
@pytest.mark.parametrize(
    ("since", "wanted"),
    [("1s", ""), ("2000s", "last"), ("1h", "last"), ("2027-01-15T07:43:21Z", ""), ("2027-01-15T00:00:00Z", "last")],
)
async def test_logs_can_be_asked_since_a_time(pool: HostPool, since: str, wanted: str) -> None:
    """A span counts back from the server's present; an instant is taken as it is."""
    with anyio.fail_after(LIMIT_S):
        assert (await container_logs(pool, NAME, f"{2:064x}", lines=1, since=since)).endswith(wanted)
        assert bool(await container_logs(pool, NAME, f"{2:064x}", since=since)) == bool(wanted)


@ASYNC
async def test_logs_of_a_container_that_is_not_there_fail_with_dockers_words(pool: HostPool) -> None:
    """No empty log pretends that the container said nothing."""
    with anyio.fail_after(LIMIT_S), pytest.raises(CommandFailed) as caught:
        await container_logs(pool, NAME, "nobody")
    assert caught.value.untrusted_output == "Error response from daemon: No such container: nobody"


@ASYNC
@pytest.mark.parametrize(
    ("container_id", "lines", "since"),
    [
        ("--help", 1, None),
        ("a b", 1, None),
        ("", 1, None),
        ("a", 0, None),
        ("a", 5001, None),
        ("a", 1, "yesterday"),
        ("a", 1, "-1s"),
    ],
)
async def test_wrong_arguments_for_logs_are_refused_before_anything_is_sent(
    pool: HostPool, container_id: str, lines: int, since: str | None
) -> None:
    """Nothing that could be taken for an option reaches docker."""
    with pytest.raises(InputError):
        await container_logs(pool, NAME, container_id, lines=lines, since=since)


@pytest.mark.parametrize("name", [APP, f"{APP}-1", f"{APP}-pr-3", f"db-{APP}", f"db-{APP}-1", f"{APP}_web_1"])
def test_every_name_that_coolify_gives_is_recognised(name: str) -> None:
    """The consistent name, the dated one, previews and the parts of compose apps."""
    assert belongs_to(BASE.model_copy(update={"name": name}), APP)


@pytest.mark.parametrize("name", [f"x-{APP}-bbbbbbbbbbbbbbbbbbbbbbbb", f"{APP}-bbbbbbbbbbbbbbbbbbbbbbbb", f"{APP}_x"])
def test_an_app_that_names_another_in_its_service_is_not_the_other(name: str) -> None:
    """Its containers neither prove the other one nor hold its rollout up."""
    labels = {"coolify.name": name}
    assert not belongs_to(BASE.model_copy(update={"name": name, "labels": labels}), APP)


@pytest.mark.parametrize("name", [f"{APP}a", f"a{APP}-1", APP[:-1], "coolify-proxy", APP.upper()])
def test_a_name_that_only_looks_alike_is_not(name: str) -> None:
    """A part of a longer uuid is another app."""
    assert not belongs_to(BASE.model_copy(update={"name": name, "labels": {}}), APP)


def test_the_label_counts_where_the_name_was_chosen_by_hand() -> None:
    """Coolify repeats its own name in a label."""
    named = BASE.model_copy(update={"name": "shop", "labels": {"coolify.name": f"{APP}-1"}})
    assert belongs_to(named, APP)


def test_a_container_is_judged_as_that_of_the_app_that_its_labels_name() -> None:
    """Whoever looks at a whole server knows no app by heart; a preview and a part of a compose app are told, too."""
    for label in (APP, f"web-{APP}", f"{APP}-pr-12"):
        assert app_of(BASE.model_copy(update={"labels": {"coolify.name": label}})) == APP
    assert app_of(BASE.model_copy(update={"labels": {}})) == ""


PLAIN_FACTS = BASE.model_copy(
    update={
        "host_config": PLAIN.host_config,
        "mounts": PLAIN.mounts,
        "networks": PLAIN.networks,
        "ports": PLAIN.ports,
        "volumes": PLAIN.volumes,
        "server_networks": PLAIN.server_networks,
    }
)


def test_what_was_read_of_a_container_is_judged_whole() -> None:
    """HostConfig, mounts, volumes, networks and ports all reach the allow list."""
    assert isolation_problems(PLAIN_FACTS, POLICY, app=TOLD_APP, ports=()) == ()
    changed = {
        "host_config": {**PLAIN.host_config, "Privileged": True},
        "volumes": (),
        "server_networks": None,
        "ports": ("0.0.0.0:8080->80/tcp",),
    }
    worse = PLAIN_FACTS.model_copy(update=changed)
    assert isolation_problems(worse, POLICY, app=TOLD_APP, ports=()) == (
        "it is privileged (Privileged is True)",
        f"how the volume {TOLD_APP}_data was made could not be read",
        f"how the network {TOLD_APP} was made could not be read",
        "it publishes 0.0.0.0:8080->80/tcp, which nobody asked for",
    )
    assert len(isolation_problems(worse, POLICY, app=TOLD_APP)) == 3


def test_a_server_with_old_cgroups_is_known_to_the_judgement() -> None:
    """What the server does by default is no weakness of one app."""
    shared = PLAIN_FACTS.model_copy(update={"host_config": {**PLAIN.host_config, "CgroupnsMode": "host"}})
    assert len(isolation_problems(shared, POLICY, app=TOLD_APP)) == 1
    assert isolation_problems(shared.model_copy(update={"own_cgroups": False}), POLICY, app=TOLD_APP) == ()
