"""resume_operation: go on with an operation that stopped, from where it stopped, under a new approval."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import env_proof, proofs, resumption
from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.history import VARIABLES, resumed_by
from ink_infra_mcp.areas.apps.pinning import Present, pinned, present, values_of, warnings_of
from ink_infra_mcp.areas.apps.resumption import Rest
from ink_infra_mcp.areas.apps.rollout import KNOWN
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.operation import Check, Mutation, Outcome, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, placed
from ink_infra_mcp.core.policy import apps_touched, servers_touched
from ink_infra_mcp.core.systems import DEPLOY, FACTORY, MUSCLE, OPTION, READ, RUNTIME, STATE, WRITE, Needs
from ink_infra_mcp.core.thinning import is_thinned
from ink_infra_mcp.state.records import Operation

PLANS_ANEW = frozenset(
    {"add_muscle", "patch_fleet", "remove_muscle", "connect_private_network"}
    | {"rotate_fork_image", "restore_official_coolify", "upgrade_coolify", "restore_coolify", "build_fork_image"}
)
"""Tools that look at all there is of a machine and plan what is left of it: nobody else knows it better."""
RESUMABLE = frozenset({Outcome.FAILED, Outcome.CANCELLED})
_ENDED_WELL = frozenset({Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED})


class Args(BaseModel):
    """What resume_operation takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Annotated[str, Field(pattern=r"^op-[a-z0-9]{4,40}$", description="op-...")]
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The operation that stopped, and the last deployments of its app.

    `taken_up` is the one that it asked for and could not follow to its end: that one is proved, and no other asked for.
    """

    operation: Operation
    done: tuple[str, ...]
    known: tuple[str, ...]
    taken_up: str = ""
    production: bool = False
    """Whether it touches a Muscle that is production now, whatever it was when the operation was approved."""
    present: Present | None = None
    """What there is of its app, where one exists that is still to be started."""
    resumed: str = ""
    """The operation that brought it to its end already."""


class ResumeOperation(Mutation[Args, Look, Facts]):
    """Go on with an operation that failed or was cancelled, after a person mended the cause, from where it stopped,
    under a new approval. Where other things changed, the original call plans anew.
    """

    name: ClassVar[str] = "resume_operation"
    title: ClassVar[str] = "Resume an operation"
    hint: ClassVar[str] = "continue, retry, pick up again, go on after it was interrupted or fixed"
    toolset: ClassVar[Toolset] = "operations"
    needs: ClassVar[Needs] = Needs((STATE, READ), (WRITE, DEPLOY, FACTORY, MUSCLE, OPTION, RUNTIME))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.create_project",
        "coolify.create_environment",
        "coolify.create_application",
        "coolify.create_service",
        "coolify.update_application",
        "coolify.update_service",
        "coolify.set_env_new",
        "coolify.set_env",
        "coolify.delete_env",
        "coolify.settle_service",
        "hosts.judge_compose",
        "hosts.judge_started",
        "coolify.note_deployments",
        "hosts.note_containers",
        "coolify.first_deploy",
        "coolify.deploy",
        "coolify.start",
        "coolify.restart",
        "coolify.rollback",
        "coolify.stop",
        "coolify.delete_application",
        "registry.same_image",
        "hosts.prove_isolation",
        "factory.backup_coolify",
        "factory.copy_backup",
        "factory.rehearse",
        "hosts.save_firewall",
        "hosts.set_firewall",
        "hosts.keep_firewall",
        "hosts.prove_way_in",
        "hosts.finish_packages",
        "hosts.remove_packages",
        "hosts.install_packages",
        "hosts.set_files",
        "hosts.enable_units",
        "hosts.set_swap",
        "hosts.add_repository",
        "hosts.install_docker",
        "hosts.install_runsc",
        "hosts.set_docker_daemon",
        "hosts.prove_gvisor",
        "hetzner_cloud.create_firewall",
        "hetzner_cloud.set_firewall_rules",
        "hetzner_cloud.attach_firewall",
        "hetzner_cloud.detach_firewall",
        "hetzner_robot.set_firewall",
        "hetzner_dns.set_records",
        "cloudflare.set_records",
        "nameservers.prove_records",
        "hosts.note_running",
        "coolify.set_server_settings",
        "hosts.reboot",
        "hosts.await_apps",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the operation and which of its steps are done.

        Raises:
            UnknownName: there is none with that id.
            InputError: it runs still, or ended in a way that leaves nothing to resume.
            RefusedByPolicy, HostError: what is left would run without gVisor, or nothing could be proved.
        """
        found = await look.archive.operation(args.operation)
        if found.receipt is None:
            raise InputError(f"{found.id} is still running.", next="Follow it with get_operation.")
        if found.receipt.outcome not in RESUMABLE:
            raise InputError(f"{found.id} ended as {found.receipt.outcome}.", next="There is nothing to resume.")
        if found.tool in PLANS_ANEW:
            raise InputError(
                f"{found.id} is of {found.tool}, which plans anew what is left.", next=f"Call {found.tool} again."
            )
        if found.tool in resumption.CALLED_AGAIN:
            raise InputError(f"{found.id} of {found.tool} cannot be resumed.", next=f"Call {found.tool} again.")
        if is_thinned(found.plan):
            raise InputError(f"The plan of {found.id} is no longer kept.", next=f"Call {found.tool} again.")
        if (by := await _resumed(look, found)) is not None:
            return Facts(operation=found, done=(), known=(), resumed=by)
        done = resumption.kept(found)
        await resumption.check_creation(look, found, done)
        app = await resumption.app_to_roll_out(look, found, done)
        production = await resumption.is_production(look, found.plan)
        now = await _present(look, app, found) if app else None
        if app is None or app.kind != "application":
            return Facts(operation=found, done=done, known=(), production=production, present=now)
        recent = await look.coolify.deployments_of(app.uuid, take=KNOWN)
        known = tuple(d.uuid for d in recent)
        taken_up = resumption.taken_up(found, recent)
        return Facts(operation=found, done=done, known=known, taken_up=taken_up, production=production, present=now)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps that are left, with what the finished ones returned."""
        old = facts.operation.plan
        if facts.resumed:
            return _ended(self.name, facts)
        left = resumption.steps_left(Rest(facts.operation, facts.done, facts.known, facts.taken_up))
        warnings = old.warnings
        if facts.present is not None and not facts.taken_up:
            left = pinned(left, facts.present)
            warnings = tuple(dict.fromkeys((*warnings, *warnings_of(left, facts.present))))
        again = {step.id for step in left}
        finished: JsonObject = {
            k: v for k, v in sorted(resumption.results_of(facts.operation).items()) if k not in again
        }
        return old.model_copy(
            update={
                "tool": self.name,
                "title": f"Resume {facts.operation.id}: {old.title}",
                "steps": placed(left, servers=sorted(servers_touched(old)), apps=sorted(apps_touched(old))),
                "warnings": warnings,
                "production": old.production or facts.production,
                "pinned": {"results": finished, "resumes": facts.operation.id},
                "reason": f"Every step of {facts.operation.id} is done.",
            }
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs of what the steps did."""
        if any(step.id == "prove_isolation" for step in plan.steps):
            return await proofs.of_deployment(plan, results, look)
        if plan.steps[-1].kind == "coolify.stop":
            return [await proofs.stopped(look, plan, results)]
        if plan.steps[-1].kind == "coolify.delete_application":
            return await proofs.gone(look, plan.steps[-1], results)
        if {step.kind for step in plan.steps} <= VARIABLES:
            return [await env_proof.variables(look, plan, results)]
        return [Check(name="steps", status="skipped", evidence="nothing that they did was looked at again")]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the id of the operation that was resumed, and the app's result where it was deployed."""
        resumed: JsonObject = {"resumed": plan.pinned["resumes"]}
        proved = any(step.id == "prove_isolation" for step in plan.steps)
        return resumed | (proofs.summary_of_deployment(plan, results) if proved else {})


async def _present(look: Look, app: App, stopped: Operation) -> Present:
    values = values_of(stopped.plan.steps)
    return await present(look, app.uuid, app.name, service=app.kind == "service", values=values)


async def _resumed(look: Look, stopped: Operation) -> str | None:
    """Return the operation that resumed this one to its end, None when it is still to be resumed.

    Raises:
        InputError: it was resumed by one that runs, or broke off itself: that one is to be looked at.
    """
    found = await resumed_by(look, stopped)
    if found is None:
        return None
    later, outcome = found
    if outcome in _ENDED_WELL:
        return later
    words = f"ended as {outcome}" if outcome else "is running"
    raise InputError(f"{stopped.id} was resumed by {later}, which {words}.", next=f"See get_operation {later}.")


def _ended(tool: str, facts: Facts) -> Plan:
    old = facts.operation
    reason = f"{old.id} was brought to its end by {facts.resumed}."
    return Plan(tool=tool, title=f"Resume {old.id}", target=old.plan.target, locks=old.plan.locks, reason=reason)
