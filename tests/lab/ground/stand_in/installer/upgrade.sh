#!/bin/bash
# usage: upgrade.sh VERSION HELPER REGISTRY SKIP_BACKUP
# What Coolify's own does (scripts/upgrade.sh, 4.3.10): files from the CDN, .env, network, pulls, and then, in the
# background, a helper's container that runs Compose with every file. It calls itself complete whatever Compose says.
cdn=https://cdn.coollabs.io/coolify
source=/data/coolify/source
env=$source/.env
status=$source/.upgrade-status
helper=${3:-docker.io}/coollabsio/coolify-helper:$2

for file in docker-compose.yml docker-compose.prod.yml .env.production upgrade-postgres.sh; do
  curl -fsSL $cdn/$file -o $source/$file
done
printf '1|pulling\n' >$status
files="-f $source/docker-compose.yml -f $source/docker-compose.prod.yml"
for more in custom postgres-upgrade; do
  [ ! -f $source/docker-compose.$more.yml ] || files="$files -f $source/docker-compose.$more.yml"
done
export REGISTRY_URL=$3 LATEST_IMAGE=$1
images=$(docker compose --env-file $env $files config --images | sort -u)
[ -n "$images" ] || exit 1
docker network inspect coolify >/dev/null 2>&1 || docker network create --attachable coolify >/dev/null
mkdir -p /data/coolify/images/avatars /data/coolify/images/project-icons
chown -R 9999:root /data/coolify/images && chmod -R 700 /data/coolify/images /data/coolify/ssh
for image in "$helper" $images; do docker pull --quiet "$image" || exit 1; done
for pair in "LATEST_IMAGE=$1" "COOLIFY_VERSION=$1"; do
  sed -i "/^${pair%%=*}=/d" $env
  printf '%s\n' "$pair" >>$env
done
nohup bash -c "
  for container in coolify coolify-db coolify-redis coolify-realtime; do
    docker rm --force \$container >/dev/null 2>&1 || true
  done
  docker run --rm -v $source:$source -v /var/run/docker.sock:/var/run/docker.sock $helper bash -c \
    'LATEST_IMAGE=$1 docker compose --env-file $env $files up -d --remove-orphans --wait --wait-timeout 60'
  printf '6|complete\n' >$status
  sleep 10
  rm -f $status
" >$source/upgrade.log 2>&1 &
