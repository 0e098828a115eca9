"""remove_muscle with apps_to on real servers: apps move with their data and answer on the other Muscle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import anyio
import anyio.to_thread
import pytest

from tests.engine.aftermath import kept, once
from tests.engine.killing import Moment, begin_forking, ended
from tests.ink import says_yes
from tests.lab import drain_bed
from tests.lab.bed import Bed, eventually
from tests.lab.coolify_apps import WRITES, containers_of
from tests.lab.drain_bed import CALL, NEW, OLD, Draining, draining
from tests.lab.ground.hosts import Server
from tests.lab.killing import LIFE_S
from tests.lab.test_volumes import FACTS, FILL
from tests.lab.tools_bed import client_of
from tests.tools.arrivals import approved_in
from tests.tools.moved import PAGES

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

LIMIT_S = 840
PAGE = "the pages\n"
SMALL = FILL.replace("300M", "3M").replace("count=24", "count=2")
WITH_PAGES = f"printf '{PAGE}' >$1/index.html; mkdir $1/kept; set -- $1/kept; {SMALL}"
SERVED = {"docs": (200, PAGE), "shop": (200, "a page\n")}
LARGE = 80_000_000
"""Bytes whose copy takes long enough to be broken off."""
OWN = {"coolify-proxy"}


@pytest.fixture(scope="module")
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking(drain_bed.__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is true afterwards, seen past the product: answers by app, what runs where, and what is left of the data."""

    answers: dict[str, tuple[int, str]]
    running: dict[str, list[str]]
    kept: bool
    nothing_lost: bool
    muscles: tuple[str, ...]
    in_coolify: tuple[str, ...]


def visits(it: Draining, muscle: str) -> dict[str, tuple[int, str]]:
    """Return what somebody outside gets from each app under its name on a Muscle."""
    return {app: it.visit(muscle, app) for app in SERVED}


def copy_of(it: Draining) -> str:
    """Return the volume that `docs` has on its new Muscle."""
    (app,) = [app for app in it.world.read().coolify.applications if app.text("name") == "docs"]
    return app.volumes[0].name


def facts(server: Server, volume: str) -> list[str]:
    """Return sums of all that a volume holds, and of how each entry is made; what its app writes is left out."""
    return server.say("sh", "-c", FACTS, "sh", f"/var/lib/docker/volumes/{volume}/_data/kept").split()[:4]


def written(server: Server, volume: str) -> str:
    """Return what the app has written into its volume."""
    return server.say("cat", f"/var/lib/docker/volumes/{volume}/_data/{WRITES}")


def seen(it: Draining) -> Seen:
    """Look at both Muscles, from outside and in, at Coolify and at fleet.toml."""
    coolify, copy = it.world.read().coolify, copy_of(it)
    before = written(it.server, PAGES)
    return Seen(
        answers=visits(it, NEW),
        running={name: running(it, server) for name, server in ((OLD, it.server), (NEW, it.new))},
        kept=facts(it.new, copy) == facts(it.server, PAGES),
        nothing_lost=len(before) > 0 and written(it.new, copy).startswith(before),
        muscles=it.muscles,
        in_coolify=tuple(server.name for server in coolify.servers),
    )


def running(it: Draining, server: Server) -> list[str]:
    """Return the apps that run on a server, by the names that Coolify has for them, once for each container."""
    names = {app.uuid: app.text("name") for app in it.world.read().coolify.applications}
    there = containers_of(server) or {}
    apps = [name for name, state in there.items() if state == "running" and name not in OWN]
    return sorted(names.get(name.partition("-")[0], name) for name in apps)


def moments(server: Server, action: str) -> dict[str, int]:
    """Return when each container last started, or ended, by its app's uuid, as Docker tells it."""
    words = ("--since", "0", "--until", "0s", "--filter", "type=container", "--filter", f"event={action}")
    form = '{{.TimeNano}} {{index .Actor.Attributes "name"}}'
    lines = server.say("docker", "events", *words, "--format", form).splitlines()
    return {name.partition("-")[0]: int(at) for at, _, name in (line.partition(" ") for line in lines)}


def order(it: Draining, uuids: Sequence[str], app: str) -> str:
    """Return whether the old container of an app ended before the new one started."""
    (new,) = [a.uuid for a in it.world.read().coolify.applications if a.text("name") == app]
    (old,) = [uuid for uuid in uuids if uuid in moments(it.server, "die")]
    return "stopped, then started" if moments(it.server, "die")[old] < moments(it.new, "start")[new] else "side by side"


AFTER = Seen(
    answers=SERVED,
    running={OLD: [], NEW: ["docs", "shop"]},
    kept=True,
    nothing_lost=True,
    muscles=(NEW,),
    in_coolify=("localhost", NEW),
)


async def test_apps_move_with_all_they_have_and_answer_on_the_other_muscle(bed: Bed, tmp_path: Path) -> None:
    """Volumes come whole, with what was written until the stop; an app with data is stopped first, one without is not
    away at all; each answers over HTTPS from outside, and the Muscle is out of Coolify and fleet.toml.
    """
    with anyio.fail_after(LIMIT_S), draining(bed, tmp_path, fill=WITH_PAGES) as it:
        old = {a.text("name"): a.uuid for a in it.world.read().coolify.applications}
        await eventually(lambda: visits(it, OLD) == SERVED, what="the apps do not answer on the Muscle that goes")
        async with it.app() as app, client_of(app, says_yes(OLD)) as client:
            said = await approved_in(app, client, "remove_muscle", **CALL)
        assert (said.outcome, {*said.checks.values()}) == ("applied", {"passed"}), said.text
        after = await anyio.to_thread.run_sync(seen, it)
        orders = {name: order(it, [uuid], name) for name, uuid in old.items()}
    assert after == AFTER
    assert orders == {"docs": "stopped, then started", "shop": "side by side"}


def has_arrived(it: Draining) -> bool:
    """Return whether some of the data, and not all of it, can be on the new Muscle by now."""
    volumes = Path(f"/proc/{it.new.init}/root/var/lib/docker/volumes")
    return any(volumes.glob("*-pages/_data/*"))


async def killed_in_the_copy(it: Draining) -> None:
    """Let a server process call remove_muscle, and kill it while a volume is on its way."""
    process = it.start()
    await eventually(lambda: has_arrived(it), what="no data comes", limit_s=LIFE_S)
    process.kill()
    assert await ended(process, within_s=LIFE_S) == -SIGKILL


@pytest.mark.long
async def test_a_drain_that_is_killed_again_and_again_loses_nothing(bed: Bed, tmp_path: Path, forks: None) -> None:
    """Process after process dies: while a volume is copied, after the switch, before Coolify forgets. The last
    one ends it: each app serves once, with all of its data.
    """
    large = f"{WITH_PAGES}\nhead -c {LARGE} /dev/urandom >random"
    with anyio.fail_after(LIMIT_S), draining(bed, tmp_path, fill=large) as it:
        await killed_in_the_copy(it)
        for death in (Moment("after", "coolify.switch_domains"), Moment("before", "coolify.delete_server")):
            await it.kill(death, calls=False)
        await it.succeed()
        after = await anyio.to_thread.run_sync(seen, it)
    assert (after, kept(tmp_path)) == (AFTER, [once(resumed=3)])
