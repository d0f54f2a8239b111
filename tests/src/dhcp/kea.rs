// SPDX-License-Identifier: Apache-2.0
//! Kea, ISC's newer server.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::{Value, json};

use super::daemon::{Files, Pool, configure, unpacked_in};
use crate::namespace::Namespace;

/// Where `cargo xtask setup` has unpacked it, with its libraries.
const ROOT: (&str, &str) = ("HHNET_KEA", "kea");

pub(super) fn command(
    namespace: &Namespace,
    interface: &str,
    pool: &Pool,
    files: &Files,
) -> (Command, &'static str) {
    let configuration = configuration(interface, pool, files);
    configure(namespace, files, &configuration.to_string());
    let program = unpacked_in(ROOT, "usr/sbin/kea-dhcp4");
    let libraries = program
        .ancestors()
        .nth(2)
        .expect("usr")
        .join("lib/x86_64-linux-gnu");
    let mut command = namespace.command(&program);
    command.args(["-c", &files.config]);
    // Its own root has no such directories.
    command.env("KEA_PIDFILE_DIR", "/run");
    command.env("KEA_LOCKFILE_DIR", "/run");
    command.env("LD_LIBRARY_PATH", libraries);
    (command, "DHCP4_STARTED")
}

/// It has no name for option 121, but takes any that is defined, in hexadecimal. Lines of
/// the pool are what is in `option-data`.
fn configuration(interface: &str, pool: &Pool, files: &Files) -> Value {
    let (first, last) = (pool.range.start(), pool.range.end());
    let lease = pool.lease.as_secs();
    let mut options = vec![json!({"name": "routers", "data": pool.server})];
    options.extend(
        pool.more.iter().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
        }),
    );
    let mut configuration = json!({"Dhcp4": {
        // Until the cable has two ends, it cannot listen, and would not try again.
        "interfaces-config": {
            "interfaces": [interface],
            "dhcp-socket-type": "raw",
            "service-sockets-max-retries": 1000,
            "service-sockets-retry-wait-time": 20,
        },
        "lease-database": {"type": "memfile", "name": files.leases, "lfc-interval": 0},
        "authoritative": true,
        "valid-lifetime": lease,
        "option-def": [{"name": "classless", "code": 121, "type": "binary"}],
        "subnet4": [{
            "id": 1,
            "subnet": pool.subnet.to_string(),
            "pools": [{"pool": format!("{first} - {last}")}],
            "option-data": options,
        }],
        "loggers": [{
            "name": "kea-dhcp4",
            "severity": "INFO",
            "output_options": [{"output": "stderr"}],
        }],
    }});
    if let Some((renewal, rebinding)) = pool.times {
        configuration["Dhcp4"]["renew-timer"] = renewal.as_secs().into();
        configuration["Dhcp4"]["rebind-timer"] = rebinding.as_secs().into();
    }
    configuration
}

/// The file is a journal of lines with commas: what it says last about an address counts.
/// A lease given back has no time left.
pub(super) fn has_leased(namespace: &Namespace, files: &Files, address: Ipv4Addr) -> bool {
    let leases = namespace.read(&files.leases).unwrap_or_default();
    let address = address.to_string();
    let mut entries = leases.lines().rev().map(|line| line.split(','));
    let entry = entries.find_map(|mut fields| {
        let is_it = fields.next() == Some(&address);
        // Hardware address, client id, time.
        is_it.then(|| fields.nth(2).map(str::to_owned))
    });
    entry.flatten().is_some_and(|time| time != "0")
}
