# Says what a backup of Coolify holds beside what is in service now. It only reads.
# usage: sh -s -- ink-weigh list | ink-weigh look BACKUP
#   list  the names of the backups that are whole by their manifests
#   look  BACKUP, the name of one of them or the path of one that was brought here, below /data/coolify/backups: what made
#         it, and what is in it and in the database now, by table, uuid and name. No other column leaves the Factory.
# Exit status: 3 there is no such backup, or it cannot be read.

set -u
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
source=/data/coolify/source
top=/data/coolify/backups/ink
ink=/data/coolify/ink
tables='applications services servers projects standalone_postgresqls standalone_mysqls standalone_mariadbs standalone_mongodbs
  standalone_redis standalone_keydbs standalone_dragonflies standalone_clickhouses private_keys personal_access_tokens users'

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
  many = split(columns, names, ", "); uuid = name = gone = 0
  for (at = 1; at <= many; at++) {
    if (names[at] == "uuid" || (names[at] == "id" && !uuid)) uuid = at
    if (names[at] == "name" && table != "users") name = at
    if (names[at] == "deleted_at") gone = at
  }
  rows = 1; FS = "\t"; next
}
/^\\\.$/ { rows = 0; FS = " "; next }
!rows && $0 == "ink whole" { print "whole", what; next }
rows && (!gone || $gone == "\\N") { print what, table, $uuid, (name ? $name : "") }
'

# table_words: for pg_dump and pg_restore alike
table_words() { for table in $tables; do printf -- '-t %s ' "$table"; done; }

# of NAME: a number or a word in the manifest
of() { sed -n "s/^  \"$1\": \"\{0,1\}\([A-Za-z0-9._-]*\)\"\{0,1\},\{0,1\}$/\1/p" "$at/manifest.json"; }
# made_by PART NAME: of the line of an image
made_by() { sed -n "s/^  \"$1\": {.*\"$2\": \"\([^\"]*\)\".*/\1/p" "$at/manifest.json"; }

# key_in FILE NAME: what .env sets, of two lines the last
key_in() { sed -n "s/^\(export \)\{0,1\}$2=//p" "$1" | tail -n 1 | tr -d "\"'\r "; }
set_in() { sed -n 's/^\(export \)\{0,1\}\([A-Za-z_][A-Za-z0-9_]*\)=.*/\2/p' "$1" | sort -u; }

# key: whether .env here decrypts what the APP_KEY of the backup has encrypted
key() {
  theirs=$(key_in "$at/secrets/.env" APP_KEY) || { echo missing; return; }
  case $theirs in '' | *[!A-Za-z0-9+/=:_-]*) echo missing; return ;; esac
  case ,$(key_in "$source/.env" APP_KEY),$(key_in "$source/.env" APP_PREVIOUS_KEYS), in
    *",$theirs,"*) echo known ;;
    *) echo other ;;
  esac
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
  printf 'now_bytes %s\n' "$(row 'select pg_database_size(current_database())')"
  printf 'now_postgres %s\n' "$(row 'show server_version')"
  printf 'since %s\n' "$(row "select count(*) from application_deployment_queues
    where created_at > to_timestamp($(of made)) at time zone 'UTC'")"
  printf 'panel %s\n' "$(ask 600 docker exec -i coolify-db pg_restore -a -t instance_settings -f - <"$at/coolify.dump" 2>/dev/null | awk "$panel")"
  [ ! -f "$at/secrets/.env" ] || for name in $(set_in "$at/secrets/.env"); do
    set_in "$source/.env" | grep -qx "$name" || printf 'unset %s\n' "$name"
  done
  # shellcheck disable=SC2086 - words, each a name of ours
  { ask 600 docker exec -i coolify-db pg_restore -a $(table_words) -f - <"$at/coolify.dump" 2>/dev/null && echo 'ink whole'; } |
    awk -v what=kept "$things"
  # shellcheck disable=SC2086
  { ask 600 docker exec coolify-db sh -c 'exec pg_dump -a "$@" -U "$POSTGRES_USER" -d "$POSTGRES_DB"' pg_dump $(table_words) \
    2>/dev/null && echo 'ink whole'; } | awk -v what=now "$things"
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
