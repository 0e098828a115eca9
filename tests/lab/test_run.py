"""A lab comes and goes without a trace, whatever ends it, beside another one, and never half."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import WORKER
from tests.lab.ground import network
from tests.lab.ground.commands import LabError, until
from tests.lab.ground.lab import Lab
from tests.lab.ground.processes import end
from tests.lab.ground.site import Site
from tests.lab.run import ROOT, alone, unfit

LIMIT_S = 180
pytestmark = pytest.mark.xdist_group("the second lab")
NAME = f"ink{chr(ord('b') + WORKER)}"
SECOND = {"INK_LAB_PREFIX": NAME, "INK_LAB_NET": f"10.{229 - 2 * WORKER}.0", "INK_LAB_COUNT": "1"}


@pytest.fixture
def environment(ground_here: Site, tmp_path: Path) -> dict[str, str]:
    """Return what names a second lab, with the first one's cache."""
    keys = {"INK_LAB_DIR": str(tmp_path / NAME), "INK_LAB_CACHE": str(ground_here.cache)}
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")}
    return {**own, **SECOND, **keys, "INK_LAB_HELD": "", "CI": ""}


@pytest.fixture
def second(environment: dict[str, str]) -> Iterator[Lab]:
    """Give a second lab that is not up, and take it down whatever the test has made of it."""
    yield Lab(Site.of(environment))
    Lab(Site.of(environment)).down()


def by_hand(*words: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command of the lab's as a person would."""
    command = (sys.executable, "-m", "tests.lab", *words)
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )


def test_two_labs_stand_side_by_side_and_one_goes_without_a_trace(lab: Lab, second: Lab) -> None:
    """A second lab has its own names and addresses; when it is taken down nothing is left, and the first stays."""
    (light,) = second.light(1)
    assert light.machine.ipv4 != lab.site.light_machines(1)["l000"].ipv4
    assert second.connect("admin", light.machine.ipv4, 22) == "open"
    assert second.connect("outside", light.machine.ipv6, 22) == "open"
    second.down()
    assert second.leftovers() == []
    assert lab.connect("admin", lab.site.machines["factory"].ipv4, 22) == "open"


def test_a_lab_whose_records_are_lost_is_swept_away_all_the_same(second: Lab) -> None:
    """What is there by its name goes, though no file tells of it and its supervisor is dead."""
    (light,) = second.light(1)
    end(light.home / "supervisor.pid")
    shutil.rmtree(second.site.folder)
    assert second.leftovers() != []
    Lab(second.site).down()
    assert second.leftovers() == []


def test_a_folder_that_is_not_a_labs_is_never_removed(second: Lab) -> None:
    """A slip in INK_LAB_DIR costs nobody his files."""
    second.site.folder.mkdir(parents=True)
    (second.site.folder / "thesis").touch()
    with pytest.raises(LabError, match="is not a lab's"):
        second.light(1)
    second.down()
    assert [path.name for path in second.site.folder.iterdir()] == ["thesis"]


def test_a_run_sweeps_away_what_a_killed_one_left(second: Lab, environment: dict[str, str]) -> None:
    """The next run begins on bare ground, and leaves it bare."""
    second.light(1)
    done = by_hand("check", "tests/lab/test_lab.py", "--collect-only", "-q", environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert second.leftovers() == []


def test_two_runs_do_not_take_the_ground_from_under_each_other(second: Lab, environment: dict[str, str]) -> None:
    """While one run goes on, another with the same name says so in one line and does nothing."""
    with alone(second.site):
        done = by_hand("check", "tests/lab/test_lab.py", "--collect-only", environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"another run of the lab '{NAME}' goes on" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_is_interrupted_takes_the_lab_down(
    second: Lab, environment: dict[str, str], number: signal.Signals
) -> None:
    """Ctrl-C in the middle of coming up leaves nothing, and is no success; nor does the end of a CI job."""
    # in the background of a shell Ctrl-C is ignored, and whoever is started there inherits that
    listening = ("env", "--default-signal=INT", sys.executable)
    command = (*listening, "-m", "tests.lab", "check", "tests/lab/test_lab.py", "-q", "-k", "whole_debian")
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        until(
            lambda: network.exists(second.site.namespace("muscle-2")) or run.poll() is not None,
            what="the lab does not come up",
            limit_s=LIMIT_S,
        )
        # a terminal tells everybody, a supervisor the first process only
        (os.killpg if number == signal.SIGINT else os.kill)(run.pid, number)
        assert run.wait(LIMIT_S) != 0
    assert second.leftovers() == []


def test_a_lab_test_that_cannot_run_is_skipped_by_hand_and_fails_in_ci(environment: dict[str, str]) -> None:
    """On a developer's machine the reason is enough; CI never leaves a lab test out."""
    command = (sys.executable, "-m", "pytest", "-n", "0", "-m", "lab", "-k", "whole_debian", "tests/lab/test_lab.py")
    ends: dict[str, tuple[int, bool]] = {}
    for ci in ("", "true"):
        # without apt-get this is no Debian
        done = subprocess.run(
            command, cwd=ROOT, env={**environment, "PATH": "", "CI": ci}, capture_output=True, text=True, check=False
        )
        ends[ci] = (done.returncode, "the lab needs Debian" in done.stdout)
    assert ends == {"": (0, True), "true": (1, True)}


def test_the_reason_why_there_can_be_no_lab_is_one_sentence(tmp_path: Path) -> None:
    """Without root, or on another system, one line says what is missing."""
    (tmp_path / "etc").mkdir()
    assert unfit(root=tmp_path, user=0).startswith("the lab needs Debian")
    if shutil.which("apt-get"):
        (tmp_path / "etc/debian_version").touch()
        assert unfit(root=tmp_path, user=1000).startswith("the lab needs root")
        assert unfit(root=tmp_path, user=0) == ""
