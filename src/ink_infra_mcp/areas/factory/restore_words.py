"""What a person should know before a yes to a restore: what is lost, what comes back, and what stays to be done."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ink_infra_mcp.areas.factory.restore import RestoreFacts
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.weighing import Thing, Weighed

_NAMES = 20
_WORDS = {
    "applications": "applications",
    "services": "services",
    "servers": "servers",
    "projects": "projects",
    "private_keys": "keys",
    "personal_access_tokens": "API tokens",
    "users": "users",
    "standalone_dockers": "destinations",
    "swarm_dockers": "destinations",
}
"""Every other one whose name begins so has databases that Coolify runs; the rest is told by its table's name."""


def warnings_of(facts: RestoreFacts) -> tuple[str, ...]:
    """Return the warnings, what is lost first."""
    return (*_always(facts), *_of_image(facts), *_of_key(facts), *_of_machine(facts))


def _always(facts: RestoreFacts) -> Iterator[str]:
    seen = facts.weighed
    yield _origin(facts)
    if facts.again:
        yield "It is the backup that was restored last: it is restored once more, and what was changed since then goes."
    lost = _listed(seen, seen.lost) or "nothing that has a name or a uuid"
    yield f"Lost, since it was made after the backup: {lost}."
    if back := _listed(seen, seen.back):
        yield f"Comes back, though it was deleted since then: {back}. Coolify looks after it again."
    yield (
        "Lost without a name: every change since then of settings, variables, domains and users, and the records of "
        f"{'an unknown number of' if seen.since is None else seen.since} deployments, of tasks and of backups. "
        "What was lost runs on, and Coolify no longer knows of it."
    )
    yield from _of_tokens(facts)
    yield (
        "Dashboard and API do not answer for about a minute; a deployment that begins then fails, and what waits in "
        "Coolify's queue is dropped."
    )
    yield from _of_left(seen)
    yield "The backup holds Coolify's own data: no app's volumes, and none of the files of its proxy."


def _of_tokens(facts: RestoreFacts) -> Iterator[str]:
    if tokens := facts.weighed.lost("personal_access_tokens"):
        then = (
            "a person has to make one and store it: no step of this plan asks the API"
            if facts.validated is None
            else "the proof fails and the Factory goes back"
        )
        yield f"{len(tokens)} API tokens are newer than the backup and end with it; if ours is one, {then}."


def _of_left(seen: Weighed) -> Iterator[str]:
    if seen.left != 0:
        some = "there is one" if seen.left else "nobody could tell whether there is one"
        yield (
            f"The database ink_left of an earlier restore or way back goes for good ({some}): the one of now takes its "
            "place."
        )


def _origin(facts: RestoreFacts) -> str:
    seen = facts.weighed
    made = datetime.fromtimestamp(seen.made, UTC).strftime("%Y-%m-%d %H:%M UTC")
    age = {0: "less than a day", 1: "a day"}.get(facts.days, f"{facts.days} days")
    return (
        f"The backup {clean_name(seen.name)} was made {made}, {age} ago, by Coolify {seen.version} ({seen.image}); now "
        f"{facts.coolify.base} runs ({facts.coolify.reference}). Every one of its sums holds."
    )


def _of_image(facts: RestoreFacts) -> Iterator[str]:
    if facts.isolates:
        yield from _of_another(facts)
    else:
        drops = "drops --runtime" if facts.option is False else "may drop --runtime: nobody could tell"
        yield (
            f"The image that runs {drops}. Apps that rely on it lose gVisor with their next deployment: call "
            "rotate_fork_image before anything is deployed."
        )


def _of_another(facts: RestoreFacts) -> Iterator[str]:
    if facts.weighed.image_id not in ("", facts.coolify.image):
        yield "Another image runs than made the backup; what its migrations do to it is tried on the copy first."


def _of_key(facts: RestoreFacts) -> Iterator[str]:
    if facts.weighed.key == "other":
        yield (
            "The backup was encrypted with another APP_KEY. It is added to APP_PREVIOUS_KEYS of .env, where it has to "
            "stay. Coolify may call apps changed, as it hashes their settings under APP_KEY."
        )
    if facts.weighed.key == "earlier":
        yield "Earlier keys of the backup that .env lacks are added to its APP_PREVIOUS_KEYS, where they have to stay."


def _of_machine(facts: RestoreFacts) -> Iterator[str]:
    if not facts.other_machine:
        return
    yield (
        f"fleet.toml has to name the new machine already ({facts.address}, and its host key), and the old Factory must "
        "stay off: two of them would deploy to the same servers."
    )
    yield "Muscles that let in only the old Factory's address need the new one: apply_firewall after this."
    name = urlsplit(facts.weighed.panel).hostname
    yield (
        f"{clean_name(name)}, the dashboard's name, still leads to the old machine: setup_factory with the part dns "
        f"points it to {facts.address} where its zone is ours, else a person."
        if name
        else "The dashboard has no name: Sentinel on each server reports to the old address until a person changes it."
    )
    if facts.weighed.unset:
        yield f"The old .env sets what this one does not, and it stays so: {', '.join(facts.weighed.unset[:_NAMES])}."
    yield "Coolify's own server lets the key from the backup in, beside those that it lets in already."


def _listed(seen: Weighed, which: Callable[[str], Iterable[Thing]]) -> str:
    """Return the names by what they are of."""
    found: dict[str, list[Thing]] = {}
    for table in seen.tables:
        if things := [*which(table)]:
            found.setdefault(_kind(table), []).extend(things)
    return "; ".join(f"{kind}: {_names(things)}" for kind, things in sorted(found.items()))


def _kind(table: str) -> str:
    return _WORDS.get(table) or ("databases" if table.startswith("standalone_") else table.replace("_", " "))


def _names(things: list[Thing]) -> str:
    names = [clean_name(thing.name or thing.uuid, limit=60) for thing in things]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"
