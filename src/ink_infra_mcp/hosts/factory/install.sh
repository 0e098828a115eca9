# Installs Coolify on this Factory with its own installer, as it is at a release's tag, and with the files of that tag.
# usage: sh -s -- ink-install VERB NAME
#   look    NAME  says how far the installation NAME is; it changes nothing
#   look    any   says what an installation would meet; it changes nothing
#   prepare NAME  takes its orders and files from standard input, and puts them on the disk, each held against its sum
#   start   NAME  has systemd run it: from there on nobody else has to be there
#   run     NAME  is what the unit does, and does again after each interruption: a boot, a kill
# Exit status: 3 nothing was changed, with words on standard error.
# The installer is made to be run again over what it left. It is run again only where a look says that Coolify does not
# serve, and no more than TRIES times. What it publishes is on the loopback only: whoever registers first owns Coolify.

set -u
umask 022
export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
top=/var/lib/ink-infra/install
data=/data
coolify=/data/coolify
source=$coolify/source
daemon=/etc/docker/daemon.json
system=/etc/systemd/system
fstab=/etc/fstab
unit=ink-factory-install.service
FILES='install.sh upgrade.sh upgrade-postgres.sh docker-compose.yml docker-compose.prod.yml .env.production versions.json'
PORTS='80 443 6001 6002 8000'
TOOLS='curl wget git jq openssl'
KEY="$coolify/ssh/keys/id.root@host.docker.internal"
keys=/root/.ssh/authorized_keys
RUN_S=3600
HEALTHY_S=300
TRIES=3

leave() {
  status=$1
  shift
  printf 'ink-install: %s\n' "$*" >&2
  exit "$status"
}

# put FILE: write standard input there, whole or not at all, and to the disk
put() {
  cat >"$1.ink-new" && { [ ! -e "$1" ] || { chmod --reference="$1" "$1.ink-new" && chown --reference="$1" "$1.ink-new"; }; } &&
    sync "$1.ink-new" && mv -f "$1.ink-new" "$1" && sync "${1%/*}" && return
  rm -f "$1.ink-new"
  return 1
}

set_state() {
  printf '%s %s %s\n' "$(date -u +%FT%TZ)" "$1" "$2"
  printf '%s\n' "$2" | put "$dir/why"
  printf '%s\n' "$1" | put "$dir/state"
}

told() { if [ -f "$dir/$1" ]; then head -c 4096 "$dir/$1"; fi; }
state() { told state; }
order() { sed -n "s/^$1 //p" "$dir/orders" | head -n 1; }
sum_of() { if [ -f "$1" ]; then sha256sum "$1" | cut -c 1-64; else echo none; fi; }
coded() { head -c 65536 | base64 -w 0; }
words() { tr -s ' \t\n' ' ' | sed 's/^ //; s/ $//'; }

ask() {
  limit=$1
  shift
  timeout -k 5 "$limit" "$@"
}

inspect() { ask 20 docker inspect --type container --format "$2" "$1" 2>/dev/null; }

# --- what is told ----------------------------------------------------------------------------------------------------

# ended FOLDER: whether its unit is over while its state says that it installs, or is about to: a disk that is full takes
# no other word
ended() {
  case $(cat "$1/state" 2>/dev/null) in installing) ;; prepared) [ -e "$1/started" ] || return 1 ;; *) return 1 ;; esac
  grep -qs " run ${1##*/}\$" "$system/$unit" || return 0
  ! systemctl is-enabled --quiet "$unit" 2>/dev/null && ! systemctl is-active --quiet "$unit" 2>/dev/null
}

under_way() {
  for each in "$top"/installs/*/state; do
    [ -f "$each" ] || continue
    case $(cat "$each") in
      installing) ended "${each%/state}" || { each=${each%/state} && echo "${each##*/}"; } ;;
    esac
  done
}

