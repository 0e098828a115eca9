"""check_firewall and apply_firewall behind a provider's firewall whose emulated API is put into force by real rules."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from ink_infra_mcp.areas.ports.knocks import Knocked
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.tools.check_firewall import Args, CheckFirewall, Report
from tests.ink import data, says_yes, text
from tests.lab.bed import Bed
from tests.lab.broken import break_
from tests.lab.chosen import chosen
from tests.lab.connects import met
from tests.lab.ground.lab import Lab
from tests.lab.ground.places import open_from
from tests.lab.open_ssh import goes_on, open_ssh
from tests.lab.provider_bed import NAME, Front, dedicated, fronted
from tests.lab.provider_cases import CLOUD_CASES, PORTS, RANGE, ROBOT_CASES, WORLD, begun, broad, half_way, open_server
from tests.lab.provider_rules import NOTHING_PASSES, Wall
from tests.lab.tools_bed import client_of

pytestmark = pytest.mark.anyio

LIMIT_S = 300
HARMLESS = {"one_layer_deep", "no_listener"}
OF_ROBOT = {WORLD, "IPv6 is not filtered", "only some answers may leave", "a discard before an accept"}
OF_CLOUD = {"no firewall", "two that add up", "443 is missing"}
"""Those that run at every change."""
BY_ROBOT, IN_CLOUD, BY_BOTH = (
    pytest.mark.parametrize("front", kinds, indirect=True) for kinds in (["robot"], ["cloud"], ["robot", "cloud"])
)
SERVED = {22: {"admin", "factory"}, 80: {"admin", "factory", "outside", "muscle-1"}}
SERVED[443] = SERVED[80]
TRIED: list[Wall | None] = []
"""Rules of the kernel behind which all connects have been tried: the same rules again do the same."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Let what is open for the whole module live in one event loop."""
    return "asyncio"


@pytest.fixture(scope="module")
def behind(lab: Lab) -> Iterator[Bed]:
    """Give the lab with a server whose public side nothing closes: only what stands in front of it is changed."""
    bed = Bed(lab)
    break_(lab.site, bed.fresh(NAME), open_server(bed))
    yield bed
    bed.tidy()


@pytest.fixture(scope="module")
async def front(
    behind: Bed, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Front]:
    """Give the product with that kind of provider in front of the server."""
    async with fronted(behind, tmp_path_factory.mktemp("front"), request.param) as it:
        yield it


async def applied(front: Front, layers: str = "provider") -> tuple[dict[str, Any], str]:
    """Return the receipt of apply_firewall, or its error as the outcome, and what the person was asked."""
    person = says_yes()
    async with client_of(front.app, person) as client:
        call = {"server": NAME, "layers": layers, "wait_s": LIMIT_S}
        answer = await client.call_tool("apply_firewall", call)
        return data(answer) or {"outcome": text(answer)}, " ".join(" ".join(person.asked).replace("... ", "").split())


async def checked(front: Front) -> Report:
    """Return what check_firewall says of the server."""
    return await CheckFirewall().observe(Args(server=NAME), front.app.look)


def beyond_policy(front: Front, seen: list[Knocked]) -> list[str]:
    """Return the connects that policy wants otherwise; whom Robot cannot tell from all, it lets in nowhere."""
    unsayable = front.switch.kind == "robot"
    return [
        f"{k.origin} -> {k.address}:{k.port}: {k.answer}"
        for k in seen
        if (k.answer == "open")
        != (k.origin in SERVED.get(k.port, set()) and not (unsayable and k.port == 22 and ":" in k.address))
    ]


def rules_of(front: Front) -> str:
    """Return all rules that the server itself has loaded."""
    return front.bed.lab.server(NAME).say("nft", "-s", "list", "ruleset")


