# Prints the names of a container's variables and the SHA-256 of each value: "NAME DIGEST", the name as bytes in hex.
# usage: sh -s -- CONTAINER
# It only reads. No value leaves the server, and none is a word of a command, which every list of processes shows.

LC_ALL=C LANG=C LANGUAGE=C
export LC_ALL LANG LANGUAGE
format='{{range .Config.Env}}{{printf "%# x" .}}{{println}}{{end}}'

# digest BYTE...: print the SHA-256 of these bytes, each as 0xHH
digest() {
  [ $# -eq 0 ] || bytes=$(printf '\\0%03o' "$@")
  [ $# -gt 0 ] || bytes=
  said=$(printf %b "$bytes" | sha256sum) || return
  printf '%s' "${said%% *}"
}

# The whole script is read before it does anything, so a connection that breaks half-way runs nothing.
main() {
  command -v sha256sum >/dev/null || return
  entries=$(docker inspect --type container --format "$format" "$1") || return
  printf '%s\n' "$entries" | while read -r entry; do
    case $entry in
      *0x3d*) ;;
      *) continue ;;
    esac
    # Each byte is a word of its own, so the first 0x3d is the first "=".
    # shellcheck disable=SC2086
    found=$(digest ${entry#*0x3d}) || exit
    printf '%s%s\n' "${entry%%0x3d*}" "$found"
  done || return
  printf 'done\n'
}

main "$@" </dev/null
