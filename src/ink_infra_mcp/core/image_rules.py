"""What policy says of Coolify's own image: how old it must be, which digests may run at all, and who has to sign it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.policy import Rule
from ink_infra_mcp.core.signing import SigningKey

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class AgeRule(Rule):
    """A least age in hours."""

    value: Annotated[int, Field(ge=0, le=24 * 365)]


class DigestsRule(Rule):
    """The digests that may run; empty: any."""

    value: tuple[Digest, ...]


class KeysRule(Rule):
    """The files of public keys of which one has to have signed an image; empty: no signature is looked for."""

    value: tuple[Annotated[str, Field(min_length=1, max_length=400)], ...]


class ImagesFile(Frozen):
    """images.toml as it is written: the packaged one has every rule, an operator's only those that it changes."""

    least_age_h: AgeRule | None = None
    digests: DigestsRule | None = None
    signed_by: KeysRule | None = None


class ImageRules(Frozen):
    """The rules in force."""

    least_age_h: int = 0
    digests: tuple[Digest, ...] = ()
    keys: tuple[SigningKey, ...] = ()

    def unlisted(self, digest: str) -> bool:
        """Return whether there is a list, and `digest` is not on it."""
        return bool(self.digests) and digest not in self.digests


def adjusted(base: ImageRules, overlay: ImagesFile, read: Callable[[str], SigningKey]) -> ImageRules:
    """Return `base` with the overlay's rules in place of its own; `read` returns the key in a file.

    Raises:
        ValueError: two names are of one key; whatever `read` raises.
    """
    keys = tuple(map(read, overlay.signed_by.value)) if overlay.signed_by else base.keys
    if len({key.spki for key in keys}) < len(keys):
        raise ValueError("signed_by names one key twice")
    return ImageRules(
        least_age_h=overlay.least_age_h.value if overlay.least_age_h else base.least_age_h,
        digests=overlay.digests.value if overlay.digests else base.digests,
        keys=keys,
    )


def too_young(created: str, now: datetime, least_age_h: int) -> str:
    """Return why an image that was `created` then (RFC 3339, as Docker tells it) is not old enough; empty: it is.

    A date that cannot be read, or that lies ahead, is no age; so is none at all, which reproducible builds leave.
    """
    if not least_age_h:
        return ""
    try:
        age = now - datetime.fromisoformat(created)
    except (ValueError, TypeError):
        return "when it was made is not known"
    if age < timedelta(0) or created.startswith(("0001-", "1970-")):
        return f"{created[:10]} is no date to tell its age by"
    hours = int(age / timedelta(hours=1))
    return "" if hours >= least_age_h else f"it is {hours} h old, and policy wants {least_age_h} h"
