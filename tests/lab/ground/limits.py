"""Limits of this machine's kernel that several servers on it would hit: raised while a lab is up, then put back."""

import json
from contextlib import suppress
from pathlib import Path

from tests.lab.ground.network import NAMESPACES
from tests.lab.ground.site import SWITCH

KERNEL = Path("/proc/sys")
RECORD = Path("/run/ink-infra-lab.limits")

_WANTED = {
    # all servers are one root here: with the usual 128, the third systemd finds none left
    "fs/inotify/max_user_instances": 4096,
    "fs/inotify/max_user_watches": 524_288,
    "net/ipv4/neigh/default/gc_thresh2": 2048,
    "net/ipv4/neigh/default/gc_thresh3": 4096,
    "net/ipv6/neigh/default/gc_thresh2": 2048,
    "net/ipv6/neigh/default/gc_thresh3": 4096,
}


def lift() -> None:
    """Raise what is too low, and write down what it was, once for all labs on this machine."""
    before = _recorded()
    for name, wanted in _WANTED.items():
        with suppress(OSError):
            now = int((KERNEL / name).read_text(encoding="ascii"))
            if now < wanted:
                before.setdefault(name, now)
                RECORD.write_text(json.dumps(before), encoding="ascii")
                (KERNEL / name).write_text(str(wanted), encoding="ascii")


def put_back() -> None:
    """Restore what was raised, unless another lab is still up."""
    if any(NAMESPACES.glob(f"*-{SWITCH}")):
        return
    for name, value in _recorded().items():
        with suppress(OSError):
            (KERNEL / name).write_text(str(value), encoding="ascii")
    RECORD.unlink(missing_ok=True)


def _recorded() -> dict[str, int]:
    try:
        return json.loads(RECORD.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
