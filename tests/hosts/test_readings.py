"""What is read on servers stands on one list: every reading of ours is on it, and nothing that was changed in it."""

import ast
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import product
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ink_infra_mcp.hosts
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.hosts.docker.causes import compose_refuses
from ink_infra_mcp.hosts.docker.composing import (
    ComposeRefused,
    compose_config,
    started_config,
    variables_of_the_server,
)
from ink_infra_mcp.hosts.docker.containers import container_logs
from ink_infra_mcp.hosts.docker.environment import environment_digests
from ink_infra_mcp.hosts.docker.images import digests_of
from ink_infra_mcp.hosts.docker.proxy import traefik_version
from ink_infra_mcp.hosts.factory import (
    backing_up,
    building,
    copying,
    disks,
    installing,
    restoring,
    swapping,
    weighing,
)
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.factory.looking import look_at_coolify
from ink_infra_mcp.hosts.factory.steps import wildcard_command
from ink_infra_mcp.hosts.factory.swap_steps import docker_command
from ink_infra_mcp.hosts.facts.gathering import gather
from ink_infra_mcp.hosts.firewall import changes
from ink_infra_mcp.hosts.firewall.knocking import NOTHING, knock_from, knock_inside
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.hosts.machine import changes as machine_changes
from ink_infra_mcp.hosts.machine import logins
from ink_infra_mcp.hosts.machine.auditing import audit
from ink_infra_mcp.hosts.machine.booting import readiness
from ink_infra_mcp.hosts.machine.private_way import ping
from ink_infra_mcp.hosts.machine.reading import read_machine
from ink_infra_mcp.hosts.machine.vlans import manager_of
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.hosts.upkeep import boots, patching
from ink_infra_mcp.hosts.upkeep.upkeep_facts import gather_upkeep
from ink_infra_mcp.hosts.volumes import asking
from ink_infra_mcp.hosts.web.visiting import addresses_from, visit_from
from ink_infra_mcp.settings.policy_files import load_baseline
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock

