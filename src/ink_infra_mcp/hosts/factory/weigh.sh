# Says what a backup of Coolify holds beside what is in service now. It only reads.
# usage: sh -s -- ink-weigh list | ink-weigh look BACKUP
#   list  the names of the backups that are whole by their manifests
#   look  BACKUP, the name of one of them or the path of one that was brought here, below /data/coolify/backups: what made
#         it, and what is in it and in the database now, by table, uuid and name: of each table that has a uuid, or
#         an id and a name, but for variables and what only records. No other column leaves the Factory.
# Exit status: 3 there is no such backup, or it cannot be read.

set -u
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
source=/data/coolify/source
top=/data/coolify/backups/ink
ink=/data/coolify/ink

leave() {
  printf 'ink-weigh: %s\n' "$*" >&2
  exit 3
}

# ask SECONDS COMMAND...: run it for at most so long
ask() {
  limit=$1
  shift
  timeout -k 5 "$limit" "$@"
}

# row SQL: one row of Coolify's own database, in a session that cannot write
row() {
  ask 60 docker exec -e PGOPTIONS='-c default_transaction_read_only=on' coolify-db \
    sh -c 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"' psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1" 2>/dev/null
}

# What pg_dump and pg_restore write of a table is `COPY schema.table (columns) FROM stdin;`, rows between tabs, and `\.`.
# What Coolify has deleted stands there until it is gone, with the moment.
things='
/^COPY [a-z_]+\.[a-z_0-9]+ \(.*\) FROM stdin;$/ {
  table = $2; sub(/^[^.]*\./, "", table)
  columns = $0; sub(/^[^(]*\(/, "", columns); sub(/\) FROM stdin;$/, "", columns); gsub(/"/, "", columns)
  many = split(columns, names, ", "); uuid = id = name = gone = 0
  for (at = 1; at <= many; at++) {
    if (names[at] == "uuid" && !index(by_id, " " table " ")) uuid = at
    if (names[at] == "id") id = at
    if (names[at] == "name" && table != "users") name = at
    if (names[at] == "deleted_at") gone = at
  }
  rows = 1; FS = "\t"; next
}
/^\\\.$/ { rows = 0; FS = " "; next }
!rows && $0 == "ink whole" { print "whole", what; next }
rows && (!gone || $gone == "\\N") {
  key = uuid && $uuid != "\\N" ? $uuid : id ? $id : "none"
  print what, table, key, (name && $name != "\\N" ? $name : "")
}
'

# What both write of a table is `CREATE TABLE schema.table (`, a column a line, and a bracket.
columns='
/^CREATE TABLE [a-z_]+\.[a-z_0-9]+ \($/ { table = $3; sub(/^[^.]*\./, "", table); next }
/^\)/ { table = "" }
table { gsub(/"/, "", $1) }
table && $1 ~ /^(id|uuid|name)$/ { print table, $1 }
'

# The tables of things, and those whose rows are known by id, since a migration has given them uuids meanwhile. Variables
# and what is a record of work are left out: they are told as what is lost without a name.
tables='
{ seen[$1 " " $2]++; all[$1] }
END {
  for (each in all) {
    if (each ~ /^(environment_variables|failed_jobs|telescope_.*|.*_executions)$/) continue
    if (seen[each " uuid"] || (seen[each " name"] && seen[each " id"])) print "table", each
    if (seen[each " uuid"] == 1 && seen[each " id"] == 2) print "by_id", each
  }
}
'

# kept WORD... and now WORD...: what pg_restore writes of the dump, and pg_dump of the database in service
kept() { ask 600 docker exec -i coolify-db pg_restore "$@" -f - <"$at/coolify.dump" 2>/dev/null; }
now() {
  ask 600 docker exec coolify-db sh -c 'exec pg_dump "$@" -U "$POSTGRES_USER" -d "$POSTGRES_DB"' pg_dump "$@" 2>/dev/null
}

# things: of both; what cannot be read whole is not told as whole
things() {
  old=$(kept -s) && new=$(now -s) || return
  both=$(printf '%s\n);\n%s\n' "$old" "$new" | awk "$columns" | awk "$tables")
  words=$(printf '%s\n' "$both" | sed -n 's/^table /-t /p')
  by_id=" $(printf '%s\n' "$both" | sed -n 's/^by_id //p' | tr '\n' ' ')"
  [ -n "$words" ] || return
  # shellcheck disable=SC2086 - words, each the name of a table as it was read
  { kept -a $words && echo 'ink whole'; } | awk -v what=kept -v by_id="$by_id" "$things"
  # shellcheck disable=SC2086
  { now -a $words && echo 'ink whole'; } | awk -v what=now -v by_id="$by_id" "$things"
}

# of NAME: a number or a word in the manifest
of() { sed -n "s/^  \"$1\": \"\{0,1\}\([A-Za-z0-9._-]*\)\"\{0,1\},\{0,1\}$/\1/p" "$at/manifest.json"; }
# made_by PART NAME: of the line of an image
made_by() { sed -n "s/^  \"$1\": {.*\"$2\": \"\([^\"]*\)\".*/\1/p" "$at/manifest.json"; }

# key_in FILE NAME: what .env sets, of two lines the last
key_in() { sed -n "s/^\(export \)\{0,1\}$2=//p" "$1" | tail -n 1 | tr -d "\"'\r "; }
set_in() { sed -n 's/^\(export \)\{0,1\}\([A-Za-z_][A-Za-z0-9_]*\)=.*/\2/p' "$1" | sort -u; }

# key: whether .env here decrypts what the APP_KEY of the backup has encrypted, and has its earlier ones, too
key() {
  theirs=$(key_in "$at/secrets/.env" APP_KEY) || { echo missing; return; }
  case $theirs in '' | *[!A-Za-z0-9+/=:_-]*) echo missing; return ;; esac
  known=,$(key_in "$source/.env" APP_KEY),$(key_in "$source/.env" APP_PREVIOUS_KEYS),
  case $known in *",$theirs,"*) ;; *) echo other; return ;; esac
  for each in $(key_in "$at/secrets/.env" APP_PREVIOUS_KEYS | tr , ' '); do
    case $known in *",$each,"*) ;; *) echo earlier; return ;; esac
  done
  echo known
}

