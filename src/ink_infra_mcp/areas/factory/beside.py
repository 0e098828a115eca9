"""What runs beside Coolify, and what an upgrade does with each: realtime goes along, Postgres and Redis stay."""

import re
from collections.abc import Iterator

from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.factory.moving_in import moved_in, of_moving, told_of_moving
from ink_infra_mcp.areas.factory.release import CoolifyRelease
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.compose.difference import Difference
from ink_infra_mcp.core.compose.reading import read_compose, read_override
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Change, Frozen, JsonObject, Step
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.configured import filled, normal, repository_of
from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.siblings import REALTIME, Sibling
from ink_infra_mcp.hosts.factory.swapping import Ready

PULL = "pull_realtime"
_OFFICIAL = frozenset({"docker.io/coollabsio/coolify-realtime", "ghcr.io/coollabsio/coolify-realtime"})
_STAY = {"postgres": "Postgres", "redis": "Redis"}
_OF_REALTIME = (("image",), ("healthcheck",))
_MAJOR = re.compile(r"(\d{1,3})(?:[.-].*)?", re.ASCII)


class Realtime(Frozen):
    """Realtime as a release wants it in place of what `runs`: `image` by digest, and `tag` as its files name it.

    Without an `image` its registry did not tell the digest, and `why` says the reason.
    """

    runs: Sibling
    tag: str
    image: str = ""
    why: str = ""


async def realtime_for(look: Look, seen: Picture, release: CoolifyRelease, meets: Ready) -> Realtime | None:
    """Return what realtime becomes; None where what runs has the release's own name, or is not known.

    The digest is asked now, and pinned by the plan.
    """
    runs, tag = meets.beside.get(REALTIME), _wanted(seen, release, meets)
    if runs is None or _stays(release, runs, tag):
        return None
    if repository_of(tag) not in _OFFICIAL:
        return Realtime(runs=runs, tag=tag, why=f"it would come from {clean_name(tag)}, where nobody vouches for it")
    told = await look.registries.image(tag)
    image = f"{repository_of(tag)}@{told.digest}" if told.digest else ""
    return Realtime(runs=runs, tag=tag, image=image, why=told.why)


def _stays(release: CoolifyRelease, runs: Sibling, tag: str) -> bool:
    return moved_in(release.texts[PROD]) or not tag or normal(tag) == normal(runs.reference)


def _wanted(seen: Picture, release: CoolifyRelease, meets: Ready) -> str:
    """Return what Compose will make of the release's file, and of the override that stays; empty: not known."""
    try:
        line = _line(read_override(text)) if (text := _override(meets)).strip() else ""
        return filled(line or _line(read_compose(release.texts[PROD])), seen.facts.env)
    except InputError:
        return ""


def _override(meets: Ready) -> str:
    return meets.files[CUSTOM].text if CUSTOM in meets.files else ""


def _line(document: JsonObject) -> str:
    services = table(document.get("services"))
    return str(table(services.get(REALTIME)).get("image") or "")


def of_beside(seen: Picture, release: CoolifyRelease, meets: Ready, realtime: Realtime | None) -> Iterator[str]:
    """Yield what of the services beside Coolify is in the way; what is not known is a reason."""
    if moved_in(release.texts[PROD]):
        yield from of_moving(release, meets)
    else:
        yield from _of_realtime(seen, release, meets, realtime)
    for service in _STAY:
        yield from _of_staying(service, meets)


def _of_realtime(seen: Picture, release: CoolifyRelease, meets: Ready, realtime: Realtime | None) -> Iterator[str]:
    runs, wanted = meets.beside.get(REALTIME), _wanted(seen, release, meets)
    if runs is None:
        yield f"realtime runs as what is not known, and {release.version} wants {release.realtime}"
    elif not wanted:
        yield "which realtime its files would name is not known"
    elif normal(wanted).rpartition(":")[2] != release.realtime:
        yield (
            f"its files would name realtime {clean_name(wanted)}, and the source of {release.version} wants "
            f"{release.realtime}: take it out of {CUSTOM} if it stands there"
        )
    elif realtime is not None:
        yield from _of_exchange(realtime)


def _of_exchange(realtime: Realtime) -> Iterator[str]:
    if realtime.runs.state != "running":
        yield f"realtime is {realtime.runs.state}, and must run: it is what is gone back to"
    if not realtime.image:
        yield f"which image {clean_name(realtime.tag)} is cannot be told: {realtime.why}"


