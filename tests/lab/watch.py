"""Watches whether a server lets people in, without a gap: the admin, and the Factory by its private address."""

import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal

from tests.lab.ground.commands import LabError, tried
from tests.lab.ground.first_boot import LOGIN_KEY
from tests.lab.ground.hosts import Server
from tests.lab.ground.network import NAMESPACES
from tests.lab.ground.places import open_from

Place = Literal["admin", "factory"]
PLACES: tuple[Place, Place] = ("admin", "factory")
AT_ONCE_S = 0.9
"""A second later TCP would ask again, and a door that was shut for a moment would look open."""
WITH_UFW_S = 10.0
"""ufw lets nothing in while it loads its rules anew, which it does not do at one stroke: TCP asks again."""
GREET_S, LOGIN_S = 20.0, 30.0
"""How long sshd may take once it is reached: that depends on the machine's load alone."""
KNOCK_EVERY_S, LOGIN_EVERY_S = 0.2, 2.0
"""From the one place and the other by turns."""
ALIVE = "still there"
_OPTIONS = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")


@dataclass(slots=True)
class Watch:
    """What new connections to one server met, from both places, and two logins that stay open all the while."""

    server: Server
    connect_s: float
    missed: list[str] = field(default_factory=list[str])
    _over: threading.Event = field(default_factory=threading.Event)
    _began: float = field(default_factory=time.monotonic)

    def knock(self, place: Place) -> None:
        """Open a TCP connection and read the greeting.

        Raises:
            OSError: it is not let in, or is not greeted.
        """
        with open_from(self.server.site, place, self._address(place), 22, limit_s=self.connect_s) as caller:
            caller.settimeout(GREET_S)
            if not caller.recv(8).startswith(b"SSH-"):
                raise OSError("nobody greeted")

    def log_in(self, place: Place) -> None:
        """Log in over a connection of its own and run something.

        Raises:
            OSError: it does not come to that.
        """
        done = tried(*self.ssh(place, "true"), limit_s=LOGIN_S)
        if done.returncode:
            raise OSError(f"ssh ended with {done.returncode}: {done.stderr.strip()}")

    def ssh(self, place: Place, *words: str) -> list[str]:
        """Return the command that runs something on the server by OpenSSH, from that place."""
        site = self.server.site
        inside = [] if place == "admin" else ["nsenter", f"--net={NAMESPACES / site.namespace(place)}"]
        options = [part for option in _OPTIONS for part in ("-o", option)]
        key = str(site.folder / LOGIN_KEY)
        return [*inside, "ssh", "-F", "none", "-q", "-i", key, *options, f"root@{self._address(place)}", *words]

    def again_and_again(self, look: Callable[[Place], None], every_s: float) -> None:
        """Look from both places by turns until the watch is over."""
        for place in cycle(PLACES):
            if self._over.wait(every_s):
                return
            self.once(look, place)

    def once(self, look: Callable[[Place], None], place: Place) -> None:
        """Look once; what fails is kept."""
        try:
            look(place)
        except (OSError, LabError) as error:
            after_s = time.monotonic() - self._began
            self.missed.append(f"{look.__name__} from {place} after {after_s:.1f} s: {error!r}")

    def end(self) -> None:
        """Let the watchers end."""
        self._over.set()

    def _address(self, place: Place) -> str:
        machine = self.server.machine
        return machine.ipv4 if place == "admin" else machine.private_ipv4


@contextmanager
def watching(server: Server, *, connect_s: float = AT_ONCE_S) -> Generator[None]:
    """Watch a server until the end, and hold a login from each place open; that they lived is said with the rest.

    Raises:
        AssertionError: somebody was kept out for a moment, or a login that was open broke.
    """
    watch = Watch(server, connect_s)
    looks = ((watch.knock, KNOCK_EVERY_S), (watch.log_in, LOGIN_EVERY_S))
    threads = [threading.Thread(target=watch.again_and_again, args=look) for look in looks]
    kept = {place: _opened(watch, place) for place in PLACES}
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        watch.end()
        for thread in threads:
            thread.join()
        lived = {place: _still_there(session) for place, session in kept.items()}
    for look, _ in looks:
        for place in PLACES:
            watch.once(look, place)
    wrong = [*watch.missed, *(f"the login from {place}: {end}" for place, end in lived.items() if end != ALIVE)]
    assert not wrong, f"{server.name}: {'; '.join(wrong[:10])}"


@contextmanager
def held_open(server: Server) -> Generator[None]:
    """Hold a login from each place open until the end; new ones are tried then.

    For what stops sshd from listening for a moment by its own nature, as its reload does (`sighup_restart` of OpenSSH).

    Raises:
        AssertionError: a login that was open broke, or none gets in afterwards.
    """
    watch = Watch(server, AT_ONCE_S)
    kept = {place: _opened(watch, place) for place in PLACES}
    try:
        yield
    finally:
        lived = {place: _still_there(session) for place, session in kept.items()}
    for place in PLACES:
        watch.once(watch.log_in, place)
    assert (lived, watch.missed) == (dict.fromkeys(PLACES, ALIVE), [])


def _opened(watch: Watch, place: Place) -> "subprocess.Popen[str]":
    session = subprocess.Popen(
        watch.ssh(place, "echo in; exec cat"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert session.stdout
    assert session.stdout.readline() == "in\n", f"no login from {place}"
    return session


def _still_there(session: "subprocess.Popen[str]") -> str:
    """Return what comes back over a login that was opened long ago."""
    try:
        return session.communicate(ALIVE, timeout=LOGIN_S)[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        session.kill()
        session.communicate()
        return repr(error)
