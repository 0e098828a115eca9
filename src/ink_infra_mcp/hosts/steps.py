"""The step handlers that read proofs on hosts, by kind."""

from dataclasses import dataclass

from ink_infra_mcp.core.errors import HostUnreachable, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.containers import ContainerFacts, containers_of, isolation_problems
from ink_infra_mcp.hosts.pool import HostPool

SEEN_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class HostSteps:
    """Binds the handlers to the hosts. `runtime` is the one that apps must run under; `may_go_without` is policy's."""

    pool: HostPool
    runtime: str
    may_go_without: bool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.prove_isolation": self.prove_isolation}

    async def prove_isolation(self, call: StepCall) -> JsonObject:
        """Return what docker inspect says of the app's running containers, all of them isolated.

        Raises:
            StepFailed: one is not, or none can be seen within a minute: the plan then stops the app.
        """
        muscle, app = call.text("muscle"), call.given("app")
        running = await self._running(call, muscle, app)
        problems = [f"{c.name}: {p}" for c in running for p in isolation_problems(c, runtime=self.runtime)]
        if problems and not self.may_go_without:
            raise StepFailed(
                f"The app does not run isolated on {muscle}: {'; '.join(problems)}.",
                done="It was deployed.",
                next="The Factory's Coolify may have dropped the option, or the Muscle's Docker lacks the runtime.",
                stage="isolation",
                probable_cause="Coolify dropped --runtime, or docker on the Muscle has no such runtime",
            )
        return {"containers": [{"name": c.name, "id": c.id, "runtime": c.runtime} for c in running]}

    async def _running(self, call: StepCall, muscle: str, app: str) -> list[ContainerFacts]:
        """A host that is away for a moment is asked again: the plan's answer to a failure is to stop the app."""
        words = f"waiting for a container on {muscle}"

        async def seen() -> list[ContainerFacts] | NotYet:
            try:
                found = await containers_of(self.pool, muscle, app)
            except HostUnreachable as error:
                return NotYet(words, error)
            return [c for c in found if c.state == "running"] or NotYet(words, _none_runs(muscle))

        return await until(call, seen, within_s=SEEN_WITHIN_S)


def _none_runs(muscle: str) -> StepFailed:
    return StepFailed(
        f"No container of the app runs on {muscle}.",
        done="It was deployed.",
        next="Look at get_app_logs: the app may end right after its start.",
        stage="isolation",
    )
