"""What the product reads on real servers is what they are: systems, disks, Docker, containers, isolation."""

import os

import anyio
import pytest

from ink_infra_mcp.core.errors import HostUnreachable
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.hosts.docker.containers import container_logs, containers_of, isolation_problems
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.facts.gathering import gather, gather_all
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.lab.bed import Bed, meanwhile
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.services import KNOWS_RUNTIME

pytestmark = pytest.mark.anyio

LIMIT_S = 180
TINY = "registry.lab:5000/library/tiny:1"
APP = "abcdefghijklmnopqrstuvwx"


def start_app(server: Server, *options: str, command: str) -> None:
    """Run a container as Coolify runs an app's."""
    labels = (f"--label=coolify.name={APP}", "--label=owner=nobody")
    run(server, f"--name={APP}-1", *labels, *options, command=command)


def run(server: Server, *options: str, command: str) -> None:
    """Run a container in the background."""
    server.say("docker", "run", "--detach", "--quiet", *options, TINY, "sh", "-c", command)


async def test_everything_about_the_fleet_is_known(bed: Bed) -> None:
    """Every fact of the Factory and of both Muscles is read, but for the size of a folder that is not there."""
    servers = [bed.clean(name) for name in ("factory", "muscle-1", "muscle-2")]
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            found = await gather_all(pool, [server.name for server in servers])
    missing = {"disk_data": "there is no /data"}
    for server in servers:
        facts = found[server.name]
        assert not isinstance(facts, Exception)
        assert facts.unknown == ({} if server.name == "factory" else missing)
        assert (facts.os_id, facts.os_version, facts.kernel) == ("debian", "13", os.uname().release)
        assert facts.cpus == len(os.sched_getaffinity(0))
        assert facts.docker_version == server.say("docker", "version", "--format", "{{.Server.Version}}").strip()
        assert facts.docker_root == "/var/lib/docker"
        assert ("runsc" in (facts.docker_runtimes or ())) == (server.name != "factory")
        assert f"runsc version {facts.runsc_version}\n" in server.say("runsc", "--version")
        assert facts.disk_docker is not None
        assert (facts.disk_docker.device, facts.disk_docker.mount) == ("/dev/sda", "/var/lib/docker")
        assert [c.name for c in facts.containers or ()] == (["coolify"] if server.name == "factory" else [])


async def test_a_container_under_gvisor_is_told_from_one_that_is_not(bed: Bed) -> None:
    """The runtime that the product reads is the one whose kernel the app sees, for a real runsc and a real runc."""
    muscle = bed.fresh()
    start_app(muscle, "--runtime=runsc", "--memory=64m", "--cpus=0.5", command="dmesg; sleep 600")
    run(
        muscle, "--name=other", "--privileged", "--volume=/:/server", "--publish=127.0.0.1:8080:80", command="sleep 600"
    )
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            (app,) = await containers_of(pool, "muscle-2", APP)
            facts = await gather(pool, "muscle-2", areas=("containers",))
            words = await container_logs(pool, "muscle-2", app.id)
    assert "Starting gVisor" in words
    assert (app.name, app.labels, app.runtime) == (f"{APP}-1", {"coolify.name": APP}, "runsc")
    limits = [app.host_config[key] for key in ("Memory", "NanoCpus")]
    assert (limits, app.state) == ([64 * 2**20, 500_000_000], "running")
    assert "it runs under" not in " ".join(isolation_problems(app, load_isolation(), app=APP))
    other = {container.name: container for container in facts.containers or ()}["other"]
    assert {
        "it runs under runc, not runsc",
        "it is privileged (Privileged is True)",
        "a protection is off (SecurityOpt is label=disable)",
        "it reaches / of the server at /server (a bind mount)",
    } <= set(isolation_problems(other, load_isolation()))
    assert other.ports == ("127.0.0.1:8080->80/tcp",)


async def test_the_image_of_coolify_is_asked_whether_it_knows_the_runtime_option(bed: Bed) -> None:
    """The answer is that of the running container, before and after it is replaced by one that knows the option."""
    factory = bed.fresh("factory")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            before = await knows_runtime_option(pool, "factory")
            await meanwhile(
                lambda: factory.say(
                    *("env", f"LATEST_IMAGE={KNOWS_RUNTIME}"),
                    *("docker", "compose", "--project-directory", COOLIFY, "up", "-d", "--wait", "--quiet-pull"),
                )
            )
            after = await knows_runtime_option(pool, "factory")
    assert (before, after) == (False, True)


