"""Links to a page of a repository, as a browser shows them: split into repository, branch and folder, or refused."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.untrusted import clean_name

_GITHUB = re.compile(r"https://(?:www\.)?github\.com(?:/(?P<path>.*))?", re.ASCII | re.IGNORECASE)
_TREE = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/tree/(?P<rest>[^?#]+)", re.ASCII)
_PLAIN = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_FOLDER = re.compile(r"/[\w./~@+-]*", re.ASCII)
_PAGES = {
    "blob": "a file", "raw": "a file", "commit": "a commit", "commits": "a list of commits", "pull": "a pull request",
    "tags": "a list of tags", "releases": "a release", "compare": "a comparison", "issues": "an issue",
}  # fmt: skip
_INSTEAD = {
    "blob": "Give the repository, and the file's folder as base_directory.",
    "raw": "Give the repository, and the file's folder as base_directory.",
    "commit": "Give the repository and a branch whose head is that commit: a deployment follows a branch.",
    "pull": "Give the repository (of a fork: the fork's) and the pull request's own branch.",
}
_WHOLE = "Give https://github.com/OWNER/NAME, with branch and base_directory where they are not the usual ones."
MOST_PARTS = 12
"""Each part of a link may end the branch's name, and costs a question to GitHub, which answers 60 an hour."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: a repository's address, a branch, and a folder that begins with `/` or is empty."""

    repository: str
    branch: str
    folder: str


async def split_link(url: str, github: GithubLook, *, branch: str, folder: str) -> Link | None:
    """Return what a link to a folder says; None for what is no link to a page. `branch` and `folder` are the caller's,
    empty where the caller says none.

    Where the branch's name ends is for GitHub to say; no name of a branch begins with another's name and a slash (git's
    own rule), so that there is one answer at most.

    Raises:
        InputError: a link to another page, to no branch, or that contradicts what the caller says beside it.
        VendorError: GitHub did not answer well.
    """
    found = _GITHUB.fullmatch(url)
    if found is None:
        _refuse_other_forge(url)
        return None
    path = (found["path"] or "").strip("/")
    if _PLAIN.fullmatch(path):
        return None
    tree = _TREE.fullmatch(path)
    if tree is None:
        raise _no_repository(url, path)
    named = await _branch_of(tree["owner"], tree["name"], unquote(tree["rest"]), github, branch)
    inside = unquote(tree["rest"]).removeprefix(named).strip("/")
    link = Link(f"https://github.com/{tree['owner']}/{tree['name']}", named, f"/{inside}" if inside else "")
    _refuse_contradiction(url, link, folder)
    return link


async def _branch_of(owner: str, name: str, rest: str, github: GithubLook, said: str) -> str:
    parts = rest.split("/")
    if said:
        _refuse_other_branch(rest, said)
        return said
    if len(parts) == 1:
        return rest
    if len(parts) > MOST_PARTS:
        raise InputError(f"The link has more than {MOST_PARTS} parts behind /tree/.", next=_WHOLE)
    return await _first_branch(owner, name, parts, github)


async def _first_branch(owner: str, name: str, parts: list[str], github: GithubLook) -> str:
    for end in range(1, len(parts) + 1):
        candidate = "/".join(parts[:end])
        if await github.head(owner, name, candidate) is not None:
            return candidate
    rest = clean_name("/".join(parts), limit=120)
    raise InputError(
        f"GitHub shows no branch of {owner}/{name} with which {rest!r} begins, so that nobody "
        "can tell the branch from the folder.",
        next="Give the repository without /tree/..., and its branch and base_directory.",
    )


def _refuse_other_branch(rest: str, said: str) -> None:
    if not f"{rest}/".startswith(f"{said}/"):
        raise InputError(
            f"The link is to {clean_name(rest, limit=120)!r}, which is not in the branch {clean_name(said)!r}.",
            next="Give the repository without /tree/..., and its branch and base_directory.",
        )


def _refuse_contradiction(url: str, link: Link, folder: str) -> None:
    _refuse_odd_folder(link.folder)
    if folder and link.folder and folder.rstrip("/") != link.folder:
        raise InputError(
            f"The link is to the folder {link.folder or '/'}, and base_directory is {folder}.",
            next="Leave base_directory out, or give the repository without /tree/...",
        )


def _refuse_odd_folder(folder: str) -> None:
    if ".." in folder.split("/") or not _FOLDER.fullmatch(folder or "/"):
        raise InputError(f"{clean_name(folder, limit=120)!r} is no folder that Coolify takes.", next=_WHOLE)


def _no_repository(url: str, path: str) -> InputError:
    page = next(iter(path.split("/")[2:]), "")
    what = _PAGES.get(page, "a page")
    return InputError(
        f"{clean_name(url, limit=120)!r} is a link to {what} on GitHub, not a repository.",
        next=_INSTEAD.get(page, _WHOLE),
    )


def _refuse_other_forge(url: str) -> None:
    """GitLab and its like put `-` before what is a page."""
    if "/-/" in url:
        raise InputError(
            f"{clean_name(url, limit=120)!r} is a link to a page, not a repository.",
            next="Give the repository's own address, and branch and base_directory.",
        )
