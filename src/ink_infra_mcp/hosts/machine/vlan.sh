# Puts the VLAN of a vSwitch on a server's card: on probation first, then for good by whoever rules the card.
# usage: sh -s -- ink-vlan VERB ...
#   look                                      says the card and who rules it
#   set NAME VLAN ADDRESS NETWORK GATEWAY S   makes the link, which the server deletes after S seconds, or with a boot
#   keep NAME VLAN ADDRESS NETWORK GATEWAY    writes it for its manager, who is not told to do anything now
#   revert NAME VLAN                          deletes the link and what was written
# ADDRESS is such as 10.250.1.10/24. Ends with 0, or with 3: nothing was changed, 4: all is back, 5: not known to be.

export LC_ALL=C LANG=C LANGUAGE=C PATH="${PATH:-}:/usr/sbin:/sbin:/usr/local/sbin"
umask 077
mtu=1400 top=/var/lib/ink-infra/vlan
netplan_file=/etc/netplan/60-ink-vlan.yaml
networkd=/etc/systemd/network/60-ink-vlan
ifupdown_file=/etc/network/interfaces.d/ink-vlan

leave() {
  printf 'ink-vlan: %s\n' "$2" >&2
  exit "$1"
}

# card: sets $card to the one that the default route leads by; it is hardware, or the cable of a virtual server
card() {
  card=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u)
  case $card in
    '') leave 3 'no default route says which card leads outside' ;;
    *'
'*) leave 3 "default routes lead by several links ($(echo $card))" ;;
  esac
  case $(readlink -f "/sys/class/net/$card") in */devices/virtual/*) ;; /*) return ;; esac
  ip -d link show dev "$card" | grep -q '^ *veth ' || leave 3 "$card, which leads outside, is no card (a bridge, a bond or a tunnel)"
}

# manager: sets $manager to who rules the card, empty where nobody known does, and $file to networkd's file for it
manager() {
  manager='' file=$(networkctl status "$card" 2>/dev/null | sed -n 's/^ *Network File: *//p')
  case $file in
    /run/systemd/network/10-netplan-*) ! command -v netplan >/dev/null 2>&1 || manager=netplan ;;
    */10-netplan-*) ;;
    /etc/systemd/network/*.network | /usr/lib/systemd/network/*.network | /lib/systemd/network/*.network) manager=networkd ;;
    '' | n/a) ! ifquery --state "$card" >/dev/null 2>&1 || manager=ifupdown ;;
  esac
}

ready() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  for tool in ip systemctl systemd-run sed sync; do
    command -v "$tool" >/dev/null 2>&1 || leave 3 "$tool is not there"
  done
  card
  manager
  [ -n "$manager" ] || leave 3 "who rules $card is not known: neither netplan, systemd-networkd nor ifupdown says that it does"
}

there() { ip link show dev "$1" >/dev/null 2>&1; }

# drop LINK UNIT: the link goes, and the switch with it
drop() {
  systemctl stop "$2.timer" "$2.service" >/dev/null 2>&1
  ! there "$1" || ip link delete dev "$1"
}

set_() {
  ready
  link=ink-v$2 unit=ink-vlan-$1
  if there "$link"; then
    # a run that broke off made it a moment ago
    [ -e "$top/$1" ] && systemctl is-active --quiet "$unit.timer" && ip -4 address show dev "$link" | grep -qF " $3 " &&
      ip -4 route show "$4" | grep -qF " dev $link" || leave 3 "$card has a link $link already"
    printf 'link %s\nmanager %s\n' "$link" "$manager"
    return
  fi
  mkdir -p "$top" && true >"$top/$1" || leave 3 "cannot write below $top"
  systemd-run --quiet --collect --unit "$unit" --on-active="$6" --timer-property=AccuracySec=1s \
    "$(command -v ip)" link delete dev "$link" </dev/null >/dev/null 2>&1 || leave 3 'the switch that takes it back could not be armed'
  said=$({ ip link add link "$card" name "$link" type vlan id "$2" && ip link set dev "$link" mtu "$mtu" up &&
    ip address add "$3" dev "$link" && ip route add "$4" via "$5" dev "$link"; } 2>&1) || {
    drop "$link" "$unit" || leave 5 "the link could not be made ($said), nor deleted"
    leave 4 "the link could not be made ($said)"
  }
  printf 'link %s\nmanager %s\n' "$link" "$manager"
}

# put FILE MODE: standard input becomes the file, whole
put() {
  mkdir -p "$(dirname "$1")" && cat >"$1.ink-new" && chmod "$2" "$1.ink-new" && sync "$1.ink-new" &&
    mv -f "$1.ink-new" "$1" && sync "$(dirname "$1")"
}

# written VLAN ADDRESS NETWORK GATEWAY: the manager has it for the next boot, and finds nothing wrong with it
written() {
  case $manager in
    netplan)
      put "$netplan_file" 600 <<YAML && netplan generate
network:
  version: 2
  vlans:
    $link:
      id: $1
      link: $card
      mtu: $mtu
      addresses: [$2]
      routes: [{to: $3, via: $4}]
YAML
      ;;
    networkd)
      name=${file##*/}
      printf '[NetDev]\nName=%s\nKind=vlan\nMTUBytes=%s\n\n[VLAN]\nId=%s\n' "$link" "$mtu" "$1" | put "$networkd.netdev" 644 &&
        printf '[Match]\nName=%s\n\n[Network]\nAddress=%s\n\n[Route]\nDestination=%s\nGateway=%s\n' "$link" "$2" "$3" "$4" |
        put "$networkd.network" 644 &&
        printf '[Network]\nVLAN=%s\n' "$link" | put "/etc/systemd/network/$name.d/60-ink-vlan.conf" 644
      ;;
    ifupdown)
      put "$ifupdown_file" 644 <<INTERFACES && [ "$(ifquery "$link" | sed -n 's/^address: //p')" = "${2%/*}" ]
