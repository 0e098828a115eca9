"""The Cloudflare section of the world: what one token may see. Times are Unix seconds."""

from typing import Any

from ink_infra_mcp.sandbox.part import Part

CLOUDFLARE_TOKEN = "sandboxCloudflareDnsEdit" + "0" * 16
"""May read zones and edit their DNS. Cloudflare's API tokens have 40 characters."""
CLOUDFLARE_READ_TOKEN = "sandboxCloudflareDnsRead" + "0" * 16
"""May only read."""
CLOUDFLARE_SERVERS = ("ada.ns.example.net", "bob.ns.example.net")
PROXY = "203.0.113.80"
"""The address that the vendor answers with in place of a record that is proxied."""


class CloudflareToken(Part):
    """An API token."""

    value: str
    read_only: bool = False


class CloudflareRecord(Part):
    """One DNS record, by its whole name. A `ttl` of 1 is the vendor's own choice."""

    id: str
    name: str
    type: str
    content: str
    ttl: int = 1
    proxied: bool = False
    comment: str | None = None
    tags: list[str] = []
    settings: dict[str, Any] = {}
    priority: int | None = None
    created: float = 0.0


class CloudflareZone(Part):
    """A zone. `delegated` is whom the parent zone names; `status` is what the vendor last found."""

    id: str
    name: str
    status: str = "active"
    type: str = "full"
    paused: bool = False
    name_servers: list[str] = list(CLOUDFLARE_SERVERS)
    delegated: list[str] = list(CLOUDFLARE_SERVERS)
    records: list[CloudflareRecord] = []


class CloudflareState(Part):
    """One account. `next_id` numbers what is made."""

    tokens: list[CloudflareToken] = []
    zones: list[CloudflareZone] = []
    next_id: int = 1
    automatic_s: int = 300
    """What a TTL of 1 comes to."""

    def new_id(self) -> str:
        """Return a fresh identifier: 32 hexadecimal digits."""
        self.next_id += 1
        return f"{self.next_id:032x}"


def seed_cloudflare() -> CloudflareState:
    """Return an account with the delegated zone example.org, whose apex and mail somebody uses."""
    state = CloudflareState(
        tokens=[
            CloudflareToken(value=CLOUDFLARE_TOKEN),
            CloudflareToken(value=CLOUDFLARE_READ_TOKEN, read_only=True),
        ]
    )
    zone = CloudflareZone(id="5a" * 16, name="example.org")
    zone.records = [
        CloudflareRecord(id=state.new_id(), name="example.org", type="A", content="192.0.2.90", proxied=True),
        CloudflareRecord(id=state.new_id(), name="example.org", type="MX", content="mail.example.org", priority=10),
    ]
    state.zones.append(zone)
    return state
