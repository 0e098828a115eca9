"""Labels of a container that a proxy or Coolify reads: an allow list of those that an app's own domains need.

A container has the labels of its image too, so that a `LABEL` in a Dockerfile claims a domain, or switches a middleware
off for everybody, as well as a line in a compose file does. Who reads labels on a Muscle is Traefik (names in any case
of letters), Caddy, Docker Compose and Coolify, which makes a tree of all dotted names (Arr::undot in
GetContainersStatus.php, 4.3.11): one name below another that it reads ends the look at every app of the server.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import filterfalse
from typing import Literal

_READERS = {"traefik.": "Traefik", "caddy": "Caddy", "coolify": "Coolify", "com.docker.compose": "Coolify"}
CROWD = "traefik.crowd"
"""The one label that facts.sh tells instead of too many."""
_ABOVE = frozenset({"com", "com.docker"})
"""Names above those that Coolify reads."""
_COMPOSE_S = frozenset(
    f"com.docker.compose.{name}"
    for name in (
        *("project", "service", "container-number", "oneoff", "slug", "config-hash", "image", "depends_on", "version"),
        *("replace", "project.config_files", "project.working_dir", "project.environment_file"),
    )
)
"""What Docker Compose writes (pkg/api/labels.go, 2.26.1)."""
_SHOWN = re.compile(
    r"(?i)traefik\.enable|traefik\.docker\.network|traefik\..*\.(?:rule|service|middlewares|entrypoints|priority|port)"
    r"|caddy(?:_[0-9]+)?"
)
"""Names whose values are no secrets; a login or a header may hold one."""
_COOLIFY_S = frozenset(
    {
        *("coolify.managed", "coolify.version", "coolify.type", "coolify.name", "coolify.applicationId"),
        *("coolify.serviceId", "coolify.resourceName", "coolify.projectName", "coolify.serviceName"),
        *("coolify.environmentName", "coolify.pullRequestId", "coolify.deploymentId", "coolify.service.subId"),
        *("coolify.service.subType", "coolify.service.subName"),
    }
)
"""What Coolify writes at an app or a service itself (defaultLabels in docker.php, version 4.3.11)."""
_CADDY = re.compile(r"caddy_(?P<number>[0-9]{1,3})(?:\.(?P<rest>.+))?", re.ASCII | re.DOTALL)
_SITE = re.compile(r"https?://(?P<host>[^\s,/]+)", re.ASCII)
_PATH = r"/[A-Za-z0-9._~/@%+:=,!-]*"
_RULE = re.compile(rf"Host\(`(?P<host>[^`]*)`\)(?: && PathPrefix\(`(?P<path>{_PATH})`\))?", re.ASCII)
_ROUTER = re.compile(r"(?i)traefik\.http\.routers\.[^.]+\.rule")
_ANY_ROUTER = re.compile(r"traefik\.(?:http|tcp)\.routers\.[^.]+\.rule")
_PRIORITY = re.compile(r"traefik\.(?:http|tcp)\.routers\.[^.]+\.priority")
_OTHER = re.compile(r"\s*(?:Host|HostSNI)\(`(?P<host>[A-Za-z0-9.-]+)`\)\s*(?:&&[^()]*\([^()]*\)\s*)*$", re.ASCII)
_YES = frozenset({"1", "t", "true"})
"""What Go reads as true, in any case of letters that it takes."""
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_SERVER_PORT = re.compile(r"(?i)traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port")
Proxy = Literal["traefik", "caddy", ""]
"""Which of them reads labels on a server; empty where it is another one, or not known."""
_ENTRIES: Mapping[str, str] = {
    r"header": r"-Server",
    r"header\.0_-Server": r"",
    r"header\.1_X-Robots-Tag": r'"noindex, nofollow"',
    r"try_files": r"\{path\} /index\.html /index\.php",
    r"handle(?:_path)?": rf"(?:{_PATH})?\*",
    r"handle(?:_path)?\.[0-9]+_reverse_proxy": r"\{\{upstreams(?: [0-9]{1,5})?\}\}",
    r"handle_path\.[0-9]+_redir-ghost-[a-z0-9-]+\.(?:handler|rewrite\.regexp|rewrite\.replacement)": r"[^\s{}]+",
    r"encode": r"zstd gzip",
    r"redir": r"(?:https?|\{scheme\})://(?P<host>[^\s,/{}]+)\{uri\}",
    r"basicauth\.[^\s{}\"`]+": r'"[^\s"{}]+"',
}
"""What Coolify has Caddy do for a site (fqdnLabelsForCaddy, version 4.3.11)."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The uuid of an app, the hosts of its URLs (None: not known here), and the networks that it shares."""

    app: str
    hosts: frozenset[str] | None
    networks: tuple[str, ...] = ()
    is_preview: bool = False
    """A preview has names below the app's own: `{{pr_id}}.{{domain}}`, as Coolify makes them unless it is told."""

    def has(self, host: str) -> bool:
        """Return whether requests for a host may go to the app."""
        plain = host.lower().strip("[]")
        if not plain or self.hosts is None:
            return bool(plain)
        return plain in self.hosts or (self.is_preview and any(plain.endswith(f".{own}") for own in self.hosts))