# begun: whether what lies there may be what an earlier installation of ours left, none of which got to its end. One that
# failed and came up later is no half of a Coolify once it has an account, or its override is not as we left it: a database
# that does not answer tells of no account
begun() {
  found=no
  for each in "$top"/installs/*/state; do
    [ -f "$each" ] || continue
    case $(cat "$each") in done) echo no && return ;; installing | failed) found=yes ;; esac
  done
  case $(instance) in [1-9]*) found=no ;; esac
  custom=$source/docker-compose.custom.yml
  if [ -e "$custom" ] && ! sha256sum "$top"/installs/*/custom 2>/dev/null | grep -q "^$(sum_of "$custom") "; then found=no; fi
  echo "$found"
}

# holder PORT: the program that listens there; nothing: none does
holder() {
  ask 20 ss -H -l -t -n -p "sport = :$1" 2>/dev/null |
    awk 'NF { who = "somebody"; if (match($0, /\(\("[^"]*"/)) who = substr($0, RSTART + 3, RLENGTH - 4); print who; exit }' | tr -cd 'A-Za-z0-9_.\n-'
}

# os_release KEY: its lines are assignments in any order (os-release(5)); Debian and Ubuntu have VERSION_ID before ID
os_release() { sed -n "s/^$1=//p" /etc/os-release 2>/dev/null | tail -n 1 | tr -d "\"'"; }

kind_of_data() {
  if awk -v at="$data" '$5 == at { found = 1 } END { exit !found }' /proc/self/mountinfo; then
    echo mount
  elif [ -d "$data" ] && [ ! -L "$data" ]; then
    echo folder
  elif [ -e "$data" ] || [ -L "$data" ]; then
    echo other
  else
    echo absent
  fi
}

# foreign_keys: how many lines of others the installer would take away: it deletes every one of that file with its name. One
# that its own key was written on the end of is somebody's, too
foreign_keys() {
  [ -f "$keys" ] || { echo 0 && return; }
  own=$(ssh-keygen -y -P '' -f "$KEY" 2>/dev/null | cut -d ' ' -f 2)
  awk -v own="$own" '/coolify/ { many = 0; for (i = 1; i <= NF; i++) if ($i ~ /AAAA/) many++; if (own == "" || !index($0, own) || many > 1) count++ }
    END { print count + 0 }' "$keys"
}

docker_facts() {
  command -v docker >/dev/null 2>&1 || { printf 'docker none\ncontainer none\n'; return; }
  printf 'docker %s\n' "$(ask 20 docker version --format '{{.Server.Version}}' 2>/dev/null)"
  printf 'compose %s\n' "$(ask 20 docker compose version --short 2>/dev/null)"
  if ask 20 docker ps -q >/dev/null 2>&1; then
    printf 'container %s\n' "$(inspect coolify '{{.State.Status}} {{.Config.Image}}' || echo none)"
    printf 'volume %s\n' "$(has_volume && echo yes || echo no)"
    printf 'running %s\n' "$(ask 20 docker ps -q 2>/dev/null | wc -l)"
  else
    printf 'container ?\nvolume ?\n'
  fi
}

