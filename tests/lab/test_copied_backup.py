"""Copies of backups on a real SFTP server with nothing else, encrypted by real age, and fetched as a person does."""

import hashlib
import subprocess
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.factory.copies import copy_steps
from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_place import check_place
from ink_infra_mcp.cli.doctor_report import Section
from ink_infra_mcp.core.errors import HostKeyChanged, HostLoginRefused, HostUnreachable, StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.factory import copying
from ink_infra_mcp.hosts.factory.copy_steps import COPY, CopySteps
from tests.lab.bed import Bed, eventually, host_of, meanwhile
from tests.lab.box import FLEET, FOLDER, HOME, KEPT, Box, backup_of, box_on, give_age
from tests.lab.ground.hosts import Server
from tests.lab.steps import run_on_factory

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("copies of backups"), pytest.mark.timeout(600)]

LIMIT_S = 400.0
NAME = "op-lab"


def public_key(bed: Bed, folder: Path) -> tuple[str, Path]:
    """Return the public half of what we log in with, and a file with the other."""
    key = folder / "login"
    key.write_text(bed.lab.login_key, encoding="utf-8")
    key.chmod(0o600)
    said = subprocess.run(("ssh-keygen", "-y", "-f", str(key)), check=True, capture_output=True, timeout=30)
    return said.stdout.decode().strip(), key


@pytest.fixture
def servers(bed: Bed) -> tuple[Server, Server]:
    """Return a server that stands for the Factory, and one for the place, both as they boot first."""
    found = bed.lab.light(2)
    for server in found:
        server.reset()
    factory, place = found
    give_age(factory)
    return factory, place


def opened(box: Box, file: Path, folder: Path, name: str) -> str:
    """Open a copy as its owner does, by the words of the runbook, and return the sum of its dump."""
    words = f"set -o pipefail; age --decrypt --identity {box.identity} {file} | tar -xf - -C {folder}"
    subprocess.run(("bash", "-c", words), check=True, capture_output=True, timeout=60)
    return hashlib.sha256((folder / name / "coolify.dump").read_bytes()).hexdigest()


async def copied(bed: Bed, factory: Server, box: Box, **changes: object) -> JsonObject:
    """Copy the backup by the step of the plan, and return what it came to."""
    host = host_of(factory).model_copy(update={"name": "factory"})
    (step,) = copy_steps(box.place(**changes), "factory", backup="backup")
    async with bed.pool(host) as pool:
        with anyio.fail_after(LIMIT_S):
            return await run_on_factory(CopySteps(pool).handlers(), NAME, COPY, {**step.params, "name": NAME})


