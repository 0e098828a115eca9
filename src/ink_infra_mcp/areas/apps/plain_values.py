"""Refuses plain values that are plainly secrets, before a plan has them: plans are stored, and shown."""

import re
from collections.abc import Mapping

from ink_infra_mcp.areas.apps.env_values import GENERATE, is_generated, is_secret_name
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.secrecy import Secrecy
from ink_infra_mcp.core.secret_signs import sign_in_value, signs_in_text

_MOST = 5


def refuse_secrets(secrecy: Secrecy, wanted: Mapping[str, str]) -> None:
    """Let pass what is no secret by its look, or is allowed by name.

    Raises:
        InputError: a plain value looks like a secret; it says how to store it, and never the value.
    """
    plain = {name: value for name, value in wanted.items() if not is_secret_name(value) and not is_generated(value)}
    signs = {name: sign_in_value(name, value) for name, value in plain.items() if name not in secrecy.plain}
    found = [f"{name} ({sign})" for name, sign in signs.items() if sign]
    if not found:
        return
    first = _storable(next(name for name, sign in signs.items() if sign))
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    raise InputError(
        f"Plain values that look like secrets are not taken, since plans are stored and shown: "
        f"{', '.join(found[:_MOST])}{more}.",
        next=f"A person runs `ink-infra-mcp secret set app:{first}`; then give `secret:{first}`. Or give `{GENERATE}` "
        "for a random one that only Coolify holds. An operator allows others by name in policies/secrets.toml.",
    )


def refuse_secrets_in(text: str, *, what: str) -> None:
    """Let pass a text that runs, unless it plainly holds a secret.

    Raises:
        InputError: it does; it says how to give it as a variable instead.
    """
    if signs := signs_in_text(text):
        raise InputError(
            f"{what} plainly holds a secret, and plans are stored and shown: {'; '.join(signs[:_MOST])}.",
            next=f"Write `${{NAME}}` there and give NAME as `env`: `secret:NAME` once a person has run `ink-infra-mcp "
            f"secret set app:NAME`, or `{GENERATE}` for a random one that only Coolify holds.",
        )


def _storable(name: str) -> str:
    """Return a name under which a secret for the variable can be stored."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_0123456789").removesuffix("_FILE")[:64] or "NAME"
