"""What policy asks of an image of Coolify before it may run: that its digest is listed, and who has signed it."""

from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Step
from ink_infra_mcp.core.signing import SigningKey, Verdict

_SHORT = 12
UNSIGNED = "No signature of the image was looked for: policies/images.toml names no key (signed_by)."


async def signed_now(look: Look, image: str) -> Verdict | None:
    """Return who signed an image, a reference by digest, as its registry shows it; None where policy names no key."""
    return await look.registries.signer(image, look.images.keys) if look.images.keys else None


def of_rules(rules: ImageRules, image: str, signed: Verdict | None) -> Iterator[str]:
    """Yield why policy does not let the image, a reference by digest, run at all; its age is known after the pull."""
    if rules.unlisted(image.partition("@")[2]):
        yield f"{image} is not among the digests that policies/images.toml lets run"
    if rules.keys and (signed is None or signed.by is None):
        yield from _of_signature(rules, image, signed or Verdict(known=False, why="nobody looked"))


def _of_signature(rules: ImageRules, image: str, signed: Verdict) -> Iterator[str]:
    keys = _named(rules.keys)
    if signed.known:
        yield f"{image} is not signed by {keys}, as policies/images.toml wants it: {signed.why}"
    else:
        yield f"whether {image} is signed by {keys}, as policies/images.toml wants it, is not known: {signed.why}"


def of_first(rules: ImageRules, image: str, signed: Verdict | None) -> Iterator[str]:
    """Yield why policy does not let an image be the first one: its installer pulls it and starts it at once.

    Nobody can ask its age between the two; a digest that somebody has listed says more than a date that its builder
    wrote, so that the list stands for the age here.
    """
    yield from of_rules(rules, image, signed)
    if (hours := rules.least_age_h) and not rules.digests:
        yield (
            f"policies/images.toml lets no image run that is younger than {hours} h, and the age of a first one is not "
            f"known: list {image.partition('@')[2]} in its `digests` once you have judged it"
        )


def looked_for(rules: ImageRules, image: str) -> Iterator[Step]:
    """Yield the step that asks once more for the signature, before anything is pulled; none where no key is named."""
    if not rules.keys:
        return
    keys: list[JsonValue] = [key.fingerprint for key in rules.keys]
    yield Step(
        id="signed",
        kind="registry.signed_image",
        target=image.partition("/")[0],
        summary=f"See once more that {image} is signed by {_named(rules.keys)}",
        params={"image": image, "keys": keys},
        reads=True,
        undo_words="nothing to undo: it only reads",
    )


def unlooked(rules: ImageRules) -> tuple[str, ...]:
    """Return what a person should know of signatures before a yes."""
    return () if rules.keys else (UNSIGNED,)


def _named(keys: tuple[SigningKey, ...]) -> str:
    return " or ".join(f"{key.name} (SHA-256 {key.fingerprint[:_SHORT]})" for key in keys)
