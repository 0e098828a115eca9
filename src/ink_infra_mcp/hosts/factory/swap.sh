# Puts another image of Coolify into service on this Factory, with realtime's where that is ordered, or the database of a
# backup, and goes back by itself unless somebody confirms it. Each is a rotation: they have the same unit, and only one of
# them is under way.
# usage: sh -s -- ink-swap VERB NAME
#   look    NAME  says how far the rotation NAME is, why, and what came of it; it changes nothing
#   ready   NAME  says what a rotation would meet here; it changes nothing
#   prove   NAME  says how the Coolify in service is; it changes nothing
#   secrets NAME  says whether it decrypts its keys, has them as files, and gets in to its servers; it changes nothing
#   prepare NAME  takes its orders from standard input, and puts all on the disk that the way there and back needs
#   start   NAME  has systemd run it: from there on nobody else has to be there
#   confirm NAME  keeps the new image in service
#   abort   NAME  has the unit go back; once confirmed it is too late for that
#   run     NAME  is what the unit does, and does again after each interruption: a boot, a kill
#   release NAME  lets go of what earlier rotations hold, images and files; of this one's way back nothing goes
#   back    NAME  goes back by hand: with the database from before where --with-database is said, and over files that
#                 were changed since it was confirmed where --with-files is said
# Exit status: 3 nothing was changed, with words on standard error.
# Whoever interrupts it at whatever command: before `swapping` is on the disk nothing has been touched, after
# `confirmed` nothing is left to do, and in between the next run goes back.

set -u
umask 077
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
source=/data/coolify/source
top=/data/coolify/ink
unit=ink-coolify-swap.service
FILES='docker-compose.custom.yml docker-compose.prod.yml .env'
BESIDE='soketi:coolify-realtime postgres:coolify-db redis:coolify-redis'
TRY_AGAIN_S=5
REALTIME_S=120

leave() {
  status=$1
  shift
  printf 'ink-swap: %s\n' "$*" >&2
  exit "$status"
}

# put FILE: write standard input there, whole or not at all, and to the disk
put() {
  cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}" && return
  rm -f "$1.new"
  return 1
}

# set_state STATE WHY: a full disk must not keep us from going back, nor from telling it: the words for that lie there
# since it was prepared, and a rename takes no room
set_state() {
  printf '%s %s %s\n' "$(date -u +%FT%TZ)" "$1" "$2"
  [ "$(told why)" = "$2" ] || printf '%s\n' "$2" | put "$dir/why" || mv -f "$dir/why.ready" "$dir/why" 2>/dev/null
  printf '%s\n' "$1" | put "$dir/state" || mv -f "$dir/$1.ready" "$dir/state" 2>/dev/null
}

keep_words() {
  for word in refused reverting reverted; do printf '%s\n' "$word" | put "$dir/$word.ready" || return 1; done
  echo 'the disk takes no word of why: see whether it is full' | put "$dir/why.ready"
}

told() { if [ -f "$dir/$1" ]; then head -c 4096 "$dir/$1"; fi; }
state() { told state; }
sum() { sha256sum "$1" | cut -c 1-64; }
sum_of() { if [ -f "$1" ]; then sum "$1"; else echo none; fi; }
uptime_s() { cut -d . -f 1 /proc/uptime; }
boot() { cat /proc/sys/kernel/random/boot_id; }

# ask SECONDS COMMAND...: run it for at most so long
ask() {
  limit=$1
  shift
  timeout -k 5 "$limit" "$@"
}

# database NAME SQL: ask Coolify's database server in the database NAME, an empty one being Coolify's own
database() {
  ask 60 docker exec coolify-db sh -c 'exec psql -U "$POSTGRES_USER" -d "${1:-$POSTGRES_DB}" \
    -X -q -A -t -v ON_ERROR_STOP=1 -c "$2"' psql "$1" "$2"
}

# statements SQL: several of them, of which each is by itself, from the server's own database postgres
statements() {
  printf '%s\n' "$1" | ask 600 docker exec -i coolify-db sh -c 'exec psql -U "$POSTGRES_USER" -d postgres \
    -X -q -A -t -v ON_ERROR_STOP=1 -v own="$POSTGRES_DB" -f -' psql
}

inspect() { ask 20 docker inspect --type container --format "$1" "${2:-coolify}" 2>/dev/null; }
image_id() { ask 20 docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }
migrations() { database '' 'select count(*), coalesce(max(id), 0), md5(string_agg(migration, chr(10) order by id)) from migrations'; }

# up SECONDS LAST SERVICE CONTAINER: what Coolify's own upgrade.sh runs (4.3.11), for the one service, of images that are here
up() {
  last=${2:-} service=${3:-coolify} container=${4:-coolify}
  set -- "$1" -f "$source/docker-compose.yml" -f "$source/docker-compose.prod.yml"
  for more in "$source/docker-compose.custom.yml" "$source/docker-compose.postgres-upgrade.yml" "$last"; do
    if [ -n "$more" ] && [ -f "$more" ]; then set -- "$@" -f "$more"; fi
  done
  limit_s=$1
  shift
  ask "$((limit_s + 120))" docker compose --env-file "$source/.env" "$@" \
    up -d --no-deps --no-build --pull never --wait --wait-timeout "$limit_s" "$service" && is_well "$container"
}

# is_well: Compose's status alone is no word for it: at its deadline `up --wait` can end with 0 (waitDependencies returns
# nothing when its time is over, pkg/compose/convergence.go), as the lab met with 2.26.1
is_well() {
  health=$(inspect '{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$1") || return 1
  case "$health $(inspect '{{.Image}} {{.State.Status}}' "$1")" in 'healthy sha256:'*' running' | ' sha256:'*' running') return 0 ;; esac
  echo "Compose is content, and the container is ${health:-not running}"
  return 1
}

# sum_put FILE: the sum of what the swap puts there, or leaves there
sum_put() {
  if [ -e "$dir/$1.gone" ]; then echo none; elif [ -f "$dir/$1.wanted" ]; then sum "$dir/$1.wanted"; else sum_of "$dir/$1.back"; fi
}

# --- before anything is touched ------------------------------------------------------------------------------------

# order KEY: one line of the orders; values are words of letters that no shell and no pattern reads
order() { order_in "$dir" "$1"; }
order_in() { sed -n "s/^$2 //p" "$1/orders" | head -n 1; }

# fit_orders: of .env only these keys, with values that every reader of it takes alike, and updates go off; a name of
# letters that no shell reads
ENV_ORDERS='env:(AUTOUPDATE false|(LATEST_IMAGE|COOLIFY_VERSION) [0-9][A-Za-z0-9._-]{0,63})'
fit_orders() {
  restores || grep -qx 'env:AUTOUPDATE false' "$dir/orders" || return 1
  if grep '^env:' "$dir/orders" | grep -Evxq "$ENV_ORDERS"; then return 1; fi
  case $(order tag)$(order realtime)$(order realtime_id)$(order withdraws) in *[!A-Za-z0-9._:/-]*) return 1 ;; esac
  case $(order withdraws) in '' | soketi) ;; *) return 1 ;; esac
}

# files: those that it keeps; the one that no other rotation writes only where a release's is ordered
files() { printf '%s\n' "$FILES"; [ -z "$(order text:docker-compose.yml)" ] || echo docker-compose.yml; }

