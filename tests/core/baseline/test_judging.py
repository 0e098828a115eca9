"""What a server lacks of its baseline: what is not known is never fine, what is unsafe is refused, the rest is said."""

import pytest

from ink_infra_mcp.core.baseline.judging import Finding, Wanted, judge
from ink_infra_mcp.core.baseline.machine import Engine, Machine, Package, Unit
from ink_infra_mcp.core.baseline.sources import PLACE, Address
from tests.core.baseline.machines import BASELINE, GIB, SUFFIX, finished, held, there, without

MUSCLE = Wanted(role="muscle", traefik="3.6")


def named(machine: Machine, wanted: Wanted = MUSCLE) -> dict[str, tuple[str | None, str]]:
    """Return what differs, by name: what is there, and what shall be."""
    return {f.name: (f.now, f.wanted) for f in judge(machine, BASELINE, wanted).findings}


def test_a_server_that_is_what_the_baseline_says_lacks_nothing() -> None:
    """No finding, no refusal, no warning."""
    found = judge(finished(), BASELINE, MUSCLE)
    assert (found.findings, found.refusals, found.warnings, found.is_already_so) == ((), (), (), True)


FACTS = [name for name in Machine.model_fields if name not in {"host", "unknown", "kept", "engine", "proxy"}]


@pytest.mark.parametrize("fact", FACTS)
def test_what_is_not_known_is_refused_and_never_fine(fact: str) -> None:
    """Each fact that a rule rests on: without it nothing is planned, and the reason stands in the refusal."""
    found = judge(finished(**{fact: None, "unknown": {fact: "it did not answer"}}), BASELINE, MUSCLE)
    assert found.refusals == (f"{fact.replace('_', ' ')} of muscle-1 is not known: it did not answer",)


def test_a_docker_that_does_not_answer_is_refused() -> None:
    """It is installed, so that nothing can be said of what runs there."""
    found = judge(finished(engine=None, unknown={"engine": "timed out"}), BASELINE, MUSCLE)
    assert found.refusals == ("Docker on muscle-1 does not answer: timed out",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"os_id": "debian", "os_version": "11"}, "muscle-1 runs debian 11; supported are debian 12, debian 13"),
        ({"arch": "armhf"}, "muscle-1 is of architecture armhf; supported are amd64, arm64"),
        ({"cpus": 1}, "muscle-1 has 1 of CPUs; a muscle needs at least 2"),
        ({"memory_bytes": 2 * GIB}, "muscle-1 has 2 GiB of memory; a muscle needs at least 4 GiB"),
        ({"disk_bytes": 10 * GIB}, "muscle-1 has 10 GiB of disk; a muscle needs at least 30 GiB"),
        ({"snap": True}, "muscle-1 has Docker as a snap"),
        ({"daemon": '{"live-restore": false}'}, "live-restore is false there, and true by the baseline"),
        ({"daemon": '{"a": 1, "a": 2}'}, "a key stands there twice"),
        (
            {"daemon": '{"default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]}'},
            "default-address-pools has 10.0.0.0/8 there, which overlaps 10.0.0.0/16",
        ),
        (
            {"routes": ("172.20.0.0/14", "172.24.0.0/13", "192.168.0.0/16"), "daemon": ""},
            "overlaps a network that the server or the fleet uses",
        ),
    ],
)
def test_what_cannot_be_kept_safe_is_refused_with_both_sides(changes: dict[str, object], words: str) -> None:
    """A system that nobody supports, a server too small, another Docker, settings that somebody wrote otherwise."""
    (refusal, *_) = judge(finished(**changes), BASELINE, MUSCLE).refusals
    assert words in refusal


def test_less_than_recommended_is_warned_of() -> None:
    """It is planned all the same."""
    found = judge(finished(memory_bytes=16 * GIB), BASELINE, MUSCLE)
    assert found.warnings == ("muscle-1 has 16 GiB of memory; a muscle is recommended to have 62 GiB",)
    assert found.refusals == ()


def test_settings_are_judged_by_what_is_in_force_not_by_our_file() -> None:
    """Our files are there, and another one takes their words back."""
    sysctls = {**(finished().sysctls or {}), "kernel.kptr_restrict": "0"}
    assert named(finished(sysctls=sysctls)) == {"kernel.kptr_restrict": ("0", "2")}
    assert named(finished(journal={"SystemMaxUse": "32M", "SystemKeepFree": "2G"})) == {"SystemMaxUse": ("32M", "1G")}


def test_a_clock_that_another_program_keeps_right_is_fine() -> None:
    """chrony does as well; a timer that does not run is no program for a clock."""
    units = {**(finished().units or {}), "systemd-timesyncd.service": Unit(enabled="disabled", active="inactive")}
    chrony = {**units, "chrony.service": Unit(enabled="enabled", active="active")}
    assert named(finished(units=chrony)) == {}
    assert named(finished(units=units)) == {"systemd-timesyncd.service": ("disabled, inactive", "enabled, active")}