async def test_a_copy_is_opened_by_its_owner_alone_and_holds_every_file(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """Fetched with sftp and opened with age, it has the backup's own bytes; nothing of it lies there in the clear."""
    factory, place = servers
    public, login = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    dump = backup_of(factory, NAME, mib=40)
    said = await copied(bed, factory, box)
    again = await copied(bed, factory, box)
    assert (box.copies(), len(box.names()), again) == ([NAME], 1, said)
    file = box.fetched(tmp_path, login)
    assert (file.stat().st_size, b"notreallyasecret" in file.read_bytes()) == (said["bytes"], False)
    assert opened(box, file, tmp_path, NAME) == dump
    assert (tmp_path / NAME / "secrets" / ".env").read_text(encoding="utf-8") == "APP_KEY=base64:notreallyasecret\n"
    left = factory.say("sh", "-c", f"ls -A {KEPT} /tmp | grep -v '^$' | sort")
    assert (f"{NAME}\n" in left, ".tar" in left) == (True, False), "nothing was left on the Factory"


async def test_a_full_disk_there_is_named_before_and_meanwhile(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """The room is looked at first; where it goes meanwhile, the part goes too, and that is said as well."""
    factory, place = servers
    public, _ = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public, size="80m")
    backup_of(factory, NAME, mib=70)
    with pytest.raises(StepFailed) as before:
        await copied(bed, factory, box)
    assert (before.value.stage, "left, and" in before.value.failed, box.names()) == ("copy_room", True, [])

    backup_of(factory, NAME, mib=50)
    bed.link(place.name, "rate=40000")
    filling = threading.Thread(target=fill, args=(box,))
    filling.start()
    with pytest.raises(StepFailed) as meanwhile_:
        await copied(bed, factory, box)
    filling.join(timeout=60)
    assert (meanwhile_.value.stage, "is full" in meanwhile_.value.failed, box.names()) == ("copy_room", True, [])


def fill(box: Box) -> None:
    """Take the place's room away as soon as a part of the copy is there."""
    while box.part_bytes() < 2**20:
        pass
    box.server.run("sh", "-c", "head -c 200M /dev/zero >/srv/box/home/else 2>/dev/null")


async def slowly(bed: Bed, factory: Server, box: Box, *, rate_kbit: int, then: Callable[[], Awaitable[None]]) -> None:
    """Copy a backup over a slow line, with something done once a part of it has arrived.

    Raises:
        HostError: as the step of the plan does.
    """
    backup_of(factory, NAME, mib=60)
    bed.link(box.server.name, f"rate={rate_kbit}")

    async def met() -> None:
        await eventually(lambda: box.part_bytes() > 2**20, what="nothing of the copy arrived")
        await then()

    async with anyio.create_task_group() as group:
        group.start_soon(met)
        await copied(bed, factory, box)


async def test_a_connection_that_is_cut_is_made_anew_and_one_copy_is_there(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """The place's own process is killed while it writes: the part is written anew from its begin."""
    factory, place = servers
    box = box_on(place, tmp_path, public_key(bed, tmp_path)[0])

    async def cut() -> None:
        await meanwhile(lambda: place.say("pkill", "-9", "-u", "box"))
        await meanwhile(lambda: bed.link(place.name, "clear"))

    await slowly(bed, factory, box, rate_kbit=80_000, then=cut)
    assert (box.copies(), len(box.names())) == ([NAME], 1)


async def test_a_cable_that_stays_cut_is_told_in_bounded_time(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """What has arrived counts for nobody, and the next call makes the copy."""
    factory, place = servers
    box = box_on(place, tmp_path, public_key(bed, tmp_path)[0])

    async def cut() -> None:
        await meanwhile(lambda: bed.link(place.name, "drop"))

    with pytest.RaisesGroup(HostUnreachable):
        await slowly(bed, factory, box, rate_kbit=40_000, then=cut)
    await meanwhile(lambda: bed.link(place.name, "clear"))
    assert box.copies() == []
    said = await copied(bed, factory, box)
    assert (box.copies(), said["copies"]) == ([NAME], 1)


async def test_damaged_copies_drive_out_no_good_one_and_stay_under_another_name(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """One lost its end, one a byte in its middle: neither counts in `keep`, so that the last good one stays."""
    factory, place = servers
    box = box_on(place, tmp_path, public_key(bed, tmp_path)[0])
    backup_of(factory, NAME, mib=1)
    rotten = box.left("op-rotten", days=1, harm="printf x | dd of=$1 bs=1 seek=99 conv=notrunc status=none")
    short = box.left("op-short", days=2, harm="truncate -s -1 $1")
    good, gone = box.left("op-good", days=40), box.left("op-gone", days=50)
    said = await copied(bed, factory, box, keep=2, keep_days=10)
    assert said["removed"] == [gone]
    assert said["damaged"] == [f"damaged_{rotten}", short]
    assert sorted(box.names()) == sorted([f"damaged_{rotten}", short, good, str(said["file"]).rpartition("/")[2]])
    again = await copied(bed, factory, box, keep=2, keep_days=10)
    assert again == {**said, "removed": []}


async def test_two_fleets_in_one_folder_remove_their_own_copies_alone(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """Old copies of the other one, its part, and copies from before names had a fleet are there as they were."""
    factory, place = servers
    box = box_on(place, tmp_path, public_key(bed, tmp_path)[0])
    backup_of(factory, NAME, mib=1)
    others = [box.left(f"op-{days}", days=days, fleet="other.example.com") for days in (30, 40, 50)]
    before = [box.left(f"op-{days}", days=days, fleet="") for days in (30, 40, 50)]
    gone = box.left("op-gone", days=60)
    part = ".part-other.example.com_op-1"
    place.say("sh", "-c", "touch -d '3 days ago' $1 && chown box $1", "sh", f"{HOME}/{FOLDER}/{part}")
    said = await copied(bed, factory, box, keep=1, keep_days=5)
    own = str(said["file"]).rpartition("/")[2]
    assert (said["removed"], said["copies"]) == ([gone], 1)
    assert sorted(box.names()) == sorted([own, part, *others, *before])
    second = await copied(bed, factory, box, fleet="other.example.com", keep=1, keep_days=5)
    assert (second["removed"], second["copies"]) == (others, 1)
    assert sorted(box.names()) == sorted([own, str(second["file"]).rpartition("/")[2], *before])


def ground(key: str) -> Ground:
    """Return what the doctor stands on, as far as the place needs it."""
    nothing = Section(name="configuration", findings=())
    secrets = {"ssh_key": Secret(key, source="environment INK_SSH_KEY")}
    return Ground(state_url="", secrets=secrets, redact=Redactor(), section=nothing)


async def looked_at(bed: Bed, box: Box, **changes: object) -> dict[str, str]:
    """Return what the doctor says of the place, and how bad it is, with nothing there changed by that."""
    lie = ("find", "/srv/box", "-printf", "%p %s %m %T@\\n")
    before = box.server.say(*lie)
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            section = await check_place(ground(bed.lab.login_key), box.place(**changes), pool)
    assert box.server.say(*lie) == before
    return {finding.text: finding.level for finding in section.findings}


async def test_doctor_tells_of_the_place_what_can_be_seen_without_writing(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """Who it is, its folder, its room, its newest copy; a folder and a disk that take nothing are told before."""
    _, place = servers
    box = box_on(place, tmp_path, public_key(bed, tmp_path)[0], size="80m")
    bare = await looked_at(bed, box)
    way = (
        f"SFTP as box at {place.machine.ipv4}:23, key from environment INK_SSH_KEY; its host key is one of fleet.toml."
    )
    key = f"copies are for {box.recipient}, whose checksum is right; whether somebody has its private key is not known."
    assert bare == {
        way: "ok",
        key: "ok",
        "it has no folder coolify yet: the first copy makes it.": "ok",
        "80 MiB are free there.": "ok",
        "no whole copy of coolify.example.com lies there.": "warning",
    }
    box.left("op-new", days=1)
    short = box.left("op-short", days=3, harm="truncate -s -1 $1")
    box.left("op-other", days=3, fleet="other.example.com")
    box.left("op-before", days=3, fleet="")
    place.say("chmod", "500", f"{HOME}/{FOLDER}")
    place.say("sh", "-c", f"head -c 60M /dev/zero >{HOME}/else")
    full = await looked_at(bed, box)
    assert full == {
        way: "ok",
        key: "ok",
        "its folder coolify lets nobody write (mode 500).": "warning",
        "20 MiB are free there; a copy of the newest one's size wants 16 MiB.": "warning",
        "copies: 1 of coolify.example.com there, by name and size; the newest is of op-new, 24 h old.": "ok",
        f"copies that are damaged and count for nothing: 1 of coolify.example.com, the newest {short}.": "warning",
        "copies beside: 1 of other fleets and 1 without a fleet's name; none of them is counted or removed.": "note",
    }
    place.say("mount", "-o", "remount,ro", HOME)
    frozen = await looked_at(bed, box)
    assert frozen["its disk is mounted to be read only: no copy can be made."] == "failed"


async def test_doctor_logs_in_once_and_not_at_all_at_another_server(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """A refused login is not tried again, and another host key ends it before any."""
    factory, place = servers
    box = box_on(place, tmp_path, public_key(bed, tmp_path)[0])
    place.write("/etc/ssh/box_keys", "")
    with pytest.raises(HostLoginRefused):
        await looked_at(bed, box)
    refused = place.say("sh", "-c", "grep -c 'authenticating user box' /var/log/box.log || true")
    with pytest.raises(HostKeyChanged):
        await looked_at(bed, box, host_key=factory.host_key)
    again = place.say("sh", "-c", "grep -c 'authenticating user box' /var/log/box.log || true")
    assert (refused, again) == ("1\n", "1\n")


async def test_another_server_at_the_place_is_told_nothing(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """It shows another host key than the pinned one: nobody logs in, and nothing is written."""
    factory, place = servers
    public, _ = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    backup_of(factory, NAME, mib=1)
    with pytest.raises(HostKeyChanged):
        await copied(bed, factory, box, host_key=factory.host_key)
    assert box.names() == []


async def test_without_age_on_the_factory_the_way_to_get_it_is_said(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """And nothing stays at the place."""
    factory, place = servers
    public, _ = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    backup_of(factory, NAME, mib=1)
    factory.say("rm", "/usr/bin/age")
    with pytest.raises(StepFailed) as failed:
        await copied(bed, factory, box)
    assert (failed.value.stage, "apt-get install age" in failed.value.next, box.names()) == ("copy_tool", True, [])


async def test_copies_are_listed_without_a_permit(bed: Bed, servers: tuple[Server, Server], tmp_path: Path) -> None:
    """Looking needs none, also where there is no folder yet."""
    factory, place = servers
    public, _ = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    backup_of(factory, NAME, mib=1)
    host = box.place().host
    assert isinstance(host, Host)
    async with bed.pool(host_of(factory)) as pool:
        before = await copying.copies(pool, host, FOLDER, fleet=FLEET)
    await copied(bed, factory, box)
    async with bed.pool(host_of(factory)) as pool:
        after = await copying.copies(pool, host, FOLDER, fleet=FLEET)
    assert ([copy.backup for copy in before.own], [copy.backup for copy in after.own]) == ([], [NAME])
