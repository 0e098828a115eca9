# Backs Coolify up on the Factory, and tries a backup in a throw-away place beside it. Nothing in service is touched.
# usage: sh -s -- ink-backup VERB WORD...
#   make     NAME               makes the folder NAME of backups, or takes it as made where it is whole
#   check    BACKUP             reads the sums of a backup anew; it changes nothing
#   rehearse NAME BACKUP IMAGE SECONDS [IMAGE...]  restores a backup into a Postgres of its own and migrates it there with
#                               an image, `-`: the one that runs, and then with each further one in its order, in so many
#                               seconds each at most; all of it is removed again
# BACKUP is the name of a folder that `make` made, or the path of one that was brought here, below /data/coolify/backups.
# Exit status: 3 it failed; the last line on standard error says at which stage and why.

set -u
umask 077
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
source=/data/coolify/source
keys=/data/coolify/ssh
top=/data/coolify/backups/ink
tables='migrations users servers private_keys instance_settings'
files='docker-compose.yml docker-compose.prod.yml docker-compose.custom.yml docker-compose.postgres-upgrade.yml'
label=ink-rehearsal
row='^ *{"sha256": "\([0-9a-f]\{64\}\)", "bytes": [0-9]*, "path": "\([A-Za-z0-9._/-]*\)"},\{0,1\}$'
SPARE_KB=262144
MEMORY_KB=1228800
kind=backup
newline='
'

# What of the words of Laravel and Postgres quotes rows and values is left out: it may be secret.
log() {
  cat "$@" 2>/dev/null | tail -n 60 | sed -e 's/(Connection: .*/(statement left out)/' -e 's/(SQL: .*/(statement left out)/' \
    -e 's/Failing row contains.*/(row left out)/' -e 's/^CONTEXT: .*/(context left out)/' \
    -e 's/Key (\([^)]*\))=(.*/Key (\1) (value left out)/' -e 's/^\(Command was: [A-Z ]*\).*/\1/' | cut -c 1-300 >&2
}

# fail STAGE WORD...: the stage is of a backup or of a rehearsal, whichever this is
fail() {
  stage=${kind}_${1#*_}
  shift
  if [ -e "${work-}/full" ]; then
    stage=rehearsal_room
    set -- 'the disk of Docker became nearly full: the copy was stopped'
  fi
  printf 'ink-backup %s %s\n' "$stage" "$*" >&2
  exit 3
}

# limited SECONDS COMMAND...: with no hold on our lock, so that what outlives us keeps nobody away
# A `docker run` that is told to end hands that on to its container, where the first process of all need not obey
limited() { timeout -k 10 "$@" 9>&-; }
dock() { limited 60 docker "$@" </dev/null; }
clock() { cut -d ' ' -f 1 /proc/uptime; }
passed() { awk -v from="$1" -v to="$(clock)" 'BEGIN { printf "%.2f\n", to - from }'; }

# said TEXT PATTERN: whether it is one line of that shape
said() {
  case $1 in *"$newline"*) return 1 ;; esac
  printf '%s\n' "$1" | grep -Eqx -e "$2"
}


