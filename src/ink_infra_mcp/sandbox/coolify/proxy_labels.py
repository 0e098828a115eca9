"""The labels by which Coolify's proxies find a part of a service (read in docker.php of coollabsio/coolify 4.3.11)."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_MIDDLEWARE = re.compile(r"traefik\.http\.middlewares\.(.*?)(\.|$)")
_OWN = re.compile(r"coolify\.traefik\.middlewares=(.*)")


@dataclass(frozen=True, slots=True)
class Front:
    """A part of a service with its URLs; `network` is the one that the proxy reaches it by."""

    uuid: str
    name: str
    image: str
    urls: tuple[str, ...]


def proxy_labels(front: Front, labels: list[str], *, in_network: bool) -> list[str]:
    """Return what is added to the labels of a part: for Traefik, then for Caddy."""
    asked = any(label.split("=")[0] == "traefik.docker.network" for label in labels)
    network = [f"traefik.docker.network={front.uuid}"] if in_network and not asked else []
    return [*network, *sorted(_traefik(front, [*labels, *network])), *sorted(_caddy(front))]


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
    names = {kind: f"{kind}-{number}-{front.uuid}-{_safe(front.name)}" for kind in ("http", "https")}
    middlewares, made = _path_middlewares(front, names[parts.scheme], path)
    rule = f"Host(`{parts.hostname}`) && PathPrefix(`{path}`)"
    made += _entry_point(names, parts.scheme, rule, ",".join([*middlewares, *own]), parts.port)
    if parts.scheme == "https":
        made += _entry_point(names, "http", rule, "redirect-to-https", parts.port)
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
    made = [f"caddy_ingress_network={front.uuid}"]
    for n, url in enumerate(front.urls):
        parts = urlsplit(url)
        upstreams = f"{{{{upstreams {parts.port}}}}}" if parts.port else "{{upstreams}}"
        made += [
            f"caddy_{n}={parts.scheme}://{parts.hostname}",
            f"caddy_{n}.header=-Server",
            f"caddy_{n}.try_files={{path}} /index.html /index.php",
            f"caddy_{n}.handle_path.{n}_reverse_proxy={upstreams}",
            f"caddy_{n}.handle_path={parts.path or '/'}*",
            f"caddy_{n}.encode=zstd gzip",
        ]
    return made
