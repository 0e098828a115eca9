"""What an endpoint is, and what each version of Coolify makes of it."""

from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.sandbox.coolify.call import Handler
from ink_infra_mcp.sandbox.coolify.release import V4_0, V4_2, Release, at_least

Meaning = Literal["act", "post_required", "unknown"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method and path below /api/v1, with what answers and who may ask.

    `since` and `until` are the first versions with and without it. `was` says how versions before 4.2.0 took what is
    POST-only today: by GET only, or by both. `old_ability` is what betas asked for. An `ability` of None asks for no
    token; `always` answers even when the API is switched off.
    """

    method: str
    path: str
    handler: Handler
    ability: str | None = "read"
    since: Release | None = None
    until: Release | None = None
    was: Literal["", "get", "both"] = ""
    old_ability: str = ""
    always: bool = False

    @property
    def methods(self) -> list[str]:
        """Return every method that some version answers."""
        return [self.method, "GET"] if self.was else [self.method]

    def meaning(self, method: str, version: str) -> Meaning:
        """Return what a request by that method is to that version."""
        if not self._exists_in(version):
            return "unknown"
        is_new = at_least(version, V4_2)
        if not self.was or method == "POST":
            return self._meaning_today(is_new=is_new)
        return "post_required" if is_new else "act"

    def _meaning_today(self, *, is_new: bool) -> Meaning:
        """Return what a request by today's method is."""
        return "unknown" if self.was == "get" and not is_new else "act"

    def _exists_in(self, version: str) -> bool:
        begun = self.since is None or at_least(version, self.since)
        return begun and not (self.until and at_least(version, self.until))

    def ability_in(self, version: str) -> str | None:
        """Return the ability that a token needs in that version."""
        return self.old_ability if self.old_ability and not at_least(version, V4_0) else self.ability
