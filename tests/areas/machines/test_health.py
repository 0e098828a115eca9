"""What is found out about a server itself from what it says of its disks."""

import pytest

from ink_infra_mcp.areas.machines.drift import Drift
from ink_infra_mcp.areas.machines.health import health_drifts
from ink_infra_mcp.hosts.facts.gathering import Disk, HostFacts


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
