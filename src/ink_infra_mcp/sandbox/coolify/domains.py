"""Domains: which are well formed, which are taken, and which one a new application gets by itself."""

import json
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify.call import Call, JsonObject, invalid, refusal
from ink_infra_mcp.sandbox.state_coolify import Application, CoolifyState, Server, Service

FORBIDDEN = set("`$;&|<>()\\\r\n ")
ENTRY = {"name", "domain", "redirect"}
REDIRECTS = (None, "www", "non-www", "both")
MAX_CHARS = 2048
MAX_HOST = 253
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
CONFLICT = "Domain conflicts detected. Use force_domain_override=true to proceed."
WARNING = "Using the same domain for multiple resources can cause routing conflicts and unpredictable behavior."

STRANGE_ENTRY = (
    "An item in the docker_compose_domains array has invalid fields. "
    "Only name, domain, and redirect fields are supported."
)


def listed(value: JsonValue) -> list[str]:
    """Return the URLs of a comma-separated list."""
    return [url.strip() for url in str(value or "").split(",") if url.strip()]


def domain_errors(value: JsonValue) -> list[str]:
    """Return what is wrong with a comma-separated list of URLs."""
    return [error for url in listed(value) if (error := _url_error(url))]


def normalized(value: JsonValue) -> str | None:
    """Return the list with schemes and hosts in lower case, or None when it is empty."""
    return ",".join(_lower(url) for url in listed(value)) or None


def refuse_taken(call: Call, urls: list[str], *, own_uuid: str = "") -> None:
    """Let URLs pass that no other application or service of any server has.

    Raises:
        Refusal: 409 that lists the conflicts, unless the request has force_domain_override.
    """
    if not call.switch("force_domain_override"):
        refuse_conflicts(conflicts_of(call.coolify, urls, own_uuid=own_uuid))


def refuse_conflicts(conflicts: list[JsonObject]) -> None:
    """Let no conflict pass.

    Raises:
        Refusal: 409 that lists them.
    """
    if conflicts:
        raise refusal(409, CONFLICT, conflicts=list[JsonValue](conflicts), warning=WARNING)


def conflicts_of(coolify: CoolifyState, urls: list[str], *, own_uuid: str) -> list[JsonObject]:
    """Return one entry for each of `urls` that something else answers to; the comparison is by exact text."""
    wanted = {url.removesuffix("/") for url in urls}
    return [e for e in _taken(coolify) if e["domain"] in wanted and e["resource_uuid"] != own_uuid]


def compose_domains(call: Call, *, own_uuid: str = "") -> dict[str, JsonObject]:
    """Return the checked `docker_compose_domains` of the request, by name of the compose service.

    Raises:
        Refusal: 422 for a wrong entry or a URL that stands twice, 409 for a domain that is taken.
    """
    entries = list(_entries(call.items("docker_compose_domains")))
    urls = [url for entry in entries for url in listed(entry.get("domain"))]
    if errors := doubled(call, urls, "conflicting URLs: {} Use"):
        raise invalid({"docker_compose_domains": list[JsonValue](errors)})
    refuse_taken(call, urls, own_uuid=own_uuid)
    return {str(entry["name"]): _kept(entry) for entry in entries}


def doubled(call: Call, urls: list[str], words: str) -> list[str]:
    """Return what is said of URLs that the request itself has twice; nothing where it insists."""
    twice = list(dict.fromkeys(url for place, url in enumerate(urls) if url in urls[:place]))
    if not twice or call.switch("force_domain_override"):
        return []
    return [f"The current request contains {words.format(', '.join(twice))} force_domain_override=true to proceed."]


def own_domain(coolify: CoolifyState, server: Server, uuid: str) -> str:
    """Return the URL that Coolify makes up: under the server's wildcard, else under sslip.io with its address."""
    wildcard = server.settings.wildcard_domain or f"http://{_sslip(coolify, server)}.sslip.io"
    parts = urlsplit(wildcard)
    return f"{parts.scheme}://{uuid}.{parts.netloc}{parts.path.rstrip('/')}"


