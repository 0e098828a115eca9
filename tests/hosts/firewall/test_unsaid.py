"""What a firewall's own program or a try from a server does not say is never taken for an answer."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.host_firewall.steps import Try
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.hosts.firewall.tries import Tried, tried_now
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.hosts.pretend_root import Root, root_at
from tests.programs import program

LIMIT_S = 90
HOST = Host(name="muscle-1", address="192.0.2.11")
ANSWERS = 'case $* in *--query*) exit {} ;; esac; echo "$3" >>"$ROOT/calls"'


def said_by(root: Root, *calls: str) -> tuple[int, str]:
    """Run functions of the script that changes a firewall; return how that ended, and what they print."""
    text = root.below(packaged("firewall/firewall.sh")).replace('\nmain "$@"', "")
    path = f"{root.folder / 'bin'}:/usr/bin:/bin"
    head = f"here={root.folder} top={root.folder}\n"
    ran = subprocess.run(
        [program("sh"), "-s"],
        input=f"{text}\n{head}{'; '.join(calls)}\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={"PATH": path},
    )
    return ran.returncode, ran.stdout.strip()


@pytest.mark.parametrize(
    ("ufw", "firewalld", "manager"),
    [
        ("echo 'Status: active'", "exit 252", "ufw"),
        ("echo 'Status: inactive'", "exit 252", "nftables"),
        ("echo 'Status: inactive'", "echo running", "firewalld"),
        ("echo 'ERROR: problem running iptables'; exit 1", "exit 252", "unknown"),
        ("exit 124", "echo running", "unknown"),
        ("echo 'Status: inactive'", "exit 124", "unknown"),
        ("echo 'Status: inactive'", "exit 251", "unknown"),
        ("echo 'Status: inactive'", "exit 0", "unknown"),
    ],
)
def test_who_keeps_a_firewall_is_unknown_where_it_is_not_said(
    tmp_path: Path, ufw: str, firewalld: str, manager: str
) -> None:
    """A ufw that is slow or broken may be active: rules beside it would not be what they say."""
    root = root_at(tmp_path)
    root.programs({"ufw": ufw, "firewall-cmd": firewalld})
    assert said_by(root, "manager") == (0, manager)


@pytest.mark.parametrize(
    ("status", "ended", "calls", "added"),
    [(0, 0, None, None), (1, 0, "--add-rich-rule=r\n", "runtime\tpublic\tr\n"), (124, 1, None, None)],
)
def test_a_rule_that_firewalld_does_not_tell_of_is_not_called_ours(
    tmp_path: Path, status: int, ended: int, calls: str | None, added: str | None
) -> None:
    """What is noted as added is taken away by a revert."""
    root = root_at(tmp_path)
    root.programs({"firewall-cmd": ANSWERS.format(status)})
    assert said_by(root, "add_rich runtime public r")[0] == ended
    assert (root.read("calls"), root.read("added")) == (calls, added)


@pytest.mark.parametrize(("status", "ended"), [(0, 0), (1, 0), (112, 0), (124, 1), (36, 1)])
def test_a_rule_that_firewalld_does_not_tell_of_is_not_called_gone(tmp_path: Path, status: int, ended: int) -> None:
    """Only a no, or a zone that is not there, says that the old firewall is back."""
    root = root_at(tmp_path)
    root.programs({"firewall-cmd": f"case $* in --state) echo running; exit ;; esac\n{ANSWERS.format(status)}"})
    root.write("added", "runtime\tpublic\tr\n")
    assert said_by(root, "restore_firewalld")[0] == ended
    assert root.read("calls") == ("--remove-rich-rule=r\n" if status == 0 else None)


@pytest.mark.parametrize(
    ("usual", "active", "ended", "zones"),
    [
        ("echo public", "echo 'public (default)'; echo '  interfaces: eth0'; echo docker; echo dmz", 0, "dmz public"),
        ("echo public", "", 0, "public"),
        ("exit 124", "echo dmz", 1, ""),
        ("exit 0", "echo dmz", 1, ""),
        ("echo public", "exit 124", 1, ""),
    ],
)
def test_zones_that_firewalld_does_not_tell_are_not_none(
    tmp_path: Path, usual: str, active: str, ended: int, zones: str
) -> None:
    """Where no zone is known, no zone would lack a rule, and all be as it shall."""
    root = root_at(tmp_path)
    body = f"case $* in --get-default-zone) {usual} ;; --get-active-zones) {active}\n ;; esac"
    root.programs({"firewall-cmd": body})
    status, said = said_by(root, "zones")
    assert (int(status != 0), " ".join(said.split())) == (ended, zones)
    assert (said_by(root, "look_at_firewalld")[0] == 3) == bool(ended)


def test_rules_of_ufw_that_cannot_be_read_are_not_none(tmp_path: Path) -> None:
    """What it lets in would be nothing."""
    root = root_at(tmp_path)
    files = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules", "/etc/default/ufw", "/etc/ufw/ufw.conf")
    for file in files:
        root.write(file, "### tuple ### allow tcp 22\n" if "rules" in file else "IPV6=yes\n")
    assert said_by(root, "look_at_ufw")[0] == 0
    root.programs({"cat": 'case $* in */user6.rules) exit 1 ;; esac; real "$@"'})
    assert said_by(root, "look_at_ufw") == (3, "")


def test_rules_of_a_firewalld_that_may_run_are_not_taken_from_its_files_alone(tmp_path: Path) -> None:
    """One that does not say whether it runs has them loaded, perhaps."""
    root = root_at(tmp_path)
    root.programs({"firewall-cmd": "exit 124", "firewall-offline-cmd": "exit 0"})
    root.write("added", "permanent\tpublic\tr\n")
    assert said_by(root, "restore_firewalld")[0] == 1


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Give a port of this machine that is open, and one that is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield server.getsockname()[1], closed.getsockname()[1]


def knocked(root: Root, ports: tuple[int, int]) -> list[str]:
    """Return what the script says of connects to both."""
    words = [word for port in ports for word in ("127.0.0.1", str(port))]
    ran = subprocess.run(
        [program("bash"), "-s", "--", "3", *words],
        input=packaged("firewall/knock.sh"),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={"PATH": f"{root.folder / 'bin'}:/usr/bin:/bin"},
    )
    return sorted(re.sub(r" \d+ ", " ", line) for line in ran.stdout.splitlines())


@pytest.mark.parametrize(
    ("timeout", "lines"),
    [
        ('exec /usr/bin/timeout "$@"', ["127.0.0.1 open", "127.0.0.1 refused", "done"]),
        ("exit 124", ["127.0.0.1 silent", "127.0.0.1 silent", "done"]),
        ("exit 125", ["done"]),
        ("exit 126", ["done"]),
        ("exit 137", ["done"]),
    ],
)
def test_a_connect_that_could_not_be_made_was_not_refused(
    tmp_path: Path, ports: tuple[int, int], timeout: str, lines: list[str]
) -> None:
    """A server that lacks what knocks, or that kills it, says nothing of whether a port is closed."""
    root = root_at(tmp_path)
    root.programs({"timeout": timeout})
    assert knocked(root, ports) == lines


def inside(root: Root, port: int) -> str:
    """Return what is said of a connect from inside a network, by way of a program that enters it."""
    text = packaged("firewall/inside.sh").replace('\nmain "$@" </dev/null', "")
    ran = subprocess.run(
        [program("bash"), "-s"],
        input=f"{text}\nseconds=3\none /space br0 127.0.0.1 {port}\n",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={"PATH": f"{root.folder / 'bin'}:/usr/bin:/bin"},
    )
    return ran.stdout.replace(f" {port} ", " ")


def test_a_network_that_could_not_be_entered_has_refused_nothing(tmp_path: Path, ports: tuple[int, int]) -> None:
    """The program that enters it ends as a connect does that is refused: the answer comes from inside."""
    root = root_at(tmp_path)
    root.programs({"nsenter": 'shift; exec "$@"'})
    assert [inside(root, port) for port in ports] == ["br0 127.0.0.1 open\n", "br0 127.0.0.1 refused\n"]
    root.programs({"nsenter": "exit 1"})
    assert [inside(root, port) for port in ports] == ["", ""]


class Saying(HostPool):
    """A way to a server that says one thing, whatever it is asked."""

    def __init__(self, said: str) -> None:
        super().__init__({HOST.name: HOST}, login=lambda: None, clock=FakeClock(), redact=Redactor(), reads=READINGS)
        self.said = said

    async def run(self, host_name: str, command: HostCommand, **more: object) -> CommandResult:
        """Return what it says."""
        del host_name, command, more
        return CommandResult(0, self.said, "")


def test_a_connect_from_inside_that_could_not_be_made_is_told() -> None:
    """What was not tried before a change is not known to be lost by it, which a person hears of."""
    tries = [Try(of="muscle-1", network="br0", address="192.0.2.12", port=port) for port in (80, 81)]

    async def nobody(endpoints: object) -> dict[tuple[str, int], str]:
        del endpoints
        return {}

    pool = Saying("who br0 yes\nbr0 192.0.2.12 80 open\ndone\n")
    found = anyio.run(tried_now, pool, nobody, tries)
    words = "br0: a connect to 192.0.2.12 port 81 could not be made on muscle-1"
    assert found == Tried(through=(tries[0],), untried=(words,))
