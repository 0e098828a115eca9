"""add_muscle refuses what cannot become a Muscle, before anything is changed, bought or sent."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset, Server
from tests.clock import FakeClock
from tests.ink import Ink, ink
from tests.tools.arrivals import ADDRESS, GIB, NAME, Change, all_of, bare, bought, existing, vendors
from tests.tools.calls import call

pytestmark = pytest.mark.anyio
LIMIT_S = 150


def foreign(state: WorldState) -> None:
    """Let somebody else's server have a name."""
    state.hetzner.servers.append(
        Server(id=99, name="s9", server_type="cx53", location="fsn1", created=0.0, ipv4="203.0.113.99")
    )


def led_elsewhere(state: WorldState) -> None:
    """Let a wildcard lead to a server that nobody here knows."""
    state.hetzner.zones[0].rrsets.append(RRset(name="*.s8", type="A", records=[Record(value="203.0.113.200")]))


WORLD: Change = all_of(
    bare(),
    bare("small", "198.51.100.42", memory_bytes=2 * GIB),
    bare("old", "198.51.100.43", os_version="11"),
    bare("s8", "198.51.100.44"),
    bare("shut", "198.51.100.45", logins={"keys": []}),
    foreign,
    led_elsewhere,
)


def refused(it: Ink) -> dict[str, tuple[dict[str, Any], str]]:
    """Return what is refused, each with the words that say why."""
    other = it.ends.host_keys["spare-small"]
    taken = {**existing(it, NAME), "names": ["muscle-1"]}
    return {
        "sold out": (
            bought("s7", location="hel1"),
            "so s7 cannot be bought. Nothing was changed. Instead: cx53 at fsn1 for ",
        ),
        "not sold": (bought("s7", server_type="cx99"), "cx99 is not sold at fsn1"),
        "over budget": ({**bought("s7"), "max_monthly_eur": 1}, "EUR a month; max_monthly_eur is 1."),
        "somebody's": (
            bought("s9"),
            "A server called s9 is in the project already (99, cx53, 203.0.113.99), and we did",
        ),
        "other print": (
            existing(it, NAME, host_key=fingerprint_of(other)),
            f"{NAME} at {ADDRESS} shows the host key {fingerprint_of(it.ends.host_keys[f'spare-{NAME}'])}, not "
            f"{fingerprint_of(other)}. Nothing was sent to it.",
        ),
        "other key": (existing(it, NAME, host_key=other), f"{NAME} at {ADDRESS} port 22 shows host key"),
        "too small": (existing(it, "small"), "small cannot be a Muscle: small has 2 GiB of memory"),
        "too old": (existing(it, "old"), "old cannot be a Muscle: old runs debian 11"),
        "no way in": (existing(it, "shut"), "shut at 198.51.100.45 port 22 does not accept our SSH key for user root"),
        "no secret": (existing(it, "shut", root_login="NOBODY_HAS_IT"), "NOBODY_HAS_IT"),
        "led elsewhere": (existing(it, "s8"), "203.0.113.200"),
        "the Factory": ({**existing(it, NAME), "names": ["factory"]}, "factory is in the fleet, and no Muscle"),
        "another's name": (taken, f"muscle-1 is in the fleet already, at 192.0.2.11, not at {ADDRESS}"),
        "twice": ({**existing(it, NAME, "small"), "names": ["s7", "s7"]}, "each name once"),
        "too few": ({**existing(it, NAME), "names": ["s6", "s7"]}, "give as many machines as names"),
        "domains": ({**bought("s6", "s7"), "domains": ["a.example.com"]}, "as many domains as names"),
    }


async def test_what_cannot_be_a_muscle_is_refused_with_its_reason_and_left_alone(tmp_path: Path) -> None:
    """Sold out with what there is instead, over the budget, somebody else's, shown by another key, too small: one
    sentence each; no plan waits for a yes, and not one write has reached a vendor or a server.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=WORLD, clock=FakeClock()) as it, it.client() as client:
            cases, before = refused(it), vendors(it.state)
            said = {name: await call(client, "add_muscle", **arguments) for name, (arguments, _) in cases.items()}
            after, journal = vendors(it.state), it.journal

    for name, (_, words) in cases.items():
        assert words in said[name].text, (name, said[name].text[:600])
        assert said[name].outcome in {"", "refused"}, name
    assert (after, journal) == (before, [])