# free PATH: in KiB
free() { df -P -k "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

locked() {
  [ ! -L "$top" ] && mkdir -p "$top" && chmod 700 "$top" && true >>"$top/.lock" || fail backup_files "$top cannot be written"
  exec 9>>"$top/.lock" || fail backup_files "$top cannot be written"
  flock -w 60 9 || fail backup_busy 'another backup or rehearsal runs'
}

# ask SQL: of Coolify's own database, in a session that cannot write
ask() {
  dock exec -e PGOPTIONS='-c default_transaction_read_only=on' coolify-db \
    sh -c 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"' psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}

# held FOLDER: whether each file is what the manifest says, and no file of it is missing
held() {
  sums=$(sed -n "s|$row|\1  \2|p" "$1/manifest.json" 2>/dev/null) || return 1
  [ "$(printf '%s\n' "$sums" | grep -c .)" = "$(grep -c '"path":' "$1/manifest.json")" ] || return 1
  dump=$(printf '%s\n' "$sums" | sed -n 's/^\([0-9a-f]\{64\}\)  coolify\.dump$/\1/p')
  said "$dump" '[0-9a-f]{64}' || return 1
  (cd "$1" && printf '%s\n' "$sums" | sha256sum -c - >/dev/null 2>&1)
}

# of FOLDER NAME: a number in the manifest
of() { sed -n "s/^  \"$2\": \([0-9][0-9.]*\),\{0,1\}$/\1/p" "$1/manifest.json"; }

tell() {
  held "$1" || fail backup_damaged "the backup $name is not what its manifest says, or has none"
  printf 'dump %s\nbytes %s\nmade %s\nseconds %s\ndone\n' \
    "$dump" "$(of "$1" bytes)" "$(of "$1" made)" "$(of "$1" seconds)"
}

database() {
  user=$(dock exec coolify-db printenv POSTGRES_USER) && db=$(dock exec coolify-db printenv POSTGRES_DB) ||
    fail backup_database 'the container coolify-db does not answer'
  said "$user $db" '[A-Za-z0-9_-]{1,63} [A-Za-z0-9_-]{1,63}' || fail backup_database 'its user or its name is not a plain word'
  size=$(ask 'select pg_database_size(current_database())') || fail backup_database 'the database does not answer'
  said "$size" '[0-9]{1,15}' || fail backup_database 'the database does not say how large it is'
  postgres=$(ask 'show server_version') || fail backup_database 'the database does not say its version'
  said "$postgres" '[0-9][0-9A-Za-z .()+~-]{0,60}' || fail backup_database 'the database does not say its version'
}

room() {
  there=$(free "$1")
  said "$there" '[0-9]{1,15}' || fail "$3" "how much is free at $1 is not known"
  [ "$there" -ge $((size * $2 / 1024 + SPARE_KB)) ] || fail "$3" \
    "$1 has $((there / 1024)) MiB free, and $((size * $2 / 1048576 + SPARE_KB / 1024)) are wanted: $2 times the database"
}

# memory: what the containers of a rehearsal may take together
memory() {
  there=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null)
  said "$there" '[0-9]{1,15}' || fail rehearsal_room 'how much memory is left is not known'
  [ "$there" -ge "$MEMORY_KB" ] || fail rehearsal_room \
    "$((there / 1024)) MiB of memory are left, and $((MEMORY_KB / 1024)) are wanted"
}

# guard FOLDER: ends the copy before it fills the disk that Coolify itself lives on
guard() {
  until there=$(free "$1") && [ "${there:-0}" -lt "$SPARE_KB" ]; do sleep 5; done
  true >"$work/full"
  dock rm --force --volumes "$prefix-db" "$prefix-app"
}

dumped() {
  limited 7200 docker exec coolify-db sh -c \
    'exec pg_dump -Fc --lock-wait-timeout=60000 -U "$POSTGRES_USER" -d "$POSTGRES_DB"' \
    >"$part/coolify.dump" 2>"$part/words" </dev/null || { log "$part/words"; fail backup_dump 'pg_dump failed'; }
  limited 600 docker exec -i coolify-db pg_restore --list <"$part/coolify.dump" >"$part/list" 2>"$part/words" ||
    { log "$part/words"; fail backup_check 'pg_restore cannot read the dump'; }
  for table in $tables; do
    grep -Eq "^[0-9]+; [0-9]+ [0-9]+ TABLE DATA [^ ]+ $table " "$part/list" ||
      fail backup_check "the dump has no data of the table $table"
  done
  rm -f "$part/list" "$part/words"
}

copied() {
  mkdir "$part/secrets" "$part/compose" && cp "$source/.env" "$part/secrets/.env" || fail backup_files '.env could not be copied'
  for file in $files; do
    [ ! -f "$source/$file" ] || cp "$source/$file" "$part/compose/$file" || fail backup_files "$file could not be copied"
  done
  [ ! -d "$keys" ] || tar -C "$keys" --exclude=./mux -cf "$part/secrets/ssh.tar" . ||
    fail backup_files 'the ssh keys could not be copied'
  key=$(sed -n 's/^\(export \)\{0,1\}APP_KEY=//p' "$part/secrets/.env" | tail -n 1 | tr -d "\"'\r")
  said "$key" '[A-Za-z0-9+/=:_-]{16,}' || fail backup_files 'there is no APP_KEY in .env'
  key=$(printf 'ink-app-key:%s' "$key" | sha256sum | cut -c 1-16)
}

# plain PATTERN TEXT: the text where it is of that shape, `?` otherwise; so nothing has to be quoted in JSON
plain() { if said "$2" "$1"; then printf '%s' "$2"; else printf '?'; fi; }

manifest() {
  runs=$(dock inspect --type container --format '{{.Config.Image}} {{.Image}}' coolify 2>/dev/null)
  holds=$(dock inspect --type container --format '{{.Config.Image}} {{.Image}}' coolify-db 2>/dev/null)
  version=$(dock exec coolify grep -m 1 -e "'version' =>" /var/www/html/config/constants.php 2>/dev/null |
    sed -n "s/.*'\([0-9][0-9a-z.-]*\)'[ ,]*$/\1/p")
  reference='[A-Za-z0-9][A-Za-z0-9._:/@-]{0,400}' id='sha256:[0-9a-f]{64}'
  printf '{\n  "format": 1,\n  "name": "%s",\n  "made": %s,\n' "$name" "$(date +%s)"
  printf '  "coolify": {"image": "%s", "id": "%s", "version": "%s"},\n' "$(plain "$reference" "${runs%% *}")" \
    "$(plain "$id" "${runs##* }")" "$(plain '[0-9a-z.-]{1,40}' "$version")"
  printf '  "postgres": {"image": "%s", "id": "%s", "version": "%s"},\n' "$(plain "$reference" "${holds%% *}")" \
    "$(plain "$id" "${holds##* }")" "$postgres"
  printf '  "database_bytes": %s,\n  "app_key": "%s",\n' "$size" "$key"
  printf '  "secrets": "secrets/ has .env with APP_KEY, and the ssh keys: keep it apart from the dump",\n  "files": [\n'
  total=0 comma=
  for file in $(cd "$part" && find . -type f ! -name 'manifest.json*' | sort | cut -c 3-); do
    sum=$(sha256sum <"$part/$file") && bytes=$(wc -c <"$part/$file") || return 1
    printf '%s    {"sha256": "%s", "bytes": %s, "path": "%s"}' "$comma" "${sum%% *}" "$((bytes))" "$file"
    total=$((total + bytes)) comma=,$newline
  done
  printf '\n  ],\n  "bytes": %s,\n  "seconds": %s\n}\n' "$total" "$(passed "$begun")"
}

make() {
  begun=$(clock)
  locked
  rm -rf "$top"/.part-*
  if [ ! -e "$top/$name" ]; then
    database
    room "$top" 2 backup_room
    part=$top/.part-$name
    trap 'rm -rf "$part"' EXIT
    trap 'exit 3' HUP INT TERM PIPE
    mkdir "$part" || fail backup_files "$part cannot be made"
    dumped
    copied
    manifest >"$part/manifest.json.new" || fail backup_files 'the manifest could not be written'
    mv "$part/manifest.json.new" "$part/manifest.json" && find "$part" -exec sync {} + &&
      held "$part" && mv "$part" "$top/$name" && sync "$top" || fail backup_files 'it could not be written whole'
  fi
  tell "$top/$name"
}

# place BACKUP: its folder, which no link leads out of
place() {
  case $1 in
    /*)
      case $(realpath -e "$1" 2>/dev/null)/ in "$(realpath -e "${top%/ink}" 2>/dev/null)"/?*/) ;; *) return 1 ;; esac
      printf '%s\n' "$1"
      ;;
    *) printf '%s\n' "$top/$1" ;;
  esac
}

