"""Foresees a deployment when it starts: how long it takes, what its log will say, how it ends, and which image runs."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Literal

from ink_infra_mcp.sandbox.coolify import dotenv, rows
from ink_infra_mcp.sandbox.coolify.build_log import (
    UNSOLVED,
    Line,
    Stage,
    build_lines,
    failure_lines,
    fetch_lines,
    start_lines,
    started_lines,
)
from ink_infra_mcp.sandbox.coolify.compose import BadCompose, ComposeService, parse_compose
from ink_infra_mcp.sandbox.coolify.containers import (
    MISSING,
    app_container,
    app_labels,
    compose_container,
    compose_labels,
    container_name,
    effective_options,
    refused_by_docker,
)
from ink_infra_mcp.sandbox.coolify.dotenv import Unreadable
from ink_infra_mcp.sandbox.coolify.git_rules import github_name
from ink_infra_mcp.sandbox.coolify.run_options import refused_options
from ink_infra_mcp.sandbox.coolify.validation import refused_key
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import AppImage, Application, Deployment, ScriptLine, Server
from ink_infra_mcp.sandbox.state_github import GithubRepo
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.state_registry import whole_name

_HASHED = "@sha256"
"""How Coolify marks a name whose tag is the hex of a digest (source, version 4.3.11)."""
LARGE_FILES = "git-lfs"
"""What Coolify's helper image has, unless the server's `without` names it."""
REUSE_SHARE = 1 / 3
BUILD_COLUMNS = (
    "build_pack",
    "install_command",
    "build_command",
    "start_command",
    "base_directory",
    "publish_directory",
    "dockerfile",
    "dockerfile_location",
    "dockerfile_target_build",
    "static_image",
)


class BuildTrouble(Exception):
    """A deployment will fail in this stage, for this reason."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage: Stage = stage
        self.reason = reason


@dataclass(slots=True)
class Plan:
    """A deployment to be: the commit, the image, the containers in waiting, its log and its end."""

    seconds: float
    commit: str
    image: str
    lines: list[Line] = field(default_factory=list[Line])
    outcome: Literal["finished", "failed"] = "finished"

    def script(self) -> list[ScriptLine]:
        """Return the log with times: its lines are spread evenly over the whole."""
        step = self.seconds / (len(self.lines) + 1)
        timed = ((round(step * number, 3), line) for number, line in enumerate(self.lines))
        return [
            ScriptLine(after=after, output=line.output, type=line.type, hidden=line.hidden, command=line.command)
            for after, line in timed
        ]


def foresee(state: WorldState, app: Application, deployment: Deployment, at: float) -> Plan:
    """Return the plan of a deployment that starts `at` that time, from what the world is then."""
    server = rows.server_of(state.coolify, app)
    host = rows.workplace_of(state, server)
    if server is None or host is None:
        return Plan(0.0, deployment.commit, "", [Line(_out_of_reach(state, server))], "failed")
    commit = _commit(state, app, deployment)
    plan = Plan(app.build_seconds, commit, image_of(app, deployment, commit))
    reused = may_reuse(app, deployment, plan.image)
    plan.seconds *= REUSE_SHARE if reused else 1
    try:
        plan.lines += fetch_lines(app, server.name, commit)
        _check_source(state, app, plan.image, commit)
        _check_large_files(app, host)
        plan.lines += build_lines(app, plan.image, reused=reused)
        _check_build(state, app)
        plan.lines += start_lines(app, stops_first=stops_first(app))
        _check_start(state, app, deployment, host, at)
        plan.lines += started_lines(app)
        _check_health(state, app)
    except BuildTrouble as trouble:
        plan.lines += failure_lines(app, trouble.stage, trouble.reason)
        plan.outcome = "failed"
    return plan


def _out_of_reach(state: WorldState, server: Server | None) -> str:
    """A server whose key was changed counts as functional until somebody looks (seen on 4.3.11)."""
    host = rows.host_of(state, server)
    if server is None or host is None or not host.up or not rows.is_functional(server):
        return "Server is not functional."
    return refused_key(server)