# under_way: the rotation that is between its beginning and its end, if there is one
under_way() {
  for each in "$top"/rotations/*/state; do
    [ -f "$each" ] || continue
    case $(cat "$each") in
      swapping | swapped | reverting) each=${each%/state} && echo "${each##*/}" ;;
    esac
  done
}

deployments() {
  database '' "select count(*) from application_deployment_queues where status in ('queued', 'in_progress')"
}

# relying: what Coolify starts with --runtime, of all teams: apps, and databases too, whose options it reads alike (app/Actions/
# Database/Start*.php, 4.3.10). Tables are asked for, since there are more of them from version to version
relying() {
  tables=$(database '' "select table_name from information_schema.columns
    where table_schema = 'public' and column_name = 'custom_docker_run_options' order by 1") || return 1
  sql=
  for table in $tables; do
    case $table in *[!a-z0-9_]*) return 1 ;; esac
    sql="${sql:+$sql union all }select '$table ' || t.uuid || ' ' || replace(encode(convert_to(t.name, 'UTF8'), 'base64'), chr(10), '')
      from $table t where t.custom_docker_run_options like '%--runtime%' and to_jsonb(t) ->> 'deleted_at' is null"
  done
  [ -z "$sql" ] || database '' "$sql"
}

# relying_sum: of whom, whatever they are called
relying_sum() {
  found=$(relying) || return 1
  printf '%s' "$found" | awk 'NF { print $1, $2 }' | sort | sha256sum | cut -c 1-64
}

# upgrade_runs: or may run. Its dangerous half is a shell of its own, which names only its log (upgrade.sh, 4.3.11)
upgrade_runs() {
  command -v pgrep >/dev/null 2>&1 || return 0
  if pgrep -f "$source/upgrade[-.]" >/dev/null; then return 0; fi
  [ -n "$(find "$source/.upgrade-status" -mmin -10 2>/dev/null)" ] && ! grep -Eq '^(error|6)\|' "$source/.upgrade-status"
}

prepare() {
  [ -z "$(state)" ] || return 0
  [ -z "$(under_way)" ] || leave 3 "another rotation is under way: $(under_way)"
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here'
  rm -rf "$dir"
  mkdir -p "$dir" && chmod 0700 "$top" "$top/rotations" "$dir" || leave 3 'its folder cannot be made'
  cat >"$dir/orders" || leave 3 'its orders could not be written'
  [ "$(order end)" = "$(order script | base64 -d 2>/dev/null | sha256sum | cut -c 1-64)" ] || leave 3 'its orders are not whole'
  fit_orders || leave 3 'its orders are none that it takes'
  [ "$(image_id "$(order image)")" = "$(order id)" ] || leave 3 'the image is not here, or is another one'
  old=$(inspect '{{.Image}} {{.Config.Image}} {{.State.Status}}') || leave 3 'there is no container coolify'
  set -- $old
  [ "$3" = running ] || leave 3 "Coolify does not run: its container is $3"
  printf '%s\n' "$1" | put "$dir/old_id" && printf '%s\n' "$2" | put "$dir/old_image" || leave 3 'the disk takes nothing'
  inspect '{{index .Config.Labels "com.docker.compose.project"}}' | put "$dir/project" &&
    inspect '{{if .State.Health}}{{.State.Health.Status}}{{end}}' | put "$dir/old_health" &&
    printf 'services:\n  coolify:\n    image: "%s"\n' "$2" | put "$dir/back.yml" || leave 3 'the disk takes nothing'
  for file in $(files); do
    keep "$file" || leave 3 "$file could not be kept"
  done
  keep_words || leave 3 'the disk takes nothing'
  [ -z "$(order realtime)$(order withdraws)" ] || keep_realtime
  [ -z "$(order sum:docker-compose.yml)" ] || [ "$(order sum:docker-compose.yml)" = "$(sum_of "$source/docker-compose.yml")" ] ||
    leave 3 'docker-compose.yml was changed meanwhile'
  others_sum | put "$dir/others" || leave 3 'the disk takes nothing'
  takes back || leave 3 'Docker Compose does not take its files as they are, which the way back needs'
  takes wanted || leave 3 'Docker Compose does not take its files as they shall be'
  [ -z "$(order tag)" ] || composed wanted 'config --images' | grep -Fqx -e "$(order tag)" ||
    leave 3 'Docker Compose reads another image of Coolify out of its files as they shall be'
  [ -z "$(order realtime)" ] || [ "$(composed wanted 'config --images soketi')" = "$(order realtime)" ] ||
    leave 3 'Docker Compose reads another image of realtime out of its files as they shall be'
  [ -z "$(order withdraws)" ] || starts_only_coolify || leave 3 'Docker Compose would start soketi out of its files as they shall be'
  [ -z "$(order tag)" ] || image_id "$(order tag)" | put "$dir/old_tag" || leave 3 'the disk takes nothing'
  hold "$1" || leave 3 'the image in service could not be held'
  [ ! -s "$dir/old_realtime_id" ] || hold "$(told old_realtime_id)" -realtime || leave 3 'the image of realtime could not be held'
  install_unit || leave 3 'its unit could not be written'
  boot | put "$dir/boot" && set_state prepared '' >/dev/null || leave 3 'the disk takes nothing'
}

# keep_realtime: what its way back needs. The service is soketi in each docker-compose.prod.yml from v4.0.0 to v4.3.11
keep_realtime() {
  [ -z "$(order realtime)" ] || [ "$(image_id "$(order realtime_id)")" = "$(order realtime_id)" ] || leave 3 'the image of realtime is not here, or is another one'
  labels='{{index .Config.Labels "com.docker.compose.project"}} {{index .Config.Labels "com.docker.compose.service"}}'
  [ "$(inspect "$labels" coolify-realtime)" = "$(told project) soketi" ] || leave 3 'coolify-realtime is no container of the service soketi'
  [ "$(inspect '{{.State.Status}}' coolify-realtime)" = running ] || leave 3 'coolify-realtime does not run'
  inspect '{{.Image}}' coolify-realtime | put "$dir/old_realtime_id" &&
    inspect '{{.Config.Image}}' coolify-realtime | put "$dir/old_realtime_image" &&
    inspect '{{if .State.Health}}{{.State.Health.Status}}{{end}}' coolify-realtime | put "$dir/old_realtime_health" &&
    { [ -z "$(order realtime)" ] || image_id "$(order realtime)"; } | put "$dir/old_realtime_tag" || leave 3 'the disk takes nothing'
  [ -z "$(order withdraws)" ] || keep_container
  { cat "$dir/back.yml" && printf '  soketi:\n    image: "%s"\n' "$(told old_realtime_image)"; } | put "$dir/back.both" &&
    mv -f "$dir/back.both" "$dir/back.yml" && sync "$dir" || leave 3 'the disk takes nothing'
}

# keep_container: the very one that is withdrawn, by its id, and when Docker starts it by itself
keep_container() {
  inspect '{{.Id}}' coolify-realtime | put "$dir/old_realtime" &&
    inspect '{{.HostConfig.RestartPolicy.Name}}' coolify-realtime | put "$dir/old_realtime_restart" || leave 3 'the disk takes nothing'
  case $(told old_realtime_restart) in
    always | unless-stopped | no) ;;
    *) leave 3 'coolify-realtime has a restart policy that Coolify does not give it' ;;
  esac
}