def routes_in(labels: Mapping[str, str], proxy: Proxy) -> frozenset[str]:
    """Return the URLs that a proxy leads to the container with these labels, as `host/path`: all that begin so.

    Only what is written as Coolify writes it counts: a rule of another form leads to nothing that is known here.
    """
    read = {"traefik": _by_traefik, "caddy": _by_caddy}.get(proxy)
    return frozenset(read(labels)) if read else frozenset()


def riddles_in(labels: Mapping[str, str], proxy: Proxy) -> frozenset[str]:
    """Return the rules by which Traefik may lead URLs to the container with these labels, and that `routes_in` does not
    read, or not as Traefik weighs them: names count there in any case of letters, and a priority before any length.
    """
    if proxy == "traefik" and CROWD in labels:
        return frozenset({"more than 300 labels"})
    low = {name.lower(): value for name, value in labels.items()}
    if proxy != "traefik" or low.get("traefik.enable", "").lower() not in _YES:
        return frozenset()
    rules = frozenset(low[name] for name in filter(_ANY_ROUTER.fullmatch, low))
    odd = labels.get("traefik.enable") != "true" or any(map(_PRIORITY.fullmatch, low))
    return rules if odd else frozenset(filterfalse(_is_read_rule, rules))


def _is_read_rule(rule: str) -> bool:
    return all(map(_RULE.fullmatch, rule.split(" || ")))


def may_lead(rule: str, host: str) -> bool:
    """Return whether a rule of Traefik may be true for a host: not where each of its ways begins with another one."""
    ways = (_OTHER.match(way) for way in rule.split("||"))
    return any(way is None or way["host"].lower() == host for way in ways)


def port_in(labels: Mapping[str, str]) -> int | None:
    """Return the one port at which Traefik asks the container with these labels; None: none is said, or several are."""
    ports = {value for name, value in labels.items() if _SERVER_PORT.fullmatch(name)}
    port = ports.pop() if len(ports) == 1 else ""
    return int(port) if _PORT.fullmatch(port) else None


def _by_traefik(labels: Mapping[str, str]) -> Iterator[str]:
    if labels.get("traefik.enable") != "true":
        return
    rules = [value for name, value in labels.items() if _ROUTER.fullmatch(name)]
    for way in (_RULE.fullmatch(part) for rule in rules for part in rule.split(" || ")):
        if way is not None:
            yield _route(way["host"], way["path"])


def _by_caddy(labels: Mapping[str, str]) -> Iterator[str]:
    for name, value in labels.items():
        if re.fullmatch(r"caddy(?:_[0-9]{1,3})?", name):
            path = labels.get(f"{name}.handle_path", labels.get(f"{name}.handle", "")).removesuffix("*")
            yield from (_route(site["host"], path) for site in map(_SITE.fullmatch, value.split(", ")) if site)


def _route(host: str, path: str | None) -> str:
    return f"{host.lower()}{path or '/'}"


def odd_labels(labels: Mapping[str, str], routes: Routes) -> Iterator[str]:
    """Yield in words which labels would send something to a container that is not the app's, or lead Coolify astray."""
    for name, value in sorted(labels.items()):
        if name == CROWD:
            yield "it has more than 300 labels, too many to be read"
        elif is_read(name) and not is_own(name, value, routes):
            yield f"its label {label_shown(name, value)}, which the app may not have: {_reader(name)} reads it"
    if "coolify.applicationId" in labels and "coolify.serviceId" in labels:
        yield "its labels say that it is an application and a service of Coolify's"


def label_shown(name: str, value: str) -> str:
    """Return a label in words, with its value only where that can be no secret."""
    return f"{name[:200]} is {value[:200]}" if _SHOWN.fullmatch(name) else f"{name[:200]} has a value of its own"


def is_read(name: str) -> bool:
    """Return whether a proxy, Docker Compose or Coolify reads labels of that name, or of one below it."""
    return name.lower().startswith(tuple(_READERS)) or name in _ABOVE