def containers_of(
    state: WorldState, app: Application, deployment: Deployment, *, image: str, at: float
) -> list[Container]:
    """Return the containers that the deployment will run.

    Raises:
        BuildTrouble: the compose file cannot be read.
        Unreadable: Compose cannot read the variables.
    """
    if app.text("build_pack") != "dockercompose":
        only = app_container(state.coolify, app, image, pull_request_id=deployment.pull_request_id, at=at)
        return [_pulled(state, only) if app.text("build_pack") == "dockerimage" else only]
    labels = app_labels(state.coolify, app, deployment.pull_request_id)
    name = container_name(app, pull_request_id=deployment.pull_request_id, at=at)
    made: list[Container] = []
    for part in compose_of(state, app):
        container = compose_container(part, app, f"{part.name}-{name}", at)
        container.labels = {**labels, **compose_labels(app.uuid, part.name)}
        made.append(container)
    return made


def _pulled(state: WorldState, container: Container) -> Container:
    """Coolify has Docker pull the image before each start of an app that is one (source, version 4.3.11)."""
    name, tag = whole_name(container.image)
    digest = f"sha256:{tag}" if name.endswith(_HASHED) else state.registry.digest(name, tag)
    shown = container.image.rpartition(":")[0].removesuffix(_HASHED)
    container.image_digests = [f"{shown}@{digest}"]
    container.image_id = f"sha256:{hashlib.sha256(digest.encode()).hexdigest()}"
    return container


def compose_of(state: WorldState, app: Application) -> list[ComposeService]:
    """Return the services of an application's compose file, from its repository or as it was loaded.

    Raises:
        BuildTrouble: there is none, or it cannot be read.
    """
    location = app.text("docker_compose_location")
    repo = repository_of(state, app)
    text = repo.files.get(location.lstrip("/")) if repo else None
    text = text or app.text("docker_compose_raw")
    if not text:
        raise BuildTrouble("fetch", f"Docker Compose file not found at: {location}")
    try:
        return parse_compose(text)
    except BadCompose as error:
        raise BuildTrouble("build", str(error)) from error


def image_of(app: Application, deployment: Deployment, commit: str) -> str:
    """Return the name of the image that a deployment makes or takes."""
    name = app.text("docker_registry_image_name")
    if app.text("build_pack") == "dockerimage":
        return f"{name}:{_registry_tag(app, deployment)}"
    tag = "latest" if app.columns.get("dockerfile") else commit[:128]
    return f"{name or app.uuid}:{tag}"


def _registry_tag(app: Application, deployment: Deployment) -> str:
    return deployment.docker_registry_image_tag or app.text("docker_registry_image_tag") or "latest"


def may_reuse(app: Application, deployment: Deployment, image: str) -> bool:
    """Return whether the build is skipped: the image of this commit is there and nothing about the build changed."""
    if deployment.force_rebuild or _is_always_new(app):
        return False
    kept = [f"{known.repository}:{known.tag}" for known in app.images]
    return image in kept and app.built_with == build_hash(app)


def _is_always_new(app: Application) -> bool:
    return app.text("build_pack") in {"dockerimage", "dockercompose"} or bool(app.columns.get("dockerfile"))


def build_hash(app: Application) -> str:
    """Return a fingerprint of everything that goes into a build, but the source."""
    variables = sorted(f"{var.key}={var.value}" for var in app.envs if var.is_buildtime and not var.is_preview)
    parts = [app.columns.get(name) for name in BUILD_COLUMNS]
    return hashlib.sha256(json.dumps([parts, variables], sort_keys=True).encode()).hexdigest()


def kept_image(image: str, at: float) -> AppImage:
    """Return the entry for an image that is now on the server."""
    repository, _, tag = image.rpartition(":")
    return AppImage(repository=repository, tag=tag, created_at=at)


def repository_of(state: WorldState, app: Application) -> GithubRepo | None:
    """Return the repository of a git application, if the pretend GitHub has it."""
    if app.text("build_pack") == "dockerimage" or app.columns.get("dockerfile"):
        return None
    return state.github.repos.get(github_name(app.text("git_repository")))


def stops_first(app: Application) -> bool:
    """Return whether the old container stops before the new one starts: then there is no rolling update."""
    names = app.is_on("is_consistent_container_name_enabled") or app.is_on("custom_internal_name")
    own_address = "--ip" in app.text("custom_docker_run_options")
    return bool(app.text("ports_mappings")) or names or own_address or app.text("build_pack") == "dockercompose"


def _commit(state: WorldState, app: Application, deployment: Deployment) -> str:
    repo = repository_of(state, app)
    head = repo.branches.get(app.text("git_branch")) if repo else None
    return head if head and deployment.commit == "HEAD" else deployment.commit


