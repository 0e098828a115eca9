"""The Hetzner section of the world: one Cloud project, and one to begin with. Times are Unix seconds."""

from typing import Literal

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state_firewalls import Firewall, seed_firewall

HETZNER_TOKEN = "sandboxHetznerReadWrite" + "0" * 41
"""May read and write. Cloud tokens have 64 characters."""
HETZNER_READ_TOKEN = "sandboxHetznerReadOnly" + "0" * 42
"""May only read."""
NAMESERVERS = ("hydrogen.ns.example.net.", "oxygen.ns.example.net.", "helium.ns.example.net.")
DAY_S = 86_400.0


class Token(Part):
    """An API token of the project."""

    value: str
    read_only: bool = False


class Location(Part):
    """A place with servers."""

    id: int
    name: str
    city: str
    country: str
    latitude: float
    longitude: float
    network_zone: str = "eu-central"


class Offer(Part):
    """What a server type costs at one location (EUR without VAT) and whether it can be had there."""

    location: str
    hourly: str
    monthly: str
    available: bool = True
    recommended: bool = True
    announced_at: float | None = None
    unavailable_at: float | None = None


class ServerType(Part):
    """A kind of server. Memory and disk are GB."""

    id: int
    name: str
    cores: int
    memory: int
    disk: int
    dedicated: bool = False
    arm: bool = False
    offers: list[Offer] = []


class Image(Part):
    """A system image."""

    id: int
    name: str
    flavor: str
    version: str
    arm: bool = False


class SshKey(Part):
    """A public key of the project."""

    id: int
    name: str
    public_key: str
    fingerprint: str
    created: float
    labels: dict[str, str] = {}


class PrivateNet(Part):
    """A server's place in a private network."""

    network: int
    ip: str
    mac_address: str


class Network(Part):
    """A private network. `subnets` are pairs of network zone and range; addresses come from the first that fits."""

    id: int
    name: str
    ip_range: str
    created: float
    subnets: list[tuple[str, str]] = []
    labels: dict[str, str] = {}


class PlacementGroup(Part):
    """Servers that are kept apart."""

    id: int
    name: str
    created: float
    labels: dict[str, str] = {}


class Address(Part):
    """A public address that is no server's by birth: a Primary IP, or with `floats` a Floating IP."""

    id: int
    name: str
    type: Literal["ipv4", "ipv6"]
    ip: str
    location: str
    created: float
    floats: bool = False
    server: int | None = None
    labels: dict[str, str] = {}


class Server(Part):
    """A Cloud server. `next_status` comes true at `next_at`; the status `gone` removes it."""

    id: int
    name: str
    server_type: str
    location: str
    created: float
    image: str | None = "debian-12"
    status: str = "running"
    ipv4: str | None = None
    ipv6: str | None = None
    """The /64 network; the server answers at its `::1`."""
    labels: dict[str, str] = {}
    private_net: list[PrivateNet] = []
    protected: bool = False
    backups: bool = False
    placement_group: int | None = None
    user_data: str = ""
    root_keys: list[str] | None = None
    """The public keys it was made with; None: it was here before."""
    next_status: str | None = None
    next_at: float = 0.0


class Volume(Part):
    """A network disk, `size` in GB. It is `creating` until `ready_at`."""

    id: int
    name: str
    size: int
    location: str
    created: float
    server: int | None = None
    format: str | None = None
    labels: dict[str, str] = {}
    protected: bool = False
    ready_at: float = 0.0


class Record(Part):
    """One value of a record set."""

    value: str
    comment: str = ""


class RRset(Part):
    """All records of one name (relative, `@` for the apex) and type. A `ttl` of None is the zone's."""

    name: str
    type: str
    records: list[Record]
    ttl: int | None = None
    labels: dict[str, str] = {}
    protected: bool = False


class Zone(Part):
    """A DNS zone in primary mode. It is `updating` until `busy_until`; only then is `rrsets` what is `served`."""

    id: int
    name: str
    created: float
    ttl: int = 3600
    labels: dict[str, str] = {}
    protected: bool = False
    delegated: list[str] = []
    delegation_status: Literal["valid", "partially-valid", "invalid", "lame", "unregistered", "unknown"] = "unknown"
    delegation_checked_at: float | None = None
    busy_until: float = 0.0
    rrsets: list[RRset] = []
    served: list[RRset] = []


class ActionResource(Part):
    """A thing that an action works on."""

    id: int
    type: str


class Action(Part):
    """A piece of work that runs from `started` to `ends`; with an `error_code` it ends badly."""

    id: int
    command: str
    started: float
    ends: float
    resources: list[ActionResource]
    error_code: str = ""
    error_message: str = ""


class HetznerState(Part):
    """One Cloud project: its catalogue, what it holds, and what runs in it.

    `action_s` is how long most actions take, `create_s` how long a new server takes. `rate_left` refills at
    `rate_limit` requests an hour from `rate_at` on.
    """

    tokens: list[Token] = []
    locations: list[Location] = []
    server_types: list[ServerType] = []
    images: list[Image] = []
    servers: list[Server] = []
    ssh_keys: list[SshKey] = []
    volumes: list[Volume] = []
    zones: list[Zone] = []
    firewalls: list[Firewall] = []
    networks: list[Network] = []
    placement_groups: list[PlacementGroup] = []
    addresses: list[Address] = []
    breaks: dict[str, str] = {}
    """Commands whose next action ends in an error, such as `start_server`, and the error's message."""
    actions: list[Action] = []
    next_id: int = 4_711_000
    action_s: float = 3.0
    create_s: float = 20.0
    rate_limit: int = 3600
    rate_left: float = 3600.0
    rate_at: float = 0.0


