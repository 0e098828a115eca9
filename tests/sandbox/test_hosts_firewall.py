"""The pretend servers' own firewalls: the script that changes them is answered by the world, and never run here."""

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import asyncssh
import pytest

from ink_infra_mcp.sandbox.hosts import SshHosts, serve_hosts
from ink_infra_mcp.sandbox.state_firewalls import Arrival, Bond, Firewall, FirewallRule
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.world import World
from tests.ssh.servers import ADDRESS, NAME, world_of

pytestmark = pytest.mark.anyio

LIMIT_S = 30
UNWRITTEN = "what a revert needs could not be written down"
OTHER = HostState(name="factory", address="192.0.2.10", role="factory")
WEB = Container(id="c" * 64, name="web", image="web", ports=["0.0.0.0:80->8080/tcp"])
ONLY_WEB = """\
add table inet ink
delete table inet ink
table inet ink {
  chain input {
    type filter hook input priority -5; policy accept;
    ip saddr 198.51.100.7/32 meta l4proto tcp ct original proto-dst 22 accept
    counter drop comment "ink-infra 0123"
  }
}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A Muscle with a web server, and a Factory."""
    return world_of(tmp_path, HostState(name=NAME, address=ADDRESS, role="muscle", containers=[WEB]), OTHER)


@pytest.fixture
async def ssh(world: World) -> AsyncGenerator[SshHosts]:
    """Run the servers."""
    async with await serve_hosts(world) as servers:
        yield servers


async def told(ssh: SshHosts, command: str, *, host: str = NAME, stdin: str = "") -> tuple[int | None, str, str]:
    """Run one command; return its status and its two outputs."""
    door = ssh.doors[host]
    with anyio.fail_after(LIMIT_S):
        async with asyncssh.connect(
            door.host,
            door.port,
            config=None,
            username="root",
            client_keys=[asyncssh.import_private_key(ssh.login_private_key)],
            agent_path=None,
            known_hosts=([asyncssh.import_public_key(door.host_public_key)], [], []),
        ) as connection:
            said = await connection.run(command, input=stdin or "\n")
            return said.exit_status, str(said.stdout), str(said.stderr)


def with_data(data: str) -> tuple[str, str]:
    """Return a script that would do harm, with data behind it, and the sum of the data."""
    script = f"touch /tmp/harm\nmain \"$@\" <<'END-OF-DATA'\n{data}END-OF-DATA\n"
    return script, hashlib.sha256(data.encode()).hexdigest()


async def change(ssh: SshHosts, words: str, data: str = "") -> tuple[int | None, str, str]:
    """Call the script as the product does."""
    script, total = with_data(data)
    return await told(ssh, f"exec sh -s -- ink-firewall {words.replace('SUM', total)}", stdin=script if data else "")


async def test_a_change_goes_from_saved_over_armed_to_kept(ssh: SshHosts, world: World) -> None:
    """Each verb says where the change is; the world keeps the table, and writes down what changed it."""
    data = f"== table\n{ONLY_WEB}== ufw_open\n== ufw_close\n== firewalld\n"
    answers = [
        await change(ssh, "save op-1 nftables SUM", "the script"),
        await change(ssh, "set op-1 nftables 60 0123 SUM", data),
        await change(ssh, "keep op-1 0123"),
        await change(ssh, "revert op-1"),
    ]
    said = "change op-1 {}\nmanager nftables\nlive {}\nbefore none\ndone\n"
    assert answers == [
        (0, said.format("saved", "none"), ""),
        (0, said.format("armed", "0123"), ""),
        (0, said.format("kept", "0123"), ""),
        (0, said.format("reverted", "none"), ""),
    ]
    journal = [line for line in world.read().journal if "firewall" in line]
    assert journal == [f"ssh {NAME} ink-firewall {verb} op-1" for verb in ("save", "set", "keep", "revert")]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("save op-1 ufw SUM", "this firewall is not kept by ufw any more"),
        ("set op-1 nftables 60 0123 SUM", "nothing was saved for this change"),
        ("keep op-1 0123", "nothing was set for this change"),
        ("burn op-1", "this is not how it is called"),
        ("save op-1 nftables 0123", f"{UNWRITTEN}; is the disk full or read-only?"),
    ],
)
async def test_what_the_script_refuses_is_refused(ssh: SshHosts, words: str, complaint: str) -> None:
    """With its own status and words, and nothing done."""
    assert await change(ssh, words, "data\n") == (3, "", f"ink-firewall: {complaint}\n")


async def test_the_script_never_reaches_the_shell_of_this_machine(ssh: SshHosts, world: World, tmp_path: Path) -> None:
    """However it is called, it is answered by the world or unknown; what stands in it is not carried out."""
    harm = tmp_path / "harm"
    script = f"touch {harm}\n"
    calls = ("exec sh -s -- ink-firewall look", "sh -s -- ink-firewall look", "sh -c 'exec sh -s ink-firewall' x")
    statuses = [(await told(ssh, call, stdin=script))[0] for call in calls]
    assert (statuses, harm.exists()) == ([0, 127, 127], False)
    assert [line for line in world.read().journal if "UNKNOWN" in line]


async def test_connects_between_servers_meet_sockets_and_firewalls(ssh: SshHosts, world: World) -> None:
    """Open, refused and silent are told from what listens, the server's own firewall and the provider's."""
    places = [(ADDRESS, 22), (ADDRESS, 80), (ADDRESS, 81), ("192.0.2.99", 22)]
    call = f"exec bash -s -- 3 {' '.join(f'{address} {port}' for address, port in places)}"

    async def met() -> list[str]:
        _, said, _ = await told(ssh, call, host="factory")
        return [line.rpartition(" ")[2] for line in said.splitlines()]

    with world.change() as state:
        state.hetzner.firewalls = []
    assert await met() == ["open", "open", "refused", "silent", "done"]
    with world.change() as state:
        state.hosts[NAME].firewall.table = ONLY_WEB
    assert await met() == ["silent", "open", "silent", "silent", "done"]
    with world.change() as state:
        state.hosts[NAME].firewall.table = ""
        server = next(one for one in state.hetzner.servers if one.ipv4 == ADDRESS)
        rule = FirewallRule(direction="in", protocol="tcp", port="80-90", source_ips=["192.0.2.0/24"])
        state.hetzner.firewalls = [
            Firewall(
                id=1,
                name="x",
                created=0.0,
                rules=[rule],
                bonds=[Bond(server=server.id)],
                at=[Arrival(server=server.id)],
            )
        ]
    assert await met() == ["silent", "open", "refused", "silent", "done"]


async def test_whoever_its_firewall_shuts_out_does_not_get_in(ssh: SshHosts, world: World) -> None:
    """The pretend people come from one address; without a rule for it even the greeting is missing."""
    with world.change() as state:
        state.hosts[NAME].firewall.table = ONLY_WEB.replace("198.51.100.7", "198.51.100.8")
    with pytest.raises((asyncssh.Error, OSError)):
        await told(ssh, "nproc")
