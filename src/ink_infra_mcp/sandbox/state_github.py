"""The GitHub section of the world: repositories, their branches, and the tokens that open the private ones."""

import hashlib
import json
from typing import Literal

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state_factory import BASE, BASE_TEXT, ENV_NAMES, PROD, PROD_TEXT

GITHUB_TOKEN = "ghp_" + "Sandbox0" * 4 + "abcd"
"""Opens every private repository of the seed."""


COOLIFY_TAGS = ("v4.4-rc.1", "v4.3.11", "v4.3.10", "v4.3.9")


class PullRequest(Part):
    """A pull request; `merged_as` is the commit that it became."""

    state: Literal["open", "closed"] = "open"
    merged_as: str = ""


class Release(Part):
    """A release by its tag, and the commits that are in it, of those that anybody asks for."""

    tag: str
    prerelease: bool = False
    commits: list[str] = []


class GithubRepo(Part):
    """One repository. `branches` maps a branch to its head commit (40 hexadecimal digits).

    `build` says how a build of any commit ends, `port` is where the app listens; both are for whoever builds it.
    """

    branches: dict[str, str]
    tags: dict[str, str] = {}
    tagged: dict[str, dict[str, str]] = {}
    """The files at a tag, where they are not those of the branches."""
    changed: dict[str, tuple[int, int]] = {}
    """The files that its branches change against what they come from, with lines added and taken away."""
    default_branch: str = "main"
    private: bool = False
    build: Literal["ok", "fails"] = "ok"
    port: int = 3000
    description: str = ""
    files: dict[str, str] = {}
    pulls: dict[int, PullRequest] = {}
    releases: list[Release] = []
    """The newest first."""


class Rate(Part):
    """Requests of the present hour."""

    limit: int
    used: int = 0
    reset_at: float = 0.0


class GithubState(Part):
    """Repositories by `owner/name`, and tokens with the repositories that each may read (`*` for all)."""

    repos: dict[str, GithubRepo] = {}
    tokens: dict[str, list[str]] = {}
    anonymous: Rate = Rate(limit=60)
    with_token: Rate = Rate(limit=5000)


def commit_sha(text: str) -> str:
    """Return a commit id that is always the same for `text`."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def coolify_files(version: str, prod: str = PROD_TEXT) -> dict[str, str]:
    """Return of a release of Coolify what its upgrade.sh fetches, and what its own source says of versions."""
    return {
        BASE: BASE_TEXT,
        PROD: prod,
        ".env.production": "".join(f"{name}=\n" for name in (*ENV_NAMES, "REGISTRY_URL")),
        "scripts/upgrade.sh": "#!/bin/bash\n# of a pretend release\n",
        "scripts/install.sh": "#!/bin/bash\n# installs a pretend release\n",
        "scripts/upgrade-postgres.sh": "#!/bin/bash\n# of a pretend release, too\n",
        "versions.json": json.dumps(
            {
                "coolify": {
                    "v4": {"version": version},
                    "nightly": {"version": "4.4-rc.1"},
                    "helper": {"version": "1.0.15"},
                    "realtime": {"version": "1.0.17"},
                }
            }
        ),
        "config/constants.php": f"""<?php

return [
    'coolify' => [
        'version' => env('COOLIFY_VERSION') ?: '{version}',
        'helper_version' => '1.0.15',
        'realtime_version' => '1.0.17',
    ],
];
""",
    }


def moved_in_files(version: str) -> dict[str, str]:
    """Return of a release from 4.4 on the same: realtime is inside of Coolify's own container, and takes its ports.

    Written from docker-compose.yml and docker-compose.prod.yml of coollabsio/coolify at 4.4.
    """
    base = BASE_TEXT.replace(
        "        depends_on:", "        expose:\n            - '6001'\n            - '6002'\n        depends_on:"
    )
    head = PROD_TEXT.partition("  soketi:")[0]
    for old, new in _MOVES:
        head = head.replace(old, new)
    files = coolify_files(version, head + _PLACEHOLDER)
    constants = files["config/constants.php"].replace("        'realtime_version' => '1.0.17',\n", "")
    return {**files, BASE: base, "config/constants.php": constants}


_PLACEHOLDER = """\
  soketi:
    image: busybox:1.37
    profiles:
      - legacy-soketi
"""
_MOVES = (
    (
        "    env_file:\n",
        "    environment:\n      - PUSHER_BACKEND_PORT=${PUSHER_BACKEND_PORT:-6001}\n    env_file:\n",
    ),
    (
        '      - "${APP_PORT:-8000}:8080"\n',
        """\
      - "${APP_PORT:-8000}:8080"
      - "${REVERB_PORT:-${SOKETI_PORT:-6001}}:6001"
      - "6002:6002"
    expose:
      - "6001"
      - "6002"
    networks:
      coolify:
        aliases:
          - coolify-realtime
    healthcheck:
      test: >-
        curl --fail http://127.0.0.1:8080/api/health
        && curl --fail http://127.0.0.1:${PUSHER_BACKEND_PORT:-6001}/up || exit 1
""",
    ),
)


def seed_github(now: float) -> GithubState:
    """Return one public, one private and one repository whose build fails, and Coolify's own."""
    return GithubState(
        repos={
            "example/hello": GithubRepo(
                branches={
                    "main": commit_sha("example/hello main"),
                    "feature/greeting": commit_sha("example/hello feature/greeting"),
                },
                description="A greeting over HTTP",
                files={
                    "Dockerfile": 'FROM node:22-alpine\nCOPY . .\nEXPOSE 3000\nCMD ["node", "server.js"]\n',
                    "package.json": '{"name": "hello", "version": "1.0.0"}\n',
                },
            ),
            "example/private-api": GithubRepo(
                branches={"main": commit_sha("example/private-api main")},
                private=True,
                port=8080,
                description="An API that only its team may read",
                files={"Dockerfile": "FROM python:3.13-slim\nCOPY . .\nEXPOSE 8080\n"},
            ),
            "example/broken": GithubRepo(
                branches={"main": commit_sha("example/broken main")},
                build="fails",
                description="Its build always fails",
                files={"Dockerfile": "FROM node:22-alpine\nRUN npm ci\n"},
            ),
            "coollabsio/coolify": GithubRepo(
                branches={"v4.x": commit_sha("coollabsio/coolify v4.x")},
                tags={tag: commit_sha(f"coollabsio/coolify {tag}") for tag in COOLIFY_TAGS},
                tagged={"v4.3.11": coolify_files("4.3.11")},
                default_branch="v4.x",
                description="An open-source and self-hostable platform",
                pulls={8113: PullRequest()},
                releases=[
                    Release(tag="v4.4-rc.1", prerelease=True),
                    *(Release(tag=tag) for tag in ("v4.3.11", "v4.3.10", "v4.3.9")),
                ],
            ),
            "example/coolify": GithubRepo(
                branches={"runtime": commit_sha("example/coolify runtime")},
                changed={
                    "bootstrap/helpers/docker.php": (23, 1),
                    "tests/Feature/DockerCustomCommandsTest.php": (28, 0),
                },
                default_branch="runtime",
                description="Coolify with --runtime",
            ),
        },
        tokens={GITHUB_TOKEN: ["*"]},
        anonymous=Rate(limit=60, reset_at=now + 3600),
        with_token=Rate(limit=5000, reset_at=now + 3600),
    )
