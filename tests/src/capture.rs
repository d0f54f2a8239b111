// SPDX-License-Identifier: Apache-2.0
//! What passes an interface, in the words of tcpdump: VLAN tags, which packet sockets do
//! not show in the frame, included.

use std::time::Duration;

use crate::namespace::Namespace;
use crate::process::Running;
use crate::wait::{self, PATIENCE};

/// A capture, until dropped.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Running,
}

impl Capture {
    /// Sees everything from now on that passes `interface` of the machine and matches
    /// the filter of pcap-filter(7); both directions, or one of `in` and `out`.
    ///
    /// # Panics
    /// When there is no such interface.
    #[track_caller]
    pub fn start(machine: &Namespace, interface: &str, direction: &str, filter: &str) -> Self {
        let mut command = machine.command_line(&format!(
            "tcpdump -Z root -l -n -e -v -s 0 --immediate-mode -Q {direction} -i {interface}"
        ));
        command.arg(filter);
        let tcpdump = Running::start(&mut command);
        wait::until("tcpdump listens", PATIENCE, || {
            tcpdump.stderr().contains("listening on")
        });
        Self { tcpdump }
    }

    /// All of it so far. A packet may have several lines, all but the first indented.
    pub fn text(&self) -> String {
        self.tcpdump.stdout()
    }

    /// The packets so far whose text has all of `words`.
    pub fn packets(&self, words: &[&str]) -> Vec<String> {
        let mut packets: Vec<String> = Vec::new();
        for line in self.text().lines() {
            match packets.last_mut() {
                Some(packet) if line.starts_with([' ', '\t']) => {
                    packet.push('\n');
                    packet.push_str(line);
                }
                _ => packets.push(line.to_owned()),
            }
        }
        packets.retain(|packet| words.iter().all(|word| packet.contains(word)));
        packets
    }

    /// Waits for a packet whose text has all of `words`.
    #[track_caller]
    pub fn wait_for(&self, deadline: Duration, words: &[&str]) -> String {
        let found = wait::poll(deadline, || self.packets(words).pop());
        found.unwrap_or_else(|| panic!("no packet with {words:?} in:\n{}", self.text()))
    }
}
