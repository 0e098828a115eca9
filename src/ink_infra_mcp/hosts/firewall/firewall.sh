# Changes this server's own firewall, so that the old one comes back by itself unless the change is kept in time.
# usage: sh -s -- ink-firewall VERB [ARGUMENT...]
#   look                                   says what there is; the only verb that changes nothing
#   save   CHANGE MANAGER SUM              keeps what a revert needs; the data is this script
#   set    CHANGE MANAGER SECONDS DIGEST SUM   arms the switch, then applies the data
#   keep   CHANGE DIGEST                   makes it last, then disarms the switch
#   revert CHANGE                          puts back what was saved
#   fire   CHANGE ROUND                    what the switch runs, by its timer or (ROUND `boot`) when the server starts
# Exit status: 3 nothing was changed, 4 the old firewall is back, 5 it is not known to be back; words on standard error.
#
# A change is a folder below $top, which exists once all is saved. In it one file says where the change is:
# `armed`, `kept` or `reverted`; going from one to another is a rename, which also works on a full disk.

set -u
umask 077
LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL LANG LANGUAGE PATH

top=/var/lib/ink-infra/firewall
kept_table=/etc/ink-infra/firewall.nft
units=/etc/systemd/system
loader=ink-infra-firewall.service
flusher=$units/nftables.service.d/ink-infra.conf
switch=ink-infra-firewall-revert
when=now
why=
ufw_files='/etc/ufw/user.rules /etc/ufw/user6.rules /etc/default/ufw /etc/ufw/ufw.conf'

leave() {
  status=$1
  shift
  printf 'ink-firewall: %s\n' "$*" >&2
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

# put FILE: write standard input to a file, whole or not at all
put() {
  cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "$(dirname "$1")" && return
  rm -f "$1.new"
  return 1
}

# manager: who keeps this firewall; `unknown` where one that is installed does not say whether it does
manager() {
  if has ufw; then
    case $(limited 30 ufw status 2>/dev/null </dev/null) in
      'Status: active'*) echo ufw && return ;;
      'Status: inactive'*) ;;
      *) echo unknown && return ;;
    esac
  fi
  if has firewall-cmd; then
    state=$(limited 30 firewall-cmd --state 2>/dev/null </dev/null)
    # 252 is firewalld's own number for `not running`
    case $?/$state in
      0/running) echo firewalld && return ;;
      252/*) ;;
      *) echo unknown && return ;;
    esac
  fi
  echo nftables
}

# our_table: as nft lists it, nothing where there is none; fails where it cannot be told
our_table() {
  all=$(nft list tables 2>/dev/null) || return
  case "
$all
" in
    *'
table inet ink
'*) nft -s list table inet ink 2>/dev/null ;;
  esac
}

sum() { sha256sum | cut -d ' ' -f 1; }

# live: what our table's last comment says, `none`, `unknown`, or `altered` when it is not as it was loaded
live() {
  has nft && table=$(our_table) || { echo unknown && return; }
  [ -n "$table" ] || { echo none && return; }
  digest=$(printf '%s\n' "$table" | sed -n 's/.* comment "ink-infra \([0-9a-f]*\)"$/\1/p' | sort -u)
  case $digest in '' | *[!0-9a-f]*) echo altered && return ;; esac
  if [ "$(cat "$top/loaded" 2>/dev/null)" = "$digest $(printf '%s\n' "$table" | sum)" ]; then
    echo "$digest"
  else
    echo altered
  fi
}

state_of() {
  for state in armed kept reverted; do
    [ -e "$top/$1/$state" ] && echo "$state" && return
  done
  if [ -d "$top/$1" ]; then echo saved; else echo none; fi
}

enabled() { [ -e "$units/sysinit.target.wants/$loader" ]; }

look() {
  printf 'uid %s\ncame_from %s\n' "$(id -u)" "${SSH_CONNECTION:-}"
  for tool in nft flock timeout sha256sum systemctl systemd-run ufw firewall-cmd; do
    has "$tool" && printf 'has %s\n' "$tool"
  done
  [ -d /run/systemd/system ] && echo 'has systemd'
  manager=$(manager)
  printf 'manager %s\nlive %s\n' "$manager" "$(live)"
  if [ -e "$kept_table" ]; then
    printf 'persisted %s\n' "$(sed -n 's/.* comment "ink-infra \([0-9a-f]*\)"$/\1/p' "$kept_table" | sort -u)"
  fi
  enabled && echo 'loaded_at_boot yes'
  for folder in "$top"/*/; do
    folder=${folder%/}
    [ -e "$folder/firewall.sh" ] && printf 'change %s %s\n' "${folder##*/}" "$(state_of "${folder##*/}")"
  done
  case $manager in
    ufw) look_at_ufw ;;
    firewalld) look_at_firewalld ;;
  esac
}

