"""move_app: take an app to another Muscle, with its data where that is asked for."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import proofs, rollout
from ink_infra_mcp.areas.apps.app import App, find_app
from ink_infra_mcp.areas.apps.moving import Move, check_arrived, find_move, muscle_to
from ink_infra_mcp.areas.apps.moving_steps import KINDS, RETIRE, leaves_running, steps_of
from ink_infra_mcp.areas.apps.moving_words import blast_radius, most_bytes, names_of, warnings
from ink_infra_mcp.areas.apps.named import NOTHING, Named
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import DNS, FACTORY, OPTION, SENSITIVE, STARTS_APPS, WRITE, Needs


class Args(BaseModel):
    """What move_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]
    to: Annotated[Name, Field(description="Muscle")]
    volumes: Annotated[Literal["refuse", "copy"], Field(description="copy: stop it, copy, compare sums")] = "refuse"
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The app, and its move; None where it is on that Muscle already."""

    app: App
    move: Move | None
    names: Named = NOTHING


class MoveApp(Mutation[Args, Look, Facts]):
    """Move an app to another Muscle: a copy is deployed and proved there, then takes its names; the old app is kept,
    stopped. It refuses compose apps and, unless volumes is copy, apps with data.
    """

    name: ClassVar[str] = "move_app"
    title: ClassVar[str] = "Move an app to another Muscle"
    hint: ClassVar[str] = (
        "migrate, shift, relocate an app, get it off a Muscle, put it on another server or bigger machine"
    )
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((*STARTS_APPS, WRITE, FACTORY), (OPTION, SENSITIVE, DNS))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app and all that its move depends on.

        Raises:
            InputError: it cannot be moved so, and why. RefusedByPolicy: it would run without gVisor.
            HostError: a server cannot be asked.
        """
        app, to = await find_app(look, args.app), muscle_to(look, args.to)
        if app.muscle == to.name:
            await check_arrived(look, app)
            return Facts(app=app, move=None)
        if not app.muscle:
            raise InputError(
                f"{app.name} runs on a server that fleet.toml does not name, where nothing can be proved.",
                next="Add the server as a Muscle.",
            )
        move = await find_move(look, app, to, copies=args.volumes == "copy", approved=approved)
        return Facts(app=app, move=move, names=await names_of(look, move))

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps: copy, prove, switch, stop; whatever fails before the switch takes all of it back."""
        move, app = facts.move, facts.app
        title = f"Move {app.name} to {args.to}"
        if move is None:
            reason = f"{app.name} runs on {app.muscle}, isolated."
            return Plan(tool=self.name, title=title, target=app.name, locks=rollout.locks(app), reason=reason)
        steps = steps_of(move, between=facts.names.leading)
        return Plan(
            tool=self.name,
            title=f"Move {app.name} from {app.muscle} to {args.to}",
            target=app.name,
            locks=(*rollout.locks(app), *facts.names.locks),
            steps=steps,
            production=move.production,
            blast_radius=blast_radius(move),
            keeps=_keeps(move),
            warnings=(*warnings(move, facts.names, steps), *_runs_on(move)),
            pinned={"most_bytes": most_bytes(move)} if move.data else {},
            phrase=app.name,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs of the new app, and that the old one is stopped where it was to be."""
        proved = await proofs.of_deployment(plan, results, look)
        retired = [step for step in plan.steps if step.id == RETIRE]
        alone = plan.model_copy(update={"steps": tuple(retired)})
        return [*proved, *([await proofs.stopped(look, alone, results)] if retired else [])]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return URL, uuid and Muscle of the new app, and the uuid of the old one."""
        return proofs.summary_of_deployment(plan, results) | {"old_app": plan.steps[0].params["app"]}


def _keeps(move: Move) -> tuple[str, ...]:
    state = "runs on" if leaves_running(move) else "is kept stopped"
    return (
        f"the old app {state} as {move.retired} with its volumes: delete_app with app={move.app.uuid} deletes it",
        "settings, variables and their values, which Coolify copies itself",
    )


def _runs_on(move: Move) -> tuple[str, ...]:
    if not leaves_running(move):
        return ()
    return (f"the old app runs on, so that those are served: stop it with control_app ({move.app.uuid}) later",)