check() { tell "$(place "$name")"; }

# swept: removes what rehearsals left, this one and any that was killed
swept() {
  old=$(dock ps --all --quiet --filter "label=$label") && nets=$(dock network ls --quiet --filter "label=$label") || return 1
  # shellcheck disable=SC2086
  { [ -z "$old" ] || dock rm --force --volumes $old; } && { [ -z "$nets" ] || dock network rm $nets; } || return 1
  rm -rf "$top"/.rehearsal-*
}

image_of() { dock inspect --type container --format '{{.Image}}' "$1"; }

# beside NAME IMAGE OPTION...: a container of the throw-away place
beside() {
  part=$1
  shift
  limited 120 docker run --detach --pull never --name "$prefix-$part" --label "$label=$name" --network "$prefix" \
    --network-alias "coolify-$part" --pids-limit 512 --security-opt no-new-privileges "$@" </dev/null >/dev/null 2>"$work/words" ||
    { log "$work/words"; fail rehearsal_start "the throw-away $part does not start"; }
}

# app SECONDS IMAGE WORD...: php of an image, beside the copy: no way out, no mounts, and nothing else of the image runs
app() {
  seconds=$1 of=$2
  shift 2
  limited "$seconds" docker run --rm --sig-proxy=false --pull never --name "$prefix-app" --label "$label=$name" --network "$prefix" \
    --env-file "$work/env" --env DB_CONNECTION=pgsql --env DB_HOST=coolify-db --env DB_PORT=5432 --env DATABASE_URL= \
    --env DB_READ_HOST= --env REDIS_HOST=coolify-redis --env REDIS_PORT=6379 --env REDIS_URL= --env COLUMNS=400 \
    --env HOME=/tmp --env XDG_CONFIG_HOME=/tmp --memory 512m --pids-limit 512 --security-opt no-new-privileges \
    --workdir /var/www/html --entrypoint php "$of" "$@" </dev/null
}