APP = "a0app4pp4pp4pp4pp4pp4pp4"
HOST = Host(name="muscle-1", address="192.0.2.11")
UNPRIVILEGED = HOST.model_copy(update={"name": "muscle-2", "ssh_user": "ordinary"})
Read = Callable[[HostPool], Awaitable[object]]
READS: tuple[Read, ...] = (
    lambda pool: gather(pool, HOST.name),
    lambda pool: gather(pool, HOST.name, areas=("containers",)),
    lambda pool: gather_network(pool, HOST.name),
    lambda pool: environment_digests(pool, HOST.name, f"{1:064x}"),
    lambda pool: digests_of(pool, HOST.name, f"sha256:{1:064x}"),
    lambda pool: compose_config(pool, HOST.name, "services: {a: {image: a}}", project=APP),
    lambda pool: started_config(pool, HOST.name, app=APP),
    lambda pool: variables_of_the_server(pool, HOST.name, ["PATH", "_odd.name-1"]),
    lambda pool: compose_refuses(pool, HOST.name, APP),
    lambda pool: container_logs(pool, HOST.name, "web-1", lines=5_000),
    lambda pool: container_logs(pool, HOST.name, "web-1", since="10m"),
    lambda pool: container_logs(pool, HOST.name, "web-1", since="2030-01-31T12:00:00.5Z"),
    lambda pool: knows_runtime_option(pool, HOST.name),
    lambda pool: look_at_coolify(pool, HOST.name),
    lambda pool: look_at_coolify(pool, UNPRIVILEGED.name),
    lambda pool: backing_up.check(pool, HOST.name, "op-7k2mq9xw4t"),
    lambda pool: backing_up.check(pool, UNPRIVILEGED.name, "op-7k2mq9xw4t"),
    lambda pool: swapping.look(pool, HOST.name, "op-7k2mq9xw4t"),
    lambda pool: swapping.look(pool, UNPRIVILEGED.name, "op-7k2mq9xw4t"),
    lambda pool: swapping.ready(pool, HOST.name),
    lambda pool: swapping.prove(pool, HOST.name),
    lambda pool: building.look(pool, HOST.name, "op-7k2mq9xw4t"),
    lambda pool: building.look(pool, UNPRIVILEGED.name, "op-7k2mq9xw4t"),
    lambda pool: building.ready(pool, HOST.name),
    lambda pool: disks.look(pool, HOST.name, "op-7k2mq9xw4t-data"),
    lambda pool: disks.ground(pool, HOST.name),
    lambda pool: disks.ground(pool, UNPRIVILEGED.name, "scsi-0HC_Volume_1001"),
    lambda pool: installing.look(pool, HOST.name, "op-7k2mq9xw4t"),
    lambda pool: installing.site(pool, HOST.name),
    lambda pool: installing.site(pool, UNPRIVILEGED.name),
    lambda pool: restoring.secrets(pool, HOST.name),
    lambda pool: restoring.secrets(pool, UNPRIVILEGED.name),
    lambda pool: backing_up.check(pool, HOST.name, "/data/coolify/backups/burnt/2026.11"),
    lambda pool: weighing.backups(pool, HOST.name),
    lambda pool: weighing.backups(pool, UNPRIVILEGED.name),
    lambda pool: weighing.weigh(pool, HOST.name, "op-7k2mq9xw4t"),
    lambda pool: weighing.weigh(pool, UNPRIVILEGED.name, "/data/coolify/backups/burnt"),
    lambda pool: traefik_version(pool, HOST.name),
    lambda pool: addresses_from(pool, HOST.name, "shop.example.com"),
    lambda pool: visit_from(pool, HOST.name, "https://shop.example.com/?a=b&c='d'", address="192.0.2.1"),
    lambda pool: visit_from(pool, HOST.name, "http://shop.example.com", address="2001:db8::1"),
    lambda pool: knock_from(pool, HOST.name, [("192.0.2.1", 22), ("2001:db8::1", 443)]),
    lambda pool: knock_inside(pool, HOST.name, [("vmbr0", "192.0.2.1", 22), ("wg0", "2001:db8::1", 443)]),
    lambda pool: knock_inside(pool, UNPRIVILEGED.name, [("br-1f2e3d4c5b6a", *NOTHING)]),
    lambda pool: manager_of(pool, HOST.name),
    lambda pool: manager_of(pool, UNPRIVILEGED.name),
    lambda pool: pool.run(HOST.name, ping("10.250.0.3", 1450)),
    lambda pool: asking.look(pool, HOST.name, "a0app4pp4pp4pp4pp4pp4pp4-pages_1.x"),
    lambda pool: asking.look(pool, UNPRIVILEGED.name, "pages"),
    lambda pool: changes.look(pool, HOST.name),
    lambda pool: changes.look(pool, UNPRIVILEGED.name),
    lambda pool: read_machine(pool, HOST.name, load_baseline()),
    lambda pool: read_machine(pool, UNPRIVILEGED.name, load_baseline()),
    lambda pool: audit(pool, HOST.name),
    lambda pool: audit(pool, UNPRIVILEGED.name),
    lambda pool: audit(pool, HOST.name, kept=True),
    lambda pool: audit(pool, UNPRIVILEGED.name, kept=True),
    lambda pool: logins.look(pool, HOST.name),
    lambda pool: logins.look(pool, UNPRIVILEGED.name),
    lambda pool: readiness(pool, HOST.name),
    lambda pool: gather_upkeep(pool, HOST.name),
    lambda pool: boots.look(pool, HOST.name, "op-1-reboot"),
    lambda pool: boots.look(pool, UNPRIVILEGED.name, "op-1-reboot"),
    lambda pool: patching.look(pool, HOST.name, "op-1-updates"),
    lambda pool: patching.look(pool, UNPRIVILEGED.name, "op-1-updates"),
)
CHANGES: tuple[Callable[[], HostCommand], ...] = (
    lambda: wildcard_command(APP, "", "https://s1.example.com"),
    lambda: docker_command(("pull", "--quiet", "registry.example.com/ink/coolify:1")),
    lambda: swapping.SCRIPT.command("start", "op-7k2mq9xw4t", as_root=True),
    lambda: building.SCRIPT.command("push", "op-7k2mq9xw4t", as_root=True),
    lambda: copying.command(Deaf(), HOST.name, ("send", "op-7k2mq9xw4t", "age1" + 58 * "q")),
)
"""Commands that are made in one place each, and need a permit."""
HOSTILE = (
    "--privileged",
    "-f",
    "; reboot",
    "$(reboot)",
    "../../etc/x",
    "",
    "\n",
    "web-1\n--follow",
    "set",
    "revert",
    "é",
)


