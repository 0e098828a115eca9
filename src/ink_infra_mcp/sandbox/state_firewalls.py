"""The Cloud firewalls of the pretend project: rules, what they are bound to, and at which servers they have arrived."""

from ink_infra_mcp.sandbox.part import Part

FIREWALL = 4_710_400
"""The id of the seeded firewall."""


class FirewallRule(Part):
    """A rule that allows; the networks are canonical."""

    direction: str
    protocol: str
    port: str | None = None
    source_ips: list[str] = []
    destination_ips: list[str] = []
    description: str | None = None


class Bond(Part):
    """What a firewall is bound to: a server by its id, or every server that a label selector matches.

    A bond with an `until` is being taken away, and is gone then.
    """

    server: int | None = None
    selector: str | None = None
    until: float | None = None


class Arrival(Part):
    """A server that the firewall is at; until `ready_at` it is pending there."""

    server: int
    ready_at: float = 0.0


class Firewall(Part):
    """A firewall; `at` follows from the bonds and from the labels of servers."""

    id: int
    name: str
    created: float
    labels: dict[str, str] = {}
    rules: list[FirewallRule] = []
    bonds: list[Bond] = []
    at: list[Arrival] = []


def seed_firewall(server: int, created: float) -> Firewall:
    """Return the firewall of a Muscle: the web for everybody, SSH for the Factory and one administrator."""
    everybody = ["0.0.0.0/0", "::/0"]
    web = [
        FirewallRule(direction="in", protocol=protocol, port=port, source_ips=everybody, description=words)
        for protocol, port, words in (("tcp", "80", "web"), ("tcp", "443", "web, TLS"), ("udp", "443", "web, QUIC"))
    ]
    ssh = FirewallRule(
        direction="in",
        protocol="tcp",
        port="22",
        source_ips=["192.0.2.10/32", "198.51.100.7/32"],
        description="SSH from the Factory and the administrator",
    )
    return Firewall(
        id=FIREWALL,
        name="muscle-1",
        created=created,
        labels={"role": "muscle"},
        rules=[ssh, *web],
        bonds=[Bond(server=server)],
        at=[Arrival(server=server)],
    )
