"""restore_coolify: put a backup of the control plane back into service, here or on a new machine."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.restore import KINDS, RestoreFacts, restore_facts, restore_steps
from ink_infra_mcp.areas.factory.restore_proofs import of_restore
from ink_infra_mcp.areas.factory.restore_words import warnings_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import FACTORY, READ, RUNTIME, STATE, WRITE, Needs


class Args(BaseModel):
    """What restore_coolify takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backup: Annotated[
        str | None,
        Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name that backup_coolify gave; none: lists them"),
    ] = None
    from_folder: Annotated[
        str | None,
        Field(
            pattern=r"^/data/coolify/backups(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,4}$",
            description="Or where that of a burnt Factory was copied to",
        ),
    ] = None
    wait_s: Wait = 45


class RestoreCoolify(Mutation[Args, Look, RestoreFacts]):
    """Restore Coolify from a backup, on the same machine or a new one. The plan names what is lost; it is
    rehearsed on a copy, and taken away again unless all is proved. No app's data is restored.
    """

    name: ClassVar[str] = "restore_coolify"
    title: ClassVar[str] = "Restore Coolify"
    hint: ClassVar[str] = (
        "restore from the backup, recover; factory burnt down, was lost; a project was deleted in Coolify"
    )
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), (READ, WRITE, RUNTIME))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> RestoreFacts:
        """Return what the restore would meet.

        Raises:
            InputError: there is no such backup. RefusedByPolicy: see `restore_facts`.
            HostError: the Factory cannot be reached.
        """
        return await restore_facts(look, args.backup, args.from_folder)

    def plan(self, args: Args, facts: RestoreFacts) -> Plan:
        """Return the steps, also where that backup was restored last: whether all is still so nobody can prove."""
        host, name = facts.host, facts.weighed.name
        return Plan(
            tool=self.name,
            title=f"Restore Coolify on {host} from the backup {name}",
            target=host,
            locks=("coolify", f"muscle:{host}"),
            steps=restore_steps(facts),
            blast_radius="all that was made or changed in Coolify since the backup; its dashboard and API for a minute",
            keeps=(
                "users' apps, which run on",
                "the Coolify of now: a backup of it, and its database as ink_left",
                "Coolify's image, its compose files, APP_KEY, and the database's password",
            ),
            warnings=warnings_of(facts),
            phrase=host,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the database is that of the backup, and Coolify works with it."""
        return await of_restore(plan, results, look)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return how long the dashboard was away, which servers let Coolify in, and the backup of what was before."""
        proof, rehearsal = results.get("prove", {}), results.get("rehearse", {})
        return {
            "downtime_ms": results.get("restore", {}).get("downtime_ms"),
            "migrations": rehearsal.get("ran"),
            "keys": proof.get("keys"),
            "reached": proof.get("reached"),
            "unreached": proof.get("unreached"),
            "backup_of_before": results.get("backup", {}).get("folder"),
            "go_back": "/data/coolify/ink/rollback --with-database on the Factory",
        }
