"""First contact: on a machine with nothing but Python, make and git, README's own commands lead to a proved app."""

import time
from collections.abc import Callable

import pytest

from tests.lab.ground.site import Site
from tests.lab.newcomer import ORIGIN, Fresh, fresh, told

CLONE = f"git clone --quiet {ORIGIN} ink-infra-mcp"
LIMIT_S = 180
Way = Callable[[Fresh], None]
Tell = Callable[[str, object], None]


def by_make(machine: Fresh) -> None:
    """Clone, and let make do the rest: the demo deploys an app and says of each proof whether it passed."""
    seen = machine.run(f"{CLONE}\ncd ink-infra-mcp\n{told('make demo')}")
    assert "Demo: all as promised." in seen, seen
    assert "https://hello." in seen, seen


def by_hand(machine: Fresh) -> None:
    """Clone, install into an environment of one's own, deploy at a terminal, say yes, and find the app."""
    machine.run(
        f"{CLONE}\ncd ink-infra-mcp\npython3 -m venv /root/mine\n. /root/mine/bin/activate\n{told('pip install')}"
    )
    mine = "PATH=/root/mine/bin:$PATH"
    with machine.at_terminal(f"{mine} {told('ink-infra-mcp call --sandbox deploy_app')}") as terminal:
        terminal.expect("Approve this plan?")
        terminal.type("y")
        assert terminal.end() == 0, terminal.seen
    listed = machine.run(f"{mine} {told('ink-infra-mcp call --sandbox list_apps')}")
    [hello] = [line.split() for line in listed.splitlines() if line.split()[0] == "hello"]
    assert hello == ["hello", "muscle-2", "hello.s2.example.com", "running", "runsc", "512m/1"]


def seconds(site: Site, way: Way) -> float:
    """Return how long a way took, from the clone to the proved app, on a machine of its own."""
    with fresh(site) as machine:
        began = time.monotonic()
        way(machine)
        return time.monotonic() - began


WAYS = pytest.mark.parametrize("way", [by_make, by_hand], ids=["make", "by hand"])


@WAYS
@pytest.mark.timeout(900)
def test_a_newcomer_gets_from_a_clone_to_a_proved_app(ground_here: Site, way: Way, record_property: Tell) -> None:
    """With README alone, nothing of ours beforehand, and packages from where pip gets them; the time is told."""
    took = seconds(ground_here, way)
    record_property("first contact", f"from `git clone` to a proved app, {way.__name__}: {took:.1f} s")


@WAYS
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_newcomer_needs_less_than_three_minutes(ground_here: Site, way: Way) -> None:
    """On a machine and a line that are nobody else's; where others work too only the time is told, above."""
    assert seconds(ground_here, way) < LIMIT_S


def test_a_command_that_readme_does_not_tell_is_not_made_up() -> None:
    """What is run is what a reader copies, code over two lines included; none, or two that differ, is an error."""
    text = "Say `make\n  demo`, then:\n```sh\nmake test    # all of it\n```\n`make demo` again, `make demo-two` never."
    assert [told("make test", text=text), told("make demo-", text=text)] == ["make test", "make demo-two"]
    for wrong in ("make demo", "make check"):
        with pytest.raises(LookupError, match=r"README tells [02] commands"):
            told(wrong, text=text)