def test_a_unit_that_somebody_masked_is_refused() -> None:
    """Who masks a unit means it."""
    units = {**(finished().units or {}), "apt-daily.timer": Unit(enabled="masked", active="inactive")}
    (refusal,) = judge(finished(units=units), BASELINE, MUSCLE).refusals
    assert (
        refusal
        == "apt-daily.timer is masked on muscle-1, and the baseline has it run: `systemctl unmask apt-daily.timer`"
    )


def test_an_interrupted_dpkg_is_found_whatever_is_asked_for() -> None:
    """Nothing can be installed before it is finished."""
    found = judge(finished(broken=("slow",)), BASELINE, MUSCLE.model_copy(update={"parts": ("docker",)}))
    assert found.finish == ("slow",)
    assert found.findings[0] == Finding(
        part="docker", name="dpkg", now="interrupted: slow", wanted="every package wholly there"
    )


def test_the_distributions_docker_is_replaced_with_a_warning() -> None:
    """What it brings is taken away, Docker's own comes in its place, and every container stops meanwhile."""
    names = [*BASELINE.docker_packages]
    more = {"docker.io": there("26.1.5"), "containerd": there("1.7.24")}
    found = judge(without(finished(), *names, **more), BASELINE, MUSCLE)
    assert found.foreign == ("docker.io", "containerd")
    assert found.docker
    assert found.docker.packages["docker-ce"] == f"5:29.8.2{SUFFIX}"
    assert "every container on muscle-1 stops" in found.warnings[0]


@pytest.mark.parametrize(
    ("there_is", "traefik", "wanted", "warns"),
    [
        ("5:28.5.1-1~debian.13~trixie", "3.6", f"5:29.8.2{SUFFIX}", ""),
        ("5:28.5.1-1~debian.13~trixie", "", f"5:29.8.2{SUFFIX}", ""),
        ("5:28.5.1-1~debian.13~trixie", "3.1", f"5:28.5.2{SUFFIX}", "29.8.2 needs Traefik 3.6, and it has Traefik 3.1"),
        ("5:28.5.1-1~debian.13~trixie", None, f"5:28.5.2{SUFFIX}", "a proxy whose version is not known"),
        ("5:29.9.0-1~debian.13~trixie", "3.6", "", "Docker 29.9.0 on muscle-1 is newer than 29.8.2"),
        ("5:29.8.2-1~debian.13~trixie", "3.1", "", "an older proxy finds no app with it"),
    ],
)
def test_docker_29_comes_only_beside_a_proxy_that_speaks_with_it(
    there_is: str, traefik: str | None, wanted: str, warns: str
) -> None:
    """And what is newer than the baseline stays, with a word about it."""
    names = ("docker-ce", "docker-ce-cli")
    machine = without(finished(), *names, **dict.fromkeys(names, held(there_is)))
    found = judge(machine, BASELINE, Wanted(role="muscle", traefik=traefik))
    assert (found.docker.packages["docker-ce"] if found.docker else "") == wanted
    assert warns in " ".join(found.warnings)


def test_a_package_that_is_not_held_is_held() -> None:
    """Else the next upgrade of the system restarts Docker at night."""
    assert named(without(finished(), "runsc", runsc=there("20260928.0"))) == {"runsc": ("20260928.0, not held", "held")}


def test_an_old_gvisor_on_a_new_kernel_is_named_with_its_mend() -> None:
    """Debian 13's own runsc starts nothing on Debian 13's own kernel."""
    old = Package(version="0.0~20240729.0-5", status="installed", want="install")
    machine = without(finished(runsc="0.0~20240729.0"), "runsc", runsc=old)
    found = judge(machine, BASELINE, MUSCLE)
    assert "google/gvisor#10704" in " ".join(found.warnings)
    assert found.gvisor
    assert found.gvisor.packages == {"runsc": "20260928.0"}


def test_a_repository_whose_key_nobody_checked_is_added_anew() -> None:
    """The same file stands there, and who signs what comes from it is not known."""
    assert [*named(finished(keys={}))] == ["repository docker", "repository gvisor"]


DOCKER = "https://download.docker.com/linux/debian"
MINE = "/etc/apt/sources.list.d/docker.sources"


def naming(**files: tuple[str, ...]) -> dict[str, tuple[Address, ...]]:
    """Return what the server's files of apt name: `list_` is sources.list, others lie beside our own file."""
    own = {MINE: (DOCKER,), **{f"/etc/apt/sources.list.d/{name}.list": uris for name, uris in files.items()}}
    if "list_" in files:
        own["/etc/apt/sources.list"] = own.pop("/etc/apt/sources.list.d/list_.list")
    return (finished().sources or {}) | {file: tuple(Address(uri=uri) for uri in uris) for file, uris in own.items()}


