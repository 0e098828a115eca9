"""The rows that Coolify makes for the variables of a compose file (read in its parsers.php, 4.3.11)."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.coolify import variables
from ink_infra_mcp.sandbox.coolify.call import JsonObject
from ink_infra_mcp.sandbox.coolify.domains import listed, own_domain
from ink_infra_mcp.sandbox.coolify.php import Pairs, Php, get, is_numeric, merged, pairs_of, text
from ink_infra_mcp.sandbox.state_coolify import CoolifyState, EnvVar, Server, Service, ServicePart

_REFERENCE = re.compile(r"\$\{?([a-zA-Z_][a-zA-Z0-9_]*)\}?")
_ADDRESS = re.compile(r"SERVICE_(?:FQDN|URL)_(?P<name>.*?)(?:_(?P<port>[0-9]+))?", re.ASCII)
_OPERATORS = (":-", "-", ":?", "?")


def environment_of(service: Php) -> Pairs:
    """Return the variables of a part by name, its build arguments among them."""
    given = merged(pairs_of(get(service, "environment")), pairs_of(get(service, "build.args")))
    if list(given) == list(range(len(given))):
        return _from_lines(given.values())
    return dict(_named(key, value) for key, value in given.items())


def _from_lines(lines: Iterable[Php]) -> Pairs:
    parted = (line.partition("=") for line in lines if isinstance(line, str))
    return {name: value for name, _, value in parted if name not in {"", "0"}}


def _named(key: int | str, value: Php) -> tuple[int | str, Php]:
    if not is_numeric(str(key)):
        return key, value
    name, equals, rest = text(value).partition("=")
    return (name, rest) if equals else (key, value)


@dataclass(frozen=True, slots=True)
class Rows:
    """The variables of one service, as its compose file makes them; `server` gives domains their end."""

    coolify: CoolifyState
    service: Service
    server: Server
    now: float

    def find(self, key: str) -> EnvVar | None:
        """Return the row of that name."""
        return variables.find(self.service, key, preview=False)

    def first(self, key: str, value: str | None) -> EnvVar:
        """Return the row of that name, made with `value` where there is none."""
        given: JsonObject = {"key": key, "value": value}
        return self.find(key) or variables.add(self.coolify, self.service, given, now=self.now)

    def put(self, key: str, value: str) -> None:
        """Set the value of the row of that name."""
        self.first(key, value).value = value

    def address(self, part: ServicePart, key: str, value: Php) -> None:
        """Make the rows of a SERVICE_FQDN_ or SERVICE_URL_ variable, and publish a part that has no domain yet."""
        found = _ADDRESS.fullmatch(key)
        if found is None:
            return
        name, port = found["name"], found["port"]
        url = self._url(part, name, text(value))
        if not part.is_database and part.fqdn is None:
            part.fqdn = f"{url}:{port}" if port else url
        self._put_address(name, port, url)

    def _url(self, part: ServicePart, name: str, written: str) -> str:
        """Return the URL of a part, under the path that its variable says."""
        url = _bare(part.fqdn) if part.fqdn else self._own(name.lower())
        path = written if written.startswith("/") and written != "/" else ""
        return url if url.endswith(path) else f"{url}{path}"

    def _put_address(self, name: str, port: str | None, url: str) -> None:
        host = url.partition("://")[2]
        self.put(f"SERVICE_FQDN_{name}", host)
        self.put(f"SERVICE_URL_{name}", url)
        if port:
            self.put(f"SERVICE_FQDN_{name}_{port}", f"{host}:{port}")
            self.put(f"SERVICE_URL_{name}_{port}", f"{url}:{port}")

    def referred(self, part: ServicePart, key: str) -> None:
        """Make the row of a `${SERVICE_...}`: an address, or a secret that Coolify makes up."""
        kind, name = _command(key)
        if kind not in {"FQDN", "URL"}:
            self.first(key, _secret(kind, f"{self.service.uuid} {key}"))
            return
        url = self._own(name.lower().replace("_", "-"))
        if self._is_published_by(part, key, name):
            part.fqdn = url
        values = {"FQDN": url.partition("://")[2], "URL": url}
        other = "URL" if kind == "FQDN" else "FQDN"
        self.first(key, values[kind])
        self.first(f"SERVICE_{other}_{name.upper()}", values[other])

    def _is_published_by(self, part: ServicePart, key: str, name: str) -> bool:
        """Return whether the variable is new, names the part itself, and no port of it is known."""
        if part.is_database or _plain(part.name) != _plain(name):
            return False
        return self.find(key) is None and not self._has_port(part, key)

    def _has_port(self, part: ServicePart, key: str) -> bool:
        in_rows = any(re.fullmatch(rf"{re.escape(key)}_[0-9]+", row.key) for row in self.service.envs)
        return in_rows or re.search(r":[0-9]+$", part.fqdn or "") is not None

    def _own(self, name: str) -> str:
        return own_domain(self.coolify, self.server, f"{name}-{self.service.uuid}")

    def values(self, environment: Pairs) -> Pairs:
        """Make a row for every variable that is the whole value of another; return the lines that this adds."""
        added: Pairs = {}
        for key, value in environment.items():
            added |= self._value(str(key), text(value), added)
        return added

    def _value(self, key: str, value: str, added: Pairs) -> Pairs:
        name = _inner(value)
        if name.startswith("SERVICE_"):
            self.put(key, value)
        elif value.startswith("$") and key == name:
            self.first(key, None)
        elif value.startswith("$"):
            return self._other(value, name)
        return {}

    def _other(self, value: str, name: str) -> Pairs:
        variable, operator, default = _divided(name)
        if not operator:
            return {name: self.first(name, None).value}
        if "{" not in value:
            self.first(variable, default)
            return {}
        outer: Pairs = {variable: self.first(variable, default).value}
        return {**outer, **self._nested(default)}

    def _nested(self, default: str) -> Pairs:
        """Make a row for every variable inside the default of another."""
        added: Pairs = {}
        for nested in _contents(default) if "${" in default else []:
            inner, operator, inner_default = _divided(nested)
            if not inner.startswith(("SERVICE_URL_", "SERVICE_FQDN_")):
                added[inner] = self.first(inner, inner_default if operator else None).value
        return added


def references(value: Php) -> list[str]:
    """Return the SERVICE_ variables that a value names."""
    return [name for name in _REFERENCE.findall(text(value)) if name.startswith("SERVICE_")]


def _bare(fqdn: str) -> str:
    """Return the first of several URLs without its port."""
    scheme, _, rest = listed(fqdn)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.partition(':')[0]}{slash + path if path else ''}"


def _command(key: str) -> tuple[str, str]:
    rest = key.removeprefix("SERVICE_")
    if rest.startswith(("FQDN_", "URL_")) and key.count("_") in {2, 3}:
        return rest.split("_")[0], rest.partition("_")[2]
    return (rest.rpartition("_")[0], rest.rpartition("_")[2]) if key.count("_") in {2, 3} else ("", rest)


def _secret(kind: str, seed: str) -> str:
    digest = hashlib.sha512(seed.encode()).hexdigest()
    length = 64 if kind.endswith("_64") else 16 if kind.endswith("USER") else 32
    return digest[:length] if kind else ""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]", "", name.lower())


def _inner(value: str) -> str:
    if value.startswith("${"):
        return next(iter(_contents(value)), value.partition("}")[0][2:])
    return value.removeprefix("$")


def _contents(value: str) -> list[str]:
    """Return what stands in each pair of braces that is not inside another."""
    return [value[start:end] for start, end, depth in _braces(value) if depth == 0]


def _braces(value: str) -> Iterator[tuple[int, int, int]]:
    """Yield of each pair of braces where its content begins and ends, and how many others it is inside of."""
    starts: list[int] = []
    for place, sign in enumerate(value):
        if sign == "{":
            starts.append(place + 1)
        elif sign == "}" and starts:
            start = starts.pop()
            yield start, place, len(starts)


def _divided(content: str) -> tuple[str, str, str]:
    """Return name, operator and default of what stands in braces; operators inside other braces do not count."""
    depth = 0
    for place, sign in enumerate(content):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        operator = _operator_at(content, place)
        if depth == 0 and operator:
            return content[:place], operator, content[place + len(operator) :]
    return content, "", ""


def _operator_at(content: str, place: int) -> str:
    return next((one for one in _OPERATORS if content.startswith(one, place)), "")
