# Gives a whole backup of Coolify to standard output, as one archive that only the owner of a private key can read.
# usage: sh -s -- ink-seal send NAME RECIPIENT
#   NAME is a folder that a backup made; RECIPIENT is a public key of age
# It writes nothing on the Factory: what it says goes out encrypted, and no key lies here that could read it.
# Exit status: 3 it failed; the last line on standard error says at which stage and why. What came until then is no copy.

set -u
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
top=/data/coolify/backups/ink
newline='
'

fail() {
  stage=$1
  shift
  printf 'ink-seal %s %s\n' "$stage" "$*" >&2
  exit 3
}

# said TEXT PATTERN: whether it is one line of that shape
said() {
  case $1 in *"$newline"*) return 1 ;; esac
  printf '%s\n' "$1" | grep -Eqx -e "$2"
}

# sent NAME RECIPIENT: how both programs ended; a pipe alone tells of the last one only
sent() {
  {
    { timeout -k 10 7200 tar -C "$top" --numeric-owner -cf - "$1" 3>&-; echo "tar $?" >&3; } |
      { timeout -k 10 7200 age -r "$2" >&4 3>&-; echo "age $?" >&3; }
  } 3>&1
}

# strange FOLDER: what is neither a folder nor a file, the folder itself too: a link would go out as a link, and as no backup
strange() { find "$1" ! -type d ! -type f; }

main() {
  [ "$(id -u)" = 0 ] || fail copy_call 'it takes root'
  [ "$#${1-}${2-}" = 4ink-sealsend ] || fail copy_call 'this is not how it is called'
  said "$3" '[a-z0-9][a-z0-9-]{0,62}' && said "$4" 'age1[02-9ac-hj-np-z]{58}' || fail copy_call 'a word of the command is not one'
  [ -f "$top/$3/manifest.json" ] || fail copy_backup "there is no backup $3"
  found=$(strange "$top/$3") || fail copy_backup "the backup $3 cannot be read"
  [ -z "$found" ] || fail copy_backup "neither a file nor a folder, such as a link: $(printf '%s\n' "$found" | head -n 1 | tr -cd 'A-Za-z0-9._/-')"
  command -v age >/dev/null 2>&1 || fail copy_tool 'age is not installed: apt-get install age'
  ended=$(sent "$3" "$4" 4>&5) || fail copy_seal 'the archive could not be made'
  [ "$ended" = "tar 0${newline}age 0" ] || fail copy_seal "the archive is not whole: $(echo "$ended" | tr '\n' ' ')"
}

main "$@" 5>&1
