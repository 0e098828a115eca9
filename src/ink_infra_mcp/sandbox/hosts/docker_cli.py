"""Writes a `docker` command, in shell, that answers from the world as Docker's own client would."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping

from ink_infra_mcp.sandbox.coolify.service_files import service_files
from ink_infra_mcp.sandbox.hosts.inspected import (
    Fields,
    container_fields,
    images_of,
    instant,
    json_fields,
    networks_of,
    volumes_of,
)
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Service
from ink_infra_mcp.sandbox.state_hosts import Container, HostState

ALLOW_LIST = "/var/www/html/bootstrap/helpers/docker.php"

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
    'traefik version')
      [ "$state" = running ] || { echo "Error response from daemon: container $id is not running" >&2; exit 1; }
      case $image in traefik:v*) ;; *) echo 'exec: "traefik": executable file not found in $PATH' >&2; exit 127 ;; esac
      printf 'Version:      %s.2\nCodename:     ramequin\nGo version:   go1.24.11\n' "${image#traefik:v}"
      printf 'Built:        2025-11-20T10:00:00Z\nOS/Arch:      linux/amd64\n'
      ;;
    "grep -c -- '--runtime' $allow_list") printf '%s\n' "$knows_runtime" && [ "$knows_runtime" != 0 ] ;;
    *) unknown ;;
  esac
}

# made KIND WHAT: `docker volume inspect` and `docker network inspect`, of what the world has of that kind
made() {
  kind=$1 missing=''
  shift
  [ "$1 $2" = 'inspect --format' ] && [ $# -gt 3 ] || unknown
  template=$3
  shift 3
  for reference; do
    if "is_$kind" "$reference"; then fill "$template" "$kind"; else missing="$missing $reference"; fi
  done
  for reference in $missing; do printf 'Error response from daemon: get %s: no such %s\n' "$reference" "$kind" >&2; done
  [ -z "$missing" ]
}

command=${1-}
[ $# -eq 0 ] || shift
case $command in
  ps) ps_ "$@" ;;
  inspect) inspect "$@" ;;
  logs) logs "$@" ;;
  exec) exec_ "$@" ;;
  volume) made volume "$@" ;;
  image) made image "$@" ;;
  network) if [ "$*" = 'ls --quiet --no-trunc' ]; then printf '%s\n' $networks; else made network "$@"; fi ;;
  compose)
    [ -z "$composeless" ] || { printf 'unknown flag: %s\n%s\n' "${1%%=*}" "See 'docker --help'." >&2; exit 125; }
    [ "$*" != 'version --short' ] || { echo 2.40.3; exit 0; }
    case "$*" in "--project-directory ${2-} -f ${2-}/docker-compose.yml config --quiet") composed "${2##*/}" ;; esac
    COMPOSE_FILES=$compose_files "$python" -m ink_infra_mcp.sandbox.compose "$now" "$@"
    status=$?
    [ "$status" -ne 127 ] || unknown
    exit "$status"
    ;;
  info | version) [ "$1" = --format ] && [ $# -eq 2 ] && fill "$2" "$command" || unknown ;;
  *) unknown ;;
esac
"""


def docker_script(state: WorldState, host: HostState, *, now: float) -> str:
    """Return the text of the command. It uses `unknown`, which the caller defines, for what it does not know."""
    facts = {
        "now": str(int(now)),
        "containers": " ".join(str(n) for n in range(len(host.containers))),
        "allow_list": ALLOW_LIST,
        "knows_runtime": "1" if state.coolify.supports_runtime_option else "0",
        "python": sys.executable,
        "composeless": "1" if "docker-compose-plugin" in host.without else "",
        "compose_files": json.dumps(service_files(state, host)),
    }
    networks = networks_of(host)
    parts = [*_assignments(facts | {"networks": " ".join(networks)})]
    parts += [*_kind("volume", volumes_of(host)), *_kind("network", networks), *_kind("image", images_of(host))]
    parts += [_function("info", _info(host)), _function("version", _version(host))]
    for n, container in enumerate(host.containers):
        parts += _container(n, container, log=_log(state, container), now=now)
    parts.append(_composed(state))
    return "\n".join([*parts, _SHELL])


def _composed(state: WorldState) -> str:
    """A service whose file Compose takes has nothing to say; of another folder it knows nothing."""
    said = [
        f"{service.uuid}) "
        + (f"echo {shlex.quote(service.compose_says)} >&2; exit 1" if service.compose_says else "exit 0")
        for service in state.coolify.services
    ]
    missing = '*) echo "open $1/docker-compose.yml: no such file or directory" >&2; exit 1'
    return f"composed() {{ case $1 in {' ;; '.join([*said, missing])} ;; esac; }}"


def _container(n: int, container: Container, *, log: Iterable[str], now: float) -> list[str]:
    about = {
        "id": container.id,
        "short": container.id[:12],
        "name": container.name,
        "image": container.image,
        "state": container.state,
    }
    moment = f"{int(container.started_at)} {instant(container.started_at)}"
    lines = "; ".join(f'"$1" {moment} {shlex.quote(line)}' for line in log) or ":"
    return [
        f"about_{n}() {{ {' '.join(_assignments(about))}; }}",
        f"has_label_{n}() {{ case $1 in {_label_cases(container.labels)}) ;; *) return 1 ;; esac; }}",
        f"log_{n}() {{ {lines}; }}",
        _function(f"fields_{n}", container_fields(container, now)),
    ]


def _kind(kind: str, things: Mapping[str, Fields]) -> list[str]:
    """Return how the script finds a volume or a network, and what it says of the one that it found."""
    found = "".join(f" {shlex.quote(name)}) n={n} ;;" for n, name in enumerate(things))
    each = [_function(f"{kind}_{n}", fields) for n, fields in enumerate(things.values())]
    return [*each, f"is_{kind}() {{ case $1 in{found} *) return 1 ;; esac; }}", f'{kind}() {{ "{kind}_$n"; }}']


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
    return json_fields(
        {".ServerVersion": host.docker_version, ".DefaultRuntime": "runc", ".DockerRootDir": "/var/lib/docker"}
    ) | json_fields({".Runtimes": runtimes})


def _version(host: HostState) -> Fields:
    return json_fields({".Server.Version": host.docker_version})


def _log(state: WorldState, container: Container) -> list[str]:
    """Return what the container of an app has printed since its start."""
    owner, of = (container.labels.get(f"coolify.{kind}Id", "") for kind in ("application", "service"))
    return _printed(state.coolify.applications, owner) + _printed(state.coolify.services, of)


def _printed(apps: Iterable[Application] | Iterable[Service], wanted: str) -> list[str]:
    return [line for app in apps if str(app.id) == wanted for line in app.log_lines]
