"""Answers every script that is about Coolify itself: how it is, its backups and disks, its image and its build."""

from ink_infra_mcp.sandbox.hosts.backup import BackupScript, seal
from ink_infra_mcp.sandbox.hosts.build import BuildScript
from ink_infra_mcp.sandbox.hosts.coolify_images import docker_words
from ink_infra_mcp.sandbox.hosts.disk import DiskScript
from ink_infra_mcp.sandbox.hosts.factory import look_at_factory
from ink_infra_mcp.sandbox.hosts.install import InstallScript
from ink_infra_mcp.sandbox.hosts.restore import weigh
from ink_infra_mcp.sandbox.hosts.scripts import factory_words
from ink_infra_mcp.sandbox.hosts.swap import SwapScript
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState

Said = tuple[int, str, str]
"""The exit status, and what is said on both outputs."""
_READS = {
    "ink-backup": frozenset({"check"}),
    "ink-build": frozenset({"look", "ready"}),
    "ink-disk": frozenset({"look"}),
    "ink-install": frozenset({"look"}),
    "ink-seal": frozenset({"send"}),
    "ink-swap": frozenset({"look", "ready", "prove", "secrets"}),
    "ink-weigh": frozenset({"list", "look"}),
    "image": frozenset({"inspect"}),
    "version": frozenset({"--format"}),
    "run": frozenset({"--rm"}),
}
"""What only looks, by its first word and its second."""


def words_of(command: str) -> tuple[str, ...]:
    """Return the words of a call that is about Coolify; none of another command."""
    return factory_words(command) or docker_words(command)


def answer_factory(state: WorldState, host: HostState, words: tuple[str, ...], stdin: str, *, now: float) -> Said:
    """Do what is asked, note in the journal what changed something, and return what is said."""
    if words[0] == "ink-coolify":
        return 0, look_at_factory(host, state.coolify, words[1], now=now), ""
    if words[0] == "ink-backup":
        said = BackupScript(host, state.coolify, now).answer(words[1:])
    elif words[0] == "ink-seal":
        said = seal(state.coolify, words[1:])
    elif words[0] == "ink-weigh":
        said = weigh(state.coolify, words[1:])
    elif words[0] == "ink-build":
        said = BuildScript(state, host, stdin).answer(words)
    elif words[0] == "ink-install":
        said = InstallScript(state, host, stdin, now).answer(words[1:])
    elif words[0] == "ink-disk":
        said = DiskScript(host, state.coolify, stdin).answer(words[1:])
    else:
        said = SwapScript(host, state.coolify, stdin, now).answer(words)
    if said[0] == 0 and words[1] not in _READS.get(words[0], ()):
        state.journal.append(f"ssh {host.name} {' '.join(words[:3])}")
    return said