def host_of_url(url: str) -> str:
    """Return the bare host name of a URL."""
    return urlsplit(url).hostname or ""


def app_urls(app: Application) -> list[str]:
    """Return every URL of an application, those of its compose services too."""
    compose = app.text("docker_compose_domains")
    entries: dict[str, JsonObject] = json.loads(compose) if compose else {}
    return [*listed(app.columns.get("fqdn")), *(url for e in entries.values() for url in listed(e.get("domain")))]


def urls_of(thing: Application | Service) -> list[str]:
    """Return every URL of an application or a service."""
    if isinstance(thing, Application):
        return app_urls(thing)
    return [url for part in thing.parts for url in listed(part.fqdn)]


def _sslip(coolify: CoolifyState, server: Server) -> str:
    ip = (coolify.public_ipv4 or "127.0.0.1") if server.is_coolify_host else server.ip
    return ip.replace(":", "-")


def _url_error(url: str) -> str:
    parts = _split(url)
    wrong = _has_wrong_signs(url) or parts is None or not _is_host(parts.hostname or "")
    return f"Invalid URL: {url}" if wrong else ""


def _has_wrong_signs(url: str) -> bool:
    return bool(FORBIDDEN & set(url)) or len(url) > MAX_CHARS or not url.isascii()


def _is_host(host: str) -> bool:
    """PHP takes names of letters, digits and inner hyphens, of at most 63 to a label, and addresses.

    Coolify shows it a hyphen for each underscore (isValidDomainUrl in domains.php, 4.3.11).
    """
    if ":" in host:
        return True
    labels = host.replace("_", "-").removesuffix(".").split(".")
    return len(host) <= MAX_HOST and all(map(LABEL.fullmatch, labels))


def _split(url: str) -> SplitResult | None:
    """None for what is no http or https URL; a missing scheme is one such case."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme.lower() in {"http", "https"} else None


def _lower(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl()


def _entries(given: list[JsonValue]) -> Iterator[JsonObject]:
    """Errors are named by the place in the list, as Laravel names them."""
    for place, entry in enumerate(given):
        path = f"docker_compose_domains.{place}"
        if not isinstance(entry, dict) or not entry.keys() <= ENTRY:
            raise invalid({path: [STRANGE_ENTRY]})
        if not entry.get("name"):
            raise invalid({f"{path}.name": [f"The {path}.name field is required."]})
        if errors := list[JsonValue](domain_errors(entry.get("domain"))):
            raise invalid({f"{path}.domain": errors})
        if entry.get("redirect") not in REDIRECTS:
            raise invalid({f"{path}.redirect": [f"The selected {path}.redirect is invalid."]})
        yield entry


def _kept(entry: JsonObject) -> JsonObject:
    return {name: entry[name] for name in ("domain", "redirect") if entry.get(name) is not None}


def _taken(coolify: CoolifyState) -> Iterator[JsonObject]:
    for app in coolify.applications:
        yield from (_entry(url, app.text("name"), app.uuid, "application") for url in app_urls(app))
    for service in coolify.services:
        yield from _taken_by_service(service)
    if coolify.fqdn:
        yield _entry(coolify.fqdn, "Coolify Instance", None, "instance")


def _taken_by_service(service: Service) -> Iterator[JsonObject]:
    for part in service.parts:
        yield from (_entry(url, service.name, part.uuid, "service") for url in listed(part.fqdn))


def _entry(url: str, name: str, uuid: str | None, kind: str) -> JsonObject:
    domain = url.removesuffix("/")
    whose = "this Coolify instance" if kind == "instance" else f"{kind} '{name}'"
    return {
        "domain": domain,
        "resource_name": name,
        "resource_uuid": uuid,
        "resource_type": kind,
        "message": f"Domain {domain} is already in use by {whose}",
    }
