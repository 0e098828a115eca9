"""Reading what a server says it needs done: real answers, odd ones, and none that is taken for "nothing to do"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.hosts.facts.sections import Section
from ink_infra_mcp.hosts.upkeep.upkeep_facts import EXPIRED_S, STALE_S, Room, UpkeepFacts, read_upkeep

BOOT = "6ca53467-e9f5-46b8-9024-3e5eb7a1ef1e"
ABSENT = "cat: /run/reboot-required: No such file or directory"
UPDATES = """\
Inst base-files [12.4+deb12u11] (12.4+deb12u15 Debian:12.15/oldstable [amd64])
Inst libperl5.36 [5.36.0-7+deb12u2] (5.36.0-7+deb12u4 Debian-Security:12/oldstable-security [amd64]) [perl:amd64 ]
Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) []
Inst linux-image-6.1.0-38-amd64 (6.1.147-1 Debian-Security:12/oldstable-security [amd64])
Inst libc6 [2.39-0ubuntu8.5] (2.39-0ubuntu8.6 Ubuntu:24.04/noble-updates [amd64])
Inst curl [8.5.0-2ubuntu10.5] (8.5.0-2ubuntu10.6 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])"""
NOW = 1795980732
OS = 'NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian'


def source(release: str, suite: str = "", codename: str = "", made: str = "") -> str:
    """Return a source as the script tells it, which was never fetched where nothing but its release is known."""
    told = f"Suite: {suite}\nCodename: {codename}\nDate: {made}\n" if made else ""
    return f"source {release}\n{told}"


SECURITY = source("bookworm-security", "oldstable-security", "bookworm-security", "Sun, 29 Nov 2026 18:32:12 UTC")
RELEASES = source("bookworm", "oldstable", "bookworm", "Sat, 11 Jul 2026 10:16:37 UTC") + SECURITY
DISKS = """\
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/sda1         39052844 36052844   1000000      98% /
overlay           39052844 36052844   1000000      98% /var/lib/docker/overlay2/1f2e/merged
/dev/sdb          10218772   610012   9068084       7% /mnt/with space"""
INODES = """\
Filesystem      Inodes  IUsed   IFree IUse% Mounted on
/dev/sda1      2442240 104211 2338029    5% /
/dev/sdb             0      0       0     - /mnt/with space"""
GOOD = {
    "clock": Section(str(NOW), 0),
    "boot_id": Section(BOOT, 0),
    "kernel": Section("6.1.0-37-amd64", 0),
    "kernels": Section("config-6.1.0-37-amd64\nvmlinuz-6.1.0-37-amd64\nvmlinuz-6.1.0-9-amd64", 0),
    "kernel_hooks": Section("unattended-upgrades", 0),
    "reboot_required": Section(ABSENT, 1),
    "reboot_packages": Section("cat: /run/reboot-required.pkgs: No such file or directory", 1),
    "updates": Section(UPDATES, 0),
    "os": Section(OS, 0),
    "releases": Section(RELEASES, 0),
    "disks": Section(DISKS, 0),
    "inodes": Section(INODES, 0),
    "mounts": Section("/ rw,relatime,errors=remount-ro\n/boot ro,relatime", 0),
    "sshd": Section(
        "port 22\npermitrootlogin without-password\npasswordauthentication no\n"
        "kbdinteractiveauthentication no\npermitemptypasswords no",
        0,
    ),
}


def read(**sections: Section) -> UpkeepFacts:
    """Return what is read where these sections are otherwise than those of a server where all is well."""
    return read_upkeep("muscle-1", {**GOOD, **sections})


def test_all_of_it_is_read() -> None:
    """What Debian 12 and Ubuntu 24.04 print is read; security is told by the archive that an update comes from."""
    assert read() == UpkeepFacts(
        host="muscle-1",
        boot_id=BOOT,
        reboot_required=(),
        updates=("base-files", "libperl5.36", "libgcrypt20", "linux-image-6.1.0-38-amd64", "libc6", "curl"),
        security_updates=("libperl5.36", "libgcrypt20", "linux-image-6.1.0-38-amd64", "curl"),
        has_security_source=True,
        security_age_s=3600,
        rooms=(Room(mount="/", bytes_used=98, files_used=5), Room(mount="/mnt/with space", bytes_used=7)),
        read_only=("/boot",),
        sshd={
            "permitrootlogin": "without-password",
            "passwordauthentication": "no",
            "kbdinteractiveauthentication": "no",
            "permitemptypasswords": "no",
        },
    )


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"reboot_required": Section("*** System restart required ***", 0)}, ("the system",)),
        (
            {
                "reboot_required": Section("*** System restart required ***", 0),
                "reboot_packages": Section("libc6\nlinux-base\nlibc6", 0),
            },
            ("libc6", "linux-base"),
        ),
        ({"reboot_required": Section("", 0)}, ("the system",)),
        (
            {"kernels": Section("vmlinuz-6.1.0-37-amd64\nvmlinuz-6.1.0-100-amd64", 0)},
            ("kernel 6.1.0-100-amd64",),
        ),
        ({"kernels": Section("vmlinuz-6.1.0-37-amd64\nvmlinuz-6.12.1-1-cloud-amd64", 0)}, ()),
    ],
    ids=["file", "packages", "empty file", "newer kernel", "another flavour"],
)
def test_why_a_server_asks_for_a_reboot(sections: dict[str, Section], why: tuple[str, ...]) -> None:
    """By the file that an update leaves, or by a newer kernel of the same flavour that lies there and does not run."""
    assert read(**sections).reboot_required == why


def test_where_nobody_would_ask_for_a_reboot_it_is_not_known() -> None:
    """Without the package that writes the file, its absence says nothing."""
    facts = read(kernel_hooks=Section("initramfs-tools", 0))
    assert facts.reboot_required is None
    assert "nothing there asks for one" in facts.unknown["reboot_required"]


@pytest.mark.parametrize("name", ["boot_id", "updates", "releases", "os", "disks", "mounts", "sshd", "kernel_hooks"])
def test_what_is_cut_off_or_fails_is_not_known(name: str) -> None:
    """A section that is missing, failed, or says something else makes its fact unknown, with the reason."""
    facts = {"os": "has_security_source", "releases": "has_security_source", "disks": "rooms", "mounts": "read_only"}
    fact = {**facts, "kernel_hooks": "reboot_required"}.get(name, name)
    missing = read_upkeep("muscle-1", {key: section for key, section in GOOD.items() if key != name})
    for found in (missing, read(**{name: Section("E: broken", 100)}), read(**{name: Section("what is this?", 0)})):
        if name == "kernel_hooks":
            assert found.model_dump()[fact] in (None, ()), found
        else:
            assert found.model_dump()[fact] is None, found
        assert fact in found.unknown


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.builds(Section, st.text(), st.integers(0, 255))))
def test_whatever_a_server_prints_nothing_breaks(sections: dict[str, Section]) -> None:
    """A server is not trusted: garbage in any section is a fact that is not known, and never an error."""
    found = read(**sections)
    assert found.host == "muscle-1"


OTHERS = source("stable", "stable", "bookworm", "Sun, 29 Nov 2026 19:00:00 UTC")
EXTENDED = source("noble-apps-security", "noble-apps-security", "noble", "Sun, 29 Nov 2026 19:32:12 UTC")
UBUNTU = EXTENDED + source("noble-security", "noble-security", "noble", "Sat, 28 Nov 2026  2:50:56 UTC")
BY_SUITE = source("stable-security", "stable-security", "bookworm-security", "Sun, 29 Nov 2026 19:32:12 GMT")
OLD = source("bookworm-security", "x", "bookworm-security", "Sun, 22 Nov 2026 19:32:12 +0000")
AHEAD = source("bookworm-security", "x", "bookworm-security", "Sun, 29 Nov 2026 23:32:12 UTC")


@pytest.mark.parametrize(
    ("codename", "releases", "has", "age_s"),
    [
        ("noble", UBUNTU, True, 146476),
        ("bookworm", OTHERS + BY_SUITE, True, 0),
        ("bookworm", RELEASES + OLD, True, 604800),
        ("bookworm", OTHERS + source("bookworm-security"), True, None),
        ("bookworm", RELEASES + source("bookworm-security"), True, None),
        ("bookworm", AHEAD, True, None),
        ("bookworm", source("bookworm-security", "x", "bookworm-security", "yesterday"), True, None),
        ("bookworm", OTHERS, False, None),
        ("bookworm", SECURITY.replace("bookworm", "bullseye"), False, None),
        ("noble", EXTENDED, False, None),
        ("bookworm", "", False, None),
    ],
    ids=[
        *("ubuntu", "debian by its suite", "the oldest of two", "never fetched", "one of two never fetched"),
        *("made later than now", "no date", "none", "another release's", "the extended one alone", "no source"),
    ],
)
def test_how_old_the_archive_of_security_updates_is(codename: str, releases: str, has: bool, age_s: int | None) -> None:
    """By its own file alone, wherever that came from: no other archive that was fetched lately stands in for it."""
    facts = read(os=Section(f"VERSION_CODENAME={codename}", 0), releases=Section(releases, 0))
    assert (facts.has_security_source, facts.security_age_s) == (has, age_s)
    assert ("security_age_s" in facts.unknown) is (has and age_s is None)


@pytest.mark.parametrize(
    ("facts", "stale", "proved"),
    [
        ({"has_security_source": True, "security_age_s": STALE_S}, False, True),
        ({"has_security_source": True, "security_age_s": STALE_S + 1}, True, True),
        ({"has_security_source": True, "security_age_s": EXPIRED_S}, True, True),
        ({"has_security_source": True, "security_age_s": EXPIRED_S + 1}, True, False),
        ({"has_security_source": True}, True, False),
        ({"has_security_source": False}, True, False),
        ({}, True, False),
    ],
)
def test_what_proves_that_no_security_update_is_left(facts: dict[str, JsonValue], stale: bool, proved: bool) -> None:
    """An empty list proves it only where the archive of this release said so, a week ago at most."""
    found = UpkeepFacts.model_validate({"host": "muscle-1", "security_updates": [], **facts})
    assert (found.is_stale, not found.unproved) == (stale, proved)


def test_a_disk_that_met_errors_is_not_writable_although_its_mount_says_so() -> None:
    """Newer kernels leave `rw` there, and say beside it that nothing is written any more."""
    mounts = "/ rw,relatime,emergency_ro\n/data rw,shutdown\n/home rw,relatime"
    assert read_upkeep("one", GOOD | {"mounts": Section(mounts, 0)}).read_only == ("/", "/data")