EUROPE = ("fsn1", "nbg1", "hel1")

_LOCATIONS = (
    Location(id=1, name="fsn1", city="Falkenstein", country="DE", latitude=50.47612, longitude=12.370071),
    Location(id=2, name="nbg1", city="Nuremberg", country="DE", latitude=49.452102, longitude=11.076665),
    Location(id=3, name="hel1", city="Helsinki", country="FI", latitude=60.169855, longitude=24.938379),
    Location(
        id=4,
        name="ash",
        city="Ashburn, VA",
        country="US",
        latitude=39.045821,
        longitude=-77.487073,
        network_zone="us-east",
    ),
)

_TYPES: tuple[tuple[int, str, int, int, int, str, str], ...] = (
    (114, "cx23", 2, 4, 40, "0.0056", "3.4900"),
    (115, "cx33", 4, 8, 80, "0.0088", "5.4900"),
    (116, "cx43", 8, 16, 160, "0.0152", "9.4900"),
    (117, "cx53", 16, 32, 320, "0.0280", "17.4900"),
    (93, "cax21", 4, 8, 80, "0.0104", "6.4900"),
    (97, "ccx23", 4, 16, 160, "0.0392", "24.4900"),
    (98, "ccx33", 8, 32, 240, "0.0777", "48.4900"),
    (99, "ccx43", 16, 64, 360, "0.1546", "96.4900"),
)
"""Id, name, cores, memory, disk, price by the hour and by the month: a likeness of the catalogue, not a price list."""

_SEEDED_KEY = SshKey(
    id=4_710_100,
    name="operator",
    public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj operator@example.com",
    fingerprint="3c:b8:9f:13:b2:4d:58:51:5f:3a:6e:1a:dd:2e:5e:10",
    created=0.0,
)


def seed_hetzner(now: float) -> HetznerState:
    """Return a project with one Factory, two Muscles, a firewall at the first, and the delegated zone example.com."""
    created = now - 90 * DAY_S
    return HetznerState(
        tokens=[Token(value=HETZNER_TOKEN), Token(value=HETZNER_READ_TOKEN, read_only=True)],
        locations=[location.model_copy() for location in _LOCATIONS],
        server_types=_server_types(now),
        images=[
            Image(id=114_690_387, name="debian-12", flavor="debian", version="12"),
            Image(id=114_690_389, name="debian-12", flavor="debian", version="12", arm=True),
            Image(id=310_557_660, name="debian-13", flavor="debian", version="13"),
            Image(id=161_547_269, name="ubuntu-24.04", flavor="ubuntu", version="24.04"),
        ],
        servers=[
            _server(4_710_001, "factory", "192.0.2.10", role="factory", created=created),
            _server(4_710_002, "muscle-1", "192.0.2.11", role="muscle", created=created),
            _server(4_710_003, "muscle-2", "192.0.2.12", role="muscle", created=created),
        ],
        ssh_keys=[_SEEDED_KEY.model_copy(update={"created": created})],
        volumes=[
            Volume(
                id=4_710_200,
                name="factory-data",
                size=100,
                location="fsn1",
                created=created,
                server=4_710_001,
                format="ext4",
            )
        ],
        zones=[_zone(now, created)],
        firewalls=[seed_firewall(4_710_002, created)],
        rate_at=now,
    )


def _server_types(now: float) -> list[ServerType]:
    """Arm and shared x86 types are sold in Europe only."""
    return [
        ServerType(
            id=id_,
            name=name,
            cores=cores,
            memory=memory,
            disk=disk,
            dedicated=name.startswith("ccx"),
            arm=name.startswith("cax"),
            offers=_offers(name, now, hourly=hourly, monthly=monthly),
        )
        for id_, name, cores, memory, disk, hourly, monthly in _TYPES
    ]


def _offers(name: str, now: float, *, hourly: str, monthly: str) -> list[Offer]:
    """One type is sold out at hel1, and one is deprecated at ash."""
    places = (*EUROPE, "ash") if name.startswith("ccx") else EUROPE
    offers = {place: Offer(location=place, hourly=hourly, monthly=monthly) for place in places}
    if name == "cx53":
        offers["hel1"].available = offers["hel1"].recommended = False
    if name == "ccx23":
        offers["ash"].announced_at = now - 30 * DAY_S
        offers["ash"].unavailable_at = now + 60 * DAY_S
        offers["ash"].recommended = False
    return list(offers.values())


def _server(id_: int, name: str, ipv4: str, *, role: str, created: float) -> Server:
    return Server(
        id=id_,
        name=name,
        server_type="ccx33",
        location="fsn1",
        created=created,
        ipv4=ipv4,
        ipv6=f"2001:db8:0:{id_ % 100:x}::/64",
        labels={"role": role},
    )


def _zone(now: float, created: float) -> Zone:
    soa = f"{NAMESERVERS[0]} dns.example.net. 2026110100 86400 10800 3600000 3600"
    return Zone(
        id=4_710_300,
        name="example.com",
        created=created,
        delegated=list(NAMESERVERS),
        delegation_status="valid",
        delegation_checked_at=now - 3600,
        rrsets=[
            RRset(name="@", type="SOA", records=[Record(value=soa)]),
            RRset(name="@", type="NS", records=[Record(value=server) for server in NAMESERVERS]),
            RRset(name="coolify", type="A", records=[Record(value="192.0.2.10")]),
            RRset(name="*.s1", type="A", records=[Record(value="192.0.2.11")], ttl=300),
            RRset(name="*.s2", type="A", records=[Record(value="192.0.2.12")], ttl=300),
        ],
    )
