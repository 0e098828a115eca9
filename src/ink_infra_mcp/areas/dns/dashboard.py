"""The dashboard's own name leads to the Factory."""

from urllib.parse import urlsplit

from ink_infra_mcp.areas.dns.addresses import Addresses, addresses_of
from ink_infra_mcp.areas.dns.steps import Wanted, all_or_none, prove_step, set_step, type_id, wanted
from ink_infra_mcp.areas.dns.zones import refuse_given_away, sets_at, zone_for
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.dns.records import ADDRESSES, RecordSet
from ink_infra_mcp.core.dns.services import bindings_of, diverted
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.fleet import domain
from ink_infra_mcp.core.plan import Frozen, Step


class FoundDashboard(Frozen):
    """The records of the dashboard's name as they are and should be. `url` is what fleet.toml has for Coolify."""

    server: str
    name: str
    zone: Zone
    addresses: Addresses
    sets: tuple[Wanted, ...]
    propagation_s: int
    url: str = ""

    @property
    def elsewhere(self) -> tuple[RecordSet, ...]:
        """Return the record sets that are there and would be replaced."""
        return tuple(each.before for each in self.sets if each.before is not None and not each.is_so)

    @property
    def by_hand(self) -> tuple[str, ...]:
        """Return what a person has to do beside the records, in sentences.

        Coolify's API has no way to its own URL (its routes/api.php): it is the field URL of the page of settings.
        """
        if name_in(self.url) == self.name:
            return ()
        return (
            f"Coolify has to know its name: a person writes https://{self.name} as URL at {self.url}/settings once it "
            f'leads there, and then url = "https://{self.name}" below [coolify] in fleet.toml',
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the steps for each record set that differs, and the proof; none where the name leads there."""
        changing = [each for each in self.sets if not each.is_so]
        if not changing:
            return ()
        on = (self.server,)
        setting = all_or_none(
            set_step(self.zone, each, id=f"dashboard_{type_id(each.type)}", servers=on) for each in changing
        )
        return (
            *setting,
            prove_step(self.zone, self.sets, id="dashboard_prove", servers=on, within_s=self.propagation_s),
        )


def name_in(url: str) -> str:
    """Return the host of a URL; empty where that is an address and no name."""
    try:
        return domain(urlsplit(url).hostname or "")
    except ValueError:
        return ""


async def dashboard_of(look: Look, name: str = "") -> FoundDashboard:
    """Return the records of the dashboard's name: the one given, or that of fleet.toml.

    Raises:
        InputError: there is none.
        RefusedByPolicy: something else at the name leads people, or browsers, elsewhere.
        InkError: as `zone_for`, `addresses_of` and `sets_at`.
    """
    factory, url = look.fleet.factory.name, look.fleet.coolify.url
    name = name or name_in(url)
    if not name:
        raise InputError(f"The dashboard has no name: fleet.toml has url {url} for Coolify.", next="Give `domain`.")
    served = await zone_for(look, name)
    of = await addresses_of(look, factory)
    present = await sets_at(look, served.zone, (name,))
    refuse_given_away(present, name, served.zone)
    _refuse_beside(present, name, of)
    ttl = look.dns.rules.dashboard_ttl
    return FoundDashboard(
        server=factory,
        name=name,
        zone=served.zone,
        addresses=of,
        sets=tuple(wanted(name, type, present, of, ttl=ttl) for type in ADDRESSES),
        propagation_s=look.dns.rules.propagation_s,
        url=url,
    )


def _refuse_beside(present: tuple[RecordSet, ...], name: str, of: Addresses) -> None:
    here = [each for each in present if each.name == name]
    why = diverted(bindings_of(here), name, of.known)
    if any(each.type == "CNAME" for each in here):
        why = "it is a CNAME, beside which no address can stand"
    if why:
        raise RefusedByPolicy(
            f"{name} would not lead to the Factory by addresses: {why}.", next="Take that away first."
        )
