# Changes what this server is made of. What was there before is kept on the server, so that `restore` gives it back.
# usage: sh -s -- ink-change VERB OPERATION PART [WORD...]
#   finish                                       goes on with what dpkg was interrupted at
#   install  hold|free NAME[=VERSION]...         installs, removes nothing for it
#   remove   NAME...                             takes packages away, their data stays
#   repository NAME KEY FINGERPRINT [FILE...]    the data is its file; FILEs of others are taken away for it
#   files    RELOAD                              the data is a line for each: path, SHA-256, text in base64
#   units    NAME...                             start now and at boot
#   swap     MIB
#   daemon   DIGEST                              the data is the file's text in base64; DIGEST is of the one that is there
#   prove    IMAGE                               a container's kernel is gVisor's
#   restore                                      gives back what was kept for this operation and part
#   restore-all                                  all that was ever kept, the newest first
# Exit status: 3 nothing was changed, 4 all is back as it was, 5 something is not known to be; words on standard error.
#
# What was there is a folder below $top/before, complete from the moment that it exists.

set -u
umask 022
LC_ALL=C LANG=C LANGUAGE=C
DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1
UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL LANG LANGUAGE PATH DEBIAN_FRONTEND DEBIAN_PRIORITY NEEDRESTART_MODE NEEDRESTART_SUSPEND
export UCF_FORCE_CONFFOLD APT_LISTCHANGES_FRONTEND

top=/var/lib/ink-infra
swap_file=/swapfile.ink-infra
swap_pattern='/swapfile\.ink-infra'
why=
work=

leave() {
  status=$1
  shift
  printf 'ink-change: %s\n' "$*" >&2
  exit "$status"
}

has() { command -v "$1" >/dev/null 2>&1; }

limited() {
  seconds=$1
  shift
  timeout -k 5 "$seconds" "$@" 9>&-
}

digest() { if [ -e "$1" ]; then sha256sum <"$1" | cut -d ' ' -f 1; else echo none; fi; }

# lines FILE: how many it has; a last one that has no end is one
lines() { awk 'END { print NR }' "$1"; }

# put FILE: write standard input to a file, whole or not at all, with the mode and owner of the one that is there
put() {
  mkdir -p "$(dirname "$1")" && cat >"$1.ink-new" && like "$1" && sync "$1.ink-new" && mv -f "$1.ink-new" "$1" &&
    sync "$(dirname "$1")" && return
  rm -f "$1.ink-new"
  return 1
}

# like FILE: what is to replace it has its mode and owner
like() { [ ! -e "$1" ] || { chmod --reference="$1" "$1.ink-new" && chown --reference="$1" "$1.ink-new"; }; }

# alone: nobody else of us changes this server now; a lock that a killed one held is free
alone() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  for tool in flock timeout sha256sum dpkg-query apt-get; do
    has "$tool" || leave 3 "there is no $tool here"
  done
  mkdir -p "$top/before" "$top/keys" && chmod 700 "$top/before" || leave 3 "cannot write below $top"
  true >>"$top/lock" && exec 9>"$top/lock" || leave 3 "cannot write below $top"
  flock -w 900 9 || leave 3 'another change of this server is going on'
  rm -rf "$top"/work.*
  work=$(mktemp -d "$top/work.XXXXXX") || leave 3 'the disk is full or read-only'
  trap 'rm -rf "$work"' EXIT
}

# locked COMMAND...: run it, again and again while somebody else holds a lock of dpkg or apt; what it says is in $why
locked() {
  left=120
  while :; do
    why=$(limited 1800 "$@" 2>&1 </dev/null) && return
    ended=$?
    case $why in
      *'Could not get lock'* | *'locked by another process'* | *'Unable to lock'*) ;;
      *) return "$ended" ;;
    esac
    left=$((left - 1))
    [ "$left" -gt 0 ] || return "$ended"
    sleep 5
  done
}

apt() {
  locked apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@"
}

# last_words: what was complained of last; where no line looks like a complaint, the last lines
last_words() {
  said=$(printf '%s\n' "$why" | grep -v '^$')
  complaints=$(printf '%s\n' "$said" | grep -E '^(E:|W:|Err|dpkg|Error)|rror')
  printf '%s\n' "${complaints:-$said}" | awk '!seen[$0]++' | tail -n 4 | tr '\n' ' '
}