look() {
  now=$(state) why=$(told why)
  if ended "$dir"; then
    case $now in prepared) now=refused ;; *) now=failed ;; esac
    why='it ended, and the disk took no word of how: see whether it is full'
  fi
  printf 'state %s\nwhy %s\nattempts %s\n' "$now" "$(printf '%s' "$why" | coded)" "$(told attempts)"
  printf 'said %s\n' "$(if [ -f "$dir/log" ]; then tail -n 40 "$dir/log" | coded; fi)"
  if [ "$name" != any ]; then printf 'image %s\n' "$(told image)" && installed && printf 'done\n' && return; fi
  printf 'under_way %s\nbegun %s\n' "$(under_way)" "$(begun)"
  printf 'os %s\n' "$(printf '%s %s' "$(os_release ID)" "$(os_release VERSION_ID)" | words)"
  printf 'arch %s\n' "$(uname -m)"
  printf 'systemd %s\n' "$([ -d /run/systemd/system ] && echo yes || echo no)"
  lacks=
  for each in $TOOLS; do command -v "$each" >/dev/null 2>&1 || lacks="$lacks $each"; done
  printf 'lacks %s\n' "$(printf '%s' "$lacks" | words)"
  missing=
  for each in apt-get base64 bash sha256sum ss ssh-keygen systemctl timeout; do command -v "$each" >/dev/null 2>&1 || missing="$missing $each"; done
  printf 'missing %s\n' "$(printf '%s' "$missing" | words)"
  docker_facts
  printf 'snap %s\n' "$(ask 20 snap list docker >/dev/null 2>&1 && echo yes || echo no)"
  printf 'source %s\n' "$(ls -A "$source" 2>/dev/null | tr -cd 'A-Za-z0-9._\n-' | words)"
  printf 'version %s\n' "$(sed -n 's/^COOLIFY_VERSION=//p' "$source/.env" 2>/dev/null | head -n 1 | tr -cd 'A-Za-z0-9.-')"
  for each in $PORTS; do
    who=$(holder "$each")
    [ -z "$who" ] || printf 'port %s %s\n' "$each" "$who"
  done
  printf 'data %s\n' "$(kind_of_data)"
  printf 'fstab %s\n' "$(awk '$1 !~ /^#/ && NF >= 3 { at = $2; gsub(/\/+/, "/", at); sub(/\/$/, "", at); if (at == "/data") found = 1 } END { print found ? "yes" : "no" }' "$fstab" 2>/dev/null)"
  printf 'room %s\n' "$(df -P -k / 2>/dev/null | awk 'NR == 2 { print $2, $4 }')"
  printf 'data_room %s\n' "$(df -P -k "$([ -d "$data" ] && echo "$data" || echo /)" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  printf 'daemon %s %s\n' "$(sum_of "$daemon")" "$(if [ -f "$daemon" ]; then coded <"$daemon"; fi)"
  printf 'foreign_keys %s\n' "$(foreign_keys)"
  printf 'sshd %s\n' "$(ask 20 sshd -T 2>/dev/null | awk '$1 == "port" && !port { port = $2 } $1 == "permitrootlogin" { root = $2 } END { print port, root }')"
  if [ -n "$(inspect coolify '{{.Id}}')" ]; then installed; fi
  # what Docker itself has made does not count: those networks are cut from its pools
  ask 20 ip -4 -o route show table main 2>/dev/null | awk '$1 ~ /^[0-9.]+(\/[0-9]+)?$/ { dev = ""; for (i = 2; i < NF; i++) if ($i == "dev") dev = $(i + 1); if (dev !~ /^(docker|br-|veth)/) print "route", $1 }'
  printf 'done\n'
}

# installed: of what is there its files by their sums, what is published, and what its database says of the instance; how
# many users there are, and whether the API is on
installed() {
  for each in docker-compose.yml docker-compose.prod.yml docker-compose.custom.yml .env.production upgrade.sh upgrade-postgres.sh; do
    printf 'file %s %s\n' "$each" "$(sum_of "$source/$each")"
  done
  printf 'env %s %s\n' "$(stat -c '%a' "$source" 2>/dev/null)" "$(stat -c '%F' "$source/.env" 2>/dev/null | words)"
  printf 'published %s\n' "$(published | words)"
  printf 'digests %s\n' "$(ask 20 docker image inspect --format '{{json .RepoDigests}}' "$(inspect coolify '{{.Image}}')" 2>/dev/null)"
  printf 'instance %s\n' "$(instance)"
}

instance() {
  command -v docker >/dev/null 2>&1 || return 0
  database "select (select count(*) from users), is_api_enabled, is_registration_enabled, coalesce(allowed_ips, '') <> ''
    from instance_settings where id = 0" 2>/dev/null | words
}

