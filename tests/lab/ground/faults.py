"""What can be wrong with a server's cable: pulled, deaf, mute, lossy, narrow or slow."""

import json
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tests.lab.ground import cgroups
from tests.lab.ground.commands import LabError, ip, nft, said, tried, until
from tests.lab.ground.network import PUBLIC_BRIDGE, rules_of
from tests.lab.ground.processes import end, recorded, spawn, wait_gone
from tests.lab.ground.site import Machine, Site

Kind = Literal["down", "drop", "drop-in", "drop-out", "loss", "rate", "delay"]
WITH_AMOUNT = ("loss", "rate", "delay")
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,3})?")
SHIM = Path(__file__).with_name("shim.py")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a cable.

    `down`: no carrier. `drop`: frames vanish, both ways, to the server (`-in`) or from it (`-out`). `loss`: that
    percentage of them, each way. `rate`: kbit/s to the server. `delay`: milliseconds each way, or
    `MS,JITTER_MS,LOSS_PERCENT`. All but `rate` and `delay` hold for every cable of a server, those two for the public
    one; `down`, `rate` and `delay` end with its next boot.
    """

    kind: Kind
    amount: str = ""

    def __post_init__(self) -> None:
        numbers = self.amount.split(",") if self.amount else []
        wanted = (1, 3) if self.kind == "delay" else (1, 1) if self.kind in WITH_AMOUNT else (0, 0)
        if not wanted[0] <= len(numbers) <= wanted[1] or not all(map(_NUMBER.fullmatch, numbers)):
            raise LabError(f"{self.kind}={self.amount} is no fault of a cable")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Return the fault that a text such as `drop` or `loss=20` names.

        Raises:
            LabError: there is no such fault.
        """
        name, _, amount = text.partition("=")
        kinds = {kind: kind for kind in get_args(Kind)}
        if name not in kinds:
            raise LabError(f"{text!r} is no fault of a cable: use one of {', '.join(kinds)}")
        return cls(kinds[name], amount)


def strike(site: Site, machine: Machine, fault: Fault) -> None:
    """Let a cable have that fault and no other."""
    mend(site, machine)
    match fault.kind:
        case "down":
            ip([f"link set {port} down" for port in machine.ports], namespace=site.switch)
        case "drop" | "drop-in" | "drop-out" | "loss":
            nft(_drops(machine, fault), namespace=site.switch)
        case "rate":
            limit = ("rate", f"{fault.amount}kbit", "burst", "4kb", "latency", "400ms")
            said("tc", "-n", site.switch, "qdisc", "add", "dev", machine.port, "root", "tbf", *limit)
        case "delay":
            _slow_down(site, machine, fault.amount)


def mend(site: Site, machine: Machine) -> None:
    """Take every fault away. Of a server that is off only those are left to take that are not its card's own."""
    ours = {f'"{port}"' for port in machine.ports}
    struck = [rule for rule in rules_of(site, "faults") if any(port in json.dumps(rule) for port in ours)]
    if struck:
        lines = [f"delete rule bridge faults passing handle {rule['handle']}" for rule in struck]
        nft("\n".join(lines) + "\n", namespace=site.switch)
    _end_shim(site, machine)
    for port in machine.ports:
        tried("ip", "-n", site.switch, "link", "set", port, "up")
    tried("tc", "-n", site.switch, "qdisc", "del", "dev", machine.port, "root")


def _drops(machine: Machine, fault: Fault) -> str:
    sides = {"drop-in": ("oifname",), "drop-out": ("iifname",)}.get(fault.kind, ("oifname", "iifname"))
    lost = round(float(fault.amount) * 10) if fault.kind == "loss" else 1000
    chance = "" if lost >= 1000 else f"numgen random mod 1000 < {lost} "
    return "".join(
        f'add rule bridge faults passing {side} "{port}" {chance}drop\n' for side in sides for port in machine.ports
    )


def _slow_down(site: Site, machine: Machine, amount: str) -> None:
    """Put a program between the cable and the switch: kernels need not have netem."""
    home = site.home(machine.name)
    ready = home / "shim.ready"
    ready.unlink(missing_ok=True)
    words = (sys.executable, "-I", SHIM, f"/run/netns/{site.switch}", machine.port, amount, ready)
    record, log = home / "shim.pid", home / "shim.log"
    spawn(words, record=record, log=log, groups=cgroups.make(site.prefix, cgroups.SERVICES))
    until(
        lambda: ready.exists() or recorded(record) is None, what=f"the slow cable does not start; see {log}", limit_s=10
    )
    if not ready.exists():
        raise LabError(f"the slow cable broke: {log.read_text(encoding='utf-8').strip()[-300:]}")


def _end_shim(site: Site, machine: Machine) -> None:
    record = site.home(machine.name) / "shim.pid"
    shim = recorded(record)
    if shim is not None:
        end(record, signal.SIGTERM)
        wait_gone([shim], limit_s=10)
        tried("ip", "-n", site.switch, "link", "set", machine.port, "master", PUBLIC_BRIDGE)
    record.unlink(missing_ok=True)
