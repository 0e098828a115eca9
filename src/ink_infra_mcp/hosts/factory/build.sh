# Builds the fork's image of Coolify on this server, and pushes it where it is told to. Nothing in service is touched.
# usage: sh -s -- ink-build VERB NAME
#   ready   NAME  says what a build would meet here, and what earlier ones pushed; it changes nothing
#   look    NAME  says how far the build NAME is, and the end of its log; it changes nothing
#   prepare NAME  takes its orders from standard input, and puts them on the disk
#   start   NAME  has systemd build it: from there on nobody else has to be there
#   push    NAME  has systemd push what was built and checked
#   drop    NAME  ends it, and takes away all that it made here; what was pushed stays where it is
#   run     NAME  is what the unit does, and does again after each interruption: a boot, a kill
# Exit status: 3 nothing was changed, with words on standard error.
# Whoever interrupts it at whatever command: the next run begins that part anew, and what was built is not built again.

set -u
umask 077
export LC_ALL=C LANG=C LANGUAGE=C HOME=/root
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
top=/var/lib/ink-build
unit=ink-coolify-build.service
slice=inkbuild.slice
upstream=https://github.com/coollabsio/coolify
helper=/var/www/html/bootstrap/helpers/docker.php
proof='require "/var/www/html/vendor/autoload.php"; $o = convertDockerRunToCompose("--runtime=runsc"); echo "ink-option ".($o["runtime"] ?? "dropped").PHP_EOL;'
ROOM_KB=10485760
MEMORY_KB=3145728
LIMIT_KB=4194304
TRIES=3
KEEPS=20

leave() {
  status=$1
  shift
  printf 'ink-build: %s\n' "$*" >&2
  exit "$status"
}

# put FILE: write standard input there, whole or not at all, and to the disk
put() {
  cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}" && return
  rm -f "$1.new"
  return 1
}

# set_state STATE WHY
set_state() {
  printf '%s\n' "$2" | put "$dir/why" && printf '%s\n' "$1" | put "$dir/state"
}

told() { if [ -f "$dir/$1" ]; then head -c 4096 "$dir/$1"; fi; }
state() { told state; }
# order KEY: one line of the orders; values are words of letters that no shell and no pattern reads
order() { sed -n "s/^$1 //p" "$dir/orders" | head -n 1; }
# ask SECONDS COMMAND...: run it for at most so long, with nothing to read
ask() {
  limit=$1
  shift
  timeout -k 10 "$limit" "$@" </dev/null
}
dock() { ask 120 docker "$@"; }
room() { df -P -k "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }
root_of() { dock info --format '{{.DockerRootDir}}' 2>/dev/null; }
memory() { awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null; }
version() { ask 20 "$@" 2>/dev/null | sed -n 's/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p' | head -n 1; }
coded() { head -c 65536 | base64 -w 0; }

# stage NAME: which part of the way is gone
stage() {
  printf '%s\n' "$1" | put "$dir/stage" && printf 'ink-build %s\n' "$1" || fail 'the disk takes nothing'
}

# fail WHY: it has ended, and what it made on the way goes
fail() {
  case $(state) in
    pushing) set_state unpushed "$*" ;;
    *)
      sources_away
      away "ink-build:$(order image | sed 's/.*://')"
      cache_away
      set_state failed "$*"
      ;;
  esac || echo 'the disk takes no state'
  finish
}

finish() {
  systemctl disable --quiet "$unit"
  exit 0
}

# --- before it ---------------------------------------------------------------------------------------------------------

# ended FOLDER: whether its unit is over while its state says that it works: a disk that is full takes no other word
ended() {
  case $(cat "$1/state" 2>/dev/null) in building | pushing) ;; *) return 1 ;; esac
  grep -qs " run ${1##*/}\$" "/etc/systemd/system/$unit" || return 0
  ! systemctl is-enabled --quiet "$unit" 2>/dev/null && ! systemctl is-active --quiet "$unit" 2>/dev/null
}

