"""The way back from a fork to Coolify's official image: what it would meet, why it is refused, what it would cost."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ink_infra_mcp.areas.apps.app import all_apps
from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.apps.home import find_project
from ink_infra_mcp.areas.factory.canary import canary_of
from ink_infra_mcp.areas.factory.copies import left_here
from ink_infra_mcp.areas.factory.exchange import (
    Exchange,
    check_files,
    common_reasons,
    is_off,
    needs_option,
    relying,
    serves,
)
from ink_infra_mcp.areas.factory.findings import some
from ink_infra_mcp.areas.factory.image import Picture, own_line, picture
from ink_infra_mcp.areas.factory.image_gates import of_rules, signed_now
from ink_infra_mcp.areas.factory.moving_in import of_line
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.era import era_of, parse_version
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.signing import Verdict
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import filled, kind_of, normal, repository_of
from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Ready, ready

_RELEASE = re.compile(r"v?(\d{1,4}\.\d{1,4}(?:\.\d{1,4}|-rc\.\d{1,4}|\.\d{1,4}-(?:beta|rc)\.\d{1,4}))", re.ASCII)
"""How Coolify's releases are called: 4.3.11, 4.4-rc.1, 4.0.0-beta.474; its images have the name without the v."""


@dataclass(frozen=True, slots=True)
class OfficialFacts:
    """What the way to the official image of a `version` would meet: `image` by digest, `tag` as files and .env name it.

    `accepted` are the apps that a person named as running without isolation. `canary` is None where it runs already.
    """

    version: str
    tag: str
    image: str
    picture: Picture
    ready: Ready
    accepted: tuple[str, ...] = ()
    canary: BuiltApp | None = None
    rules: ImageRules = field(default_factory=ImageRules)
    signed: Verdict | None = None

    @property
    def host(self) -> str:
        """Return the Factory's name."""
        return self.picture.facts.host

    @property
    def images(self) -> dict[str, str | None]:
        """Return what each file that changes shall name: Coolify's own its own line, the override none."""
        now = self.picture.facts.images or {}
        line = own_line(self.picture)
        own: dict[str, str | None] = {PROD: line} if now.get(PROD) != line else {}
        return {**own, CUSTOM: None} if now.get(CUSTOM) else own

    @property
    def env(self) -> dict[str, str]:
        """Return what .env sets: upgrade.sh writes both (4.3.10 on), and older ones read neither wrongly."""
        return {"LATEST_IMAGE": self.version, "COOLIFY_VERSION": self.version}

    @property
    def option(self) -> bool:
        """Return whether the image must accept --runtime: unless nobody wants it, or those who rely on it are named."""
        return not self.accepted and needs_option(self.picture, self.ready)

    @property
    def is_so(self) -> bool:
        """Return whether it runs, is what the files and .env name, and no update replaces it."""
        named = not self.images and self.env.items() <= (self.picture.facts.env or {}).items()
        return serves(self.picture, self.image) and named and is_off(self.picture)


async def official_facts(look: Look, version: str, accepted: tuple[str, ...], approved: Plan | None) -> OfficialFacts:
    """Return what the way to the official image would meet; its digest is resolved now, and pinned by the plan.

    Raises:
        InputError: the version is none, or no registry has its image.
        RefusedByPolicy: nobody should swap it now, or the apps that would lose isolation are not exactly those that
            were named; every reason is said.
        HostError: the Factory cannot be reached.
    """
    told = _RELEASE.fullmatch(version)
    if told is None:
        raise InputError(f"{clean_name(version)} is no release of Coolify.", next="Give one such as 4.3.11.")
    seen = await picture(look)
    meets = await ready(look.hosts, seen.facts.host)
    tag = official_tag(seen, own_line(seen), told[1])
    image = await official_image(look, tag)
    bare = OfficialFacts(told[1], tag, image, seen, meets, tuple(sorted(set(accepted))), rules=look.images)
    if bare.is_so:
        return bare
    bare = replace(bare, signed=await signed_now(look, bare.image))
    if reasons := tuple(reasons_against(bare)):
        raise RefusedByPolicy(
            f"Coolify on {bare.host} does not go to the official image: {'; '.join(reasons)}.",
            next="Mend that, look with get_coolify_image, then call again.",
        )
    check_files(meets, bare.images)
    canary = await canary_of(look, await find_project(look), await all_apps(look), approved)
    return replace(bare, canary=canary)


