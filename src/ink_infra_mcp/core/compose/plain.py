"""Keys of a service that concern the inside of its container only: what is right there is a matter of their shape."""

import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.compose.forms import as_map, as_texts
from ink_infra_mcp.core.compose.ground import Ground, Judge
from ink_infra_mcp.core.compose.sizes import count, seconds
from ink_infra_mcp.core.images import image_problem
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.steering import steers

_MAGIC = re.compile(r"SERVICE_(?:FQDN|URL)", re.IGNORECASE)
ADDED = re.compile(r"(?:COOLIFY_[A-Z_]+|SERVICE_NAME_[A-Z0-9_.-]+)")
"""Variables that Coolify adds to every service."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""A variable's name, as Compose reads it in `${...}`."""
_READ = re.compile(r"\$\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_OF_A_SHELL = re.compile(
    r"LC_.*|USER|LOGNAME|PWD|OLDPWD|HOSTNAME|LANG|LANGUAGE|MAIL|TERM|SHLVL|_", re.ASCII | re.IGNORECASE
)
"""What a shell has beside the variables that steer it."""
_LEAST_S, _MOST_S = 0.001, 86_400.0
"""Docker takes no interval below a millisecond, but 0 for its own default; a day is more than anybody waits for."""
_MOST_GRACE_S = 600.0
"""How long a container may be asked to end: whoever stops, restarts or deletes the app waits for it."""
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(?::[0-9]{1,9})?", re.ASCII)
_SIGNAL = re.compile(r"(?:SIG)?(?:HUP|INT|QUIT|ABRT|KILL|USR1|USR2|ALRM|TERM|WINCH|RTMIN\+[0-9])|[1-9]|[1-5][0-9]")
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\`])*\"""", re.DOTALL)
_NOT_IN_WORDS = frozenset("'\"\\`();&|<>")
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
    """Return whether the shell that starts Compose may have the variable, or a program that it starts obeys it.

    The shell's value comes before the app's own (seen, Compose 2.26.1), and Coolify makes a line of the app's `.env` of
    each name that a file reads.
    """
    return steers(name) or _OF_A_SHELL.fullmatch(name) is not None


def read_from_server(text: str) -> str:
    """Return the first variable that a text reads and that may be the server's; empty for none."""
    names = (found["name"] for found in _READ.finditer(text.replace("$$", "")))
    return next((name for name in names if is_of_the_server(name)), "")


_CONDITIONS = frozenset({"service_started", "service_healthy", "service_completed_successfully"})


def _any(_value: JsonValue, _: Ground) -> Iterator[str]:
    """What is right once its kind is."""
    yield from ()


def _word(value: JsonValue, _: Ground) -> Iterator[str]:
    if not _WORD.fullmatch(str(value)):
        yield f"{value} is no plain word"


def _image(value: JsonValue, _: Ground) -> Iterator[str]:
    if reason := image_problem(str(value)):
        yield reason


def _environment(value: JsonValue, _: Ground) -> Iterator[str]:
    for name, text in as_map(value).items():
        yield from _variable(name, text or "")
        if name.upper().startswith("COMPOSE_") or (text is None and is_of_the_server(name)):
            yield f"{name}: may be a variable of the Muscle's own, or steer Docker Compose; write its value"


