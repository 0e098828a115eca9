"""Writes a `docker` command, in shell, that answers from the world as Docker's own client would."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ink_infra_mcp.sandbox.coolify.service_files import service_files
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

Fields = Mapping[str, str]
"""What each piece of a Go template becomes."""

NEVER = "0001-01-01T00:00:00Z"
VOLUMES = "/var/lib/docker/volumes"
ALLOW_LIST = "/var/www/html/bootstrap/helpers/docker.php"

_COOLIFY_LABELS = (
    '{{range $key, $value := .Config.Labels}}{{if eq (printf "%.8s" $key) "coolify."}}'
    "{{json $key}}:{{json $value}},{{end}}{{end}}"
)
_HEALTH = '{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}}'

_SHELL = r"""
# is PIECE: take PIECE from the front of the template
is() {
  case $rest in
    "$1"*) rest=${rest#"$1"} ;;
    *) return 1 ;;
  esac
}

# fill TEMPLATE FIELDS: print a Go template; FIELDS knows the pieces in braces
fill() {
  rest=$1
  while [ -n "$rest" ]; do
    case $rest in
      '{{'*) "$2" || unknown ;;
      *)
        plain=${rest%%'{{'*}
        printf '%s' "$plain"
        rest=${rest#"$plain"}
        ;;
    esac
  done
  printf '\n'
}

ps_() {
  all='' quiet='' whole='' template='' by_name='' by_label=''
  while [ $# -gt 0 ]; do
    case $1 in
      -a | --all) all=yes ;;
      -q | --quiet) quiet=yes ;;
      -aq | -qa) all=yes quiet=yes ;;
      --no-trunc) whole=yes ;;
      --format) template=$2 && shift ;;
      --filter) case $2 in name=*) by_name=${2#name=} ;; label=*) by_label=${2#label=} ;; *) unknown ;; esac && shift ;;
      *) unknown ;;
    esac
    shift
  done
  [ -n "$quiet$template" ] || unknown
  for n in $containers; do
    "about_$n"
    case $state in running | paused | restarting) ;; *) [ -n "$all" ] || continue ;; esac
    case $name in *"$by_name"*) ;; *) continue ;; esac
    [ -z "$by_label" ] || "has_label_$n" "$by_label" || continue
    [ -n "$whole" ] || id=$short
    if [ -n "$quiet" ]; then printf '%s\n' "$id"; else fill "$template" listed; fi
  done
}

listed() {
  if is '{{.ID}}'; then printf '%s' "$id"
  elif is '{{.Names}}'; then printf '%s' "$name"
  elif is '{{.Image}}'; then printf '%s' "$image"
  elif is '{{.State}}'; then printf '%s' "$state"
  else return 1; fi
}

# find REFERENCE: set n to the container with that id or name
find_container() {
  for n in $containers; do
    "about_$n"
    case $1 in "$id" | "$short" | "$name") return 0 ;; esac
  done
  return 1
}

inspect() {
  template='' missing='' what='Error: No such object:'
  while [ $# -gt 0 ]; do
    case $1 in
      --type) [ "$2" = container ] && what='Error response from daemon: No such container:' && shift || unknown ;;
      -f | --format) template=$2 && shift ;;
      -*) unknown ;;
      *) break ;;
    esac
    shift
  done
  [ -n "$template" ] && [ $# -gt 0 ] || unknown
  for reference; do
    if find_container "$reference"; then fill "$template" "fields_$n"; else missing="$missing $reference"; fi
  done
  for reference in $missing; do printf '%s %s\n' "$what" "$reference" >&2; done
  [ -z "$missing" ]
}

logs() {
  tail=all timestamps='' span='' instant=''
  while [ $# -gt 0 ]; do
    case $1 in
      -t | --timestamps) timestamps=yes ;;
      -n | --tail) tail=$2 && shift ;;
      --since) case $2 in *[0-9][smh]) span=$2 ;; ????-??-??T*Z) instant=$2 ;; *) unknown ;; esac && shift ;;
      --) shift && break ;;
      -*) unknown ;;
      *) break ;;
    esac
    shift
  done
  [ $# -eq 1 ] || unknown
  find_container "$1" || { printf 'Error response from daemon: No such container: %s\n' "$1" >&2; exit 1; }
  case $span in
    *s) from=$((now - ${span%s})) ;;
    *m) from=$((now - ${span%m} * 60)) ;;
    *h) from=$((now - ${span%h} * 3600)) ;;
    *) from=0 ;;
  esac
  count=0 left=0
  "log_$n" count_line
  case $tail in all) ;; *) left=$((count - tail)) ;; esac
  "log_$n" print_line
}

