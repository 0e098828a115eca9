"""A rotation of Coolify's image: what it would meet, and why it is refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ink_infra_mcp.areas.apps.app import all_apps
from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.apps.home import find_project
from ink_infra_mcp.areas.factory.canary import canary_of
from ink_infra_mcp.areas.factory.copies import left_here
from ink_infra_mcp.areas.factory.exchange import (
    Exchange,
    check_files,
    common_reasons,
    is_off,
    needs_option,
    relying,
    serves,
)
from ink_infra_mcp.areas.factory.image import Picture, own_line, picture
from ink_infra_mcp.areas.factory.image_gates import of_rules, signed_now
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.images import reference_of
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.signing import Verdict
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import kind_of, normal
from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Ready, ready


@dataclass(frozen=True, slots=True)
class RotationFacts:
    """What a rotation to `image`, a reference by digest, would meet. `canary` is None where it runs already."""

    image: str
    picture: Picture
    ready: Ready
    canary: BuiltApp | None = None
    rules: ImageRules = field(default_factory=ImageRules)
    signed: Verdict | None = None

    @property
    def host(self) -> str:
        """Return the Factory's name."""
        return self.picture.facts.host

    @property
    def images(self) -> dict[str, str]:
        """Return what each file shall name for Coolify; Coolify's own gets its own line back."""
        return {CUSTOM: self.image, PROD: own_line(self.picture)}

    @property
    def changed(self) -> dict[str, str]:
        """Return what each file that changes shall name."""
        now = self.picture.facts.images or {}
        return {name: image for name, image in self.images.items() if image and now.get(name, "") != image}

    @property
    def is_so(self) -> bool:
        """Return whether it runs, is what the override alone names, and no update replaces it."""
        return serves(self.picture, self.image) and not self.changed and is_off(self.picture)


async def rotation_facts(look: Look, image: str, approved: Plan | None) -> RotationFacts:
    """Return what a rotation would meet; the digest of a tag is resolved now, and pinned by the plan.

    Raises:
        InputError: the image is none, or no registry of the fleet has it.
        RefusedByPolicy: Coolify or the Factory is in a state in which nobody should swap it; every reason is said.
        HostError: the Factory cannot be reached.
    """
    by_digest = await pinned_image(look, image)
    seen = await picture(look)
    meets = await ready(look.hosts, seen.facts.host)
    bare = RotationFacts(by_digest, seen, meets, rules=look.images)
    if bare.is_so:
        return bare
    bare = replace(bare, signed=await signed_now(look, bare.image))
    if reasons := tuple(reasons_against(bare)):
        raise RefusedByPolicy(
            f"Coolify's image on {bare.host} is not rotated: {'; '.join(reasons)}.",
            next="Mend that, look with get_coolify_image, then call again.",
        )
    check_files(meets, bare.changed)
    canary = await canary_of(look, await find_project(look), await all_apps(look), approved)
    return replace(bare, canary=canary)


async def pinned_image(look: Look, image: str) -> str:
    """Return by digest which image is meant; what a tag names is asked now.

    Raises:
        InputError: it is none, or no registry of the fleet has it.
    """
    found = reference_of(image)
    if found is None:
        raise InputError(f"{clean_name(image)} is no image.", next="Give it as name@sha256:..., or name:tag.")
    name = normal(found.name).rpartition(":")[0]
    if found.digest:
        return f"{name}@sha256:{found.digest}"
    seen = await look.registries.image(image)
    if not seen.digest:
        raise InputError(
            f"Which image {clean_name(image)} is cannot be told: {seen.why}.",
            next="Give it by digest (name@sha256:...), or add its registry to fleet.toml.",
        )
    return f"{name}@{seen.digest}"


def reasons_against(facts: RotationFacts) -> Iterator[str]:
    """Yield every reason not to begin; what is not known is one."""
    seen, meets = facts.picture, facts.ready
    yield from common_reasons(seen, meets)
    yield from of_rules(facts.rules, facts.image, facts.signed)
    if kind_of(facts.image) == "official" and needs_option(seen, meets):
        known = relying(seen, meets)
        many = "which apps rely on it is not known" if known is None else f"{len(known)} apps rely on it"
        yield f"{facts.image} is an official image, which drops --runtime: {many}"


def exchange_of(facts: RotationFacts) -> Exchange:
    """Return the exchange that the rotation is."""
    return Exchange(
        image=facts.image,
        picture=facts.picture,
        ready=facts.ready,
        images=facts.changed,
        canary=facts.canary,
        option=needs_option(facts.picture, facts.ready),
        rules=facts.rules,
    )


def warnings_of(facts: RotationFacts) -> tuple[str, ...]:
    """Return what a person should know before a yes."""
    seen, known = facts.picture, relying(facts.picture, facts.ready)
    told = "not known" if known is None else f"{len(known)} apps rely on the option --runtime"
    searched = "; the image is searched for it before anything stops" if needs_option(seen, facts.ready) else ""
    words = [
        f"Apps that rely on --runtime: {told}{searched}.",
        "While it is swapped, dashboard and API do not answer: about a minute, and as long as a dump and its "
        "migrations take; a deployment that begins then fails.",
        "Where migrations ran, going back restores the database from the moment of the swap: what is made in Coolify "
        "until the image is confirmed would be lost.",
        *left_here(seen.place),
    ]
    if seen.option is False:
        words.append("The image in service drops --runtime: going back goes back to that.")
    return tuple(words)
