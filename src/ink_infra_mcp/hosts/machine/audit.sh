# Lets auditors that others wrote judge this server, where they are installed, and prints what they say.
# usage: sh -s -- ink-audit MARKER [kept]
#   kept   lynis, which takes a minute, is not run: what its own last run wrote is told, where that is a week old at most
# They only read; their logs and reports go nowhere but into the answer.

export LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
mark=

section() {
  name=$1
  shift
  said=$("$@" 2>&1)
  printf '%s begin %s\n%s\n%s end %s %s\n' "$mark" "$name" "$said" "$mark" "$name" "$?"
}

told() { grep -E '^(hardening_index|lynis_version|warning\[\]|suggestion\[\])=' "$1"; }

# kept: Debian's and Ubuntu's package has lynis write here, and its own timer run it
kept() {
  command -v lynis >/dev/null 2>&1 || return 127
  report=/var/log/lynis-report.dat
  [ -n "$(find "$report" -mtime -7 2>/dev/null)" ] || { echo 'no report of the last week in /var/log' && return 1; }
  told "$report"
}

# lynis_: it writes its report and its log to files only, which are made for that and taken away
lynis_() {
  command -v lynis >/dev/null 2>&1 || return 127
  folder=$(mktemp -d) || return
  timeout 300 lynis audit system --quick --quiet --no-colors --no-log --report-file "$folder/report" --logfile /dev/null \
    >/dev/null 2>&1 </dev/null
  ended=$?
  told "$folder/report"
  rm -rf "$folder"
  return "$ended"
}

ssh_audit() {
  command -v ssh-audit >/dev/null 2>&1 || return 127
  port=$(sshd -T 2>/dev/null | sed -n 's/^port //p' | head -n 1)
  [ -n "$port" ] || { echo 'sshd does not say at which port it listens' && return 1; }
  set -- --json --port "$port" 127.0.0.1
  # from 3.3 on it tries how many connections a server takes, which is an attack and no audit
  if ssh-audit --help 2>&1 | grep -q -- --skip-rate-test; then set -- --skip-rate-test "$@"; fi
  timeout 60 ssh-audit "$@" 2>/dev/null
  # it ends with 2 and 3 where it found something, and with 1 where it could not connect
  case $? in 0 | 2 | 3) ;; *) return 1 ;; esac
}

main() {
  mark=$2
  if [ "${3:-}" = kept ]; then section lynis kept; else section lynis lynis_; fi
  section ssh_audit ssh_audit
  printf '%s done\n' "$mark"
}

[ "$(id -u)" = 0 ] || { echo 'it takes root' >&2 && exit 3; }
all=$(main "$@" </dev/null)
printf '%s\n' "$all"
