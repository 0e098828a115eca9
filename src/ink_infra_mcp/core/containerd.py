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
FRESH = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
"""As Docker's own package begins: without what Kubernetes asks (containerd.io, /etc/containerd/config.toml)."""


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
    edited = _edited(text, f'root = "{root}"', replaces="root" in before)
    if tomllib.loads(edited) != {**(before or tomllib.loads(_BARE)), "root": root}:
        raise ValueError("root cannot be set without a change of something else")
    return edited


def _edited(text: str, line: str, *, replaces: bool) -> str:
    """The first line of that shape is the one at the top: tables come after it in TOML."""
    return _LINE.sub(lambda _: line, text, count=1) if replaces else f"{line}\n{text or _BARE}"