def is_own(name: str, value: str, routes: Routes) -> bool:
    """Return whether a label is one by which Coolify sends to the app what is the app's."""
    if name.startswith(("coolify", "com")):
        return name in _COOLIFY_S | _COMPOSE_S
    if name.startswith("traefik."):
        return _is_traefik(name, value, routes)
    return _is_caddy(name, value, routes)


def _reader(name: str) -> str:
    return next((reader for start, reader in _READERS.items() if name.lower().startswith(start)), "Coolify")


def _is_traefik(name: str, value: str, routes: Routes) -> bool:
    return any(re.fullmatch(key, name) and holds(value, routes) for key, holds in _traefik(routes).items())


def _traefik(routes: Routes) -> Mapping[str, Callable[[str, Routes], bool]]:
    """Return what Coolify has Traefik do for an app (fqdnLabelsForTraefik, 4.3.11): names by expression, and values.

    Names of routers, services and middlewares are shared by all containers of a server: each has the uuid in it, but
    for the two that every app defines in the same way.
    """
    uuid = re.escape(routes.app) + "(?:-pr-[0-9]+)?"
    own = rf"https?-[0-9]+-{uuid}(?:-[A-Za-z0-9-]+)?"
    through = (
        rf"gzip|redirect-to-https|{own}-stripprefix|redir-ghost-{uuid}|[0-9]+-{uuid}-(?:noindex|to-www|to-non-www)"
    )
    through = rf"(?:{through}|http-basic-auth-{uuid})"
    router, middleware = rf"traefik\.http\.routers\.{own}\.", r"traefik\.http\.middlewares\."
    redirect = rf"[0-9]+-{uuid}-to-(?:www|non-www)\.redirectregex\."
    return {
        r"traefik\.enable": _is("true|false"),
        r"traefik\.docker\.network": _is_network,
        router + "rule": _is_rule,
        router + "entryPoints": _is("https?"),
        router + "service": _is(own),
        router + "middlewares": _is(rf"{through}(?:,{through})*"),
        router + "tls": _is("true"),
        router + r"tls\.certresolver": _is("letsencrypt"),
        rf"traefik\.http\.services\.{own}\.loadbalancer\.server\.port": _is("[0-9]{1,5}"),
        middleware + r"gzip\.compress": _is("true"),
        middleware + r"redirect-to-https\.redirectscheme\.scheme": _is("https"),
        middleware + rf"{own}-stripprefix\.stripprefix\.prefixes": _is(_PATH),
        middleware + rf"redir-ghost-{uuid}\.redirectregex\.regex": _is(rf"\^(?:{_PATH})?/\(\.\*\)"),
        middleware + rf"redir-ghost-{uuid}\.redirectregex\.replacement": _is(r"/\$1"),
        middleware + redirect + "regex": _is(r"\^\(http\|https\)://(?:\(\?:www\\\.\)\?|www\\\.)\(\.\+\)"),
        middleware + redirect + "replacement": _is(r"\${1,2}\{1\}://(?:www\.)?\${1,2}\{2\}"),
        middleware + redirect + "permanent": _is("false"),
        middleware + rf"[0-9]+-{uuid}-noindex\.headers\.customresponseheaders\.X-Robots-Tag": _is("noindex, nofollow"),
        middleware + rf"http-basic-auth-{uuid}\.basicauth\.users": _is(r"[^\s,]+"),
    }


def _is(shape: str) -> Callable[[str, Routes], bool]:
    return lambda value, _: re.fullmatch(shape, value) is not None


def _is_network(value: str, routes: Routes) -> bool:
    return value == routes.app or value in routes.networks


def _is_rule(value: str, routes: Routes) -> bool:
    found = _RULE.fullmatch(value)
    return found is not None and routes.has(found["host"])


def _is_caddy(name: str, value: str, routes: Routes) -> bool:
    if name == "caddy_ingress_network":
        return _is_network(value, routes)
    found = _CADDY.fullmatch(name)
    if found is None:
        return False
    if found["rest"] is None:
        sites = [_SITE.fullmatch(site) for site in value.split(", ")]
        return all(site is not None and routes.has(site["host"]) for site in sites)
    return any(re.fullmatch(key, found["rest"]) and _fits(shape, value, routes) for key, shape in _ENTRIES.items())


def _fits(shape: str, value: str, routes: Routes) -> bool:
    found = re.fullmatch(shape, value)
    if found is None:
        return False
    host = found.groupdict().get("host")
    if host is None or routes.hosts is None:
        return True
    return host in {name for own in routes.hosts for name in (own, f"www.{own}", own.replace("www.", ""))}
