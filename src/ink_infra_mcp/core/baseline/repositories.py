"""How a repository of packages stands on a server, and what nobody may lose when it is added."""

from collections.abc import Iterator

from ink_infra_mcp.core.baseline import sources
from ink_infra_mcp.core.baseline.files import RepositoryWanted
from ink_infra_mcp.core.baseline.machine import Machine

AS_IT_SHALL = "as it shall be"


def standing(machine: Machine, wanted: RepositoryWanted) -> tuple[tuple[str, ...], str | None]:
    """Return which other files name the repository, and how it is there: None where it is not."""
    others = tuple(file for file in sources.users_of(machine.sources or {}, wanted.uri) if file != wanted.path)
    there = (machine.files or {}).get(wanted.path)
    if others:
        return others, "in another file"
    if there is None:
        return (), None
    checked = (machine.keys or {}).get(wanted.name) == wanted.fingerprint
    return (), AS_IT_SHALL if checked and there == wanted.digest else "otherwise, or its key was not checked"


def in_the_way(machine: Machine, wanted: RepositoryWanted) -> Iterator[str]:
    """Yield why a repository cannot be added: a file that would be replaced names other archives, too.

    Our own file of an earlier policy names one other address and is replaced; its key is one that we checked.
    """
    known = machine.sources or {}
    for file in dict.fromkeys((*wanted.replaces, wanted.path)):
        others = sources.beside(known, file, wanted.uri)
        earlier = file == wanted.path and wanted.name in (machine.keys or {}) and len(known.get(file, ())) == 1
        if others and not earlier:
            yield (
                f"{file} of {machine.host} would be replaced for {wanted.uri}, and names {sources.shown(others)}, too, "
                f"which the server would lose: move {wanted.uri} and those into files of their own"
            )
