# Prints how Coolify runs on this server and how it is configured to run, each answer framed by the marker it is given.
# usage: sh -s -- ink-coolify MARKER
# It only reads. Of the file with Coolify's secrets it prints no other keys than those that choose the image.

export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
source=/data/coolify/source
mark=
NONE=44

# ask COMMAND...: run it for at most 20 seconds
ask() {
  command -v "$1" >/dev/null 2>&1 || return 127
  timeout 20 "$@"
}

# section NAME COMMAND...: print what the command says and how it ended
section() {
  name=$1
  shift
  said=$("$@" 2>&1)
  ended=$?
  printf '%s begin %s\n%s\n%s end %s %s\n' "$mark" "$name" "$said" "$mark" "$name" "$ended"
}

# file PATH: what is in it; it ends with NONE where there is nothing of that name
# Coolify's upgrade.sh takes what `[ -f` takes: a link that leads nowhere is no override, and yet nothing to be sure of
file() {
  if [ -f "$1" ]; then
    ask head -c 200000 "$1"
  elif [ -e "$1" ] || [ -L "$1" ]; then
    echo "$1 is no file" && return 1
  else
    return "$NONE"
  fi
}

running() {
  ask docker inspect --type container --format '{{json .Image}} {{json .Config.Image}} {{json .State.Status}}' coolify
}

# image FORMAT WHICH: of the image that runs, by its id or by the name that the container was made from
image() {
  made=$(ask docker inspect --type container --format "$2" coolify) || { status=$?; echo "$made"; return "$status"; }
  ask docker image inspect --format "$1" "$made"
}

# images: what Docker Compose makes of all files, in the order of Coolify's upgrade.sh; nothing of
# what it complains is printed: it quotes lines of .env
images() {
  set -- -f "$source/docker-compose.yml" -f "$source/docker-compose.prod.yml"
  for more in docker-compose.custom.yml docker-compose.postgres-upgrade.yml; do
    if [ -f "$source/$more" ]; then set -- "$@" -f "$source/$more"; fi
  done
  ask docker compose --env-file "$source/.env" "$@" config --images 2>/dev/null ||
    { status=$?; echo 'docker compose does not take these files'; return "$status"; }
}

# database SQL: ask Coolify's own database, in a session that cannot write
database() {
  ask docker exec -e PGOPTIONS='-c default_transaction_read_only=on' coolify-db \
    sh -c 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"' psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}

# dumps: when each was written, its size and its name; where nothing ever made the folder there are none
dumps() {
  [ -d /data/coolify/backups/coolify ] || return "$NONE"
  all=$(ask find /data/coolify/backups/coolify -type f -name 'pg-dump-*' -exec stat -c '%Y %s %n' {} +) ||
    { status=$?; echo 'the folder of backups could not be read'; return "$status"; }
  printf '%s\n' "$all" | sort -rn | head -n 50
}

# kept: the dumps of our own backups that are whole, as `dumps` tells others; the manifest is written last
kept() {
  [ -d /data/coolify/backups/ink ] || return "$NONE"
  for manifest in /data/coolify/backups/ink/*/manifest.json; do
    [ ! -f "$manifest" ] || ask stat -c '%Y %s %n' "${manifest%manifest.json}coolify.dump" || return 1
  done
}

backups='from scheduled_database_backups b'
own="b.database_id = 0 and b.database_type = 'App\\Models\\StandalonePostgresql'"
done_="select max(e.created_at) from scheduled_database_backup_executions e where e.scheduled_database_backup_id = b.id"

main() {
  mark=$2
  section clock ask date +%s
  section running running
  section digests image '{{json .RepoDigests}}' '{{.Image}}'
  section named image '{{json .Id}}' '{{.Config.Image}}'
  section constants ask docker exec coolify grep -m 1 -e "'version' =>" /var/www/html/config/constants.php
  section base file "$source/docker-compose.yml"
  section prod file "$source/docker-compose.prod.yml"
  section custom file "$source/docker-compose.custom.yml"
  section postgres_upgrade file "$source/docker-compose.postgres-upgrade.yml"
  section env ask grep -E '^(export )?(REGISTRY_URL|LATEST_IMAGE|COOLIFY_VERSION|AUTOUPDATE)=' "$source/.env"
  section images images
  section settings database \
    'select is_auto_update_enabled, auto_update_frequency, instance_timezone from instance_settings where id = 0'
  section schedule database "select b.enabled, b.frequency, extract(epoch from ($done_ and e.status = 'success'))::bigint
    $backups where $own order by b.enabled desc, b.id"
  section dumps dumps
  section kept kept
  section drill file /data/coolify/backups/ink/last-drill.json
  printf '%s done\n' "$mark"
}

[ "$(id -u)" = 0 ] || { echo 'it takes root' >&2 && exit 3; }
all=$(main "$@" </dev/null)
printf '%s\n' "$all"
