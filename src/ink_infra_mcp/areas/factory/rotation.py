"""A rotation of Coolify's image: what it would meet, why it is refused, and its steps."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ink_infra_mcp.areas.apps.app import all_apps
from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.apps.home import find_project
from ink_infra_mcp.areas.factory.canary import canary_of, canary_steps
from ink_infra_mcp.areas.factory.findings import drift_of
from ink_infra_mcp.areas.factory.image import Picture, picture
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.compose.override import with_image
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.images import reference_of
from ink_infra_mcp.core.plan import Change, Plan, Step, Undo, placed
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import configured, kind_of, normal
from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD, FactoryFacts
from ink_infra_mcp.hosts.factory.swapping import Ready, ready

ROOM_BYTES = 5 * 2**30
"""A Coolify image unpacks to about 1.5 GiB; beside it a backup, a copy of the database, and what builds need."""
SOAK_S = 900
SERVICE = "coolify"
KINDS = (
    "factory.pull_image",
    "factory.backup_coolify",
    "factory.rehearse",
    "factory.swap_image",
    "factory.prove_image",
    "coolify.validate_server",
    "coolify.create_project",
    "coolify.create_environment",
    "coolify.create_application",
    "coolify.discard_application",
    "registry.same_image",
    "coolify.note_deployments",
    "hosts.note_containers",
    "coolify.first_deploy",
    "hosts.prove_isolation",
    "factory.confirm_image",
    "factory.watch_image",
    "factory.release_images",
)
_READS = "nothing to undo: it only reads"
_OFFICIAL = re.compile(
    r"\$\{REGISTRY_URL:-(?:docker\.io|ghcr\.io)\}/coollabsio/coolify:\$\{LATEST_IMAGE:-latest\}", re.ASCII
)
_FROM_HUB = (4, 2)
"""From this version on Coolify's own line names Docker Hub, before it GitHub's registry (docker-compose.prod.yml)."""


@dataclass(frozen=True, slots=True)
class RotationFacts:
    """What a rotation to `image`, a reference by digest, would meet. `canary` is None where it runs already."""

    image: str
    picture: Picture
    ready: Ready
    canary: BuiltApp | None = None
    rules: ImageRules = field(default_factory=ImageRules)

    @property
    def host(self) -> str:
        """Return the Factory's name."""
        return self.picture.facts.host

    @property
    def images(self) -> dict[str, str]:
        """Return what each file shall name for Coolify; Coolify's own gets its own line back."""
        return {CUSTOM: self.image, PROD: _own_line(self.picture)}

    @property
    def changed(self) -> dict[str, str]:
        """Return what each file that changes shall name."""
        now = self.picture.facts.images or {}
        return {name: image for name, image in self.images.items() if image and now.get(name, "") != image}

    @property
    def is_so(self) -> bool:
        """Return whether it runs, is what the override alone names, and no update replaces it."""
        return _serves(self.picture, self.image) and not self.changed and _is_off(self.picture)


async def rotation_facts(look: Look, image: str, approved: Plan | None) -> RotationFacts:
    """Return what a rotation would meet; the digest of a tag is resolved now, and pinned by the plan.

    Raises:
        InputError: the image is none, or no registry of the fleet has it.
        RefusedByPolicy: Coolify or the Factory is in a state in which nobody should swap it; every reason is said.
        HostError: the Factory cannot be reached.
    """
    by_digest = await _resolved(look, image)
    seen = await picture(look)
    meets = await ready(look.hosts, seen.facts.host)
    bare = RotationFacts(by_digest, seen, meets, rules=look.images)
    if bare.is_so:
        return bare
    if reasons := tuple(reasons_against(bare)):
        raise RefusedByPolicy(
            f"Coolify's image on {bare.host} is not rotated: {'; '.join(reasons)}.",
            next="Mend that, look with get_coolify_image, then call again.",
        )
    for name, file in meets.files.items():
        if name in bare.changed:
            with_image(file.text, SERVICE, bare.changed[name])
    canary = await canary_of(look, await find_project(look), await all_apps(look), approved)
    return replace(bare, canary=canary)


async def _resolved(look: Look, image: str) -> str:
    found = reference_of(image)
    if found is None:
        raise InputError(f"{clean_name(image)} is no image.", next="Give it as name@sha256:..., or name:tag.")
    name = normal(found.name).rpartition(":")[0]
    if found.digest:
        return f"{name}@sha256:{found.digest}"
    seen = await look.registries.image(image)
    if not seen.digest:
        raise InputError(
            f"Which image {clean_name(image)} is cannot be told: {seen.why}.",
            next="Give it by digest (name@sha256:...), or add its registry to fleet.toml.",
        )
    return f"{name}@{seen.digest}"


