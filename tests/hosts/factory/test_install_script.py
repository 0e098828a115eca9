"""The unit that installs Coolify, in a real shell over pretend programs: pinned, closed, and taken up again."""

from pathlib import Path

import pytest

from tests.hosts.factory.install_factory import (
    CUSTOM,
    DAEMON,
    DIGEST,
    DOCKER,
    FILES,
    IMAGE,
    NAME,
    OTHER,
    TOP,
    Left,
    begun,
    boot,
    factory,
    installation,
    left,
    orders,
    run,
    site_of,
    told,
)

DONE = Left("done", "")
SOURCE = "data/coolify/source"
SNAPSHOTTER = '[["driver-type","io.containerd.snapshotter.v1"]]\n'
CADDY = 'users:(("caddy",pid=7,fd=3))'


def test_coolify_is_installed_with_the_releases_own_files_and_closed(tmp_path: Path) -> None:
    """What the installer wants from its CDN is the tag's, nothing else is fetched, and its ports are closed."""
    root = factory(tmp_path)
    begun(root)
    assert run(root) == 0
    assert left(root) == DONE, root.read(f"{TOP}/{NAME}/log")
    kept = ("upgrade.sh", "upgrade-postgres.sh", "docker-compose.yml", "docker-compose.prod.yml", ".env.production")
    assert {name: root.read(f"{SOURCE}/{name}") for name in kept} == {name: FILES[name] for name in kept}
    assert (root.read(f"{SOURCE}/docker-compose.custom.yml"), root.read("etc/docker/daemon.json")) == (CUSTOM, DAEMON)
    assert root.read(f"{SOURCE}/seen") == "root /root 1.0.15\n"
    env = (root.read(f"{SOURCE}/.env") or "").splitlines()
    assert {"AUTOUPDATE=false", "DOCKER_ADDRESS_POOL_BASE=172.20.0.0/14", "COOLIFY_VERSION=4.3.10"} <= {*env}
    assert root.read("fetched") is None, "nothing is fetched by the real curl"
    assert (root.folder / TOP / NAME / "refused").read_text().split() == ["https://v2.jokeapi.dev/joke/Programming"]


def test_without_docker_it_comes_from_its_packages_and_not_by_a_script_of_the_day(tmp_path: Path) -> None:
    """get.docker.com has no versions and no signature; Docker's settings lie there before it starts."""
    root = factory(tmp_path, docker=False)
    assert site_of(root).docker == ""
    begun(root)
    assert run(root) == 0
    assert left(root) == DONE, root.read(f"{TOP}/{NAME}/log")
    refused = (root.folder / TOP / NAME / "refused").read_text().split()
    assert ("https://get.docker.com" in refused, root.read("restarts")) == (True, None)
    conf = 'DPkg::Lock::Timeout "600";\nDPkg::Options { "--force-confold"; };\n'
    assert root.read("apt.conf") == conf, "a new server's first update is waited for; settings that are there stay"


@pytest.mark.parametrize(
    ("files", "at"),
    [
        ({}, ""),
        ({"store": SNAPSHOTTER, "etc/containerd/config.toml": 'root = "DATA/containerd"\nversion = 2\n'}, ""),
        ({"etc/docker/daemon.json": DAEMON}, "/var/lib/docker"),
        ({"store": SNAPSHOTTER, "etc/containerd/config.toml": "root = '/var/lib/containerd'\n"}, "/var/lib/containerd"),
        ({"store": SNAPSHOTTER, "etc/containerd/config.toml": "version = 2\n"}, "an unknown place"),
    ],
)
def test_where_docker_was_to_begin_elsewhere_it_is_seen_there_before_it_is_called_done(
    tmp_path: Path, files: dict[str, str], at: str
) -> None:
    """Its own data, and that of containerd where it keeps the images; a Coolify at another place is told as that."""
    root = factory(tmp_path, docker=False)
    place = f"{tmp_path}/data/docker"
    daemon = DAEMON.replace("{", f'{{"data-root": "{place}", ', 1)
    for name, text in {"etc/docker/daemon.json": daemon, **files}.items():
        root.write(name, text.replace("DATA", f"{tmp_path}/data").replace("'/var", f"'{tmp_path}/var"))
    there = (tmp_path / "etc/docker/daemon.json").read_text(encoding="utf-8")
    begun(root, docker_root=place, daemon=there, daemon_before=site_of(root).daemon.sha256)
    assert run(root) == 0
    seen = left(root)
    if not at:
        assert seen == DONE, root.read(f"{TOP}/{NAME}/log")
        return
    assert (seen.state, seen.why) == ("failed", f"Docker keeps its data at {at}, and not where it was wanted")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n', ("ubuntu", "24.04")),
        ("ID='debian'\nVERSION_ID='13'\n", ("debian", "13")),
        ("ID=debian\n", ("debian", "")),
    ],
)
def test_the_system_is_read_in_whatever_order_its_file_has(tmp_path: Path, text: str, seen: tuple[str, str]) -> None:
    """Debian and Ubuntu name the version before the system."""
    root = factory(tmp_path)
    root.write("etc/os-release", text)
    found = site_of(root)
    assert (found.os, found.release) == seen


