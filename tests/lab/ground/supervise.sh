#!/bin/bash
# Runs one server: plugs it in and boots it, and boots it again when it asked for a reboot.
# usage: supervise.sh NAME TREE MODE(systemd|sshd) SERVER_NS SWITCH_NS GROUPS
# The folder of the server is the current one. The server's first process is the child of what unshare.pid names.
set -u
name=$1 tree=$2 mode=$3 server=$4 switch=$5 groups=$6
init=$(dirname "$0")/boot.sh

# A fresh namespace for each boot: rules that a firewall has loaded must not outlive one. The cables go first, since
# a namespace is taken apart later, in the background.
plug() {
  for port in "$name" "$name-p"; do ip -n "$switch" link delete "$port" 2>/dev/null; done
  ip netns delete "$server" 2>/dev/null
  ip netns add "$server" || return
  # a card that first looks for others with its address is deaf for a second
  nsenter --net="/run/netns/$server" sysctl -q -w net.ipv6.conf.default.accept_dad=0
  ip -n "$switch" -batch switch.ip && ip -n "$server" -batch server.ip
}

# prints NODE:MAJOR:MINOR:BY_ID, with commas between
disks() {
  for id in *.id; do
    [ -e "$id" ] || continue
    image=$PWD/${id%.id}.img
    device=$(losetup --noheadings --output NAME --associated "$image")
    device=${device:-$(losetup --find --show "$image")}
    numbers=$(stat -c '%t:%T' "$device")
    printf '%s:%d:%d:%s,' "${id%.id}" "0x${numbers%:*}" "0x${numbers#*:}" "$(cat "$id")"
  done
}

# The server's clock begins at its boot (uptime); light ones do not care.
clock() {
  [ "$mode" = systemd ] && [ -e /proc/self/ns/time ] || return
  read -r up _ </proc/uptime
  echo "--time --monotonic -${up%.*} --boottime -${up%.*}"
}

while :; do
  plug || exit 1
  (
    # 0 stands for the writer, and the builtin makes that this subshell
    for group in $groups; do echo 0 >"$group/cgroup.procs"; done
    extra=
    [ "$mode" = systemd ] && extra=$(disks)
    # `ip netns exec` would mount a /sys of its own, without the control groups. unshare waits with SIGTERM ignored:
    # only SIGKILL ends it, and with it, by --kill-child, the first process and so the whole server: a power cut.
    # shellcheck disable=SC2046
    exec nsenter --net="/run/netns/$server" \
      unshare $(clock) --mount --uts --ipc --pid --cgroup --fork --kill-child=SIGKILL \
      /bin/bash "$init" "$name" "$tree" "$PWD" "$mode" "$extra"
  ) &
  pid=$!
  read -r -a stat <"/proc/$pid/stat"
  echo "$pid ${stat[21]}" >unshare.pid.new
  mv unshare.pid.new unshare.pid
  wait "$pid"
  status=$?
  echo "$(date +%T.%N) $name ended with $status" >>power.log
  # 129, SIGHUP: it asked for a reboot; 130, SIGINT: it went off; 137: its power was cut
  [ "$status" = 129 ] || break
  sleep "$(cat boot_delay 2>/dev/null || echo 0)"
done