# Laravel 9 and later print `NAME .... [1] Ran` and `NAME .... Pending`, without dots where there is no room,
# 8 a table; every other line is not understood
statuses='
{ gsub(/\r/, ""); gsub(/^[ \t]+|[ \t]+$/, "") }
/^$/ || /^\+-[-+]*-\+$/ || /^Migration name \.+ (Batch \/ )?Status$/ || /^\| Ran\? +\| Migration +\| Batch +\|$/ { next }
/^[A-Za-z0-9_]+ \.* \[[0-9]+\] Ran$/ { print "ran", $1; next }
/^[A-Za-z0-9_]+ \.* Pending$/ { print "pending", $1; next }
/^\| Yes +\| [A-Za-z0-9_]+ +\| [0-9]+ +\|$/ { print "ran", $4; next }
/^\| No +\| [A-Za-z0-9_]+ +\| +\|$/ { print "pending", $4; next }
{ print "odd"; exit }
'

# status IMAGE FILE: which migrations it has, and which of them ran in the copy
status() {
  app 300 "$1" artisan migrate:status --no-ansi --no-interaction >"$2.said" 2>"$work/words" ||
    { log "$2.said" "$work/words"; fail rehearsal_status 'artisan migrate:status failed'; }
  awk "$statuses" "$2.said" >"$2"
  [ -s "$2" ] && ! grep -qx odd "$2" || { log "$2.said"; fail rehearsal_status 'what artisan migrate:status says is not understood'; }
}

# pending, ran FILE: the names, sorted
names() { sed -n "s/^$1 //p" "$2" | sort -u; }

