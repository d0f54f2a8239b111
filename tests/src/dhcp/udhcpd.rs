// SPDX-License-Identifier: Apache-2.0
//! udhcpd, an applet of busybox.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::process::Command;

use super::daemon::{Files, Pool, configure, unpacked};
use crate::namespace::Namespace;
use crate::process;
use crate::wait::PATIENCE;

pub(super) fn command(
    namespace: &Namespace,
    interface: &str,
    pool: &Pool,
    files: &Files,
) -> (Command, &'static str) {
    configure(namespace, files, &configuration(interface, pool, files));
    let mut command = namespace.command(unpacked("bin/busybox"));
    command.args(["udhcpd", "-f", &files.config]);
    (command, "started, v")
}

/// `auto_time`: how often it writes its leases, in seconds. It has no names for
/// T1 and T2, but takes any option in hexadecimal.
fn configuration(interface: &str, pool: &Pool, files: &Files) -> String {
    let (first, last) = (pool.range.start(), pool.range.end());
    let mut text = format!(
        "interface {interface}\n\
         start {first}\n\
         end {last}\n\
         lease_file {}\n\
         pidfile {}\n\
         auto_time 1\n\
         min_lease 1\n\
         opt lease {}\n\
         opt subnet {}\n\
         opt router {}\n",
        files.leases,
        files.pid,
        pool.lease.as_secs(),
        pool.subnet.netmask(),
        pool.server,
    );
    if let Some((renewal, rebinding)) = pool.times {
        let _ = writeln!(text, "opt 0x3a {:08x}", renewal.as_secs());
        let _ = writeln!(text, "opt 0x3b {:08x}", rebinding.as_secs());
    }
    text + &pool.more.join("\n") + "\n"
}

/// A lease given back is in the file as one that has expired.
pub(super) fn has_leased(namespace: &Namespace, files: &Files, address: Ipv4Addr) -> bool {
    let mut command = namespace.command(unpacked("bin/busybox"));
    command.args(["dumpleases", "-f", &files.leases]);
    let leases = process::run(&mut command, PATIENCE).stdout;
    let address = address.to_string();
    leases
        .lines()
        .any(|line| line.split_whitespace().nth(1) == Some(&address) && !line.contains("expired"))
}
