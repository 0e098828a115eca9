"""An upgrade of Coolify to a release, official or with the fork built on it: what it would meet, why it is refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ink_infra_mcp.areas.apps.app import all_apps
from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.apps.home import find_project
from ink_infra_mcp.areas.factory.beside import (
    Realtime,
    of_beside,
    of_gates,
    realtime_for,
)
from ink_infra_mcp.areas.factory.canary import canary_of
from ink_infra_mcp.areas.factory.exchange import (
    Exchange,
    check_files,
    common_reasons,
    is_off,
    needs_option,
    serves,
)
from ink_infra_mcp.areas.factory.fork_build import BuildFacts
from ink_infra_mcp.areas.factory.image import Picture, picture
from ink_infra_mcp.areas.factory.image_gates import of_rules, signed_now
from ink_infra_mcp.areas.factory.moving_in import files_of, moved_in, withdrawn
from ink_infra_mcp.areas.factory.official import of_last_file, official_image, official_tag
from ink_infra_mcp.areas.factory.release import CoolifyRelease, release_of
from ink_infra_mcp.areas.factory.rotation import pinned_image
from ink_infra_mcp.areas.factory.stops import CHECK_S, after, of_way, part_of_version, way_to
from ink_infra_mcp.areas.factory.upgrade_build import build_for, built, id_of, of_fresh, steps_of
from ink_infra_mcp.areas.factory.upgrade_files import changes_of, of_files
from ink_infra_mcp.areas.factory.upstream import listed, stops
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.era import era_of, parse_version
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.signing import Verdict
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import kind_of
from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Ready, ready

_RELEASE = re.compile(r"v?(\d{1,4}\.\d{1,4}\.\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class UpgradeFacts:
    """What an upgrade to a `release` would meet: `image` by digest, and `tag` as files and .env name it, empty: a fork.

    `canary` is None where it runs already. A fork that no image is given for comes of a `build`; where that is still to
    be made, `image` is the tag that it gets. `realtime` is None where that service stays. `stops` are the
    releases that come before, each with what it finds then; this one finds what the last of them leaves.
    """

    release: CoolifyRelease
    image: str
    tag: str
    picture: Picture
    ready: Ready
    canary: BuiltApp | None = None
    rules: ImageRules = field(default_factory=ImageRules)
    signed: Verdict | None = None
    build: BuildFacts | None = None
    realtime: Realtime | None = None
    stops: "tuple[UpgradeFacts, ...]" = ()

    @property
    def host(self) -> str:
        """Return the Factory's name."""
        return self.picture.facts.host

    @property
    def builds(self) -> bool:
        """Return whether the image is still to be built."""
        return bool(id_of(self.build))

    @property
    def images(self) -> dict[str, str | None]:
        """Return what the override shall name, if it does not: the fork by its digest, or none."""
        now, wanted = (self.picture.facts.images or {}).get(CUSTOM) or None, None if self.tag else self.image
        return {} if now == wanted else {CUSTOM: wanted}

    @property
    def whole(self) -> dict[str, str]:
        """Return the text of each file that becomes the release's."""
        return files_of(self.release, self.ready)

    @property
    def env(self) -> dict[str, str]:
        """Return what .env sets: upgrade.sh writes both (4.3.10 on)."""
        return {"LATEST_IMAGE": self.release.version, "COOLIFY_VERSION": self.release.version}

    @property
    def option(self) -> bool:
        """Return whether the image must accept --runtime: nobody is asked whether isolation may be lost."""
        return needs_option(self.picture, self.ready)

    @property
    def of_realtime_alone(self) -> bool:
        """Return whether the release runs already, by that very image, and only realtime is not what it names."""
        return self.realtime is not None and not self.builds and self.runs_already and serves(self.picture, self.image)

    @property
    def runs_already(self) -> bool:
        """Return whether what runs says that it is this very release."""
        return parse_version(self.picture.facts.base or "") == parse_version(self.release.version)

    @property
    def is_so(self) -> bool:
        """Return whether it runs, is what the release's files and .env name, and no update replaces it."""
        seen, facts = self.picture, self.picture.facts
        if self.builds or self.realtime is not None:
            return False
        named = not self.images and not self.whole and self.env.items() <= (facts.env or {}).items()
        return serves(seen, self.image) and named and facts.base == self.release.version and is_off(seen)