# plain_env FILE: it as Docker takes it, which knows no quotes
plain_env() {
  sed -n -e 's/^export //' -e 's/\r$//' -e 's/^\([A-Za-z_][A-Za-z0-9_]*\)="\([^"\\$]*\)" *$/\1=\2/' \
    -e "s/^\([A-Za-z_][A-Za-z0-9_]*\)='\([^']*\)' *$/\1=\2/" -e '/^[A-Za-z_][A-Za-z0-9_]*=/p' "$1"
}

restored() {
  tries=0
  until dock exec "$prefix-db" pg_isready -q -h 127.0.0.1 -U "$user" -d "$db"; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { dock logs --tail 20 "$prefix-db" >"$work/words" 2>&1; log "$work/words"; fail rehearsal_start 'the throw-away Postgres does not answer'; }
    sleep 1
  done
  limited 7200 docker exec -i "$prefix-db" pg_restore --exit-on-error --no-owner --no-acl -U "$user" -d "$db" \
    <"$at/coolify.dump" >"$work/words" 2>&1 || { log "$work/words"; fail rehearsal_restore 'pg_restore failed'; }
}

# rows: which migrations the copy has by now
rows() {
  dock exec "$prefix-db" psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$user" -d "$db" -c 'select migration from migrations' \
    >"$work/rows.said" 2>"$work/words" || { log "$work/words"; fail rehearsal_restore 'the copy does not tell its migrations'; }
  sort -u "$work/rows.said" >"$work/rows"
  [ -s "$work/rows" ] || fail rehearsal_restore 'the copy has no migrations'
}

# taken_out: what the image before has and the next release has not any more, as Coolify's own repository shows it: the
# only one from v4.0.0-beta.463 to v4.3.11, in 4.3.0
taken_out=2018_08_08_100000_create_telescope_entries_table

# known: an image that lacks what the database has, and what the image before it has, is older than the database. A row
# that neither has was taken out by Coolify long ago, where the image has newer ones
known() {
  sed 's/^[a-z]* //' "$work/before" | sort -u >"$work/has"
  comm -23 "$work/rows" "$work/has" >"$work/strange"
  true >"$work/has_service"
  [ "$image" = "$since" ] || { status "$since" "$work/service"; sed 's/^[a-z]* //' "$work/service" | sort -u >"$work/has_service"; }
  newest=$(tail -n 1 "$work/has")
  { comm -12 "$work/strange" "$work/has_service" | grep -vxF "$taken_out"; awk -v newest="$newest" '$0 > newest' "$work/strange"; } | sort -u >"$work/unknown"
  [ ! -s "$work/unknown" ] || fail rehearsal_unknown \
    "the database has migrations that the image does not have: $(head -n 5 "$work/unknown" | tr '\n' ' ')"
}

# what migrations do before their way back, by the words in them: they may encrypt, or drop
words='
$1 == "ink-file" { back = 0; name = $2; sub(/.*\//, "", name); sub(/\.php$/, "", name); next }
/function down/ { back = 1 }
!back && /[Ee]ncrypt|Crypt::/ { print "encrypts", name }
/drop(Index|Unique|Foreign|Primary|FullText|Spatial|Constrained)/ { next }
!back && /(drop|rename)[A-Za-z]*\(|->delete\(|truncate\(|DROP |RENAME |DELETE |TRUNCATE / { print "drops", name }
'
secret='$row = Illuminate\Support\Facades\DB::table("private_keys")->orderBy("id")->first(); try { $said = $row === null ? "none" : (str_starts_with(ltrim(Illuminate\Support\Facades\Crypt::decryptString($row->private_key)), "-----BEGIN ") ? "decrypted" : "other"); } catch (Illuminate\Contracts\Encryption\DecryptException $e) { $said = "refused"; } echo "ink-secret ".$said.PHP_EOL;'

migrated() {
  begun=$(clock)
  app "$limit" "$image" artisan migrate --force --no-ansi --no-interaction >"$work/said" 2>&1
  ended=$?
  [ "$ended" = 0 ] || log "$work/said"
  case $ended in
    0) ;;
    124) fail rehearsal_migrate "artisan migrate did not end within $limit seconds" ;;
    137) fail rehearsal_migrate "artisan migrate was killed: it did not end within $limit seconds, or takes too much memory" ;;
    *) fail rehearsal_migrate 'artisan migrate failed' ;;
  esac
  took=$(passed "$begun")
  status "$image" "$work/after"
  [ -z "$(names pending "$work/after")" ] || { log "$work/said"; fail rehearsal_migrate 'migrations are pending after artisan migrate'; }
}

decrypted() {
  app 300 "$image" artisan tinker --no-ansi --no-interaction "--execute=$secret" >"$work/said" 2>"$work/words" ||
    fail rehearsal_secret 'artisan tinker failed'
  told=$(sed -n 's/^.*ink-secret \([a-z]*\)[[:space:]]*$/\1/p' "$work/said")
  case $told in
    decrypted) ;;
    none) fail rehearsal_secret 'the copy has no private key that could be decrypted' ;;
    refused) fail rehearsal_secret 'APP_KEY does not decrypt a private key of the copy' ;;
    *) fail rehearsal_secret 'what a private key of the copy decrypts to is none, or nothing was told' ;;
  esac
}