@pytest.mark.parametrize(
    ("files", "replaced"),
    [
        ({"docker": (DOCKER,)}, "/etc/apt/sources.list.d/docker.list"),
        ({"list_": (DOCKER,)}, "/etc/apt/sources.list"),
    ],
)
def test_another_file_that_names_only_the_same_repository_is_replaced(
    files: dict[str, tuple[str, ...]], replaced: str
) -> None:
    """apt reads nothing at all where two files name one address with two keys."""
    found = judge(finished(sources=naming(**files)), BASELINE, MUSCLE)
    assert ([one.replaces for one in found.repositories], found.refusals) == ([(replaced,)], ())
    assert PLACE.fullmatch(replaced)


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({"all": (DOCKER, "https://security.debian.org")}, "/etc/apt/sources.list.d/all.list"),
        ({"list_": ("https://security.debian.org", DOCKER)}, "/etc/apt/sources.list"),
    ],
)
def test_a_file_that_names_other_archives_is_never_taken_away(files: dict[str, tuple[str, ...]], file: str) -> None:
    """The server would get no more security updates: the plan is refused, with the file and what a person does."""
    found = judge(finished(sources=naming(**files)), BASELINE, MUSCLE)
    assert found.refusals == (
        f"{file} of muscle-1 would be replaced for {DOCKER}, and names https://security.debian.org, too, which the "
        f"server would lose: move {DOCKER} and those into files of their own",
    )


def test_a_file_of_our_name_with_other_archives_is_not_written_over() -> None:
    """Somebody has added to it, or wrote it; what we wrote by an earlier policy names one address, and is ours."""
    theirs = (finished().sources or {}) | {MINE: (Address(uri=DOCKER), Address(uri="https://deb.example.com"))}
    files = (finished().files or {}) | {MINE: "another"}
    found = judge(finished(sources=theirs, files=files), BASELINE, MUSCLE)
    assert [refusal.partition(" would ")[0] for refusal in found.refusals] == [f"{MINE} of muscle-1"]
    earlier = (finished().sources or {}) | {MINE: (Address(uri="https://old.example.com"),)}
    assert judge(finished(sources=earlier, files=files), BASELINE, MUSCLE).refusals == ()
    unchecked = finished(sources=earlier, files=files, keys={})
    assert len(judge(unchecked, BASELINE, MUSCLE).refusals) == 1


def test_a_source_that_is_switched_off_is_in_nobodys_way_and_is_not_lost() -> None:
    """apt does not use it; the file that it stands in stays."""
    off = (finished().sources or {}) | {"/etc/apt/sources.list.d/x.sources": (Address(uri=DOCKER, used=False),)}
    assert judge(finished(sources=off), BASELINE, MUSCLE).is_already_so
    both = (Address(uri=DOCKER), Address(uri="https://deb.example.com", used=False))
    mixed = (finished().sources or {}) | {"/etc/apt/sources.list.d/x.sources": both}
    assert len(judge(finished(sources=mixed), BASELINE, MUSCLE).refusals) == 1


def test_a_pool_that_overlaps_the_fleets_network_is_passed_over() -> None:
    """The first that is free is taken, and the others that are free, too."""
    wanted = MUSCLE.model_copy(update={"networks": ("172.22.0.0/16",)})
    found = judge(finished(daemon=""), BASELINE, wanted)
    assert found.settings
    assert found.settings["default-address-pools"] == [
        {"base": "172.24.0.0/13", "size": 24},
        {"base": "192.168.128.0/17", "size": 24},
    ]


def test_a_factory_has_no_gvisor_and_a_bastion_no_docker() -> None:
    """Each role has its own parts."""
    assert "gvisor" not in judge(finished(), BASELINE, Wanted(role="factory", traefik="3.6")).parts
    assert "docker" not in judge(finished(), BASELINE, Wanted(role="bastion")).parts


def test_settings_that_docker_was_not_restarted_for_are_not_in_force() -> None:
    """The file says what it shall, and Docker itself does not: it is started anew, and gVisor is proved again."""
    engine = Engine(version="29.8.2", live_restore=False, runtimes=("runc",))
    found = judge(finished(engine=engine), BASELINE, MUSCLE)
    assert [finding.name for finding in found.findings] == ["runtimes in force", "live-restore in force"]
    assert (found.settings is not None, found.changes, bool(found.image)) == (True, (), True)


def test_upgrades_that_know_no_origin_of_security_updates_are_warned_of() -> None:
    """They run each day and install nothing."""
    apt = {name: rule.value for name, rule in BASELINE.updates.items()}
    assert judge(finished(apt=apt), BASELINE, MUSCLE).warnings == (
        "unattended-upgrades on muscle-1 is told of no origin of security updates",
    )
