# Prints facts about this server, one section for each command, between lines that start with a marker.
# usage: sh -s -- MARKER AREA...   (areas: system docker containers)
# It only reads. It must run in any POSIX shell with no other tool than the ones it asks.

mark=
format='{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Config.Image}},"image_id":{{json .Image}},'\
'"labels":{{"{"}}{{range $key, $value := .Config.Labels}}{{if eq (printf "%.8s" $key) "coolify."}}'\
'{{json $key}}:{{json $value}},{{end}}{{end}}"":""},'\
'"runtime":{{json .HostConfig.Runtime}},"memory_bytes":{{json .HostConfig.Memory}},"nano_cpus":{{json .HostConfig.NanoCPUs}},'\
'"pids_limit":{{json .HostConfig.PidsLimit}},"cap_add":{{json .HostConfig.CapAdd}},'\
'"cap_drop":{{json .HostConfig.CapDrop}},"security_opt":{{json .HostConfig.SecurityOpt}},'\
'"privileged":{{json .HostConfig.Privileged}},"network_mode":{{json .HostConfig.NetworkMode}},'\
'"pid_mode":{{json .HostConfig.PidMode}},"mounts":{{json .Mounts}},"state":{{json .State.Status}},'\
'"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"exit_code":{{json .State.ExitCode}},'\
'"oom_killed":{{json .State.OOMKilled}},"restart_count":{{json .RestartCount}},'\
'"started_at":{{json .State.StartedAt}},"ports":{{json .NetworkSettings.Ports}}}'

# ask COMMAND...: run it for at most 10 seconds where the server can limit it; 127 when there is no such command
ask() {
  command -v "$1" >/dev/null 2>&1 || return 127
  if [ -n "$limited" ]; then timeout 10 "$@"; else "$@"; fi
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
  [ $# -eq 0 ] || section containers ask docker inspect --type container --format "$format" "$@"
}

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  mark=$1
  shift
  limited=
  if timeout 10 true >/dev/null 2>&1; then limited=yes; fi
  for area in "$@"; do
    case $area in
      system) system ;;
      docker) docker_engine ;;
      containers) containers ;;
    esac
  done
  printf '%s done\n' "$mark"
}

main "$@" </dev/null