# keyed: where .env here has another APP_KEY than the backup, what a restore makes of both has to decrypt it as well
keyed() {
  plain_env "$source/.env" >"$work/here"
  here=$(sed -n 's/^APP_KEY=//p' "$work/here" | tail -n 1)
  theirs=$(sed -n 's/^APP_KEY=//p' "$work/env" | tail -n 1)
  [ "$here" != "$theirs" ] || return 0
  earlier=$(sed -n 's/^APP_PREVIOUS_KEYS=//p' "$work/env" | tail -n 1)
  sed '/^APP_\(PREVIOUS_KEYS\|KEY\)=/d' "$work/env" >"$work/both"
  printf 'APP_KEY=%s\nAPP_PREVIOUS_KEYS=%s\n' "$here" "$theirs${earlier:+,$earlier}" >>"$work/both"
  mv "$work/both" "$work/env"
  decrypted
}

# tried: migrates the copy, as the images before have left it, with this one
tried() {
  rows
  status "$image" "$work/before"
  known
  limited 120 docker run --rm --pull never --name "$prefix-app" --label "$label=$name" --network none --memory 256m \
    --pids-limit 64 --security-opt no-new-privileges --workdir /var/www/html --entrypoint sh "$image" -c \
    'for file in database/migrations/*.php; do echo; echo "ink-file $file"; cat "$file" || exit; done' \
    </dev/null >"$work/code" 2>"$work/words" ||
    { log "$work/words"; fail rehearsal_image 'the migrations in the image could not be read'; }
  migrated
  decrypted
  printf 'image %s\n' "$image"
  names pending "$work/before" | tee "$work/pending" | sed 's/^/pending /'
  names ran "$work/after" | comm -12 - "$work/pending" | sed 's/^/ran /'
  sed -n 's/^/gone /p' "$work/strange"
  awk "$words" "$work/code" | sort -u
  since=$image
}