interrupted() { ! { audited=$(dpkg --audit 2>&1) && [ -z "$audited" ]; }; }

finish() {
  interrupted || return 0
  locked dpkg --force-confdef --force-confold --configure -a && ! interrupted && return
  apt --fix-broken install && ! interrupted
}

# keep: what was there before is written down once for each part of an operation, by the function that is named
keep() {
  [ ! -d "$here" ] || return 0
  why=
  rm -rf "$here.part" "$here.restored"
  mkdir -p "$here.part/files" && "$@" "$here.part" && number >"$here.part/number" && sync &&
    mv "$here.part" "$here" && sync "$top/before" || {
    rm -rf "$here.part"
    leave 3 "${why:-what was there before could not be written down; is the disk full or read-only?}"
  }
}

number() {
  last=0
  if [ -e "$top/number" ]; then last=$(cat "$top/number") || return; fi
  last=$((${last:-0} + 1))
  printf '%s\n' "$last" | put "$top/number" && printf '%s\n' "$last"
}

# packages_before FOLDER: name, version, status and wish of each that the step is about
packages_before() {
  true >"$1/packages" || return
  for name in $names; do
    queried "$name" '${Package} ${Version} ${db:Status-Status} ${db:Status-Want}\n' || return
    printf '%s\n' "${known:-$name - not-installed unknown}" >>"$1/packages" || return
  done
}

# queried NAME FORMAT: sets $known to what dpkg says of a package, to nothing where it has never heard of it
queried() {
  known=$(limited 60 dpkg-query -W -f "$2" -- "$1" 2>"$work/said") && return
  ended=$?
  if [ "$ended" = 1 ] && grep -q 'no packages found matching' "$work/said"; then known='' && return; fi
  why="dpkg does not say whether $1 is installed (status $ended): $(tail -n 1 "$work/said")"
  return 1
}

# files_before FOLDER
files_before() {
  for file in $paths; do
    if [ -e "$file" ] || [ -L "$file" ]; then
      mkdir -p "$1/files$(dirname "$file")" && cp -a "$file" "$1/files$file" || return
    else
      printf '%s\n' "$file" >>"$1/absent" || return
    fi
  done
  printf '%s\n' "$reload" >"$1/reload" || return
  [ "$reload" != sysctl ] || sysctls_before >"$1/sysctls"
}

