#!/bin/sh
# Becomes a program that nobody waits for. usage: daemon.sh RECORD LOG GROUPS WORDS...
# GROUPS are folders of control groups, with spaces between; the record is the process's number and when it began.
set -eu
record=$1 log=$2 groups=$3
shift 3
exec </dev/null >>"$log" 2>&1
for group in $groups; do echo $$ >"$group/cgroup.procs"; done
stat=$(cat /proc/$$/stat)
number=${stat%% *}
# the name, in brackets, may hold spaces: count behind it
# shellcheck disable=SC2086
set -- "$record" "$number" ${stat##*) } -- "$@"
record=$1 number=$2
shift 2
began=${20}
while [ "$1" != -- ]; do shift; done
shift
echo "$number $began" >"$record.new"
mv "$record.new" "$record"
exec "$@"