async def upgrade_facts(look: Look, version: str, image: str, approved: Plan | None) -> UpgradeFacts:
    """Return what the upgrade would meet; tags are resolved now, to commit and digest, and pinned by the plan.

    Raises:
        InputError: the version is none, GitHub has no such tag, or no registry has the image.
        RefusedByPolicy: nobody should upgrade to that, or now; every reason is said.
        HostError: the Factory cannot be reached. VendorError: GitHub did not answer well.
    """
    wanted = _version(version)
    seen = await picture(look)
    tags = await _tags_of_stops(look, seen, wanted)
    if why := (*of_kind(seen, image), *_of_another(seen, wanted, tags)):
        raise RefusedByPolicy(_words(seen, wanted, why), next="Look with get_coolify_image, then call again.")
    meets, stops = await ready(look.hosts, seen.facts.host), list[UpgradeFacts]()
    for stop in way_to(seen, wanted, tags):
        release = await release_of(look.github, stop, tags)
        bare = await _of_release(look, (seen, meets), release, "", approved)
        stops.append(await _judged(look, bare, wanted, on_the_way=True))
        seen, meets = after(exchange_of(stops[-1]))
    bare = await _of_release(look, (seen, meets), await release_of(look.github, wanted, tags), image, approved)
    if bare.is_so:
        return bare
    bare = await _judged(look, bare, wanted, on_the_way=bool(stops))
    canary = await canary_of(look, await find_project(look), await all_apps(look), approved)
    return replace(bare, canary=canary, stops=tuple(replace(each, canary=canary) for each in stops))


async def _of_release(
    look: Look, found: tuple[Picture, Ready], release: CoolifyRelease, image: str, approved: Plan | None
) -> UpgradeFacts:
    """Return what this release meets where it finds that; nothing of it is judged yet."""
    seen, meets = found
    build = await build_for(look, release.version, approved) if seen.kind == "fork" and not image else None
    tag = "" if image or build else official_tag(seen, release.own_line, release.version)
    pinned = await _image(look, image, tag, build)
    realtime = await realtime_for(look, seen, release, meets)
    return UpgradeFacts(release, pinned, tag, seen, meets, rules=look.images, build=build, realtime=realtime)


async def _judged(look: Look, bare: UpgradeFacts, wanted: str, *, on_the_way: bool) -> UpgradeFacts:
    bare = replace(bare, signed=None if bare.builds else await signed_now(look, bare.image))
    if reasons := tuple(reasons_against(bare)):
        at = f"on the way, at {bare.release.version}: " if on_the_way else ""
        words = _words(bare.picture, wanted, reasons, at)
        raise RefusedByPolicy(words, next="See get_coolify_image, mend that, then call again.")
    check_files(bare.ready, bare.images)
    return bare


async def _image(look: Look, image: str, tag: str, build: BuildFacts | None) -> str:
    if build is not None:
        return built(build) or build.orders.image
    return await pinned_image(look, image) if image else await official_image(look, tag)


def _words(seen: Picture, version: str, reasons: tuple[str, ...], at: str = "") -> str:
    return f"Coolify on {seen.facts.host} is not upgraded to {version}: {at}{'; '.join(reasons)}."


def _version(text: str) -> str:
    told = _RELEASE.fullmatch(text)
    if told is None:
        raise InputError(
            f"{clean_name(text)} is no release of Coolify that an upgrade goes to.",
            next="Give one such as 4.3.11; candidates and betas are not taken.",
        )
    return told[1]


async def _tags_of_stops(look: Look, seen: Picture, version: str) -> tuple[str, ...]:
    """GitHub is asked for the releases to stop at only where there are some."""
    base, wanted = parse_version(seen.facts.base or ""), parse_version(version)
    return await listed(look.github) if base and wanted and stops(base, wanted, ()) else ()


def _of_another(seen: Picture, version: str, tags: tuple[str, ...]) -> Iterator[str]:
    """What cannot follow what runs is said before anybody is asked for it; the same may be so already."""
    if parse_version(version) != parse_version(seen.facts.base or ""):
        yield from of_version(seen, version, tags)


def of_kind(seen: Picture, image: str) -> Iterator[str]:
    """Yield why the image that is given, or none, does not go with what runs: a fork stays a fork."""
    if seen.kind == "?":
        yield "whether a fork or an official image runs is not known"
    elif seen.kind == "official" and image:
        yield "an official image runs, and `image` is for a fork"
    elif image and kind_of(image) != "fork":
        yield f"{clean_name(image)} is no fork's image"