# sysctls_before: those that the kernel has
sysctls_before() {
  keys=$(sed -n 's/^\([a-z0-9_.-]*\) = .*/\1/p' "$work"/*.text) || return
  for key in $keys; do
    place=/proc/sys/$(printf '%s' "$key" | tr . /)
    [ -e "$place" ] || continue
    value=$(cat "$place") && printf '%s = %s\n' "$key" "$value" || return
  done
}

units_before() {
  for name in $names; do
    unit_stands "$name" && printf '%s %s %s\n' "$name" "$enabled" "$active" >>"$1/units" || return
  done
}

# unit_stands NAME: sets $enabled and $active to systemd's words; only a word that it has is an answer
unit_stands() {
  enabled=$(limited 60 systemctl is-enabled -- "$1" 2>"$work/said" </dev/null | head -n 1)
  case $enabled in
    '') if grep -q 'No such file or directory' "$work/said"; then enabled=not-found; fi ;;
  esac
  active=$(limited 60 systemctl is-active -- "$1" 2>/dev/null </dev/null | head -n 1)
  case $enabled in
    enabled | enabled-runtime | linked | linked-runtime | alias | masked | masked-runtime | static | indirect | \
      disabled | generated | transient | bad | not-found) ;;
    *) enabled='' ;;
  esac
  case $active in
    active | reloading | refreshing | inactive | failed | activating | deactivating | maintenance) ;;
    *) active='' ;;
  esac
  [ -n "$enabled" ] && [ -n "$active" ] && return
  why="systemd does not say how $1 stands: $(tail -n 1 "$work/said")"
  return 1
}

# installed NAME: sets $there to the version that is wholly installed, to nothing where none is
installed() {
  queried "$1" '${db:Status-Status} ${Version}\n' || return
  there=$(printf '%s\n' "$known" | sed -n 's/^installed //p')
}

# must_know NAME: the same, where what was asked for is done already
must_know() { installed "$1" || leave 5 "$why"; }

install() {
  how=$1
  shift
  names=
  for word in "$@"; do names="$names ${word%%=*}"; done
  finish || leave 5 "what dpkg was interrupted at could not be finished: $(last_words)"
  keep packages_before
  apt update || true
  apt --no-remove --no-install-recommends --allow-change-held-packages install "$@" || {
    said=$(last_words)
    finish
    leave 5 "apt did not install $*: $said"
  }
  for word in "$@"; do
    must_know "${word%%=*}"
    [ -n "$there" ] || leave 5 "${word%%=*} is not wholly installed"
    case $word in *=*) [ "$there" = "${word#*=}" ] || leave 5 "${word%%=*} is $there" ;; esac
    if [ "$how" = hold ]; then apt-mark hold "${word%%=*}" >/dev/null || leave 5 "${word%%=*} could not be held"; fi
    printf 'package %s %s\n' "${word%%=*}" "$there"
  done
}

remove() {
  names=$*
  finish || leave 5 "what dpkg was interrupted at could not be finished: $(last_words)"
  keep packages_before
  gone=
  for name in $names; do
    installed "$name" || leave 3 "$why"
    [ -z "$there" ] || gone="$gone $name"
  done
  # shellcheck disable=SC2086 # names that hold neither spaces nor patterns
  if [ -n "$gone" ]; then
    apt --allow-change-held-packages remove $gone || leave 5 "apt did not remove$gone: $(last_words)"
  fi
  for name in $names; do
    must_know "$name"
    [ -z "$there" ] || leave 5 "$name is still installed"
    printf 'removed %s\n' "$name"
  done
}

restore_packages() {
  finish
  gone=
  while read -r name version status want; do
    installed "$name" || return
    if [ "$status" = installed ]; then
      [ "$there" = "$version" ] || back "$name" "$version" || return
      [ "$want" = hold ] || want=unhold
      why=$(apt-mark "$want" "$name" 2>&1 </dev/null) || return
    else
      case $known in '' | not-installed* | config-files*) ;; *) gone="$gone $name" ;; esac
    fi
  done <"$here/packages"
  # shellcheck disable=SC2086
  [ -z "$gone" ] || apt --allow-change-held-packages remove $gone
}

# back NAME VERSION: in that version, or where nobody has it any more in the one that there is
back() {
  # shellcheck disable=SC2086 # what was added is in the way of what was there
  added=$(sed -n 's/^\([^ ]*\) .* not-installed .*/\1-/p' "$here/packages" | tr '\n' ' ')
  apt --allow-downgrades --allow-change-held-packages --no-install-recommends install "$1=$2" $added ||
    apt --allow-change-held-packages --no-install-recommends install "$1" $added
}

# repository NAME KEY FINGERPRINT [FILE...]
repository() {
  name=$1 key=$2 fingerprint=$3
  shift 3
  cat >"$work/sources" || leave 3 'the disk is full or read-only'
  for tool in curl gpg; do has "$tool" || leave 3 "there is no $tool here, which repositories' keys are read with"; done
  sources=/etc/apt/sources.list.d/$name.sources ring=/etc/apt/keyrings/$name.asc note=$top/keys/$name
  home=$work/gpg
  mkdir -m 700 "$home"
  limited 90 curl -fsSL --proto '=http,https' --retry 2 --max-filesize 1000000 -o "$work/key" -- "$key" 2>"$work/said" \
    </dev/null || leave 3 "the key could not be fetched from $key: $(tail -n 1 "$work/said")"
  limited 60 gpg --homedir "$home" --batch --no-autostart --show-keys --with-colons "$work/key" >"$work/keys" 2>/dev/null
  found=$(awk -F: '$1 == "pub" { next_is = 1 } $1 == "fpr" && next_is { print $10; next_is = 0 }' "$work/keys")
  [ "$found" = "$fingerprint" ] ||
    leave 3 "the key from $key is not $fingerprint but $(printf '%s' "${found:-none}" | tr '\n' ' ')"
  limited 60 gpg --homedir "$home" --batch --no-autostart -q --import "$work/key" 2>/dev/null &&
    limited 60 gpg --homedir "$home" --batch --no-autostart --armor --export "$fingerprint" >"$work/ring" &&
    [ -s "$work/ring" ] || leave 3 'gpg does not take the key'
  paths="$sources $ring $note $*" reload=
  keep files_before
  put "$ring" <"$work/ring" && put "$sources" <"$work/sources" && rm -f -- "$@" &&
    printf '%s %s\n' "$fingerprint" "$(digest "$ring")" | put "$note" || undo 'the files could not be written'
  chmod 644 "$ring" "$sources"
  apt -o Dir::Etc::sourcelist="$sources" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 update ||
    undo "apt does not read it: $(last_words)"
  if printf '%s\n' "$why" | grep -qE '^(E:|Err:|W: (Failed|Some index|GPG error))'; then
    undo "apt does not read it: $(last_words)"
  fi
  why=$(apt-get indextargets 2>&1) || undo "apt does not take it beside the others: $(last_words)"
  printf 'fingerprint %s\nsources %s\n' "$fingerprint" "$(digest "$sources")"
}

undo() {
  why=
  restore_one || leave 5 "$1; and it could not be put back wholly: $(last_words)"
  leave 4 "$1"
}

allowed() {
  case $1 in
    /etc/sysctl.d/zz-ink-infra.conf | /etc/systemd/journald.conf.d/zz-ink-infra.conf) ;;
    /etc/apt/apt.conf.d/zz-ink-infra) ;;
    *) return 1 ;;
  esac
}

