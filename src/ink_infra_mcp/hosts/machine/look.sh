# Prints what this server is made of, one section for each question, between lines that start with a marker.
# usage: sh -s -- ink-machine MARKER WORD...   (words: package=NAME sysctl=NAME unit=NAME)
# It only reads. It has to run as root, or by a sudo that asks for no password.

export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
mark=
info='{"version":{{json .ServerVersion}},"live_restore":{{json .LiveRestoreEnabled}},"runtimes":{{json .Runtimes}},'\
'"swarm":{{json .Swarm.LocalNodeState}},"root":{{json .DockerRootDir}},"running":{{json .ContainersRunning}}}'
ours='/etc/docker/daemon.json /etc/sysctl.d/zz-ink-infra.conf /etc/systemd/journald.conf.d/zz-ink-infra.conf /etc/apt/apt.conf.d/zz-ink-infra
/etc/apt/sources.list.d/docker.sources /etc/apt/sources.list.d/gvisor.sources /etc/apt/keyrings/docker.asc
/etc/apt/keyrings/gvisor.asc'

# ask COMMAND...: run it for at most 20 seconds; 127 when there is no such command
ask() {
  command -v "$1" >/dev/null 2>&1 || return 127
  timeout 20 "$@"
}

# section NAME COMMAND...: print what the command says and how it ended
section() {
  name=$1
  shift
  said=$("$@" 2>&1)
  printf '%s begin %s\n%s\n%s end %s %s\n' "$mark" "$name" "$said" "$mark" "$name" "$?"
}

# packages NAME...: a line for each that dpkg knows; that it does not know one is an answer, too
packages() {
  [ $# -gt 0 ] || return 0
  command -v dpkg-query >/dev/null 2>&1 || return 127
  {
    complaints=$({ dpkg-query -W -f '${Package} ${Version} ${db:Status-Status} ${db:Status-Want}\n' -- "$@" >&3; } 2>&1)
    ended=$?
  } 3>&1
  [ "$ended" != 0 ] || return 0
  [ "$ended" = 1 ] || { printf '%s\n' "$complaints" && return "$ended"; }
  ! printf '%s\n' "$complaints" | grep -v 'no packages found matching'
}

sysctls() {
  for name in "$@"; do
    file=/proc/sys/$(printf '%s' "$name" | tr . /)
    if [ -r "$file" ]; then printf '%s %s\n' "$name" "$(tr '\t' ' ' <"$file")"; else printf '%s none\n' "$name"; fi
  done
}

# units NAME...: whether it starts at boot, and whether it runs now; a unit that is not there is `not-found`
units() {
  command -v systemctl >/dev/null 2>&1 || return 127
  for name in "$@"; do
    enabled=$(word_of is-enabled "$name") && active=$(word_of is-active "$name") || { echo "$enabled$active" && return 1; }
    printf '%s %s %s\n' "$name" "$enabled" "$active"
  done
}

# word_of VERB UNIT: systemd's one word; where it has none, it says by its complaint that there is no such unit, or fails
word_of() {
  word=$(ask systemctl "$1" -- "$2" 2>/dev/null | head -n 1)
  [ -z "$word" ] || { printf '%s\n' "$word" && return; }
  word=$(ask systemctl "$1" -- "$2" 2>&1)
  case $word in *'No such file or directory'*) echo not-found && return ;; esac
  printf '%s\n' "systemd does not say how $2 stands: $word"
  return 1
}

files() {
  for file in $ours; do
    if [ -e "$file" ]; then printf '%s %s\n' "$(sha256sum <"$file" | cut -d ' ' -f 1)" "$file"; fi
  done
}

# keys: the repositories whose key is the very file that was checked when it was added, and the key's fingerprint
keys() {
  for note in /var/lib/ink-infra/keys/*; do
    [ -e "$note" ] || continue
    read -r fingerprint digest <"$note"
    if [ -n "$digest" ] && [ "$digest" = "$(sha256sum </etc/apt/keyrings/"${note##*/}".asc | cut -d ' ' -f 1)" ]; then
      printf '%s %s\n' "${note##*/}" "$fingerprint"
    fi
  done
}

# sources: the files that apt takes its sources from, each whole; it passes over files with other names
sources() {
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    case ${file##*/} in *[!A-Za-z0-9_.-]*) continue ;; esac
    printf 'file %s\n' "$file"
    awk '{ print "| " $0 }' "$file" || return
  done
}

daemon() {
  if [ -e /etc/docker/daemon.json ]; then cat /etc/docker/daemon.json; fi
}

snap_docker() {
  for file in /snap/bin/docker /var/lib/snapd/snap/bin/docker; do
    if [ -e "$file" ]; then printf '%s\n' "$file"; fi
  done
}

# routes: the networks that this server reaches otherwise than through Docker's own bridges
routes() {
  all=$(ask ip -4 route show table all) || return
  printf '%s\n' "$all" | sed -e '/ dev docker0/d' -e '/ dev br-[0-9a-f]\{12\}\( \|$\)/d' -e '/^local /d' \
    -e '/^broadcast /d' -e '/ dev lo\( \|$\)/d'
}

kept() {
  for folder in /var/lib/ink-infra/before/*/; do
    folder=${folder%/}
    case $folder in *.part | */'*') ;; *) printf '%s\n' "${folder##*/}" ;; esac
  done
}

# engine: nothing at all where there is no `docker`, or where another program calls itself so
engine() {
  command -v docker >/dev/null 2>&1 || return 0
  ask docker info --format "$info"
}

# proxy: the image of Coolify's proxy; nothing where there is none
proxy() {
  command -v docker >/dev/null 2>&1 || return 0
  ask docker ps --all --filter 'name=^/coolify-proxy$' --format '{{.Image}}'
}

runsc_() {
  command -v runsc >/dev/null 2>&1 || return 0
  ask runsc --version
}

main() {
  mark=$2
  shift 2
  packages='' sysctls='' units=''
  for word in "$@"; do
    case $word in
      package=*) packages="$packages ${word#*=}" ;;
      sysctl=*) sysctls="$sysctls ${word#*=}" ;;
      unit=*) units="$units ${word#*=}" ;;
    esac
  done
  section user id -u
  section os cat /etc/os-release
  section arch ask dpkg --print-architecture
  section kernel ask uname -r
  section cpus ask nproc
  section memory cat /proc/meminfo
  section swaps cat /proc/swaps
  section disk ask df -P -k /
  # shellcheck disable=SC2086 # names that hold neither spaces nor patterns
  section packages packages $packages
  section broken ask dpkg --audit
  section held ask apt-mark showhold
  # shellcheck disable=SC2086
  section sysctls sysctls $sysctls
  # shellcheck disable=SC2086
  section units units $units
  section apt ask apt-config dump
  section journal ask systemd-analyze cat-config systemd/journald.conf
  section files files
  section keys keys
  section sources sources
  section daemon daemon
  section docker engine
  section proxy proxy
  section runsc runsc_
  section snap snap_docker
  section routes routes
  section kept kept
  printf '%s done\n' "$mark"
}

[ "$(id -u)" = 0 ] || { echo 'it takes root' >&2 && exit 3; }
all=$(main "$@" </dev/null)
printf '%s\n' "$all"
