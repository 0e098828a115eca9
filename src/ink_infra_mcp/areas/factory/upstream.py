"""What GitHub tells of Coolify's releases, and of the pull request that would make the fork needless."""

import re
from collections.abc import Iterable
from typing import Literal

from ink_infra_mcp.clients.coolify.era import OLDEST, Version, parse_version
from ink_infra_mcp.clients.github import GithubLook, PullRequest, Release
from ink_infra_mcp.core.errors import InkError, InputError
from ink_infra_mcp.core.plan import Frozen

UPSTREAM = "coollabsio/coolify"
_RELEASE = re.compile(r"v4\.[0-9]{1,4}\.[0-9]{1,4}", re.ASCII)
_SHOWN = 12
State = Literal["open", "merged", "closed", "none", "?"]
UNKNOWN = "?"


class Upstream(Frozen):
    """`newest` is the newest official release, `newer` how many are newer than what runs, both as far as GitHub told.

    `released` is whether the newest one contains the pull request: `yes`, `no`, `?`. `why` says what is not known.
    """

    pull_request: str = ""
    state: State = "none"
    released: Literal["yes", "no", "?"] = "no"
    newest: str = UNKNOWN
    newer: str = UNKNOWN
    why: str = ""


async def look_upstream(github: GithubLook, pull_request: str, base: str | None) -> Upstream:
    """Return what GitHub tells, in three requests at most; what it does not tell is unknown, with the reason."""
    seen = Upstream(pull_request=pull_request)
    try:
        seen, newest = await _with_releases(github, seen, parse_version(base or ""))
    except InkError as error:
        return seen.model_copy(
            update={"state": UNKNOWN if pull_request else "none", "why": error.failed} | _unsaid(seen)
        )
    try:
        return await _with_pull_request(github, seen, newest)
    except InkError as error:
        return seen.model_copy(update={"state": UNKNOWN, "why": error.failed} | _unsaid(seen))


def _unsaid(seen: Upstream) -> dict[str, str]:
    return {"released": UNKNOWN if seen.pull_request else "no"}


async def published(github: GithubLook, tag: str) -> str:
    """Return the tag of a release that GitHub lists among the newest: that one, or where it is empty the newest.

    Raises:
        InputError: it is none of those; a tag alone, a draft and a candidate are no release.
        VendorError: GitHub did not answer well.
    """
    return one_of(await listed(github), tag)


def one_of(tags: tuple[str, ...], tag: str) -> str:
    """Return the tag if it is among those, or where it is empty the newest of them.

    Raises:
        InputError: it is not.
    """
    wanted = tag or max(tags, key=_order, default="")
    if wanted not in tags:
        raise InputError(
            f"{tag or 'A release'} is not among the newest releases of {UPSTREAM}.",
            next=f"Use one of: {', '.join(tags[:_SHOWN]) or 'none that GitHub lists'}.",
        )
    return wanted


async def listed(github: GithubLook) -> tuple[str, ...]:
    """Return the tags of the newest releases that GitHub lists, such as v4.3.11, in GitHub's order.

    Raises:
        VendorError: GitHub did not answer well.
    """
    told = await github.releases(*UPSTREAM.split("/"))
    return tuple(each.tag_name for each in told if _RELEASE.fullmatch(each.tag_name))


def stops(base: Version, wanted: Version, tags: Iterable[str]) -> tuple[str, ...]:
    """Return the releases between which an upgrade has to stop: the newest of each line that it would skip.

    A line is 4.2. Of a beta's or candidate's own line the release comes first: so Coolify's notes want it (v4.4.7: from
    any beta to 4.0.1, and from there on). Of a line that has no tag among `tags` the words say as much.
    """
    first = base.minor if base.pre else base.minor + 1
    lines = range(first, wanted.minor) if base.major == wanted.major else range(0)
    newest = _newest(base.major, tags)
    return tuple(newest.get(line, f"a release of {base.major}.{line}") for line in lines)


def _newest(major: int, tags: Iterable[str]) -> dict[int, str]:
    """Return the newest release of each line of a major version."""
    known = sorted(filter(None, map(parse_version, tags)))
    return {each.minor: str(each) for each in known if each.major == major}


def between(base: Version, wanted: Version, tags: Iterable[str]) -> tuple[str, ...]:
    """Return the releases after `base` and before `wanted`, the oldest first."""
    known = filter(None, map(parse_version, tags))
    return tuple(str(each) for each in sorted(known) if base < each < wanted)


def _order(tag: str) -> Version:
    """What is listed has the form of a version."""
    return parse_version(tag) or OLDEST


async def _with_releases(github: GithubLook, seen: Upstream, base: Version | None) -> tuple[Upstream, Release | None]:
    releases = await github.releases(*UPSTREAM.split("/"))
    versions = {version: each for each in releases if (version := parse_version(each.tag_name))}
    if not versions:
        return seen.model_copy(update={"why": "GitHub lists no release of Coolify"}), None
    newest = max(versions)
    newer = UNKNOWN if base is None else _count(sum(version > base for version in versions), len(releases))
    return seen.model_copy(update={"newest": str(newest), "newer": newer}), versions[newest]


def _count(newer: int, listed: int) -> str:
    """Where all that GitHub listed is newer there may be more behind it."""
    return f"{newer} or more" if newer == listed else str(newer)


async def _with_pull_request(github: GithubLook, seen: Upstream, newest: Release | None) -> Upstream:
    if not seen.pull_request:
        return seen
    repository, _, number = seen.pull_request.partition("#")
    owner, _, name = repository.partition("/")
    pull = await github.pull_request(owner, name, int(number))
    if pull is None:
        raise InputError(f"GitHub knows no {seen.pull_request}.", next="See [fork] in fleet.toml.")
    if not pull.merged:
        return seen.model_copy(update={"state": pull.state})
    return seen.model_copy(update={"state": "merged"} | await _released(github, (owner, name), pull, newest))


async def _released(
    github: GithubLook, repository: tuple[str, str], pull: PullRequest, newest: Release | None
) -> dict[str, str]:
    if newest is None or pull.merge_commit_sha is None:
        return {"released": UNKNOWN, "why": "GitHub told of no release, or not what the pull request became"}
    try:
        there = await github.contains(*repository, newest.tag_name, pull.merge_commit_sha)
    except InkError as error:
        return {"released": UNKNOWN, "why": error.failed}
    return {"released": "yes" if there else "no"}