@pytest.mark.parametrize("number", range(1, 16))
def test_a_docker_that_runs_has_read_its_new_settings_before_a_network_is_made(tmp_path: Path, number: int) -> None:
    """Whoever is killed between the file and the restart restarts it the next time; no boot does it for them."""
    root = factory(tmp_path)
    begun(root)
    run(root, kill_at=number)
    assert run(root) == 0
    assert (left(root).state, root.read("restarts")) == ("done", "x\n"), root.read(f"{TOP}/{NAME}/log")


@pytest.mark.parametrize("before", ['{"debug": false}\n', None])
def test_a_docker_that_does_not_start_with_its_new_settings_gets_the_old_ones_back(
    tmp_path: Path, before: str | None
) -> None:
    """Its unit has the same by a flag, which `dockerd --validate` does not see: what runs there comes back."""
    root = factory(tmp_path)
    root.write("flagged", "")
    if before is not None:
        root.write("etc/docker/daemon.json", before)
    begun(root, daemon_before=site_of(root).daemon.sha256)
    assert run(root) == 0
    assert left(root).why == (
        "Docker does not run with its new settings; those from before are back, and it runs with them"
    )
    assert (root.read("etc/docker/daemon.json"), root.read("restarts")) == (before, "x\nx\n")


def test_one_whose_disk_takes_no_last_word_is_failed_and_not_for_ever_under_way(tmp_path: Path) -> None:
    """Images filled the disk; once there is room, the next one is not refused for the one that is over."""
    root = factory(tmp_path)
    root.programs({"docker": f'case $1 in pull) : >"$ROOT/full"; exit 1 ;; esac\n{DOCKER}'})
    begun(root)
    assert installation(root).state == "prepared"
    assert run(root) == 0
    assert (root.read(f"{TOP}/{NAME}/state"), installation(root).state) == ("installing\n", "failed")
    assert "see whether it is full" in installation(root).why
    assert (site_of(root).under_way, site_of(root).begun) == ("", True)
    (tmp_path / "full").unlink()
    root.programs({"docker": DOCKER})
    begun(root, OTHER, daemon_before=site_of(root).daemon.sha256)
    assert run(root, OTHER) == 0
    assert left(root, OTHER) == DONE


