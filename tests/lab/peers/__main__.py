"""What `make peers` does: `python -m tests.lab.peers [HOSTS]` brings up light servers, measures, and leaves nothing."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from platform import python_version

from tests.lab.ground.commands import LabError
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.ground.site import Site
from tests.lab.peers import clients
from tests.lab.peers.clients import Ground
from tests.lab.peers.install import install, versions
from tests.lab.peers.meter import Cost, as_client, measure, scratch, usage_file
from tests.lab.peers.ours import Failed, Measured, measured
from tests.lab.run import prepared, unfit

HEAD = f"{'':44}{'wall s':>9}{'client ms':>11}{'server ms':>11}{'limit s':>9}{'share':>7}"
FEET = """\
client, server: processor time for each host in ms; of programs with their start, of the two libraries (ours and
parallel-ssh) without it. limit: all processor time over all processors; share: the limit over the wall time.
All clients send the product's facts.sh and bring its answer back from every host. Only ours reads the facts in it, and
parallel-ssh alone takes any host key. At least 90 % of the limit is the goal of ours, cold, on a machine that does
nothing else; it is no test, as no test measures time."""

Row = tuple[str, Callable[[], int]]


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show(name: str, cost: Cost) -> None:
    """Print one line of the table."""
    figures = f"{cost.wall_s:9.2f}{cost.client_ms:11.2f}{cost.server_ms:11.1f}{cost.limit_s:9.2f}"
    say(f"{name:44}{figures}{cost.share:7.0%}")


def show_row(lab: Lab, ground: Ground, name: str, action: Callable[[], clients.Answers]) -> None:
    """Measure one client and print its line; one that failed on a host is no fast one."""
    usage = [usage_file(lab.site.prefix, server.name) for server in ground.servers]
    answers: dict[str, str] = {}

    def run() -> int:
        answers.update(action())
        return len(ground.servers)

    try:
        cost = measure(lab.site.prefix, usage, run)
        clients.check(ground, answers)
    except Failed as error:
        say(f"{name:44}   failed: {error}")
        return
    show(name, cost)


def ours(lab: Lab, servers: Sequence[Server]) -> None:
    """Measure our own client at several sizes of the fleet: what a host costs stays the same."""
    found: list[Measured] = []
    for count in sorted({10, 50, 100, len(servers)}):
        if count > len(servers):
            continue
        one = measured(lab, servers[:count])
        found.append(one)
        show(f"ours, {count} hosts, cold", one.cold)
        show(f"ours, {count} hosts, kept connections", one.warm)
    last, first = found[-1], found[0]
    growth = last.cold.client_ms / first.cold.client_ms
    say(f"a host of {last.cold.hosts} costs {growth:.2f} times what one of {first.cold.hosts} does, cold;")
    say(f"its kept connection takes {last.memory_mib / last.cold.hosts:.3f} MiB")


def peers(lab: Lab, ground: Ground) -> None:
    """Measure the other clients."""
    row = partial(show_row, lab, ground)
    shared, all_at_once = clients.shared(ground), len(ground.servers)
    for at_once in (8, all_at_once):
        row(f"ssh, {at_once} at once", partial(clients.run_ssh, ground, at_once))
        row(f"ssh, {at_once} at once, curve25519", partial(clients.run_ssh, ground, at_once, *clients.CURVE))
    try:
        for state in ("cold", "warm"):
            row(f"ssh, 8 at once, ControlMaster, {state}", partial(clients.run_ssh, ground, 8, *shared))
    finally:
        clients.end_masters(ground, *shared)
    with as_client(lab.site.prefix):
        library = clients.ParallelSsh(ground)
    try:
        for state in ("cold", "kept connections"):
            row(f"parallel-ssh, all at once, {state}", library.run)
    finally:
        library.close()
    row("pyinfra exec", partial(clients.run_pyinfra, ground))
    row("ansible raw, 50 at once", partial(clients.run_ansible, ground, kept=False))
    try:
        for state in ("cold", "warm"):
            row(f"ansible, ControlMaster, {state}", partial(clients.run_ansible, ground, kept=True))
    finally:
        clients.end_masters(ground, "-o", f"ControlPath={ground.folder}/a-%h")


def compare(lab: Lab, count: int) -> None:
    """Print the whole table."""
    installed = install()
    known = {"asyncssh": version("asyncssh"), **versions()}
    say(f"{count} hosts, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {python_version()};")
    say(f"{', '.join(f'{name} {found}' for name, found in known.items())}\n")
    servers = lab.light(count)
    say(HEAD)
    ours(lab, servers)
    say("")
    with scratch() as folder:
        peers(lab, clients.lay_out(lab, servers, folder, installed))
    say(f"\n{FEET}")


def main(words: list[str]) -> int:
    """Measure and return the exit status."""
    reader = argparse.ArgumentParser(prog="python -m tests.lab.peers", description=__doc__)
    reader.add_argument("hosts", nargs="?", type=int, default=100, help="how many light servers (10 to 500)")
    count = reader.parse_args(words).hosts
    why_not = unfit()
    if why_not:
        sys.stderr.write(f"peers: {why_not}\n")
        return 1
    try:
        with prepared(Site.of(os.environ)) as (lab, _):
            compare(lab, count)
    except (LabError, Failed) as error:
        sys.stderr.write(f"peers: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