async def told_and_mended(front: Front, way: str) -> None:
    """Fail unless what is told is true, before and after, and what is applied is policy, once and lastingly."""
    kind, server = front.switch.kind, front.bed.lab.site.machines[NAME]
    begun(front, way)
    with anyio.fail_after(LIMIT_S), open_ssh(front.bed.lab.site, "admin", server.ipv4) as kept:
        assert (await met(front.bed, front.app, NAME, PORTS))[1] == []
        went_out = goes_out(front)
        first, asked = await applied(front)
        written = front.written
        again, none_asked = await applied(front)
        assert goes_on(kept)
        assert (first["outcome"], again["outcome"]) == ("applied", "already_so"), (first, again)
        assert (bool(asked), none_asked, bool(written), front.written) == (True, "", True, written)
        assert goes_out(front) == (["open", "open"] if kind == "robot" else went_out)
        if front.switch.walls[-1] not in TRIED:
            await is_policy(front)
            TRIED.append(front.switch.walls[-1])


def goes_out(front: Front) -> list[str]:
    """Return what connects of the server itself come to, over both families."""
    factory = front.bed.lab.site.machines["factory"]
    return [front.bed.connect(NAME, address, 22) for address in (factory.ipv4, factory.ipv6)]


async def is_policy(front: Front) -> None:
    """Fail unless what is in front of the server now makes of it what policy says, and is told as it is."""
    seen, wrong = await met(front.bed, front.app, NAME, PORTS)
    assert (wrong, beyond_policy(front, seen)) == ([], [])
    assert {f.code for f in (await checked(front)).findings} - HARMLESS == set()


@BY_ROBOT
@pytest.mark.parametrize("way", chosen(ROBOT_CASES, OF_ROBOT))
async def test_what_robot_lets_through_is_told_as_connects_see_it_and_mended(front: Front, way: str) -> None:
    """Each connect comes to what was computed; applied once the ports are policy's and an open connection lives, and
    the server's own connects get answers; applied twice nothing changes.
    """
    await told_and_mended(front, way)


@IN_CLOUD
@pytest.mark.parametrize("way", chosen(CLOUD_CASES, OF_CLOUD))
async def test_what_cloud_firewalls_let_through_is_told_as_connects_see_it_and_mended(front: Front, way: str) -> None:
    """Each connect comes to what was computed; applied once the ports are policy's and an open connection lives, and
    the server's own connects come to what they did before; applied twice nothing changes.
    """
    await told_and_mended(front, way)


@BY_BOTH
async def test_what_policy_closes_is_cut_where_the_provider_keeps_no_state(front: Front) -> None:
    """A connection that is open to a port which policy closes lives behind a Cloud firewall, and not behind Robot's."""
    site = front.bed.lab.site
    begun(front, {"robot": "disabled", "cloud": RANGE}[front.switch.kind])
    with anyio.fail_after(LIMIT_S), open_from(site, "outside", site.machines[NAME].ipv4, 8000) as kept:
        await applied(front)
        kept.settimeout(3)
        kept.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            answered = bool(kept.recv(64))
        except TimeoutError:
            answered = False
    assert answered == (front.switch.kind == "cloud")


@BY_BOTH
async def test_a_provider_s_rules_that_let_nobody_in_are_taken_back(front: Front) -> None:
    """Where what is in force is not what was asked for, the new connection fails; the old rules come back in front of
    the server and on it, an open connection lives, and the receipt says `undone`.
    """
    site = front.bed.lab.site
    begun(front, WORLD)
    before = (front.held, front.attached, rules_of(front))
    front.switch.faulty = lambda _: NOTHING_PASSES
    with anyio.fail_after(LIMIT_S), open_ssh(site, "admin", site.machines[NAME].ipv4) as kept:
        done, _ = await applied(front, "all")
        assert NOTHING_PASSES in front.switch.walls
        assert goes_on(kept)
    assert done["outcome"] == "undone", done
    states = {step["id"]: step["state"] for step in done["steps"]}
    change = {"robot": "set_robot", "cloud": "set_rules"}[front.switch.kind]
    assert {states[change], states["muscle_2_save"]} == {"undone"}, done
    assert (front.held, front.attached, rules_of(front)) == before
    assert front.switch.walls[-1] == front.switch.walls[0]
    assert front.bed.connect("outside", site.machines[NAME].ipv4, 22) == "open"


@BY_ROBOT
async def test_a_change_that_is_long_in_process_is_waited_for_and_sent_once(front: Front) -> None:
    """The new set counts when it is in force, and nothing else is sent while it is in process."""
    begun(front, WORLD)
    front.hold("robot POST", 170)
    with anyio.fail_after(LIMIT_S):
        done, _ = await applied(front)
    assert (done["outcome"], front.sent, len(front.written)) == ("applied", 1, 1), done


