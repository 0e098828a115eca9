"""What `serve` tells the person who started it: that nothing is configured yet, and what it waits for at a terminal."""

import sys
from collections.abc import Callable

from ink_infra_mcp.cli.terminal import shown, wrapped
from ink_infra_mcp.core.errors import ConfigError


def waiting_words() -> str:
    """Return what a person at a terminal should know who started the server by hand."""
    return (
        "This is an MCP server: it waits on standard input for a client, such as Claude Code, that starts it as its "
        "own. Ctrl-C ends it. `ink-infra-mcp --help` lists what you can do here yourself."
    )


class Teller:
    """Tells the person at standard error in plain words, and the same trouble only once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._told = ""

    def tell(self, text: str) -> None:
        """Say a text."""
        print(wrapped(shown(self._redact(text))), file=sys.stderr, flush=True)

    def trouble(self, error: ConfigError) -> None:
        """Say why the configuration cannot be used, unless that was said last."""
        if (words := f"[{error.code}] {error}") != self._told:
            self._told = words
            self.tell(words)
