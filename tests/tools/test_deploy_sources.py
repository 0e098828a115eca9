"""deploy_app from every kind of source, with the newest and the oldest Coolify, to a proved end and no further."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import ink, says_yes
from tests.tools.calls import app_named, call, creations, deploy, unknown

OLD, NEW = "4.0.0-beta.463", "4.3.10"
DIGEST = "b" * 64
COMPOSE = """
services:
  web:
    image: registry.example.com/web:1
    depends_on: [db]
  db:
    image: registry.example.com/db:16
    volumes: ["data:/var/lib/db"]
volumes:
  data: {}
"""
SOURCES: dict[str, dict[str, Any]] = {
    "public": {"repository": "https://github.com/example/hello"},
    "github-app": {
        "repository": "https://github.com/example/private-api",
        "access": "github_app",
        "access_name": "example",
        "build_pack": "dockerfile",
        "port": 8080,
    },
    "deploy-key": {
        "repository": "git@github.com:example/private-api.git",
        "access": "deploy_key",
        "access_name": "muscles",
        "port": 8080,
    },
    "image-tag": {"image": "registry.example.com/web:1.27", "port": 80},
    "image-digest": {"image": f"registry.example.com/web@sha256:{DIGEST}", "port": 80},
    "dockerfile": {"dockerfile": "FROM registry.example.com/web:1\nEXPOSE 8080\n", "port": 8080},
    "compose": {"compose": COMPOSE, "compose_service": "web", "port": 80},
}
BUILT = dict.fromkeys(("deployment", "isolation", "variables", "dns", "tls", "http"), "passed")
STARTED = {name: status for name, status in BUILT.items() if name != "deployment"}
"""A compose app has no deployments in Coolify."""


def version(text: str) -> Any:
    """Return what makes the world's Coolify that version."""

    def change(state: WorldState) -> None:
        state.coolify.version = text

    return change


@pytest.mark.anyio
@pytest.mark.parametrize("release", [OLD, NEW])
async def test_every_source_ends_proved_and_the_same_call_plans_nothing(tmp_path: Path, release: str) -> None:
    """One yes for each makes one app that is proved; the second call finds it as asked for, and asks nobody."""
    person = says_yes()
    with anyio.fail_after(150):
        async with ink(tmp_path, change_world=version(release)) as it, it.client(person) as client:
            first = {name: await deploy(client, name=name, **source) for name, source in SOURCES.items()}
            again = {name: await deploy(client, name=name, **source) for name, source in SOURCES.items()}
            made, strange = creations(it), unknown(it)

    assert {name: (said.outcome, said.checks) for name, said in first.items()} == {
        name: ("applied", STARTED if name == "compose" else BUILT) for name in SOURCES
    }
    assert {said.outcome for said in again.values()} == {"already_so"}
    assert (len(made), len(person.asked), strange) == (len(SOURCES), len(SOURCES), [])


