"""The scripts that are run on servers, as they are packaged beside what reads their answers."""

from functools import cache
from importlib.resources import files


@cache
def packaged(name: str) -> str:
    """Return the text of a script by its place below this package, such as `facts/facts.sh`.

    Raises:
        FileNotFoundError: there is none.
    """
    return files("ink_infra_mcp.hosts").joinpath(*name.split("/")).read_text("utf-8")