files() {
  reload=$1 paths='' count=0
  while read -r path sum text; do
    allowed "$path" || leave 3 "$path is no file that a baseline may write"
    count=$((count + 1))
    printf '%s' "$text" | base64 -d >"$work/$count.text" && [ "$(digest "$work/$count.text")" = "$sum" ] ||
      leave 3 "$path did not arrive whole"
    paths="$paths $path"
  done
  [ "$count" -gt 0 ] || leave 3 'no file arrived'
  keep files_before
  count=0
  for path in $paths; do
    count=$((count + 1))
    put "$path" <"$work/$count.text" && chmod 644 "$path" || undo "$path could not be written"
  done
  # shellcheck disable=SC2086
  reloaded $paths || undo "$why"
  for path in $paths; do printf 'file %s %s\n' "$path" "$(digest "$path")"; done
}

# reloaded FILE...: the files of ours are in force
reloaded() {
  case $reload in
    sysctl)
      for file in "$@"; do
        why=$(sysctl -q -p "$file" 2>&1) || return
        why="what $file sets could not be noted; is the disk full?"
        sed -n 's/^\([a-z0-9_.-]*\) = \(.*\)$/\1 \2/p' "$file" >"$work/values" || return
        while read -r key value; do
          now=$(tr '\t' ' ' <"/proc/sys/$(printf '%s' "$key" | tr . /)")
          why="$key is $now after it was set to $value"
          [ "$now" = "$value" ] || return
        done <"$work/values"
      done
      ;;
    journald)
      why=$(limited 60 systemctl restart systemd-journald 2>&1) || return
      why='what is set could not be noted; is the disk full?'
      grep -h '^[A-Z][A-Za-z]*=' "$@" >"$work/values" || return
      while IFS='=' read -r key value; do
        now=$(systemd-analyze cat-config systemd/journald.conf 2>/dev/null | sed -n "s/^$key *= *//p" | tail -n 1)
        why="$key is $now for journald: another file takes $value back"
        [ "$now" = "$value" ] || return
      done <"$work/values"
      ;;
    apt)
      why='what is set could not be noted; is the disk full?'
      sed -n '/^[A-Z]/p' "$@" >"$work/values" || return
      apt-config dump >"$work/dump" 2>/dev/null
      while read -r line; do
        why="another file of apt takes $line back"
        grep -qxF -- "$line" "$work/dump" || return
      done <"$work/values"
      ;;
    docker) restarted ;;
    '') ;;
  esac
}

units() {
  names=$*
  keep units_before
  for name in $names; do
    why=$(limited 90 systemctl enable --now -- "$name" 2>&1 </dev/null) || leave 5 "$name does not start: $why"
    [ "$(systemctl is-active -- "$name")" = active ] || leave 5 "$name does not run"
    unit_stands "$name" || leave 5 "$why"
    printf 'unit %s %s active\n' "$name" "$enabled"
  done
}

