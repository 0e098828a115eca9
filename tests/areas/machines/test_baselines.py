"""A server's baseline as findings: one line for what is to be mended, and never silence for what is not known."""

from ink_infra_mcp.areas.machines.baselines import baseline_drifts, not_judged
from ink_infra_mcp.areas.machines.drift import Drift, lines_of, verdict
from ink_infra_mcp.core.baseline.judging import Finding, Judgement
from ink_infra_mcp.core.errors import HostError


def lacking(host: str) -> Judgement:
    """Return a Muscle that lacks things of two parts."""
    found = (
        Finding(part="packages", name="jq", now=None, wanted="installed"),
        Finding(part="swap", name="swap", now="none", wanted="2048 MiB"),
    )
    return Judgement(host=host, role="muscle", parts=("packages", "swap"), findings=found)


def test_the_same_lack_of_many_servers_is_one_line() -> None:
    """A hundred servers that lack the same take no more room than one."""
    found = [drift for n in range(100) for drift in baseline_drifts(lacking(f"muscle-{n}"))]
    (line,) = lines_of(found)
    assert (line.what, line.mend, len(line.servers) + line.more_servers) == (
        "not as its role's baseline says in packages, swap",
        "repair_server server=NAME",
        100,
    )
    assert line.evidence == "jq (not there, not installed), swap (none, not 2048 MiB)"


def test_what_is_not_known_is_told_apart_from_what_is_refused() -> None:
    """The fleet is not clean while a server was not read; one that cannot be mended is a problem."""
    known = Judgement(host="s1", role="muscle", parts=(), refusals=("s1 runs debian 11",))
    unknown = Judgement(host="s1", role="muscle", parts=(), known=False, refusals=("routes of s1 is not known: x",))
    away = not_judged("s1", HostError("s1 does not answer.", host="s1", next="Call again."))
    assert [verdict([*drifts]) for drifts in (baseline_drifts(known), baseline_drifts(unknown), (away,))] == [
        "problems",
        "unknown",
        "unknown",
    ]


def test_what_the_baseline_warns_of_is_told_and_no_more() -> None:
    """A smaller machine than recommended is as it is; the operator's own changes are the fleet's, not the server's."""
    warned = lacking("s1").model_copy(
        update={"findings": (), "warnings": ("the baseline is changed: x", "s1 has 8 GiB of memory")}
    )
    (drift,) = baseline_drifts(warned)
    assert drift == Drift(
        "s1",
        "info",
        "baseline_warning",
        "its role's baseline warns of it",
        "s1 has 8 GiB of memory",
        "mend it there, or say otherwise in policies/baseline.toml with the reason",
    )