# starts_only_coolify: from 4.4 on the files have soketi as a name of a profile that nobody chooses, so that an override of
# before is still one (docker-compose.prod.yml, 4.4); Compose lists only what it starts
starts_only_coolify() {
  case " $(composed wanted 'config --services' | tr '\n' ' ')" in *' soketi '*) return 1 ;; *' coolify '*) return 0 ;; esac
  return 1
}

# others_sum: of what `up` reads beside the files that are kept, and nobody here writes
others_sum() { for more in docker-compose.yml docker-compose.postgres-upgrade.yml; do sum_of "$source/$more"; done; }

# takes KIND: whether Compose takes the files in which `up` is given them, `back` as they are and `wanted` as they shall be;
# what it says of them is not told: others may keep secrets in theirs
takes() { composed "$1" 'config --quiet' >/dev/null; }

# composed KIND WORDS: what Compose says of the files of that kind; those of any other kind are as they are
composed() {
  kind=$1 asked=$2 env=$source/.env
  [ ! -f "$dir/.env.$kind" ] || env=$dir/.env.$kind
  set --
  for file in docker-compose.yml docker-compose.prod.yml docker-compose.custom.yml docker-compose.postgres-upgrade.yml; do
    at=$source/$file
    [ ! -f "$dir/$file.$kind" ] || at=$dir/$file.$kind
    if [ "$kind" = wanted ] && [ -e "$dir/$file.gone" ]; then at=; fi
    if [ "$file" = docker-compose.yml ] || { [ -n "$at" ] && [ -f "$at" ]; }; then set -- "$@" -f "$at"; fi
  done
  # shellcheck disable=SC2086 - words of ours
  ask 30 docker compose --env-file "$env" "--project-directory=$source" "$@" $asked 2>/dev/null
}

# keep FILE: copy it, twice, for the way back, and write what it shall be
keep() {
  if [ -e "$source/$1" ]; then
    [ -f "$source/$1" ] && [ ! -L "$source/$1" ] || return 1
    cp -p "$source/$1" "$dir/$1.back" && cp -p "$source/$1" "$dir/$1.ready" && sync "$dir/$1.back" "$dir/$1.ready" || return 1
  fi
  [ "$1" = .env ] || [ "$(order "sum:$1")" = "$(sum_of "$source/$1")" ] || leave 3 "$1 was changed meanwhile"
  if [ -f "$dir/$1.back" ]; then cp -p "$dir/$1.back" "$dir/$1.wanted"; else true >"$dir/$1.wanted" && chmod 0644 "$dir/$1.wanted"; fi || return 1
  case $1 in
    .env) if restores; then with_keys; else with_env <"$dir/.env.back"; fi >"$dir/.env.wanted" ;;
    *)
      case $(order "text:$1") in
        same) rm -f "$dir/$1.wanted" ;;
        gone) rm -f "$dir/$1.wanted" && true >"$dir/$1.gone" ;;
        *) order "text:$1" | base64 -d >"$dir/$1.wanted" ;;
      esac
      ;;
  esac || return 1
  sync "$dir"
}

# with_env: .env with what is ordered, each of these keys once. Coolify takes the switch of updates from it at each start
# (app/Console/Commands/Init.php, 4.3.11), Compose the image's tag, and Coolify which version it is
with_env() {
  awk -v keys="$(sed -n 's/^env:\([A-Z_]*\) .*/\1/p' "$dir/orders" | tr '\n' ' ')" '
    BEGIN { split(keys, list, " "); for (at in list) ordered[list[at]] }
    { key = $0; sub(/^export /, "", key); sub(/=.*/, "", key); if (!(key in ordered) || $0 !~ /=/) print }' &&
    sed -n 's/^env:\([A-Z_]*\) /\1=/p' "$dir/orders"
}

# hold ID MORE: a container that is never started keeps every cleanup off the image
hold() {
  name_=ink-coolify-held-$name${2:-}
  ask 20 docker container inspect "$name_" >/dev/null 2>&1 ||
    ask 60 docker create --name "$name_" --label "ink-infra.holds=$name" --restart no --network none \
      --entrypoint /bin/true "$1" >/dev/null
}

install_unit() {
  order script | base64 -d | put "$top/swap.sh" || return 1
  printf '#!/bin/sh\n# Goes back to the image of Coolify from before the last rotation, without any other server.\n' >"$dir/rollback" || return 1
  printf 'exec sh %s/swap.sh ink-swap back "$(cat %s/last)" "$@"\n' "$top" "$top" >>"$dir/rollback" || return 1
  chmod 0700 "$dir/rollback" && sync "$dir/rollback" && mv -f "$dir/rollback" "$top/rollback" && write_unit
}

# write_unit: there is one unit, and it is of the rotation that was last begun, there or back
write_unit() {
  put "/etc/systemd/system/$unit" <<END || return 1
[Unit]
Description=A rotation of Coolify's image by ink-infra-mcp, with its way back
After=docker.service
Wants=docker.service
RequiresMountsFor=/data/coolify
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh $top/swap.sh ink-swap run $name
Restart=on-failure
RestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE
RestartSec=2
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
END
  chmod 0644 "/etc/systemd/system/$unit" && systemctl daemon-reload
}

start() {
  [ "$(state)" = prepared ] || return 0
  [ "$(told boot)" = "$(boot)" ] || { set_state refused 'the Factory has booted since it was prepared' >/dev/null; return 0; }
  grep -qs " run $name\$" "/etc/systemd/system/$unit" || leave 3 'its unit is that of another rotation by now'
  systemctl enable --quiet "$unit" || leave 3 'systemd does not take its unit: see whether the disk is full'
  # from here on a unit that is switched off has ended
  put "$dir/started" </dev/null || { systemctl disable --quiet "$unit" && leave 3 'the disk takes nothing'; }
  systemctl start --no-block "$unit" || leave 3 'systemd does not start its unit'
}

# ended: whether its unit is over, and the disk took no word at all of it: before it has begun, as after that it goes on
ended() {
  [ "$(state)" = prepared ] && [ -e "$dir/started" ] || return 1
  grep -qs " run $name\$" "/etc/systemd/system/$unit" || return 0
  if systemctl is-active --quiet "$unit" 2>/dev/null; then return 1; fi
  ! systemctl is-enabled --quiet "$unit" 2>/dev/null || [ ! -w "$dir" ]
}

refuse() {
  ! restores || statements 'drop database if exists ink_restored;'
  set_state refused "$1"
  finish
}

finish() {
  systemctl disable --quiet "$unit"
  exit 0
}

# abort: a unit that has not begun never will; one that has goes back
abort() {
  true >"$dir/abort" && sync "$dir" || leave 3 'the disk takes nothing'
  case $(state)$(systemctl show --property=ActiveState --value "$unit") in
    preparedinactive | preparedfailed) set_state refused 'it was told not to begin' >/dev/null && systemctl disable --quiet "$unit" ;;
  esac
  awake
}

confirm() {
  true >"$dir/confirm" && sync "$dir" || leave 3 'the disk takes nothing'
  awake
}

