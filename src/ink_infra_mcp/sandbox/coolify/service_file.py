"""Makes of a service's compose file the one that runs (read in serviceParser of coollabsio/coolify 4.3.11)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ink_infra_mcp.sandbox.coolify.database_images import is_database
from ink_infra_mcp.sandbox.coolify.domains import listed
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.magic import Rows, environment_of, references
from ink_infra_mcp.sandbox.coolify.mounts import CONTENT, Mounts, Unsafe, check_safe, check_volumes
from ink_infra_mcp.sandbox.coolify.php import Broken, Pairs, Php, array, get, key_of, merged, pairs_of, slug, text
from ink_infra_mcp.sandbox.coolify.proxy_labels import Front, proxy_labels
from ink_infra_mcp.sandbox.coolify.rows import place_of
from ink_infra_mcp.sandbox.coolify.symfony_read import parse
from ink_infra_mcp.sandbox.coolify.symfony_write import dump
from ink_infra_mcp.sandbox.state_coolify import CoolifyState, Server, Service, ServicePart

SECTIONS = ("volumes", "networks", "configs", "secrets")
RESTART = "unless-stopped"


def stored(written: str) -> str:
    """Return the text that is kept of a file that came in, written anew.

    Raises:
        BadYaml: it is not YAML, for which the API answers 500.
        Unsafe: it has no services, or a name or volume of theirs has a sign that a shell reads.
    """
    raw = dump(parse(written), literal=True)
    services = get(parse(raw), "services")
    if not isinstance(services, dict | list):
        raise Unsafe('Docker Compose file must contain a "services" section')
    for name, service in pairs_of(services).items():
        _check_name(str(name))
        check_volumes(service)
    return raw


def _check_name(name: str) -> None:
    try:
        check_safe(name, "service name")
    except Unsafe as error:
        hint = "Service names must not contain shell metacharacters."
        raise Unsafe(f"Invalid Docker Compose service name: {error} {hint}") from error


def generate(coolify: CoolifyState, service: Service, server: Server, *, now: float) -> None:
    """Read the stored file: make parts and variables, write `docker_compose`, and the stored file once more.

    Raises:
        Broken: PHP would throw; parts and variables up to there are made.
        BadYaml: the stored file is not YAML.
    """
    document = parse(service.docker_compose_raw)
    services = _services(document)
    old = {part.name: part for part in service.parts}
    service.parts = [old.get(name) or _part(coolify, name, body) for name, body in services.items()]
    for part in service.parts:
        part.image = text(get(services[part.name], "image"))
    rows = Rows(coolify, service, server, now)
    _make_rows(rows, services)
    service.docker_compose = _generated(rows, document, services)
    service.docker_compose_raw = dump(_without_content(document))


def _services(document: Php) -> dict[str, Php]:
    services = {str(name): body for name, body in pairs_of(get(document, "services")).items()}
    for body in services.values():
        if not isinstance(body, dict | list | None):
            raise Broken("isDatabaseImage(): Argument #2 ($serviceConfig) must be of type ?array")
    return services


def _part(coolify: CoolifyState, name: str, body: Php) -> ServicePart:
    image, is_one = text(get(body, "image")), is_database(body)
    return ServicePart(id=new_id(coolify), uuid=new_uuid(coolify), name=name, image=image, is_database=is_one)


def _make_rows(rows: Rows, services: Mapping[str, Php]) -> None:
    for part in rows.service.parts:
        environment = environment_of(services[part.name])
        _make_addresses(rows, part, environment)
        for name in _referred(environment):
            rows.referred(part, name)


def _make_addresses(rows: Rows, part: ServicePart, environment: Pairs) -> None:
    for key, value in environment.items():
        if str(key).startswith(("SERVICE_FQDN_", "SERVICE_URL_")):
            rows.address(part, str(key), value)


def _referred(environment: Pairs) -> list[str]:
    """Return every SERVICE_ variable that the values name, once each."""
    return list(dict.fromkeys(name for value in environment.values() for name in references(value)))


def _generated(rows: Rows, document: Php, services: Mapping[str, Php]) -> str:
    top = _sections(document)
    maker = _Maker(rows, top, Mounts(rows.service.uuid, top["volumes"]), _service_names(services))
    made: Pairs = {}
    for part in rows.service.parts:
        made[key_of(part.name)] = array(maker.payload(part, services[part.name]))
    sections: Pairs = {name: array(pairs) for name, pairs in top.items() if pairs}
    return dump({"services": array(made), **sections})


def _sections(document: Php) -> dict[str, Pairs]:
    top = {name: pairs_of(get(document, name)) for name in SECTIONS}
    top["volumes"] = {name: volume for name, volume in top["volumes"].items() if volume is not None}
    return top


def _service_names(services: Mapping[str, Php]) -> Pairs:
    return {f"SERVICE_NAME_{name.replace('-', '_').replace('.', '_').upper()}": name for name in services}


@dataclass(slots=True)
class _Maker:
    """Writes the services of one file; what it learns of volumes and networks goes into `top`."""

    rows: Rows
    top: dict[str, Pairs]
    mounts: Mounts
    names: Pairs

    def payload(self, part: ServicePart, service: Php) -> Pairs:
        """Return what a part becomes."""
        uuid = self.rows.service.uuid
        volumes = self.mounts.of(service)
        networks = self._networks(service)
        environment = self._environment(part, service)
        part.exclude_from_status = part.exclude_from_status or _may_end(service)
        made = {key: value for key, value in pairs_of(service).items() if key != "exclude_from_hc"}
        given = get(service, "restart")
        made["container_name"] = f"{part.name}-{uuid}"
        made["restart"] = RESTART if given is None else text(given)
        made["labels"] = list(self._labels(part, service))
        made |= _unless_empty("networks", networks)
        made |= _unless_empty("ports", pairs_of(get(service, "ports")))
        made |= _unless_empty("volumes", volumes)
        made["environment"] = array(environment)
        made |= _unless_empty("depends_on", pairs_of(get(service, "depends_on")))
        made["env_file"] = _env_files(service)
        return made

    def _networks(self, service: Php) -> Pairs:
        if get(service, "network_mode") is not None:
            return {}
        uuid = self.rows.service.uuid
        self.top["networks"].setdefault(uuid, {"name": uuid, "external": True})
        joined: Pairs = {}
        for key, network in pairs_of(get(service, "networks")).items():
            if isinstance(network, str):
                joined[network] = None
            elif isinstance(network, dict | list):
                joined[key] = network
        return {**joined, uuid: None}

    def _environment(self, part: ServicePart, service: Php) -> Pairs:
        own = environment_of(service)
        environment = {**own, **self.rows.values(_without_magic(own))}
        kept = {k: self._filled(str(k), v) for k, v in environment.items() if not str(k).startswith("SERVICE_FQDN_")}
        return merged(kept, self._coolify(part), self.names)

    def _filled(self, key: str, value: Php) -> Php:
        """An empty text takes what its row holds."""
        row = self.rows.find(key) if value == "" else None
        return row.value if row and row.value else value

    def _coolify(self, part: ServicePart) -> Pairs:
        uuid = self.rows.service.uuid
        own: Pairs = {"COOLIFY_RESOURCE_UUID": uuid, "COOLIFY_CONTAINER_NAME": f"{part.name}-{uuid}"}
        made = {key: value for key, value in own.items() if self.rows.find(str(key)) is None}
        return {**made, **_addresses(part)}

    def _labels(self, part: ServicePart, service: Php) -> Iterator[Php]:
        lines: list[Php] = [*_written_labels(service), *self._own_labels(part)]
        if self.rows.service.is_container_label_escape_enabled:
            lines = [_escaped(line) for line in lines]
        yield from lines
        yield from self._proxy_labels(part, service, lines)

    def _proxy_labels(self, part: ServicePart, service: Php, lines: list[Php]) -> list[str]:
        urls = tuple(_urls_of(part))
        if not urls:
            return []
        front = Front(self.rows.service.uuid, part.name, part.image, urls, self.rows.service.uuid)
        in_network = get(service, "network_mode") is None
        return proxy_labels(front, [line for line in lines if isinstance(line, str)], in_network=in_network)

    def _own_labels(self, part: ServicePart) -> list[str]:
        service = self.rows.service
        place = place_of(self.rows.coolify, service.environment_uuid)
        project, environment = (place[0].name, place[1].name) if place else ("", "")
        return [
            "coolify.managed=true",
            f"coolify.version={self.rows.coolify.version}",
            f"coolify.serviceId={service.id}",
            "coolify.type=service",
            f"coolify.name={slug(f'{part.name}-{service.uuid}')}",
            f"coolify.resourceName={slug(service.name)}",
            f"coolify.projectName={slug(project)}",
            f"coolify.serviceName={slug(part.name)}",
            f"coolify.environmentName={slug(environment)}",
            "coolify.pullRequestId=0",
            f"coolify.service.subId={part.id}",
            f"coolify.service.subType={'database' if part.is_database else 'application'}",
            *([f"coolify.service.subName={slug(part.name)}"] if part.name != "0" else []),
        ]


def _unless_empty(name: str, pairs: Pairs) -> Pairs:
    return {name: array(pairs)} if pairs else {}


def _without_magic(own: Pairs) -> Pairs:
    magic = set(_referred(own))
    return {k: v for k, v in own.items() if k not in magic and not text(v).startswith("SERVICE_")}


def _urls_of(part: ServicePart) -> list[str]:
    """A database has none."""
    return [] if part.is_database else listed(part.fqdn)


def _addresses(part: ServicePart) -> Pairs:
    urls = [_without_port(url) for url in _urls_of(part)]
    if not urls:
        return {}
    return {"COOLIFY_FQDN": ",".join(url.partition("://")[2] for url in urls), "COOLIFY_URL": ",".join(urls)}


def _written_labels(service: Php) -> list[Php]:
    written = get(service, "labels")
    as_map = isinstance(written, dict)
    return [f"{key}={text(value)}" if as_map else value for key, value in pairs_of(written).items()]


def _may_end(service: Php) -> bool:
    return get(service, "restart") == "no" or get(service, "exclude_from_hc") not in (None, False, "", 0, "0")


def _escaped(value: Php) -> Php:
    if isinstance(value, dict | list):
        return array({key: _escaped(part) for key, part in pairs_of(value).items()})
    return text(value).replace("$", "$$")


def _env_files(service: Php) -> list[Php]:
    files: list[Php] = []
    for file in (*pairs_of(get(service, "env_file")).values(), ".env"):
        files += [] if file in files else [file]
    return files


def _without_port(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.partition(':')[0]}{slash + path if path else ''}"


def _without_content(document: Php) -> Php:
    """Return the document without what Coolify keeps for itself of its volumes."""
    services = get(document, "services")
    if not isinstance(document, dict | list) or not isinstance(services, dict | list):
        return document
    cleaned = {name: _cleaned(service) for name, service in pairs_of(services).items()}
    return array({**pairs_of(document), "services": array(cleaned)})


def _cleaned(service: Php) -> Php:
    volumes = get(service, "volumes")
    if not isinstance(volumes, dict | list):
        return service
    left = {index: _without(volume) for index, volume in pairs_of(volumes).items()}
    return array({**pairs_of(service), "volumes": array(left)})


def _without(volume: Php) -> Php:
    if not isinstance(volume, dict | list):
        return volume
    return array({key: value for key, value in pairs_of(volume).items() if key not in CONTENT})