# restore_units: what is not as it was, and then is
restore_units() {
  while read -r name was_enabled was_active; do
    unit_stands "$name" || return
    [ "$enabled" != not-found ] || continue
    if [ "$enabled" = enabled ] && [ "$was_enabled" != enabled ]; then
      why=$(limited 60 systemctl disable -- "$name" 2>&1 </dev/null) || return
    fi
    if [ "$active" = active ] && [ "$was_active" != active ]; then
      why=$(limited 60 systemctl stop -- "$name" 2>&1 </dev/null) || return
    fi
  done <"$here/units"
}

# swap MIB: a run that was killed before the line in fstab is ended by the next one
swap() {
  count_ours /proc/swaps || leave 3 "$why"
  if [ "$ours" = 0 ]; then
    [ "$(df -P -k / | awk 'NR == 2 { print int($4 / 1024) }')" -gt $(($1 * 2)) ] ||
      leave 3 "there is not twice as much room on the disk as a swap file of $1 MiB takes"
    keep swap_before
    make_swap "$1" || undo "it is not taken: $why"
  fi
  ours=0
  if [ -e /etc/fstab ]; then count_ours /etc/fstab || undo "$why"; fi
  if [ "$ours" = 0 ]; then
    keep swap_before
    [ -e /etc/fstab ] || put /etc/fstab </dev/null || undo '/etc/fstab could not be written'
    with_ours && put /etc/fstab <"$work/fstab" || undo '/etc/fstab could not be written'
  fi
  printf 'swap %s\n' "$swap_file"
}

make_swap() {
  rm -f "$swap_file"
  why=$(umask 077 && limited 600 dd if=/dev/zero of="$swap_file" bs=1M count="$1" 2>&1) &&
    why=$(mkswap -q "$swap_file" 2>&1) && why=$(swapon "$swap_file" 2>&1)
}

swap_before() { if [ -e /etc/fstab ]; then true >"$1/swap"; else echo 'no fstab' >"$1/swap"; fi; }

# count_ours FILE: sets $ours to the number of lines that are about our swap file, in fstab or in the kernel's list
count_ours() {
  ours=$(grep -c "^$swap_pattern[[:space:]]" "$1") && return
  [ "$?" = 1 ] && return
  why="$1 could not be read"
  return 1
}

# with_ours: writes fstab with our line to $work/fstab; a last line that has no end gets one
with_ours() {
  had=$(lines /etc/fstab) && awk 1 /etc/fstab >"$work/fstab" &&
    printf '%s none swap sw 0 0\n' "$swap_file" >>"$work/fstab" && [ "$(lines "$work/fstab")" = $((had + 1)) ]
}

# without_ours: writes fstab without its $ours lines of ours to $work/fstab
without_ours() {
  had=$(lines /etc/fstab) || return
  grep -v "^$swap_pattern[[:space:]]" /etc/fstab >"$work/fstab" || [ "$?" = 1 ] || return
  [ "$(lines "$work/fstab")" = $((had - ours)) ]
}

# restore_swap: others may have changed fstab since, so that only our line goes. The swap file goes before it: on a disk
# that is full its room is what the new fstab is written into.
restore_swap() {
  count_ours /proc/swaps || return
  [ "$ours" = 0 ] || why=$(swapoff "$swap_file" 2>&1) || return
  rm -f "$swap_file" || return
  [ -e /etc/fstab ] || return 0
  count_ours /etc/fstab || return
  if [ "$ours" != 0 ]; then
    why='/etc/fstab could not be written; it still names the swap file, which is gone. Is the disk full or read-only?'
    without_ours && put /etc/fstab <"$work/fstab" || return
  fi
  if [ -s "$here/swap" ] && [ ! -s /etc/fstab ]; then rm -f /etc/fstab; fi
}