def _check_source(state: WorldState, app: Application, image: str, commit: str) -> None:
    if app.text("build_pack") == "dockerimage":
        _check_image(image)
    elif not app.columns.get("dockerfile"):
        _check_repository(state, app, commit)
    if app.text("build_pack") == "dockercompose":
        compose_of(state, app)


def _check_image(image: str) -> None:
    if MISSING in image:
        raise BuildTrouble("start", f"Error response from daemon: manifest for {image} not found: manifest unknown")


def _check_repository(state: WorldState, app: Application, commit: str) -> None:
    """Old commits are taken on trust, for the pretend GitHub keeps no history: any full id will do."""
    name, branch = github_name(app.text("git_repository")), app.text("git_branch")
    repo = _readable_repository(state, app, name)
    if repo is None:
        raise BuildTrouble("fetch", f"remote: Repository not found. fatal: repository '{name}' not found")
    if branch not in repo.branches:
        raise BuildTrouble("fetch", f"fatal: Remote branch {branch} not found in upstream origin")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise BuildTrouble("fetch", f"fatal: reference is not a tree: {commit}")


def _check_large_files(app: Application, host: HostState) -> None:
    """Every clone ends with `git lfs pull`, which is the default (setGitImportSettings, 4.3.11): git's own words where
    the helper image on the server has no git-lfs (git's help.c).
    """
    from_git = app.text("build_pack") != "dockerimage" and not app.columns.get("dockerfile")
    if from_git and app.is_on("is_git_lfs_enabled") and LARGE_FILES in host.without:
        raise BuildTrouble("fetch", "git: 'lfs' is not a git command. See 'git --help'.")


def _readable_repository(state: WorldState, app: Application, name: str) -> GithubRepo | None:
    repo = repository_of(state, app)
    if repo is None or (repo.private and not _may_read(state, app, name)):
        return None
    return repo


def _may_read(state: WorldState, app: Application, name: str) -> bool:
    """A deploy key always opens its repository here: the pretend GitHub knows no keys."""
    source = rows.by_uuid(state.coolify.github_apps, app.github_app_uuid or "")
    if source is None:
        return app.private_key_uuid is not None
    return name in source.repositories or "*" in source.repositories


def _check_build(state: WorldState, app: Application) -> None:
    repo = repository_of(state, app)
    if app.fails_because:
        raise BuildTrouble("build", app.fails_because)
    if repo is not None and repo.build == "fails":
        raise BuildTrouble("build", "npm error Missing script: build")
    if app.text("build_pack") == "dockerfile":
        _check_arguments(app)


def _check_arguments(app: Application) -> None:
    """Coolify writes `ARG KEY=value` below FROM for each variable of the build that is not multi-line: a line break in
    its value ends that line (add_build_env_variables_to_dockerfile, 4.3.11; words of BuildKit in moby 26.1.3).
    """
    for var in app.envs:
        rest = dotenv.line(var).partition("\n")[2].split()
        if rest and var.is_buildtime and not var.is_preview and not var.is_multiline:
            raise BuildTrouble("build", f"{UNSOLVED}dockerfile parse error on line 3: unknown instruction: {rest[0]}")


def _check_start(state: WorldState, app: Application, deployment: Deployment, host: HostState, at: float) -> None:
    made = _made(state, app, deployment, at)
    if reason := refused_options(effective_options(state.coolify, app, pull_request_id=deployment.pull_request_id)):
        raise BuildTrouble("start", f"validating docker-compose.yaml: {reason}")
    for container in made:
        _check_image(container.image)
        if reason := refused_by_docker(host, container):
            raise BuildTrouble("start", reason)


def _made(state: WorldState, app: Application, deployment: Deployment, at: float) -> list[Container]:
    try:
        return containers_of(state, app, deployment, image="image", at=at)
    except Unreadable as error:
        raise BuildTrouble("start", f"failed to read /artifacts/{deployment.deployment_uuid}/.env: {error}") from error


def _check_health(state: WorldState, app: Application) -> None:
    """Only with a health check does a deployment wait for health; compose applications never do."""
    is_checked = app.text("build_pack") != "dockercompose" and bool(app.columns.get("health_check_enabled"))
    if is_checked and not (app.healthy and _listens(state, app)):
        raise BuildTrouble("start", "New container is not healthy, rolling back to the old container.")


def _listens(state: WorldState, app: Application) -> bool:
    """What is not from a known repository is taken to listen where it is said to."""
    repo = repository_of(state, app)
    ports = app.text("ports_exposes")
    return repo is None or not ports or str(repo.port) in ports.split(",")
