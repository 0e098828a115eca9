"""The Robot section of the world: an account with dedicated servers and the firewalls at their switch ports."""

from typing import Literal

from ink_infra_mcp.sandbox.part import Part

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


class RobotServer(Part):
    """A dedicated server. Its firewall is `in process` until `ready_at`, and the switch filters by `before` till then.

    `has_firewall` False: there is none for this server; `has_port` False: Robot does not know its switch port;
    `pinned`: Hetzner's own rules keep the firewall from being disabled.
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

    def in_force(self, now: float) -> RobotSet:
        """Return what the switch port does at `now`."""
        return self.firewall if self.ready_at <= now else self.before


class RobotTemplate(Part):
    """A set of rules to begin with."""

    id: int
    name: str
    is_default: bool = False
    filter_ipv6: bool = False
    whitelist_hos: bool = True
    input: list[RobotRule] = []
    output: list[RobotRule] = []


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
        templates=[RobotTemplate(id=TEMPLATE, name="web", input=[web, answers], output=[ALLOW_ALL.model_copy()])],
    )
