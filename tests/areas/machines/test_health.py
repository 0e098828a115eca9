"""What is found out about a server itself from what it says of its disks."""

from datetime import UTC, datetime, timedelta

import pytest

from ink_infra_mcp.areas.machines.drift import Drift
from ink_infra_mcp.areas.machines.health import health_drifts, room_drifts
from ink_infra_mcp.hosts.facts.gathering import Disk, HostFacts
from ink_infra_mcp.hosts.upkeep.upkeep_facts import Room, UpkeepFacts


def facts(mount: str, device: str = "/dev/sda1") -> HostFacts:
    """Return a server whose /data lies on the file system that is mounted there."""
    disk = Disk(mount=mount, device=device, size_bytes=100, used_bytes=40, free_bytes=60)
    return HostFacts(host="factory", disk_data=disk)


def test_a_factory_whose_data_lies_on_the_system_s_disk_is_told_with_what_mends_it() -> None:
    """Whoever loses or fills that disk loses Coolify's files with it."""
    assert [*health_drifts(facts("/"), factory=True)] == [
        Drift(
            "factory",
            "warning",
            "data_on_root",
            "/data, with all of Coolify's files, lies on the system's disk: it fills with it and is lost with it",
            "/dev/sda1 holds / and /data",
            "setup_factory with data_disk: it moves /data onto a volume",
        )
    ]


@pytest.mark.parametrize(("mount", "factory"), [("/data", True), ("/", False)])
def test_data_on_a_disk_of_its_own_and_any_muscle_s_are_no_finding(mount: str, factory: bool) -> None:
    """Only the Factory has data there that is nowhere else."""
    assert [*health_drifts(facts(mount, "/dev/sdb"), factory=factory)] == []


NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "words"), [(1095, "1095 days ahead of it"), (-400, "400 days behind it"), (0.9, ""), (-0.9, "")]
)
def test_a_clock_that_is_days_off_is_a_finding(days: float, words: str) -> None:
    """All that is judged by it is wrong then: without this the archives of updates would be blamed."""
    told = HostFacts(host="muscle-1", epoch_s=int((NOW + timedelta(days=days)).timestamp()))
    found = [drift for drift in health_drifts(told, factory=False, now=NOW) if drift.code == "clock"]
    assert [(one.severity, one.evidence) for one in found] == [("high", f"{words}; `date` there")] * bool(words)


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("/", [("high", "read_only")]),
        ("/var/lib/docker", [("high", "read_only")]),
        ("/data", [("high", "read_only")]),
        ("/mnt/docker", [("warning", "read_only_mount")]),
        ("/database", [("warning", "read_only_mount")]),
        ("/boot/efi", []),
        ("/usr", []),
    ],
)
def test_a_disk_that_cannot_be_written_to_is_told_wherever_it_is(mount: str, expected: list[tuple[str, str]]) -> None:
    """Docker's folder and apps' volumes may lie anywhere; only what updates alone write may be so on purpose."""
    told = UpkeepFacts(host="muscle-1", rooms=(Room(mount="/", bytes_used=5),), read_only=(mount,))
    assert [(drift.severity, drift.code) for drift in room_drifts(told)] == expected


def test_how_many_files_a_disk_takes_is_not_none_where_nobody_told_it() -> None:
    """A disk whose files could not be counted is not one that has all of them left."""
    rooms = (Room(mount="/", bytes_used=5),)
    told = UpkeepFacts(host="muscle-1", rooms=rooms, read_only=(), unknown={"inodes": "did not answer in time"})
    assert [(drift.code, drift.evidence, drift.unknown) for drift in room_drifts(told)] == [
        ("unknown_rooms", "did not answer in time", True)
    ]
