"""The doctor's look at the place of backups off the host: whether it lets us in, has room, and has a copy that counts.

It is one login without a permit: nothing is written there, and no copy is read.
"""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory.ages import days
from ink_infra_mcp.areas.factory.copies import AHEAD_S, OLD_COPY_S
from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_hosts import login_of
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.core.copies import Lying
from ink_infra_mcp.core.fleet import BackupPlace
from ink_infra_mcp.hosts.factory import copying
from ink_infra_mcp.hosts.factory.copying import SPARE_BYTES
from ink_infra_mcp.ssh.files import Room
from ink_infra_mcp.ssh.pool import HostPool

NAME = "backup place"
_ANYBODY_WRITES = 0o222
_HOME = "."
_MAKE_ONE = "Have backup_coolify make one."


async def check_place(ground: Ground, place: BackupPlace, pool: HostPool) -> Section:
    """Return what can be seen of the place without writing there.

    Raises:
        HostError: it cannot be reached, is not the pinned one, lets us in no more, or does not tell.
        ConfigError: there is no usable login key.
    """
    host = place.host
    if host is None:
        text = "[backups] in fleet.toml names none: no backup of Coolify is copied off the Factory by us."
        next_ = "docs/configuration.md tells how; what burns with the Factory is APP_KEY and all servers' keys."
        return Section(name=NAME, findings=(Finding(level="note", text=text, next=next_),))
    async with pool.files(host) as files:
        mode = await files.folder_mode(place.folder)
        room = await files.room(_HOME if mode is None else place.folder)
        there = await copying.listed(files, place.folder, fleet=place.fleet)
    findings = (
        Finding(
            level="ok",
            text=f"SFTP as {host.ssh_user} at {host.address}:{host.ssh_port}, {login_of(ground)}; "
            "its host key is one of fleet.toml.",
        ),
        Finding(
            level="ok",
            text=f"copies are for {place.recipient}, whose checksum is right; whether somebody has its private key "
            "is not known.",
        ),
        _folder(place, mode, room),
        _room(there, room),
        _newest(ground, place, there),
        *_others(place, there),
    )
    return Section(name=NAME, findings=findings)


def _folder(place: BackupPlace, mode: int | None, room: Room | None) -> Finding:
    if room is not None and room.read_only:
        return Finding(
            level="failed",
            text="its disk is mounted to be read only: no copy can be made.",
            next="Look at the place's own console.",
        )
    if mode is None:
        return Finding(level="ok", text=f"it has no folder {place.folder} yet: the first copy makes it.")
    if not mode & _ANYBODY_WRITES:
        return Finding(
            level="warning",
            text=f"its folder {place.folder} lets nobody write (mode {mode:o}).",
            next=f"Let {place.ssh_user} write there.",
        )
    return Finding(
        level="ok",
        text=f"its folder {place.folder} is there (mode {mode:o}); whether {place.ssh_user} may write was not tried.",
    )


def _room(there: Lying, room: Room | None) -> Finding:
    """A place that is full is known here, and not when the Factory's image is to be exchanged."""
    if room is None:
        return Finding(level="note", text="it does not tell its room.")
    wanted = max((copy.bytes for copy in there.own[:1]), default=0) + SPARE_BYTES
    text = f"{_size(room.free)} are free there"
    if room.free >= 2 * wanted:
        return Finding(level="ok", text=f"{text}.")
    return Finding(
        level="failed" if room.free < wanted else "warning",
        text=f"{text}; a copy of the newest one's size wants {_size(wanted)}.",
        next="Make room there, or take a larger place: copies go for their age only after a new one is whole.",
    )


def _newest(ground: Ground, place: BackupPlace, there: Lying) -> Finding:
    """A pretend world has a time of its own, so that no age is told of what lies there."""
    if not there.own:
        return Finding(level="warning", text=f"no whole copy of {place.fleet} lies there.", next=_MAKE_ONE)
    count = f"{len(there.own)} of {place.fleet} there, by name and size"
    if ground.sandbox:
        return Finding(level="ok", text=f"copies: {count}.")
    return _aged(there, int(ground.clock.now().timestamp()), count)


def _aged(there: Lying, now: int, count: str) -> Finding:
    newest = next((copy for copy in there.own if copy.made <= now + AHEAD_S), None)
    if newest is None:
        return Finding(
            level="warning",
            text=f"copies: {count}, all of a time to come.",
            next="Compare `date -u` on the Factory and here; what a wrong clock made: move it away there.",
        )
    age_s = max(0, now - newest.made)
    text = f"copies: {count}; the newest is of {newest.backup}, {days(age_s)} old"
    if age_s <= OLD_COPY_S:
        return Finding(level="ok", text=f"{text}.")
    return Finding(level="warning", text=f"{text}.", next=_MAKE_ONE)


def _others(place: BackupPlace, there: Lying) -> Iterator[Finding]:
    if there.damaged:
        yield Finding(
            level="warning",
            text=f"copies that are damaged and count for nothing: {len(there.damaged)} of {place.fleet}, "
            f"the newest {there.damaged[0]}.",
            next="Find out what changes files there, and move them away.",
        )
    beside = [
        *([f"{len(there.others)} of other fleets"] if there.others else []),
        *([f"{len(there.unnamed)} without a fleet's name"] if there.unnamed else []),
    ]
    if beside:
        yield Finding(level="note", text=f"copies beside: {' and '.join(beside)}; none of them is counted or removed.")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
