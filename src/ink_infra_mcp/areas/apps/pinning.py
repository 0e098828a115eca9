"""Pins what a plan starts: all that Coolify has of the app, with what the plan itself changes of it.

The pins are parameters of the step that starts it, and so part of what is approved. Its handler reads everything again
right before the request.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from glob import escape
from itertools import chain

from ink_infra_mcp.areas.apps.env_values import is_generated, is_secret_name, secret_key
from ink_infra_mcp.areas.apps.history import Ran, last_ran
from ink_infra_mcp.areas.apps.images import TaggedImage, reference_in, tagged, with_digest
from ink_infra_mcp.areas.apps.images import warnings_of as image_warnings
from ink_infra_mcp.areas.apps.limits import compose_of
from ink_infra_mcp.areas.apps.rollout import KNOWN, ROLLOUTS
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.buildlog import FINISHED
from ink_infra_mcp.clients.coolify.runs import COMMANDS, COMPOSE, PART, PLAIN, STORAGE, VARIABLE, of_setting
from ink_infra_mcp.core.compose.reads import defaults_of, kept_by_coolify, reads_of
from ink_infra_mcp.core.fingerprint import UNREADABLE, Facets, Pinning, differing, matches
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name

_PLACEHOLDER = "coollabsio/coolify"
"""What Coolify writes as the repository of an app that has none (source, version 4.3.11)."""
_GIT = frozenset({"git_repository", "git_branch", "git_commit_sha"})
_NAMED = 20
"""How many changes a warning names."""
_CREATES = frozenset({"coolify.create_application", "coolify.create_service"})
_CLONES = "coolify.clone_application"
_SWITCHES = "coolify.switch_domains"
_SERVICES = frozenset({"coolify.create_service", "coolify.update_service"})
_READS_FILE = _SERVICES | {"coolify.settle_service"}
"""The kinds of step with which Coolify reads a compose file anew."""
_SETTINGS = frozenset({"coolify.create_application", "coolify.update_application"})
_ENV = frozenset({"coolify.set_env", "coolify.set_env_new"})
_NEW = (
    "*",
    *(f"!{name}" for name in sorted(COMMANDS)),
    f"!{VARIABLE}*",
    f"!{STORAGE}*",
    *(f"{VARIABLE}{name}" for name in ("SERVICE_*", "NIXPACKS_NODE_VERSION")),
)
"""What a new app may have beside what its plan sets: Coolify's defaults, but no command, mount or variable, save those
that Coolify makes (Application.php and parsers.php, version 4.3.11)."""
_MADE_AT_THE_START = ("custom_labels",)
"""Coolify makes the labels of an app that has none when it deploys it (ApplicationDeploymentJob, version 4.3.11)."""
SET_ANEW = ("noindex_domains", *_MADE_AT_THE_START)
"""What Coolify makes of an app's domains, or makes once it is deployed."""
_OF_PACK: Mapping[str, tuple[str, ...]] = {
    "dockerfile": ("dockerfile", "dockerfile_location", "dockerfile_target_build"),
    "dockercompose": ("docker_compose_domains", "docker_compose_raw"),
}
"""What Coolify clears of an app that is no longer built in that way (Application.php, version 4.3.11)."""
_LABELS_ARE_COOLIFYS = "is_container_label_readonly_enabled"
_ADDRESSES = tuple(f"{VARIABLE}SERVICE_{what}_*" for what in ("FQDN", "URL", "NAME"))
"""Variables of a compose app that Coolify writes anew whenever it reads the file; of others it makes those that are
missing, and leaves those that are there (parsers.php, version 4.3.11)."""


