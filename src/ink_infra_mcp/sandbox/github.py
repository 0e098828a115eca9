"""The part of GitHub's REST API that deploying needs: repositories, branches, commits, files, rate limits."""

import base64
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import unquote

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ink_infra_mcp.sandbox.state_github import GithubRepo, GithubState, Rate, commit_sha
from ink_infra_mcp.sandbox.trouble import answered
from ink_infra_mcp.sandbox.world import World

DOCS = "https://docs.github.com/rest"
HOUR_S = 3600.0
JsonObject = dict[str, JsonValue]


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class _Asked:
    path: str
    ref: str
    token: str
    has_agent: bool


@dataclass(frozen=True, slots=True)
class _Found:
    full_name: str
    repo: GithubRepo
    rest: str
    ref: str


def build_github(world: World) -> Starlette:
    """Return GitHub's API at the root, over `world`; it is read only, as far as it goes."""

    async def answer(request: Request) -> Response:
        asked = _asked(request)
        what = f"{request.method} {asked.path}"
        return await answered(world, "github", what, lambda state: _answer(state.github, world.now(state), asked))

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])


def _asked(request: Request) -> _Asked:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return _Asked(
        path=unquote(str(request.scope["path"])),
        ref=request.query_params.get("ref", ""),
        token=token if scheme.lower() in {"bearer", "token"} else "",
        has_agent=bool(request.headers.get("user-agent")),
    )


def _answer(github: GithubState, now: float, asked: _Asked) -> Response:
    rate = github.with_token if asked.token in github.tokens else github.anonymous
    if now >= rate.reset_at:
        rate.used, rate.reset_at = 0, now + HOUR_S
    try:
        return _response(rate, now, 200, _handled(github, rate, asked))
    except _Refused as refused:
        error: JsonObject = {
            "message": refused.message,
            "documentation_url": DOCS,
            "status": str(refused.status),
        }
        return _response(rate, now, refused.status, error)


def _handled(github: GithubState, rate: Rate, asked: _Asked) -> JsonValue:
    _admit(github, asked)
    if asked.path == "/rate_limit":
        return _rate_limit(rate)
    if rate.used >= rate.limit:
        raise _Refused(403, "API rate limit exceeded for this address.")
    rate.used += 1
    for pattern, handler in _ROUTES:
        if match := pattern.fullmatch(asked.path):
            return handler(_found(github, asked, match.groupdict()))
    raise _Refused(404, "Not Found")


def _admit(github: GithubState, asked: _Asked) -> None:
    if not asked.has_agent:
        raise _Refused(403, "Request forbidden by administrative rules. A User-Agent header is required.")
    if asked.token and asked.token not in github.tokens:
        raise _Refused(401, "Bad credentials")


def _found(github: GithubState, asked: _Asked, parts: Mapping[str, str | None]) -> _Found:
    """A private repository that the token may not read looks like one that does not exist; names ignore case."""
    wanted = f"{parts['owner']}/{parts['name']}".lower()
    readable = github.tokens.get(asked.token, [])
    for full_name, repo in github.repos.items():
        if full_name.lower() == wanted and _is_open(full_name, repo, readable):
            return _Found(full_name=full_name, repo=repo, rest=parts.get("rest") or "", ref=asked.ref)
    raise _Refused(404, "Not Found")


def _is_open(full_name: str, repo: GithubRepo, readable: Collection[str]) -> bool:
    return not repo.private or "*" in readable or full_name in readable


def _repository(found: _Found) -> JsonValue:
    owner, _, name = found.full_name.partition("/")
    return {
        "id": int(commit_sha(found.full_name)[:7], 16),
        "name": name,
        "full_name": found.full_name,
        "private": found.repo.private,
        "visibility": "private" if found.repo.private else "public",
        "owner": {"login": owner, "type": "Organization"},
        "description": found.repo.description,
        "default_branch": found.repo.default_branch,
        "archived": False,
        "disabled": False,
        "fork": False,
        "html_url": f"https://github.com/{found.full_name}",
        "clone_url": f"https://github.com/{found.full_name}.git",
        "ssh_url": f"git@github.com:{found.full_name}.git",
    }


def _branch(found: _Found) -> JsonValue:
    sha = found.repo.branches.get(found.rest)
    if sha is None:
        raise _Refused(404, "Branch not found")
    return {"name": found.rest, "commit": _commit_of(found, sha), "protected": False}


def _commit(found: _Found) -> JsonValue:
    return _commit_of(found, _sha(found, found.rest))


def _sha(found: _Found, ref: str) -> str:
    """Return the commit that a branch, a tag, a full id or the beginning of an id names."""
    heads = found.repo.branches
    if ref.startswith("tags/"):
        heads, ref = found.repo.tags, ref.removeprefix("tags/")
    if ref in heads:
        return heads[ref]
    for sha in heads.values():
        if len(ref) >= 7 and sha.startswith(ref.lower()):
            return sha
    raise _Refused(422, f"No commit found for SHA: {ref}")


