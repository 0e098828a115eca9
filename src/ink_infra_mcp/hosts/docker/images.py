"""Which digests the image of a container has: those by which a registry knows it."""

import json
import re

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

_ID = re.compile(r"sha256:[0-9a-f]{64}")


async def digests_of(pool: HostPool, host: str, image_id: str) -> frozenset[str]:
    """Return the digests (`sha256:` and 64 hex digits) under which an image was pulled; none of one that was built.

    Docker keeps that of the index where an image has several platforms: what a registry names for the tag.

    Raises:
        HostError: it is no id of an image, Docker knows none with it, or says something else.
    """
    if not _ID.fullmatch(image_id):
        raise _unreadable(host)
    words = ("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image_id)
    said = await pool.run(host, HostCommand(words, changes=False), check=True)
    try:
        found = json.loads(said.stdout)
    except ValueError:
        raise _unreadable(host) from None
    return frozenset(str(entry).rpartition("@")[2] for entry in items(found))


def _unreadable(host: str) -> HostError:
    return HostError(
        f"What {host} says of a container's image is not to be read.",
        host=host,
        next="Look at `docker image inspect` of the image there.",
    )
