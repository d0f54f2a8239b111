// SPDX-License-Identifier: Apache-2.0
//! A leaf's port as switches have them: nothing but LACP passes until the port collects
//! and distributes. Linux lets everything pass from the beginning.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::leaf::{Leaf, lag_name, port_name};

/// How soon a change of LACP's opinion is noticed.
const LOOK: Duration = Duration::from_millis(5);

impl Leaf {
    /// Keeps the bundled port to `enp2s<nic>` of server-`server` strict, until told to
    /// stop.
    ///
    /// # Panics
    /// When there is no such port.
    pub fn keep_strict(&self, server: u8, nic: u8, stop: &AtomicBool) {
        self.namespace().enter(|| {
            let kept = keep_strict(&lag_name(server), &port_name(server, nic), stop);
            kept.unwrap_or_else(|e| panic!("watching a port of {}: {e}", self.namespace().name()));
        });
    }
}

/// Isolated ports of a bridge do not talk to each other; the uplink is always one.
fn keep_strict(lag: &str, port: &str, stop: &AtomicBool) -> io::Result<()> {
    let class = Path::new("/sys/class/net");
    let isolated = |link: &str| class.join(link).join("brport/isolated");
    fs::write(isolated("uplink"), "1")?;
    let mut was_open = None;
    while !stop.load(Ordering::Relaxed) {
        let is_open = is_distributing(port);
        if was_open != Some(is_open) {
            fs::write(isolated(lag), if is_open { "0" } else { "1" })?;
            was_open = Some(is_open);
        }
        thread::sleep(LOOK);
    }
    fs::write(isolated("uplink"), "0")
}

/// Whether a member of a bond, on the machine of the calling thread, collects and
/// distributes (bits 0x30 of its LACP state).
pub(crate) fn is_distributing(port: &str) -> bool {
    let state = Path::new("/sys/class/net")
        .join(port)
        .join("bonding_slave/ad_actor_oper_port_state");
    let state = fs::read_to_string(state).unwrap_or_default();
    state
        .trim()
        .parse::<u8>()
        .is_ok_and(|state| state & 0x30 == 0x30)
}
