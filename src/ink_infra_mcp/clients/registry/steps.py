"""The step that asks a registry once more which image a tag names, before anything pulls it."""

from dataclasses import dataclass

from ink_infra_mcp.clients.registry.look import RegistryLook
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until

WITHIN_S = 30.0
_SHORT = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class RegistrySteps:
    """Binds the handler to the registries."""

    look: RegistryLook

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"registry.same_image": self.same_image}

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


def _failed(image: str, why: str) -> StepFailed:
    return StepFailed(
        f"{clean_name(image, limit=300)} is not known to be the image that was approved: {why}.",
        done="Nothing was started.",
        next="Call the tool again: its new plan shows what there is now.",
        stage="drift",
    )
