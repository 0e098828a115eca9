"""The steps of an exchange of Coolify's image, whichever tool plans it, there and back, and what they change."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.areas.factory.beside import PULL, change_of, pull_steps
from ink_infra_mcp.areas.factory.canary import canary_steps
from ink_infra_mcp.areas.factory.copies import copy_steps
from ink_infra_mcp.areas.factory.exchange import SERVICE, UNISOLATED, Exchange
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.factory.image_gates import looked_for
from ink_infra_mcp.areas.factory.moving_in import change_of_moving
from ink_infra_mcp.core.plan import Change, Step, Undo, placed
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.factory.looking import BASE
from ink_infra_mcp.hosts.factory.relying import sum_of

_READS = "nothing to undo: it only reads"
_LOST = "none from its next deployment on, if the image turns out to drop --runtime"


def exchange_steps(it: Exchange) -> tuple[Step, ...]:
    """Return the steps: nothing in service is touched before the fourth, and whichever fails from there goes back."""
    host = it.host
    steps = (
        *it.first,
        *_before(it),
        _swap(it),
        _prove(it),
        *_canary(it),
        _confirm(it),
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
            "migrations": it.rehearsed("ran"),
            "migrated_s": it.rehearsed("seconds"),
            **it.of_part,
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
    if it.withdraws is not None:
        return ", which takes realtime in, in place of its own container,"
    return ", and realtime's," if it.realtime else ""


def _realtime_id(it: Exchange) -> dict[str, JsonValue]:
    return {"realtime_id": result_of(PULL, "id")} if it.realtime else {}


def _inside(it: Exchange) -> dict[str, JsonValue]:
    return {"inside": True} if it.inside else {}


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
    named |= {"withdraws": True} if it.withdraws is not None else {}
    return named | ({"relying": sum_of(it.ready.relying or ())} if it.unisolated or not it.option else {})


def _back(it: Exchange) -> Undo:
    host, images = it.host, "images" if it.realtime else "image"
    images += ", realtime's own container" if it.withdraws is not None else ""
    return Undo(
        kind="factory.swap_back",
        target=host,
        summary=f"have {host} go back to the {images}, the files and, where migrations ran, the database from before",
        effect="Coolify is as it was at the swap",
        params={"host": host, **it.of_part},
    )


def _changes(it: Exchange) -> Iterator[Change]:
    texts = it.picture.facts.images or {}
    yield from map(_lost, it.unisolated)
    for name, wanted in it.images.items():
        yield Change(name=f"{SERVICE} in {name}", before=texts.get(name) or None, after=_told(it, wanted))
    yield from it.more
    yield from change_of(it.realtime)
    yield from change_of_moving(it.withdraws)
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
    told = "; and that realtime answers inside of it, and no other runs" if it.inside else told
    return Step(
        id="prove",
        kind="factory.prove_image",
        target=host,
        summary="Prove that the new container is that image, healthy, with no migration pending, its queue running and "
        f"auto-update off{told}",
        params={
            "host": host,
            "image_id": result_of("swap", "id"),
            "migrated_s": it.rehearsed("seconds"),
            **it.of_part,
            **_realtime_id(it),
            **_inside(it),
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


def _confirm(it: Exchange) -> Step:
    host = it.host
    return Step(
        id="confirm",
        kind="factory.confirm_image",
        target=host,
        summary=f"Tell {host} to stay with the new image",
        params={"host": host, **it.of_part},
        undo_words="/data/coolify/ink/rollback on the Factory goes back by hand",
        undoes=("swap",),
    )


def _watch(it: Exchange) -> Step:
    host, restarts = it.host, {"realtime_restarts": result_of("prove", "realtime_restarts")} if it.realtime else {}
    return Step(
        id="watch",
        kind="factory.watch_image",
        target=host,
        summary=f"Watch for {it.soak_s // 60} minutes that it stays so: no restart, its queue running, no failed job",
        params={
            "host": host,
            "image_id": result_of("swap", "id"),
            "for_s": it.soak_s,
            "restarts": result_of("prove", "restarts"),
            "failed_jobs": result_of("prove", "failed_jobs"),
            **_realtime_id(it),
            **restarts,
            **_inside(it),
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
