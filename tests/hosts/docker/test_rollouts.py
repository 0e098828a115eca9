"""What a host must show after a rollout: what ran before is gone, and all that was promised is there, isolated."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import HostUnreachable, StepFailed
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.docker.containers import containers_of, isolation_problems
from ink_infra_mcp.hosts.docker.steps import HostSteps
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.ssh.servers import ADDRESS, NAME, PretendServer, permit, pool_of, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
APP = "kc8sgwcg4o04wk0wckog0s4g"


POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=(), forbidden={}, settle_s=7)
ISOLATED = {"runtime": "runsc", "memory_bytes": 2**27, "pids_limit": 512, "cap_drop": ["ALL"]}


def container(number: int, name: str = f"{APP}-101010", **more: object) -> Container:
    """Return a container of the app that was started at that second, isolated unless said otherwise."""
    told = {"id": f"{number:064x}", "name": name, "image": "app:1", "started_at": float(number), **ISOLATED}
    return Container.model_validate(told | more)


class Hasty(FakeClock):
    """A clock on which every wait takes a minute more."""

    async def sleep(self, seconds: float) -> None:
        """Wait for longer than asked."""
        await super().sleep(seconds)
        self.advance(60)


class Unfolding(FakeClock):
    """A clock at whose `nth` wait the world changes."""

    def __init__(self, world: World, changes: dict[int, Callable[[list[Container]], list[Container]]]) -> None:
        super().__init__()
        self._world = world
        self._changes = changes

    async def sleep(self, seconds: float) -> None:
        """Wait, and let happen what is due."""
        await super().sleep(seconds)
        if (change := self._changes.get(len(self.slept))) is not None:
            with self._world.change() as state:
                state.hosts[NAME].containers = change(state.hosts[NAME].containers)


@dataclass
class Muscle:
    """A pretend server, and the steps that look at it."""

    world: World
    pool: HostPool
    said: list[str] = field(default_factory=list[str])

    def has(self, *containers: Container) -> None:
        """Let it run exactly these."""
        with self.world.change() as state:
            state.hosts[NAME].containers = [*containers]

    async def note(self, clock: FakeClock | None = None) -> JsonObject:
        """Take the note."""
        return await self._run("hosts.note_containers", {}, {}, clock or FakeClock())

    async def prove(
        self,
        note: JsonObject,
        *,
        services: tuple[str, ...] = (),
        once: tuple[str, ...] = (),
        clock: FakeClock | None = None,
        image: str = "",
    ) -> list[str]:
        """Return the names of the containers that are proved."""
        source: JsonObject = {"step": "note", "field": "containers"}
        params: JsonObject = {"noted": source, "services": [*services], "once": [*once]}
        params |= {"image_digest": image} if image else {}
        result = await self._run("hosts.prove_isolation", params, {"note": note}, clock or FakeClock())
        found = result["containers"]
        assert isinstance(found, list)
        return [str(c["name"]) for c in found if isinstance(c, dict)]

    async def _run(self, kind: str, params: JsonObject, results: Results, clock: FakeClock) -> JsonObject:
        steps = HostSteps(self.pool, POLICY)
        call = StepCall(
            operation_id="op-1",
            step_id="prove",
            kind=kind,
            target="app",
            params={"app": APP, "muscle": NAME, **params},
            results=results,
            permit=permit(),
            clock=clock,
            say=self.said.append,
        )
        with anyio.fail_after(LIMIT_S):
            return await steps.handlers()[kind](call)


@pytest.fixture
async def muscle(tmp_path: Path) -> AsyncGenerator[Muscle]:
    """Give a Muscle without containers."""
    world = world_of(tmp_path, HostState(name=NAME, address=ADDRESS, role="muscle"))
    async with await serve_hosts(world) as ssh:
        there = PretendServer(world, ssh)
        async with pool_of(there.host, key=there.key, reads=READINGS, connect_to=there.connect_to) as pool:
            yield Muscle(world, pool)


async def test_a_note_holds_each_container_of_the_app_by_id_and_start(muscle: Muscle) -> None:
    """Running or not; those of other apps are left out, and a fresh app has none."""
    assert await muscle.note() == {"containers": []}
    muscle.has(container(1), container(2, f"db-{APP}", state="exited"), container(3, "other-app"))
    assert await muscle.note() == {
        "containers": [
            {"id": f"{2:064x}", "started_at": "1970-01-01T00:00:02+00:00"},
            {"id": f"{1:064x}", "started_at": "1970-01-01T00:00:01+00:00"},
        ]
    }


async def test_what_ran_before_is_waited_out_and_what_follows_is_judged(muscle: Muscle) -> None:
    """The old container is fine and the new one is not: the old one proves nothing, however long it lingers."""
    muscle.has(container(1))
    note = await muscle.note()
    clock = Unfolding(muscle.world, {4: lambda _: [], 6: lambda _: [container(9, runtime="runc")]})
    with pytest.raises(StepFailed, match=r"not run isolated on muscle-1: \S+ it runs under runc, not runsc"):
        await muscle.prove(note, clock=clock)
    assert len(clock.slept) == 6


async def test_an_old_container_without_isolation_does_no_harm_to_the_proof_of_the_new_one(muscle: Muscle) -> None:
    """An app that gets its isolation by this rollout is not stopped because its old container goes a moment later."""
    muscle.has(container(1, runtime="runc"))
    note = await muscle.note()
    muscle.has(container(1, runtime="runc"), container(2, f"{APP}-202020"))
    clock = Unfolding(muscle.world, {3: lambda found: found[1:]})
    assert await muscle.prove(note, clock=clock) == [f"{APP}-202020"]


async def test_a_container_that_docker_started_again_is_still_the_old_one(muscle: Muscle) -> None:
    """One that crashes has a new start every few seconds, and no rollout has replaced it."""
    muscle.has(container(1))
    note = await muscle.note()
    muscle.has(container(1, started_at=500.0))
    with pytest.raises(StepFailed) as caught:
        await muscle.prove(note, clock=Hasty())
    assert str(caught.value) == (
        f"On muscle-1 the app still runs from before: {APP}-101010 (since 1970-01-01 00:08:20 UTC). New containers "
        "were asked for, and 600 s waited. Look at Coolify's queue and at get_app, then call again."
    )


async def test_every_promised_service_must_run_before_the_app_is_proved(muscle: Muscle) -> None:
    """The first container of several is not enough; the others are waited for, and judged as well."""
    muscle.has(container(1, f"web-{APP}"))
    clock = Unfolding(muscle.world, {2: lambda found: [*found, container(2, f"db-{APP}")]})
    assert await muscle.prove({"containers": []}, services=("web", "db"), clock=clock) == [f"db-{APP}", f"web-{APP}"]

    muscle.has(container(1, f"web-{APP}"), container(2, f"db-{APP}", state="exited", exit_code=1))
    with pytest.raises(StepFailed, match="No container of its service db runs on muscle-1"):
        await muscle.prove({"containers": []}, services=("web", "db"), clock=Hasty())


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (container(2, f"job-{APP}", state="exited"), ""),
        (container(2, f"job-{APP}"), ""),
        (container(2, f"job-{APP}", state="exited", exit_code=1), "No container of its service job"),
        (container(2, f"job-{APP}", state="exited", runtime="runc"), f"job-{APP}: it runs under runc, not runsc"),
        (container(7, f"job-{APP}", state="exited"), "No container of its service job"),
    ],
    ids=["ended", "running", "failed", "not isolated", "from before"],
)
async def test_a_service_that_may_end_has_ended_well_or_runs_and_was_isolated(
    muscle: Muscle, job: Container, words: str
) -> None:
    """One that failed, ran outside gVisor, or is from before proves nothing."""
    note: JsonObject = {"containers": [{"id": f"{7:064x}", "started_at": ""}]}
    muscle.has(container(1, f"web-{APP}"), job)
    if not words:
        assert await muscle.prove(note, services=("web",), once=("job",)) == [job.name, f"web-{APP}"]
        return
    with pytest.raises(StepFailed, match=words):
        await muscle.prove(note, services=("web",), once=("job",), clock=Hasty())


async def test_the_container_of_a_pull_request_neither_proves_the_app_nor_has_to_go(muscle: Muscle) -> None:
    """A rollout of the app leaves it as it is; it is judged like everything that runs."""
    preview = container(1, f"{APP}-pr-7")
    muscle.has(preview)
    note = await muscle.note()
    with pytest.raises(StepFailed, match="No container of the app runs on muscle-1"):
        await muscle.prove({"containers": []}, clock=Hasty())
    muscle.has(preview, container(2, f"{APP}-202020"))
    assert await muscle.prove(note) == [f"{APP}-202020", f"{APP}-pr-7"]


async def test_the_image_is_the_one_that_was_approved_and_a_preview_has_its_own(muscle: Muscle) -> None:
    """Another image is a failed proof; that of a pull request's container is none of the app's. A server that is away
    while its image is asked for is asked again."""
    approved, other = (f"sha256:{digit * 64}" for digit in "56")
    note: JsonObject = {"containers": []}
    own = container(1, image_id=f"sha256:{1:064x}", image_digests=[f"registry.example.com/web@{approved}"])
    preview = container(
        2, f"{APP}-pr-7", image_id=f"sha256:{2:064x}", image_digests=[f"registry.example.com/web@{other}"]
    )
    muscle.has(own, preview)
    with muscle.world.change() as state:
        state.faults.append(Fault(system="ssh", match="docker image inspect", kind="drop", times=2))
    assert await muscle.prove(note, image=approved) == [own.name, preview.name]
    assert "waiting for muscle-1 to answer" in " ".join(muscle.said)
    with pytest.raises(StepFailed, match=f"{own.name} on {NAME} does not run the image that was approved, sha256:6666"):
        await muscle.prove(note, image=other)


async def test_a_server_that_is_away_for_a_moment_is_asked_again(muscle: Muscle) -> None:
    """A note or a proof that cannot be had at once is no reason to stop anything; after a minute it is."""

    def away(times: int) -> Callable[[WorldState], None]:
        return lambda state: state.faults.append(Fault(system="ssh", match=NAME, kind="drop", times=times))

    muscle.has(container(1))
    with muscle.world.change() as state:
        away(2)(state)
    assert await muscle.prove({"containers": []}) == [f"{APP}-101010"]
    with muscle.world.change() as state:
        away(1_000)(state)
    with pytest.raises(HostUnreachable):
        await muscle.note(Hasty())


def become(**changed: object) -> Callable[[list[Container]], list[Container]]:
    """Return what happens to each container: it is otherwise from now on."""
    return lambda found: [one.model_copy(update=changed) for one in found]


def gone(found: list[Container]) -> list[Container]:
    """Let all be taken away."""
    return []


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (
            become(restart_count=1, started_at=99.0),
            r"crash-loops: restarted 1 times\.",
        ),
        (become(state="restarting"), r"crash-loops: restarted \d+ times"),
        (become(started_at=99.0), "crash-loops"),
        (become(state="exited", exit_code=2), "did not stay up: it is exited, exit code 2"),
        (gone, "did not stay: it is gone"),
    ],
    ids=["started anew", "restarting", "another start", "ended", "gone"],
)
async def test_a_container_that_does_not_stay_up_is_no_proof(
    muscle: Muscle, later: Callable[[list[Container]], list[Container]], words: str
) -> None:
    """It looks well the first time it is read; after policy's time its state, restarts and start have moved."""
    muscle.has(container(1))
    with pytest.raises(StepFailed, match=words):
        await muscle.prove({"containers": []}, clock=Unfolding(muscle.world, {1: later}))


