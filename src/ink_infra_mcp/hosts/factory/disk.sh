# Moves what this Factory keeps onto a disk of its own, and goes back by itself unless all of it came over.
# usage: sh -s -- ink-disk VERB NAME [DISK]
#   look    NAME         says how far the move NAME is; it changes nothing
#   look    any [DISK]   says how /data, Docker and the disk are, which counts what there is to copy; it changes nothing
#   prepare NAME         takes its orders from standard input, and puts all on the root disk that the way there and back needs
#   start   NAME         has systemd run it: from there on nobody else has to be there
#   run     NAME         is what the unit does, and does again after each interruption: a boot, a kill
#   back    NAME         goes back by hand; once it is done only with --lose-what-is-new
# Exit status: 3 nothing was changed, with words on standard error.
# Whoever interrupts it at whatever command: before `moving` is on the disk nothing has been touched; in between the next
# run goes back, and Docker does not start before; from `started` on the new place is whole and is in service.

set -u
umask 022
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
top=/var/lib/ink-infra/disk
data=/data
ids=/dev/disk/by-id
mounts=/proc/self/mountinfo
fstab=/etc/fstab
daemon=/etc/docker/daemon.json
config=/etc/containerd/config.toml
system=/etc/systemd/system
unit=ink-factory-disk.service
stage=$top/stage
TRY_AGAIN_S=5
HEALTHY_S=300
STAYS_S=5
STOP_S=240
START_S=240
SPARE_KB=16384

leave() {
  status=$1
  shift
  printf 'ink-disk: %s\n' "$*" >&2
  exit "$status"
}

# put FILE: write standard input there, whole or not at all, and to the disk
put() {
  cat >"$1.ink-new" && { [ ! -e "$1" ] || { chmod --reference="$1" "$1.ink-new" && chown --reference="$1" "$1.ink-new"; }; } &&
    sync "$1.ink-new" && mv -f "$1.ink-new" "$1" && sync "${1%/*}" && return
  rm -f "$1.ink-new"
  return 1
}

# set_state STATE WHY: a full disk must not keep us from going back, nor from telling it: the words for that lie there
# since it was prepared, and a rename takes no room
set_state() {
  printf '%s %s %s\n' "$(date -u +%FT%TZ)" "$1" "$2"
  [ "$(told why)" = "$2" ] || printf '%s\n' "$2" | put "$dir/why" || mv -f "$dir/why.ready" "$dir/why" 2>/dev/null
  printf '%s\n' "$1" | put "$dir/state" || mv -f "$dir/$1.ready" "$dir/state" 2>/dev/null
}

keep_words() {
  for word in refused reverting reverted 'done'; do printf '%s\n' "$word" | put "$dir/$word.ready" || return 1; done
  echo 'the disk takes no word of why: see whether it is full' | put "$dir/why.ready"
}

told() { if [ -f "$dir/$1" ]; then head -c 4096 "$dir/$1"; fi; }
state() { told state; }
order() { sed -n "s/^$1 //p" "$dir/orders" | head -n 1; }
sum_of() { if [ -f "$1" ]; then sha256sum "$1" | cut -c 1-64; else echo none; fi; }
uptime_s() { cut -d . -f 1 /proc/uptime; }
boot() { cat /proc/sys/kernel/random/boot_id; }
coded() { head -c 65536 | base64 -w 0; }

ask() {
  limit=$1
  shift
  timeout -k 5 "$limit" "$@"
}

# mounted FOLDER: which device is mounted there last, by its numbers; nothing where none is
mounted() { awk -v at="$1" '$5 == at { found = $3 } END { if (found != "") print found }' "$mounts"; }
# whole_at FOLDER: the same where it is all of an ext4: not a folder of it, which fstab's line would not mount
whole_at() { awk -v at="$1" '$5 == at { found = ""; for (i = 6; i < NF; i++) if ($i == "-" && $(i + 1) == "ext4" && $4 == "/") found = $3 } END { if (found != "") print found }' "$mounts"; }
below() { awk -v at="$1/" 'index($5, at) == 1 { print $5 }' "$mounts"; }
# used_at NUMBER: where a disk is mounted; Docker mounts parts of its own folder below /data once more
used_at() { awk -v of="$1" -v in_="$data/" '$3 == of && index($5, in_) != 1 { print $5 }' "$mounts"; }
number_of() { lsblk -dnro MAJ:MIN "$1" 2>/dev/null; }
words() { tr -s ' \t\n' ' ' | sed 's/^ //; s/ $//'; }

# --- what is told ----------------------------------------------------------------------------------------------------

# signs DEVICE: what those readers find on it that would use it: a partition table, a file system, LVM, RAID, LUKS
signs() { wipefs --no-act --noheadings --output TYPE "$1" 2>/dev/null | sort | words; }

# blank DEVICE: no reader knows what it holds, and its beginning is zero
blank() {
  ask 60 blkid -p "$1" >/dev/null 2>&1
  [ "$?" = 2 ] && [ -z "$(signs "$1")" ] && [ "$(head -c 4194304 "$1" | tr -d '\0' | head -c 1 | wc -c)" = 0 ]
}

# entries DEVICE FOLDER: how many things an ext4 holds, at its place or where it is not mounted; nothing: not known
entries() {
  if [ -n "$2" ]; then find "$2" -mindepth 1 -maxdepth 1 ! -name lost+found -printf x | wc -c; return; fi
  listed=$(ask 60 debugfs -R 'ls -p /' "$1" 2>/dev/null) || return
  printf '%s\n' "$listed" | awk -F / 'NF < 7 { next } $6 == "." { known = 1; next }
    $6 != ".." && $6 != "lost+found" && $2 != 0 { count++ } END { if (known) print count + 0 }'
}

