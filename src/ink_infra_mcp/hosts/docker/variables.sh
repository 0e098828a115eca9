# Prints which of the given variables a shell that SSH starts here has, one name a line; never a value.
# usage: sh -s -- NAME...
# It only reads.

LC_ALL=C LANG=C LANGUAGE=C
export LC_ALL LANG LANGUAGE

main() {
  command -v printenv >/dev/null || return
  for name in "$@"; do
    if printenv "$name" >/dev/null; then
      printf '%s\n' "$name"
    fi
  done
  printf 'done\n'
}

main "$@" </dev/null
