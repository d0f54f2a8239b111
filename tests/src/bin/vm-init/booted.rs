// SPDX-License-Identifier: Apache-2.0
//! The life of a service: the machine has started when its NICs are there, the one that
//! it is managed by has an address, and ssh answers.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait_for;

/// The NICs of the server, and those of the fabric.
const NICS: [&str; 7] = [
    "enp2s0", "enp2s1", "enp2s2", "enp2s3", "enp3s1", "enp3s2", "enp3s3",
];

/// By networkd, on a busy machine that is emulated.
const PATIENCE: Duration = Duration::from_secs(120);

const SSH: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 22);

/// Waits until the machine is as its users know it.
pub(crate) fn wait() -> Result<()> {
    for nic in NICS {
        let path = Path::new("/sys/class/net").join(nic);
        wait_for(nic, PATIENCE, || path.exists().then_some(()))?;
    }
    wait_for("enp2s0 is configured", PATIENCE, || {
        is_configured("enp2s0").ok().filter(|is| *is)
    })?;
    wait_for("sshd answers", PATIENCE, || greeting().ok())
}

/// What networkd says of a link in its own file.
fn is_configured(nic: &str) -> Result<bool> {
    let index = fs::read_to_string(format!("/sys/class/net/{nic}/ifindex"))?;
    let state = fs::read_to_string(format!("/run/systemd/netif/links/{}", index.trim()))?;
    Ok(state.lines().any(|line| line == "ADMIN_STATE=configured"))
}

fn greeting() -> Result<()> {
    let mut server = TcpStream::connect_timeout(&SocketAddr::from(SSH), Duration::from_secs(1))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut greeting = [0; 4];
    server.read_exact(&mut greeting)?;
    (greeting == *b"SSH-").then_some(()).context("no greeting")
}