# under_way: another build that is between its beginning and its end
under_way() {
  for each in "$top"/builds/*/state; do
    [ -f "$each" ] || continue
    case $(cat "$each") in
      building | pushing)
        each=${each%/state}
        ended "$each" || [ "${each##*/}" = "$name" ] || printf '%s\n' "${each##*/}"
        ;;
    esac
  done
}

prepare() {
  [ -z "$(state)" ] || return 0
  [ -d /run/systemd/system ] || leave 3 'systemd does not run here'
  [ ! -d "$top/builds" ] || forget
  rm -rf "$dir"
  mkdir -p "$dir" && chmod 0700 "$top" "$top/builds" "$dir" || refuse 'its folder cannot be made'
  cat >"$dir/orders" || refuse 'its orders could not be written'
  [ "$(order end)" = "$(order script | base64 -d 2>/dev/null | sha256sum | cut -c 1-64)" ] || refuse 'its orders are not whole'
  well_said base 'v4\.[0-9]{1,4}\.[0-9]{1,4}'
  well_said base_commit '[0-9a-f]{40}'
  well_said repository 'https://github\.com/[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}'
  well_said branch '[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*'
  well_said patch_commit '[0-9a-f]{40}'
  well_said image '[a-z0-9][a-z0-9.:-]*(/[a-z0-9][a-z0-9._-]*)+:[0-9]+\.[0-9]+\.[0-9]+-[0-9a-f]{12}(-[0-9]{1,2})?'
  for place in /var/lib "$(root_of)"; do
    there=$(room "$place")
    [ "${there:-0}" -ge "$ROOM_KB" ] || refuse "$place has $((${there:-0} / 1024)) MiB left, and $((ROOM_KB / 1024)) are wanted"
  done
  there=$(memory)
  [ "${there:-0}" -ge "$MEMORY_KB" ] ||
    refuse "$((${there:-0} / 1024)) MiB of memory are left, and $((MEMORY_KB / 1024)) are wanted"
  sync "$dir/orders" && set_state prepared '' || refuse 'the disk takes nothing'
}

# refuse WHY: what was begun of it goes
refuse() {
  rm -rf "$dir"
  leave 3 "$@"
}

# well_said KEY PATTERN: whether an order is one line of that shape
well_said() {
  [ "$(sed -n "s/^$1 //p" "$dir/orders" | wc -l)" -eq 1 ] && order "$1" | grep -Eqx -e "$2" || refuse "its $1 is not a word that is good here"
}

# forget: of builds that have ended the newest are kept, for what they pushed
forget() {
  for each in $(ls -t "$top/builds" | tail -n "+$KEEPS"); do
    case $(cat "$top/builds/$each/state" 2>/dev/null) in
      pushed | failed | dropped | '') rm -rf "$top/builds/$each" ;;
    esac
  done
}

# begin FROM TO: have systemd run it, which it does once however often it is told
begin() {
  case $(state) in
    "$1" | "$3")
      busy=$(under_way)
      [ -z "$busy" ] || leave 3 "another build is under way: $busy"
      idle
      order script | base64 -d | put "$top/build.sh" && write_unit || leave 3 'its unit could not be written'
      rm -f "$dir/tries"
      set_state "$2" '' || leave 3 'the disk takes nothing'
      ;;
    "$2") ;;
    *) return 0 ;;
  esac
  systemctl enable --quiet "$unit" && systemctl start --no-block "$unit" || leave 3 'systemd does not start its unit'
}

# idle: a unit that is about to end would take no other start, and switch itself off after it
idle() {
  tries=0
  while systemctl is-active --quiet "$unit"; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || leave 3 'the build before it has not ended yet'
    sleep 0.2
  done
}

start() { begin prepared building prepared; }
push() { begin built pushing unpushed; }

