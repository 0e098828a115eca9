"""diagnose_app calls nothing up that something else may answer for, that is odd, or that did not come in time."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.diagnosing import looked_at
from ink_infra_mcp.core.diagnosis import diagnosed as judged
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import EnvVar
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import app_named, call, deploy, unknown
from tests.tools.troubles import (
    HOST,
    Change,
    container,
    deployment,
    diagnosed,
    failing,
    first,
    gone,
    itself,
    muscle,
    own,
    page,
    plain,
    proxy,
    record,
    says,
    started_again,
    unlabelled,
    urls,
)

pytestmark = pytest.mark.anyio

LIMIT_S = 300
INSIDE = "10.250.0.11"
SOON_S = 8.0
LOGIN = "https://login.example.com/"
HANGS = {"kind": "hang", "seconds": 30.0}
"""Longer than anybody waits who is told to look for SOON_S."""
FILE = "services: {web: {image: 'a:1'}, db: {image: 'a:1'}, migrate: {image: 'a:1', restart: 'no'}}"


def copies(state: WorldState) -> None:
    """Let the shop run on two more servers."""
    app_named(state, "shop").columns["additional_servers_count"] = 2


def claimed(state: WorldState) -> None:
    """Let another app's container on the server have the shop's router, too."""
    (web,) = own(state)
    other = web.model_copy(update={"id": "f" * 64, "name": "f" * 24 + "-120000"})
    other.labels = {name: text for name, text in web.labels.items() if name != "coolify.name"}
    muscle(state).containers.append(other)


def proxied_by(image: str) -> Change:
    """Let the proxy of the shop's server run from that image."""

    def change(state: WorldState) -> None:
        for each in muscle(state).containers:
            if each.name == "coolify-proxy":
                each.image = image

    return change


def portless(state: WorldState) -> None:
    """Let no label say at which port the shop's container listens."""
    (web,) = own(state)
    web.labels = {name: text for name, text in web.labels.items() if not name.endswith(".server.port")}


def compose_app(file: str | None, *parts: str, ended: str = "", restart: str = "unless-stopped") -> Change:
    """Let the shop be a compose file of an application, of which these parts run and one has ended well."""

    def change(state: WorldState) -> None:
        app_named(state, "shop").columns |= {"build_pack": "dockercompose", "docker_compose_raw": file}
        (web,) = own(state)
        machine = muscle(state)
        machine.containers.remove(web)
        for number, part in enumerate(filter(None, (*parts, ended))):
            host_config = {"RestartPolicy": {"Name": restart if part == ended else "unless-stopped"}}
            fields = {"id": f"{number:064x}", "name": f"{part}-{SHOP}-120000", "host_config": host_config}
            labels = {**web.labels, "coolify.name": f"{part}-{SHOP}"}
            state_of = {"state": "exited" if part == ended else "running", "labels": labels}
            machine.containers.append(web.model_copy(update={**fields, **state_of}))

    return change


def rival(labels: dict[str, str]) -> Change:
    """Let a container that is not the shop's run beside it, with these labels."""

    def change(state: WorldState) -> None:
        (web,) = own(state)
        beside = {"id": "e5" * 32, "name": "beside", "labels": labels}
        muscle(state).containers.append(web.model_copy(update=beside))

    return change


