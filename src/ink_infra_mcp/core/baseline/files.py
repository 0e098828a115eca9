"""The files that a baseline writes on a server, each by its place and its whole text."""

import hashlib

from ink_infra_mcp.core.baseline.policy import Baseline, Part, RepositoryRule
from ink_infra_mcp.core.plan import Frozen

# each is read after those of others, the distribution's `99-sysctl.conf` too: the last word counts
SYSCTLS = "/etc/sysctl.d/zz-ink-infra.conf"
JOURNAL = "/etc/systemd/journald.conf.d/zz-ink-infra.conf"
UPDATES = "/etc/apt/apt.conf.d/zz-ink-infra"
DAEMON = "/etc/docker/daemon.json"
_OURS = "Written by ink-infra by its baseline policy; what is changed here by hand is written again."


_FORMS = {
    SYSCTLS: ("#", "", "{} = {}\n"),
    JOURNAL: ("#", "[Journal]\n", "{}={}\n"),
    UPDATES: ("//", "", '{} "{}";\n'),
}
"""Of each file how it begins a comment, what stands above the settings, and the line of one."""


class FileWanted(Frozen):
    """A file of settings as it shall be; its text follows from its place, whose reader has a form of its own."""

    part: Part
    path: str
    settings: dict[str, str]

    @property
    def text(self) -> str:
        """Return the whole text of the file.

        Raises:
            KeyError: no baseline writes a file there.
        """
        comment, head, line = _FORMS[self.path]
        lines = (line.format(name, value) for name, value in sorted(self.settings.items()))
        return f"{comment} {_OURS}\n{head}{''.join(lines)}"

    @property
    def digest(self) -> str:
        """Return the SHA-256 of its text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def files_of(baseline: Baseline) -> tuple[FileWanted, ...]:
    """Return the files of settings that the baseline writes."""
    updates = {name: rule.value for name, rule in baseline.updates.items()}
    kernel = {name: rule.value for name, rule in baseline.sysctls.items()}
    journal = {name: rule.value for name, rule in baseline.journal.items()}
    found = (
        FileWanted(part="updates", path=UPDATES, settings=updates),
        FileWanted(part="kernel", path=SYSCTLS, settings=kernel),
        FileWanted(part="journal", path=JOURNAL, settings=journal),
    )
    return tuple(file for file in found if file.settings)


class RepositoryWanted(Frozen):
    """A repository as it shall be on one server; `replaces` are files of others that name the same address."""

    name: str
    uri: str
    suite: str
    components: str
    arch: str
    key: str
    fingerprint: str
    replaces: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Return where apt reads it."""
        return f"/etc/apt/sources.list.d/{self.name}.sources"

    @property
    def text(self) -> str:
        """Return the file of apt, in its newer form (deb822)."""
        lines = {
            "Types": "deb",
            "URIs": self.uri,
            "Suites": self.suite,
            "Components": self.components,
            "Architectures": self.arch,
            "Signed-By": f"/etc/apt/keyrings/{self.name}.asc",
        }
        return "".join(f"{name}: {value}\n" for name, value in lines.items() if value)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the file's text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def repository_of(name: str, rule: RepositoryRule, *, os_id: str, codename: str, arch: str) -> RepositoryWanted:
    """Return a repository for one system."""

    def filled(text: str) -> str:
        return text.replace("{os}", os_id).replace("{codename}", codename)

    return RepositoryWanted(
        name=name,
        uri=filled(rule.uri).rstrip("/"),
        suite=filled(rule.suite),
        components=rule.components,
        arch=arch,
        key=filled(rule.key),
        fingerprint=rule.fingerprint,
    )