# recent SECONDS INSTANT: whether --since lets a line pass
recent() {
  [ "$1" -ge "$from" ] || return 1
  # shellcheck disable=SC3012
  [ -z "$instant" ] || [ "$2" \> "$instant" ]
}

count_line() { if recent "$1" "$2"; then count=$((count + 1)); fi; }

print_line() {
  recent "$1" "$2" || return 0
  left=$((left - 1))
  [ "$left" -lt 0 ] || return 0
  printf '%s%s\n' "${timestamps:+$2 }" "$3"
}

exec_() {
  find_container "$1" || { printf 'Error response from daemon: No such container: %s\n' "$1" >&2; exit 1; }
  shift
  case "$*" in
    "grep -c -- '--runtime' $allow_list") printf '%s\n' "$knows_runtime" && [ "$knows_runtime" != 0 ] ;;
    *) unknown ;;
  esac
}

command=${1-}
[ $# -eq 0 ] || shift
case $command in
  ps) ps_ "$@" ;;
  inspect) inspect "$@" ;;
  logs) logs "$@" ;;
  exec) exec_ "$@" ;;
  compose)
    COMPOSE_FILES=$compose_files "$python" -m ink_infra_mcp.sandbox.compose "$now" "$@"
    status=$?
    [ "$status" -ne 127 ] || unknown
    exit "$status"
    ;;
  info | version) [ "$1" = --format ] && [ $# -eq 2 ] && fill "$2" "$command" || unknown ;;
  *) unknown ;;
esac
"""


_NULL_WHEN_EMPTY = tuple(f".HostConfig.{name}" for name in ("PidsLimit", "CapAdd", "CapDrop", "SecurityOpt"))


def docker_script(state: WorldState, host: HostState, *, now: float) -> str:
    """Return the text of the command. It uses `unknown`, which the caller defines, for what it does not know."""
    facts = {
        "now": str(int(now)),
        "containers": " ".join(str(n) for n in range(len(host.containers))),
        "allow_list": ALLOW_LIST,
        "knows_runtime": "1" if state.coolify.supports_runtime_option else "0",
        "python": sys.executable,
        "compose_files": json.dumps(service_files(state, host)),
    }
    parts = [*_assignments(facts)]
    parts += [_function("info", _info(host)), _function("version", _version(host))]
    for n, container in enumerate(host.containers):
        parts += _container(n, container, log=_log(state, container))
    return "\n".join([*parts, _SHELL])


def _container(n: int, container: Container, *, log: Iterable[str]) -> list[str]:
    about = {
        "id": container.id,
        "short": container.id[:12],
        "name": container.name,
        "image": container.image,
        "state": container.state,
    }
    moment = f"{int(container.started_at)} {_instant(container.started_at)}"
    lines = "; ".join(f'"$1" {moment} {shlex.quote(line)}' for line in log) or ":"
    return [
        f"about_{n}() {{ {' '.join(_assignments(about))}; }}",
        f"has_label_{n}() {{ case $1 in {_label_cases(container.labels)}) ;; *) return 1 ;; esac; }}",
        f"log_{n}() {{ {lines}; }}",
        _function(f"fields_{n}", _inspected(container)),
    ]


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]


def _label_cases(labels: Mapping[str, str]) -> str:
    """Docker finds a label by its name alone too."""
    texts = [text for key, value in labels.items() for text in (key, f"{key}={value}")]
    return "|".join(map(shlex.quote, texts)) or "''"


def _function(name: str, fields: Fields) -> str:
    branches = [f"is {shlex.quote(piece)}; then printf %s {shlex.quote(text)}" for piece, text in fields.items()]
    chain = "\n  elif ".join(branches)
    return f"{name}() {{\n  if {chain}\n  else return 1; fi\n}}"


def _info(host: HostState) -> Fields:
    """Docker lists its shim beside the runtimes by name."""
    runtimes = {name: {"path": name} for name in sorted({"io.containerd.runc.v2", *host.runtimes})}
    return _json_fields(
        {".ServerVersion": host.docker_version, ".DefaultRuntime": "runc", ".DockerRootDir": "/var/lib/docker"}
    ) | {"{{json .Runtimes}}": _json(runtimes)}


def _version(host: HostState) -> Fields:
    return _json_fields({".Server.Version": host.docker_version})


def _inspected(container: Container) -> Fields:
    """Return the pieces of `docker inspect` under the names of Docker's Go structs, empty lists as null."""
    values: dict[str, object] = {
        ".ID": container.id,
        ".Name": f"/{container.name}",
        ".Image": container.image_id,
        ".RestartCount": container.restart_count,
        ".Config.Image": container.image,
        ".HostConfig.Runtime": container.runtime,
        ".HostConfig.Memory": container.memory_bytes,
        ".HostConfig.NanoCPUs": container.nano_cpus,
        ".HostConfig.PidsLimit": container.pids_limit,
        ".HostConfig.CapAdd": container.cap_add,
        ".HostConfig.CapDrop": container.cap_drop,
        ".HostConfig.SecurityOpt": container.security_opt,
        ".HostConfig.Privileged": container.privileged,
        ".HostConfig.NetworkMode": "coolify",
        ".HostConfig.PidMode": "",
        ".State.Status": container.state,
        ".State.ExitCode": container.exit_code,
        ".State.OOMKilled": container.oom_killed,
        ".State.StartedAt": _instant(container.started_at),
        ".Mounts": [_mount(volume) for volume in container.volumes],
        ".NetworkSettings.Ports": _bindings(container.ports),
        ".NetworkSettings.Networks": {"coolify": _endpoint(container)},
    }
    nulls = {path: None for path in _NULL_WHEN_EMPTY if not values[path]}
    return {
        '{{"{"}}': "{",
        _COOLIFY_LABELS: "".join(_coolify_labels(container.labels)),
        _HEALTH: _json(container.health),
        **_json_fields(values | nulls),
    }