def reasons_against(facts: RotationFacts) -> Iterator[str]:
    """Yield every reason not to begin; what is not known is one."""
    seen, meets = facts.picture, facts.ready
    yield from _of_configuration(seen)
    yield from of_work(meets)
    yield from _of_ground(meets)
    if facts.rules.unlisted(facts.image.partition("@")[2]):
        yield f"{facts.image} is not among the digests that policies/images.toml lets run"
    if kind_of(facts.image) == "official" and not seen.needless:
        yield f"{facts.image} is an official image, which drops --runtime: {len(seen.relying)} apps rely on it"


def _of_ground(meets: Ready) -> Iterator[str]:
    if meets.left_over:
        yield f"containers are left of an earlier try: {', '.join(meets.left_over[:3])}"
    if meets.free_bytes is None:
        yield "how much room its disks have is not known"
    elif meets.free_bytes < ROOM_BYTES:
        yield f"its disks have {meets.free_bytes // 2**20} MiB left, and {ROOM_BYTES // 2**30} GiB are needed"


def _of_configuration(seen: Picture) -> Iterator[str]:
    if seen.facts.state != "running":
        yield f"its container is {seen.facts.state or 'not known'}, and must run"
    yield from of_files(seen.facts)
    if seen.facts.planned is None:
        yield f"Docker Compose does not take its files ({seen.facts.unknown.get('planned', 'it did not say')})"
    if seen.facts.auto_update is None:
        yield "whether Coolify updates itself is not known"


def of_files(facts: FactoryFacts) -> Iterator[str]:
    """Yield why files and container do not agree: the way back starts what runs, and the next `up` what they name."""
    wanted, runs = configured(facts), facts.reference
    if not wanted.image or runs is None:
        yield f"what its files name is not known ({wanted.why or 'the container did not say what it runs'})"
    elif normal(wanted.image) != normal(runs):
        yield f"its files name {wanted.image}, and {runs} runs: make them agree first"


def of_work(meets: Ready) -> Iterator[str]:
    """Yield what is under way on the Factory that a swap would break off, or that would break it."""
    if meets.deployments is None:
        yield "whether deployments run is not known"
    elif meets.deployments:
        yield f"{meets.deployments} deployments run or wait"
    if meets.upgrade:
        yield "an upgrade of Coolify's own runs"
    if meets.under_way:
        yield f"another rotation is under way ({meets.under_way})"


def rotation_steps(facts: RotationFacts) -> tuple[Step, ...]:
    """Return the steps: nothing in service is touched before the fourth, and whichever fails from there goes back."""
    host = facts.host
    steps = (
        *_before(facts),
        _swap(facts),
        _prove(host),
        *_canary(facts),
        _confirm(host),
        _watch(host),
        _release(host),
    )
    return placed(steps, servers=[host])


def _before(facts: RotationFacts) -> tuple[Step, ...]:
    host, option = facts.host, not facts.picture.needless
    accepts = " and see that it accepts --runtime" if option else ""
    hours = facts.rules.least_age_h
    old = f"{', and' if option else ' and see'} that it was made at least {hours} h ago" if hours else ""
    return (
        Step(
            id="pull",
            kind="factory.pull_image",
            target=host,
            summary=f"Pull {facts.image} on {host}{accepts}{old}; nothing of it is started",
            params={"host": host, "image": facts.image, "option": option, "least_age_h": hours},
            undo_words="the image stays on the Factory, unused",
        ),
        Step(
            id="backup",
            kind="factory.backup_coolify",
            target=host,
            summary=f"Back up Coolify's database, .env, compose files and ssh keys on {host}, and check the dump",
            params={"host": host, "name": ""},
            undo_words="a backup is kept",
        ),
        Step(
            id="rehearse",
            kind="factory.rehearse",
            target=host,
            summary="Rehearse on a copy without a network: restore that dump, run the new image's migrations, decrypt "
            "a stored secret; a failure ends here, with nothing touched",
            params={"host": host, "backup": result_of("backup", "name"), "image": facts.image},
            uses=("pull", "backup"),
            undo_words="the copy is removed at its end",
        ),
    )


def _swap(facts: RotationFacts) -> Step:
    host = facts.host
    return Step(
        id="swap",
        kind="factory.swap_image",
        target=host,
        summary=f"Have {host} swap Coolify's container by itself, with its way back on its own disk: it goes back "
        "unless this plan proves and confirms the new one in time",
        changes=tuple(_changes(facts)),
        params={
            "host": host,
            "image": facts.image,
            "image_id": result_of("pull", "id"),
            "images": {**facts.changed},
            "sums": {name: file.sha256 for name, file in facts.ready.files.items()},
            "migrations": result_of("rehearse", "ran"),
            "migrated_s": result_of("rehearse", "seconds"),
        },
        uses=("pull", "rehearse"),
        undo=_back(host),
        undoes=("swap",),
    )


