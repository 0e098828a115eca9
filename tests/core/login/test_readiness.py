"""How far a first boot is: only what is known to be over is called over."""

import pytest

from ink_infra_mcp.core.login.readiness import Readiness, read_readiness

QUIET = ["unit apt-daily.service inactive", "unit apt-daily-upgrade.service inactive", "done"]
READY = Readiness(waits=())
RECOVERED = "cloud-init ended with errors that it could recover from (`cloud-init status --long`)"


@pytest.mark.parametrize(
    ("cloud_init", "boot", "found"),
    [
        ("absent", "running", READY),
        ("absent", "absent", READY),
        ("0 done", "running", READY),
        ("0 done", "degraded", READY),
        ("0 disabled", "running", READY),
        ("0 not run", "running", READY),
        ("2 done", "running", Readiness(waits=(), warnings=(RECOVERED,))),
        ("2 degraded done", "running", Readiness(waits=(), warnings=(RECOVERED,))),
        ("0 running", "running", Readiness(waits=("cloud-init (running)",))),
        ("2 running", "running", Readiness(waits=("cloud-init (running)",))),
        ("0 not started", "starting", Readiness(waits=("cloud-init (not started)", "systemd (starting)"))),
        ("0 done", "starting", Readiness(waits=("systemd (starting)",))),
        ("0 done", "maintenance", Readiness(waits=("systemd, which is maintenance",))),
        ("1 error", "running", Readiness(waits=(), failed="cloud-init ended with status 1 and says 'error'")),
        ("1 done", "running", Readiness(waits=(), failed="cloud-init ended with status 1 and says 'done'")),
        ("124 ", "running", Readiness(waits=(), failed="cloud-init ended with status 124 and says 'nothing'")),
        ("0 whatever", "running", Readiness(waits=(), failed="cloud-init ended with status 0 and says 'whatever'")),
    ],
)
def test_cloud_init_and_the_boot_are_read_by_status_and_word(cloud_init: str, boot: str, found: Readiness) -> None:
    """0 is done or still running, 1 is failed, 2 is done with errors that it recovered from; other words are failed."""
    assert read_readiness([f"cloud_init {cloud_init}", f"boot {boot}", *QUIET]) == found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lock /var/lib/dpkg/lock-frontend apt-get", "apt-get, which holds /var/lib/dpkg/lock-frontend"),
        ("lock /var/lib/apt/lists/lock ", "a program, which holds /var/lib/apt/lists/lock"),
        ("runs dpkg", "dpkg, which runs"),
        ("unit apt-daily-upgrade.service activating", "apt-daily-upgrade.service, which runs"),
        ("unit apt-daily.service ", "apt-daily.service, of which systemd says nothing"),
        ("locks unknown", "the locks of apt and dpkg, which cannot be read"),
    ],
)
def test_whoever_works_on_packages_is_waited_for(line: str, told: str) -> None:
    """Locks, programs and the units of apt's own timers each count; locks that cannot be read are not free."""
    assert read_readiness(["cloud_init absent", "boot running", *QUIET, line]) == Readiness(waits=(told,))


def test_an_answer_that_is_not_whole_is_none() -> None:
    """Nothing said of the boot, or two answers, is no answer."""
    for lines in (["cloud_init absent"], ["boot running"], ["cloud_init absent", "boot running", "boot starting"]):
        with pytest.raises(ValueError, match="is said"):
            read_readiness(lines)
