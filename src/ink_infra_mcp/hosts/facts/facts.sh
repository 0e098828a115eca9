# Prints facts about this server, one section for each command, between lines that start with a marker.
# usage: sh -s -- MARKER AREA...   (areas: system docker containers network)
# It only reads. It must run in any POSIX shell with no other tool than the ones it asks.

export LC_ALL=C LANG=C LANGUAGE=C
mark=
# What an image can make large is cut, so that no app hides the others: labels, mounts, ports that are only exposed.
# `.Id` is no name that Docker's client knows, but one that its daemon says: so the client hands on all that the daemon
# says, also keys that it does not know itself.
format='{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},"image_id":{{json .Image}},'\
'"labels":{{"{"}}{{if gt (len .Config.Labels) 300}}"traefik.crowd":"",{{else}}{{range $key, $value := .Config.Labels}}{{$read := lower $key}}'\
'{{if or (eq (printf "%.8s" $read) "coolify.") (eq (printf "%.8s" $read) "traefik.") (eq (printf "%.5s" $read) "caddy") '\
'(eq (printf "%.18s" $read) "com.docker.compose") (eq $read "com") (eq $read "com.docker") (eq $read "coolify")}}'\
'{{json (printf "%.300s" $key)}}:{{json (printf "%.500s" $value)}},{{end}}{{end}}{{end}}"":""},'\
'"host_config":{{json .HostConfig}},"mounts":{{if gt (len .Mounts) 200}}[{"Type":"crowd"}]{{else}}{{json .Mounts}}{{end}},"state":{{json .State.Status}},'\
'"health":{{if index .State "Health"}}{{json .State.Health.Status}}{{else}}""{{end}},"exit_code":{{json .State.ExitCode}},'\
'"oom_killed":{{json .State.OOMKilled}},"restart_count":{{json .RestartCount}},'\
'"started_at":{{json .State.StartedAt}},"ports":{{"{"}}{{range $port, $at := .NetworkSettings.Ports}}{{if $at}}{{json $port}}:{{json $at}},{{end}}{{end}}"":null},'\
'"networks":{{json .NetworkSettings.Networks}}}'
made='{"name":{{json .Name}},"driver":{{json .Driver}},"options":{{json .Options}},"scope":{{json .Scope}}}'
mounted='{{if le (len .Mounts) 200}}{{range .Mounts}}{{if .Name}}{{println .Name}}{{end}}{{end}}{{end}}'

# ask COMMAND...: run it for at most 10 seconds where the server can limit it; 127 when there is no such command
ask() {
  command -v "$1" >/dev/null 2>&1 || return 127
  # shellcheck disable=SC2086
  $limited "$@"
}

# section NAME COMMAND...: print what the command says and how it ended; leaves both in $said and $ended
section() {
  name=$1
  shift
  said=$("$@" 2>&1)
  ended=$?
  printf '%s begin %s\n%s\n%s end %s %s\n' "$mark" "$name" "$said" "$mark" "$name" "$ended"
}

system() {
  section clock ask date +%s
  section os ask cat /etc/os-release
  section kernel ask uname -r
  section cpus ask nproc
  section memory ask cat /proc/meminfo
  section load ask cat /proc/loadavg
  section disk_root ask df -P -k /
  section disk_docker ask df -P -k /var/lib/docker
  section disk_data ask df -P -k /data
}

docker_engine() {
  section docker ask docker info --format \
    '{"version":{{json .ServerVersion}},"runtimes":{{json .Runtimes}},"default_runtime":{{json .DefaultRuntime}},"root":{{json .DockerRootDir}}}'
  section runsc ask runsc --version
}

containers() {
  section container_ids ask docker ps --all --quiet --no-trunc
  [ "$ended" = 0 ] || return 0
  set --
  for id in $said; do
    case $id in
      *[!0-9a-f]*) ;;
      *) set -- "$@" "$id" ;;
    esac
  done
  [ $# -gt 0 ] || return 0
  section containers ask docker inspect --type container --format "$format" "$@"
  section volumes volumes "$@"
  section networks networks
  section cgroups ask stat -f -c %T /sys/fs/cgroup
}

