"""Realtime moves into Coolify's own container, as it does from 4.4 on, and the container that it had is withdrawn.

What is known of it, and from where: docs/decisions.md, "Realtime moves into Coolify's own container".
"""

from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.areas.factory.release import CoolifyRelease
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.compose.difference import Difference
from ink_infra_mcp.core.compose.reading import read_compose, read_override
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Change
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD
from ink_infra_mcp.hosts.factory.siblings import REALTIME, Sibling
from ink_infra_mcp.hosts.factory.swapping import Ready

_MOVES_AT = (4, 4)
"""The line from which on Coolify's own image is made so (docker/production of coollabsio/coolify)."""
_COOLIFY = ("services", "coolify")
_LISTS: dict[str, frozenset[JsonValue]] = {
    "ports": frozenset({"${REVERB_PORT:-${SOKETI_PORT:-6001}}:6001", "6002:6002"}),
    "expose": frozenset({"6001", "6002"}),
    "environment": frozenset({"PUSHER_BACKEND_PORT=${PUSHER_BACKEND_PORT:-6001}"}),
}
"""What Coolify's own service gets more, as its files have it from 4.4 on; another line is a person's to look at."""
_NETWORKS: JsonValue = {"coolify": {"aliases": ["coolify-realtime"]}}
"""So that whoever asks for the container from before, as a tunnel may, gets an answer from the new one."""
_ELSEWHERE = (
    "BROADCAST_CONNECTION",
    "BROADCAST_DRIVER",
    "PUSHER_BACKEND_HOST",
    "PUSHER_BACKEND_PORT",
    "PUSHER_BACKEND_SCHEME",
    "REVERB_PORT",
)
"""What in .env decides where Coolify looks for realtime, and which port it takes; none is of Coolify's installer."""


def moved_in(prod: str) -> bool:
    """Return whether Coolify's own file has no realtime beside it, or one that is never started: from 4.4 on."""
    try:
        services = table(read_compose(prod).get("services"))
    except InputError:
        return False
    return REALTIME not in services or bool(table(services[REALTIME]).get("profiles"))


def withdrawn(release: CoolifyRelease, meets: Ready) -> Sibling | None:
    """Return the container of realtime that goes out of service; None: the release keeps it, or it has gone before."""
    moves = moved_in(release.texts[PROD]) and not moved_in(meets.files[PROD].text)
    return meets.beside.get(REALTIME) if moves else None


def files_of(release: CoolifyRelease, meets: Ready) -> dict[str, str]:
    """Return which of the release's files are put in place, where they differ by a letter.

    The file below Coolify's own goes along where realtime is inside: the one from before waits for a service that is
    never started, and Compose takes no such file.
    """
    now = {PROD: meets.files[PROD].text, **({BASE: meets.base.text} if moved_in(release.texts[PROD]) else {})}
    return {name: release.texts[name] for name, text in now.items() if text != release.texts[name]}


def of_moving(release: CoolifyRelease, meets: Ready) -> Iterator[str]:
    """Yield what is in the way of realtime's move; nothing where it has moved before."""
    if moved_in(meets.files[PROD].text):
        return
    runs = meets.beside.get(REALTIME)
    if runs is None:
        yield f"realtime runs as what is not known, and {release.version} has it inside of Coolify's own container"
    elif runs.state != "running":
        yield f"realtime is {runs.state}, and must run: it is what is gone back to"
    yield from _of_override(release, meets)
    if set_ := sorted({*_ELSEWHERE} & {*meets.env_names}):
        yield (
            f".env sets {', '.join(set_)}: what becomes of that where realtime is inside of Coolify is not known here; "
            "without them Coolify finds it by itself, before and after"
        )


def _of_override(release: CoolifyRelease, meets: Ready) -> Iterator[str]:
    """Compose would take it, and start nothing of it: whatever it was written for would be lost without a word."""
    override = _override(meets)
    if override is None:
        yield f"{CUSTOM} cannot be read, and may speak of {REALTIME}, which {release.version} does not start"
    elif REALTIME in override:
        yield (
            f"{CUSTOM} speaks of {REALTIME}, which {release.version} does not start: take that out, and write what it "
            "is for, such as a port, into the service coolify"
        )


def _override(meets: Ready) -> dict[str, JsonValue] | None:
    text = meets.files[CUSTOM].text if CUSTOM in meets.files else ""
    try:
        return dict(table(read_override(text).get("services"))) if text.strip() else {}
    except InputError:
        return None


def of_line(version: str, prod: str) -> Iterator[str]:
    """Yield why an image of that version does not go with Coolify's own file that stays there."""
    wanted = parse_version(version)
    if wanted is not None and (wanted.major, wanted.minor) >= _MOVES_AT and not moved_in(prod):
        yield (
            f"{version} has realtime inside of Coolify's own container, and {PROD} here has it beside: the move is "
            "made by upgrade_coolify, which brings the files too"
        )


def comes_along(each: Difference, release: CoolifyRelease) -> bool:
    """Return whether a difference is realtime's move and nothing else; the way back takes all of it back."""
    return moved_in(release.texts[PROD]) and (each.path[:2] == ("services", REALTIME) or _of_coolify(each))


def _of_coolify(each: Difference) -> bool:
    if each.path[:2] != _COOLIFY or len(each.path) < 3:
        return False
    if each.path[2] == "depends_on":
        return _waits_no_more(each)
    if each.path[2:] == ("networks",):
        return each.before is None and each.after == _NETWORKS
    wanted = _LISTS.get(each.path[-1]) if len(each.path) == 3 else None
    return wanted is not None and each.before in (None, []) and _all_of(each.after, wanted)


def _waits_no_more(each: Difference) -> bool:
    if len(each.path) == 3:
        return (each.before, each.after) == ([REALTIME], [])
    return each.path[3:] == (REALTIME,) and each.after is None


def _all_of(value: JsonValue, wanted: frozenset[JsonValue]) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) and line in wanted for line in value)


def told_of_moving(release: CoolifyRelease, meets: Ready) -> Iterator[str]:
    """Yield for a person what becomes of realtime, and what an override decides."""
    if (runs := withdrawn(release, meets)) is None:
        yield f"Realtime is inside of Coolify's own container, and goes with it to {release.version}."
    else:
        yield (
            f"Realtime moves into Coolify's own container, which takes its ports: the container coolify-realtime, "
            f"{runs.reference} ({runs.digest}), is stopped just before, never starts by itself again, and is kept: the "
            "way back starts that same one. The next exchange of Coolify's image that is confirmed removes it. Live "
            "updates and terminals are away as long as the dashboard."
        )
    if "ports" in table((_override(meets) or {}).get("coolify")):
        yield (
            f"{CUSTOM} sets ports of the service coolify: whether realtime's 6001 and 6002 are reached from outside is "
            "decided there. Behind Coolify's proxy nobody needs them."
        )


def change_of_moving(runs: Sibling | None) -> tuple[Change, ...]:
    """Return what becomes of the container that realtime had."""
    if runs is None:
        return ()
    before = f"running, {runs.reference} ({runs.digest})"
    return (Change(name="container coolify-realtime", before=before, after="stopped, and kept for the way back"),)