# database SQL: ask Coolify's own database, in a session that cannot write
database() {
  ask 20 docker exec -e PGOPTIONS='-c default_transaction_read_only=on' coolify-db \
    sh -c 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"' psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}

# published: at which addresses of this server ports of Coolify's containers are to be had, whether they run or not
published() {
  for each in coolify coolify-realtime; do
    inspect "$each" '{{range .HostConfig.PortBindings}}{{range .}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}'
  done
}

# --- before anything is touched --------------------------------------------------------------------------------------

prepare() {
  [ -z "$(state)" ] || return 0
  [ -z "$(under_way)" ] || leave 3 "another installation is under way: $(under_way)"
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here'
  rm -rf "$dir"
  mkdir -p "$dir/files" "$dir/bin" && chmod 0700 "$top" "$top/installs" "$dir" || leave 3 'its folder cannot be made'
  cat >"$dir/orders" || leave 3 'its orders could not be written'
  [ "$(order end)" = "$(order script | base64 -d 2>/dev/null | sha256sum | cut -c 1-64)" ] || leave 3 'its orders are not whole'
  fit_orders || leave 3 'its orders are not as they are given'
  why=$(busy) || leave 3 "$why"
  for each in $FILES; do
    order "file:$each" | base64 -d >"$dir/files/$each" && [ "$(sum_of "$dir/files/$each")" = "$(order "sum:$each")" ] ||
      leave 3 "$each is not the one of the plan"
  done
  order custom | base64 -d >"$dir/custom" && order daemon | base64 -d >"$dir/daemon" && [ -s "$dir/custom" ] && [ -s "$dir/daemon" ] ||
    leave 3 'its orders are not whole'
  [ "$(sum_of "$daemon")" = "$(order daemon_before)" ] || leave 3 "Docker's settings were changed meanwhile"
  if [ -f "$daemon" ] && command -v dockerd >/dev/null 2>&1; then
    ask 30 dockerd --validate --config-file "$dir/daemon" >/dev/null 2>&1 || leave 3 'dockerd does not take its new settings'
  fi
  write_curl && write_docker && install_unit || leave 3 'the disk takes nothing'
  set_state prepared '' >/dev/null && [ "$(state)" = prepared ] || leave 3 'the disk takes nothing'
}

# fit_orders: what the installer is given is words that no shell reads
fit_orders() {
  case $(order version) in '' | *[!0-9.]*) return 1 ;; esac
  case $(order pool_base) in '' | *[!0-9./]*) return 1 ;; esac
  case $(order pool_size) in '' | *[!0-9]*) return 1 ;; esac
  case $(order registry) in '' | *[!a-z0-9.:-]*) return 1 ;; esac
  case $(order docker_root) in any | "$data/docker") ;; *) return 1 ;; esac
  case $(order digest) in sha256:*[!0-9a-f]* | '' | *[!a-z0-9:]*) return 1 ;; esac
}

# busy: what keeps an installation from beginning, in words
busy() {
  case $(kind_of_data) in other) echo "$data is a link or a file" && return 1 ;; esac
  [ "$(order data)" != mount ] || [ "$(kind_of_data)" = mount ] || { echo "nothing is mounted at $data" && return 1; }
  if command -v docker >/dev/null 2>&1; then
    ask 20 docker ps -q >/dev/null 2>&1 || { echo 'Docker does not answer' && return 1; }
    if [ -n "$(inspect coolify '{{.Id}}')" ] && [ "$(begun)" = no ]; then echo 'a container coolify is there' && return 1; fi
  fi
  if [ -n "$(ls -A "$source" 2>/dev/null)" ] && [ "$(begun)" = no ]; then echo "$source is not empty" && return 1; fi
  [ "$(foreign_keys)" = 0 ] || { echo 'keys of others in /root/.ssh/authorized_keys have the word coolify' && return 1; }
  for each in $PORTS; do
    who=$(holder "$each")
    case $who in '') ;; docker-proxy | dockerd) [ "$(begun)" = yes ] || { echo "port $each is in use" && return 1; } ;; *) echo "port $each is in use by $who" && return 1 ;; esac
  done
}

# write_curl: what stands before curl while the installer runs. Its CDN has no versions: what it wants from there is the
# release's own file; Docker's key comes from Docker, and its packages are signed by it; nothing else is fetched
write_curl() {
  put "$dir/bin/curl" <<END && chmod 0755 "$dir/bin/curl"
#!/bin/sh
files=$dir/files
refused=$dir/refused
docker=$dir/docker
END
  cat >>"$dir/bin/curl" <<'END'
url= out= before=
for word; do
  case $before in -o | --output) out=$word ;; esac
  case $word in http://* | https://*) url=$word ;; esac
  before=$word