# daemon DIGEST
daemon() {
  file=/etc/docker/daemon.json
  base64 -d >"$work/daemon.json" && [ -s "$work/daemon.json" ] || leave 3 'the settings did not arrive whole'
  has dockerd && dockerd --help 2>/dev/null | grep -q -- --validate || leave 3 'this dockerd cannot check its settings'
  why=$(limited 30 dockerd --validate --config-file "$work/daemon.json" 2>&1) || leave 3 "dockerd does not take them: $why"
  now=$(digest "$file") wanted=$(digest "$work/daemon.json")
  if [ "$now" = "$wanted" ] && [ -e "$here/done" ]; then printf 'daemon %s\n' "$now" && return; fi
  [ "$now" = "$1" ] || [ "$now" = "$wanted" ] || leave 3 "$file was changed by somebody else meanwhile"
  paths=$file reload=docker
  keep docker_before
  put "$file" <"$work/daemon.json" || undo "$file could not be written"
  restarted || undo "$why"
  true >"$here/done"
  printf 'daemon %s\nrunning %s\n' "$(digest "$file")" "$(wc -l <"$here/running")"
}

# docker_before FOLDER: what runs, but for what is removed as soon as it ends: a build may end meanwhile
docker_before() { files_before "$1" && true >"$1/running" && note_running "$1/running"; }

# note_running FILE: a line for each at its end; a Docker that does not say so has not said that nothing runs
note_running() {
  ids=$(limited 20 docker ps -q --no-trunc 2>"$work/said") || {
    why="Docker does not say what runs, which has to run again after its restart: $(tail -n 1 "$work/said")"
    return 1
  }
  for id in $ids; do
    removed=$(limited 20 docker inspect -f '{{.HostConfig.AutoRemove}}' "$id" 2>"$work/said")
    case $removed in
      false) printf '%s\n' "$id" >>"$1" || return ;;
      true) ;;
      *)
        is_there "$id" || return
        [ -z "$there" ] && continue
        why="Docker does not say what container $id is, which runs: $(tail -n 1 "$work/said")"
        return 1
        ;;
    esac
  done
}

# is_there ID: sets $there to the container's id, to nothing where it is gone, as Docker's own list has it
is_there() {
  there=$(limited 20 docker ps -a -q --no-trunc --filter "id=$1" 2>"$work/said.list") && return
  why="Docker does not say whether container $1 is still there: $(tail -n 1 "$work/said.list")"
  return 1
}

answers() {
  left=60
  until limited 10 docker info >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return
    sleep 1
  done
}

# restarted [FILE]: Docker answers with the settings that lie there, and what ran before runs: FILE lists it
# Whether containers live on is read anew without a restart: they then outlive it.
restarted() {
  limited 30 systemctl reload docker >/dev/null 2>&1 && sleep 1
  systemctl reset-failed docker.service >/dev/null 2>&1
  why=$(limited 180 systemctl restart docker 2>&1) || {
    why="Docker does not start: $(journalctl -u docker.service -n 5 -o cat 2>/dev/null | tr '\n' ' ')"
    return 1
  }
  answers || { why='Docker does not answer' && return 1; }
  while read -r id; do
    running "$id" || limited 60 docker start "$id" >/dev/null 2>&1
    running "$id" || { why="container $id ran before and does not run any more" && return 1; }
  done <"${1:-$here/running}"
}

# restarted_later: others have come and gone since the settings were made: what runs now has to run again
# A Docker that comes up without live-restore stops what lived on, as if a person had: it starts none of that again.
restarted_later() {
  up || return
  true >>"$here/now" && note_running "$here/now" && sort -u "$here/now" >"$work/now" && true >"$work/still" || return
  while read -r id; do
    is_there "$id" || return
    [ -z "$there" ] || printf '%s\n' "$id" >>"$work/still" || return
  done <"$work/now"
  restarted "$work/still"
}

# up: Docker answers; one that was stopped is started, with the settings that lie there now
up() {
  limited 20 docker info >/dev/null 2>&1 && return
  why=$(limited 180 systemctl start docker 2>&1) && answers || {
    why="Docker does not run, so that nobody can say what has to run again: $why"
    return 1
  }
}

