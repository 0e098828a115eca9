"""Volumes of real Docker are copied from one server to another: all that they hold, or nothing that would be used."""

import hashlib
from functools import partial

import anyio
import pytest

from ink_infra_mcp.core.errors import InkError, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.volumes import asking
from ink_infra_mcp.hosts.volumes.steps import VolumeSteps
from ink_infra_mcp.settings.system import SystemClock
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 300
TINY = "registry.lab:5000/library/tiny:1"
OPERATION = "op-move234567"
FROM, TO = "old-data", "new-data"
FILL = r"""
set -eu
cd "$1"
mkdir -p 'a dir' deep/er/still "$(printf 'line\nbreak')" -- --checkpoint=1
printf one >'a dir/plain'
printf two >"$(printf 'quote'\''s "and" $(id) `id` \\ \t')"
printf three >-rf
printf four >"$(printf 'bytes \377\376')"
printf five >' leading and trailing '
printf six >'--checkpoint-action=exec=touch x'
truncate -s 300M sparse
printf end >>sparse
dd if=/dev/zero of=big bs=1M count=24 status=none
chown 12345:54321 'a dir/plain'
chown -h 70000:70001 -- -rf
chmod 4751 'a dir/plain'
chmod 1777 'a dir'
chmod 0 deep/er
ln -s ../../../../etc/shadow outward
ln -s nowhere dangling
ln 'a dir/plain' hard
mkfifo pipe
mknod null c 1 3
touch -d '2001-02-03 04:05:06.123456789' 'a dir/plain'
touch -d '1999-01-01 00:00:00.5' deep
"""
FACTS = r"""
cd "$1" && find . -printf '%y %m %U %G %n %T@ %l %P\0' | sort -z | sed -z 's/^\(d [^ ]* [^ ]* [^ ]*\) [0-9]*/\1/' |
  sha256sum && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum && du -s --block-size=1 sparse
"""


def folder(volume: str) -> str:
    """Return where Docker keeps a volume."""
    return f"/var/lib/docker/volumes/{volume}/_data"


def step(**params: object) -> StepCall:
    """Return a call of the step that copies from muscle-1 to muscle-2."""
    given: JsonObject = {"source": "muscle-1", "target": "muscle-2", "volume": FROM, "copy": TO, "limit_bytes": 2**33}
    return StepCall(
        operation_id=OPERATION,
        step_id="copy_0",
        kind="hosts.copy_volume",
        target="app",
        params={**given, **{name: value for name, value in params.items() if isinstance(value, int | str)}},
        results={},
        permit=permit_here(),
        clock=SystemClock(),
        say=lambda line: None,
    )


def filled(server: Server) -> None:
    """Make a volume of the hardest things that a file system takes."""
    server.say("docker", "volume", "create", FROM)
    server.say("sh", "-c", FILL, "sh", folder(FROM))
    attribute = "import os,sys; os.setxattr(sys.argv[1]+'/big', 'user.note', b'\\x00\\xffhidden')"
    server.say("python3", "-c", attribute, folder(FROM))


async def test_a_copy_has_all_that_the_volume_had_and_nothing_else(bed: Bed) -> None:
    """Hostile names, owners, modes, links, devices, times, attributes and holes arrive; the original is only read; what
    was there before of the same operation is gone; a second run finds it whole.
    """
    old, new = bed.fresh("muscle-1"), bed.fresh("muscle-2")
    await meanwhile(partial(filled, old))
    before = old.say("sh", "-c", FACTS, "sh", folder(FROM))
    new.say("docker", "volume", "create", "--label", f"ink-operation={OPERATION}", TO)
    new.say("sh", "-c", f"printf left >{folder(TO)}/left")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            done = await VolumeSteps(pool).copy_volume(step())
            made = new.say("stat", "--format=%i", f"{folder(TO)}/big")
            again = await VolumeSteps(pool).copy_volume(step())
    facts = [text.split() for text in (before, new.say("sh", "-c", FACTS, "sh", folder(TO)))]
    assert (done, facts[0][:4]) == (again, facts[1][:4])
    assert int(facts[1][4]) < 2**20
    assert before == old.say("sh", "-c", FACTS, "sh", folder(FROM))
    assert made == new.say("stat", "--format=%i", f"{folder(TO)}/big")
    note = "import os,sys; sys.stdout.write(os.getxattr(sys.argv[1]+'/big', 'user.note').hex())"
    assert new.say("python3", "-c", note, folder(TO)) == b"\x00\xffhidden".hex()


