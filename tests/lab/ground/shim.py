"""Carries the frames of one cable late, with jitter and loss: what netem does, for kernels without it.

The server's port moves to a bridge of its own; two TAP devices join that bridge and the switch's, and this process
carries the frames between them. It ends on SIGTERM; whoever started it puts the port back. It runs by itself and
imports nothing of ours.
"""

import ctypes
import fcntl
import heapq
import os
import random
import selectors
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

SWITCH_BRIDGE = "br0"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
CLONE_NEWNET = 0x40000000
FRAMES_AT_ONCE = 64


@dataclass(order=True)
class Late:
    """A frame on its way."""

    due: float
    number: int
    to: int = field(compare=False)
    frame: bytes = field(compare=False)


class Cable:
    """A cable with two ends, each an open TAP device."""

    def __init__(self, ends: tuple[int, int], *, delay_s: float, jitter_s: float, loss: float) -> None:
        self._other = {ends[0]: ends[1], ends[1]: ends[0]}
        self._delay_s, self._jitter_s, self._loss = delay_s, jitter_s, loss
        self._under_way: list[Late] = []
        self._last = dict.fromkeys(ends, 0.0)
        self._taken = 0
        self._ready = selectors.DefaultSelector()
        for end in ends:
            self._ready.register(end, selectors.EVENT_READ)

    def carry(self) -> None:
        """Deliver what is due and take in what has come, once."""
        now = time.monotonic()
        while self._under_way and self._under_way[0].due <= now:
            late = heapq.heappop(self._under_way)
            with suppress(OSError):
                os.write(late.to, late.frame)
        wait_s = max(0.0, self._under_way[0].due - now) if self._under_way else None
        for key, _ in self._ready.select(wait_s):
            self._take_in(key.fd)

    def _take_in(self, end: int) -> None:
        to = self._other[end]
        for _ in range(FRAMES_AT_ONCE):
            try:
                frame = os.read(end, 65536)
            except BlockingIOError:
                return
            if random.random() < self._loss:  # noqa: S311 - a bad cable needs no secrets
                continue
            due = time.monotonic() + self._delay_s + random.uniform(-self._jitter_s, self._jitter_s)  # noqa: S311
            # in order, as on one path
            self._last[to] = due = max(self._last[to], due)
            self._taken += 1
            heapq.heappush(self._under_way, Late(due, self._taken, to, frame))


def tap(name: str) -> int:
    """Make a TAP device and return it open."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def enter(namespace: str) -> None:
    """Move into a network namespace.

    Raises:
        OSError: that is not possible.
    """
    with Path(namespace).open("rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def plug(port: str, number: int) -> tuple[int, int]:
    """Put a bridge and two TAP devices between a port and the switch; return the devices."""
    inner, outer, bridge = f"a{number}", f"b{number}", f"x{number}"
    ends = tap(inner), tap(outer)
    lines = (
        f"link add {bridge} type bridge",
        f"link set {bridge} up",
        f"link set {inner} master {bridge} up",
        f"link set {outer} master {SWITCH_BRIDGE} up",
        f"link set {port} master {bridge}",
    )
    subprocess.run(["ip", "-batch", "-"], check=True, text=True, input="\n".join(lines) + "\n")
    return ends


def leave(number: int, frame: FrameType | None) -> None:
    """End in good order."""
    sys.exit(0)


def main(namespace: str, port: str, amount: str, ready: str) -> None:
    """Carry frames until SIGTERM."""
    delay_ms, jitter_ms, loss_percent = ([float(part) for part in amount.split(",")] + [0.0, 0.0])[:3]
    enter(namespace)
    number = os.getpid() % 100_000
    cable = Cable(plug(port, number), delay_s=delay_ms / 1000, jitter_s=jitter_ms / 1000, loss=loss_percent / 100)
    signal.signal(signal.SIGTERM, leave)
    Path(ready).touch()
    try:
        while True:
            cable.carry()
    finally:
        subprocess.run(["ip", "link", "delete", f"x{number}"], check=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
