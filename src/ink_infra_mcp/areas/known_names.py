"""Names that a person may want completed: apps, servers and operations, and images and backups as far as known."""

from collections.abc import Iterable
from typing import Literal

from ink_infra_mcp.areas.apps.app import all_apps, find_app
from ink_infra_mcp.areas.apps.history import images_left
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.state.records import Operation

NamedKind = Literal["app", "server", "operation", "image", "coolify image", "backup"]
NEWEST = 100
"""Operations among which a name is looked for."""
_MADE_BY = {"coolify image": ("build_fork_image", "image"), "backup": ("backup_coolify", "folder")}
"""The tool whose results hold such a name, and where."""
_STANDS = frozenset({Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED})


async def known_names(look: Look, kind: NamedKind, *, of: str = "") -> tuple[str, ...]:
    """Return the names of all of a kind: apps and servers by name, everything else newest first.

    Images are those that the app `of` can go back to, as rollback_app lists them; images of Coolify and backups are
    those that our own record says were made. No server of the fleet is asked.

    Raises:
        InkError: they cannot be read now, or there is no such app.
    """
    if kind == "app":
        return tuple(app.name for app in await all_apps(look))
    if kind == "server":
        return tuple(sorted(host.name for host in look.fleet.hosts))
    if kind == "image":
        return await _images(look, of) if of else ()
    newest = await look.archive.operations(before=None, limit=NEWEST)
    return tuple(o.id for o in newest) if kind == "operation" else tuple(_made(newest, *_MADE_BY[kind]))


async def _images(look: Look, wanted: str) -> tuple[str, ...]:
    app = await find_app(look, wanted)
    if app.kind == "service" or not (await look.coolify.era()).rollback_api:
        return ()
    return tuple(tag for tag, _ in await images_left(look, app.uuid, app.name))


def _made(newest: Iterable[Operation], tool: str, key: str) -> Iterable[str]:
    for operation in newest:
        receipt = operation.receipt
        if operation.tool == tool and receipt is not None and receipt.outcome in _STANDS:
            name = str(receipt.result.get(key, ""))
            yield from (name.rpartition("/")[2] if key == "folder" else name,) if name else ()
