"""Changing what a pretend server is made of, step by step: every step may run twice, and every undo gives back."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.baseline.judging import Judgement, Wanted, judge
from ink_infra_mcp.core.baseline.steps import steps_of
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.machine.auditing import audit
from ink_infra_mcp.hosts.machine.reading import read_machine
from ink_infra_mcp.hosts.machine.steps import MachineSteps
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_machine import Made
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.settings.policy_files import load_baseline
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.ssh.servers import ADDRESS, NAME, pool_of, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60
BASELINE = load_baseline()
BARE = HostState(
    name=NAME,
    address=ADDRESS,
    role="muscle",
    docker_version="",
    runsc_version="",
    runtimes=["runc"],
    made=Made(packages={"docker.io": "20.10.24+dfsg1-1+deb12u1", "curl": "7", "gnupg": "2"}, broken=["jq"], daemon=""),
)


@dataclass
class Ground:
    """A pretend server, and the steps of one operation on it."""

    world: World
    pool: HostPool
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    async def run(self, step: Step | Undo, id_: str = "undo") -> JsonObject:
        """Run a step."""
        id_ = step.id if isinstance(step, Step) else id_
        permit = permit_here("op-1", step.kind)
        call = StepCall("op-1", id_, step.kind, step.target, step.params, self.results, permit, FakeClock(), print)
        with anyio.fail_after(LIMIT_S):
            self.results[id_] = await MachineSteps(self.pool).handlers()[step.kind](call)
        return self.results[id_]

    async def judged(self) -> Judgement:
        """Read the server and judge it."""
        with anyio.fail_after(LIMIT_S):
            machine = await read_machine(self.pool, NAME, BASELINE)
        return judge(machine, BASELINE, Wanted(role="muscle"))

    @property
    def made(self) -> Made:
        """Return what the server is made of now."""
        return self.world.read().hosts[NAME].made


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncGenerator[Ground]:
    """Run the server."""
    stock = {"ca-certificates", "jq", "git", "openssl", "systemd-timesyncd"}
    made = BARE.made.model_copy(update={"packages": BARE.made.packages | dict.fromkeys(stock - {"jq"}, "1")})
    world = world_of(tmp_path, BARE.model_copy(update={"made": made}))
    async with await serve_hosts(world) as ssh:
        host = Host(name=NAME, address=ADDRESS, host_key=ssh.doors[NAME].host_public_key)
        async with pool_of(host, key=ssh.login_private_key, reads=READINGS, connect_to=ssh.connect_to) as pool:
            yield Ground(world, pool)


async def test_every_step_may_run_twice_and_then_nothing_is_left_to_do(ground: Ground) -> None:
    """A process that was killed after a step and before its result was written runs it again."""
    for step in steps_of(await ground.judged()):
        assert await ground.run(step) == await ground.run(step), step.id
    assert (await ground.judged()).is_already_so


async def test_every_undo_gives_back_what_was_there_and_may_run_twice(ground: Ground) -> None:
    """Taken back in reverse, the server is what it was when dpkg had been finished."""
    steps = steps_of(await ground.judged())
    await ground.run(steps[0])
    before = ground.made
    for step in steps[1:]:
        await ground.run(step)
    for step in reversed(steps):
        if step.undo:
            assert (await ground.run(step.undo))["restored"] == [f"op-1-{step.params['part']}"]
            assert (await ground.run(step.undo))["restored"] == []
    assert ground.made == before


async def test_a_server_gives_all_back_at_its_end(ground: Ground) -> None:
    """What remove_muscle asks of an adopted server, long after the operation: all that was ever kept, newest first."""
    steps = steps_of(await ground.judged())
    for step in steps:
        await ground.run(step)
    undo = Undo(kind="hosts.restore_machine", target=NAME, summary="all back", params={"host": NAME})
    restored = (await ground.run(undo))["restored"]
    assert restored == [f"op-1-{step.params['part']}" for step in reversed(steps) if step.undo]
    assert "docker.io" in ground.made.packages


async def test_what_a_server_refuses_is_said_with_what_was_done(ground: Ground) -> None:
    """Its own words, and whether anything was changed."""
    (repository, *_) = [step for step in steps_of(await ground.judged()) if step.kind == "hosts.add_repository"]
    wrong = repository.model_copy(update={"params": {**repository.params, "fingerprint": "F" * 40}})
    with pytest.raises(StepFailed) as caught:
        await ground.run(wrong)
    assert caught.value.done == "Nothing was changed."
    assert caught.value.failed.startswith(
        f"{NAME} did not take the repository: the key from https://download.docker.com/"
    )


async def test_a_file_that_names_other_archives_meanwhile_is_not_taken_away(ground: Ground) -> None:
    """It was judged when it named Docker's only; what stands there just before it goes is what counts."""
    docker, file = "deb https://download.docker.com/linux/debian bookworm stable\n", "/etc/apt/sources.list.d/all.list"
    with ground.world.change() as state:
        state.hosts[NAME].made.files[file] = docker
    (repository, *_) = [step for step in steps_of(await ground.judged()) if step.kind == "hosts.add_repository"]
    assert repository.params["replaces"] == [file]
    both = f"{docker}deb https://user:word@security.example.com stable main\n"
    with ground.world.change() as state:
        state.hosts[NAME].made.files[file] = both
    with pytest.raises(StepFailed) as caught:
        await ground.run(repository)
    assert caught.value.done == "Nothing was changed."
    assert f"{file} of {NAME} would be replaced" in caught.value.failed
    assert "names https://security.example.com, too" in caught.value.failed
    assert ground.made.files[file] == both


