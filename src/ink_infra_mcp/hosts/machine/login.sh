# Changes who may log in to this server and how, so that no change leaves it without a way in.
# usage: sh -s -- ink-login VERB [ARGUMENT...]
#   look USER                      says what sshd does; the only verb that changes nothing
#   admit USER MARKER SUM          writes the line of data into the user's authorized_keys
#   widen USER MARKER SUM          lets the key with that marker in from the network of data, too; narrow: no more
#   remove USER MARKER             takes the lines with that marker out of it
#   make-keys CHANGE               makes new host keys beside those in use
#   use-keys CHANGE | drop-keys CHANGE | back-keys CHANGE
#                                  puts them in their place; forgets the earlier ones; puts the earlier ones back
#   set CHANGE SECONDS FIRST SUM   arms the switch, then puts our settings of sshd in their place
#   keep CHANGE                    disarms the switch
#   revert CHANGE | original       puts back what was before the change, or before all of ours
#   fire CHANGE ROUND              what the switch runs, by its timer or (ROUND `boot`) when the server starts
# Exit status: 3 nothing was changed, 4 it is as before, 5 it is not known to be; words on standard error.
#
# A change is a folder below $top. In it one file says where the change is: `armed`, `kept` or `reverted`; going from one
# to another is a rename.

set -u
umask 077
LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL LANG LANGUAGE PATH

top=/var/lib/ink-infra/login
main=/etc/ssh/sshd_config
dropin=/etc/ssh/sshd_config.d/00-ink-infra.conf
line="Include $dropin"
units=/etc/systemd/system
switch=ink-infra-login-revert
when=now
why=

leave() {
  status=$1
  shift
  printf 'ink-login: %s\n' "$*" >&2
  exit "$status"
}

# limited SECONDS COMMAND...: a command that hangs is stopped; what it starts does not hold our lock
limited() {
  seconds=$1
  shift
  timeout -k 5 "$seconds" "$@" 9>&-
}

quietly() { limited 60 "$@" >/dev/null 2>&1 </dev/null; }

has() { command -v "$1" >/dev/null 2>&1; }

sum() { sha256sum | cut -d ' ' -f 1; }

# put FILE MODE: write standard input to a file, whole or not at all
put() {
  cat >"$1.ink-new" && chmod "$2" "$1.ink-new" && sync "$1.ink-new" && mv -f "$1.ink-new" "$1" &&
    sync "$(dirname "$1")" && return
  rm -f "$1.ink-new"
  return 1
}

# ask [OPTION...]: sshd itself, by its full path, which it insists on
ask() { limited 30 "$(command -v sshd)" "$@" 2>/dev/null </dev/null; }

state_of() {
  for state in armed kept reverted; do
    [ -e "$top/$1/$state" ] && echo "$state" && return
  done
  echo none
}

has_line() { [ "$(head -n 1 "$main" 2>/dev/null)" = "$line" ]; }

look() {
  printf 'uid %s\ncame_from %s\n' "$(id -u)" "${SSH_CONNECTION:-}"
  for tool in sshd ssh-keygen flock timeout sha256sum systemctl systemd-run; do
    has "$tool" && printf 'has %s\n' "$tool"
  done
  [ -d /run/systemd/system ] && echo 'has systemd'
  has sshd || return 0
  ask -T | sed 's/^/says /'
  from=${SSH_CONNECTION:-127.0.0.1 0 127.0.0.1 22}
  # shellcheck disable=SC2086 # four words
  set -- "$1" $from
  ask -T -C "user=$1,host=$2,addr=$2,laddr=$4,lport=$5" | sed 's/^/says_us /'
  # what it would use by itself: sshd has no other way to name the algorithms that it knows
  ask -T -f /dev/null | sed -n 's/^\(kexalgorithms\|ciphers\|macs\|hostkeyalgorithms\) /knows &/p'
  told "$main" 0
  for unit in ssh.service sshd.service ssh.socket sshd.socket; do
    printf 'unit %s %s\n' "$unit" "$(limited 20 systemctl is-active "$unit" 2>/dev/null </dev/null)"
  done
  # the listener's title holds the words it was started with
  for folder in /proc/[0-9]*; do
    [ "$(cat "$folder/comm" 2>/dev/null)" = sshd ] || continue
    title=$(tr '\0' ' ' <"$folder/cmdline" 2>/dev/null)
    printf '%s\n' "$title" | sed -n 's/^\(sshd: \)\{0,1\}\(\/[^[]*\).*/runs \2/p'
  done | sort -u
  [ -e "$dropin" ] && printf 'dropin %s\n' "$(sum <"$dropin")"
  has_line && echo 'line yes'
  for folder in "$top"/*/; do
    folder=${folder%/}
    [ -e "$folder/script" ] && printf 'change %s %s\n' "${folder##*/}" "$(state_of "${folder##*/}")"
  done
  return 0
}

