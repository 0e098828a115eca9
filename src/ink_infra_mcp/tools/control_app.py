"""control_app: start, stop or restart an app."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import pinning, proofs, rollout, source
from ink_infra_mcp.areas.apps.app import App, find_app
from ink_infra_mcp.areas.apps.isolation import check_rollout
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, Undo, placed
from ink_infra_mcp.core.systems import DNS, FACTORY, OPTION, SENSITIVE, STARTS_APPS, WRITE, Needs

Act = Literal["start", "stop", "restart"]
_UP = frozenset({"running", "starting", "restarting", "degraded"})


class Args(BaseModel):
    """What control_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]
    action: Annotated[Act, Field(description="What to do")]
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The app, whether it runs, and what a rollout needs to know."""

    app: App
    up: bool
    rollout: rollout.RolloutFacts
    present: pinning.Present
    commit: str = ""
    """What a start would build of the app's repository, where that can be known."""


class ControlApp(Mutation[Args, Look, Facts]):
    """Start, stop or restart an app and prove it. A restart interrupts its users. It changes no settings and deletes
    nothing.
    """

    name: ClassVar[str] = "control_app"
    title: ClassVar[str] = "Start, stop or restart an app"
    hint: ClassVar[str] = "turn or switch an app on or off, bounce it, it hangs"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs(STARTS_APPS, (FACTORY, OPTION, DNS, WRITE, SENSITIVE))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.settle_service",
        "hosts.judge_compose",
        "hosts.judge_started",
        "coolify.note_deployments",
        "hosts.note_containers",
        "coolify.start",
        "coolify.restart",
        "coolify.stop",
        "registry.same_image",
        "hosts.prove_isolation",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app; what would start it outside gVisor is refused here."""
        app = await find_app(look, args.app)
        up = await _is_up(look, app, unseen=args.action == "stop")
        if args.action == "restart" or (args.action == "start" and not up):
            await check_rollout(look, app)
        commit = await source.commit_to_build(look, app.source) if args.action == "start" else ""
        return Facts(
            app=app,
            up=up,
            rollout=await rollout.facts(look, app),
            present=await pinning.present(look, app.uuid, app.name, service=app.kind == "service"),
            commit=commit,
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the one act and its proof; an app that is so already needs none."""
        app = facts.app
        so = facts.up == (args.action != "stop") and args.action != "restart"
        steps = () if so else placed(_steps(args, facts), servers=[app.muscle], apps=[app.name])
        return Plan(
            tool=self.name,
            title=f"{args.action.capitalize()} {app.name} on {app.muscle or 'its server'}",
            target=app.name,
            locks=rollout.locks(app),
            steps=steps,
            production=facts.rollout.production,
            blast_radius=_effect(args.action, app),
            keeps=("settings, variables and volumes",),
            warnings=pinning.warnings_of(steps, facts.present),
            phrase=app.name,
            reason=f"{app.name} {'runs' if facts.up else 'does not run'}.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs: of the rollout, or that the app is stopped."""
        if plan.steps[0].kind == "coolify.stop":
            return [await proofs.stopped(look, plan, results)]
        return await proofs.of_deployment(plan, results, look)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the app and its URL."""
        if plan.steps[0].kind == "coolify.stop":
            return {"app": plan.steps[0].params["app"]}
        return proofs.summary_of_deployment(plan, results)


async def _is_up(look: Look, app: App, *, unseen: bool) -> bool:
    """The host is asked: Coolify's status lags, and calls every app of a server it lost for a moment exited.

    Where the host cannot be seen, the answer is `unseen`: the one that does not end the call with "already so".
    """
    try:
        return bool(await proofs.running_of(look, app.muscle, app.uuid)) if app.muscle else app.status.state in _UP
    except HostError:
        return unseen


def _steps(args: Args, facts: Facts) -> tuple[Step, ...]:
    app, service = facts.app, facts.app.kind == "service"
    if args.action == "stop":
        return (
            Step(
                id="stop",
                kind="coolify.stop",
                target=app.name,
                summary=f"Stop {app.name}",
                params={"app": app.uuid, "service": service, "muscle": app.muscle},
                undo=Undo(
                    kind="coolify.start",
                    target=app.name,
                    summary=f"start {app.name}",
                    params={"app": app.uuid, "service": service},
                ),
            ),
        )
    # `start` of something that runs is refused by Coolify; a restart starts what is stopped, too
    how = "restart" if args.action == "restart" else "start"
    steps = rollout.steps(app.name, app.uuid, facts.rollout, first=False, how=how, commit=facts.commit, service=service)
    return pinning.pinned(steps, facts.present)


def _effect(action: Act, app: App) -> str:
    where = ", ".join(app.domains) or app.name
    return {
        "start": f"{where} answers again",
        "stop": f"users of {where} get an error until it is started again",
        "restart": f"users of {where} may see errors for some seconds",
    }[action]