ANY_HOST = {"traefik.enable": "true", "traefik.http.routers.x.rule": "HostRegexp(`.+`)"}
IN_CAPITALS = {"Traefik.Enable": "TRUE", "Traefik.HTTP.Routers.x.Rule": f"Host(`{HOST}`)"}
OF_TCP = {"traefik.enable": "true", "traefik.tcp.routers.x.rule": "HostSNI(`*`)"}
ANOTHER_HOST = {"traefik.enable": "true", "traefik.http.routers.x.rule": "Host(`x.example.com`) && Path(`/y`)"}
DOUBTS: dict[str, tuple[str, str, tuple[Change, ...]]] = {
    "another's rule for every host": ("unknown", "unknown", (rival(ANY_HOST),)),
    "another's rule in other letters": ("unknown", "unknown", (rival(IN_CAPITALS),)),
    "another's rule before any of HTTP": ("unknown", "unknown", (rival(OF_TCP),)),
    "another's rule for another host": ("up", "up", (rival(ANOTHER_HOST),)),
    "a login before its pages": ("up", "up", (page(status=401),)),
    "a login of its own": ("up", "up", (page(status=401), itself(status=401))),
    "a login before an app that fails": ("unknown", "unknown", (page(status=401), itself(status=500))),
    "a login before an app that hangs up": ("unknown", "unknown", (page(status=401), itself("drop"))),
    "a login before an app whose port is not said": ("unknown", "unknown", (page(status=401), portless)),
    "a refusal of its own": ("unknown", "unknown", (page(status=403), itself(status=403))),
    "a redirect to another host": ("unknown", "unknown", (page(status=302, to=LOGIN),)),
    "its own redirect to another host": ("up", "up", (page(status=302, to=LOGIN), itself(status=302, to=LOGIN))),
    "another redirect of its own": (
        "unknown",
        "unknown",
        (page(status=302, to=LOGIN), itself(status=302, to="https://x.example.com")),
    ),
    "a redirect to http": ("unknown", "unknown", (page(status=302, to=f"http://{HOST}/"),)),
    "a redirect to another port": ("unknown", "unknown", (page(status=302, to=f"https://{HOST}:8443/"),)),
    "a redirect to a login": ("up", "up", (page(status=302, to="/in", times=1), page(status=401), itself(status=401))),
    "a login without the proxy's labels": ("unknown", "not_isolated", (unlabelled, page(status=401))),
    "a redirect of its own": ("up", "up", (page(status=302, to="/welcome?from=here", times=1),)),
    "three redirects of its own": ("up", "up", tuple(page(status=302, to=f"/{n}", times=1) for n in (1, 2, 3))),
    "more redirects than are followed": (
        "unknown",
        "unknown",
        tuple(page(status=302, to=f"/{n}", times=1) for n in (1, 2, 3, 4)),
    ),
    "a redirect with the host in it": ("up", "up", (page(status=307, to=f"https://{HOST}:443/en", times=1),)),
    "plain http that leads on": (
        "up",
        "up",
        (urls(f"http://{HOST}"), page(status=301, to=f"https://{HOST}/", times=1)),
    ),
    "an answer without the proxy": ("unknown", "proxy", (proxy, page())),
    "an answer without a router": ("unknown", "not_isolated", (unlabelled, page())),
    "another app with a router for its name": ("unknown", "unknown", (claimed,)),
    "a proxy that reads other labels": ("unknown", "unknown", (proxied_by("docker.io/library/nginx:1"),)),
    "a proxy that reads its labels, too": ("up", "up", (proxied_by("lucaslorentz/caddy-docker-proxy:2.8"),)),
    "words of Go with a router": ("unknown", "unknown", (page(status=404, body="404 page not found\n"),)),
    "a CDN before it": ("unknown", "name_elsewhere", (record("shop.s1", "203.0.113.9"),)),
    "a fall a moment ago": ("unknown", "restarted", (started_again(1),)),
    "copies on other servers": ("unknown", "unknown", (copies,)),
    "a login in its URL": ("up", "up", (urls(f"https://name:pw-hidden@{HOST}"),)),
    "the container's port in its URL": ("up", "up", (urls(f"https://{HOST}:3000"),)),
    "a port that is none": ("up", "up", (urls(f"https://{HOST}:99999"),)),
    "no host": ("unknown", "unknown", (urls(f"https://{HOST}", "https://name:pw-hidden@[::1"), page())),
    "an odd host": ("unknown", "unknown", (urls(f"https://{HOST}", "https://name:pw-hidden@a_b.example.com"),)),
    "parts that are known": ("up", "up", (compose_app(FILE, "web", "db", ended="migrate", restart="no"),)),
    "a part that is missing": ("down", "part_missing", (compose_app(FILE, "web", ended="migrate", restart="no"),)),
    "a part that fell": ("down", "exited", (compose_app(FILE, "web", ended="db"),)),
    "parts that nobody tells": ("unknown", "unknown", (compose_app(None, "web", "db", ended="migrate", restart="no"),)),
}