# told FILE DEPTH: its lines in the order in which sshd reads them, included files at their place
told() {
  printf 'in %s\n' "$1"
  if [ -r "$1" ] && [ "$2" -lt 16 ]; then
    while IFS= read -r text || [ -n "$text" ]; do
      printf 'at %s\n' "$text"
      case $text in
        *[Ii][Nn][Cc][Ll][Uu][Dd][Ee]*) included "$text" "$2" ;;
      esac
    done <"$1"
  else
    echo 'unread'
  fi
  echo 'out'
}

included() {
  patterns=$(printf '%s\n' "$1" | sed -n 's/^[[:space:]]*"\{0,1\}[Ii][Nn][Cc][Ll][Uu][Dd][Ee]"\{0,1\}[[:space:]=][[:space:]]*//p' | tr -d '"')
  for file in $patterns; do
    case $file in
      /*) ;;
      *)
        for below in /etc/ssh/$file; do [ ! -e "$below" ] || told "$below" $(($2 + 1)); done
        continue
        ;;
    esac
    [ ! -e "$file" ] || told "$file" $(($2 + 1))
  done
}

# ready: what a change needs is here
ready() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  for tool in sshd ssh-keygen flock timeout sha256sum systemctl systemd-run; do
    has "$tool" || leave 3 "there is no $tool here"
  done
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here, so nothing could put the old settings back'
}

# alone CHANGE [SECONDS]: nobody else changes the logins now
alone() {
  mkdir -p "$top" || leave 3 "cannot write below $top"
  true >>"$top/lock" && exec 9>"$top/lock" || leave 3 "cannot write below $top"
  flock -w "${2:-90}" 9 || leave 3 'another change of the logins is going on'
  for other in "$top"/*/armed; do
    [ -e "$other" ] && [ "$other" != "$top/$1/armed" ] &&
      leave 3 "the change ${other%/armed} is still in its time of probation"
  done
  here=$top/$1
}

# --- keys of users

