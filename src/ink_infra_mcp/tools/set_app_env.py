"""set_app_env: set and remove an app's variables; secrets by reference only."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ink_infra_mcp.areas.apps import proofs, rollout
from ink_infra_mcp.areas.apps.app import App, find_app
from ink_infra_mcp.areas.apps.envs import EnvArgs, EnvNow, env_steps, envs_now
from ink_infra_mcp.areas.apps.history import waits_for_rollout
from ink_infra_mcp.areas.apps.isolation import check_rollout
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.systems import DNS, FACTORY, OPTION, STARTS_APPS, WRITE, Needs

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=255)]


class Args(BaseModel):
    """What set_app_env takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Exact name, uuid or domain")]
    set: Annotated[EnvArgs, Field(description="Plain values, or secret:NAME for a stored secret")] = {}
    remove: Annotated[tuple[EnvName, ...], Field(max_length=500)] = ()
    redeploy: Annotated[bool, Field(description="Deploy, so that the change takes effect")] = True
    wait_s: Annotated[int, Field(ge=0, le=3600)] = 45

    @model_validator(mode="after")
    def _something(self) -> "Args":
        if not self.set and not self.remove:
            raise ValueError("give set or remove")
        if both := sorted(set(self.set) & set(self.remove)):
            raise ValueError(f"{', '.join(both)} cannot be set and removed at once")
        return self


@dataclass(frozen=True, slots=True)
class Facts:
    """The app, its variables, and what a redeployment needs to know. `owed`: an earlier change still waits for one."""

    app: App
    env: EnvNow
    rollout: rollout.RolloutFacts
    owed: bool = False


class SetAppEnv(Mutation[Args, Look, Facts]):
    """Set or remove environment variables of an app and redeploy it so that they take effect. Values are plain, or
    secret:NAME for one that a person stored; it shows names only. It never takes a secret's value as an argument.
    """

    name: ClassVar[str] = "set_app_env"
    title: ClassVar[str] = "Set an app's variables"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((*STARTS_APPS, WRITE), (FACTORY, OPTION, DNS))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.set_env_new",
        "coolify.set_env",
        "coolify.delete_env",
        "coolify.note_deployments",
        "hosts.note_containers",
        "coolify.deploy",
        "hosts.prove_isolation",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app and which variables differ."""
        app = await find_app(look, args.app)
        if app.kind == "service":
            raise InputError(f"{app.name} is a compose app; its variables are in its file.", next="Use deploy_app.")
        env = await envs_now(look, app.uuid, dict(args.set))
        owed = args.redeploy and await waits_for_rollout(look, app.uuid)
        if args.redeploy and (owed or env.changed or set(args.remove) & env.uuids.keys()):
            await check_rollout(look, app)
        return Facts(app=app, env=env, rollout=await rollout.facts(look, app), owed=owed)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps for what differs; nothing differs: no steps."""
        app = facts.app
        steps = env_steps(facts.env, target=app.name, app=app.uuid, new=False)
        gone = sorted(name for name in args.remove if name in facts.env.uuids)
        if gone:
            steps.append(
                Step(
                    id="delete_env",
                    kind="coolify.delete_env",
                    target=app.name,
                    summary=f"Remove the variables {', '.join(gone)} of {app.name}",
                    params={"app": app.uuid, "names": [*gone]},
                    undo_words="set them again: their values are gone",
                )
            )
        if args.redeploy and (steps or facts.owed):
            steps += rollout.steps(app.name, app.uuid, facts.rollout, first=False)
        return Plan(
            tool=self.name,
            title=f"Variables of {app.name}",
            target=app.name,
            locks=rollout.locks(app),
            steps=tuple(steps),
            production=facts.rollout.production,
            blast_radius=f"{app.name}" + (", restarted with the new values" if args.redeploy else ""),
            warnings=() if args.redeploy else ("the change takes effect only at the next deployment",),
            phrase=app.name,
            reason=f"The variables of {app.name} are as asked for.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the names are there (and gone), and the proofs of the redeployment."""
        checks = [await proofs.variables(look, plan)]
        return [*checks, *(await proofs.of_deployment(plan, results, look) if "deploy" in results else [])]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the names that were set and removed."""
        return {
            "set": results.get("set_env", {}).get("names", []),
            "removed": results.get("delete_env", {}).get("names", []),
        }