# disk NAME: what it is. The kind is that of lsblk; a part of a disk, a disk of disks and a loop are none
disk() {
  at=$ids/$1
  [ -e "$at" ] || { printf 'disk missing\n'; return; }
  printf 'disk %s\n' "$(lsblk -bdnro TYPE,SIZE,RO,MAJ:MIN "$at" 2>/dev/null | words)"
  printf 'children %s\n' "$(($(lsblk -nro NAME "$at" 2>/dev/null | wc -l) - 1))"
  printf 'signs %s\n' "$(signs "$at")"
  kind=$(ask 60 blkid -p -o value -s TYPE "$at" 2>/dev/null)
  printf 'type %s\n' "$(printf '%s' "$kind" | words)"
  printf 'blank %s\n' "$(blank "$at" && echo yes || echo no)"
  printf 'used_at %s\n' "$(used_at "$(number_of "$at")" | words)"
  printf 'entries %s\n' "$([ "$kind" = ext4 ] && entries "$at" "$(used_at "$(number_of "$at")" | head -n 1)")"
}

kind_of_data() {
  if [ -n "$(mounted "$data")" ]; then
    echo mount
  elif [ -d "$data" ] && [ ! -L "$data" ]; then
    echo folder
  elif [ -e "$data" ] || [ -L "$data" ]; then
    echo other
  else
    echo absent
  fi
}

# size FOLDER [-x]: KiB and entries of it; with -x without what containers that run have mounted in it
size() {
  set -- "$(du -sk ${2:-} "$1" 2>/dev/null | cut -f 1)" "$(du -s ${2:-} --inodes "$1" 2>/dev/null | cut -f 1)"
  printf '%s %s' "$1" "$2"
}

room() { df -P -k "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

# lines_of DISK: the lines of fstab that are about /data, or the disk by this name
lines_of() { awk -v at="$ids/$1" '$1 !~ /^#/ && NF >= 3 && ($2 == "/data" || $1 == at) { print $1, $2, $3, ($4 == "" ? "defaults" : $4) }' "$fstab"; }

guarded() {
  for each in docker containerd; do
    [ "$(cat "$system/$each.service.d/ink-data.conf" 2>/dev/null)" = "$GUARD" ] || { echo no; return; }
  done
  echo yes
}

# under_way: the move that is between its beginning and its end, if there is one
under_way() {
  for each in "$top"/moves/*/state; do
    [ -f "$each" ] || continue
    case $(cat "$each") in
      moving | switching | started | reverting) each=${each%/state} && echo "${each##*/}" ;;
    esac
  done
}

# rotations: the swaps of Coolify's image or database that are under way: they write below /data, and start Coolify
rotations() {
  for each in "$data"/coolify/ink/rotations/*/state; do
    [ -f "$each" ] || continue
    case $(cat "$each") in
      swapping | swapped | reverting) each=${each%/state} && echo "${each##*/}" ;;
    esac
  done
}

deployments() {
  ask 60 docker exec coolify-db sh -c 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"' \
    psql "select count(*) from application_deployment_queues where status in ('queued', 'in_progress')"
}

# ended: whether its unit is over, and the disk took no word at all of it: before it has begun, as after that it goes on
ended() {
  [ "$(state)" = prepared ] && [ -e "$dir/given" ] || return 1
  grep -qs " run $name\$" "$system/$unit" || return 0
  if systemctl is-active --quiet "$unit" 2>/dev/null; then return 1; fi
  ! systemctl is-enabled --quiet "$unit" 2>/dev/null || [ ! -w "$dir" ]
}

look() {
  now=$(state) why=$(told why)
  if ended; then now=refused why='it ended, and the disk took no word of how: see whether it is full'; fi
  printf 'state %s\nwhy %s\nseconds %s\n' "$now" "$(printf '%s' "$why" | coded)" "$(told seconds)"
  printf 'said %s\n' "$(if [ -f "$dir/log" ]; then tail -n 20 "$dir/log" | coded; fi)"
  # whoever follows a move asks every few seconds
  if [ "$name" != any ]; then printf 'done\n' && return; fi
  printf 'under_way %s\n' "$(under_way)"
  if [ -d "$ids" ]; then
    for each in "$ids"/*; do
      if [ -e "$each" ]; then printf 'name %s\n' "${each##*/}"; fi
    done
  fi
  if [ -n "$disk" ]; then
    disk "$disk"
  fi
  lines_of "$disk" | while read -r line; do printf 'line %s\n' "$line"; done
  printf 'data %s %s\n' "$(kind_of_data)" "$(whole_at "$data")"
  printf 'below %s\n' "$(below "$data" | words)"
  if [ -d "$data" ]; then printf 'data_size %s\ndata_free %s\n' "$(size "$data")" "$(room "$data")"; fi
  printf 'guard %s\n' "$(guarded)"
  tools
  docker_facts
  printf 'done\n'
}

tools() {
  missing=
  for each in lsblk wipefs blkid debugfs mkfs.ext4 findmnt cp tar sha256sum perl systemctl timeout; do
    command -v "$each" >/dev/null 2>&1 || missing="$missing $each"
  done
  tar --version 2>/dev/null | grep -q 'GNU tar' || missing="$missing GNU-tar"
  [ -d /run/systemd/system ] || missing="$missing systemd"
  printf 'missing %s\n' "$(printf '%s' "$missing" | words)"
}