@pytest.mark.anyio
async def test_an_inline_dockerfile_keeps_its_port_and_cannot_be_changed(tmp_path: Path) -> None:
    """Coolify sets port 80 for every one: ours is set after the creation. Its API cannot change the file: that is said,
    and so is that an app cannot change its kind."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await deploy(client, name="fresh", **SOURCES["dockerfile"])
            shown = await call(client, "get_app", app="fresh")
            port = app_named(it.state, "fresh").text("ports_exposes")
            before = it.journal
            other = await deploy(client, name="fresh", dockerfile="FROM registry.example.com/web:2\n")
            image = await deploy(client, name="fresh", image="registry.example.com/web:2")
            repository = await deploy(client, name="docs", repository="https://github.com/example/hello")
            assert it.journal == before

    assert (said.outcome, port) == ("applied", "8080")
    assert (shown.data["port"], shown.data["source"]) == ("8080", "inline Dockerfile")
    assert "fresh has another Dockerfile, and Coolify's API cannot change one. Nothing was changed." in other.text
    assert "fresh comes from an inline Dockerfile, and Coolify cannot make it come from an image." in image.text
    assert "docs comes from an image, and Coolify cannot make it come from a git repository." in repository.text


@pytest.mark.anyio
async def test_a_factory_without_the_option_runs_images_as_compose_apps_and_refuses_the_rest(tmp_path: Path) -> None:
    """An image names its runtime in a compose file there; what must be built would run without gVisor, so it is not."""

    def official(state: WorldState) -> None:
        state.coolify.supports_runtime_option = False

    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=official) as it, it.client(says_yes()) as client:
            image = await deploy(client, name="fresh", **SOURCES["image-tag"])
            again = await deploy(client, name="fresh", **SOURCES["image-tag"])
            newer = await deploy(client, name="fresh", image="registry.example.com/web:1.28")
            made = creations(it)
            refusals = [
                await deploy(client, name="other", **SOURCES["public"]),
                await deploy(client, name="other", **SOURCES["dockerfile"]),
                await deploy(client, name="docs", image="registry.example.com/docs:1.5"),
            ]
            with it.world.change() as state:
                state.coolify.supports_runtime_option = True
            back = await deploy(client, name="fresh", image="registry.example.com/web:1.28")
            containers = it.state.hosts["muscle-2"].containers

    assert [said.outcome for said in (image, again, newer, back)] == [
        "applied",
        "already_so",
        "applied",
        "already_so",
    ]
    assert image.checks == STARTED
    assert made == ["coolify POST /api/v1/services"] == creations(it)
    assert {c.runtime for c in containers if c.image == "registry.example.com/web:1.28"} == {"runsc"}
    for refusal in refusals:
        assert refusal.text.startswith("[refused_by_policy] The Coolify image in service does not know --runtime")
        assert "Nothing was changed." in refusal.text


@pytest.mark.anyio
async def test_an_address_that_coolify_would_refuse_makes_no_plan(tmp_path: Path) -> None:
    """Another user than git, ssh://, an IP address, a plus sign: said before anybody approves, and nothing is sent."""
    key = {"access": "deploy_key", "access_name": "muscles"}
    cases = (
        {"repository": "ssh://git@git.example.com/a/b.git", **key},
        {"repository": "deploy@git.example.com:a/b.git", **key},
        {"repository": "git@git.example.com:a/c++.git", **key},
        {"repository": "https://192.0.2.1/a/b"},
        {"repository": "https://git.example.com/a/c++"},
    )
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = [await deploy(client, name="fresh", **arguments) for arguments in cases]
            made = creations(it)
    for answer in said:
        assert answer.text.startswith("[invalid_input]")
        assert "is not a git URL" in answer.text
    assert made == []


@pytest.mark.anyio
async def test_a_private_repository_is_not_guessed_at(tmp_path: Path) -> None:
    """A private repository needs a named way to read it; each missing or wrong name says which there are."""
    url, key = "https://github.com/example/private-api", "git@github.com:example/private-api.git"
    cases = (
        ({"repository": url + "-gone"}, "GitHub shows no public repository example/private-api-gone."),
        ({"repository": url, "access": "github_app", "access_name": "other"}, "Which GitHub App? Coolify has: example"),
        ({"repository": key, "access": "deploy_key"}, "Which deploy key? Coolify has: localhost's key, muscles."),
        (
            {"repository": url, "access": "deploy_key", "access_name": "muscles"},
            "is not a git URL for access=deploy_key",
        ),
        ({"repository": key}, "is not a git URL for access=public"),
        ({"repository": "https://git.example.com/a/b", "access": "github_app"}, "A GitHub App reads github.com only"),
    )
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = [await deploy(client, name="fresh", **arguments) for arguments, _ in cases]
            made = creations(it)

    for answer, (arguments, words) in zip(said, cases, strict=True):
        assert answer.text.startswith("[invalid_input]"), (arguments, answer.text)
        assert words in answer.text
    assert made == []