async def test_what_may_be_anothers_answer_or_is_not_all_of_it_is_never_up(tmp_path: Path) -> None:
    """The verdict, and what stands first; a login in a URL is neither sent nor shown."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = {words: await diagnosed(it, client, *changes) for words, (_, _, changes) in DOUBTS.items()}
            assert unknown(it) == it.journal == []

    assert {words: (each.data.get("verdict"), first(each)) for words, each in said.items()} == {
        words: (verdict, code) for words, (verdict, code, _) in DOUBTS.items()
    }
    assert not [words for words, each in said.items() if "pw-hidden" in each.text + str(each.data)]
    assert {words: placeless(each.data["unknown"]) for words, each in said.items() if words in UNKNOWN} == UNKNOWN
    assert f"https://{HOST} from here, at its server: answers 302, then 200;" in said["a redirect of its own"].text
    assert f"asked: https://{HOST} from here" in said["the container's port in its URL"].text
    assert "; its container itself, asked by muscle-1: answers 401" in said["a login of its own"].text
    assert f"not looked at: what is behind the login of https://{HOST}" in said["a login before its pages"].text
    assert (
        f"not looked at: what https://{HOST} leads to: login.example.com"
        in said["its own redirect to another host"].text
    )


def placeless(facts: dict[str, str]) -> dict[str, str]:
    """Return facts without the address of a container, which is another one in each world."""
    return {name: plain(text) for name, text in facts.items()}


UNKNOWN = {
    "a login before an app that fails": {
        f"https://{HOST}: answer": "it answers 401, before the app could be seen; "
        "its container itself: answers 500 at its port 3000"
    },
    "a login before an app that hangs up": {
        f"https://{HOST}: answer": "it answers 401, before the app could be seen; "
        "its container itself: no answer at its port 3000"
    },
    "a login before an app whose port is not said": {
        f"https://{HOST}: answer": "it answers 401, before the app could be seen"
    },
    "copies on other servers": {"its copies on 2 more servers": "only its first server is looked at"},
    "parts that nobody tells": {"which parts it promises": "Coolify does not tell its compose file"},
    "an answer without the proxy": {
        f"https://{HOST}: who answered": "something answers 200, and the proxy of its server does not run"
    },
}


def inside(state: WorldState) -> None:
    """Let the shop's server have a private address only, which the Factory knows by the shop's name."""
    muscle(state).address = INSIDE
    state.hosts["factory"].names[HOST] = [INSIDE]
    next(server for server in state.coolify.servers if server.name == "muscle-1").ip = INSIDE


def from_factory(fleet: Fleet) -> Fleet:
    """Return the fleet with its private apps proved from the Factory."""
    return fleet.model_copy(update={"access": fleet.access.model_copy(update={"proof_from": "factory"})})


FROM_A_SERVER: dict[str, tuple[str, str, tuple[Change, ...]]] = {
    "answers 302, then 200": ("up", "", (page(status=302, to="/in", times=1),)),
    "answers 302, then 404": (
        "up",
        "",
        (page(status=302, to="/a", times=1), page(status=302, to="b", times=1), page(status=404)),
    ),
    "answers 302": (
        "unknown",
        "before the app could be seen; its container itself: answers 200 at its port 3000",
        (page(status=302, to="https://login.example.com/"),),
    ),
    "answers 307": ("unknown", "before the app could be seen", (page(status=307, to=f"http://{HOST}/"),)),
    "answers 301": ("unknown", "before the app could be seen", (page(status=301, to=f"https://{HOST}/a b"),)),
}


async def test_redirects_to_the_same_host_are_followed_from_a_server_too(tmp_path: Path) -> None:
    """A private app is seen from a server of the fleet as a public one is from here: no other host is ever asked."""
    told: dict[str, tuple[str, str]] = {}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=inside, change_fleet=from_factory) as it, it.client() as client:
            for words, (_, _, changes) in FROM_A_SERVER.items():
                said = await diagnosed(it, client, *changes)
                [visit] = [line for line in said.data["asked"] if line.startswith(f"https://{HOST}")]
                why = placeless(said.data.get("unknown", {})).get(f"https://{HOST}: answer", "")
                told[words] = (said.data["verdict"], why)
                assert visit.startswith(f"https://{HOST} from factory, at its server: {words};"), visit
            assert unknown(it) == []
    assert told == {
        words: (verdict, f"it {words}, {why}" if why else "") for words, (verdict, why, _) in FROM_A_SERVER.items()
    }


async def test_of_a_compose_app_without_containers_nobody_is_said_to_have_stopped_it(tmp_path: Path) -> None:
    """It may never have been started."""
    file = "services:\n  web: {image: 'registry.example.com/web:1'}\n"

    def away(state: WorldState) -> None:
        machine = muscle(state, "muscle-2")
        machine.containers = [each for each in machine.containers if not each.name.startswith("web-")]
        for part in state.coolify.services[-1].parts:
            part.status = "exited"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="stack", compose=file, compose_service="web")
            said = await diagnosed(it, client, away, app="stack")

    assert said.data["causes"][0]["what"] == "it was stopped or never started", said.text


async def test_words_of_docker_compose_are_masked_before_they_are_cut(tmp_path: Path) -> None:
    """Nobody would know the half of a value of the app's own again."""
    value, file = "correct-horse-battery-0123-" * 3, "services:\n  web: {image: 'registry.example.com/web:1'}\n"

    def refused(state: WorldState) -> None:
        service = state.coolify.services[-1]
        service.compose_says = f"services.web {'x' * 230} {value}"
        service.envs.append(EnvVar(id=9_999, uuid="own", key="DB_PASSWORD", value=value))
        machine = muscle(state, "muscle-2")
        machine.containers = [each for each in machine.containers if not each.name.startswith("web-")]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="stack", compose=file, compose_service="web")
            said = await diagnosed(it, client, refused, app="stack")

    assert (first(said), len(said.data["untrusted_log"])) == ("compose_refused", 1)
    assert value[:6] not in said.text + str(said.data)


