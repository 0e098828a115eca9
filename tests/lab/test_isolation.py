"""Real containers under Docker and gVisor: one made as Coolify makes an app's is isolated, each weaker one is named."""

from dataclasses import dataclass

import anyio
import pytest

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.hosts.docker.containers import containers_of, isolation_problems
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.lab.bed import Bed
from tests.lab.ground.hosts import Server

pytestmark = pytest.mark.anyio

LIMIT_S = 360
TINY = "registry.lab:5000/library/tiny:1"
MUSCLE = "muscle-2"
POLICY: Isolation = load_isolation()
COMPOSE = """\
services:
  web:
    image: registry.lab:5000/library/tiny:1
    command: sleep 600
    container_name: web-{app}
    labels: [coolify.managed=true, "coolify.name=web-{app}"]
    runtime: runsc
    pids_limit: 512
    mem_limit: 64m
    cap_drop: [ALL]
    cap_add: [CHOWN, SETUID]
    security_opt: ["no-new-privileges:true"]
    restart: unless-stopped
    init: true
    expose: ["80"]
    tmpfs: [/run]
    volumes: ["{app}_data:/data", {{type: tmpfs, target: /cache}}]
    networks: ["{app}", back]
networks:
  "{app}": {{name: "{app}", external: true}}
  back:
volumes:
  "{app}_data": {{name: "{app}_data"}}
"""
SOUND = (
    *("--runtime=runsc", "--network=coolify", "--memory=64m", "--pids-limit=512", "--cap-drop=ALL", "--cap-add=CHOWN"),
    *("--security-opt=no-new-privileges", "--ulimit=nofile=1024:2048", "--restart=unless-stopped"),
)
"""What Coolify's file for an application comes to."""


@dataclass(frozen=True)
class Weak:
    """Options that make a container weaker, and the words that must be said of it; `last` stands after SOUND."""

    last: tuple[str, ...]
    words: str


WEAK = {
    "folder": Weak(("--volume=/root/.ssh:/root/.ssh",), "it reaches /root/.ssh of the server at /root/.ssh"),
    "long-folder": Weak(("--mount=type=bind,source=/etc,target=/x,readonly",), "it reaches /etc of the server at /x"),
    "socket": Weak(("--volume=/var/run/docker.sock:/s",), "it reaches /var/run/docker.sock of the server at /s"),
    "made-as-bind": Weak(("--volume={uuid}_bind:/x",), "{uuid}_bind at /x is made with driver local, options device"),
    "made-inline": Weak(
        ("--mount=type=volume,source={uuid}_in,target=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/srv",),
        "{uuid}_in at /x is made with driver local, options device, o",
    ),
    "neighbour": Weak(("--volume=neighbour_data:/x",), "the volume neighbour_data at /x is not one of its own"),
    "of-another": Weak(("--volumes-from=donor",), "VolumesFrom gives it more"),
    "device": Weak(("--device=/dev/null:/dev/x",), "Devices gives it more"),
    "device-rule": Weak(("--device-cgroup-rule=c 1:3 rwm",), "DeviceCgroupRules gives it more"),
    "pid": Weak(("--pid=host",), "it sees processes of others (PidMode is host)"),
    "network": Weak(("--network=host",), "it is in the network host"),
    "bridge": Weak(("--network=bridge",), "it is in the network bridge"),
    "odd-network": Weak(("--network={uuid}_odd",), "the network {uuid}_odd is made with driver bridge"),
    "ipc": Weak(("--ipc=host",), "it shares memory with others (IpcMode is host)"),
    "uts": Weak(("--uts=host",), "it shares the server's name"),
    "capability": Weak(("--cap-add=SYS_ADMIN",), "that policy does not allow (CapAdd is CHOWN, SYS_ADMIN)"),
    "seccomp": Weak(("--security-opt=seccomp=unconfined",), "a protection is off"),
    "paths": Weak(("--security-opt=systempaths=unconfined",), "it sees parts of /proc and /sys that Docker hides"),
    "port": Weak(("--publish=127.0.0.1:8123:80",), "it publishes 127.0.0.1:8123->80/tcp, which nobody asked for"),
    "cgroup": Weak(("--cgroup-parent=/weak",), "CgroupParent gives it more"),
    "runc": Weak(("--runtime=runc",), "it runs under runc, not runsc"),
    "sysctl": Weak(("--sysctl=net.ipv4.ip_forward=1",), "Sysctls gives it more"),
    "privileged": Weak(("--privileged",), "it is privileged"),
    "group": Weak(("--group-add=0",), "GroupAdd gives it more"),
    "oom": Weak(("--oom-score-adj=-500",), "others are stopped before it when memory is short"),
    "log": Weak(("--log-driver=none",), "it sends its log elsewhere"),
    "processes": Weak(("--pids-limit=-1",), "it may have more than 512 processes"),
    "label": Weak(
        ("--label=traefik.http.routers.x.rule=Host(`other.example.com`)",),
        "its label traefik.http.routers.x.rule is Host(`other.example.com`), which the app may not have",
    ),
    "capitals": Weak(("--label=Caddy_0=https://other.example.com",), "its label Caddy_0 is https://other.example.com"),
    "many-labels": Weak(
        tuple(f"--label=com.example.l{number}=x" for number in range(301)), "it has more than 300 labels"
    ),
    "many-mounts": Weak(tuple(f"--volume=/m{number}" for number in range(201)), "it has more than 200 mounts"),
    "below": Weak(("--label=com.docker.compose.service.x=1",), "its label com.docker.compose.service.x has a value"),
    "annotation": Weak(("--annotation=dev.gvisor.internal.x=y",), "Annotations gives it more"),
}  # fmt: skip
UUIDS = {name: f"{name.replace('-', ''):x<24}" for name in ("sound", "composed", "imaged", *WEAK)}
"""Each container is an app of its own: one round trip tells them apart."""


