"""Answers the script that installs security updates, from the world; the script itself is never run here."""

import re

from ink_infra_mcp.sandbox.state_hosts import HostState

UNCHANGED = 3
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
Said = tuple[int, str, str]
"""The exit status, and what is said on both outputs."""


def answer_patch(host: HostState, words: tuple[str, ...], *, now: float) -> Said:
    """Do what is asked, `look NAME` or `ask NAME`, and return what the script would say."""
    verb, name = words[1:] if len(words) == 3 else ("", "")
    if verb not in ("look", "ask") or not _NAME.fullmatch(name):
        return UNCHANGED, "", "ink-patch: this is not how it is called\n"
    if verb == "ask" and "unattended-upgrade" in host.without:
        return UNCHANGED, "", "ink-patch: there is no unattended-upgrade (package unattended-upgrades)\n"
    if verb == "ask" and name not in host.patches:
        host.patches = {**host.patches, name: now + host.patch_s}
    return 0, f"stand {_stand(host, name, now)}\ndone\n", ""


def _stand(host: HostState, name: str, now: float) -> str:
    ends = host.patches.get(name)
    if ends is None:
        return "none"
    if now < ends:
        return "runs"
    if not host.patch_status:
        _install(host)
    if host.archive == "fresh":
        host.lists_age_s = 0.0
    return f"ended {host.patch_status}{' unfetched' if host.archive == 'away' else ''}"


def _install(host: HostState) -> None:
    """A new kernel asks for a reboot."""
    installed = [name for name, origin in host.updates.items() if origin.endswith("-security")]
    host.updates = {name: origin for name, origin in host.updates.items() if name not in installed}
    kernels = [name for name in installed if name.startswith("linux-image")]
    host.reboot_packages = [*host.reboot_packages, *kernels]