def reasons_against(facts: UpgradeFacts) -> Iterator[str]:
    """Yield every reason not to begin; what is not known is one."""
    seen = facts.picture
    yield from common_reasons(seen, facts.ready)
    yield from of_fresh(facts.rules) if facts.builds else of_rules(facts.rules, facts.image, facts.signed)
    if not facts.of_realtime_alone:
        yield from of_version(seen, facts.release.version)
        yield from _of_another_image(facts)
    yield from of_told_version(seen, facts.release.version)
    yield from of_release(facts.release, facts.ready)
    yield from _of_what_is_set(facts)
    yield from of_beside(seen, facts.release, facts.ready, facts.realtime)
    yield from of_gates(facts.rules, facts.realtime)
    yield from of_files(facts.release, facts.ready, facts.realtime)
    if facts.tag:
        yield from of_last_file(seen.facts.images or {})


def _of_what_is_set(facts: UpgradeFacts) -> Iterator[str]:
    if facts.picture.facts.env is None:
        yield f"what .env sets is not known: {facts.picture.facts.unknown.get('env', 'the Factory did not say')}"
    if facts.tag and facts.option and facts.picture.option is False:
        yield (
            "the official image that runs does not accept --runtime, nor is it known that this one does, and policy or "
            "an app wants it: that takes the fork (build_fork_image, then rotate_fork_image)"
        )


def _of_another_image(facts: UpgradeFacts) -> Iterator[str]:
    """Of a release that runs already realtime alone is exchanged, and never Coolify's own image under the same name."""
    if facts.realtime is not None and facts.runs_already:
        version, runs = facts.release.version, facts.realtime.runs.reference
        yield (
            f"realtime runs as {runs}, and {version} names {facts.realtime.tag}: "
            f"that alone is exchanged only where {facts.image} is what runs and what its files name (rotate_fork_image "
            "puts another build of a fork into service, restore_official_coolify the official image)"
        )


def of_version(seen: Picture, version: str, tags: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield why a release does not follow what runs: Coolify's migrations are made for one line after the other.

    Releases that come first, as far as they are among `tags`, are no reason where one plan goes by way of them.
    """
    base, wanted = parse_version(seen.facts.base or ""), parse_version(version)
    if base is None or wanted is None:
        yield "which Coolify runs is not known"
    elif wanted <= base:
        yield f"{version} is not newer than {base}, which runs"
    elif first := stops(base, wanted, tags):
        yield from of_way(seen, base, version, first)
    elif wanted.major > base.major:
        yield f"{version} is of another major version than {base}, which runs"
    if not (era := era_of(version)).supported:
        yield era.words.rstrip(".")


def of_told_version(seen: Picture, version: str) -> Iterator[str]:
    """Yield who says that something newer runs: from 4.3.0 on a candidate's own source can name the release before."""
    wanted = parse_version(version)
    for source, text in (("its API says", seen.told), (".env has", (seen.facts.env or {}).get("COOLIFY_VERSION"))):
        told = parse_version(text or "")
        if told is not None and wanted is not None and told > wanted:
            yield f"{source} {told}, which is newer than {version}"


def of_release(release: CoolifyRelease, meets: Ready) -> Iterator[str]:
    """Yield why what the tag has is not what is wanted, or wants more of .env than it has."""
    if release.told != release.version:
        yield f"the source at v{release.version} says that it is Coolify {clean_name(release.told) or 'of no version'}"
    if lacking := sorted({*release.env_names} - {*meets.env_names}):
        yield f".env lacks what .env.production of that release sets: {', '.join(lacking)}"


def exchanges_of(facts: UpgradeFacts) -> tuple[Exchange, ...]:
    """Return the exchanges of the releases that come before, in their order."""
    parts = ((each, part_of_version(each.release.version)) for each in facts.stops)
    return tuple(replace(exchange_of(each), part=part, soak_s=CHECK_S) for each, part in parts)


def exchange_of(facts: UpgradeFacts) -> Exchange:
    """Return the exchange that it is."""
    return Exchange(
        image=facts.image,
        picture=facts.picture,
        ready=facts.ready,
        images=facts.images,
        canary=facts.canary,
        option=facts.option,
        rules=facts.rules,
        tag=facts.tag,
        env=facts.env,
        whole=facts.whole,
        more=changes_of(facts.release, facts.ready) if facts.whole else (),
        version=facts.release.version,
        built_on="" if facts.tag else facts.release.commit,
        first=steps_of(facts.build),
        pushed_by=id_of(facts.build),
        helper=facts.release.helper,
        realtime=facts.realtime,
        inside=moved_in(facts.release.texts[PROD]),
        withdraws=withdrawn(facts.release, facts.ready),
    )
