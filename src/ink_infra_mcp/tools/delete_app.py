"""delete_app: delete an app, and keep its volumes unless asked."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import proofs, rollout
from ink_infra_mcp.areas.apps.app import App, find_app
from ink_infra_mcp.areas.apps.history import deletion_of
from ink_infra_mcp.areas.apps.named import NOTHING, Known, Named, named, nameless
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import HostError, UnknownName
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.systems import MUSCLE, READ, STATE, WRITE, Needs
from ink_infra_mcp.hosts.docker.containers import containers_of


class Args(BaseModel):
    """What delete_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]
    delete_volumes: Annotated[bool, Field(description="Its data; cannot be undone")] = False
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The app (None: there is none of that name), its containers, None where they could not be seen, and the records
    of its names. Of one that we deleted before, `deleted` is the step that did it.
    """

    app: App | None
    containers: tuple[str, ...] | None
    production: bool
    names: Named = NOTHING
    deleted: Step | None = None


class DeleteApp(Mutation[Args, Look, Facts]):
    """Delete an app: containers, route and settings. A person types its name; its volumes stay unless delete_volumes is
    set. It waits until the app is gone.
    """

    name: ClassVar[str] = "delete_app"
    title: ClassVar[str] = "Delete an app"
    hint: ClassVar[str] = "remove an app for good, get rid of it, destroy; no longer needed"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((STATE, READ, WRITE), (MUSCLE,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.delete_application",
        "hetzner_dns.set_records",
        "cloudflare.set_records",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app and what runs of it; None when it was deleted by us, or is gone since the plan was approved.

        Raises:
            UnknownName: there is no such app, and there was none.
        """
        try:
            app = await find_app(look, args.app)
        except UnknownName:
            deleted = await deletion_of(look, args.app.strip())
            if approved is None and deleted is None:
                raise
            return await _without(look, deleted, approved)
        now = await rollout.facts(look, app)
        try:
            found = await containers_of(look.hosts, app.muscle, app.uuid) if app.muscle else None
        except HostError:
            found = None
        names = tuple(c.name for c in found) if found is not None else None
        known = Known(app.name, app.uuid, app.muscle)
        leaving = await named(look, known, leaves=app.domains)
        return Facts(app=app, containers=names, production=now.production, names=leaving)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps, with everything that goes and everything that stays. Records go first: with the app goes
        what Coolify knows of its names.
        """
        app = facts.app
        if app is None:
            return _gone(self.name, args.app, facts)
        volumes = "Its volumes are deleted too." if args.delete_volumes else ""
        return Plan(
            tool=self.name,
            title=f"Delete {app.name}",
            target=app.name,
            locks=(*rollout.locks(app), *facts.names.locks),
            steps=(
                *facts.names.leaving,
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
                        "hosts": [*app.domains],
                    },
                ),
            ),
            production=facts.production,
            blast_radius=f"{', '.join(app.domains) or app.name} answers no more",
            keeps=() if args.delete_volumes else ("its volumes, without an owner in Coolify",),
            warnings=(*(("its data is lost for ever",) if args.delete_volumes else ()), *facts.names.notes),
            phrase=app.name,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether Coolify and the host both no longer have it, and no name of it leads to the fleet."""
        step = _deleting(plan) or await deletion_of(look, plan.target)
        gone = await proofs.gone(look, step, results) if step is not None else []
        return [*gone, *(await nameless(look, _known(step), _hosts(step)) if step is not None else [])]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the app's uuid."""
        step = _deleting(plan)
        return {"app": step.params["app"]} if step is not None else {}


async def _without(look: Look, deleted: Step | None, approved: Plan | None) -> Facts:
    names = await named(look, _known(deleted), leaves=_hosts(deleted)) if deleted else NOTHING
    production = approved is not None and approved.production
    return Facts(app=None, containers=None, production=production, names=names, deleted=deleted)


def _deleting(plan: Plan) -> Step | None:
    return next((step for step in plan.steps if step.id == "delete_app"), None)


def _known(step: Step) -> Known:
    return Known(step.target, str(step.params["app"]), str(step.params["muscle"]))


def _hosts(step: Step) -> tuple[str, ...]:
    """The names that the app had: earlier versions did not note them."""
    return tuple(str(host) for host in items(step.params.get("hosts", [])))


def _gone(tool: str, name: str, facts: Facts) -> Plan:
    """Of an app that is gone the records may be left: the deletion could not ask for them, or broke off there."""
    target, steps = facts.deleted.target if facts.deleted else name, facts.names.leaving
    return Plan(
        tool=tool,
        title=f"Take away what names of {target} left" if steps else f"Delete {name}",
        target=target,
        locks=facts.names.locks if steps else (),
        steps=steps,
        production=facts.production,
        warnings=facts.names.notes,
        phrase=target,
        reason="" if steps else f"There is no app {name} any more.",
    )
