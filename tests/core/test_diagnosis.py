"""Why an app is down, from facts alone: each cause where it explains what was seen, and never `up` on half of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.diagnosis import diagnosed
from ink_infra_mcp.core.diagnosis_facts import Box, CoolifySaid, Finding, Machine, Rollout, Seen
from ink_infra_mcp.core.diagnosis_pages import Answer, NotAsked, Page, Unread

URL = "https://shop.example.com"
WHY = Unread("nobody tells", "ask again")
PAGE = Page(URL, "here", Answer(200), "", "shop.example.com is 192.0.2.11")
ROUTES = frozenset({"shop.example.com/"})
BOX = Box("shop-1", health="healthy", routes=ROUTES)
UP = Seen(
    name="shop",
    muscle="m1",
    coolify=CoolifySaid("running:healthy", runs=True, port="3000", memory="512m"),
    rollout=Rollout("d1", "finished", "2030-01-31T12:00:00Z"),
    boxes=(BOX,),
    machine=Machine("m1", memory=(8 * 2**30, 16 * 2**30)),
    pages=(PAGE,),
    shut=NotAsked("it is answered"),
    wildcard="s1.example.com",
)
EXITED = CoolifySaid("exited:unhealthy", runs=False)
NONE = replace(UP, boxes=(), missing="the app", coolify=EXITED, pages=(replace(PAGE, answer=Answer(503)),))


def trouble(code: str) -> Machine:
    """Return the server with one trouble."""
    return Machine("m1", (Finding(code=code, what="w", evidence="e", mend="m"),), memory=(8 * 2**30, 16 * 2**30))


def box(state: str = "running", **more: Any) -> Seen:
    """Return the app with its one container otherwise."""
    one = replace(BOX, **{"state": state, "health": "", **more})
    return replace(UP, boxes=(one,), missing="" if one.runs else "the app")


def page(seen: Seen = UP, **more: Any) -> Seen:
    """Return what was seen, with its one URL otherwise."""
    return replace(seen, pages=(replace(PAGE, **more),))


def rollout(status: str, **more: Any) -> Rollout:
    """Return a last deployment."""
    return replace(Rollout("d1", status), **more)


AT = "10.0.1.5:3000"
APART = "it is in shop, the proxy in coolify"
DEAF: dict[str, Any] = {"inside": Answer(error="curl: (7) Failed to connect"), "inside_at": AT, "deaf": True}
MUTE: dict[str, Any] = {"inside": Answer(error="curl: (52) Empty reply from server"), "inside_at": AT}
SERVES: dict[str, Any] = {"inside": Answer(200), "inside_at": AT}
IN_NONE = SERVES | {"apart": APART}

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
    "crash_loop of one that runs in between": box(restarts=2, fresh=True),
    "crashed_for_good": replace(NONE, coolify=replace(EXITED, crashes=10)),
    "exited": box("exited", exit_code=127),
    "not_running": box("paused"),
    "image_not_pulled": replace(NONE, rollout=rollout("failed", of_image=True)),
    "build_failed": replace(NONE, rollout=rollout("failed")),
    "compose_refused": replace(NONE, rollout=NotAsked("none"), refused="a ulimit has no hard limit"),
    "no_compose": replace(NONE, rollout=NotAsked("none"), no_compose=True),
    "container_gone": replace(NONE, coolify=UP.coolify),
    "stopped": NONE,
    "stopped while a deployment lasts": replace(NONE, rollout=rollout("queued", active=True, lasting=True)),
    "unhealthy": box(health="unhealthy"),
    "starting": box(health="starting"),
    "part_missing": replace(UP, missing="its service db"),
    "proxy": replace(page(answer=Answer(error="refused")), machine=trouble("proxy")),
    "no_router": page(replace(UP, boxes=(Box("shop-1"),)), answer=Answer(404, unrouted=True)),
    "no_healthy_container": page(answer=Answer(503, "no available server")),
    "port": page(answer=Answer(502, "Bad Gateway")),
    "gateway_timeout": page(answer=Answer(504, "Gateway Timeout")),
    "port that another one is": page(answer=Answer(502, "Bad Gateway"), **DEAF, listens=8080),
    "port that listens to itself alone": page(answer=Answer(502, "Bad Gateway"), **DEAF),
    "port that hangs up": page(answer=Answer(502, "Bad Gateway"), **MUTE),
    "port behind a visit without an answer": page(answer=Answer(error="timeout"), certificate=WHY, **DEAF),
    "gateway_timeout of one that hangs": page(answer=Answer(error="timeout"), certificate=WHY, **MUTE),
    "unreached in no network of the proxy": page(
        answer=Answer(error="timeout"), certificate=WHY, **SERVES, apart=APART
    ),
    "unreached by a firewall": page(answer=Answer(504, "Gateway Timeout"), **SERVES),
    "unreached behind TLS": page(answer=Answer(error="timeout"), **SERVES),
    "no_answer before the proxy": page(answer=Answer(error="timeout"), certificate=WHY, **SERVES),
    "app_error": page(answer=Answer(502, "<h1>Bad Gateway of the app</h1>")),
    "firewall": replace(page(answer=Answer(error="timeout")), shut=("443/tcp is closed by provider",)),
    "not_delegated": page(leads="nowhere", delegation="the parent zone names nobody"),
    "name_unresolved": page(leads="nowhere"),
    "name_elsewhere": page(leads="elsewhere", answer=Answer(error="timeout")),
    "certificate": page(certificate="certificate has expired"),
    "no_answer": page(answer=Answer(error="timeout")),
}


@pytest.mark.parametrize("code", CAUSES)
def test_each_cause_is_the_first_where_it_explains_what_was_seen(code: str) -> None:
    """It says what, what was seen of it, and what to call; the app is down then."""
    found = diagnosed(CAUSES[code])
    assert (found.verdict, found.causes[0].code) == ("down", code.split()[0])
    assert all(found.causes[0].model_dump().values())


SAID_OF_A_DOOR = {
    "port that another one is": ("it listens on port 8080, and the proxy asks port 3000", "port=8080"),
    "port that listens to itself alone": ("only on 127.0.0.1 in its container", "HOST=0.0.0.0"),
    "gateway_timeout of one that hangs": ("it hangs", "get_app_logs app=shop"),
    "unreached in no network of the proxy": (APART, "restart the proxy of m1 in Coolify"),
    "unreached by a firewall": ("a firewall, or the proxy has an old address", "check_firewall server=m1"),
    "no_answer before the proxy": ("serves nobody", "check_firewall server=m1"),
}


@pytest.mark.parametrize("trouble", SAID_OF_A_DOOR)
def test_what_a_container_says_itself_decides_between_causes_that_look_alike(trouble: str) -> None:
    """From outside all of them are one error of the proxy, or silence; each has its own words, evidence and mending."""
    cause = diagnosed(CAUSES[trouble]).causes[0]
    what, mend = SAID_OF_A_DOOR[trouble]
    assert (what in cause.what, mend in cause.mend) == (True, True), cause
    assert "; its container itself: " in cause.evidence
    assert AT in cause.evidence


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
        ("name_elsewhere", page(leads="elsewhere")),
        ("not_isolated", replace(UP, machine=trouble("not_isolated"))),
        ("not_isolated", replace(page(answer=Answer(500)), machine=trouble("not_isolated"))),
        ("coolify_is_wrong", replace(UP, coolify=EXITED)),
        ("restarted", box(restarts=2)),
        ("restarted", box(restarts=1, fresh=True)),
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
    once = replace(UP, boxes=(BOX, Box("migrate", "exited", may_end=True)))
    failed = replace(UP, boxes=(BOX, Box("migrate", "exited", exit_code=1, may_end=True)))
    assert (diagnosed(once).verdict, diagnosed(failed).verdict) == ("up", "down")


def test_a_server_that_lets_nobody_in_is_no_cause_where_its_pages_are_served() -> None:
    """SSH is one way and the web another; with nobody to ask about the containers it is not called up either."""
    found = diagnosed(replace(UP, machine=WHY, boxes=WHY))
    assert (found.verdict, found.causes, found.beside[0].code) == ("unknown", (), "server_unreachable")
    assert set(found.unknown) == {"the server m1", "its containers", f"{URL}: who answered"}


PARTS = ("coolify", "rollout", "boxes", "machine", "shut")
PAGE_PARTS = ("leads", "answer", "certificate")


@pytest.mark.parametrize("part", [*PARTS, *PAGE_PARTS])
def test_one_fact_that_could_not_be_read_keeps_an_app_from_being_up(part: str) -> None:
    """However well all the others are; the fact is named with its reason."""
    changed: dict[str, Any] = {part: WHY}
    seen = replace(UP, **changed) if part in PARTS else page(**changed)
    found = diagnosed(seen)
    assert (found.verdict, set(found.unknown.values())) == ("unknown", {"nobody tells"})


DOUBTS: dict[str, Seen] = {
    "answer": page(answer=Answer(302)),
    "answer behind a redirect": page(answer=Answer(401, via=302)),
    "answer of a login": page(answer=Answer(401)),
    "answer of a refusal": page(answer=Answer(403)),
    "answer of a proxy": page(answer=Answer(407)),
    "answer of a limit": page(answer=Answer(429)),
    "answer to a name that it does not know": page(answer=Answer(400)),
    "answer in words of Go, with a router": page(answer=Answer(404, unrouted=True)),
    "who answered without the proxy": replace(UP, machine=trouble("proxy")),
    "who answered without a router": replace(UP, boxes=(Box("shop-1"),)),
    "who answered for another name": replace(UP, boxes=(replace(BOX, routes=frozenset({"shop.example.com.au/"})),)),
    "who answered beside the path": replace(UP, boxes=(replace(BOX, routes=frozenset({"shop.example.com/api"})),)),
    "who answered, if the routed one has ended": replace(
        UP, boxes=(Box("web"), replace(BOX, state="exited", may_end=True))
    ),
    "who answered beside another": replace(UP, rivals=ROUTES),
    "what people get there": page(leads="elsewhere"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_an_answer_that_may_be_anothers_is_neither_up_nor_down(doubt: str) -> None:
    """A login, a redirect, another program or a CDN may answer for an app that is down: it is unknown who did."""
    found = diagnosed(DOUBTS[doubt])
    (told,) = found.unknown
    assert (found.verdict, found.causes, doubt.startswith(told.removeprefix(f"{URL}: "))) == ("unknown", (), True)


def test_what_else_runs_there_under_a_shorter_or_another_route_takes_nothing_away() -> None:
    """A proxy takes the closest route."""
    rivals = frozenset({"shop.example.com/admin", "other.example.com/"})
    api = replace(PAGE, url=f"{URL}/api")
    below = replace(UP, boxes=(replace(BOX, routes=frozenset({"shop.example.com/api"})),), pages=(api,), rivals=ROUTES)
    assert [diagnosed(seen).verdict for seen in (replace(UP, rivals=rivals), below)] == ["up", "up"]


ENTERED = {
    "up": [
        (Answer(401), Answer(200)),
        (Answer(401), Answer(404)),
        (Answer(401), Answer(401)),
        (Answer(302, to="login.example.com"), Answer(302, to="login.example.com")),
    ],
    "unknown": [
        (Answer(401), Answer(302, to="login.example.com")),
        (Answer(401), Answer(403)),
        (Answer(401), Answer(500)),
        (Answer(401), Answer(error="refused")),
        (Answer(403), Answer(403)),
        (Answer(429), Answer(200)),
        (Answer(302), Answer(302)),
        (Answer(302, to="login.example.com"), Answer(200)),
        (Answer(302, to="login.example.com"), Answer(302, to="other.example.com")),
        (Answer(302, to="login.example.com"), Answer(307, to="login.example.com")),
    ],
}


@pytest.mark.parametrize("verdict", ENTERED)
def test_a_login_or_another_host_is_no_doubt_where_the_container_itself_was_seen_to_serve(verdict: str) -> None:
    """It gives the same answer without the proxy, or good pages behind a login; what is beyond is not looked at."""
    for answer, inside in ENTERED[verdict]:
        found = diagnosed(page(answer=answer, inside=inside))
        assert (found.verdict, found.causes, len(found.skipped)) == (verdict, (), 2 if verdict == "up" else 1), inside
        astray = diagnosed(page(replace(UP, rivals=ROUTES), answer=answer, inside=inside))
        assert astray.verdict == "unknown"


def test_a_redirect_that_was_followed_to_a_good_answer_is_up() -> None:
    """What stands behind it has answered."""
    assert [diagnosed(page(answer=Answer(status, via=302))).verdict for status in (200, 404)] == ["up", "up"]


def test_what_else_was_not_read_is_unknown_by_its_name() -> None:
    """Copies on other servers, and parts that nobody knows, keep an app from being up, as one that has just fallen."""
    more = {"its copies on 2 more servers": Unread("only its first server is looked at")}
    fallen = diagnosed(box(restarts=1, fresh=True))
    found = diagnosed(replace(UP, more=more))
    assert (found.verdict, found.unknown) == ("unknown", {name: fact.why for name, fact in more.items()})
    assert (fallen.verdict, list(fallen.unknown)) == ("unknown", ["whether shop-1 stays up"])


def test_a_deployment_that_lasts_goes_behind_what_ails_the_containers() -> None:
    """A queue that is dead says for ever that it deploys; one that has begun just now explains what it took away."""
    begun = replace(box("exited", exit_code=1), rollout=rollout("in_progress", active=True))
    lasts = replace(begun, rollout=rollout("in_progress", active=True, lasting=True))
    assert [[cause.code for cause in diagnosed(seen).causes] for seen in (begun, lasts)] == [
        ["deploying", "exited"],
        ["exited", "deploying"],
    ]


def test_nobody_is_blamed_for_a_stop_of_what_may_never_have_been_started() -> None:
    """Of a compose app there is no deployment that would tell."""
    told = [diagnosed(seen).causes[0].what for seen in (NONE, replace(NONE, rollout=NotAsked("none")))]
    assert told == ["somebody stopped it", "it was stopped or never started"]


def test_each_page_that_serves_nobody_is_told_although_something_else_is_down() -> None:
    """Another page's cause, and a part that has nothing to do with it, explain nothing of it."""
    other = replace(PAGE, url="https://api.example.com", answer=Answer(error="timeout"))
    two = replace(UP, pages=(replace(PAGE, answer=Answer(502, "Bad Gateway")), other))
    worker = replace(page(answer=Answer(500)), boxes=(BOX, Box("worker", "exited", exit_code=1)))
    fallen = replace(box("exited", exit_code=1), pages=(replace(PAGE, answer=Answer(503)), other))
    assert [[cause.code for cause in diagnosed(seen).causes] for seen in (two, worker, fallen)] == [
        ["port", "no_answer"],
        ["exited", "app_error"],
        ["exited", "no_answer"],
    ]
    assert diagnosed(two).causes[1].evidence == "GET https://api.example.com: timeout"