# write_unit: what serves here goes first; the steps of the build run in the slice, whoever starts them
write_unit() {
  printf '[Unit]\nDescription=What a build of Coolify by ink-infra-mcp may take\n[Slice]\nCPUWeight=20\nIOWeight=20\nMemoryMax=%sK\n' \
    "$LIMIT_KB" | put "/etc/systemd/system/$slice" && chmod 0644 "/etc/systemd/system/$slice" &&
    put "/etc/systemd/system/$unit" <<END && chmod 0644 "/etc/systemd/system/$unit" && systemctl daemon-reload
[Unit]
Description=A build of Coolify's fork by ink-infra-mcp
After=docker.service network-online.target
Wants=docker.service network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh $top/build.sh ink-build run $name
Slice=$slice
Nice=10
Restart=on-failure
RestartForceExitStatus=SIGTERM SIGINT SIGHUP SIGPIPE
RestartSec=2
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
END
}

# --- the way -----------------------------------------------------------------------------------------------------------

run() {
  # a shell whose own redirection fails is gone, and systemd would begin it again for ever
  true >>"$dir/log" || finish
  exec >>"$dir/log" 2>&1
  case $(state) in
    building | pushing) ;;
    pushed) tidy ;;
    *) finish ;;
  esac
  tried=$(($(told tries) + 1))
  printf '%s\n' "$tried" | put "$dir/tries" || fail 'the disk takes nothing'
  [ "$tried" -le "$TRIES" ] || fail "it was interrupted $((tried - 1)) times"
  case $(state) in
    building) make ;;
    pushing) send ;;
  esac
}

# label IMAGE: what an image says of what it was made from
label() {
  dock image inspect --format '{{index .Config.Labels "ink-infra.base"}} {{index .Config.Labels "ink-infra.patch"}} {{index .Config.Labels "ink-infra.tag"}}' "$1" 2>/dev/null
}

make() {
  made=ink-build:$(order image | sed 's/.*://')
  if [ "$(label "$made")" != "$(order base_commit) $(order patch_commit) $(order image | sed 's/.*://')" ]; then
    there=$(room "$(root_of)")
    [ "${there:-0}" -ge "$ROOM_KB" ] || [ "$tried" -gt 1 ] || fail "Docker's disk has $((${there:-0} / 1024)) MiB left"
    stage fetch
    fetched
    stage patch
    patched
    stage build
    built
  fi
  [ -s "$dir/from" ] || dock image inspect --format '{{index .Config.Labels "ink-infra.from"}}' "$made" | put "$dir/from"
  stage check
  checked
  sources_away
  id=$(dock image inspect --format '{{.Id}}' "$made") && printf '%s\n' "$id" | put "$dir/id" && set_state built '' || fail 'the disk takes nothing'
  finish
}

# git_ WORD...: without hooks, filters, prompts, helpers of others, or any other way than https. Files get the modes that
# whoever runs in the image can read them with: a Dockerfile's COPY keeps them
git_() (
  umask 022
  ask 1800 env HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \
    GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false SSH_ASKPASS=/bin/false GIT_ALLOW_PROTOCOL=https \
    GIT_AUTHOR_NAME=ink-build GIT_AUTHOR_EMAIL=ink-build@localhost GIT_COMMITTER_NAME=ink-build GIT_COMMITTER_EMAIL=ink-build@localhost \
    git -C "$work/tree" -c core.hooksPath=/dev/null -c core.fsmonitor=false -c credential.helper= -c submodule.recurse=false \
    -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=120 -c gc.auto=0 -c advice.detachedHead=false "$@"
)

# fetched: Coolify's own branches are fetched too: what of the fork's is Coolify's own is no patch
fetched() {
  rm -rf "$work"
  mkdir -p "$work/tree" && git_ init --quiet || fail 'its folder cannot be made'
  base=$(order base) branch=$(order branch)
  git_ fetch --quiet --no-tags --no-recurse-submodules "$upstream" "+refs/tags/$base:refs/ink/base" \
    '+HEAD:refs/ink/upstream/head' '+refs/heads/next*:refs/ink/upstream/next*' || fail "Coolify's $base could not be fetched"
  git_ fetch --quiet --no-tags --no-recurse-submodules "$(order repository)" "+refs/heads/$branch:refs/ink/patch" ||
    fail "the branch $branch of the fork could not be fetched"
  is_at "$base" base base_commit && is_at "the branch $branch" patch patch_commit
}

