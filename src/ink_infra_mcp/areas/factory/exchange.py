"""What every exchange of Coolify's image has in common: what is in its way, and its steps, there and back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.factory.beside import PULL, Realtime, change_of, pull_steps
from ink_infra_mcp.areas.factory.canary import canary_steps
from ink_infra_mcp.areas.factory.copies import copy_steps
from ink_infra_mcp.areas.factory.findings import drift_of
from ink_infra_mcp.areas.factory.ground import of_ground
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.factory.image_gates import looked_for
from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Change, Step, Undo, placed
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.factory.configured import configured, normal
from ink_infra_mcp.hosts.factory.looking import BASE, FactoryFacts
from ink_infra_mcp.hosts.factory.relying import sum_of
from ink_infra_mcp.hosts.factory.swapping import Ready

SOAK_S = 900
SERVICE = "coolify"
UNISOLATED = "factory.swap_unisolated"
"""The kind of the swap after which apps that a person has named run without isolation."""
KINDS = (
    "registry.signed_image",
    "factory.pull_image",
    "factory.backup_coolify",
    "factory.copy_backup",
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
_LOST = "none from its next deployment on, if the image turns out to drop --runtime"


@dataclass(frozen=True, slots=True)
class Exchange:
    """`image`, a reference by digest, in place of what `picture` and `ready` show.

    `images` is what each file that changes shall name, None: no image any more. Where the files name it by a `tag`,
    that is it, and `env` is what `.env` sets for it. With `option` the image must accept --runtime; `unisolated` are
    the apps that may run without isolation. `canary` proves it; `rules` say how old the image must be.

    Files in `whole` become that text, of which `more` tells what it changes. With a `version` the image must be that
    Coolify, and be `built_on` that commit, where one is said. Of an image that the steps in `first` build, `image` is
    the tag, and what the step `pushed_by` returns is its digest. `helper` is the version that the image's own source
    has to name for builds. `realtime` is exchanged with it, where it is given.
    """

    image: str
    picture: Picture
    ready: Ready
    images: Mapping[str, str | None]
    canary: BuiltApp | None
    option: bool
    rules: ImageRules
    tag: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    unisolated: tuple[str, ...] = ()
    whole: Mapping[str, str] = field(default_factory=dict[str, str])
    more: tuple[Change, ...] = ()
    version: str = ""
    built_on: str = ""
    first: tuple[Step, ...] = ()
    pushed_by: str = ""
    helper: str = ""
    realtime: Realtime | None = None

    @property
    def reference(self) -> JsonValue:
        """Return the image by digest, or what stands for it until it is built."""
        return result_of(self.pushed_by, "reference") if self.pushed_by else self.image

    @property
    def host(self) -> str:
        """Return the Factory's name."""
        return self.picture.facts.host


def relying(seen: Picture, meets: Ready) -> tuple[str, ...] | None:
    """Return the names of all that Coolify starts with --runtime, sorted; None: not known.

    Its database knows databases and other teams' apps too, which its API does not show to our token.
    """
    if meets.relying is None or seen.apps is None:
        return None
    stored = [each.name for each in meets.relying]
    return tuple(sorted([*stored, *({*seen.relying} - {*stored})]))


def needs_option(seen: Picture, meets: Ready) -> bool:
    """Return whether an image must accept --runtime: where policy wants it, or anything has it of its own."""
    return not seen.needless or relying(seen, meets) != ()


def common_reasons(seen: Picture, meets: Ready) -> Iterator[str]:
    """Yield every reason not to begin that holds for whichever image; what is not known is one."""
    yield from _of_configuration(seen)
    yield from of_work(meets)
    yield from of_ground(meets)


def check_files(meets: Ready, images: Mapping[str, str | None]) -> None:
    """Try in here what shall become of the files.

    Raises:
        InputError: one is written in a way in which that cannot be done to its text.
    """
    for name, image in images.items():
        text = meets.files[name].text
        if image is None:
            without_image(text, SERVICE)
        else:
            with_image(text, SERVICE, image)


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


