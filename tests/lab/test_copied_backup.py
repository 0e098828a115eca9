"""Copies of backups on a real SFTP server with nothing else, encrypted by real age, and fetched as a person does."""

import hashlib
import subprocess
import threading
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.factory.copies import copy_steps
from ink_infra_mcp.core.errors import HostKeyChanged, HostUnreachable, StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory import copying
from ink_infra_mcp.hosts.factory.copy_steps import COPY, CopySteps
from tests.lab.bed import Bed, eventually, host_of, meanwhile
from tests.lab.box import KEPT, Box, backup_of, box_on, give_age
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


async def test_a_connection_that_is_cut_is_made_anew_and_one_copy_is_there(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """The place's own process is killed while it writes: the part is written anew from its begin."""
    factory, place = servers
    public, _ = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    backup_of(factory, NAME, mib=60)
    bed.link(place.name, "rate=80000")

    async def cut() -> None:
        await eventually(lambda: box.part_bytes() > 2**20, what="nothing of the copy arrived")
        await meanwhile(lambda: place.say("pkill", "-9", "-u", "box"))
        await meanwhile(lambda: bed.link(place.name, "clear"))

    async with anyio.create_task_group() as group:
        group.start_soon(cut)
        await copied(bed, factory, box)
    assert (box.copies(), len(box.names())) == ([NAME], 1)


async def test_a_cable_that_stays_cut_is_told_in_bounded_time(
    bed: Bed, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """What has arrived counts for nobody, and the next call makes the copy."""
    factory, place = servers
    public, _ = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    backup_of(factory, NAME, mib=60)
    bed.link(place.name, "rate=40000")

    async def cut() -> None:
        await eventually(lambda: box.part_bytes() > 2**20, what="nothing of the copy arrived")
        await meanwhile(lambda: bed.link(place.name, "drop"))

    async with anyio.create_task_group() as group:
        group.start_soon(cut)
        with pytest.raises(HostUnreachable):
            await copied(bed, factory, box)
    await meanwhile(lambda: bed.link(place.name, "clear"))
    assert box.copies() == []
    said = await copied(bed, factory, box)
    assert (box.copies(), said["copies"]) == ([NAME], 1)


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
        before = await copying.copies(pool, host, "coolify")
    await copied(bed, factory, box)
    async with bed.pool(host_of(factory)) as pool:
        after = await copying.copies(pool, host, "coolify")
    assert ([copy.backup for copy in before.copies], [copy.backup for copy in after.copies]) == ([], [NAME])