# keys_of USER: sets $home, $file to where sshd looks for the user's keys, and $folder
keys_of() {
  entry=$(getent passwd "$1") || leave 3 "there is no user $1"
  home=$(printf '%s\n' "$entry" | cut -d : -f 6)
  group=$(printf '%s\n' "$entry" | cut -d : -f 4)
  first=$(ask -T -C "user=$1,host=localhost,addr=127.0.0.1" | sed -n 's/^authorizedkeysfile \([^ ]*\).*/\1/p')
  [ -n "$first" ] || leave 3 'sshd does not say where it looks for the keys of users'
  [ "$first" != none ] || leave 3 'sshd looks for no keys of users (AuthorizedKeysFile none)'
  file=$(printf '%s\n' "$first" | sed "s|%h|$home|g; s|%u|$1|g; s|%%|%|g")
  case $file in /*) ;; *) file=$home/$file ;; esac
  folder=$(dirname "$file")
  for place in "$home" "$folder" "$file"; do
    [ ! -L "$place" ] || leave 3 "$place is a symbolic link, which is not followed"
  done
  [ -d "$home" ] || leave 3 "the home of $1, $home, is not there"
}

# settle_modes USER: what sshd's StrictModes asks for
settle_modes() {
  case $folder in
    "$home"/*) mkdir -p "$folder" && chown "$1:$group" "$folder" && chmod 700 "$folder" ;;
    *) mkdir -p "$folder" ;;
  esac
}

# read_keys: sets $old to the lines of the file; one that cannot be read is not an empty one
read_keys() {
  old=
  [ ! -e "$file" ] || old=$(cat "$file")
}

# without MARKER: sets $kept to the lines that have not that marker
without() { kept=$(printf '%s\n' "$old" | grep -v -- " $1\$") || [ "$?" = 1 ]; }

printed() { [ -z "$1" ] || printf '%s\n' "$1"; }

# write_keys USER: standard input becomes the file, at once
write_keys() {
  rm -f "$file.ink-new"
  cat >"$file.ink-new" && chown "$1:$group" "$file.ink-new" && chmod 600 "$file.ink-new" && sync "$file.ink-new" &&
    mv -f "$file.ink-new" "$file" && sync "$folder" && return
  rm -f "$file.ink-new"
  return 1
}

# blobs: of lines of keys, each the key itself
blobs() {
  sed -n 's/^\(.*[[:space:]]\)\{0,1\}\(ssh-[a-z0-9]*\|ecdsa-sha2-[a-z0-9]*\|sk-[a-z0-9@.-]*\)[[:space:]]\{1,\}\([A-Za-z0-9+/=]\{40,\}\).*/\3/p'
}

# admit USER MARKER SUM
admit() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  mkdir -p "$top" && true >>"$top/lock" && exec 9>"$top/lock" && flock -w 90 9 || leave 3 'another change of the logins is going on'
  wanted=$(cat)
  [ "$(printf '%s\n' "$wanted" | sum)" = "$3" ] || leave 3 'the key did not arrive whole'
  keys_of "$1"
  blob=$(printf '%s\n' "$wanted" | blobs)
  [ -n "$blob" ] || leave 3 'what arrived is no key'
  read_keys && without "$2" || leave 3 "$file could not be read"
  state=there
  if ! printf '%s\n' "$old" | grep -qxF -- "$wanted"; then
    same=$(printf '%s\n' "$kept" | grep -F -- "$blob" | grep -v '^[[:space:]]*#')
    # a line without any option lets in from everywhere, whatever another line says
    case "$same/$wanted" in
      /*) ;;
      ssh-*/ssh-* | ecdsa-*/ecdsa-*) printf 'key earlier\nfile %s\n' "$file" && return ;;
      *) leave 3 "$file of $1 has this key already, with other limits" ;;
    esac
    settle_modes "$1" || leave 3 "$folder could not be made"
    { printed "$kept" && printf '%s\n' "$wanted"; } | write_keys "$1" ||
      leave 3 "$file could not be written; is the disk full or read-only, or is the file immutable?"
    state=added
  fi
  settle_modes "$1" && chmod 600 "$file" && chown "$1:$group" "$file" || leave 5 "the modes of $file could not be set"
  grep -qxF -- "$wanted" "$file" || leave 5 "$file has not the key that was written"
  printf 'key %s\nfile %s\n' "$state" "$file"
}

