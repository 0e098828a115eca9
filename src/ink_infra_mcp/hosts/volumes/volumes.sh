# Docker's volumes on this server, for an app that moves to another one.
# usage: sh -s -- ink-volume VERB [ARGUMENT...]
#   look  VOLUME            says what the volume is, who mounts it, and what room there is; changes nothing
#   sum   VOLUME            says the sum of all that it holds; changes nothing
#   send  VOLUME            writes all that it holds to standard output; changes nothing
#   make  VOLUME OPERATION  makes an empty volume for the operation, or empties the one that it has made
#   stop  CONTAINER...      stops containers, and leaves them where they are
#   start CONTAINER...      starts them again
# Exit status: 3 nothing was changed, 4 something may have been; words on standard error.

set -u
umask 077
LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL LANG LANGUAGE PATH

leave() {
  status=$1
  shift
  printf 'ink-volume: %s\n' "$*" >&2
  exit "$status"
}

has() { command -v "$1" >/dev/null 2>&1; }

inspected() { docker volume inspect --format "$2" -- "$1" 2>/dev/null </dev/null; }

# there VOLUME: in Docker's own list; an inspect that fails does not say that it is not
there() {
  names=$(docker volume ls --quiet --filter "name=^$1\$" </dev/null 2>/dev/null) || leave 3 'Docker does not answer'
  for name in $names; do [ "$name" != "$1" ] || return 0; done
  return 1
}

# folder VOLUME: sets $at; only a volume of Docker's own driver, without options, where Docker keeps its volumes
folder() {
  kind=$(inspected "$1" '{{.Driver}} {{len .Options}}') || leave 3 "there is no volume $1"
  [ "$kind" = 'local 0' ] || leave 3 "the volume $1 is not a plain one (driver and number of options: $kind)"
  at=$(inspected "$1" '{{.Mountpoint}}') || leave 3 "there is no volume $1"
  root=$(docker info --format '{{.DockerRootDir}}' </dev/null) || leave 3 'Docker does not say where it keeps volumes'
  [ "$at" = "$root/volumes/$1/_data" ] || leave 3 "the volume $1 is not where Docker keeps its volumes"
  [ -d "$at" ] && [ ! -L "$at" ] || leave 3 "the folder of the volume $1 is not there"
}

needed() {
  for name in tar sha256sum find du df flock; do
    has "$name" || leave 3 "there is no $name here"
  done
  tar --version 2>/dev/null | grep -q 'GNU tar' || leave 3 'its tar is not GNU tar'
}

# archive: all that $at holds, the same bytes for the same content, owners, modes, times and attributes
archive() {
  tar --create --file=- --directory="$at" --sort=name --numeric-owner --format=posix --acls --no-selinux \
    --xattrs --xattrs-include='user.*' --xattrs-include='trusted.*' --xattrs-include='security.capability' \
    --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' "$@" . </dev/null
}

look() {
  needed
  if there "$1"; then
    kind=$(inspected "$1" '{{.Driver}} {{len .Options}}') || leave 3 "Docker does not tell what the volume $1 is"
    if [ "$kind" = 'local 0' ]; then
      folder "$1"
      bytes=$(du --summarize --bytes -- "$at" </dev/null) || leave 3 "the size of $1 cannot be told"
      used=$(du --summarize --block-size=1 -- "$at" </dev/null) || leave 3 "the size of $1 cannot be told"
      maker=$(inspected "$1" '{{index .Labels "ink-operation"}}') || leave 3 "Docker does not tell who made the volume $1"
      printf 'plain yes\nbytes %s\nused %s\noperation %s\n' "${bytes%%[!0-9]*}" "${used%%[!0-9]*}" "$maker"
    else
      printf 'plain no\n'
    fi
    docker ps --all --no-trunc --filter "volume=$1" --format 'user {{.ID}} {{.State}} {{.Names}}' </dev/null ||
      leave 3 'Docker does not tell which containers mount it'
  else
    printf 'absent\n'
  fi
  root=$(docker info --format '{{.DockerRootDir}}' </dev/null) || leave 3 'Docker does not say where it keeps volumes'
  free=$(df --output=avail --block-size=1 -- "$root" </dev/null) || leave 3 'no room can be told'
  printf 'free %s\ndone\n' "$(printf '%s\n' "$free" | tail -n 1)"
}

# sum VOLUME: of an archive without holes, which each file system keeps in its own way
sum() {
  needed
  folder "$1"
  said=$({ { archive 3>&-; echo "status $?" >&3; } | sha256sum; } 3>&1) || leave 3 'the sum could not be made'
  case $said in *'status 0'*) ;; *) leave 3 "$1 could not be read to its end, or changed meanwhile" ;; esac
  each=$(find "$at" -printf x </dev/null) || leave 3 "what is in $1 could not be counted"
  printf 'sum %s\n' "$(printf '%s\n' "$said" | sed -n 's/^\([0-9a-f]\{64\}\) .*/\1/p')"
  printf 'entries %s\ndone\n' "${#each}"
}

send() {
  needed
  folder "$1"
  archive --sparse
}

make() {
  needed
  if ! there "$1"; then
    docker volume create --label "ink-operation=$2" -- "$1" >/dev/null </dev/null || leave 4 "$1 could not be made"
  fi
  folder "$1"
  [ "$(inspected "$1" '{{index .Labels "ink-operation"}}')" = "$2" ] || leave 3 "$1 is there, and this operation did not make it"
  true >>"/run/ink-volume-$1.lock" && exec 9>"/run/ink-volume-$1.lock" || leave 4 'no lock can be taken'
  flock -w 60 9 || leave 4 "something still writes to $1"
  users=$(docker ps --quiet --filter "volume=$1" </dev/null) || leave 4 "Docker does not tell which containers mount $1"
  [ -z "$users" ] || leave 3 "a container that runs mounts $1"
  find "$at" -mindepth 1 -delete </dev/null || leave 4 "$1 could not be emptied"
  printf 'done\n'
}

stop() {
  docker stop --time 30 -- "$@" >/dev/null </dev/null || leave 4 'a container could not be stopped'
  printf 'done\n'
}

start() {
  docker start -- "$@" >/dev/null </dev/null || leave 4 'a container could not be started'
  printf 'done\n'
}

main() {
  [ "${1-}" = ink-volume ] && [ $# -ge 3 ] || leave 3 'wrong arguments'
  has docker || leave 3 'there is no docker here'
  verb=$2
  shift 2
  case $verb in
    look | sum | send | make | stop | start) "$verb" "$@" ;;
    *) leave 3 "no verb is called $verb" ;;
  esac
}

main "$@"
