"""delete_app: delete an app, and keep its volumes unless asked."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import proofs, rollout
from ink_infra_mcp.areas.apps.app import App, find_app
from ink_infra_mcp.areas.apps.history import deleted_by
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.errors import HostError, UnknownName
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.systems import MUSCLE, READ, STATE, WRITE, Needs
from ink_infra_mcp.hosts.docker.containers import containers_of


class Args(BaseModel):
    """What delete_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Exact name, uuid or domain")]
    delete_volumes: Annotated[bool, Field(description="Also delete its data; cannot be undone")] = False
    wait_s: Annotated[int, Field(ge=0, le=3600)] = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The app (None: there is none of that name) and its containers, None where they could not be seen."""

    app: App | None
    containers: tuple[str, ...] | None
    production: bool


class DeleteApp(Mutation[Args, Look, Facts]):
    """Delete an app: its containers, its route and its settings in Coolify. A person must type the app's name; its
    volumes are kept unless delete_volumes is set. It waits until the app is really gone.
    """

    name: ClassVar[str] = "delete_app"
    title: ClassVar[str] = "Delete an app"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((STATE, READ, WRITE), (MUSCLE,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = ("coolify.delete_application",)

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app and what runs of it; None when it was deleted by us, or is gone since the plan was approved.

        Raises:
            UnknownName: there is no such app, and there was none.
        """
        try:
            app = await find_app(look, args.app)
        except UnknownName:
            if approved is None and not await deleted_by(look, args.app.strip()):
                raise
            return Facts(app=None, containers=None, production=approved.production if approved else False)
        now = await rollout.facts(look, app)
        try:
            found = await containers_of(look.hosts, app.muscle, app.uuid) if app.muscle else None
        except HostError:
            found = None
        names = tuple(c.name for c in found) if found is not None else None
        return Facts(app=app, containers=names, production=now.production)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the one step, with everything that goes and everything that stays."""
        app = facts.app
        if app is None:
            return _gone(self.name, args.app)
        volumes = "Its volumes are deleted too." if args.delete_volumes else ""
        return Plan(
            tool=self.name,
            title=f"Delete {app.name}",
            target=app.name,
            locks=rollout.locks(app),
            steps=(
                Step(
                    id="delete_app",
                    kind="coolify.delete_application",
                    target=app.name,
                    servers=(app.muscle,) if app.muscle else (),
                    apps=(app.name,),
                    summary=f"Delete {app.name} ({app.uuid}) from {app.muscle or 'its server'}. {volumes}".strip(),
                    before=f"serves {', '.join(app.domains) or 'no domain'}",
                    params={
                        "app": app.uuid,
                        "delete_volumes": args.delete_volumes,
                        "service": app.kind == "service",
                        "muscle": app.muscle,
                    },
                ),
            ),
            production=facts.production,
            blast_radius=f"{', '.join(app.domains) or app.name} answers no more",
            keeps=() if args.delete_volumes else ("its volumes, without an owner in Coolify",),
            warnings=("its data is lost for ever",) if args.delete_volumes else (),
            phrase=app.name,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether Coolify and the host both no longer have it."""
        return await proofs.gone(look, plan)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the app's uuid."""
        return {"app": plan.steps[0].params["app"]}


def _gone(tool: str, name: str) -> Plan:
    return Plan(tool=tool, title=f"Delete {name}", target=name, locks=(), reason=f"There is no app {name} any more.")