look_at_ufw() {
  for file in $ufw_files; do
    cat "$file" >/dev/null 2>&1 || leave 3 "$file could not be read, so that nobody knows what ufw lets in"
  done
  printf 'ufw_ipv6 %s\n' "$(sed -n 's/^IPV6="\{0,1\}\([a-zA-Z]*\)"\{0,1\}$/\1/p' /etc/default/ufw)"
  printf 'ufw_default %s\n' "$(sed -n 's/^DEFAULT_INPUT_POLICY="\{0,1\}\([A-Z]*\)"\{0,1\}$/\1/p' /etc/default/ufw)"
  sed -n 's/^### tuple ###/ufw4 &/p' /etc/ufw/user.rules
  sed -n 's/^### tuple ###/ufw6 &/p' /etc/ufw/user6.rules
}

look_at_firewalld() {
  names=$(zones) || leave 3 'firewalld does not say which zones it has'
  for zone in $names; do
    for lasting in runtime permanent; do
      printf 'zone %s %s\n' "$lasting" "$zone"
      rich "$lasting" "$zone" --list-rich-rules && printf '%s\n' "$why" | sed -n "s/^rule /rich $lasting $zone &/p"
    done
  done
}

# ready: what a change needs is here
ready() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  for tool in nft flock timeout sha256sum systemctl systemd-run; do
    has "$tool" || leave 3 "there is no $tool here"
  done
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here, so nothing could put the old firewall back'
}

# alone CHANGE: nobody else changes this firewall now
# The switch waits for as long as it takes.
alone() {
  mkdir -p "$top" || leave 3 "cannot write below $top"
  true >>"$top/lock" && exec 9>"$top/lock" || leave 3 "cannot write below $top"
  flock -w "${2:-90}" 9 || leave 3 'another change of this firewall is going on'
  for other in "$top"/*/armed; do
    [ -e "$other" ] && [ "$other" != "$top/$1/armed" ] &&
      leave 3 "the change ${other%/armed} is still in its time of probation"
  done
  here=$top/$1
}

checked() { [ "$(sum <"$1")" = "$2" ]; }

save() {
  ready
  alone "$1"
  if [ ! -d "$here" ]; then
    forget_others
    [ "$(manager)" = "$2" ] || leave 3 "this firewall is not kept by $2 any more"
    save_into "$here.part" "$1" "$2" "$3" || {
      rm -rf "$here.part"
      leave 3 'what a revert needs could not be written down; is the disk full or read-only?'
    }
    mv "$here.part" "$here" && sync "$top" || leave 3 'what a revert needs could not be written down'
  fi
  report "$1"
}

# forget_others: of changes that are over nothing is kept but the files that they changed
forget_others() {
  for other in "$top"/*/kept "$top"/*/reverted; do
    [ -e "$other" ] || continue
    other=${other%/*}
    rm -rf "$other" "$kept_table.before-${other##*/}"
  done
}

