// SPDX-License-Identifier: Apache-2.0
//! A real DHCP server.

use crate::fabric::Vpc;
use crate::process::Running;
use crate::wait::{self, PATIENCE};

/// dnsmasq on one VPC, until dropped.
#[derive(Debug)]
pub struct Dnsmasq {
    process: Running,
}

impl Dnsmasq {
    /// Starts it and waits until it listens.
    pub(crate) fn start(vpc: &Vpc<'_>, options: &[&str]) -> Self {
        let interface = vpc.interface();
        let range = format!(
            "--dhcp-range={},{},255.255.255.0,24h",
            vpc.address(10),
            vpc.address(99)
        );
        let mut command = vpc.namespace().command_line(
            "dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts --no-resolv --port=0 \
             --bind-interfaces --dhcp-authoritative --dhcp-sequential-ip --no-ping \
             --user=root --log-facility=- --log-dhcp",
        );
        command
            .args([range, format!("--interface={interface}")])
            .args([format!("--dhcp-leasefile=/run/dnsmasq-{interface}.leases")])
            .args([format!("--pid-file=/run/dnsmasq-{interface}.pid")])
            .args(options);
        let mut process = Running::start(&mut command);
        let ready = wait::poll(PATIENCE, || {
            let ended = process.ended().is_some();
            (ended || process.stderr().contains("sockets bound exclusively")).then_some(!ended)
        });
        assert_eq!(
            ready,
            Some(true),
            "dnsmasq does not start:\n{}",
            process.stderr()
        );
        Self { process }
    }

    /// What it did so far, in its own words.
    pub fn log(&self) -> String {
        self.process.stderr()
    }
}