def exchange_steps(it: Exchange) -> tuple[Step, ...]:
    """Return the steps: nothing in service is touched before the fourth, and whichever fails from there goes back."""
    host = it.host
    steps = (
        *it.first,
        *_before(it),
        _swap(it),
        _prove(it),
        *_canary(it),
        _confirm(host),
        _watch(it),
        _release(host),
    )
    return placed(steps, servers=[host])


def _before(it: Exchange) -> tuple[Step, ...]:
    host, option, hours = it.host, it.option, it.rules.least_age_h
    named = f", which is {it.tag}," if it.tag else ", by the digest of that push," if it.pushed_by else ""
    wanted: dict[str, JsonValue] = {"version": it.version, "built_on": it.built_on} if it.version else {}
    wanted |= {"helper": it.helper} if it.helper not in ("", "?") else {}
    return (
        *looked_for(it.rules, it.image),
        Step(
            id="pull",
            kind="factory.pull_image",
            target=host,
            summary=f"Pull {it.image}{named} on {host}{_looked_at(it)}; nothing of it is started",
            params={"host": host, "image": it.reference, "option": option, "least_age_h": hours, **wanted},
            uses=_built(it),
            undo_words="the image stays on the Factory, unused",
        ),
        *pull_steps(host, it.realtime, hours),
        Step(
            id="backup",
            kind="factory.backup_coolify",
            target=host,
            summary=f"Back up Coolify's database, .env, compose files and ssh keys on {host}, and check the dump",
            params={"host": host, "name": ""},
            undo_words="a backup is kept",
        ),
        *copy_steps(it.picture.place, host, backup="backup"),
        Step(
            id="rehearse",
            kind="factory.rehearse",
            target=host,
            summary="Rehearse on a copy without a network: restore that dump, run the new image's migrations, decrypt "
            "a stored secret; a failure ends here, with nothing touched",
            params={"host": host, "backup": result_of("backup", "name"), "image": it.reference},
            uses=("pull", "backup", *_built(it)),
            undo_words="the copy is removed at its end",
        ),
    )


def _swap(it: Exchange) -> Step:
    host = it.host
    return Step(
        id="swap",
        kind=UNISOLATED if it.unisolated else "factory.swap_image",
        target=host,
        summary=f"Have {host} swap Coolify's container{_and(it)} by itself, with its way back on its own disk: it goes "
        "back unless this plan proves and confirms the new one in time",
        apps=it.unisolated,
        changes=tuple(_changes(it)),
        params={
            "host": host,
            "image": it.reference,
            "image_id": result_of("pull", "id"),
            "images": {name: it.reference if image == it.image else image for name, image in it.images.items()},
            "sums": _sums(it),
            "migrations": result_of("rehearse", "ran"),
            "migrated_s": result_of("rehearse", "seconds"),
            **_named(it),
        },
        uses=("pull", "rehearse", *_pulled(it), *_built(it)),
        undo=_back(it),
        undoes=("swap",),
    )


def _built(it: Exchange) -> tuple[str, ...]:
    return (it.pushed_by,) if it.pushed_by else ()


def _pulled(it: Exchange) -> tuple[str, ...]:
    return (PULL,) if it.realtime else ()


def _and(it: Exchange) -> str:
    return ", and realtime's," if it.realtime else ""


def _realtime_id(it: Exchange) -> dict[str, JsonValue]:
    return {"realtime_id": result_of(PULL, "id")} if it.realtime else {}


def _looked_at(it: Exchange) -> str:
    hours = it.rules.least_age_h
    asked = {"it accepts --runtime": it.option, f"it is Coolify {it.version}": it.version}
    asked[f"it was made at least {hours} h ago"] = bool(hours)
    told = [f"that {words}" for words, wanted in asked.items() if wanted]
    return " and see " + ", and ".join(filter(None, (", ".join(told[:-1]), *told[-1:]))) if told else ""


