// SPDX-License-Identifier: Apache-2.0
//! The clients, and how each is told to lease an address.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use super::machine::NETWORKD_USER;
use crate::host;
use crate::namespace::Namespace;

/// A program that leases addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// With its agent to be started, and without programs on the interface, which no
    /// other client has.
    Hhnet,
    /// Alone, without the rest of systemd.
    Networkd,
    /// ISC's, with Debian's configuration and script.
    Dhclient,
    /// Busybox's, with the smallest script that sets an address.
    Udhcpc,
    /// With Debian's configuration and hooks: probes the address before it takes it.
    Dhcpcd,
    /// The same without the probe.
    DhcpcdNoArp,
}

const UDHCPC_SCRIPT: &str = "/run/udhcpc.script";

impl Client {
    /// All of them, in the order of the table.
    pub(super) const ALL: [Self; 6] = [
        Self::Hhnet,
        Self::Networkd,
        Self::Dhclient,
        Self::Udhcpc,
        Self::Dhcpcd,
        Self::DhcpcdNoArp,
    ];

    /// As in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hhnet => "hhnet",
            Self::Networkd => "systemd-networkd",
            Self::Dhclient => "dhclient",
            Self::Udhcpc => "udhcpc",
            Self::Dhcpcd => "dhcpcd",
            Self::DhcpcdNoArp => "dhcpcd --noarp",
        }
    }

    /// Writes the files it wants to find, on the machine of the calling thread.
    pub(super) fn configure(self, interface: &str) -> io::Result<()> {
        match self {
            Self::Networkd => configure_networkd(interface),
            Self::Udhcpc => {
                fs::write(UDHCPC_SCRIPT, udhcpc_script())?;
                fs::set_permissions(UDHCPC_SCRIPT, fs::Permissions::from_mode(0o755))
            }
            // The home of its user, without which it keeps all rights.
            Self::Dhcpcd | Self::DhcpcdNoArp => fs::create_dir_all("/var/lib/dhcpcd"),
            Self::Hhnet | Self::Dhclient => Ok(()),
        }
    }

    /// The command that leases an address for `interface`. Apart from hhnet's, which
    /// leaves its agent behind, it stays as long as it has the lease.
    pub(super) fn command(self, machine: &Namespace, interface: &str) -> Command {
        let mut command = machine.command(self.program());
        match self {
            Self::Hhnet => command.args(["dhcp", interface, "--xdp=off"]),
            Self::Networkd => command.env("LD_LIBRARY_PATH", networkd_libraries()),
            Self::Dhclient => command
                .args(["-4", "-d", "-q", "-cf"])
                .arg(peer("isc-dhcp-client", "etc/dhcp/dhclient.conf"))
                .arg("-sf")
                .arg(peer("isc-dhcp-client", "sbin/dhclient-script"))
                .args(["-lf", "/run/dhclient.leases", "-pf", "/run/dhclient.pid"])
                .arg(interface),
            Self::Udhcpc => command.args(["udhcpc", "-f", "-i", interface, "-s", UDHCPC_SCRIPT]),
            Self::Dhcpcd | Self::DhcpcdNoArp => {
                if self == Self::DhcpcdNoArp {
                    command.arg("--noarp");
                }
                command
                    .args(["-4", "--nobackground", "--config"])
                    .arg(peer("dhcpcd-base", "etc/dhcpcd.conf"))
                    .arg("--script")
                    .arg(peer("dhcpcd-base", "usr/lib/dhcpcd/dhcpcd-run-hooks"))
                    .arg(interface)
            }
        };
        command
    }

    fn program(self) -> PathBuf {
        match self {
            Self::Hhnet => host::binary(),
            Self::Networkd => peer("systemd", "lib/systemd/systemd-networkd"),
            Self::Dhclient => peer("isc-dhcp-client", "sbin/dhclient"),
            Self::Udhcpc => busybox(),
            Self::Dhcpcd | Self::DhcpcdNoArp => peer("dhcpcd-base", "usr/sbin/dhcpcd"),
        }
    }
}

/// A file of an unpacked package.
fn peer(package: &str, file: &str) -> PathBuf {
    let peers = env::var_os("PEERS").expect("$PEERS holds the clients of others");
    PathBuf::from(peers).join(package).join("root").join(file)
}

fn busybox() -> PathBuf {
    peer("udhcpc", "bin/busybox")
}

/// Where the libraries are that a machine with systemd has and others may lack.
fn networkd_libraries() -> String {
    let dirs = [
        "usr/lib/x86_64-linux-gnu/systemd",
        "usr/lib/x86_64-linux-gnu",
        "lib/x86_64-linux-gnu",
    ];
    dirs.map(|dir| peer("systemd", dir).display().to_string())
        .join(":")
}

/// networkd gives up root before it writes to its directory.
fn configure_networkd(interface: &str) -> io::Result<()> {
    let network = format!(
        "[Match]\nName={interface}\n\
         [Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    );
    fs::create_dir_all("/run/systemd/network")?;
    fs::write("/run/systemd/network/05-bench.network", network)?;
    fs::create_dir_all("/run/systemd/netif")?;
    chown(
        "/run/systemd/netif",
        Some(NETWORKD_USER),
        Some(NETWORKD_USER),
    )
}

fn udhcpc_script() -> String {
    let busybox = busybox().display().to_string();
    format!(
        "#!{busybox} sh\n\
         [ \"$1\" = bound ] || exit 0\n\
         exec {busybox} ip addr add \"$ip/$mask\" dev \"$interface\"\n"
    )
}
