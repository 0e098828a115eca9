"""An upgrade by way of releases in between, as one plan: which they are, and what each finds once its turn has come."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256

from ink_infra_mcp.areas.factory.beside import Realtime
from ink_infra_mcp.areas.factory.exchange import Exchange
from ink_infra_mcp.areas.factory.ground import IMAGE_BYTES
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.factory.release import own_line_in
from ink_infra_mcp.areas.factory.upstream import stops
from ink_infra_mcp.clients.coolify.era import Version, parse_version
from ink_infra_mcp.core.compose.override import without_image
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD, FactoryFacts
from ink_infra_mcp.hosts.factory.siblings import REALTIME, Sibling
from ink_infra_mcp.hosts.factory.swapping import FileSeen, Ready

MOST = 3
"""Releases that one plan puts into service. Each takes the dashboard away for a minute or more and is a page to read;
each is six requests to GitHub, twice, of the sixty an hour that it answers without a token."""
CHECK_S = 120
"""How long a release that another one follows is watched: Coolify's scheduler has run twice by then, once a minute."""


def way_to(seen: Picture, version: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Return the releases to stop at, in their order; none where the way is free."""
    base, wanted = parse_version(seen.facts.base or ""), parse_version(version)
    return () if base is None or wanted is None else stops(base, wanted, tags)


def of_way(seen: Picture, base: Version, version: str, first: tuple[str, ...]) -> Iterator[str]:
    """Yield why the releases to stop at are not gone to in one plan; what is to be done instead is named."""
    told = f"{version} skips a line: go from {base} to {', then '.join(first)} first, each by a call of its own"
    if unlisted := _unlisted(first):
        yield f"{told} (GitHub lists {unlisted} among the newest)"
    elif seen.kind != "official":
        yield (
            f"{told}. They are one plan for the official image alone: a fork is built on each of them, and a stop "
            "with the official image would drop what the fork is there for"
        )
    elif len(first) >= MOST:
        yield (
            f"{version} skips lines, and one plan puts {MOST} releases into service at most, of "
            f"{', '.join((*first, version))}: call with {first[MOST - 1]} first, then with {version}"
        )


def _unlisted(first: tuple[str, ...]) -> str:
    return " and ".join(f"no{each.removeprefix('a')}" for each in first if parse_version(each) is None)


def part_of_version(version: str) -> str:
    """Return what a release is called as a part of a plan, in the ids of its steps."""
    return version.replace(".", "_")


def after(it: Exchange) -> tuple[Picture, Ready]:
    """Return what the next release finds once this one, official and named by its tag, is in service.

    What the swap does not change is as it was seen.
    """
    now, free = it.ready, it.ready.free_bytes
    files = {
        BASE: now.base,
        **now.files,
        **{name: _seen(text) for name, text in it.whole.items()},
        CUSTOM: _without(now),
    }
    left = now.model_copy(
        update={
            "base": files.pop(BASE),
            "files": files,
            "beside": _beside(it),
            "free_bytes": None if free is None else free - IMAGE_BYTES,
        }
    )
    return replace(it.picture, facts=_running(it, own_line_in(files[PROD].text)), told=it.version), left


def _beside(it: Exchange) -> dict[str, Sibling]:
    stay = {name: runs for name, runs in it.ready.beside.items() if runs != it.withdraws}
    return {**stay, **({REALTIME: _sibling(it.realtime)} if it.realtime else {})}


def _running(it: Exchange, line: str) -> FactoryFacts:
    facts = it.picture.facts
    images = {**(facts.images or {}), PROD: line}
    return facts.model_copy(
        update={
            "image": None,
            "named": None,
            "reference": it.tag,
            "digests": (it.image,),
            "base": it.version,
            "images": images | ({CUSTOM: ""} if CUSTOM in images else {}),
            "env": {**(facts.env or {}), **it.env, "AUTOUPDATE": "false"},
            "planned": (*(facts.planned or ()), it.tag),
            "auto_update": facts.auto_update and facts.auto_update.model_copy(update={"on": False}),
        }
    )


def _seen(text: str) -> FileSeen:
    return FileSeen(sha256=sha256(text.encode()).hexdigest(), text=text) if text else FileSeen(sha256="none")


def _without(meets: Ready) -> FileSeen:
    """Return what becomes of the override, which an official image is not named in."""
    text = meets.files[CUSTOM].text if CUSTOM in meets.files else ""
    return _seen(without_image(text, "coolify") if text else "")


def _sibling(realtime: Realtime) -> Sibling:
    """What is proved before the next release begins: healthy, and made from that name."""
    return Sibling(
        image=realtime.image.partition("@")[2],
        state="running",
        health="healthy",
        reference=realtime.tag,
        names=realtime.tag,
        digests=(realtime.image,),
    )


def told_of_way(base: str, stops: tuple[str, ...], version: str) -> Iterator[str]:
    """Yield what a person should know of a plan with stops before a yes; the last of them comes before `version`."""
    way = ", then ".join(stops)
    yield (
        f"The way from {base} to {version} goes by {way}, since no line is skipped. One backup is made before all, one "
        "rehearsal migrates one copy with all of them in their order, and each is swapped, proved and confirmed before "
        "the next one begins: the dashboard is away once for each."
    )
    yield (
        "A release that fails is taken back to the one before it, with its files and its database, and none after it "
        "is begun. Those before it stay: what was confirmed last serves, the outcome names it, and the same call goes "
        "on from there."
    )
    yield (
        f"At the end /data/coolify/ink/rollback goes back to {stops[-1]}, and no further. The backup from before all "
        f"has the data as {base} left them; nothing here puts {base} itself back into service then."
    )
