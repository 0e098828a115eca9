"""The Robot section of the world: an account with dedicated servers and the firewalls at their switch ports."""

from typing import Literal

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state_hosts import HostState

ROBOT_USER = "#ws+sandbox"
ROBOT_PASSWORD = "sandboxRobotPassword" + "0" * 12
SERVER = 2_100_321
"""The number of the seeded server; no fleet has it unless a test adds it."""
TEMPLATE = 4_711


class RobotRule(Part):
    """A rule; what is None matches everything."""

    name: str | None = None
    ip_version: str | None = None
    dst_ip: str | None = None
    src_ip: str | None = None
    dst_port: str | None = None
    src_port: str | None = None
    protocol: str | None = None
    tcp_flags: str | None = None
    action: str


ALLOW_ALL = RobotRule(name="Allow all", action="accept")


class RobotSet(Part):
    """What a switch port filters: stateless, first match, the rest discarded; a disabled one filters nothing."""

    status: Literal["active", "disabled"] = "disabled"
    filter_ipv6: bool = False
    whitelist_hos: bool = True
    input: list[RobotRule] = []
    output: list[RobotRule] = []

    @property
    def lets_nothing_out(self) -> bool:
        """Return whether the server is cut off from everything: an empty output list discards every packet."""
        return self.status == "active" and not any(rule.action == "accept" for rule in self.output)


class RobotKey(Part):
    """An SSH key of the account, by the MD5 of its blob."""

    name: str
    data: str
    fingerprint: str
    type: str
    size: int


class RobotSystem(Part):
    """What a server boots in place of its own system, or has booted: the rescue system, or an installation.

    `keys` are fingerprints. `host_keys` are public keys, known once it runs.
    """

    system: str
    lang: str = ""
    keys: list[RobotKey] = []
    password: str
    host_keys: list[str] = []
    booted_at: float | None = None


class RobotServer(Part):
    """A dedicated server. Its firewall is `in process` until `ready_at`, and the switch filters by `before` till then.

    `has_firewall` False: there is none for this server; `has_port` False: Robot does not know its switch port;
    `pinned`: Hetzner's own rules keep the firewall from being disabled. `boots` False: Robot boots nothing on it.
    `starts_at` is when a reset has come as far as the boot loader, `installed_at` when an installation ends, `shelved`
    the host whose disks the rescue system left alone.
    """

    number: int
    name: str
    ipv4: str | None
    ipv6_net: str
    product: str = "AX42"
    dc: str = "FSN1-DC8"
    firewall: RobotSet
    before: RobotSet
    ready_at: float = 0.0
    changes: int = 0
    has_firewall: bool = True
    has_port: bool = True
    pinned: bool = False
    status: str = "ready"
    cancelled_to: str | None = None
    can_reserve: bool = False
    is_moving: bool = False
    """Whether it is being given to another account: it cannot be cancelled then."""
    resets: list[str] = ["sw", "hw", "man"]
    technician: bool = False
    boots: bool = True
    boots_disk_first: bool = False
    """Whether its BIOS asks the disk before the network, so that it never boots what Robot has set."""
    rescue: RobotSystem | None = None
    linux: RobotSystem | None = None
    vnc: bool = False
    last_rescue: RobotSystem | None = None
    last_linux: RobotSystem | None = None
    starts_at: float | None = None
    installed_at: float | None = None
    shelved: HostState | None = None

    @property
    def ipv6(self) -> str:
        """Return the address of the server itself in its IPv6 network."""
        return f"{self.ipv6_net}1"

    @property
    def address(self) -> str:
        """Return where it is reached."""
        return self.ipv4 or self.ipv6

    def in_force(self, now: float) -> RobotSet:
        """Return what the switch port does at `now`."""
        return self.firewall if self.ready_at <= now else self.before


class VSwitch(Part):
    """A vSwitch: `servers` are the numbers of those on it; a change of them is under way until `ready_at`."""

    id: int
    name: str
    vlan: int
    cancelled: bool = False
    servers: list[int] = []
    cloud_networks: list[dict[str, int | str]] = []
    ready_at: float = 0.0


class RobotTemplate(Part):
    """A set of rules to begin with."""

    id: int
    name: str
    is_default: bool = False
    filter_ipv6: bool = False
    whitelist_hos: bool = True
    input: list[RobotRule] = []
    output: list[RobotRule] = []


class MarketProduct(Part):
    """A used server in the auction; sizes are GB, prices EUR without VAT."""

    id: int
    name: str = "SB64"
    cpu: str
    benchmark: int
    memory: int
    drive: int
    drives: int = 2
    datacenter: str = "FSN1-DC14"
    price: str
    setup: str = "0.0000"


class Count(Part):
    """How many requests one endpoint has had since `began`."""

    began: float
    used: int = 0


class RobotState(Part):
    """One account. `failed` holds the times of failed logins, after three of which the address is blocked."""

    user: str = ROBOT_USER
    password: str = ROBOT_PASSWORD
    servers: list[RobotServer] = []
    templates: list[RobotTemplate] = []
    market: list[MarketProduct] = []
    vswitches: list[VSwitch] = []
    keys: list[RobotKey] = []
    tells_host_keys: bool = True
    """Whether `last` tells the host keys of what was installed: no documentation shows one."""
    failed: list[float] = []
    blocked_until: float = 0.0
    counts: dict[str, Count] = {}
    limits: dict[str, int] = {}
    """Requests an hour by endpoint, where a test wants others than the documented ones."""


def seed_robot() -> RobotState:
    """Return an account with one server, open in both directions as bought servers are, and one template."""
    web = RobotRule(name="web", ip_version="ipv4", protocol="tcp", dst_port="80-443", action="accept")
    answers = RobotRule(
        name="tcp established",
        ip_version="ipv4",
        protocol="tcp",
        dst_port="32768-65535",
        tcp_flags="ack",
        action="accept",
    )
    return RobotState(
        servers=[
            RobotServer(
                number=SERVER,
                name="metal-1",
                ipv4="192.0.2.21",
                ipv6_net="2001:db8:21::",
                firewall=RobotSet(),
                before=RobotSet(),
            )
        ],
        market=[
            MarketProduct(
                id=2_900_001,
                cpu="AMD Ryzen 7 3700X",
                benchmark=22_600,
                memory=64,
                drive=1024,
                price="37.0000",
            ),
            MarketProduct(
                id=2_900_002,
                cpu="Intel Xeon E5-1650V3",
                benchmark=10_300,
                memory=128,
                drive=480,
                datacenter="HEL1-DC2",
                price="52.0000",
                setup="39.0000",
            ),
        ],
        templates=[RobotTemplate(id=TEMPLATE, name="web", input=[web, answers], output=[ALLOW_ALL.model_copy()])],
    )
