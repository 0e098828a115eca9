# Fills a volume that this operation has made with the archive from standard input.
# usage: sh -c THIS sh ink-receive VOLUME OPERATION
# Exit status: 3 nothing was changed, 4 the volume may be half filled; words on standard error.

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

inspected() { docker volume inspect --format "$2" -- "$1" 2>/dev/null </dev/null; }

[ "${1-}" = ink-receive ] && [ $# -eq 3 ] || leave 3 'wrong arguments'
[ "$(inspected "$2" '{{.Driver}} {{len .Options}} {{index .Labels "ink-operation"}}')" = "local 0 $3" ] ||
  leave 3 "this operation has made no volume $2"
at=$(inspected "$2" '{{.Mountpoint}}') || leave 3 "there is no volume $2"
[ -d "$at" ] && [ ! -L "$at" ] || leave 3 "the folder of the volume $2 is not there"
true >>"/run/ink-volume-$2.lock" && exec 9>"/run/ink-volume-$2.lock" || leave 3 'no lock can be taken'
flock -w 60 9 || leave 3 "something else writes to $2"
tar --extract --file=- --directory="$at" --numeric-owner --same-owner --preserve-permissions --acls --no-selinux \
  --xattrs --xattrs-include='user.*' --xattrs-include='trusted.*' --xattrs-include='security.capability' \
  --delay-directory-restore || leave 4 "the archive could not be unpacked into $2"
sync -f "$at" || leave 4 "$2 could not be written down"
printf 'done\n'
