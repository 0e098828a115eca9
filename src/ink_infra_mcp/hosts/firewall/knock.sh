# Tries TCP connects to other servers and prints one line each: "ADDRESS PORT open|refused|silent".
# usage: bash -s -- SECONDS ADDRESS PORT [ADDRESS PORT]...
# It sends nothing over a connection. It needs bash (its /dev/tcp) and timeout; all tries run side by side.
# A try that could not be made has no line: whoever is not there to knock has not been turned away.

export LC_ALL=C LANG=C LANGUAGE=C

one() {
  timeout "$1" bash -c 'exec 3<>"/dev/tcp/$1/$2"' knock "$2" "$3" 2>/dev/null
  case $? in
    0) printf '%s %s open\n' "$2" "$3" ;;
    124) printf '%s %s silent\n' "$2" "$3" ;;
    1) printf '%s %s refused\n' "$2" "$3" ;;
  esac
}

main() {
  seconds=$1
  shift
  while [ $# -ge 2 ]; do
    one "$seconds" "$1" "$2" &
    shift 2
  done
  wait
  printf 'done\n'
}

main "$@" </dev/null
