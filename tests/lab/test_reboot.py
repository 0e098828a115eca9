"""A real server reboots once and all that ran is back; in the middle of an install it does not; its facts are real."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall, result_of
from ink_infra_mcp.hosts.upkeep import boots, patching
from ink_infra_mcp.hosts.upkeep.steps import UpkeepSteps
from ink_infra_mcp.hosts.upkeep.upkeep_facts import gather_upkeep
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, meanwhile
from tests.lab.ground.hosts import Server
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 300
NAME = "muscle-2"
TINY = "registry.lab:5000/library/tiny:1"
SETTLE_S = 1.0
HOLD_DPKG = """\
import fcntl, os, sys, time
lock = os.open("/var/lib/dpkg/lock-frontend", os.O_RDWR | os.O_CREAT, 0o640)
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def start(server: Server, name: str, *options: str) -> None:
    """Start a container that stays up."""
    server.say("docker", "run", "--detach", "--quiet", f"--name={name}", *options, TINY, "sh", "-c", "sleep 600")


async def run(pool: HostPool, results: dict[str, JsonObject], kind: str, step_id: str, **more: JsonValue) -> JsonObject:
    """Run a step on the server, and keep its result."""
    params: JsonObject = {"host": NAME, "address": pool.hosts[NAME].address, "urls": [], **more}
    permit = permit_here("op-1", kind)
    call = StepCall("op-1", step_id, kind, NAME, params, results, permit, SystemClock(), lambda _: None)
    results[step_id] = await UpkeepSteps(pool, SETTLE_S).handlers()[kind](call)
    return results[step_id]


async def test_a_real_server_reboots_once_and_all_that_ran_is_back(bed: Bed) -> None:
    """Containers under both runtimes run again; run again the step reboots nothing; what Docker leaves is named."""
    server, results = bed.fresh(NAME), dict[str, JsonObject]()
    await meanwhile(partial(start, server, "web", "--restart=unless-stopped", "--runtime=runsc"))
    await meanwhile(partial(start, server, "proxy", "--restart=always"))
    await meanwhile(partial(start, server, "once"))
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            noted = await run(pool, results, "hosts.note_running", "note")
            first = await run(pool, results, "hosts.reboot", "reboot")
            again = await run(pool, results, "hosts.reboot", "reboot")
            back = await run(pool, results, "hosts.await_apps", "await_apps", note=result_of("note", "note"))
            assert first == again
            assert (noted["boot_id"], await meanwhile_boot(server)) == (first["before"], first["boot_id"])
            assert isinstance(back.pop("ended_at"), str)
            assert back == {"containers": 3, "left_down": ["once"], "did_not_answer": []}


async def meanwhile_boot(server: Server) -> str:
    """Return which boot the server itself says it is in."""
    return await anyio.to_thread.run_sync(server.boot_id)


async def test_while_packages_are_installed_a_real_server_does_not_reboot(bed: Bed) -> None:
    """A program that holds dpkg's lock as dpkg does keeps it up, and nothing is left that would reboot it later."""
    server = bed.fresh(NAME)
    script = f"setsid python3 -c '{HOLD_DPKG}' >/run/held 2>&1 </dev/null & until grep -q held /run/held; do :; done"
    await meanwhile(partial(server.say, "sh", "-c", script))
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            before = await boots.look(pool, NAME, "op-1-reboot")
            with pytest.raises(StepFailed, match="packages are being installed"):
                await boots.ask(pool, NAME, "op-1-reboot", permit=permit_here("op-1", "hosts.reboot"))
            assert await boots.look(pool, NAME, "op-1-reboot") == before == boots.Boots("", before.now)


async def test_what_a_real_server_needs_done_is_read(bed: Bed) -> None:
    """apt, df, sshd and the kernel of a real Debian answer as they are read; what it lacks is said, not made up."""
    bed.clean(NAME)
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            facts = await gather_upkeep(pool, NAME)
    known = {facts.boot_id, *(room.mount for room in facts.rooms or ())}
    assert {"/", (await meanwhile_boot(bed.lab.server(NAME)))} <= known
    assert facts.updates is not None, facts.unknown
    assert facts.sshd is not None, facts.unknown


FAKES = {
    "apt-get": "exit 0",
    "dpkg": "exit 0",
    "unattended-upgrade": 'while [ ! -e /run/go ]; do sleep 0.1; done; echo "$1" >>/root/upgraded; exit 7',
}
"""What systemd finds first in its PATH: the lab has no archive of updates."""


