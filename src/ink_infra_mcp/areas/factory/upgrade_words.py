"""What a person should know of an upgrade of Coolify before a yes, of all of it and of each release on its way."""

from collections.abc import Iterator

from ink_infra_mcp.areas.factory.beside import told_of
from ink_infra_mcp.areas.factory.copies import left_here
from ink_infra_mcp.areas.factory.exchange import relying
from ink_infra_mcp.areas.factory.release import CONSTANTS, UPGRADE, CoolifyRelease
from ink_infra_mcp.areas.factory.stops import told_of_way
from ink_infra_mcp.areas.factory.upgrade import UpgradeFacts
from ink_infra_mcp.areas.factory.upgrade_build import warnings_of as warnings_of_build
from ink_infra_mcp.areas.factory.upstream import UPSTREAM, between
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.hosts.factory.swapping import IMAGES_MOUNT


def warnings_of(facts: UpgradeFacts) -> tuple[str, ...]:
    """Return what a person should know before a yes."""
    return (
        *_of_way(facts),
        *(words for each in (*facts.stops, facts) for words in _of_one(each)),
        _of_option(facts),
        "While it is swapped, dashboard and API do not answer: about a minute, and as long as a dump and its "
        "migrations take; a deployment that begins then fails.",
        "Where migrations ran, going back restores the database from the moment of the swap: what is made in Coolify "
        "until the image is confirmed would be lost.",
        *left_here(facts.picture.place),
        *warnings_of_build(facts.build),
    )


def _of_way(facts: UpgradeFacts) -> Iterator[str]:
    if facts.stops:
        way = tuple(each.release.version for each in facts.stops)
        yield from told_of_way(facts.stops[0].picture.facts.base or "?", way, facts.release.version)
    if facts.of_realtime_alone:
        yield (
            f"{facts.release.version} runs already, and only realtime is not what it names: Coolify's own container "
            "stays, unless what its file says of it changes, and is proved all the same."
        )


def _of_one(facts: UpgradeFacts) -> Iterator[str]:
    """Yield what is of one release only."""
    release = facts.release
    files = ", ".join(f"{name} {sha256}" for name, sha256 in release.sums.items())
    yield f"Its files are those of {UPSTREAM} at v{release.version}, commit {release.commit}; SHA-256: {files}."
    yield from told_of(release, facts.ready, facts.realtime)
    yield from _of_helper(facts)
    yield from _of_steps(facts)
    yield from _of_folder(facts)
    yield from _of_script(release)


def _of_steps(facts: UpgradeFacts) -> Iterator[str]:
    """Migrations of several releases run at once; whether they can is what the rehearsal finds out."""
    base, wanted = parse_version(facts.picture.facts.base or ""), parse_version(facts.release.version)
    if base is not None and wanted is not None and (skipped := between(base, wanted, facts.release.listed)):
        yield (
            f"Between {base} and {wanted} lie {', '.join(skipped)}: the rehearsal runs the migrations of all of them "
            "at once, on a copy. Where it fails, nothing was touched: go to one of those first."
        )


def _of_helper(facts: UpgradeFacts) -> Iterator[str]:
    """Coolify takes the version of its own config/constants.php, and of .env only the name (shared.php, 4.3.11)."""
    release = facts.release
    if release.helper == "?":
        yield f"Which helper builds use is not known: {CONSTANTS} of {release.version} does not say it."
        return
    yield (
        f"Builds use the helper {release.helper}, the tag's own: {CONSTANTS} of the pulled image, where Coolify reads "
        "it, is looked at before anything stops. Coolify pulls the helper by itself."
    )
    if "HELPER_IMAGE" in facts.ready.env_names:
        yield f".env sets HELPER_IMAGE: builds use that image, with the tag {release.helper}."


def _of_folder(facts: UpgradeFacts) -> Iterator[str]:
    if any(IMAGES_MOUNT in text for text in facts.whole.values()):
        yield (
            f"{IMAGES_MOUNT.partition(':')[0]} is made, and all below it given to uid 9999 with mode 700, as Coolify's "
            "own upgrade does; that stays after going back."
        )


def _of_script(release: CoolifyRelease) -> Iterator[str]:
    if not release.upgrades_as_known:
        yield (
            f"Its own {UPGRADE} is none that this tool was made after: what it does beside image, compose file and "
            ".env is not done here. Read it at that tag before a yes."
        )


def _of_option(facts: UpgradeFacts) -> str:
    known = relying(facts.picture, facts.ready)
    told = "which apps rely on --runtime is not known" if known is None else f"{len(known)} apps rely on --runtime"
    if not facts.option:
        return f"The image need not accept --runtime: {told}."
    return f"{told[0].upper()}{told[1:]}: once pulled, the image is searched for it, and without it all ends untouched."
