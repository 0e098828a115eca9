"""What the list of tools costs a model: counted with a real tokenizer, and held by an estimate that always runs."""

import json
from collections.abc import Sequence

import pytest

from ink_infra_mcp.server.contracts import Contract
from tests.bench.__main__ import FOLDER as BENCH
from tests.bench.__main__ import costs
from tests.clients_matrix.nodes import packages_of
from tests.contract.catalog import NAMES, contracts

BUDGET = 5_200
"""Tokens (o200k) of names, descriptions and input schemas of the whole list, when all planned tools are there."""
MAX_TOOL = 350
MAX_ENTRIES = 600
MEAN = 160
"""What a tool may cost on the way there: beyond forty of them the budget above is the bar."""
BYTES_PER_TOKEN = 3.4
"""Fewer than each of these texts has (3.44 to 4.2, counted), so that the estimate is above the count."""
IN_ALL = 3.65
"""Fewer than several of them have together (3.71 the list, 3.67 the entries), for the same reason."""


def estimate(tools: Sequence[Contract]) -> float:
    """Return a number of tokens that these tools do not exceed."""
    texts = (json.dumps([tool["name"], tool["description"], tool["inputSchema"]]) for tool in tools)
    return sum(len(text.encode()) for text in texts) / (IN_ALL if len(tools) > 1 else BYTES_PER_TOKEN)


def test_the_list_fits_its_budget_by_estimate() -> None:
    """Every tool that the server ever shows, all at once, fits into the budget without a tokenizer to say so."""
    assert estimate([*contracts().values()]) <= min(BUDGET, MEAN * len(contracts()))


def test_what_is_shown_from_the_start_fits_its_share() -> None:
    """The ways in, which every session of a host with a tool search pays for, are few words."""
    shown = [contract for contract in contracts().values() if contract["_meta"].get("anthropic/alwaysLoad")]
    assert 0 < estimate(shown) <= MAX_ENTRIES


@pytest.mark.parametrize("name", NAMES)
def test_no_tool_takes_more_than_its_share(name: str) -> None:
    """One tool cannot use up the budget of all."""
    assert estimate([contracts()[name]]) <= MAX_TOOL


@pytest.mark.timeout(360)
def test_the_list_fits_its_budget_by_count() -> None:
    """The tokenizer counts no more than the budget, and the estimate is never below the count."""
    packages_of(BENCH)
    counted = costs([*contracts().values()])
    assert counted["tool list, tokens"] <= BUDGET
    assert counted["tool list, tokens"] <= estimate([*contracts().values()])
    assert counted["largest tool, tokens"] <= MAX_TOOL
    entries = [contract for contract in contracts().values() if contract["_meta"].get("anthropic/alwaysLoad")]
    assert costs(entries)["tool list, tokens"] <= estimate(entries)
