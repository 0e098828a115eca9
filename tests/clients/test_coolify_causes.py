"""A failed build names its likely cause, in our words only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.clients.coolify.causes import probable_cause

SIGNS = {
    "ERROR: failed to solve: failed to copy: write /x: no space left on device": "disk is full",
    "Error response from daemon: unknown or invalid runtime name: runsc": "does not know the runtime",
    "toomanyrequests: You have reached your unauthenticated pull rate limit.": "limits the number of pulls",
    'process "/bin/sh -c npm run build" did not complete successfully: exit code: 137': "ran out of memory",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory": "ran out of memory",
    "warning: Could not find remote branch dev to clone.\nfatal: Remote branch dev not found in upstream origin": (
        "branch or commit does not exist"
    ),
    "error: pathspec 'abc' did not match any file(s) known to git": "branch or commit does not exist",
    "fatal: could not read Username for 'https://github.com': No such device": "Git may not read",
    "git@github.com: Permission denied (publickey).": "Git may not read",
    "remote: Repository not found.": "Git may not read",
    "manifest for nginx:9.9 not found: manifest unknown": "image or its tag does not exist",
    "pull access denied for shop, repository does not exist or may require 'docker login'": "registry refuses",
    "curl: (6) Could not resolve host: index.example.org": "DNS",
    "npm error getaddrinfo EAI_AGAIN index.example.org": "DNS",
    "failed to read dockerfile: open Dockerfile: no such file or directory": "no Dockerfile",
    "cat: can't open '/artifacts/x/Dockerfile': No such file or directory": "no Dockerfile",
    "Nixpacks failed to detect the application type.": "does not recognise the app",
    "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.": (
        "lock file"
    ),
    "ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with frozen-lockfile": "lock file",
    "npm ERR! code ERESOLVE": "npm could not install",
    "ERROR: No matching distribution found for flaskk==9": "pip could not install",
    "Bind for 0.0.0.0:3000 failed: port is already allocated": "port is taken",
    "New container is not healthy, rolling back to the old container.": "health check",
    "New container is unhealthy.\nweb | Error: connect ECONNREFUSED, getaddrinfo ENOTFOUND db": "its health check:",
    'Attempt 3 of 3 | Healthcheck status: "unhealthy"': "its health check:",
    "sh: 1: curl: not found\nsh: 1: wget: not found | Return code: 1\nNew container is unhealthy.": "curl or wget",
    "dependency failed to start: container db-x0k is unhealthy": "its health check:",
    "git: 'lfs' is not a git command. See 'git --help'.": "Git LFS",
    "git-lfs filter-process: git-lfs: command not found\nfatal: the remote end hung up unexpectedly": "Git LFS",
    "Unable to find image 'ghcr.io/coollabsio/coolify-helper:1.0.14' locally\n"
    'docker: Error response from daemon: Get "https://ghcr.io/v2/": dial tcp: no such host': "helper image",
    "docker: Error response from daemon: manifest for coollabsio/coolify-helper:9 not found": "helper image",
    'failed to read /data/x/.env: line 3: unexpected character "\'" in variable name "B=\'it\'s"': "the app's .env",
    "services.web.ulimits.nofile hard is required": "has no hard limit",
    "validating docker-compose.yml: services.x.ulimits.nofile hard limit is required": "has no hard limit",
    "Server is not functional.": "lost the connection",
    'process "/bin/sh -c make" did not complete successfully: exit code: 2': "command of the build failed",
}


PULLED = """Unable to find image 'ghcr.io/coollabsio/coolify-helper:1.0.14' locally
1.0.14: Pulling from coollabsio/coolify-helper
Status: Downloaded newer image for ghcr.io/coollabsio/coolify-helper:1.0.14"""
"""A helper image that was fetched is no cause."""


@pytest.mark.parametrize(("line", "words"), SIGNS.items())
def test_each_sign_names_its_cause(line: str, words: str) -> None:
    """A known sentence of a build tool leads to its cause, wherever in the log it stands."""
    assert words in probable_cause(["Cloning.", line, "Deployment failed."])


def test_the_more_specific_cause_wins() -> None:
    """A full disk explains a failed command, whichever line comes first."""
    lines = ["did not complete successfully: exit code: 1", "no space left on device"]
    assert probable_cause(lines) == probable_cause(list(reversed(lines)))
    assert "disk is full" in probable_cause(lines)


@pytest.mark.parametrize("lines", [[], ["Deployment failed."], [PULLED], ["Building docker image completed."]])
def test_an_unknown_failure_has_no_made_up_cause(lines: list[str]) -> None:
    """Nothing is guessed where no sign is."""
    assert probable_cause(lines) == ""


@given(st.lists(st.text(max_size=80), max_size=8), st.sampled_from(sorted(SIGNS)))
def test_nothing_of_the_log_gets_into_the_words(lines: list[str], sign: str) -> None:
    """A log cannot put its own words into the cause: what comes out is one of our sentences or nothing."""
    ours = {probable_cause([line]) for line in SIGNS} | {""}
    assert probable_cause([*lines, sign]) in ours


def test_a_huge_log_is_read_in_bounded_time() -> None:
    """Only the end of a huge log counts, and lines without a space cost no more than others."""
    hostile = ["open" * 50_000] * 20 + ["remote branch " + "x" * 100_000] * 20
    assert "disk is full" in probable_cause([*hostile, "x\n" * 6_000, "no space left on device"])
    assert probable_cause(["no space left on device", "x\n" * 6_000]) == ""
