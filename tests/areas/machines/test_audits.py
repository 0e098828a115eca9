"""What auditors say is held against bars and waivers: what misses one is named, and who is silent praises nothing."""

import pytest

from ink_infra_mcp.areas.machines.audits import Verdict, audit_drifts, idle_waivers, verdict_of
from ink_infra_mcp.hosts.machine.auditing import Audit, Lynis, SshAudit
from ink_infra_mcp.settings.policy_files import load_baseline

HOST = "muscle-1"
BASELINE = load_baseline()
ABSENT = "the command for it is not installed, or not in the PATH of this user"


def seen(lynis: Lynis | None = None, ssh_audit: SshAudit | None = None) -> Audit:
    """Return what auditors said; one that said nothing is not installed."""
    unknown = {name: ABSENT for name, found in (("lynis", lynis), ("ssh_audit", ssh_audit)) if found is None}
    return Audit(host=HOST, lynis=lynis, ssh_audit=ssh_audit, unknown=unknown)


@pytest.mark.parametrize(
    ("lynis", "before", "wrong"),
    [
        (Lynis(index=80), None, ()),
        (Lynis(index=79), 54, ()),
        (
            Lynis(index=79),
            55,
            ("lynis gives 79: neither 80 nor 25 more than before (it was 55 before)",),
        ),
        (
            Lynis(index=79),
            None,
            ("lynis gives 79: neither 80 nor 25 more than before (what it was before is not known)",),
        ),
        (Lynis(index=90, warnings=("BANN-7126",), suggestions=("SSH-7408",)), None, ()),
        (
            Lynis(index=90, warnings=("PKGS-7392",), suggestions=("PKGS-7392", "SSH-7408", "NEW-0001")),
            None,
            ("lynis raises, neither mended nor waived: PKGS-7392, NEW-0001",),
        ),
    ],
)
def test_lynis_is_held_to_its_index_and_to_each_item(lynis: Lynis, before: int | None, wrong: tuple[str, ...]) -> None:
    """80, or 25 more than before; whatever it raises is waived by its id or named."""
    assert verdict_of(seen(lynis, SshAudit()), BASELINE, before=before).wrong == wrong


def test_a_bar_that_an_operator_took_away_holds_nothing_up() -> None:
    """Without the index nothing is wrong with any; without the gain only the index counts."""
    bad = seen(Lynis(index=1), SshAudit(fails=("kex a",)))
    assert verdict_of(bad, BASELINE.model_copy(update={"bars": {}}), before=0).wrong == ()
    index = {name: rule for name, rule in BASELINE.bars.items() if name == "lynis_index"}
    found = verdict_of(bad, BASELINE.model_copy(update={"bars": index}), before=0).wrong
    assert found == ("lynis gives 1: neither 80 nor 100 more than before (it was 0 before)",)


def test_each_failure_of_ssh_audit_is_named() -> None:
    """Its warnings are figures, its failures miss the bar."""
    found = verdict_of(seen(Lynis(index=80), SshAudit(fails=("kex a", "mac b"), warnings=("enc c",))), BASELINE)
    assert found == Verdict(
        figures=("ssh-audit: 2 fails, 1 warnings", "lynis: index 80, 0 warnings"),
        wrong=("ssh-audit fails kex a, mac b",),
        not_judged={},
    )


def test_an_auditor_that_is_not_there_has_not_judged() -> None:
    """Its silence is told with the reason, as a finding too, and nothing is called fine."""
    found = verdict_of(seen(), BASELINE)
    assert (found.wrong, found.figures) == ((), ())
    assert found.told == f"not judged by ssh-audit: {ABSENT}; not judged by lynis: {ABSENT}"
    assert [(one.code, one.what, one.severity) for one in audit_drifts(seen(), BASELINE)] == [
        ("not_judged", "not judged by ssh-audit", "info"),
        ("not_judged", "not judged by lynis", "info"),
    ]


def test_a_waiver_is_idle_only_where_somebody_judged() -> None:
    """One that is raised on any server is needed; where lynis judged nowhere nobody knows."""
    some, all_but_one = [*BASELINE.waivers][:1], [*BASELINE.waivers][1:]
    one = seen(Lynis(index=80, suggestions=tuple(all_but_one)))
    other = seen(Lynis(index=80, warnings=tuple(some)))
    assert idle_waivers([one], BASELINE) == tuple(some)
    assert idle_waivers([one, other], BASELINE) == ()
    assert idle_waivers([seen()], BASELINE) == ()
