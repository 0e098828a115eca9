"""A Muscle that is emptied before it goes or reboots: each app moves as by move_app, then what is left is deleted.

An app that an earlier call has moved is known by what its switch has set, so that the same call goes on behind it.
Whatever cannot go is told all at once, and then nothing of it is planned.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from pydantic import JsonValue

from ink_infra_mcp.areas.apps import proofs, rollout
from ink_infra_mcp.areas.apps.app import App, all_apps, muscle_by_server
from ink_infra_mcp.areas.apps.moving import Move, astray, called, find_move, left_by, muscle_to, need_bytes
from ink_infra_mcp.areas.apps.moving_steps import leaves_running, prove_answer, proven_again, steps_of
from ink_infra_mcp.areas.apps.moving_words import blast_radius, most_bytes, names_of, warnings
from ink_infra_mcp.areas.apps.named import Known, Named, named
from ink_infra_mcp.areas.apps.returning import Back, kept, steps_back, why_it_stays
from ink_infra_mcp.areas.apps.rollout import RolloutFacts
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.canary import canary_name
from ink_infra_mcp.areas.machines.health import OWN
from ink_infra_mcp.clients.coolify.models import Resource
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.lanes import in_part
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, placed
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import belongs_to, containers_of, containers_on
from ink_infra_mcp.hosts.docker.rollouts import UP
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The steps that move every app away and then delete what is left of it; `apps` are those that they move, `gone`
    the uuids of all that they take off the Muscle.
    """

    steps: tuple[Step, ...] = ()
    apps: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    production: bool = False
    locks: tuple[str, ...] = ()
    blast_radius: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    most_bytes: JsonObject = field(default_factory=dict[str, JsonValue])
    stays: tuple[str, ...] = ()
    """Why apps that do not go stay, in words; for a Muscle that leaves the fleet there are none."""
    returning: tuple[Step, ...] = ()
    """The steps by which apps go back once the Muscle is well again, where that was asked for."""


UNASKED = Drain()
"""Apps are not moved: where any lives on the Muscle, it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is done for one app: `steps` bring it to serve elsewhere, `ending` deletes what is left of it here."""

    app: App
    steps: tuple[Step, ...]
    ending: tuple[Step, ...]
    move: Move | None = None
    names: Named
    back: Back | None = None
    """Its way back, where it goes back; `remains` says why it does not though that was asked for."""
    remains: str = ""


async def drain_of(look: Look, muscle: Muscle, to: str, *, copies: bool, approved: Plan | None) -> Drain:
    """Return how a Muscle is emptied; `copies` says that volumes may be copied.

    Raises:
        RefusedByPolicy: something on it cannot go, each with its reason. InputError: apps cannot go to `to`.
        HostError: a server cannot be asked.
    """
    target = muscle_to(look, to)
    if target.name == muscle.name:
        raise InputError(f"Apps of {muscle.name} cannot move to itself.", next="Name another Muscle in apps_to.")
    apps = await all_apps(look)
    here = [app for app in apps if app.muscle == muscle.name and app.name != canary_name(muscle.name)]
    draining = _Draining(look, muscle, target, apps, copies, approved)
    for app in here:
        await draining.take(app)
    refused = [*draining.refused, *await _strangers(look, muscle, apps)]
    if refused:
        more = f"; and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise RefusedByPolicy(
            f"{muscle.name} cannot be emptied. {'; '.join(refused[:_SHOWN])}{more}.",
            next="Mend each, or take it away by itself (move_app, delete_app), then call again.",
        )
    return _drain(draining.parts)


async def drains_of(
    look: Look, muscles: Iterable[Muscle], to: Muscle, approved: Plan | None, *, returns: bool = False
) -> dict[str, Drain]:
    """Return for each Muscle, in their order, what moves to `to` before it is away: what the baseline's [drain] lets.

    What an earlier move has left behind is left alone; apps that may not or cannot go stay, each with its reason. Those
    that can go back do so if it `returns` them; where they come from is kept for that.

    Raises:
        HostError: a server cannot be asked.
    """
    apps, drains = await all_apps(look), dict[str, Drain]()
    promised, parts = 0, 0
    for muscle in muscles:
        draining = _of_policy(look, muscle, to, apps, approved)
        draining.promised, draining.returns = promised, returns
        await draining.take_own()
        promised = draining.promised - draining.given_back
        drains[muscle.name] = replace(_drain(draining.parts, first=parts + 1), stays=tuple(draining.stays))
        parts += len(draining.parts)
    return drains


def _of_policy(look: Look, muscle: Muscle, to: Muscle, apps: tuple[App, ...], approved: Plan | None) -> "_Draining":
    rules = look.baseline()
    return _Draining(look, muscle, to, apps, rules.drains("volumes"), approved, keeps_urls=not rules.drains("new_urls"))