docker_facts() {
  command -v docker >/dev/null 2>&1 || { printf 'docker none\nremains %s\n' "$(remains | words)"; settings_facts; return; }
  root=$(ask 20 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
  case $root in /*) ;; *) printf 'docker unknown\n' && return ;; esac
  printf 'docker %s\n' "$root"
  printf 'store %s\n' "$(ask 20 docker info --format '{{.Driver}} {{json .DriverStatus}}' 2>/dev/null | coded)"
  printf 'docker_size %s\n' "$(size "$root" -x)"
  printf 'docker_below %s\n' "$(awk -v at="$root/" -v net="$root/netns/" 'index($5, at) == 1 && index($5, "/merged") == 0 && index($5, "/rootfs") == 0 && index($5, "/mounts/") == 0 && index($5, net) != 1 { print $5 }' "$mounts" | words)"
  if [ -d /var/lib/containerd ]; then printf 'containerd_size %s\n' "$(size /var/lib/containerd -x)"; fi
  if [ -n "$(mounted "$root")" ]; then printf 'docker_mount yes\n'; fi
  printf 'running %s\n' "$(ask 20 docker ps -q 2>/dev/null | wc -l)"
  printf 'coolify %s\n' "$(ask 20 docker inspect --type container --format '{{.State.Status}}' coolify 2>/dev/null)"
  printf 'deployments %s\n' "$(deployments 2>/dev/null)"
  settings_facts
}

settings_facts() {
  printf 'daemon %s %s\n' "$(sum_of "$daemon")" "$(if [ -f "$daemon" ]; then coded <"$daemon"; fi)"
  printf 'config %s %s\n' "$(sum_of "$config")" "$(if [ -f "$config" ]; then coded <"$config"; fi)"
}

# remains: where there is no Docker, what there is of one all the same: its programs, and what they have kept
remains() {
  for each in docker dockerd containerd; do command -v "$each" 2>/dev/null; done
  for each in /var/lib/docker /var/lib/containerd "$data/docker" "$data/containerd"; do
    if [ -L "$each" ] || { [ -e "$each" ] && [ -n "$(ls -A "$each" 2>&1)" ]; }; then echo "$each"; fi
  done
}

# --- before anything is touched --------------------------------------------------------------------------------------

prepare() {
  [ -z "$(state)" ] || return 0
  [ -z "$(under_way)" ] || leave 3 "another move is under way: $(under_way)"
  [ -z "$(rotations)" ] || leave 3 "Coolify's image or database is being swapped: $(rotations)"
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here'
  rm -rf "$dir"
  mkdir -p "$dir" && chmod 0700 "$top" "$top/moves" "$dir" || leave 3 'its folder cannot be made'
  cat >"$dir/orders" || leave 3 'its orders could not be written'
  [ "$(order end)" = "$(order script | base64 -d 2>/dev/null | sha256sum | cut -c 1-64)" ] || leave 3 'its orders are not whole'
  case $(order kind) in
    data) prepare_data ;;
    docker) prepare_docker ;;
    *) leave 3 'its orders are of no kind that is known' ;;
  esac
  keep_words || leave 3 'the disk takes nothing'
  install_unit || leave 3 'its unit could not be written'
  boot | put "$dir/boot" && set_state prepared '' >/dev/null || leave 3 'the disk takes nothing'
}

prepare_data() {
  still_it || leave 3 'the disk is not as it was when this was planned'
  [ "$(order copy)" = yes ] || is_at_data || leave 3 "what is mounted at $data is not the whole ext4 of the disk"
  [ "$(kind_of_data)" = "$(order data)" ] || leave 3 "$data is not as it was when this was planned"
  settings_taken
  cp -p "$fstab" "$dir/fstab.back" && wanted_fstab || leave 3 'fstab could not be prepared'
}

# settings_taken: Docker will be started anew with what is there
settings_taken() {
  [ -f "$daemon" ] && dockerd --help 2>/dev/null | grep -q -e --validate || return 0
  ask 30 dockerd --validate --config-file "$daemon" >/dev/null 2>&1 || leave 3 "dockerd does not take its settings, $daemon"
}

is_at_data() { [ -n "$(mounted "$data")" ] && [ "$(whole_at "$data")" = "$(number_of "$ids/$(order disk)")" ]; }

# still_it: the disk is the one that was planned with, and holds what it held then
still_it() {
  at=$ids/$(order disk)
  [ -e "$at" ] && [ "$(lsblk -bdnro TYPE,SIZE,RO "$at" | words)" = "disk $(order size) 0" ] && [ "$(signs "$at")" = "$(order signs)" ] &&
    [ "$(used_at "$(number_of "$at")" | words)" = "$(order used_at)" ] && [ "$(lsblk -nro NAME "$at" | wc -l)" = 1 ] || return 1
  [ "$(order format)" != blank ] || blank "$at"
}

# wanted_fstab: no line but ours is about the disk or /data, by the reader that will read it, and all others stay
wanted_fstab() {
  line="$ids/$(order disk) $(order line)"
  awk -v at="$ids/$(order disk)" '$1 !~ /^#/ && NF >= 3 && ($2 == "/data" || $1 == at) { next } { print }' "$fstab" >"$dir/fstab.new" &&
    others "$dir/fstab.new" >"$dir/others.new" && others "$fstab" >"$dir/others.all" || return 1
  printf '%s\n' "$line" >>"$dir/fstab.new" || return 1
  cp -p "$fstab" "$dir/fstab.wanted" && cat "$dir/fstab.new" >"$dir/fstab.wanted" && sync "$dir/fstab.wanted" || return 1
  # for findmnt a line is wrong whose folder is not there; a boot makes it, and so do we
  [ "$(order data)" != absent ] || mkdir "$data" || return 1
  verified=yes
  ask 60 findmnt --verify --tab-file "$dir/fstab.wanted" >"$dir/verified" 2>&1 || verified=
  [ "$(order data)" != absent ] || rmdir "$data" || return 1
  [ -n "$verified" ] || leave 3 "findmnt does not take the new fstab: $(grep '\[E\]' "$dir/verified" | words)"
  ask 60 findmnt --tab-file "$dir/fstab.wanted" -rno SOURCE,TARGET,FSTYPE >"$dir/read" || return 1
  # a boot reads /data/ and //data as /data
  [ "$(awk '{ at = $2; gsub(/\/+/, "/", at); sub(/\/$/, "", at) } at == "/data"' "$dir/read")" = "$ids/$(order disk) /data ext4" ] || leave 3 "$data stands in fstab in another way that findmnt reads"
  # others that name the same disk by its UUID, label or node would mount it twice
  ask 60 findmnt --evaluate --tab-file "$dir/fstab.wanted" -rno SOURCE >"$dir/read" || return 1
  real=$(readlink -f "$ids/$(order disk)") same=0
  while read -r from; do
    case $from in /*) [ "$(readlink -f "$from")" != "$real" ] || same=$((same + 1)) ;; esac
  done <"$dir/read"
  [ "$same" = 1 ] || leave 3 'another line of fstab mounts the same disk'
  cmp -s "$dir/others.new" "$dir/others.all" || leave 3 'findmnt reads other lines of fstab otherwise after the change'
}

# others FILE: what the reader of fstab makes of the lines that are neither about /data nor the disk
others() {
  said=$(ask 60 findmnt --tab-file "$1" -rno SOURCE,TARGET,FSTYPE,OPTIONS 2>/dev/null)
  printf '%s\n' "$said" | awk -v at="$ids/$(order disk)" 'NF && $2 != "/data" && $1 != at'
}

prepare_docker() {
  [ "$(mounted "$data")" != '' ] || leave 3 "$data is no disk of its own"
  [ "$(guarded)" = yes ] || leave 3 "Docker would start without $data"
  [ "$(sum_of "$daemon")" = "$(order sum:daemon)" ] && [ "$(sum_of "$config")" = "$(order sum:config)" ] || leave 3 "Docker's settings were changed meanwhile"
  for each in daemon config; do
    file=$(file_of "$each")
    # of a longer one we were told the beginning
    [ ! -f "$file" ] || [ "$(wc -c <"$file")" -le 65536 ] || leave 3 "$file is longer than 64 KiB"
    if [ -f "$file" ]; then cp -p "$file" "$dir/$each.back" || leave 3 'the disk takes nothing'; fi
    [ "$(order "text:$each")" != same ] || continue
    order "text:$each" | base64 -d >"$dir/$each.wanted" && [ -s "$dir/$each.wanted" ] && sync "$dir/$each.wanted" || leave 3 'its orders are not whole'
  done
  # who would judge its settings comes with Docker
  if [ "$(order copy)" != yes ]; then absent || leave 3 "$absent"; return 0; fi
  ask 30 dockerd --validate --config-file "$dir/daemon.wanted" >/dev/null 2>&1 || leave 3 'dockerd does not take its new settings'
  if [ -f "$dir/config.wanted" ]; then
    ask 30 containerd --config "$dir/config.wanted" config dump 2>/dev/null | grep -Eq "^root = [\"']$data/containerd[\"']\$" || leave 3 'containerd does not take its new settings'
  fi
  for each in $(order trees); do
    [ ! -e "${each#*:}" ] && [ -d "${each%%:*}" ] && [ ! -L "${each%%:*}" ] || leave 3 "${each#*:} is there already, or ${each%%:*} is no folder"
  done
}

# absent: there is nothing of a Docker that would be left behind, or be met again by the one to come
absent() {
  found=$(remains | words)
  absent="there is something of a Docker already: $found"
  [ -z "$found" ]
}

file_of() { case $1 in daemon) echo "$daemon" ;; config) echo "$config" ;; esac; }

install_unit() {
  order script | base64 -d | put "$top/disk.sh" && printf '%s\n' "$name" | put "$dir/name" || return 1
  printf '#!/bin/sh\n# Goes back to where it was before the move %s, without any other server.\nexec sh %s/disk.sh ink-disk back %s "$@"\n' \
    "$name" "$top" "$name" | put "$dir/rollback" && chmod 0700 "$dir/rollback" && write_unit
}

write_unit() {
  put "$system/$unit" <<END || return 1
[Unit]
Description=A move of the Factory's data by ink-infra-mcp, with its way back
After=local-fs.target data.mount
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh $top/disk.sh ink-disk run $name
Restart=on-failure
RestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE
RestartSec=2
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
END
  systemctl daemon-reload
}

start() {
  [ "$(state)" = prepared ] || return 0
  [ "$(told boot)" = "$(boot)" ] || { set_state refused 'the Factory has booted since it was prepared' >/dev/null; return 0; }
  # another one may have been prepared since
  grep -qs " run $name\$" "$system/$unit" || leave 3 'its unit is that of another move by now'
  systemctl enable --quiet "$unit" || leave 3 'systemd does not take its unit: see whether the disk is full'
  # from here on a unit that is switched off has ended
  put "$dir/given" </dev/null || { systemctl disable --quiet "$unit" && leave 3 'the disk takes nothing'; }
  systemctl start --no-block "$unit" || leave 3 'systemd does not start its unit'
}

refuse() {
  set_state refused "$1"
  finish
}

finish() {
  systemctl disable --quiet "$unit"
  exit 0
}

# --- Docker goes, and comes back -------------------------------------------------------------------------------------

GUARD='# ink-infra-mcp: never on an empty /data
[Unit]
RequiresMountsFor=/data
AssertPathIsMountPoint=/data'

# hold: from here on Docker starts at no boot, until `let_go`
hold() {
  # a power cut from here on leaves nobody who could be asked
  noted
  printf '%s\n' "$name" | put "$top/hold" || return 1
  for each in docker.service docker.socket containerd.service; do
    mkdir -p "$system/$each.d" && printf '[Unit]\nConditionPathExists=!%s/hold\n' "$top" | put "$system/$each.d/ink-hold.conf" || return 1
  done
  systemctl daemon-reload
}

let_go() {
  rm -f "$top/hold" "$system/docker.service.d/ink-hold.conf" "$system/docker.socket.d/ink-hold.conf" "$system/containerd.service.d/ink-hold.conf"
  sync "$top" "$system" && systemctl daemon-reload
}

guard_on() {
  for each in docker containerd; do
    mkdir -p "$system/$each.service.d" && printf '%s\n' "$GUARD" | put "$system/$each.service.d/ink-data.conf" || return 1
  done
}

guard_off() { [ -e "$dir/guarded" ] || rm -f "$system/docker.service.d/ink-data.conf" "$system/containerd.service.d/ink-data.conf"; }

# quiet [anyway]: every container in order, then Docker; `anyway` one that does not answer as well
quiet() {
  [ "$(order docker)" = yes ] || return 0
  if systemctl is-active --quiet docker.service; then containers_end || [ "${1:-}" = anyway ] || return 1; fi
  # longer than systemd waits before it kills them
  ask "$STOP_S" systemctl stop docker.socket docker.service && ask "$STOP_S" systemctl stop containerd.service
  ! systemctl is-active --quiet docker.service && ! systemctl is-active --quiet containerd.service
}

# noted: those that run, once
noted() {
  [ -f "$dir/running" ] || [ "$(order docker)" != yes ] || ! systemctl is-active --quiet docker.service || {
    ask 20 docker ps -q --no-trunc >"$dir/ps" && put "$dir/running" <"$dir/ps"
  }
}

# containers_end: Coolify first, its database last but for what nobody knows
containers_end() {
  noted || return 1
  for each in coolify coolify-realtime coolify-proxy coolify-redis coolify-db; do
    ask 20 docker inspect --type container --format x "$each" >/dev/null 2>&1 || continue
    ask 120 docker stop -t 60 "$each" >/dev/null || return 1
  done
  all=$(ask 20 docker ps -q --no-trunc) || return 1
  # shellcheck disable=SC2086 - ids, each a word
  [ -z "$all" ] || ask 300 docker stop -t 30 $all >/dev/null
}

# passing: the containers that Docker deletes as soon as they are stopped
passing() {
  [ "$(order docker)" = yes ] && [ "$(order copy)" = yes ] && systemctl is-active --quiet docker.service || return 0
  all=$(ask 20 docker ps -q) || return 1
  for each in $all; do
    ask 20 docker inspect --type container --format '{{.HostConfig.AutoRemove}} {{.Name}}' "$each" 2>/dev/null
  done | sed -n 's|^true /||p' | words
}

# wake [anyway]: Docker, and every container that ran; one that is gone since is none. With `anyway` one that cannot
# start keeps no other down, and is told
wake() {
  let_go || return 1
  [ "$(order docker)" = yes ] || return 0
  systemctl reset-failed docker.service docker.socket containerd.service 2>/dev/null
  # Docker's own unit has no limit for its start: one that hangs is stopped and started once more by the next try
  ask "$START_S" systemctl start containerd.service && ask "$START_S" systemctl start docker.service || return 1
  tries=0
  until ask 20 docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || return 1
    sleep 2
  done
  [ -f "$dir/running" ] || return 0
  down= found=
  for each in $(tac "$dir/running"); do
    label=$(ask 20 docker inspect --type container --format '{{.Name}}' "$each" 2>/dev/null) || continue
    found=yes
    ask 120 docker start "$each" >/dev/null && continue
    [ "${1:-}" = anyway ] || return 1
    down="$down ${label#/}"
  done
  # without any of them it is another Docker than the one that was stopped
  [ -n "$found" ] || [ ! -s "$dir/running" ] || { [ "${1:-}" = anyway ] && down=' any, since none is there'; }
}

# serves: what ran runs, and still does some seconds later without a start in between; and Coolify is healthy if it says
# how it is
serves() {
  [ "$(order docker)" = yes ] || return 0
  end=$(($(uptime_s) + HEALTHY_S))
  until all_run && begun_at=$(starts) && sleep "$STAYS_S" && all_run && [ "$begun_at" = "$(starts)" ]; do
    [ "$(uptime_s)" -lt "$end" ] || return 1
    sleep 2
  done
}

starts() {
  for each in $(cat "$dir/running"); do
    ask 20 docker inspect --type container --format '{{.RestartCount}} {{.State.StartedAt}}' "$each" || return 1
  done
}

all_run() {
  for each in $(cat "$dir/running"); do
    said=$(ask 20 docker inspect --type container --format '{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$each" 2>/dev/null) || return 1
    case $said in
      *' running 'unhealthy | *' running 'starting) case $said in /coolify\ * | /coolify-db\ *) return 1 ;; esac ;;
      *' running '*) ;;
      *) return 1 ;;
    esac
  done
}

# --- the way there ---------------------------------------------------------------------------------------------------

run() {
  # a shell whose own redirection fails is gone, and systemd would begin it again for ever: the way back needs no log
  if true >>"$dir/log"; then exec >>"$dir/log" 2>&1; elif [ "$(state)" = prepared ]; then finish; fi
  case $(state) in
    prepared)
      [ "$(told boot)" = "$(boot)" ] || refuse 'the Factory has booted since it was prepared'
      go
      ;;
    moving | switching) revert 'it was interrupted' ;;
    started) proved ;;
    reverting) revert "$(told why)" ;;
    *) finish ;;
  esac
}

go() {
  [ -z "$(rotations)" ] || refuse "Coolify's image or database is being swapped: $(rotations)"
  busy=$(busy) || refuse "$busy"
  [ "$(order kind)" != data ] || still_it || refuse 'the disk is not as it was when this was planned'
  [ "$(order kind)" != data ] || [ "$(sum_of "$fstab")" = "$(sum_of "$dir/fstab.back")" ] || refuse 'fstab was changed meanwhile'
  [ "$(order kind) $(order copy)" != 'docker no' ] || absent || refuse "$absent"
  passing=$(passing) || refuse 'Docker does not say what runs'
  [ -z "$passing" ] || refuse "$passing would be deleted when it is stopped, with its anonymous volumes (--rm)"
  if [ "$(guarded)" = yes ]; then true >"$dir/guarded" || refuse 'the disk takes nothing'; fi
  cp -p "$dir/rollback" "$top/rollback.ink-new" && mv -f "$top/rollback.ink-new" "$top/rollback" || refuse 'the disk takes nothing'
  set_state moving '' && [ "$(state)" = moving ] || refuse 'the disk takes nothing'
  if [ "$(order copy)" = yes ]; then copied_"$(order kind)"; fi
  set_state switching '' && [ "$(state)" = switching ] || revert 'the disk takes nothing'
  switch_"$(order kind)" || revert 'what is new could not be put in its place'
  set_state started '' && [ "$(state)" = started ] || revert 'the disk takes nothing'
  proved
}

# proved: from the new place all of it serves
proved() {
  if [ "$(order copy)" = yes ]; then
    # Docker is still held: from here on what is in the new place is more than a copy, and stays whatever comes
    rm -f "$dir/copying" && sync "$dir" || revert 'the disk takes nothing'
    wake || revert 'Docker does not start in the new place'
    [ -z "${begun:-}" ] || printf '%s\n' "$(($(uptime_s) - begun))" | put "$dir/seconds"
    in_place || revert 'what is in service is not in the new place'
    serves || revert "not all that ran runs again in $HEALTHY_S s"
  fi
  in_place || revert 'what is in service is not in the new place'
  set_state done ''
  # systemd begins anew until the disk takes it
  [ "$(state)" = done ] || exit 1
  finish
}

in_place() {
  [ -n "$(mounted "$data")" ] || return 1
  case $(order kind) in
    data) is_at_data ;;
    docker) if [ "$(order copy)" = yes ]; then [ "$(ask 20 docker info --format '{{.DockerRootDir}}')" = "$data/docker" ]; else settings_in_place; fi ;;
  esac
}

# settings_in_place: what the Docker to come will begin with
settings_in_place() {
  for each in daemon config; do
    [ ! -f "$dir/$each.wanted" ] || [ "$(sum_of "$(file_of "$each")")" = "$(sum_of "$dir/$each.wanted")" ] || return 1
  done
}

# busy: fails with words where deployments run or wait, or that is not known
busy() {
  [ "$(order coolify)" = yes ] || return 0
  count=$(deployments) || { echo "Coolify's database does not say whether deployments run"; return 1; }
  [ "$count" = 0 ] || { echo "$count deployments run or wait"; return 1; }
}

copied_data() {
  at=$ids/$(order disk)
  for each in $(order used_at); do umount "$each" || revert "the disk is in use at $each"; done
  case $(order format) in
    none) ;;
    erase) wipefs --all "$at" >/dev/null && mkfs.ext4 -q -F "$at" || revert 'the disk could not be formatted' ;;
    blank) mkfs.ext4 -q "$at" </dev/null || revert 'the disk could not be formatted' ;;
    *) revert 'its orders do not say whether to format' ;;
  esac
  mkdir -p "$stage" && mount -t ext4 "$at" "$stage" && [ "$(mounted "$stage")" = "$(number_of "$at")" ] || revert 'the disk could not be mounted'
  [ -z "$(find "$stage/" -mindepth 1 -maxdepth 1 ! -name lost+found)" ] || revert 'the disk is not empty'
  true >"$dir/copying" && sync "$dir" || revert 'the disk takes nothing'
  fits "$data" "$stage"
  begun=$(uptime_s)
  # formatting and measuring took their time
  busy=$(busy) || revert "$busy"
  hold && quiet || revert 'Docker could not be stopped'
  if [ "$(order data)" = folder ]; then
    [ -z "$(below "$data")" ] || revert "something is mounted below $data"
    unused "$data"
    copy "$data" "$stage"
  fi
  sync -f "$stage" && umount "$stage" || revert 'the disk could not be unmounted'
}

copied_docker() {
  total=0
  for each in $(order trees); do
    kb=$(du -skx "${each%%:*}" | cut -f 1) && total=$((total + kb)) || revert "the size of ${each%%:*} cannot be told"
  done
  [ "$(room "$data")" -gt $((total + total / 10 + SPARE_KB)) ] || revert 'the disk has no room for it'
  true >"$dir/copying" && sync "$dir" || revert 'the disk takes nothing'
  begun=$(uptime_s)
  # formatting and measuring took their time
  busy=$(busy) || revert "$busy"
  hold && quiet || revert 'Docker could not be stopped'
  for each in $(order trees); do
    [ -z "$(below "${each%%:*}")" ] || revert "something is mounted below ${each%%:*}"
    unused "${each%%:*}"
    mkdir "${each#*:}" && printf '%s\n' "${each#*:}" >>"$dir/made" && sync "$dir/made" || revert "${each#*:} could not be made"
    copy "${each%%:*}" "${each#*:}"
  done
  sync -f "$data" || revert 'the disk takes nothing'
}

# fits FROM TO: room and inodes, both with something to spare
fits() {
  [ "$(order data)" = folder ] || return 0
  set -- $(size "$1") "$(room "$2")" "$(df -P -i "$2" | awk 'NR == 2 { print $4 }')"
  [ "$3" -gt $(($1 + $1 / 10 + SPARE_KB)) ] || revert "the disk has room for $3 KiB, and $1 KiB are to be copied"
  [ "$4" -gt "$2" ] || revert "the disk has room for $4 entries, and there are $2"
}

# users FOLDER: the processes that have a file of it open
users() {
  find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/fd -lname "$1" -o -lname "$1/*" 2>/dev/null | cut -d / -f 3 | sort -u | grep -vx "$$"
}

named() { printf '%s (process %s)' "$(tr -d '\0' <"/proc/$1/comm" 2>/dev/null | tr -cd 'A-Za-z0-9_.-' | head -c 40)" "$1"; }

# unused FOLDER: who has a file of it open would go on writing to the old one
unused() {
  for each in $(users "$1"); do revert "$1 is in use by $(named "$each")"; done
}

# copy FROM TO: all of it, and then both are read whole and held against each other
copy() {
  cp -a --sparse=always "$1/." "$2/" && sync -f "$2" || revert "$1 could not be copied whole"
  sum "$2" >"$dir/sum" &
  reading=$!
  old=$(sum "$1") || { wait "$reading"; revert "$1 could not be read whole"; }
  wait "$reading" && new=$(cat "$dir/sum") || revert "the copy of $1 could not be read whole"
  [ "$old" = "$new" ] || revert "the copy of $1 is not the same"
  printf 'the copy of %s is the same: %s\n' "$1" "$old"
}

# archive FOLDER: the same bytes for the same content, names, owners, modes, times, hard links, ACLs and attributes
archive() {
  tar --create --file=- --directory="$1" --sort=name --numeric-owner --format=posix --acls --no-selinux \
    --xattrs --xattrs-include='user.*' --xattrs-include='trusted.*' --xattrs-include='security.capability' \
    --anchored --exclude=./lost+found --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' . </dev/null
}

sum() {
  said=$({ { archive "$1" 3>&-; echo "status $?" >&3; } | sha256sum; } 3>&1) || return 1
  case $said in *'status 0'*) ;; *) return 1 ;; esac
  printf '%s\n' "$said" | sed -n 's/^\([0-9a-f]\{64\}\) .*/\1/p'
}

# rename FROM TO: by one call of the kernel; mv would copy where that fails, and could be killed half-way
rename() { [ ! -e "$2" ] && perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' "$1" "$2" && sync "${1%/*}/"; }

# switch_data: the old one goes aside, whole, before the new one comes; what is there in between is held by nobody
switch_data() {
  [ "$(sum_of "$fstab")" = "$(sum_of "$dir/fstab.back")" ] || return 1
  # a boot from here on mounts the disk over the old one
  [ "$(order copy)" != yes ] || { true >"$dir/placing" && sync "$dir"; } || return 1
  guard_on && put "$fstab" <"$dir/fstab.wanted" && systemctl daemon-reload || return 1
  [ "$(order copy)" = yes ] || return 0
  if [ "$(order data)" = folder ]; then rename "$data" "$aside" || return 1; fi
  mkdir "$data" && sync "${data%/*}/" && mount "$data" && [ "$(mounted "$data")" = "$(number_of "$ids/$(order disk)")" ]
}

switch_docker() {
  true >"$dir/placing" && sync "$dir" || return 1
  for each in daemon config; do
    file=$(file_of "$each")
    [ "$(sum_of "$file")" = "$(sum_of "$dir/$each.back")" ] || return 1
    [ ! -f "$dir/$each.wanted" ] || { mkdir -p "${file%/*}" && put "$file" <"$dir/$each.wanted"; } || return 1
  done
}

# --- the way back ----------------------------------------------------------------------------------------------------

# revert WHY: go back, and try again for as long as it takes
revert() {
  why=$1
  # from `started` on Docker was in service there, if only for moments
  [ "$(state)" != started ] || [ "$(order copy)" != yes ] || why="$why; what was written in the new place since it was put there is on the disk only"
  set_state reverting "$why"
  until back_once; do
    printf '%s it did not go back yet; it tries again in %s s\n' "$(date -u +%FT%TZ)" "$TRY_AGAIN_S"
    sleep "$TRY_AGAIN_S"
  done
  set_state reverted "$why${down:+; not started again:$down}"
  finish
}

back_once() {
  # nobody writes to the new place any more, and nobody to the old one yet
  if [ -e "$dir/placing" ]; then hold && quiet anyway || { echo 'Docker does not stop'; return 1; }; fi
  back_"$(order kind)" || { echo 'not all is as it was'; return 1; }
  # without the disk Docker does not start on either place: /data has to go back, too
  if [ "$(order kind) $(order docker)" = 'docker yes' ] && [ -z "$(mounted "$data")" ] && [ "$(guarded)" = yes ]; then
    down=" Docker, since nothing is mounted at $data"
    let_go
    return
  fi
  wake anyway || { echo 'Docker does not start'; return 1; }
  in_old_place || { echo 'Docker is not in the old place'; return 1; }
  tidy
  # where the cloud mounts it by itself
  [ "$(order kind) $(order copy)" != 'data yes' ] || for each in $(order used_at); do [ -n "$(mounted "$each")" ] || mount "$each"; done
  true
}

in_old_place() {
  [ "$(order kind) $(order docker)" = 'docker yes' ] || return 0
  old=$(order trees)
  [ "$(ask 20 docker info --format '{{.DockerRootDir}}')" = "${old%%:*}" ]
}

back_data() {
  if [ -n "$(mounted "$stage")" ]; then umount "$stage" || return 1; fi
  if [ -e "$dir/placing" ]; then
    if [ -n "$(mounted "$data")" ]; then umount "$data" || return 1; fi
    if [ "$(order data)" = absent ] || [ -d "$aside" ]; then
      [ ! -d "$data" ] || rmdir "$data" 2>/dev/null || rename "$data" "$data.stray-$name" || return 1
    fi
    if [ -d "$aside" ]; then rename "$aside" "$data" || return 1; fi
  fi
  text=$(old_fstab) || return 1
  [ "$text" = "$(cat "$fstab")" ] || printf '%s\n' "$text" | put "$fstab" || return 1
  mounts_no_data "$fstab" || { echo "a line of fstab mounts something at $data"; return 1; }
  guard_off
  systemctl daemon-reload
}

# old_fstab: fstab as it was; where somebody else has edited it since, as it is, with the lines about the disk and /data
# from before. A line for /data itself stays out where none was mounted: from now on a boot could mount it
old_fstab() {
  edited=yes
  case $(sum_of "$fstab") in "$(sum_of "$dir/fstab.wanted")" | "$(sum_of "$dir/fstab.back")") edited= ;; esac
  awk -v at="$ids/$(order disk)" -v was="$(order data)" -v edited="$edited" '
    function ours() { return $1 == at && $2 == "/data" }
    FILENAME == ARGV[1] && was != "mount" && ours() { next }
    FILENAME == ARGV[1] && !edited { print }
    FILENAME == ARGV[1] && $1 !~ /^#/ && NF >= 3 && ($2 == "/data" || $1 == at) { known[$0] = 1; back = back $0 "\n" }
    FILENAME == ARGV[2] && edited && !ours() && !($0 in known) { print }
    END { if (edited) printf "%s", back }' "$dir/fstab.back" "$fstab"
}

# mounts_no_data FILE: a boot would mount nothing over the folder that was put back; it reads /data/ and //data as /data
mounts_no_data() {
  [ "$(order data)" != mount ] || return 0
  [ -z "$(ask 60 findmnt --tab-file "$1" -rno TARGET 2>/dev/null | awk '{ gsub(/\/+/, "/"); sub(/\/$/, "") } $0 == "/data"')" ]
}

back_docker() {
  for each in daemon config; do
    file=$(file_of "$each")
    [ -f "$dir/$each.wanted" ] && [ "$(sum_of "$file")" != "$(sum_of "$dir/$each.back")" ] || continue
    # what somebody else made of it within the move is kept, and leads to the new place
    if [ -f "$file" ] && [ "$(sum_of "$file")" != "$(sum_of "$dir/$each.wanted")" ]; then
      echo "$file was changed meanwhile: it is kept as $dir/$each.theirs"
      cp -p "$file" "$dir/$each.theirs" || return 1
    fi
    if [ -f "$dir/$each.back" ]; then put "$file" <"$dir/$each.back" || return 1; else rm -f "$file"; fi
  done
}

# tidy: half a copy is of no use, and would be in the way of the next try; that it cannot be removed keeps nobody up
tidy() {
  [ -e "$dir/copying" ] || return 0
  case $(order kind) in
    data)
      [ -z "$(used_at "$(number_of "$ids/$(order disk)")")" ] && mount -t ext4 "$ids/$(order disk)" "$stage" || return 0
      if [ "$(mounted "$stage")" = "$(number_of "$ids/$(order disk)")" ]; then
        find "$stage/" -xdev -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf --one-file-system {} +
        umount "$stage"
      fi
      ;;
    docker)
      for each in $(told made); do rm -rf --one-file-system "$each"; done
      # made, and the power went before it was noted
      for each in $(order trees); do rmdir "${each#*:}" 2>/dev/null; done
      ;;
  esac
  rm -f "$dir/copying"
}

