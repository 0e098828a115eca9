# Tries TCP connects from inside this server's own networks: from the namespace of a container or guest that is in one.
# usage: bash -s -- ink-inside SECONDS NETWORK ADDRESS PORT [NETWORK ADDRESS PORT]...   (port 0 tries nothing)
# NETWORK is the link that leads to it, such as a bridge. It prints "who NETWORK yes|nobody" once for each, and
# "NETWORK ADDRESS PORT open|refused|silent" for each connect that was made; one that could not be made has no line.
# It sends nothing over a connection and changes nothing.

export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# spaces: a handle of each network namespace but our own
spaces() {
  own=$(stat -L -c %i /proc/self/ns/net)
  stat -L -c '%i %n' /run/netns/* /run/docker/netns/* /proc/[0-9]*/ns/net 2>/dev/null |
    while read -r inode handle; do [ "$inode" = "$own" ] || printf '%s %s\n' "$inode" "$handle"; done |
    sort -u -k 1,1 | cut -d ' ' -f 2
}

# in_space HANDLE COMMAND...
in_space() {
  handle=$1
  shift
  timeout 10 nsenter --net="$handle" "$@" 2>/dev/null </dev/null
}

# ends: of each link here that has its other end elsewhere: its number, the other's, and the network that it is in
ends() {
  for link in /sys/class/net/*; do
    number=$(cat "$link/ifindex") other=$(cat "$link/iflink")
    [ "$number" != "$other" ] || continue
    master=$(readlink "$link/master") || master=${link##*/}
    printf '%s %s %s\n' "$number" "$other" "${master##*/}"
  done
}

# look_around: print "NETWORK HANDLE" for each namespace that is in a network and has an address there
look_around() {
  known=$(ends)
  spaces | while read -r space; do
    in_space "$space" ip -o link show | sed -n 's/^\([0-9]*\): \([^@ ]*\)@if\([0-9]*\):.*/\1 \2 \3/p' |
      while read -r number name peer; do
        network=$(printf '%s\n' "$known" | sed -n "s/^$peer $number //p")
        [ -n "$network" ] && in_space "$space" ip -o address show dev "$name" scope global | grep -q inet &&
          printf '%s %s\n' "$network" "$space"
      done
  done
}

one() {
  # nsenter fails with the same status as a connect: the words come from inside
  met=$(in_space "$1" bash -c 'timeout "$1" bash -c "exec 3<>\"/dev/tcp/\$1/\$2\"" inside "$2" "$3"; echo "ended $?"' \
    inside "$seconds" "$3" "$4")
  case $met in
    'ended 0') printf '%s %s %s open\n' "$2" "$3" "$4" ;;
    'ended 124') printf '%s %s %s silent\n' "$2" "$3" "$4" ;;
    'ended 1') printf '%s %s %s refused\n' "$2" "$3" "$4" ;;
  esac
}

main() {
  [ "${1:-}" = ink-inside ] || exit 3
  [ "$(id -u)" = 0 ] || { echo 'it takes root' >&2 && exit 3; }
  for tool in nsenter timeout ip stat; do
    command -v "$tool" >/dev/null || { echo "there is no $tool here" >&2 && exit 3; }
  done
  seconds=$2
  shift 2
  found=$(look_around)
  said=' '
  while [ $# -ge 3 ]; do
    space=$(printf '%s\n' "$found" | sed -n "s|^$1 ||p" | head -n 1)
    case $said in
      *" $1 "*) ;;
      *)
        said="$said$1 "
        if [ -n "$space" ]; then printf 'who %s yes\n' "$1"; else printf 'who %s nobody\n' "$1"; fi
        ;;
    esac
    [ -z "$space" ] || [ "$3" = 0 ] || one "$space" "$1" "$2" "$3" &
    shift 3
  done
  wait
  printf 'done\n'
}

main "$@" </dev/null
