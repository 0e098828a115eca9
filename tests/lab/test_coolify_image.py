"""How Coolify runs and is configured to run, as real Docker and Compose tell it on the lab's Factory."""

import json

import anyio
import pytest

from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory.configured import Configured, configured
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD, FactoryFacts, look_at_coolify
from tests.lab.bed import Bed
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.services import KNOWS_RUNTIME

pytestmark = pytest.mark.anyio

LIMIT_S = 270
REPOSITORY = "registry.lab:5000/coollabsio/coolify"
RUNNING = f"{REPOSITORY}:4.0.1"
FORK = f"{REPOSITORY}:{KNOWS_RUNTIME}"
TINY = "registry.lab:5000/library/tiny:1"
WRITTEN = "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
PROD_TEXT = f"""\
services:
  coolify:
    image: "{WRITTEN}"
    env_file:
      - {COOLIFY}/.env
    environment:
      - APP_ENV=${{APP_ENV:-production}}
"""
"""As Coolify's own file has it (v4.3.11), of what the lab's Coolify can start."""


async def looked(bed: Bed) -> FactoryFacts:
    """Return what the product reads there."""
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            return await look_at_coolify(pool, "factory")


def inspected(server: Server, template: str, name: str) -> str:
    """Return what Docker says of an image or a container."""
    return server.say("docker", "inspect", "--format", template, name).strip()


async def test_what_the_next_up_would_start_is_what_compose_itself_says(bed: Bed) -> None:
    """With Coolify's file it is what runs, with an override that; where Compose refuses a file it is unknown."""
    factory = bed.fresh("factory")
    factory.write(f"{COOLIFY}/{PROD}", PROD_TEXT)
    before = await looked(bed)
    image = inspected(factory, "{{.Image}}", "coolify")
    digest = inspected(factory, "{{index .RepoDigests 0}}", image)
    seen = (before.image, before.named, before.reference, before.state, before.digests, before.planned, before.dumps)
    assert seen == (image, image, RUNNING, "running", (digest,), (RUNNING,), ())
    assert configured(before) == Configured(image=RUNNING, file=PROD)
    assert set(before.unknown) == {"base", "auto_update", "schedules"}, "the lab's Coolify has neither of them"
    factory.write(f"{COOLIFY}/{CUSTOM}", f"services:\n  coolify:\n    image: {FORK}\n")
    overridden = await looked(bed)
    assert configured(overridden) == Configured(image=FORK, file=CUSTOM)
    assert overridden.images == {BASE: "${REGISTRY_URL:-ghcr.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"} | {
        PROD: WRITTEN,
        CUSTOM: FORK,
    }
    factory.write(f"{COOLIFY}/{CUSTOM}", f"services:\n  coolify:\n    image: {FORK}\n    no_such_key: 1\n")
    refused = await looked(bed)
    assert (refused.planned, configured(refused).image) == (None, "")


async def test_a_name_that_was_given_to_another_image_is_seen(bed: Bed) -> None:
    """The container runs on as it was, and its reference names something else; then nothing at all."""
    factory = bed.fresh("factory")
    factory.say("docker", "pull", "--quiet", TINY)
    factory.say("docker", "tag", TINY, RUNNING)
    moved = await looked(bed)
    assert (moved.image, moved.named) == (
        inspected(factory, "{{.Image}}", "coolify"),
        inspected(factory, "{{.Id}}", TINY),
    )
    factory.say("docker", "rmi", RUNNING)
    assert (await looked(bed)).named == ""


OWN_PORT = """\
services:
  coolify:
    ports: !override
      - "127.0.0.1:8000:8080"
    image: "docker.io/example/old:1"
"""
PUBLISHED = "services:\n  coolify:\n    ports:\n      - '8000:8080'\n"


def composed(server: Server, *files: str) -> JsonObject | None:
    """Return what Docker Compose makes of the service of these files, the first first; None where it has none of it."""
    words = [word for name in files for word in ("-f", f"/root/tags-{name}")]
    told = json.loads(server.say("docker", "compose", *words, "config", "--format", "json"))
    return told["services"].get("coolify")


async def test_a_list_with_composes_own_tag_stays_as_compose_reads_it(bed: Bed) -> None:
    """The image is set and taken out beside a list that stands in place of an earlier file's, and still does."""
    factory = bed.fresh("factory")
    files = {"own.yml": PROD_TEXT, "published.yml": PUBLISHED, "custom.yml": with_image(OWN_PORT, "coolify", FORK)}
    files["out.yml"] = without_image(files["custom.yml"], "coolify")
    for name, text in files.items():
        factory.write(f"/root/tags-{name}", text)
    there = composed(factory, "own.yml", "published.yml", "custom.yml")
    rest = composed(factory, "own.yml", "published.yml", "out.yml")
    assert there is not None
    assert rest is not None
    assert (there["image"], rest["image"]) == (FORK, "docker.io/coollabsio/coolify:latest")
    assert (
        there["ports"]
        == rest["ports"]
        == [{"mode": "ingress", "target": 8080, "published": "8000", "protocol": "tcp", "host_ip": "127.0.0.1"}]
    )


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("services:\n  coolify:\n    image: !reset null\n", None),
        ("services:\n  coolify: !override\n    image: docker.io/example/old:1\n", "docker.io/example/old:1"),
        ("services:\n  coolify:\n    image: !override docker.io/example/old:1\n", "docker.io/example/old:1"),
    ],
    ids=["reset", "a whole service", "an image"],
)
async def test_a_tag_that_changes_what_other_files_say_is_refused_where_compose_takes_it(
    bed: Bed, text: str, image: str | None
) -> None:
    """Compose reads it as its writer meant; what is set beside it might not be what runs, and a person decides."""
    factory = bed.fresh("factory")
    factory.write("/root/tags-own.yml", f"{PROD_TEXT}    build: .\n")
    factory.write("/root/tags-custom.yml", text)
    there = composed(factory, "own.yml", "custom.yml")
    assert there is not None
    assert there.get("image") == image
    for change in (lambda: with_image(text, "coolify", FORK), lambda: without_image(text, "coolify")):
        with pytest.raises(InputError, match="has the tag"):
            change()
