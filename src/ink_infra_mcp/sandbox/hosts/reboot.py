"""Answers the script that reboots a server, from the world; the script itself is never run here."""

import re
from collections.abc import Iterator

from ink_infra_mcp.sandbox.hosts.vlan import forget_vlan
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

UNCHANGED, BUSY = 3, 4
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_COMES_BACK = frozenset({"always", "unless-stopped"})
Said = tuple[int, str, str]
"""The exit status, and what is said on both outputs."""


def answer_reboot(host: HostState, words: tuple[str, ...], *, now: float) -> Said:
    """Do what is asked, `look NAME` or `ask NAME`, and return what the script would say."""
    verb, name = words[1:] if len(words) == 3 else ("", "")
    if verb not in ("look", "ask") or not _NAME.fullmatch(name):
        return UNCHANGED, "", "ink-reboot: this is not how it is called\n"
    asked_in = host.reboots.get(name, "")
    if verb == "ask" and not asked_in and host.packages_busy:
        return BUSY, "", "ink-reboot: packages are being installed\n"
    if verb == "ask" and not asked_in:
        host.reboots = {**host.reboots, name: host.boot_id}
    before = host.reboots.get(name, "")
    if verb == "ask" and before == host.boot_id:
        go_down(host, now)
    return 0, f"before {before}\nnow {host.boot_id}\ndone\n", ""


def go_down(host: HostState, now: float) -> None:
    """Stop a server that will be back after its time, or never; the answer to who asked is still sent."""
    host.shuts_down_at = now
    host.boots_at = now + host.boot_s


def settle_boot(host: HostState, now: float) -> None:
    """Let a server that shuts down be away, and be in its next boot when its time has come."""
    if host.shuts_down_at is not None and host.shuts_down_at < now:
        host.up, host.shuts_down_at = False, None
    if host.boots_at is not None and host.boots_at <= now and host.comes_back:
        _boot(host, host.boots_at)


def _boot(host: HostState, at: float) -> None:
    """Docker starts what was running, unless it was made to stay down; the firewall is what lies on the disk."""
    host.up, host.boots_at, host.shuts_down_at = True, None, None
    host.boots += 1
    forget_vlan(host)
    host.reboot_packages = []
    host.containers = [*_started(host, at)]
    for change in host.firewall.changes.values():
        if change.state == "armed":
            host.firewall.put_back(change)
    host.firewall.table = host.firewall.loaded = host.firewall.file


def _started(host: HostState, at: float) -> Iterator[Container]:
    for container in host.containers:
        if container.state not in ("running", "restarting"):
            yield container
        elif container.name in host.stay_down or not _comes_back(container):
            yield container.model_copy(update={"state": "exited", "exit_code": 143, "health": ""})
        else:
            yield container.model_copy(update={"state": "running", "started_at": at, "restart_count": 0})


def _comes_back(container: Container) -> bool:
    policy = container.host_config.get("RestartPolicy")
    return not isinstance(policy, dict) or policy.get("Name") in _COMES_BACK
