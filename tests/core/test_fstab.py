"""The one line of fstab for /data: what may stand there already, and what comes of it."""

import pytest

from ink_infra_mcp.core.fstab import Entry, entry_of, is_so, line_of, unfit

DISK = "scsi-0HC_Volume_104528544"
BY_ID = f"/dev/disk/by-id/{DISK}"


def entries(*lines: str) -> tuple[Entry, ...]:
    """Return lines as they are told of."""
    return tuple(map(entry_of, lines))


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ((), "/data ext4 discard,nofail,x-systemd.device-timeout=30s 0 0"),
        (
            (f"{BY_ID} /data ext4 discard,nofail,defaults",),
            "/data ext4 discard,nofail,x-systemd.device-timeout=30s 0 0",
        ),
        (
            (f"{BY_ID} /data ext4 noatime,x-systemd.device-timeout=9",),
            "/data ext4 discard,nofail,x-systemd.device-timeout=9,noatime 0 0",
        ),
        (
            (f"{BY_ID} /mnt/HC_Volume_104528544 ext4 discard,nofail,defaults",),
            "/data ext4 discard,nofail,x-systemd.device-timeout=30s 0 0",
        ),
    ],
)
def test_the_line_keeps_good_options_and_gets_what_a_boot_needs(lines: tuple[str, ...], wanted: str) -> None:
    """A boot goes on without the disk, after a time that is told; the cloud's own line is no reason against it."""
    found = entries(*lines)
    assert (line_of(found), unfit(found, DISK)) == (wanted, [])
    assert is_so(entries(f"{BY_ID} {wanted.removesuffix(' 0 0')}"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/dev/sdb /data ext4 defaults", "fstab mounts /dev/sdb at /data"),
        ("UUID=1-2 /data ext4 defaults", "fstab mounts UUID=1-2 at /data"),
        (f"{BY_ID} /srv ext4 defaults", "fstab mounts the disk at /srv"),
        (f"{BY_ID} /data xfs defaults", "fstab has the type xfs for it"),
        (f"{BY_ID} /data ext4 defaults,noexec,ro", "fstab has the options noexec, ro for it, which nobody here knows"),
    ],
)
def test_what_is_not_on_the_list_is_refused_with_its_reason(line: str, why: str) -> None:
    """Other sources, places, types and options."""
    assert unfit(entries(line), DISK) == [why]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (f"{BY_ID} /data ext4 discard,nofail,defaults",),
        (f"{BY_ID} /data ext4 x-systemd.device-timeout=30s",),
        (f"{BY_ID} /data ext4 nofail,x-systemd.device-timeout=30s", f"{BY_ID} /mnt/HC_Volume_104528544 ext4 nofail"),
    ],
)
def test_only_the_one_line_with_all_that_a_boot_needs_is_so(lines: tuple[str, ...]) -> None:
    """None, without a limit, without `nofail`, or mounted twice: none is."""
    assert not is_so(entries(*lines))
