"""What a Coolify step handler works with."""

from collections.abc import Callable
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.act import CoolifyAct
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import StepCall

MARKER = "ink-operation="


@dataclass(frozen=True, slots=True)
class CoolifyStep:
    """One run of one step, the client with its permit, and the way to a stored secret by its name."""

    call: StepCall
    coolify: CoolifyAct
    need_secret: Callable[[str], Secret]
    redact: Callable[[str], str]

    @property
    def marker(self) -> str:
        """Return the text by which a second run recognises what the first one made."""
        return f"{MARKER}{self.call.operation_id}"
