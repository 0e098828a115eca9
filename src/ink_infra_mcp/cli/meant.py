"""What somebody probably meant who wrote a command or a tool that is none."""

import difflib
from collections.abc import Collection, Sequence

from ink_infra_mcp.core.untrusted import clean_name


def hint(word: str, commands: Collection[str], tools: Collection[str]) -> str:
    """Return what is wrong with a first word that is no command, as whole sentences with the next step."""
    if word in tools:
        return f"`{word}` is a tool, not a command: write `ink-infra-mcp call {word}`."
    if close := _close(word, commands):
        return f"There is no command `{clean_name(word)}`; did you mean `{close}`?"
    if close := _close(word, tools):
        return (
            f"There is no command `{clean_name(word)}`; did you mean the tool `{close}`: `ink-infra-mcp call {close}`?"
        )
    return f"There is no command `{clean_name(word)}`. The commands are {', '.join(commands)}."


def tool_hint(word: str, tools: Sequence[str]) -> str:
    """Return what is wrong with the name of a tool that there is not."""
    if close := _close(word, tools):
        return f"There is no tool `{clean_name(word)}`; did you mean `{close}`?"
    return f"There is no tool `{clean_name(word)}`. The tools are {', '.join(tools)}."


def _close(word: str, known: Collection[str]) -> str:
    found = difflib.get_close_matches(word.replace("-", "_"), [*known], n=1, cutoff=0.6)
    return found[0] if found else ""