# sources USER MARKER SUM ADDING: the line with the marker lets in from the network of data as well, or no more
sources() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  mkdir -p "$top" && true >>"$top/lock" && exec 9>"$top/lock" && flock -w 90 9 || leave 3 'another change of the logins is going on'
  wanted=$(cat)
  [ "$(printf '%s\n' "$wanted" | sum)" = "$3" ] || leave 3 'the network did not arrive whole'
  case $wanted in '' | *[!0-9a-f.:/]*) leave 3 'what arrived is no network' ;; esac
  keys_of "$1"
  read_keys && without "$2" || leave 3 "$file could not be read"
  ours=$(printf '%s\n' "$old" | grep -- " $2\$") || ours=
  list=$(printf '%s\n' "$ours" | sed -n 's/^from="\([^"]*\)".*/\1/p')
  case ",$list," in
    ,,) state=open ;;
    *",$wanted,"*) [ "$4" = yes ] && state=there || state=removed ;;
    *) [ "$4" = yes ] && state=added || state=absent ;;
  esac
  case $state in
    added) new="$wanted,$list" ;;
    removed) new=$(printf '%s\n' "$list" | tr , '\n' | grep -vxF -- "$wanted" | paste -s -d , -) ;;
    *) printf 'key %s\nfile %s\n' "$state" "$file" && return ;;
  esac
  [ -n "$new" ] || leave 3 "the key with $2 would let in from everywhere"
  line=$(printf '%s\n' "$ours" | sed "s|^from=\"[^\"]*\"|from=\"$new\"|")
  { printed "$kept" && printf '%s\n' "$line"; } | write_keys "$1" ||
    leave 3 "$file could not be written; is the disk full or read-only, or is the file immutable?"
  grep -qxF -- "$line" "$file" || leave 5 "$file has not the line that was written"
  printf 'key %s\nfile %s\n' "$state" "$file"
}

# remove USER MARKER
remove() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  mkdir -p "$top" && true >>"$top/lock" && exec 9>"$top/lock" && flock -w 90 9 || leave 3 'another change of the logins is going on'
  keys_of "$1"
  read_keys && without "$2" || leave 3 "$file could not be read"
  if [ "$kept" != "$old" ]; then
    printed "$kept" | write_keys "$1" || leave 3 "$file could not be written"
    read_keys && without "$2" && [ "$kept" = "$old" ] || leave 5 "$file still has the key, or could not be read again"
    printf 'key removed\nfile %s\n' "$file"
  else
    printf 'key absent\nfile %s\n' "$file"
  fi
}

# --- host keys

# host_keys: of what sshd says, the files of the private host keys that it uses; it names some that are not there
host_keys() {
  printf '%s\n' "$says" | sed -n 's/^hostkey //p' | while read -r key; do [ ! -e "$key" ] || echo "$key"; done
}

public_keys() {
  for name in "$@"; do cut -d ' ' -f 1,2 "$name.pub" | sed 's/^/host_key /'; done
}

make_keys() {
  ready
  alone "$1"
  made=$top/keys-$1
  says=$(ask -T) && [ -n "$says" ] || leave 3 'sshd does not say which host keys it has'
  [ -z "$(printf '%s\n' "$says" | sed -n 's/^hostcertificate //p')" ] ||
    leave 3 'sshd shows a host certificate, which new keys would not fit'
  if [ ! -d "$made" ]; then
    rm -rf "$made.part" && mkdir "$made.part" || leave 3 "cannot write below $top"
    for key in $(host_keys); do
      [ -e "$key.pub" ] || leave 3 "the host key $key would stay, since its public part is not beside it: \`ssh-keygen -y -f $key >$key.pub\`"
      kind=$(cut -d ' ' -f 1 "$key.pub")
      case $kind in
        ssh-ed25519) bits='' kind=ed25519 ;;
        ssh-rsa) bits='-b 3072' kind=rsa ;;
        ecdsa-*) bits='' kind=ecdsa ;;
        *) leave 3 "a host key is of the kind $kind, which is not known here" ;;
      esac
      # shellcheck disable=SC2086 # an option and its number
      quietly ssh-keygen -q -t $kind $bits -N '' -C "root@$(uname -n)" -f "$made.part/${key##*/}" ||
        leave 3 'ssh-keygen made no key'
      printf '%s\n' "$key" >>"$made.part/places"
    done
    [ -s "$made.part/places" ] || leave 3 'sshd names no host key that lies in a file'
    sync "$made.part"/* "$made.part"
    mv "$made.part" "$made" && sync "$top" || leave 3 "cannot write below $top"
  fi
  public_keys "$made"/ssh_host_ed25519_key "$made"/*_key 2>/dev/null | awk '!seen[$0]++'
}

# exchange_keys FROM: each key with its public part, whole or not at all
exchange_keys() {
  while read -r key; do
    for ending in '' .pub; do
      cp -p "$1/${key##*/}$ending" "$key$ending.ink-new" && sync "$key$ending.ink-new" || return
    done
    mv -f "$key.ink-new" "$key" && mv -f "$key.pub.ink-new" "$key.pub" || return
  done <"$made/places" && sync /etc/ssh
}

