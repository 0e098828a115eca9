"""add_muscle and remove_muscle on a bare server of the lab: all that happens on the server itself is real.

Coolify, Hetzner and DNS are emulated over HTTP, and what Coolify does on a server is done there by the test. The canary
is visited from outside, over HTTP and HTTPS, through Traefik itself; the one thing that is not as in the world is who
signed its certificate.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.settings.fleet_file import load_fleet
from tests.engine.aftermath import kept, once
from tests.engine.killing import Moment, begin_forking
from tests.ink import says_yes
from tests.lab import debs, killed_joining
from tests.lab.bed import Bed
from tests.lab.ground.commands import tried
from tests.lab.ground.lab import Lab
from tests.lab.ground.network import NAMESPACES
from tests.lab.ground.places import Met
from tests.lab.joining_bed import ADDRESS, APP, FLEET_FILE, NAME, Joining, joining
from tests.lab.killed_joining import KilledJoining
from tests.lab.killing import Death, Hold
from tests.lab.tools_bed import client_of
from tests.lab.vendors import served
from tests.lab.watch import held_open
from tests.tools.arrivals import all_proved, approved_in

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1800)]

LIMIT_S = 1740
AUDIT_S = 600
"""lynis goes through hundreds of tests, one after the other."""
DOORS = (("outside", 22), ("admin", 22), ("factory", 22), ("muscle-1", 22), ("outside", 80), ("outside", 443))
ENGINES = ("docker.io", "docker-ce")
MISSED = {f"{NAME} auditors": "failed"}
"""lynis' bar, as below."""
GAINED = 3
"""What the policies bring on a server of the lab, which takes no settings of the kernel but those of its network."""
LEFT_OUT = "lynis raises, neither mended nor waived: PKGS-7420, TIME-3104"
"""The lab's baseline has neither the part of updates nor that of time."""
_OPTIONS = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")


