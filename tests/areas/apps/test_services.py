"""Which services of a compose app must run before it counts as proved."""

import pytest

from ink_infra_mcp.areas.apps.compose_apps import prepared
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services, promised, promised_by
from ink_infra_mcp.clients.coolify.apps import Service
from ink_infra_mcp.settings.policy_files import load_isolation


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("{image: nginx}", Services(must_run=("web",))),
        ("{image: nginx, restart: always}", Services(must_run=("web",))),
        ("{image: nginx, restart: on-failure}", Services(must_run=("web",))),
        ("{image: nginx, restart: 'no'}", Services(may_end=("web",))),
        ("{image: nginx, restart: no}", Services(may_end=("web",))),
        ("{image: nginx, exclude_from_hc: true}", Services(may_end=("web",))),
        ("{image: nginx, exclude_from_hc: false}", Services(must_run=("web",))),
        ("{image: nginx, profiles: [debug]}", NO_SERVICES),
        ("{image: nginx, profiles: []}", Services(must_run=("web",))),
        ("{image: nginx, scale: 0}", NO_SERVICES),
        ("{image: nginx, deploy: {replicas: 0}}", NO_SERVICES),
    ],
)
def test_a_service_must_run_unless_its_file_says_otherwise(body: str, wanted: Services) -> None:
    """Those that Coolify leaves out of its own judgement may end; those that are not started are not promised."""
    assert promised(f"services: {{web: {body}}}") == wanted


def test_the_file_that_runs_keeps_what_may_end() -> None:
    """A bare `no`, false to YAML 1.1, is still the word that Docker Compose and Coolify read."""
    file = prepared(
        "services: {web: {image: nginx}, job: {image: redis, restart: no}}", load_isolation(None), memory="1g", cpus="1"
    )
    assert 'restart: "no"' in file.text
    assert promised(file.text) == Services(must_run=("web",), may_end=("job",))


def test_an_app_whose_file_cannot_be_read_promises_what_coolify_lists() -> None:
    """The token may lack the right to read files: Coolify still names each container, and which of them may end."""
    sent = {
        "uuid": "v0service0service0service0",
        "applications": [{"uuid": "p1", "name": "web"}, {"uuid": "p2", "name": "job", "exclude_from_status": True}],
        "databases": [{"uuid": "p3", "name": "db", "exclude_from_status": None}],
    }
    listed = Service.model_validate(sent)
    assert promised_by(listed) == Services(must_run=("web", "db"), may_end=("job",))
    readable = Service.model_validate({**sent, "docker_compose_raw": "services: {api: {image: nginx}}"})
    assert promised_by(readable) == Services(must_run=("api",))