running() { [ "$(limited 20 docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }

# prove IMAGE
prove() {
  container=ink-proof-$operation
  docker rm -f "$container" >/dev/null 2>&1
  had=$(limited 20 docker image inspect -f '{{.Id}}' "$1" 2>"$work/said") || grep -qi 'no such image' "$work/said" ||
    leave 3 "Docker does not say whether it has $1: $(tail -n 1 "$work/said")"
  limited 180 docker run --rm --name "$container" --runtime runsc --entrypoint dmesg "$1" >"$work/out" 2>"$work/err" \
    </dev/null
  ended=$?
  docker rm -f "$container" >/dev/null 2>&1
  [ -n "$had" ] || docker image rm "$1" >/dev/null 2>&1
  [ "$ended" = 0 ] || leave 3 "no container starts under it: $(tail -n 3 "$work/err" | tr '\n' ' ')"
  grep -q 'Starting gVisor' "$work/out" || leave 3 "the kernel of a container is not gVisor's: $(head -n 1 "$work/out")"
  printf 'kernel gVisor\nrunsc %s\n' "$(runsc --version 2>/dev/null | sed -n 's/^runsc version //p')"
}

# copy_back FILE: the one that was kept, whole or not at all
copy_back() {
  why=$(mkdir -p "$(dirname "$1")" && cp -a "$here/files$1" "$1.ink-new" 2>&1) && { [ -L "$1.ink-new" ] || sync "$1.ink-new"; } &&
    mv -f "$1.ink-new" "$1" && sync "$(dirname "$1")" && return
  rm -f "$1.ink-new"
  why="$1 could not be written: $why"
  return 1
}

# restore_sysctls: one that nobody can set was not set by us either: what counts is what it is
restore_sysctls() {
  sysctl -q -p "$here/sysctls" >/dev/null 2>&1
  while read -r key _ value; do
    now=$(cat "/proc/sys/$(printf '%s' "$key" | tr . /)") || return
    why="$key is $now after it was set back to $value"
    [ "$(printf '%s' "$now" | tr '\t' ' ')" = "$(printf '%s' "$value" | tr '\t' ' ')" ] || return
  done <"$here/sysctls"
}

restore_files() {
  if [ -e "$here/absent" ]; then
    while read -r file; do why=$(rm -f -- "$file" 2>&1) || return; done <"$here/absent"
  fi
  (cd "$here/files" && find . ! -type d) >"$work/kept" || return
  while read -r file; do
    file=${file#.}
    copy_back "$file" || return
  done <"$work/kept"
  [ ! -s "$here/sysctls" ] || restore_sysctls || return
  reload=$(cat "$here/reload") || return
  case $reload in
    journald) why=$(limited 60 systemctl restart systemd-journald 2>&1) ;;
    docker) if [ "$verb" = restore-all ]; then restarted_later; else restarted; fi ;;
  esac
}

# restore_one: what was kept in $here; a folder that was given back has another name
restore_one() {
  [ -d "$here" ] || return 0
  if [ -e "$here/packages" ]; then restore_packages || return; fi
  if [ -e "$here/units" ]; then restore_units || return; fi
  if [ -e "$here/swap" ]; then restore_swap || return; fi
  if [ -e "$here/reload" ]; then restore_files || return; fi
  rm -rf "$here.restored"
  mv "$here" "$here.restored" && sync "$top/before"
}

restore() {
  if [ ! -d "$here" ]; then printf 'restored nothing\n' && return; fi
  restore_one || leave 5 "not all could be given back: $(last_words)"
  printf 'restored %s\n' "${here##*/}"
}

restore_all() {
  true >"$work/found" || leave 3 'the disk is full or read-only'
  for number in "$top"/before/*/number; do
    case $number in *'*'* | *.part/number | *.restored/number) continue ;; esac
    place=$(cat "$number") && printf '%s %s\n' "$place" "${number%/number}" >>"$work/found" ||
      leave 3 "$number could not be read or listed; is the disk full or read-only?"
  done
  sort -rn "$work/found" >"$work/all" || leave 3 'the disk is full or read-only'
  while read -r _ folder; do
    here=$folder
    restore </dev/null
  done <"$work/all"
}

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  verb=$2 operation=$3 part=$4
  shift 4
  case $operation$part in *[!a-zA-Z0-9-]*) leave 3 'that is no name of an operation' ;; esac
  here=$top/before/$operation-$part
  alone
  case $verb in
    finish) finish || leave 5 "what dpkg was interrupted at could not be finished: $(last_words)" ;;
    install | remove | repository | files | units | swap | daemon | prove | restore) "$verb" "$@" ;;
    restore-all) restore_all ;;
    *) leave 3 "there is no $verb" ;;
  esac
  echo 'done'
}

main "$@"