save_into() {
  rm -rf "$1" && mkdir "$1" || return
  cat >"$1/firewall.sh" && checked "$1/firewall.sh" "$4" || return
  table=$(our_table) || return
  printf 'add table inet ink\ndelete table inet ink\n%s\n' "$table" >"$1/before.nft" || return
  if [ -e "$top/loaded" ]; then cp -p "$top/loaded" "$1/loaded" || return; fi
  if [ -e "$kept_table" ]; then copy_table "$2" && true >"$1/had_table" || return; fi
  if [ -e "$units/$loader" ]; then true >"$1/had_loader" || return; fi
  if enabled; then true >"$1/was_enabled" || return; fi
  printf '%s\n' "$3" >"$1/manager" && live >"$1/before" || return
  if [ "$3" = ufw ]; then
    # shellcheck disable=SC2086 # four names
    mkdir "$1/ufw" && cp -p $ufw_files "$1/ufw/" && true >"$1/ufw/settled" || return
  fi
  # a change that was never armed is called reverted by renaming this file, which needs no room
  true >"$1/round" && sync "$1"/* "$1"
}

# copy_table CHANGE: beside the file that it would replace: putting it back takes no room on the disk
copy_table() { cp -p "$kept_table" "$kept_table.before-$1" && sync "$kept_table.before-$1"; }

# set_ CHANGE MANAGER SECONDS DIGEST SUM
set_() {
  ready
  alone "$1"
  case $(state_of "$1") in
    none) leave 3 'nothing was saved for this change' ;;
    kept) leave 3 'this change was kept already' ;;
    *) ;;
  esac
  put "$here/wanted" || leave 3 'the new rules could not be written down; is the disk full or read-only?'
  checked "$here/wanted" "$5" || leave 3 'the new rules did not arrive whole'
  for part in table ufw_open ufw_close firewalld; do
    sed -n "/^== $part\$/,/^== /{/^== /!p;}" "$here/wanted" >"$here/$part" || leave 3 'the disk is full or read-only'
  done
  [ "$(cat "$here/manager")" = "$2" ] && [ "$(manager)" = "$2" ] || leave 3 "this firewall is not kept by $2 any more"
  why=$(nft -c -f "$here/table" 2>&1) || leave 3 "nft does not take the new rules: $why"
  # the copy was moved back when the switch fired
  if [ -e "$here/reverted" ] && [ -e "$here/had_table" ]; then
    copy_table "$1" || leave 3 'the file that is loaded at boot could not be copied; is the disk full or read-only?'
  fi
  arm "$1" "$3"
  if apply "$2" && [ "$(live)" = "$4" ]; then
    report "$1"
    return
  fi
  why="$what: ${why:-it did not do as told}"
  put_back "$1" || leave 5 "$why; and the old firewall could not be put back yet, which is tried again"
  leave 4 "$why"
}

# arm CHANGE SECONDS: from the rename on, the new round's timer and the next boot count, and no older timer
arm() {
  last=$(cat "$here/armed" 2>/dev/null)
  round=$((${last:-0} + 1))
  boot_unit "$1" | put "$units/$switch.service" && quietly systemctl daemon-reload &&
    quietly systemctl enable "$switch.service" && sync "$units/sysinit.target.wants" || cannot_arm
  timer "$1" "$round" "$2" || cannot_arm
  printf '%s\n' "$round" | put "$here/armed" || {
    quietly systemctl stop "$switch-$1-$round.timer"
    cannot_arm
  }
  rm -f "$here/reverted"
  [ -z "$last" ] || quietly systemctl stop "$switch-$1-$last.timer"
}

cannot_arm() {
  [ -n "$last" ] || unarm_boot
  leave 3 'the switch that would put the old firewall back could not be armed; is the disk full or read-only?'
}

# timer CHANGE ROUND SECONDS [AGAIN]: the service that runs is not the one that a new timer starts
timer() {
  unit=$switch-$1-$2${4:-}
  quietly systemctl stop "$unit.timer" "$unit.service"
  quietly systemctl reset-failed "$unit.service"
  quietly systemd-run --unit="$unit" --on-active="${3}s" --timer-property=AccuracySec=1s \
    /bin/sh "$top/$1/firewall.sh" ink-firewall fire "$1" "$2" && quietly systemctl is-active "$unit.timer"
}

boot_unit() {
  cat <<UNIT
[Unit]
Description=Put the firewall back as it was: the server was off before the change was kept
DefaultDependencies=no
ConditionPathExists=$top/$1/armed
RequiresMountsFor=$top /etc
After=local-fs.target systemd-remount-fs.service
Before=network-pre.target $loader nftables.service ufw.service firewalld.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
[Service]
Type=oneshot
ExecStart=/bin/sh $top/$1/firewall.sh ink-firewall fire $1 boot
[Install]
WantedBy=sysinit.target
UNIT
}

loader_unit() {
  cat <<UNIT
[Unit]
Description=The server's own firewall, kept by ink-infra
DefaultDependencies=no
ConditionPathExists=$kept_table
After=local-fs.target systemd-remount-fs.service nftables.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$nft -f $kept_table
[Install]
WantedBy=sysinit.target
UNIT
}

# Debian's nftables.service flushes everybody's rules when it is started, restarted or reloaded.
after_flush() {
  printf '[Service]\nExecStartPost=-%s -f %s\nExecReload=-%s -f %s\n' "$nft" "$kept_table" "$nft" "$kept_table"
}

reload_units() { [ "$when" = boot ] || quietly systemctl daemon-reload; }

unarm_boot() {
  rm -f "$units/$switch.service" "$units/$switch.service.new" "$units/sysinit.target.wants/$switch.service"
  reload_units
}

# disarm CHANGE STATE: the rename is what counts
disarm() {
  round=$(cat "$here/armed" 2>/dev/null)
  if [ -n "$round" ]; then mv -f "$here/armed" "$here/$2"; else mv -f "$here/round" "$here/$2"; fi || return
  [ "$2" = kept ] || rm -f "$here/kept"
  sync "$here"
  [ "$when" = boot ] || quietly systemctl stop "$switch-$1-*.timer"
  unarm_boot
}

# apply MANAGER: openings, then our table in one transaction, then closings
apply() {
  what='ufw does not open what it has to'
  tell_ufw "$here/ufw_open" || return
  what='firewalld does not open what it has to'
  tell_firewalld || return
  what='nft does not load the new rules'
  load "$here/table" || return
  what='ufw does not close what it has to'
  tell_ufw "$here/ufw_close" || return
  what='the new rules are not there after they were loaded'
}

load() {
  why=$(nft -f "$1" 2>&1) || return
  table=$(our_table) || return
  digest=$(sed -n 's/.* comment "ink-infra \([0-9a-f]*\)"$/\1/p' "$1" | sort -u)
  printf '%s %s\n' "$digest" "$(printf '%s\n' "$table" | sum)" | put "$top/loaded"
}

# tell_ufw FILE: a line is one command, with tabs between its words
tell_ufw() {
  while IFS= read -r line; do
    old=$IFS
    IFS='	'
    set -f
    # shellcheck disable=SC2086 # the tabs part the words, and no pattern is read
    set -- $line
    set +f
    IFS=$old
    case ${1:-} in
      allow | deny | reject | limit | delete | default) ;;
      *) return 1 ;;
    esac
    # its error stands in front of, or behind, a page of help
    why=$(limited 60 ufw "$@" 2>&1 </dev/null) || {
      why="ufw $*: $(printf '%s\n' "$why" | grep -m 1 ERROR)"
      return 1
    }
  done <"$1"
}

# zones: those of firewalld that packets from outside are judged by
zones() {
  usual=$(limited 30 firewall-cmd --get-default-zone 2>/dev/null </dev/null) && [ -n "$usual" ] &&
    active=$(limited 30 firewall-cmd --get-active-zones 2>/dev/null </dev/null) || return
  printf '%s\n%s\n' "$usual" "$active" | sed -n 's/^\([^ ][^ ]*\).*/\1/p' | grep -v '^docker$' | sort -u
}

