"""An app without a public address is proved from where the operator says, or its proofs are skipped with the reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.areas.apps.web import web
from ink_infra_mcp.clients.probe import Probe
from ink_infra_mcp.core.fleet import Access, Fleet
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.areas.apps.test_proofs import evidence
from tests.clock import FakeClock
from tests.ink import ink, says_yes
from tests.tools.calls import Said, deploy, unknown

IMAGE: dict[str, Any] = {"image": "registry.example.com/web:1", "port": 80, "muscle": "muscle-1"}
INSIDE = "10.250.0.11"
HOST = "web.s1.internal"


def private(state: WorldState) -> None:
    """Let the first Muscle have a private address only, for Coolify and for us, and the Factory know a name."""
    state.hosts["muscle-1"].address = INSIDE
    state.hosts["factory"].names[HOST] = [INSIDE]
    server = next(s for s in state.coolify.servers if s.name == "muscle-1")
    server.ip = INSIDE


def fleet(proof_from: str, *, domain: str = "s1.internal") -> Callable[[Fleet], Fleet]:
    """Return what names the apps of the first Muscle, and from where they are proved."""

    def changed(now: Fleet) -> Fleet:
        muscles = tuple(
            m.model_copy(update={"wildcard_domain": domain}) if m.name == "muscle-1" else m for m in now.muscles
        )
        access = Access(admin=now.access.admin, proof_from=proof_from)
        return now.model_copy(update={"muscles": muscles, "access": access})

    return changed


async def deployed(folder: Path, proof_from: str, change: Callable[[WorldState], None] = private) -> Said:
    """Deploy one app in a private world; the pretend servers must have known every command."""
    with anyio.fail_after(90):
        async with (
            ink(folder, change_world=change, change_fleet=fleet(proof_from)) as it,
            it.client(says_yes()) as client,
        ):
            said = await deploy(client, name="web", **IMAGE)
            assert unknown(it) == []
    return said


@pytest.mark.anyio
async def test_a_private_app_is_applied_with_its_outer_proofs_skipped(tmp_path: Path) -> None:
    """Deployment and isolation are proved; name, certificate and answer are skipped, and the reason is said."""
    said = await deployed(tmp_path, "")

    assert said.outcome == "applied", said.text
    assert said.checks == {
        "deployment": "passed",
        "isolation": "passed",
        "variables": "passed",
        "dns": "skipped",
        "tls": "skipped",
        "http": "skipped",
    }
    for name in ("dns", "tls", "http"):
        assert evidence(said, name) == "not looked at: no public DNS serves names that end in .internal"
    assert "done, and proved. Not looked at: dns, tls, http." in said.text


@pytest.mark.anyio
async def test_a_private_app_is_proved_from_the_server_that_the_operator_names(tmp_path: Path) -> None:
    """The named server asks its own DNS, and visits the app with its certificate judged there."""
    said = await deployed(tmp_path, "factory")

    assert (said.outcome, set(said.checks.values())) == ("applied", {"passed"}), said.text
    assert evidence(said, "dns") == f"{HOST} is {INSIDE} (from factory)"
    assert evidence(said, "tls") == "factory trusts the certificate"
    assert evidence(said, "http") == f"GET https://{HOST} (from factory) answers 200"


@pytest.mark.anyio
async def test_a_certificate_that_the_named_server_refuses_is_not_called_proved(tmp_path: Path) -> None:
    """What stands behind it is looked at all the same, so that only the certificate is to blame."""

    def self_signed(state: WorldState) -> None:
        private(state)
        state.hosts["muscle-1"].self_signed = True

    said = await deployed(tmp_path, "factory", self_signed)

    assert (said.outcome, said.checks["tls"], said.checks["http"]) == ("applied_unverified", "failed", "passed")
    why = "curl: (60) SSL certificate problem: self-signed certificate"
    assert evidence(said, "tls") == f"certificate not trusted (from factory): {why}"


@pytest.mark.anyio
@pytest.mark.parametrize("program", ["curl", "getent"])
async def test_a_server_that_cannot_look_skips_the_proofs_and_says_what_it_lacks(tmp_path: Path, program: str) -> None:
    """Without the program nothing is known: skipped, never passed and never failed."""

    def bare(state: WorldState) -> None:
        private(state)
        state.hosts["factory"].without = [program]

    said = await deployed(tmp_path, "factory", bare)

    assert (said.outcome, said.checks["http"], said.checks["tls"]) == ("applied", "skipped", "skipped")
    assert evidence(said, "http").endswith(f"; {program} is not on factory")


@pytest.mark.anyio
async def test_a_private_app_that_does_not_answer_the_named_server_is_not_called_proved(tmp_path: Path) -> None:
    """A proxy that is down, and a name that the server does not know, each fail their own proof."""

    def broken(state: WorldState) -> None:
        private(state)
        state.hosts["factory"].names = {}
        proxy = next(c for c in state.hosts["muscle-1"].containers if c.name == "coolify-proxy")
        proxy.state = "exited"

    said = await deployed(tmp_path, "factory", broken)

    assert (said.outcome, said.checks["dns"], said.checks["http"]) == ("applied_unverified", "failed", "failed")
    assert evidence(said, "dns") == f"{HOST} should be {INSIDE}; seen (from factory): no such name"
    assert f"GET https://{HOST} (from factory): curl: (7)" in evidence(said, "http")


@pytest.mark.anyio
async def test_a_private_app_is_proved_from_here_where_the_operator_says_so(tmp_path: Path) -> None:
    """`here` lets this machine visit the private address; its resolver does not know the name, and says so."""
    said = await deployed(tmp_path, "here")

    assert (said.outcome, said.checks["dns"], said.checks["http"]) == ("applied_unverified", "failed", "passed")
    assert evidence(said, "dns") == f"{HOST} should be {INSIDE}; seen: no such name"


@pytest.mark.anyio
async def test_a_name_that_leads_inside_past_a_public_server_is_still_wrong(tmp_path: Path) -> None:
    """What is known to be wrong is never skipped: the record leads to an address that is not the Muscle's."""

    def astray(state: WorldState) -> None:
        zone = state.hetzner.zones[0]
        for held in (zone.rrsets, zone.served):
            held.append(RRset(name="web.s1", type="A", records=[Record(value="10.0.0.77")], ttl=300))

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=astray) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="web", **IMAGE)

    assert (said.outcome, said.checks["dns"], said.checks["http"]) == ("applied_unverified", "failed", "skipped")
    assert evidence(said, "dns") == "web.s1.example.com should be 192.0.2.11; seen: 10.0.0.77"


