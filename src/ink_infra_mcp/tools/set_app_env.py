"""set_app_env: set and remove an app's variables; secrets by reference only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ink_infra_mcp.areas.apps import env_proof, proofs, rollout
from ink_infra_mcp.areas.apps.app import App, find_app
from ink_infra_mcp.areas.apps.env_values import Owner
from ink_infra_mcp.areas.apps.envs import (
    EnvArgs,
    EnvNow,
    delete_steps,
    env_steps,
    env_warnings,
    envs_now,
    names_otherwise,
    with_values_back,
)
from ink_infra_mcp.areas.apps.history import waits_for_rollout
from ink_infra_mcp.areas.apps.isolation import check_rollout
from ink_infra_mcp.areas.apps.pinning import Present, pinned, present, warnings_of
from ink_infra_mcp.areas.apps.source import commit_to_build
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, placed
from ink_infra_mcp.core.systems import DNS, FACTORY, OPTION, SENSITIVE, STARTS_APPS, WRITE, Needs

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=255)]


_LATER = "the change takes effect at the next start or deployment, whoever asks for that"


class Args(BaseModel):
    """What set_app_env takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]
    set: EnvArgs = {}
    remove: Annotated[tuple[EnvName, ...], Field(max_length=500, description="Names")] = ()
    redeploy: Annotated[bool, Field(description="So that it takes effect")] = True
    wait_s: Wait = 45

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
    present: Present
    owed: bool = False
    commit: str = ""
    """What a deployment would build of the app's repository, where that can be known."""


class SetAppEnv(Mutation[Args, Look, Facts]):
    """Set or remove an app's environment variables and redeploy it. Values stand in the plan, or are stored (secret:)
    or random (generate:); it takes no secret's value.
    """

    name: ClassVar[str] = "set_app_env"
    title: ClassVar[str] = "Set an app's variables"
    hint: ClassVar[str] = (
        "change, add, remove env var, environment variable, secret, api key, feature flag, DATABASE_URL"
    )
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((*STARTS_APPS, WRITE), (FACTORY, OPTION, SENSITIVE, DNS))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.set_env",
        "coolify.delete_env",
        "coolify.settle_service",
        "hosts.judge_compose",
        "hosts.judge_started",
        "coolify.note_deployments",
        "hosts.note_containers",
        "coolify.deploy",
        "coolify.restart",
        "registry.same_image",
        "hosts.prove_isolation",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app and which variables differ."""
        app = await find_app(look, args.app)
        service = app.kind == "service"
        compose = (await look.coolify.service(app.uuid)).docker_compose_raw if service else ""
        _refuse_named(compose, args.remove)
        owner = Owner(app.uuid, app.name, app.muscle, service=service, compose=compose)
        env = await envs_now(look, owner, dict(args.set), remove=args.remove)
        owed = args.redeploy and await waits_for_rollout(look, app.uuid)
        if args.redeploy and (owed or env.changed or set(args.remove) & env.uuids.keys()):
            await check_rollout(look, app)
        return Facts(
            app=app,
            env=env,
            rollout=await rollout.facts(look, app),
            present=await present(look, app.uuid, app.name, service=service, values=args.set.values()),
            owed=owed,
            commit=await commit_to_build(look, app.source) if args.redeploy else "",
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps for what differs; nothing differs: no steps."""
        app, service = facts.app, facts.app.kind == "service"
        steps = env_steps(facts.env, target=app.name, app=app.uuid, new=False, service=service)
        steps += delete_steps(facts.env, args.remove, target=app.name, app=app.uuid, service=service)
        if args.redeploy and (steps or facts.owed):
            how = "restart" if service and app.status.state == "running" else "deploy"
            rolled_out = rollout.steps(
                app.name, app.uuid, facts.rollout, first=False, how=how, commit=facts.commit, service=service
            )
            steps += with_values_back(steps, rolled_out)
        return Plan(
            tool=self.name,
            title=f"Variables of {app.name}",
            target=app.name,
            locks=rollout.locks(app),
            steps=placed(pinned(steps, facts.present), servers=[app.muscle], apps=[app.name]),
            production=facts.rollout.production,
            blast_radius=f"{app.name}" + (", restarted with the new values" if args.redeploy else ""),
            warnings=(
                *env_warnings(facts.env),
                *warnings_of(steps, facts.present),
                *(() if args.redeploy else (_LATER,)),
            ),
            phrase=app.name,
            reason=f"The variables of {app.name} are as asked for.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the names are there (and gone), and the proofs of the redeployment, values among them."""
        if "deploy" in results:
            return await proofs.of_deployment(plan, results, look)
        return [await env_proof.variables(look, plan, results)]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the names that were set and removed."""
        return {
            "set": results.get("set_env", {}).get("names", []),
            "removed": results.get("delete_env", {}).get("names", []),
        }


def _refuse_named(compose: str, names: Iterable[str]) -> None:
    """Coolify makes a variable that a compose file names again, as soon as it reads the file.

    Raises:
        InputError: one of the names is such a one.
    """
    named = [name for name in names if names_otherwise(compose, name) or f"${{{name}}}" in compose]
    if named:
        raise InputError(
            f"The compose file names {', '.join(named)}, and Coolify would make it again.",
            next="Take it out of the file with deploy_app, then remove it.",
        )
