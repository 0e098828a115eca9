"""The steps that ask a registry once more which image a tag names, and who signed it, before anything pulls it."""

from dataclasses import dataclass

from ink_infra_mcp.clients.registry.look import RegistryLook
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.signing import SigningKey, Verdict
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean, clean_name
from ink_infra_mcp.core.waiting import NotYet, until

WITHIN_S = 30.0
_SHORT = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class RegistrySteps:
    """Binds the handlers to the registries, and to the keys of policy."""

    look: RegistryLook
    keys: tuple[SigningKey, ...]

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"registry.same_image": self.same_image, "registry.signed_image": self.signed_image}

    async def same_image(self, call: StepCall) -> JsonObject:
        """Return the digest once the registry says that the image is the one that was approved.

        Raises:
            StepFailed: the tag names another image by now, or the registry does not say; nothing was started.
        """
        image, digest = call.text("image"), call.text("digest")

        async def told() -> str | NotYet:
            seen = await self.look.image(image)
            return seen.digest or NotYet(f"waiting for the registry of {image}", _failed(image, seen.why))

        now = await until(call, told, within_s=WITHIN_S)
        if now != digest:
            raise _failed(image, f"it is {now[:_SHORT]} now, and not {digest[:_SHORT]}")
        return {"digest": digest}

    async def signed_image(self, call: StepCall) -> JsonObject:
        """Return which key signed `image`, a reference by digest: one of those whose SHA-256 are `keys`, in hex.

        Raises:
            StepFailed: none of them did, policy names others by now, or the registry does not show it; nothing was
                started.
        """
        image, wanted = call.text("image"), call.params["keys"]
        if [key.fingerprint for key in self.keys] != wanted:
            raise _unsigned(image, "policies/images.toml names other keys by now")

        async def told() -> Verdict | NotYet:
            verdict = await self.look.signer(image, self.keys)
            if verdict.known:
                return verdict
            return NotYet(f"waiting for the registry of {image}", _unsigned(image, verdict.why))

        verdict = await until(call, told, within_s=WITHIN_S)
        if verdict.by is None:
            raise _unsigned(image, verdict.why)
        return {"key": verdict.by.name, "sha256": verdict.by.fingerprint}


def _unsigned(image: str, why: str) -> StepFailed:
    return StepFailed(
        f"{clean_name(image, limit=300)} is not known to be signed by a key of policies/images.toml: {clean(why)}.",
        done="Nothing was started.",
        next="Look at its signatures (`cosign tree`, `cosign verify --key`), then call the tool again.",
        stage="drift",
    )


def _failed(image: str, why: str) -> StepFailed:
    return StepFailed(
        f"{clean_name(image, limit=300)} is not known to be the image that was approved: {why}.",
        done="Nothing was started.",
        next="Call the tool again: its new plan shows what there is now.",
        stage="drift",
    )