done
case $url in
  https://cdn.coollabs.io/coolify/*)
    name=${url#https://cdn.coollabs.io/coolify/}
    case $name in
      upgrade.sh | upgrade-postgres.sh | docker-compose.yml | docker-compose.prod.yml | .env.production | versions.json)
        # not earlier: the installer looks whether Docker is there
        if (PATH=${PATH#*:} && command -v docker) >/dev/null; then ln -f "$docker" "${0%/*}/docker" || exit 22; fi
        if [ -n "$out" ]; then exec cp "$files/$name" "$out"; fi
        exec cat "$files/$name"
        ;;
    esac
    ;;
  https://download.docker.com/linux/debian/gpg | https://download.docker.com/linux/ubuntu/gpg)
    PATH=${PATH#*:} exec curl --proto =https --retry 5 --retry-connrefused --max-time 120 "$@"
    ;;
esac
printf '%s\n' "$url" >>"$refused"
printf 'ink-install: %s is not fetched\n' "$url" >&2
exit 22
END
}

# write_docker: what stands before docker while the installer runs. It pulls Coolify by a tag and starts what that names on
# this server by then: a pull that brings another image than the plan's fails, before anything of it runs
write_docker() {
  put "$dir/docker" <<END && chmod 0755 "$dir/docker"
#!/bin/sh
refused=$dir/refused
digest=$(order digest)
END
  cat >>"$dir/docker" <<'END'
PATH=${PATH#*:}
[ "${1:-}" = pull ] || exec docker "$@"
docker "$@" || exit
for image; do :; done
case $image in coollabsio/coolify | */coollabsio/coolify | coollabsio/coolify[:@]* | */coollabsio/coolify[:@]*) ;; *) exit 0 ;; esac
docker image inspect --format '{{json .RepoDigests}}' "$image" | grep -q "@$digest\"" && exit
printf '%s, whose image is not the one of the plan\n' "$image" >>"$refused"
exit 1
END
}

install_unit() {
  order script | base64 -d | put "$dir/install-unit.sh" || return 1
  put "$system/$unit" <<END || return 1
[Unit]
Description=The installation of Coolify by ink-infra-mcp
After=network-online.target docker.service
Wants=network-online.target
RequiresMountsFor=$data
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh $dir/install-unit.sh ink-install run $name
Environment=HOME=/root USER=root LOGNAME=root DEBIAN_FRONTEND=noninteractive
Restart=on-failure
RestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE
RestartSec=5
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
END
  systemctl daemon-reload
}

start() {
  [ "$(state)" = prepared ] || return 0
  # another one may have been prepared since
  grep -qs " run $name\$" "$system/$unit" || leave 3 'its unit is that of another installation by now'
  systemctl enable --quiet "$unit" || leave 3 'systemd does not start its unit'
  # from here on a unit that is switched off has ended
  put "$dir/started" </dev/null || { systemctl disable --quiet "$unit" && leave 3 'the disk takes nothing'; }
  systemctl start --no-block "$unit" || leave 3 'systemd does not start its unit'
}

# --- what the unit does ----------------------------------------------------------------------------------------------

finish() {
  systemctl disable --quiet "$unit"
  exit 0
}

refuse() {
  set_state refused "$1"
  finish
}

fail() {
  set_state failed "$1"
  finish
}

run() {
  # a shell whose own redirection fails is gone, and systemd would begin it again for ever
  true >>"$dir/log" || finish
  exec >>"$dir/log" 2>&1
  case $(state) in
    prepared)
      why=$(busy) || refuse "$why"
      [ "$(sum_of "$daemon")" = "$(order daemon_before)" ] || refuse "Docker's settings were changed meanwhile"
      set_state installing '' && [ "$(state)" = installing ] || refuse 'the disk takes nothing'
      ;;
    installing) if serves; then proved; fi ;;
    *) finish ;;
  esac
  tries=$(told attempts)
  tries=$((${tries:-0} + 1))
  [ "$tries" -le "$TRIES" ] || fail "it was interrupted $TRIES times"
  status=
  printf '%s\n' "$tries" | put "$dir/attempts" || fail 'the disk takes nothing'
  settings || fail "Docker does not run with its new settings$back"
  packages || fail "not all of these could be installed: $TOOLS"
  closed || fail 'its override could not be written, or Docker does not answer'
  ended_line || fail "the last line of root's authorized_keys could not be ended"
  # it waits for a minute; migrations on a slow machine take longer
  installer || [ -n "$(inspect coolify '{{.Id}}')" ] || fail "Coolify's installer ended with status $status$(not_given)"
  settled
  proved
}