# awake: a unit that somebody stopped hears no word
awake() {
  case $(state) in
    swapping | swapped | reverting) systemctl start --no-block "$unit" || leave 3 'systemd does not start its unit' ;;
  esac
}

# --- the way there ---------------------------------------------------------------------------------------------------

run() {
  # a shell whose own redirection fails is gone, and systemd would begin it again for ever: the way back needs no log
  if true >>"$dir/log"; then exec >>"$dir/log" 2>&1; elif [ "$(state)" = prepared ]; then finish; fi
  case $(state) in
    prepared)
      [ "$(told boot)" = "$(boot)" ] || refuse 'the Factory has booted since it was prepared'
      [ ! -e "$dir/abort" ] || refuse 'it was told not to begin'
      if restores; then restore; else swap; fi
      ;;
    swapped) if [ -e "$dir/confirm" ] && [ ! -e "$dir/abort" ]; then await_word; else revert 'it was interrupted'; fi ;;
    swapping) revert 'it was interrupted' ;;
    reverting) revert "$(told why)" ;;
    *) finish ;;
  esac
}

# may_begin: the last look before anything is touched
may_begin() {
  busy=$(deployments) ||
    refuse "Coolify's database does not say whether deployments run"
  [ "$busy" = 0 ] || refuse "$busy deployments run or wait"
  if upgrade_runs; then refuse "an upgrade of Coolify's own runs"; fi
  [ -z "$(order relying)" ] || [ "$(relying_sum)" = "$(order relying)" ] || refuse 'others rely on --runtime by now than those that were named'
  for file in $(files); do
    [ "$(sum_of "$source/$file")" = "$(sum_of "$dir/$file.back")" ] || refuse "$file was changed meanwhile"
  done
  [ "$(others_sum)" = "$(cat "$dir/others")" ] || refuse "docker-compose.yml or that of a database's upgrade was changed meanwhile"
}

# note: what the way back has to know of the database
note() {
  migrations | put "$dir/migrations" || refuse 'the list of migrations could not be noted'
  database '' 'select is_auto_update_enabled from instance_settings where id = 0' | put "$dir/auto_update" ||
    refuse 'the switch of auto-update could not be noted'
  [ "$(database '' 'select current_database()')" != postgres ] || refuse "Coolify's database is called postgres"
  grep -qx '[tf]' "$dir/auto_update" && grep -q '^[0-9]' "$dir/migrations" || refuse "Coolify's database tells nothing"
}

begin() {
  [ ! -f "$top/last" ] || cp -p "$top/last" "$dir/last_before" || refuse 'the disk takes nothing'
  set_state swapping '' && [ "$(state)" = swapping ] || refuse 'the disk takes nothing'
  printf '%s\n' "$name" | put "$top/last" || revert 'the disk takes nothing'
  for file in $(files); do
    [ ! -f "$dir/$file.wanted" ] || place "$dir/$file.wanted" "$file" || revert "$file could not be written"
    [ ! -e "$dir/$file.gone" ] || { rm -f "$source/$file" && sync "$source"; } || revert "$file could not be taken away"
  done
  [ "$(order folder)" != images ] || folder || revert 'the folder images could not be made'
}

# folder: what upgrade.sh makes for a release that mounts it (4.3.7 on); the image from before does not know it, and it stays
folder() {
  at=/data/coolify/images
  mkdir -p "$at/avatars" "$at/project-icons" && chown -R 9999:root "$at" && chmod -R 700 "$at"
}

swap() {
  may_begin
  note
  begin
  database '' 'update instance_settings set is_auto_update_enabled = false where id = 0' ||
    revert 'auto-update could not be switched off'
  [ -z "$(order tag)" ] || ask 20 docker tag "$(order id)" "$(order tag)" || revert 'the image could not be given its name'
  [ -z "$(order realtime)" ] || realtime_there || revert 'the new realtime service did not become healthy'
  measure &
  measuring=$!
  [ "$(order migrates)" = no ] || { ask 120 docker stop -t 60 coolify && dump; } || revert 'the dump before it failed'
  [ -z "$(order withdraws)" ] || withdraw || revert "realtime's container could not be stopped"
  # Compose is given a name, and somebody may have pulled since: nothing else is started, and waited for until it is healthy
  [ -z "$(order tag)" ] || [ "$(image_id "$(order tag)")" = "$(order id)" ] || revert 'its name names another image by now'
  up "$(order health_s)" || revert 'the new container did not become healthy'
  serves
}

# realtime_there: while Coolify still serves, so that one which does not get well has stopped nothing but itself
realtime_there() {
  ask 20 docker tag "$(order realtime_id)" "$(order realtime)" && up "$REALTIME_S" '' soketi coolify-realtime && realtime_is_it
}

# withdraw: realtime's own container, whose ports the new Coolify takes. `always` would start it again with Docker, also
# one that was stopped by hand; Coolify's upgrade.sh removes it (4.4), and no way back starts what was removed
withdraw() {
  [ "$(inspect '{{.Id}}' coolify-realtime)" = "$(told old_realtime)" ] &&
    ask 20 docker update --restart no "$(told old_realtime)" >/dev/null && ask 60 docker stop -t 10 "$(told old_realtime)" >/dev/null && is_withdrawn
}

is_withdrawn() { [ "$(inspect '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' "$(told old_realtime)")" = 'exited no' ]; }

realtime_is_it() { [ "$(inspect '{{.Image}}' coolify-realtime)" = "$(order realtime_id)" ]; }

serves() {
  [ "$(inspect '{{.Image}}')" = "$(order id)" ] || revert 'another image than the wanted one was started'
  [ -z "$(order realtime)" ] || { realtime_is_it && is_well coolify-realtime; } || revert 'the new realtime service did not stay healthy'
  [ -z "$(order withdraws)" ] || is_withdrawn || revert "realtime's own container was started again"
  tries=0
  while kill -0 "$measuring" 2>/dev/null && [ "$tries" -lt 50 ]; do tries=$((tries + 1)) && sleep 0.1; done
  kill "$measuring" 2>/dev/null
  set_state swapped '' && [ "$(state)" = swapped ] || revert 'the disk takes nothing'
  await_word
}

# place FROM FILE: copy it beside its place, and put it there at once
place() {
  cp -p "$1" "$source/$2.ink" && sync "$source/$2.ink" && mv -f "$source/$2.ink" "$source/$2" && sync "$source" && return
  rm -f "$source/$2.ink"
  return 1
}

dump() {
  ask 900 docker exec coolify-db sh -c 'exec pg_dump -U "$POSTGRES_USER" -Fc "$POSTGRES_DB"' >"$dir/coolify.dump.new" &&
    ask 60 docker exec -i coolify-db pg_restore --list <"$dir/coolify.dump.new" >/dev/null &&
    sync "$dir/coolify.dump.new" && mv "$dir/coolify.dump.new" "$dir/coolify.dump" && sync "$dir"
}

# app_port: where .env has the dashboard listen
app_port() {
  found=$(sed -n 's/^APP_PORT=\([0-9]\{1,5\}\)$/\1/p' "$source/.env" 2>/dev/null | tail -n 1)
  printf '%s' "${found:-8000}"
}