@dataclass(slots=True)
class _Draining:
    """Plans one app after the other: what is promised to one is no room for the next."""

    look: Look
    muscle: Muscle
    to: Muscle
    apps: tuple[App, ...]
    copies: bool
    approved: Plan | None
    promised: int = 0
    keeps_urls: bool = False
    returns: bool = False
    parts: list[_Part] = field(default_factory=list["_Part"])
    refused: list[str] = field(default_factory=list[str])
    stays: list[str] = field(default_factory=list[str])
    """The same without what to do about it."""

    @property
    def given_back(self) -> int:
        """Return the memory that apps leave again where they went, by going back."""
        return sum(need_bytes(self.look, part.back.move.application) for part in self.parts if part.back is not None)

    async def take_own(self) -> None:
        """Plan what becomes of each app of the Muscle; what an earlier move has left there is left alone."""
        for app in self.apps:
            if app.muscle == self.muscle.name and not left_by(app):
                await self.take(app)

    async def take(self, app: App) -> None:
        """Plan what becomes of an app, or note why it cannot go."""
        try:
            self._refuse_twin(app)
            self.parts.append(await (self._left(app, left_by(app)) if left_by(app) else self._moving(app)))
        except (InputError, RefusedByPolicy) as error:
            of = "" if error.failed.startswith(app.name) else f"{app.name}: "
            self.refused.append(f"{of}{error.failed} {error.next}".strip().rstrip("."))
            self.stays.append(f"{of}{error.failed}".rstrip("."))

    def _refuse_twin(self, app: App) -> None:
        """A second app of its name would get the name that the first leaves behind."""
        if any(other.name == app.name and other.uuid != app.uuid for other in self.apps):
            raise InputError(f"another app is called {app.name}, too.", next="Rename one of them in Coolify.")

    async def _moving(self, app: App) -> _Part:
        move = await find_move(
            self.look, app, self.to, copies=self.copies, approved=self.approved, beside_bytes=self.promised
        )
        self._refuse_renamed(move)
        names = await names_of(self.look, move)
        _refuse_astray(app.name, move.astray, names, self.to)
        self.promised += need_bytes(self.look, move.application)
        steps = steps_of(move, between=names.leading)
        part = _Part(app=app, steps=steps, ending=kept(move, steps), move=move, names=names)
        back = await self._way_back(move, names) if self.returns else ""
        if isinstance(back, Back):
            return replace(part, back=back)
        return replace(part, ending=(*proven_again(steps), *_ending(app, move.retired, move.running)), remains=back)

    async def _way_back(self, move: Move, names: Named) -> Back | str:
        """Return the way back, or why there is none."""
        strays = await astray(self.look, move.application.domains, self.muscle)
        known = (await rollout.facts(self.look, move.app)).known
        return why_it_stays(move, strays, names.leading) or Back(move, known, names.leading)

    def _refuse_renamed(self, move: Move) -> None:
        if self.keeps_urls and move.renamed:
            before, after = next(iter(move.renamed.items()))
            raise InputError(f"its URL would change from {before} to {after}.", next="Give it a domain of its own.")

    async def _left(self, app: App, name: str) -> _Part:
        """An app of that name serves in its place, is isolated, and all its names lead there: else it stays."""
        called_so = [other for other in self.apps if other.name == name]
        new = called_so[0] if len(called_so) == 1 else app
        home = self._home(new)
        if home is None or not await self._runs(new):
            raise InputError(
                f"it is left from a move, and no app {name} runs isolated on another Muscle.",
                next=f"See get_app for {name}; delete_app with app={app.uuid} deletes what is left if nobody needs it.",
            )
        names = await named(self.look, Known(name, new.uuid, home.name), leads=new.domains)
        _refuse_astray(name, await astray(self.look, new.urls, home), names, home)
        found = await containers_of(self.look.hosts, self.muscle.name, app.uuid)
        running = tuple(container.id for container in found if container.state in UP)
        return _Part(
            app=app,
            steps=placed((*names.leading, *self._proofs(new)), servers=[home.name], apps=[name]),
            ending=_ending(app, app.name, running),
            names=names,
        )

    def _home(self, app: App) -> Muscle | None:
        others = (muscle for muscle in self.look.fleet.muscles if muscle.name != self.muscle.name)
        return next((muscle for muscle in others if muscle.name == app.muscle), None)

    def _proofs(self, app: App) -> tuple[Step, ...]:
        url = called(app.urls[0])
        now = RolloutFacts(muscle=app.muscle, url=url, hosts=app.domains)
        return rollout.prove(app.name, app.uuid, now, service=False), prove_answer(app.name, app.muscle, url)

    async def _runs(self, app: App) -> bool:
        return bool(app.urls) and await proofs.is_isolated(self.look, app.muscle, app.uuid, app.domains)


def _refuse_astray(app: str, names: Iterable[str], kept: Named, to: Muscle) -> None:
    """The old app cannot run on for them, as it does after move_app: its server goes."""
    set_ = {step.target for step in kept.leading}
    if lost := [name for name in names if name not in set_]:
        raise InputError(
            f"{', '.join(lost)} would not lead to {to.name} ({to.address}), and is not ours to set.",
            next=f"Move {app} with move_app, let the name lead there, then call again.",
        )


