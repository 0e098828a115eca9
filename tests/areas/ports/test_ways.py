"""Where packets really go on a Linux host, recorded: what is computed is what connects came to, and never closed."""

import pytest

from ink_infra_mcp.areas.ports.knocks import computed
from tests.areas.ports.recorded_ways import NAMES, connects, ground_for, network

UNTOLD = {
    ("a_filter_first_at_one_priority", 8090): "either of two chains may come first",
    ("translation_first_at_one_priority", 8090): "either of two chains may come first",
    ("two_translations_of_one_priority", 8090): "either of two chains may come first",
    ("headers_that_are_rewritten", 8081): "headers are rewritten on the way in",
    ("headers_that_are_rewritten", 9100): "headers are rewritten on the way out",
    ("a_transparent_proxy", 8095): "a listener takes what was for another port",
    ("sent_to_another_device", 9200): "it leaves by another device",
    ("states_before_there_are_any", 9200): "before conntrack a packet has no state",
    ("states_before_there_are_any", 9201): "before conntrack a packet has no state",
    ("a_card_in_a_bridge", 9101): "which port of the bridge it came in by is not told",
}
"""Ports of which the rules do not tell, each with the reason; everything else is told, and right."""


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_of_a_world_is_what_connects_came_to(name: str) -> None:
    """Open is a connect that came through, closed one that did not, and what cannot be told is called unknown."""
    ground = ground_for(network(name))
    told = {(each.address, each.port): str(computed(ground, each)) for each in connects(name)}
    assert told == {
        (each.address, each.port): "unknown"
        if (name, each.port) in UNTOLD
        else ("open" if each.answer == "open" else "closed")
        for each in connects(name)
    }
