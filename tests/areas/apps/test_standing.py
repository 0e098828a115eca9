"""How an app stands: the host's word first, Coolify's beside it where both differ, and never a guess."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.standing import standing
from ink_infra_mcp.clients.coolify.apps import Application, Service, ServicePart
from ink_infra_mcp.clients.coolify.status import parse_status
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

MADE, SEEN = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, 2, 41, 8, tzinfo=UTC)
NOW = datetime(2026, 11, 30, 3, 0, 0, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
UUID = "a" * 24


def app(status: str, *, seen: datetime | None = SEEN, service: bool = False) -> App:
    """Return an app that Coolify says this of."""
    kept = {"uuid": UUID, "created_at": MADE, "last_online_at": seen}
    return App(
        kind="service" if service else "application",
        uuid=UUID,
        name="shop",
        urls=(),
        status=parse_status(status),
        server_uuid="",
        muscle="muscle-1",
        environment_id=None,
        source=Service.model_construct(uuid=UUID) if service else Application.model_construct(None, **kept),
    )


def containers(*states: str) -> list[ContainerFacts]:
    """Return containers of it, each `state` or `state:health`, or `preview` for a running one of a pull request."""
    return [
        ContainerFacts.model_construct(
            name=_name(text, number),
            labels={},
            restart_count=9 if "loops" in text else 0,
            started_at=NOW - timedelta(seconds=3),
            exit_code=0,
            state="running" if text in ("preview", "loops") else text.partition(":")[0],
            health=text.partition(":")[2],
        )
        for number, text in enumerate(states)
    ]


def _name(text: str, number: int) -> str:
    return f"{UUID}-pr-7" if text == "preview" else f"{UUID}-{number}"


@pytest.mark.parametrize(
    ("states", "coolify", "said"),
    [
        (["running"], "running:unknown", "running"),
        (["running"], "running:unhealthy", "running (Coolify: running:unhealthy, last online 2026-11-30 02:41:08 UTC)"),
        (["running:healthy"], "running:healthy", "healthy"),
        (["running:unhealthy"], "running:unhealthy", "unhealthy"),
        (["running:unhealthy"], "running:healthy", "unhealthy (Coolify: running:healthy, last online {seen})"),
        (["running"], "exited:unhealthy", "running (Coolify: exited:unhealthy, last online {seen})"),
        (["running:starting"], "starting:unknown", "starting"),
        ([], "running:healthy", "no container (Coolify: running:healthy, last online {seen})"),
        ([], "exited", "no container"),
        (["exited"], "exited:unhealthy", "exited"),
        (["exited"], "running:unknown", "exited (Coolify: running:unknown, last online {seen})"),
        (["restarting"], "running:unknown", "restarting (Coolify: running:unknown, last online {seen})"),
        (["exited", "dead"], "exited", "dead/exited"),
        (["running", "exited"], "degraded:unhealthy", "running 1 of 2"),
        (["running"], "degraded:unhealthy", "running (Coolify: degraded:unhealthy, last online {seen})"),
        (["loops"], "running:unknown", "restarting (Coolify: running:unknown, last online {seen})"),
        (["loops", "running"], "running:unknown", "running 1 of 2 (Coolify: running:unknown, last online {seen})"),
        (["running:healthy", "running:unhealthy"], "running:unhealthy", "unhealthy"),
        (["running:healthy", "running"], "running:unknown", "running"),
        (["exited", "preview"], "exited", "exited"),
        (["preview"], "running:healthy", "no container (Coolify: running:healthy, last online {seen})"),
    ],
)
def test_the_host_is_believed_and_coolify_is_quoted_where_it_says_another_thing(
    states: list[str], coolify: str, said: str
) -> None:
    """What runs is what the host shows; a preview is not the app, and of several containers all count."""
    assert standing(app(coolify), containers(*states), NOW) == said.format(seen="2026-11-30 02:41:08 UTC")


@pytest.mark.parametrize("status", ["running:healthy", "exited:unhealthy"])
def test_without_the_host_nothing_is_known_and_coolify_is_quoted(status: str) -> None:
    """Coolify's word alone is no fact of now: it is told as its word, with its age."""
    assert standing(app(status), None, NOW) == f"? (Coolify: {status}, last online 2026-11-30 02:41:08 UTC)"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (app("exited", seen=LONG_AGO), "exited:unknown, never seen online"),
        (app("exited", seen=None), "exited:unknown, how old is not known"),
        (app("exited", service=True), "exited:unknown, how old is not known"),
    ],
)
def test_an_age_that_is_not_known_is_not_made_up(asked: App, words: str) -> None:
    """A time before the app was made is a column's own default, and a service has none."""
    assert standing(asked, containers("running"), NOW) == f"running (Coolify: {words})"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (("web", "db"), "running"),
        (("web",), "running; none of db (Coolify: running:healthy, how old is not known)"),
    ],
)
def test_a_part_of_a_compose_app_that_has_no_container_is_named(there: tuple[str, ...], said: str) -> None:
    """Those that are there run: without what Coolify has of its parts nobody would miss the other one."""
    parts = [ServicePart(uuid=name, name=name) for name in ("web", "db")]
    kept = Service(uuid=UUID, applications=tuple(parts[:1]), databases=tuple(parts[1:]))
    (box,) = containers("running")
    asked = replace(app("running:healthy", service=True), source=kept)
    found = [box.model_copy(update={"name": f"{name}-{UUID}"}) for name in there]
    assert standing(asked, found, NOW) == said
