"""What is wrong with a server's updates: some that are pending, some that wait for a boot, or nobody can tell."""

from collections.abc import Iterator

from ink_infra_mcp.areas.machines.drift import HERE, Drift
from ink_infra_mcp.hosts.upkeep.upkeep_facts import STALE_S, UpkeepFacts

_SHOWN = 5
_UPGRADE = "on {server}: apt-get update, then unattended-upgrade -v (package unattended-upgrades)"
_PATCH = 'patch_fleet servers=["{server}"]'
_BY_HAND = "look there at `apt-get -s dist-upgrade` and `apt-get indextargets`"


def patch_drifts(facts: UpkeepFacts) -> Iterator[Drift]:
    """Yield what is wrong with the updates of one server."""
    yield from _pending(facts)
    yield from _boot(facts)
    yield from _told(facts)


def _pending(facts: UpkeepFacts) -> Iterator[Drift]:
    if facts.updates is None:
        yield _unknown(facts, "updates", "which updates are pending is not known", _BY_HAND)
        return
    secure = facts.security_updates or ()
    if secure:
        what = "security updates are pending"
        yield Drift(facts.host, "high", "security_updates", what, _named(secure), _PATCH)
    elif facts.updates:
        what = "updates are pending, none of them from an archive of security updates"
        yield Drift(facts.host, "info", "updates", what, _named(facts.updates), _UPGRADE)


def _boot(facts: UpkeepFacts) -> Iterator[Drift]:
    if facts.reboot_required is None:
        mend = "install unattended-upgrades on {server}, which asks for a reboot where one is needed"
        yield _unknown(facts, "reboot_required", "whether updates wait for a reboot is not known", mend)
    elif facts.reboot_required:
        what = "updates are installed that take effect only after a reboot"
        mend = f"reboot_server server={HERE}"
        yield Drift(facts.host, "warning", "reboot_required", what, _named(facts.reboot_required), mend)


def _told(facts: UpkeepFacts) -> Iterator[Drift]:
    """An empty list of updates means nothing where nobody asked an archive of security updates lately."""
    if facts.has_security_source is None:
        yield _unknown(facts, "has_security_source", "where security updates come from is not known", _BY_HAND)
    elif not facts.has_security_source:
        what = "apt asks no archive of security updates: none would ever be seen"
        mend = "add the release's security archive to /etc/apt on {server}, then apt-get update"
        yield Drift(facts.host, "high", "no_security_source", what, "apt-get indextargets lists none", mend)
    elif facts.security_age_s is None:
        what = "what apt knows of the archive of security updates has no known age"
        yield _unknown(facts, "security_age_s", what, _PATCH)
    elif facts.security_age_s > STALE_S:
        evidence = f"the newest that apt has of it is from {facts.security_age_s // 86_400} days ago"
        what = "what apt knows of the archive of security updates is old: newer ones are not seen"
        yield Drift(facts.host, "warning", "old_lists", what, evidence, _PATCH, unknown=True)


def _unknown(facts: UpkeepFacts, fact: str, what: str, mend: str) -> Drift:
    evidence = facts.unknown.get(fact, "the server does not say")
    return Drift(facts.host, "warning", f"unknown_{fact}", what, evidence, mend, unknown=True)


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN])}{more}"
