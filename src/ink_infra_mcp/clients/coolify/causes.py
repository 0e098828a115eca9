"""Why a deployment failed, as far as its log tells: known sentences of build tools, each with its likely cause."""

import re
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_LINES = 5_000
_LINE = 500


class _Cause(NamedTuple):
    signs: re.Pattern[str]
    words: str


def _cause(signs: str, words: str) -> _Cause:
    return _Cause(re.compile(signs, re.IGNORECASE), words)


_LIMITED = "The image registry limits the number of pulls: log the server in to it, or wait."
_NO_IMAGE = "The image or its tag does not exist in the registry."
_REFUSED = "The registry refuses the image: its name is wrong, or it is private and the server is not logged in."
_CAUSES: tuple[_Cause, ...] = (
    _cause(
        r"no space left on device|disk quota exceeded",
        "The server's disk is full: remove unused images, or use another Muscle.",
    ),
    _cause(
        r"unknown or invalid runtime name|runtime \"?runsc\"? not found|unknown runtime specified",
        "Docker on the Muscle does not know the runtime of the app (gVisor's runsc): repair the server.",
    ),
    _cause(
        r"toomanyrequests|pull rate limit",
        _LIMITED,
    ),
    _cause(
        r"exit code:? 137|exited with code 137|\boom.?killed\b|out of memory|signal: killed|cannot allocate memory",
        "It ran out of memory: raise the memory limit, or make the build smaller.",
    ),
    _cause(
        r"unexpected character .{1,12} in variable name|unterminated quoted value|failed to read \S*\.env\b",
        "Docker Compose cannot read the app's .env: a variable's value holds a quote, or ends in a backslash. "
        "Set that variable again without it.",
    ),
    _cause(
        r"\bhard(?: limit)? is required|ulimits\.\S* .*missing propert\w+ .?hard",
        "A ulimit has no hard limit: write it as --ulimit name=soft:hard.",
    ),
    _cause(
        r"unable to find image '\S*coolify-helper\S*' locally\s+(?:docker: )?error"
        r"|(?:failed to resolve reference|manifest for|no such image:?|error response from daemon).{0,80}coolify-helper"
        r"|coolify-helper\S* not found",
        "Coolify's helper image, in which it builds, is neither on the server nor to be had from its registry: check "
        "that the server reaches the registry, or pull the image there.",
    ),
    _cause(
        r"'lfs' is not a git command|git-lfs\S*: (?:command )?not found|'?git-lfs'? was not found on your path"
        r"|smudge filter lfs failed|external filter 'git-lfs",
        "The repository keeps files in Git LFS, and the fetch lacks git-lfs or could not read them: install git-lfs "
        "where Coolify clones, or turn Git LFS off for the app.",
    ),
    _cause(
        r"(?:curl|wget): (?:command )?not found[\s\S]*new container is (?:not healthy|unhealthy)"
        r"|unable to start container process: exec: \"?/bin/sh[\s\S]*new container is (?:not healthy|unhealthy)",
        "The new container did not pass its health check, which needs a shell with curl or wget in the image: add "
        "one, or switch the check off (health_path none).",
    ),
    _cause(
        r"new container is (?:not healthy|unhealthy)|health ?check failed|healthcheck status: \\?\"?unhealthy"
        r"|dependency failed to start|container \S+ is unhealthy",
        "The new container did not pass its health check: the app does not listen on the exposed port or path, "
        "or it stops at once.",
    ),
    _cause(
        r"remote branch \S+ not found|couldn't find remote ref|did not match any file\(s\) known to git",
        "The branch or commit does not exist in the repository.",
    ),
    _cause(
        r"could not read (?:username|password) for|permission denied \(publickey|invalid username or (?:password|token)"
        r"|remote: repository not found|authentication failed for",
        "Git may not read the repository: check its name, the GitHub App's access, or the deploy key.",
    ),
    _cause(
        r"manifest unknown|manifest for \S+ not found|not found: manifest",
        _NO_IMAGE,
    ),
    _cause(
        r"pull access denied|requested access to the resource is denied|unauthorized: authentication required"
        r"|no basic auth credentials",
        _REFUSED,
    ),
    _cause(
        r"temporary failure in name resolution|could not resolve host|no such host|eai_again|getaddrinfo enotfound",
        "A name could not be resolved: DNS on the server or in the build fails.",
    ),
    _cause(
        r"failed to read dockerfile|(?:open|stat) \S*dockerfile\S* no such file|unable to prepare context",
        "There is no Dockerfile at the configured place: check base directory and Dockerfile location.",
    ),
    _cause(
        r"nixpacks (?:failed to detect|was unable to generate)|railpack could not determine|unable to detect the app"
        r"|could not determine how to build",
        "The build pack does not recognise the app: add a Dockerfile, or set the base directory.",
    ),
    _cause(
        r"npm ci.? can only install|package-lock\.json are not in sync|frozen-lockfile|err_pnpm_outdated_lockfile"
        r"|lockfile (?:needs|would have been|is) .*(?:updated|modified|out of date)",
        "The lock file does not match package.json: update and commit it.",
    ),
    _cause(
        r"npm (?:err!|error) code (?:e\w+)|could not resolve dependency|yarn error|err_pnpm_",
        "npm could not install the dependencies.",
    ),
    _cause(
        r"no matching distribution found|could not find a version that satisfies|could not open requirements file"
        r"|pip.* subprocess-exited-with-error",
        "pip could not install the dependencies: one does not exist in that version, or does not build.",
    ),
    _cause(
        r"port is already allocated|address already in use",
        "The port is taken on the server: use a domain instead of a port mapping, or another port.",
    ),
    _cause(
        r"server is not functional|connection to \S+ (?:closed|timed out)|ssh: connect to host|exit code:? 255",
        "Coolify lost the connection to the server: check that it is reachable, then deploy again.",
    ),
    _cause(
        r"did not complete successfully: exit code|failed to solve|returned a non-zero code",
        "A command of the build failed: the lines before the error say which.",
    ),
)


def is_of_image(cause: str) -> bool:
    """Return whether a probable cause is that a registry did not give an image."""
    return cause in {_LIMITED, _NO_IMAGE, _REFUSED}


def probable_cause(lines: Sequence[str]) -> str:
    """Return the likeliest cause of a failure in one or two sentences, or an empty text when no known sign is there.

    Causes further up in the table are the more specific ones, and win wherever in the log they show. The words are
    ours alone: nothing of the log is in them. Only the last 5,000 lines count, and 500 characters of each.
    """
    single = (line[:_LINE] for entry in lines for line in entry.splitlines())
    text = "\n".join(deque(single, maxlen=_LINES))
    return next((cause.words for cause in _CAUSES if cause.signs.search(text)), "")
