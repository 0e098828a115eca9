"""build_fork_image: build the fork's image of Coolify on a release, check it, and push it by digest."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.fork_build import (
    BUILD,
    KINDS,
    PUSH,
    BuildFacts,
    build_facts,
    build_steps,
    is_so,
    pinned_of,
    pulled_back,
    registry_has,
    warnings_of,
)
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import FACTORY, GITHUB, STATE, Needs

_KEEPS = ("Coolify in service and every app: all run on", "every tag that the registry shows: none is overwritten")


class Args(BaseModel):
    """What build_fork_image takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Annotated[str, Field(pattern=r"^(v4\.[0-9]{1,4}\.[0-9]{1,4})?$", description="Release tag, as v4.3.11")] = ""
    host: Annotated[str, Field(max_length=63, description="default: Factory"), Mark.OPTION] = ""
    build: Annotated[int, Field(ge=1, le=99, description="2: once more"), Mark.OPTION] = 1
    wait_s: Annotated[int, Field(ge=0, le=3600), Mark.OPTION] = 45


class BuildForkImage(Mutation[Args, Look, BuildFacts]):
    """Build the fork's image of Coolify: its patch on a release tag, checked for --runtime, pushed. It answers the
    digest and puts nothing into service.
    """

    name: ClassVar[str] = "build_fork_image"
    title: ClassVar[str] = "Build the fork's image"
    hint: ClassVar[str] = "compile, rebase our Coolify branch on a newer release, registry"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY, GITHUB), ())
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> BuildFacts:
        """Return what would be built, with every name pinned.

        Raises:
            InkError: see `build_facts`.
        """
        return await build_facts(look, args.base, args.host, args.build, approved)

    def plan(self, args: Args, facts: BuildFacts) -> Plan:
        """Return the build and the push; nothing where this host has pushed just that before."""
        image, host = facts.orders.image, facts.host
        title = f"Build {image} on {host}, and push it"
        if is_so(facts):
            seen = "the registry has it" if facts.registry else f"the registry does not say ({facts.unseen})"
            reason = f"{host} built, checked and pushed {image} before, as {facts.pushed}; {seen}."
            return Plan(tool=self.name, title=title, target=host, locks=(), reason=reason)
        return Plan(
            tool=self.name,
            title=title,
            target=host,
            locks=(f"build:{host}",),
            steps=build_steps(facts),
            production=facts.production,
            blast_radius=f"nothing in service: {host} lends CPU, memory and room, and the registry gets an image",
            keeps=_KEEPS,
            warnings=warnings_of(facts),
            pinned=pinned_of(facts),
            phrase=host,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the registry names that digest for the tag, and the host, asked anew, has pulled it back."""
        pushed = results.get(PUSH)
        return (
            [] if pushed is None else [await registry_has(look, pushed), await pulled_back(look, plan.target, pushed)]
        )

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the image by digest, which is what rotate_fork_image takes, its tag, the commit at which the fork left
        Coolify, the files of the release that were changed (none are known where an earlier build was taken), and how
        whoever has a key signs it; nothing here does.
        """
        pushed = results.get(PUSH)
        if pushed is None:
            return {}
        image = str(pushed["image"])
        built = results[BUILD]
        told: JsonObject = {name: built[name] for name in ("from", "applied") if name in built}
        by_digest = f"{image.rpartition(':')[0]}@{pushed['digest']}"
        return {"image": by_digest, "tag": image, **told, "to_sign": f"cosign sign --key cosign.key {by_digest}"}
