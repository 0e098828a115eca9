"""Where an app's code comes from: the caller's words checked against GitHub and Coolify, and made Coolify's fields."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ink_infra_mcp.areas.apps.app import is_inline
from ink_infra_mcp.areas.apps.links import Link, split_link
from ink_infra_mcp.areas.apps.plain_values import refuse_secrets_in
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import DIGEST_MARK, Application, Service
from ink_infra_mcp.clients.coolify.bodies import Source
from ink_infra_mcp.clients.coolify.models import GithubApp, PrivateKey
from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.images import image_problem, reference_of
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.untrusted import clean_name

_GITHUB = re.compile(
    r"(?:https://github\.com/|git@github\.com:|(?=[\w.-]+/[\w.-]+$))(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?",
    re.ASCII,
)
"""GitHub's addresses, and the `owner/name` that Coolify keeps of them."""
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(?::\d{1,5})?/[\w./~-]+", re.ASCII)
_SSH = re.compile(r"git@[A-Za-z0-9.-]+:[\w./~-]+", re.ASCII)
"""What Coolify takes for an address of a new app (ValidGitRepositoryUrl, source of version 4.3.11)."""
_BRANCH = re.compile(r"(?![/.])[\w./-]+(?<![/.])", re.ASCII)
"""What Coolify takes for a branch (ValidGitBranch, source of version 4.3.11)."""
_INTERNAL = re.compile(r"https?://(?:localhost|\d+(?:\.\d+){3}|[^/]*\.local)(?:[:/]|$)", re.IGNORECASE)
HEAD = "HEAD"
_Named = TypeVar("_Named", GithubApp, PrivateKey)
_WORDS = {"repository": "a git repository", "image": "an image", "dockerfile": "an inline Dockerfile"}


class SourceArgs(BaseModel):
    """The part of deploy_app's arguments that says what to run; exactly one source, or none for an app that exists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: Annotated[str | None, Field(max_length=500, description="Git URL or GitHub link")] = None
    branch: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9._/][A-Za-z0-9._/@+#-]{0,250}$"), Mark.OPTION] = None
    access: Annotated[Literal["public", "github_app", "deploy_key"], Mark.OPTION] = "public"
    access_name: Annotated[str | None, Field(max_length=100), Mark.OPTION] = None
    build_pack: Annotated[Literal["nixpacks", "railpack", "static", "dockerfile"], Mark.OPTION] = "nixpacks"
    base_directory: Annotated[str, Field(pattern=r"^/[\w./~@+-]*$", max_length=255), Mark.OPTION] = "/"
    image: Annotated[str | None, Field(max_length=400, description="Its reference")] = None
    dockerfile: Annotated[str | None, Field(max_length=200_000, description="Its text")] = None
    compose: Annotated[str | None, Field(max_length=200_000, description="A compose file's text")] = None
    compose_service: Annotated[str | None, Field(max_length=63, description="gets the URL"), Mark.OPTION] = None

    @model_validator(mode="after")
    def _one_source(self) -> "SourceArgs":
        given = [n for n in ("repository", "image", "dockerfile", "compose") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"give one source, not {' and '.join(given)}")
        return self


class ResolvedSource(Frozen):
    """A source that exists. `commit` is empty when it cannot be known before the build."""

    kind: Source
    label: str
    commit: str = ""
    git_repository: str | None = None
    git_branch: str | None = None
    git_commit_sha: str | None = None
    build_pack: Literal["nixpacks", "railpack", "static", "dockerfile"] | None = None
    base_directory: str | None = None
    github_app_uuid: str | None = None
    private_key_uuid: str | None = None
    image_name: str | None = None
    image_tag: str | None = None
    dockerfile: str | None = None

    @property
    def settings(self) -> JsonObject:
        """Return the app settings that the source decides, by Coolify's names."""
        named = {
            "git_repository": self.git_repository,
            "git_branch": self.git_branch,
            "git_commit_sha": self.git_commit_sha,
            "build_pack": self.build_pack,
            "base_directory": self.base_directory,
            "docker_registry_image_name": self.image_name,
            "docker_registry_image_tag": self.image_tag,
        }
        return {name: value for name, value in named.items() if value is not None}


def refuse_without_source(args: SourceArgs, name: str, *, kind: str) -> None:
    """Return when the arguments have the source that an app of this kind needs; `kind` is empty for a new one.

    Raises:
        InputError: they have none, or one of another kind.
    """
    if not kind and not any((args.repository, args.image, args.dockerfile, args.compose)):
        raise InputError(f"There is no app {name!r} yet.", next="Give repository, image, dockerfile or compose.")
    if kind == "service" and not (args.compose or args.image):
        raise InputError(f"{name} is a compose app.", next="Give its compose file again.")
    if kind == "application" and args.compose:
        raise InputError(f"{name} is not a compose app.", next="Choose another name, or delete it first.")


