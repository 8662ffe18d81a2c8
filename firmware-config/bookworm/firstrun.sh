#!/bin/sh
# For Raspberry Pi OS Bookworm: copy to the boot partition, and put at the end of
# the one line in cmdline.txt:
#   systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target
# It runs once, without network, so it leaves the installing to a unit of its
# own at the next start. Every secret stays in lucid/enroll.toml.
set -eu
root=${ROOT-}
boot=$root/boot/firmware
repository=https://REPOSITORY.example

install -d -m 755 "$root/etc/apt/keyrings"
# The operator's key lies beside this file.
install -m 644 "$boot/lucid-archive-keyring.gpg" "$root/etc/apt/keyrings/lucid.gpg"
echo "deb [signed-by=/etc/apt/keyrings/lucid.gpg] $repository stable main" >"$root/etc/apt/sources.list.d/lucid.list"
cat >"$root/etc/systemd/system/lucid-install.service" <<'UNIT'
[Unit]
Description=Install the Lucid agent, once
After=network-online.target time-sync.target
Wants=network-online.target
ConditionPathExists=!/usr/bin/lucid-agent
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/usr/bin/apt-get update
ExecStart=/usr/bin/apt-get install -y lucid-agent
Environment=DEBIAN_FRONTEND=noninteractive
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
UNIT
install -d -m 755 "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../lucid-install.service "$root/etc/systemd/system/multi-user.target.wants/lucid-install.service"
# Once: cmdline.txt is as it was, and this file is gone.
sed -i 's| systemd\.run[^ ]*||g; s| systemd\.unit=kernel-command-line\.target||' "$boot/cmdline.txt"
rm -f "$boot/firstrun.sh"
