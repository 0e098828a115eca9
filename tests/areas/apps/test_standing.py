"""How an app stands: the host's word first, Coolify's beside it where both differ, and never a guess."""

from datetime import UTC, datetime

import pytest

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.standing import standing
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.clients.coolify.status import parse_status
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

MADE, SEEN = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, 2, 41, 8, tzinfo=UTC)
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
            name=f"{UUID}-pr-7" if text == "preview" else f"{UUID}-{number}",
            state="running" if text == "preview" else text.partition(":")[0],
            health=text.partition(":")[2],
        )
        for number, text in enumerate(states)
    ]


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
    assert standing(app(coolify), containers(*states)) == said.format(seen="2026-11-30 02:41:08 UTC")


@pytest.mark.parametrize("status", ["running:healthy", "exited:unhealthy"])
def test_without_the_host_nothing_is_known_and_coolify_is_quoted(status: str) -> None:
    """Coolify's word alone is no fact of now: it is told as its word, with its age."""
    assert standing(app(status), None) == f"? (Coolify: {status}, last online 2026-11-30 02:41:08 UTC)"


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
    assert standing(asked, containers("running")) == f"running (Coolify: {words})"