use_keys() {
  ready
  alone "$1"
  made=$top/keys-$1
  [ -d "$made" ] || leave 3 'no host keys were made for this change'
  if [ ! -d "$made/old" ]; then
    rm -rf "$made/old.part" && mkdir "$made/old.part" || leave 3 "cannot write below $top"
    while read -r key; do cp -p "$key" "$key.pub" "$made/old.part/" || leave 3 "cannot write below $top"; done <"$made/places"
    sync "$made/old.part"/* && mv "$made/old.part" "$made/old" && sync "$made" || leave 3 "cannot write below $top"
  fi
  if exchange_keys "$made" && ask -t && reload_sshd; then
    public_keys $(cat "$made/places")
    return
  fi
  exchange_keys "$made/old" && reload_sshd || leave 5 'the earlier host keys could not be put back'
  leave 4 'the new host keys could not be put in their place'
}

drop_keys() {
  ready
  alone "$1"
  rm -rf "$top/keys-$1" "$top/keys-$1.part"
  sync "$top"
}

back_keys() {
  ready
  alone "$1"
  made=$top/keys-$1
  [ ! -d "$made/old" ] || { exchange_keys "$made/old" && reload_sshd; } || leave 5 'the earlier host keys could not be put back'
  rm -rf "$made"
}

# --- settings of sshd

# reload_sshd: connections that are open stay; where a socket starts sshd for each, the next one reads the new settings
reload_sshd() {
  for unit in ssh.service sshd.service; do
    quietly systemctl is-active "$unit" || continue
    # sshd that a socket started could not be reloaded in some versions of Ubuntu 24.04; sessions outlive a restart
    quietly systemctl reload "$unit" && quietly systemctl is-active "$unit" && return
    quietly systemctl restart "$unit"
    return
  done
  for unit in ssh.socket sshd.socket; do quietly systemctl is-active "$unit" && return; done
  return 1
}

# as_wanted [OPTION...]: sshd says each of the settings that we want
as_wanted() {
  ask -T "$@" >"$here/says" || { why='sshd does not take its settings' && return 1; }
  while IFS= read -r setting; do
    grep -qxF -- "$setting" "$here/says" || { why="sshd does not say: $setting" && return 1; }
  done <"$here/expected"
}

# set_ CHANGE SECONDS FIRST SUM
set_() {
  ready
  alone "$1"
  case $(state_of "$1") in kept) leave 3 'this change was kept already' ;; *) ;; esac
  mkdir -p "$here" && put "$here/data" 600 || leave 3 'the new settings could not be written down; is the disk full?'
  [ "$(sum <"$here/data")" = "$4" ] || leave 3 'the new settings did not arrive whole'
  for part in dropin expected script; do
    sed -n "/^== $part\$/,/^== /{/^== /!p;}" "$here/data" >"$here/$part" || leave 3 'the disk is full or read-only'
  done
  { printf 'Include %s\n' "$here/dropin" && cat "$main"; } >"$here/trial" || leave 3 'the disk is full or read-only'
  ask -t || leave 3 "sshd does not take the settings that it has now: $("$(command -v sshd)" -t 2>&1 | tail -n 1)"
  ask -t -f "$here/trial" || leave 3 "sshd does not take the new settings: $("$(command -v sshd)" -t -f "$here/trial" 2>&1 | tail -n 1)"
  as_wanted -f "$here/trial" || leave 3 "on a copy, $why"
  if [ ! -e "$here/saved" ]; then
    rm -f "$here/had_dropin" "$here/had_line"
    if [ -e "$dropin" ]; then cp -p "$dropin" "$here/had_dropin" || leave 3 'the disk is full or read-only'; fi
    if has_line; then true >"$here/had_line" || leave 3 'the disk is full or read-only'; fi
    cp -p "$main" "$here/main_before" && true >"$here/saved" && sync "$here"/* || leave 3 'the disk is full or read-only'
  fi
  arm "$1" "$2"
  mkdir -p "${dropin%/*}" && put "$dropin" 644 <"$here/dropin" || failed "$1" 'the file could not be written'
  [ "$3" = no ] || has_line || put_line || failed "$1" "$main could not be written"
  ask -t && as_wanted || failed "$1" "${why:-sshd does not take its settings}"
  reload_sshd || failed "$1" 'sshd could not be reloaded'
  report "$1"
}

# failed CHANGE WORDS
failed() {
  put_back || leave 5 "$2; and the earlier settings could not be put back yet, which is tried again"
  disarm "$1" reverted
  leave 4 "$2"
}

put_line() {
  cp -p "$main" "$main.ink-new" && { printf '%s\n' "$line" && cat "$main"; } >"$main.ink-new" && sync "$main.ink-new" &&
    mv -f "$main.ink-new" "$main" && sync /etc/ssh
}

take_line() {
  has_line || return 0
  cp -p "$main" "$main.ink-new" && tail -n +2 "$main" >"$main.ink-new" && sync "$main.ink-new" &&
    mv -f "$main.ink-new" "$main" && sync /etc/ssh
}

# put_back: what was saved; at boot nothing has been started yet
put_back() {
  [ -e "$here/saved" ] || return 0
  rm -f "$dropin.ink-new" "$main.ink-new"
  if [ -e "$here/had_dropin" ]; then
    put "$dropin" 644 <"$here/had_dropin" || return
  else
    rm -f "$dropin" || return
  fi
  [ -e "$here/had_line" ] || take_line || return
  [ "$when" = boot ] || reload_sshd
}

# arm CHANGE SECONDS: from the rename on, the new round's timer and the next boot count, and no older timer
arm() {
  last=$(cat "$here/armed" 2>/dev/null)
  round=$((${last:-0} + 1))
  boot_unit "$1" | put "$units/$switch.service" 644 && quietly systemctl daemon-reload &&
    quietly systemctl enable "$switch.service" && sync "$units/sysinit.target.wants" || cannot_arm
  timer "$1" "$round" "$2" || cannot_arm
  printf '%s\n' "$round" | put "$here/armed" 600 || {
    quietly systemctl stop "$switch-$1-$round.timer"
    cannot_arm
  }
  rm -f "$here/reverted"
  [ -z "$last" ] || quietly systemctl stop "$switch-$1-$last.timer"
}

cannot_arm() {
  [ -n "$last" ] || unarm_boot
  leave 3 'the switch that would put the earlier settings back could not be armed; is the disk full or read-only?'
}

# timer CHANGE ROUND SECONDS [AGAIN]
timer() {
  unit=$switch-$1-$2${4:-}
  quietly systemctl stop "$unit.timer" "$unit.service"
  quietly systemctl reset-failed "$unit.service"
  quietly systemd-run --unit="$unit" --on-active="${3}s" --timer-property=AccuracySec=1s \
    /bin/sh "$top/$1/script" ink-login fire "$1" "$2" && quietly systemctl is-active "$unit.timer"
}

boot_unit() {
  cat <<UNIT
[Unit]
Description=Put the settings of sshd back as they were: the server was off before the change was kept
DefaultDependencies=no
ConditionPathExists=$top/$1/armed
RequiresMountsFor=$top /etc
After=local-fs.target systemd-remount-fs.service
Before=ssh.service sshd.service ssh.socket sshd.socket shutdown.target
Conflicts=shutdown.target
[Service]
Type=oneshot
ExecStart=/bin/sh $top/$1/script ink-login fire $1 boot
[Install]
WantedBy=sysinit.target
UNIT
}

unarm_boot() {
  rm -f "$units/$switch.service" "$units/$switch.service.ink-new" "$units/sysinit.target.wants/$switch.service"
  [ "$when" = boot ] || quietly systemctl daemon-reload
}

# disarm CHANGE STATE: the rename is what counts
disarm() {
  [ -e "$here/armed" ] || true >"$here/armed" || return
  mv -f "$here/armed" "$here/$2" || return
  [ "$2" = kept ] || rm -f "$here/kept"
  sync "$here"
  [ "$when" = boot ] || quietly systemctl stop "$switch-$1-*.timer"
  unarm_boot
}

keep() {
  ready
  alone "$1"
  case $(state_of "$1") in
    armed | kept) ;;
    reverted) leave 4 'the switch has put the earlier settings back, since the change was not kept in time' ;;
    *) leave 3 'nothing was set for this change' ;;
  esac
  as_wanted || leave 5 "$why"
  [ -e "$here/kept" ] || disarm "$1" kept || leave 5 'the switch could not be disarmed'
  report "$1"
}

revert() {
  ready
  alone "$1"
  if [ "$1" = original ]; then
    for other in "$top"/*/armed; do [ ! -e "$other" ] || leave 3 "the change ${other%/armed} is in its time of probation"; done
    rm -f "$dropin" && take_line && ask -t && reload_sshd || leave 5 'the settings of sshd could not be put back'
    printf 'change original reverted\n'
    return
  fi
  case $(state_of "$1") in
    none) [ ! -e "$here/saved" ] || put_back || leave 5 'the earlier settings could not be put back' ;;
    reverted) ;;
    *)
      put_back || leave 5 'the earlier settings could not be put back'
      disarm "$1" reverted || leave 5 'the switch could not be disarmed'
      ;;
  esac
  report "$1"
}

