"""How apps are isolated: the rules in force, and what an operator's overlay may make of them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.policy import Loosened, Rule, admitted

CAPABILITIES = frozenset({
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
    *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
    *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "WAKE_ALARM"),
})  # fmt: skip
"""The capabilities of Linux 6, in Docker's short spelling (capabilities(7)); Docker refuses any other."""
_RUNTIME = re.compile(r"[A-Za-z0-9_.]+", re.ASCII)


def capability(value: str) -> str:
    """Return a Linux capability in Docker's short spelling: upper case, without CAP_.

    Raises:
        ValueError: it is not a name.
    """
    name = value.upper().removeprefix("CAP_")
    if name not in CAPABILITIES | {"ALL"}:
        raise ValueError("use the name of one of Linux's capabilities in capitals, such as CHOWN")
    return name


def runtime_name(value: str) -> str:
    """Return a Docker runtime's name.

    Raises:
        ValueError: it holds a hyphen or a space, where Coolify's option parser would cut it.
    """
    if not _RUNTIME.fullmatch(value):
        raise ValueError("use letters, digits, _ and . only: Coolify cuts an option's value at a hyphen")
    return value


_Rule = TypeVar("_Rule", bound=Rule)
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
    first = "runtime, pids_limit, allow_without and cap_drop are all needed"
    second = "settle_s and networks are both needed"
    return Isolation(
        runtime=_needed(rules.runtime, first).value,
        pids_limit=_needed(rules.pids_limit, first).value,
        cap_drop=_needed(rules.cap_drop, first).value,
        cap_add=_allowed((), rules.capabilities),
        forbidden=_forbidden({}, rules.options),
        allow_without=_needed(rules.allow_without, first).allowed,
        settle_s=_needed(rules.settle_s, second).value,
        networks=_needed(rules.networks, second).value,
    )


def _needed(rule: _Rule | None, needed: str) -> _Rule:
    if rule is None:
        raise ValueError(needed)
    return rule


def tighten(base: Isolation, overlay: IsolationRules) -> Isolation:
    """Return `base` with the overlay's entries in place of its own.

    Raises:
        Loosens: an entry allows more than `base` and carries no `override`.
    """
    overrides = admitted([*_looser_values(base, overlay), *_newly_allowed(base, overlay)])
    given = {
        "runtime": overlay.runtime,
        "pids_limit": overlay.pids_limit,
        "cap_drop": overlay.cap_drop,
        "settle_s": overlay.settle_s,
        "networks": overlay.networks,
    }
    changed: dict[str, object] = {
        **{name: rule.value for name, rule in given.items() if rule},
        "cap_add": _allowed(base.cap_add, overlay.capabilities),
        "forbidden": _forbidden(base.forbidden, overlay.options),
        "allow_without": overlay.allow_without.allowed if overlay.allow_without else base.allow_without,
        "overrides": (*base.overrides, *overrides),
    }
    return Isolation.model_validate({**dict(base), **changed})


def _allowed(base: Iterable[str], rules: Mapping[str, AllowedRule]) -> tuple[str, ...]:
    kept = [name for name in base if name not in rules]
    return tuple(sorted([*kept, *(name for name, rule in rules.items() if rule.allowed)]))


def _forbidden(base: Mapping[str, str], rules: Mapping[str, AllowedRule]) -> dict[str, str]:
    kept = {name: why for name, why in base.items() if name not in rules}
    return kept | {name: rule.why for name, rule in rules.items() if not rule.allowed}


def _looser_values(base: Isolation, overlay: IsolationRules) -> Iterator[Loosened]:
    yield from _looser_processes(base, overlay)
    yield from _looser_proof(base, overlay)
    if (networks := overlay.networks) and not set(networks.value) <= set(base.networks):
        yield _entry(("networks",), " ".join(base.networks), " ".join(networks.value), networks)


def _looser_processes(base: Isolation, overlay: IsolationRules) -> Iterator[Loosened]:
    if (runtime := overlay.runtime) and runtime.value != base.runtime:
        yield _entry(("runtime",), base.runtime, runtime.value, runtime)
    if (pids := overlay.pids_limit) and pids.value > base.pids_limit:
        yield _entry(("pids_limit",), str(base.pids_limit), str(pids.value), pids)


def _looser_proof(base: Isolation, overlay: IsolationRules) -> Iterator[Loosened]:
    if (dropped := overlay.cap_drop) and not drops(dropped.value, base.cap_drop):
        yield _entry(("cap_drop",), " ".join(base.cap_drop), " ".join(dropped.value), dropped)
    if (settle := overlay.settle_s) and settle.value < base.settle_s:
        yield _entry(("settle_s",), f"{base.settle_s:g}", f"{settle.value:g}", settle)


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
