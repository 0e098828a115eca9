# Says how far this server's first boot is; changes nothing.
# usage: sh -s -- ink-ready
set -u
LC_ALL=C LANG=C LANGUAGE=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL LANG LANGUAGE PATH

if command -v cloud-init >/dev/null 2>&1; then
  said=$(timeout -k 5 20 cloud-init status 2>/dev/null </dev/null)
  printf 'cloud_init %s %s\n' "$?" "$(printf '%s\n' "$said" | sed -n 's/^status: //p')"
else
  echo 'cloud_init absent'
fi

if [ -d /run/systemd/system ]; then
  printf 'boot %s\n' "$(timeout -k 5 20 systemctl is-system-running 2>/dev/null </dev/null)"
  for unit in apt-daily.service apt-daily-upgrade.service; do
    printf 'unit %s %s\n' "$unit" "$(timeout -k 5 20 systemctl is-active "$unit" 2>/dev/null </dev/null)"
  done
else
  echo 'boot absent'
fi

# a lock is a file that a program has locked: the kernel names the file by its inode
if [ -r /proc/locks ]; then
  for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ -e "$file" ] || continue
    holder=$(sed -n "s/^[0-9]*: [A-Z]* *[A-Z]* *WRITE \([0-9]*\) [0-9a-f]*:[0-9a-f]*:$(stat -c %i "$file") .*/\1/p" /proc/locks | head -n 1)
    [ -z "$holder" ] || printf 'lock %s %s\n' "$file" "$(cat "/proc/$holder/comm" 2>/dev/null)"
  done
else
  echo 'locks unknown'
fi
for folder in /proc/[0-9]*; do
  name=$(cat "$folder/comm" 2>/dev/null)
  case $name in apt | apt-get | dpkg | aptitude) printf 'runs %s\n' "$name" ;; esac
done
updates=$(ls /var/lib/dpkg/updates 2>/dev/null) || [ ! -e /var/lib/dpkg/updates ] || updates=unread
[ -z "$updates" ] || echo 'interrupted dpkg'
command -v needrestart >/dev/null 2>&1 && echo 'has needrestart'
echo done
