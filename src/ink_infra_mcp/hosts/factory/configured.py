"""Which image Coolify's own compose files name, read as Docker Compose reads them, and confirmed by what it said."""

import re
from collections.abc import Mapping
from typing import Literal

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.hosts.factory.looking import CUSTOM, FactoryFacts

Kind = Literal["official", "fork", "?"]
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:?-)([^${}]*))?\}|(\w+)|(\$))", re.ASCII)
_OFFICIAL = frozenset({"docker.io/coollabsio/coolify", "ghcr.io/coollabsio/coolify"})
"""Where coollabs publishes it (docker-compose.prod.yml and install.sh of coollabsio/coolify, 4.0.0-beta.463 on)."""
_READ = ("REGISTRY_URL", "LATEST_IMAGE")
_WRITE_OUT = "Write the image out in that file."
_ENDS_LIKE_IT = "/coollabsio/coolify"


class Configured(Frozen):
    """The image that the next `up` with every file would start, and the file that decides it. `why`: not known."""

    image: str = ""
    file: str = ""
    edited: bool = False
    why: str = ""


def configured(facts: FactoryFacts) -> Configured:
    """Return the image of the last file that names one; Docker Compose must have named it too.

    `edited` is whether the prod file, which each of Coolify's updates writes anew, names another image than Coolify's.
    """
    named = [(name, text) for name, text in (facts.images or {}).items() if text]
    if not named:
        return Configured(why=facts.unknown.get("images", "no compose file names an image for the service coolify"))
    file, text = named[-1]
    try:
        image = filled(text, facts.env)
    except InputError as error:
        return Configured(file=file, why=error.failed)
    return _confirmed(facts, Configured(image=image, file=file, edited=_is_edited(file, image)))


def _is_edited(file: str, image: str) -> bool:
    return file != CUSTOM and kind_of(image) == "fork"


def _confirmed(facts: FactoryFacts, read: Configured) -> Configured:
    if facts.planned is None:
        return read.model_copy(update={"image": "", "why": facts.unknown.get("planned", "docker compose did not say")})
    if normal(read.image) not in map(normal, facts.planned):
        return read.model_copy(update={"image": "", "why": "docker compose reads another image out of these files"})
    return read


def filled(text: str, env: Mapping[str, str] | None) -> str:
    """Return the text with its variables, as the specification of Compose fills them in.

    Raises:
        InputError: it has one that was not read, or a form that is not known here.
    """
    if "$" in _VARIABLE.sub("", text):
        raise InputError("its image is written with a variable in a form that is not known here", next=_WRITE_OUT)
    return _VARIABLE.sub(lambda found: _value(found, env), text)


def _value(found: re.Match[str], env: Mapping[str, str] | None) -> str:
    if found[5]:
        return "$"
    if env is None or (found[1] or found[4]) not in _READ:
        raise InputError("its image is written with a variable that was not read", next=_WRITE_OUT)
    default = found[3] or ""
    value = env.get(found[1] or found[4], default)
    return (value or default) if found[2] == ":-" else value


def normal(reference: str) -> str:
    """Return a reference with registry and tag, as Docker completes it."""
    name, at, digest = reference.partition("@")
    name = f"{_registry(name)}{name}"
    if at:
        return f"{_without_tag(name)}@{digest}"
    return name if _without_tag(name) != name else f"{name}:latest"


def _registry(name: str) -> str:
    """Return what Docker puts before a name; its first part is a registry where it could be the name of a host."""
    first, slash, _ = name.partition("/")
    if not slash:
        return "docker.io/library/"
    return "" if first == "localhost" or re.search(r"[.:]", first) else "docker.io/"


def repository_of(reference: str) -> str:
    """Return registry and name of a reference, without tag and digest."""
    return _without_tag(normal(reference).partition("@")[0])


def _without_tag(name: str) -> str:
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def kind_of(reference: str) -> Kind:
    """Return whose image a reference names; of one that is called as Coolify's on another registry nobody knows."""
    repository = repository_of(reference)
    if repository in _OFFICIAL:
        return "official"
    return "?" if repository.endswith(_ENDS_LIKE_IT) or reference.startswith("sha256:") else "fork"
