"""Firewalls for the servers of the lab, and whole changes of them, run as the engine runs them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.clients import knock
from ink_infra_mcp.core.engine import Ending, StepEnd
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, Manager, WayIn
from ink_infra_mcp.core.host_firewall.steps import HostChange, Knock, steps_of
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.receipt import Problem
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.engine.workflow import Course
from ink_infra_mcp.guard.ended import outcome_of
from ink_infra_mcp.hosts.firewall.steps import FirewallSteps
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.engine.programs import NoLanes
from tests.lab.ground.site import Site
from tests.permits import permit_here

EVERYBODY = ("0.0.0.0/0", "::/0")
WEB = HostRule(protocol="tcp", ports="80,443", sources=EVERYBODY, why="the web, for everybody")
Meddle = Callable[[], Awaitable[object]]


def admin_of(site: Site) -> tuple[str, ...]:
    """Return the networks that the admin comes from."""
    return (f"{site.admin_ipv4}/32", f"{site.admin_ipv6}/128")


def firewall_of(
    site: Site, *more: HostRule, manager: Manager = "nftables", inside: tuple[str, ...] = ()
) -> HostFirewall:
    """Return the firewall of a Muscle: SSH for the admin and the Factory, the web for everybody, and `more`."""
    factory = site.machines["factory"]
    known = (*admin_of(site), f"{factory.private_ipv4}/32")
    ssh = HostRule(protocol="tcp", ports="22", sources=known, why="SSH, for the admin and the Factory")
    return HostFirewall(manager=manager, rules=(ssh, WEB, *more), outside=("eth0", "eth1"), inside=inside)


def change_of(site: Site, name: str, firewall: HostFirewall, *, window_s: int = 15) -> HostChange:
    """Return the change that gives a Muscle that firewall, as a tool would make it."""
    address = site.machines[name].private_ipv4
    return HostChange(
        host=name,
        firewall=firewall,
        ways=(WayIn(name="the admin", networks=admin_of(site)),),
        knocks=(Knock(of="factory", address=address, port=22),) if name != "factory" else (),
        window_s=window_s,
    )


@dataclass
class Operation(NoLanes):
    """One change, step by step, as an operation of the product; `meddle` runs before the step of that name."""

    pool: HostPool
    approved: Plan
    id: str = "op-1"
    meddle: Mapping[str, Meddle] = field(default_factory=dict[str, Meddle])
    said: list[str] = field(default_factory=list[str])
    ending: Ending | None = None

    @staticmethod
    def of(pool: HostPool, change: HostChange, **more: Meddle) -> "Operation":
        """Return the operation for a change; `more` are what happens before `save`, `set`, `keep` or `undo_save`."""
        steps = steps_of(change, before="as it is", after="as it shall be")
        plan = Plan(tool="lab", title="Change a firewall", target=change.host, locks=(change.host,), steps=steps)
        return Operation(pool, plan, meddle=more)

    async def run(self) -> str:
        """Run it to its end and return the outcome that the receipt would say."""
        await Course(self.id, self, _at_once).run()
        return self.outcome

    @property
    def outcome(self) -> str:
        """Return how it ended, in the word of a receipt."""
        assert self.ending
        return outcome_of(self.ending).value

    @property
    def problem(self) -> str:
        """Return why it failed, in the words that a person gets."""
        assert self.ending
        return self.ending.problem.message if self.ending.problem else ""

    async def plan(self, operation_id: str) -> Plan:
        """Return the plan."""
        return self.approved

    async def load(self, operation_id: str) -> Results:
        """Return nothing: no earlier attempt left anything."""
        return {}

    async def step(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run a step."""
        step = next(step for step in self.approved.steps if step.id == step_id)
        return await self._call(step_id, step.kind, step.target, step.params, results)

    async def undo(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run the undo of a step."""
        undo = next(step.undo for step in self.approved.steps if step.id == step_id)
        assert undo
        return await self._call(f"undo_{step_id}", undo.kind, undo.target, undo.params, results)

    async def verify(self, operation_id: str, results: Results) -> tuple[Check, ...]:
        """Look at nothing: the steps have."""
        return (Check(name="steps", status="passed", evidence="they ran"),)

    async def finish(self, operation_id: str, ending: Ending) -> None:
        """Keep the end."""
        self.ending = ending

    async def _call(self, step_id: str, kind: str, target: str, params: JsonObject, results: Results) -> StepEnd:
        short = step_id.replace(f"{target.replace('-', '_')}_", "")
        if before := self.meddle.get(short):
            await before()
        permit = permit_here(self.id, kind)
        call = StepCall(self.id, step_id, kind, target, params, results, permit, SystemClock(), self.said.append)
        try:
            return StepEnd(
                state="done", result=await FirewallSteps(self.pool, knock.Knock().all).handlers()[kind](call)
            )
        except InkError as error:
            return StepEnd(state="failed", problem=Problem(code=error.code, message=str(error)))


async def _at_once(_name: str, work: Callable[[], Awaitable[str]]) -> str:
    return await work()
