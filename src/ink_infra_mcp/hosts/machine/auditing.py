"""What auditors that others wrote say of a server: each of their items, judged elsewhere by the policy."""

import json
import re
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.facts.gathering import fresh_marker
from ink_infra_mcp.hosts.facts.sections import Reading, sections
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-audit"
TIMEOUT_S = 420.0


class Lynis(Frozen):
    """What lynis says: its index of 0 to 100, and the ids of its tests that warn and suggest."""

    index: int
    warnings: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()


class SshAudit(Frozen):
    """What ssh-audit says: what fails and what it warns of, each as kind and name of the algorithm."""

    fails: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Audit(Frozen):
    """Both; None is not known, and `unknown` says why: an auditor that is not installed judges nothing."""

    host: str
    lynis: Lynis | None = None
    ssh_audit: SshAudit | None = None
    unknown: dict[str, str] = {}


class _Notes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    fail: list[str] = []
    warn: list[str] = []


class _Algorithm(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    algorithm: str
    notes: _Notes = _Notes()


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    enc: list[_Algorithm] = Field(min_length=1)
    kex: list[_Algorithm] = Field(min_length=1)
    key: list[_Algorithm] = Field(min_length=1)
    mac: list[_Algorithm] = Field(min_length=1)


async def audit(
    pool: HostPool, host: str, *, kept: bool = False, new_marker: Callable[[], str] = fresh_marker
) -> Audit:
    """Return what lynis and ssh-audit say of a server, as far as they are installed there.

    With `kept` lynis is not run, which takes a minute: what it wrote when it last ran counts, for a week.

    Raises:
        HostError: the server cannot be reached, or does not let us become root.
    """
    marker = new_marker()
    begin = ("sh", "-s", "--") if is_root(pool, host) else ("sh", "-c", AS_ROOT, "sh")
    script = packaged("machine/audit.sh").encode()
    asked = HostCommand(
        (*begin, MARK, marker, *(("kept",) if kept else ())), changes=False, timeout_s=TIMEOUT_S, stdin=script
    )
    said = await pool.run(host, asked, check=True)
    reading = Reading(sections(said.stdout, marker))
    return Audit(
        host=host,
        lynis=reading.fact("lynis", "lynis", read_lynis),
        ssh_audit=reading.fact("ssh_audit", "ssh_audit", read_ssh_audit),
        unknown=reading.unknown,
    )


def read_lynis(text: str) -> Lynis:
    """Return what stands in lynis' report.

    Raises:
        ValueError: it has no index.
    """
    index = re.search(r"^hardening_index=(\d{1,3})$", text, re.MULTILINE)
    if index is None:
        raise ValueError("no index")
    return Lynis(index=int(index[1]), warnings=_ids(text, "warning"), suggestions=_ids(text, "suggestion"))


def read_ssh_audit(text: str) -> SshAudit:
    """Return what stands in ssh-audit's report.

    Raises:
        ValueError: it is none, or judges no algorithm.
    """
    report = _Report.model_validate(json.loads(text))
    parts = {"enc": report.enc, "kex": report.kex, "key": report.key, "mac": report.mac}
    named = [(f"{kind} {clean_name(one.algorithm)}", one.notes) for kind, found in parts.items() for one in found]
    return SshAudit(
        fails=tuple(name for name, notes in named if notes.fail),
        warnings=tuple(name for name, notes in named if notes.warn and not notes.fail),
    )


def _ids(text: str, kind: str) -> tuple[str, ...]:
    found = re.findall(rf"^{kind}\[\]=([A-Z]{{2,8}}(?:-\d{{4}})?)\|", text, re.MULTILINE)
    return tuple(dict.fromkeys(found))