# since_boot_ms: what a clock that is set meanwhile does not change; the kernel tells it to 10 ms
since_boot_ms() { awk '{ printf "%.0f\n", $1 * 1000 }' /proc/uptime; }

# measure: how long the dashboard does not answer, from the last good answer to the next one, in milliseconds
measure() {
  port=$(app_port)
  good=$(since_boot_ms) lost=
  end=$(($(uptime_s) + $(order health_s) + 120))
  while [ "$(uptime_s)" -lt "$end" ]; do
    if curl -s -f -o /dev/null --noproxy '*' --max-time 2 "http://127.0.0.1:$port/api/health"; then
      now=$(since_boot_ms)
      if [ -n "$lost" ]; then
        printf '%s\n' $((now - good)) >"$dir/downtime_ms"
        return
      fi
      good=$now
    else
      lost=yes
    fi
    sleep 0.05
  done
}

# await_word: wait for the word to stay
await_word() {
  end=$(($(uptime_s) + $(order confirm_s)))
  while [ "$(uptime_s)" -lt "$end" ]; do
    if [ -e "$dir/abort" ]; then revert 'it was told to go back'; fi
    if [ -e "$dir/confirm" ]; then
      set_state confirmed '' && [ "$(state)" = confirmed ] || revert 'the disk takes nothing'
      finish
    fi
    sleep 1
  done
  revert "nobody confirmed it within $(order confirm_s) s"
}

# --- the way there of a backup ---------------------------------------------------------------------------------------

restores() { [ "$(order kind)" = restore ]; }

# key_in FILE NAME: what .env sets, of two lines the last
key_in() { sed -n "s/^\(export \)\{0,1\}$2=//p" "$1" | tail -n 1 | tr -d "\"'\r "; }

# with_keys: .env, where it lacks the keys of the backup with those among the earlier ones. Laravel encrypts with APP_KEY,
# and decrypts with each of APP_PREVIOUS_KEYS too (12.49 in Coolify 4.0.0-beta.463; Coolify's own way to another server)
with_keys() {
  theirs=$(order backup)/secrets/.env earlier=$(key_in "$dir/.env.back" APP_PREVIOUS_KEYS)
  [ -n "$(key_in "$theirs" APP_KEY)" ] || leave 3 'the backup has no APP_KEY in secrets/.env' >&2
  known=,$(key_in "$dir/.env.back" APP_KEY),$earlier,
  for each in $(printf '%s,%s' "$(key_in "$theirs" APP_KEY)" "$(key_in "$theirs" APP_PREVIOUS_KEYS)" | tr , ' '); do
    case $each in *[!A-Za-z0-9+/=:_-]*) leave 3 'a key of the backup is none' ;; esac
    case $known in *",$each,"*) ;; *) known=$known$each, earlier=${earlier:+$earlier,}$each ;; esac
  done
  awk '!/^(export )?APP_PREVIOUS_KEYS=/' "$dir/.env.back"
  [ -z "$earlier" ] || printf 'APP_PREVIOUS_KEYS=%s\n' "$earlier"
}

# restore: filled beside the database while Coolify serves, so that it is away for no longer than a start takes
restore() {
  may_begin
  note
  [ "$(sum_of "$(order backup)/coolify.dump")" = "$(order dump)" ] || refuse 'the backup is not the one that was planned with'
  number | put "$dir/own_oid" && grep -qx '[0-9]\{1,10\}' "$dir/own_oid" || refuse "Coolify's database tells nothing"
  fill "$(order backup)/coolify.dump" || refuse 'the backup could not be restored beside the database'
  [ ! -e "$dir/abort" ] || refuse 'it was told not to begin'
  may_begin
  begin
  measure &
  measuring=$!
  ask 120 docker stop -t 60 coolify || revert 'Coolify could not be stopped'
  let_in || echo 'the key of its own server could not be let in'
  no_jobs || revert "Coolify's queue could not be emptied"
  change_names || revert 'the database could not be put in its place'
  true >"$dir/restored" && sync "$dir" || revert 'the disk takes nothing'
  database '' "update instance_settings set is_auto_update_enabled = '$(told auto_update)' where id = 0" ||
    revert 'auto-update could not be left as it is'
  old_id=$(told old_id) old_image=$(told old_image)
  back_name && up "$(order health_s)" "$dir/back.yml" || revert 'Coolify did not become healthy on that database'
  serves
}

# number: what Postgres knows Coolify's database by, whatever its name becomes; none of one that takes no connections, as
# an interrupted change of names may leave it after us
number() { statements "select oid from pg_database where datname = :'own' and datallowconn;"; }

fill() {
  statements 'drop database if exists ink_restored; create database ink_restored template template0;' &&
    ask 1800 docker exec -i coolify-db sh -c \
      'exec pg_restore -U "$POSTGRES_USER" --exit-on-error --no-owner --no-acl -d ink_restored' <"$1"
}

# change_names: both at once; what was Coolify's until now is kept as ink_left
change_names() {
  statements "drop database if exists ink_left with (force); alter database :\"own\" with allow_connections false;
    select pg_terminate_backend(pid) from pg_stat_activity where datname = :'own';
    begin; alter database :\"own\" rename to ink_left; alter database ink_restored rename to :\"own\"; commit;"
}

# names_back: the database from before is known by its number; what was restored becomes ink_left
names_back() {
  called=$(statements "select datname from pg_database where oid = $(told own_oid);") || return 1
  case $called in
    ink_left)
      clear_away && no_jobs && statements "alter database :\"own\" with allow_connections false;
        select pg_terminate_backend(pid) from pg_stat_activity where datname = :'own';
        begin; alter database :\"own\" rename to ink_gone; alter database ink_left rename to :\"own\";
        alter database ink_gone rename to ink_left; commit;" || return 1
      ;;
    '') echo 'the database from before is not there any more' ;;
  esac
  statements 'alter database :"own" with allow_connections true; drop database if exists ink_restored;'
}

# no_jobs: what waits there to be done is meant for rows of the database that goes away
no_jobs() {
  [ "$(ask 60 docker exec coolify-redis sh -c 'REDISCLI_AUTH=$REDIS_PASSWORD exec redis-cli eval "$1" 0' redis \
    "for _, key in ipairs(redis.call('keys', '*queues:*')) do redis.call('del', key) end return 'none'")" = none ]
}

