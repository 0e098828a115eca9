"""The steps of a baseline: only what differs, in an order in which each finds what it needs, each with its way back."""

import pytest

from ink_infra_mcp.core.baseline.judging import Judgement, Wanted, judge
from ink_infra_mcp.core.baseline.machine import Engine
from ink_infra_mcp.core.baseline.steps import KINDS, steps_of
from ink_infra_mcp.core.plan import Plan, Step
from tests.core.baseline.machines import BASELINE, finished, there, without

MUSCLE = Wanted(role="muscle", traefik="")


def bare() -> Judgement:
    """Return what a server lacks that has only the distribution's Docker, and a dpkg that was interrupted."""
    machine = finished(
        broken=("slow",),
        swap_bytes=0,
        sysctls={},
        journal={},
        apt={},
        units={},
        files={},
        keys={},
        sources={},
        daemon="",
        packages={"docker.io": there("26.1.5")},
        runsc="",
    )
    return judge(machine, BASELINE, MUSCLE)


def test_a_server_that_lacks_nothing_gets_no_step() -> None:
    """The second run plans nothing."""
    assert steps_of(judge(finished(), BASELINE, Wanted(role="muscle", traefik="3.6"))) == ()


def test_a_bare_server_gets_every_kind_of_step_in_order() -> None:
    """dpkg first; a repository before what comes from it; gVisor proved last. All of it is a plan."""
    steps = steps_of(bare())
    assert [step.id.removeprefix("muscle_1_") for step in steps] == [
        *("finish", "packages", "updates", "kernel", "journal", "units", "swap", "docker_repository"),
        *("gvisor_repository", "foreign", "runsc", "docker", "daemon", "gvisor"),
    ]
    assert {step.kind for step in steps} == set(KINDS)
    assert Plan(tool="t", title="t", target="muscle-1", locks=("a",), steps=steps)


def test_every_step_that_changes_has_a_way_back_that_needs_no_result() -> None:
    """So that it can be taken back by whoever comes later, also where it failed half-way."""
    changing = [step for step in steps_of(bare()) if step.kind not in {"hosts.finish_packages", "hosts.prove_gvisor"}]
    assert [step.id for step in changing if not step.can_undo_itself or step.id not in step.undoes] == []


def test_docker_that_cannot_be_installed_gives_the_distributions_back() -> None:
    """Its step undoes the one before it, too."""
    (docker,) = [step for step in steps_of(bare(), prefix="") if step.id == "docker"]
    assert docker.undoes == ("foreign", "docker")


def test_settings_come_before_an_upgrade_where_docker_can_check_them() -> None:
    """So that containers live on through it; an older Docker is upgraded first."""
    for version, order in {"28.5.1": ["daemon", "docker"], "20.10.24": ["docker", "daemon"]}.items():
        names = ("docker-ce", "docker-ce-cli")
        machine = without(
            finished(daemon="", engine=Engine(version=version)), *names, **dict.fromkeys(names, there("5:" + version))
        )
        ids = [step.id for step in steps_of(judge(machine, BASELINE, MUSCLE), prefix="")]
        assert [id_ for id_ in ids if id_ in order] == order


def test_a_newcomer_is_told_of_in_every_step_and_undo() -> None:
    """A server that is not in the fleet yet is reached as each step's own parameters say."""
    newcomer = {"address": "192.0.2.50"}
    steps = steps_of(bare(), prefix="a_", newcomer=dict(newcomer), image="registry.example.com/tiny:1")

    def told(step: Step) -> list[object]:
        return [step.params.get("newcomer"), *([step.undo.params.get("newcomer")] if step.undo else [])]

    assert {str(value) for step in steps for value in told(step)} == {str(newcomer)}
    assert steps[-1].params["image"] == "registry.example.com/tiny:1"
    assert all(step.id.startswith("a_") for step in steps)


def test_what_is_refused_is_never_planned() -> None:
    """A caller that overlooks the refusals gets no steps."""
    with pytest.raises(ValueError, match="debian 11"):
        steps_of(judge(finished(os_version="11"), BASELINE, MUSCLE))


def test_only_what_differs_is_planned() -> None:
    """One package that is missing is one step."""
    judgement = judge(without(finished(), "jq"), BASELINE, Wanted(role="muscle", traefik="3.6"))
    assert [(step.kind, step.params["packages"]) for step in steps_of(judgement)] == [
        ("hosts.install_packages", ["jq"])
    ]
