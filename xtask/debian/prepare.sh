# SPDX-License-Identifier: Apache-2.0
# The last step of making a root of Debian: $1 is the root, $ARCHIVE the cpio to write.
set -eu

root=$1

# The user that everything is done by, and his way in.
chroot "$root" groupadd --gid 500 core
chroot "$root" useradd --uid 500 --gid core --create-home --shell /bin/bash core
chroot "$root" ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
mkdir -m 700 "$root/home/core/.ssh"
cp "$root/root/.ssh/id_ed25519.pub" "$root/home/core/.ssh/authorized_keys"
chroot "$root" chown -R core:core /home/core/.ssh

chroot "$root" systemctl --quiet enable ssh.service systemd-networkd.service \
    systemd-resolved.service systemd-timesyncd.service
# Each costs an emulated machine seconds, or waits for what never comes.
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service \
    systemd-network-generator.service getty@.service serial-getty@.service \
    NetworkManager.service NetworkManager-wait-online.service

# Nobody reads what ssh would have to say before each command.
rm -rf "$root/etc/update-motd.d" "$root/etc/motd"
# The user's own systemd stays, instead of coming and going with each command.
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/core"

echo server-01 >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 server-01\n' >"$root/etc/hosts"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
# The file with the name servers themselves, not that of the local stub.
ln -sf ../run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"

cd "$root"
find . -xdev \( -path ./var/lib/apt -o -path ./var/cache/apt -o -path ./var/lib/dpkg \
    -o -path ./usr/share/doc -o -path ./usr/share/man -o -path ./usr/share/locale \
    -o -path ./usr/lib/udev/hwdb.d -o -path ./usr/share/nmap \) -prune -o -print |
    cpio --quiet -o -H newc >"$ARCHIVE"