@BY_ROBOT
async def test_a_set_that_stays_in_process_is_put_back(front: Front) -> None:
    """Beyond what a step waits for, the old set is sent once Robot takes one again, and the receipt says `undone`."""
    begun(front, WORLD)
    before = front.held
    front.hold("robot POST", 250)
    with anyio.fail_after(LIMIT_S):
        done, _ = await applied(front)
    assert done["outcome"] == "undone", done
    assert {step["id"]: step["state"] for step in done["steps"]} == {"set_robot": "undone", "prove": "not begun"}
    assert (front.held, front.sent, len(front.written)) == (before, 2, 2)
    assert front.switch.walls[-1] == front.switch.walls[0]


@BY_ROBOT
async def test_a_firewall_that_somebody_else_changes_is_unknown_and_not_touched(front: Front) -> None:
    """While Robot applies another's set nothing is known of what passes, and nothing is planned."""

    def changed(state: WorldState) -> None:
        dedicated(state).ready_at = front.world.now(state) + 1000

    begun(front, WORLD)
    with front.world.change() as state:
        changed(state)
    with anyio.fail_after(LIMIT_S):
        report = await checked(front)
        refused, asked = await applied(front)
    assert (report.verdict, "unreadable_layer" in {f.code for f in report.findings}) == ("unknown", True)
    assert ("is being changed" in refused["outcome"], asked, front.sent) == (True, "", 0), refused


@IN_CLOUD
@pytest.mark.parametrize("replaced", [False, True], ids=["attached", "replaced"])
async def test_what_a_pending_firewall_will_do_is_unknown(front: Front, replaced: bool) -> None:
    """Until it is applied, its new rules are not in force, and the old ones are: nothing of both is told as known."""
    half_way(front, replaced=replaced)
    with anyio.fail_after(LIMIT_S):
        seen, wrong = await met(front.bed, front.app, NAME, PORTS)
        report = await checked(front)
    came = {port: {k.answer for k in seen if (k.origin, k.port) == ("outside", port)} for port in (443, 8000)}
    assert came == {443: {"silent"}, 8000: {"open" if replaced else "silent"}}
    assert wrong != []
    assert [words for words in wrong if "computed unknown" not in words] == []
    assert (report.verdict, "not_known" in {f.code for f in report.findings}) == ("unknown", True)


@IN_CLOUD
async def test_a_firewall_that_a_selector_binds_is_told_and_left(front: Front) -> None:
    """What opens more than policy and cannot be taken off one server is named in the plan, and the result unproved."""
    broad(front)
    with anyio.fail_after(LIMIT_S):
        done, asked = await applied(front)
        assert (await met(front.bed, front.app, NAME, PORTS))[1] == []
    assert "fw-1 opens more than policy and is bound by a label selector: change it by hand" in asked
    assert (done["outcome"], {c["name"]: c["status"] for c in done["checks"]}["closed ports"]) == (
        "applied_unverified",
        "failed",
    )
    assert set(front.attached) == {"fw-1", f"ink-{NAME}"}


@IN_CLOUD
@pytest.mark.parametrize(
    ("way", "act", "step"),
    [
        (WORLD, "actions/set_rules", "set_rules"),
        ("no firewall", "actions/apply_to_resources", "attach_firewall"),
        ("two that add up", "actions/remove_from_resources", "detach_1"),
    ],
)
async def test_a_cloud_change_that_does_not_come_to_an_end_is_taken_back(
    front: Front, way: str, act: str, step: str
) -> None:
    """Beyond what a step waits for, its own undo and those of the steps before it run, once Hetzner takes them."""
    begun(front, way)
    before = front.attached
    front.hold(act, 250)
    with anyio.fail_after(LIMIT_S):
        done, _ = await applied(front)
    states = {each["id"]: each["state"] for each in done.get("steps", [])}
    assert (done["outcome"], states.get(step)) == ("undone", "undone"), done
    front.clock.leapt_s += 1000
    assert front.attached == before
    assert front.switch.walls[-1] == front.switch.walls[0]
