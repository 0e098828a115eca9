"""What Docker Compose says of a file that it does not take: without what it quotes, which holds the app's variables."""

import re

_QUOTED = re.compile(
    r"(in variable name|unterminated quoted value|variable value|invalid template:|missing a value:"
    r"|interpolation format for \S+:?) .*",
    re.IGNORECASE | re.DOTALL,
)


def without_quoted(text: str) -> str:
    """Return Docker Compose's words up to where it quotes a value, which may have several lines.

    Seen with Compose 2.26.1: a variable's name that is none, open quotes, `${...}` of a form that it does not read.
    """
    return _QUOTED.sub(r"\1 (left out)", text)
