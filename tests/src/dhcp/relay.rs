// SPDX-License-Identifier: Apache-2.0
//! ISC dhcrelay, between clients and a server they cannot hear.

use std::net::Ipv4Addr;

use super::daemon::{start_until, unpacked};
use crate::namespace::Namespace;
use crate::process::Running;

/// A relay, until dropped.
#[derive(Debug)]
pub struct Relay {
    process: Running,
}

impl Relay {
    /// Passes what clients on `downstream` say on to `server`, which is reached
    /// over `upstream`.
    ///
    /// # Panics
    /// When the software is not there or does not start.
    pub fn start(
        namespace: &Namespace,
        downstream: &str,
        upstream: &str,
        server: Ipv4Addr,
    ) -> Self {
        let mut command = namespace.command(unpacked("usr/sbin/dhcrelay"));
        command
            .args([
                "-4", "-d", "-a", "--no-pid", "-id", downstream, "-iu", upstream,
            ])
            .arg(server.to_string());
        Self {
            process: start_until(&mut command, "Sending on   Socket/fallback"),
        }
    }

    /// What it did so far, in its own words.
    pub fn log(&self) -> String {
        self.process.stderr()
    }
}
