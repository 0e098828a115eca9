"""Whether everybody comes to an app by its name: in a proof of deployment, in check_fleet, and below other names."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.apps.app import find_app
from ink_infra_mcp.areas.apps.named import Known, named
from ink_infra_mcp.areas.apps.web import web
from ink_infra_mcp.areas.machines.names import name_drifts
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import ink
from tests.tools.calls import app_named

pytestmark = pytest.mark.anyio

LIMIT_S = 120
ONE = "192.0.2.11"
HOST = "shop.s1.example.com"
Change = Callable[[WorldState], None]


def records(type: str, *values: str) -> Change:
    """Give the name of the app records of its own, beside its address."""

    def change(state: WorldState) -> None:
        own = {"A": [ONE], type: [ONE, *values] if type == "A" else [*values]}
        state.hetzner.zones[0].rrsets += [
            RRset(name="shop.s1", type=each, records=[Record(value=value) for value in given], ttl=60)
            for each, given in own.items()
        ]

    return change


def silent(state: WorldState) -> None:
    """Let no name server answer what browsers follow."""
    state.faults.append(Fault(system="dns", match="HTTPS ", kind="status", times=100))


@pytest.mark.parametrize(
    ("change", "proof", "found"),
    [
        (records("TXT", '"x"'), ("passed", f"{HOST} is {ONE}"), []),
        (records("HTTPS", "1 . alpn=h2"), ("passed", f"{HOST} is {ONE}"), []),
        (
            records("A", "203.0.113.9"),
            ("failed", f"{HOST} should be {ONE}; seen: {ONE}, 203.0.113.9"),
            [("high", f"{HOST} leads elsewhere", f"shop: it leads to {ONE}, 203.0.113.9")],
        ),
        (
            records("HTTPS", "0 cdn.example.net."),
            ("failed", f"{HOST} is {ONE}, but browsers follow its HTTPS record (0 cdn.example.net.)"),
            [
                (
                    "high",
                    f"browsers do not come to {HOST}",
                    "shop: browsers follow its HTTPS record (0 cdn.example.net.)",
                )
            ],
        ),
        (
            silent,
            ("skipped", f"not looked at: whether {HOST} has an HTTPS record, which browsers follow; {HOST} is {ONE}"),
            [
                (
                    "warning",
                    f"whether browsers follow an HTTPS record of {HOST} is not known: no name server answers",
                    "shop",
                )
            ],
        ),
    ],
    ids=["a text", "harmless", "another address", "another place", "not told"],
)
async def test_a_name_is_right_only_where_everybody_comes_to_its_muscle(
    tmp_path: Path, change: Change, proof: tuple[str, str], found: list[tuple[str, str, str]]
) -> None:
    """Neither is an address beside another one, nor an HTTPS record that leads elsewhere, nor what nobody tells."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it:
            look = it.app.look
            app = await find_app(look, "shop")
            dns = (await web(look, "muscle-1", f"https://{HOST}"))[0]
            drifts = [drift async for drift in name_drifts(look, app, f"https://{HOST}", {})]
    assert (dns.status, dns.evidence) == proof
    assert [(one.severity, one.what, one.evidence) for one in drifts if one.code.startswith("dns")] == found


def deeper(state: WorldState) -> None:
    """Give an app of the first Muscle a name two labels below its wildcard, and another one one label below it."""
    app_named(state, "shop").columns["fqdn"] = "https://b.a.s1.example.com,https://c.s1.example.com"


@pytest.mark.parametrize(
    ("server", "set_"),
    [("muscle-2", {"b.a.s1.example.com": "shop", "a.s1.example.com": "web"}), ("muscle-1", {})],
)
async def test_a_name_that_gets_records_takes_the_wildcard_from_no_other_app(
    tmp_path: Path, server: str, set_: dict[str, str]
) -> None:
    """A name of another app that the wildcard leads, below one that gets records, gets its own in the same plan; where
    the wildcard leads both, nothing is set.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=deeper) as it:
            names = await named(it.app.look, Known("web", "", server), leads=("a.s1.example.com",))
    found = {step.target: step.apps[0] for step in names.leading if not step.reads}
    assert list(found.items()) == list(set_.items())
    assert (names.leaving, names.notes) == ((), ())


async def test_the_names_below_one_that_an_app_loses_are_left_to_their_apps(tmp_path: Path) -> None:
    """What is another app's is neither set nor taken away when the name above it goes."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=deeper) as it:
            names = await named(it.app.look, Known("web", "", "muscle-2"), leaves=("a.s1.example.com",))
    assert (names.leading, names.leaving, names.notes) == ((), (), ())
