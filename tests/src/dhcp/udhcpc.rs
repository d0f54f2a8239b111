// SPDX-License-Identifier: Apache-2.0
//! udhcpc, an applet of busybox: a DHCP client that somebody has left running.

use super::daemon::unpacked;
use crate::namespace::Namespace;
use crate::process::Running;
use crate::wait::{self, PATIENCE};

/// Starts it on `interface` of the machine, where it changes nothing: it asks
/// for an address, and has no script that would set it.
///
/// # Panics
/// When the software is not there or does not start.
pub fn udhcpc(machine: &Namespace, interface: &str) -> Running {
    let mut command = machine.command(unpacked("bin/busybox"));
    command.args(["udhcpc", "-f", "-i", interface, "-s", "/bin/true"]);
    command.args(["-t", "100", "-T", "1"]);
    let client = Running::start(&mut command);
    wait::until("udhcpc has asked", PATIENCE, || {
        client.stderr().contains("broadcasting discover")
    });
    client
}
