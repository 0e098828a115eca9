"""The steps at a provider's firewall say all that they change."""

from dataclasses import replace

import pytest

from ink_infra_mcp.areas.ports.provider_steps import provider_steps
from ink_infra_mcp.core.firewall.robot import RobotFirewall
from tests.areas.ports.test_ground import ground


@pytest.mark.parametrize(("before", "said"), [(True, "let in"), (False, "not let in by themselves")])
def test_a_robot_firewall_says_its_options_before_and_after(before: bool, said: str) -> None:
    """Whether IPv6 is filtered, and whether Hetzner's own services pass beside the rules: both may be changed."""
    of = ground("open")
    now = RobotFirewall(server_number=2100321, status="active", whitelist_hos=before)
    (step,) = provider_steps(replace(of, front=replace(of.front, robot=now, robot_before={})), ())
    first, then = (str(text).partition(";")[0] for text in (step.before, step.after))
    assert (first, then) == (
        f"active, IPv6 not filtered, Hetzner's own services {said}",
        "active, IPv6 filtered, Hetzner's own services let in",
    )
