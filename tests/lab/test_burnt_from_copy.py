"""A burnt Factory comes back from the copy off the host alone, by the words of the runbook and its owner's key."""

import subprocess
from pathlib import Path

import anyio
import pytest

from tests.ink import says_yes
from tests.lab.bed import Bed, eventually
from tests.lab.box import Box, box_on, give_age
from tests.lab.ground.hosts import Server
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1
from tests.lab.ground.stand_in.factory import installed
from tests.lab.test_copied_backup import public_key
from tests.lab.test_restore_coolify import with_own_key
from tests.lab.tools_bed import app_of, client_of, fleet_of
from tests.tools.calls import Said, call

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.long,
    pytest.mark.xdist_group("the stand-in's restores"),
    pytest.mark.timeout(1500),
]

LIMIT_S = 1200.0
BACKUPS = "/data/coolify/backups"


async def called(bed: Bed, folder: Path, box: Box, tool: str, **arguments: object) -> Said:
    """Call a tool of a product whose fleet.toml names the place, with a person who says yes."""
    app = app_of(bed, folder, fleet_of(bed).model_copy(update={"backups": box.place()}))
    try:
        async with client_of(app, says_yes(typed="factory")) as client:
            with anyio.fail_after(LIMIT_S):
                return await call(client, tool, wait_s=360, **arguments)
    finally:
        await app.aclose()


def opened_on(machine: Server, box: Box, file: Path, login: Path) -> None:
    """Open a copy on the owner's machine and unpack it on the new one: the private key is never there."""
    known = file.parent / "new_hosts"
    known.write_text(f"{machine.machine.ipv4} {machine.host_key}\n", encoding="utf-8")
    ssh = f"ssh -i {login} -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes root@{machine.machine.ipv4}"
    unpack = f"mkdir -p {BACKUPS} && tar -xpf - -C {BACKUPS}"
    words = f"set -o pipefail; age --decrypt --identity {box.identity} {file} | {ssh} '{unpack}'"
    subprocess.run(("bash", "-c", words), check=True, timeout=120)


async def test_a_burnt_factory_comes_back_from_the_copy_off_the_host(bed: Bed, tmp_path: Path) -> None:
    """Backed up, copied, and the machine lost: a fresh Coolify elsewhere gets every key and server back."""
    image = catalogue.published(bed.lab.site)[GOOD_1].pinned
    (place,) = bed.lab.light(1)
    place.reset()
    public, login = public_key(bed, tmp_path)
    box = box_on(place, tmp_path, public)
    old = installed(bed.fresh("factory"), image)
    with_own_key(old)
    give_age(old.server)
    await eventually(old.works, what="no Horizon that runs", limit_s=180)
    keys = "select id, uuid from private_keys order by id"
    before = old.sql(keys)
    made = await called(bed, tmp_path / "old", box, "backup_coolify")
    assert (made.outcome, made.checks) == ("applied", {"backup": "passed", "copy": "passed"}), made.text

    machine = await anyio.to_thread.run_sync(bed.fresh, "factory")
    new = await anyio.to_thread.run_sync(installed, machine, image)
    await eventually(new.works, what="no Horizon that runs", limit_s=180)
    file = box.fetched(tmp_path, login)
    opened_on(machine, box, file, login)
    folder = f"{BACKUPS}/{made.data['operation_id']}"
    assert machine.say("stat", "-c", "%a %U", f"{folder}/secrets/.env").strip().endswith("00 root")
    said = await called(bed, tmp_path / "new", box, "restore_coolify", from_folder=folder)
    passed = {"database": "passed", "keys": "passed", "servers": "passed", "own_server": "passed"}
    assert passed.items() <= said.checks.items(), said.text
    assert (new.sql(keys), new.app_key != old.app_key) == (before, True)
    assert machine.say("sh", "-c", "find / -xdev -name 'age.key' -o -name '*.tar.age' 2>/dev/null || true") == ""
