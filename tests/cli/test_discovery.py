"""What Coolify and Hetzner say of servers, turned into what fleet.toml would say."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.cli.discovery import Found, Owner, Proposal, bare_domain, fingerprint, label, proposals
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.hetzner_cloud import Server as CloudServer
from ink_infra_mcp.core.fleet import dns_label

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj operator@example.com"
FACTORY = Server(
    uuid="uuid-0",
    name="localhost",
    ip="host.docker.internal",
    is_coolify_host=True,
    reachable=True,
    usable=True,
)


def muscle(name: str, ip: str, wildcard: str = "") -> Server:
    """Return a server as Coolify lists it."""
    return Server(
        uuid=f"uuid-{name}",
        name=name,
        ip=ip,
        user="deploy",
        port=2222,
        wildcard_domain=wildcard,
        reachable=True,
        usable=True,
    )


def cloud(number: int, *, ipv4: str, inner: str | None = None) -> CloudServer:
    """Return a server as Hetzner lists it."""
    return CloudServer.model_validate(
        {
            "id": number,
            "name": f"cloud-{number}",
            "status": "running",
            "created": datetime(2026, 1, 2, tzinfo=UTC),
            "server_type": {"id": 1, "name": "ccx33"},
            "location": {"id": 1, "name": "fsn1"},
            "public_net": {"ipv4": {"ip": ipv4}, "ipv6": {"ip": f"2001:db8:0:{number}::/64"}},
            "private_net": [{"network": 1, "ip": inner}] if inner else [],
        }
    )


def test_servers_become_proposals() -> None:
    """The Factory is where Coolify itself answers; the others keep user, port and domain; private ones go public."""
    found = proposals(
        [muscle("Muscle One", "10.0.0.3", "https://s1.example.com"), FACTORY, muscle("elsewhere", "198.51.100.7")],
        [cloud(7, ipv4="192.0.2.10"), cloud(8, ipv4="192.0.2.11", inner="10.0.0.3")],
        factory_at=("coolify.example.com", "192.0.2.10"),
        zones=("example.com",),
    )
    assert (found.factory, found.others, found.zones) == (
        Proposal("factory", "192.0.2.10"),
        (
            Proposal("muscle-one", "192.0.2.11", "deploy", 2222, "s1.example.com"),
            Proposal("elsewhere", "198.51.100.7", "deploy", 2222),
        ),
        ("example.com",),
    )


def test_a_factory_that_nobody_else_knows_keeps_the_name_in_the_address() -> None:
    """Where Hetzner does not know the machine, SSH goes to the name under which Coolify answers."""
    found = proposals([FACTORY], [], factory_at=("coolify.example.com", "192.0.2.10"))
    assert found.factory == Proposal("factory", "coolify.example.com")


def test_a_factory_with_an_address_of_its_own_keeps_it() -> None:
    """A Coolify that knows its machine from the outside is believed."""
    outer = FACTORY.model_copy(update={"ip": "192.0.2.99"})
    assert proposals([outer], [], factory_at=("coolify.example.com",)).factory == Proposal("factory", "192.0.2.99")


def test_an_unknown_factory_is_none() -> None:
    """A team that does not see Coolify's own server gets no invented one."""
    assert proposals([muscle("m", "192.0.2.11")], [], factory_at=("coolify.example.com",)).factory is None


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("192.0.2.11", Owner("hetzner_cloud", "8", "10.0.0.3")),
        ("10.0.0.3", Owner("hetzner_cloud", "8", "10.0.0.3")),
        ("2001:db8:0:8::1", Owner("hetzner_cloud", "8", "10.0.0.3")),
        ("192.0.2.10", Owner("hetzner_cloud", "7", None)),
        ("198.51.100.7", Owner()),
    ],
)
def test_the_owner_is_found_by_any_address(address: str, owner: Owner) -> None:
    """Public, private and IPv6 addresses lead to the machine; one that Hetzner does not know is somebody else's."""
    servers = (cloud(7, ipv4="192.0.2.10"), cloud(8, ipv4="192.0.2.11", inner="10.0.0.3"))
    assert Found(None, (), servers).owner(address) == owner


def test_alike_names_are_told_apart() -> None:
    """Names that make the same label get a number, because a name is a server's in every tool."""
    servers = [muscle(name, f"192.0.2.{number}") for number, name in enumerate(("Box_1", "box 1", "BOX-1", "é", "ü"))]
    names = [found.name for found in proposals(servers, [], factory_at=()).others]
    assert names == ["box-1", "box-1-2", "box-1-3", "server", "server-2"]


@given(st.text(max_size=90))
def test_every_name_becomes_a_label(name: str) -> None:
    """Whatever Coolify calls a server, the proposed name is one that fleet.toml takes."""
    assert dns_label(label(name)) == label(name)


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True))
def test_a_label_stays_as_it_is(name: str) -> None:
    """A name that is a label already is not changed, apart from repeated hyphens."""
    assert label(name) == "-".join(part for part in name.split("-") if part)


@pytest.mark.parametrize(
    ("said", "domain"),
    [
        ("https://s1.example.com", "s1.example.com"),
        ("http://*.s1.example.com/", "s1.example.com"),
        ("S1.example.com", "s1.example.com"),
        ("", ""),
    ],
)
def test_coolify_s_wildcard_is_read(said: str, domain: str) -> None:
    """Scheme, star and slash are Coolify's way of writing it, and not part of the domain."""
    assert bare_domain(said) == domain


@pytest.mark.parametrize(("name", "number"), [("muscle-07", "7"), ("s12", "12"), ("apps", "")])
def test_a_name_s_number_is_known(name: str, number: str) -> None:
    """The number at a name's end is that of its domain, without zeros in front."""
    assert Proposal(name, "192.0.2.1").number == number


def test_a_fingerprint_reads_as_ssh_keygen_writes_it() -> None:
    """The fingerprint can be compared with what `ssh-keygen -l` and the provider's console show."""
    assert fingerprint(KEY) == "ssh-ed25519 SHA256:kRDZV7rAWPE3sUV6ceeQ7KoUgQuf3PfEQRl059NFPq8"
