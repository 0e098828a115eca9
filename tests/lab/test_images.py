"""By which digest real Docker knows what it pulled by a tag: the one that Docker's registry names for the tag."""

import json
import re

import anyio
import pytest

from ink_infra_mcp.hosts.docker.containers import containers_of
from ink_infra_mcp.hosts.docker.images import digests_of
from tests.lab.bed import Bed
from tests.lab.ground.hosts import Server

pytestmark = pytest.mark.anyio

LIMIT_S = 270
APP = "a0app4pp4pp4pp4pp4pp4pp4"
REPOSITORY = "registry.lab:5000/library/tiny"
MANIFESTS = "http://registry.lab:5000/v2/library/tiny/manifests"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
KINDS = f"Accept: {INDEX}, application/vnd.docker.distribution.manifest.list.v2+json, {MANIFEST}"
DIGEST = re.compile(r"(?im)^docker-content-digest: (sha256:[0-9a-f]{64})\r?$")


def named(server: Server, tag: str) -> str:
    """Return the digest that the registry names for a tag, asked as we ask it."""
    found = DIGEST.search(server.say("curl", "--silent", "--head", "--header", KINDS, f"{MANIFESTS}/{tag}"))
    assert found is not None
    return found[1]


def put_index(server: Server, tag: str, manifest: str) -> None:
    """Put an index of two platforms under a tag; the image of one of them is there."""
    size = len(server.say("curl", "--silent", "--header", KINDS, f"{MANIFESTS}/1"))
    entry = {"mediaType": MANIFEST, "digest": manifest, "size": size}
    platforms = [{**entry, "platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")]
    server.write("/root/index.json", json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}))
    put = ("--request", "PUT", "--data-binary", "@/root/index.json", "--header", f"Content-Type: {INDEX}")
    server.say("curl", "--silent", "--show-error", "--fail", *put, f"{MANIFESTS}/{tag}")


async def test_docker_knows_an_image_by_the_digest_that_its_registry_names(bed: Bed) -> None:
    """Of one platform, and of an index of several, whose image is the same: Docker keeps the digest of the index."""
    muscle = bed.fresh()
    one = named(muscle, "1")
    put_index(muscle, "several", one)
    several = named(muscle, "several")
    found: list[frozenset[str]] = []
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            for number, tag in enumerate(("1", "several"), 1):
                name = f"{APP}-{number}"
                run = ("docker", "run", "--detach", "--pull", "always", f"--name={name}", f"{REPOSITORY}:{tag}")
                muscle.say(*run, "sleep", "300")
                (container,) = [c for c in await containers_of(pool, "muscle-2", APP) if c.name == name]
                found.append(await digests_of(pool, "muscle-2", container.image_id))
    assert one != several
    assert (one in found[0], several in found[1]) == (True, True)
    assert found[0] | found[1] == {one, several}