# let_in: on a new machine, the key that the restored Coolify logs in to its own server with. Coolify writes the files of
# all its keys anew at each start, out of the database (PopulateSshKeysDirectorySeeder, 4.3.11): none is put back by us
let_in() {
  [ "$(order other_machine)" = yes ] || return 0
  row=$(database ink_restored "select s.\"user\" || ' ' || k.uuid from servers s join private_keys k on
    k.id = s.private_key_id where s.id = 0") || return 1
  user=${row%% *} uuid=${row##* }
  case $user$uuid in '' | *[!a-z0-9_-]*) return 1 ;; esac
  at=$(getent passwd "$user" | cut -d : -f 6) && [ -d "$at" ] && [ ! -L "$at/.ssh" ] && [ ! -L "$at/.ssh/authorized_keys" ] || return 1
  tar -xOf "$(order backup)/secrets/ssh.tar" "./keys/ssh_key@$uuid" >"$dir/key" 2>/dev/null &&
    public=$(ask 20 ssh-keygen -y -P '' -f "$dir/key" 2>/dev/null) || { rm -f "$dir/key"; return 1; }
  rm -f "$dir/key"
  public=$(printf '%s\n' "$public" | cut -d ' ' -f 1,2)
  [ -n "$public" ] || return 1
  at=$at/.ssh/authorized_keys
  ! grep -qF -- "$public" "$at" 2>/dev/null || return 0
  [ -f "$at" ] || { mkdir -p "${at%/*}" && true >"$at" && chown "$user:" "${at%/*}" "$at"; } || return 1
  printf '%s coolify-restored-%s\n' "$public" "$name" | put "$dir/let_in" && printf '%s\n' "$at" | put "$dir/let_in_at" || return 1
  cp -p "$at" "$at.ink" && { tail -c 1 "$at" | grep -q . && echo; cat "$dir/let_in"; } >>"$at.ink" && sync "$at.ink" && mv -f "$at.ink" "$at"
}

# let_out: of that file only our line goes, and what a full disk has cut is not taken for the rest
let_out() {
  at=$(told let_in_at)
  [ -n "$at" ] && many=$(grep -cxF -f "$dir/let_in" "$at") || return 0
  unended=$(tail -c 1 "$at" | grep -c .)
  cp -p "$at" "$at.ink" && { grep -vxF -f "$dir/let_in" "$at" >"$at.ink" || [ $? = 1 ]; } &&
    [ $(($(size "$at.ink") + many * $(size "$dir/let_in"))) = $(($(size "$at") + unended)) ] &&
    sync "$at.ink" && mv -f "$at.ink" "$at" && return
  rm -f "$at.ink"
  return 1
}
size() { stat -c %s "$1"; }

# --- the way back ----------------------------------------------------------------------------------------------------

# revert WHY: go back, and try again for as long as it takes
revert() {
  # half a dump may be what has filled the disk
  rm -f "$dir/coolify.dump.new"
  set_state reverting "$1"
  kill "${measuring:-}" 2>/dev/null
  last_words
  until back_once; do sleep "$TRY_AGAIN_S"; done
  is_back "$1"
  finish
}

# is_back WHY: it is, and what `rollback` means is what it was before
is_back() {
  if [ -f "$dir/last_before" ]; then ln -f "$dir/last_before" "$top/last.new" && mv -f "$top/last.new" "$top/last"; else rm -f "$top/last"; fi
  set_state reverted "$1"
}

# last_words: keep what the new container said, before it goes
last_words() {
  [ -s "$dir/new.log" ] ||
    { said_by coolify "$(order id)" && said_by coolify-realtime "$(order realtime_id)"; } | without_rows | head -c 65536 >"$dir/new.log"
}

# said_by CONTAINER ID: what it says where it is of that image
said_by() {
  [ -z "$2" ] || [ "$(inspect '{{.Image}}' "$1")" != "$2" ] || ask 20 docker logs --tail 200 "$1" 2>&1 || true
}

# without_rows: what Laravel and Postgres quote of statements and rows may be secret
without_rows() {
  sed -e 's/(Connection: .*/(statement left out)/' -e 's/(SQL: .*/(statement left out)/' \
    -e 's/Failing row contains.*/(row left out)/' -e 's/Key (\([^)]*\))=(.*/Key (\1) (value left out)/'
}

back_once() {
  for file in $(files); do
    back_file "$file" || return 1
  done
  ask 20 docker version >/dev/null || return 1
  old_id=$(told old_id) old_image=$(told old_image)
  # the new one may still migrate: what its database looks like is asked when it is gone
  back_database || return 1
  if [ "$(inspect '{{.Image}} {{.State.Status}}')" != "$old_id running" ]; then clear_away || return 1; fi
  back_tag
  back_name || return 1
  up "$(back_s)" "$dir/back.yml" || was_ill || return 1
  back_realtime || return 1
  # who logs in is last: Coolify serves again also where the disk takes no shorter list of them
  [ "$(inspect '{{.Image}}')" = "$old_id" ] && is_old_database && let_out
}

# was_ill: what was not healthy before does not become so by going back
was_ill() { [ "$(told old_health)" != healthy ] && [ "$(inspect '{{.Image}} {{.State.Status}}')" = "$old_id running" ]; }

# back_realtime: with Coolify, whichever of both did not get well
back_realtime() {
  [ -n "$(order realtime)$(order withdraws)" ] || return 0
  if [ -n "$(order withdraws)" ] && ask 20 docker container inspect "$(told old_realtime)" >/dev/null 2>&1; then
    start_again
    return
  fi
  set -- "$(told old_realtime_id)" "$(told old_realtime_image)"
  [ "$(inspect '{{.Image}} {{.State.Status}}' coolify-realtime)" = "$1 running" ] || clear_away soketi || return 1
  [ ! -s "$dir/old_realtime_tag" ] || ask 20 docker tag "$(told old_realtime_tag)" "$(order realtime)" || echo "what $(order realtime) named is gone"
  case $2 in *@*) ;; *) [ "$(image_id "$2")" = "$1" ] || ask 20 docker tag "$1" "$2" || return 1 ;; esac
  up "$REALTIME_S" "$dir/back.yml" soketi coolify-realtime || [ "$(told old_realtime_health)" != healthy ] || return 1
  [ "$(inspect '{{.Image}} {{.State.Status}}' coolify-realtime)" = "$1 running" ]
}

# start_again: the very container that was withdrawn; where somebody has removed it, the old files and image make one
start_again() {
  set -- "$(told old_realtime)"
  ask 20 docker update --restart "$(told old_realtime_restart)" "$1" >/dev/null && ask 60 docker start "$1" >/dev/null || return 1
  end=$(($(uptime_s) + REALTIME_S))
  while [ "$(told old_realtime_health)" = healthy ] && [ "$(inspect '{{.State.Health.Status}}' "$1")" != healthy ]; do
    [ "$(uptime_s)" -lt "$end" ] || return 1
    sleep 1
  done
  [ "$(inspect '{{.State.Status}}' "$1")" = running ]
}

is_old_database() {
  if restores; then
    [ ! -s "$dir/own_oid" ] || [ "$(number)" = "$(told own_oid)" ]
    return
  fi
  [ -s "$dir/migrations" ] && [ -f "$dir/coolify.dump" ] || return 0
  [ "$(migrations)" = "$(told migrations)" ]
}

# the time that the old image is given is never less than what Coolify's own script gives
back_s() { if [ "$(order health_s)" -gt 300 ]; then order health_s; else echo 300; fi; }

# back_file FILE: what somebody else wrote there meanwhile is kept aside, by a second name that takes no room
back_file() {
  now=$(sum_of "$source/$1") before=$(sum_of "$dir/$1.back")
  [ "$now" != "$before" ] || return 0
  [ "$now" = none ] || [ "$now" = "$(sum_of "$dir/$1.wanted")" ] || ln -f "$source/$1" "$dir/$1.theirs" 2>/dev/null || cp -p "$source/$1" "$dir/$1.theirs"
  if [ "$before" = none ]; then
    rm -f "$source/$1"
  elif [ -f "$dir/$1.ready" ]; then
    mv -f "$dir/$1.ready" "$source/$1"
  else
    place "$dir/$1.back" "$1"
  fi
}

