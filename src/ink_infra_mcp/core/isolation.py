"""How apps are isolated: the rules in force, the run options that say so to Coolify, and what would weaken them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.policy import Loosened, Rule, admitted

Option = tuple[str, str | None]
"""An option name with its two hyphens, and its value; None where there is none."""

FORK_OPTIONS = frozenset({"--runtime", "--pids-limit"})
"""Options that only a Coolify with the runtime patch applies; an official image drops them without a word."""
APPLIED_OPTIONS = FORK_OPTIONS | {
    *("--cap-add", "--cap-drop", "--security-opt", "--sysctl", "--device", "--init", "--ulimit", "--privileged"),
    *("--ip", "--ip6", "--shm-size", "--dns", "--gpus", "--hostname", "--entrypoint"),
}
"""What Coolify maps into the compose file it writes (bootstrap/helpers/docker.php, v4 as of 2026-08)."""
_SINGLE = FORK_OPTIONS | {"--shm-size", "--hostname", "--entrypoint"}
_READ_APART = frozenset({"--hostname", "--entrypoint"})
_FLAGS = frozenset({"--init", "--privileged", "--gpus"})

_COOLIFY = re.compile(r"(--\w+(?:-\w+)*)(?:\s|=)?([^\s-]+)?", re.ASCII)
_ENTRYPOINT = re.compile(r"""--entrypoint(?:=|\s+)("(?:\\.|[^"])*"|'(?:\\.|[^'])*'|[^\s]+)""", re.ASCII)
_WORD = re.compile(r"[^\s]+", re.ASCII)
_CAPABILITY = re.compile(r"[A-Z][A-Z_]*")
_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_RUNTIME = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)


def capability(value: str) -> str:
    """Return a Linux capability in Docker's short spelling: upper case, without CAP_.

    Raises:
        ValueError: it is not a name.
    """
    name = value.upper().removeprefix("CAP_")
    if not _CAPABILITY.fullmatch(name):
        raise ValueError("use a capability's name in capitals, such as CHOWN")
    return name


def runtime_name(value: str) -> str:
    """Return a Docker runtime's name.

    Raises:
        ValueError: it holds a hyphen or a space, where Coolify's option parser would cut it.
    """
    if not _RUNTIME.fullmatch(value):
        raise ValueError("use letters, digits, _ and . only: Coolify cuts an option's value at a hyphen")
    return value


Capability = Annotated[str, AfterValidator(capability)]
Runtime = Annotated[str, AfterValidator(runtime_name)]
PidsLimit = Annotated[int, Field(ge=1, le=4_194_304)]
OptionName = Annotated[str, Field(pattern=r"^--[a-z0-9]+(-[a-z0-9]+)*$")]


class RuntimeRule(Rule):
    """The Docker runtime that every app must run under."""

    value: Runtime


class PidsRule(Rule):
    """How many processes and threads an app may have."""

    value: PidsLimit


class DropRule(Rule):
    """The capabilities that are taken away first."""

    value: tuple[Capability, ...]


class SettleRule(Rule):
    """How long a container must stay up, in seconds, before it counts as running."""

    value: Annotated[float, Field(ge=0, le=120)]


class NetworksRule(Rule):
    """Docker networks that apps share with Coolify's proxy, beside those of their own."""

    value: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")], ...]


class AllowedRule(Rule):
    """Whether something is allowed."""

    allowed: bool


class IsolationRules(Frozen):
    """isolation.toml as it is written: the packaged baseline has every entry, an overlay only what it changes."""

    runtime: RuntimeRule | None = None
    pids_limit: PidsRule | None = None
    allow_without: AllowedRule | None = None
    cap_drop: DropRule | None = None
    settle_s: SettleRule | None = None
    networks: NetworksRule | None = None
    capabilities: dict[Capability, AllowedRule] = {}
    options: dict[OptionName, AllowedRule] = {}


