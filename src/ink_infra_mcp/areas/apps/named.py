"""An app's names below the fleet's domain: the records that the tools keep which make, move and delete apps."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.areas.apps import built_apps, compose_apps
from ink_infra_mcp.areas.apps.app import App, all_apps
from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.apps.compose_apps import ComposeApp
from ink_infra_mcp.areas.apps.history import names_kept
from ink_infra_mcp.areas.apps.rollout import NOTES, RolloutFacts, prove
from ink_infra_mcp.areas.dns.apps import (
    AppName,
    FoundName,
    FoundNames,
    app_names,
    changing,
    follow,
    kept_domain,
    leave,
    wildcard_above,
)
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.dns.names import is_below
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Step


@dataclass(frozen=True, slots=True)
class Named:
    """The steps that let names lead to the app's Muscle, those that take names of nobody away, and what a person has to
    know of names that are left alone. `unseen` says why the records could not be looked at; it is among the notes.
    """

    leading: tuple[Step, ...] = ()
    leaving: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: str = ""

    @property
    def locks(self) -> tuple[str, ...]:
        """Return a lock for each name that is changed. A zone's own lock would make apps of one domain wait for each
        other's builds; records are only changed from what was planned, so that nothing is lost without it.
        """
        changed = (step.target for step in (*self.leading, *self.leaving) if not step.reads)
        return tuple(f"dns:{name}" for name in dict.fromkeys(changed))


NOTHING = Named()


@dataclass(frozen=True, slots=True)
class Known:
    """An app by what its names depend on: its name, its uuid where it has one, and the Muscle that it shall be on."""

    name: str
    uuid: str
    server: str


async def named(look: Look, app: Known, *, leads: Iterable[str] = (), leaves: Iterable[str] = ()) -> Named:
    """Return what becomes of an app's records: the hosts `leads` shall lead to its server, and `leaves` nowhere of
    ours, nor any other name that an operation of ours gave the app and no app has: one that broke off may have left it.

    Only names below the fleet's domain count. What another app has, too, is not taken away from it. Where the zone
    cannot be asked or is not ours nothing is planned, and a note says why: an app is not held up by its name.
    """
    if kept_domain(look) is None:
        return NOTHING
    leading = tuple(dict.fromkeys(leads))
    names = await _names(look, app, leading, frozenset(leaves))
    try:
        found = await app_names(look, names)
    except InkError as error:
        return _unseen(look, names, error)
    return NOTHING if found is None else _planned(found, frozenset(leading))


def _unseen(look: Look, names: Iterable[AppName], error: InkError) -> Named:
    """A name that its Muscle's wildcard leads has no record to speak of."""
    hosts = dict.fromkeys(name.host for name in names if not wildcard_above(look.fleet, name))
    if not hosts:
        return NOTHING
    why = f"the records of {', '.join(hosts)} are left as they are: {error.failed}"
    return Named(notes=(why,), unseen=why)


def _planned(found: FoundNames, leading: frozenset[str]) -> Named:
    to_lead = _among(found, {*leading, *_hidden(found, leading)})
    to_leave = _among(found, {each.name.host for each in found.names if not each.name.beside} - leading)
    notes = (*map(_left_alone, to_lead.names), *map(_kept_by_others, to_leave.names))
    return Named(leading=follow(to_lead), leaving=leave(to_leave, prefix="old_"), notes=tuple(filter(None, notes)))


def _hidden(found: FoundNames, leading: Collection[str]) -> Iterator[str]:
    """Yield the names of other apps that the wildcard leads no more once a name above them has records: they get their
    own with it.
    """
    setting = [each.name.host for each in changing(_among(found, leading), replace=False)]
    beside = (each.name.host for each in found.names if each.name.beside)
    return (host for host in beside if any(is_below(host, above) for above in setting))


def _among(found: FoundNames, hosts: Collection[str]) -> FoundNames:
    return found.model_copy(update={"names": tuple(each for each in found.names if each.name.host in hosts)})


