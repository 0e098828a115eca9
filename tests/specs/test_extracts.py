"""The extracts are what the whole descriptions say, and hold every operation that the sandbox answers."""

import os
import re
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.hetzner.app import ROUTES as CLOUD
from ink_infra_mcp.sandbox.robot.app import ROUTES as ROBOT
from tests.specs.extract import HERE, SOURCES, made
from tests.specs.reading import description, endpoints

GONE = {("GET", "/datacenters"), ("GET", "/datacenters/{}")}
"""What Hetzner has removed, which the sandbox answers as such."""
NOT_IN_THE_SOURCE = {("GET", "/floating_ips"), ("GET", "/load_balancers")}
"""What the description lacks of which the extract is."""


def template(path: str) -> str:
    """Return a path without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", path)


@pytest.mark.parametrize("name", SOURCES)
def test_an_extract_is_what_the_whole_description_says(name: str) -> None:
    """Made anew it is the same, byte for byte (skipped where the whole description is not at hand)."""
    folder = Path(os.environ.get("INK_SPECS_DIR", HERE.parents[2] / "shared" / "specs"))
    if not (folder / SOURCES[name]).is_file():
        pytest.skip(f"the whole description is not here ({SOURCES[name]}; set INK_SPECS_DIR)")
    assert (HERE / name).read_text(encoding="utf-8") == made(name, folder)


def test_the_extracts_hold_all_that_the_sandbox_answers() -> None:
    """So that a request of the product is held against them wherever the tests run."""
    cloud = {(m.upper(), template(p)) for p, ways in description("hetzner_cloud.json")["paths"].items() for m in ways}
    robot = {(m.upper(), template(p)) for p, ways in description("hetzner_robot.json")["paths"].items() for m in ways}
    limits = {(one["method"], template(one["path"])) for one in endpoints("robot_endpoints.json")}
    assert cloud == {(route.method, template(route.path)) for route in CLOUD} - GONE - NOT_IN_THE_SOURCE
    assert robot == limits == {(route.method, template(route.path)) for route in ROBOT}


def test_the_extracts_hold_shapes_and_no_texts() -> None:
    """What a vendor wrote in prose is not copied."""
    every = "".join((HERE / name).read_text(encoding="utf-8") for name in SOURCES)
    assert set(re.findall(r'"(description|summary|example|examples|operationId)": "', every)) == set()
