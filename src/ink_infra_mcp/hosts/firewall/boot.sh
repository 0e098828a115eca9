# Says which packet filters the next boot will load, by loading them where they filter nothing.
# usage: unshare --net sh -c SCRIPT boot TAG   (as root; the empty network namespace ends with it)
#
# The rules are loaded by the tools and from the files that the services use, in the order of the boot. Nothing else is
# done that the services do: no module is asked for, no sysctl set, no script of the administrator run.
# Each part begins with a line `== NAME STATUS TAG`: rules print comments with line breaks in them, and know no tag.

export LC_ALL=C LANG=C LANGUAGE=C

tag=${1:-}

# part NAME COMMAND...: what it says, and how it ended
part() {
  part=$1
  shift
  said=$("$@" 2>&1 </dev/null)
  printf '== %s %s%s\n%s\n' "$part" "$?" "${tag:+ $tag}" "$said"
}

# state UNIT: in a word of systemctl, or `missing`; nothing where systemctl does not know
state() {
  for folder in /etc /run /usr/local/lib /usr/lib /lib; do
    [ -e "$folder/systemd/system/$1.service" ] || continue
    systemctl is-enabled "$1.service" 2>/dev/null
    return
  done
  echo missing
}

# load_nft FILE: a rule may name a card that must be there, by its number
load_nft() {
  nft -f "$1" >/dev/null 2>&1 && return
  for card in /sys/class/net/*; do
    card=${card##*/}
    case $card in lo | veth*) continue ;; esac
    [ -d "/sys/class/net/$card/bridge" ] || ip link add "$card" type bridge || ip link add "$card" type dummy
  done >/dev/null 2>&1
  nft -f "$1"
}

load_nftables() {
  files=$(systemctl show -p ExecStart -p ExecStartPost nftables.service |
    sed -n 's/^.*argv\[\]=[^;]* -f \([^ ;]*\) .*$/\1/p')
  [ -n "$files" ] || { echo 'nftables.service names no file of rules' && return 90; }
  # a file that is not there loads nothing, at boot as here
  for file in $files; do [ ! -e "$file" ] || load_nft "$file" || return; done
}

# ufw has a switch of its own beside that of its service
ufw_is_on() { (. /etc/ufw/ufw.conf && { [ "$ENABLED" = yes ] || [ "$ENABLED" = YES ]; }) >/dev/null 2>&1; }

# load_ufw: by the functions of ufw's own service, whether it is switched on or not
load_ufw() {
  for hook in /etc/ufw/before.init /etc/ufw/after.init; do
    [ ! -x "$hook" ] || { echo "$hook is run, too" && return 90; }
  done
  functions=/usr/lib/ufw/ufw-init-functions
  [ -e "$functions" ] || functions=/lib/ufw/ufw-init-functions
  . "$functions"
  ENABLED=yes IPT_SYSCTL='' IPT_MODULES=''
  ufw_start
}

load_persistent() {
  for plugin in /usr/share/netfilter-persistent/plugins.d/*; do
    case ${plugin##*/} in
      \* | *ip4tables | *ip6tables | *ipset) ;;
      *) echo "$plugin is run, too" && return 90 ;;
    esac
  done
  [ ! -f /etc/iptables/ipsets ] || ipset restore </etc/iptables/ipsets || return
  [ ! -f /etc/iptables/rules.v4 ] || iptables-restore </etc/iptables/rules.v4 || return
  [ ! -f /etc/iptables/rules.v6 ] || ip6tables-restore </etc/iptables/rules.v6
}

# firewalld_more [--permanent]: what firewalld loads beside its zones; each command says so where it is too old for it
firewalld_more() {
  for asked in --list-all-policies '--direct --get-all-chains' '--direct --get-all-rules' \
    '--direct --get-all-passthroughs'; do
    firewall-cmd "$@" $asked
  done
  for set in $(firewall-cmd "$@" --get-ipsets); do
    printf '%s\n' "$set"
    firewall-cmd "$@" --ipset="$set" --get-entries
  done
  for file in /etc/firewalld/services/*.xml; do
    [ ! -e "$file" ] || firewall-cmd "$@" --info-service="$(basename "$file" .xml)"
  done
}

# load UNIT
load() {
  case $1 in
    nftables) part load_nftables load_nftables ;;
    ufw) ! ufw_is_on || part load_ufw load_ufw ;;
    netfilter-persistent) part load_persistent load_persistent ;;
    ink-infra-firewall) [ ! -e /etc/ink-infra/firewall.nft ] || part load_ink load_nft /etc/ink-infra/firewall.nft ;;
    firewalld)
      part firewalld_now firewall-cmd --list-all-zones
      part firewalld_lasting firewall-cmd --permanent --list-all-zones
      part firewalld_now_more firewalld_more
      part firewalld_lasting_more firewalld_more --permanent
      ;;
  esac
}

# others: files of programs that are started at boot, and that speak of rules
others() {
  set -- /dev/null
  for unit in /etc/systemd/system/*.wants/*.service; do
    case ${unit##*/} in
      nftables.* | ufw.* | netfilter-persistent.* | firewalld.* | ink-infra* | docker.*) ;;
      *) set -- "$@" "$unit" ;;
    esac
  done
  grep -lsE '^Exec.*(ip6?tables|nft|ipset)' "$@"
  set -- $(sed -n 's/^Exec[A-Za-z]*=[-@:+!]*//p' "$@" 2>/dev/null | tr ' ;' '\n\n' | grep '^/' | sort -u)
  grep -IlsE '^[^#]*(ip6?tables|nft|ipset)(-restore)? ' /dev/null /etc/rc.local /etc/network/interfaces \
    /etc/network/interfaces.d/* /etc/network/if-pre-up.d/* /etc/network/if-up.d/* /etc/networkd-dispatcher/*/* \
    /etc/NetworkManager/dispatcher.d/* /etc/wireguard/*.conf "$@"
  grep -lsE '^@reboot.*(ip6?tables|nft|ipset|firewall)' /dev/null /etc/crontab /etc/cron.d/* \
    /var/spool/cron/crontabs/*
  return 0
}

main() {
  # as services do, for what is included by a relative path
  cd / || return
  printf '== units 0%s\n' "${tag:+ $tag}"
  on=
  for unit in nftables ufw netfilter-persistent firewalld ink-infra-firewall; do
    word=$(state "$unit")
    printf '%s %s\n' "$unit" "$word"
    case $word in enabled | generated) on="$on $unit" ;; esac
  done
  for unit in $on; do load "$unit"; done
  part ipsets ipset save
  part iptables iptables-save
  part ip6tables ip6tables-save
  part nft nft -j list ruleset
  part others others
  # what ufw holds in store is of use only where ufw is off
  if grep -qs '^### tuple ###' /etc/ufw/user.rules /etc/ufw/user6.rules && ! loaded_ufw; then
    part load_stored load_ufw
    part stored_iptables iptables-save
    part stored_ip6tables ip6tables-save
    part stored_nft nft -j list ruleset
  fi
}

loaded_ufw() { case " $on " in *' ufw '*) ufw_is_on ;; *) return 1 ;; esac; }

main