# is_at WORDS REF ORDER: whether it is still the commit that was planned with
is_at() {
  now=$(git_ rev-parse --verify --quiet "refs/ink/$2^{commit}") || fail "$1 is no commit"
  [ "$now" = "$(order "$3")" ] || fail "$1 moved since it was planned: it is $now, and not $(order "$3")"
}

# patched: all that the branch has and Coolify has not, as one change upon the release. Coolify's branches move while we
# build: where the fork left them is noted, for the next try and for whoever reads what was applied
patched() {
  from=$(git_ merge-base refs/ink/patch $(git_ for-each-ref --format='%(refname)' refs/ink/upstream) refs/ink/base) ||
    fail 'the branch has no commit in common with Coolify'
  [ -s "$dir/from" ] || printf '%s\n' "$from" | put "$dir/from" || fail 'the disk takes nothing'
  [ "$from" = "$(told from)" ] || fail "Coolify's branches moved meanwhile: the branch leaves them at $from now, and at $(told from) before"
  printf 'ink-build from %s\n' "$from"
  git_ log --no-merges --format='ink-build commit %h %s' "$from..refs/ink/patch" | head -n 200
  if git_ diff --quiet "$from" refs/ink/patch; then fail 'the branch has nothing that Coolify has not'; fi
  git_ ls-tree -r refs/ink/patch | grep -q '^160000 ' && fail 'the branch has submodules, which are never fetched'
  git_ checkout --quiet --detach refs/ink/base || fail "$base could not be checked out"
  whole=$(git_ commit-tree "refs/ink/patch^{tree}" -p "$from" -m patch) || fail 'the patch could not be made'
  if ! git_ cherry-pick --no-commit "$whole"; then
    git_ diff --name-only --diff-filter=U >"$dir/conflicts"
    [ -s "$dir/conflicts" ] || fail "the patch could not be put on $base"
    fail "the patch does not fit $base: $(wc -l <"$dir/conflicts") files conflict"
  fi
  git_ diff --cached --stat=100 | tail -n 200
  git_ diff --cached --name-only | put "$dir/applied" || fail 'the disk takes nothing'
  if git_ diff --cached --quiet; then fail "$base has all that the patch changes: there is nothing to build"; fi
  file || fail 'there is no docker/production/Dockerfile'
  rm -rf "$work/tree/.git"
}

# file: the Dockerfile of the release itself, and no way to somewhere else
file() { git_ ls-files --stage docker/production/Dockerfile | grep -q '^100[0-9]* '; }