def _of_staying(service: str, meets: Ready) -> Iterator[str]:
    """What a later `up` of all services would do, as Coolify's own upgrade does it, has to be what runs by now."""
    runs, called = meets.beside.get(service), _STAY[service]
    if runs is None or not runs.names:
        yield f"which {called} runs, and which one its files name, is not known"
    elif normal(runs.names) != normal(runs.reference):
        yield (
            f"{called} runs as {runs.reference}, and its files name {runs.names}, which the next `up` of all services "
            "would start on whatever data that one has: make them agree first"
        )


def of_gates(rules: ImageRules, realtime: Realtime | None) -> Iterator[str]:
    """Yield why policy does not let realtime's image run; its age is known after the pull."""
    if realtime is not None and realtime.image and rules.unlisted(realtime.image.partition("@")[2]):
        yield f"{realtime.image} is not among the digests that policies/images.toml lets run"


def of_names(found: tuple[Difference, ...], version: str) -> Iterator[str]:
    """Yield why a database of another name is brought by nobody here, and what a person does."""
    for each in found:
        service = each.path[1] if len(each.path) > 1 else ""
        if each.path[2:] == ("image",) and service in _STAY:
            yield _of_name(service, clean_name(str(each.before)), clean_name(str(each.after)), version)


def _of_name(service: str, before: str, after: str, version: str) -> str:
    told = f"{version} names {_STAY[service]} as {after}, and {before} stands here: "
    if service == "redis":
        return (
            f"{told}it holds Coolify's queue, and an older Redis does not read what a newer one saved, so that there "
            "is no way back; a person exchanges it by Coolify's own upgrade, with a backup of its volume"
        )
    if _major(before) == _major(after) is not None:
        return f"{told}a person exchanges it by Coolify's own upgrade, after backup_coolify, then calls again"
    return (
        f"{told}one major version of Postgres does not read the data of another, and an empty volume would be taken "
        "for a new Coolify; a person makes a backup with backup_coolify and runs Coolify's own upgrade-postgres.sh, "
        "which moves the data into a volume of their own"
    )


def _major(image: str) -> str | None:
    found = _MAJOR.fullmatch(normal(image).partition("@")[0].rpartition(":")[2])
    return found[1] if found else None


def told_of(release: CoolifyRelease, meets: Ready, realtime: Realtime | None) -> Iterator[str]:
    """Yield for a person what becomes of each service beside Coolify, by digest."""
    runs = meets.beside.get(REALTIME)
    if moved_in(release.texts[PROD]):
        yield from told_of_moving(release, meets)
    elif realtime is not None:
        yield (
            f"Realtime goes from {realtime.runs.reference} ({realtime.runs.digest}) to {realtime.tag} "
            f"({realtime.image.partition('@')[2]}) before Coolify, and back with it: live updates and terminals of the "
            "dashboard break off for some seconds. No signature of it is looked for."
        )
    elif runs is not None:
        yield f"Realtime stays: {runs.reference} ({runs.digest}) is what {release.version} names."
    stay = [f"{_STAY[name]} {each.reference} ({each.digest})" for name in _STAY if (each := meets.beside.get(name))]
    yield (
        f"Not touched, also not where their names stand for a newer image by now: {', '.join(stay)}. Coolify's own "
        "upgrade would pull those and start both anew."
    )


def change_of(realtime: Realtime | None) -> tuple[Change, ...]:
    """Return what becomes of realtime's container."""
    if realtime is None:
        return ()
    before = f"{realtime.runs.reference} ({realtime.runs.digest})"
    return (Change(name="image of coolify-realtime", before=before, after=realtime.image),)


def pull_steps(host: str, realtime: Realtime | None, least_age_h: int) -> tuple[Step, ...]:
    """Return the step that has realtime's image there before anything stops; none where it stays."""
    if realtime is None:
        return ()
    return (
        Step(
            id=PULL,
            kind="factory.pull_image",
            target=host,
            summary=f"Pull {realtime.image}, which is {realtime.tag}, on {host}; nothing of it is started",
            params={"host": host, "image": realtime.image, "option": False, "least_age_h": least_age_h},
            undo_words="the image stays on the Factory, unused",
        ),
    )


def takes_along(each: Difference, realtime: Realtime | None) -> bool:
    """Return whether a difference is one that the exchange of realtime's container takes along, and takes back."""
    return realtime is not None and each.path[:2] == ("services", REALTIME) and each.path[2:3] in _OF_REALTIME
