"""Asks an image registry which image a tag names, and who signed one, as Docker and cosign ask it; without a login."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ink_infra_mcp.clients.registry.asking import Answer, RefusedError, Registries, SilentError, Visit
from ink_infra_mcp.clients.registry.signatures import signer_of
from ink_infra_mcp.core.images import Source, reference_of, source_of
from ink_infra_mcp.core.signing import SigningKey, Verdict

TIMEOUT_S = 10.0
SIGNATURES_S = 60.0
KINDS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""Without these a registry answers with an old form of the manifest, which has another digest."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """What a registry says of an image: its digest (`sha256:` and 64 hex digits), or `why` it says none."""

    digest: str = ""
    why: str = ""


@dataclass(frozen=True)
class RegistryLook(Registries):
    """The read side of image registries: those that `images` names, and no others."""

    async def image(self, reference: str) -> ImageSeen:
        """Return which image a reference such as `ghcr.io/example/shop:1` names now; trouble is told in `why`.

        For several platforms it is the digest of their index: the same that Docker keeps of what it pulled by a tag.
        """
        found = reference_of(reference)
        if found is None:
            return ImageSeen(why="it is no reference of an image")
        if found.digest:
            return ImageSeen(digest=f"sha256:{found.digest}")
        source = source_of(found.name)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                visit = Visit(self, source)
                answer = await visit.ask("HEAD", f"manifests/{found.tag or 'latest'}", accept=KINDS)
                return _seen(source.registry, answer)
        except TimeoutError:
            return ImageSeen(why=f"{source.registry} gave no answer within {TIMEOUT_S:g} seconds")
        except (SilentError, RefusedError) as error:
            return ImageSeen(why=str(error))

    async def signer(self, reference: str, keys: Sequence[SigningKey]) -> Verdict:
        """Return which of the keys signed an image that is named by its digest; trouble is told in the verdict.

        It is that digest itself that has to be signed: of several platforms their index, where that is what is named.
        What could not be looked at is no missing signature, and the verdict says so.
        """
        found = reference_of(reference)
        if found is None or not found.digest:
            return Verdict(why="it is not named by its digest", known=False)
        source, digest = source_of(found.name), f"sha256:{found.digest}"
        try:
            async with asyncio.timeout(SIGNATURES_S):
                return await self._signer(source, digest, keys)
        except TimeoutError:
            return Verdict(why=f"{source.registry} did not show all within {SIGNATURES_S:g} seconds", known=False)
        except (SilentError, RefusedError) as error:
            return Verdict(why=str(error), known=False)

    async def _signer(self, source: Source, digest: str, keys: Sequence[SigningKey]) -> Verdict:
        """Where the image itself is not shown, that no signature is says nothing."""
        visit = Visit(self, source)
        shown = await visit.ask("HEAD", f"manifests/{digest}", accept=KINDS)
        if not shown.is_ok:
            return Verdict(why=f"{source.registry}: {shown.why_not}", known=False)
        return await signer_of(visit, digest, keys)


def _seen(registry: str, answer: Answer) -> ImageSeen:
    if not answer.is_ok:
        return ImageSeen(why=f"{registry}: {answer.why_not}")
    digest = answer.headers.get("docker-content-digest", "")
    if not _DIGEST.fullmatch(digest):
        return ImageSeen(why=f"{registry} names no digest")
    return ImageSeen(digest=digest)