class Isolation(Frozen):
    """The isolation in force. `cap_add` is what an app gets back and the most that it may have.

    `forbidden` maps a run option to why nobody may set it; `allow_without` lets an app run where no Muscle can
    isolate it; `overrides` lists, in words, what the operator's overlay loosens. `settle_s` is for how many seconds a
    container must stay up to be proved; `networks` are those that an app may be in beside its own.
    """

    runtime: Runtime
    pids_limit: PidsLimit
    cap_drop: tuple[Capability, ...]
    cap_add: tuple[Capability, ...]
    forbidden: Mapping[str, str]
    allow_without: bool = False
    overrides: tuple[str, ...] = ()
    settle_s: float = 10.0
    networks: tuple[str, ...] = ("coolify",)


def baseline(rules: IsolationRules) -> Isolation:
    """Return the isolation of the packaged file alone.

    Raises:
        ValueError: an entry is missing.
    """
    if not (rules.runtime and rules.pids_limit and rules.allow_without and rules.cap_drop):
        raise ValueError("runtime, pids_limit, allow_without and cap_drop are all needed")
    if not (rules.settle_s and rules.networks):
        raise ValueError("settle_s and networks are both needed")
    return Isolation(
        runtime=rules.runtime.value,
        pids_limit=rules.pids_limit.value,
        cap_drop=rules.cap_drop.value,
        cap_add=_allowed((), rules.capabilities),
        forbidden=_forbidden({}, rules.options),
        allow_without=rules.allow_without.allowed,
        settle_s=rules.settle_s.value,
        networks=rules.networks.value,
    )