async def test_updates_go_on_where_nobody_waits_and_are_begun_again_after_a_power_cut(bed: Bed) -> None:
    """systemd installs them, so a lost connection breaks nothing off; asked twice they run once; what a power cut broke
    is told from what never was, and its end is what the program ended with.
    """
    server, name = bed.fresh(NAME), "op-1-updates_1"
    for program, body in FAKES.items():
        await meanwhile(partial(server.write, f"/usr/local/bin/{program}", f"#!/bin/sh\n{body}\n"))
        await meanwhile(partial(server.say, "chmod", "+x", f"/usr/local/bin/{program}"))
    permit = permit_here("op-1", "hosts.apply_security_updates")
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            first = await patching.look(pool, NAME, name)
            begun = await patching.ask(pool, NAME, name, permit=permit)
            await meanwhile(partial(server.say, "sync"))
            await meanwhile(server.cut_power)
            await meanwhile(server.power_on)
            cut = await patching.look(pool, NAME, name)
            again = [await patching.ask(pool, NAME, name, permit=permit) for _ in range(2)]
            await meanwhile(partial(server.say, "touch", "/run/go"))
            with anyio.fail_after(60):
                while (found := await patching.look(pool, NAME, name)).stand == "runs":
                    await anyio.lowlevel.checkpoint()
            after = await patching.ask(pool, NAME, name, permit=permit)
    assert [one.stand for one in (first, begun, cut, *again)] == ["none", "runs", "broken", "runs", "runs"]
    assert found == after == patching.Patching("ended", 7)
    assert await anyio.to_thread.run_sync(server.say, "cat", "/root/upgraded") == "-v\n"


UNREACHED = "deb [trusted=yes] http://127.0.0.1:9/debian-security trixie-security main\n"
"""Nobody listens on the port of `discard`."""
RELEASE = """\
Suite: stable-security
Codename: trixie-security
Date: {made}
Architectures: amd64 all
Components: main
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-all/Packages
"""


async def patched(pool: HostPool, name: str) -> patching.Patching:
    """Install updates under a name, and return how it ended."""
    await patching.ask(pool, NAME, name, permit=permit_here("op-1", "hosts.apply_security_updates"))
    with anyio.fail_after(90):
        while (found := await patching.look(pool, NAME, name)).stand != "ended":
            await anyio.lowlevel.checkpoint()
    return found


async def test_a_security_archive_that_was_not_reached_is_told_and_written_to_the_disk(bed: Bed) -> None:
    """The server's own apt calls it a warning; the end says it, and is synced, for a power cut here loses nothing that
    was written; and the age that is read is that of the archive, when it is reached again.
    """
    server, made = bed.fresh(NAME), format_datetime(datetime.now(UTC) - timedelta(days=5), usegmt=True)
    archive = "/srv/security/dists/trixie-security"

    def prepare() -> None:
        server.write("/usr/local/bin/unattended-upgrade", "#!/bin/sh\nexit 0\n")
        server.write("/usr/local/bin/sync", '#!/bin/sh\necho "$*" >>/root/synced\nexec /usr/bin/sync "$@"\n')
        server.say("chmod", "+x", "/usr/local/bin/unattended-upgrade", "/usr/local/bin/sync")
        server.say("mkdir", "-p", f"{archive}/main/binary-all")
        server.write(f"{archive}/main/binary-all/Packages", "")
        server.write(f"{archive}/Release", RELEASE.format(made=made))
        server.write("/etc/apt/sources.list.d/security.list", UNREACHED)

    await meanwhile(prepare)
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            away = await patched(pool, "op-1-away")
            unheard = await gather_upkeep(pool, NAME)
            synced = await anyio.to_thread.run_sync(server.say, "cat", "/root/synced")
            reached = UNREACHED.replace("http://127.0.0.1:9/debian-security", "file:/srv/security")
            await meanwhile(partial(server.write, "/etc/apt/sources.list.d/security.list", reached))
            there = await patched(pool, "op-1-there")
            heard = await gather_upkeep(pool, NAME)
    folder = "/var/lib/ink-infra/patches"
    begun, ended = f"{folder}/op-1-away.begun {folder}", f"{folder}/op-1-away.ended.new"
    assert synced.splitlines() == [begun, ended, folder], synced
    assert away == patching.Patching("ended", 0, fetched=False)
    assert there == patching.Patching("ended", 0)
    assert (unheard.has_security_source, unheard.security_age_s) == (True, None)
    assert heard.has_security_source
    assert (heard.security_age_s or 0) // 86_400 == 5