# volumes ID...: how the volumes in these containers were made; one that is gone meanwhile is no reason to stop
volumes() {
  names=$(ask docker inspect --type container --format "$mounted" "$@" 2>/dev/null)
  set --
  for name in $names; do set -- "$@" "$name"; done
  [ $# -eq 0 ] || ask docker volume inspect --format "$made" "$@"
}

networks() {
  names=$(ask docker network ls --quiet --no-trunc) || return
  set --
  for name in $names; do set -- "$@" "$name"; done
  ask docker network inspect --format "$made" "$@"
}

# as_root COMMAND...: ask as root; a sudo that wants a password fails at once
as_root() {
  command -v "$1" >/dev/null 2>&1 || return 127
  if [ "$user" = 0 ]; then ask "$@"; else ask sudo -n "$@"; fi
}

# whole COMMAND...: what it prints, and behind it what it complains of, as comments: where the two are not kept apart a
# complaint stands in the middle of a rule, since what is printed leaves in pieces of 4 KiB
whole() {
  {
    complaints=$({ as_root "$@" >&3; } 2>&1)
    ended=$?
  } 3>&1
  [ -z "$complaints" ] || printf '%s\n' "$complaints" | while IFS= read -r line; do
    case $ended$line in 0[!#]*) line="# $line" ;; esac
    printf '%s\n' "$line"
  done
  return "$ended"
}

ufw_files() {
  for file in /etc/ufw/ufw.conf /etc/ufw/user.rules /etc/ufw/user6.rules; do
    [ -e "$file" ] || continue
    printf '== %s\n' "$file"
    as_root cat "$file" || return
  done
}

# ipsets: the sets that rules of iptables name, without what changes all the time; all of them or none
ipsets() {
  all=$(as_root ipset save) || return
  [ ${#all} -le 2000000 ] || { echo 'the sets are too long to be sent' && return 90; }
  all=$(printf '%s\n' "$all" | sed 's/ timeout [0-9]*//; s/ packets [0-9]* bytes [0-9]*//')
  [ ${#all} -le 400000 ] || { echo 'the sets are too long to be sent' && return 90; }
  printf '%s\n' "$all"
}

# routes FAMILY: all routes of all tables; a router of the internet has too many to be sent
routes() {
  all=$(ask ip -j "$1" route show table all) || return
  [ ${#all} -le 400000 ] || { echo 'the routes are too many to be sent' && return 90; }
  printf '%s\n' "$all"
}

# shapers: the cards on which something decides of packets before any rule does: filters of tc, or a program of XDP
shapers() {
  command -v tc >/dev/null 2>&1 || return 127
  cards=$(ask ip -o link show) || return
  printf '%s\n' "$cards" | while IFS=': ' read -r _ card rest; do
    card=${card%@*}
    case $rest in *xdp*) printf '%s\n' "$card" ;; esac
    filters=$(ask tc filter show dev "$card" ingress 2>/dev/null) || {
      filters=$(ask tc filter show dev "$card" ingress 2>&1)
      # a card that is gone filters nothing, nor does a kernel that cannot
      case $filters in *'Cannot find device'* | *'Operation not supported'*) continue ;; esac
      printf '%s\n' "$filters" && exit 1
    }
    [ -z "$filters" ] || printf '%s\n' "$card"
  done
}

# next_boot: run boot.sh, which whoever sends this script puts before it in a variable
next_boot() {
  set -- timeout 25 unshare --net sh -c "${boot:?}" boot "$mark"
  command -v unshare >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1 || return 127
  if [ "$user" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

network() {
  user=$(id -u)
  # Where only root works at all, sudo finds what is in sbin; so that `missing` is told from `not root`, look there too.
  [ "$user" = 0 ] || PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  section addresses ask ip -j -d address show
  section routes4 routes -4
  section routes6 routes -6
  section localnet ask grep -rs --include=route_localnet . /proc/sys/net/ipv4/conf
  section shapers shapers
  section devices ask ls -l /sys/class/net
  section came_from printf '%s\n' "${SSH_CONNECTION:-}"
  section sockets as_root ss -H -l -n -t -u -p
  section nft as_root nft -j list ruleset
  section iptables whole iptables-save
  section ip6tables whole ip6tables-save
  section legacy_tables as_root cat /proc/net/ip_tables_names
  section legacy_tables6 as_root cat /proc/net/ip6_tables_names
  section iptables_legacy whole iptables-legacy-save
  section ip6tables_legacy whole ip6tables-legacy-save
  section ipsets ipsets
  section queues as_root cat /proc/net/netfilter/nfnetlink_queue
  section ufw as_root ufw status verbose
  section ufw_files ufw_files
  section firewalld as_root firewall-cmd --state
  section boot next_boot
}

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  mark=$1
  shift
  limited=
  # what waits for a disk or a mount that is gone hears nothing but KILL
  for words in 'timeout -k 2 10' 'timeout 10'; do
    # shellcheck disable=SC2086
    if $words true >/dev/null 2>&1; then limited=$words && break; fi
  done
  for area in "$@"; do
    case $area in
      system) system ;;
      docker) docker_engine ;;
      containers) containers ;;
      network) network ;;
    esac
  done
  printf '%s done\n' "$mark"
}

# All of it leaves in one piece: each piece alone would wake up sshd here, and whoever asks there.
all=$(main "$@" </dev/null)
printf '%s\n' "$all"