# built: every step of it runs in our slice, as root in containers of this host that reach its networks and the internet:
# the Dockerfile of the release with the patch upon it says what runs. What a registry would be told beside the image is
# left out
built() {
  systemctl start "$slice" || fail 'its slice does not start'
  # where it is not known what was there before, all of it stays
  [ -f "$dir/cache_before" ] || { before=$(cache) && printf '%s\n' "$before" | put "$dir/cache_before"; }
  version=${base#v}
  ask 7200 docker buildx build --builder default --progress plain --platform linux/amd64 --provenance=false --pull --load \
    --cgroup-parent "/$slice" --file "$work/tree/docker/production/Dockerfile" --build-arg "COOLIFY_VERSION=$version" \
    --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$(order patch_commit)" \
    --label "org.opencontainers.image.source=$(order repository)" --label "ink-infra.base=$(order base_commit)" \
    --label "ink-infra.patch=$(order patch_commit)" --label "ink-infra.tag=${made#*:}" --label "ink-infra.operation=$name" \
    --label "ink-infra.from=$(told from)" \
    --tag "$made" "$work/tree" || fail 'docker buildx build failed'
}

# checked: as the image itself answers, without a network, and not by what we think of it
checked() {
  [ "$(dock image inspect --format '{{.Os}}/{{.Architecture}}' "$made")" = linux/amd64 ] || fail 'the image is not for linux/amd64'
  found=$(inside grep "$made" -c -- "'--runtime'" "$helper")
  [ "${found:-0}" -gt 0 ] 2>/dev/null || fail 'the source in the image has no --runtime'
  said=$(inside php "$made" -r "$proof" | tail -n 1)
  [ "$said" = 'ink-option runsc' ] || fail "Coolify in the image drops --runtime, or does not say: $(printf '%s' "$said" | tr -cd 'A-Za-z0-9 -' | cut -c 1-60)"
}

inside() {
  entry=$1
  shift
  dock run --rm --pull never --network none --read-only --cap-drop ALL --security-opt no-new-privileges --memory 256m --pids-limit 64 \
    --entrypoint "$entry" "$@"
}

send() {
  image=$(order image) made=ink-build:${image##*:}
  stage push
  [ "$(dock image inspect --format '{{.Id}}' "$made")" = "$(told id)" ] && [ -n "$(told id)" ] || fail 'what was built is no more here'
  not_taken
  dock image tag "$made" "$image" || fail 'it could not be tagged'
  ask 3600 docker push "$image" >"$dir/pushed" 2>&1
  ended=$?
  tail -n 50 "$dir/pushed"
  digest=$(sed -n 's/^[^ ]*: digest: \(sha256:[0-9a-f]\{64\}\) size: [0-9]*$/\1/p' "$dir/pushed" | tail -n 1)
  [ "$ended" = 0 ] && [ -n "$digest" ] || fail "$(why_unpushed "$image" "docker push to ${image%%/*} failed")"
  # its layers are here: what is asked for is whether the registry gives the very image under that digest
  ask 1800 docker pull --quiet "${image%:*}@$digest" >/dev/null &&
    [ "$(dock image inspect --format '{{.Id}}' "${image%:*}@$digest")" = "$(told id)" ] || fail 'the registry does not give back what was pushed'
  printf '%s\n' "$digest" | put "$dir/digest" && set_state pushed '' || fail 'the disk takes nothing'
  tidy
}

# not_taken: what this login is shown under that tag is not overwritten, unless it is this very image; where the registry
# does not say, nobody knows that there is none. Docker itself is asked, which pushes by the same way and settings: buildx
# speaks to registries by its own, as the lab showed, and `docker manifest inspect` goes on after a refusal or a 502
not_taken() {
  if ask 1800 docker pull --quiet "$image" >"$dir/pushed" 2>&1; then
    [ "$(dock image inspect --format '{{.Id}}' "$image")" != "$(told id)" ] || return
    away "$image"
    fail 'the registry has another image under that tag: nothing is overwritten'
  fi
  if is_free "$(tail -n 1 "$dir/pushed")"; then return; fi
  tail -n 50 "$dir/pushed"
  fail "$(why_unpushed "$image" 'whether the registry has that tag already is not known: docker pull says neither')"
}

# is_free WORDS: how Docker says that a registry knows of no such tag, or of no such repository (moby's distribution/errors.go,
# 20 to 28, and containerd's resolver); an image for other machines, a limit or a full disk is said otherwise
is_free() {
  short=${image#docker.io/}
  for each in "$image" "$short"; do
    case $1 in
      "Error response from daemon: manifest for $each not found: manifest unknown"* | \
        "Error response from daemon: repository ${each%:*} not found: name unknown"* | \
        "Error response from daemon: failed to resolve reference \"$each\": $each: not found") return 0 ;;
    esac
  done
  return 1
}

# tidy: the registry has it, and here nothing needs it
tidy() {
  image=$(order image)
  away "ink-build:${image##*:}" "$image" "${image%:*}@$(told digest)"
  cache_away
  finish
}

# why_unpushed IMAGE ELSE: Docker's own words for a login that is missing or not enough (docker/cli and moby, 20 to 28)
why_unpushed() {
  if grep -Eqi 'denied|unauthorized|authentication required|no basic auth|insufficient_scope' "$dir/pushed"; then
    printf 'login %s refuses the push to the login that root has here' "${1%%/*}"
  else
    printf '%s' "$2"
  fi
}

# --- what is left ------------------------------------------------------------------------------------------------------

# away IMAGE...: names only; layers that something else uses stay
away() {
  for each in "$@"; do
    dock image rm "$each" >/dev/null 2>&1
  done
}

# cache: what the builder keeps, by its ids; it fails where the builder does not tell all of it
cache() { dock buildx du --builder default >"$dir/du" 2>/dev/null && <"$dir/du" awk '{ print $1 }' | sed 's/\*$//' | grep -x '[a-z0-9]\{20,\}' | sort; }

# sources_away: and what was added to the builder's cache is noted, until nothing uses it
sources_away() {
  rm -rf "$work"
  [ -f "$dir/cache_before" ] && now=$(cache) || return 0
  printf '%s\n' "$now" | comm -13 "$dir/cache_before" - >"$dir/cache" && rm -f "$dir/cache_before"
}

# cache_away: of the builder's cache what this build added; what others put there stays
cache_away() {
  ids=$(tr '\n' '|' <"$dir/cache" 2>/dev/null)
  [ -z "$ids" ] || ask 600 docker buildx prune --builder default --force --filter "id=^(${ids%|})\$" >/dev/null 2>&1
  rm -f "$dir/cache"
}

drop() {
  case $(state) in
    building | pushing) systemctl stop "$unit" || leave 3 'its unit does not stop' ;;
    pushed | dropped | '') return 0 ;;
  esac
  systemctl disable --quiet "$unit" 2>/dev/null
  sources_away
  away "ink-build:$(order image | sed 's/.*://')" "$(order image)"
  cache_away
  set_state dropped 'it was told to end' || leave 3 'the disk takes nothing'
}

# --- what is told ------------------------------------------------------------------------------------------------------

look() {
  now=$(state) why=$(told why)
  if ended "$dir"; then
    case $now in pushing) now=unpushed ;; *) now=failed ;; esac
    why='it ended, and the disk took no word of how: see whether it is full'
  fi
  printf 'state %s\n' "$now"
  printf 'stage %s\n' "$(told stage)"
  printf 'why %s\n' "$(printf '%s' "$why" | coded)"
  printf 'id %s\n' "$(told id)"
  printf 'digest %s\n' "$(told digest)"
  printf 'from %s\n' "$(told from)"
  printf 'applied %s\n' "$(if [ -f "$dir/applied" ]; then head -n 500 "$dir/applied" | coded; fi)"
  printf 'conflicts %s\n' "$(if [ -f "$dir/conflicts" ]; then head -n 200 "$dir/conflicts" | coded; fi)"
  printf 'said %s\n' "$(if [ -f "$dir/log" ]; then tail -n 200 "$dir/log" | tail -c 16384 | coded; fi)"
  printf 'done\n'
}

ready() {
  printf 'docker %s\n' "$(dock version --format '{{.Server.Os}}/{{.Server.Arch}}' 2>/dev/null)"
  printf 'buildx %s\n' "$(version docker buildx version)"
  printf 'git %s\n' "$(version git --version)"
  printf 'systemd %s\n' "$(if [ -d /run/systemd/system ]; then echo yes; else echo no; fi)"
  printf 'free_kb %s\n' "$(room /var/lib) $(room "$(root_of)")"
  printf 'memory_kb %s\n' "$(memory)"
  printf 'wanted_kb %s\n' "$ROOM_KB $MEMORY_KB"
  printf 'under_way %s\n' "$(under_way | head -n 1)"
  for each in $(ls -t "$top/builds" 2>/dev/null | head -n "$KEEPS"); do
    dir=$top/builds/$each
    [ "$(state)" != pushed ] || printf 'pushed %s %s %s %s\n' "$(order image)" "$(told digest)" "$(order base_commit)" "$(order patch_commit)"
  done
  printf 'done\n'
}

main() {
  [ "${1:-}" = ink-build ] && [ $# -eq 3 ] || leave 3 'this is not how it is called'
  [ "$(id -u)" = 0 ] || leave 3 'it takes root'
  verb=$2 name=$3
  case $name in '' | [!a-z0-9]* | *[!a-z0-9-]*) leave 3 'a word of the command is not one' ;; esac
  dir=$top/builds/$name work=$top/builds/$name/work
  case $verb in
    ready | look | prepare | start | push | drop | run) "$verb" ;;
    *) leave 3 'this is not how it is called' ;;
  esac
}

main "$@"
