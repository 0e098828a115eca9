"""The part `api`: Coolify's API is on, and our token may do what tools need; what only a person can do is said."""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory import ways_in
from ink_infra_mcp.areas.factory.coolify_part import STEP as COOLIFY
from ink_infra_mcp.areas.factory.coolify_part import Meets, is_there
from ink_infra_mcp.areas.factory.moves import Asked, Planned, checked
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import Abilities
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Change, Frozen, Step
from ink_infra_mcp.hosts.factory.installing import Instance, site

STEP, ENABLE = "api", "factory.enable_api"


class Access(Frozen):
    """What our token may do; `abilities` None is not known, and then `why` says why. `token` is whether we have one.

    `url` is where the API shall answer, `first` and `by_hand` are what a person does before and after the switch.
    """

    token: bool
    abilities: Abilities | None = None
    why: str = ""
    url: str = ""
    first: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the abilities that the token has not."""
        may = self.abilities
        if may is None:
            return ()
        known = zip(ways_in.ABILITIES, (may.read, may.read_sensitive, may.write, may.deploy), strict=True)
        return tuple(name for name, has in known if has == "no")

    @property
    def trouble(self) -> str:
        """Return why we cannot use an API that is on; empty: we can."""
        if not self.token:
            return "the API is on, and there is no token for it"
        if self.why:
            return f"the API is on, and does not answer us at {self.url}: {self.why.rstrip('.')}"
        return f"the token lacks {', '.join(self.lacking)}" if self.lacking else ""


async def access(look: Look) -> Access:
    """Return what our token may do; an API that does not answer, or not us, is what is found."""
    fleet = look.fleet
    bare = Access(
        token=look.has_secret("coolify_token"),
        url=fleet.coolify.url,
        first=tuple(ways_in.first_visit(fleet)),
        by_hand=tuple(ways_in.token(fleet.coolify.url)),
    )
    if not bare.token:
        return bare
    try:
        return bare.model_copy(update={"abilities": await look.coolify.abilities()})
    except InkError as error:
        return bare.model_copy(update={"why": error.failed})


def reasons(asked: Asked, met: Meets, found: Access) -> Iterator[str]:
    """Yield why nothing can be done here: Coolify is not there, or what is left is a person's."""
    if not is_there(met.site):
        yield from () if COOLIFY in asked.parts else ("Coolify is not there: set up coolify with it",)
        return
    instance = _instance(met)
    if instance is None:
        yield "what Coolify's database says of its API is not known: see whether the container coolify-db runs"
    elif instance.api:
        yield from _left(instance, found)


def _left(instance: Instance, found: Access) -> Iterator[str]:
    """What a person has to do where the API is on: in words that they can follow."""
    if not instance.users:
        yield from ("nobody has made the first account yet", *found.first)
    if told := found.trouble:
        yield told
        yield from (f"Coolify's list of allowed IPs is at {found.url}/settings/advanced",) if instance.limited else ()
        yield from found.by_hand


def planned(asked: Asked, met: Meets, found: Access) -> Planned:
    """Return the switch, where the API is off or Coolify is only coming; none where it is on and we may use it."""
    instance = _instance(met) if is_there(met.site) else None
    if instance is not None and instance.api:
        return Planned(so=f"Coolify's API is on, and answers at {found.url} to a token that lacks nothing")
    if instance is None:
        # who installs it tells what a person does at a new one, and where
        return _switching(asked, found, ())
    left = () if found.abilities is not None else found.by_hand
    return _switching(asked, found, (*(() if instance.users else found.first), *left))


def _switching(asked: Asked, found: Access, left: tuple[str, ...]) -> Planned:
    step = Step(
        id=STEP,
        kind=ENABLE,
        target=asked.host,
        summary=f"Switch Coolify's API on in its database on {asked.host}: no token comes of that, and none is made",
        servers=(asked.host,),
        changes=(Change(name="API access", before="off", after="on"),),
        params={"host": asked.host, ways_in.BY_HAND: [*left]},
        undo_words=f"at {found.url}/settings/advanced API access is switched off again",
    )
    warnings = tuple(f"{each}." for each in left)
    return Planned(steps=(step,), warnings=warnings, locks=("coolify", f"server:{asked.host}"))


def _instance(met: Meets) -> Instance | None:
    return met.site.installed.instance if met.site.installed else None


async def checks(look: Look) -> list[Check]:
    """Return what is true afterwards, of a look that is made anew."""
    installed = (await site(look.hosts, look.fleet.factory.name)).installed
    instance = installed.instance if installed else None
    return [checked("api", instance is not None and instance.api, _told(instance))]


def _told(instance: Instance | None) -> str:
    if instance is None:
        return "Coolify's database does not say"
    return f"{'on' if instance.api else 'off'} in Coolify's database, which has {instance.users} users"