def tighten(base: Isolation, overlay: IsolationRules) -> Isolation:
    """Return `base` with the overlay's entries in place of its own.

    Raises:
        Loosens: an entry allows more than `base` and carries no `override`.
    """
    overrides = admitted([*_looser_values(base, overlay), *_newly_allowed(base, overlay)])
    return Isolation(
        runtime=overlay.runtime.value if overlay.runtime else base.runtime,
        pids_limit=overlay.pids_limit.value if overlay.pids_limit else base.pids_limit,
        cap_drop=overlay.cap_drop.value if overlay.cap_drop else base.cap_drop,
        cap_add=_allowed(base.cap_add, overlay.capabilities),
        forbidden=_forbidden(base.forbidden, overlay.options),
        allow_without=overlay.allow_without.allowed if overlay.allow_without else base.allow_without,
        overrides=(*base.overrides, *overrides),
        settle_s=overlay.settle_s.value if overlay.settle_s else base.settle_s,
        networks=overlay.networks.value if overlay.networks else base.networks,
    )


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

    A value ends at the first space or hyphen, and only one space or `=` may stand before it (Coolify's expression
    in bootstrap/helpers/docker.php).
    """
    return tuple((match[1], match[2]) for match in _COOLIFY.finditer(text))


def weakening(text: str, policy: Isolation) -> tuple[str, ...]:
    """Return a reason for each part of a run option text that weakens isolation, or would not arrive as written."""
    seen = parse_options(text)
    reasons = [*_forbidden_reasons(seen, policy), *_value_reasons(seen, policy), *_lost(text, seen)]
    return tuple(dict.fromkeys(reasons))


def lacking(text: str, policy: Isolation) -> tuple[str, ...]:
    """Return the options that isolation needs and Coolify would not read out of `text`."""
    seen = parse_options(text)
    needed = [
        ("--runtime", policy.runtime),
        ("--pids-limit", _first_value("--pids-limit", seen) or str(policy.pids_limit)),
        *(("--cap-drop", name) for name in policy.cap_drop),
    ]
    return tuple(f"{name}={value}" for name, value in needed if (name, value) not in seen)


def _first_value(name: str, seen: Iterable[Option]) -> str | None:
    return next((value for other, value in seen if other == name and value), None)


def _allowed(base: Iterable[str], rules: Mapping[str, AllowedRule]) -> tuple[str, ...]:
    kept = [name for name in base if name not in rules]
    return tuple(sorted([*kept, *(name for name, rule in rules.items() if rule.allowed)]))


def _forbidden(base: Mapping[str, str], rules: Mapping[str, AllowedRule]) -> dict[str, str]:
    kept = {name: why for name, why in base.items() if name not in rules}
    return kept | {name: rule.why for name, rule in rules.items() if not rule.allowed}


def _looser_values(base: Isolation, overlay: IsolationRules) -> Iterator[Loosened]:
    if (runtime := overlay.runtime) and runtime.value != base.runtime:
        yield _entry(("runtime",), base.runtime, runtime.value, runtime)
    if (pids := overlay.pids_limit) and pids.value > base.pids_limit:
        yield _entry(("pids_limit",), str(base.pids_limit), str(pids.value), pids)
    if (dropped := overlay.cap_drop) and not drops(dropped.value, base.cap_drop):
        yield _entry(("cap_drop",), " ".join(base.cap_drop), " ".join(dropped.value), dropped)
    if (settle := overlay.settle_s) and settle.value < base.settle_s:
        yield _entry(("settle_s",), f"{base.settle_s:g}", f"{settle.value:g}", settle)
    if (networks := overlay.networks) and not set(networks.value) <= set(base.networks):
        yield _entry(("networks",), " ".join(base.networks), " ".join(networks.value), networks)


def _newly_allowed(base: Isolation, overlay: IsolationRules) -> Iterator[Loosened]:
    if (without := overlay.allow_without) and without.allowed and not base.allow_without:
        yield _entry(("allow_without",), "not allowed", "allowed", without)
    yield from _allowances("capabilities", overlay.capabilities, overlay.capabilities.keys() - set(base.cap_add))
    yield from _allowances("options", overlay.options, base.forbidden)


def _allowances(part: str, rules: Mapping[str, AllowedRule], closed: Iterable[str]) -> list[Loosened]:
    names = sorted(set(closed) & rules.keys())
    return [_entry((part, name), "not allowed", "allowed", rules[name]) for name in names if rules[name].allowed]


def _entry(path: tuple[str, ...], was: str, now: str, rule: Rule) -> Loosened:
    return Loosened(path=path, was=was, now=now, override=rule.override)


def drops(dropped: Iterable[str], needed: Iterable[str]) -> bool:
    """Return whether dropping the first capabilities takes away at least the second ones; ALL is every one."""
    names = set(dropped)
    return "ALL" in names or names >= set(needed)


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
        case "--pids-limit" if not (_DIGITS.fullmatch(value) and 1 <= int(value) <= policy.pids_limit):
            return f"`--pids-limit={value}` is not between 1 and {policy.pids_limit}"
        case _:
            return ""


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
    if name in _READ_APART:
        return ""
    return _loss_without_value(name) if value is None else _loss_of_value(name, value, seen)


def _loss_without_value(name: str) -> str:
    return "" if name in _FLAGS else f"`{name}` has no value: Coolify would drop it or write an invalid compose file"


def _loss_of_value(name: str, value: str, seen: tuple[Option, ...]) -> str:
    if name == "--init":
        return "`--init` takes no value here: Coolify would write an invalid compose file"
    if (name, value) not in seen:
        return f"`{name}={value}` does not arrive as written: Coolify reads {_what_arrives(name, value, seen)}"
    if name == "--ulimit" and "=" not in value:
        return f"`--ulimit={value}` stops the deployment: write a name, = and a number"
    return ""


def _what_arrives(name: str, value: str, seen: tuple[Option, ...]) -> str:
    read = next((part for other, part in seen if other == name and value.startswith(part or " ")), None)
    return f"`{read}`" if read else "no value"


def _as_written(text: str) -> tuple[list[Option], list[str]]:
    """Return the options as the person who wrote them reads them, and the words that belong to none."""
    options: list[Option] = []
    strays: list[str] = []
    for word in _WORD.findall(text):
        if word.startswith("--"):
            options.append(_split(word))
        elif options and options[-1][1] is None and not word.startswith("-"):
            options[-1] = (options[-1][0], word)
        else:
            strays.append(word)
    return options, strays


def _split(word: str) -> Option:
    name, equals, value = word.partition("=")
    return (name, value if equals else None)