# fire CHANGE ROUND: an older round, or one that was kept or reverted meanwhile, does nothing
fire() {
  alone "$1" 86400
  [ -e "$here/armed" ] || exit 0
  [ "$2" != boot ] || when=boot
  round=$(cat "$here/armed")
  [ "$when" = boot ] || [ "$round" = "$2" ] || exit 0
  put_back && disarm "$1" reverted && return
  when=now
  timer "$1" "$round" 30 "-again-$(date +%s)"
  leave 5 'not all is back'
}

report() { printf 'change %s %s\n' "$1" "$(state_of "$1")"; }

word() { case $1 in '' | *[!a-z0-9_-]* | -*) leave 3 'a word of the command is not one' ;; esac; }

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  [ "${1:-}" = ink-login ] || leave 3 'this is not how it is called'
  verb=${2:-} count=$#
  [ "$count" -lt 3 ] || shift 2
  [ "$count" -lt 3 ] || for argument; do word "$argument"; done
  case $verb/$count in
    look/3) look "$@" ;;
    admit/5) admit "$@" ;;
    widen/5) sources "$@" yes ;;
    narrow/5) sources "$@" no ;;
    remove/4) remove "$@" ;;
    make-keys/3) make_keys "$@" ;;
    use-keys/3) use_keys "$@" ;;
    drop-keys/3) drop_keys "$@" ;;
    back-keys/3) back_keys "$@" ;;
    set/6) set_ "$@" ;;
    keep/3) keep "$@" ;;
    revert/3) revert "$@" ;;
    fire/4) fire "$@" ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  echo done
}

main "$@"