async def resolve(
    args: SourceArgs, look: Look, *, default_branch: str, now: Application | None = None
) -> ResolvedSource | None:
    """Return the source, with what the caller does not say taken from the app as it is `now`.

    None: there is nothing to compare (a Dockerfile or image that stays, or a compose file, which is no application).

    Raises:
        InputError: the repository, branch, key or image does not exist or is not well formed, or the app as it is
            cannot become what is asked for.
    """
    if now is not None:
        _refuse_other_kind(args, now)
    if args.repository is not None:
        return await _repository(await _without_link(args, look), look, default_branch, now)
    if args.image is not None:
        return image_source(args.image)
    if args.dockerfile is not None:
        refuse_secrets_in(args.dockerfile, what="The Dockerfile")
        return ResolvedSource(kind="dockerfile", label="an inline Dockerfile", dockerfile=args.dockerfile)
    return await _as_before(args, look, now)


async def _repository(args: SourceArgs, look: Look, default_branch: str, now: Application | None) -> ResolvedSource:
    branch = args.branch or (now.git_branch if now else "") or default_branch
    return await _git(args, look, branch, now)


async def _without_link(args: SourceArgs, look: Look) -> SourceArgs:
    """Return the arguments with a link to a folder split into repository, branch and folder, as if said so."""
    folder = "" if args.base_directory == "/" else args.base_directory
    link = await split_link(args.repository or "", look.github, branch=args.branch or "", folder=folder)
    if link is None:
        return args
    return _with_link(args, link)


def _with_link(args: SourceArgs, link: Link) -> SourceArgs:
    said = {"repository": link.repository, "branch": link.branch, "base_directory": link.folder}
    return args.model_copy(update={name: value for name, value in said.items() if value})


async def _git(args: SourceArgs, look: Look, branch: str, now: Application | None) -> ResolvedSource:
    url = args.repository or ""
    _check_url(url, args.access)
    _check_branch(branch)
    source = _named_source(args, url, branch, is_new=not now)
    if args.access == "public":
        return source.model_copy(update={"commit": await _public_head(url, branch, look)})
    commit = await _seen_head(url, branch, look)
    if args.access == "github_app":
        app = await _github_app(args.access_name, look)
        found = {"kind": "private-github-app", "git_repository": _short(url), "github_app_uuid": app}
    else:
        found = {"kind": "private-deploy-key", "private_key_uuid": await _deploy_key(args.access_name, look)}
    return source.model_copy(update={**found, "commit": commit})


def _named_source(args: SourceArgs, url: str, branch: str, *, is_new: bool) -> ResolvedSource:
    """An app that exists keeps its build pack and folder where the caller does not name them."""
    said = {"build_pack", "base_directory"} if is_new else args.model_fields_set
    return ResolvedSource(
        kind="public",
        label=f"{clean_name(url, limit=120)} branch {branch}",
        git_repository=url,
        git_branch=branch,
        git_commit_sha=None if is_new else HEAD,
        build_pack=args.build_pack if "build_pack" in said else None,
        base_directory=args.base_directory if "base_directory" in said else None,
    )


async def _as_before(args: SourceArgs, look: Look, now: Application | None) -> ResolvedSource | None:
    """The repository that the app has, if any: what is new is the commit, unless the app is held at one."""
    if now is None or _kind_of(now) != "repository":
        return None
    branch = args.branch or now.git_branch
    _check_branch(branch)
    held = now.git_commit_sha not in ("", HEAD)
    return ResolvedSource(
        kind="public",
        label=f"{clean_name(now.git_repository, limit=120)} branch {branch}",
        commit=now.git_commit_sha if held else await _seen_head(now.git_repository, branch, look),
        git_branch=args.branch,
    )


async def commit_to_build(look: Look, now: Application | Service) -> str:
    """Return the commit that a deployment of an app as it is would build, empty where that cannot be known."""
    if isinstance(now, Service) or _kind_of(now) != "repository":
        return ""
    if now.git_commit_sha not in ("", HEAD):
        return now.git_commit_sha
    return await _seen_head(now.git_repository, now.git_branch, look)


def _refuse_other_kind(args: SourceArgs, now: Application) -> None:
    """Coolify's API changes neither an app's kind nor an inline Dockerfile (422, source of version 4.3.11)."""
    kinds = ("repository", "image", "dockerfile")
    wanted = next((kind for kind in kinds if getattr(args, kind) is not None), _kind_of(now))
    if wanted != _kind_of(now):
        raise InputError(
            f"{clean_name(now.name)} comes from {_WORDS[_kind_of(now)]}, and Coolify cannot make it come from "
            f"{_WORDS[wanted]}.",
            next="Choose another name, or delete it first.",
        )
    _refuse_other_dockerfile(args, now)


