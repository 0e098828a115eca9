"""Lines of logs as they may be shown: cleaned, own values masked, then all that is or looks secret, then cut."""

from collections.abc import Iterable, Sequence

from ink_infra_mcp.areas.apps.own_values import OwnValues
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.untrusted import clean


def masked(own: OwnValues, lines: Iterable[str]) -> list[str]:
    """Return the lines cleaned and with the app's own values masked, none of them cut."""
    return own.lines(clean(line, limit=None) for line in lines)


def redacted(look: Look, lines: Sequence[str], *, limit: int) -> tuple[str, ...]:
    """Return masked lines as they may be shown, each cut at `limit` characters."""
    # masked before it is cut: nobody knows the half of a secret
    whole = look.redact("\n".join(lines)).split("\n") if lines else []
    return tuple(clean(line, limit=limit) for line in whole)