def _back(host: str) -> Undo:
    return Undo(
        kind="factory.swap_back",
        target=host,
        summary=f"have {host} go back to the image, the files and, where migrations ran, the database from before",
        effect="Coolify is as it was at the swap",
        params={"host": host},
    )


def _changes(facts: RotationFacts) -> Iterator[Change]:
    texts = facts.picture.facts.images or {}
    for name, wanted in facts.changed.items():
        yield Change(name=f"{SERVICE} in {name}", before=texts.get(name) or None, after=wanted)
    yield from _switches(facts.picture)


def _switches(seen: Picture) -> Iterator[Change]:
    env = (seen.facts.env or {}).get("AUTOUPDATE")
    if env != "false":
        yield Change(name="AUTOUPDATE in .env", before=env, after="false")
    if seen.facts.auto_update is not None and seen.facts.auto_update.on:
        yield Change(name="auto-update in Coolify's settings", before="on", after="off")


def _prove(host: str) -> Step:
    return Step(
        id="prove",
        kind="factory.prove_image",
        target=host,
        summary="Prove that the new container is that image, healthy, with no migration pending, its queue running and "
        "auto-update off",
        params={
            "host": host,
            "image_id": result_of("swap", "id"),
            "migrated_s": result_of("rehearse", "seconds"),
        },
        uses=("rehearse", "swap"),
        reads=True,
        undo_words=_READS,
        undoes=("swap",),
    )


def _canary(facts: RotationFacts) -> tuple[Step, ...]:
    if facts.canary is None:
        raise ValueError("a rotation is proved by a canary")
    return canary_steps(facts.canary, undoes=("swap",))


def _confirm(host: str) -> Step:
    return Step(
        id="confirm",
        kind="factory.confirm_image",
        target=host,
        summary=f"Tell {host} to stay with the new image",
        params={"host": host},
        undo_words="/data/coolify/ink/rollback on the Factory goes back by hand",
        undoes=("swap",),
    )


def _watch(host: str) -> Step:
    return Step(
        id="watch",
        kind="factory.watch_image",
        target=host,
        summary=f"Watch for {SOAK_S // 60} minutes that it stays so: no restart, its queue running, no failed job",
        params={
            "host": host,
            "image_id": result_of("swap", "id"),
            "for_s": SOAK_S,
            "restarts": result_of("prove", "restarts"),
            "failed_jobs": result_of("prove", "failed_jobs"),
        },
        uses=("swap", "prove"),
        reads=True,
        undo_words=_READS,
    )


def _release(host: str) -> Step:
    return Step(
        id="release",
        kind="factory.release_images",
        target=host,
        summary="Let go of images that earlier rotations held; the one from before this rotation stays held",
        params={"host": host},
        undo_words="they can be pulled again",
    )


def warnings_of(facts: RotationFacts) -> tuple[str, ...]:
    """Return what a person should know before a yes."""
    seen = facts.picture
    relying = f"{len(seen.relying)} apps rely on the option --runtime" if seen.apps is not None else "not known"
    words = [
        f"Apps that rely on --runtime: {relying}; the image is searched for it before anything stops.",
        "While it is swapped, dashboard and API do not answer: about a minute, and as long as a dump and its "
        "migrations take; a deployment that begins then fails.",
        "Where migrations ran, going back restores the database from the moment of the swap: what is made in Coolify "
        "until the image is confirmed would be lost.",
        "The backup stays on the Factory: copy it elsewhere, its secrets/ apart from the dump.",
    ]
    if seen.option is False:
        words.append("The image in service drops --runtime: going back goes back to that.")
    return tuple(words)


def _own_line(seen: Picture) -> str:
    """Return the line of Coolify's own file, or the one that belongs there; empty: the file names no image."""
    now = (seen.facts.images or {}).get(PROD, "")
    if not now or _OFFICIAL.fullmatch(now):
        return now
    registry = "ghcr.io" if _is_older(seen.facts.base or "") else "docker.io"
    return f"${{REGISTRY_URL:-{registry}}}/coollabsio/coolify:${{LATEST_IMAGE:-latest}}"


def _is_older(base: str) -> bool:
    version = parse_version(base)
    return version is not None and (version.major, version.minor) < _FROM_HUB


def _serves(seen: Picture, image: str) -> bool:
    """Return whether that digest runs, and the next `up` would start the same."""
    digests = {digest.partition("@")[2] for digest in seen.facts.digests or ()}
    return seen.facts.state == "running" and image.partition("@")[2] in digests and drift_of(seen) == ""


def _is_off(seen: Picture) -> bool:
    update, env = seen.facts.auto_update, (seen.facts.env or {}).get("AUTOUPDATE", "")
    return update is not None and not update.on and env.lower() in ("false", "0")