# back WORD: by hand. What was written to the new place since then is not in the old one. The unit goes back, so that
# whoever is cut off from here, or interrupts this, only does not see its end
back() {
  case $(state) in
    prepared | refused | reverted) leave 3 "there is nothing to go back from: it is $(state)" ;;
    reverting) ;;
    *)
      may_go_back "$@"
      systemctl stop "$unit"
      # those that run now are not those that ran on the day of the move; Docker's old place knows only the latter
      [ "$(state)" != done ] || [ "$(order kind)" != data ] || rm -f "$dir/running"
      write_unit && set_state reverting 'it was told to go back by hand' >/dev/null || leave 3 'the disk takes nothing'
      ;;
  esac
  printf 'it goes back by itself from here on; what it does stands in %s/log\n' "$dir"
  # without systemd nobody else would go back
  systemctl enable --quiet "$unit" && systemctl start --no-block "$unit" || revert "$(told why)"
  while [ "$(state)" != reverted ] && systemctl is-enabled --quiet "$unit"; do sleep "$TRY_AGAIN_S"; done
  printf '%s\n' "$(told why)"
}

# may_go_back WORD: all that would keep it from its end, or lose more than was said, is asked for before anything stops
may_go_back() {
  others=$(under_way | grep -vx "$name")
  [ -z "$others" ] || leave 3 "another move is under way: $others"
  case $(state) in moving | switching) return 0 ;; esac
  [ "$(order copy)" != yes ] || [ "$*" = --lose-what-is-new ] ||
    leave 3 'the old place has nothing of what was written since the move. Say --lose-what-is-new to go back to it all the same;' \
      'what is new stays on the disk.'
  [ -z "$(rotations)" ] || leave 3 "Coolify's image or database is being swapped: $(rotations)"
  [ -z "$(passing)" ] || leave 3 "$(passing) would be deleted when it is stopped, with its anonymous volumes (--rm)"
  [ "$(order kind) $(order copy)" = 'data no' ] || came_later
  may_"$(order kind)"
}