async def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    """Ten pages fail, six causes are told."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            pages = urls(*(f"https://{HOST}/{number}" for number in range(10)))
            said = await diagnosed(it, client, pages, page(status=500, body="oops"))

    assert (len(said.data["causes"]), said.data["note"]) == (6, "left out here: 4 more causes")
    assert said.text.endswith("left out here: 4 more causes")


async def test_without_coolify_nothing_of_what_was_given_is_visited_or_shown_but_the_host(tmp_path: Path) -> None:
    """A person pastes what stands in a browser: a login, a port, a path with a token in it."""
    given = [f"https://name:pw-hidden@{HOST}:8443/token-hidden?key=key-hidden#part-hidden", "name:pw-hidden@shop"]
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = [await diagnosed(it, client, failing("coolify", status=503), app=text) for text in given]
            odd = await diagnosed(it, client, failing("coolify", status=503), app="https://name:pw-hidden@[::1")
            strange = await diagnosed(it, client, failing("coolify", status=503), app="a_b.example.com")

    assert [each.data["app"] for each in (*said, odd, strange)] == [HOST, "shop", "the app", "a_b.example.com"]
    assert said[0].data["asked"] == [
        "Coolify: no good answer",
        f"https://{HOST}/ from here, where its name leads: answers 200; {HOST}: 192.0.2.11",
    ]
    assert {each.data["verdict"] for each in (*said, odd, strange)} == {"unknown"}
    assert not [each.text for each in (*said, odd) if "hidden" in each.text + str(each.data)]


def hanging(system: str, match: str) -> Change:
    """Let a system not answer for longer than anybody waits here."""
    return lambda state: state.faults.append(Fault.model_validate({"system": system, "match": match, **HANGS}))


async def looked(it: Ink, *changes: Change) -> tuple[dict[str, str], str]:
    """Return what is unknown of the shop after a look of SOON_S seconds, and what is said of its log."""
    with it.world.change() as state:
        for change in changes:
            change(state)
    with anyio.fail_after(SOON_S * 2):
        found = await looked_at(it.app.look, "shop", within_s=SOON_S)
    return judged(found.seen).unknown, found.note


@pytest.mark.parametrize(
    ("hangs", "unread"),
    [
        (hanging("edge", HOST), (f"https://{HOST}: answer", "no answer within the 8 seconds of one look")),
        (hanging("coolify", "/deployments"), ("the last deployment", "no answer within the 8 seconds of one look")),
        (hanging("coolify", "/api/v1/applications"), ("what Coolify says", "Coolify did not answer within 4 seconds")),
    ],
    ids=["page", "deployments", "the app itself"],
)
async def test_what_has_not_come_in_time_is_unread(tmp_path: Path, hangs: Change, unread: tuple[str, str]) -> None:
    """One deadline is round all of it: nobody waits for the slowest, and nothing of it is taken for fine."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            told, _ = await looked(it, hangs)

    assert unread in told.items()


async def test_a_log_whose_secrets_are_not_known_in_time_is_not_shown(tmp_path: Path) -> None:
    """The app's own values are asked for within the same deadline."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            hangs = hanging("coolify", f"/applications/{SHOP}/envs")
            told, _ = await looked(it, container(state="exited", exit_code=1), hangs)
        async with ink(tmp_path / "built", change_world=gone) as it:
            _, note = await looked(it, says("exited:unhealthy"), deployment("failed", "line"), hangs)

    why = "no answer within the 8 seconds of one look"
    assert told["what its containers say of why they fell"] == why
    assert note == f"its log is left out, since its own values, which are masked there, are not known: {why}"


async def test_a_stop_is_told_of_an_app_whose_deployment_has_ended(tmp_path: Path) -> None:
    """Unlike a compose app, it was started once."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await diagnosed(it, client, gone, says("exited:unhealthy"))
            nobody = await call(client, "diagnose_app", app="nobody")

    assert said.data["causes"][0]["what"] == "somebody stopped it"
    assert nobody.text.startswith("[unknown_name] There is no app 'nobody'.")