async def _strangers(look: Look, muscle: Muscle, apps: Iterable[App]) -> list[str]:
    """Return what else is on the Muscle and would go with it: databases of Coolify's, containers of nobody's.

    A half-built Muscle is none of fleet.toml's, and holds no apps.
    """
    if muscle not in look.fleet.muscles:
        return []
    known = frozenset(app.uuid for app in apps)
    others = [thing for thing in await _resources(look, muscle) if thing.uuid not in known]
    owned = known | {thing.uuid for thing in others}
    strange = [c for c in await containers_on(look.hosts, muscle.name) if _is_nobodys(c, owned)]
    return [
        *(f"{clean_name(thing.name)}: it is no app but a {clean_name(thing.type)} of Coolify's" for thing in others),
        *(f"{clean_name(c.name)}: this container runs there, and Coolify knows no app of it" for c in strange),
    ]


async def _resources(look: Look, muscle: Muscle) -> list[Resource]:
    places = await muscle_by_server(look.coolify, look.fleet)
    own = [uuid for uuid, known in places.items() if known.name == muscle.name]
    return [thing for uuid in own for thing in await look.coolify.server_resources(uuid)]


def _is_nobodys(container: ContainerFacts, owned: Iterable[str]) -> bool:
    runs = container.state in UP and container.name not in OWN
    return runs and not any(belongs_to(container, uuid) for uuid in owned)


def _ending(app: App, name: str, running: tuple[str, ...]) -> tuple[Step, ...]:
    """What is left of an app is deleted once the host says that nothing of it runs; its volumes stay in Docker."""
    params: JsonObject = {"app": app.uuid, "muscle": app.muscle}
    stop = Step(
        id="stop_left",
        kind="hosts.stop_containers",
        target=name,
        summary=f"See on {app.muscle} that nothing of {name} runs any more",
        params={**params, "containers": [*running]},
        undo_words=f"control_app starts {app.uuid} again",
    )
    delete = Step(
        id="delete_left",
        kind="coolify.delete_application",
        target=name,
        summary=f"Delete {name} ({app.uuid}) from Coolify; its volumes on {app.muscle} are left as they are",
        params={**params, "delete_volumes": False, "service": False},
    )
    return placed((*((stop,) if running else ()), delete), servers=[app.muscle], apps=[name])


def _drain(parts: list[_Part], *, first: int = 1) -> Drain:
    """All apps move before anything of them is deleted: what fails on the way leaves the Muscle as a Muscle."""
    parts = sorted(parts, key=_place)
    moves = [part.move for part in parts if part.move is not None]
    return Drain(
        steps=_steps(parts, first),
        apps=tuple(move.app.name for move in moves),
        gone=tuple(part.app.uuid for part in parts),
        production=any(move.production for move in moves),
        locks=tuple(chain.from_iterable((*rollout.locks(part.app), *part.names.locks) for part in parts)),
        blast_radius=tuple(_noticed(part.move, part.back) for part in parts if part.move is not None),
        warnings=tuple(chain.from_iterable(map(_warnings, parts))),
        most_bytes=dict(chain.from_iterable(most_bytes(move).items() for move in moves)),
        returning=_returning(parts, first),
    )


def _place(part: _Part) -> int:
    """What is moved already comes first, and what is away while its data is copied last."""
    return 0 if part.move is None else 1 + bool(part.move.data)


def _steps(parts: Iterable[_Part], first: int) -> tuple[Step, ...]:
    moving: list[Step] = []
    ending: list[Step] = []
    for number, part in enumerate(parts, start=first):
        # what ends a part refers to its first steps: both are renamed together
        whole = in_part((*part.steps, *part.ending), f"app{number}")
        moving += whole[: len(part.steps)]
        ending += whole[len(part.steps) :]
    return (*moving, *ending)


def _returning(parts: Iterable[_Part], first: int) -> tuple[Step, ...]:
    numbered = ((f"app{number}", part.back) for number, part in enumerate(parts, start=first))
    return steps_back({part: back for part, back in numbered if back is not None})


def _noticed(move: Move, back: Back | None) -> str:
    return f"{blast_radius(move)}{f', and by {move.app.muscle} again afterwards' if back else ''}"


def _warnings(part: _Part) -> Iterator[str]:
    move = part.move
    said = warnings(move, part.names, part.steps) if move else part.names.notes
    yield from (f"{part.app.name}: {words}" for words in (*said, *(_leaving(move, part) if move else ())))


def _leaving(move: Move, part: _Part) -> Iterator[str]:
    to, home = move.target.muscle, move.app.muscle
    if leaves_running(move):
        again = ", and once more when it goes back" if part.back else ""
        yield f"who remembers its old address gets errors until the record expires{again}"
    if part.remains:
        yield f"stays on {to}: {part.remains}"
    if part.back:
        yield (
            f"where its way back fails it serves on from {to}, and what it left on {home} is kept, stopped; move_app "
            "brings it back"
        )
