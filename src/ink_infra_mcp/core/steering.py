"""Names of variables that the programs obey which build and start an app: none of them is an app's to set."""

import re

_STEERS = re.compile(
    r"(?:COMPOSE|DOCKER|BUILDX|BUILDKIT|BUILDCTL|GIT|LD|SSH|SUDO|BASH|XDG|OTEL|EXPERIMENTAL|SSL|GO|NIXPACKS|CURL)_.*"
    r"|PATH|HOME|IFS|ENV|SHELL|SHELLOPTS|BASHOPTS|CDPATH|GLOBIGNORE|TMPDIR|PS4|PROMPT_COMMAND|GODEBUG|GOTRACEBACK"
    r"|(?:HTTP|HTTPS|ALL|FTP|NO)_PROXY",
    re.ASCII,
)


def steers(name: str) -> bool:
    """Return whether Docker Compose, git, the dynamic linker or a shell obeys a variable, in any case of letters.

    Coolify gives an app's variables to the programs that build and start it, on the server and as root (seen, Compose
    2.26.1: GIT_CONFIG_* and DOCKER_BUILDKIT ran a program of the app's).
    """
    return _STEERS.fullmatch(name.upper()) is not None