async def test_an_old_gvisor_is_named_with_its_mend(ground: Ground) -> None:
    """The words that it says on a new kernel are known."""
    said = "ink-change: no container starts under it: cannot run with network enabled in root network namespace\n"
    with ground.world.change() as state:
        state.faults.append(Fault(system="ssh", match="ink-change prove", kind="status", status=3, body=said))
    (proof,) = [step for step in steps_of(await ground.judged()) if step.kind == "hosts.prove_gvisor"]
    with pytest.raises(StepFailed) as caught:
        await ground.run(proof)
    assert "take a newer one" in caught.value.next


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("hosts.install_packages", {"packages": ["--allow-unauthenticated"]}),
        ("hosts.install_packages", {"packages": ["jq=1 -o x=y"]}),
        ("hosts.remove_packages", {"packages": ["jq;reboot"]}),
        ("hosts.enable_units", {"units": ["-H root@192.0.2.1"]}),
        (
            "hosts.set_files",
            {"path": "/etc/sysctl.d/zz-ink-infra.conf", "reload": "", "settings": {"vm.swappiness": "1\nkernel.x = 2"}},
        ),
        ("hosts.prove_gvisor", {"image": "--privileged"}),
        ("hosts.set_swap", {"mib": "64"}),
    ],
)
async def test_a_word_that_is_no_name_never_leaves(ground: Ground, kind: str, params: JsonObject) -> None:
    """A plan is stored and read again: each word of it has the shape of what it names, or nothing is sent."""
    step = Step(id="x", kind=kind, target=NAME, summary="x", params={"host": NAME, "part": "x", **params})
    with pytest.raises(TypeError):
        await ground.run(step)
    assert [line for line in ground.world.read().journal if "ink-change" in line] == []


async def test_a_script_that_breaks_off_is_unknown_and_says_to_call_again(ground: Ground) -> None:
    """A status that the script does not end with says nothing of what it did."""
    with ground.world.change() as state:
        state.faults.append(Fault(system="ssh", match="ink-change finish", kind="status", status=137))
    (first, *_) = steps_of(await ground.judged())
    with pytest.raises(Exception, match="broke off with status 137"):
        await ground.run(first)


async def test_without_auditors_nothing_is_said_for_them(ground: Ground) -> None:
    """A server on which none is installed has no figures, and the reason why."""
    with anyio.fail_after(LIMIT_S):
        found = await audit(ground.pool, NAME)
    why = "the command for it is not installed, or not in the PATH of this user"
    assert (found.lynis, found.ssh_audit, found.unknown) == (None, None, {"lynis": why, "ssh_audit": why})
