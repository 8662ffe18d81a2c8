#!/bin/sh
# Boots a Debian for arm64 with the agent's package in it under an emulated
# processor, and tests it there: systemd as process 1, the units as they are
# installed, the boot partition as a FAT disk, a coordinator on this machine.
# Needs root and the programs named below, and says so without them.
# Usage: boot-test.sh NFPM
set -eu
nfpm=$(realpath "$1")
cd "$(dirname "$0")/.."
skip() { echo "NOT RUN: no Debian for arm64 is booted, because $*"; exit 0; }
[ "$(id -u)" -eq 0 ] || skip "only root can make one"
for program in debootstrap qemu-aarch64-static qemu-system-aarch64 mke2fs mformat; do
	command -v "$program" >/dev/null || skip "$program is missing (sh scripts/setup.sh --long installs it)"
done
emulators=/proc/sys/fs/binfmt_misc
mounted="" registered=""
work=$(mktemp -d)
root=$work/root
end() {
	status=$?
	[ "$status" -eq 0 ] || tail -n 20 "$work"/*.log 2>/dev/null || true
	umount "$root/proc" 2>/dev/null || true
	[ -z "$registered" ] || echo -1 >"$emulators/lucid-arm64"
	[ -z "$mounted" ] || umount "$emulators"
	rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM

# The kernel is told to run arm64 programs by the emulator, unless it knows.
if ! [ -e "$emulators/register" ]; then
	mount -t binfmt_misc binfmt_misc "$emulators" 2>/dev/null || skip "this kernel runs no foreign programs (binfmt_misc)"
	mounted=yes
fi
if ! grep -qs aarch64 "$emulators"/*; then
	# The head of an ELF file for arm64, and which bits of it matter. F: the
	# emulator is opened now, so it need not lie in the other root.
	printf '%s' ':lucid-arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$(command -v qemu-aarch64-static)"':F' >"$emulators/register"
	registered=yes
fi

echo "making a Debian for arm64 ..."
mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\) .*/\2/p; s/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
debootstrap --arch arm64 --variant=minbase --include=systemd-sysv,udev "$codename" "$root" "${mirror:-http://deb.debian.org/debian}" >"$work/debootstrap.log" 2>&1 || {
	tail -n 5 "$work/debootstrap.log"
	skip "debootstrap could not make one"
}
mount -t proc proc "$root/proc"
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@" >>"$work/inside.log" 2>&1; }
# The kernel's first file system, with what finds the disk and nothing else: to
# gather every driver takes an emulated processor a quarter of an hour.
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/usr/share/initramfs-tools/modules.d"
printf '%s\n' MODULES=list COMPRESS=gzip >"$root/etc/initramfs-tools/conf.d/lucid"
printf '%s\n' virtio_pci virtio_blk >"$root/usr/share/initramfs-tools/modules.d/lucid"
cp /etc/resolv.conf "$root/etc/resolv.conf"
inside apt-get install -y --no-install-recommends linux-image-cloud-arm64
VERSION=9.0.1 AGENT_ONLY=1 sh scripts/packages.sh "$nfpm" arm64 >/dev/null
cp dist/lucid-agent_9.0.1_arm64.deb "$root/root/"
inside apt-get install -y --no-install-recommends /root/lucid-agent_9.0.1_arm64.deb

# What an image for a Pi brings along: a name, disks, the network, and for the
# test a console on which root is logged in.
echo lucid-pi >"$root/etc/hostname"
mkdir -p "$root/boot/firmware" "$root/etc/systemd/system/serial-getty@ttyAMA0.service.d"
printf '%s\n' '/dev/vda / ext4 defaults 0 1' '/dev/vdb /boot/firmware vfat defaults 0 2' >"$root/etc/fstab"
printf '%s\n' '[Match]' 'Name=en* eth*' '[Network]' 'DHCP=yes' >"$root/etc/systemd/network/wired.network"
printf '%s\n' '[Service]' 'ExecStart=' 'ExecStart=-/sbin/agetty --autologin root --noclear %I dumb' \
	>"$root/etc/systemd/system/serial-getty@ttyAMA0.service.d/autologin.conf"
inside systemctl enable -q systemd-networkd systemd-networkd-wait-online
umount "$root/proc"

mkdir "$work/image"
cp "$root"/boot/vmlinuz-* "$work/image/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/image/initrd.img"
mke2fs -q -t ext4 -d "$root" "$work/image/root.ext4" 2G
rm -rf "$root"
echo "booting it ..."
cd e2e && go test -count=1 -timeout 40m -run TestBootedDebian -v . -boot-image "$work/image"
