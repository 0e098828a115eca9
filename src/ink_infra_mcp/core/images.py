"""Image references: what Docker takes for one, and which of them name what Coolify built for some app."""

import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?P<name>(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[./]|_{1,2}|-+)[a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@sha256:(?P<digest>[0-9a-f]{64}))?",
    re.ASCII,
)
_BY_VARIABLE = re.compile(r"[^:@$]*(?::[0-9]+/[^:@$]*)?(?=[:@].*\$)")
_HUB = re.compile(r"(?:(?:index\.)?docker\.io/)?(?:library/)?")
"""What Docker leaves out of a name that it looks for on the server: `docker.io/library/a` is `a` there."""
_ID = re.compile(r"[0-9a-f]{1,64}")
"""What Docker takes for the id of an image on the server, however short, where neither tag nor digest is said."""
_OF_AN_APP = re.compile(r"[a-z0-9]{24}(?:[._-].*)?")
"""Coolify calls what it builds by the uuid of its app, 24 letters and digits (source, version 4.3.11)."""


_AN_ID = "may be the id of an image on the Muscle, which may be another app's"


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference in its parts; `tag` and `digest`, 64 hex digits, are empty where none is said."""

    name: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where Docker looks for a name: the registry, as `host` or `host:port`, and the repository there."""

    registry: str
    repository: str


def source_of(name: str) -> Source:
    """Return where the name of a reference leads, as Docker reads it (distribution/reference, normalize.go).

    What stands before the first slash is a registry where it has a dot or a colon, or is `localhost`; all else is
    Docker Hub's (`docker.io`), whose own images are in `library`.
    """
    first, _, rest = name.partition("/")
    is_registry = bool(rest) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, repository = (first.lower(), rest) if is_registry else ("docker.io", name)
    if registry in ("docker.io", "index.docker.io"):
        return Source("docker.io", repository if "/" in repository else f"library/{repository}")
    return Source(registry, repository)


def reference_of(image: str) -> Reference | None:
    """Return the parts of a reference, None for what is none."""
    found = _REFERENCE.fullmatch(image)
    return Reference(found["name"], found["tag"] or "", found["digest"] or "") if found else None


def image_problem(image: str) -> str:
    """Return why an image cannot be run, or an empty text. A variable may stand in the tag, and nowhere before it."""
    if "$" in image:
        return _with_variable(image)
    found = reference_of(image)
    if found is None:
        return f"{image} is no reference such as name:tag or name@sha256:digest"
    if _ID.fullmatch(image):
        return f"{image} {_AN_ID}; write its tag"
    return _foreign(found.name)


def _with_variable(image: str) -> str:
    found = _BY_VARIABLE.match(image)
    if found is None or reference_of(found[0]) is None or ("." in found[0] and "/" not in found[0]):
        return f"{image} lets a variable choose the image; it may choose the tag"
    return _foreign(found[0])


def _foreign(name: str) -> str:
    """An app that runs another one's image can read all that is in it, and no registry was asked who may."""
    short = _HUB.sub("", name, count=1)
    if name == "sha256":
        return f"{name} {_AN_ID}"
    if "/" not in short and _OF_AN_APP.fullmatch(short):
        return f"{name} is what Coolify calls images that it built for an app on the Muscle"
    return ""
