"""Run options: the text that says our isolation to Coolify, and an allow list over what anybody else puts into one.

Coolify and the fork read such a text with regular expressions (convertDockerRunToCompose in its helper docker.php, of
4.3.11 and of pull request 8113 at ec170b10dd). Both readings are kept here, and a text counts only where they agree.
"""

import re
from collections.abc import Iterable

from ink_infra_mcp.core.isolation import CAPABILITIES, Isolation, drops

Option = tuple[str, str | None]
"""An option name with its two hyphens, and its value; None where there is none."""

FORK_OPTIONS = frozenset({"--runtime", "--pids-limit"})
"""Options that only a Coolify with the runtime patch applies; an official image drops them without a word."""
APPLIED_OPTIONS = FORK_OPTIONS | {
    *("--cap-add", "--cap-drop", "--security-opt", "--sysctl", "--device", "--init", "--ulimit", "--privileged"),
    *("--ip", "--ip6", "--shm-size", "--dns", "--gpus", "--hostname", "--entrypoint"),
}
"""What Coolify maps into the compose file it writes."""
_SINGLE = FORK_OPTIONS | {"--shm-size", "--hostname", "--entrypoint", "--init"}
_READ_APART = frozenset({"--hostname", "--entrypoint"})
_FLAGS = frozenset({"--init", "--privileged", "--gpus"})