async def cut(old: Server, new: Server, steps: VolumeSteps, kill: str) -> list[InkError]:
    """Copy 60 MB, and kill what receives it in the middle; return what the step failed with, if it did."""
    await meanwhile(partial(filled, old))
    old.say("sh", "-c", f"head -c 60000000 /dev/urandom >{folder(FROM)}/random")
    failed: list[InkError] = []

    async def copy() -> None:
        try:
            await steps.copy_volume(step())
        except InkError as error:
            failed.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(copy)
        await eventually(
            lambda: not new.run("test", "-s", f"{folder(TO)}/big").returncode, what="it begins", limit_s=180
        )
        await meanwhile(partial(new.say, "sh", "-c", f"{kill}; true"))
    return failed


async def test_a_copy_that_dies_half_way_is_never_used_and_the_next_run_replaces_it(bed: Bed) -> None:
    """The step fails and says so; run again it ends with a whole copy, with nothing of the half one in it."""
    old, new = bed.fresh("muscle-1"), bed.fresh("muscle-2")
    async with bed.pool() as pool:
        steps = VolumeSteps(pool)
        with anyio.fail_after(LIMIT_S):
            failed = await cut(old, new, steps, "pkill -KILL -x tar")
            done = await steps.copy_volume(step())
    assert [error.code for error in failed] == ["step_failed"]
    assert "muscle-2 did not fill a volume" in str(failed[0])
    whole = old.say("sh", "-c", FACTS, "sh", folder(FROM)).split()[:4]
    assert (new.say("sh", "-c", FACTS, "sh", folder(TO)).split()[:4], done["copy"]) == (whole, TO)


async def test_a_connection_that_breaks_half_way_is_made_anew_and_the_copy_too(bed: Bed) -> None:
    """The step itself begins again from nothing, and ends with a whole copy."""
    old, new = bed.fresh("muscle-1"), bed.fresh("muscle-2")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            failed = await cut(old, new, VolumeSteps(pool), "pkill -KILL -f '^sshd(-session)?: root'")
    whole = old.say("sh", "-c", FACTS, "sh", folder(FROM)).split()[:4]
    assert (failed, new.say("sh", "-c", FACTS, "sh", folder(TO)).split()[:4]) == ([], whole)


async def test_what_is_in_use_foreign_or_not_plain_is_refused_and_left_alone(bed: Bed) -> None:
    """A container that runs and mounts it, a stranger's volume on the target, and one with options: each is named."""
    old, new = bed.fresh("muscle-1"), bed.fresh("muscle-2")
    old.say("docker", "volume", "create", FROM)
    old.say("docker", "run", "--detach", "--name=writer", "--volume", f"{FROM}:/data", TINY, "sleep", "600")
    old.say("docker", "volume", "create", "--opt=type=tmpfs", "--opt=device=tmpfs", "odd")
    said: list[str] = []
    async with bed.pool() as pool:
        steps = VolumeSteps(pool)
        with anyio.fail_after(LIMIT_S):
            for call in (step(), step(volume="odd"), step(volume="missing")):
                with pytest.raises(StepFailed) as caught:
                    await steps.copy_volume(call)
                said.append(str(caught.value))
            old.say("docker", "rm", "--force", "writer")
            new.say("docker", "volume", "create", TO)
            new.say("sh", "-c", f"printf theirs >{folder(TO)}/theirs")
            with pytest.raises(StepFailed) as caught:
                await steps.copy_volume(step())
            said.append(str(caught.value))
    assert "writer on muscle-1 runs and mounts old-data" in said[0]
    assert ["no plain volume odd" in said[1], "no plain volume missing" in said[2]] == [True, True]
    assert "this operation did not make it" in said[3]
    assert hashlib.sha256(new.say("cat", f"{folder(TO)}/theirs").encode()).hexdigest() == (
        hashlib.sha256(b"theirs").hexdigest()
    )


async def test_containers_are_stopped_and_the_same_ones_started_again(bed: Bed) -> None:
    """What runs again has the id and the files that it had: nothing is built, pulled or made anew."""
    server = bed.fresh("muscle-1")
    id_ = server.say("docker", "run", "--detach", "--label=coolify.applicationId=7", TINY, "sleep", "600").strip()
    server.say("docker", "exec", id_, "sh", "-c", "echo kept >/kept")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            await asking.switch(pool, "muscle-1", "stop", [id_], permit=permit_here())
            stopped = server.say("docker", "inspect", "--format={{.State.Status}}", id_).strip()
            await asking.switch(pool, "muscle-1", "start", [id_], permit=permit_here())
    running = server.say("docker", "inspect", "--format={{.State.Status}}", id_).strip()
    assert (stopped, running) == ("exited", "running")
    assert server.say("docker", "exec", id_, "cat", "/kept").strip() == "kept"