async def test_without_docker_the_rest_is_known_and_docker_is_not(bed: Bed) -> None:
    """A stopped Docker is a reason in words, never an empty list of containers."""
    muscle = bed.fresh()
    muscle.say("systemctl", "stop", "docker.socket", "docker.service")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            facts = await gather(pool, "muscle-2")
    assert facts.containers is None
    assert facts.docker_version is None
    assert facts.cpus is not None
    assert sorted(facts.unknown) == [
        "containers", "disk_data", "docker_default_runtime", "docker_root", "docker_runtimes", "docker_version"
    ]  # fmt: skip
    assert "Cannot connect to the Docker daemon" in facts.unknown["containers"]


async def test_a_user_who_may_not_use_docker_is_told_so(bed: Bed) -> None:
    """An ordinary user reads the system, and why Docker does not talk to him."""
    muscle = bed.fresh()
    add_user(muscle, "ordinary", "/bin/sh")
    async with bed.pool(bed.host("muscle-2", ssh_user="ordinary")) as pool:
        with anyio.fail_after(LIMIT_S):
            facts = await gather(pool, "muscle-2")
    assert facts.memory_total_bytes is not None
    assert facts.containers is None
    assert "permission denied" in facts.unknown["containers"]


@pytest.mark.parametrize(
    ("sudo", "readable"), [("NOPASSWD: ALL", True), ("ALL", False), ("", False)], ids=["free", "password", "none"]
)
async def test_the_firewall_is_read_through_sudo_or_said_to_be_unreadable(bed: Bed, sudo: str, readable: bool) -> None:
    """A user who may not use sudo, or would be asked for a password, learns why: that is not "no rules"."""
    muscle = bed.fresh()
    add_user(muscle, "ordinary", "/bin/bash")
    if sudo:
        muscle.write("/etc/sudoers.d/ordinary", f"ordinary ALL=(ALL) {sudo}\n")
    async with bed.pool(bed.host("muscle-2", ssh_user="ordinary")) as pool:
        with anyio.fail_after(LIMIT_S):
            facts = await gather_network(pool, "muscle-2")
    assert (facts.came_from, facts.came_to) == (bed.lab.site.admin_ipv4, muscle.machine.ipv4)
    assert [isinstance(layer, Unreadable) for layer in (facts.v4, facts.v6)] == [not readable] * 2
    if isinstance(facts.v4, Unreadable):
        assert "a password is required" in facts.v4.reason


async def test_a_talkative_login_shell_spoils_no_fact(bed: Bed) -> None:
    """Banners, and what root's shell prints at each login, are not taken for answers."""
    muscle = bed.fresh()
    muscle.write("/root/.bashrc", "echo welcome; echo careful >&2\n")
    muscle.write("/etc/ssh/sshd_config.d/banner.conf", "Banner /etc/services\n")
    muscle.say("systemctl", "restart", "ssh")
    muscle.wait_ssh()
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            facts = await gather(pool, "muscle-2")
    assert sorted(facts.unknown) == ["disk_data"]


async def test_a_full_disk_keeps_no_fact_away(bed: Bed) -> None:
    """A server without one free block still says all about itself, and how full it is."""
    muscle = bed.fresh()
    muscle.say("sh", "-c", "fallocate -l 100G /root/all || true; cat /dev/zero >/root/rest || true")
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            facts = await gather(pool, "muscle-2")
    assert sorted(facts.unknown) == ["disk_data"]
    assert facts.disk_root is not None
    assert facts.disk_root.free_bytes == 0


async def test_servers_that_are_away_do_not_hide_the_others(bed: Bed) -> None:
    """Of a fleet with one server cut off, each has its own answer."""
    bed.clean("factory")
    bed.clean("muscle-1")
    bed.link("muscle-1", "drop")
    async with bed.pool(connect_timeout_s=1) as pool:
        with anyio.fail_after(LIMIT_S):
            found = await gather_all(pool, ["factory", "muscle-1"])
    assert isinstance(found["muscle-1"], HostUnreachable)
    assert not isinstance(found["factory"], Exception)


def add_user(server: Server, name: str, shell: str) -> None:
    """Make an account that our key opens."""
    server.say("useradd", "--create-home", "--shell", shell, name)
    server.say("install", "-d", "-o", name, f"/home/{name}/.ssh")
    server.say("install", "-o", name, "-m", "600", "/root/.ssh/authorized_keys", f"/home/{name}/.ssh/authorized_keys")
