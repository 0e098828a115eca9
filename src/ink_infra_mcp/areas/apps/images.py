"""The image that a tag names: asked of its registry for the plan, right before the start, and of Docker after it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.areas.apps.rollout import ROLLOUTS
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import DIGEST_MARK
from ink_infra_mcp.core.fingerprint import Facets
from ink_infra_mcp.core.images import reference_of
from ink_infra_mcp.core.plan import JsonObject, Step

_BUILT = frozenset({"coolify.rollback"})
"""Kinds of rollout that take an image of the server's own, and pull none."""
_HASH_TAG = "sha256-"
"""How a tag begins that Coolify takes for a digest (ApplicationDeploymentJob.php, version 4.3.11)."""


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """An image by its tag, and the digest that its registry gives for it now; `why` it gives none."""

    reference: str
    digest: str = ""
    why: str = ""


def reference_in(facets: Facets) -> str:
    """Return the image that an app with these facets pulls when it is deployed, by its tag.

    Empty for one that Coolify builds, and for one that is named by its digest already.
    """
    name, tag = facets.get("docker_registry_image_name", ""), facets.get("docker_registry_image_tag") or "latest"
    if facets.get("build_pack") != "dockerimage" or not name or name.endswith(DIGEST_MARK) or tag.startswith(_HASH_TAG):
        return ""
    return f"{name}:{tag}"


async def tagged(look: Look, image: str) -> TaggedImage | None:
    """Return an image by its tag, with its digest as its registry has it now.

    None for nothing, and for what is named by its digest already.
    """
    found = reference_of(image)
    if found is None or found.digest:
        return None
    reference = f"{found.name}:{found.tag or 'latest'}"
    seen = await look.registries.image(reference)
    return TaggedImage(reference, seen.digest, seen.why)


def with_digest(steps: Iterable[Step], image: TaggedImage) -> Iterator[Step]:
    """Give the steps such that the image is asked for once more right before it is pulled, and proved afterwards."""
    for step in steps:
        is_pulled = step.kind in ROLLOUTS - _BUILT
        if is_pulled:
            yield _once_more(step, image)
        of_proof: JsonObject = {"image_digest": image.digest} if step.kind == "hosts.prove_isolation" else {}
        yield step.model_copy(update={"params": step.params | of_proof}) if of_proof else step


def _once_more(step: Step, image: TaggedImage) -> Step:
    return Step(
        id="same_image",
        kind="registry.same_image",
        target=step.target,
        summary=f"Look once more whether {image.reference} is {image.digest[:19]}",
        params={"image": image.reference, "digest": image.digest},
        reads=True,
        undo_words="nothing to undo: it only reads",
    )


def warnings_of(image: TaggedImage) -> tuple[str, ...]:
    """Return what a person must know of an image that only its tag names."""
    if image.digest:
        return ()
    return (f"{image.reference} is known by its tag only, which may be moved: {image.why}",)
