"""Reads the `volumes` of a service as Coolify does (read in parsers.php of coollabsio/coolify 4.3.11)."""

import re
from dataclasses import dataclass

from ink_infra_mcp.sandbox.coolify.php import Broken, Pairs, Php, get, pairs_of, slug, text

MODES = (
    *("ro", "rw", "z", "Z", "rslave", "rprivate", "rshared", "slave", "private", "shared"),
    *("cached", "delegated", "consistent"),
)
FORBIDDEN = {
    "`": "backtick (command substitution)",
    "$(": "command substitution",
    "${": "variable substitution with potential command injection",
    "|": "pipe operator",
    "&": "background/AND operator",
    ";": "command separator",
    "\n": "newline (command separator)",
    "\r": "carriage return",
    "\t": "tab (token separator)",
    ">": "output redirection",
    "<": "input redirection",
}
_UNTOUCHED = ("/var/run/docker.sock", "/tmp", "/tmp/")  # noqa: S108 - the two folders that Coolify leaves alone
_REMOTE = ("cifs", "nfs")
_WITH_DEFAULT = re.compile(r"\$\{[^}]+:-[^}]*\}")
_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_SAFE_VARIABLE = re.compile(r"\$\{[a-zA-Z_][a-zA-Z0-9_]*\}[/\w.\-]*", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:")
_ADVICE = " Please use safe path names without shell metacharacters."


class Unsafe(Exception):
    """A path that Coolify refuses, in its own words."""


@dataclass(frozen=True, slots=True)
class Short:
    """A volume written as one text."""

    source: str
    target: str
    mode: str = ""


def check_safe(value: str, what: str) -> None:
    """Refuse signs that a shell reads.

    Raises:
        Unsafe: there is one.
    """
    for sign, meaning in FORBIDDEN.items():
        if sign in value:
            raise Unsafe(
                f"Invalid {what}: contains forbidden character '{sign}' ({meaning}). "
                "Shell metacharacters are not allowed for security reasons."
            )


def check_volumes(service: Php) -> None:
    """Refuse unsafe volumes of a service, before anything is stored.

    Raises:
        Unsafe: a source or target has a sign that a shell reads.
    """
    volumes = get(service, "volumes")
    for volume in pairs_of(volumes).values() if isinstance(volumes, dict | list) else ():
        if isinstance(volume, str):
            short(volume)
        elif isinstance(volume, dict | list):
            _check_long(volume)


def _check_long(volume: Php) -> None:
    source, target = get(volume, "source"), get(volume, "target")
    try:
        if isinstance(source, str) and not _is_variable(source):
            check_safe(source, "volume source")
        if isinstance(target, str):
            check_safe(target, "volume target")
    except Unsafe as error:
        raise Unsafe(f"Invalid Docker volume definition (array syntax): {error}{_ADVICE}") from error


def _is_variable(source: str) -> bool:
    return bool(_SAFE_VARIABLE.fullmatch(source) or _WITH_DEFAULT.fullmatch(source))


def short(written: str) -> Short:
    """Return the parts of a volume written as one text; one without a colon is source and target at once.

    Raises:
        Unsafe: source or target has a sign that a shell reads.
    """
    parts = _split(written.strip())
    source = _defaulted(parts.source)
    try:
        if not _SAFE_VARIABLE.fullmatch(source):
            check_safe(source, "volume source")
        check_safe(parts.target, "volume target")
    except Unsafe as error:
        raise Unsafe(f"Invalid Docker volume definition: {error}{_ADVICE}") from error
    return Short(source, parts.target, parts.mode)


def _defaulted(source: str) -> str:
    """A variable with a default is taken for its default, and for itself where that is empty."""
    variable = _VARIABLE.fullmatch(source)
    if not variable or ":-" not in variable[1]:
        return source
    name, _, default = variable[1].partition(":-")
    return default or f"${{{name}}}"


def _split(written: str) -> Short:
    if default := _WITH_DEFAULT.match(written):
        return _split_after(default[0], written)
    if ":" not in written:
        return Short(written, written)
    if _DRIVE.match(written) and written.count(":") > 1:
        return _split_with_drive(written)
    source, _, target = written.partition(":")
    return Short(source, *_without_mode(target))


def _split_after(source: str, written: str) -> Short:
    if written == source:
        return Short(written, written)
    return Short(source, *_without_mode(written.removeprefix(source).removeprefix(":")))


def _split_with_drive(written: str) -> Short:
    source, _, target = written[2:].partition(":")
    is_long = written.count(":") > 2
    return Short(written[:2] + source, *(_without_mode(target) if is_long else (target, "")))


def _without_mode(target: str) -> tuple[str, str]:
    path, colon, last = target.rpartition(":")
    return (path, last) if colon and last in MODES else (target, "")


def is_local(source: str) -> bool:
    """Return whether a source is a folder of the server and no volume."""
    return source.startswith(("./", "/", "~", ".."))


@dataclass(slots=True)
class Mounts:
    """The volumes of all services of one file; `mode` is that of the last short one, which later long binds get too."""

    uuid: str
    declared: Pairs
    mode: str = ""

    def of(self, service: Php) -> Pairs:
        """Return the volumes of a service as Coolify writes them; those on nfs or cifs are left out.

        Raises:
            Unsafe: source or target has a sign that a shell reads.
            Broken: an entry that is neither a text nor a map.
        """
        written = pairs_of(get(service, "volumes"))
        made = {index: self._one(volume) for index, volume in written.items()}
        return {index: volume for index, volume in made.items() if volume is not None}

    def _one(self, volume: Php) -> Php:
        if isinstance(volume, str):
            return self._short(volume)
        if not isinstance(volume, dict | list):
            raise Broken("Call to a member function value() on null")
        _check_long(volume)
        parts = Short(text(get(volume, "source")), text(get(volume, "target")))
        match get(volume, "type"):
            case "bind":
                return self._bind(parts.source, parts.target)
            case "volume":
                return self._named(parts, volume)
            case _:
                return _without_content(volume)

    def _short(self, volume: str) -> Php:
        parts = short(volume)
        self.mode = parts.mode
        return self._bind(parts.source, parts.target) if is_local(parts.source) else self._named(parts, volume)

    def _bind(self, source: str, target: str) -> str:
        placed = source if source in _UNTOUCHED else _placed(source, f"/data/coolify/services/{self.uuid}")
        return f"{placed}:{target}{f':{self.mode}' if self.mode else ''}"

    def _named(self, parts: Short, volume: Php) -> Php:
        if get(self.declared.get(parts.source), "driver_opts.type") in _REMOTE:
            return None
        name = f"{self.uuid}_{slug(parts.source)}"
        self.declared[name] = {"name": name}
        if isinstance(volume, str):
            return f"{name}:{parts.target}{f':{parts.mode}' if parts.mode else ''}"
        return _without_content({**pairs_of(volume), "source": name})


def _placed(source: str, folder: str) -> str:
    """Only the first sign is replaced, so that `../x` ends beside the folder with a dot."""
    placed = folder + source[1:] if source.startswith((".", "~")) else source
    return placed[:-1] if placed.endswith("/") and placed != "/" else placed


def _without_content(volume: Php) -> Php:
    return {key: value for key, value in pairs_of(volume).items() if key not in CONTENT}


CONTENT = ("content", "isDirectory", "is_directory")
"""What Coolify keeps for itself of a volume in its long form."""
