// SPDX-License-Identifier: Apache-2.0
//! hhnet as a service is started, without systemd: in the foreground, with a
//! declarative file, and with no more capabilities than the unit leaves it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::host::Host;
use crate::privileges::number;
use crate::process::Running;

/// The unit that is shipped.
const UNIT: &str = include_str!("../../dist/hhnet.service");

/// Where a server has its declarative file.
pub const FILE: &str = "/run/hhnet.conf";

/// The last one of Linux 6.18.
const LAST: u32 = 40;

/// The command that the unit has, for a file with these lines.
pub fn command(server: &Host, lines: &str) -> Command {
    let written = server.namespace().enter(|| fs::write(FILE, lines));
    written.expect("/run is the machine's own");
    let mut command = server.hhnet_command(&format!("agent --foreground --config={FILE}"));
    let kept = kept();
    let confine = move || {
        for dropped in (0..=LAST).filter(|number| !kept.contains(number)) {
            // SAFETY: PR_CAPBSET_DROP takes a number.
            if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, dropped, 0, 0, 0) } != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls, allowed between fork and exec.
    unsafe { command.pre_exec(confine) };
    command
}

/// Starts the service.
pub fn start(server: &Host, lines: &str) -> Running {
    Running::start(&mut command(server, lines))
}

/// What the unit's `CapabilityBoundingSet` has in it.
fn kept() -> Vec<u32> {
    let set = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let names = set.expect("the unit has a set").split_whitespace();
    names.map(number).collect()
}
