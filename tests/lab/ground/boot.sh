#!/bin/bash
# Becomes the first process of one server, in new mount, pid, uts, ipc and cgroup namespaces and its network's.
# usage: boot.sh NAME TREE FOLDER MODE(systemd|sshd) DISKS(node:major:minor:by-id,...)
set -eu
name=$1 lower=$2 folder=$3 mode=$4 disks=${5:-}
root=$folder/root
umask 022
mount --make-rprivate /

# Everything that the server writes, Docker's data too, lies on an ext4 of its own: overlay on overlay is refused.
top=$folder
if [ "$mode" = systemd ]; then
  top=$folder/disk
  mkdir -p "$top"
  mount -o loop,noatime,barrier=0 "$folder/disk.img" "$top"
  disks=sda:$(findmnt -nro MAJ:MIN "$top"):,$disks
fi
if [ ! -d "$top/upper" ]; then
  mkdir -p "$top/upper" "$top/work" "$top/docker" "$top/containerd"
  cp -a "$folder/seed/." "$top/upper/"
  chmod 755 "$top/upper"
fi
mount -t overlay "$name-root" -o "lowerdir=$lower,upperdir=$top/upper,workdir=$top/work" "$root"
hostname "$name"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"

# /proc/sys can be read only, but for net, which belongs to the server's network: Docker and ufw write there.
limit_proc() {
  mount --bind "$root/proc/sys" "$root/mnt"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount --bind "$root/mnt/net" "$root/proc/sys/net"
  umount "$root/mnt"
  [ ! -e "$root/proc/sysrq-trigger" ] || mount --bind /dev/null "$root/proc/sysrq-trigger"
  cat /proc/sys/kernel/random/uuid >"$folder/boot_id"
  mount --bind "$folder/boot_id" "$root/proc/sys/kernel/random/boot_id"
}

# /sys can be read only, or udevd would start and see this machine's devices. It shows the server its own disks only,
# under the names that its /dev has. There is no udev database, so lsblk -f knows no file systems: ask blkid -p.
limit_sys() {
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
  local block=$root/sys/devices/virtual/block place node major minor id
  mount --bind "$block" "$root/mnt"
  for place in devices/virtual/block block class/block dev/block; do
    mount -t tmpfs -o mode=755,size=64k tmpfs "$root/sys/$place"
  done
  while IFS=: read -r node major minor id; do
    mkdir "$block/$node"
    mount --bind "$root/mnt/loop$minor" "$block/$node"
    ln -s "../devices/virtual/block/$node" "$root/sys/block/$node"
    ln -s "../../devices/virtual/block/$node" "$root/sys/class/block/$node"
    ln -s "../../devices/virtual/block/$node" "$root/sys/dev/block/$major:$minor"
  done < <(each_disk)
  # kept for disks that are put in later
  mount --move "$root/mnt" "$root/sys/kernel/debug"
}

control_groups() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    # not tried: the machines at hand have version 1
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
    [ -d "/sys/fs/cgroup/$controller" ] || continue
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller"
  done
  mkdir "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  mount -o remount,ro,mode=755 tmpfs "$root/sys/fs/cgroup"
}

each_disk() { tr ',' '\n' <<<"$disks" | sed '/^$/d'; }

character() { mknod -m 666 "$root/dev/$1" c "$2" "$3"; }

devices() {
  local node major minor id
  mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
  mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net" "$root/dev/mqueue" "$root/dev/disk/by-id"
  character null 1 3
  character zero 1 5
  character full 1 7
  character random 1 8
  character urandom 1 9
  character tty 5 0
  character fuse 10 229
  character net/tun 10 200
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t mqueue mqueue "$root/dev/mqueue"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s fd/0 "$root/dev/stdin"
  ln -s fd/1 "$root/dev/stdout"
  ln -s fd/2 "$root/dev/stderr"
  while IFS=: read -r node major minor id; do
    mknod -m 660 "$root/dev/$node" b "$major" "$minor"
    [ -z "$id" ] || ln -s "../../$node" "$root/dev/disk/by-id/$id"
  done < <(each_disk)
}

if [ "$mode" = systemd ]; then
  limit_proc
  limit_sys
  control_groups
fi
devices
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
[ "$mode" != systemd ] || mkdir -p "$root/var/lib/docker" "$root/var/lib/containerd"
cd "$root"
pivot_root . .
umount -l .
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$mode" = systemd ]; then
  # the same file system once more, by the name that this server knows
  mount -o noatime /dev/sda /mnt
  mount --bind /mnt/docker /var/lib/docker
  mount --bind /mnt/containerd /var/lib/containerd
  umount /mnt
  # systemd 257 boots on version 1 of the control groups; later ones may not, which is a reason for Debian 13
  exec env -i container=lab "PATH=$PATH" /lib/systemd/systemd SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
fi
mkdir -p /run/sshd
exec env -i "PATH=$PATH" /usr/bin/tini-static -- /usr/sbin/sshd -D -e
