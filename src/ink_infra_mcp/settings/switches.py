"""Switches of the environment: for hosts that start the server from a form and can only set variables."""

from collections.abc import Mapping

from ink_infra_mcp.core.errors import ConfigError

SANDBOX = "INK_INFRA_SANDBOX"
"""As --sandbox: a pretend world."""
READ_ONLY = "INK_INFRA_READ_ONLY"
"""As --read-only: only the tools that change nothing."""
_ON, _OFF = frozenset({"true", "1"}), frozenset({"false", "0"})


def is_on(environ: Mapping[str, str], name: str) -> bool:
    """Return whether a switch is on: `true` or `1`; off is `false`, `0` or not there.

    Raises:
        ConfigError: it is another word, or set and empty, as a form or a script leaves what it has no answer for.
            Whoever meant "on" must not get a server that touches what is real.
    """
    if name not in environ:
        return False
    word = environ[name].strip().lower()
    if word in _ON | _OFF:
        return word in _ON
    raise ConfigError(f"{name} is {word[:40]!r}.", next=f"Set {name} to true or false, or take it out.")
