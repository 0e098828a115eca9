"""repair_server: give a server of the fleet what its role's baseline says, and only what differs."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ink_infra_mcp.areas.baseline import judged, role_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.in_coolify import InCoolify, in_coolify, proof
from ink_infra_mcp.core.arguments import WIDENS, Wait
from ink_infra_mcp.core.baseline.judging import Judgement
from ink_infra_mcp.core.baseline.policy import PARTS, Part
from ink_infra_mcp.core.baseline.steps import KINDS, steps_of, told
from ink_infra_mcp.core.errors import HostError, RefusedByPolicy, UnknownName
from ink_infra_mcp.core.fleet import Host, Muscle, Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.systems import FACTORY, MUSCLE, READ, STATE, WRITE, Needs

RepairPart = Literal["packages", "time", "updates", "swap", "kernel", "journal", "docker", "gvisor", "coolify"]
_PARTS: TypeAdapter[tuple[RepairPart, ...]] = TypeAdapter(tuple[RepairPart, ...])
_KEEPS = (
    "others' words in every file that we merge into",
    "images, volumes and data",
    "what was there before, on the server below /var/lib/ink-infra/before",
)


_NOBODY = "nobody: what Coolify starts next is built and cleaned up otherwise"


class Args(BaseModel):
    """What repair_server takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name, Field(description="Its name")]
    parts: Annotated[tuple[RepairPart, ...], Field(description="Default: all"), WIDENS] = ()
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the server lacks, and Coolify of it where that is looked at, and whether production stands on it."""

    judgement: Judgement
    coolify: InCoolify | None = None
    production: bool


class RepairServer(Mutation[Args, Look, Facts]):
    """Bring one server to its role's baseline, where it drifted: packages, time, updates, swap, kernel, journal,
    Docker, gVisor, and what Coolify has set for a Muscle. It refuses what it cannot keep safe, and never downgrades or
    reboots.
    """

    name: ClassVar[str] = "repair_server"
    title: ClassVar[str] = "Repair a server"
    hint: ClassVar[str] = "fix, mend, reinstall what is broken on a host; settings drifted"
    toolset: ClassVar[Toolset] = "servers"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), (MUSCLE, READ, WRITE))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (*KINDS, "coolify.set_server_settings")

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what the server lacks.

        Raises:
            UnknownName: the fleet has no such server.
            HostError, VendorError: it, or what Coolify has of it, cannot be read: what is not known is not changed.
        """
        host = _host(args.server, look)
        return Facts(
            judgement=await _judged(look, host, args.parts),
            coolify=await in_coolify(look, host) if isinstance(host, Muscle) and _with_coolify(args.parts) else None,
            production=isinstance(host, Muscle) and host.production,
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps for what differs, each with its way back.

        Raises:
            RefusedByPolicy: the server cannot be brought to its baseline as it is.
        """
        it = facts.judgement
        if it.refusals:
            raise RefusedByPolicy(
                f"{it.host} cannot be brought to its baseline: {'; '.join(it.refusals)}.",
                next="Mend that, or say otherwise in policies/baseline.toml with the reason, then call again.",
            )
        there = facts.coolify or InCoolify()
        steps = (*steps_of(it), *there.steps)
        return Plan(
            tool=self.name,
            title=f"Bring {it.host} to the baseline of a {it.role}",
            target=it.host,
            locks=(f"server:{it.host}",),
            steps=steps,
            production=facts.production,
            blast_radius=_blast_radius(it) if steps else "",
            keeps=_KEEPS if steps else (),
            warnings=(*it.warnings, *there.to_click, *((there.unknown,) if there.unknown else ())),
            pinned={"parts": [*args.parts]} if args.parts else {},
            phrase=it.host,
            reason="" if steps else _reason(it, facts.coolify),
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the server, read anew, lacks nothing more, whether gVisor was proved, and what Coolify has."""
        host, parts = _host(plan.target, look), _parts_of(plan)
        try:
            it = await _judged(look, host, parts)
        except HostError as error:
            return [Check(name="baseline", status="failed", evidence=f"not seen: {error.failed}")]
        there = [await proof(look, host)] if isinstance(host, Muscle) and _with_coolify(parts) else []
        return [_baseline(it), _gvisor(plan, results), *there]


def _host(name: str, look: Look) -> Host:
    found = {host.name: host for host in look.fleet.hosts}
    if name not in found:
        raise UnknownName(f"No server is called {name!r}.", next=f"Use one of: {', '.join(found)}.")
    return found[name]


def _parts_of(plan: Plan) -> tuple[RepairPart, ...]:
    return _PARTS.validate_python(plan.pinned.get("parts", ()))


def _with_coolify(parts: tuple[RepairPart, ...]) -> bool:
    return not parts or "coolify" in parts


async def _judged(look: Look, host: Host, parts: tuple[RepairPart, ...]) -> Judgement:
    """Where only Coolify is asked for the server itself is not read, and nothing is said of it."""
    asked = frozenset[str](parts)
    own: tuple[Part, ...] = tuple(part for part in PARTS if str(part) in asked)
    if parts and not own:
        return Judgement(host=host.name, role=role_of(host, look.fleet), parts=())
    return await judged(look, host, own or None)


def _reason(it: Judgement, there: InCoolify | None) -> str:
    own = f"{it.host} is what the baseline of a {it.role} says: {', '.join(it.parts)}" if it.parts else it.host
    return f"{own}; {there.words}" if there is not None else own


def _blast_radius(it: Judgement) -> str:
    if it.foreign:
        return f"every container on {it.host}: its Docker is replaced, and they stop meanwhile"
    if it.docker or it.settings is not None:
        return f"containers on {it.host}: Docker is started anew, and those that it lets live on go on"
    return f"whoever works on {it.host}: services start, no container is touched" if it.findings else _NOBODY


def _baseline(it: Judgement) -> Check:
    if not it.parts:
        return Check(name="baseline", status="skipped", evidence="no part of the server itself was asked for")
    if it.is_already_so:
        return Check(name="baseline", status="passed", evidence=f"read anew, nothing differs in {', '.join(it.parts)}")
    left = "; ".join((*it.refusals, *filter(None, (told(it.findings),))))
    return Check(name="baseline", status="failed", evidence=f"still otherwise: {left}")


def _gvisor(plan: Plan, results: Results) -> Check:
    step = next((step for step in plan.steps if step.kind == "hosts.prove_gvisor"), None)
    if step is None:
        return Check(name="gVisor", status="skipped", evidence="neither Docker nor gVisor was touched")
    kernel = results.get(step.id, {}).get("kernel")
    status = "passed" if kernel == "gVisor" else "failed"
    return Check(name="gVisor", status=status, evidence=f"a container's kernel was {kernel or 'not seen'}")
