// SPDX-License-Identifier: Apache-2.0
//! Debian's DHCP servers for the tests: downloaded and unpacked, never installed, so
//! that no daemon starts on the user's machine. dnsmasq-base, which has none, is
//! installed with the other packages of the lab.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::apt;
use crate::progress::step;
use crate::workspace::Workspace;

/// ISC's server and relay; busybox has udhcpd. They need libc alone.
const PACKAGES: [&str; 3] = ["isc-dhcp-server", "isc-dhcp-relay", "busybox"];

/// Downloads the servers unless they are there, and returns the root they are in.
pub(crate) fn provision(workspace: &Workspace) -> Result<PathBuf> {
    let dir = workspace.servers();
    let root = dir.join("root");
    let wanted = PACKAGES.join("\n");
    let complete = dir.join("packages");
    if fs::read_to_string(&complete).is_ok_and(|there| there == wanted) {
        return Ok(root);
    }
    step("fetching Debian's DHCP servers for the tests", |step| {
        apt::refresh_lists(step)?;
        apt::unpack(step, &dir, &PACKAGES)?;
        // Written last: its presence says that everything before it was completed.
        fs::write(&complete, &wanted).with_context(|| format!("writing {}", complete.display()))
    })?;
    Ok(root)
}
