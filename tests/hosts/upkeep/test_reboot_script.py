"""The script that reboots: what it cannot read is never taken for a reboot that nobody asked for."""

from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

NOTE = "/var/lib/ink-infra/reboots/op-1"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
EARLIER = "01234567-89ab-cdef-0123-456789abcdef"


def server(folder: Path) -> Root:
    """Return a server that notes each reboot that systemd is asked for."""
    root = root_at(folder)
    root.programs({"systemctl": 'case $* in *reboot*) echo . >>"$ROOT/reboots" ;; *) echo running ;; esac'})
    root.write("/proc/sys/kernel/random/boot_id", f"{BOOT}\n")
    return root


def asked(root: Root) -> Said:
    """Ask for the reboot."""
    return root.run("upkeep/reboot.sh", "ink-reboot", "ask", "op-1")


def test_a_boot_that_was_ended_is_not_ended_again(tmp_path: Path) -> None:
    """The first call writes this boot down and reboots; in a later boot nothing is done."""
    root = server(tmp_path)
    assert asked(root) == Said(0, f"before {BOOT}\nnow {BOOT}\ndone\n", "")
    assert root.read("/reboots") == ".\n"
    root.write(NOTE, f"{EARLIER}\n")
    assert asked(root) == Said(0, f"before {EARLIER}\nnow {BOOT}\ndone\n", "")
    assert root.read("/reboots") == ".\n"


@pytest.mark.parametrize(
    "body", ['case $* in */op-1) exit 1 ;; esac; real "$@"', 'case $* in */op-1) ;; *) real "$@" ;; esac']
)
def test_a_boot_that_is_written_down_and_cannot_be_read_is_not_ended_again(tmp_path: Path, body: str) -> None:
    """Taken for a first call, it would reboot a server that has just been rebooted."""
    root = server(tmp_path)
    root.write(NOTE, f"{EARLIER}\n")
    root.programs({"cat": body})
    said = asked(root)
    assert (said.status, said.facts, root.read("/reboots")) == (3, "", None)
    assert root.read(NOTE) == f"{EARLIER}\n"