def _coolify_labels(labels: Mapping[str, str]) -> list[str]:
    return [f"{_json(key)}:{_json(value)}," for key, value in sorted(labels.items()) if key.startswith("coolify.")]


def _json_fields(values: Mapping[str, object]) -> dict[str, str]:
    """A field can be asked for as JSON, or bare where it is a plain value."""
    as_json = {f"{{{{json {path}}}}}": _json(value) for path, value in values.items()}
    bare = {f"{{{{{path}}}}}": _bare(value) for path, value in values.items() if not isinstance(value, list | dict)}
    return as_json | bare


def _bare(value: object) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mount(volume: str) -> dict[str, object]:
    """A volume has a name; a folder of the server is given by its path."""
    if volume.startswith("/"):
        source, _, target = volume.partition(":")
        return {"Type": "bind", "Source": source, "Destination": target or source, "RW": True}
    return {"Type": "volume", "Name": volume, "Source": f"{VOLUMES}/{volume}/_data", "Destination": "/data", "RW": True}


def address_of(container: Container) -> str:
    """Return the address of a container in Docker's network; its number is made from the container's id."""
    return f"10.0.1.{2 + int(container.id[:8], 16) % 250}"


def _endpoint(container: Container) -> dict[str, str]:
    """Docker gives a container that runs an address of the network."""
    return {"IPAddress": address_of(container) if container.state == "running" else "", "GlobalIPv6Address": ""}


def _bindings(ports: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for published in ports:
        outer, _, inner = published.partition("->")
        address, _, port = outer.rpartition(":")
        found.setdefault(inner, []).append({"HostIp": address.strip("[]"), "HostPort": port})
    return found


def _log(state: WorldState, container: Container) -> list[str]:
    """Return what the container of an app has printed since its start."""
    owner = container.labels.get("coolify.applicationId", "")
    return [line for app in state.coolify.applications if str(app.id) == owner for line in app.log_lines]


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z") if at else NEVER


def _json(value: object) -> str:
    """Docker's templates write compact JSON without escaping HTML (seen with clients 20.10 and 28.2)."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
