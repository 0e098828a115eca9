"""The labels by which Coolify's proxies find an app or a part of a service (read in docker.php of 4.3.11)."""

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_MIDDLEWARE = re.compile(r"traefik\.http\.middlewares\.(.*?)(\.|$)")
_OWN = re.compile(r"coolify\.traefik\.middlewares=(.*)")


@dataclass(frozen=True, slots=True)
class Front:
    """An application, or a part of a service (then it has a name), with its URLs.

    `network` is the one that Caddy reaches it by, `port` the container's where a URL says none.
    """

    uuid: str
    name: str
    image: str
    urls: tuple[str, ...]
    network: str
    port: int | None = None

    def port_of(self, url: str) -> int | None:
        """Return the container's port behind a URL."""
        return urlsplit(url).port or self.port


def proxy_labels(front: Front, labels: list[str], *, in_network: bool) -> list[str]:
    """Return what is added to the labels of a part: for Traefik, then for Caddy."""
    asked = any(label.split("=")[0] == "traefik.docker.network" for label in labels)
    network = [f"traefik.docker.network={front.uuid}"] if in_network and not asked else []
    return [*network, *sorted(_traefik(front, [*labels, *network])), *sorted(_caddy(front))]


def application_labels(front: Front) -> dict[str, str]:
    """Return the labels of an application's container."""
    lines = [*_traefik(front, []), *_caddy(front)] if front.urls else []
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def image_labels(dockerfile: str) -> dict[str, str]:
    """Return the labels that a Dockerfile gives its image; the container has them too, under those of Compose."""
    said = "\n".join(re.findall(r"^\s*LABEL\s+(.*)$", dockerfile.replace("\\\n", " "), re.MULTILINE | re.IGNORECASE))
    return {name: value for name, equals, value in (word.partition("=") for word in shlex.split(said)) if equals}


def _middlewares(labels: Iterable[str]) -> list[str]:
    found = [name for label in labels for name in _middlewares_in(label) if name]
    return list(dict.fromkeys(found))


def _middlewares_in(label: str) -> list[str]:
    if named := _MIDDLEWARE.search(label):
        return [named[1]]
    if own := _OWN.search(label):
        return own[1].split(",")
    return []


def _traefik(front: Front, labels: list[str]) -> list[str]:
    made = [
        "traefik.enable=true",
        "traefik.http.middlewares.gzip.compress=true",
        "traefik.http.middlewares.redirect-to-https.redirectscheme.scheme=https",
    ]
    own = _middlewares(labels)
    for number, url in enumerate(front.urls):
        made += _router(front, number, url, own)
    return made


def _router(front: Front, number: int, url: str, own: list[str]) -> list[str]:
    parts = urlsplit(url)
    path = parts.path or "/"
    part = f"-{_safe(front.name)}" if front.name else ""
    names = {kind: f"{kind}-{number}-{front.uuid}{part}" for kind in ("http", "https")}
    port = front.port_of(url)
    middlewares, made = _path_middlewares(front, names[parts.scheme], path)
    rule = f"Host(`{parts.hostname}`) && PathPrefix(`{path}`)"
    made += _entry_point(names, parts.scheme, rule, ",".join([*middlewares, *own]), port)
    if parts.scheme == "https":
        made += _entry_point(names, "http", rule, "redirect-to-https", port)
        router = f"traefik.http.routers.{names['https']}"
        made += [f"{router}.tls=true", f"{router}.tls.certresolver=letsencrypt"]
    return made


def _entry_point(names: Mapping[str, str], kind: str, rule: str, through: str, port: int | None) -> list[str]:
    router, service = f"traefik.http.routers.{names[kind]}", f"traefik.http.services.{names[kind]}"
    made = [f"{router}.rule={rule}", f"{router}.entryPoints={kind}", f"{router}.middlewares={through}"]
    if port:
        made += [f"{router}.service={names[kind]}", f"{service}.loadbalancer.server.port={port}"]
    return made


def _path_middlewares(front: Front, name: str, path: str) -> tuple[list[str], list[str]]:
    """A path is cut off before the request goes on, but for Ghost, which gets a rewrite."""
    if "ghost" in front.image:
        rewrite = f"redir-ghost-{front.uuid}"
        made = [
            f"traefik.http.middlewares.{rewrite}.redirectregex.regex=^{path}/(.*)",
            f"traefik.http.middlewares.{rewrite}.redirectregex.replacement=/$1",
        ]
        return ["gzip", rewrite], made
    if path == "/":
        return ["gzip"], []
    return [f"{name}-stripprefix", "gzip"], [
        f"traefik.http.middlewares.{name}-stripprefix.stripprefix.prefixes={path}",
    ]


def _safe(name: str) -> str:
    """Two names that differ only in dots get different hashes."""
    short = re.sub(r"-+", "-", re.sub(r"[^a-zA-Z0-9-]+", "-", name.replace(".", "-").replace("_", "-"))).strip("-")
    return f"{short or 'service'}-{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:4]}"


def _caddy(front: Front) -> list[str]:
    made = [f"caddy_ingress_network={front.network}"]
    for n, url in enumerate(front.urls):
        parts = urlsplit(url)
        port = front.port_of(url)
        upstreams = f"{{{{upstreams {port}}}}}" if port else "{{upstreams}}"
        made += [
            f"caddy_{n}={parts.scheme}://{parts.hostname}",
            f"caddy_{n}.header=-Server",
            f"caddy_{n}.try_files={{path}} /index.html /index.php",
            f"caddy_{n}.handle_path.{n}_reverse_proxy={upstreams}",
            f"caddy_{n}.handle_path={parts.path or '/'}*",
            f"caddy_{n}.encode=zstd gzip",
        ]
    return made