def test_a_time_out_of_the_proxy_gives_no_advice_about_the_port() -> None:
    """Something listens there, or nobody knows; 502 is what a closed port gives."""
    (timeout,) = diagnosed(CAUSES["gateway_timeout"]).causes
    assert "port" not in timeout.mend


def test_the_wildcard_is_advised_only_for_names_below_it() -> None:
    """It would not touch another name, whose one record is named then."""
    below = replace(PAGE, url="https://shop.s1.example.com", leads="nowhere")
    beside = replace(PAGE, leads="nowhere")
    mends = [diagnosed(replace(UP, pages=(each,))).causes[0].mend for each in (below, beside)]
    assert mends == [
        "set_wildcard_domain server=m1",
        "set the one record of shop.example.com (A, or AAAA) to m1 in its zone",
    ]


WORDS = st.sampled_from(["", "x"])
UNREAD = st.just(WHY)
ANSWERS = st.builds(
    Answer,
    status=st.sampled_from([None, 200, 302, 401, 404, 500, 502, 503, 504]),
    start=st.sampled_from(["", "Bad Gateway", "no available server", "Gateway Timeout"]),
    unrouted=st.booleans(),
    via=st.sampled_from([0, 302]),
)
PAGES = st.builds(
    Page,
    url=st.just(URL),
    leads=st.sampled_from(["here", "here", "elsewhere", "nowhere"]) | UNREAD,
    answer=ANSWERS | UNREAD,
    certificate=st.sampled_from(["", "expired"]) | UNREAD | st.just(NotAsked("plain")),
    seen=st.just("seen"),
    delegation=WORDS,
    inside=st.none() | ANSWERS,
    inside_at=st.just(AT),
    deaf=st.booleans(),
    listens=st.sampled_from([0, 8080]),
    apart=WORDS,
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
    routes=st.sampled_from([ROUTES, ROUTES, frozenset()]),
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
ROLLOUTS = st.builds(
    Rollout,
    st.just("d1"),
    st.sampled_from(["finished", "failed", "queued"]),
    active=st.booleans(),
    lasting=st.booleans(),
)
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
    more=st.sampled_from([{}, {"its copies": WHY}]),
)


