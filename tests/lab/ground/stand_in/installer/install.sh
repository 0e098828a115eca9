#!/bin/bash
# A short installer that leaves a server as Coolify's own does (scripts/install.sh, 4.3.10), step by step in its order:
# root only, prerequisites, Docker, daemon.json, five files from a CDN without versions, .env, a key, then upgrade.sh.
# Written for the lab; where INK_COOLIFY_SCRIPTS names a checkout of Coolify, its own scripts run in place of these.
set -e -o pipefail

cdn=https://cdn.coollabs.io/coolify
home=/data/coolify
env=$home/source/.env
key=$home/ssh/keys/id.$USER@host.docker.internal
[ "$EUID" = 0 ] || { echo 'it takes root'; exit 1; }

told=$(curl -fsSL $cdn/versions.json)
version=${1:-$(jq -r .coolify.v4.version <<<"$told")}
helper=$(jq -r .coolify.helper.version <<<"$told")

for folder in source ssh/keys ssh/mux applications databases backups services proxy/dynamic sentinel images; do
  mkdir -p "$home/$folder"
done
chown -R 9999:root $home && chmod -R 700 $home

for program in curl wget git jq openssl; do
  command -v "$program" >/dev/null || { apt-get update -y && apt-get install -y "$program"; }
done
command -v docker >/dev/null || { curl -fsSL https://get.docker.com | sh || true; }
# the vendor writes a source of apt for these first; that of the lab is there
command -v docker >/dev/null || {
  apt-get update -y && apt-get install -y docker-ce docker-ce-cli containerd.io docker-compose-plugin
}
[ "$(docker version --format '{{.Server.Version}}' | cut -d . -f 1)" -ge 24 ]

settings=/etc/docker/daemon.json
if ! jq -e '."default-address-pools"' $settings >/dev/null 2>&1; then
  # without pools of somebody's the file is written anew, as a whole
  jq -n --arg base "$DOCKER_ADDRESS_POOL_BASE" --argjson size "$DOCKER_ADDRESS_POOL_SIZE" '{
    "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"},
    "default-address-pools": [{base: $base, size: $size}]}' >$settings
  systemctl restart docker
fi

for file in docker-compose.yml docker-compose.prod.yml .env.production upgrade.sh upgrade-postgres.sh; do
  curl -fsSL $cdn/$file -o $home/source/$file
done
chmod +x $home/source/upgrade.sh $home/source/upgrade-postgres.sh

[ -f $env ] || cp $home/source/.env.production $env
# fill NAME VALUE: what has a value stays
fill() {
  grep -q "^$1=." $env && return
  sed -i "/^$1=$/d" $env
  printf '%s=%s\n' "$1" "$2" >>$env
}
fill APP_ID "$(openssl rand -hex 16)"
fill APP_KEY "base64:$(openssl rand -base64 32)"
fill DB_PASSWORD "$(openssl rand -base64 32)"
fill REDIS_PASSWORD "$(openssl rand -base64 32)"
for name in PUSHER_APP_ID PUSHER_APP_KEY PUSHER_APP_SECRET; do fill $name "$(openssl rand -hex 32)"; done
[ -z "${REGISTRY_URL+x}" ] || fill REGISTRY_URL "$REGISTRY_URL"
[ "$AUTOUPDATE" != false ] || fill AUTOUPDATE false
fill DOCKER_ADDRESS_POOL_BASE "$DOCKER_ADDRESS_POOL_BASE"
fill DOCKER_ADDRESS_POOL_SIZE "$DOCKER_ADDRESS_POOL_SIZE"

mkdir -p ~/.ssh && touch ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys
if ! docker volume inspect coolify-db >/dev/null 2>&1; then
  rm -f "$key" "$key.pub"
  ssh-keygen -q -t ed25519 -N '' -C coolify -f "$key"
  sed -i /coolify/d ~/.ssh/authorized_keys
  cat "$key.pub" >>~/.ssh/authorized_keys
fi
chown -R 9999:root $home && chmod -R 700 $home

bash $home/source/upgrade.sh "$version" "$helper" "${REGISTRY_URL:-docker.io}" true
for _ in $(seq 60); do
  [ "$(docker inspect --format '{{.State.Health.Status}}' coolify 2>/dev/null)" = healthy ] && break
  sleep 1
done
echo 'Your instance is ready to use'
