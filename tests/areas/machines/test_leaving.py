"""Which server is deleted with a Muscle: its own by its id, and never another one that has its address."""

import pytest

from ink_infra_mcp.areas.machines.leaving import own_server
from ink_infra_mcp.clients.hetzner_cloud.models import Server
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Muscle

ADDRESS, ELSEWHERE = "203.0.113.11", "203.0.113.12"


def server(number: int, address: str, name: str = "any") -> Server:
    """Return a Cloud server."""
    return Server.model_validate({
        "id": number, "name": name, "status": "running", "created": "2026-01-01T00:00:00Z",
        "server_type": {"id": 1, "name": "cx22"}, "location": {"id": 1, "name": "fsn1"},
        "public_net": {"ipv4": {"id": number, "ip": address}},
    })  # fmt: skip


def muscle(provider_id: str) -> Muscle:
    """Return a Muscle at the address."""
    return Muscle(name="muscle-1", address=ADDRESS, provider="hetzner_cloud", provider_id=provider_id)


@pytest.mark.parametrize(
    ("provider_id", "servers", "own"),
    [
        ("2", [server(1, ADDRESS), server(2, ELSEWHERE)], 2),
        ("2", [server(1, ELSEWHERE, name="2"), server(2, ADDRESS)], 2),
        ("web-1", [server(1, ADDRESS), server(2, ELSEWHERE, name="web-1")], 2),
        ("", [server(1, ELSEWHERE), server(2, ADDRESS)], 2),
        ("2", [server(1, ELSEWHERE)], None),
        ("", [server(1, ELSEWHERE)], None),
    ],
    ids=["id before address", "id before name", "name for the id", "no id: address", "gone", "no id: gone"],
)
def test_its_own_server_is_deleted(provider_id: str, servers: list[Server], own: int | None) -> None:
    """In whatever order Hetzner lists them, the id decides."""
    found = own_server(muscle(provider_id), servers)
    assert (found.id if found else None) == own


def test_a_server_that_only_has_the_address_is_not_deleted() -> None:
    """Its id is another one: a person says which of both is meant, and nothing is planned."""
    with pytest.raises(InputError) as caught:
        own_server(muscle("2"), [server(1, ADDRESS, name="shop")])
    assert "muscle-1 is server 2 by fleet.toml; that is gone" in caught.value.failed
    assert f"its address {ADDRESS} is that of server 1 (shop)" in caught.value.failed
