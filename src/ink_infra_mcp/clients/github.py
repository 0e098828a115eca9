"""GitHub, as far as we need it: does a repository exist for us, and which commit is at the head of a branch."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from ink_infra_mcp.clients.answers import Answer, classify_plainly, retry_after_s
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import BadAnswer, InputError, NotFound, RateLimited, VendorError

BASE_URL = "https://api.github.com"
HEADERS: Mapping[str, str] = {"X-GitHub-Api-Version": "2022-11-28", "Accept": "application/vnd.github+json"}
READS = Reads("/repos/{word}/{word}", "/repos/{word}/{word}/branches/{word}", "/rate_limit")
_OWNER = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$")
_NAME = re.compile(r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$")
_BRANCH = re.compile(r"^(?!.*(?:\.\.|//|@\{))[^\s\x00-\x1f~^:?*\[\\/][^\x00-\x20~^:?*\[\\]{0,249}$")
Model = TypeVar("Model", bound=BaseModel)


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Repository(_Seen):
    """A repository that we may read."""

    full_name: str
    default_branch: str
    private: bool = False
    archived: bool = False
    clone_url: str = ""


class _Commit(_Seen):
    sha: str


class _Branch(_Seen):
    commit: _Commit


class GithubLook:
    """The read side of GitHub. Without a token only public repositories exist."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def repository(self, owner: str, name: str) -> Repository | None:
        """Return the repository; None when it does not exist or we may not see it (GitHub answers both alike).

        Raises:
            InputError: owner or name cannot be GitHub's.
            VendorError: GitHub did not answer well.
        """
        try:
            answer = await self._http.get(_path(owner, name))
        except NotFound:
            return None
        return _parsed(answer, Repository)

    async def head(self, owner: str, name: str, branch: str) -> str | None:
        """Return the id of the commit at the head of a branch; None when repository or branch is not there.

        Raises:
            InputError: a name cannot be GitHub's, or the branch not git's.
            VendorError: GitHub did not answer well.
        """
        if not _BRANCH.fullmatch(branch):
            raise InputError(f"branch: {branch[:80]!r} is not a branch name.", next="Give the name as git shows it.")
        try:
            answer = await self._http.get(f"{_path(owner, name)}/branches/{quote(branch, safe='')}")
        except NotFound:
            return None
        return _parsed(answer, _Branch).commit.sha


def classify(service: str, answer: Answer) -> VendorError:
    """Return the error for an answer of GitHub, whose rate limit is a 403 or 429 with no requests remaining."""
    error = classify_plainly(service, answer)
    error.request_id = answer.headers.get("x-github-request-id")
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    if answer.status not in {403, 429} or not (spent or "retry-after" in answer.headers):
        return error
    return RateLimited(
        error.failed,
        service=service,
        status=answer.status,
        done=error.done,
        next="Wait until the limit is reset; with a GitHub token it is 5,000 requests an hour instead of 60.",
        request_id=error.request_id,
        retry_after_s=retry_after_s(answer) or _until_reset_s(answer),
        body=answer.json,
    )


def _until_reset_s(answer: Answer) -> float | None:
    """Both times are GitHub's own, so that our clock does not matter."""
    reset, date = answer.headers.get("x-ratelimit-reset", ""), answer.headers.get("date", "")
    if not reset.isdigit() or not date:
        return None
    try:
        return max(1.0, int(reset) - parsedate_to_datetime(date).timestamp())
    except ValueError:
        return None


def _path(owner: str, name: str) -> str:
    if not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name):
        raise InputError(f"repository: {owner[:40]}/{name[:100]} is not a GitHub name.", next="Use owner/name.")
    return f"/repos/{owner}/{name}"


def _parsed(answer: Answer, model: type[Model]) -> Model:
    try:
        return model.model_validate(answer.json)
    except ValidationError as error:
        raise BadAnswer(
            f"GitHub answered {answer.path} with something else than documented.",
            service="github",
            status=answer.status,
            next="Check the address of the GitHub API in the configuration.",
        ) from error
