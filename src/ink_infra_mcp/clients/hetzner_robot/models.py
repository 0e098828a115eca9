"""What Robot tells us, as frozen values. Words that it may add are kept as they are."""

from decimal import Decimal
from typing import cast

from pydantic import BaseModel, ConfigDict, JsonValue, field_validator

from ink_infra_mcp.core.plan import JsonObject

IN_PROCESS = "in process"


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    def as_json(self) -> JsonObject:
        """Return it in Robot's own words and shape."""
        return cast(JsonObject, self.model_dump(mode="json"))


class Subnet(_Seen):
    """A subnet of a server."""

    ip: str
    mask: str


class RobotServer(_Seen):
    """A dedicated server. `server_ip` is None for one without IPv4; known states: ready, in process."""

    server_number: int
    server_name: str = ""
    server_ip: str | None = None
    server_ipv6_net: str | None = None
    product: str = ""
    dc: str = ""
    status: str = ""
    cancelled: bool = False
    paid_until: str | None = None
    ip: tuple[str, ...] | None = None
    subnet: tuple[Subnet, ...] | None = None


class MarketProduct(_Seen):
    """A used server on offer in the auction. Sizes are GB; prices are of a month, in the account's currency.

    How many cores it has Robot does not say. Hetzner's own documentation calls no field certain to be there.
    """

    id: int
    name: str = ""
    cpu: str = ""
    memory_size: Decimal | None = None
    hdd_size: int | None = None
    hdd_count: int | None = None
    datacenter: str = ""
    price: Decimal | None = None
    price_vat: Decimal | None = None
    price_setup: Decimal | None = None
    price_setup_vat: Decimal | None = None


class SeenRule(_Seen):
    """A rule as Robot holds it; None matches everything. A field that we do not know yet is kept, for who shows it."""

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    ip_version: str | None = None
    dst_ip: str | None = None
    src_ip: str | None = None
    dst_port: str | None = None
    src_port: str | None = None
    protocol: str | None = None
    tcp_flags: str | None = None
    action: str


class SeenRules(_Seen):
    """The rules by direction, in the order in which Robot tries them; None where Robot did not tell them.

    What was not told is not known: an empty list, in contrast, discards everything.
    """

    input: tuple[SeenRule, ...] | None = None
    output: tuple[SeenRule, ...] | None = None


class _WithRules(_Seen):
    filter_ipv6: bool = False
    whitelist_hos: bool = False
    rules: SeenRules = SeenRules()

    @field_validator("rules", mode="before")
    @classmethod
    def _empty_is_a_list_in_php(cls, value: object) -> object:
        """An empty map is `[]` in PHP's JSON, and while a set is cleared Robot shows none (documentation)."""
        return SeenRules() if value is None or value == [] else value


class RobotFirewall(_WithRules):
    """The firewall at a server's switch port: stateless, first match, the rest discarded.

    Known states: active, disabled (everything passes), in process. IPv4 is filtered whenever it is active, IPv6 only
    with `filter_ipv6`.
    """

    server_number: int
    server_ip: str | None = None
    status: str
    port: str = "main"

    @property
    def in_process(self) -> bool:
        """Return whether Robot still applies a change; what is shown is then what will be."""
        return self.status == IN_PROCESS


class Template(_WithRules):
    """A set of rules that the account keeps. A list of templates comes without their rules."""

    id: int
    name: str = ""
    is_default: bool = False


def error_of(body: JsonValue) -> JsonObject | None:
    """Return Robot's error in a body, which may come with any status (community clients have seen 200)."""
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else None