_COOLIFY = re.compile(r"(--\w+(?:-\w+)*)(?:\s|=)?([^\s-]+)?", re.ASCII)
_ENTRYPOINT = re.compile(r"""--entrypoint(?:=|\s+)("(?:\\.|[^"])*"|'(?:\\.|[^'])*'|[^\s]+)""", re.ASCII)
_WORD = re.compile(r"[^\s]+", re.ASCII)
_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_ULIMIT = (
    r"(core|cpu|data|fsize|locks|memlock|msgqueue|nofile|nproc|rss|sigpending|stack)=\d{1,18}:\d{1,18}",
    "a limit's name, =, the soft limit, : and the hard one, which is not less, such as nofile=1024:2048",
)
_SHAPES: dict[str, tuple[str, str]] = {
    "--cap-drop": (r"(?i:(CAP_)?(ALL|" + "|".join(sorted(CAPABILITIES)) + "))", "a capability's name"),
    "--ulimit": _ULIMIT,
    "--shm-size": (r"\d{1,15}[bkmgBKMG]?", "a size without quotes, such as 64m"),
    "--dns": (r"[0-9A-Fa-f.:]{2,45}", "an address"),
    "--hostname": (r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", "a name"),
}
"""What a value may look like. Quotes stay in values; of a soft limit alone Docker says "hard is required"."""
_JUDGED_BY_VALUE = frozenset({"--cap-add", "--runtime", "--pids-limit", "--entrypoint"})
_ANY_SHAPE = (r"[A-Za-z0-9_./:=,+@%]+", "a plain word without quotes")


def run_options(policy: Isolation) -> str:
    """Return the text for Coolify's `custom_docker_run_options` that says exactly this isolation.

    Every value is free of spaces and hyphens, so that Coolify's parser gives back what was meant.
    """
    options = [
        f"--runtime={policy.runtime}",
        f"--pids-limit={policy.pids_limit}",
        *(f"--cap-drop={name}" for name in policy.cap_drop),
        *(f"--cap-add={name}" for name in policy.cap_add),
    ]
    return " ".join(options)


def parse_options(text: str) -> tuple[Option, ...]:
    """Return the options that Coolify reads out of `text`, in order, including those inside another option's value.

    A value ends at the first space or hyphen, and only one space or `=` may stand before it.
    """
    return tuple((match[1], match[2]) for match in _COOLIFY.finditer(text))


def forks_value(name: str, text: str) -> str | None:
    """Return the value that the fork reads for `--runtime` or `--pids-limit`: the first in the text, with its hyphens.

    It counts only where Coolify's own expression finds the option at all; None where there is none.
    """
    found = re.search(rf"{name}(?:=|\s+)([^\s]+)", text, re.ASCII)
    return found[1] if found else None


def weakening(text: str, policy: Isolation) -> tuple[str, ...]:
    """Return a reason for each part of a run option text that weakens isolation, or would not arrive as written.

    It is an allow list: options by name, and of each the shape of its value.
    """
    seen = parse_options(text)
    reasons = [
        *_forbidden_reasons(seen, policy),
        *_value_reasons(seen, policy),
        *_disagreements(text, seen),
        *_lost(text, seen),
    ]
    return tuple(dict.fromkeys(reasons))


def lacking(text: str, policy: Isolation) -> tuple[str, ...]:
    """Return the options that isolation needs and that not every reading of `text` gives exactly so."""
    seen = parse_options(text)
    pids = forks_value("--pids-limit", text) or ""
    limit = pids if _is_limit(pids, policy) else str(policy.pids_limit)
    needed = (("--runtime", policy.runtime), ("--pids-limit", limit))
    missing = [f"{name}={value}" for name, value in needed if _readings(name, text, seen) != [value]]
    return (*missing, *_kept(seen, policy))


def _kept(seen: Iterable[Option], policy: Isolation) -> list[str]:
    dropped = _dropped(seen)
    if drops(dropped, policy.cap_drop):
        return []
    return [f"--cap-drop={name}" for name in policy.cap_drop if name not in dropped]


def _dropped(seen: Iterable[Option]) -> list[str]:
    """Without a value an option loses those that it had before: then nothing is dropped."""
    values = [value or "" for value in _values("--cap-drop", seen)]
    return [] if "" in values else values


def _values(name: str, seen: Iterable[Option]) -> list[str | None]:
    return [value for other, value in seen if other == name]


def _readings(name: str, text: str, seen: Iterable[Option]) -> list[str | None]:
    """Return each value that somebody may take for an option of the fork's; one that is given twice has two."""
    coolifys = _values(name, seen)
    return coolifys if coolifys == [forks_value(name, text)] else [*coolifys, forks_value(name, text)]


def _disagreements(text: str, seen: Iterable[Option]) -> list[str]:
    found = {name: _readings(name, text, seen) for name in sorted(FORK_OPTIONS)}
    return [_disagreement(name, values) for name, values in found.items() if len(values) > 1]


def _disagreement(name: str, values: Iterable[str | None]) -> str:
    read = ", ".join(f"`{value}`" if value else "no value" for value in dict.fromkeys(values))
    return f"`{name}` is not read in one way: Coolify and the fork make {read} of it"


def _forbidden_reasons(seen: Iterable[Option], policy: Isolation) -> list[str]:
    return [f"`{name}` is forbidden: {policy.forbidden[name]}" for name, _ in seen if name in policy.forbidden]


def _value_reasons(seen: Iterable[Option], policy: Isolation) -> list[str]:
    return [reason for name, value in seen if value and (reason := _value_reason(name, value, policy))]


def _value_reason(name: str, value: str, policy: Isolation) -> str:
    match name:
        case "--cap-add" if value.upper().removeprefix("CAP_") not in policy.cap_add:
            return f"`--cap-add={value}` adds a capability that policy does not allow"
        case "--runtime" if value != policy.runtime:
            return f"`--runtime={value}` is not the isolating runtime {policy.runtime}"
        case "--pids-limit" if not _is_limit(value, policy):
            return f"`--pids-limit={value}` is not between 1 and {policy.pids_limit}"
        case _:
            return ""


def _is_limit(value: str, policy: Isolation) -> bool:
    return _DIGITS.fullmatch(value) is not None and 1 <= int(value) <= policy.pids_limit


def _lost(text: str, seen: tuple[Option, ...]) -> list[str]:
    meant, strays = _as_written(_ENTRYPOINT.sub(" ", text))
    return [
        *(f"`{word}` is no long option: Coolify ignores it" for word in strays),
        *(reason for option in meant if (reason := _loss(option, seen))),
        *_read_inside(seen, meant),
        *_doubled([name for name, _ in seen]),
    ]


def _read_inside(seen: Iterable[Option], meant: Iterable[Option]) -> list[str]:
    applied = dict.fromkeys(name for name, _ in seen if name in APPLIED_OPTIONS)
    inside = applied.keys() - {name for name, _ in meant} - _READ_APART
    return [f"`{name}` is read as an option though it stands inside the value of another" for name in sorted(inside)]


def _doubled(names: list[str]) -> list[str]:
    doubled = [name for name in sorted(_SINGLE) if names.count(name) > 1]
    return [f"`{name}` is given {names.count(name)} times: only one of them counts" for name in doubled]


def _loss(option: Option, seen: tuple[Option, ...]) -> str:
    name, value = option
    if name not in APPLIED_OPTIONS:
        return f"`{name}` is dropped by Coolify without a word"
    if value is None:
        return _loss_without_value(name)
    if reason := _loss_of_value(name, value, seen):
        return reason
    return "" if name in _JUDGED_BY_VALUE else _misshapen(name, value)


def _loss_without_value(name: str) -> str:
    fine = name in _FLAGS or name == "--entrypoint"
    return "" if fine else f"`{name}` has no value: Coolify would drop it or write an invalid compose file"


def _loss_of_value(name: str, value: str, seen: tuple[Option, ...]) -> str:
    if name == "--init":
        return "`--init` takes no value here: Coolify would write an invalid compose file"
    if name not in _READ_APART and (name, value) not in seen:
        return f"`{name}={value}` does not arrive as written: Coolify reads {_what_arrives(name, value, seen)}"
    return ""


def _misshapen(name: str, value: str) -> str:
    shape, words = _SHAPES.get(name, _ANY_SHAPE)
    fine = re.fullmatch(shape, value, re.ASCII) and not (name == "--ulimit" and _is_upside_down(value))
    return "" if fine else f"`{name}={value}` stops the deployment: write {words}"


def _is_upside_down(limit: str) -> bool:
    soft, _, hard = limit.partition("=")[2].partition(":")
    return int(soft) > int(hard)


def _what_arrives(name: str, value: str, seen: tuple[Option, ...]) -> str:
    read = next((part for part in _values(name, seen) if value.startswith(part or " ")), None)
    return f"`{read}`" if read else "no value"


def _as_written(text: str) -> tuple[list[Option], list[str]]:
    """Return the options as the person who wrote them reads them, and the words that belong to none."""
    options: list[Option] = []
    strays: list[str] = []
    for word in _WORD.findall(text):
        if word.startswith("--"):
            options.append(_split(word))
        elif _is_value(word, options):
            options[-1] = (options[-1][0], word)
        else:
            strays.append(word)
    return options, strays


def _is_value(word: str, before: list[Option]) -> bool:
    return bool(before) and before[-1][1] is None and not word.startswith("-")


def _split(word: str) -> Option:
    name, equals, value = word.partition("=")
    return (name, value if equals else None)
