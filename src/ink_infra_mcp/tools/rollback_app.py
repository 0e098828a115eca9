"""rollback_app: list what an app can go back to, and go back."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps import proofs, rollout
from ink_infra_mcp.areas.apps.app import App, find_app, is_inline
from ink_infra_mcp.areas.apps.history import PIN, images_left, waits_for_rollout
from ink_infra_mcp.areas.apps.isolation import check_rollout
from ink_infra_mcp.areas.apps.pinning import Present, pinned, present, warnings_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import DIGEST_MARK, Application
from ink_infra_mcp.clients.coolify.buildlog import FINISHED
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, placed
from ink_infra_mcp.core.systems import DNS, FACTORY, OPTION, STARTS_APPS, WRITE, Needs

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Args(BaseModel):
    """What rollback_app takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: Annotated[str, Field(min_length=1, max_length=300, description="Name, uuid or domain")]
    to: Annotated[
        str | None, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", description="Image tag; leave out to list")
    ] = None
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The app and the images (tag, time) that it ran and that are still on its server, newest first.

    `way` is how it can go back, `current` the tag or commit of its last deployment, empty when that did not finish.
    """

    app: App
    application: Application
    images: tuple[tuple[str, str], ...]
    current: str
    way: str
    rollout: rollout.RolloutFacts
    present: Present


class RollbackApp(Mutation[Args, Look, Facts]):
    """Go back to an earlier image of an app; without `to` it only lists them. Use it when a deployment made things
    worse. It restores neither data nor apps of a Dockerfile or compose file.
    """

    name: ClassVar[str] = "rollback_app"
    title: ClassVar[str] = "Roll an app back"
    hint: ClassVar[str] = "go back, revert, undo the last deploy or new release; previous version of yesterday"
    toolset: ClassVar[Toolset] = "apps"
    needs: ClassVar[Needs] = Needs((*STARTS_APPS, WRITE, FACTORY, OPTION), (DNS,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "coolify.note_deployments",
        "hosts.note_containers",
        "coolify.rollback",
        "coolify.update_application",
        "coolify.deploy",
        "registry.same_image",
        "hosts.prove_isolation",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the app and its earlier images.

        Raises:
            InputError: the app cannot go back, and why.
        """
        app = await find_app(look, args.app)
        if app.kind == "service":
            raise InputError(f"{app.name} is a compose app.", next="Deploy its earlier compose file with deploy_app.")
        application = await look.coolify.application(app.uuid)
        way = await _way(look, application)
        if args.to is not None:
            await check_rollout(look, app)
        images = await images_left(look, app.uuid, app.name) if (await look.coolify.era()).rollback_api else ()
        return Facts(
            app=app,
            application=application,
            images=images,
            current=await _current(look, application, way),
            way=way,
            rollout=await rollout.facts(look, app),
            present=await present(look, app.uuid, app.name, service=False, image=_image(args.to, application, way)),
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps back, or the list of images as the reason why there are none."""
        app = facts.app
        steps = _steps(args.to, facts) if args.to is not None and args.to != facts.current else ()
        return Plan(
            tool=self.name,
            title=f"Roll {app.name} back" + (f" to {args.to}" if args.to else ""),
            target=app.name,
            locks=rollout.locks(app),
            steps=placed(pinned(steps, facts.present), servers=[app.muscle], apps=[app.name]),
            production=facts.rollout.production,
            blast_radius=f"users of {', '.join(app.domains) or app.name} get the earlier version",
            keeps=("variables, settings and volumes, as they are now",),
            warnings=warnings_of(steps, facts.present),
            phrase=app.name,
            reason=_list(args.to, facts),
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs of the rollout."""
        return await proofs.of_deployment(plan, results, look)

    def only_lists(self, args: Args) -> bool:
        """Return whether no image is named to go back to."""
        return args.to is None

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return url, app and deployment."""
        return proofs.summary_of_deployment(plan, results)


def _image(to: str | None, application: Application, way: str) -> str | None:
    """Return the image that a tag shall be pulled by; None where it stays, or is not pulled by a tag."""
    if to is None or way != "tag":
        return None
    return "" if _DIGEST.fullmatch(to) else f"{application.docker_registry_image_name.removesuffix(DIGEST_MARK)}:{to}"


async def _current(look: Look, application: Application, way: str) -> str:
    """Coolify looks for the current image in a container name that rolling updates never leave: it cannot say."""
    last = await look.coolify.deployments_of(application.uuid, take=1)
    if not last or last[0].status != FINISHED or await waits_for_rollout(look, application.uuid):
        return ""
    return application.docker_registry_image_tag if way == "tag" else last[0].commit


async def _way(look: Look, application: Application) -> str:
    if application.build_pack == "dockerimage":
        return "tag"
    if is_inline(application):
        raise InputError(
            f"{application.name} comes from an inline Dockerfile, whose image is always `latest`.",
            next="Deploy the earlier Dockerfile with deploy_app.",
        )
    return "image" if (await look.coolify.era()).rollback_api else "commit"


def _steps(to: str, facts: Facts) -> tuple[Step, ...]:
    app, tags = facts.app, [tag for tag, _ in facts.images]
    if facts.way == "image" and to not in tags:
        raise InputError(
            f"{app.name} has no image {to} left that it ever ran.", next=f"It has: {', '.join(tags) or 'none'}."
        )
    if facts.way == "image":
        return tuple(rollout.steps(app.name, app.uuid, facts.rollout, first=False, how="rollback", commit=to))
    now = facts.application
    before = now.docker_registry_image_tag if facts.way == "tag" else now.git_commit_sha
    settings: JsonObject = _tagged(now, to) if facts.way == "tag" else {"git_commit_sha": to}
    pin = Step(
        id=PIN,
        kind="coolify.update_application",
        target=app.name,
        summary=f"Set {' and '.join(settings)} of {app.name}",
        before=before,
        after=to,
        params={"app": app.uuid, "settings": settings},
        undo_words=f"call rollback_app to {before}",
    )
    by_commit = facts.way == "commit"
    commit = to if by_commit and _COMMIT.fullmatch(to) else ""
    again = rollout.steps(app.name, app.uuid, facts.rollout, first=False, force=by_commit, commit=commit)
    return (*(() if before == to else (pin,)), *again)


def _tagged(now: Application, to: str) -> JsonObject:
    """Coolify keeps a digest as its hex in the tag, and marks it in the name (source, version 4.3.11)."""
    name = now.docker_registry_image_name
    wanted = name.removesuffix(DIGEST_MARK) + (DIGEST_MARK if _DIGEST.fullmatch(to) else "")
    tag: JsonObject = {"docker_registry_image_tag": to}
    return tag if wanted == name else {"docker_registry_image_name": wanted, **tag}


def _list(to: str | None, facts: Facts) -> str:
    if to is not None and to == facts.current:
        return f"{facts.app.name} runs {to} already."
    lines = [f"{tag} ({at or 'time not known'})" for tag, at in facts.images if tag != facts.current]
    known = "; ".join(lines) or "none that Coolify lists; name a tag or commit yourself"
    return f"{facts.app.name} runs {facts.current or 'an image that Coolify does not name'}. Earlier images: {known}."