OK = {200, 404}
WELL = {("here", ""), ("here", NotAsked("plain"))}


@given(EVERY)
def test_whatever_is_seen_nothing_unknown_is_up_and_nothing_wrong_is_without_a_cause(seen: Seen) -> None:
    """Up: all is known and well. Down: with causes, each with its three parts. What was seen to be wrong is down."""
    found = diagnosed(seen)
    wrong = seen.silent or seen.falls
    assert (found.verdict == "down") == bool(found.causes)
    assert not (found.verdict == "up" and (found.unknown or wrong))
    assert found.verdict != "up" or {(page.leads, page.certificate or "") for page in seen.pages} <= WELL
    assert found.verdict != "up" or {page.answer.status for page in seen.pages if isinstance(page.answer, Answer)} <= OK
    assert found.verdict != "up" or not seen.pages or any(box.runs and box.routes for box in seen.known)
    assert found.verdict != "up" or not any(box.loops for box in seen.known)
    assert not wrong or found.causes
    findings = (*found.causes, *found.beside)
    assert [each for each in findings if not all(each.model_dump().values())] == []


@given(EVERY)
def test_the_same_facts_have_the_same_answer(seen: Seen) -> None:
    """No clock, no chance, no order of a set is in it."""
    assert diagnosed(seen) == diagnosed(replace(seen))
