"""Names of apps below the fleet's domain, as deploy_app, move_app and delete_app keep them, over the pretend world."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Said, app_named, call, deploy, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 165
Change = Callable[[WorldState], None]
ONE, TWO = ("192.0.2.11", "2001:db8:0:2::1"), ("192.0.2.12", "2001:db8:0:3::1")
HOST = "web.example.com"
COMPOSE = "services:\n  web:\n    image: registry.example.com/web:1\n    expose: ['80']\n"
IMAGE = {"image": "registry.example.com/web:1", "muscle": "muscle-1"}


def held(it: Ink, name: str = "web") -> tuple[str, ...]:
    """Return the values that a name has in the zone."""
    (zone,) = it.state.hetzner.zones
    return tuple(v.value for r in zone.rrsets if r.name == name for v in r.records)


def ran(said: Said) -> list[str]:
    """Return the ids of the steps that ran."""
    return [step["id"] for step in said.data["steps"]]


async def test_a_compose_app_is_proved_as_it_runs_when_only_its_record_was_lost(tmp_path: Path) -> None:
    """The same for an app of another kind: its services are looked at, too."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            asked = {"name": "web", "compose": COMPOSE, "muscle": "muscle-1", "domain": HOST}
            await deploy(client, **asked)
            forget(it)
            said = await deploy(client, **asked)
            there = held(it)

    assert (said.outcome, there) == ("applied", ONE), said.text
    assert ran(said) == ["dns_app1_a", "dns_app1_aaaa", "dns_prove", "prove_isolation"]
    assert (said.checks["isolation"], said.checks["dns"]) == ("passed", "passed")


def forget(it: Ink) -> None:
    """Lose the records of the name."""
    with it.world.change() as state:
        (zone,) = state.hetzner.zones
        zone.rrsets = [r for r in zone.rrsets if r.name != "web"]


async def test_a_name_lives_and_goes_with_its_app(tmp_path: Path) -> None:
    """It leads to the Muscle before the app comes up there, needs nothing the second time, and goes with the app."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client, it.client(says_yes("web")) as deleting:
            made = await deploy(client, name="web", **IMAGE, domain=HOST)
            there = held(it)
            again = await deploy(client, name="web", **IMAGE, domain=HOST)
            gone = await call(deleting, "delete_app", app="web", wait_s=60)
            after, lost = held(it), unknown(it)

    assert (made.outcome, there, made.checks["dns"]) == ("applied", ONE, "passed"), made.text
    steps = ran(made)
    assert steps.index("dns_prove") < steps.index("deploy")
    assert (again.outcome, gone.outcome, after, lost) == ("already_so", "applied", (), []), gone.text


async def test_a_lost_record_alone_is_set_again_without_touching_the_app(tmp_path: Path) -> None:
    """Only the records change, and the app is proved as it runs."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="web", **IMAGE, domain=HOST)
            forget(it)
            said = await deploy(client, name="web", **IMAGE, domain=HOST)
            there = held(it)

    assert (said.outcome, there) == ("applied", ONE), said.text
    assert ran(said) == ["dns_app1_a", "dns_app1_aaaa", "dns_prove", "prove_isolation"]
    assert (said.checks["isolation"], said.checks["dns"]) == ("passed", "passed")


async def test_a_name_that_an_app_loses_leads_nowhere_of_ours(tmp_path: Path) -> None:
    """The new name is set before the app is rolled out, the old one is taken away after it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="web", **IMAGE, domain=HOST)
            said = await deploy(client, name="web", **IMAGE, domain="new.example.com")
            there = (held(it), held(it, "new"))

    assert (said.outcome, there) == ("applied", ((), ONE)), said.text
    steps = ran(said)
    assert steps.index("dns_prove") < steps.index("deploy") < steps.index("old_dns_app1_a_away")


async def test_what_a_failed_deployment_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Coolify has forgotten the old name by then; our own record has not."""

    def fails(state: WorldState) -> None:
        state.faults.append(Fault(system="coolify", match="POST /api/v1/deploy", kind="status", status=400, times=1))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="web", **IMAGE, domain=HOST)
            with it.world.change() as state:
                fails(state)
            failed = await deploy(client, name="web", **IMAGE, domain="new.example.com")
            between = held(it)
            with it.world.change() as state:
                state.faults = []
            said = await deploy(client, name="web", **IMAGE, domain="new.example.com")
            there = (held(it), held(it, "new"))

    assert (failed.outcome, between) == ("failed", ONE), failed.text
    assert (said.outcome, there) == ("applied", ((), ONE)), said.text


def shared(state: WorldState) -> None:
    """Let an app on muscle-2 have the name, too."""
    app_named(state, "docs").columns["fqdn"] = "https://docs.s2.example.com,https://web.example.com"
    (zone,) = state.hetzner.zones
    zone.rrsets.append(RRset(name="web", type="A", records=[Record(value=TWO[0])], ttl=60))