def _variable(name: str, text: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"{name!r} is no name of a variable"
    if ADDED.fullmatch(name.upper()):
        yield f"{name}: Coolify gives the variable a value of its own"
    if reason := magic(name) or magic(text):
        yield f"{name}: {reason}"


def _duration(value: JsonValue, _: Ground, most: float = _MOST_S) -> Iterator[str]:
    taken = seconds(value)
    if taken is None or not (taken == 0 or _LEAST_S <= taken <= most):
        yield f"{value} is no time such as 1m30s, between 1ms and {most:.0f}s"


def _grace(value: JsonValue, ground: Ground) -> Iterator[str]:
    yield from _duration(value, ground, _MOST_GRACE_S)


def _working_dir(value: JsonValue, _: Ground) -> Iterator[str]:
    if not str(value).startswith("/"):
        yield f"{value} is no absolute path, and Docker starts nothing with another"


def _host_name(value: JsonValue, _: Ground) -> Iterator[str]:
    if not _HOST_NAME.fullmatch(str(value)):
        yield f"{str(value)[:80]} is no name of at most 63 letters, digits, hyphens and dots"


def _signal(value: JsonValue, _: Ground) -> Iterator[str]:
    if not _SIGNAL.fullmatch(str(value)):
        yield f"{value} is no signal that ends a program, such as SIGTERM"


def _words(value: JsonValue, _: Ground) -> Iterator[str]:
    """Of a text Docker Compose makes words without a shell, and drops what follows `;`, `&`, `|`, `<` or `>`.

    Seen with 2.26.1, which refuses parentheses, open quotes and a last backslash.
    """
    if isinstance(value, str) and set(_QUOTED.sub("", value)) & _NOT_IN_WORDS:
        yield (
            "is a text with open quotes, or with one of ` ( ) ; & | < > outside them: Docker runs it without a shell "
            'and drops or refuses the rest; write a list, such as ["sh", "-c", "..."]'
        )


def _healthcheck(value: JsonValue, ground: Ground) -> Iterator[str]:
    for key, part in table(value).items():
        if key in _HEALTH:
            yield from (f"{key}: {reason}" for reason in _HEALTH[key](part, ground))
        else:
            yield f"{key} is not known"


def _test(value: JsonValue, _: Ground) -> Iterator[str]:
    """A list says first how it is meant (seen, Compose 2.26.1)."""
    words = as_texts(value)
    if words is None or isinstance(value, int | float):
        yield "is neither a text nor a list of texts"
    elif isinstance(value, list) and words[:1] not in (["CMD"], ["CMD-SHELL"], ["NONE"]):
        yield "a list begins with CMD, CMD-SHELL or NONE"


def _retries(value: JsonValue, _: Ground) -> Iterator[str]:
    if isinstance(value, bool) or (count(value) is None and value != 0):
        yield f"{value} is no count"


def _disable(value: JsonValue, _: Ground) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{value} is neither true nor false"


_HEALTH: Mapping[str, Judge] = {
    "test": _test,
    "retries": _retries,
    "disable": _disable,
    **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), _duration),
}


def _depends_on(value: JsonValue, ground: Ground) -> Iterator[str]:
    if unknown := [name for name in _needed(value) if name not in ground.services]:
        yield f"the file has no service {unknown[0]}"
    for name, settings in table(value).items():
        yield from (f"{name}: {reason}" for reason in _need(table(settings)))


def _need(settings: JsonObject) -> Iterator[str]:
    if settings.keys() - {"condition", "required", "restart"}:
        yield "has a setting that is not known"
    if settings.get("condition") not in _CONDITIONS:
        yield f"the condition is none of {', '.join(sorted(_CONDITIONS))}"
    if not all(isinstance(settings.get(key, True), bool) for key in ("required", "restart")):
        yield "required and restart are true or false"


def _needed(value: JsonValue) -> list[str]:
    return list(value) if isinstance(value, dict) else as_texts(value) or []


def _restart(value: JsonValue, _: Ground) -> Iterator[str]:
    if not _RESTART.fullmatch(str(value)):
        yield f"{value} is no restart policy"


def _pull_policy(value: JsonValue, _: Ground) -> Iterator[str]:
    if value not in ("always", "missing", "if_not_present", "never"):
        yield f"{value} is no pull policy of a service that has an image and no build"


def _ignored(value: JsonValue, _: Ground) -> Iterator[str]:
    """What nobody reads when an app is started: Coolify names containers itself, whatever the file says."""
    yield from ()


PLAIN: Mapping[str, Judge] = {
    "user": _any,
    **dict.fromkeys(("hostname", "domainname"), _host_name),
    **dict.fromkeys(("command", "entrypoint"), _words),
    **dict.fromkeys(("init", "tty", "stdin_open", "read_only", "exclude_from_hc"), _any),
    **dict.fromkeys(("profiles", "expose", "dns_opt", "dns_search"), _any),
    **dict.fromkeys(("attach", "container_name", "develop"), _ignored),
    "platform": _word,
    "stop_signal": _signal,
    "working_dir": _working_dir,
    "image": _image,
    "environment": _environment,
    "stop_grace_period": _grace,
    "healthcheck": _healthcheck,
    "depends_on": _depends_on,
    "restart": _restart,
    "pull_policy": _pull_policy,
}