class Deaf(HostPool):
    """Runs nothing, and keeps what it was told to run; its answer makes whoever asks ask for all that there is."""

    def __init__(self) -> None:
        super().__init__(
            {host.name: host for host in (HOST, UNPRIVILEGED)},
            login=lambda: None,
            clock=FakeClock(),
            redact=Redactor(),
        )
        self.ran: list[HostCommand] = []

    async def run(
        self, host_name: str, command: HostCommand, *, permit: Permit | None = None, check: bool = False
    ) -> CommandResult:
        """Say what curl says of a certificate that it does not trust."""
        assert permit is None
        self.ran.append(command)
        return CommandResult(60, "", "curl: (60) a certificate that nobody knows\n")


def sent(*reads: Read) -> list[HostCommand]:
    """Return every command that these send."""
    pool = Deaf()

    async def ask() -> None:
        for read in reads:
            with suppress(InkError, ComposeRefused):
                await read(pool)

    anyio.run(ask)
    return pool.ran


ALL = sent(*READS)


def test_every_reading_of_ours_is_listed() -> None:
    """Whatever our readings send, for root and for another user, runs without a permit; none says that it changes."""
    assert [command.words for command in ALL if command not in READINGS or command.changes] == []
    assert len(ALL) == len(READS) + 3, "each visit asks a second time, and who is refused whether Compose is there"


