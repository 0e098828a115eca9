"""Realtime moves into Coolify's own container on a real Factory: proved there, or its old container runs again."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from itertools import count

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.looking import BASE, PROD
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import COOLIFY
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import MOVED_DEAF
from tests.lab.ground.stand_in.factory import Coolify
from tests.lab.rotation_bed import BACK_S, LIMIT_S, UNIT, Ground, Seen, coolify_in, probed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1200)]

NUMBERS = count(1)
INSPECT = ("docker", "inspect", "--format")
REALTIME = "{{.Id}} {{.Config.Image}} {{.HostConfig.RestartPolicy.Name}} {{.State.Status}}"
PLACEHOLDER = """\
  soketi:
    image: busybox:1.37
    profiles:
      - legacy-soketi
"""


@pytest.fixture(scope="module")
def coolify(request: pytest.FixtureRequest) -> Coolify:
    """Return Coolify on good-1, with realtime beside it; each test leaves it so."""
    return coolify_in(request.getfixturevalue("lab"))


@pytest.fixture
async def ground(bed: Bed, coolify: Coolify) -> AsyncGenerator[Ground]:
    """Give the ground for one upgrade."""
    async with bed.pool() as pool:
        yield Ground(bed, coolify, catalogue.published(bed.lab.site), pool, f"op-moves{next(NUMBERS)}")


@dataclass(frozen=True)
class Beside:
    """What runs: Coolify, realtime's own container by its id, since when the databases do, and both files."""

    coolify: Seen
    realtime: str
    databases: str
    files: tuple[str, str]


def realtime(ground: Ground) -> str:
    """Return which container realtime has, when Docker starts it by itself, and how it is."""
    return ground.factory.say(*INSPECT, REALTIME, "coolify-realtime").strip()


def beside(ground: Ground) -> Beside:
    """Return what runs now."""
    say = ground.factory.say
    return Beside(
        coolify=ground.seen(),
        realtime=realtime(ground),
        databases=say(*INSPECT, "{{.Image}} {{.State.StartedAt}}", "coolify-db", "coolify-redis"),
        files=(say("cat", f"{COOLIFY}/{BASE}"), say("cat", f"{COOLIFY}/{PROD}")),
    )


def healthy(ground: Ground) -> bool:
    """Return whether Docker calls Coolify healthy."""
    return ground.factory.run(*INSPECT, "{{.State.Health.Status}}", "coolify").stdout.strip() == "healthy"


def moved(ground: Ground) -> dict[str, str]:
    """Return Coolify's own files as those of 4.4 are, made of those that are there."""
    base, prod = (ground.factory.say("cat", f"{COOLIFY}/{name}") for name in (BASE, PROD))
    head, _, rest = base.partition("    soketi:\n")
    base = f"{head}networks:{rest.partition('networks:')[2].partition('networks:')[2]}"
    base = base.replace("            - soketi\n", "").replace(
        "        networks:\n", '        expose:\n            - "6001"\n            - "6002"\n        networks:\n', 1
    )
    head, _, rest = prod.partition("  soketi:\n    image:")
    prod = f"{head}{PLACEHOLDER}\nvolumes:{rest.partition('volumes:')[2].partition('volumes:')[2]}"
    for old, new in (
        ("      soketi:\n        condition: service_healthy\n", ""),
        (
            '"${APP_PORT:-8000}:8080"\n',
            '"${APP_PORT:-8000}:8080"\n      - "${REVERB_PORT:-${SOKETI_PORT:-6001}}:6001"\n      - "6002:6002"\n',
        ),
        (
            '    expose:\n      - "${APP_PORT:-8000}"\n',
            '    expose:\n      - "${APP_PORT:-8000}"\n      - "6001"\n      - "6002"\n'
            "    networks:\n      coolify:\n        aliases:\n          - coolify-realtime\n",
        ),
        ("8080/api/health ||", "8080/api/health && curl --fail http://127.0.0.1:${PUSHER_BACKEND_PORT:-6001}/up ||"),
    ):
        assert prod.count(old) == 1, old
        prod = prod.replace(old, new)
    assert "soketi" not in base
    return {BASE: base, PROD: prod}


async def test_realtime_moves_in_is_proved_and_comes_back_by_hand_as_the_very_container(ground: Ground) -> None:
    """Its ports are the new container's, its own one sleeps through a start of Docker, and no app is touched."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        swap = await ground.move_in(moved(ground))
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0, inside=True)
        await ground.run("factory.confirm_image")
    after, taken = beside(ground), ground.factory.say("docker", "port", "coolify").split()
    held = (await swapping.ready(ground.pool, "factory")).held
    with anyio.fail_after(LIMIT_S):
        await meanwhile(partial(ground.factory.say, "systemctl", "restart", "docker", limit_s=BACK_S))
        await eventually(partial(healthy, ground), what="no healthy Coolify after a start of Docker", limit_s=BACK_S)
        woken = await swapping.prove(ground.pool, "factory")
    asleep = realtime(ground)
    assert (proof["image"], woken.inside, held, lost) == (swap["id"], True, (), [])
    assert (after.coolify.image, after.coolify.migrated, after.databases) == (swap["id"], True, before.databases)
    assert {"6001/tcp", "6002/tcp"} <= {*taken}
    assert [asleep, after.realtime] == [before.realtime.replace("always running", "no exited")] * 2
    with anyio.fail_after(LIMIT_S):
        back = partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
        await meanwhile(back)
    ended = beside(ground)
    assert (ended.coolify, ended.realtime, ended.files) == (before.coolify, before.realtime, before.files)


async def test_where_the_new_container_does_not_answer_as_realtime_the_old_one_runs_again(ground: Ground) -> None:
    """Coolify itself answers: what fails is the half of its health check that is realtime's."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="the new container did not become healthy"):
        await ground.move_in(moved(ground), name=MOVED_DEAF)
    assert (beside(ground), ground.state()) == (before, "reverted")


@pytest.mark.parametrize("how", ["killed", "power", "told"])
async def test_whoever_dies_realtimes_own_container_runs_again(ground: Ground, how: str) -> None:
    """Before anybody confirmed: a killed unit, a power cut, and the plan's own way back."""
    before = beside(ground)
    with anyio.fail_after(LIMIT_S):
        await ground.move_in(moved(ground))
        match how:
            case "killed":
                ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            case "power":
                await meanwhile(ground.factory.cut_power)
                await meanwhile(ground.factory.power_on)
            case _:
                await ground.run("factory.swap_back")
        await ground.comes_to("reverted")
    after = beside(ground)
    assert (after.coolify, after.realtime, after.files) == (before.coolify, before.realtime, before.files)


@pytest.mark.parametrize(
    ("left_out", "awake", "why"),
    [(BASE, False, "does not take its files as they shall be"), ("", True, "would start soketi")],
)
async def test_files_of_which_compose_would_make_something_else_end_it_untouched(
    ground: Ground, left_out: str, why: str, *, awake: bool
) -> None:
    """The file from before waits for a service that is never started; one that some file lets start has the ports."""
    before = beside(ground)
    texts = {name: text for name, text in moved(ground).items() if name != left_out}
    if awake:
        texts[PROD] = texts[PROD].replace("    profiles:\n      - legacy-soketi\n", "")
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match=why):
        await ground.move_in(texts)
    assert beside(ground) == before