auto $link
iface $link inet static
  address $2
  mtu $mtu
  pre-up ip link add link $card name $link type vlan id $1
  up ip route add $3 via $4 dev $link
  post-down ip link delete dev $link
INTERFACES
      ;;
  esac
}

unwritten() {
  rm -f "$netplan_file" "$networkd.netdev" "$networkd.network" "$ifupdown_file" \
    /etc/systemd/network/*.network.d/60-ink-vlan.conf && rmdir /etc/systemd/network/*.network.d 2>/dev/null
  [ ! -e "$netplan_file" ] && [ ! -e "$networkd.network" ] && [ ! -e "$ifupdown_file" ]
}

keep() {
  ready
  link=ink-v$2 unit=ink-vlan-$1
  ip -4 address show dev "$link" 2>/dev/null | grep -qF " $3 " || leave 3 "$link has not $3 any more: the server took it back"
  said=$(written "$2" "$3" "$4" "$5" 2>&1) || {
    unwritten && drop "$link" "$unit" || leave 5 "$manager does not take it ($said), and not all is back"
    leave 4 "$manager does not take it ($said)"
  }
  systemctl stop "$unit.timer" >/dev/null 2>&1
  there "$link" || {
    unwritten || leave 5 'the server took the link back, and what was written is still there'
    leave 4 'the server took the link back'
  }
  printf 'link %s\nmanager %s\n' "$link" "$manager"
}

revert() {
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  if [ ! -e "$top/$1" ]; then
    printf 'link none\nmanager none\n'
    return
  fi
  drop "ink-v$2" "ink-vlan-$1" && unwritten || leave 5 'not all is back'
  rm -f "$top/$1"
  printf 'link ink-v%s\nmanager none\n' "$2"
}

look() {
  ready
  printf 'card %s\nmanager %s\n' "$card" "$manager"
}

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  [ "${1:-}" = ink-vlan ] || leave 3 'this is not how it is called'
  for argument; do
    case $argument in '' | -* | *[!a-z0-9./-]*) leave 3 'a word of the command is not one' ;; esac
  done
  verb=${2:-} count=$#
  [ "$count" -lt 2 ] || shift 2
  case $verb/$count in
    look/2) look ;;
    set/8) set_ "$@" ;;
    keep/7) keep "$@" ;;
    revert/4) revert "$@" ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  echo done
}

main "$@"
