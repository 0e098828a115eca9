# Installs what archives of security updates have for this server, once for each name, as a unit of systemd's.
# usage: sh -s -- ink-patch VERB NAME
#   look NAME   says how it stands under that name: none, runs, broken, or ended with a status, and `unfetched` behind
#               it where apt did not reach all of its archives; it changes nothing
#   ask  NAME   begins it, unless it runs or has ended under that name
# Exit status: 3 nothing was changed; words on standard error.
# systemd runs it, so that no lost connection leaves dpkg in the middle of a package.

set -u
umask 077
export LC_ALL=C LANG=C LANGUAGE=C
top=/var/lib/ink-infra/patches
# What systemd runs; $1 is where its end is written, in the folder $2. systemd would itself expand a variable in braces.
# apt-get update ends with 0 where an archive was not reached, unless it is told otherwise; an apt from before 2.1.16 knows
# no such option, so that what it says is judged too. What the archives that were reached have is installed all the same:
# one that is down keeps no other's updates away.
# shellcheck disable=SC2016
job='
dpkg --configure -a
ended=$?
fetched=
if [ "$ended" = 0 ]; then
  said=$(apt-get -q -o APT::Update::Error-Mode=any update 2>&1) || fetched=" unfetched"
  printf "%s\n" "$said"
  if printf "%s\n" "$said" | grep -qE "^(E:|Err:|W: (Failed|Some index|GPG error|An error))"; then fetched=" unfetched"; fi
  unattended-upgrade -v
  ended=$?
fi
printf "%s\n" "$ended$fetched" >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "$2"
'

leave() {
  status=$1
  shift
  printf 'ink-patch: %s\n' "$*" >&2
  exit "$status"
}

# stand: broken is what was begun, does not run and has no end: its power was cut
stand() {
  runs=
  # before its end is looked for, which is written before it is over: one that ends meanwhile is not broken
  if systemctl is-active --quiet "ink-patch-$name"; then runs=yes; fi
  if [ -e "$top/$name.ended" ]; then
    printf 'ended %s\n' "$(cat "$top/$name.ended")"
  elif [ ! -e "$top/$name.begun" ]; then
    echo none
  elif [ -n "$runs" ]; then
    echo runs
  else
    echo broken
  fi
}

begin() {
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here'
  command -v unattended-upgrade >/dev/null 2>&1 || leave 3 'there is no unattended-upgrade (package unattended-upgrades)'
  if ! mkdir -p "$top" || ! true >"$top/$name.begun" || ! sync "$top/$name.begun" "$top"; then
    leave 3 'it could not be written down; is the disk full or read-only?'
  fi
  systemd-run --quiet --collect --unit="ink-patch-$name" \
    --setenv=DEBIAN_FRONTEND=noninteractive --setenv=NEEDRESTART_MODE=a --setenv=LC_ALL=C \
    sh -c "$job" sh "$top/$name.ended" "$top" >&2 ||
    leave 3 'systemd does not start it'
}

main() {
  [ "$#$1" = 3ink-patch ] || leave 3 'this is not how it is called'
  verb=$2 name=$3
  case $name in '' | [!a-z0-9]* | *[!a-z0-9_-]*) leave 3 'a word of the command is not one' ;; esac
  case $verb in
    look) ;;
    ask) case $(stand) in none | broken) begin ;; esac ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  printf 'stand %s\ndone\n' "$(stand)"
}

main "$@"