async def _names(look: Look, app: Known, leads: tuple[str, ...], leaves: frozenset[str]) -> list[AppName]:
    others = [name for other in await all_apps(look) if other.uuid != app.uuid for name in of_app(other)]
    recorded = await names_kept(look, app.uuid, app.name)
    kept = {*leads, *(name.host for name in others), *_of_muscles(look)}
    own = AppName(app=app.name, host="", server=app.server)
    return [
        *(own.model_copy(update={"host": host}) for host in leads),
        *(name for name in others if name.host in leads),
        *(name.model_copy(update={"beside": True}) for name in others if _is_beside(look, name, leads)),
        *(
            own.model_copy(update={"host": host, "recorded": host not in leaves})
            for host in sorted((leaves | recorded) - kept)
        ),
    ]


def _is_beside(look: Look, name: AppName, leads: Collection[str]) -> bool:
    """Return whether one of these names stands between another app's name and the wildcard that leads it."""
    domain = wildcard_above(look.fleet, name)
    between = (host for host in leads if host not in (name.host, domain) and is_below(name.host, host))
    return bool(domain) and any(is_below(host, domain) for host in between)


def _of_muscles(look: Look) -> Iterator[str]:
    """The wildcard tool keeps the name of a Muscle itself, whichever app had it."""
    return (muscle.wildcard_domain for muscle in look.fleet.muscles if muscle.wildcard_domain)


def of_app(app: App) -> list[AppName]:
    """Return the names that an app has in Coolify."""
    return [AppName(app=app.name, host=host, server=app.muscle) for host in app.domains]


def _left_alone(each: FoundName) -> str:
    host = each.name.host
    if each.is_so:
        return ""
    if each.why_not:
        return f"the record of {host} is left alone: {each.why_not}"
    if each.others:
        return (
            f"{host} leads to {', '.join(each.others)} by records that are not ours, and is left alone: "
            "set_fleet_domain with replace=true takes it over"
        )
    return "" if each.sets else f"{host} is left alone: no public address of {each.name.server} is known"


def _kept_by_others(each: FoundName) -> str:
    """Of a name that only our record knows somebody else may have made anything since: it is theirs to know."""
    if not each.foreign or each.name.recorded:
        return ""
    return f"{each.name.host} leads to {', '.join(each.foreign)} by records that are not ours, and is left so"


async def nameless(look: Look, app: Known, hosts: Iterable[str]) -> list[Check]:
    """Return whether nothing is left that we wrote for the names that the app had, as the zone is now; nothing where
    none of them is below the fleet's domain.
    """
    hosts, domain = tuple(hosts), kept_domain(look)
    below = [host for host in hosts if domain and host != domain and is_below(host, domain)]
    return [_judged(below, await named(look, app, leaves=hosts))] if below else []


def _judged(below: Iterable[str], now: Named) -> Check:
    if now.unseen:
        return Check(name="records", status="skipped", evidence=now.unseen)
    if now.leaving:
        still = ", ".join(dict.fromkeys(step.target for step in now.leaving))
        return Check(name="records", status="failed", evidence=f"{still} still have records of ours")
    evidence = "; ".join((f"{', '.join(below)} have no record of ours any more", *now.notes))
    return Check(name="records", status="passed", evidence=evidence)


async def names_of(look: Look, app: BuiltApp | ComposeApp) -> Named:
    """Return what becomes of the records of an app that is deployed: those of hosts that it had and loses go."""
    known = Known(app.name, app.existing.uuid if app.existing else "", app.home.muscle.name)
    leads = _rollout_of(app).hosts
    return await named(look, known, leads=leads, leaves=(host for host in app.home.domains if host not in leads))


def _rollout_of(app: BuiltApp | ComposeApp) -> RolloutFacts:
    return built_apps.rollout_of(app) if isinstance(app, BuiltApp) else compose_apps.rollout_of(app)


def steps_of(app: BuiltApp | ComposeApp, names: Named) -> tuple[Step, ...]:
    """Return the steps of a deployment with those of the records. Names lead there before a rollout, so that
    its proxy gets a certificate; old ones go last. Where only records differ the app is proved as it runs.
    """
    steps = built_apps.steps_of(app) if isinstance(app, BuiltApp) else compose_apps.steps_of(app)
    if not names.leading and not names.leaving:
        return steps
    if not steps and app.existing is not None:
        service = isinstance(app, ComposeApp)
        proof = prove(app.name, app.existing.uuid, _rollout_of(app), service=service)
        return (*names.leading, *names.leaving, proof)
    begins = next((at for at, step in enumerate(steps) if step.kind in NOTES), len(steps))
    return (*steps[:begins], *names.leading, *steps[begins:], *names.leaving)