@dataclass(frozen=True, slots=True)
class Present:
    """What would run of an app if it were started now, and what is known of when it last was; nothing for a new app."""

    pinning: Pinning
    facets: Facets = field(default_factory=dict[str, str])
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """The digests of the stored secrets that are wanted as values, by what they are called in the arguments."""
    ran: Ran | None = None
    image: TaggedImage | None = None
    """What its tag names now, of an app that Coolify pulls."""
    since: str = ""
    """Why the last start of our record may not be what runs, in words: somebody else had it deployed."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what a person must know before it is started: what was changed since, and what cannot be pinned."""
        of_image = image_warnings(self.image) if self.image else ()
        return (*(self._changed() if self.facets else ()), *self._hidden(), *of_image)

    def _changed(self) -> tuple[str, ...]:
        ran = self.ran
        if ran is None:
            return ("what ran before is not known: no start of it stands in this server's record",)
        if self.since:
            return (f"what ran before is not known: {self.since}",)
        if not ran.by:
            return (f"what was changed since it last ran ({ran.operation}) is not known: the record does not tell",)
        if ran.by != self.pinning.by:
            return (f"what was changed since {ran.operation} is not known: another Coolify token was in use then",)
        if names := differing(ran.facets, self.facets, free=_MADE_AT_THE_START):
            return (f"changed since it last ran ({ran.operation}): {_few(names)}",)
        return ()

    def _hidden(self) -> tuple[str, ...]:
        hidden = [name for name, text in sorted(self.facets.items()) if text.startswith(f"{UNREADABLE}/")]
        if not hidden:
            return ()
        return (f"Coolify shows this token no value of {_few(hidden)}: what they are when it starts is not pinned",)


async def present(
    look: Look, uuid: str, name: str, *, service: bool, values: Iterable[str] = (), image: str | None = None
) -> Present:
    """Return what there is of an app, and of its last start in our record; `uuid` is empty for one that is not yet.

    `values` are those that its variables shall have, as they are in the arguments; `image` is the one that it shall
    have, None where that stays.
    """
    secrets = {value: look.secret_pin(secret_key(value)) for value in values if is_secret_name(value)}
    if not uuid:
        return Present(look.pinning, secrets=secrets, image=await tagged(look, image or ""))
    facets = await look.coolify.would_run(uuid, look.pinning, service=service)
    ran = await last_ran(look, uuid, name)
    since = "" if service or ran is None else await _deployed_since(look, uuid, ran)
    by_tag = await tagged(look, (reference_in(facets) if image is None else image) if not service else "")
    return Present(look.pinning, facets, secrets, ran, by_tag, since)


async def _deployed_since(look: Look, uuid: str, ran: Ran) -> str:
    deployments = await look.coolify.deployments_of(uuid, take=KNOWN)
    last = next((d.uuid for d in deployments if d.status == FINISHED and not d.is_preview), None)
    if last is None and ran.deployment not in {d.uuid for d in deployments}:
        return f"Coolify's last {KNOWN} deployments do not tell which one runs"
    if last in (None, ran.deployment):
        return ""
    return f"somebody else had it deployed since {ran.operation} ({last})"


def warnings_of(steps: Iterable[Step], now: Present) -> tuple[str, ...]:
    """Return the warnings of what there is where one of the steps starts it."""
    return now.warnings if any(step.kind in ROLLOUTS for step in steps) else ()


def pinned(steps: Iterable[Step], now: Present) -> tuple[Step, ...]:
    """Return the steps such that each that starts something says all that it will run."""
    steps = tuple(steps)
    params = _pins(steps, now)
    found = tuple(
        step.model_copy(update={"params": step.params | params}) if step.kind in ROLLOUTS else step for step in steps
    )
    return tuple(with_digest(found, now.image)) if now.image and now.image.digest else found


def _pins(steps: tuple[Step, ...], now: Present) -> JsonObject:
    """A facet that Coolify sets anew with one of the plan's changes is left open, what is not there yet included."""
    compose = _compose_in(steps)
    anew = [*chain.from_iterable(_set_anew(step, now, compose) for step in steps)]
    expected = _expected(steps, now, anew)
    shown = {name: text for name, text in expected.items() if _is_shown(name, expected)}
    pins: JsonObject = {name: text for name, text in expected.items() if name not in shown}
    free = dict.fromkeys((*anew, *(_may_come(compose) if _reads_file(steps) else ())))
    return {"runs": {**shown}, "pins": pins, "pinned_by": now.pinning.by, "free": [*free]}


def _expected(steps: tuple[Step, ...], now: Present, anew: list[str]) -> dict[str, str]:
    """Return the facets as they shall be after the plan's own changes, by name, less those that are set `anew`."""
    found = {name: text for name, text in now.facets.items() if not matches(name, anew)}
    for step in steps:
        found |= _sets(step, now)
    return {name: found[name] for name in sorted(found) if found[name]}