def _refuse_other_dockerfile(args: SourceArgs, now: Application) -> None:
    if args.dockerfile is not None and args.dockerfile.strip() != now.dockerfile.strip():
        why = "has another Dockerfile" if now.dockerfile else "has a Dockerfile that the Coolify token may not read"
        raise InputError(
            f"{clean_name(now.name)} {why}, and Coolify's API cannot change one.",
            next="Delete the app and deploy it again, or put the Dockerfile into a repository.",
        )


def _kind_of(now: Application) -> str:
    if now.build_pack == "dockerimage":
        return "image"
    return "dockerfile" if is_inline(now) else "repository"


def _check_url(url: str, access: str) -> None:
    _refuse_password(url)
    if not _is_shaped(url, access) or ".." in url or _INTERNAL.match(url):
        shape = "git@host:owner/name.git" if access == "deploy_key" else "https://host/owner/name"
        raise InputError(f"{clean_name(url, limit=120)!r} is not a git URL for access={access}.", next=f"Use {shape}.")


def _refuse_password(url: str) -> None:
    if re.match(r"^[a-z+]+://[^/@\s]*:[^/@\s]*@", url):
        raise InputError(
            "The repository URL holds a password.", next="Leave it out; use access=github_app or access=deploy_key."
        )


def _is_shaped(url: str, access: str) -> bool:
    good = _SSH if access == "deploy_key" else _HTTPS
    return bool(good.fullmatch(url) or (access == "github_app" and _GITHUB.fullmatch(url)))


def _check_branch(branch: str) -> None:
    if not _BRANCH.fullmatch(branch) or _is_odd_branch(branch):
        raise InputError(
            f"Coolify takes no branch called {clean_name(branch)!r}.",
            next="Use a branch whose name has letters, digits, hyphens, dots, underscores and inner slashes.",
        )


def _is_odd_branch(branch: str) -> bool:
    return ".." in branch or "//" in branch or branch == HEAD or branch.endswith(".lock")


def _short(url: str) -> str:
    match = _GITHUB.fullmatch(url)
    if match is None:
        raise InputError(
            f"A GitHub App reads github.com only, not {clean_name(url, limit=120)!r}.", next="Use access=deploy_key."
        )
    return f"{match['owner']}/{match['name']}"


async def _seen_head(url: str, branch: str, look: Look) -> str:
    """Return the head of a branch, or an empty text where GitHub does not show it to us: Coolify may still read it."""
    match = _GITHUB.fullmatch(url)
    return (await look.github.head(match["owner"], match["name"], branch) or "") if match else ""


async def _public_head(url: str, branch: str, look: Look) -> str:
    match = _GITHUB.fullmatch(url)
    if match is None:
        return ""
    owner, name = match["owner"], match["name"]
    if await look.github.repository(owner, name) is None:
        raise InputError(
            f"GitHub shows no public repository {owner}/{name}.",
            next="Check the name; for a private one use access=github_app or access=deploy_key.",
        )
    head = await look.github.head(owner, name, branch)
    if head is None:
        raise InputError(f"{owner}/{name} has no branch {branch!r}.", next="Give an existing branch.")
    return head


async def _github_app(name: str | None, look: Look) -> str:
    apps = await _own_github_apps(look)
    chosen = _called(name, apps) if name else apps
    if len(chosen) == 1:
        return chosen[0].uuid
    raise _which("GitHub App", [clean_name(app.name) for app in apps])


async def _own_github_apps(look: Look) -> list[GithubApp]:
    return [app for app in await look.coolify.github_apps() if not app.is_public]


async def _deploy_key(name: str | None, look: Look) -> str:
    keys = await look.coolify.private_keys()
    chosen = _called(name, keys) if name else []
    if len(chosen) == 1:
        return chosen[0].uuid
    raise _which("deploy key", sorted(clean_name(key.name) for key in keys))


def _called(name: str, there: Iterable[_Named]) -> list[_Named]:
    return [one for one in there if one.name == name]


def _which(what: str, names: Iterable[str]) -> InputError:
    known = ", ".join(names) or "none"
    return InputError(f"Which {what}? Coolify has: {known}.", next="Give its name as access_name.")


def image_source(image: str) -> ResolvedSource:
    """Return the source that an image reference names.

    Raises:
        InputError: it is none.
    """
    found = reference_of(image)
    if found is None:
        raise InputError(
            f"{clean_name(image)!r} is not an image reference.", next="Use name:tag or name@sha256:digest."
        )
    if reason := image_problem(image):
        raise InputError(f"{reason}.", next="Use an image of a registry.")
    if found.digest:
        name, tag = f"{found.name}{DIGEST_MARK}", found.digest
    else:
        name, tag = found.name, found.tag or "latest"
    return ResolvedSource(kind="dockerimage", label=f"image {image}", image_name=name, image_tag=tag)
