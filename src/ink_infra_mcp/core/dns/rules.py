"""What policy says of DNS: how long answers may be remembered, which names are set, and how long a proof waits."""

from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.policy import Rule

Seconds = Annotated[int, Field(ge=60, le=86_400)]
"""What both vendors take for a TTL on every plan: Cloudflare 60 to 86400, Hetzner 60 and more."""


class SecondsRule(Rule):
    """A time in seconds."""

    value: Seconds


class ChoiceRule(Rule):
    """Something that is done or left."""

    value: bool


class WaitRule(Rule):
    """How many seconds are waited for something."""

    value: Annotated[int, Field(ge=10, le=3600)]


class DnsFile(Frozen):
    """dns.toml as it is written: the packaged one has every rule, an operator's only those that it changes."""

    wildcard_ttl: SecondsRule | None = None
    app_ttl: SecondsRule | None = None
    dashboard_ttl: SecondsRule | None = None
    base_name: ChoiceRule | None = None
    propagation: WaitRule | None = None


class DnsRules(Frozen):
    """The rules in force."""

    wildcard_ttl: int
    app_ttl: int
    dashboard_ttl: int
    base_name: bool
    propagation_s: int


def baseline(rules: DnsFile) -> DnsRules:
    """Return the rules of the packaged file alone.

    Raises:
        ValueError: one is missing.
    """
    for name in DnsFile.model_fields:
        if getattr(rules, name) is None:
            raise ValueError(f"{name} is needed")
    nothing = DnsRules(wildcard_ttl=60, app_ttl=60, dashboard_ttl=60, base_name=False, propagation_s=10)
    return adjusted(nothing, rules)


def adjusted(base: DnsRules, overlay: DnsFile) -> DnsRules:
    """Return `base` with the overlay's rules in place of its own: none guards anybody, so each may be changed."""
    return DnsRules(
        wildcard_ttl=overlay.wildcard_ttl.value if overlay.wildcard_ttl else base.wildcard_ttl,
        app_ttl=overlay.app_ttl.value if overlay.app_ttl else base.app_ttl,
        dashboard_ttl=overlay.dashboard_ttl.value if overlay.dashboard_ttl else base.dashboard_ttl,
        base_name=overlay.base_name.value if overlay.base_name else base.base_name,
        propagation_s=overlay.propagation.value if overlay.propagation else base.propagation_s,
    )