def _is_shown(name: str, expected: Facets) -> bool:
    """What Coolify writes where an app has no repository is nothing that a person should read as its source."""
    return name in PLAIN and not (name in _GIT and expected.get("git_repository") == _PLACEHOLDER)


def _sets(step: Step, now: Present) -> dict[str, str]:
    """Return the facets that a step sets; an empty text for one that it takes away."""
    if step.kind in _SETTINGS:
        settings = dict(table(step.params.get("settings")))
        dockerfile = {"dockerfile": step.params["dockerfile"]} if step.params.get("dockerfile") else {}
        return {name: of_setting(name, value, now.pinning) for name, value in (settings | dockerfile).items()}
    if step.kind == _CLONES:
        place = {"server": step.params["server"], "network": step.params["network"], "domains": step.params["urls"]}
        return {name: of_setting(name, value, now.pinning) for name, value in place.items()}
    if step.kind in _ENV:
        variables = table(step.params["variables"])
        known = {name: str(value) for name, value in variables.items() if not is_generated(str(value))}
        return {f"{VARIABLE}{name}": _pin(value, now) for name, value in known.items()}
    if step.kind == "coolify.delete_env":
        return {f"{VARIABLE}{name}": "" for name in items(step.params["names"])}
    return {}


def _pin(value: str, now: Present) -> str:
    return now.secrets[value] if is_secret_name(value) else now.pinning.of(value)


def values_of(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the values that steps give to variables, as they are in their parameters."""
    sets = (table(step.params["variables"]) for step in steps if step.kind in _ENV)
    return tuple(str(value) for variables in sets for value in variables.values())


def _compose_in(steps: Iterable[Step]) -> JsonObject:
    """Return the compose file that will be read, empty where there is none."""
    texts = (text for step in steps if isinstance(text := step.params.get("compose"), str))
    return compose_of(next(texts, "")) or {}


def _reads_file(steps: Iterable[Step]) -> bool:
    return any(step.kind in _READS_FILE for step in steps)


def _set_anew(step: Step, now: Present, compose: JsonObject) -> Iterator[str]:
    if step.kind in _ENV:
        # a random value is made when the step runs: nobody knows its digest before
        variables = table(step.params["variables"])
        yield from (f"{VARIABLE}{name}" for name, value in variables.items() if is_generated(str(value)))
    if step.kind in _CREATES:
        yield from _NEW
    if step.kind in _SERVICES:
        yield from (COMPOSE, f"{PART}*")
    if step.kind in _READS_FILE:
        yield from (*_ADDRESSES, *(f"{VARIABLE}{name}" for name in kept_by_coolify(compose)))
    if step.kind == _CLONES:
        yield from _of_copy(now)
    if step.kind == _SWITCHES:
        yield from _of_domains(now)
    yield from _follow(table(step.params.get("settings")), now)


def _of_copy(now: Present) -> Iterator[str]:
    """Give what a copy of an app has otherwise: its number, its volumes, what Coolify makes of its domain, and each
    value that can be told by the time of its last change only.
    """
    yield from ("noindex_domains", "custom_labels", "destination_id")
    mounted = (name for name in now.facets if name.startswith(STORAGE))
    hidden = (name for name, text in now.facets.items() if text.startswith(f"{UNREADABLE}/"))
    yield from map(escape, (*mounted, *hidden))


def _follow(settings: JsonObject, now: Present) -> Iterator[str]:
    """Give what Coolify sets anew with a setting (ApplicationsController and Application, version 4.3.11)."""
    if "domains" in settings:
        yield from _of_domains(now)
    if "build_pack" in settings:
        yield from _OF_PACK.get(now.facets.get("build_pack", ""), ())


def _of_domains(now: Present) -> Iterator[str]:
    yield "noindex_domains"
    if now.facets.get(_LABELS_ARE_COOLIFYS) == now.pinning.of("true"):
        yield "custom_labels"


def _may_come(compose: JsonObject) -> Iterator[str]:
    """Coolify gives an app each variable that its compose file reads and that is not there (parsers.php)."""
    reads = reads_of(compose)
    yield f"{VARIABLE}SERVICE_*"
    yield from (f"{VARIABLE}{name}" for name in dict.fromkeys((*reads.needed, *reads.plain, *defaults_of(compose))))


def _few(names: Iterable[str]) -> str:
    names = tuple(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(clean_name(name, limit=100) for name in names[:_NAMED]) + more