def test_one_whose_disk_was_full_before_it_began_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Between its start and its first word the disk was filled: nothing of it is under way, and that is told."""
    root = factory(tmp_path)
    begun(root)
    root.write("full", "")
    assert run(root) == 0
    seen = installation(root)
    assert (root.read(f"{TOP}/{NAME}/state"), seen.state, "see whether it is full" in seen.why) == (
        "prepared\n",
        "refused",
        True,
    )
    assert (root.read("apt"), root.read("pulled"), root.read("restarts")) == (None, None, None)


def test_one_whose_log_cannot_be_written_ends_and_is_not_begun_for_ever(tmp_path: Path) -> None:
    """A disk that lets itself be read only: systemd would begin a unit that fails every five seconds."""
    root = factory(tmp_path)
    begun(root)
    (root.folder / TOP / NAME / "log").mkdir()
    assert (run(root), installation(root).state, (root.folder / "enabled").exists()) == (0, "refused", False)


def test_a_start_whose_disk_takes_nothing_leaves_no_unit_that_begins_later(tmp_path: Path) -> None:
    """Who was told that it does not begin does not find it installed after the next boot."""
    root = factory(tmp_path)
    assert told(root, "prepare", data=orders(root)).status == 0
    root.write("full", "")
    said = told(root, "start")
    assert (said.status, said.words) == (3, "ink-install: the disk takes nothing\n")
    assert ((root.folder / "enabled").exists(), installation(root).state) == (False, "prepared")


def test_one_that_came_up_late_and_is_somebodys_by_now_is_not_installed_over(tmp_path: Path) -> None:
    """It was not healthy in time, and later it was: its compose files are their owner's."""
    root = factory(tmp_path)
    root.write("health", "running starting")
    begun(root)
    assert run(root) == 0
    assert (left(root).state, site_of(root).begun) == ("failed", True)
    root.write("instance", "1|f|f|f")
    assert site_of(root).begun is False
    said = told(root, "prepare", OTHER, data=orders(root, daemon_before=site_of(root).daemon.sha256))
    assert (said.status, "a container coolify is there" in said.words) == (3, True), said


def test_one_whose_override_somebody_has_changed_since_is_not_installed_over(tmp_path: Path) -> None:
    """Its database does not answer, so that nobody tells of an account: what somebody wrote there is not replaced."""
    root = factory(tmp_path)
    root.write("health", "running starting")
    begun(root)
    assert run(root) == 0
    root.write("instance", "")
    assert site_of(root).begun is True, "what nobody has touched goes on"
    root.write(f"{SOURCE}/docker-compose.custom.yml", f"{CUSTOM}# ours\n")
    assert site_of(root).begun is False
    said = told(root, "prepare", OTHER, data=orders(root, daemon_before=site_of(root).daemon.sha256))
    assert (said.status, "a container coolify is there" in said.words) == (3, True), said


def test_a_port_that_docker_itself_holds_for_its_container_is_its_own(tmp_path: Path) -> None:
    """Without its userland proxy the daemon listens."""
    root = factory(tmp_path)
    root.write("unpullable", "")
    begun(root)
    assert run(root) == 0
    root.write("port", "8000")
    root.write("holder", 'LISTEN 0 9 127.0.0.1:8000 *:* users:(("dockerd",pid=7,fd=3))')
    assert told(root, "prepare", OTHER, data=orders(root, daemon_before=site_of(root).daemon.sha256)).status == 0


@pytest.mark.parametrize("number", range(1, 46, 2))
def test_whoever_is_killed_at_whatever_program_it_is_finished_at_the_next_boot(tmp_path: Path, number: int) -> None:
    """Coolify serves, closed, with the key that it began with, and no more installers ran than it took."""
    root = factory(tmp_path)
    begun(root)
    run(root, kill_at=number)
    boot(root)
    seen = left(root)
    assert (seen.state, seen.published) == ("done", DONE.published), (seen, root.read(f"{TOP}/{NAME}/log"))
    assert seen.ups <= 2
    assert (root.read(f"{SOURCE}/.env") or "").count("APP_KEY=") == 1
    assert {*(root.read("ups") or "").split()} == {"127.0.0.1"}, "it was never open"


def test_packages_that_were_left_half_way_are_made_whole_before_more_are_asked_for(tmp_path: Path) -> None:
    """The power went while Docker's were installed: apt would do nothing from then on; settings that are there stay."""
    root = factory(tmp_path, docker=False)
    begun(root)
    run(root, kill_at=8)
    assert root.read("dpkg") is None
    boot(root)
    assert (left(root).state, root.read("dpkg")) == ("done", "--force-confold --configure -a\n")


def test_one_that_serves_is_not_installed_again(tmp_path: Path) -> None:
    """A power cut right after the last container came up: the next run looks, and is content."""
    root = factory(tmp_path)
    begun(root)
    assert run(root) == 0
    root.write(f"{TOP}/{NAME}/state", "installing\n")
    assert run(root) == 0
    assert left(root) == DONE