# back_database: give the old image the database that it knows, if the new one has changed what it looks like
back_database() {
  [ -s "$dir/migrations" ] || return 0
  if restores; then
    [ ! -s "$dir/own_oid" ] || names_back
    return
  fi
  statements 'alter database :"own" with allow_connections true;' && now=$(migrations) || return 1
  if [ "$now" != "$(told migrations)" ]; then
    [ -f "$dir/coolify.dump" ] || { echo 'migrations ran, and there is no dump from before'; return 0; }
    clear_away && from_dump || return 1
  fi
  case $(told auto_update) in
    t) database '' 'update instance_settings set is_auto_update_enabled = true where id = 0' ;;
    *) true ;;
  esac
}

# from_dump: the database that the new image has changed is kept as ink_left
from_dump() { fill "$dir/coolify.dump" && change_names && true >"$dir/restored"; }

# clear_away: Compose stumbles over what it left half-way, such as <hash>_coolify; nothing lives in these containers
clear_away() {
  all=$(ask 20 docker ps -aq --filter "label=com.docker.compose.project=$(told project)" \
    --filter "label=com.docker.compose.service=${1:-coolify}") || return 1
  # shellcheck disable=SC2086 - ids, each a word
  [ -z "$all" ] || ask 120 docker rm -f $all >/dev/null
}

# back_name: what the name of the old image names by now may be another one
back_name() {
  case $old_image in *@*) return 0 ;; esac
  [ "$(image_id "$old_image")" = "$old_id" ] || ask 20 docker tag "$old_id" "$old_image"
}

# back_tag: what the name of the new image named before; a cleanup may have taken that, and the way back needs it not
back_tag() {
  [ ! -s "$dir/old_tag" ] || ask 20 docker tag "$(told old_tag)" "$(order tag)" || echo "what $(order tag) named is gone"
}

# by_hand WORD: the way back after it was confirmed, or at any time before
by_hand() {
  case $(state) in
    prepared | refused | reverted) leave 3 "there is nothing to go back from: it is $(state)" ;;
    confirmed)
      changed=
      for file in $(files); do
        [ "$(sum_of "$source/$file")" = "$(sum_put "$file")" ] || changed="$changed $file"
      done
      case "${changed:+changed} $* " in
        ' '* | *' --with-files '*) ;;
        *) leave 3 "changed since it was confirmed, and replaced by what was there before:$changed." \
          'Say --with-files for that; a copy is kept beside.' ;;
      esac
      now=$(migrations) || leave 3 "Coolify's database does not answer"
      if restores; then
        [ -n "$(statements "select 1 from pg_database where oid = $(told own_oid);")" ] ||
          leave 3 'the database from before is not there any more: restore the backup that was made of it'
        case " $* " in
          *' --with-database '*) ;;
          *) leave 3 'a backup was restored: the database from before takes its place, and all since then would be lost.' \
            'Say --with-database for that.' ;;
        esac
      elif [ "$now" != "$(told migrations)" ]; then
        [ -f "$dir/coolify.dump" ] || leave 3 'migrations ran, and there is no dump from before'
        case " $* " in
          *' --with-database '*) ;;
          *) leave 3 'migrations ran: the old image needs the database from before, and all since then would be lost.' \
            'Say --with-database for that.' ;;
        esac
      fi
      ;;
  esac
  # whoever ends this hands the way back to the unit
  trap 'awake; exit 3' HUP INT TERM PIPE
  systemctl stop "$unit"
  write_unit && set_state reverting 'it was told to go back by hand' >/dev/null && systemctl enable --quiet "$unit" ||
    { awake && leave 3 'the disk takes nothing'; }
  until back_once; do
    echo "it does not work yet; trying again in $TRY_AGAIN_S s"
    sleep "$TRY_AGAIN_S"
  done
  is_back 'it was told to go back by hand'
  finish
}

release() {
  [ "$(state)" = confirmed ] || leave 3 "it is not confirmed: it is $(state)"
  holding=$(ask 20 docker ps -a --filter label=ink-infra.holds --format '{{.Names}} {{.Label "ink-infra.holds"}}') ||
    leave 3 'Docker does not tell which containers hold images'
  printf '%s\n' "$holding" | while read -r held of; do
    [ -z "$held" ] || [ "$of" = "$name" ] || ask 60 docker rm "$held" >/dev/null || exit 1
  done || leave 3 'a container that holds an image could not be removed'
  for other in "$top"/rotations/*/; do
    [ "$other" = "$dir/" ] || { let_go "$other" && rm -rf "$other"; } || leave 3 'a container that was withdrawn could not be removed'
  done
  rm -f "$dir/last_before"
}

# let_go FOLDER: of a rotation that nobody goes back from any more, the container that it withdrew
let_go() {
  [ "$(order_in "$1" withdraws) $(cat "$1/state" 2>/dev/null)" = 'soketi confirmed' ] || return 0
  was=$(cat "$1/old_realtime") || return 1
  [ "$(inspect '{{.State.Status}}' "$was")" != exited ] || ask 60 docker rm "$was" >/dev/null
}

# --- what is told ----------------------------------------------------------------------------------------------------

coded() { head -c 65536 | base64 -w 0; }

look() {
  now=$(state) why=$(told why)
  if ended; then now=refused why='it ended, and the disk took no word of how: see whether it is full'; fi
  printf 'state %s\n' "$now"
  printf 'why %s\n' "$(printf '%s' "$why" | coded)"
  printf 'downtime_ms %s\n' "$(told downtime_ms)"
  printf 'restored %s\n' "$([ -e "$dir/restored" ] && echo yes || echo no)"
  printf 'runs %s\n' "$(inspect '{{.Image}} {{.State.Status}}')"
  printf 'said %s\n' "$(if [ -f "$dir/new.log" ]; then coded <"$dir/new.log"; fi)"
  printf 'done\n'
}

# ready: file texts are for whoever edits them only: others may keep secrets in theirs; of .env it tells no value
ready() {
  printf 'deployments %s\n' "$(deployments 2>/dev/null)"
  printf 'upgrade %s\n' "$(upgrade_runs && echo yes || echo no)"
  printf 'left_over %s\n' "$(ask 20 docker ps -a --format '{{.Names}}' 2>/dev/null | grep -E '^[0-9a-f]{12}_coolify' | tr '\n' ' ')"
  printf 'held %s\n' "$(held | sort -u | tr '\n' ' ')"
  printf 'under_way %s\n' "$(under_way)"
  printf 'free_kb %s\n' "$(room /data) $(room "$(ask 20 docker info --format '{{.DockerRootDir}}' 2>/dev/null)")"
  if found=$(relying 2>/dev/null); then
    printf 'relying_known yes\n'
    [ -z "$found" ] || printf '%s\n' "$found" | sed 's/^/relying /'
  else
    printf 'relying_known no\n'
  fi
  for file in docker-compose.yml docker-compose.custom.yml docker-compose.prod.yml; do
    [ -z "$(find "$source/$file" -size +64k 2>/dev/null)" ] || leave 3 "$file is larger than 64 KiB"
  done
  for file in docker-compose.custom.yml docker-compose.prod.yml; do
    printf 'file %s %s %s\n' "$file" "$(sum_of "$source/$file")" "$(if [ -f "$source/$file" ]; then coded <"$source/$file"; fi)"
  done
  printf 'base %s %s\n' "$(sum_of "$source/docker-compose.yml")" "$(coded <"$source/docker-compose.yml" 2>/dev/null)"
  for each in $BESIDE; do beside "${each%:*}" "${each#*:}"; done
  printf 'env_names %s\n' "$(sed -n 's/^\(export \)\{0,1\}\([A-Za-z_][A-Za-z0-9_]*\)=.*/\2/p' "$source/.env" 2>/dev/null | sort -u | tr '\n' ' ')"
  printf 'done\n'
}