rehearse() {
  kind=rehearsal name=$1 backup=$2 first=$3 limit=$4 prefix=ink-rehearsal-$1 work=$top/.rehearsal-$1
  shift 4
  locked
  at=$(place "$backup") && held "$at" || fail backup_damaged "the backup $backup is not what its manifest says, or has none"
  runs=$(image_of coolify) && holds=$(image_of coolify-db) && redis=$(image_of coolify-redis) ||
    fail rehearsal_start 'Coolify'"'"'s containers are not all there'
  ids= since=$runs
  for each in "$first" "$@"; do
    [ "$each" != - ] || each=$runs
    ids="$ids $(dock image inspect --format '{{.Id}}' "$each" 2>/dev/null)" || fail rehearsal_image 'the image is not on the Factory: pull it first'
  done
  database
  place=$(dock info --format '{{.DockerRootDir}}') || fail rehearsal_start 'Docker does not say where it keeps its data'
  room "$place" 3 rehearsal_room
  memory
  swept >/dev/null 2>&1 || fail rehearsal_start 'what an earlier rehearsal left could not be removed'
  watch=
  trap '[ -z "$watch" ] || kill "$watch" 2>/dev/null; swept >/dev/null 2>&1' EXIT
  trap 'exit 3' HUP INT TERM PIPE
  mkdir "$work" || fail rehearsal_start "$work cannot be made"
  env=$at/secrets/.env
  [ -f "$env" ] || env=$source/.env
  plain_env "$env" >"$work/env"
  dock network create --internal --label "$label=$name" "$prefix" >/dev/null 2>"$work/words" ||
    { log "$work/words"; fail rehearsal_start 'no network of its own can be made'; }
  guard "$place" </dev/null >/dev/null 2>&1 9>&- &
  watch=$!
  sed -n 's/^DB_PASSWORD=/POSTGRES_PASSWORD=/p' "$work/env" | tail -n 1 >"$work/password"
  beside db --memory 512m --env-file "$work/password" --env "POSTGRES_USER=$user" --env "POSTGRES_DB=$db" "$holds"
  beside redis --memory 128m --env-file "$work/env" --entrypoint sh "$redis" -c \
    'exec redis-server --save "" --requirepass "$REDIS_PASSWORD"'
  restored
  took=
  for image in $ids; do
    # how long the one before took stands behind what is told of it
    [ -z "$took" ] || printf 'passed %s\n' "$took"
    tried
  done
  keyed
  kill "$watch" 2>/dev/null
  [ ! -e "$work/full" ] || fail rehearsal_room
  swept >/dev/null 2>&1 || fail rehearsal_left 'the throw-away place could not be removed'
  record
  printf 'dump %s\nseconds %s\nsecret decrypted\ndone\n' "$dump" "$took"
}

record() {
  drill=$top/last-drill.json
  backup=$(sed -n 's/^  "name": "\([a-z0-9][a-z0-9-]\{0,62\}\)",$/\1/p' "$at/manifest.json")
  printf '{"at": %s, "backup": "%s", "dump_sha256": "%s", "image": "%s"}\n' "$(date +%s)" "$backup" "$dump" "$image" \
    >"$drill.new" && sync "$drill.new" && mv "$drill.new" "$drill" && sync "$top" ||
    fail rehearsal_record 'the restore was proved, and could not be written down'
}

plain_name() { said "$1" '[a-z0-9][a-z0-9-]{0,62}' || fail backup_call 'a word of the command is not one'; }

plain_image() { said "$1" '-|[A-Za-z0-9][A-Za-z0-9._:/@-]{0,400}' || fail backup_call 'a word of the command is not one'; }

plain_place() {
  said "$1" '[a-z0-9][a-z0-9-]{0,62}|/data/coolify/backups(/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,4}' ||
    fail backup_call 'a word of the command is not one'
}

main() {
  [ "$(id -u)" = 0 ] || fail backup_call 'it takes root'
  [ "$#${1-}" = 3ink-backup ] || { [ "${1-}${2-}" = ink-backuprehearse ] && [ $# -ge 6 ] && [ $# -le 12 ]; } || fail backup_call 'this is not how it is called'
  verb=$2 name=$3
  if [ "$verb" = check ]; then plain_place "$name"; else plain_name "$name"; fi
  case $verb in
    make | check) "$verb" ;;
    rehearse)
      plain_place "$4"
      plain_image "$5"
      said "$6" '[1-9][0-9]{0,4}' || fail backup_call 'a word of the command is not one'
      shift 2
      at=0
      for each in "$@"; do
        at=$((at + 1))
        [ "$at" -le 4 ] || plain_image "$each"
      done
      rehearse "$@"
      ;;
    *) fail backup_call 'this is not how it is called' ;;
  esac
}

main "$@"
