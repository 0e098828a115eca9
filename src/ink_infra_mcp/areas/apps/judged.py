"""The steps that judge once more what Coolify will start of a compose app, before anything of it starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.clients.coolify.apps import Service
from ink_infra_mcp.core.plan import JsonObject, Step

JUDGES = frozenset({"coolify.settle_service", "hosts.judge_compose"})
"""The kinds of step that judge; whoever starts a compose app goes through them, a resumption too."""


@dataclass(frozen=True, slots=True)
class File:
    """A compose file that shall run, and the URLs of its services, each with the port inside where one is said."""

    compose: str = ""
    urls: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    name: str = ""
    """What Coolify calls the app, to the last character; empty for one that is called as we do."""


def file_of(service: Service) -> File:
    """Return the file and the URLs of a compose app as Coolify has them; no text where the token may not read it."""
    urls = {part.name: part.domains for part in service.applications if part.domains}
    return File(service.docker_compose_raw, urls, service.name)


def steps(name: str, app: str | JsonObject, file: File, *, muscle: str, undoes: Iterable[str] = ()) -> list[Step]:
    """Return the steps: have Coolify make its file, and compare that with the plan's as the server's Docker reads both.

    Coolify writes the file anew whenever it is started, from what it has stored by then. `undoes` are the earlier steps
    that are taken back when what it made is not what was approved.
    """
    settle = Step(
        id="settle",
        kind="coolify.settle_service",
        target=name,
        summary=f"Have Coolify make the file of {name} that it will start",
        params={"app": app, "name": file.name or name},
        undo_words="nothing to undo: it sets the name that the app has",
    )
    judge = Step(
        id="judge",
        kind="hosts.judge_compose",
        target=name,
        summary=f"Have Docker on {muscle} read the file that Coolify made, and compare it with this plan",
        params={"app": app, "muscle": muscle, "compose": file.compose, "urls": _by_service(file)},
        reads=True,
        undoes=tuple(undoes),
        undo_words="nothing to undo: it only reads",
    )
    return [settle, judge]


def after(name: str, app: str | JsonObject, file: File, *, muscle: str) -> Step:
    """Return the step that compares the file from which the app was started with the plan's; its failure stops it."""
    return Step(
        id="judge_started",
        kind="hosts.judge_started",
        target=name,
        summary=f"Have Docker on {muscle} read the file that {name} was started from, and compare it with this plan",
        params={"app": app, "muscle": muscle, "compose": file.compose, "urls": _by_service(file)},
        reads=True,
        undoes=("deploy",),
        undo_words="nothing to undo: it only reads",
    )


def _by_service(file: File) -> JsonObject:
    return {service: list[JsonValue](urls) for service, urls in sorted(file.urls.items())}