# beside SERVICE CONTAINER: what runs, and what Compose, which reads the files last, makes of them for it
beside() {
  form='{{.Image}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.Config.Image}}'
  runs=$(inspect "$form" "$2") || runs=
  printf 'beside %s %s\n' "$1" "$runs"
  printf 'digests %s %s\n' "$1" "$([ -z "$runs" ] || ask 20 docker image inspect --format '{{range .RepoDigests}}{{.}} {{end}}' "${runs%% *}" 2>/dev/null)"
  printf 'names %s %s\n' "$1" "$(composed now "config --images $1" | tr '\n' ' ')"
}

# held: PORT=WHO of each port that a container of Coolify's has by its settings, or by .env, and somebody else holds: it
# could not start again. What listens outside of containers is ?
held() {
  for owner in coolify coolify-realtime coolify-proxy; do
    # one that was withdrawn does not start again
    case $(inspect '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' "$owner") in 'exited no') continue ;; esac
    ports=$(ask 20 docker inspect --type container --format '{{range $port, $to := .HostConfig.PortBindings}}{{range $to}}{{$port}}={{.HostPort}} {{end}}{{end}}' "$owner" 2>/dev/null)
    [ "$owner" != coolify ] || ports="$ports 8080/tcp=$(app_port)"
    for each in $ports; do
      case $each in */tcp=[0-9]*) holder "$owner" "${each##*=}" ;; esac
    done
  done
}

# holder OWNER PORT
holder() {
  names=$(ask 20 docker ps --filter "publish=$2/tcp" --format '{{.Names}}' 2>/dev/null)
  case " $(printf '%s' "$names" | tr '\n' ' ') " in *" $1 "*) return ;; esac
  if [ -n "$names" ]; then
    printf '%s=%s\n' "$2" "$(printf '%s\n' "$names" | head -n 1)"
  elif listens "$2"; then
    printf '%s=?\n' "$2"
  fi
}

# listens PORT: 0A is the state of a socket that listens (Documentation/networking/proc_net_tcp.rst)
listens() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v port="$(printf '%04X' "$1")" '{ split($2, at, ":") } $4 == "0A" && at[length(at)] == port { found = 1 } END { exit !found }'
}

room() { df -P -k "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

prove() {
  form='{{.Image}} {{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{end}}'
  printf 'container %s\n' "$(inspect "$form")"
  printf 'realtime %s\n' "$(inspect "$form" coolify-realtime)"
  printf 'reaches %s\n' "$(answers coolify-realtime:6001/ready coolify-realtime:6002/ready && echo yes || echo no)"
  printf 'inside %s\n' "$(answers coolify:6001/up coolify:6002/ready && echo yes || echo no)"
  said=$(ask 60 docker exec -e COLUMNS=150 coolify php artisan migrate:status --no-ansi 2>&1)
  printf 'migrations %s %s\n' "$?" "$(printf '%s' "$said" | coded)"
  said=$(ask 60 docker exec coolify php artisan horizon:status --no-ansi 2>&1)
  printf 'horizon %s %s\n' "$?" "$(printf '%s' "$said" | coded)"
  printf 'auto_update %s\n' "$(database '' 'select is_auto_update_enabled from instance_settings where id = 0' 2>/dev/null)"
  printf 'failed_jobs %s\n' "$(database '' 'select count(*) from failed_jobs' 2>/dev/null)"
  printf 'done\n'
}

# answers AT...: whether Coolify gets an answer where it sends what browsers see (config/broadcasting.php), and where
# terminals are; inside of it that is Reverb and the terminal server, at the name by which the proxy has them (Server.php, 4.4)
answers() {
  for at in "$@"; do
    ask 15 docker exec coolify curl -s -f -o /dev/null --noproxy '*' --max-time 5 "http://$at" || return 1
  done 2>/dev/null
}

# each key: whether it decrypts; nothing of one is printed
decrypts='$good = 0; $all = 0; foreach (Illuminate\Support\Facades\DB::table("private_keys")->get() as $row) { $all++; try { $good += (int) str_starts_with(ltrim(Illuminate\Support\Facades\Crypt::decryptString($row->private_key)), "-----BEGIN "); } catch (Illuminate\Contracts\Encryption\DecryptException $e) {} } echo "ink-keys ".$good." ".$all.PHP_EOL;'

secrets() {
  said=$(ask 120 docker exec coolify php artisan tinker --no-ansi --no-interaction "--execute=$decrypts" 2>/dev/null)
  printf 'keys %s\n' "$(printf '%s\n' "$said" | sed -n 's/^.*ink-keys \([0-9]\{1,6\} [0-9]\{1,6\}\)[[:space:]]*$/\1/p')"
  printf 'files %s\n' "$(find /data/coolify/ssh/keys -name 'ssh_key@*' ! -name '*.lock' -type f -user 9999 -perm 0600 2>/dev/null | wc -l)"
  database '' "select s.id, s.uuid, s.\"user\", s.ip, s.port, k.uuid from servers s join private_keys k on k.id = s.private_key_id
    order by s.id limit 40" 2>/dev/null | {
    while IFS='|' read -r id uuid user ip port key; do
      reached "$id" "$uuid" "$user" "$ip" "$port" "$key" &
    done
    wait
  }
  printf 'done\n'
}

# reached ID UUID USER IP PORT KEY: whether Coolify gets in there with the file of its key, as it does itself
reached() {
  case $2$6 in *[!a-z0-9]*) return ;; esac
  case $3$5 in '' | -* | *[!a-z0-9_-]*) return ;; esac
  case $4 in '' | -* | *[!A-Za-z0-9.:-]*) return ;; esac
  ask 25 docker exec coolify ssh -i "/var/www/html/storage/app/ssh/keys/ssh_key@$6" -o BatchMode=yes -o ConnectTimeout=15 \
    -o ControlPath=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -p "$5" "$3@$4" true \
    >/dev/null 2>&1 </dev/null && in=yes || in=no
  printf 'server %s %s %s\n' "$1" "$2" "$in"
}

main() {
  [ "${1:-}" = ink-swap ] && [ $# -ge 3 ] || leave 3 'this is not how it is called'
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  verb=$2 name=$3
  shift 3
  case $name in '' | [!a-z0-9]* | *[!a-z0-9-]*) leave 3 'a word of the command is not one' ;; esac
  dir=$top/rotations/$name
  case $verb in
    look | ready | prepare | start | run | prove | secrets) ;;
    confirm | abort | back | release) [ -n "$(state)" ] || leave 3 'there is no such rotation' ;;
    *) leave 3 'this is not how it is called' ;;
  esac
  case $verb in
    back) by_hand "$@" ;;
    *) "$verb" ;;
  esac
}

main "$@"
