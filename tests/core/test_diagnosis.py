"""Why an app is down, from facts alone: each cause where it explains what was seen, and never `up` on half of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.diagnosis import diagnosed
from ink_infra_mcp.core.diagnosis_facts import (
    Answer,
    Box,
    CoolifySaid,
    Finding,
    Machine,
    NotAsked,
    Page,
    Rollout,
    Seen,
    Unread,
)

URL = "https://shop.example.com"
WHY = Unread("nobody tells", "ask again")
PAGE = Page(URL, "here", Answer(200), "", "shop.example.com is 192.0.2.11")
UP = Seen(
    name="shop",
    muscle="m1",
    coolify=CoolifySaid("running:healthy", runs=True, port="3000", memory="512m"),
    rollout=Rollout("d1", "finished", "2030-01-31T12:00:00Z"),
    boxes=(Box("shop-1", health="healthy"),),
    machine=Machine("m1", memory=(8 * 2**30, 16 * 2**30)),
    pages=(PAGE,),
    shut=NotAsked("it is answered"),
)
EXITED = CoolifySaid("exited:unhealthy", runs=False)
NONE = replace(UP, boxes=(), missing="the app", coolify=EXITED, pages=(replace(PAGE, answer=Answer(503)),))


def trouble(code: str) -> Machine:
    """Return the server with one trouble."""
    return Machine("m1", (Finding(code=code, what="w", evidence="e", mend="m"),), memory=(8 * 2**30, 16 * 2**30))


def box(state: str = "running", **more: Any) -> Seen:
    """Return the app with its one container otherwise."""
    one = replace(Box("shop-1", state), **more)
    return replace(UP, boxes=(one,), missing="" if one.runs else "the app")


def page(seen: Seen = UP, **more: Any) -> Seen:
    """Return what was seen, with its one URL otherwise."""
    return replace(seen, pages=(replace(PAGE, **more),))


def rollout(status: str, **more: Any) -> Rollout:
    """Return a last deployment."""
    return replace(Rollout("d1", status), **more)


CAUSES: dict[str, Seen] = {
    "never_deployed": replace(NONE, rollout=None),
    "server_unreachable": page(replace(UP, machine=WHY, boxes=WHY), answer=Answer(error="refused"), certificate=WHY),
    "docker_down": page(replace(UP, machine=Machine("m1", unread={"Docker": WHY}), boxes=WHY), answer=Answer(503)),
    "disk_full": replace(box("exited", exit_code=1), machine=trouble("disk_full")),
    "read_only": replace(box("exited", exit_code=1), machine=trouble("read_only")),
    "no_runtime": replace(box("created"), machine=trouble("no_runtime")),
    "memory_exhausted": replace(box("exited", exit_code=137), machine=Machine("m1", memory=(2**20, 2**30))),
    "deploying": replace(NONE, rollout=rollout("in_progress", active=True)),
    "out_of_memory": box("exited", exit_code=137, out_of_memory=True),
    "crash_loop": box("restarting", exit_code=1, restarts=9),
    "crashed_for_good": replace(NONE, coolify=replace(EXITED, crashes=10)),
    "exited": box("exited", exit_code=127),
    "not_running": box("paused"),
    "image_not_pulled": replace(NONE, rollout=rollout("failed", of_image=True)),
    "build_failed": replace(NONE, rollout=rollout("failed")),
    "compose_refused": replace(NONE, rollout=NotAsked("none"), refused="a ulimit has no hard limit"),
    "container_gone": replace(NONE, coolify=UP.coolify),
    "stopped": NONE,
    "unhealthy": box(health="unhealthy"),
    "starting": box(health="starting"),
    "part_missing": replace(UP, missing="its service db"),
    "proxy": replace(page(answer=Answer(error="refused")), machine=trouble("proxy")),
    "no_router": page(answer=Answer(404, unrouted=True)),
    "no_healthy_container": page(answer=Answer(503, "no available server")),
    "port": page(answer=Answer(502, "Bad Gateway")),
    "app_error": page(answer=Answer(502, "<h1>Bad Gateway of the app</h1>")),
    "firewall": replace(page(answer=Answer(error="timeout")), shut=("443/tcp is closed by provider",)),
    "not_delegated": page(leads="nowhere", delegation="the parent zone names nobody"),
    "name_unresolved": page(leads="nowhere"),
    "name_elsewhere": page(leads="elsewhere"),
    "certificate": page(certificate="certificate has expired"),
    "no_answer": page(answer=Answer(error="timeout")),
}


@pytest.mark.parametrize("code", CAUSES)
def test_each_cause_is_the_first_where_it_explains_what_was_seen(code: str) -> None:
    """It says what, what was seen of it, and what to call; the app is down then."""
    found = diagnosed(CAUSES[code])
    assert (found.verdict, found.causes[0].code) == ("down", code)
    assert all(found.causes[0].model_dump().values())


def test_an_app_is_up_where_all_was_read_and_is_as_it_should_be() -> None:
    """What nobody looked at is told all the same; one without a URL is up by its containers."""
    found = diagnosed(UP)
    assert (found.verdict, found.causes, found.beside, found.unknown) == ("up", (), (), {})
    assert found.skipped == ("firewalls of its server: it is answered",)
    assert diagnosed(replace(UP, pages=())).verdict == "up"


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("build_failed", replace(UP, rollout=rollout("failed"))),
        ("deploying", replace(UP, rollout=rollout("queued", active=True))),
        ("disk_full", replace(UP, machine=trouble("disk_full"))),
        ("proxy", replace(UP, machine=trouble("proxy"))),
        ("not_isolated", replace(UP, machine=trouble("not_isolated"))),
        ("not_isolated", replace(page(answer=Answer(500)), machine=trouble("not_isolated"))),
        ("coolify_is_wrong", replace(UP, coolify=EXITED)),
        ("restarted", box(restarts=2)),
        ("crash_loop", box(restarts=2, fresh=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_users_do_not_feel_is_no_cause(code: str, seen: Seen) -> None:
    """It stands beside, also where something else is down."""
    found = diagnosed(seen)
    assert code in {finding.code for finding in found.beside}
    assert code not in {finding.code for finding in found.causes}


def test_a_container_that_may_end_well_is_not_down() -> None:
    """One that ended badly is, whatever it was promised."""
    once = replace(UP, boxes=(Box("web"), Box("migrate", "exited", may_end=True)))
    failed = replace(UP, boxes=(Box("web"), Box("migrate", "exited", exit_code=1, may_end=True)))
    assert (diagnosed(once).verdict, diagnosed(failed).verdict) == ("up", "down")


def test_a_server_that_lets_nobody_in_is_no_cause_where_its_pages_are_served() -> None:
    """SSH is one way and the web another; with nobody to ask about the containers it is not called up either."""
    found = diagnosed(replace(UP, machine=WHY, boxes=WHY))
    assert (found.verdict, found.causes, found.beside[0].code) == ("unknown", (), "server_unreachable")
    assert set(found.unknown) == {"the server m1", "its containers"}


PARTS = ("coolify", "rollout", "boxes", "machine", "shut")
PAGE_PARTS = ("leads", "answer", "certificate")


@pytest.mark.parametrize("part", [*PARTS, *PAGE_PARTS])
def test_one_fact_that_could_not_be_read_keeps_an_app_from_being_up(part: str) -> None:
    """However well all the others are; the fact is named with its reason."""
    changed: dict[str, Any] = {part: WHY}
    seen = replace(UP, **changed) if part in PARTS else page(**changed)
    found = diagnosed(seen)
    assert (found.verdict, list(found.unknown.values())) == ("unknown", ["nobody tells"])


WORDS = st.sampled_from(["", "x"])
UNREAD = st.just(WHY)
ANSWERS = st.builds(
    Answer,
    status=st.sampled_from([None, 200, 302, 404, 500, 502, 503]),
    start=st.sampled_from(["", "Bad Gateway", "no available server"]),
    unrouted=st.booleans(),
)
PAGES = st.builds(
    Page,
    url=st.just(URL),
    leads=st.sampled_from(["here", "here", "elsewhere", "nowhere"]) | UNREAD,
    answer=ANSWERS | UNREAD,
    certificate=st.sampled_from(["", "expired"]) | UNREAD | st.just(NotAsked("plain")),
    seen=st.just("seen"),
    delegation=WORDS,
)
BOXES = st.builds(
    Box,
    name=st.just("shop-1"),
    state=st.sampled_from(["running", "running", "exited", "restarting", "created", "paused", "dead"]),
    health=st.sampled_from(["", "healthy", "unhealthy", "starting"]),
    exit_code=st.sampled_from([0, 1, 137]),
    out_of_memory=st.booleans(),
    restarts=st.sampled_from([0, 3]),
    fresh=st.booleans(),
    may_end=st.booleans(),
)
MACHINES = st.builds(
    Machine,
    name=st.just("m1"),
    troubles=st.lists(
        st.sampled_from([each for code in ("disk_full", "proxy", "no_runtime") for each in trouble(code).troubles])
    ).map(tuple),
    memory=st.sampled_from([None, (2**20, 2**30), (2**29, 2**30)]),
    unread=st.sampled_from([{}, {"Docker": WHY}, {"disks": WHY}]),
)
ROLLOUTS = st.builds(Rollout, st.just("d1"), st.sampled_from(["finished", "failed", "queued"]), active=st.booleans())
EVERY = st.builds(
    Seen,
    name=st.just("shop"),
    muscle=st.just("m1"),
    coolify=st.builds(CoolifySaid, st.just("?"), st.booleans(), st.sampled_from([0, 10])) | UNREAD,
    rollout=ROLLOUTS | UNREAD | st.none() | st.just(NotAsked("none")),
    boxes=st.lists(BOXES, max_size=2).map(tuple) | UNREAD,
    machine=MACHINES | UNREAD,
    pages=st.lists(PAGES, max_size=2).map(tuple),
    missing=WORDS,
    refused=WORDS,
    shut=st.sampled_from([(), ("443/tcp is closed",)]) | UNREAD | st.just(NotAsked("answered")),
)


WELL = {("here", ""), ("here", NotAsked("plain"))}


@given(EVERY)
def test_whatever_is_seen_nothing_unknown_is_up_and_nothing_wrong_is_without_a_cause(seen: Seen) -> None:
    """Up: all is known and well. Down: with causes, each with its three parts. What was seen to be wrong is down."""
    found = diagnosed(seen)
    wrong = [page for page in seen.pages if page.bad] or [each for each in seen.known if not each.well] or seen.none
    assert (found.verdict == "down") == bool(found.causes)
    assert not (found.verdict == "up" and (found.unknown or wrong))
    assert found.verdict != "up" or {(page.leads, page.certificate or "") for page in seen.pages} <= WELL
    assert not wrong or found.causes
    findings = (*found.causes, *found.beside)
    assert [each for each in findings if not all(each.model_dump().values())] == []


@given(EVERY)
def test_the_same_facts_have_the_same_answer(seen: Seen) -> None:
    """No clock, no chance, no order of a set is in it."""
    assert diagnosed(seen) == diagnosed(replace(seen))