@pytest.fixture(scope="module")
def repository(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[debs.Repository]:
    """Make the vendors' packages once."""
    with served(lab.site, tmp_path_factory.mktemp("debs")) as found:
        yield found


@pytest.fixture(scope="module")
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking(killed_joining.__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is true of the server, seen past the product; `keys` are those of root by what is not the key itself."""

    keys: tuple[str, ...]
    containers: tuple[str, ...]
    networks: tuple[str, ...]
    services: tuple[str, ...]
    engines: tuple[str, ...]
    passwords: bool
    doors: Mapping[tuple[str, int], Met]
    coolify: tuple[int, int, int]
    """Coolify's rows of the server, its keys, and its services."""
    fleet: tuple[str, ...]


def seen(it: Joining) -> Seen:
    """Look at the server, from each place at its doors, at Coolify, and at fleet.toml."""
    server, coolify = it.server, it.world.read().coolify
    return Seen(
        keys=tuple(" ".join(word for word in line.split() if len(word) < 40) for line in it.authorized),
        containers=tuple(sorted(server.say("docker", "ps", "-a", "--format", "{{.Names}}:{{.State}}").split())),
        networks=tuple(sorted(server.say("docker", "network", "ls", "--format", "{{.Name}}").split())),
        services=tuple(server.run("ls", "/data/coolify/services").stdout.split()),
        engines=tuple(name for name in ENGINES if is_installed(it, name)),
        passwords="passwordauthentication yes" in server.say("sshd", "-T").splitlines(),
        doors={(place, port): it.bed.connect(place, server.machine.ipv4, port) for place, port in DOORS},
        coolify=(
            sum(row.name == NAME for row in coolify.servers),
            sum(key.name == f"ink-{NAME}" for key in coolify.keys),
            len(coolify.services),
        ),
        fleet=tuple(muscle.name for muscle in load_fleet(it.ends.folder / FLEET_FILE).muscles),
    )


def is_installed(it: Joining, package: str) -> bool:
    """Return whether dpkg has it installed; one that was removed leaves its settings."""
    return it.server.run("dpkg-query", "-W", "-f", "${db:Status-Status}", package).stdout == "installed"


@dataclass(frozen=True, slots=True)
class Bare:
    """What auditors say of a server before anything of ours: lynis' index, and how much ssh-audit fails."""

    index: int
    fails: int


def audited(it: Joining) -> Bare:
    """Install auditors, and let each judge the server in its own words; lynis leaves its report as it always does."""
    server = it.server
    server.say("apt-get", "update", "-q")
    server.say("apt-get", "install", "-q", "-y", "--no-install-recommends", "lynis", "ssh-audit", limit_s=360)
    server.say("lynis", "audit", "system", "--quick", "--no-colors", limit_s=AUDIT_S)
    index = server.say("sed", "-n", "s/^hardening_index=//p", "/var/log/lynis-report.dat")
    fails = server.run("ssh-audit", "--skip-rate-test", "-n", "-l", "fail", "127.0.0.1").stdout.count("[fail]")
    return Bare(int(index), fails)


async def look(it: Joining) -> Seen:
    """Look while the event loop goes on."""
    return await anyio.to_thread.run_sync(seen, it)


def coolify_logs_in(it: Joining, place: str) -> bool:
    """Return whether Coolify's key opens the server from a place, by OpenSSH."""
    key = next(key for key in it.world.read().coolify.keys if key.name == f"ink-{NAME}")
    file = it.ends.folder / "coolify-key"
    file.touch(mode=0o600)
    file.write_text(key.private_key, encoding="utf-8")
    site = it.bed.lab.site
    inside = [] if place == "admin" else ["nsenter", f"--net={NAMESPACES / site.namespace(place)}"]
    address = it.server.machine.ipv4 if place == "admin" else ADDRESS
    options = [part for option in _OPTIONS for part in ("-o", option)]
    return tried(*inside, "ssh", "-F", "none", "-q", "-i", file, *options, f"root@{address}", "true").returncode == 0


def muscle(it: Joining) -> Seen:
    """Return what is true once it is a Muscle: SSH is open to admins and the Factory, and the web to everybody."""
    factory = it.bed.lab.server("factory").machine.ipv4
    return Seen(
        keys=("ssh-ed25519 lab", f'from="{factory}/32" ssh-ed25519 ink-coolify'),
        containers=(f"{APP}:running", "coolify-proxy:running"),
        networks=("bridge", "coolify", "host", "none"),
        services=(),
        engines=("docker-ce",),
        passwords=False,
        doors=dict(zip(DOORS, ("silent", "open", "open", "silent", "open", "open"), strict=True)),
        coolify=(1, 1, 0),
        fleet=("muscle-1", NAME),
    )


async def test_a_bare_server_becomes_a_muscle_and_is_given_back(
    bed: Bed, repository: debs.Repository, tmp_path: Path
) -> None:
    """Every check passes that can be made here, auditors judge before and after and each bar that is missed is told;
    Coolify gets in from the Factory alone, the same call finds nothing to do, remove_muscle gives back what was there;
    whoever was logged in stays so all the while, and what ran there runs.
    """
    with anyio.fail_after(LIMIT_S), joining(bed, tmp_path, repository) as it:
        first, bare = await look(it), await anyio.to_thread.run_sync(audited, it)
        with held_open(it.server):
            async with it.app() as app, client_of(app, says_yes(NAME)) as client:
                said = await approved_in(app, client, "add_muscle", **it.arguments)
                after = await look(it)
                gets_in = {place: coolify_logs_in(it, place) for place in ("factory", "admin")}
                again = await approved_in(app, client, "add_muscle", **it.arguments)
                removed = await approved_in(app, client, "remove_muscle", name=NAME, wait_s=600)
        last = await look(it)

    assert (said.outcome, said.checks) == ("applied_unverified", {**all_proved(NAME), **MISSED}), said.text
    (warning,) = said.data["result"]["muscles"][0]["warnings"]
    index = re.search(r"lynis: index (\d+), (\d+) before, 0 warnings", warning)
    assert index, warning
    assert (int(index[2]), int(index[1]) >= bare.index + GAINED, bare.fails > 0) == (bare.index, True, True)
    missed = f"lynis gives {index[1]}: neither 80 nor 25 more than before (it was {bare.index} before)"
    assert warning.startswith(f"{missed}; {LEFT_OUT}; ssh-audit: 0 fails, "), warning
    assert after == muscle(it)
    assert gets_in == {"factory": True, "admin": False}
    assert (again.outcome, removed.outcome) == ("already_so", "applied"), again.text + removed.text
    assert last == replace(
        after, keys=first.keys, engines=first.engines, passwords=True, coolify=(0, 0, 0), fleet=first.fleet
    )


DEATHS: list[Death] = [
    Hold("apt-get", "*install*docker-ce*"),
    Moment("after", "hosts.set_docker_daemon"),
    Moment("after", "hosts.harden_sshd"),
    Moment("before", "hosts.keep_firewall"),
    Moment("after", "hosts.admit_key"),
    Moment("after", "coolify.create_service"),
    Moment("after", "coolify.first_deploy"),
    Moment("after", "fleet.add_muscle"),
]
"""Docker half installed, its restart, sshd and the firewall on probation, Coolify's key, the canary, and the end."""


@pytest.mark.long
async def test_an_addition_that_is_killed_again_and_again_ends_as_if_it_never_was(
    bed: Bed, repository: debs.Repository, tmp_path: Path, forks: None
) -> None:
    """Process after process dies in a step of the lane, and the last one ends it: one key, one row, no canary, and
    whoever was logged in stays so.
    """
    with anyio.fail_after(LIMIT_S), joining(bed, tmp_path, repository) as it:
        scene = KilledJoining(bed, it.server, tmp_path, it.ends, it.arguments)
        with held_open(it.server):
            for number, death in enumerate(DEATHS):
                await scene.kill(death, calls=number == 0)
            await scene.succeed()
        after = await look(it)
    (ended,) = kept(tmp_path)
    assert after == muscle(it)
    assert ended == replace(once(resumed=len(DEATHS)), checks=frozenset({"passed", "skipped"}))