# came_later: a Docker that was installed since knows the new place only, and would begin anew in the old one
came_later() {
  [ "$(order docker)" = yes ] || [ -z "$(command -v docker || command -v dockerd)" ] ||
    leave 3 'Docker was installed since the move, and the old place knows nothing of it: there is nothing to go back to'
}

may_data() {
  text=$(old_fstab) && printf '%s\n' "$text" | put "$dir/fstab.old" || leave 3 'fstab from before cannot be made'
  [ "$(others "$dir/fstab.old")" = "$(others "$fstab")" ] && mounts_no_data "$dir/fstab.old" ||
    leave 3 "fstab was changed since, and would mount something at $data: take all lines for $data out but that of $(order disk)"
  [ "$(order copy)" = yes ] || return 0
  [ "$(order data)" != folder ] || [ -d "$aside" ] || leave 3 "$aside is not there any more"
  settings_taken
  # a volume that Docker binds from there goes with its container
  elsewhere=$(used_at "$(mounted "$data")" | grep -vx -e "$data" -e '/var/lib/docker/volumes/.*' | words)
  [ -z "$elsewhere" ] || leave 3 "the disk is mounted at $elsewhere, too"
  for each in "$top"/moves/*/orders; do
    each=${each%/orders}
    grep -qx 'kind docker' "$each/orders" && [ "$(cat "$each/state" 2>/dev/null)" = done ] || continue
    leave 3 "Docker's own data was moved to $data by ${each##*/}: go back from that first, by $each/rollback"
  done
  for each in $(roots); do
    [ -d "$aside${each#"$data"}" ] || leave 3 "Docker or containerd keeps its data at $each, which is not in $aside"
  done
  not_in_use
}