def _commit_of(found: _Found, sha: str) -> JsonObject:
    return {
        "sha": sha,
        "commit": {"message": f"Work on {found.full_name}", "author": {"name": "Example", "email": "dev@example.com"}},
        "html_url": f"https://github.com/{found.full_name}/commit/{sha}",
        "parents": [],
    }


def _contents(found: _Found) -> JsonValue:
    files = _files_at(found, found.ref or found.repo.default_branch)
    if found.rest in files:
        return {**_file(found.rest, files[found.rest]), "encoding": "base64", "content": _base64(files[found.rest])}
    return _folder(files, f"{found.rest}/" if found.rest else "")


def _files_at(found: _Found, ref: str) -> dict[str, str]:
    tags = [tag for tag, sha in found.repo.tags.items() if ref in (tag, sha)]
    if not tags:
        _sha(found, ref)
    return found.repo.tagged.get(tags[0], found.repo.files) if tags else found.repo.files


def _folder(files: Mapping[str, str], folder: str) -> list[JsonValue]:
    inside: list[JsonValue] = [_file(path, text) for path, text in sorted(files.items()) if _is_in(path, folder)]
    if not inside:
        raise _Refused(404, "Not Found")
    return inside


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(folder) and "/" not in path[len(folder) :]


def _file(path: str, text: str) -> JsonObject:
    return {
        "type": "file",
        "name": path.rpartition("/")[2],
        "path": path,
        "size": len(text.encode()),
        "sha": commit_sha(text),
    }


def _base64(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


def _rate_limit(rate: Rate) -> JsonValue:
    core: JsonObject = {
        "limit": rate.limit,
        "used": rate.used,
        "remaining": max(0, rate.limit - rate.used),
        "reset": int(rate.reset_at),
    }
    return {"resources": {"core": core}, "rate": core}


def _response(rate: Rate, now: float, status: int, body: JsonValue) -> Response:
    headers = {
        "Date": formatdate(now, usegmt=True),
        "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
        "X-RateLimit-Limit": str(rate.limit),
        "X-RateLimit-Used": str(rate.used),
        "X-RateLimit-Remaining": str(max(0, rate.limit - rate.used)),
        "X-RateLimit-Reset": str(int(rate.reset_at)),
        "X-RateLimit-Resource": "core",
    }
    return Response(json.dumps(body), status, headers=headers, media_type="application/json; charset=utf-8")


def _pull(found: _Found) -> JsonValue:
    """GitHub has a commit for an open one too: what a merge would give."""
    pull = found.repo.pulls.get(int(found.rest))
    if pull is None:
        raise _Refused(404, "Not Found")
    tried = commit_sha(f"{found.full_name} try of {found.rest}")
    return {
        "number": int(found.rest),
        "state": pull.state,
        "merged": bool(pull.merged_as),
        "merge_commit_sha": pull.merged_as or tried,
    }


def _releases(found: _Found) -> JsonValue:
    return [{"tag_name": each.tag, "draft": False, "prerelease": each.prerelease} for each in found.repo.releases]


def _compared(found: _Found) -> JsonValue:
    """What is in a release lies behind it; of any other commit it is only known that it is elsewhere."""
    tag, _, commit = found.rest.partition("...")
    if ":" in tag:
        return _compared_with_another(found, commit)
    release = next((each for each in found.repo.releases if each.tag == tag), None)
    if release is None:
        raise _Refused(404, "Not Found")
    return {"status": "behind" if commit in release.commits else "diverged", "total_commits": 0, "commits": []}


def _compared_with_another(found: _Found, commit: str) -> JsonValue:
    """What a branch changes, against a tag of the repository that this one is a fork of."""
    _sha(found, commit)
    files: list[JsonValue] = [
        {"filename": name, "status": "modified", "additions": added, "deletions": gone}
        for name, (added, gone) in found.repo.changed.items()
    ]
    return {"status": "diverged", "total_commits": 1, "commits": [], "files": files}


_REPO = r"/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)"
_ROUTES: tuple[tuple[re.Pattern[str], Callable[[_Found], JsonValue]], ...] = (
    (re.compile(_REPO), _repository),
    (re.compile(rf"{_REPO}/branches/(?P<rest>.+)"), _branch),
    (re.compile(rf"{_REPO}/commits/(?P<rest>.+)"), _commit),
    (re.compile(rf"{_REPO}/pulls/(?P<rest>[0-9]+)"), _pull),
    (re.compile(rf"{_REPO}/releases"), _releases),
    (re.compile(rf"{_REPO}/compare/(?P<rest>[^/]+)"), _compared),
    (re.compile(rf"{_REPO}/contents(?:/(?P<rest>.*))?"), _contents),
)