def official_tag(seen: Picture, line: str, version: str) -> str:
    """Return the name that Compose makes of a line of Coolify's own file, with the registry of .env.

    Raises:
        RefusedByPolicy: that is none of those where coollabs publishes it, or not known.
    """
    if seen.facts.env is None:
        raise _nowhere(seen.facts.unknown.get("env", "the Factory did not say what .env has"))
    tag = filled(line, {**seen.facts.env, "LATEST_IMAGE": version})
    if kind_of(tag) != "official":
        raise _nowhere(f"it would come from {clean_name(tag) or 'nowhere'}, where nobody vouches for it")
    return normal(tag)


def _nowhere(why: str) -> RefusedByPolicy:
    return RefusedByPolicy(
        f"Which image Coolify's own file would start is not known to be the official one: {why}.",
        next="See REGISTRY_URL in /data/coolify/source/.env and the image in docker-compose.prod.yml, then call again.",
    )


async def official_image(look: Look, tag: str) -> str:
    """Return by digest which image a tag names now.

    Raises:
        InputError: its registry does not tell.
    """
    seen = await look.registries.image(tag)
    if not seen.digest:
        raise InputError(
            f"Which image {tag} is cannot be told: {seen.why}.",
            next="See whether that release exists, or add its registry to fleet.toml, then call again.",
        )
    return f"{repository_of(tag)}@{seen.digest}"


def reasons_against(facts: OfficialFacts) -> Iterator[str]:
    """Yield every reason not to begin; what is not known is one."""
    seen = facts.picture
    yield from common_reasons(seen, facts.ready)
    yield from of_rules(facts.rules, facts.image, facts.signed)
    yield from _of_version(facts)
    yield from of_line(facts.version, facts.ready.files[PROD].text)
    if seen.kind == "official":
        yield "an official image runs already, which Coolify's own upgrade moves on"
    yield from of_last_file(seen.facts.images or {})
    yield from _of_apps(facts)


def of_last_file(images: Mapping[str, str]) -> Iterator[str]:
    """Yield why Coolify's own line would not decide, were the override's image gone."""
    others = [name for name, text in images.items() if text and name != CUSTOM]
    if (last := ["no file", *others][-1]) != PROD:
        yield f"without the override {last} would name Coolify's image, not {PROD}"


def _of_version(facts: OfficialFacts) -> Iterator[str]:
    """An older image does not know the migrations that ran: the rehearsal would find that too, and later."""
    base, wanted = parse_version(facts.picture.facts.base or ""), parse_version(facts.version)
    if base is None:
        yield "which Coolify the fork is based on is not known"
    elif wanted and wanted < base:
        yield f"{facts.version} is older than {base}, on which the fork is based"
    if not (era := era_of(facts.version)).supported:
        yield era.words.rstrip(".")


def _of_apps(facts: OfficialFacts) -> Iterator[str]:
    """Who is named has to be exactly who would lose: neither an app less, nor a list that fits whatever comes."""
    names = relying(facts.picture, facts.ready)
    if names is None:
        yield "which apps and databases rely on --runtime is not known"
    elif facts.accepted:
        if less := tuple(sorted({*names} - {*facts.accepted})):
            yield f"these rely on --runtime and are not named in accept_unisolated: {some(less)}"
        if more := tuple(sorted({*facts.accepted} - {*names})):
            yield f"these are named in accept_unisolated and do not rely on --runtime: {some(more)}"
        yield from _of_namesakes(names)


def _of_namesakes(names: tuple[str, ...]) -> Iterator[str]:
    """Where two have one name, nobody who says it has named both."""
    if twice := tuple(sorted(name for name, often in Counter(names).items() if often > 1)):
        yield f"several apps that rely on --runtime share a name, which tells none of them apart: {some(twice)}"


def exchange_of(facts: OfficialFacts) -> Exchange:
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
        unisolated=facts.accepted,
    )


def warnings_of(facts: OfficialFacts) -> tuple[str, ...]:
    """Return what a person should know before a yes."""
    return (
        *_of_option(facts),
        f"Coolify's compose files stay those that are there; {facts.version} may come with a newer realtime service, "
        "which Coolify's own upgrade brings.",
        "While it is swapped, dashboard and API do not answer: about a minute, and as long as a dump and its "
        "migrations take; a deployment that begins then fails.",
        "Where migrations ran, going back restores the database from the moment of the swap: what is made in Coolify "
        "until the image is confirmed would be lost.",
        *left_here(facts.picture.place),
    )


def _of_option(facts: OfficialFacts) -> Iterator[str]:
    if facts.accepted:
        yield (
            f"{len(facts.accepted)} apps lose gVisor at their next deployment or restart in Coolify, if the image "
            f"drops --runtime: {', '.join(facts.accepted)}. What runs now stays isolated until then."
        )
    elif facts.option:
        yield (
            "Whether this image accepts --runtime is not known before it is pulled: then its source is searched, and "
            "without the option all ends there with nothing touched."
        )