# roots: what lies below /data of Docker's and containerd's own data, by their word, or their settings where they are down
roots() {
  {
    printf '"%s"\n' "$(ask 20 docker info --format '{{.DockerRootDir}}' 2>/dev/null)" "$(readlink -f /var/lib/docker)" "$(readlink -f /var/lib/containerd)"
    [ ! -f "$daemon" ] || cat "$daemon"
    ask 30 containerd --config "$config" config dump 2>/dev/null | grep '^root = '
  } | grep -Eo "[\"']$data/[^\"']*" | cut -c 2- | sort -u
}

# not_in_use: who works below /data keeps it from being unmounted; Docker and its containers will be stopped
not_in_use() {
  for each in $(users "$data"); do
    grep -Eqs '/(docker|containerd)\.service|/docker[-/][0-9a-f]{64}' "/proc/$each/cgroup" || leave 3 "$data is in use by $(named "$each")"
  done
}

may_docker() {
  for each in $(order trees); do
    [ -d "${each%%:*}" ] && [ -n "$(ls -A "${each%%:*}")" ] || leave 3 "there is nothing to go back to: ${each%%:*} is not there any more, or empty"
  done
  for each in daemon config; do
    file=$(file_of "$each")
    [ -f "$dir/$each.wanted" ] || continue
    case $(sum_of "$file") in "$(sum_of "$dir/$each.wanted")" | "$(sum_of "$dir/$each.back")") continue ;; esac
    leave 3 "$file was changed since: keep a copy of it, put $dir/$each.wanted in its place, go back, and make the change anew"
  done
}

main() {
  [ "${1:-}" = ink-disk ] && [ $# -ge 3 ] || leave 3 'this is not how it is called'
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  verb=$2 name=$3
  # whoever stands in /data while he says it
  cd /
  shift 3
  case $name in '' | [!a-z0-9]* | *[!a-z0-9-]*) leave 3 'a word of the command is not one' ;; esac
  dir=$top/moves/$name aside=$data.before-$name disk=
  case $verb in
    look) disk=${1:-} ;;
    prepare | start | run) ;;
    back) [ -n "$(state)" ] || leave 3 'there is no such move' ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  case $disk in *[!A-Za-z0-9_.:+-]* | .*) leave 3 'a word of the command is not one' ;; esac
  case $verb in
    back) back "$@" ;;
    *) "$verb" ;;
  esac
}

main "$@"
