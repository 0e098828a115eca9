"""What a build log says, stage by stage; the wording is this sandbox's own, its shape is Coolify's."""

from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.sandbox.state_coolify import Application

Type = Literal["stdout", "stderr"]
Stage = Literal["fetch", "build", "start"]
RULE = "----------------------------------------"
STOPPED_FIRST = "Stopping the old container first: rolling update is not supported here."
UNSOLVED = "failed to solve: "
"""How BuildKit begins when it does not even get to a command."""
HELPER = "ghcr.io/coollabsio/coolify-helper:1.0.15"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; hidden ones hold the real output of the build."""

    output: str
    type: Type = "stdout"
    hidden: bool = False
    command: str | None = None


def fetch_lines(app: Application, server_name: str, commit: str) -> list[Line]:
    """Return the log of preparing the builder and fetching the source."""
    what = app.text("name")
    opening = [
        Line(f"Starting deployment of {what} to {server_name}."),
        Line(f"Preparing container with helper image: {HELPER}"),
    ]
    if app.text("build_pack") == "dockerimage" or app.columns.get("dockerfile"):
        return opening
    repo, branch = app.text("git_repository"), app.text("git_branch")
    sha = Line(f"{commit}\trefs/heads/{branch}", hidden=True, command=f"git ls-remote {repo} {branch}")
    return [*opening, sha, Line(RULE), Line(f"Importing {repo}:{branch} (commit sha {commit}) to /artifacts.")]


def build_lines(app: Application, image: str, *, reused: bool) -> list[Line]:
    """Return the log of building the image, or of finding it."""
    pack = app.text("build_pack")
    if pack == "dockerimage":
        return [Line(f"Pulling {image} from the registry.")]
    if reused:
        return [Line(f"No build configuration changed and {image} is there. Build step skipped.")]
    opening = _NIXPACKS if pack in {"nixpacks", "railpack", "static"} else []
    return [
        *opening,
        Line(RULE),
        Line("Building docker image started."),
        Line("#1 [internal] load build definition from Dockerfile", "stderr", hidden=True, command="docker build"),
        Line("#5 [2/4] COPY . /app", "stderr", hidden=True),
        Line("#6 [3/4] RUN npm ci", "stderr", hidden=True),
    ]


def start_lines(app: Application, *, stops_first: bool) -> list[Line]:
    """Return the log up to the moment when Docker is told to start the new container."""
    lines = [Line("Building docker image completed.")] if app.text("build_pack") != "dockerimage" else []
    return [*lines, Line(RULE), Line(STOPPED_FIRST if stops_first else "Rolling update started.")]


def started_lines(app: Application) -> list[Line]:
    """Return the log once Docker has started the new container."""
    lines = [Line("New container started.")]
    if app.columns.get("health_check_enabled"):
        lines.append(Line("Waiting for the health check of the new container."))
    return lines


def failure_lines(app: Application, stage: Stage, reason: str) -> list[Line]:
    """Return the end of a log that ends badly."""
    hidden = stage == "build"
    cause = [Line(reason, "stderr", hidden=hidden)]
    if hidden and not reason.startswith(UNSOLVED):
        cause.append(Line('process "/bin/sh -c npm run build" did not complete successfully: exit code: 1', "stderr"))
    if stage == "start" and app.columns.get("health_check_enabled"):
        cause.append(Line("Attempt 1 of 10 | Healthcheck status: unhealthy", "stderr"))
    return [
        *cause,
        Line("========================================", "stderr"),
        Line(f"Deployment failed: {reason}", "stderr"),
        Line("========================================", "stderr"),
        Line("Deployment failed. Removing the new version of your application.", "stderr"),
    ]


_NIXPACKS = [
    Line("Generating nixpacks configuration.", command="nixpacks plan -f json /artifacts"),
    Line("Found application type: node."),
    Line('Final Nixpacks plan: {"phases": {"install": {"cmds": ["npm ci"]}}}', hidden=True),
]