def test_after_three_interruptions_it_gives_up_and_says_so(tmp_path: Path) -> None:
    """What kills it each time would kill it for ever."""
    root = factory(tmp_path)
    begun(root)
    for _ in range(3):
        run(root, kill_at=12)
    boot(root)
    assert left(root).why == "it was interrupted 3 times"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"open": ""}, "it is open to others at 0.0.0.0:8000 0.0.0.0:6001 0.0.0.0:6002, where the first visitor would"),
        ({"moves": f"sha256:{'e' * 64}"}, "the image that runs is not the one of the plan"),
    ],
)
def test_what_is_open_or_another_image_does_not_run_on(tmp_path: Path, files: dict[str, str], why: str) -> None:
    """Its containers are stopped: nobody out there may be the first who registers."""
    root = factory(tmp_path)
    root.programs({"sleep": 'echo "$1" >>"$ROOT/slept"; real 0.01'})
    for name, text in files.items():
        root.write(name, text)
    begun(root)
    assert run(root) == 0
    seen = left(root)
    assert (seen.state, seen.published, seen.why.startswith(why)) == ("failed", "", True), seen
    assert (root.read("stopped") or "").split() == ["coolify", "coolify-realtime"]
    assert root.read("slept") is None, "it is not waited for"


@pytest.mark.parametrize("docker", [True, False])
def test_another_image_under_the_tag_is_pulled_and_never_started(tmp_path: Path, *, docker: bool) -> None:
    """Whoever moved the tag between the yes and the pull: it is told by the digest, before its containers are made."""
    root = factory(tmp_path, docker=docker)
    root.write("digest", f"sha256:{'e' * 64}")
    begun(root)
    assert run(root) == 0
    image = "docker.io/coollabsio/coolify:4.3.10"
    why = (
        f"Coolify's installer ended with status 1; not fetched for it: {image}, whose image is not the one of the plan"
    )
    assert left(root) == Left("failed", left(root).why, published="", ups=0)
    assert left(root).why.startswith(why)
    assert (root.read("pulled"), root.read("stopped")) == (f"{image}\n", None)


def test_one_that_failed_goes_on_from_what_is_there(tmp_path: Path) -> None:
    """The registry was away; the next installation is not refused for what the first one left; no half .env stays."""
    root = factory(tmp_path)
    root.write("unpullable", "")
    begun(root)
    assert run(root) == 0
    assert left(root) == Left("failed", left(root).why, published="", ups=0)
    assert left(root).why.startswith("Coolify's installer ended with status 1; not fetched for it: https://v2.jokeapi")
    assert (site_of(root).begun, bool(site_of(root).source)) == (True, True)
    (tmp_path / "unpullable").unlink()
    assert told(root, "prepare", OTHER, data=orders(root, daemon_before=site_of(root).daemon.sha256)).status == 0
    assert told(root, "start", OTHER).status == 0
    assert run(root, OTHER) == 0
    assert left(root, OTHER) == DONE
    assert (tmp_path / TOP / OTHER / "env.1").exists()
    assert site_of(root).begun is False


ADMIN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFkbWlu admin@example.com"


def test_a_key_whose_line_has_no_end_stays_a_key_of_its_own(tmp_path: Path) -> None:
    """The installer appends its own, and deletes whole lines at the next try: the administrator is not locked out."""
    root = factory(tmp_path)
    root.write("root/.ssh/authorized_keys", ADMIN)
    root.write("unpullable", "")
    begun(root)
    assert run(root) == 0
    assert (left(root).state, site_of(root).foreign_keys) == ("failed", 0)
    (tmp_path / "unpullable").unlink()
    begun(root, OTHER, daemon_before=site_of(root).daemon.sha256)
    assert run(root, OTHER) == 0
    assert left(root, OTHER) == DONE
    first, second = (root.read("root/.ssh/authorized_keys") or "").splitlines()
    assert (first, second.split()[::2]) == (ADMIN, ["ssh-ed25519", "coolify"])