def _sums(it: Exchange) -> dict[str, JsonValue]:
    sums: dict[str, JsonValue] = {name: file.sha256 for name, file in it.ready.files.items()}
    return sums | ({BASE: it.ready.base.sha256} if it.version else {})


def _named(it: Exchange) -> dict[str, JsonValue]:
    named: dict[str, JsonValue] = {"tag": it.tag} if it.tag else {}
    named |= {"env": {**it.env}} if it.env else {}
    named |= {"texts": {**it.whole}} if it.whole else {}
    named |= {"realtime": it.realtime.tag, **_realtime_id(it)} if it.realtime else {}
    return named | ({"relying": sum_of(it.ready.relying or ())} if it.unisolated or not it.option else {})


def _back(it: Exchange) -> Undo:
    host, images = it.host, "images" if it.realtime else "image"
    return Undo(
        kind="factory.swap_back",
        target=host,
        summary=f"have {host} go back to the {images}, the files and, where migrations ran, the database from before",
        effect="Coolify is as it was at the swap",
        params={"host": host},
    )


def _changes(it: Exchange) -> Iterator[Change]:
    texts = it.picture.facts.images or {}
    yield from map(_lost, it.unisolated)
    for name, wanted in it.images.items():
        yield Change(name=f"{SERVICE} in {name}", before=texts.get(name) or None, after=_told(it, wanted))
    yield from it.more
    yield from change_of(it.realtime)
    yield from _of_env(it.picture.facts.env or {}, it.env)
    yield from _switches(it.picture)


def _told(it: Exchange, wanted: str | None) -> str | None:
    return f"the digest of {wanted}" if it.pushed_by and wanted == it.image else wanted


def _lost(app: str) -> Change:
    return Change(name=f"isolation of {app}", before="gVisor, by --runtime", after=_LOST)


def _of_env(now: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Change]:
    for key, value in wanted.items():
        if now.get(key) != value:
            yield Change(name=f"{key} in .env", before=now.get(key), after=value)


def _switches(seen: Picture) -> Iterator[Change]:
    env = (seen.facts.env or {}).get("AUTOUPDATE")
    if env != "false":
        yield Change(name="AUTOUPDATE in .env", before=env, after="false")
    if seen.facts.auto_update is not None and seen.facts.auto_update.on:
        yield Change(name="auto-update in Coolify's settings", before="on", after="off")


def _prove(it: Exchange) -> Step:
    host = it.host
    told = "; and that realtime is its new image, healthy, and answers Coolify" if it.realtime else ""
    return Step(
        id="prove",
        kind="factory.prove_image",
        target=host,
        summary="Prove that the new container is that image, healthy, with no migration pending, its queue running and "
        f"auto-update off{told}",
        params={
            "host": host,
            "image_id": result_of("swap", "id"),
            "migrated_s": result_of("rehearse", "seconds"),
            **_realtime_id(it),
        },
        uses=("rehearse", "swap", *_pulled(it)),
        reads=True,
        undo_words=_READS,
        undoes=("swap",),
    )


def _canary(it: Exchange) -> tuple[Step, ...]:
    if it.canary is None:
        raise ValueError("an exchange is proved by a canary")
    return canary_steps(it.canary, undoes=("swap",), isolated=it.option)


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


def _watch(it: Exchange) -> Step:
    host, restarts = it.host, {"realtime_restarts": result_of("prove", "realtime_restarts")} if it.realtime else {}
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
            **_realtime_id(it),
            **restarts,
        },
        uses=("swap", "prove", *_pulled(it)),
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


def serves(seen: Picture, image: str) -> bool:
    """Return whether that digest runs, and the next `up` would start the same."""
    digests = {digest.partition("@")[2] for digest in seen.facts.digests or ()}
    return seen.facts.state == "running" and image.partition("@")[2] in digests and drift_of(seen) == ""


def is_off(seen: Picture) -> bool:
    """Return whether Coolify does not update itself, now and after its next start."""
    update, env = seen.facts.auto_update, (seen.facts.env or {}).get("AUTOUPDATE", "")
    return update is not None and not update.on and env.lower() in ("false", "0")