# settings: before Docker starts for the first time. The installer replaces the whole file where it has no pools, and
# with it all that others wrote; where it has them, and Coolify's own settings for logs, it writes nothing. A Docker that
# runs has to read them, and gets its old ones back where it does not start with them: its unit may set the same by flags
settings() {
  back='; they could not be written' unread=$dir/unread
  mkdir -p "${daemon%/*}" || return 1
  [ "$(sum_of "$daemon")" != "$(sum_of "$dir/daemon")" ] || [ -e "$unread" ] || return 0
  if ! command -v docker >/dev/null 2>&1; then put "$daemon" <"$dir/daemon" && return; return 1; fi
  if [ ! -e "$unread" ]; then
    if [ -f "$daemon" ]; then cp -p "$daemon" "$dir/daemon.before" || return 1; fi
    put "$unread" </dev/null || return 1
  fi
  if put "$daemon" <"$dir/daemon" && restarted; then rm -f "$unread" && return; fi
  if [ -f "$dir/daemon.before" ]; then put "$daemon" <"$dir/daemon.before"; else rm -f "$daemon"; fi
  back=', nor with those from before, which are back'
  restarted && back='; those from before are back, and it runs with them'
  rm -f "$unread"
  return 1
}

# restarted: a unit that failed often in a short time is not started again before that is forgotten
restarted() {
  systemctl reset-failed docker.service docker.socket 2>/dev/null
  ask 300 systemctl restart docker.service && ask 60 docker ps -q >/dev/null
}

# packages: a new server brings itself up to date at its first boot, and its apt holds the lock meanwhile
packages() {
  # without a terminal dpkg gives up where a file of settings was there before its package
  printf 'DPkg::Lock::Timeout "600";\nDPkg::Options { "--force-confold"; };\n' | put "$dir/apt.conf" && export APT_CONFIG="$dir/apt.conf" || return 1
  # cut off while it worked, dpkg left packages half-way, and apt does nothing before they are whole
  [ "$tries" = 1 ] || ask 900 dpkg --force-confold --configure -a </dev/null
  for each in $TOOLS; do command -v "$each" >/dev/null 2>&1 || { ask 900 apt-get update -y && ask 900 apt-get install -y $TOOLS; return; }; done
}

# closed: the override lies there before anything starts. A .env that was begun without a database behind it goes aside
closed() {
  mkdir -p "$source" || return 1
  if command -v docker >/dev/null 2>&1; then ask 60 docker ps -q >/dev/null || return 1; fi
  if [ -f "$source/.env" ] && ! has_volume; then mv "$source/.env" "$dir/env.$tries" && chmod 0600 "$dir/env.$tries" || return 1; fi
  put "$source/docker-compose.custom.yml" <"$dir/custom"
}

# ended_line: the installer writes its key behind whatever is there, and deletes by the line: on a last line without an end
# it would stand as a comment, and let nobody in, and the next try would take that whole line away
ended_line() { [ ! -s "$keys" ] || [ -z "$(tail -c 1 "$keys")" ] || echo >>"$keys"; }

has_volume() { command -v docker >/dev/null 2>&1 && ask 20 docker volume inspect --format x coolify-db >/dev/null 2>&1; }