# last: the sum of the dump that was restored last, where that is what serves
last() {
  name=$(cat "$ink/last" 2>/dev/null)
  case $name in '' | *[!a-z0-9-]*) return ;; esac
  [ "$(cat "$ink/rotations/$name/state" 2>/dev/null)" = confirmed ] || return
  sed -n 's/^dump \([0-9a-f]\{64\}\)$/\1/p' "$ink/rotations/$name/orders"
}

look() {
  case $1 in
    /*)
      case $(realpath -e "$1" 2>/dev/null)/ in "$(realpath -e "${top%/ink}" 2>/dev/null)"/?*/) ;; *) leave "there is no backup at $1" ;; esac
      at=$1
      ;;
    *) at=$top/$1 ;;
  esac
  [ -f "$at/manifest.json" ] && [ -f "$at/coolify.dump" ] || leave "there is no backup $1"
  for name in name made format database_bytes; do printf '%s %s\n' "$name" "$(of "$name")"; done
  printf 'image %s\nimage_id %s\nversion %s\npostgres %s\n' "$(made_by coolify image)" "$(made_by coolify id)" \
    "$(made_by coolify version)" "$(made_by postgres version)"
  printf 'key %s\n' "$(key 2>/dev/null)"
  printf 'last %s\n' "$(last)"
  printf 'left %s\n' "$(row "select count(*) from pg_database where datname = 'ink_left'")"
  printf 'now_bytes %s\n' "$(row 'select pg_database_size(current_database())')"
  printf 'now_postgres %s\n' "$(row 'show server_version')"
  printf 'since %s\n' "$(row "select count(*) from application_deployment_queues
    where created_at > to_timestamp($(of made)) at time zone 'UTC'")"
  printf 'panel %s\n' "$(kept -a -t instance_settings | awk "$panel")"
  [ ! -f "$at/secrets/.env" ] || for name in $(set_in "$at/secrets/.env"); do
    set_in "$source/.env" | grep -qx "$name" || printf 'unset %s\n' "$name"
  done
  things
  printf 'done\n'
}

# the name that the panel is visited by
panel='
/^COPY [a-z_]+\.instance_settings \(/ {
  columns = $0; sub(/^[^(]*\(/, "", columns); sub(/\) FROM stdin;$/, "", columns); many = split(columns, names, ", ")
  for (at = 1; at <= many; at++) if (names[at] == "fqdn") fqdn = at
  FS = "\t"; next
}
fqdn && NF >= fqdn && $fqdn != "\\N" { print $fqdn; exit }
'

list() {
  for each in "$top"/*/manifest.json; do
    [ ! -f "$each" ] || { each=${each%/manifest.json} && printf 'backup %s\n' "${each##*/}"; }
  done
  printf 'done\n'
}

[ "$(id -u)" = 0 ] || leave 'it takes root'
[ "${1:-}" = ink-weigh ] || leave 'this is not how it is called'
case $#$2 in
  2list) list ;;
  3look) look "$3" ;;
  *) leave 'this is not how it is called' ;;
esac
