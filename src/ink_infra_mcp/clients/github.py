"""GitHub, as far as we need it: repositories and heads of branches, pull requests, and what is in which release."""

import base64
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from ink_infra_mcp.clients.answers import Answer, classify_plainly, retry_after_s
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import BadAnswer, InputError, NotFound, RateLimited, Rejected, VendorError

BASE_URL = "https://api.github.com"
HEADERS: Mapping[str, str] = {"X-GitHub-Api-Version": "2022-11-28", "Accept": "application/vnd.github+json"}
READS = Reads(
    "/repos/{word}/{word}",
    "/repos/{word}/{word}/branches/{word}",
    "/repos/{word}/{word}/commits/{word}",
    "/repos/{word}/{word}/contents/{word}?ref",
    "/repos/{word}/{word}/contents/{word}/{word}?ref",
    "/repos/{word}/{word}/pulls/{number}",
    "/repos/{word}/{word}/releases?per_page",
    "/repos/{word}/{word}/compare/{word}?page&per_page",
    "/rate_limit",
)
_RELEASES = 30
_TAG = re.compile(r"^[A-Za-z0-9](?:\.?[A-Za-z0-9_-]){0,99}$")
_SHA = re.compile(r"^[0-9a-f]{40}$")
_OWNER = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$")
_NAME = re.compile(r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$")
_FILE = re.compile(r"^(?!.*\.\.)[A-Za-z0-9._-]{1,100}(?:/[A-Za-z0-9._-]{1,100})?$")
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


class PullRequest(_Seen):
    """A pull request. `merge_commit_sha` is what it became, where it was merged; else a try of GitHub's, or None."""

    number: int
    state: Literal["open", "closed"]
    merged: bool
    merge_commit_sha: str | None = None


class Release(_Seen):
    """What was published under a tag."""

    tag_name: str
    draft: bool = False
    prerelease: bool = False


class _Releases(RootModel[tuple[Release, ...]]):
    """A list of them."""


class _Comparison(_Seen):
    status: Literal["ahead", "behind", "diverged", "identical"]


class FileChange(_Seen):
    """A file that is another one in the second of two commits, by its path there."""

    filename: str
    additions: int = 0
    deletions: int = 0


class _Changes(_Seen):
    files: tuple[FileChange, ...] = ()


class _Commit(_Seen):
    sha: str


class _File(_Seen):
    type: Literal["file"]
    encoding: Literal["base64"]
    content: str


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

    async def tag(self, owner: str, name: str, tag: str) -> str | None:
        """Return the id of the commit that a tag names, annotated or not; None when repository or tag is not there.

        Raises:
            InputError: a name cannot be GitHub's, or the tag not git's.
            VendorError: GitHub did not answer well.
        """
        if not _TAG.fullmatch(tag):
            raise InputError(f"tag: {tag[:80]!r} is not the name of a tag.", next="Give the name as git shows it.")
        try:
            answer = await self._http.get(f"{_path(owner, name)}/commits/{quote(f'tags/{tag}', safe='')}")
        except (NotFound, Rejected):
            # GitHub answers 422 for a reference that no commit has
            return None
        return _parsed(answer, _Commit).sha

    async def text(self, owner: str, name: str, commit: str, path: str) -> str | None:
        """Return a file as it is in a commit; None where the commit has none there.

        Raises:
            InputError: a name cannot be GitHub's, or commit or path, of at most one folder, not git's.
            VendorError: GitHub did not answer well, or with something that is no text.
        """
        if not _SHA.fullmatch(commit) or not _FILE.fullmatch(path):
            raise InputError("That is no file in a commit.", next="Give a whole commit id, and the path of a file.")
        try:
            answer = await self._http.get(f"{_path(owner, name)}/contents/{path}", {"ref": commit})
        except NotFound:
            return None
        try:
            return base64.b64decode(_parsed(answer, _File).content).decode()
        except ValueError as error:
            raise _unlike(answer) from error

    async def changes(self, owner: str, name: str, base: str, commit: str) -> tuple[FileChange, ...]:
        """Return the files that a commit changes since it left the history of `base`, `owner:tag` of the same network.

        GitHub lists 300 files at most.

        Raises:
            InputError: a name cannot be GitHub's, or base or commit not git's.
            VendorError: GitHub did not answer well, or has no such base or commit.
        """
        whose, _, tag = base.partition(":")
        if not _OWNER.fullmatch(whose) or not _TAG.fullmatch(tag) or not _SHA.fullmatch(commit):
            raise InputError("That is no tag and commit.", next="Give owner:tag, and a whole commit id.")
        path = f"{_path(owner, name)}/compare/{quote(f'{base}...{commit}', safe='')}"
        return _parsed(await self._http.get(path, {"per_page": 1, "page": 1}), _Changes).files

    async def pull_request(self, owner: str, name: str, number: int) -> PullRequest | None:
        """Return a pull request; None where there is none that we may see.

        Raises:
            InputError: owner or name cannot be GitHub's.
            VendorError: GitHub did not answer well.
        """
        try:
            answer = await self._http.get(f"{_path(owner, name)}/pulls/{number}")
        except NotFound:
            return None
        return _parsed(answer, PullRequest)

    async def releases(self, owner: str, name: str) -> tuple[Release, ...]:
        """Return the newest published releases, without drafts and candidates, in GitHub's order.

        Raises:
            InputError: owner or name cannot be GitHub's.
            VendorError: GitHub did not answer well.
        """
        answer = await self._http.get(f"{_path(owner, name)}/releases", {"per_page": _RELEASES})
        listed = _parsed(answer, _Releases).root
        return tuple(
            each for each in listed if not each.draft and not each.prerelease and _TAG.fullmatch(each.tag_name)
        )

    async def contains(self, owner: str, name: str, tag: str, commit: str) -> bool:
        """Return whether a commit is among the ancestors of a tag. The second page has no list of changed files.

        Raises:
            InputError: a name cannot be GitHub's, or tag or commit not git's.
            VendorError: GitHub did not answer well, or has no such tag or commit.
        """
        if not _TAG.fullmatch(tag) or not _SHA.fullmatch(commit):
            raise InputError("That is no tag and commit.", next="Give the name of a tag, and a whole commit id.")
        path = f"{_path(owner, name)}/compare/{quote(f'{tag}...{commit}', safe='')}"
        answer = await self._http.get(path, {"per_page": 1, "page": 2})
        return _parsed(answer, _Comparison).status in ("behind", "identical")


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
        raise _unlike(answer) from error


def _unlike(answer: Answer) -> BadAnswer:
    return BadAnswer(
        f"GitHub answered {answer.path} with something else than documented.",
        service="github",
        status=answer.status,
        next="Check the address of the GitHub API in the configuration.",
    )
