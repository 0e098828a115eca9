# Reboots this server, once for each name: which boot that was is written down first, and only that boot is ended.
# usage: sh -s -- ink-reboot VERB NAME
#   look NAME   says in which boot the reboot was asked for, and which boot this is; it changes nothing
#   ask  NAME   writes this boot down under the name, unless one stands there; reboots if that boot is still this one
# Exit status: 3 nothing was changed, 4 packages are being installed and nothing was changed; words on standard error.
# A look from a later boot finds the name and another boot: so whoever asks twice, or was killed between, sees it done.

set -u
umask 077
export LC_ALL=C LANG=C LANGUAGE=C
top=/var/lib/ink-infra/reboots

leave() {
  status=$1
  shift
  printf 'ink-reboot: %s\n' "$*" >&2
  exit "$status"
}

# put FILE TEXT: write it, whole or not at all, and to the disk: it has to outlive the reboot
put() {
  printf '%s\n' "$2" >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}" && return
  rm -f "$1.new"
  return 1
}

# busy: whether a program holds dpkg's locks, or that cannot be told
busy() {
  [ -r /proc/locks ] || return 0
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock; do
    [ -e "$lock" ] || continue
    inode=$(stat -c %i "$lock" 2>/dev/null) || return 0
    while read -r _ _ _ _ _ place _; do
      case $place in *:"$inode") return 0 ;; esac
    done </proc/locks
  done
  return 1
}

reboots_now() { [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; }

ask() {
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here'
  if [ -z "$before" ]; then
    if busy; then leave 4 'packages are being installed'; fi
    if ! mkdir -p "$top" || ! put "$top/$name" "$now"; then
      leave 3 'the reboot could not be written down; is the disk full or read-only?'
    fi
    before=$now
  fi
  if [ "$before" = "$now" ] && ! reboots_now; then
    # an answer that got away before sshd is stopped saves whoever asked a minute of not knowing
    systemctl --no-wall --no-block reboot >&2 || leave 3 'systemd does not reboot it'
  fi
}

main() {
  [ "$#$1" = 3ink-reboot ] || leave 3 'this is not how it is called'
  verb=$2 name=$3
  case $name in '' | [!a-z0-9]* | *[!a-z0-9_-]*) leave 3 'a word of the command is not one' ;; esac
  now=$(cat /proc/sys/kernel/random/boot_id)
  [ -n "$now" ] || leave 3 'the kernel does not say which boot this is'
  before=
  if [ -e "$top/$name" ]; then
    before=$(cat "$top/$name") && [ -n "$before" ] || leave 3 'which boot was to be ended is written down, and cannot be read'
  fi
  case $verb in
    look) ;;
    ask) ask ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  printf 'before %s\nnow %s\ndone\n' "$before" "$now"
}

main "$@"