@pytest.mark.anyio
async def test_a_verdict_that_no_waiting_can_change_ends_the_waiting(tmp_path: Path) -> None:
    """An address that we never visit stays one: it is said at once, and not after a minute."""
    clock = FakeClock()
    with anyio.fail_after(90):
        async with ink(tmp_path) as it:
            unreachable = replace(it.app.look, probe=Probe(), clock=clock)
            checks = await web(unreachable, "muscle-1", "https://shop.s1.example.com")

    assert [(check.name, check.status) for check in checks] == [
        ("dns", "passed"),
        ("tls", "failed"),
        ("http", "failed"),
    ]
    assert checks[-1].evidence.endswith("192.0.2.11 is not a public address")
    assert clock.slept == []


@pytest.mark.anyio
async def test_the_named_server_that_is_away_skips_the_proofs(tmp_path: Path) -> None:
    """Not being able to look is no verdict on the app; the reason names the server."""

    def away(state: WorldState) -> None:
        private(state)
        state.faults.append(Fault(system="ssh", match="getent", kind="status", status=1, times=100))

    said = await deployed(tmp_path, "factory", away)

    assert (said.outcome, said.checks["http"]) == ("applied", "skipped")
    assert "factory cannot resolve names (exit status 1)" in evidence(said, "http")