def test_no_command_is_made_that_was_not_tried_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place in `hosts` that makes a command was gone through above: a new one is judged before it is used."""
    made: set[tuple[str, str]] = set()
    check = HostCommand.__post_init__

    def noting(self: HostCommand) -> None:
        maker = inspect.stack()[2]
        made.add((Path(maker.filename).name, maker.function))
        check(self)

    monkeypatch.setattr(HostCommand, "__post_init__", noting)
    sent(*READS)
    assert [change().words for change in CHANGES if change() in READINGS or not change().changes] == []
    assert made == set(makers())


def makers() -> list[tuple[str, str]]:
    """Return file and function of each place in `hosts` that makes a command."""
    found: list[tuple[str, str]] = []
    for file in sorted(Path(ink_infra_mcp.hosts.__file__).parent.rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
                found += [(file.name, function.name) for call in calls if ast.unparse(call.func) == "HostCommand"]
    return found


@pytest.mark.parametrize("word", HOSTILE)
def test_a_word_that_is_another_is_refused(word: str) -> None:
    """In every place of every listed command, more or in place of one: an option, a path, another verb, two lines."""
    let_in: list[tuple[str, ...]] = []
    for command in ALL:
        # no command can be made whose program has no name
        places = range(0 if word else 1, len(command.words) + 1)
        for at, taken in product(places, (0, 1)):
            other = _with(command, at, word, at + taken)
            # where any name is taken, a word that could be one is one; Docker's may have a hyphen, Coolify's uuids none
            names = (_with(command, at, name, at + taken) for name in ("any-name", "anyname"))
            is_a_name = word.isascii() and word.isalpha() and any(map(READINGS.__contains__, names))
            if other.words != command.words and other in READINGS and not is_a_name:
                let_in.append(other.words)
    assert let_in == []


def _with(command: HostCommand, at: int, word: str, behind: int) -> HostCommand:
    words = (*command.words[:at], word, *command.words[behind:])
    return HostCommand(words, changes=False, stdin=command.stdin)


@given(command=st.sampled_from([c for c in ALL if c.words[0] != "docker"]), data=st.data())
def test_a_script_with_one_byte_changed_is_refused(command: HostCommand, data: st.DataObject) -> None:
    """What a shell is given is compared to the byte: changed, added or cut off, it is another script."""
    script = command.stdin_bytes()
    at = data.draw(st.integers(0, max(0, len(script) - 1)))
    others = {script + b"#", script[:at] + b"\x07" + script[at + 1 :], script[:at], b"reboot\n" + script} - {script}
    for other in others:
        assert HostCommand(command.words, changes=False, stdin=other) not in READINGS


@pytest.mark.parametrize(
    "words",
    [
        ("save", "op-1"),
        ("set", "op-1"),
        ("keep", "op-1", "0"),
        ("revert", "op-1"),
        ("fire", "op-1", "1"),
        ("look", "x"),
    ],
)
@pytest.mark.parametrize("as_root", [True, False])
def test_the_verbs_that_change_a_firewall_need_a_permit(words: tuple[str, ...], as_root: bool) -> None:
    """They are those of the very script whose `look` is listed, whatever they say of themselves."""
    asked = changes.command(words, as_root=as_root, changes=False, timeout_s=1)
    assert asked not in READINGS
    assert changes.command(("look",), as_root=as_root, changes=False, timeout_s=1) in READINGS
    assert changes.command(("look",), as_root=as_root, changes=False, timeout_s=1, data="x\n") not in READINGS


@pytest.mark.parametrize("verb", ["finish", "install", "files", "daemon", "prove", "restore", "restore-all", "look"])
@pytest.mark.parametrize("as_root", [True, False])
def test_nothing_that_changes_a_server_itself_passes_for_a_reading(verb: str, as_root: bool) -> None:
    """The script that changes it is another one than the script that reads, and no verb of it is listed."""
    it = machine_changes.Change(HOST.name, "op-1", "part")
    assert machine_changes.command(it, verb, (), as_root=as_root) not in READINGS


@pytest.mark.parametrize(
    "words",
    [
        ("admit", "root", "ink-x", "0"),
        ("remove", "root", "ink-x"),
        ("make-keys", "op-1"),
        ("use-keys", "op-1"),
        ("drop-keys", "op-1"),
        ("back-keys", "op-1"),
        ("set", "op-1", "60", "no", "0"),
        ("keep", "op-1"),
        ("revert", "op-1"),
        ("fire", "op-1", "1"),
        ("look",),
        ("look", "root", "x"),
    ],
)
@pytest.mark.parametrize("as_root", [True, False])
def test_the_verbs_that_change_logins_need_a_permit(words: tuple[str, ...], as_root: bool) -> None:
    """They are those of the very script whose `look` is listed, whatever they say of themselves."""
    assert logins.command(words, as_root=as_root, changes=False) not in READINGS
    assert logins.command(("look", "root"), as_root=as_root, changes=False) in READINGS


@pytest.mark.parametrize("as_root", [True, False])
def test_the_verbs_that_reboot_and_patch_need_a_permit(as_root: bool) -> None:
    """It is one of the very script whose `look` is listed, whatever it says of itself."""
    assert boots.command(("ask", "op-1-reboot"), as_root=as_root, changes=False) not in READINGS
    assert boots.command(("look", "op-1-reboot"), as_root=as_root, changes=False) in READINGS
    assert boots.command(("look", "../x"), as_root=as_root, changes=False) not in READINGS
    assert patching.command(("ask", "op-1-updates"), as_root=as_root, changes=False) not in READINGS
    assert patching.command(("look", "op-1-updates"), as_root=as_root, changes=False) in READINGS


@pytest.mark.parametrize("host", [HOST.name, UNPRIVILEGED.name])
@pytest.mark.parametrize(
    "words", [("make", "op-1"), ("rehearse", "op-1", "op-1", "-", "60"), ("check", "../x"), ("check",)]
)
def test_the_verbs_that_back_coolify_up_need_a_permit(words: tuple[str, ...], host: str) -> None:
    """They are those of the very script whose `check` is listed, whatever they say of themselves."""
    asked = backing_up.command(Deaf(), host, words, changes=False, timeout_s=1)
    assert asked not in READINGS
    assert backing_up.command(Deaf(), host, ("check", "op-1"), changes=False, timeout_s=1) in READINGS
