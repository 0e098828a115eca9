"""What on the Factory is in the way of a new container of Coolify, or of its image."""

from collections.abc import Iterator

from ink_infra_mcp.hosts.factory.swapping import Ready

IMAGE_BYTES = 2 * 2**30
ROOM_BYTES = 5 * 2**30
"""A Coolify image unpacks to about 1.5 GiB; beside it a backup, a copy of the database, and what builds need."""


def of_ground(meets: Ready) -> Iterator[str]:
    """Yield what on the Factory is in the way of a new container, or of its image."""
    yield from map(_of_port, meets.held)
    if meets.left_over:
        yield f"containers are left of an earlier try: {', '.join(meets.left_over[:3])}"
    if meets.free_bytes is None:
        yield "how much room its disks have is not known"
    elif meets.free_bytes < ROOM_BYTES:
        yield f"its disks have {meets.free_bytes // 2**20} MiB left, and {ROOM_BYTES // 2**30} GiB are needed"


def _of_port(held: str) -> str:
    port, _, who = held.partition("=")
    return f"port {port} is held by {'a program outside of Docker' if who == '?' else who}"