def say(muscle: Server, *words: str) -> None:
    """Run docker on the Muscle."""
    muscle.say("docker", *words)


def made(muscle: Server) -> None:
    """Make every container: the weak ones are created and not started, which is all that docker inspect needs."""
    say(muscle, "network", "create", "--attachable", "coolify")
    say(muscle, "volume", "create", "neighbour_data")
    uuid = UUIDS["made-as-bind"]
    say(muscle, "volume", "create", "--opt=type=none", "--opt=o=bind", "--opt=device=/root", f"{uuid}_bind")
    say(muscle, "network", "create", "--opt=com.docker.network.bridge.name=odd0", f"{UUIDS['odd-network']}_odd")
    say(muscle, "create", "--quiet", "--name=donor", "--volume=neighbour_data:/donor", TINY, "true")
    say(muscle, "run", "--detach", "--quiet", f"--name={UUIDS['sound']}-1", *SOUND, TINY, "sleep", "600")
    for name, weak in WEAK.items():
        last = tuple(word.format(uuid=UUIDS[name]) for word in weak.last)
        # Docker takes the last of an option that may be there once, but a container may have several networks.
        first = tuple(word for word in SOUND if not (word.startswith("--network") and last[0].startswith("--network")))
        say(muscle, "create", "--quiet", f"--name={UUIDS[name]}-1", *first, *last, TINY, "sleep", "600")
    say(
        muscle, "commit", "--change", "LABEL traefik.tcp.routers.x.rule=HostSNI(`*`) com.example.a=b", "donor", "claims"
    )
    say(muscle, "create", "--quiet", f"--name={UUIDS['imaged']}-1", *SOUND, "claims", "sleep", "600")
    uuid = UUIDS["composed"]
    say(muscle, "network", "create", "--attachable", uuid)
    muscle.write("/root/compose.yaml", COMPOSE.format(app=uuid))
    say(muscle, "compose", "--project-name", uuid, "--file", "/root/compose.yaml", "up", "--detach")


async def test_a_sound_container_is_isolated_and_each_weaker_one_is_named(bed: Bed) -> None:
    """What Docker and Compose make of an app passes whole; one option more and the problem says which."""
    muscle = bed.fresh(MUSCLE)
    made(muscle)
    said: dict[str, tuple[str, ...]] = {}
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            for name, uuid in UUIDS.items():
                (seen,) = await containers_of(pool, MUSCLE, uuid)
                said[name] = isolation_problems(seen, POLICY, app=uuid, ports=())
    assert (said["sound"], said["composed"]) == ((), ())
    claim = "its label traefik.tcp.routers.x.rule is HostSNI(`*`), which the app may not have: Traefik reads it"
    assert said["imaged"] == (claim,)
    unnamed = {
        name: said[name]
        for name, weak in WEAK.items()
        if not any(weak.words.format(uuid=UUIDS[name]) in problem for problem in said[name])
    }
    assert unnamed == {}
