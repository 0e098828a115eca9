"""The part `coolify`: a Factory without it gets Coolify by its own installer, of one release, closed to the world."""

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Network

from pydantic import JsonValue

from ink_infra_mcp.areas.factory import docker_data, ways_in
from ink_infra_mcp.areas.factory.image_gates import of_first, signed_now
from ink_infra_mcp.areas.factory.installer import INSTALL as SCRIPT
from ink_infra_mcp.areas.factory.installer import PATHS, VERSIONS, Installer, installer_of
from ink_infra_mcp.areas.factory.moves import Asked, Planned, checked
from ink_infra_mcp.areas.factory.official import official_image
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.baseline.daemon import POOLS, Merged, free_pools, merged
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Change, Frozen, JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.hosts.factory import installing, swapping
from ink_infra_mcp.hosts.factory.installing import FOLDER, Installed, Site, site
from ink_infra_mcp.hosts.factory.looking import CUSTOM
from ink_infra_mcp.hosts.factory.serving import faults

STEP, INSTALL = "coolify", "factory.install_coolify"
REGISTRY = "docker.io"
LEAST_DOCKER, LEAST_COMPOSE = (24, 0, 0), (2, 24, 4)
"""What the installer asks of Docker (scripts/install.sh, 4.3.10), and since when Compose knows `!override`."""
LEAST_KB, LEAST_TOTAL_KB = docker_data.ROOM_KB, 30 * 2**20
"""What the installer calls required, in KiB; it only warns, and pulls images until the disk is full."""
_SYSTEMS = frozenset({"debian", "ubuntu"})
_MACHINES = frozenset({"x86_64", "aarch64"})
_LOGS: JsonObject = {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
"""As the installer has them: where they and a pool stand there already, it writes nothing into daemon.json."""
_DOCKER = ("docker-proxy", "dockerd")
"""Who holds a port that a container publishes: the daemon itself, where daemon.json has no userland-proxy."""
_ROOT_LOGINS = frozenset({"yes", "without-password", "prohibit-password"})


class Meets(Frozen):
    """What an installation would meet, and what would be installed; `installer` None: Coolify is there, or not asked.

    `image` is by digest; `against` is why policy does not let it run. `taken` are networks that Docker must not cut
    its own from, and `pools` those it may.
    """

    site: Site
    installer: Installer | None = None
    image: str = ""
    against: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    pools: tuple[tuple[str, int], ...] = ()
    no_pool: str = ""
    url: str = ""
    by_hand: tuple[str, ...] = ()


def is_there(found: Site) -> bool:
    """Return whether Coolify is there, and not the half of one that an installation of ours left."""
    return bool(found.container) and not found.begun


async def meets(look: Look, asked: Asked, pinned: JsonObject) -> Meets:
    """Return what an installation would meet; the release is the newest, or the one that a plan `pinned`.

    Raises:
        HostError: the Factory cannot be reached. VendorError: GitHub or Hetzner did not answer well.
        InputError: GitHub lists no such release, its files are not as they are known, or no registry has its image.
    """
    found = await site(look.hosts, asked.host)
    bare = Meets(site=found, url=look.fleet.coolify.url)
    if STEP not in asked.parts or is_there(found) or found.container is None:
        return bare
    installer = await installer_of(look.github, str(pinned.get(STEP) or asked.version))
    image = await official_image(look, f"{REGISTRY}/coollabsio/coolify:{installer.version}")
    against = tuple(of_first(look.images, image, await signed_now(look, image)))
    taken = await _taken(look, found)
    by_hand = (*ways_in.first_visit(look.fleet), *ways_in.token(ways_in.page(look.fleet, new=True)))
    wanted = {"installer": installer, "image": image, "against": against, "taken": taken, "by_hand": by_hand}
    return bare.model_copy(update={**wanted, **_pools(look, taken)})


def _pools(look: Look, taken: tuple[str, ...]) -> dict[str, object]:
    try:
        return {"pools": tuple((str(table(each)["base"]), _size(each)) for each in free_pools(look.baseline(), taken))}
    except ValueError as error:
        return {"no_pool": str(error)}


async def _taken(look: Look, found: Site) -> tuple[str, ...]:
    """The networks of the Cloud project count as well: any of its servers may come into any of them."""
    cloud = [each.ip_range for each in await look.hetzner.networks()] if look.hetzner is not None else []
    private = (each for each in (*look.fleet.access.private, *cloud))
    return tuple(dict.fromkeys((*found.routes, *private)))


def _size(pool: JsonValue) -> int:
    return int(str(table(pool)["size"]))


def _begun(asked: Asked, met: Meets) -> Meets:
    """Return what it meets once the parts before it are set up: Docker's settings name the place of its data."""
    if docker_data.STEP not in asked.parts:
        return met
    return met.model_copy(update={"site": met.site.model_copy(update={"daemon": docker_data.placed(met.site.daemon)})})


def reasons(asked: Asked, met: Meets) -> Iterator[str]:
    """Yield every reason not to begin; what is not known is one."""
    met = _begun(asked, met)
    found = met.site
    if found.container is None:
        yield "whether Coolify is there is not known: Docker does not answer"
        return
    if is_there(found):
        yield from _of(
            (
                found.container != "running",
                f"Coolify is there, and its container is {found.container}: see `docker logs coolify` there, and start "
                "it; nothing is installed over it",
            )
        )
        return
    yield from met.against
    yield from _of_machine(found)
    yield from _of_docker(found)
    yield from _of_room(asked, found)
    yield from _of_remains(found)
    yield from _of_networks(met)
    yield from _of_url(met.url)


def _of_machine(found: Site) -> Iterator[str]:
    os, arch = found.os or "an unknown system", found.arch or "not known"
    yield from _of(
        (found.os not in _SYSTEMS, f"it runs {os}: Coolify is set up on Debian and Ubuntu"),
        (found.arch not in _MACHINES, f"its processor is {arch}: Coolify has images for x86_64 and aarch64"),
        (not found.systemd, "systemd does not run there"),
        (found.missing, f"it lacks {', '.join(found.missing)}"),
        (found.under_way, f"an installation is under way there ({found.under_way})"),
    )


def _of(*faults_: tuple[object, str]) -> Iterator[str]:
    return (words for wrong, words in faults_ if wrong)


def _of_docker(found: Site) -> Iterator[str]:
    if found.snap:
        yield "Docker is a snap, which Coolify does not support: remove it"
    if found.docker is None:
        yield "Docker does not answer"
    elif found.docker:
        yield from _older("Docker", found.docker, LEAST_DOCKER)
        yield from _older("Docker Compose", found.compose, LEAST_COMPOSE)


def _older(name: str, told: str, least: tuple[int, int, int]) -> Iterator[str]:
    version = parse_version(told.partition("-")[0].partition("+")[0])
    if version is None or (version.major, version.minor, version.patch) < least:
        yield f"{name} is {told or 'not known'}, and {'.'.join(map(str, least))} or newer is needed"


def _of_room(asked: Asked, found: Site) -> Iterator[str]:
    total, free = found.total_kb or 0, found.free_kb or 0
    unmounted = found.fstab and found.data != "mount" and "data_disk" not in asked.parts
    yield from _of(
        (
            total < LEAST_TOTAL_KB or free < LEAST_KB,
            f"its disk has {free // 2**20} of {total // 2**20} GiB free, and Coolify wants 20 of 30",
        ),
        (found.data == "other", "/data is a link or a file"),
        (unmounted, "fstab has a disk for /data, and nothing is mounted there"),
    )


def _of_remains(found: Site) -> Iterator[str]:
    ours = _DOCKER if found.begun else ()
    yield from (f"port {port} is in use by {who}" for port, who in sorted(found.ports.items()) if who not in ours)
    yield from _of(
        (
            found.foreign_keys != 0,
            f"{'an unknown number' if found.foreign_keys is None else found.foreign_keys} of root's authorized_keys "
            "have the word coolify in their line, and the installer deletes every such line: name them otherwise",
        )
    )
    if not found.begun:
        yield from _of(
            (
                found.source,
                f"/data/coolify/source is not empty ({', '.join(found.source[:3])}): there was a Coolify before",
            ),
            (
                found.volume is not False,
                "Docker has a volume coolify-db, or does not say: there was a Coolify before",
            ),
        )


def _of_networks(met: Meets) -> Iterator[str]:
    if met.no_pool:
        yield f"{met.no_pool}: name another in [pools] of policies/baseline.toml"
        return
    conflicts = _settings(met).conflicts
    yield from (f"/etc/docker/daemon.json: {each.replace('by the baseline', 'is wanted')}" for each in conflicts)
    if not conflicts and not _pool(met):
        yield f"/etc/docker/daemon.json: {POOLS} has no IPv4 network with a size there: name one, or take the key out"


def _of_url(url: str) -> Iterator[str]:
    if not (url.startswith("https://") or ways_in.is_local(url)):
        yield (
            f"fleet.toml has {url} as Coolify's url, which nobody will reach: what Coolify publishes is on the "
            "loopback only; write the https name that its dashboard shall have"
        )


def _wanted(met: Meets) -> JsonObject:
    there = merged(met.site.daemon.text, {}).settings
    logs = {} if {"log-driver", "log-opts"} & there.keys() else _LOGS
    base, size = met.pools[0] if met.pools else ("", 0)
    return {POOLS: [{"base": base, "size": size}], **logs}


def _settings(met: Meets) -> Merged:
    return merged(met.site.daemon.text, _wanted(met), taken=met.taken)


def _pool(met: Meets) -> JsonObject:
    """Return the pool that will be in force, of which one that stands there stays; none where none is IPv4."""
    pools = (table(each) for each in items(_settings(met).settings.get(POOLS)))
    return next((each for each in pools if _is_ipv4(each)), table(None))


def _is_ipv4(pool: JsonObject) -> bool:
    size = pool.get("size")
    try:
        base = IPv4Network(str(pool.get("base")), strict=False)
    except ValueError:
        return False
    return isinstance(size, int) and not isinstance(size, bool) and base.prefixlen <= size <= 32


def planned(asked: Asked, met: Meets) -> Planned:
    """Return the one step, whose unit on the Factory does all of it; none where Coolify is there."""
    met = _begun(asked, met)
    found, installer = met.site, met.installer
    if installer is None:
        told = found.version or found.image or "an unknown version"
        return Planned(so=f"Coolify is there ({told}), which upgrade_coolify moves on")
    return Planned(
        steps=(_step(asked, met, installer),),
        stops=_stops(asked, met),
        keeps=("what is on the disk beside Docker's settings and /data/coolify",),
        warnings=(*_warnings(met, installer), *_of_way(met)),
        locks=("coolify", f"server:{asked.host}"),
        pinned={STEP: installer.version},
    )


def _step(asked: Asked, met: Meets, installer: Installer) -> Step:
    pool, mounted = _pool(met), "data_disk" in asked.parts or met.site.data == "mount"
    shown = f"{pool.get('base')} in networks of /{pool.get('size')}"
    return Step(
        id=STEP,
        kind=INSTALL,
        target=asked.host,
        summary=f"Have {asked.host} run Coolify's own installer of {installer.version} (SHA-256 "
        f"{installer.sums[SCRIPT]}) with the other files of that release, its ports on the loopback only, and see that "
        "it is healthy, and closed",
        servers=(asked.host,),
        changes=(
            Change(name="Coolify", after=installer.version),
            Change(name="image", after=met.image),
            Change(name="automatic updates", after="off"),
            Change(name=f"{POOLS} in /etc/docker/daemon.json", after=shown),
            *_settings(met).changes,
        ),
        params={
            "host": asked.host,
            "version": installer.version,
            "commit": installer.commit,
            "paths": {**PATHS},
            "sums": {**installer.sums},
            "custom": installer.override,
            "registry": REGISTRY,
            "digest": met.image.rpartition("@")[2],
            "pool": pool,
            "daemon": _wanted(met),
            "daemon_before": met.site.daemon.sha256,
            "data": "mount" if mounted else "any",
            "docker_root": docker_data.NEW if docker_data.STEP in asked.parts else "any",
            ways_in.BY_HAND: [*met.by_hand],
        },
        undo_words="nothing is taken away: of an installation that fails the Factory tells what is there, and the same "
        "call goes on from it",
    )


def _stops(asked: Asked, met: Meets) -> str:
    if not met.site.docker or not met.site.running or not _settings(met).changes:
        return ""
    return f"Docker on {asked.host} is restarted, and with it its {met.site.running} containers"


def _warnings(met: Meets, installer: Installer) -> Iterator[str]:
    sums = ", ".join(f"{name} {sum_}" for name, sum_ in installer.sums.items())
    yield f"Its files are those of {installer.version} at commit {installer.commit}; SHA-256: {sums}."
    if not installer.is_known:
        yield (
            f"Its {SCRIPT} or upgrade.sh is none that this tool was made after: read them at that tag before a yes. "
            "What they fetch by curl is the release's own, or is not fetched; what else they do, they do as root."
        )
    if met.site.lacks:
        yield f"Packages that are installed with it: {', '.join(met.site.lacks)}."
    if not met.site.docker:
        yield (
            "Docker is installed with it from its own repository, whose packages are signed; get.docker.com is not run."
        )
    yield (
        f"The helper {installer.helper}, realtime, Postgres and Redis come by the names that the release gives them; "
        "only Coolify's own image is held against a digest, after it was pulled."
    )


def _of_way(met: Meets) -> Iterator[str]:
    """Coolify reaches its own server over SSH as root, at port 22 (database/seeders/ProductionSeeder.php)."""
    if met.site.root_login not in _ROOT_LOGINS:
        yield "sshd lets root in by no key: Coolify does not get in to its own server, and deploys nothing there."
    if met.site.ssh_port != 22:
        yield "sshd is not at port 22: write its port in Coolify, under Servers > localhost."
    yield from (f"{each}." for each in met.by_hand)
    yield "The first app is not of this plan: it takes that token, which no tool makes, and a Muscle."


async def checks(look: Look, plan: Plan, results: Results) -> list[Check]:
    """Return what is true afterwards, of a look that is made anew."""
    step = next(each for each in plan.steps if each.id == STEP)
    told, host = results[STEP], str(step.params["host"])
    found = (await installing.look(look.hosts, host, str(told["install"]))).installed
    service = await swapping.prove(look.hosts, host)
    pools = items(merged((await site(look.hosts, host)).daemon.text, {}).settings.get(POOLS))
    wrong = tuple(faults(service, str(told["image"])))
    serves = "healthy, fully migrated, its queue runs, auto-update is off"
    return [
        checked("coolify", not wrong, "; ".join(wrong) or serves),
        checked("image", _has_digest(found, str(step.params["digest"])), ", ".join(found.digests) or "no digest"),
        _of_files(found, step.params),
        _of_env(found),
        _closed(found),
        checked("pools", table(step.params["pool"]) in pools, _bases(pools)),
    ]


def _bases(pools: list[JsonValue]) -> str:
    return ", ".join(str(table(each).get("base")) for each in pools) or "none"


def _of_env(found: Installed) -> Check:
    evidence = f"{found.env or 'no file'}, in a folder of mode {found.mode or 'unknown'}"
    return checked("env", (found.mode, found.env) == ("700", "regular file"), evidence)


def _has_digest(found: Installed, digest: str) -> bool:
    return any(each.endswith(f"@{digest}") for each in found.digests)


def _of_files(found: Installed, params: JsonObject) -> Check:
    custom = sha256(str(params["custom"]).encode()).hexdigest()
    sums = {name: str(sum_) for name, sum_ in table(params["sums"]).items() if name not in (SCRIPT, VERSIONS)}
    other = [name for name, sum_ in {**sums, CUSTOM: custom}.items() if found.files.get(name) != sum_]
    evidence = f"not as approved: {', '.join(other)}" if other else f"{len(sums)} as at the release's tag, and {CUSTOM}"
    return checked("files", not other, evidence)


def _closed(found: Installed) -> Check:
    closed = bool(found.published) and all(each.startswith("127.0.0.1:") for each in found.published)
    return checked("closed", closed, f"published at {', '.join(found.published) or 'nothing'}; log in {FOLDER}")
