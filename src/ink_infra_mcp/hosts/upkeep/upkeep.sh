# Prints what this server needs done: updates, a reboot, room. One section for each command, as facts.sh prints them.
# usage: sh -s -- MARKER
# It only reads. It must run in any POSIX shell with no other tool than the ones it asks.

export LC_ALL=C LANG=C LANGUAGE=C
mark=
room='-l -x tmpfs -x devtmpfs -x squashfs -x efivarfs'

# ask COMMAND...: run it for at most 20 seconds where the server can limit it; 127 when there is no such command
ask() {
  command -v "$1" >/dev/null 2>&1 || return 127
  # shellcheck disable=SC2086
  $limited "$@"
}

# section NAME COMMAND...: print what the command says and how it ended
section() {
  name=$1
  shift
  said=$("$@" 2>&1)
  ended=$?
  printf '%s begin %s\n%s\n%s end %s %s\n' "$mark" "$name" "$said" "$mark" "$name" "$ended"
}

# apt PROGRAM WORD...: without its caches, which root would write anew
apt() {
  program=$1
  shift
  ask "$program" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=true "$@"
}

# quietly PROGRAM WORD...: as apt, and of what it complains only where it fails: a source that is written twice is a warning
quietly() {
  apt "$@" 2>/dev/null || apt "$@" 2>&1
}

# updates: what would be installed, those too that somebody holds back; -s only pretends
updates() {
  all=$(quietly apt-get -s --ignore-hold dist-upgrade) || { status=$?; printf '%s\n' "$all"; return "$status"; }
  printf '%s\n' "$all" | while IFS= read -r line; do
    case $line in Inst\ *) printf '%s\n' "$line" ;; esac
  done
}

# releases: each source of apt as it names its release, fetched or not, and behind it what its release file says of itself
# The date there is signed with the rest of the file, so that a mirror which stands still shows too; and apt leaves no other
# mark of when one archive was reached. What is before its release's name and behind is the same for all files of a source.
releases() {
  lists=$(quietly apt-get indextargets --no-release-info --format '$(RELEASE) $(FILENAME)' 'Created-By: Packages') ||
    { status=$?; printf '%s\n' "$lists"; return "$status"; }
  before=
  printf '%s\n' "$lists" | while read -r release list; do
    start=${list%_"${release}"_*}_$release
    [ "$start" != "$before" ] || continue
    before=$start
    printf 'source %s\n' "$release"
    ask grep -hE '^(Suite|Codename|Date):' "${start}_InRelease" 2>/dev/null ||
      ask grep -hE '^(Suite|Codename|Date):' "${start}_Release" 2>/dev/null
  done
  :
}

# mounts: where file systems of disks are mounted, and how; containers have many others
mounts() {
  all=$(ask cat /proc/mounts) || { status=$?; printf '%s\n' "$all"; return "$status"; }
  printf '%s\n' "$all" | while read -r _ at kind options _; do
    case $kind in ext[234] | xfs | btrfs | zfs | f2fs) printf '%s %s\n' "$at" "$options" ;; esac
  done
}

as_root() {
  command -v "$1" >/dev/null 2>&1 || return 127
  if [ "$user" = 0 ]; then ask "$@"; else ask sudo -n "$@"; fi
}

main() {
  mark=$1
  limited=
  # what waits for a disk or a mount that is gone hears nothing but KILL
  for words in 'timeout -k 2 20' 'timeout 20'; do
    # shellcheck disable=SC2086
    if $words true >/dev/null 2>&1; then limited=$words && break; fi
  done
  user=$(id -u)
  [ "$user" = 0 ] || PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  section clock ask date +%s
  section boot_id ask cat /proc/sys/kernel/random/boot_id
  section kernel ask uname -r
  section kernels ask ls -1 /boot
  section kernel_hooks ask ls -1 /etc/kernel/postinst.d
  section reboot_required ask cat /run/reboot-required
  section reboot_packages ask cat /run/reboot-required.pkgs
  section updates updates
  section os ask cat /etc/os-release
  section releases releases
  # shellcheck disable=SC2086
  section disks ask df -P -k $room
  # shellcheck disable=SC2086
  section inodes ask df -P -i $room
  section mounts mounts
  section sshd as_root sshd -T
  printf '%s done\n' "$mark"
}

# All of it leaves in one piece: each piece alone would wake up sshd here, and whoever asks there.
all=$(main "$@" </dev/null)
printf '%s\n' "$all"