def test_a_line_that_an_installers_key_was_written_on_is_somebodys(tmp_path: Path) -> None:
    """Somebody ran the installer before us over a last line without an end: deleting it would lock them out."""
    root = factory(tmp_path)
    root.write("unpullable", "")
    begun(root)
    assert run(root) == 0
    own = (root.read("root/.ssh/authorized_keys") or "").strip()
    root.write("root/.ssh/authorized_keys", f"{ADMIN}{own}\n")
    assert site_of(root).foreign_keys == 1
    said = told(root, "prepare", OTHER, data=orders(root, daemon_before=site_of(root).daemon.sha256))
    assert (said.status, "have the word coolify" in said.words) == (3, True)


def test_a_slow_start_is_waited_for_and_a_sick_one_is_told(tmp_path: Path) -> None:
    """Health is what counts, not the installer's word."""
    root = factory(tmp_path)
    root.write("health", "running starting")
    begun(root)
    assert run(root) == 0
    assert left(root).why == "Coolify is not healthy 300 s after its installer ended with status 0"


@pytest.mark.parametrize(
    ("files", "changes", "why"),
    [
        ({"containers/coolify": "x"}, {}, "a container coolify is there"),
        ({f"{SOURCE}/.env": "APP_KEY=x\n"}, {}, "is not empty"),
        ({"port": "8000", "holder": f"LISTEN 0 9 *:8000 *:* {CADDY}"}, {}, "port 8000 is in use by caddy"),
        ({"root/.ssh/authorized_keys": "ssh-ed25519 AAAA me@coolify-box\n"}, {}, "have the word coolify"),
        ({"etc/docker/daemon.json": "{}\n"}, {}, "Docker's settings were changed meanwhile"),
        ({}, {"data": "mount"}, "nothing is mounted at /data"),
        ({}, {"sums": {}}, "install.sh is not the one of the plan"),
        ({}, {"version": "4.3.10; reboot"}, "its orders are not as they are given"),
        ({}, {"registry": "docker.io/$(id)"}, "its orders are not as they are given"),
        ({}, {"pool": ("10.0.0.0/8 x", 24)}, "its orders are not as they are given"),
        ({}, {"digest": "sha256:'"}, "its orders are not as they are given"),
        ({}, {"docker_root": "/srv"}, "its orders are not as they are given"),
        ({"dead": ""}, {}, "Docker does not answer"),
    ],
)
def test_what_is_not_as_it_was_planned_is_refused_before_anything_is_touched(
    tmp_path: Path, files: dict[str, str], changes: dict[str, object], why: str
) -> None:
    """The Factory looks for itself, right before it begins."""
    root = factory(tmp_path)
    for name, text in files.items():
        root.write(name, text)
    said = told(root, "prepare", data=orders(root, **changes))
    assert (said.status, why in said.words, left(root).state) == (3, True, ""), said
    assert (root.read("apt"), root.read("pulled"), root.read("restarts")) == (None, None, None)


def test_what_was_installed_is_told_as_it_lies_there(tmp_path: Path) -> None:
    """Files by their sums, the folder's mode, addresses, digests, and what the database says."""
    root = factory(tmp_path)
    begun(root)
    assert run(root) == 0
    found = installation(root)
    assert (found.state, found.image, found.attempts) == ("done", IMAGE, 1)
    there = found.installed
    assert (there.mode, there.env, there.published) == ("700", "regular file", tuple(DONE.published.split()))
    assert there.digests == (f"coollabsio/coolify@{DIGEST}",)
    assert there.instance is not None
    assert there.instance.model_dump() == {"users": 0, "api": False, "registration": True, "limited": False}


def test_what_an_installation_would_meet_is_told(tmp_path: Path) -> None:
    """Networks that Docker made itself do not count among those that are taken."""
    root = factory(tmp_path)
    found = site_of(root)
    assert (found.os, found.release, found.arch, found.systemd, found.lacks, found.missing) == (
        "debian",
        "12",
        "x86_64",
        True,
        (),
        (),
    )
    assert (found.docker, found.compose, found.container, found.volume) == ("28.5.1", "2.40.0", "", False)
    assert (found.routes, found.ssh_port, found.root_login) == (("10.0.0.0/16",), 22, "prohibit-password")
    assert (found.data, found.fstab, found.free_kb, found.foreign_keys) == ("absent", False, 62914560, 0)
