// SPDX-License-Identifier: Apache-2.0
//! dnsmasq, which is installed: the package has no service of its own.

use std::net::Ipv4Addr;
use std::process::Command;

use super::daemon::{Files, Pool};
use crate::namespace::Namespace;

pub(super) fn command(
    namespace: &Namespace,
    interface: &str,
    pool: &Pool,
    files: &Files,
) -> (Command, &'static str) {
    let mut command = namespace.command_line(
        "dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts --no-resolv --port=0 \
         --bind-interfaces --dhcp-authoritative --dhcp-sequential-ip --no-ping \
         --user=root --log-facility=- --log-dhcp",
    );
    let (first, last) = (pool.range.start(), pool.range.end());
    let (netmask, lease) = (pool.subnet.netmask(), pool.lease.as_secs());
    command
        .arg(format!("--dhcp-range={first},{last},{netmask},{lease}s"))
        .arg(format!("--interface={interface}"))
        .arg(format!("--dhcp-leasefile={}", files.leases))
        .arg(format!("--pid-file={}", files.pid));
    if let Some((renewal, rebinding)) = pool.times {
        command
            .arg(format!("--dhcp-option=58,{}s", renewal.as_secs()))
            .arg(format!("--dhcp-option=59,{}s", rebinding.as_secs()));
    }
    command.args(&pool.more);
    (command, "sockets bound exclusively")
}

/// A line is a time, a hardware address, an address, a name and an identifier.
pub(super) fn has_leased(namespace: &Namespace, files: &Files, address: Ipv4Addr) -> bool {
    let leases = namespace.read(&files.leases).unwrap_or_default();
    let address = address.to_string();
    leases
        .lines()
        .any(|line| line.split_whitespace().nth(2) == Some(&address))
}
