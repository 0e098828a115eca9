"""The build of the fork's image on the release of an upgrade, in the same plan: what is built, and where it stands."""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory.fork_build import PUSH, BuildFacts, build_facts, build_steps, is_so
from ink_infra_mcp.areas.factory.fork_build import warnings_of as warnings_of_build
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Plan, Step


async def build_for(look: Look, version: str, approved: Plan | None) -> BuildFacts:
    """Return what a build of the fork on that release, on the Factory, would be of.

    Raises:
        InkError: as `build_facts`.
    """
    return await build_facts(look, f"v{version}", "", 1, approved)


def built(build: BuildFacts) -> str:
    """Return by digest the image that an earlier build of just that pushed; empty where it is still to be built."""
    return f"{build.orders.image.rpartition(':')[0]}@{build.pushed}" if is_so(build) else ""


def steps_of(build: BuildFacts | None) -> tuple[Step, ...]:
    """Return the steps of the build that come before all others; none where the image is there."""
    return build_steps(build) if build is not None and not is_so(build) else ()


def id_of(build: BuildFacts | None) -> str:
    """Return the id of the step that returns the image by its digest; empty where it is known already."""
    return PUSH if steps_of(build) else ""


def of_fresh(rules: ImageRules) -> Iterator[str]:
    """Yield why policy does not let an image run in the plan that builds it: it is new, unlisted and unsigned."""
    if rules.digests:
        yield "policies/images.toml lists the digests that may run, and a build has a new one"
    if rules.least_age_h:
        yield f"policies/images.toml lets no image run that is younger than {rules.least_age_h} h"
    if rules.keys:
        yield "policies/images.toml wants a signature, and nobody has signed what is not built yet"


def warnings_of(build: BuildFacts | None) -> tuple[str, ...]:
    """Return what a person should know of the build before a yes."""
    if build is None or is_so(build):
        return ()
    return (
        "The image's digest is known once it is built: a yes is to what it is built of, and just that build runs.",
        *warnings_of_build(build),
    )