installer() {
  true >"$dir/refused"
  ask "$RUN_S" env PATH="$dir/bin:$PATH" HOME=/root USER=root LOGNAME=root DEBIAN_FRONTEND=noninteractive AUTOUPDATE=false \
    REGISTRY_URL="$(order registry)" DOCKER_ADDRESS_POOL_BASE="$(order pool_base)" DOCKER_ADDRESS_POOL_SIZE="$(order pool_size)" \
    bash "$dir/files/install.sh" "$(order version)" </dev/null
  status=$?
  [ "$status" = 0 ]
}

not_given() { [ ! -s "$dir/refused" ] || printf '; not fetched for it: %s' "$(sort -u "$dir/refused" | words | head -c 200)"; }

# settled: it writes a file of how far it is, which its last process takes away ten seconds after it ended
settled() {
  left=30
  while [ -e "$source/.upgrade-status" ] && [ "$left" -gt 0 ]; do sleep 1; left=$((left - 1)); done
  rm -f "$source/.upgrade-status"
}

# serves: the image of the plan is healthy, whatever the installer says: it calls itself complete where Compose failed
serves() {
  [ "$(inspect coolify '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}')" = 'running healthy' ] && is_it
}

is_it() {
  ask 20 docker image inspect --format '{{json .RepoDigests}}' "$(inspect coolify '{{.Image}}')" 2>/dev/null | grep -q "@$(order digest)\""
}

# foreign: whether what runs is known to be another image than the plan's
foreign() {
  digests=$(ask 20 docker image inspect --format '{{json .RepoDigests}}' "$(inspect coolify '{{.Image}}')" 2>/dev/null) || return 1
  ! printf '%s\n' "$digests" | grep -q "@$(order digest)\""
}

# open: what of Coolify's containers is published elsewhere than on the loopback
open() {
  for at in $(published); do
    case $at in 127.0.0.1:*) ;; *) echo "$at" ;; esac
  done
}

# elsewhere: where Docker and what keeps its images have their data, unless it is where it was wanted
elsewhere() {
  [ "$(order docker_root)" != any ] || return 0
  root=$(ask 20 docker info --format '{{.DockerRootDir}}' 2>/dev/null)
  [ "$root" = "$(order docker_root)" ] || { echo "${root:-an unknown place}" && return; }
  ask 20 docker info --format '{{json .DriverStatus}}' 2>/dev/null | grep -q io.containerd.snapshotter.v1 || return 0
  root=$(ask 30 containerd config dump 2>/dev/null | sed -n "s/^root = [\"']\(.*\)[\"']\$/\1/p")
  [ "$root" = "$data/containerd" ] || echo "${root:-an unknown place}"
}

# proved: nobody out there may register first. What is open to others, or another image than the plan's, does not run on
proved() {
  left=$HEALTHY_S
  until serves || [ "$left" -le 0 ]; do
    [ -z "$(open)" ] && ! foreign || break
    sleep 5
    left=$((left - 5))
  done
  found=$(open | words)
  if [ -n "$found" ]; then
    stopped
    fail "it is open to others at $found, where the first visitor would own it: its containers were stopped"
  fi
  if [ -n "$(inspect coolify '{{.Image}}')" ] && ! is_it; then
    stopped
    fail 'the image that runs is not the one of the plan: its containers were stopped'
  fi
  found=$(elsewhere | words)
  [ -z "$found" ] || fail "Docker keeps its data at $found, and not where it was wanted"
  serves || fail "Coolify is not healthy $HEALTHY_S s after its installer ended${status:+ with status $status}"
  inspect coolify '{{.Image}}' | put "$dir/image"
  set_state done ''
  finish
}

stopped() { ask 120 docker stop coolify coolify-realtime; }

main() {
  [ "${1:-}" = ink-install ] && [ $# -eq 3 ] || leave 3 'this is not how it is called'
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  verb=$2 name=$3
  cd /
  case $name in '' | [!a-z0-9]* | *[!a-z0-9-]*) leave 3 'a word of the command is not one' ;; esac
  dir=$top/installs/$name
  case $verb in
    look | prepare | start | run) "$verb" ;;
    *) leave 3 'this is not how it is called' ;;
  esac
}

main "$@"
