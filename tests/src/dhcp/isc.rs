// SPDX-License-Identifier: Apache-2.0
//! ISC dhcpd.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::process::Command;

use super::daemon::{Files, Pool, configure, unpacked};
use crate::namespace::Namespace;

pub(super) fn command(
    namespace: &Namespace,
    interface: &str,
    pool: &Pool,
    files: &Files,
) -> (Command, &'static str) {
    configure(namespace, files, &configuration(pool));
    let mut command = namespace.command(unpacked("usr/sbin/dhcpd"));
    command.args(["-4", "-f", "-d", "--no-pid"]).args([
        "-cf",
        &files.config,
        "-lf",
        &files.leases,
        interface,
    ]);
    (command, "Server starting service")
}

/// It has no option 121 of its own, but takes any that is declared. A renewal in the
/// first quarter of a lease would bring no new time (dhcp-cache-threshold).
fn configuration(pool: &Pool) -> String {
    let (network, netmask) = (pool.subnet.network(), pool.subnet.netmask());
    let (first, last) = (pool.range.start(), pool.range.end());
    let lease = pool.lease.as_secs();
    let mut text = format!(
        "authoritative;\n\
         ping-check false;\n\
         dhcp-cache-threshold 0;\n\
         option classless-routes code 121 = array of unsigned integer 8;\n\
         default-lease-time {lease};\n\
         max-lease-time {lease};\n\
         min-lease-time 1;\n"
    );
    if let Some((renewal, rebinding)) = pool.times {
        let (renewal, rebinding) = (renewal.as_secs(), rebinding.as_secs());
        let _ = writeln!(text, "option dhcp-renewal-time {renewal};");
        let _ = writeln!(text, "option dhcp-rebinding-time {rebinding};");
    }
    if let Some(subnet) = pool.own_subnet {
        let _ = writeln!(text, "subnet {subnet} netmask 255.255.255.0 {{ }}");
    }
    // About addresses that are in no pool at all it is silent.
    let closed = pool.closed.as_ref().map_or_else(String::new, |closed| {
        let (first, last) = (closed.start(), closed.end());
        format!("pool {{ deny all clients; range {first} {last}; }}")
    });
    let _ = writeln!(
        text,
        "subnet {network} netmask {netmask} {{\n\
         range {first} {last};\n\
         option routers {};\n\
         {closed}\n\
         {}\n}}",
        pool.server,
        pool.more.join("\n")
    );
    text
}

/// The file is a journal: what it says last about an address counts.
pub(super) fn has_leased(namespace: &Namespace, files: &Files, address: Ipv4Addr) -> bool {
    let leases = namespace.read(&files.leases).unwrap_or_default();
    let entry = leases.rsplit_once(&format!("lease {address} {{"));
    entry.is_some_and(|(_, rest)| {
        let entry = rest.split('}').next().unwrap_or_default();
        entry.contains("\n  binding state active;")
    })
}
