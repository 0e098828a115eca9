"""containerd's settings: where it keeps its data, set in what somebody else wrote without a change of anything else."""

import re
import tomllib

DEFAULT_ROOT = "/var/lib/containerd"
"""Where containerd keeps its data without a setting (defaults.DefaultRootDir, 1.6 to 2.1)."""
_LINE = re.compile(
    r"""^[ \t]*root[ \t]*=[ \t]*(?P<quote>["'])(?P<value>[^"'\n]*)(?P=quote)[ \t]*(?:#.*)?$""", re.MULTILINE
)
_BARE = "version = 2\n"
"""Without a version a file is of version 1, which containerd 2 does not read."""


def with_root(text: str, root: str) -> str:
    """Return the settings with `root` in them; all other words stay as they are.

    Raises:
        ValueError: it is no TOML, names another place than the default already, or cannot be edited safely.
    """
    before = tomllib.loads(text)
    there = before.get("root", DEFAULT_ROOT)
    if there == root:
        return text
    if there != DEFAULT_ROOT:
        raise ValueError(f"root is {there} there")
    line = f'root = "{root}"'
    if "root" in before:
        first = next((found for found in _LINE.finditer(text) if found["value"] == DEFAULT_ROOT), None)
        edited = text[: first.start()] + line + text[first.end() :] if first else text
    else:
        edited = f"{line}\n{text or _BARE}"
    wanted = {**(before or tomllib.loads(_BARE)), "root": root}
    if tomllib.loads(edited) != wanted:
        raise ValueError("root cannot be set without a change of something else")
    return edited