tell_firewalld() {
  [ -s "$here/firewalld" ] || return 0
  zones >"$here/zones" && [ -s "$here/zones" ] || return
  while read -r zone; do
    while IFS= read -r rule; do
      add_rich runtime "$zone" "$rule" || return
    done <"$here/firewalld"
  done <"$here/zones"
}

# add_rich HOW ZONE RULE: it is written down first, so that a revert knows it whatever happens
add_rich() {
  rich "$1" "$2" "--query-rich-rule=$3" && return
  # 1 is a no; where it is not known, a revert would take away what was there before us
  [ "$?" = 1 ] || return
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$here/added" && sync "$here/added" || return
  rich "$1" "$2" "--add-rich-rule=$3"
}

# rich HOW ZONE OPTION
rich() {
  how=--permanent
  [ "$1" = permanent ] || how=--zone=$2
  why=$(limited 30 firewall-cmd "$how" --zone="$2" "$3" 2>&1 </dev/null)
}

keep() {
  ready
  alone "$1"
  case $(state_of "$1") in
    armed | kept) ;;
    reverted) leave 4 'the switch has put the old firewall back, since the change was not kept in time' ;;
    *) leave 3 'nothing was set for this change' ;;
  esac
  [ "$(live)" = "$2" ] || leave 5 'the rules that are loaded are not those that were set'
  [ "$(manager)" = "$(cat "$here/manager")" ] || leave 5 'another program keeps this firewall now'
  if [ -e "$here/armed" ]; then
    make_it_last || leave 5 "the rules could not be made to last: ${why:-is the disk full or read-only?}"
    [ "$(live)" = "$2" ] || leave 5 'the rules that are loaded at boot are not those that were set'
    disarm "$1" kept || leave 5 'the switch could not be disarmed'
  fi
  report "$1"
}