async def test_a_container_that_only_ever_restarts_is_told_so(muscle: Muscle) -> None:
    """Docker says how often and with what it ended: that is the cause, and not that nothing runs."""
    muscle.has(container(1, state="restarting", restart_count=7, exit_code=127, oom_killed=True))
    words = r"crash-loops: restarted \d+ times, last exit code 127, out of memory"
    with pytest.raises(StepFailed, match=words):
        await muscle.prove({"containers": []}, clock=Hasty())


async def test_a_container_that_stays_up_is_proved_after_policys_time(muscle: Muscle) -> None:
    """Docker's own count of starts has not moved."""
    muscle.has(container(1))
    clock = FakeClock()
    assert await muscle.prove({"containers": []}, clock=clock) == [f"{APP}-101010"]
    assert (clock.slept, muscle.said) == ([7], ["waiting 7 s whether it stays up on muscle-1"])


async def test_a_container_that_has_fallen_already_must_stay_up_longer(muscle: Muscle) -> None:
    """One that falls each half minute runs whenever somebody looks twice in a few seconds; one that only waited for its
    database lives since, and is fine."""
    muscle.has(container(1, restart_count=2))
    clock = FakeClock()
    assert await muscle.prove({"containers": []}, clock=clock) == [f"{APP}-101010"]
    assert (clock.slept, muscle.said) == ([42], ["waiting 42 s whether it stays up on muscle-1"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"host_config": {"PidMode": "host"}}, "it sees processes of others"),
        ({"host_config": {"NewInDocker30": "x"}}, "NewInDocker30"),
        ({"volumes": ["/root/.ssh"]}, "it reaches /root/.ssh of the server"),
        ({"volumes": [f"{APP}_bad"]}, f"the volume {APP}_bad at /data is made with driver local, options device, o"),
        ({"networks": ["other"]}, "it is in the network other"),
        ({"networks": [f"{APP}_lan"]}, "made with driver macvlan"),
        ({"ports": ["0.0.0.0:2375->2375/tcp"]}, "it publishes 0.0.0.0:2375->2375/tcp"),
        ({"memory_bytes": 0}, "it has no memory limit"),
        ({"cap_drop": []}, "it keeps capabilities"),
    ],
)
async def test_whatever_is_beyond_the_allow_list_is_no_proof(
    muscle: Muscle, changed: dict[str, object], words: str
) -> None:
    """All that docker inspect says reaches the judgement, volumes and networks with how they were made."""
    with muscle.world.change() as state:
        state.hosts[NAME].volume_options = {f"{APP}_bad": {"o": "bind", "device": "/root"}}
        state.hosts[NAME].network_drivers = {f"{APP}_lan": "macvlan"}
    muscle.has(container(1).model_copy(update=changed))
    with pytest.raises(StepFailed, match=words):
        await muscle.prove({"containers": []})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"volumes": [f"{APP}_{number}" for number in range(201)]}, "it has more than 200 mounts, too many to be read"),
        ({"labels": {f"l{number}": "x" for number in range(301)}}, "it has more than 300 labels, too many to be read"),
        ({"labels": {"caddy": "x" * 2_000_000}}, "its label caddy is xxx"),
    ],
)
async def test_a_container_with_a_crowd_of_mounts_or_labels_is_no_proof_and_hides_no_other(
    muscle: Muscle, more: dict[str, object], words: str
) -> None:
    """What an image makes large is cut on the server: the answer about all others stays whole."""
    other = "o" * 24
    muscle.has(container(1, f"{other}-101010", **more), container(2))
    assert await muscle.prove({"containers": []}) == [f"{APP}-101010"]
    with anyio.fail_after(LIMIT_S):
        (crowd,) = await containers_of(muscle.pool, NAME, other)
    assert any(words in problem for problem in isolation_problems(crowd, POLICY, app=other))
