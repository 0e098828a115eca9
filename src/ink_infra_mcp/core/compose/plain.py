"""Keys of a service that concern the inside of its container only: what is right there is a matter of their shape."""

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import as_map, as_texts, is_flat
from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.shapes import table

_MAGIC = re.compile(r"SERVICE_(?:FQDN|URL)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""A variable's name, as Compose reads it in `${...}`."""
_READ = re.compile(r"\$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_OF_THE_SERVER = re.compile(
    r"(?:COMPOSE|DOCKER|BUILDX|BUILDKIT|LD|SSH|SUDO|LC|XDG|BASH)_.*"
    r"|PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|HOSTNAME|LANG|MAIL|TERM|TMPDIR|IFS|ENV|SHLVL|_",
    re.ASCII | re.IGNORECASE,
)
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:us|ms|s|m|h))+", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.,:/@+-]*", re.ASCII)


def magic(text: str) -> str:
    """Return why Coolify would make something else of a text than Docker, or an empty text.

    It publishes a service for SERVICE_FQDN_* and SERVICE_URL_*, and puts shared variables of the team into `{{...}}`
    (source, version 4.3.11).
    """
    if _MAGIC.search(text):
        return "SERVICE_FQDN and SERVICE_URL publish a domain that this plan does not name"
    return "Coolify puts the team's variables into {{...}}" if "{{" in text else ""


def is_of_the_server(name: str) -> bool:
    """Return whether the shell that starts Compose may have the variable, or Compose itself obeys it.

    The shell's value comes before the app's own (seen, Compose 2.26.1), and COMPOSE_* in the app's `.env` steers
    which services start.
    """
    return _OF_THE_SERVER.fullmatch(name) is not None


def read_from_server(text: str) -> str:
    """Return the first variable that a text reads and that may be the server's; empty for none."""
    names = (found["name"] for found in _READ.finditer(text.replace("$$", "")))
    return next((name for name in names if is_of_the_server(name)), "")


def _text(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        yield "is no text"


def _word(value: JsonValue, _: Ground) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _WORD.fullmatch(str(value)):
        yield f"{value} is no plain word"


def _switch(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{value} is neither true nor false"


def _command(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        yield "is neither a text nor a list of texts"


def _texts(value: JsonValue, _: Ground) -> Iterator[str]:
    if as_texts(value) is None:
        yield "is neither a text nor a list of texts"


def _environment(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, dict | list):
        yield "is neither a mapping nor a list"
        return
    if not is_flat(value):
        yield "a value is no text; one with a colon and a space needs quotes"
        return
    for name, text in as_map(value).items():
        yield from _variable(name, text or "")
        if name.upper().startswith("COMPOSE_") or (text is None and is_of_the_server(name)):
            yield f"{name}: may be a variable of the Muscle's own, or steer Docker Compose; write its value"


def _variable(name: str, text: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"{name!r} is no name of a variable"
    if reason := magic(name) or magic(text):
        yield f"{name}: {reason}"


def _duration(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        yield f"{value} is no time such as 1m30s"


def _healthcheck(value: JsonValue, ground: Ground) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "is no mapping"
        return
    for key, part in value.items():
        if key in _HEALTH:
            yield from _HEALTH[key](part, ground)
        else:
            yield f"{key} is not known"


_HEALTH: Mapping[str, Judge] = {
    "test": _command,
    "retries": _word,
    "disable": _switch,
    **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), _duration),
}


def _depends_on(value: JsonValue, ground: Ground) -> Iterator[str]:
    if unknown := [name for name in _needed(value) if name not in ground.services]:
        yield f"the file has no service {unknown[0]}"
    settings = set[str]().union(*map(table, table(value).values()))
    if settings - {"condition", "required", "restart"}:
        yield "has a setting that is not known"


def _needed(value: JsonValue) -> list[str]:
    return list(value) if isinstance(value, dict) else as_texts(value) or []


def _restart(value: JsonValue, _: Ground) -> Iterator[str]:
    policy = str(value).partition(":")[0]
    if policy not in {"no", "always", "on-failure", "unless-stopped"}:
        yield f"{value} is no restart policy"


def _pull_policy(value: JsonValue, _: Ground) -> Iterator[str]:
    if value not in ("always", "missing", "if_not_present", "never", "build"):
        yield f"{value} is no pull policy"


def _ignored(value: JsonValue, _: Ground) -> Iterator[str]:
    """What nobody reads when an app is started: Coolify names containers itself, whatever the file says."""
    yield from ()


PLAIN: Mapping[str, Judge] = {
    **dict.fromkeys(("image", "working_dir", "user", "hostname", "domainname"), _text),
    **dict.fromkeys(("platform", "stop_signal"), _word),
    **dict.fromkeys(("init", "tty", "stdin_open", "read_only", "exclude_from_hc"), _switch),
    **dict.fromkeys(("command", "entrypoint"), _command),
    **dict.fromkeys(("group_add", "profiles", "expose", "dns_opt", "dns_search"), _texts),
    **dict.fromkeys(("attach", "container_name", "develop"), _ignored),
    "environment": _environment,
    "stop_grace_period": _duration,
    "healthcheck": _healthcheck,
    "depends_on": _depends_on,
    "restart": _restart,
    "pull_policy": _pull_policy,
}