make_it_last() {
  why=
  nft=$(command -v nft)
  mkdir -p "${kept_table%/*}" && put "$kept_table" <"$here/table" && cmp -s "$kept_table" "$here/table" || return
  mkdir -p "${flusher%/*}" && loader_unit | put "$units/$loader" && after_flush | put "$flusher" || return
  chmod 755 "${flusher%/*}" && chmod 644 "$units/$loader" "$flusher" || return
  quietly systemctl daemon-reload && quietly systemctl enable "$loader" && enabled || return
  # from the file that the next boot reads
  quietly systemctl restart "$loader" || return
  [ -s "$here/firewalld" ] || return 0
  while read -r zone; do
    while IFS= read -r rule; do
      add_rich permanent "$zone" "$rule" || return
    done <"$here/firewalld"
  done <"$here/zones"
}

revert() {
  ready
  alone "$1"
  case $(state_of "$1") in
    none) leave 3 'nothing was saved for this change' ;;
    reverted) ;;
    *) put_back "$1" || leave 5 "not all of the old firewall could be put back:$wrong" ;;
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
  put_back "$1" && return
  when=now
  timer "$1" "$round" 30 "-again-$(date +%s)"
  leave 5 "not all is back:$wrong"
}

# put_back CHANGE: all of it, also when a part fails; at boot no firewall is loaded yet
put_back() {
  wrong=
  restore_file || wrong="$wrong $kept_table"
  [ "$when" = boot ] || nft -f "$here/before.nft" || wrong="$wrong the table inet ink"
  if [ -e "$here/loaded" ]; then cp -p "$here/loaded" "$top/loaded"; else rm -f "$top/loaded"; fi
  [ ! -d "$here/ufw" ] || restore_ufw || wrong="$wrong ufw"
  [ ! -e "$here/added" ] || restore_firewalld || wrong="$wrong firewalld"
  [ -z "$wrong" ] && disarm "$1" reverted
}

restore_file() {
  rm -f "$kept_table.new" "$units/$loader.new" "$flusher.new"
  if [ -e "$here/had_table" ]; then
    [ ! -e "$kept_table.before-${here##*/}" ] || mv -f "$kept_table.before-${here##*/}" "$kept_table" || return
  else
    rm -f "$kept_table" || return
  fi
  [ -e "$here/was_enabled" ] || rm -f "$units/sysinit.target.wants/$loader" || return
  [ -e "$here/had_loader" ] || rm -f "$units/$loader" "$flusher" || return
  reload_units
}

# restore_ufw: a reload that broke off has left ufw switched off, or half loaded: it is due until one has succeeded
restore_ufw() {
  for file in $ufw_files; do
    cmp -s "$here/ufw/${file##*/}" "$file" && continue
    rm -f "$here/ufw/settled" || return
    cp -p "$here/ufw/${file##*/}" "$file.ink-new" && sync "$file.ink-new" && mv -f "$file.ink-new" "$file" || {
      rm -f "$file.ink-new"
      return 1
    }
  done
  [ -e "$here/ufw/settled" ] || [ "$when" = boot ] || quietly ufw reload || return
  # where there is no room for it, the next time reloads once more
  touch "$here/ufw/settled" 2>/dev/null || true
}

restore_firewalld() {
  while IFS='	' read -r lasting zone rule; do
    keeper=boot
    [ "$when" = boot ] || keeper=$(manager)
    [ "$keeper" != unknown ] || return
    if [ "$keeper" != firewalld ]; then
      [ "$lasting" = runtime ] || quietly firewall-offline-cmd --zone="$zone" --remove-rich-rule="$rule" || return
      continue
    fi
    # 1 is a no, 112 that there is no such zone
    rich "$lasting" "$zone" "--query-rich-rule=$rule" || case $? in 1 | 112) continue ;; *) return 1 ;; esac
    rich "$lasting" "$zone" "--remove-rich-rule=$rule" || return
  done <"$here/added"
}

report() {
  printf 'change %s %s\nmanager %s\nlive %s\n' "$1" "$(state_of "$1")" "$(manager)" "$(live)"
  printf 'before %s\n' "$(cat "$here/before")"
}

word() { case $1 in '' | *[!a-z0-9-]* | -*) leave 3 'a word of the command is not one' ;; esac; }

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  [ "${1:-}" = ink-firewall ] || leave 3 'this is not how it is called'
  verb=${2:-} count=$#
  [ "$count" -lt 3 ] || shift 2
  [ "$verb" = look ] || for argument; do word "$argument"; done
  case $verb/$count in
    look/2) look ;;
    save/5) save "$@" ;;
    set/7) set_ "$@" ;;
    keep/4) keep "$@" ;;
    revert/3) revert "$@" ;;
    fire/4) fire "$@" ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  echo done
}

main "$@"