async def test_a_name_that_another_app_has_is_not_taken_away_from_it(tmp_path: Path) -> None:
    """An app that loses the name, or goes, leaves the record to the other one."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client, it.client(says_yes("web")) as deleting:
            await deploy(client, name="web", **IMAGE, domain=HOST)
            with it.world.change() as state:
                (zone,) = state.hetzner.zones
                zone.rrsets = [r for r in zone.rrsets if r.name != "web"]
                shared(state)
            moved = await deploy(client, name="web", **IMAGE, domain="new.example.com")
            after_moving = held(it)
            gone = await call(deleting, "delete_app", app="web", wait_s=60)
            there = (held(it), held(it, "new"))

    assert (moved.outcome, after_moving) == ("applied", TWO[:1]), moved.text
    assert (gone.outcome, gone.checks["records"], there) == ("applied", "passed", (TWO[:1], ())), gone.text


async def test_records_that_could_not_be_asked_for_go_with_the_same_call(tmp_path: Path) -> None:
    """With Hetzner's DNS down the app goes, the result says what was not looked at, and the next call ends it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client, it.client(says_yes("web")) as deleting:
            await deploy(client, name="web", **IMAGE, domain=HOST)
            with it.world.change() as state:
                silent(state)
            gone = await call(deleting, "delete_app", app="web", wait_s=60)
            between = held(it)
            with it.world.change() as state:
                state.faults = []
            again = await call(client, "delete_app", app="web", wait_s=60)
            after = held(it)
            last = await call(client, "delete_app", app="web")

    assert (gone.outcome, gone.checks["records"], between) == ("applied", "skipped", ONE), gone.text
    assert "Not looked at: records." in gone.text
    assert (again.outcome, again.checks.get("records"), after) == ("applied", "passed", ()), again.text
    assert last.outcome == "already_so"


async def test_a_name_that_leads_elsewhere_is_told_where_all_else_is_so(tmp_path: Path) -> None:
    """Nothing is to be done, and the answer does not say that all is well."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=foreign) as it, it.client(says_yes()) as client:
            await deploy(client, name="web", **IMAGE, domain=HOST)
            said = await deploy(client, name="web", **IMAGE, domain=HOST)

    assert said.outcome == "already_so"
    assert "But: web.example.com leads to 203.0.113.9 by records that are not ours, and is left alone" in said.text


async def test_every_name_of_an_app_is_proved(tmp_path: Path) -> None:
    """A second one that leads nowhere is not as promised; once it leads there, it is."""

    def with_two(state: WorldState) -> None:
        app_named(state, "shop").columns["fqdn"] = "https://shop.s1.example.com,https://www.example.org/shop"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=with_two) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="shop", memory="1g")

    assert (said.outcome, said.checks["dns"], said.checks["other names"]) == ("applied_unverified", "passed", "failed")
    assert "www.example.org should be 192.0.2.11; seen: no such name" in said.text


async def test_a_name_follows_its_app_to_another_muscle(tmp_path: Path) -> None:
    """It leads there once the copy has the name, and the old app serves those who remember the old answer."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            await deploy(client, name="shop", domain="shop.example.com")
            said = await call(client, "move_app", app="shop", to="muscle-2", wait_s=60)
            there = held(it, "shop")

    assert (said.outcome, there, said.checks["dns"]) == ("applied", TWO, "passed"), said.text
    steps = ran(said)
    assert steps.index("switch") < steps.index("dns_app1_a")
    assert "retire" not in steps
    asked = " ".join(person.asked[-1].replace("...", "").split())
    assert "shop.example.com leads to 192.0.2.12 once its records are set" in asked


def foreign(state: WorldState) -> None:
    """Let the name lead to somebody else."""
    (zone,) = state.hetzner.zones
    zone.rrsets.append(RRset(name="web", type="A", records=[Record(value="203.0.113.9")], ttl=3600))


def silent(state: WorldState) -> None:
    """Let Hetzner's DNS be down."""
    state.faults.append(Fault(system="hetzner", match="GET /v1/zones", kind="status", status=503, times=100_000))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (foreign, "web.example.com leads to 203.0.113.9 by records that are not ours, and is left alone"),
        (silent, "the records of web.example.com are left as they are:"),
    ],
    ids=["somebody else's", "no answer"],
)
async def test_what_cannot_be_kept_is_told_and_left_alone(tmp_path: Path, trouble: object, told: str) -> None:
    """The app is deployed, the plan says what is left, and the proof of the name does not pass."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=trouble) as it, it.client(person) as client:  # pyright: ignore[reportArgumentType]
            said = await deploy(client, name="web", **IMAGE, domain=HOST)
            there = held(it)

    assert told in " ".join(person.asked[-1].replace("...", "").split())
    assert (there, said.checks["dns"]) == (("203.0.113.9",) if trouble is foreign else (), "failed"), said.text


def led_past(state: WorldState) -> None:
    """Let browsers follow something else than the address, which is right."""
    (zone,) = state.hetzner.zones
    zone.rrsets.append(RRset(name="web", type="A", records=[Record(value=ONE[0])], ttl=60))
    zone.rrsets.append(RRset(name="web", type="HTTPS", records=[Record(value="0 cdn.example.net.")], ttl=60))


def not_told(state: WorldState) -> None:
    """Let nobody answer what browsers follow."""
    state.faults.append(Fault(system="dns", match="HTTPS ", kind="status", times=100))


@pytest.mark.parametrize(
    ("trouble", "status", "told"),
    [
        (
            led_past,
            "failed",
            "web.example.com is 192.0.2.11, but browsers follow its HTTPS record (0 cdn.example.net.)",
        ),
        (not_told, "skipped", "not looked at: whether web.example.com has an HTTPS record, which browsers follow"),
    ],
)
async def test_a_name_is_proved_by_what_browsers_follow_too(
    tmp_path: Path, trouble: Change, status: str, told: str
) -> None:
    """The right address is no proof where an HTTPS record leads browsers past it, nor where that is not known."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=trouble) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="web", **IMAGE, domain=HOST)

    assert (said.checks["dns"], told in said.text) == (status, True), said.text
