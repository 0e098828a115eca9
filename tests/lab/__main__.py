"""The lab by hand: `python -m tests.lab up`, and whatever can be done to it; `check` is what `make lab` runs."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping

from tests.lab.ground.commands import LabError
from tests.lab.ground.hosts import enter
from tests.lab.ground.lab import Lab, state_of
from tests.lab.ground.places import ADMIN, OUTSIDE
from tests.lab.ground.site import ExtraDisk, Site
from tests.lab.run import LABS, LABS_AT_ONCE, check, unfit

PLACES = f"{ADMIN}, {OUTSIDE} or a server"

Action = Callable[[Lab, argparse.Namespace], None]


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def up(lab: Lab, given: argparse.Namespace) -> None:
    """Bring it up."""
    began = time.monotonic()
    lab.up()
    say(f"up after {time.monotonic() - began:.1f} s")
    status(lab, given)


def down(lab: Lab, given: argparse.Namespace) -> None:
    """Take it down."""
    lab.down()


def status(lab: Lab, given: argparse.Namespace) -> None:
    """Say how the servers are, and how to get in."""
    for server in lab.servers.values():
        machine = server.machine
        say(f"{server.name:10} {state_of(server):8} {machine.ipv4:14} {machine.ipv6:20} {machine.private_ipv4}")


def execute(lab: Lab, given: argparse.Namespace) -> None:
    """Run a program on a server, past its network."""
    enter(lab.server(given.server), given.words)


def power(lab: Lab, given: argparse.Namespace) -> None:
    """Cut the power, switch on, or reboot."""
    server = lab.server(given.server)
    {"cut": server.cut_power, "on": server.power_on, "reboot": server.reboot}[given.what]()


def link(lab: Lab, given: argparse.Namespace) -> None:
    """Give a cable a fault."""
    lab.link(given.server, given.fault)


def freeze(lab: Lab, given: argparse.Namespace) -> None:
    """Stop a server where it is."""
    lab.server(given.server).freeze()


def thaw(lab: Lab, given: argparse.Namespace) -> None:
    """Let it go on."""
    lab.server(given.server).thaw()


def reset(lab: Lab, given: argparse.Namespace) -> None:
    """Set a server up anew."""
    lab.server(given.server).reset()


def attach(lab: Lab, given: argparse.Namespace) -> None:
    """Put a disk in."""
    lab.server(given.server).attach(ExtraDisk(given.node, given.mib, given.by_id))


def detach(lab: Lab, given: argparse.Namespace) -> None:
    """Pull a disk out."""
    lab.server(given.server).detach(given.node)


def light(lab: Lab, given: argparse.Namespace) -> None:
    """Bring up light servers."""
    lab.light(given.count)


def connect(lab: Lab, given: argparse.Namespace) -> None:
    """Say what a connection meets."""
    say(lab.connect(given.place, given.address, given.port))


ACTIONS: Mapping[str, tuple[Action, tuple[tuple[str, Mapping[str, object]], ...]]] = {
    "up": (up, ()),
    "down": (down, ()),
    "status": (status, ()),
    "exec": (execute, (("server", {}), ("words", {"nargs": argparse.REMAINDER}))),
    "power": (power, (("server", {}), ("what", {"choices": ("cut", "on", "reboot")}))),
    "link": (link, (("server", {}), ("fault", {"help": "down drop drop-in drop-out loss=% rate=KBIT delay=MS clear"}))),
    "freeze": (freeze, (("server", {}),)),
    "thaw": (thaw, (("server", {}),)),
    "reset": (reset, (("server", {}),)),
    "attach": (attach, (("server", {}), ("node", {}), ("mib", {"type": int}), ("by_id", {}))),
    "detach": (detach, (("server", {}), ("node", {}))),
    "light": (light, (("count", {"type": int}),)),
    "connect": (
        connect,
        (("place", {"help": f"{ADMIN}, {OUTSIDE} or a server"}), ("address", {}), ("port", {"type": int})),
    ),
}


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    top = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    for name, (action, arguments) in ACTIONS.items():
        command = commands.add_parser(name, help=action.__doc__)
        for argument, options in arguments:
            command.add_argument(argument, **options)  # pyright: ignore[reportArgumentType] - options as data
    rest = commands.add_parser("check", help="Run the lab's tests, from bare ground and back to it.")
    rest.add_argument("--long", action="store_true", help="those that take too long for every change")
    rest.add_argument("pytest", nargs=argparse.REMAINDER)
    return top


def main(words: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    given = parser().parse_args(words)
    why_not = unfit()
    if why_not:
        sys.stderr.write(f"lab: {why_not}\n")
        return 1
    site = Site.of(os.environ)
    try:
        if given.command == "check":
            which = "lab and long" if given.long else "lab and not long"
            return check(site, given.pytest, which=which, labs=int(os.environ.get(LABS, LABS_AT_ONCE)))
        ACTIONS[given.command][0](Lab(site), given)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
