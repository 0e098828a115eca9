"""A compose app with several URLs keeps them: deploy_app changes those of the service that it names, and says so."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Service
from tests.ink import ink, says_yes
from tests.tools.calls import call

pytestmark = pytest.mark.anyio

LIMIT_S = 180
FILE = """
services:
  api: {image: 'registry.example.com/api:1'}
  web: {image: 'registry.example.com/web:1'}
"""
APEX, WWW = "https://stack.s1.example.com:3000", "https://www-stack.s1.example.com:3001"
API = "https://api.s1.example.com:8080"


def stack(state: WorldState) -> Service:
    """Return the compose app of these tests."""
    return next(service for service in state.coolify.services if service.name == "stack")


def urls(state: WorldState) -> dict[str, str]:
    """Return the URLs of each of its services, as Coolify has them."""
    return {part.name: part.fqdn or "" for part in stack(state).parts}


async def test_the_urls_of_other_services_and_further_ones_of_its_own_are_kept(tmp_path: Path) -> None:
    """Set by hand in Coolify: a redeployment and a changed file keep them with their ports, and end well."""
    first = {
        "name": "stack",
        "compose": FILE,
        "compose_service": "web",
        "muscle": "muscle-1",
        "domain": "stack.s1.example.com",
        "port": 3000,
    }
    again = {"name": "stack", "compose": FILE, "compose_service": "web", "wait_s": 300}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            made = await call(client, "deploy_app", wait_s=300, **first)
            with it.world.change() as state:
                for part in stack(state).parts:
                    part.fqdn = f"{APEX},{WWW}" if part.name == "web" else API
            restarted = await call(client, "deploy_app", redeploy=True, **again)
            changed = await call(client, "deploy_app", **(again | {"compose": FILE.replace("web:1", "web:2")}))
            kept = urls(it.state)
            same = await call(client, "deploy_app", **(again | {"compose": FILE.replace("web:1", "web:2")}))
    assert [said.outcome for said in (made, restarted, changed, same)] == ["applied"] * 3 + ["already_so"]
    assert kept == {"api": API, "web": f"{APEX},{WWW}"}


async def test_a_domain_that_is_given_takes_the_place_of_those_of_its_service(tmp_path: Path) -> None:
    """What goes away stands in the plan, and the other service keeps what it has."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            first = {
                "compose": FILE,
                "compose_service": "web",
                "muscle": "muscle-1",
                "domain": "stack.s1.example.com",
                "port": 3000,
            }
            await call(client, "deploy_app", name="stack", wait_s=300, **first)
            with it.world.change() as state:
                for part in stack(state).parts:
                    part.fqdn = f"{APEX},{WWW}" if part.name == "web" else API
            said = await call(
                client, "deploy_app", name="stack", wait_s=300, **(first | {"domain": "new.s1.example.com"})
            )
            kept = urls(it.state)
    assert (said.outcome, kept) == ("applied", {"api": API, "web": "https://new.s1.example.com:3000"})
    asked = "".join(person.asked[-1].replace("...", "").split())
    assert f"at{APEX},{WWW}" in asked
    assert "athttps://new.s1.example.com:3000" in asked
